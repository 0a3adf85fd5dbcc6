"""Content items of structured reports, by PS3.15 Table E.3.4-1."""

from __future__ import annotations

import pytest

from engine.profile import compile_profile, compiled
from engine.profile.actions import CODES
from engine.profile.content_items import PUBLIC_SCHEMES, _rows
from engine.profile.loader import loads

NAMES = {code: name for name, code in CODES.items()}


def _concepts(*options: str) -> dict[tuple[str, str], str]:
    listed = ", ".join(f'"{name}"' for name in ("clean-structured-content", *options))
    profile = loads(f'profile = "mine"\nbase = "ps3.15@2026c/basic"\noptions = [{listed}]', "mine.toml")
    return {
        (scheme.decode(), code.decode()): NAMES[action]
        for scheme, code, action in compile_profile(profile).spec.concepts
    }


def test_all_rows_of_the_table_are_there() -> None:
    current = [row for row in _rows() if row[0] not in ("SRT", "SNM3", "99SDM")]
    assert len(current) == 214


@pytest.mark.parametrize(
    ("options", "concept", "action"),
    [
        ((), ("DCM", "121022"), "remove"),
        ((), ("DCM", "113795"), None),
        ((), ("DCM", "121008"), None),
        ((), ("DCM", "112347"), "scrub"),
        ((), ("DCM", "121071"), "scrub"),
        (("clean-descriptors",), ("DCM", "121071"), "clean-text"),
        (("clean-descriptors",), ("DCM", "121106"), "clean-text"),
        ((), ("DCM", "121106"), "remove"),
        ((), ("DCM", "126201"), "remove"),
        (("full-dates",), ("DCM", "126201"), None),
        (("modified-dates",), ("DCM", "126201"), None),
        (("device-identity",), ("DCM", "121013"), "keep"),
        ((), ("DCM", "121013"), "remove"),
        (("patient-characteristics",), ("DCM", "121032"), "keep"),
        (("uids",), ("DCM", "121018"), "keep"),
        (("uids",), ("DCM", "113795"), None),
        ((), ("DCM", "121018"), "remove"),
        (("clean-descriptors",), ("SCT", "371524004"), "remove"),
        ((), ("SCT", "160476009"), "remove"),
        ((), ("SRT", "F-02455"), "remove"),
        ((), ("SNM3", "F-02455"), "remove"),
        ((), ("DCM", "999999"), None),
    ],
)
def test_a_concept_gets_the_action_of_its_row(
    options: tuple[str, ...], concept: tuple[str, str], action: str | None
) -> None:
    assert _concepts(*options).get(concept) == action


def test_every_row_is_settled_by_its_concept_or_by_the_rules_for_tags() -> None:
    concepts = _concepts()
    for scheme, code, value_type, basic, _ in _rows():
        if basic == "X":
            assert concepts[scheme, code] == "remove"
        elif value_type == "TEXT":
            assert concepts[scheme, code] in ("scrub", "remove")


def test_without_the_option_there_are_no_concepts() -> None:
    assert compiled("default").spec.concepts == []
    assert compiled("research").spec.concepts == []


def test_every_scheme_of_the_table_is_public() -> None:
    assert {row[0] for row in _rows()} <= set(PUBLIC_SCHEMES)
