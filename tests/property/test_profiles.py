"""Any profile that can be written is either refused with its line, or compiles to a program that the rewriter takes."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.dicom import dictionary
from engine.errors import ConfigError
from engine.profile import Profile, compile_profile
from engine.profile.actions import ADMISSIBLE, CODES, is_admissible
from engine.profile.compare import compare
from engine.profile.conformance import remarks, statement
from engine.profile.deviations import deviations
from engine.profile.dummies import DUMMIES
from engine.profile.explain import explain
from engine.profile.loader import loads
from engine.profile.model import BASES, OPTIONS
from engine.profile.schema import schema

SCHEMA = jsonschema.Draft202012Validator(schema())
KEYWORDS = sorted(row.keyword for row in dictionary.attributes().values() if row.keyword)
SEQUENCES = sorted(row.keyword for row in dictionary.attributes().values() if row.vr == "SQ")

texts = st.text(alphabet="ABC xyz019\\^=ä\"'\n", max_size=20)
values = st.one_of(
    texts, st.integers(-(2**40), 2**40), st.floats(allow_nan=False, allow_infinity=False), st.booleans()
)
conditions = st.fixed_dictionaries(
    {},
    optional={
        "modality": st.sampled_from(["MR", ["CT", "PT"]]),
        "manufacturer": st.sampled_from(["GE", "Siemens"]),
        "present": st.sampled_from(KEYWORDS),
        "equals": st.dictionaries(st.sampled_from(KEYWORDS), st.sampled_from(["A", "B"]), max_size=2),
    },
)
selectors = st.one_of(
    st.fixed_dictionaries({"tag": st.sampled_from([*KEYWORDS, "(0008,0020)", "Nonsense"])}),
    st.fixed_dictionaries({"vr": st.sampled_from([*sorted(DUMMIES), "XX"])}),
    st.fixed_dictionaries({"group": st.sampled_from(["50xx", "60xx", "60xx,3000", "60xx,1500", "0010"])}),
    st.fixed_dictionaries({"path": st.builds("/".join, st.tuples(st.sampled_from(SEQUENCES), st.sampled_from(KEYWORDS)))}),
    st.fixed_dictionaries(
        {
            "private": st.fixed_dictionaries(
                {"group": st.integers(0, 70000), "creator": st.sampled_from(["ACME", "", "SIEMENS MR HEADER"]),
                 "element": st.integers(-1, 300)},
                optional={"vr": st.sampled_from([*sorted(DUMMIES), "XX"])},
            )
        }
    ),
)  # fmt: skip
rules = st.builds(
    lambda selector, rest: {**selector, **rest},
    selectors,
    st.fixed_dictionaries(
        {"action": st.sampled_from(list(ADMISSIBLE))},
        optional={
            "nested": st.sampled_from(list(ADMISSIBLE)),
            "value": values,
            "when": conditions,
            "why": texts,
        },
    ),
)


@st.composite
def fitting_rules(draw: st.DrawFn) -> dict[str, Any]:
    """A rule whose action its attribute can take."""
    keyword = draw(st.sampled_from(KEYWORDS))
    tag = dictionary.parse_tag(keyword) or 0
    vr = dictionary.attributes()[tag].vr
    fitting = [action for action in ADMISSIBLE if is_admissible(action, tag, vr) and action != "replace"]
    rule: dict[str, Any] = {"action": draw(st.sampled_from(fitting))}
    if draw(st.booleans()):
        rule["nested"] = draw(st.sampled_from(fitting))
    if draw(st.integers(0, 3)) == 0:
        rule["path"] = f"{draw(st.sampled_from(SEQUENCES))}/{keyword}"
    elif vr in ("DA", "DT", "TM", "PN", "LO") and draw(st.booleans()) and "hash" not in rule.values():
        rule["vr"] = vr
    else:
        rule["tag"] = keyword
    if draw(st.booleans()):
        rule["when"] = {"modality": draw(st.sampled_from(["MR", "CT"]))}
    return rule


options = st.lists(st.sampled_from(list(OPTIONS)), max_size=4, unique=True)
profiles = st.fixed_dictionaries(
    {"profile": st.just("random"), "base": st.sampled_from([BASES[0], BASES[0], BASES[1]])},
    optional={
        "options": options,
        "unknown": st.fixed_dictionaries({}, optional={"private": st.sampled_from(["keep", "remove"])}),
        "issuer": st.booleans(),
        "rule": st.lists(st.one_of(fitting_rules(), fitting_rules(), fitting_rules(), rules), max_size=5),
    },
)


def _toml(value: Any) -> str:
    """A value in TOML, which is JSON but for tables."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def _text(document: dict[str, Any]) -> str:
    lines = [f"{key} = {_toml(value)}" for key, value in document.items() if key != "rule"]
    for rule in document.get("rule", []):
        lines += ["[[rule]]", *(f"{key} = {_toml(value)}" for key, value in rule.items())]
    return "\n".join(lines) + "\n"


def _load(document: dict[str, Any]) -> Profile | ConfigError:
    try:
        profile = loads(_text(document), "random.toml")
        compile_profile(profile)
    except ConfigError as error:
        return error
    return profile


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(profiles)
def test_a_profile_is_refused_in_words_or_runs(document: dict[str, Any]) -> None:
    found = _load(document)
    if isinstance(found, ConfigError):
        assert "random.toml" in str(found)
        return
    assert SCHEMA.is_valid(document)
    compiled = compile_profile(found)
    assert compiled.program is compiled.program
    assert set(CODES.values()) >= {row[2] for row in compiled.spec.rules}
    assert compiled.digest == compile_profile(loads(_text(document), "again.toml")).digest
    assert compare(found, found) == []
    json.dumps(statement(found))
    assert all(isinstance(remark, str) for remark in remarks(found))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(profiles, st.sampled_from(KEYWORDS))
def test_an_explanation_says_what_the_program_does(document: dict[str, Any], keyword: str) -> None:
    found = _load(document)
    if isinstance(found, ConfigError):
        return
    unconditional = found.with_rules(tuple(rule for rule in found.rules if rule.when is None))
    told = explain(unconditional, keyword)
    row = compile_profile(unconditional).program.explain(dictionary.parse_tag(keyword) or 0)
    assert row is not None
    dummy = {"UI": "new-uid", "SQ": "scrub"}.get(told.vr, "replace")
    for where, action in (("top", told.decision.top), ("nested", told.decision.nested)):
        assert row[where] == CODES[dummy if action == "dummy" else action]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(profiles)
def test_no_profile_that_keeps_more_than_basic_claims_it(document: dict[str, Any]) -> None:
    found = _load(document)
    if isinstance(found, ConfigError) or not found.is_basic:
        return
    found = found.with_rules(tuple(rule for rule in found.rules if rule.when is None))
    if not deviations(found):
        return
    codes = next(value for tag, _, value in compile_profile(found).spec.insertions if tag == 0x00120064)
    assert all(item[0][2] != b"113100" for item in codes if not isinstance(item, str | int))
