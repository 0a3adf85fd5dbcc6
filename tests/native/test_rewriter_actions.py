"""Every action on every VR, in every syntax, at every kind of place: the new head is, byte for byte, the data set that this file
writes down as the right answer, and pydicom reads it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from engine._native.program import ACTIONS
from tests.support.datasets import (
    EXPLICIT,
    IMPLICIT,
    SYNTAXES,
    Element,
    Syntax,
    encode,
    even,
    read,
    swapped,
)
from tests.support.outcomes import refused
from tests.support.rewriting import (
    HASHED_ID,
    PLAIN_VRS,
    STUDY_ID,
    constant,
    new_uid,
    padded,
    program_of,
    rewrite,
    sample,
    tag_of,
)

SHIFT = -400
ENCODED = b"encoded"
NUMBERS = frozenset({"DS", "IS", "US", "SS", "UL", "SL", "SV", "UV", "FL", "FD"})
IMAGES, STUDIES, PRIVATE = 0x00081140, 0x00081110, 0x00191011


def shifted(value: bytes) -> bytes | None:
    """Each date `SHIFT` days earlier; None unless all are dates."""
    parts = []
    for part in value.split(b"\\"):
        try:
            day = datetime.datetime.strptime(part[:8].decode("ascii"), "%Y%m%d").date()  # noqa: DTZ007
        except ValueError:
            return None
        parts.append((day + datetime.timedelta(SHIFT)).strftime("%Y%m%d").encode() + part[8:])
    return b"\\".join(parts)


def expected(action: str, element: Element, *, nested: bool, syntax: Syntax) -> list[Element]:
    """The right answer."""
    vr = element.vr
    assert isinstance(element.value, bytes)
    value = element.value
    wire = swapped(vr, value) if syntax.big else value

    def new(text: bytes | None) -> list[Element]:
        if text is None:
            return [replace(element, value=padded(vr, constant(vr)))]
        text = padded(vr, text)  # what is no number has no byte order
        return [replace(element, value=swapped(vr, text) if syntax.big else text)]

    if action in ("remove", "recurse", "scrub"):
        return []
    if action == "keep":
        return [element]
    if action == "empty":
        return [replace(element, value=b"")]
    if action in ("replace", "replace-document"):
        return new(None)
    if action == "new-uid":
        uids = b"\\".join(new_uid(part.strip(b" \0")) for part in wire.split(b"\\"))
        return [Element(element.tag, "UI", even(uids, b"\0"))]
    if action == "hashed-name" or (action == "hash-patient" and not nested):
        return new(HASHED_ID)
    if action == "hash-study":
        return new(STUDY_ID)
    if action == "shift-date":
        return [element] if vr == "TM" else new(shifted(value))
    if action == "truncate-date":
        day = shifted(value)
        parts = [(part[:4] + b"0101").ljust(len(part)) for part in value.split(b"\\")]
        return new(None if day is None else b"\\".join(parts))
    if action == "generalise-age":
        return new(b"090Y" if vr == "AS" else None)
    if action == "numeric-only":
        return [element] if vr in NUMBERS else []
    return new(ENCODED)


Place = Callable[[list[Element]], list[Element]]


def within(tag: int, vr: str = "SQ", *, defined: bool = True, content: Syntax | None = None) -> Place:
    """Two items in a sequence: an empty one, and one with the elements."""

    def place(elements: list[Element]) -> list[Element]:
        items = [elements, []] if vr == "UN" else [[], elements]
        return [Element(tag, vr, items, defined=defined, items_defined=defined, content=content)]

    return place


def both(outer: Place, inner: Place) -> Place:
    return lambda elements: outer(inner(elements))


PLACES: dict[str, Place] = {
    "top": lambda elements: elements,
    "nested": within(IMAGES),
    "nested, undefined length": within(IMAGES, defined=False),
    "nested twice": both(within(STUDIES, defined=False), within(IMAGES)),
    "private, undefined length": within(PRIVATE, defined=False),
}
PLACES_IN_EXPLICIT: dict[str, Place] = {
    "private": within(PRIVATE),
    "UN, implicit inside": within(IMAGES, "UN", content=IMPLICIT),
    "UN, implicit inside, undefined length": within(IMAGES, "UN", content=IMPLICIT, defined=False),
    "UN, explicit inside": within(IMAGES, "UN", content=EXPLICIT),
    "UN, explicit inside, undefined length": within(IMAGES, "UN", content=EXPLICIT, defined=False),
    "UN in a private sequence": both(within(PRIVATE), within(IMAGES, "UN", content=IMPLICIT, defined=False)),
}
REFUSING = ("quarantine", "refuse", "compound")


def places(syntax: Syntax) -> Iterable[tuple[str, Place]]:
    yield from PLACES.items()
    if syntax.explicit:
        yield from PLACES_IN_EXPLICIT.items()


def encode_value(action: int, tag: int, value: bytes, charset: bytes) -> bytes:
    return ENCODED


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("action", [name for name in ACTIONS if name not in REFUSING])
def test_an_action_does_the_same_everywhere(action: str, syntax: Syntax) -> None:
    before, behind = Element(0x00080008, "CS", b"ORIGINAL"), Element(0x00400002, "DA", b"20200101")
    for name, place in places(syntax):
        content = IMPLICIT if "implicit inside" in name or name == "UN in a private sequence" else syntax
        content = EXPLICIT if "explicit inside" in name else content
        for vr in PLAIN_VRS:
            element = sample(vr)
            source = encode([before, *place([element]), behind], syntax)
            right = expected(action, element, nested=place([element]) != [element], syntax=content)
            plan = rewrite(program_of(action), source, syntax, encode_value=encode_value, shift_days=SHIFT)
            assert plan.head == encode([before, *place(right), behind], syntax), (name, vr)
            assert plan.end == len(source)
            if not (syntax.big and "UN" in name):  # pydicom takes a UN's content to be big endian there
                assert 0x00400002 in read(plan.head, syntax)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("action", REFUSING)
def test_an_action_that_refuses_does_so_everywhere(action: str, syntax: Syntax) -> None:
    for name, place in places(syntax):
        for vr in ("PN", "US", "UI"):
            problem = refused(rewrite, program_of(action), place([sample(vr)]), syntax)
            assert (problem.code, problem.tag) == ("by-profile", tag_of(vr)), (name, vr)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("action", [name for name in ACTIONS if name not in ("remove", "recurse", "scrub")])
def test_an_empty_value_stays_empty(action: str, syntax: Syntax) -> None:
    for vr in PLAIN_VRS:
        empty = Element(tag_of(vr), vr)
        head = rewrite(program_of(action), [empty], syntax).head
        expected_vr = "UI" if action == "new-uid" and head[4:6] == b"UI" else vr
        assert head == encode([Element(empty.tag, expected_vr)], syntax), vr


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_values_that_are_only_padding_hold_nothing_to_hash(syntax: Syntax) -> None:
    for value in (b"\0\0", b"  ", b" \0"):
        uid = Element(tag_of("UI"), "UI", value)
        head = rewrite(program_of("new-uid"), [uid], syntax).head
        assert head == encode([Element(uid.tag, "UI")], syntax)


def test_none_from_the_call_back_removes_the_attribute() -> None:
    seen = []

    def nothing(action: int, tag: int, value: bytes, charset: bytes) -> None:
        seen.append((action, tag, value, charset))

    elements = [
        Element(0x00080005, "CS", b"ISO_IR 192"),
        sample("SH"),
        Element(0x00400002, "DA", b"20200101"),
    ]
    plan = rewrite(program_of("hash-accession"), elements, EXPLICIT, encode_value=nothing)
    assert plan.head == encode([elements[0], elements[2]], EXPLICIT)
    assert seen == [(ACTIONS["hash-accession"], tag_of("SH"), elements[1].value, b"ISO_IR 192")]


@pytest.mark.parametrize("problem", [ValueError("SMITH"), MemoryError(), UnicodeError("SMITH")])
def test_an_exception_in_the_call_back_refuses_and_tells_nothing(problem: Exception) -> None:
    def fails(action: int, tag: int, value: bytes, charset: bytes) -> bytes:
        raise problem

    caught = refused(rewrite, program_of("clean-text"), [sample("LO")], EXPLICIT, encode_value=fails)
    assert (caught.code, caught.tag, caught.__cause__) == ("bad-value", tag_of("LO"), None)
    assert "SMITH" not in str(caught)


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_a_signal_in_the_call_back_is_not_swallowed(signal: type[BaseException]) -> None:
    def fails(action: int, tag: int, value: bytes, charset: bytes) -> bytes:
        raise signal

    with pytest.raises(signal):
        rewrite(program_of("clean-text"), [sample("LO")], EXPLICIT, encode_value=fails)


def test_a_value_too_long_for_its_length_field_is_refused() -> None:
    def long(action: int, tag: int, value: bytes, charset: bytes) -> bytes:
        return b"x" * 65_535

    problem = refused(rewrite, program_of("clean-text"), [sample("LO")], EXPLICIT, encode_value=long)
    assert (problem.code, problem.tag) == ("too-long", tag_of("LO"))
    assert len(rewrite(program_of("clean-text"), [sample("UT")], EXPLICIT, encode_value=long).head) == 65_548
    assert len(rewrite(program_of("clean-text"), [sample("LO")], IMPLICIT, encode_value=long).head) == 65_544
