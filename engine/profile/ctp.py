"""Imports a DICOM anonymizer script of RSNA's Clinical Trial Processor (CTP) as a profile, and lists what it could not.

CTP keeps what its script does not name; a profile of ours begins with Basic. So what comes out removes at least what
Basic removes, except where the script keeps an attribute by name. Only a script's plain functions have a counterpart:
one that branches, looks up or computes from other attributes is listed, and the Basic profile decides.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.dicom import dictionary
from engine.errors import ConfigError
from engine.profile.decide import Decider
from engine.profile.loader import loads
from engine.profile.model import BASIC, Profile, Rule

_PRIVATE = re.compile(r"([0-9A-Fa-f]{4})\[([^\]]+)\]([0-9A-Fa-f]{2})")
_CALL = re.compile(r"@([a-z]+)\((.*)\)", re.DOTALL)
# A function of CTP -> the action that does the same, and what is different about it.
_FUNCTIONS: Mapping[str, tuple[str, str]] = {
    "keep": ("keep", ""),
    "remove": ("remove", ""),
    "empty": ("empty", ""),
    "blank": ("empty", "empty instead of spaces"),
    "process": ("recurse", ""),
    "quarantine": ("quarantine", ""),
    "hashuid": ("new-uid", "new UIDs hold for one pass of a study, CTP's for ever"),
    "hashptid": ("hash", "another hash, under the institution's secret"),
    "hash": ("hash", "another hash, under the institution's secret"),
    "hashname": ("hash", "another hash, under the institution's secret"),
    "incrementdate": ("shift-date", "the shift is the patient's own, not the script's"),
    "hashdate": ("shift-date", "another shift for each patient"),
    "modifydate": ("truncate-date", "month and day become 0101"),
}
_EVERYTHING = {
    "privategroups": "private attributes are removed in any case, unless rules name them",
    "unspecifiedelements": "attributes that the script does not name follow the Basic profile",
    "curves": "curves are removed in any case",
    "overlays": "overlays are removed in any case",
}


@dataclass
class Import:
    """The profile as TOML, and remarks on entries of the script: (entry, why it was not imported or differs)."""

    toml: str = ""
    not_imported: list[tuple[str, str]] = field(default_factory=list)
    differences: list[tuple[str, str]] = field(default_factory=list)
    imported: int = 0


def import_script(text: str, name: str) -> Import:
    """Imports the script. `name` becomes the profile's. Raises ConfigError for a text that is no script of CTP."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ConfigError("ctp-script", "a script with a document type or entities is not read")
    try:
        root = ET.fromstring(text)  # noqa: S314 - entities, the danger here, are refused above
    except ET.ParseError as error:
        raise ConfigError("ctp-script", f"not XML: {error}") from None
    if root.tag != "script":
        raise ConfigError(
            "ctp-script", f"not a CTP anonymizer script: it begins with <{root.tag}>, not <script>"
        )
    done = Import()
    parameters = {entry.get("t", ""): (entry.text or "").strip() for entry in root.iter("p")}
    plain = Decider(Profile(name, BASIC))
    lines: list[str] = []
    for entry in root:
        if entry.get("en", "T") != "T" or entry.tag == "p":
            continue
        place = f"{entry.get('t', '')} {entry.get('n', '')}".strip()
        if entry.tag in ("k", "r"):
            why = _EVERYTHING.get(
                entry.get("t", ""), "groups are not kept as a whole; name the attributes to keep"
            )
            (done.differences if entry.tag == "r" else done.not_imported).append(
                (f"{entry.tag} {place}", why)
            )
            continue
        _take(entry, place, parameters, plain, lines, done)
    done.toml = _render(name, lines)
    loads(done.toml, f"{name}.toml")
    return done


def _take(
    entry: ET.Element,
    place: str,
    parameters: Mapping[str, str],
    plain: Decider,
    lines: list[str],
    done: Import,
) -> None:
    selector = _selector(entry.get("t", ""))
    if selector is None:
        done.not_imported.append((place, "no attribute of the dictionary"))
        return
    what = (entry.text or "").strip()
    action, note = _action(what, parameters)
    if action is None:
        done.not_imported.append((place, note))
        return
    rule = f"[[rule]]\n{selector}\n{action}\n"
    try:
        parsed = loads(f'profile = "x"\nbase = "{BASIC}"\n{rule}', place).rules[0]
    except ConfigError as error:
        done.not_imported.append((place, error.message.rpartition(": ")[2]))
        return
    if note:
        done.differences.append((place, note))
    done.imported += 1
    if not _is_redundant(parsed, plain):
        lines.append(rule)


def _is_redundant(rule: Rule, plain: Decider) -> bool:
    """Whether a profile without rules does the same."""
    if rule.tag is None:
        return False
    if rule.action == "hash":
        return True
    decision = plain.decide(dictionary.attributes()[rule.tag])
    return (rule.action, rule.action) == (decision.top, decision.nested)


def _selector(text: str) -> str | None:
    found = _PRIVATE.fullmatch(text.replace("(", "").replace(")", "").replace(",", ""))
    if found is not None:
        creator = found[2].replace("\\", "\\\\").replace('"', '\\"')
        return f'private = {{ group = 0x{found[1]}, creator = "{creator}", element = 0x{found[3]} }}'
    tag = dictionary.parse_tag(text)
    known = dictionary.attributes().get(tag) if tag is not None else None
    return f'tag = "{known.keyword or dictionary.format_tag(known.tag)}"' if known is not None else None


def _action(text: str, parameters: Mapping[str, str]) -> tuple[str | None, str]:
    """(the lines of a rule or None, what is different or why not)."""
    if not text:
        return 'action = "empty"', ""
    call = _CALL.fullmatch(text)
    if call is not None and call[1] == "param":
        value = parameters.get(call[2].strip().removeprefix("@"), "")
        return (_replace(value), "") if value else (None, f"the parameter {call[2]} has no value")
    if call is not None and call[1] in _FUNCTIONS:
        action, note = _FUNCTIONS[call[1]]
        return f'action = "{action}"', note
    if "@" in text:
        name = text.partition("(")[0].strip()
        return None, f"{name} has no counterpart: rules do not branch, look up or compute"
    return _replace(text), ""


def _replace(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'action = "replace"\nvalue = "{escaped}"'


def _render(name: str, lines: list[str]) -> str:
    head = (
        "# Imported from a CTP anonymizer script. What the script does not name follows the Basic profile.\n"
        f'profile = "{name}"\ndescription = "imported from a CTP anonymizer script"\nbase = "{BASIC}"\noptions = []\n'
        'unknown = { standard = "remove", private = "remove", unparsable = "quarantine" }\n'
    )
    return "\n".join([head, *lines])
