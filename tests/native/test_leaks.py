"""The leak scan (design: rule 15): it finds what the original said as a word of its own, and never lets a hit go."""

from __future__ import annotations

import random
import re

import pytest

from engine._native.leaks import search
from engine._native.rewriter import Rewriter
from tests.support.datasets import BIG, EXPLICIT, IMPLICIT, Element, Syntax, encode, exact
from tests.support.outcomes import refused
from tests.support.rewriting import PASS_KEY, keep_all, no_encode, program, rewrite, rewrite_with

OLD = b"1.2.840.113619.2.55.3.604688119.971.1234567890.467"


def at(text: bytes, *values: bytes, kind: str = "identifiers") -> list[tuple[int, int]]:
    found = search(exact(text), **{kind: values})
    return [(offset, length) for offset, length, _ in found]


# ---- identifiers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [b"SMITH01", b" SMITH01 ", b"x=SMITH01;", b"\0SMITH01\0", b"1 smith01, too", b"\xe4SMITH01\xf6"]
)
def test_an_identifier_is_found_as_a_word(text: bytes) -> None:
    assert at(text, b"SMITH01") == [(text.lower().index(b"smith01"), 7)]


@pytest.mark.parametrize(
    "text", [b"", b"SMITH0", b"SMITH02", b"XSMITH01", b"SMITH011", b"SMITH 01", b"MITH01"]
)
def test_another_word_is_no_hit(text: bytes) -> None:
    assert at(text, b"SMITH01") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"12345", True),
        (b"A12345B", True),
        (b"-12345.", True),
        (b"112345", False),
        (b"123456", False),
        (b"123 45", False),
    ],
)
def test_a_number_is_no_hit_inside_a_longer_number(text: bytes, found: bool) -> None:
    assert bool(at(text, b"12345")) == found


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG], ids=lambda syntax: syntax.name)
@pytest.mark.parametrize(
    "group", [0x0030, 0x0032, 0x0038, 0x0042, 0x0054, 0x0070, 0x0074, 0x3002, 0x300C, 0x5400]
)
def test_the_tag_behind_a_value_is_no_part_of_it(group: int, syntax: Syntax) -> None:
    """The low byte of many groups is that of a digit or a letter."""
    behind = Element(group << 16 | 0x0010, "LO", b"ACME")
    for value in (b"SMITH01", b"SMITHS", b"1234567", b"MRN1234567"):
        text = encode([Element(0x00280A04, "LO", b"x" * (len(value) % 2) + b"= " + value), behind], syntax)
        assert at(text, value) == [(text.index(value), len(value))]
        assert at(text, value, kind="names") == [(text.index(value), len(value))]


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG], ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("length", [0x30, 0x42, 0x64])
def test_the_length_before_a_value_is_no_part_of_it(length: int, syntax: Syntax) -> None:
    for value in (b"SMITH01", b"12345678"):
        text = encode([Element(0x00280A04, "LO", value.ljust(length))], syntax)
        assert at(text, value) == [(text.index(value), len(value))]


@pytest.mark.parametrize("text", [b"1SMITHS\r\n", b"x\nSMITHSON\tx", b"SMITHSX\n", b"\rXSMITHS"])
def test_lines_and_columns_are_text(text: bytes) -> None:
    assert bool(at(text, b"SMITHS")) is (b"1SMITHS" in text)


def test_every_place_is_told_in_the_order_of_the_text() -> None:
    text = b"SMITH, 12345 and Smith and 12345"
    assert at(text, b"12345", b"SMITH") == [(0, 5), (7, 5), (17, 5), (27, 5)]


@pytest.mark.parametrize("value", [b"", b"A", b"ABC", b"   ", b"A\\BC\\DEF", b"\0\0\0\0"])
def test_what_has_fewer_than_four_bytes_is_not_looked_for(value: bytes) -> None:
    assert at(b"A ABC BC DEF  \0\0\0\0 A", value) == []


def test_each_of_several_values_is_looked_for_without_its_padding() -> None:
    assert at(b"ID-1 and ID-2", b" ID-1 \\ID-2\0") == [(0, 4), (9, 4)]


def test_of_a_name_each_word_is_looked_for() -> None:
    name = b"van Smith^John Paul^^Dr.=\xcb\xe5\xe1\xed"
    text = b"Mr SMITH saw JOHN; paul, van, Dr. \xcb\xe5\xe1\xed"
    assert at(text, name, kind="names") == [(3, 5), (13, 4), (19, 4), (34, 4)]
    assert at(text, name) == []


def test_no_letter_but_ascii_matches_in_another_case() -> None:
    assert at(b"M\xfcLLER", b"M\xfcller") == [(0, 6)]
    assert at(b"M\xdcLLER", b"M\xfcller") == []
    assert at(b"[abc", b"{ABC") == [], "bit 5 tells brackets apart"


@pytest.mark.parametrize("place", ["begin", "end", "alone"])
def test_the_edges_of_a_text_are_edges_of_words(place: str) -> None:
    text = {"begin": b"SMITH...", "end": b"...SMITH", "alone": b"SMITH"}[place]
    assert len(at(text, b"SMITH")) == 1
    for size in range(5):
        assert at(b"SMITH"[:size], b"SMITH") == []


# ---- UIDs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (OLD, True),
        (b"see " + OLD + b" there", True),
        (OLD + b"\\" + b"1.2", True),
        (OLD + b"\0", True),
        (b"a" + OLD, True),
        (b"1." + OLD, False),
        (b"1" + OLD, False),
        (OLD + b".1", False),
        (OLD + b"8", False),
        (OLD[:-1], False),
    ],
)
def test_a_uid_is_no_hit_inside_a_longer_one(text: bytes, found: bool) -> None:
    assert bool(at(text, OLD, kind="uids")) == found


