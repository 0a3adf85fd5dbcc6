"""Who an object belongs to: the same patient always, two patients never one, whatever the values and character sets."""

from __future__ import annotations

import pytest

from engine._native.program import ACTIONS
from engine._native.survey import Survey, survey
from engine.errors import Refusal
from engine.pseudonymize.identities import _REMEMBERED, Identities, charset_of
from engine.pseudonymize.identity import HashSecret
from tests.support.datasets import EXPLICIT, Element, encode

SECRET = HashSecret(bytes(range(32)))
CHARSET, ACCESSION, NAME, ID, ISSUER, STUDY = (
    0x00080005,
    0x00080050,
    0x00100010,
    0x00100020,
    0x00100021,
    0x0020000D,
)
WANTED = (CHARSET, ACCESSION, NAME, ID, ISSUER, STUDY)


def values(**given: bytes) -> Survey:
    tags = {"charset": CHARSET, "name": NAME, "id": ID, "issuer": ISSUER, "study": STUDY}
    elements = [Element(tags[name], "UT", value) for name, value in given.items()]
    data = encode(elements, EXPLICIT)
    return survey(data, len(data), 0, EXPLICIT.bits, WANTED)


def hashed(by_issuer: bool = False, /, **given: bytes) -> str:
    return Identities(SECRET, issuer=by_issuer).of(values(**given), b"1.9").hashed_id.decode()


def test_a_patient_is_the_hash_of_its_id() -> None:
    assert hashed(id=b"P-1", study=b"1.2") == SECRET.hashed_id("P-1")
    assert hashed(id=b" P-1 \0", study=b"1.3") == SECRET.hashed_id("P-1")
    assert hashed(id=b"P-2", study=b"1.2") != SECRET.hashed_id("P-1")


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        (b"ISO_IR 100", "Müller-7".encode("latin-1"), "Müller-7"),
        (b"ISO_IR 192", "Müller-7".encode(), "Müller-7"),
        (b"ISO_IR 192", "Mu\u0308ller-7".encode(), "Müller-7"),
        (b"ISO_IR 144", "Иван7".encode("iso8859-5"), "Иван7"),
        (b"GB18030 ", "王7".encode("gb18030"), "王7"),
        (b"\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B7", "山田7"),
    ],
)
def test_the_same_id_in_another_character_set_is_the_same_patient(
    charset: bytes, raw: bytes, text: str
) -> None:
    assert hashed(charset=charset, id=raw, study=b"1.2") == SECRET.hashed_id(text)


def test_an_id_that_its_character_set_cannot_hold_is_refused() -> None:
    for charset in (b"ISO_IR 192", b"ISO_IR 999", b"\xff", b"ISO_IR 100\\ISO_IR 999"):
        with pytest.raises(Refusal) as caught:
            hashed(charset=charset, id=b"M\xfcller", study=b"1.2")
        assert caught.value.code == "undecodable-text"
        assert "ller" not in str(caught.value)


@pytest.mark.parametrize("empty", [{}, {"id": b""}, {"id": b"  "}, {"id": b"\0\0"}, {"id": b"\x1b(B"}])
def test_patients_without_an_id_are_told_apart_by_study_then_by_object(empty: dict[str, bytes]) -> None:
    identities = Identities(SECRET, issuer=False)
    study = [
        identities.of(values(study=uid, **empty), b"1.9").hashed_id.decode()
        for uid in (b"1.2", b"1.3", b"1.2 ")
    ]
    assert study == [SECRET.hashed_study("1.2"), SECRET.hashed_study("1.3"), SECRET.hashed_study("1.2")]
    objects = [identities.of(values(**empty), uid).hashed_id.decode() for uid in (b"1.4", b"1.5", b"1.4")]
    assert objects == [SECRET.hashed_study("1.4"), SECRET.hashed_study("1.5"), SECRET.hashed_study("1.4")]
    assert identities.of(values(**empty), b"").hashed_id == b""


