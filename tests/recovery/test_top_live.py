"""What operators see of a real gateway at work: in a terminal, on the page, in JSON; and no identity in any of it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.demo import stage
from engine.demo.process import free_port
from engine.demo.stage import Stage
from engine.metrics.catalogue import METRICS, STAGES
from tests.support import travel
from tests.support.cli import penstock

OURS = re.compile(r"[a-z0-9]+([-.][a-z0-9]+)*|[0-9A-F]{4}|\+Inf|[0-9.e+-]+")  # words and numbers of our own

COUNTERS = (
    "penstock_received_objects_total",
    "penstock_uploaded_objects_total",
    "penstock_peer_objects_total",
)
WORKING = ("receive", "commit", "queue", "rewrite")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    laid = stage.build(tmp_path / "stage", gateway={"metrics": {"port": free_port()}})
    laid.start_platform()
    laid.start_gateway()
    yield laid
    laid.gateway.kill()
    laid.platform.kill()


def get(scene: Stage, path: str) -> str:
    text = (scene.folder / "gateway.toml").read_text()
    port = int(text.partition("[metrics]\nport = ")[2].split()[0])
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=travel.PATIENCE) as answer:
        return str(answer.read().decode())


def all_is_told(metrics: str, objects: int) -> bool:
    """Whether every part of the gateway has counted the objects, and the pass is sealed: each tells in a time of its own."""
    counted = [
        re.search(rf"^{name}(?:{{.*}})? {objects}(?:\.0)?$", metrics, re.MULTILINE) for name in COUNTERS
    ]
    worked = [
        re.search(rf'^penstock_stage_seconds_count{{stage="{stage}"}} [1-9]', metrics, re.MULTILINE)
        for stage in WORKING
    ]
    return all([*counted, *worked, "penstock_passes_open 0" in metrics])


def config(scene: Stage) -> str:
    return str(scene.folder / "gateway.toml")


def test_a_study_is_seen_everywhere_and_its_patient_nowhere(scene: Stage, tmp_path: Path) -> None:
    sent = travel.study(tmp_path, seed=3)
    travel.by_dcmtk(scene, sent)
    (new_study,) = travel.arrived(scene, travel.patient_id(sent[0]), len(sent))
    travel.emptied(scene)
    travel.wait("counters", lambda: all_is_told(get(scene, "/metrics"), len(sent)))
    travel.wait("calm", lambda: "idle" in get(scene, "/"))  # the page tells of some seconds
    metrics = get(scene, "/metrics")
    told = {
        "metrics": metrics,
        "page": get(scene, "/"),
        "health": get(scene, "/healthz") + get(scene, "/readyz"),
        "top": penstock("top", "--once", "--config", config(scene)).out,
        "json": penstock("top", "--json", "--config", config(scene)).out,
        "status": penstock("status", "--json", "--config", config(scene)).out,
    }
    first = pydicom.dcmread(sent[0])
    identities = [
        str(first.PatientID), str(first.PatientName), str(first.StudyInstanceUID), str(first.AccessionNumber), new_study,
        scene.secret.hashed_id(str(first.PatientID)), *(pydicom.dcmread(path).SOPInstanceUID for path in sent),
    ]  # fmt: skip
    for where, text in told.items():
        assert [one for one in identities if one in text] == [], where
    families = {one.name: one for one in text_string_to_metric_families(metrics)}
    samples = [sample for one in families.values() for sample in one.samples]
    assert {
        f"{name}_total" if one.type == "counter" else name for name, one in families.items()
    } <= METRICS.keys()
    for sample in samples:
        for label, value in sample.labels.items():
            assert OURS.fullmatch(value) or label in {"peer", "destination"}, (sample.name, label)
    stages = {
        sample.labels["stage"]
        for sample in samples
        if sample.name == "penstock_stage_seconds_count" and sample.value
    }
    assert set(WORKING) <= stages <= set(STAGES)
    for name in COUNTERS:
        assert [sample.value for sample in samples if sample.name == name] == [float(len(sent))], name
    assert "idle" in told["top"] and "idle" in told["page"]


def test_a_live_picture_is_drawn_on_a_terminal_and_ends_with_q(scene: Stage) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "engine.cli", "top", "--seconds", "0.3", "--config", config(scene)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as shown:
        os.close(theirs)
        read(ours, "idle: nobody sends")
        os.write(ours, b"p")
        read(ours, "paused")
        os.write(ours, b"pq")
        rest = read(ours, "")
        assert shown.wait(travel.PATIENCE) == 0
    os.close(ours)
    assert "\x1b[?1049l" in rest, "the terminal gets its own screen back"


def read(terminal: int, until: str) -> str:
    """What is drawn until a word comes; with "" until the end."""
    text = ""
    limit = time.monotonic() + travel.PATIENCE
    while not until or until not in text:
        assert time.monotonic() < limit, text[-500:]
        if not select.select([terminal], [], [], 0.5)[0]:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # EIO: the other end is closed
            return text
        if not piece:
            return text
        text += piece.decode("utf-8", "replace")
    return text
