"""`[enrolment]`: the folder that `penstock enroll` fills, and what it makes unnecessary in the rest of the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.config.sections import Seconds, Section

DEFAULT_FOLDER = "identity"
CREDENTIAL = "gateway.pem"  # key, certificate and chain in one file, so that they change in one rename
CA = "ca.pem"
PLATFORM = "platform.json"
NOT_ENROLLED = "https://not-enrolled.invalid"
"""Stands for the platform's address where there is none yet: it never resolves (RFC 2606)."""


class EnrolmentConfig(Section, frozen=True, kw_only=True):
    """`[enrolment]`: where this gateway's key, its certificate and the platform's address lie.

    Every `check_seconds` the platform is asked whether the hash secret is another one, and whether this gateway is still
    the one in force. Keys of [identity] and [uploader] that are given all the same win over what lies in the folder.
    """

    folder: Path
    check_seconds: Seconds = 30.0

    @property
    def credential(self) -> Path:
        """Private key, certificate and chain, PEM, mode 0600."""
        return self.folder / CREDENTIAL

    @property
    def ca(self) -> Path:
        """Who vouches for the platform, PEM."""
        return self.folder / CA

    @property
    def platform(self) -> Path:
        """What the platform said at the enrolment, JSON."""
        return self.folder / PLATFORM

    @property
    def is_enrolled(self) -> bool:
        return self.credential.exists() and self.platform.exists()


def complete(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The gateway's tables with what `[enrolment]` gives, where it stands; paths count from `folder`.

    Tables of a wrong type are left as they are, for the check that follows.
    """
    enrolment = data.get("enrolment")
    if not isinstance(enrolment, dict):
        return data
    named = enrolment.get("folder", DEFAULT_FOLDER)
    identity, uploader = data.get("identity", {}), data.get("uploader", {})
    given = {**data, "enrolment": {**enrolment, "folder": named}}
    if not isinstance(named, str) or "\0" in named:
        return given
    there = EnrolmentConfig(folder=folder / named)
    if isinstance(identity, dict):
        given["identity"] = {"secret_file": None, **identity}
    if isinstance(uploader, dict):
        known = _told(there.platform)
        receipts = {"receipt_key": known["receipt_key"]} if known.get("receipt_key") else {}
        given["uploader"] = {
            "url": known.get("url", NOT_ENROLLED),
            **receipts,
            "certificate": str(there.credential),
            "key": str(there.credential),
            "ca": str(there.ca),
            **uploader,
        }
    return given


def _told(path: Path) -> dict[str, str]:
    """What the platform said at the enrolment. What cannot be read counts as nothing: the gateway does not start then, and
    says what to do.
    """
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return (
        {name: value for name, value in told.items() if isinstance(value, str)}
        if isinstance(told, dict)
        else {}
    )
