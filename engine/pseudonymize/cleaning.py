"""Text that is cleaned rather than removed (PS3.15 options C): what is kept is what is known to be harmless.

Nobody can list all that identifies, so the list is of what does not: words of anatomy, imaging and code meanings
(`vocabulary.txt`), short numbers, and punctuation between them. A name, a date, a place, a telephone number or an ID is none of
these and goes without having to be recognised.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_PIECES = re.compile(r"[^\W_]+|[\W_]+")
_RUNS = re.compile(r"[a-z]+|[0-9]+")
_SEX_AND_AGE = re.compile(r"\d{1,3}(f|m|w|y|yo|yr|yrs)|[fmw]\d{2,3}")
"""55F, 7y: a person's age and sex in one word (PS3.15 E.3.5)."""

_TITLES = frozenset(
    {"prof", "professor", "doctor", "mrs", "miss", "herr", "frau", "sir", "madame", "mme", "monsieur"}
    | {"physician", "radiologist", "technologist", "operator"}
)
"""What is followed by a name, even if that name is a word of anatomy."""

_SHORT_TITLES = frozenset({"Dr", "Mr", "Ms"})
"""Titles only when written so: DR and MR are modalities."""

_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")
_DIGITS_OF_AN_ID = re.compile(r"\d{5}")

_KEPT_MARKS = frozenset(" _-/+.,;:()[]^*%&=<>")
_LONGEST_NUMBER = 3
_LONGEST_B_VALUE = 4
_MOST_RUNS = 4
_LONGEST_WORD = 24


@cache
def vocabulary() -> frozenset[str]:
    """The words that cleaned text may keep, in lower case."""
    text = resources.files("engine.pseudonymize").joinpath("vocabulary.txt").read_text(encoding="ascii")
    return frozenset(text.split())


def clean_text(value: str, own: frozenset[str] = frozenset()) -> str:
    """The harmless part of a text; `own` are the patient's own words in lower case, which go even if they are in the vocabulary.

    Words stay if they are known, and single letters and words with a short number attached (T1, L5, b1000);
    numbers of up to three digits stay unless they stand together like a date, a time or a telephone number.
    ASCII only: what is left is the same in every character set.
    """
    kept: list[str] = []
    pieces = _PIECES.findall(value)
    for i, piece in enumerate(pieces):
        if not piece[0].isalnum():
            kept.append(_mark(piece))
        elif _is_harmless(piece, own) and not _is_part_of_number(pieces, i) and not _follows_title(pieces, i):
            kept.append(piece)
    return _joined(kept)


def clean_code(value: str, own: frozenset[str] = frozenset()) -> str:
    """The values of a code string (CS) that look like codes: PS3.5's repertoire and length, no run of five digits, none of the
    patient's own words. The others are dropped whole."""
    values = (part.strip() for part in value.split("\\"))
    return "\\".join(part for part in values if _is_code(part, own))


def _is_code(part: str, own: frozenset[str]) -> bool:
    return (
        _CODE.fullmatch(part) is not None
        and _DIGITS_OF_AN_ID.search(part) is None
        and not words_of(part.replace("_", " ")) & own
    )


def _follows_title(pieces: list[str], i: int) -> bool:
    """Whether a word stands within two words behind a title: Dr. Hand, Prof John Head."""
    before = [piece for piece in pieces[max(0, i - 4) : i] if piece[0].isalnum()][-2:]
    return any(map(_is_title, before))


def _is_title(piece: str) -> bool:
    return piece in _SHORT_TITLES or piece.lower() in _TITLES


def _is_harmless(piece: str, own: frozenset[str]) -> bool:
    word = piece.lower()
    if _is_title(piece) or _SEX_AND_AGE.fullmatch(word):
        return False
    if not piece.isascii() or len(piece) > _LONGEST_WORD or word in own:
        return False
    if word.isdigit():
        return len(word) <= _LONGEST_NUMBER
    if word in vocabulary() or (len(word) == 1 and word.isalpha()):
        return True  # a single letter names nobody
    runs = _RUNS.findall(word)
    digits = sum(len(run) for run in runs if run[0].isdigit())
    letters = [run for run in runs if run[0].isalpha()]
    longest = _LONGEST_B_VALUE if letters == ["b"] else _LONGEST_NUMBER
    return (
        0 < digits <= longest
        and len(runs) <= _MOST_RUNS
        and all(run not in own and (len(run) == 1 or run in vocabulary()) for run in letters)
    )


def _is_part_of_number(pieces: list[str], i: int) -> bool:
    """Whether a number stands beside another one, joined as dates, times, telephone numbers and addresses are; 0.6 and 3-4 are
    two numbers and stay, 12.03.56 and 030 123 456 go."""
    if not pieces[i].isdigit():
        return False
    first = last = i
    while first >= 2 and pieces[first - 2].isdigit() and len(pieces[first - 1]) <= 2:
        first -= 2
    while last + 2 < len(pieces) and pieces[last + 2].isdigit() and len(pieces[last + 1]) <= 2:
        last += 2
    numbers = pieces[first : last + 1 : 2]
    return len(numbers) > 2 or any(len(number) > _LONGEST_NUMBER for number in numbers)


def _mark(piece: str) -> str:
    return "".join(character for character in piece if character in _KEPT_MARKS)[:2] or " "


def _joined(kept: list[str]) -> str:
    """The pieces without the marks that what was removed has left hanging."""
    text: list[str] = []
    for piece in kept:
        if not piece[0].isalnum() and text and not text[-1][0].isalnum():
            continue
        text.append(piece)
    while text and not text[0][0].isalnum() and text[0][0] not in "([":
        text.pop(0)
    while text and not text[-1][0].isalnum() and text[-1][0] not in ")]%":
        text.pop()
    return "".join(text)


def words_of(*values: str) -> frozenset[str]:
    """The words of a patient's own names and IDs, in lower case."""
    return frozenset(word.lower() for value in values for word in re.findall(r"[^\W_]+", value))
