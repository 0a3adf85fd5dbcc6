"""A profile as data: what a person wrote, checked, and nothing derived from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum

from engine.profile.pixels import PixelRules

BASIC = "ps3.15@2026c/basic"
NONE = "none"
BASES = (BASIC, NONE)


class Level(IntEnum):
    """Which kind of rule decides, the strongest first. Rules of one level never overlap: that is a compile
    error."""

    PATH = 0
    TAG = 1
    PRIVATE = 2
    GROUP = 3
    VR = 4
    OPTION = 5
    BASE = 6
    UNKNOWN = 7


@dataclass(frozen=True, slots=True)
class Option:
    """An option of PS3.15 E.3: its DCM code (CID 7050) and that code's meaning."""

    name: str
    code: str
    meaning: str


BASIC_CODE = Option("basic", "113100", "Basic Application Confidentiality Profile")
CLEAN_PIXELS = Option("clean-pixel-data", "113101", "Clean Pixel Data Option")
OPTIONS: dict[str, Option] = {
    option.name: option
    for option in (
        Option("clean-graphics", "113103", "Clean Graphics Option"),
        Option("clean-structured-content", "113104", "Clean Structured Content Option"),
        Option("clean-descriptors", "113105", "Clean Descriptors Option"),
        Option("full-dates", "113106", "Retain Longitudinal Temporal Information Full Dates Option"),
        Option("modified-dates", "113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
        Option("patient-characteristics", "113108", "Retain Patient Characteristics Option"),
        Option("device-identity", "113109", "Retain Device Identity Option"),
        Option("uids", "113110", "Retain UIDs Option"),
        Option("safe-private-numeric", "113111", "Retain Safe Private Option"),
        Option("institution-identity", "113112", "Retain Institution Identity Option"),
    )
}
EXCLUSIVE = (("full-dates", "modified-dates"),)


@dataclass(frozen=True, slots=True)
class PrivateSelector:
    """A private attribute: odd group, creator as in the block's reservation, low byte of the element, VR (""
    = look it up)."""

    group: int
    creator: str
    element: int
    vr: str = ""


@dataclass(frozen=True, slots=True)
class Predicate:
    """What must hold of an object for a rule to apply; all of it. Values are those of the original's top
    level.

    `modality` and `sop_class` name the values that are meant; `manufacturer` their beginnings, without regard
    to case; `present` attributes that are there and not empty; `equals` attributes and the value that each
    has. Nothing else can be asked, and nothing is ever evaluated.
    """

    modality: tuple[str, ...] = ()
    sop_class: tuple[str, ...] = ()
    manufacturer: tuple[str, ...] = ()
    present: tuple[int, ...] = ()
    equals: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[rule]]`. Exactly one of `path`, `tag`, `private`, `group`, `vr` is set.

    `path` holds the tags from the top level down, the last one being the attribute; `group` is (mask, value);
    `nested` is the action inside sequences where it differs; `when` limits the rule to some objects; `why` is the
    author's reason; `line`
    is the line of its `[[rule]]` in the file.
    """

    action: str
    path: tuple[int, ...] | None = None
    tag: int | None = None
    private: PrivateSelector | None = None
    group: tuple[int, int] | None = None
    vr: str | None = None
    nested: str | None = None
    value: str | int | float | None = None
    when: Predicate | None = None
    why: str = ""
    line: int = 0

    @property
    def level(self) -> Level:
        if self.path is not None:
            return Level.PATH
        if self.tag is not None:
            return Level.TAG
        if self.private is not None:
            return Level.PRIVATE
        return Level.GROUP if self.group is not None else Level.VR

    @property
    def selector(self) -> object:
        """What two rules must not share."""
        return (self.level, self.path, self.tag, self.private, self.group, self.vr)


@dataclass(frozen=True, slots=True)
class Unknown:
    """What happens to what no rule covers."""

    standard: str = "remove"
    private: str = "remove"
    unparsable: str = "quarantine"


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as loaded. `source` names the file in messages; `pixels_cleaned` is set for the objects whose pixels a
    mask of the profile has blanked."""

    name: str
    base: str
    description: str = ""
    options: tuple[str, ...] = ()
    unknown: Unknown = field(default_factory=Unknown)
    issuer: bool = False
    rules: tuple[Rule, ...] = ()
    pixels: PixelRules = field(default_factory=PixelRules)
    pixels_cleaned: bool = False
    source: str = ""

    @property
    def is_basic(self) -> bool:
        return self.base == BASIC

    def with_rules(self, rules: tuple[Rule, ...]) -> Profile:
        """The same profile with other rules."""
        return replace(self, rules=rules)

    def with_cleaned_pixels(self) -> Profile:
        """The same profile for an object whose pixels are masked."""
        return replace(self, pixels_cleaned=True)