def test_an_issuer_counts_only_where_the_profile_says_so() -> None:
    both = {"id": b"P-1", "issuer": b"HOSPITAL", "study": b"1.2"}
    assert hashed(False, **both) == SECRET.hashed_id("P-1")
    assert hashed(True, **both) == SECRET.hashed_id("P-1", "HOSPITAL")
    assert hashed(True, **both) != SECRET.hashed_id("P-1")
    assert hashed(True, id=b"P-1", study=b"1.2") == SECRET.hashed_id("P-1")


def test_the_study_id_is_a_hash_of_the_study() -> None:
    found = Identities(SECRET, issuer=False).of(values(id=b"P-1", study=b"1.2.3\0"), b"")
    assert found.study_id.decode() == SECRET.study_id("1.2.3")
    assert Identities(SECRET, issuer=False).of(values(id=b"P-1"), b"").study_id == b""


def test_dates_shift_by_patient_by_whole_days_into_the_past() -> None:
    identities = Identities(SECRET, issuer=False)
    shifts = {n: identities.of(values(id=b"P-%d" % n, study=b"1.2"), b"").shift_days for n in range(300)}
    assert all(-3650 <= days <= -1 for days in shifts.values())
    assert len(set(shifts.values())) > 250
    assert identities.of(values(id=b"P-1", study=b"1.77"), b"").shift_days == shifts[1], (
        "another study, the same patient"
    )


def test_what_is_remembered_does_not_change_answers() -> None:
    remembers = Identities(SECRET, issuer=False)
    for round_number in range(2):
        for n in range(5000):
            given = values(id=b"P-%d" % n, study=b"1.%d" % (n % 7))
            if round_number or n > 4990:
                assert remembers.of(given, b"").hashed_id.decode() == SECRET.hashed_id(f"P-{n}")
            else:
                remembers.of(given, b"")
    assert len(remembers._objects) <= _REMEMBERED


def test_long_values_are_not_remembered() -> None:
    remembers = Identities(SECRET, issuer=False)
    long = b"P" * 100_000
    assert remembers.of(values(id=long), b"").hashed_id.decode() == SECRET.hashed_id(long.decode())
    assert (
        remembers.encode(ACTIONS["hash-accession"], ACCESSION, long, b"")
        == SECRET.accession(long.decode()).encode()
    )
    assert not remembers._objects
    assert not remembers._values


@pytest.mark.parametrize("raw", [b"", b"  ", b"\0\0"])
def test_an_empty_nested_identifier_stays_empty(raw: bytes) -> None:
    encode_value = Identities(SECRET, issuer=False).encode
    assert encode_value(ACTIONS["hash-patient"], ID, raw, b"") == b""
    assert encode_value(ACTIONS["hash-accession"], ACCESSION, raw, b"") == b""


def test_a_nested_patient_id_is_hashed_like_the_one_on_top() -> None:
    encode_value = Identities(SECRET, issuer=False).encode
    assert (
        encode_value(ACTIONS["hash-patient"], ID, "Müller ".encode(), b"ISO_IR 192")
        == hashed(charset=b"ISO_IR 192", id="Müller".encode()).encode()
    )
    accession = encode_value(ACTIONS["hash-accession"], ACCESSION, b" A-1", b"")
    assert accession == SECRET.accession("A-1").encode()


@pytest.mark.parametrize(
    ("raw", "terms"),
    [
        (b"", ()),
        (b" \0", ()),
        (b"ISO_IR 100", ("ISO_IR 100",)),
        (b"\\ISO 2022 IR 87 ", ("", "ISO 2022 IR 87")),
        (b"ISO_IR 6 \\ ISO 2022 IR 149", ("ISO_IR 6", "ISO 2022 IR 149")),
    ],
)
def test_character_sets_are_split_at_backslashes(raw: bytes, terms: tuple[str, ...]) -> None:
    assert charset_of(raw) == terms
