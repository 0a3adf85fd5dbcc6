"""A compiled profile in native form: what it says of a tag, and what it refuses to be made of."""

from __future__ import annotations

from typing import Any

import pytest

from engine._native.program import ACTIONS, COMPUTED, VR_RULES, Program
from engine.dicom import dictionary
from tests.support.datasets import EXPLICIT, Element
from tests.support.rewriting import keep_all, rewrite

KEEP, REPLACE = ACTIONS["keep"], ACTIONS["replace"]
NAME = (0x00100010, "PN", KEEP, KEEP, 0)
METHOD = (0x00120063, "LO", KEEP, KEEP, 0)


def test_every_rule_is_found_again() -> None:
    made = keep_all()
    for attribute in dictionary.attributes().values():
        found = made.explain(attribute.tag)
        assert found is not None
        assert (found["vr"], found["top"], found["nested"]) == (attribute.vr, KEEP, KEEP)
    for unknown in (0x00100000, 0x0010FFFE, 0xFFFFFFFF, 0x00090010):
        assert made.explain(unknown) is None


def test_a_program_of_no_rules_keeps_nothing() -> None:
    assert rewrite(Program(rules=[]), [Element(0x00080060, "CS", b"CT")], EXPLICIT).head == b""


def test_actions_computed_values_and_vrs_are_told() -> None:
    assert sorted(ACTIONS.values()) == list(range(len(ACTIONS)))
    assert COMPUTED == {"hashed-id": 1, "study-id": 2, "sop-class-uid": 3, "sop-instance-uid": 4}
    assert set(VR_RULES) == {"DA", "TM", "DT", "UI", "PN"}


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "two rules of one tag": ({"rules": [NAME, NAME]}, r"two rules for \(0010,0010\)"),
    "no VR": ({"rules": [(0x00100010, "XX", KEEP, KEEP, 0)]}, "'XX' is no value representation"),
    "two VRs": ({"rules": [(0x00100010, "US or SS", KEEP, KEEP, 0)]}, "no value representation"),
    "an unknown action": ({"rules": [(0x00100010, "PN", 99, KEEP, 0)]}, "99 is no action"),
    "a negative action": ({"rules": [(0x00100010, "PN", KEEP, -1, 0)]}, "-1 is no action"),
    "no such constant": ({"rules": [(0x00100010, "PN", REPLACE, KEEP, 1)]}, "there is no constant 1"),
    "a negative constant": ({"rules": [(0x00100010, "PN", REPLACE, KEEP, -1)]}, "there is no constant -1"),
    "an unknown flag": ({"flags": {"unknown": KEEP}}, "unknown flag 'unknown'"),
    "an even private group": ({"private": [(0x0018, b"ACME", 1, "DS", KEEP, 0)]}, "0018 is not private"),
    "a whole element number": ({"private": [(0x0019, b"ACME", 0x1001, "DS", KEEP, 0)]}, "low byte"),
    "a negative element": ({"private": [(0x0019, b"ACME", -1, "DS", KEEP, 0)]}, "low byte"),
    "a private action": ({"private": [(0x0019, b"ACME", 1, "DS", 50, 0)]}, "50 is no action"),
    "a VR without rules": ({"vr_rules": {"LO": (KEEP, 0)}}, "no rule by VR is possible for LO"),
    "a VR's action": ({"vr_rules": {"DA": (77, 0)}}, "77 is no action"),
    "an insertion without a rule": (
        {"insertions": [(0x00120062, "CS", b"YES")]},
        r"\(0012,0062\) has no rule",
    ),
    "two insertions": (
        {"insertions": [(0x00120063, "LO", b"a"), (0x00120063, "LO", b"b")]},
        "two insertions",
    ),
    "an unknown computed value": (
        {"insertions": [(0x00120063, "LO", "patient")]},
        "'patient' is no computed",
    ),
    "an insertion too long": ({"insertions": [(0x00120063, "LO", b"x" * 65_535)]}, "too long"),
    "an insertion's VR": ({"insertions": [(0x00120063, "L", b"x")]}, "no value representation"),
    "an empty path": ({"paths": [((), KEEP, 0)]}, "a path needs a tag"),
    "two rules for a path": ({"paths": [((0x00100010,), KEEP, 0)] * 2}, "two rules for one path"),
    "a path from nowhere": ({"paths": [((0x00120062, 0x00100010), KEEP, 0)]}, "has no rule"),
    "a path's action": ({"paths": [((0x00100010,), -5, 0)]}, "-5 is no action"),
    "an identifier without a rule": ({"identifiers": [0x00100020]}, "has no rule"),
    "a concept's action": ({"concepts": [(b"DCM", b"1", 99)]}, "99 is no action"),
    "no constants at all": ({"constants": []}, "there is no constant 0"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_named(what: str) -> None:
    given, message = MISTAKES[what]
    with pytest.raises(ValueError, match=message):
        Program(**({"rules": [NAME, METHOD]} | given))


@pytest.mark.parametrize(
    "given",
    [
        {"constants": ["text"]},
        {"private": [(0x0019, "ACME", 1, "DS", KEEP, 0)]},
        {"public_schemes": ["DCM"]},
        {"concepts": [("DCM", "1", KEEP)]},
        {"rules": [("0010,0010", "PN", KEEP, KEEP, 0)]},
        {"insertions": [(0x00120063, "LO", 5)]},
    ],
)
def test_what_is_no_bytes_or_number_is_a_type_error(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Program(**({"rules": [NAME, METHOD]} | given))


@pytest.mark.parametrize("tag", [-1, 1 << 32])
def test_a_tag_has_32_bits(tag: int) -> None:
    with pytest.raises(OverflowError):
        Program(rules=[(tag, "PN", KEEP, KEEP, 0)])
    with pytest.raises(OverflowError):
        keep_all().explain(tag)


def test_more_constants_than_a_rule_can_name_are_refused() -> None:
    values = [b""] * 65_537
    Program(rules=[(0x00100010, "PN", REPLACE, KEEP, 65_535)], constants=values)
    with pytest.raises(OverflowError):
        Program(rules=[(0x00100010, "PN", REPLACE, KEEP, 65_536)], constants=values)
