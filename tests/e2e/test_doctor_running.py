"""The doctor beside a gateway that runs: it only reads, and ordinary work is healthy."""

from __future__ import annotations

from pathlib import Path

from engine.demo.stage import Stage
from tests.support.cli import penstock
from tests.support.travel import by_dcmtk, study


def test_a_running_gateway_is_healthy_and_may_not_be_repaired(house: Stage, tmp_path: Path) -> None:
    config = str(house.folder / "gateway.toml")
    by_dcmtk(house, study(tmp_path, 77))
    done = penstock("doctor", "--config", config, "--json")
    assert done.document["running"]
    assert done.code == 0, done.out
    refused = penstock("doctor", "--config", config, "--repair")
    assert refused.code == 1
    assert "stop it" in refused.err
