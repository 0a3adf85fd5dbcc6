"""What an answer to STOW-RS says about each object (PS3.18 10.5.3 and I.2).

A receipt needs a status of 200 and an item of Referenced SOP Sequence that `receipted` finds good enough. Nothing else is one, not
202 either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from engine.dicom import receipt_block as block
from engine.uploader.answers import Item, items, number, parse, text

_FAILED, _STORED = "00081198", "00081199"
_INSTANCE, _REASON, _WARNING = "00081155", "00081197", "00081196"

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
    """An outcome with its reason, a code word of at most 64 lower case letters, digits and hyphens. `remark`: a warning that came
    with a receipt, four hexadecimal digits.
    """

    outcome: Outcome
    reason: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """One object of a request: what was sent under which SOP Instance UID."""

    sop_instance_uid: str
    digest: str
    size: int


Receipted = Callable[[Item, Sent], Verdict]
"""The verdict on an object that an answer names as stored, from its item."""


def is_for_good(status: int) -> bool:
    """Whether a Failure Reason or a C-STORE status says what no repeat can change."""
    return any(low <= status <= high for low, high in _FOR_GOOD_RANGES)


def referenced(item: Item, sent: Sent) -> Verdict:  # noqa: ARG001 - any item that names the object will do
    """Good enough: the bare reference, with its Warning Reason (0008,1196) if there is one."""
    warning = number(item, _WARNING)
    return Verdict(Outcome.RECEIPT, remark="" if not warning else f"{warning & 0xFFFF:04X}")


def digested(item: Item, sent: Sent) -> Verdict:
    """Good enough: the digest and the length of what was sent, in the private block that docs/platform.md describes."""
    if text(item, block.CREATOR_TAG) != block.CREATOR:
        return Verdict(Outcome.AGAIN, "no-receipt")
    if text(item, block.DIGEST).lower() != sent.digest or number(item, block.LENGTH) != sent.size:
        return Verdict(Outcome.AGAIN, "digest-mismatch")
    return Verdict(Outcome.RECEIPT)


def judge(
    status: int, content: bytes, sent: Iterable[Sent], receipted: Receipted = digested
) -> list[Verdict]:
    """The verdict on each object, in the order sent, from an answer of status 200, 202 or 409.

    Raises NotAResponse when it is not a Store Instances Response.
    """
    data_set = parse(content)
    objects = list(sent)
    stored = {text(item, _INSTANCE): item for item in items(data_set, _STORED)}
    failures = items(data_set, _FAILED)
    failed = {text(item, _INSTANCE): item for item in failures}
    missing = [
        one.sop_instance_uid for one in objects if one.sop_instance_uid not in stored.keys() | failed.keys()
    ]
    if len(missing) == 1:
        # A platform cannot name an object that it could not read: who is left over is who is meant.
        ours = {one.sop_instance_uid for one in objects}
        nameless = [item for item in failures if text(item, _INSTANCE) not in ours]
        failed.update(dict.fromkeys(missing, nameless[0]) if nameless else {})

    def verdict(one: Sent) -> Verdict:
        uid = one.sop_instance_uid
        if uid in failed:
            return _failure(failed[uid])
        if status != _ALL_STORED:
            return Verdict(Outcome.UNTOLD)
        return receipted(stored[uid], one) if uid in stored else Verdict(Outcome.AGAIN, "no-receipt")

    return [verdict(one) for one in objects]


def _failure(item: Item) -> Verdict:
    code = text(item, block.REASON) if text(item, block.CREATOR_TAG) == block.CREATOR else ""
    if not code or len(code) > 64 or not _CODE_WORD_LETTERS.issuperset(code):
        code = ""
    reason = (number(item, _REASON) or 0) & 0xFFFF
    for_good = code in _FOR_GOOD_CODES or is_for_good(reason)
    return Verdict(Outcome.REFUSED if for_good else Outcome.AGAIN, code or f"failure-{reason:04x}")
