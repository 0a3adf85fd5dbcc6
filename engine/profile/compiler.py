"""From a profile to native programs, when a process starts: what is decided here costs nothing per object.

One program would do, were it not for two things that depend on the object: which part of a compound code its
IOD calls for, and which of the profile's conditions it meets. Each combination that occurs gets a program of
its own, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import blake3
import orjson

from engine.dicom import dictionary
from engine.dicom.dictionary import Attribute
from engine.profile import iod_types
from engine.profile.actions import CODES
from engine.profile.constants import Constants
from engine.profile.content_items import PUBLIC_SCHEMES, concept_rules
from engine.profile.decide import Decider, Decision
from engine.profile.dummies import DOCUMENT, DOCUMENTS
from engine.profile.identifiers import identifiers
from engine.profile.insertions import DEIDENTIFICATION_METHOD, insertions
from engine.profile.model import Level, Predicate, Profile, Rule
from engine.profile.predicates import SOP_CLASS, Values, effective, holds, text, wanted
from engine.profile.private import private_rules
from engine.profile.program import PathRule, ProgramSpec, RepeatingRule, TagRule
from engine.profile.validate import validate

if TYPE_CHECKING:
    from engine._native.program import Program

_VRS_BY_RULE = ("DA", "DT", "PN", "TM", "UI")


class CompiledProfile:
    """A profile in the form the rewriter runs.

    `digest` is the BLAKE3 of the rules, in hex, as receipts carry it. `facts` are the attributes whose
    original values `program_for` wants to see.
    """

    def __init__(self, profile: Profile) -> None:
        validate(profile)
        self.name = profile.name
        self.profile = profile
        conditions = {rule.when: None for rule in profile.rules if rule.when is not None}
        self._conditions: tuple[Predicate, ...] = tuple(conditions)
        self.facts: tuple[int, ...] = tuple(sorted({SOP_CLASS, *wanted(profile.rules)}))
        self._programs: dict[tuple[tuple[bool, ...], str, bytes, bool], Program] = {}
        self.spec = self.spec_for({})
        self.digest = _digest(self.spec, profile)

    @cached_property
    def program(self) -> Program:
        """The program for an object of which nothing is known: no condition met, every compound code at its
        safest."""
        return self.program_for({})

    def program_for(self, values: Values, *, masked: bool = False) -> Program:
        """The program for an object with these original values at its top level (see `facts`), whose pixels are
        `masked`."""
        key = (*self._kind(values), masked)
        found = self._programs.get(key)
        if found is None:
            from engine._native.program import Program

            found = Program(**self._specify(*key).arguments())
            self._programs[key] = found
        return found

    def spec_for(self, values: Values) -> ProgramSpec:
        """What `program_for` makes its program from."""
        return self._specify(*self._kind(values), masked=False)

    def _kind(self, values: Values) -> tuple[tuple[bool, ...], str, bytes]:
        """All that programs differ by: which conditions are met, what the IOD requires, what a document becomes."""
        sop_class = text(values, SOP_CLASS)
        answers = tuple(holds(condition, values) for condition in self._conditions)
        types = (iod_types.types_of(sop_class) or "") if self.profile.is_basic else ""
        return answers, types, DOCUMENTS.get(sop_class, DOCUMENT)

    def _specify(self, answers: tuple[bool, ...], types: str, document: bytes, masked: bool) -> ProgramSpec:
        rules = effective(self.profile.rules, dict(zip(self._conditions, answers, strict=True)))
        profile = self.profile.with_cleaned_pixels() if masked else self.profile
        return specify(profile.with_rules(rules), iod_types.by_tag(types) if types else None, document)


def compile_profile(profile: Profile) -> CompiledProfile:
    """Decide over every attribute. Raises ConfigError where the profile contradicts itself, for whichever object."""
    return CompiledProfile(profile)


def specify(
    profile: Profile, types: Mapping[int, int] | None = None, document: bytes = DOCUMENT
) -> ProgramSpec:
    """The native program's arguments for `profile`, whose rules are all taken to hold; `types` as `Decider` takes them,
    `document` as `Constants` does."""
    decider = Decider(profile, types)
    constants = Constants(document)
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
    return ProgramSpec(
        rules=rules,
        repeating=repeating,
        private=private_rules(profile, constants),
        vr_rules=vr_rules,
        insertions=insertions(profile, decisions),
        paths=_paths(profile, constants),
        constants=constants.values,
        issuer=profile.issuer,
        flags={
            "unknown_standard": CODES[profile.unknown.standard],
            "unknown_private": CODES[profile.unknown.private],
        },
        identifiers=identifiers() if profile.is_basic else [],
        public_schemes=[scheme.encode() for scheme in PUBLIC_SCHEMES],
        concepts=concept_rules(profile),
    )


def _paths(profile: Profile, constants: Constants) -> list[PathRule]:
    found: list[PathRule] = []
    for rule in profile.rules:
        if rule.path is not None:
            attribute = dictionary.attributes()[rule.path[-1]]
            _, nested, argument = constants.codes(_path_decision(rule, attribute), attribute)
            found.append((rule.path, nested, argument))
    return found


def _path_decision(rule: Rule, attribute: Attribute) -> Decision:
    action = rule.action
    if action == "hash":
        action = Decider.nested_hash(attribute)
    return Decision(action, action, Level.PATH, f"rule at line {rule.line}", rule=rule)


def _digest(spec: ProgramSpec, profile: Profile) -> str:
    """Equal for profiles that do the same to every object, whatever they are called."""
    plain = spec.arguments()
    plain["pixels"] = repr(profile.pixels)
    plain["constants"] = [value.hex() for value in spec.constants]
    plain["insertions"] = [repr(row) for row in spec.insertions if row[0] != DEIDENTIFICATION_METHOD]
    plain["private"] = [[group, creator.decode(), *rest] for group, creator, *rest in spec.private]
    plain["public_schemes"] = [scheme.decode() for scheme in spec.public_schemes]
    plain["concepts"] = [[scheme.decode(), code.decode(), action] for scheme, code, action in spec.concepts]
    plain["conditional"] = sorted(
        repr(replace(rule, line=0, why="")) for rule in profile.rules if rule.when is not None
    )
    plain["iod_types"] = iod_types.digest()
    return blake3.blake3(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()
