"""Tuning without a machine: the search over curves that are known, what is proposed, drawn and written."""

from __future__ import annotations

import time
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.config import load_gateway
from engine.errors import ConfigError, PenstockError
from engine.tuning import chart
from engine.tuning.proposal import Proposal, apply
from engine.tuning.search import BEYOND, Found, Outcome, search
from engine.tuning.setting import MIB, Setting, axes, neighbours

BEGIN = Setting(2, 1, 4, 16 * MIB)
CONFIG = """# ours
[spool]
path = "spool"            # on the fast disk
[receiver]
[identity]
secret_file = "secret"
[uploader]
url = "https://localhost:1"
certificate = "c"
key = "k"
ca = "a"
"""


def found_for(rate: Callable[[Setting], float], cores: int = 8, begin: Setting = BEGIN) -> Found:
    return search(lambda setting: Outcome(rate(setting), 100, 10, "the disk"), begin, axes(cores), 60.0)


def test_the_knee_of_a_curve_that_flattens_is_found() -> None:
    found = found_for(lambda s: min(100.0 * s.workers, 400.0) + min(s.receivers, 2) * 100)
    assert (found.knee.workers, found.knee.receivers) == (4, 2)
    assert found.whole


def test_cheaper_settings_win_over_a_gain_that_nobody_sees() -> None:
    found = found_for(lambda s: 400.0 + s.workers + s.connections)
    assert found.knee <= BEGIN
    assert found.tried.rate(found.knee) >= found.tried.rate(found.best) * (1 - BEYOND)


def test_too_much_of_something_is_taken_back() -> None:
    begin = Setting(8, 4, 16, 64 * MIB)
    found = found_for(lambda s: 1000.0 / s.workers + 10.0 * s.batch_bytes / MIB, begin=begin)
    assert found.knee.workers == 1
    assert found.knee.batch_bytes == 64 * MIB


@pytest.mark.parametrize("cores", [1, 2, 4, 16, 64])
def test_against_a_full_sweep_the_knee_is_no_worse_than_the_promise(cores: int) -> None:
    def rate(s: Setting) -> float:
        receive, rewrite = 900.0 * s.receivers**0.8, 450.0 * min(s.workers, cores) ** 0.9
        upload = 150.0 * min(s.connections, 8) ** 0.7 * (s.batch_bytes / MIB) ** 0.1
        return float(min(receive, rewrite, upload) * (1 - 0.01 * max(0, s.workers - cores)))

    steps = axes(cores)
    every = [
        rate(Setting(w, r, c, b))
        for w in steps["workers"]
        for r in steps["receivers"]
        for c in steps["connections"]
        for b in steps["batch_bytes"]
    ]
    assert rate(found_for(rate, cores).knee) >= 0.95 * max(every)


def test_the_search_ends_when_its_time_is_over() -> None:
    def slow(setting: Setting) -> Outcome:
        time.sleep(0.05)
        return Outcome(100.0 * setting.workers)

    found = search(slow, BEGIN, axes(64), 0.2)
    assert not found.whole
    assert found.tried.count <= 5


def test_a_failing_trial_ends_the_search_with_its_reason() -> None:
    def broken(_setting: Setting) -> Outcome:
        raise PenstockError("trial-stuck", "it does not move")

    with pytest.raises(PenstockError, match="does not move"):
        search(broken, BEGIN, axes(2), 1.0)


def test_neighbours_are_one_step_away_also_from_a_value_between_two() -> None:
    values = (2 * MIB, 8 * MIB, 16 * MIB)
    between = replace(BEGIN, batch_bytes=10 * MIB)
    assert [s.batch_bytes for s in neighbours(between, "batch_bytes", values)] == [16 * MIB, 8 * MIB]
    assert neighbours(replace(BEGIN, workers=4), "workers", (1, 2, 4))[0].workers == 2


def test_requests_hold_as_many_objects_as_their_bytes() -> None:
    assert BEGIN.objects(530_000) == 32
    assert BEGIN.objects(200_000_000) == 1
    assert BEGIN.objects(10) == 1000


def test_a_check_confirms_a_prediction_or_does_not() -> None:
    found = found_for(lambda s: 100.0 * s.workers)
    predicted = found.tried.rate(found.knee)
    assert Proposal(found, 1e6).confirmed is None
    assert Proposal(found, 1e6, Outcome(predicted * 1.19)).confirmed is True
    assert Proposal(found, 1e6, Outcome(predicted * 0.79)).confirmed is False


def test_the_picture_has_a_panel_for_each_axis_and_a_dot_for_each_value_tried() -> None:
    found = found_for(lambda s: min(100.0 * s.workers, 400.0))
    root = ET.fromstring(chart.svg(found))
    space = "{http://www.w3.org/2000/svg}"
    assert len(list(root.iter(f"{space}polyline"))) == 4
    dots = list(root.iter(f"{space}circle"))
    assert len(dots) == sum(len(chart.points(found, axis)) for axis in chart.NAMES)
    assert sum(dot.get("fill") == "#0f766e" for dot in dots) == 4


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG)
    path.chmod(0o640)
    return path


def test_a_proposal_is_written_and_comments_stay(config: Path) -> None:
    proposal = Proposal(found_for(lambda s: 100.0 * s.workers + s.connections), 530_000.0)
    loaded = apply(config, proposal)
    text = config.read_text()
    assert "# ours" in text and "# on the fast disk" in text
    assert loaded.pool.workers == load_gateway(config).pool.workers == proposal.setting.workers
    assert Setting.of(loaded) == proposal.setting
    assert config.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in config.parent.iterdir()] == ["gateway.toml"]
    assert tomllib.loads(proposal.fragment)["pool"] == {"workers": proposal.setting.workers}


def test_settings_of_the_uploader_go_to_the_destinations_where_there_is_none(config: Path) -> None:
    head, _, keys = CONFIG.partition("[uploader]\n")
    config.write_text(head + '[[destination]]\nname = "study"\nkind = "penstock"\n' + keys)
    proposal = Proposal(found_for(lambda s: 100.0 * s.connections), 530_000.0)
    loaded = apply(config, proposal)
    assert loaded.uploader is None
    assert Setting.of(loaded) == proposal.setting


@pytest.mark.parametrize("text", ["[spool", '[spool]\npath = "x"\nunknown = 1\n'])
def test_a_configuration_that_cannot_be_used_is_left_as_it_is(config: Path, text: str) -> None:
    config.write_text(text)
    with pytest.raises(ConfigError):
        apply(config, Proposal(found_for(lambda s: 100.0 * s.workers), 530_000.0))
    assert config.read_text() == text
    assert [path.name for path in config.parent.iterdir()] == ["gateway.toml"]
