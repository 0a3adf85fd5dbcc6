"""Writes the tables of PS3.15 Annex E as data: which attribute, which code; no prose of the standard.

Table E.1-1 (attributes), E.3.4-1 (SR content items) and E.3.10-1 (safe private attributes), edition 2026c.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

from pydicom.sr._snomed_dict import mapping as retired_snomed

EDITION = "2026c"
DOCBOOK = "{http://docbook.org/ns/docbook}"
XML_ID = "{http://www.w3.org/XML/1998/namespace}id"

# Column heading of Table E.1-1 -> the option's name in a profile, in the order of the columns.
OPTIONS = {
    "Rtn. Safe Priv. Opt.": "safe-private",
    "Rtn. UIDs Opt.": "uids",
    "Rtn. Dev. Id. Opt.": "device-identity",
    "Rtn. Inst. Id. Opt.": "institution-identity",
    "Rtn. Pat. Chars. Opt.": "patient-characteristics",
    "Rtn. Long. Full Dates Opt.": "full-dates",
    "Rtn. Long. Modif. Dates Opt.": "modified-dates",
    "Clean Desc. Opt.": "clean-descriptors",
    "Clean Struct. Cont. Opt.": "clean-structured-content",
    "Clean Graph. Opt.": "clean-graphics",
}
BASIC = "Basic Prof."
CODES = frozenset({"X", "Z", "D", "U", "X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U*"})


def attributes(standard: Path) -> tuple[dict[str, object], list[list[object]]]:
    """Table E.1-1: rows [tag pattern of 8 digits, or "private"; Basic code; retired; in a standard IOD;
    {option: code}]."""
    rows: list[list[object]] = []
    for row in json.loads((standard / f"ps3.15-{EDITION}-table-e1-1.json").read_text()):
        found = re.fullmatch(r"\(([0-9A-Fx]{4}),([0-9A-Fx]{4})\)", row["Tag"])
        if found is None and "gggg is odd" not in row["Tag"]:
            raise ValueError(f"not a tag: {row['Tag']}")
        if row[BASIC] not in CODES:
            raise ValueError(f"{row['Tag']}: not a code: {row[BASIC]}")
        options = {name: row[heading] for heading, name in OPTIONS.items() if row[heading]}
        if not set(options.values()) <= {"K", "C"}:
            raise ValueError(f"{row['Tag']}: not an option's code: {options}")
        tag = found[1] + found[2] if found else "private"
        retired = int(row["Retd. (from )"] == "Y")
        rows.append([tag, row[BASIC], retired, int(row["In Std. Comp. IOD (from )"] == "Y"), options])
    return {"edition": EDITION, "table": "PS3.15 E.1-1", "rows": rows}, rows


def safe_private(standard: Path) -> dict[str, object]:
    """Table E.3.10-1: rows [group, creator, element's low byte, VR]. A row without VR has "" there."""
    rows = []
    for row in json.loads((standard / f"ps3.15-{EDITION}-table-e3-10-1.json").read_text()):
        found = re.fullmatch(
            r"\(([0-9A-F]{4}),xx([0-9A-F]{2})\)", row["Data Element"].upper().replace("XX", "xx")
        )
        if found is None:
            raise ValueError(f"not a private tag: {row['Data Element']}")
        rows.append([int(found[1], 16), row["Private Creator"], int(found[2], 16), row["VR"]])
    return {"edition": EDITION, "table": "PS3.15 E.3.10-1", "rows": rows}


def _text(cell: ET.Element) -> str:
    return " ".join("".join(cell.itertext()).split())


def content_items(standard: Path) -> dict[str, object]:
    """Table E.3.4-1: rows [scheme, code value, value type, Basic code, {option: code}]."""
    tree = ET.parse(standard / f"part15-{EDITION}.xml")
    table = next(t for t in tree.iter(f"{DOCBOOK}table") if t.get(XML_ID) == "table_E.3.4-1")
    lines = [[_text(cell) for cell in row] for row in table.iter(f"{DOCBOOK}tr")]
    heading, *body = lines
    rows = []
    for line in body:
        row = dict(zip(heading, line, strict=True))
        if row[BASIC] not in CODES:
            raise ValueError(f"{row['Code Value']}: not a code: {row[BASIC]}")
        options = {name: row[column] for column, name in OPTIONS.items() if row.get(column)}
        scheme, code = row["Coding Scheme Designator"], row["Code Value"]
        rows.append([scheme, code, row["Value Type"], row[BASIC], options])
        if scheme == "SCT":
            # E.3.4: the codes that SNOMED had before go on being sent, under three designators.
            old = retired_snomed["SCT"][code]
            rows.extend(
                [before, old, row["Value Type"], row[BASIC], options] for before in ("SRT", "SNM3", "99SDM")
            )
    return {"edition": EDITION, "table": "PS3.15 E.3.4-1", "rows": rows}
