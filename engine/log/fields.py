"""What may stand in a log line. A log outlives the spool and is read by people who may not know any patient,
so text from outside (names, AE titles, UIDs, messages of libraries) is withheld even if somebody passes it by
mistake."""

from __future__ import annotations

import re
import traceback

from engine.errors import PenstockError, Refusal

Field = str | int | float | bool | None
WITHHELD = "[withheld]"

# Ids, addresses, codes and paths that Penstock made or was configured with; nothing with spaces, ^ or
# non-ASCII letters.
_SAFE = re.compile(r"[A-Za-z0-9_.:/=@+\[\]-]{1,200}")
# A UID, or a date, time or number that is written as text. An IPv4 address is at most 15 characters long.
_DIGITS = re.compile(r"[0-9.]+")
_LONGEST_ADDRESS = 15
_INT64 = 2**63
_LONGEST_WORDS = 500


class Words(str):
    """The text of an error of ours, for the person who runs this; made by `of_error` alone."""

    __slots__ = ()


def safe(value: object) -> Field:
    """The value if it may be logged, else WITHHELD. Never raises."""
    if isinstance(value, Words):
        return "".join(c if c.isprintable() else "?" for c in value[:_LONGEST_WORDS])
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else WITHHELD
    if not isinstance(value, str) or not _SAFE.fullmatch(value):
        return WITHHELD
    if _DIGITS.fullmatch(value) and len(value) > _LONGEST_ADDRESS:
        return WITHHELD
    return value


def of_error(error: BaseException) -> dict[str, Field]:
    """What an exception tells without its message, which may quote a data set: its type, code and place.

    `at` names the innermost frames as file:line, the innermost last; an OSError adds `errno`. Errors of ours
    that are no refusal of an object (a configuration, the spool, a peer) also tell `message` and `hint`:
    somebody must act.
    """
    told: dict[str, Field] = {"error": type(error).__name__}
    if isinstance(error, PenstockError):
        told["code"] = error.code
        if error.tag is not None:
            told["tag"] = f"{error.tag:08X}"
        if error.offset is not None:
            told["offset"] = error.offset
        if not isinstance(error, Refusal):
            told["message"] = Words(error.message)
            if error.hint:
                told["hint"] = Words(error.hint)
    if isinstance(error, OSError) and error.errno is not None:
        told["errno"] = error.errno
    places = [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<")  # the import machinery, and code without a file
    ]
    if places:
        told["at"] = "/".join(places[-4:])
    return told