@pytest.mark.parametrize("uid", [b"1.23", b"1.2.3.4", b"1.2.3.45", b"1.2.3.456"])
def test_short_uids_are_found_too(uid: bytes) -> None:
    assert search(b"x " + uid + b" y", uids=[uid]) == [(2, len(uid), True)]


def test_many_values_are_each_found() -> None:
    source = random.Random(3)
    uids = [b"1.2.840.%d.%d" % (source.getrandbits(60), source.getrandbits(20)) for _ in range(30_000)]
    text = b" ".join(uids)
    found = search(text, uids=uids)
    assert [text[offset : offset + length] for offset, length, _ in found] == uids


def test_no_hit_is_let_go_however_many_there_are() -> None:
    text = b"1000 " * 5000 + b"SMITH"
    found = search(text, identifiers=[b"1000", b"SMITH"])
    assert len(found) == 5001
    assert found[-1][:2] == (25_000, 5)


def test_a_text_with_more_hits_than_can_be_judged_is_not_called_clean() -> None:
    with pytest.raises(ValueError, match="effort"):
        search(b"1000 " * 70_000, identifiers=[b"1000"])


def test_values_made_to_collide_are_given_up_on_rather_than_searched_for_hours() -> None:
    uids = [b"1.2.%d.99999999" % n for n in range(100_000)]
    with pytest.raises((ValueError, MemoryError)):
        search(b" ".join(uids), uids=uids)


def test_what_is_found_is_what_a_slow_search_finds() -> None:
    source = random.Random(17)
    for _ in range(300):
        text = bytes(source.choices(b"abAB12. ^", k=source.randint(0, 60)))
        values = [bytes(source.choices(b"abAB12", k=source.randint(4, 6))) for _ in range(8)]
        right = set()
        for value in values:
            for match in re.finditer(b"(?i)(?=" + re.escape(value) + b")", text):
                around = (
                    text[match.start() - 1 : match.start()] if match.start() else b"",
                    text[match.start() + len(value) :][:1],
                )
                ends = (value[:1], around[0]), (value[-1:], around[1])
                if not any((a.isdigit() and b.isdigit()) or (a.isalpha() and b.isalpha()) for a, b in ends):
                    right.add((match.start(), len(value)))
        assert set(at(text, *values)) == right


# ---- in the rewriter ---------------------------------------------------------------------------------------------------


ID, COMMENT = 0x00100020, 0x00204000


def test_the_rewriter_searches_the_new_head_for_identifiers_and_old_uids() -> None:
    made = program({ID: "empty", 0x0020000D: "new-uid"}, identifiers=[ID, 0x00100010])
    source = [
        Element(0x00080090, "PN", b"P-4711"),
        Element(ID, "LO", b"P-4711"),
        Element(0x0020000D, "UI", OLD),
    ]
    text = Element(COMMENT, "LT", b"for p-4711: " + OLD)
    plan = rewrite(made, [*source, text], EXPLICIT, scan=True)
    told = [(plan.head[offset : offset + length].upper(), is_uid) for offset, length, is_uid in plan.leaks]
    assert told == [(b"P-4711", False), (b"P-4711", False), (OLD, True)]
    assert rewrite(made, [*source, text], EXPLICIT, scan=False).leaks == []
    assert rewrite(made, source[1:], EXPLICIT, scan=True).leaks == []


@pytest.mark.parametrize("patterns", [1, 40, 600, 9000])
def test_what_stood_in_one_object_is_not_searched_for_in_the_next(patterns: int) -> None:
    made = program({ID: "empty", 0x0020000D: "new-uid"}, identifiers=[ID])
    values = [b"%04dQRST" % number for number in range(patterns)]
    full = encode([Element(ID, "LO", value) for value in values], EXPLICIT)
    comments = encode([Element(COMMENT, "LT", value) for value in values], EXPLICIT)
    rewriter = Rewriter(made, no_encode)
    rewriter.set_pass_key(PASS_KEY)

    def leaks(data: bytes) -> int:
        return len(rewrite_with(rewriter, data, EXPLICIT, scan=True).leaks)

    assert leaks(full + comments) == patterns
    assert leaks(comments) == 0
    assert leaks(full[: len(full) // patterns] + comments) == 1


def test_what_the_caller_adds_is_searched_for_as_well() -> None:
    plan = rewrite(
        keep_all(), [Element(COMMENT, "LT", b"in London ")], EXPLICIT, scan=True, also=(b"London", b"Paris")
    )
    assert [plan.head[offset : offset + length] for offset, length, _ in plan.leaks] == [b"London"]


def test_a_head_that_cannot_be_searched_is_refused() -> None:
    made = program({ID: "empty"}, identifiers=[ID])
    source = [Element(ID, "LO", b"1000"), *[Element(0x00281050, "DS", b"1000")] * 70_000]
    assert refused(rewrite, made, source, EXPLICIT, scan=True).code == "leak-scan-limit"


def test_a_tail_is_searched_for_what_stood_before_it() -> None:
    made = Rewriter(program({ID: "remove"}, identifiers=[ID]), no_encode)
    made.set_pass_key(PASS_KEY)
    rewrite_with(made, encode([Element(ID, "LO", b"P-4711")], EXPLICIT), EXPLICIT, scan=True)
    tail = encode([Element(COMMENT, "LT", b"P-4711")], EXPLICIT)
    assert len(rewrite_with(made, tail, EXPLICIT, scan=True, tail=True).leaks) == 1
    assert rewrite_with(made, tail, EXPLICIT, scan=True).leaks == [], "the next object is another patient's"
