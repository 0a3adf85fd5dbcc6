"""Identifiers are decoded by Specific Character Set as pydicom does, but what pydicom would replace is
refused.
"""

from __future__ import annotations

import contextlib
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.charset import convert_encodings, decode_bytes, encode_string, python_encoding

from engine.errors import Refusal
from engine.pseudonymize.identity import canonical_text
from engine.pseudonymize.specific_character_set import decode

TERMS = sorted(python_encoding)
# One text for each way of writing, with the character sets that can hold it.
WRITINGS = [
    ("Zoë-1", ["ISO_IR 100"]),
    ("Łódź", ["ISO_IR 101"]),
    ("Ħamrun", ["ISO_IR 109"]),
    ("Ģirts", ["ISO_IR 110"]),
    ("Ωμέγα", ["ISO_IR 126"]),
    ("قباني", ["ISO_IR 127"]),
    ("שרון", ["ISO_IR 138"]),
    ("Люкceмбypг", ["ISO_IR 144"]),
    ("Çavuşoğlu", ["ISO_IR 148"]),
    ("สมชาย", ["ISO_IR 166"]),
    ("ﾔﾏﾀﾞ", ["ISO_IR 13"]),
    ("Zoë 山田", ["ISO_IR 192"]),
    ("张三-9", ["GB18030"]),
    ("张三-9", ["GBK"]),
    ("山田 7", ["", "ISO 2022 IR 87"]),
    ("ﾔﾏﾀﾞ 山田", ["ISO 2022 IR 13", "ISO 2022 IR 87"]),
    ("丂", ["", "ISO 2022 IR 159"]),
    ("김희중 7", ["", "ISO 2022 IR 149"]),
    ("Zoë Ωμέγα Люк", ["ISO 2022 IR 100", "ISO 2022 IR 126", "ISO 2022 IR 144"]),
]


@pytest.mark.parametrize(
    ("text", "charset"), WRITINGS, ids=lambda v: "-".join(v) if isinstance(v, list) else ""
)
def test_what_pydicom_writes_is_read_back(text: str, charset: list[str]) -> None:
    codecs = convert_encodings(charset)
    raw = encode_string(text, codecs)
    assert decode(raw, charset) == text == decode_bytes(raw, codecs, set())


@pytest.mark.parametrize("term", TERMS)
def test_ascii_means_ascii_in_every_character_set(term: str) -> None:
    """`decode` reads ASCII without a look at the character set; pydicom's own way must agree."""
    printable = bytes(range(0x20, 0x7F))
    assert decode(printable, term) == printable.decode(python_encoding[term]) == printable.decode("ascii")


@given(raw=st.binary(max_size=40), term=st.sampled_from(TERMS))
def test_any_bytes_are_read_as_pydicom_reads_them_or_refused(raw: bytes, term: str) -> None:
    raw = raw.replace(b"\x1b", b"")
    try:
        wanted = raw.decode(python_encoding[term])
    except UnicodeDecodeError:
        with pytest.raises(Refusal, match="not in its Specific Character Set"):
            decode(raw, term)
    else:
        assert decode(raw, term) == wanted == decode_bytes(raw, convert_encodings(term), set())


@given(
    raw=st.binary(max_size=30).map(lambda b: b + b"\x1b$B;3\x1b(B"),
    charset=st.lists(st.sampled_from(TERMS), max_size=3),
)
def test_bytes_with_escape_sequences_never_do_anything_but_decode_or_be_refused(
    raw: bytes, charset: list[str]
) -> None:
    with contextlib.suppress(Refusal):
        assert isinstance(decode(raw, charset), str)


