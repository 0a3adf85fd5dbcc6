"""Cleaning keeps words that are safe and loses everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.profile.cleaning import clean_code, clean_text, is_code_string, is_number_string, vocabulary


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (b"CT chest abdomen pelvis - 55F Dr. Smith", b"CT chest abdomen pelvis"),
        (b"MRI BRAIN W/O CONTRAST", b"MRI BRAIN CONTRAST"),
        (b"t1_mprage_sag_p2_iso_1.0", b"t1 mprage sag p2 iso"),
        (b"AX T2 FLAIR 5mm", b"AX T2 FLAIR 5mm"),
        (b"Thorax, 2 views (PA & lat.)", b"Thorax views PA lat"),
        (b"DWI b1000\\ADC\\SMITH", b"DWI b1000\\ADC\\REMOVED"),
        (b"SMITH^JOHN", b"REMOVED"),
        (b"Brain Dr Hand", b"Brain"),
        (b"Prof. Anna Knie Head", b"Head"),
        (b"19800312 thorax", b"thorax"),
        (b"12.03.1980 thorax", b"thorax"),
        (b"MRN 4711 head", b"head"),
        (b"4711mm head", b"4711mm head"),
        ("Schädel nativ".encode("latin-1"), b"REMOVED"),
        ("頭部 CT".encode(), b"CT"),
        (b"\x1b$B;3ED\x1b(B head", b"head"),
        (b"", b""),
        (b"   ", b""),
        (b"\\", b""),
        (b"\\CT", b"\\CT"),
    ],
)
def test_words_that_are_safe_stay(raw: bytes, clean: bytes) -> None:
    assert clean_text(raw) == clean


@pytest.mark.parametrize(
    "name", [b"Smith", b"Mueller", b"Jansen", b"Garcia", b"Brown", b"Young", b"Martin", b"Rose", b"Lee"]
)
def test_surnames_are_no_safe_words(name: bytes) -> None:
    assert name.lower() not in vocabulary()


@given(st.binary(max_size=80))
def test_cleaning_twice_changes_nothing_more(raw: bytes) -> None:
    once = clean_text(raw)
    assert clean_text(once) == once


@given(st.binary(max_size=80))
def test_what_stays_is_ascii_and_stood_there_before(raw: bytes) -> None:
    for value in clean_text(raw).split(b"\\"):
        assert value.isascii()
        assert all(word in raw for word in value.split() if word != b"REMOVED")


@pytest.mark.parametrize(
    ("raw", "fine"),
    [
        (b"AXIAL ", True), (b"ORIGINAL\\PRIMARY", True), (b"DIR_1", True), (b"", True),
        (b"John Doe", False), (b"123456", False), (b"A" * 17, False), (b"\xc3\x84", False),
    ],
)  # fmt: skip
def test_a_code_string_is_told_from_a_name_or_a_number(raw: bytes, fine: bool) -> None:
    assert is_code_string(raw) is fine


@pytest.mark.parametrize(
    ("raw", "fine"),
    [
        (b"1.5\\-2e3 ", True),
        (b"+7", True),
        (b"", True),
        (b"Doe", False),
        (b"12:30", False),
        (b"1_000", False),
    ],
)
def test_a_number_string_holds_numbers(raw: bytes, fine: bool) -> None:
    assert is_number_string(raw) is fine


def test_a_code_sequence_keeps_its_code_and_loses_what_was_typed() -> None:
    assert clean_code(0x00080100, b"T-D4000") == b"T-D4000"
    assert clean_code(0x00080104, b"Abdomen of Mr Jones") == b"Abdomen of Mr"


def test_a_private_code_that_is_none_is_removed() -> None:
    assert clean_code(0x20011006, b"AXIAL") == b"AXIAL"
    assert clean_code(0x20011006, b"Jane Doe") is None
