"""What `penstock doctor --repair` does: only what the gateway itself would do at its start, and rights that are too wide. It never
touches an acknowledged object."""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Callable
from pathlib import Path

from engine.doctor.examine import Report
from engine.doctor.finding import Finding
from engine.doctor.room import readable_by_others
from engine.errors import SpoolError
from engine.spool import passfile, quarantine
from engine.spool.layout import OBJECT_ID, PART, Spool


def repair(report: Report) -> Report:
    """The report with what was repaired marked. SpoolError if a gateway runs: it repairs these things itself."""
    if not report.spool or not Path(report.spool).is_dir():
        return report
    _close_to_others(Path(report.spool))
    spool = Spool.open(report.spool, create=False)
    if report.running:
        raise SpoolError(
            "spool-in-use",
            "a gateway is running on this spool",
            hint="stop it before --repair; without it the doctor only reads",
        )
    lock = spool.lock()
    try:
        findings = tuple(_repaired(one, spool) for one in report.findings)
    finally:
        os.close(lock)
    return dataclasses.replace(report, findings=findings)


def _repaired(finding: Finding, spool: Spool) -> Finding:
    action = _ACTIONS.get(finding.code)
    if action is None:
        return finding
    action(spool)
    return dataclasses.replace(finding, repaired=True)


def _remove_parts(spool: Spool) -> None:
    for path in spool.incoming.iterdir():
        if path.name.endswith(PART) and OBJECT_ID.fullmatch(path.name.removesuffix(PART)):
            path.unlink(missing_ok=True)


def _tighten(spool: Spool) -> None:
    for path in readable_by_others(spool):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o700)


def _close_to_others(root: Path) -> None:
    """A spool that others can read cannot even be opened."""
    about = root.stat()
    if about.st_uid == os.geteuid() and stat.S_IMODE(about.st_mode) & 0o077:
        root.chmod(0o700)


def _ignore_count(sweep: Callable[[Spool], int]) -> Callable[[Spool], None]:
    def act(spool: Spool) -> None:
        sweep(spool)

    return act


_ACTIONS: dict[str, Callable[[Spool], None]] = {
    "parts-stale": _remove_parts,
    "open-to-others": _tighten,
    "spool-open-to-others": _tighten,
    "reason-without-object": _ignore_count(quarantine.sweep),
    "pass-unnamed": _ignore_count(passfile.sweep),
}
