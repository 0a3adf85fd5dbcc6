"""A sender at full speed before a platform that is slow, or away: it is slowed, and refused only when nothing leaves at all."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.demo import stage
from engine.demo.stage import CALLED, CALLING, HOST, Stage
from engine.dicom import sample
from engine.errors import TransportError
from engine.metrics.reading import read
from engine.scu.association import Target
from engine.sender.load import Load
from engine.sender.load import run as send
from engine.sender.report import Report
from engine.spool.budget import counted
from engine.spool.layout import Spool
from tests.support import travel
from tests.support.weather import Relay

MAX = 40 << 20
LOW, HIGH = 0.4, 0.8
OBJECT = sample.Shape(slices=1, size=512)  # 0.5 MB
NARROW = 1.5e6  # bytes a second to the platform: what comes in while it does not run for some seconds stays in the band
SENT = 110  # 58 MB, more than the spool may hold
LIMITS: dict[str, dict[str, int | float]] = {
    "spool": {"max_bytes": MAX, "high_water": HIGH, "low_water": LOW},
    "pool": {"max_outbox": 20, "workers": 1},
}


def told(scene: Stage, event: str) -> bool:
    lines = scene.gateway.log.read_text().splitlines()
    return any(json.loads(line)["event"] == event for line in lines if line.startswith("{"))


def load(scene: Stage, path: Path, associations: int, clones: int) -> Load:
    return Load(Target(HOST, scene.gateway_port, CALLED, CALLING), (path,), associations, clones)


@dataclass
class Sending:
    """A load under way in a thread, and the highest level of the spool meanwhile."""

    scene: Stage
    load: Load
    report: Report | None = None
    highest: int = 0
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.report = send(self.load)

    def ended(self) -> bool:
        self.highest = max(self.highest, counted(self.scene.spool / "run"))
        return not self._thread.is_alive()


@contextmanager
def going(tmp_path: Path) -> Iterator[Stage]:
    scene = stage.build(tmp_path / "stage", gateway=LIMITS)
    try:
        yield scene
    finally:
        scene.gateway.kill()
        scene.platform.kill()


def narrowed(scene: Stage, relay: Relay) -> None:
    """The uploader's way to the platform leads through the relay."""
    file = scene.folder / "gateway.toml"
    text = file.read_text(encoding="utf-8")
    assert text.count(scene.platform_url) == 1
    file.write_text(text.replace(scene.platform_url, f"https://{HOST}:{relay.port}"), encoding="utf-8")


def test_before_a_slow_platform_a_sender_is_slowed_and_nothing_is_refused(tmp_path: Path) -> None:
    path = travel.study(tmp_path, 1, OBJECT)[0]
    with going(tmp_path) as scene:
        relay = Relay(scene.platform_port, seed=1, bad=0.0, most=1, narrow=NARROW)
        narrowed(scene, relay)
        scene.start_platform()
        scene.start_gateway()
        sending = Sending(scene, load(scene, path, 2, SENT))
        travel.wait("the end of the sending", sending.ended, 3 * travel.PATIENCE)
        assert sending.report is not None
        assert sending.report["objects"] == SENT and sending.report["refused"] == []
        assert LOW * MAX < sending.highest < HIGH * MAX, "the band is where it went on"
        assert told(scene, "spool-fills-senders-slowed") and told(scene, "outbox-full-workers-pause")
        counters = read(scene.spool / "run")
        assert counters['penstock_peer_slowed_seconds_total{peer="1"}'] > 1.0
        assert not [name for name in counters if name.startswith("penstock_rejections")]
        travel.wait("a spool below the low mark", lambda: told(scene, "spool-drained-senders-go-on"))
        again = send(load(scene, path, 2, 4))
        assert again["objects"] == 4
        travel.wait(
            "metrics that say so", lambda: read(scene.spool / "run")["penstock_receiving_slowed"] == 0
        )
        travel.arrived(scene, travel.patient_id(path), SENT + 4)
        assert scene.gateway.stop() == 0
        relay.close()


def test_before_a_platform_that_is_away_it_is_slowed_then_refused_and_taken_again(tmp_path: Path) -> None:
    path = travel.study(tmp_path, 1, OBJECT)[0]
    with going(tmp_path) as scene:
        scene.start_gateway()
        sending = Sending(scene, load(scene, path, 6, SENT))
        travel.wait("the slowing", lambda: told(scene, "spool-fills-senders-slowed"))
        assert _refusal(scene, path) == "", "slowed is not refused"
        travel.wait("the high mark", lambda: not sending.ended() and sending.highest >= HIGH * MAX)
        refusal = _refusal(scene, path)
        assert "result 2, source 3, reason 2" in refusal, refusal
        travel.wait("the end of the sending", sending.ended, 3 * travel.PATIENCE)
        assert sending.report is not None
        assert sending.report["statuses"].keys() == {"0000", "A700"}, (
            "who is let in goes on, and is refused only when there is no room at all"
        )
        stored = sending.report["objects"]
        assert HIGH * MAX < stored * path.stat().st_size <= MAX
        scene.start_platform()
        travel.wait("an open gate", lambda: _refusal(scene, path) == "")
        assert send(load(scene, path, 2, 6))["objects"] == 6
        assert _left(scene) == []
        assert scene.gateway.stop() == 0


def _refusal(scene: Stage, path: Path) -> str:
    """What is said to somebody who calls now and sends one object; "" for Success."""
    try:
        report = send(load(scene, path, 1, 0))
    except TransportError as error:
        return str(error)
    return "" if report["objects"] == 1 else str(report["refused"])


def _left(scene: Stage) -> list[Path]:
    """What is in the spool at last."""
    spool = Spool.open(scene.spool, create=False)

    def files() -> list[Path]:
        return [path for folder in (spool.received, spool.passes) for path in folder.rglob("*.dcm")]

    until = time.monotonic() + travel.PATIENCE
    while (found := files()) and time.monotonic() < until:
        time.sleep(0.1)
    return found
