"""All examinations, one after the other; nothing is changed."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from engine.config import GatewayConfig, load_gateway
from engine.doctor import keepsakes, room
from engine.doctor.arrivals import arrivals
from engine.doctor.finding import Finding, Level
from engine.doctor.passes import passes
from engine.doctor.settings import certificates, peers, read_settings
from engine.errors import ConfigError, SpoolError
from engine.spool.inventory import is_running
from engine.spool.layout import Spool


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in the spool at `spool` ("" where not even its place is known)."""

    spool: str
    running: bool
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """The gravest that is not repaired."""
        return max((one.level for one in self.findings if not one.repaired), default=Level.NOTE)

    def describe(self) -> dict[str, object]:
        """As a JSON object."""
        return {
            "spool": self.spool,
            "running": self.running,
            "level": self.level.name.lower(),
            "findings": [one.describe() for one in self.findings],
        }


def examine(path: Path) -> Report:
    """Reads the configuration and everything that it names."""
    try:
        config = load_gateway(path)
    except ConfigError as error:
        finding = Finding(
            Level.UNUSABLE, error.code, error.message, "refuse to start", error.hint, where=str(path)
        )
        return Report("", running=False, findings=(finding,))
    settings, found = read_settings(config)
    found += certificates(config, datetime.datetime.now(datetime.UTC))
    found += peers(config)
    root = config.spool.path
    if not root.exists():
        found.append(
            Finding(
                Level.NOTE,
                "spool-new",
                "there is no spool yet",
                "make it at its first start",
                where=str(root),
            )
        )
        return Report(str(root), running=False, findings=tuple(found))
    running = False
    try:
        spool = Spool.open(root, create=False)
        running = is_running(spool)
        found += _of_spool(config, spool, running=running)
        found += passes(spool, settings)
    except SpoolError as error:
        found += _of_unusable(config, error)
    except OSError as error:
        found.append(
            Finding(
                Level.UNUSABLE,
                "spool-unreadable",
                f"the spool cannot be read: {error.strerror}",
                "fail at the same place",
                "examine the disk and the permissions",
                where=str(error.filename or root),
            )
        )
    return Report(str(root), running, tuple(found))


def _of_spool(config: GatewayConfig, spool: Spool, *, running: bool) -> list[Finding]:
    found = [*room.room(config, spool, running=running), *room.rights(spool), *room.clock(spool)]
    found += arrivals(spool, running=running)
    found += keepsakes.quarantine(spool)
    found += keepsakes.ledger(spool, running=running)
    return found


def _of_unusable(config: GatewayConfig, error: SpoolError) -> list[Finding]:
    return [
        Finding(
            Level.UNUSABLE,
            error.code,
            error.message,
            "refuse to start",
            error.hint,
            where=str(config.spool.path),
        )
    ]
