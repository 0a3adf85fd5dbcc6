"""Receipts of de-identification of the gateway: one for each pass, in SPOOL/receipts.

What is counted lies in the pass, one line for each object (`open/<pass>/tally`). The line is written before
the plan has its name, and an object that is planned again writes another one, which takes its place: so a
crash loses none and counts none twice. When the pass is sealed the lines become a receipt, and go with the
key."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import orjson

from engine.pseudonymize.plan import ObjectPlan
from engine.pseudonymize.receipt import Tally, Treatment, document
from engine.spool import passfile
from engine.spool.layout import Spool, write_durably, write_whole

MOST: Final = 10_000
"""Receipts that are kept, about 1.5 kB each; the oldest go first."""

_SLACK: Final = 100


class Line(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """One object of a pass: its new UIDs and its counts; or `code` and `tag` of why it went to quarantine."""

    identifier: str
    code: str = ""
    tag: int | None = None
    sop: str = ""
    study: str = ""
    hashed_id: str = ""
    pixels: str = ""
    counts: Mapping[str, int] = {}


def note_plan(spool: Spool, pass_id: str, identifier: str, plan: ObjectPlan) -> None:
    """Before the plan gets its name. OSError as the disk fails: then the object must not be ready."""
    _append(
        spool,
        pass_id,
        Line(
            identifier,
            sop=plan.sop_instance_uid,
            study=plan.study_instance_uid,
            hashed_id=plan.hashed_id,
            pixels=plan.pixels,
            counts=plan.counts,
        ),
    )


def note_refusal(spool: Spool, pass_id: str, identifier: str, code: str, tag: int | None) -> None:
    """An object of an open pass goes to quarantine. OSError as the disk fails."""
    _append(spool, pass_id, Line(identifier, code=code, tag=tag))


class Receipts:
    """The receipts of one spool, at most `most` and a few; written by the coordinator alone."""

    def __init__(self, spool: Spool, most: int = MOST) -> None:
        self._spool = spool
        self._most = most
        self._count = sum(1 for _ in self._kept())

    def write(self, pass_id: str, treatment: Treatment, without: frozenset[str] = frozenset()) -> Tally:
        """The receipt of a pass that is to be sealed, durable when this returns; what stands in it. Safe to
        repeat. `without`: objects that left the pass unplanned. OSError as the disk fails."""
        lines = {line.identifier: line for line in _lines(self._spool, pass_id)}
        joined = {one.identifier for one in passfile.load_joined(self._spool, pass_id)}
        tally, study = _sum(lines)
        told = document(
            tally,
            treatment,
            scope="study",
            about={"pass": pass_id, "study": study, "hashed_ids": sorted(tally.hashed_ids)},
            complete=True,
            exact=joined - without <= lines.keys(),
        )
        path = self._spool.receipt(pass_id)
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        write_durably(part, orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        self._count += not path.exists()
        part.replace(path)
        self._prune()
        return tally

    def _prune(self) -> None:
        if self._count <= self._most + _SLACK:
            return
        ages = sorted((entry.stat().st_mtime_ns, entry.path) for entry in self._kept())
        for _, path in ages[: len(ages) - self._most]:
            os.unlink(path)  # noqa: PTH108
        self._count = min(len(ages), self._most)

    def _kept(self) -> Iterator[os.DirEntry[str]]:
        with os.scandir(self._spool.receipts) as entries:
            yield from (entry for entry in entries if entry.name.endswith(".json"))


def _append(spool: Spool, pass_id: str, line: Line) -> None:
    descriptor = os.open(spool.tally(pass_id), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        # One write for a line, for several workers append to one file; and a line that a full disk cut off ends here.
        write_whole(descriptor, b"\n" + msgspec.json.encode(line) + b"\n")
    finally:
        os.close(descriptor)


def _lines(spool: Spool, pass_id: str) -> Iterator[Line]:
    """Without those that a crash or a full disk cut off: their objects are missing, and the receipt says so."""
    with contextlib.suppress(FileNotFoundError), spool.tally(pass_id).open("rb") as file:
        for text in file:
            with contextlib.suppress(msgspec.DecodeError):
                yield msgspec.json.decode(text, type=Line)


def _sum(lines: dict[str, Line]) -> tuple[Tally, str]:
    """The counts, and the new Study Instance UID, "" if no object has one. An object that was sent twice
    counts once.
    """
    tally, study, known = Tally(), "", set()
    for line in lines.values():
        if line.code:
            tally.refuse(line.code, line.tag)
        elif line.sop not in known:
            known.add(line.sop)
            study = study or line.study
            tally.count(line.hashed_id, line.pixels, line.counts)
    return tally, study
