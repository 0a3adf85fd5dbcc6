"""New UIDs: the formula of the design computed in Python, the same in every place, never the old one."""

from __future__ import annotations

import random

import pytest
from pydicom.uid import UID

from engine._native.rewriter import Rewriter
from tests.support.datasets import IMPLICIT, SYNTAXES, Element, Syntax, encode, even, read
from tests.support.outcomes import refused
from tests.support.rewriting import PASS_KEY, keep_all, new_uid, no_encode, program, rewrite

IMAGES, STUDY, REFERENCED, CLASS = 0x00081140, 0x0020000D, 0x00081155, 0x00081150
REPLACES = program({STUDY: "new-uid", REFERENCED: "new-uid"})
OLD = b"1.2.840.113619.2.55.3.604688119.971.1234567890.467"
every_syntax = pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)


@every_syntax
def test_each_of_several_values_is_replaced(syntax: Syntax) -> None:
    for values in ([OLD], [OLD, b"1.2"], [b"", OLD, b""], [b"1", b"2", b"3"] * 50, [OLD, OLD]):
        right = b"\\".join(new_uid(value) if value else b"" for value in values)
        source = Element(REFERENCED, "UI", even(b"\\".join(values), b"\0"))
        head = rewrite(REPLACES, [source], syntax).head
        assert head == encode([Element(REFERENCED, "UI", even(right, b"\0"))], syntax)


@every_syntax
def test_references_still_meet_what_they_refer_to(syntax: Syntax) -> None:
    source = [
        Element(
            IMAGES,
            "SQ",
            [[Element(CLASS, "UI", b"1.2.840.10008.5.1.4.1.1.2\0"), Element(REFERENCED, "UI", even(OLD))]],
        ),
        Element(STUDY, "UI", even(OLD, b"\0")),
    ]
    found = read(rewrite(REPLACES, source, syntax).head, syntax)
    assert found.StudyInstanceUID == found[IMAGES][0].ReferencedSOPInstanceUID == new_uid(OLD).decode()
    assert found[IMAGES][0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"


@pytest.mark.parametrize("pad", [b"", b"\0", b" ", b"\0\0", b" \0 "])
def test_padding_does_not_change_the_new_uid(pad: bytes) -> None:
    for syntax in SYNTAXES:
        head = rewrite(REPLACES, [Element(STUDY, "UI", pad + OLD + pad)], syntax).head
        assert head == encode([Element(STUDY, "UI", even(new_uid(OLD), b"\0"))], syntax)


def test_new_uids_are_uids_of_at_most_44_characters() -> None:
    rewriter = Rewriter(keep_all(), no_encode)
    source = random.Random(9)
    seen = set()
    for _ in range(500):
        rewriter.set_pass_key(source.randbytes(32))
        uid = rewriter.new_uid(OLD)
        assert UID(uid.decode()).is_valid
        assert uid.startswith(b"2.25.")
        assert len(uid) <= 44
        seen.add(uid)
    assert len(seen) == 500, "another pass, another UID"


def test_python_and_the_walk_give_the_same_uid() -> None:
    rewriter = Rewriter(keep_all(), no_encode)
    rewriter.set_pass_key(PASS_KEY)
    for old in (OLD, b"1.2", b"", b"\xff" * 200):
        assert rewriter.new_uid(old) == new_uid(old)


def test_a_pass_key_has_32_bytes_and_must_be_there() -> None:
    rewriter = Rewriter(keep_all(), no_encode)
    with pytest.raises(ValueError, match="must be set"):
        rewriter.new_uid(OLD)
    for key in (b"", bytes(31), bytes(33)):
        with pytest.raises(ValueError, match="32 bytes"):
            rewriter.set_pass_key(key)


@every_syntax
def test_an_original_uid_is_nowhere_in_the_output(syntax: Syntax) -> None:
    deep = Element(IMAGES, "SQ", [[Element(REFERENCED, "UI", b"1.9\\" + OLD)]], defined=False)
    source = [Element(REFERENCED, "UI", OLD + b"\\1.9"), deep, Element(STUDY, "UI", OLD)]
    assert OLD not in rewrite(REPLACES, source, syntax).head


def test_more_values_than_an_explicit_length_can_say_are_refused() -> None:
    many = Element(REFERENCED, "UI", b"\\".join(b"%d" % n for n in range(1500)))
    for syntax in SYNTAXES:
        if syntax.explicit:
            problem = refused(rewrite, REPLACES, [many], syntax)
            assert (problem.code, problem.tag) == ("too-long", REFERENCED)
        else:
            assert len(read(rewrite(REPLACES, [many], syntax).head, syntax)[REFERENCED].value) == 1500


def test_an_output_many_times_the_input_is_refused() -> None:
    swells = Element(REFERENCED, "UI", b"1\\" * (1 << 20))
    problem = refused(rewrite, REPLACES, [swells], IMPLICIT)
    assert problem.code == "head-too-large"
