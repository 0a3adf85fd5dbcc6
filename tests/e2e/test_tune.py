"""`penstock tune` on this machine, with real gateways: a proposal, its check, and what stops it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import orjson
import pytest

from engine.config import load_gateway
from engine.dicom.sample import Shape, write
from engine.pseudonymize.identity import HashSecret
from tests.support.batch import penstock
from tests.unit.test_tuning import CONFIG


@pytest.fixture
def config(tmp_path: Path) -> Path:
    HashSecret.generate().write(tmp_path / "secret")
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG)
    return path


def test_tune_tries_real_gateways_and_proposes(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(config.parent / "objects", 1, Shape(slices=3, size=64))
    picture = config.parent / "curve.svg"
    options = ("--minutes", 0.2, "--trial", 0.3, "--svg", picture, "--apply", "--json")
    assert penstock("tune", config.parent / "objects", "--config", config, *options) == 0
    told = orjson.loads(capsys.readouterr().out)
    assert told["trials"] and all(
        rate > 0 for trial in told["trials"] for rate in trial["objects_per_second"]
    )
    assert told["check"]["objects_per_second"] > 0
    assert told["predicted"]["resident_bytes"] > 30_000_000
    assert told["predicted"]["limit"]
    assert load_gateway(config).pool.workers == told["proposal"]["pool"]["workers"]
    assert ET.parse(picture).getroot() is not None
    left = {path.name for path in config.parent.iterdir()}
    assert left == {"objects", "secret", "gateway.toml", "curve.svg"}


def test_without_objects_or_place_it_says_so(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = config.parent / "empty"
    empty.mkdir()
    assert penstock("tune", empty, "--config", config) == 2
    assert "no file in what was named" in capsys.readouterr().err
    small = Path("/sys")  # nothing can be made there
    assert penstock("tune", "--config", config, "--work", small) == 2
    assert "--work" in capsys.readouterr().err
