"""docs/reliability.md says what was recorded, and names tests that there are."""

from __future__ import annotations

import ast
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from engine.dicom import sample
from engine.profile import compiled
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.plan import write_plan
from engine.pseudonymize.rewrite import Pseudonymizer
from tests.reliability.book import BOOK, ROOT, Run
from tests.reliability.classes import CLASSES
from tests.reliability.measures import MEASURES
from tests.reliability.others import ROWS
from tests.reliability.records import load, record
from tests.reliability.render import page

ENGINE = ROOT / "engine"


def test_the_page_is_rendered_from_the_book() -> None:
    told = BOOK.with_suffix(".md").read_text(encoding="utf-8")
    assert told == page(load(), MEASURES), "run: scripts/reliability render"


def test_every_recorded_run_is_of_a_measure_that_exists() -> None:
    names = {measure.name for measure in MEASURES}
    assert {run["measure"] for run in load()["runs"]} <= names
    assert len(names) == len(MEASURES)


@pytest.mark.parametrize(
    "test", sorted({test for tests in (*CLASSES.values(), *(row.tests for row in ROWS)) for test in tests})
)
def test_every_test_that_the_page_names_exists(test: str) -> None:
    path, _, name = test.partition("::")
    name, _, case = name.partition("[")
    functions = {
        node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)
    }
    assert name in functions
    assert not case or case.removesuffix("]") in {measure.name for measure in MEASURES if measure.few}


def test_a_run_is_recorded_once_and_a_failure_shows(tmp_path: Path) -> None:
    book = tmp_path / "book.json"
    run = Run(tmp_path, 10, 7)
    run.done = 10
    record(run.describe("kills"), book)
    assert "10 of 1,000 kills | 0 | met so far" in page(load(book), MEASURES)
    run.fail("a study was split")
    record(run.describe("kills"), book)
    told = page(load(book), MEASURES)
    assert len(load(book)["runs"]) == 1
    assert "10 of 1,000 kills | 1 | **missed**" in told and "- seed 7: a study was split" in told


def test_nothing_in_the_engine_starts_a_shell() -> None:
    """What a peer says cannot become a command where no command line is ever made."""
    found = []
    for path in ENGINE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                found.append(f"{path.name}: shell=")
            if isinstance(node, ast.Attribute) and node.attr in {
                "system",
                "popen",
                "create_subprocess_shell",
            }:
                found.append(f"{path.name}: {node.attr}") if _is_a_call_of_the_system(node) else None
    assert found == []


def _is_a_call_of_the_system(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in {"os", "asyncio", "subprocess"}


def test_the_preamble_of_an_output_is_128_zero_bytes(tmp_path: Path) -> None:
    (path, *_) = sample.write(tmp_path / "files", 1, sample.Shape(slices=1, size=16))
    polyglot = b"MZ" + b"\x90" * 126 + path.read_bytes()[128:]
    path.write_bytes(polyglot)
    pseudonymizer = Pseudonymizer(compiled("default"), HashSecret.generate())
    with path.open("rb") as source, (tmp_path / "out.dcm").open("w+b") as target:
        plan = pseudonymizer.plan(source.fileno(), len(polyglot), bytes(32))
        write_plan(plan, source.fileno(), target.fileno())
    written = (tmp_path / "out.dcm").read_bytes()
    assert written[:132] == bytes(128) + b"DICM"
    assert pydicom.dcmread(BytesIO(written)).PatientIdentityRemoved == "YES"
