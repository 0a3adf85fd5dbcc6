"""The conformance statement that PS3.15 E.1.3 asks of a de-identifier, made from a profile; and what is odd about
it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from engine.dicom import dictionary
from engine.dicom.transfer_syntaxes import transfer_syntaxes
from engine.profile.compiler import compile_profile
from engine.profile.decide import Decider
from engine.profile.deviations import deviations, keeps_private
from engine.profile.dummies import DUMMIES, DUMMY_BY_TAG
from engine.profile.insertions import applied_codes
from engine.profile.model import OPTIONS, Level, Profile
from engine.profile.private import decisions as private_decisions
from engine.profile.tables import EDITION

INTEGRITY = (
    "UIDs are replaced consistently inside a pass: one trip of one study through the gateway, across its objects and their "
    "references. The key of a pass is destroyed when it is sealed, so a study sent again gets other UIDs. Patient ID, "
    "Accession Number and Study ID are keyed hashes under the institution's secret, equal for the same patient, accession and "
    "study for ever. Dates move by one whole number of days for each patient."
)
DUMMY = "a dummy is one constant for each VR, the same for every patient; where an IOD does not require a value, none is written"
CLEANING = (
    "clean-text keeps words of a vocabulary and short numbers; clean-code keeps codes that are formed as "
    "codes and cleans their meanings; generalise-age writes 090Y for every age above 89 years; shift-date moves dates by whole "
    "days and leaves times as they are"
)
RESTRICTIONS = (
    "an object that cannot be parsed, or that the profile cannot treat with certainty, is quarantined",
    "file meta information and preamble are replaced; group lengths, command and directory elements are removed",
    "a DICOMDIR is refused",
    "Clean Pixel Data and Clean Recognizable Visual Features are not claimed",
    "overlays and curves are removed whole, also under Clean Graphics",
    "a sequence coded X/Z/U* is kept and its UIDs are replaced, so that references hold",
)


def statement(profile: Profile) -> dict[str, Any]:
    """The statement as a JSON object; `attributes` maps each action to the keywords it is applied to at the top
    level."""
    compiled = compile_profile(profile)
    decider = Decider(profile)
    by_action: dict[str, list[str]] = defaultdict(list)
    for attribute in dictionary.attributes().values():
        decision = decider.decide(attribute)
        if decision.top != "keep" and (attribute.vr != "SQ" or decision.top != "recurse"):
            by_action[decision.top].append(dictionary.keyword_of(attribute.tag))
    return {
        "profile": profile.name,
        "digest": compiled.digest,
        "base": profile.base,
        "edition": f"PS3.15 {EDITION}",
        "claims": [{"code": o.code, "meaning": o.meaning} for o in applied_codes(profile)]
        if profile.is_basic
        else [],
        "options": [{"name": name, "code": OPTIONS[name].code} for name in profile.options],
        "deviations": [
            {
                "attribute": dictionary.keyword_of(deviation.tag),
                "line": deviation.rule.line,
                "action": deviation.action,
                "asked": deviation.asked,
                "identity": deviation.is_identity,
            }
            for deviation in deviations(profile)
        ],
        "private": {
            "kept": [
                {
                    "group": f"{s.group:04X}",
                    "creator": s.creator,
                    "element": f"xx{s.element:02X}",
                    "vr": s.vr,
                    "action": d.top,
                }
                for s, d in private_decisions(profile).items()
                if d.top != "remove"
            ],
            "others": profile.unknown.private,
        },
        "attributes": dict(sorted(by_action.items())),
        "dummies": {
            "how": DUMMY,
            "values": {
                vr: value.decode("ascii", "backslashreplace")
                for vr, value in DUMMIES.items()
                if value.isascii()
            },
            "exceptions": {dictionary.keyword_of(tag): value.decode() for tag, value in DUMMY_BY_TAG.items()},
        },
        "cleaning": CLEANING,
        "encrypted_attributes": "none: no Encrypted Attributes Sequence is written, and no way back is kept",
        "referential_integrity": INTEGRITY,
        "inserted": [
            {"attribute": dictionary.keyword_of(tag), "value": _shown(value)}
            for tag, _, value in compiled.spec.insertions
        ],
        "transfer_syntaxes": [s.keyword for s in transfer_syntaxes().values() if s.readable],
        "unknown": {"standard": profile.unknown.standard, "unparsable": profile.unknown.unparsable},
        "restrictions": list(RESTRICTIONS),
    }


def _shown(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("ascii", "backslashreplace")
    if isinstance(value, list):
        return [{dictionary.keyword_of(tag): part.decode() for tag, _, part in item} for item in value]
    return str(value)


def remarks(profile: Profile) -> list[str]:
    """What is allowed in a profile, and worth a second look."""
    said = []
    if not profile.is_basic:
        said.append(
            "the base is none: nothing is de-identified unless a rule says so, and no object claims that it is"
        )
    for deviation in deviations(profile):
        name = dictionary.keyword_of(deviation.tag)
        said.append(
            f"line {deviation.rule.line}: {name} gets {deviation.action} where table and options ask {deviation.asked}; "
            + (
                "objects say that identity is NOT removed"
                if deviation.is_identity
                else "objects do not claim Basic (113100)"
            )
        )
    if keeps_private(profile):
        said.append(
            "private attributes are kept without the option safe-private-numeric; objects do not claim Basic (113100)"
        )
    decider = Decider(profile)
    plain = Decider(profile.with_rules(()))
    for rule in profile.rules:
        if rule.level is Level.TAG and rule.tag is not None and rule.when is None:
            attribute = dictionary.attributes()[rule.tag]
            with_rule, without = decider.decide(attribute), plain.decide(attribute)
            if (with_rule.top, with_rule.nested) == (
                without.top,
                without.nested,
            ) and rule.action not in ("replace", "hash"):
                said.append(
                    f"line {rule.line}: the rule for {attribute.keyword} changes nothing ({without.source})"
                )
    return said
