"""The reader and what stands before a data set (PS3.10 7.1): preamble, file meta, and how the data set is really written."""

from __future__ import annotations

import pytest

from engine._native.reader import Meta, NeedMore, Refused, read_meta
from tests.support.datasets import (
    BIG,
    EXPLICIT,
    IMPLICIT,
    SYNTAXES,
    Element,
    Syntax,
    encode,
    exact,
    header,
    part10,
)
from tests.support.outcomes import outcome, refused

CT = b"1.2.840.10008.5.1.4.1.1.2"
INSTANCE = b"1.2.3.4.5"
CONTENT = [Element(0x00080005, "CS", b"ISO_IR 100"), Element(0x00080060, "CS", b"CT")]


def ct(syntax: Syntax = EXPLICIT, uid: str = "", **meta: object) -> bytes:
    given: dict[str, object] = {"sop_class": CT, "sop_instance": INSTANCE}
    return part10(encode(CONTENT, syntax), uid or syntax.uid, **(given | meta))  # type: ignore[arg-type]


def meta_of(data: bytes) -> Meta:
    return read_meta(exact(data), len(data))


def facts(meta: Meta) -> tuple[object, ...]:
    return (
        meta.transfer_syntax,
        meta.sop_class_uid,
        meta.sop_instance_uid,
        meta.start,
        meta.syntax,
        meta.deflated,
        meta.encapsulated,
    )


def refusal(data: bytes) -> Refused:
    return refused(meta_of, data)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_preamble_and_file_meta_are_read(syntax: Syntax) -> None:
    data = ct(syntax)
    start = len(data) - len(encode(CONTENT, syntax))
    assert facts(meta_of(data)) == (
        syntax.uid,
        CT.decode(),
        INSTANCE.decode(),
        start,
        syntax.bits,
        False,
        False,
    )


def test_a_missing_preamble_is_taken() -> None:
    with_preamble, without = meta_of(ct()), meta_of(ct(preamble=None))
    assert without.start == with_preamble.start - 132
    assert facts(without)[:3] == facts(with_preamble)[:3]


def test_what_a_preamble_holds_does_not_matter() -> None:
    assert facts(meta_of(ct(preamble=b"MZ" + bytes(range(126))))) == facts(meta_of(ct()))


@pytest.mark.parametrize("wrong", [0, 1, 26, 10_000, 0xFFFFFFFE])
def test_a_wrong_group_length_is_taken(wrong: int) -> None:
    assert facts(meta_of(ct(group_length=wrong))) == facts(meta_of(ct()))


def test_unknown_elements_of_the_meta_group_are_passed_over() -> None:
    extra = [Element(0x00020016, "AE", b"SECRET"), Element(0x00020102, "OB", bytes(70_000))]
    assert facts(meta_of(ct(extra=extra)))[:3] == (EXPLICIT.uid, CT.decode(), INSTANCE.decode())


@pytest.mark.parametrize("pad", [b"\0", b" ", b"\0\0 "])
def test_padding_is_no_part_of_a_uid(pad: bytes) -> None:
    meta = meta_of(ct(sop_instance=INSTANCE + pad))
    assert meta.sop_instance_uid == INSTANCE.decode()


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT], ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("named", ["", IMPLICIT.uid, EXPLICIT.uid])
def test_between_implicit_and_explicit_the_first_element_decides(syntax: Syntax, named: str) -> None:
    meta = meta_of(ct(syntax, named or "none", transfer_syntax=bool(named)))
    assert (meta.transfer_syntax, meta.syntax) == (syntax.uid, syntax.bits)


def test_a_file_meta_without_a_data_set_is_read() -> None:
    data = part10(b"", EXPLICIT.uid)
    assert meta_of(data).start == len(data)


