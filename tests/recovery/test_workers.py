"""More and fewer workers under a running gateway: real processes, and nothing lost or done twice."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.demo import stage
from engine.demo.stage import Stage
from engine.dicom import sample
from engine.spool import workers
from engine.spool.hints import HintOutbox
from tests.support import travel
from tests.support.cli import Ran, penstock
from tests.support.killing import processes

MANY = sample.Shape(slices=40, size=48)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    laid = stage.build(tmp_path / "stage", gateway={"pool": {"workers": 2}})
    laid.start_platform()
    laid.start_gateway()
    travel.wait("two workers", lambda: len(processes(laid)["worker"]) == 2)
    travel.wait("the word of it", lambda: ask(laid, "--json").document["working"] == 2)
    yield laid
    laid.gateway.kill()
    laid.platform.kill()


def ask(scene: Stage, *words: str) -> Ran:
    return penstock("workers", *words, "--config", str(scene.folder / "gateway.toml"))


def reconfigure(scene: Stage, before: str, after: str) -> None:
    path = scene.folder / "gateway.toml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    scene.gateway.signal(signal.SIGHUP)


def totals(scene: Stage) -> dict[str, int]:
    told = penstock("status", "--json", "--config", str(scene.folder / "gateway.toml")).document
    return {name: int(number) for name, number in told["ever"].items()}


def changes(scene: Stage) -> int:
    """How often the number of workers has changed."""
    return scene.gateway.log.read_text().count('"event":"workers"')


def test_the_command_grows_and_shrinks_the_pool_and_restarts_nobody(scene: Stage) -> None:
    before = processes(scene)
    grown = ask(scene, "4", "--json")
    assert (grown.code, grown.document) == (0, {"configured": 2, "before": 2, "wanted": 4, "working": 4})
    now = processes(scene)
    assert len(now["worker"]) == 4
    assert set(before["worker"]) < set(now["worker"]), "those that were there stay"
    assert ask(scene, "1").out.startswith("1 worker (before: 4)")
    travel.wait("one worker", lambda: len(processes(scene)["worker"]) == 1)
    after = processes(scene)
    for role in ("receiver", "coordinator", "uploader"):
        assert after[role] == before[role]
    assert ask(scene).out.startswith("1 worker; the configuration says 2")


def test_studies_travel_whole_and_once_while_the_number_changes(scene: Stage, tmp_path: Path) -> None:
    sent = [sample.write(tmp_path / f"study-{seed}", seed, MANY) for seed in range(4)]
    ended = threading.Event()

    def change() -> None:
        for number in itertools.cycle((6, 1, 3, 2)):
            if ended.wait(0.2):
                return
            workers.ask(scene.spool / "run", number)
            with HintOutbox(scene.spool / "run", "coordinator") as hints:
                hints.send([workers.WORD])

    changing = threading.Thread(target=change)
    changing.start()
    for number, files in enumerate(sent):
        travel.wait("another number", lambda number=number: changes(scene) > number + 1)  # type: ignore[misc]
        assert travel.by_pynetdicom(scene, files) == [0] * len(files), "no association was lost"
    for files in sent:
        travel.arrived(scene, travel.patient_id(files[0]), len(files))
    travel.emptied(scene)
    ended.set()
    changing.join()
    assert changes(scene) > 4, "the number changed while they travelled"
    count = sum(map(len, sent))
    travel.wait("the ledger", lambda: totals(scene).get("deleted", 0) >= count)
    told = totals(scene)
    assert {told[step] for step in ("received", "rewritten", "uploaded", "receipted", "deleted")} == {count}
    assert told["quarantined"] == 0
    for files in sent:
        (study,) = travel.arrived(scene, travel.patient_id(files[0]), len(files))
        travel.assert_pseudonymized(scene, files, study)


def test_sighup_with_another_number_changes_the_pool_and_restarts_nobody(scene: Stage) -> None:
    before = processes(scene)
    reconfigure(scene, "workers = 2", "workers = 3")
    travel.wait("three workers", lambda: len(processes(scene)["worker"]) == 3)
    reconfigure(scene, "workers = 3", "workers = 1")
    travel.wait("one worker", lambda: len(processes(scene)["worker"]) == 1)
    after = processes(scene)
    for role in ("receiver", "coordinator", "uploader"):
        assert after[role] == before[role]


def test_sighup_with_a_number_out_of_range_changes_nothing(scene: Stage) -> None:
    before = processes(scene)
    reconfigure(scene, "workers = 2", "workers = 10000")
    travel.wait("its word", lambda: "reload-refused" in scene.gateway.log.read_text())
    assert processes(scene) == before


def test_the_number_outlives_the_coordinator_but_not_the_gateway(scene: Stage) -> None:
    assert ask(scene, "3").code == 0
    (coordinator,) = processes(scene)["coordinator"]
    os.kill(coordinator, signal.SIGKILL)
    travel.wait("another coordinator", lambda: processes(scene)["coordinator"] not in ([], [coordinator]))
    travel.wait("three workers again", lambda: len(processes(scene)["worker"]) == 3)
    assert scene.gateway.stop() == 0
    scene.start_gateway()
    travel.wait("what the configuration says", lambda: len(processes(scene)["worker"]) == 2)


def test_a_number_that_cannot_be_is_refused_and_nothing_changes(scene: Stage) -> None:
    before = processes(scene)
    config = str(scene.folder / "gateway.toml")
    for number in ("0", "-1", "257", "10000"):
        refused = penstock("workers", "--config", config, "--", number)
        assert refused.code == 2
        assert f"1 to 256 workers, not {int(number):,}" in refused.err
        assert "this machine has" in refused.err
    assert processes(scene) == before


def test_a_gateway_that_does_not_run_is_said_to_be_so(scene: Stage) -> None:
    assert scene.gateway.stop() == 0
    refused = ask(scene, "3")
    assert refused.code == 2
    assert "the gateway is not running" in refused.err
    assert "workers = 2" in refused.err
    assert workers.asked(scene.spool / "run") is None
