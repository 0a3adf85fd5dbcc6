"""Cleaned text holds what is known to be harmless, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pseudonymize.cleaning import clean_code, clean_text, vocabulary, words_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "text",
    [
        "t1_mprage_sag_p2_iso 0.9mm",
        "L5/S1 sag T2 TSE",
        "DWI b1000 ADC",
        "Thorax Routine 5.0 B31f",
        "slice 3-4 of 120",
        "Hand AP",
    ],
)
def test_what_a_scanner_writes_stays(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("John Brown CT HEAD", "CT HEAD"),
        ("MÜLLER^HANS knee", "knee"),
        ("20200131 head", "head"),
        ("head 12/03/1956", "head"),
        ("head 31.1.20 15:30", "head"),
        ("knee 030-123 456", "knee"),
        ("knee AB1234", "knee"),
        ("1.2.840.113619.2.55 head", "head"),
        ("a.smith@example.org", "a"),
        ("123 45 67", ""),
        ("CT chest - 55F Dr. Smith", "CT chest"),
        ("Dr. Hand knee", ""),
        ("requested by Prof John Head: knee", "requested by knee"),
        ("山田^太郎", ""),
        ("", ""),
    ],
)
def test_names_dates_numbers_and_addresses_go(text: str, left: str) -> None:
    assert clean_text(text) == left


def test_the_patients_own_words_go_even_where_the_vocabulary_has_them() -> None:
    assert clean_text("Hand AP") == "Hand AP"
    assert clean_text("Hand AP", words_of("HAND^Peter")) == "AP"


def test_code_strings_keep_known_values_and_drop_the_others_whole() -> None:
    assert clean_code("CHEST\\MRN1234567\\M_FFE") == "CHEST\\M_FFE"
    assert clean_code("LEFT", words_of("LEFT^JOHN")) == ""
    assert clean_code("Smith, John") == ""


@given(st.text(max_size=80))
def test_cleaning_twice_is_cleaning_once_and_leaves_ascii_of_known_words(text: str) -> None:
    once = clean_text(text)
    assert once.isascii()
    assert clean_text(once) == once
    for word in words_of(once):
        assert word in vocabulary() or len(word) <= 3 or any(character.isdigit() for character in word)


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ^ ", min_size=1, max_size=40))
def test_no_unknown_word_of_letters_survives(text: str) -> None:
    assert all(word in vocabulary() or len(word) == 1 for word in words_of(clean_text(text)))


def test_common_names_are_not_in_the_vocabulary() -> None:
    assert not vocabulary() & {
        "smith",
        "brown",
        "miller",
        "young",
        "white",
        "martin",
        "rose",
        "anna",
        "grace",
        "baker",
    }


def test_the_vocabulary_is_what_its_script_makes() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate_vocabulary.py", "--check"], check=False, timeout=60
    )
    assert made.returncode == 0
