"""From a profile to the native program, once, when a process starts: what is decided here costs nothing per
object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import blake3
import orjson

from engine.dicom import dictionary
from engine.dicom.dictionary import Attribute
from engine.profile.actions import CODES
from engine.profile.constants import Constants
from engine.profile.decide import Decider, Decision
from engine.profile.identifiers import identifiers
from engine.profile.insertions import insertions
from engine.profile.model import Level, Profile, Rule
from engine.profile.program import ProgramSpec, RepeatingRule, TagRule

if TYPE_CHECKING:
    from engine._native.program import Program

_VRS_BY_RULE = ("DA", "DT", "PN", "TM", "UI")


@dataclass(frozen=True)
class CompiledProfile:
    """A profile in the form the rewriter runs, and the digest of its rules that receipts carry."""

    name: str
    digest: str
    spec: ProgramSpec

    @cached_property
    def program(self) -> Program:
        """The native program, made when first asked for."""
        from engine._native.program import Program

        return Program(**self.spec.arguments())


def compile_profile(profile: Profile) -> CompiledProfile:
    """Decide over every attribute. Raises ConfigError where the profile contradicts itself."""
    spec = specify(profile)
    return CompiledProfile(profile.name, digest(spec), spec)


def specify(profile: Profile) -> ProgramSpec:
    """The native program's arguments for `profile`."""
    decider = Decider(profile)
    constants = Constants()
    rules: list[TagRule] = []
    decisions: dict[int, Decision] = {}
    for attribute in dictionary.attributes().values():
        decision = decider.decide(attribute)
        decisions[attribute.tag] = decision
        rules.append((attribute.tag, attribute.vr, *constants.codes(decision, attribute)))
    repeating: list[RepeatingRule] = []
    for row in dictionary.repeating_attributes():
        if row.value >> 24 not in (0x50, 0x60):
            continue
        attribute = Attribute(row.value, row.vr, row.vm, row.keyword, row.retired)
        repeating.append(
            (row.mask, row.value, row.vr, *constants.codes(decider.decide(attribute), attribute))
        )
    vr_rules = {}
    for vr in _VRS_BY_RULE:
        top, _, argument = constants.codes(decider.decide_vr(vr), Attribute(0, vr, "1", "", retired=False))
        vr_rules[vr] = (top, argument)
    paths = [(rule.path, *_code(rule, constants)) for rule in profile.rules if rule.path is not None]
    return ProgramSpec(
        rules=rules,
        repeating=repeating,
        constants=constants.values,
        private=[],
        vr_rules=vr_rules,
        insertions=insertions(profile, decisions),
        paths=paths,
        issuer=profile.issuer,
        flags={
            "unknown_standard": CODES[profile.unknown.standard],
            "unknown_private": CODES[profile.unknown.private],
        },
        compounds={},
        identifiers=identifiers() if profile.is_basic else [],
    )


def _code(rule: Rule, constants: Constants) -> tuple[int, int]:
    if rule.path is None:
        raise ValueError("not a path rule")
    tag = rule.path[-1]
    attribute = dictionary.lookup(tag) or Attribute(tag, "UN", "1", "", retired=False)
    _, nested, argument = constants.codes(
        Decision(rule.action, rule.action, Level.PATH, f"rule at line {rule.line}", rule=rule), attribute
    )
    return nested, argument


def digest(spec: ProgramSpec) -> str:
    """BLAKE3 of the rules, in hex: equal for profiles that do the same, whatever they are called."""
    plain = {
        name: value
        for name, value in spec.arguments().items()
        if name not in ("insertions", "constants", "private", "compounds")
    }
    texts = {
        "constants": [value.hex() for value in spec.constants],
        "compounds": {uid.decode(): codes.hex() for uid, codes in spec.compounds.items()},
        "insertions": repr(spec.insertions),
        "private": [[group, creator.hex(), *rest] for group, creator, *rest in spec.private],
    }
    return blake3.blake3(orjson.dumps(plain | texts, option=orjson.OPT_SORT_KEYS)).hexdigest()
