"""Which rule decides over an attribute, and what it decides: the precedence of profiles in one place.

path > tag > private block > group mask > VR > option > base > unknown. Paths and private attributes have
tables of their own in the program; everything else about a standard attribute is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.dicom.dictionary import DATE_VRS, TEXT_VRS, Attribute
from engine.dicom.uid_roles import structural_tags
from engine.profile.actions import ENCAPSULATED_DOCUMENT, HASHES, NESTED_HASHES
from engine.profile.model import Level, Profile, Rule
from engine.profile.tables import AttributeTable, Row, overlay, table

# Groups that no data set may hold: command, file meta information, directory structuring (PS3.5 7.1, PS3.10).
_FOREIGN_GROUPS = frozenset({0x0000, 0x0002, 0x0004})
_BINARY_DATES = frozenset({"OB"})


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to an attribute at the top level and inside sequences. "dummy" stands for a VR's constant
    value.

    `code` is the table's code where a table decided; `source` says in a few words which rule it was; `needs_value` that
    the attribute must not become empty when it is cleaned.
    """

    top: str
    nested: str
    level: Level
    source: str
    code: str = ""
    rule: Rule | None = None
    needs_value: bool = False


class Decider:
    """The rules of one profile, ready to be asked attribute by attribute."""

    def __init__(self, profile: Profile, types: Mapping[int, int] | None = None) -> None:
        """`types`: what the object's IOD asks of attributes with a compound code; None where the IOD is not
        known."""
        self._profile = profile
        self._types = types
        self._options = frozenset(profile.options)
        self._tags = {rule.tag: rule for rule in profile.rules if rule.level is Level.TAG}
        # "60xx,3000" is nearer to an attribute than "60xx".
        self._groups = sorted(
            (rule for rule in profile.rules if rule.group is not None),
            key=lambda rule: -(rule.group[0] if rule.group else 0),
        )
        self._vrs = {rule.vr: rule for rule in profile.rules if rule.level is Level.VR}
        self._structural = structural_tags()
        self._tables: tuple[AttributeTable, ...] = (overlay(), table()) if profile.is_basic else ()

    def decide(self, attribute: Attribute) -> Decision:
        """The decision over a standard attribute, also over one of a repeating group."""
        rule = self._rule(attribute)
        if rule is not None:
            return _by_rule(rule, attribute)
        if not self._profile.is_basic:
            return Decision("keep", "keep", Level.BASE, "base none")
        if attribute.tag >> 16 in _FOREIGN_GROUPS:
            return _same("remove", Level.BASE, "no place in a data set")
        if attribute.tag in HASHES:
            # Every object links back to its patient, accession and study, by keyed hashes (PS3.15 E.1.1 allows any
            # value).
            top = HASHES[attribute.tag]
            return Decision(top, Decider.nested_hash(attribute), Level.BASE, "identity: a keyed hash")
        row = self._row(attribute.tag)
        if row is not None:
            return self._by_row(row, attribute)
        return self._by_vr(attribute)

    @staticmethod
    def nested_hash(attribute: Attribute) -> str:
        """What "hash" means for an attribute inside a sequence."""
        return NESTED_HASHES.get(attribute.tag, HASHES[attribute.tag])

    def decide_vr(self, vr: str) -> Decision:
        """The decision over an attribute whose explicit VR is not the dictionary's."""
        rule = self._vrs.get(vr)
        if rule is not None:
            return _by_rule(rule, Attribute(0, vr, "1", "", False))
        if not self._profile.is_basic:
            return _same("keep", Level.BASE, "base none")
        if vr == "PN":
            return _same("empty", Level.BASE, "a name in an attribute that holds none")
        return self._by_vr(Attribute(-1, vr, "1", "", False))

    def _rule(self, attribute: Attribute) -> Rule | None:
        rule = self._tags.get(attribute.tag)
        if rule is not None:
            return rule
        for candidate in self._groups:
            if candidate.group is not None and attribute.tag & candidate.group[0] == candidate.group[1]:
                return candidate
        found = self._vrs.get(attribute.vr)
        if found is not None and found.action == "new-uid" and attribute.tag in self._structural:
            return None
        return found

    def _row(self, tag: int) -> Row | None:
        return next((row for rows in self._tables if (row := rows.find(tag)) is not None), None)

    def _by_row(self, row: Row, attribute: Attribute) -> Decision:
        where = "overlay" if row.overlay else "Table E.1-1"
        chosen = {name: code for name, code in row.options.items() if name in self._options}
        # Bitmaps and curves cannot be cleaned without a human eye, and their labels mean nothing without them.
        if chosen and attribute.tag >> 24 not in (0x50, 0x60):
            # Where one option keeps and another cleans, what is cleaned holds less.
            code = "C" if "C" in chosen.values() else "K"
            names = ", ".join(name for name, its in chosen.items() if its == code)
            action = _option_action(code, chosen, attribute)
            if action is not None:
                return Decision(
                    action,
                    action,
                    Level.OPTION,
                    f"option {names} ({where})",
                    code,
                    needs_value=row.code.endswith("D"),
                )
        nested = _basic_action(row.nested or row.code, attribute)
        if self._types is None or "/" not in row.code:
            action = _basic_action(row.code, attribute)
            return Decision(action, nested, Level.BASE, where, row.code, needs_value=row.code == "C")
        simple = resolve(row.code, self._types.get(attribute.tag, 0))
        return Decision(
            _basic_action(simple, attribute), nested, Level.BASE, f"{where}, {simple} in this IOD", row.code
        )

    def _by_vr(self, attribute: Attribute) -> Decision:
        vr = attribute.vr
        if vr == "SQ":
            return _same("recurse", Level.BASE, "sequence that is not listed")
        if vr == "UI":
            if attribute.tag in self._structural:
                return _same("keep", Level.BASE, "UID of a definition")
            if "uids" in self._options:
                return _same("keep", Level.OPTION, "option uids, by VR", "K")
            return _same("new-uid", Level.BASE, "UID, by VR", "U")
        if vr in DATE_VRS:
            if "full-dates" in self._options:
                return _same("keep", Level.OPTION, "option full-dates, by VR", "K")
            if "modified-dates" in self._options:
                return _same("shift-date", Level.OPTION, "option modified-dates, by VR", "C")
            return _same("dummy", Level.BASE, "date or time, by VR", "D")
        if attribute.retired and vr in TEXT_VRS:
            return _same("remove", Level.BASE, "retired text that is not listed")
        if attribute.tag >> 24 == 0x60:
            return _same("remove", Level.BASE, "part of an overlay whose data are removed")
        return _same("keep", Level.BASE, "not identifying: not listed")


