"""The rewriter gets the beginning of an object: it asks for what it needs, never reads beyond it, and the answer does not
depend on how much it got."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine._native.reader import NeedMore, Refused
from engine._native.rewriter import Plan, Rewriter
from tests.support.datasets import (
    EXPLICIT,
    IMPLICIT,
    ITEM,
    SEQUENCE_END,
    SYNTAXES,
    UNDEFINED,
    Element,
    Syntax,
    encode,
    exact,
    header,
    item,
    nested,
)
from tests.support.outcomes import outcome, refused
from tests.support.rewriting import (
    PASS_KEY,
    keep_all,
    new_uid,
    no_encode,
    private,
    program,
    rewrite_growing,
    rewrite_with,
)

NAME, UID, IMAGES, STUDIES, CONCEPTS, CODES = (
    0x00100010,
    0x00081155,
    0x00081140,
    0x00081110,
    0x0040A730,
    0x00081032,
)
every_syntax = pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)

MADE = program(
    {
        NAME: "replace",
        UID: "new-uid",
        STUDIES: "remove",
        CONCEPTS: "clean-sr",
        CODES: "clean-code",
        0x00081030: "empty",
    },
    {NAME: b"NOBODY"},
    private=private(0x0019, b"SIEMENS MR HEADER", {0x0C: ("IS", "numeric-only")}),
    insertions=[(0x00120062, "CS", b"YES")],
    public_schemes=[b"DCM"],
    concepts=[(b"DCM", b"121005", 0)],
)


def code(value: bytes, scheme: bytes = b"DCM ", meaning: bytes = b"Meaning ") -> list[Element]:
    return [
        Element(0x00080100, "SH", value),
        Element(0x00080102, "SH", scheme),
        Element(0x00080104, "LO", meaning),
    ]


def content(value: bytes, *more: Element) -> list[Element]:
    return [
        Element(0x0040A043, "SQ", [code(value)], defined=False),
        Element(0x0040A160, "UT", b"Smith^"),
        *more,
    ]


def typical(syntax: Syntax) -> bytes:
    """A data set in which every way of the walk is gone."""
    uid = Element(UID, "UI", b"1.2.3\\1.4")
    deep = nested(3, [uid], defined=False)
    elements = [
        Element(0x00080000, "UL", struct.pack("<I", 9)),
        Element(0x00081030, "LO", b"Smith^"),
        Element(CODES, "SQ", [code(b"113100"), code(b"X1", b"99ACME")], defined=False, items_defined=False),
        Element(STUDIES, "SQ", [[Element(NAME, "PN", b"Smith^"), deep]], defined=False, items_defined=False),
        Element(IMAGES, "SQ", [[uid, deep], []], items_defined=False),
        Element(NAME, "PN", b"Smith^John"),
        Element(0x00190010, "LO", b"SIEMENS MR HEADER "),
        Element(0x0019100C, "IS", b"1000"),
        Element(CONCEPTS, "SQ", [content(b"121005"), content(b"113000", deep)], items_defined=False),
        Element(0x00880200, "SQ", [[Element(0x7FE00010, "OB", fragments=(b"", b"abcd"))]], defined=False),
    ]
    if syntax.explicit:
        inside = Element(IMAGES, "UN", [[], [uid]], defined=False, items_defined=False, content=IMPLICIT)
        elements.insert(5, inside)
        elements.insert(4, Element(STUDIES, "UN", [[uid]], defined=False, content=EXPLICIT))
    return encode(elements, syntax)


def cleaned(action: int, tag: int, value: bytes, charset: bytes) -> bytes:
    return b"CLEAN"


def rewriter() -> Rewriter:
    made = Rewriter(MADE, cleaned)
    made.set_pass_key(PASS_KEY)
    return made


def essence(answer: Plan | Refused | NeedMore) -> Any:
    if isinstance(answer, Plan):
        return answer.head, answer.end, answer.counts, answer.body_tag
    assert isinstance(answer, Refused)
    return answer.code, answer.offset, answer.tag


@every_syntax
@pytest.mark.parametrize("behind", [b"", b"body"])
def test_a_window_of_any_size_asks_for_more_or_gives_the_same_plan(syntax: Syntax, behind: bytes) -> None:
    head = typical(syntax)
    data = head + (encode([Element(0x7FE00010, "OW", b"\1" * 40)], syntax) if behind else b"")
    right = essence(rewrite_with(rewriter(), data, syntax))
    plans = 0
    for avail in range(len(data) + 1):
        answer = outcome(rewrite_with, rewriter(), exact(data[:avail]), syntax, len(data))
        if isinstance(answer, NeedMore):
            assert avail < answer.upto <= len(data)
        else:
            assert essence(answer) == right
            plans += 1
    assert plans == (40 + 1 if behind else 1), "pixels are never asked for"


BEHIND = (
    b"",
    b"\0" * 12,
    header(SEQUENCE_END, "", 0, EXPLICIT),
    header(ITEM, "", 0, EXPLICIT),
    b"\x08\0\x60\0CS\2\0CT",
)
WITHOUT_END = {
    "a sequence without its end": Element(STUDIES, "SQ", [[Element(NAME, "PN", b"Smith^")]]),
    "an item without its end": Element(
        STUDIES, "SQ", [[Element(NAME, "PN", b"Smith^")]], items_defined=False
    ),
    "a UN without its end": Element(STUDIES, "UN", [[], [Element(NAME, "PN", b"Smith^")]]),
    "fragments without their end": Element(0x00190008, "OB", [[Element(NAME, "PN", b"Smith^")]]),
}


@pytest.mark.parametrize("what", WITHOUT_END)
def test_what_is_cut_off_by_what_holds_it_is_refused_the_same_in_a_window_of_any_size(what: str) -> None:
    """Behind the cut the object goes on: with what might follow inside, with zeros, with the delimiter that is missing."""
    inner = encode([replace(WITHOUT_END[what], length=UNDEFINED)], EXPLICIT)
    for cut in range(12, len(inner) + 1):
        held = Element(IMAGES, "SQ", item(inner[:cut], EXPLICIT))
        for behind in BEHIND:
            data = encode([held], EXPLICIT) + behind + encode([Element(NAME, "PN", b"Smith^")], EXPLICIT)
            problem = refused(rewrite_with, rewriter(), data, EXPLICIT)
            assert problem.code in {"overrun", "truncated"}
            for first in range(len(data)):
                assert essence(refused(rewrite_growing, rewriter(), data, EXPLICIT, first)) == essence(
                    problem
                )


@every_syntax
def test_windows_that_grow_as_asked_lead_to_the_same_plan(syntax: Syntax) -> None:
    data = typical(syntax)
    right = essence(rewrite_with(rewriter(), data, syntax))
    for first in range(0, len(data), 7):
        assert essence(rewrite_growing(rewriter(), data, syntax, first)) == right


@every_syntax
def test_cut_at_every_byte_a_head_is_refused_or_rewritten_as_far_as_it_goes(syntax: Syntax) -> None:
    data = typical(syntax)
    for cut in range(len(data)):
        whole = outcome(rewrite_with, rewriter(), exact(data[:cut]), syntax)
        assert not isinstance(whole, NeedMore), "there is no more"
        if isinstance(whole, Refused):
            assert whole.offset <= cut
            assert whole.code in {"truncated", "overrun", "item-expected"}
        elif cut > 20:
            assert b"Smith" not in whole.head
        grown = outcome(rewrite_growing, rewriter(), data[:cut], syntax, 1)
        assert essence(grown)[0] == essence(whole)[0]


@every_syntax
def test_a_rewriter_remembers_nothing_of_the_object_before(syntax: Syntax) -> None:
    fresh, used = rewriter(), rewriter()
    for cut in (len(typical(syntax)) // 2, 30):
        outcome(rewrite_with, used, typical(syntax)[:cut], syntax)
    assert essence(rewrite_with(used, typical(syntax), syntax)) == essence(
        rewrite_with(fresh, typical(syntax), syntax)
    )
    large = encode([Element(0x00204000, "UT", b"x" * (5 << 20))], EXPLICIT)
    assert len(rewrite_with(used, large, EXPLICIT).head) > 5 << 20
    assert essence(rewrite_with(used, typical(syntax), syntax)) == essence(
        rewrite_with(fresh, typical(syntax), syntax)
    )


# ---- arguments ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "total", "start", "syntax"),
    [(10, 9, 0, 1), (10, 10, 11, 1), (10, 10, 0, 4), (10, 10, 0, -1), (0, 0, 1, 1)],
)
def test_arguments_out_of_range_are_a_mistake_of_the_caller(
    size: int, total: int, start: int, syntax: int
) -> None:
    with pytest.raises(ValueError, match="out of range"):
        rewriter().rewrite(
            bytes(size), total, start, syntax, hashed_id=b"", study_id=b"", sop_class=b"", sop_instance=b""
        )


def test_without_a_pass_key_nothing_is_rewritten() -> None:
    with pytest.raises(ValueError, match="pass key"):
        rewrite_with(Rewriter(MADE, cleaned), b"", EXPLICIT)


def test_any_buffer_will_do() -> None:
    data = typical(EXPLICIT)
    right = essence(rewrite_with(rewriter(), data, EXPLICIT))
    for buffer in (bytearray(data), memoryview(data), memoryview(bytearray(data)).toreadonly(), exact(data)):
        assert essence(rewrite_with(rewriter(), buffer, EXPLICIT)) == right
    with pytest.raises(BufferError, match="contig"):
        rewrite_with(rewriter(), memoryview(data)[::2], EXPLICIT)


# ---- one object at a time --------------------------------------------------------------------------------------------------


def test_a_rewriter_called_from_its_own_call_back_says_so_and_goes_on() -> None:
    problems: list[str] = []

    def again(action: int, tag: int, value: bytes, charset: bytes) -> bytes:
        for call in (
            lambda: rewrite_with(busy, data, EXPLICIT, hashed_id=b"X" * 32),
            lambda: busy.set_pass_key(bytes(32)),
        ):
            try:
                call()
            except RuntimeError as problem:
                problems.append(str(problem))
        return b"new "

    made = program({0x00080050: "hash-accession", 0x00100020: "hash-patient", UID: "new-uid"})
    busy = Rewriter(made, again)
    busy.set_pass_key(PASS_KEY)
    tags = [Element(0x00080050, "SH", b"A1"), Element(UID, "UI", b"1.2."), Element(0x00100020, "LO", b"P1")]
    data = encode(tags, EXPLICIT)
    head = rewrite_with(busy, data, EXPLICIT).head
    assert len(problems) == 2
    assert new_uid(b"1.2.") in head
    assert b"XXX" not in head


def test_a_second_thread_is_turned_away() -> None:
    inside, leave = threading.Event(), threading.Event()

    def waits(action: int, tag: int, value: bytes, charset: bytes) -> bytes:
        inside.set()
        leave.wait(100)
        return b"done"

    busy = Rewriter(program({0x00080050: "hash-accession"}), waits)
    busy.set_pass_key(PASS_KEY)
    data = encode([Element(0x00080050, "SH", b"A1")], EXPLICIT)
    heads: list[bytes] = []
    first = threading.Thread(target=lambda: heads.append(rewrite_with(busy, data, EXPLICIT).head))
    first.start()
    try:
        assert inside.wait(100)
        with pytest.raises(RuntimeError, match="one object at a time"):
            rewrite_with(busy, data, EXPLICIT)
    finally:
        leave.set()
        first.join()
    assert heads == [encode([Element(0x00080050, "SH", b"done")], EXPLICIT)]
    assert rewrite_with(busy, data, EXPLICIT).head == heads[0]


def test_other_threads_run_while_a_large_head_is_rewritten() -> None:
    data = encode([Element(0x00080060, "CS", b"CT")], EXPLICIT) * 1_500_000
    works = Rewriter(keep_all(), no_encode)
    works.set_pass_key(PASS_KEY)
    turns = 0
    for _ in range(20):  # on a busy machine nobody else may have had a processor meanwhile
        turns = max(turns, turns_beside(lambda: rewrite_with(works, data, EXPLICIT)))
        if turns > 10:
            break
    assert turns > 10


def turns_beside(work: Callable[[], object]) -> int:
    """How often this thread had its turn in the middle half of the time that another one took for the work. Each turn offers the
    GIL, so that a call which keeps it leaves us turns at its two ends alone."""
    ends: list[float] = []

    def do() -> None:
        ends.append(time.perf_counter())
        work()
        ends.append(time.perf_counter())

    thread = threading.Thread(target=do)
    thread.start()
    turns: list[float] = []
    while len(ends) < 2:
        turns.append(time.perf_counter())
        time.sleep(0)
    thread.join()
    quarter = (ends[1] - ends[0]) / 4
    return sum(ends[0] + quarter < turn < ends[1] - quarter for turn in turns)