@pytest.mark.parametrize(
    ("uid", "deflated", "encapsulated"),
    [
        ("1.2.840.10008.1.2.1.99", True, False),
        ("1.2.840.10008.1.2.4.95", True, False),
        ("1.2.840.10008.1.2.4.205", True, False),
        ("1.2.840.10008.1.2.4.94", False, False),
        ("1.2.840.10008.1.2.4.204", False, False),
        ("1.2.840.10008.1.2.1.98", False, True),
        ("1.2.840.10008.1.2.4.50", False, True),
        ("1.2.840.10008.1.2.4.201", False, True),
        ("1.2.840.10008.1.2.5", False, True),
        ("1.2.840.10008.1.2.8.1", False, True),
    ],
)
def test_transfer_syntaxes_tell_how_a_body_is_stored(uid: str, deflated: bool, encapsulated: bool) -> None:
    meta = meta_of(ct(EXPLICIT, uid))
    assert (meta.transfer_syntax, meta.deflated, meta.encapsulated) == (uid, deflated, encapsulated)


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.113619.5.2",
        "1.2.840.10008.1.20",
        "1.2.840.10008.1.2.6.1",
        "1.2.840.10008.1.2.4.50^SMITH^JOHN",
        "1.2.840.10008.1.2.4.50\\1.2.3",
        "1.2.840.10008.1.2.4.99999",
        "1.2.840.10008.1.2.4.",
        "SMITH^JOHN",
    ],
)
def test_a_transfer_syntax_that_is_none_of_the_standards_is_refused(uid: str) -> None:
    problem = refusal(ct(EXPLICIT, uid))
    assert (problem.code, problem.tag) == ("unknown-transfer-syntax", 0x00020010)
    assert "SMITH" not in str(problem)


def test_bytes_that_are_no_ascii_in_a_transfer_syntax_are_refused() -> None:
    data = ct(EXPLICIT, "1.2.840.10008.1.2.4.50").replace(b"1.2.4.50", b"1.2.4.\xe9\xff")
    assert refusal(data).code == "unknown-transfer-syntax"


def test_an_empty_file_is_refused_as_empty() -> None:
    assert refusal(b"").code == "empty"


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"GIF89a",
        bytes(131),
        bytes(400),
        b"\x02\0\x10\0??" + bytes(300),
        encode(CONTENT, EXPLICIT),
        bytes(128) + b"DICN" + ct()[132:],
    ],
)
def test_what_is_no_part_10_file_is_refused(data: bytes) -> None:
    assert refusal(data).code == "not-dicom"


@pytest.mark.parametrize("beyond", [1, 2, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])
def test_a_length_beyond_the_end_is_refused(beyond: int) -> None:
    value = b"abcd"
    length = len(value) + beyond if beyond < 100 else beyond
    data = bytes(128) + b"DICM" + header(0x00020102, "OB", length, EXPLICIT) + value
    problem = refusal(data)
    assert (problem.code, problem.offset, problem.tag) == ("truncated", 132, 0x00020102)


def test_a_length_that_ends_with_the_file_is_taken() -> None:
    data = bytes(128) + b"DICM" + header(0x00020102, "OB", 4, EXPLICIT) + b"abcd"
    assert meta_of(data).start == len(data)


def test_no_vr_in_the_file_meta_is_refused() -> None:
    data = ct() + b""
    data = data.replace(b"\x02\0\x10\0UI", b"\x02\0\x10\0??")
    problem = refusal(data)
    assert (problem.code, problem.tag) == ("bad-vr", 0x00020010)


def test_cut_at_every_byte_a_file_is_refused_or_read_as_far_as_it_goes() -> None:
    data = ct()
    start = meta_of(data).start
    for cut in range(len(data)):
        found = outcome(meta_of, data[:cut])
        if isinstance(found, Refused):
            assert found.code in {"empty", "not-dicom", "truncated"}
            assert found.offset <= cut
        else:
            assert isinstance(found, Meta)
            assert found.start <= cut
            assert found.start < start or facts(found) == facts(meta_of(data)), "the whole meta is there"


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_a_window_of_any_size_asks_for_more_until_it_knows(syntax: Syntax) -> None:
    data = ct(syntax)
    for avail in range(len(data) + 1):
        found = outcome(read_meta, exact(data[:avail]), len(data))
        if isinstance(found, NeedMore):
            assert avail < found.upto <= len(data)
        else:
            assert isinstance(found, Meta)
            assert facts(found) == facts(meta_of(data))


def test_big_endian_is_believed() -> None:
    meta = meta_of(ct(BIG))
    assert (meta.transfer_syntax, meta.syntax) == (BIG.uid, 3)
