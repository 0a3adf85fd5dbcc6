"""Contradictions of a profile that no single rule shows; found when it is compiled, whichever objects come later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from engine.dicom import dictionary
from engine.errors import ConfigError
from engine.profile import private
from engine.profile.decide import Decider
from engine.profile.model import Predicate, Profile, Rule
from engine.profile.predicates import effective, exclusive, wanted

# Without these an object can be neither stored nor found (PS3.3 C.7, C.12.1).
_NEEDED = frozenset({0x00080016, 0x00080018, 0x0020000D, 0x0020000E})
_CLOSED = frozenset({"remove", "empty", "quarantine", "refuse"})
MOST_CONDITIONS = 10
MOST_FACTS = 40
"""Attributes that conditions may ask for: a survey looks for 64, and identities and pixels need theirs."""


def validate(profile: Profile) -> None:
    """Raises ConfigError, with file and line, for a rule that would break objects, that can never apply, or that
    another rule takes the ground from."""
    facts = wanted(profile.rules)
    if len(facts) > MOST_FACTS:
        raise ConfigError(
            "profile",
            f"{profile.source}: conditions ask for at most {MOST_FACTS} different attributes, here are {len(facts)}",
        )
    for rule in profile.rules:
        if rule.tag in _NEEDED and rule.action in ("remove", "empty"):
            raise _error(
                profile,
                rule,
                f"action: no object can be without {dictionary.keyword_of(rule.tag)}",
                "new-uid replaces it, keep keeps it",
            )
        if rule.private is not None and profile.unknown.private == "keep":
            raise _error(
                profile,
                rule,
                "private: unknown.private keeps every private attribute, so this rule can never apply",
                'set unknown.private to "remove" and list what is kept',
            )
    for unconditional in (rule for rule in profile.rules if rule.private is not None):
        private.decisions(profile.with_rules((unconditional,)))
    if any(rule.path is not None for rule in profile.rules):
        for rules in _sets_of_rules(profile):
            _check_paths(profile.with_rules(rules))


def _sets_of_rules(profile: Profile) -> Iterator[tuple[Rule, ...]]:
    """Every set of rules that can hold for one object."""
    conditions = list(dict.fromkeys(rule.when for rule in profile.rules if rule.when is not None))
    if len(conditions) > MOST_CONDITIONS:
        raise ConfigError(
            "profile",
            f"{profile.source}: rules by path go with at most {MOST_CONDITIONS} different conditions, here are {len(conditions)}",
        )
    for answers in product((False, True), repeat=len(conditions)):
        met = dict(zip(conditions, answers, strict=True))
        if _is_possible(met):
            yield effective(profile.rules, met)


def _is_possible(met: Mapping[Predicate, bool]) -> bool:
    true = [condition for condition, answer in met.items() if answer]
    return not any(exclusive(one, other) for at, one in enumerate(true) for other in true[at + 1 :])


def _check_paths(profile: Profile) -> None:
    """A path must be open: a sequence on the way that is removed would take the end with it."""
    rules = {rule.path: rule for rule in profile.rules if rule.path is not None}
    decider = Decider(profile)
    for path, rule in rules.items():
        for depth in range(1, len(path)):
            above = rules.get(path[:depth])
            decision = decider.decide(dictionary.attributes()[path[depth - 1]])
            action = above.action if above is not None else (decision.top if depth == 1 else decision.nested)
            if above is None and "/" in (decision.code or "") and action == "scrub":
                raise _error(
                    profile,
                    rule,
                    f"path: {dictionary.keyword_of(path[depth - 1])} on the way is removed from objects whose IOD can do without "
                    f"it ({decision.source}: {decision.code})",
                    "add a rule with action recurse for it",
                )
            if action in _CLOSED:
                because = f"rule at line {above.line}" if above is not None else decision.source
                raise _error(
                    profile,
                    rule,
                    f"path: {dictionary.keyword_of(path[depth - 1])} on the way is not kept ({action}: {because})",
                    "add a rule with action recurse for it",
                )


def _error(profile: Profile, rule: Rule, message: str, hint: str) -> ConfigError:
    return ConfigError("profile", f"{profile.source}:{rule.line}: rule.{message}", hint=hint)
