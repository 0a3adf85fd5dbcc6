"""A search's query string (PS3.18 8.3.4), made into conditions. No value of it becomes a part of a statement's text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, literal

from engine.errors import Refusal
from engine.platform.dicomweb.keys import BY_NAME, Key, Level, Matching

MOST_RESULTS = 10_000
USUAL_RESULTS = 1000
_LONGEST_VALUE = 4096
_MOST_UIDS = 200
UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
LONGEST_UID = 64
HASHED_ID = re.compile(r"[0-9a-f]{32}")
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_KEYWORD = re.compile(r"[A-Za-z0-9]{1,64}(?:\.[A-Za-z0-9]{1,64})*")


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for. `capped`: the client wanted more than one answer may hold; `ignored`: names of parameters that
    are known and not matched; `hashed_id`: the patient asked for, if it is a hashed ID and not some other text.
    """

    level: Level
    conditions: tuple[ColumnElement[bool], ...]
    limit: int
    offset: int
    capped: bool
    ignored: tuple[str, ...]
    hashed_id: str


def parse(level: Level, parameters: Iterable[tuple[str, str]]) -> Search:
    """Raises Refusal("query") for what is no query; the message shows no value."""
    conditions: list[ColumnElement[bool]] = []
    ignored: list[str] = []
    limit, offset, hashed_id = None, 0, ""
    for name, value in parameters:
        if len(value) > _LONGEST_VALUE or "\0" in value:
            raise Refusal(
                "query", f"the value of a query parameter is longer than {_LONGEST_VALUE} or has a NUL"
            )
        if name == "limit":
            limit = _whole(name, value)
        elif name == "offset":
            offset = _whole(name, value)
        elif name == "includefield":
            continue  # everything that the index knows is in each answer
        elif name == "fuzzymatching":
            if value != "false":
                ignored.append(name)
        else:
            key = BY_NAME.get(name.upper() if _TAG.fullmatch(name) else name)
            if key is None or key.level.value > level.value or key.matching is Matching.NONE:
                ignored.append(_known_name(name))
            elif value not in {"", "*"}:
                conditions.append(_condition(key, value))
                if key.keyword == "PatientID" and HASHED_ID.fullmatch(value):
                    hashed_id = value
    wanted = USUAL_RESULTS if limit is None else min(limit, MOST_RESULTS)
    capped = limit is None or limit > MOST_RESULTS
    return Search(level, tuple(conditions), wanted, offset, capped, tuple(ignored), hashed_id)


def is_uid(text: str) -> bool:
    """Whether the text is a UID."""
    return len(text) <= LONGEST_UID and UID.fullmatch(text) is not None


def _known_name(name: str) -> str:
    """PS3.18 8.3.4.1: an attribute that is not matched is ignored with a warning; what is no attribute is refused."""
    if not _KEYWORD.fullmatch(name):
        raise Refusal("query", "a query parameter is neither an attribute's keyword nor its tag")
    return name


def _whole(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise Refusal("query", f"{name} must be a whole number")
    return int(value)


def _condition(key: Key, value: str) -> ColumnElement[bool]:
    match key.matching:
        case Matching.UID:
            return key.column.in_(_uids(key, value))
        case Matching.DATE:
            return _dates(key, value)
        case Matching.NUMBER:
            if not re.fullmatch(r"[+-]?[0-9]{1,9}", value):
                raise Refusal("query", f"{key.keyword} must be a whole number")
            return key.column == int(value)
        case Matching.AMONG:
            among = literal("\\") + key.column + literal("\\")
            return among.contains(f"\\{value}\\", autoescape=True)
        case _:
            return _text(key, value)


def _uids(key: Key, value: str) -> list[str]:
    given = [uid for uid in re.split(r"[,\\]", value) if uid]
    if not 1 <= len(given) <= _MOST_UIDS or not all(is_uid(uid) for uid in given):
        raise Refusal("query", f"{key.keyword} must be 1 to {_MOST_UIDS} UIDs with commas between")
    return given


def _dates(key: Key, value: str) -> ColumnElement[bool]:
    first, hyphen, last = value.partition("-")
    for day in (first, last):
        if day:
            _must_be_a_day(key, day)
    if not hyphen:
        return key.column == first
    condition = key.column != ""
    if first:
        condition &= key.column >= first
    if last:
        condition &= key.column <= last
    return condition


def _must_be_a_day(key: Key, text: str) -> None:
    try:
        if not re.fullmatch(r"[0-9]{8}", text):
            raise ValueError
        datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007 - only its form is looked at
    except ValueError:
        problem = Refusal(
            "query", f"{key.keyword} must be a date such as 20260131, or two with a hyphen between"
        )
    else:
        return
    raise problem


def _text(key: Key, value: str) -> ColumnElement[bool]:
    if "*" not in value and "?" not in value:
        return key.column == value
    escaped = re.sub(r"[%_/]", lambda found: "/" + found[0], value)
    return key.column.ilike(escaped.replace("*", "%").replace("?", "_"), escape="/")