@pytest.mark.parametrize(
    ("raw", "charset"),
    [
        (b"M\xfcller", ["ISO_IR 192"]),
        (b"\x81", ["GB18030"]),
        (b"\xff", ["ISO_IR 13"]),
        (b"\xa1", ["ISO_IR 127"]),
        (b"\x1b$B;3", ["ISO_IR 100"]),
        (b"\x1b$B;", ["", "ISO 2022 IR 87"]),
        (b"\x1b-F\xd9", ["", "ISO 2022 IR 87"]),
        (b"\x1b-Z\xd9", ["", "ISO 2022 IR 87"]),
        (b"\x1b", [""]),
        (b"\x1b$", [""]),
        (b"M\xfcller", ["ISO_IR 999"]),
        (b"M\xfcller", ["utf-16"]),
        (b"M\xfcller", ["rot13"]),
    ],
)
def test_what_cannot_be_decoded_with_certainty_is_refused_and_not_shown(
    raw: bytes, charset: list[str]
) -> None:
    with pytest.raises(Refusal) as caught:
        decode(b"PAT-4711" + raw, charset)
    assert caught.value.code == "undecodable-text"
    assert "4711" not in str(caught.value)
    assert caught.value.__context__ is None  # the codec's exception holds the value


def test_two_texts_that_pydicom_would_merge_into_one_stay_apart() -> None:
    """pydicom puts U+FFFD for what it cannot read, so that different Patient IDs would become one patient."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert decode_bytes(b"A\xfe", ["utf-8"], set()) == decode_bytes(b"A\xff", ["utf-8"], set())
    assert caught
    for raw in (b"A\xfe", b"A\xff"):
        with pytest.raises(Refusal):
            decode(raw, "ISO_IR 192")


@pytest.mark.parametrize(
    ("loose", "raw", "text"),
    [
        ("ISO IR 100", b"M\xfcller", "Müller"),
        ("ISO-IR 100 ", b"M\xfcller", "Müller"),
        ("iso_ir 100", b"M\xfcller", "Müller"),
        ("ISO_IR_192", "Müller".encode(), "Müller"),
        ("\\ISO_2022_IR_87", b"\x1b$B;3ED\x1b(B", "山田"),
        ("\\ISO 2022-IR-87\0", b"\x1b$B;3ED\x1b(B", "山田"),
    ],
)
def test_common_misspellings_of_a_defined_term_are_understood(loose: str, raw: bytes, text: str) -> None:
    assert decode(raw, loose) == text


def test_no_character_set_is_the_default_repertoire_whose_upper_half_is_read_as_latin_1() -> None:
    """As pydicom does: many files forget to declare ISO_IR 100; and no two byte strings become the same text."""
    assert decode(b"M\xfcller", "") == decode(b"M\xfcller", ()) == decode(b"M\xfcller", [""]) == "Müller"


def test_a_delimiter_brings_the_first_character_set_back() -> None:
    """PS3.5 6.1.2.5.3"""
    assert decode(b"\x1b-F\xd9\\\xeb", ["ISO 2022 IR 100", "ISO 2022 IR 126"]) == "Ω\\ë"
    assert decode(b"\x1b-F\xd9\r\n\xeb", ["ISO 2022 IR 100", "ISO 2022 IR 126"]) == "Ω\r\në"


def test_a_return_to_ascii_leaves_the_upper_half_of_the_first_character_set() -> None:
    assert decode(b"\x1b$B;3\x1b(B Zo\xeb", ["ISO 2022 IR 100", "ISO 2022 IR 87"]) == "山 Zoë"


def test_a_character_set_that_stands_alone_silences_the_others() -> None:
    assert decode("é\x1b".encode(), ["ISO_IR 192", "ISO 2022 IR 87"]) == "é\x1b"
    assert decode(b"\xe9", ["ISO_IR 100", "ISO_IR 192"]) == "é"


@given(st.text(st.characters(codec="latin-1", exclude_characters="\x1b")))
def test_the_canonical_form_of_latin_1_does_not_depend_on_how_it_was_written(text: str) -> None:
    as_latin_1 = decode(text.encode("latin-1"), "ISO_IR 100")
    as_utf_8 = decode(text.encode(), "ISO_IR 192")
    assert canonical_text(as_latin_1) == canonical_text(as_utf_8)
