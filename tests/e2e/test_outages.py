"""Parts go down and come back; what was acknowledged arrives, once."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from engine.demo import compare, stage
from engine.demo.show import left_in
from engine.demo.stage import Stage
from engine.dicom import sample
from engine.spool.budget import counted
from tests.support import travel

MANY = sample.Shape(slices=60, size=96)
OUT_OF_RESOURCES = 0xA700  # PS3.4 Table B.2-1


def test_what_is_sent_while_the_platform_is_down_waits_and_arrives_later(
    scene: Stage, tmp_path: Path
) -> None:
    scene.start_gateway()
    sent = travel.study(tmp_path, seed=1)
    travel.by_dcmtk(scene, sent)
    travel.planned(scene, len(sent))
    assert len([path for path in left_in(scene.spool) if path.suffix == ".dcm"]) == len(sent)
    scene.start_platform()
    (uid,) = travel.arrived(scene, travel.patient_id(sent[0]), len(sent))
    travel.assert_pseudonymized(scene, sent, uid)
    travel.emptied(scene)


def test_a_platform_that_restarts_loses_nothing(scene: Stage, tmp_path: Path) -> None:
    scene.start_platform()
    scene.start_gateway()
    sent = travel.study(tmp_path, seed=1)
    travel.by_dcmtk(scene, sent[:3])
    travel.arrived(scene, travel.patient_id(sent[0]), 3)
    assert scene.platform.stop() == 0
    travel.by_dcmtk(scene, sent[3:])
    scene.start_platform()
    travel.arrived(scene, travel.patient_id(sent[0]), len(sent))
    travel.emptied(scene)


def test_a_gateway_that_is_ended_in_the_middle_keeps_what_it_acknowledged(
    scene: Stage, tmp_path: Path
) -> None:
    sent = travel.study(tmp_path, seed=1, shape=MANY)
    scene.start_platform()
    scene.start_gateway()
    statuses = _interrupted(scene, sent, signal.SIGTERM)
    assert scene.gateway.wait(travel.PATIENCE) == 0, scene.gateway.tail()
    _all_acknowledged_arrive(scene, sent, statuses)


def test_a_gateway_that_is_killed_in_the_middle_keeps_what_it_acknowledged(
    scene: Stage, tmp_path: Path
) -> None:
    sent = travel.study(tmp_path, seed=1, shape=MANY)
    scene.start_platform()
    scene.start_gateway()
    statuses = _interrupted(scene, sent, signal.SIGKILL)
    assert scene.gateway.wait(travel.PATIENCE) == -signal.SIGKILL
    _all_acknowledged_arrive(scene, sent, statuses)


def _interrupted(scene: Stage, sent: Sequence[Path], number: signal.Signals) -> list[int]:
    """Statuses of a sending during which the gateway gets a signal: behind its fifth object, amid one association."""
    statuses = travel.by_pynetdicom(scene, sent, when=5, then=lambda: scene.gateway.signal(number))
    assert statuses[:5] == [0] * 5 and len(statuses) == len(sent)
    return statuses


def _all_acknowledged_arrive(scene: Stage, sent: Sequence[Path], statuses: Sequence[int]) -> None:
    """After a new start: everything acknowledged is there with its pixels, and nothing that was not sent."""
    scene.start_gateway()
    acknowledged = [path for path, status in zip(sent, statuses, strict=True) if status == 0]
    travel.arrived(scene, travel.patient_id(sent[0]), len(acknowledged))
    travel.emptied(scene)
    uids = travel.arrived(scene, travel.patient_id(sent[0]), len(acknowledged))  # also what no answer told of
    received = [data for uid in uids for data in travel.read_back(scene, uid)]
    found = compare.pairs(acknowledged, received)
    assert len(found) == len(acknowledged)
    assert all(pair.before.PixelData == pair.after.PixelData for pair in found)
    assert not any(compare.leaks(pair) for pair in found)


def test_over_its_budget_the_gateway_answers_out_of_resources_and_heals(tmp_path: Path) -> None:
    # The receiver reserves a MiB for an object whose size it cannot know yet: slices of half a MiB, room for some of them.
    sent = travel.study(tmp_path, seed=1, shape=sample.Shape(slices=9))
    limits: dict[str, dict[str, int | float]] = {
        "spool": {"max_bytes": 3 << 20, "high_water": 1.0, "low_water": 0.5}
    }
    scene = stage.build(tmp_path / "stage", gateway=limits)
    try:
        scene.start_gateway()
        statuses = travel.by_pynetdicom(scene, sent)
        taken = [path for path, status in zip(sent, statuses, strict=True) if status == 0]
        assert set(statuses) == {0, OUT_OF_RESOURCES} and 0 < len(taken) < len(sent)
        scene.start_platform()
        travel.arrived(scene, travel.patient_id(sent[0]), len(taken))
        travel.emptied(scene)
        travel.wait("a budget that counts nothing", lambda: counted(scene.spool / "run") == 0)
        rest = [path for path in sent if path not in taken]
        assert travel.by_pynetdicom(scene, rest[:3]) == [0] * 3
        travel.arrived(scene, travel.patient_id(sent[0]), len(taken) + 3)
    finally:
        scene.gateway.kill()
        scene.platform.kill()
