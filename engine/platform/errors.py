"""What the platform's rooms for people refuse. Messages are shown to people and hold nothing of what was typed."""

from __future__ import annotations

from engine.errors import PenstockError


class AccountError(PenstockError):
    """Something about accounts, sign-in or sessions that cannot be done. `wait` is in seconds: try again then."""

    wait: int = 0


class AuditError(PenstockError):
    """The audit trail cannot be written, or is not what it was."""