def resolve(code: str, iod_type: int) -> str:
    """The part of a compound code that an IOD calls for: 0 not required (Type 3 or absent), 1 may be empty
    (Type 2), 2 required (Type 1). PS3.15 Table E.1-1a.

    X/Z/U* keeps the sequence and replaces its UIDs: references hold, and nothing identifying stays.
    """
    if code == "X/Z/U*":
        return code
    parts = code.split("/")
    wanted = ("X", "Z", "D")[iod_type:]
    return next((part for part in wanted if part in parts), parts[-1])


def _same(action: str, level: Level, source: str, code: str = "") -> Decision:
    return Decision(action, action, level, source, code)


def _by_rule(rule: Rule, attribute: Attribute) -> Decision:
    top = _named(rule.action, attribute)
    if rule.nested is not None:
        nested = _named(rule.nested, attribute)
    else:
        nested = Decider.nested_hash(attribute) if rule.action == "hash" else top
    return Decision(top, nested, rule.level, f"rule at line {rule.line}", rule=rule)


def _named(action: str, attribute: Attribute) -> str:
    """The action that a profile's word stands for."""
    if action == "hash":
        return HASHES[attribute.tag]
    return action


def _basic_action(code: str, attribute: Attribute) -> str:
    """Basic code -> action. Of a compound code the part that keeps every object valid: D over Z over X."""
    if code == "X/Z/U*":
        return "recurse"
    if code == "U":
        return "new-uid"
    if code == "C":
        return "clean-text"
    if code.endswith("D"):
        if attribute.tag == ENCAPSULATED_DOCUMENT:
            return "replace-document"
        return "scrub" if attribute.vr == "SQ" else "dummy"
    return "empty" if code.endswith("Z") else "remove"


def _option_action(code: str, chosen: Mapping[str, str], attribute: Attribute) -> str | None:
    """K or C of an option -> action; None where the value cannot be cleaned and the Basic code holds."""
    vr = attribute.vr
    if code == "K":
        return {"SQ": "recurse", "AS": "generalise-age"}.get(vr, "keep")
    cleaning = {name for name, its in chosen.items() if its == "C"}
    if vr in DATE_VRS:
        return "shift-date"
    if cleaning == {"modified-dates"}:
        # What is shifted by whole days keeps its offset from UTC; binary time stamps cannot be shifted.
        return None if vr in _BINARY_DATES else "keep"
    if vr == "SQ":
        if "clean-structured-content" in cleaning:
            return "clean-sr"
        return "recurse" if "clean-graphics" in cleaning else "clean-code"
    if vr == "AE":
        return "dummy"
    if vr == "CS":
        return "clean-code"
    return "clean-text" if vr in TEXT_VRS else None
