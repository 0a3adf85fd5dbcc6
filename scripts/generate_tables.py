#!/usr/bin/env python3
"""Writes every table of the standard that Penstock ships.

    scripts/generate_tables.py [--standard FOLDER] [--highdicom FOLDER] [--check]

`--check` writes nothing and exits with 1, naming the files, where what is committed is not what would be
written. FOLDER holds PS3.15 as DocBook and its tables as JSON (default: ../shared/standard beside the
project). The table of IOD types is left out, and says so, where there is no highdicom.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import generate_confidentiality as confidentiality
import generate_dictionary as dictionary
import generate_iod_types as iod_types

ROOT = Path(__file__).resolve().parents[1]


def render(value: object) -> str:
    """JSON with one row a line, so that a change of edition reads as a diff."""
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_rows(item)}" for key, item in value.items()]
        return "{\n" + ",\n".join(parts) + "\n}\n"
    return _rows(value) + "\n"


def _rows(value: object) -> str:
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in value) + "\n]"


def compound(rows: list[list[object]]) -> dict[int, str]:
    """Tag -> keyword of every row of the table or the overlay whose Basic code is compound."""
    keywords = {row[0]: row[3] for row in dictionary.rows()}
    tags = {int(str(row[0]), 16) for row in rows if "/" in str(row[1])}
    overlay = tomllib.loads((ROOT / "engine/profile/data/overlay.toml").read_text(encoding="utf-8"))["row"]
    named = {row["tag"] for row in overlay if "/" in row["code"]}
    return {tag: word for tag, word in sorted(keywords.items()) if tag in tags or word in named}


def outputs(standard: Path, highdicom: Path | None) -> dict[str, str]:
    """File (relative to the root) -> its content."""
    attributes, rows = confidentiality.attributes(standard)
    made: dict[str, object] = {
        "engine/dicom/dictionary.json": dictionary.dictionary(),
        "engine/dicom/uid_roles.json": dictionary.uid_roles(),
        "engine/dicom/transfer_syntaxes.json": dictionary.transfer_syntaxes(),
        "engine/profile/data/attributes.json": attributes,
        "engine/profile/data/safe_private.json": confidentiality.safe_private(standard),
        "engine/profile/data/content_items.json": confidentiality.content_items(standard),
    }
    if highdicom is None:
        print(
            "left out: engine/profile/data/iod_types.json needs highdicom (--highdicom FOLDER)",
            file=sys.stderr,
        )
    else:
        made["engine/profile/data/iod_types.json"] = iod_types.iod_types(highdicom, compound(rows))
    return {name: render(value) for name, value in made.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--standard", type=Path, default=ROOT.parent / "shared" / "standard")
    parser.add_argument("--highdicom", type=Path, default=iod_types.default_folder())
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if not options.standard.is_dir():
        parser.error(f"no folder {options.standard}: give the one that holds PS3.15 with --standard")
    stale = []
    for name, content in outputs(options.standard, options.highdicom).items():
        target = ROOT / name
        if target.exists() and target.read_text(encoding="utf-8") == content:
            continue
        stale.append(name)
        if not options.check:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
    for name in stale:
        print(("stale: " if options.check else "written: ") + name)
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
