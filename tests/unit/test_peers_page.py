"""The comparison with peers counts what it says, and its page is of the answer key as it is."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.leaks import GONE, OURS, PEERS, REFUSED, SURVIVES, Verdicts, files, page
from tests.leaks.answer_key import PLACES, PLANTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "peers.md"


def _all(name: str, fate: str) -> Verdicts:
    verdicts = Verdicts(name, "1.0")
    for _, plant, encoding in files():
        verdicts.fates.setdefault(plant.id, {})[encoding] = fate
    return verdicts


def test_one_object_that_gives_a_plant_away_is_enough() -> None:
    verdicts = _all("peer", GONE)
    first, second, third = PLANTS[:3]
    verdicts.fates[first.id] = {"explicit": GONE, "implicit": SURVIVES, "deflated": REFUSED}
    verdicts.fates[second.id] = {"explicit": GONE, "implicit": REFUSED}
    assert [verdicts.of(plant) for plant in (first, second, third)] == [SURVIVES, REFUSED, GONE]
    assert (verdicts.count(SURVIVES), verdicts.count(REFUSED)) == (1, 1)
    assert (verdicts.objects(SURVIVES), verdicts.objects(REFUSED)) == (1, 2)


def test_the_page_has_a_row_for_each_program_and_each_place() -> None:
    lines = page([_all("good", GONE), _all("bad", SURVIVES)]).splitlines()
    assert f"| good | 1.0 | **0** of {len(PLANTS)} | 0 | 0 | 0 of {sum(1 for _ in files())} |" in lines
    assert any(line.startswith(f"| bad | 1.0 | **{len(PLANTS)}** of {len(PLANTS)} |") for line in lines)
    for place in PLACES:
        count = sum(plant.place == place for plant in PLANTS)
        assert f"| {place} | {count} | 0 | **{count}** |" in lines


def test_the_page_in_the_documentation_is_of_this_answer_key() -> None:
    told = PAGE.read_text(encoding="utf-8")
    assert f"{len(PLANTS)} planted identifiers in {len(PLACES)} kinds of place" in told
    survive = dict(re.findall(r"^\| ([a-z-]+) \| [0-9.]+ \| \*\*(\d+)\*\* of", told, re.MULTILINE))
    assert set(survive) == {OURS, *PEERS}
    assert survive[OURS] == "0"
