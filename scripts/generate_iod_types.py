"""Writes which attributes with a compound code a SOP class requires, so that "X/Z/D" can be resolved as
PS3.15 E.1.1 asks.

Types come from the tables of PS3.3 as the MIT-licensed package highdicom ships them (`_standard/*.json`).
highdicom is no dependency of Penstock: give its folder with --highdicom, or install it beside the project to
write this table anew.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

# How much an IOD asks of an attribute at the top level. A condition that made somebody send the attribute is
# taken as met.
ABSENT, EMPTY_ALLOWED, REQUIRED = 0, 1, 2
_STRENGTH = {
    "1": REQUIRED,
    "1C": REQUIRED,
    "2": EMPTY_ALLOWED,
    "2C": EMPTY_ALLOWED,
    "3": ABSENT,
    "None": ABSENT,
}


def default_folder() -> Path | None:
    """Where an installed highdicom keeps its tables."""
    found = importlib.util.find_spec("highdicom")
    return Path(found.origin).parent / "_standard" if found is not None and found.origin else None


def iod_types(folder: Path, compound: dict[int, str]) -> dict[str, object]:
    """`compound`: tag -> keyword of each row with a compound code. Rows: [one digit an attribute, [SOP class
    UIDs]]."""
    by_class = json.loads((folder / "sop_class_iod_map.json").read_text())
    modules = json.loads((folder / "iod_module_map.json").read_text())
    attributes = json.loads((folder / "module_attribute_map.json").read_text())
    order = {keyword: at for at, keyword in enumerate(compound.values())}
    groups: dict[str, list[str]] = {}
    for sop_class, iod in by_class.items():
        types = [ABSENT] * len(order)
        for module in modules[iod]:
            # highdicom has no attributes for the functional group "modules" of real-time and waveform
            # presentation IODs.
            for attribute in attributes.get(module["key"], []):
                at = order.get(attribute["keyword"])
                if at is not None and not attribute["path"]:
                    types[at] = max(types[at], _STRENGTH[str(attribute["type"])])
        groups.setdefault("".join(map(str, types)), []).append(sop_class)
    return {
        "attributes": list(compound),
        "classes": [[types, sorted(uids)] for types, uids in sorted(groups.items())],
    }
