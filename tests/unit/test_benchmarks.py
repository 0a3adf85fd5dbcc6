"""The benchmarks' own arithmetic and their page: a wrong ratio would be believed."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest

from benchmarks import environment, inputs, render
from benchmarks.processes import tree, usage
from benchmarks.result import Result, Row, Target, ratio

ROOT = Path(__file__).resolve().parents[2]


def _told(*targets: Target, **names: tuple[float, ...]) -> dict[str, Any]:
    rows = tuple(Row(name, "files/s", values) for name, values in names.items())
    result = Result("rewrite", "Rewriting", "Some text.", rows, targets)
    return {"environment": environment.describe(ROOT), "benchmarks": [result.describe()]}


def test_a_ratio_compares_round_by_round() -> None:
    # The second round was slow for both; the ratio of the medians would be 2.
    ours, theirs = Row("a", "", (300.0, 30.0, 200.0)), Row("b", "", (100.0, 10.0, 200.0))
    assert ratio(ours, theirs) == 3.0


def test_rows_of_different_length_are_not_compared() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio(Row("a", "", (1.0, 2.0)), Row("b", "", (1.0,)))


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target("x", 5.0, 5.0), True),
        (Target("x", 5.0, 4.99), False),
        (Target("x", 60.0, 61.0, "µs", most=True), False),
        (Target("x", 60.0, 59.0, "µs", most=True), True),
    ],
)
def test_a_target_is_met_or_said_to_be_missed(target: Target, met: bool) -> None:
    assert target.describe()["met"] is met
    page = render.page(_told(target, penstock=(1.0,)))
    assert ("**missed**" in page) is not met


def test_the_page_shows_median_spread_and_machine() -> None:
    page = render.page(_told(penstock=(10.0, 30.0, 20.0)))
    assert "| penstock | 20.0 files/s | 10.0 – 30.0 |" in page
    assert "cores of" in page and "Python" in page


def test_the_picture_is_well_formed_and_has_a_bar_for_each_row() -> None:
    rows = _told(Penstock=(10.0,), other=(4.0,))["benchmarks"][0]["rows"]
    root = ET.fromstring(render.picture(rows, "Files < per second"))
    bars = [rect for rect in root.iter("{http://www.w3.org/2000/svg}rect") if rect.get("x")]
    assert len(bars) == 2 and float(bars[0].get("width", "0")) == pytest.approx(
        2.5 * float(bars[1].get("width", "0"))
    )


def test_the_huge_object_is_a_whole_dicom_file_of_its_size(tmp_path: Path) -> None:
    path = tmp_path / "huge.dcm"
    inputs.huge_object(path, 3_000_000)
    ds = pydicom.dcmread(path)
    assert ds.NumberOfFrames == 5 and len(ds.PixelData) == 5 * 512 * 512 * 2
    assert abs(path.stat().st_size - 3_000_000) < 600_000


def test_every_process_of_a_tree_is_counted_with_the_most_it_ever_had() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "x = bytearray(80_000_000); del x; print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None and child.stdin is not None
        child.stdout.readline()
        assert child.pid in tree(os.getpid())
        (told,) = usage(child.pid, "child")
        assert told.name == "child" and told.peak_rss > 80_000_000
    finally:
        child.communicate(b"\n")


def test_a_process_that_has_gone_is_left_out() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert usage(child.pid, "gone") == []


def test_the_command_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "head", "--quick", "--output", str(tmp_path)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "One head" in (tmp_path / "benchmarks.md").read_text(encoding="utf-8")


def test_a_later_run_of_one_benchmark_keeps_the_others_of_this_machine(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--output", str(tmp_path)]
    for name in ("head", "hmac"):
        subprocess.run([*command, name], cwd=ROOT, capture_output=True, check=True)
    told = orjson.loads((tmp_path / "benchmarks.json").read_bytes())
    assert [entry["name"] for entry in told["benchmarks"]] == ["head", "hmac"]
    told["environment"]["kernel"] = "another"
    (tmp_path / "benchmarks.json").write_bytes(orjson.dumps(told))
    refused = subprocess.run([*command, "hmac"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "other surroundings (kernel)" in refused.stderr
    assert orjson.loads((tmp_path / "benchmarks.json").read_bytes()) == told
    subprocess.run([*command, "--anew", "hmac"], cwd=ROOT, capture_output=True, check=True)
    told = orjson.loads((tmp_path / "benchmarks.json").read_bytes())
    assert [entry["name"] for entry in told["benchmarks"]] == ["hmac"]
