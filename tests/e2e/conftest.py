"""A running platform and gateway for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.demo import stage
from engine.demo.stage import Stage
from tests.support.batch import Gate


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Both running, shared by the tests of a module: each sends a patient of its own."""
    with stage.running(stage.build(tmp_path_factory.mktemp("house") / "stage")) as scene:
        yield scene
    assert scene.gateway.wait() == 0, scene.gateway.tail()
    assert scene.platform.wait() == 0, scene.platform.tail()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """What the objects of a `penstock batch` wait at."""
    made = Gate()
    yield made
    made.close()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    """Laid out and not started; whatever the test starts is ended behind it."""
    laid = stage.build(tmp_path / "stage")
    yield laid
    laid.gateway.kill()
    laid.platform.kill()
