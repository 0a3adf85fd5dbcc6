"""Names of accounts: ASCII, so that no two look alike, and short, so that they fit every page and log line."""

from __future__ import annotations

import re

from engine.platform.errors import AccountError

LONGEST_NAME = 64
_TENANT = re.compile(r"[a-z0-9-]{1,63}")
_ACCOUNT_ID = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


def canonical_name(typed: str) -> str | None:
    """The account's name for what somebody typed, in small letters; None if no account can have this name."""
    if len(typed) > 4 * LONGEST_NAME:  # before anything costs time
        return None
    name = typed.strip(" \t\r\n")
    lowered = name.lower() if name.isascii() else ""
    return lowered if _NAME.fullmatch(lowered) else None


def new_name(typed: str) -> str:
    """As `canonical_name`, for an account that is to be made. Raises AccountError("account-name")."""
    name = canonical_name(typed)
    if name is None:
        raise AccountError(
            "account-name",
            "an account's name is 1 to 64 of the characters a to z, 0 to 9 and . _ @ + -",
            hint="letters with accents and of other alphabets are not taken: two names could look the same",
        )
    return name


def is_tenant(typed: str) -> bool:
    """Whether an institution can have this name; what cannot is never asked of the database."""
    return _TENANT.fullmatch(typed) is not None


def is_account_id(typed: str) -> bool:
    """Whether an account can have this id."""
    return _ACCOUNT_ID.fullmatch(typed) is not None
