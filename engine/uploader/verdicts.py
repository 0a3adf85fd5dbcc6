"""What an answer to STOW-RS says about each object (PS3.18 10.5.3 and I.2).

A receipt is a status of 200 and an item of Referenced SOP Sequence with the digest and the length of what
was sent, in the private block that docs/platform.md describes. Nothing else is one: not 202, not a bare
reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import orjson

from engine.errors import TransportError

_FAILED, _STORED = "00081198", "00081199"
_INSTANCE, _REASON = "00081155", "00081197"
_CREATOR, _DIGEST, _LENGTH, _CODE = "00990010", "00991001", "00991002", "00991006"

_ALL_STORED = 200

# Failure Reason (0008,1197): what no repeat can change. PS3.18 Table I.2-2, PS3.7 Annex C.
_FOR_GOOD_RANGES = ((0xA900, 0xA9FF), (0xC000, 0xCFFF), (0x0122, 0x0122), (0x0111, 0x0111))
_FOR_GOOD_CODES = frozenset({"other-digest"})
_CODE_WORD_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


class Outcome(StrEnum):
    """What is to be done with one object now."""

    RECEIPT = "receipt"  # delivered
    REFUSED = "refused"  # never will be: to the quarantine
    AGAIN = "again"  # the object itself has failed and may do better later
    UNTOLD = "untold"  # others of its request failed, and so it has no receipt


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome with its reason, a code word of at most 64 lower case letters, digits and hyphens."""

    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """One object of a request: what was sent under which SOP Instance UID."""

    sop_instance_uid: str
    digest: str
    size: int


def judge(status: int, content: bytes, sent: Iterable[Sent]) -> list[Verdict]:
    """The verdict on each object, in the order sent, from an answer of status 200, 202 or 409.

    Raises TransportError("platform-answer") when it is not a Store Instances Response.
    """
    data_set = _parse(content)
    objects = list(sent)
    stored = {_text(item, _INSTANCE): item for item in _items(data_set, _STORED)}
    failures = _items(data_set, _FAILED)
    failed = {_text(item, _INSTANCE): item for item in failures}
    missing = [
        one.sop_instance_uid for one in objects if one.sop_instance_uid not in stored.keys() | failed.keys()
    ]
    if len(missing) == 1:
        # A platform cannot name an object that it could not read: who is left over is who is meant.
        ours = {one.sop_instance_uid for one in objects}
        nameless = [item for item in failures if _text(item, _INSTANCE) not in ours]
        failed.update(dict.fromkeys(missing, nameless[0]) if nameless else {})
    return [
        _verdict(status, stored.get(one.sop_instance_uid), failed.get(one.sop_instance_uid), one)
        for one in objects
    ]


def _verdict(
    status: int, stored: Mapping[str, object] | None, failed: Mapping[str, object] | None, sent: Sent
) -> Verdict:
    if failed is not None:
        return _failure(failed)
    if status != _ALL_STORED:
        return Verdict(Outcome.UNTOLD)
    if stored is None:
        return Verdict(Outcome.AGAIN, "no-receipt")
    if _text(stored, _CREATOR) != "PENSTOCK":
        return Verdict(Outcome.AGAIN, "no-receipt")
    if _text(stored, _DIGEST).lower() != sent.digest or _value(stored, _LENGTH) not in (
        sent.size,
        str(sent.size),
    ):
        return Verdict(Outcome.AGAIN, "digest-mismatch")
    return Verdict(Outcome.RECEIPT)


def _failure(item: Mapping[str, object]) -> Verdict:
    code = _text(item, _CODE) if _text(item, _CREATOR) == "PENSTOCK" else ""
    if not code or len(code) > 64 or not _CODE_WORD_LETTERS.issuperset(code):
        code = ""
    reason = _value(item, _REASON)
    number = reason if isinstance(reason, int) else 0
    for_good = code in _FOR_GOOD_CODES or any(low <= number <= high for low, high in _FOR_GOOD_RANGES)
    return Verdict(Outcome.REFUSED if for_good else Outcome.AGAIN, code or f"failure-{number & 0xFFFF:04x}")


def _parse(content: bytes) -> Mapping[str, object]:
    try:
        data_set = orjson.loads(content)
    except orjson.JSONDecodeError as problem:
        raise _no_answer() from problem
    if isinstance(data_set, list) and len(data_set) == 1:  # some servers wrap it
        data_set = data_set[0]
    if not isinstance(data_set, dict):
        raise _no_answer()
    return data_set


def _items(data_set: Mapping[str, object], tag: str) -> list[Mapping[str, object]]:
    element = data_set.get(tag)
    if element is None:
        return []
    values = element.get("Value", []) if isinstance(element, dict) else None
    if not isinstance(values, list) or not all(isinstance(item, dict) for item in values):
        raise _no_answer()
    return values


def _value(item: Mapping[str, object], tag: str) -> object:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None


def _text(item: Mapping[str, object], tag: str) -> str:
    value = _value(item, tag)
    return value if isinstance(value, str) else ""


def _no_answer() -> TransportError:
    return TransportError(
        "platform-answer",
        "the platform's answer is not a Store Instances Response",
        hint="is uploader.url a STOW-RS service, and is there a proxy in between?",
        retryable=True,
    )
