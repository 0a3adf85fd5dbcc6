"""What a search comes to: a fragment of configuration, what it gains and costs, and how to put it into the file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from engine.config import GatewayConfig, load_gateway
from engine.errors import ConfigError
from engine.tuning.search import Found, Outcome
from engine.tuning.setting import Setting

WITHIN: Final = 0.2
"""A check confirms the prediction if it is off by no more than this part of it."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed after a search, for objects of `mean_bytes`; `check` is a longer run with it, if there was one."""

    found: Found
    mean_bytes: float
    check: Outcome | None = None

    @property
    def setting(self) -> Setting:
        return self.found.knee

    @property
    def predicted(self) -> float:
        """Objects a second."""
        return self.found.tried.rate(self.found.knee)

    @property
    def gain(self) -> float:
        """× the rate of the configuration as it is."""
        return self.predicted / self.found.tried.rate(self.found.begun)

    @property
    def confirmed(self) -> bool | None:
        """Whether the check agrees; None without one."""
        if self.check is None:
            return None
        return abs(self.check.rate / self.predicted - 1) <= WITHIN

    @property
    def fragment(self) -> str:
        """The proposal as TOML."""
        sections = self.setting.changes(self.mean_bytes)
        return "\n".join(
            line
            for name, keys in sections.items()
            for line in (f"[{name}]", *(f"{key} = {value}" for key, value in keys.items()), "")
        )

    def describe(self) -> dict[str, Any]:
        """The proposal and all trials as a JSON object."""
        tried = self.found.tried
        now, then = tried.last(self.found.begun), tried.last(self.setting)
        return {
            "proposal": self.setting.changes(self.mean_bytes),
            "now": {
                **self.found.begun.describe(),
                "objects_per_second": round(tried.rate(self.found.begun), 1),
            },
            "predicted": {
                "objects_per_second": round(self.predicted, 1),
                "gain": round(self.gain, 3),
                "resident_bytes": then.resident,
                "resident_bytes_more": then.resident - now.resident,
                "spool_bytes": then.spooled,
                "spool_bytes_more": then.spooled - now.spooled,
                "limit": then.limit,
            },
            "best": {
                **self.found.best.describe(),
                "objects_per_second": round(tried.rate(self.found.best), 1),
            },
            "check": None
            if self.check is None
            else {"objects_per_second": round(self.check.rate, 1), "within_prediction": self.confirmed},
            "searched_everything": self.found.whole,
            "trials": [
                {**setting.describe(), "objects_per_second": [round(one.rate, 1) for one in outcomes]}
                for setting, outcomes in tried.outcomes.items()
            ],
        }


def apply(path: Path, proposal: Proposal) -> GatewayConfig:
    """Puts the proposal into the configuration at `path`, whose comments and order stay; atomically, and only if the result
    is a configuration that can be loaded. Raises ConfigError."""
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, TOMLKitError) as error:
        raise ConfigError("config-unreadable", f"cannot read the configuration {path}: {error}") from error
    for section, keys in proposal.setting.changes(proposal.mean_bytes).items():
        for table in _tables(document, section):
            for key, value in keys.items():
                table[key] = value
    part = path.with_name(f".{path.name}.tune")
    try:
        descriptor = os.open(
            path.parent / part.name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
        )
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            about = path.stat()
            os.fchmod(descriptor, about.st_mode & 0o777)
            if os.geteuid() == 0:
                os.fchown(descriptor, about.st_uid, about.st_gid)
            file.write(tomlkit.dumps(document))
            file.flush()
            os.fsync(descriptor)
        config = load_gateway(part)
        part.rename(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ConfigError("config-unwritable", f"cannot write {path}: {error.strerror}") from error
    except ConfigError:
        part.unlink(missing_ok=True)
        raise
    return config


def _tables(document: Any, section: str) -> list[Any]:
    """The tables of a section. Where only [[destination]] says where to send, the settings of [uploader] are theirs."""
    if section == "uploader" and section not in document and "destination" in document:
        return [one for one in document["destination"] if one.get("kind") in ("penstock", "stow")]
    return [document.setdefault(section, tomlkit.table())]
