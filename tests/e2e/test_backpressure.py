"""The platform is away, and everything before it waits in turn: workers pause, the receiver refuses; then all of it goes on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from engine.demo import stage
from engine.demo.stage import CALLED, CALLING, HOST, Stage
from engine.dicom import sample
from engine.errors import TransportError
from engine.scu.association import Association, Target
from engine.spool import inventory
from engine.spool.layout import Spool
from engine.spool.states import State
from tests.reliability.book import Run
from tests.reliability.hospital import Hospital
from tests.support import travel

OUTBOX = 6
MEGABYTES = 16  # room for many more objects than the outbox and the workers hold
SHAPE = sample.Shape(slices=4, size=128)  # 33 kB each
BATCHES = 2 * 2 * 16  # what workers may have in hand when the outbox is found full


def counted(scene: Stage) -> Counter[State]:
    return inventory.take(Spool.open(scene.spool, create=False)).objects


def told(scene: Stage, event: str) -> bool:
    lines = scene.gateway.log.read_text().splitlines()
    return any(json.loads(line)["event"] == event for line in lines if line.startswith("{"))


def test_a_platform_that_is_away_fills_the_outbox_then_the_passes_then_the_spool(tmp_path: Path) -> None:
    limits: dict[str, dict[str, int | float]] = {
        "spool": {"max_bytes": MEGABYTES << 20, "high_water": 0.5, "low_water": 0.3, "slow_water": 0.5},
        "pool": {"max_outbox": OUTBOX, "workers": 1},
    }
    scene = stage.build(tmp_path / "stage", gateway=limits)
    run = Run(tmp_path, 1, 1)
    try:
        scene.start_gateway()
        hospital = Hospital(scene, run, scene.gateway_port, SHAPE)
        rejected = ""
        while not rejected:
            sent = hospital.make()
            try:
                hospital.offer(sent)
            except TransportError as error:
                rejected = str(error)
            assert len(hospital.studies) < 200, "the receiver never refuses"
        assert "result 2, source 3, reason 2" in rejected, rejected
        travel.wait("a pause", lambda: told(scene, "outbox-full-workers-pause"))
        travel.wait("all in passes", lambda: not counted(scene)[State.RECEIVED])
        waiting = counted(scene)
        assert OUTBOX <= waiting[State.READY] <= OUTBOX + BATCHES
        assert waiting[State.ADMITTED] > waiting[State.READY], (
            "what comes in is put into passes, and waits there"
        )
        scene.start_platform()
        travel.wait("workers at work", lambda: told(scene, "outbox-drained-workers-go-on"))
        travel.wait("an open gate", lambda: _takes(scene))
        assert hospital.send(sent, travel.PATIENCE)
        hospital.settle(travel.PATIENCE)
        assert run.failures == []
        assert scene.gateway.stop() == 0
    finally:
        scene.gateway.kill()
        scene.platform.kill()


def test_a_gateway_that_pauses_ends_in_order_and_takes_up_again(tmp_path: Path) -> None:
    scene = stage.build(tmp_path / "stage", gateway={"pool": {"max_outbox": 1, "workers": 1}})
    run = Run(tmp_path, 1, 1)
    try:
        scene.start_gateway()
        hospital = Hospital(scene, run, scene.gateway_port, sample.Shape(slices=80, size=32))
        assert hospital.send(hospital.make(), travel.PATIENCE)
        travel.wait("a pause", lambda: told(scene, "outbox-full-workers-pause"))
        assert scene.gateway.stop() == 0, (
            "a stop does not wait for what the platform would have to take first"
        )
        scene.start_platform()
        scene.start_gateway()
        hospital.settle(travel.PATIENCE)
        assert run.failures == []
    finally:
        scene.gateway.kill()
        scene.platform.kill()


def _takes(scene: Stage) -> bool:
    pairs = [(CTImageStorage, ExplicitVRLittleEndian)]
    try:
        Association(Target(HOST, scene.gateway_port, CALLED, CALLING, 5.0), pairs).release()
    except TransportError:
        return False
    return True
