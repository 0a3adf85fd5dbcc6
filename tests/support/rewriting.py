"""Programs and calls for tests of the rewriter: small profiles in native form, one line each."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from engine._native.program import ACTIONS, Program
from engine._native.reader import Refused
from engine._native.rewriter import Plan, Rewriter
from engine.dicom import dictionary
from tests.support.datasets import NUMBER_BYTES, VRS, Element, Syntax, encode, even
from tests.support.outcomes import outcome

if TYPE_CHECKING:
    from engine._native.rewriter import Encode

PASS_KEY = bytes(range(32))
HASHED_ID = b"0123456789abcdef0123456789abcdef"
STUDY_ID = b"ABCDEFGHIJKLMNOP"
KEEP_UNKNOWN = dict.fromkeys(("unknown_standard", "unknown_private", "group_lengths"), ACTIONS["keep"])

Rules = Mapping[int, str | tuple[str, str]]


@cache
def _kept() -> tuple[tuple[int, str, int, int, int], ...]:
    keep = ACTIONS["keep"]
    return tuple((a.tag, a.vr, keep, keep, 0) for a in dictionary.attributes().values())


@cache
def keep_all() -> Program:
    """A program that changes nothing."""
    return Program(rules=_kept(), flags=KEEP_UNKNOWN)


def program(rules: Rules, constants: Mapping[int, bytes] | None = None, **more: Any) -> Program:
    """A program that keeps every attribute of the dictionary, except by `rules`: {tag: action, or (action at the top level,
    action when nested)}; `constants`: the value that a tag's rule writes. Unknown and private elements go."""
    values = [b"", *dict.fromkeys((constants or {}).values())]
    told = {a.tag: (a.vr, "keep", "keep") for a in dictionary.attributes().values()}
    for tag, action in rules.items():
        top, below = (action, action) if isinstance(action, str) else action
        told[tag] = (told[tag][0], top, below)
    rows = [
        (tag, vr, ACTIONS[top], ACTIONS[below], values.index((constants or {}).get(tag, b"")))
        for tag, (vr, top, below) in told.items()
    ]
    return Program(rules=rows, constants=values, **more)


def no_encode(action: int, tag: int, value: bytes, charset: bytes) -> bytes | None:
    """For programs that need neither the hash secret nor a character set."""
    raise AssertionError("nothing here needs encoding")


def rewrite(
    program: Program,
    elements: bytes | Iterable[Element],
    syntax: Syntax,
    *,
    encode_value: Encode = no_encode,
    **more: Any,
) -> Plan:
    """The plan for a data set that the rewriter gets whole."""
    data = elements if isinstance(elements, bytes) else encode(elements, syntax)
    rewriter = Rewriter(program, encode_value)
    rewriter.set_pass_key(PASS_KEY)
    return rewrite_with(rewriter, data, syntax, **more)


def rewrite_with(
    rewriter: Rewriter, data: Any, syntax: Syntax, total: int | None = None, **more: Any
) -> Plan:
    """One call with the values that most tests do not care for. The leak scan is off unless `scan` asks for it."""
    given: dict[str, Any] = {
        "hashed_id": HASHED_ID,
        "study_id": STUDY_ID,
        "sop_class": b"1.2.840.10008.5.1.4.1.1.2",
        "sop_instance": b"2.25.1",
        "scan": False,
    }
    size = len(data) if total is None else total
    return rewriter.rewrite(data, size, 0, syntax.bits, **(given | more))


def rewrite_growing(rewriter: Rewriter, data: bytes, syntax: Syntax, first: int, **more: Any) -> Plan:
    """The same through windows that grow just as far as the rewriter asks, from `first` bytes on."""
    avail = min(first, len(data))
    while True:
        answer = outcome(rewrite_with, rewriter, data[:avail], syntax, len(data), **more)
        if isinstance(answer, Refused):
            raise answer
        if isinstance(answer, Plan):
            return answer
        assert avail < len(data), "the rewriter has the whole object and asks for more"
        assert avail < answer.upto <= len(data), "the rewriter asks for what it has, or for what is not there"
        avail = answer.upto


def new_uid(old: bytes, key: bytes = PASS_KEY) -> bytes:
    """The replacement of a UID as the design states it: 2.25. and the first 128 bits of HMAC-SHA-256(pass key, old) in UUID
    form, version 8."""
    digest = bytearray(hmac.digest(key, old, hashlib.sha256)[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return b"2.25.%d" % uuid.UUID(bytes=bytes(digest)).int


def private(group: int, creator: bytes, elements: Mapping[int, tuple[str, str]]) -> Sequence[tuple[Any, ...]]:
    """Rows of the safe private list: {low byte: (VR, action)}."""
    return [(group, creator, low, vr, ACTIONS[action], 0) for low, (vr, action) in elements.items()]


# ---- one attribute of each VR ---------------------------------------------------------------------------------------------

NULPADDED = frozenset({"UI", "OB", "OD", "OF", "OL", "OV", "OW", "UN", *NUMBER_BYTES})
PLAIN_VRS = tuple(vr for vr in VRS if vr not in ("SQ", "UN"))
VALUES = {
    "AS": b"094Y",
    "CS": b"SMITH",
    "DA": b"20200229\\19991231",
    "DS": b"1.5\\-2E+3 ",
    "DT": b"20200229235959.5+0100 ",
    "IS": b"12\\-3",
    "TM": b"235959.123",
    "UI": b"1.2.840.99.1\\1.2.3",
}


@cache
def tag_of(vr: str) -> int:
    """A standard attribute of that VR, none of those that the rewriter itself looks at."""
    found = (a.tag for a in dictionary.attributes().values() if a.vr == vr and a.tag >> 16 not in (2, 0x7FE0))
    return next(tag for tag in found if tag >> 16 > 8)


def sample(vr: str) -> Element:
    value = VALUES.get(vr) or (bytes(range(1, 17)) if vr in NULPADDED else b"Smith^John, *1970")
    return Element(tag_of(vr), vr, value)


def constant(vr: str) -> bytes:
    """A dummy of odd length, or two numbers whose bytes differ."""
    if vr in NUMBER_BYTES:
        return bytes(range(65, 65 + 2 * NUMBER_BYTES[vr]))
    return b"\1\2\3" if vr in NULPADDED else b"DUMMY"


@cache
def program_of(action: str) -> Program:
    rules = {tag_of(vr): action for vr in PLAIN_VRS}
    return program(
        rules,
        {tag_of(vr): constant(vr) for vr in PLAIN_VRS},
        flags={"unknown_private": ACTIONS["keep"]},
    )


def padded(vr: str, value: bytes) -> bytes:
    return even(value, b"\0" if vr in NULPADDED else b" ")
