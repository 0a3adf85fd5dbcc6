"""Losing the machine: a fresh folder and a token later the same patients have the same hashed IDs, and the old one is out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import load_platform
from engine.demo import commands, stage
from engine.demo.process import PartError, Process, free_port, listens
from engine.demo.reader import Reader
from engine.demo.stage import INSTITUTION, START_SECONDS, Stage
from engine.keeper.notice import read
from engine.platform.administration import administration
from tests.support import travel

MOST_SECONDS = 120.0
pytestmark = pytest.mark.timeout(300)  # whole minutes of quiet and of certificates are waited for


@pytest.fixture
def enrolled(tmp_path: Path) -> Iterator[Stage]:
    """A platform and a gateway that enrolled itself, both running."""
    with stage.running(stage.build(tmp_path / "stage", enrolled=True)) as scene:
        yield scene


def second_machine(scene: Stage, folder: Path) -> tuple[Process, int]:
    """What a person has after installing Penstock elsewhere: a configuration and nothing else."""
    folder.mkdir(mode=0o700)
    port = free_port()
    text = (scene.folder / "gateway.toml").read_text(encoding="utf-8")
    (folder / "gateway.toml").write_text(
        text.replace(f"port = {scene.gateway_port}", f"port = {port}"), encoding="utf-8"
    )
    return Process("gateway", ["up", "--config", str(folder / "gateway.toml")], folder / "gateway.log"), port


def of_status(folder: Path) -> dict[str, object]:
    """What `penstock status` says of the enrolment; nothing until the keeper has said something."""
    told = commands.penstock("status", "--config", str(folder / "gateway.toml"))
    found: dict[str, object] = told.get("enrolment", {})
    return found


def test_wipe_install_enrol_and_the_same_patient_has_the_same_hashed_id(
    enrolled: Stage, tmp_path: Path
) -> None:
    first = travel.study(tmp_path / "files", 1)
    patient = travel.patient_id(first[0])
    travel.by_pynetdicom(enrolled, first)
    known = travel.arrived(enrolled, patient, len(first))
    hashed = commands.hashed_id(enrolled.folder, patient)

    began = time.monotonic()
    again, port = second_machine(enrolled, tmp_path / "second")
    token = commands.new_token(enrolled.folder, INSTITUTION)
    told = commands.enrol(tmp_path / "second", enrolled.web_url, token)
    assert (told["epoch"], told["replaced"], told["unproved"]) == (2, True, None)
    again.start()
    try:
        again.wait_until(lambda: listens(port), "listening", START_SECONDS)
        assert commands.hashed_id(tmp_path / "second", patient) == hashed
        relinked = time.monotonic() - began
        assert relinked <= MOST_SECONDS

        # The older instance: refused at once, its secret wiped, and what it receives stays in its spool.
        run_dir = enrolled.spool / "run"
        enrolled.gateway.wait_until(
            lambda: (found := read(run_dir)) is not None and str(found.state) == "fenced",
            "fenced",
            travel.PATIENCE,
        )
        assert of_status(enrolled.folder)["key_ids"] == []
        with pytest.raises(PartError) as caught:
            commands.hashed_id(enrolled.folder, patient)
        assert "another instance of this gateway was enrolled" in "\n".join(caught.value.tail)
        late = travel.study(tmp_path / "files", 2)
        assert travel.by_pynetdicom(enrolled, late) == [0] * len(late)
        time.sleep(2.5)  # longer than a pass is quiet: it would have been sent by now
        assert len(list((enrolled.spool / "received").iterdir())) == len(late)

        # A used token opens nothing.
        with pytest.raises(PartError) as reused:
            commands.enrol(tmp_path / "second", enrolled.web_url, token, "--replace")
        assert "used already" in "\n".join(reused.value.tail)

        # The new instance does the old one's work: the same patient, one more study.
        moved = stage.Stage(
            folder=tmp_path / "second",
            gateway_port=port,
            platform_port=enrolled.platform_port,
            certificates=enrolled.certificates,
            gateway=again,
            platform=enrolled.platform,
        )
        travel.by_pynetdicom(moved, first)
        with Reader(enrolled.platform_url, enrolled.certificates) as reader:
            travel.wait("a second study", lambda: len(reader.studies(hashed)) == 2)
        assert set(known) < {str(one["study_instance_uid"]) for one in _studies(enrolled, hashed)}
        assert _files_with(enrolled.secret.key, tmp_path / "second", enrolled.spool) == []
        assert again.stop() == 0
        assert _files_with(enrolled.secret.key, tmp_path / "second", enrolled.spool) == []
    finally:
        again.kill()
    print(json.dumps({"relinked_seconds": round(relinked, 1)}))


def test_a_gateway_that_was_fenced_goes_on_where_it_stopped_when_it_enrols_again(
    enrolled: Stage, tmp_path: Path
) -> None:
    other, _ = second_machine(enrolled, tmp_path / "second")
    commands.enrol(tmp_path / "second", enrolled.web_url, commands.new_token(enrolled.folder, INSTITUTION))
    run_dir = enrolled.spool / "run"
    enrolled.gateway.wait_until(
        lambda: (found := read(run_dir)) is not None and str(found.state) == "fenced",
        "fenced",
        travel.PATIENCE,
    )
    paths = travel.study(tmp_path / "files", 3)
    travel.by_pynetdicom(enrolled, paths)
    token = commands.new_token(enrolled.folder, INSTITUTION)
    told = commands.enrol(enrolled.folder, enrolled.web_url, token, "--replace")
    assert told["epoch"] == 3
    travel.arrived(enrolled, travel.patient_id(paths[0]), len(paths))
    travel.emptied(enrolled)
    assert not other.running


def test_a_gateway_that_starts_while_the_platform_is_away_receives_and_says_what_it_waits_for(
    tmp_path: Path,
) -> None:
    scene = stage.build(tmp_path / "stage", enrolled=True)
    with stage.running(scene):
        assert scene.gateway.stop() == 0
        assert scene.platform.stop() == 0
        scene.start_gateway()
        paths = travel.study(tmp_path / "files", 4)
        assert travel.by_pynetdicom(scene, paths) == [0] * len(paths)
        travel.wait("a first try", lambda: "cannot be reached" in str(of_status(scene.folder)))
        told = of_status(scene.folder)
        assert told["state"] == "waiting"
        assert "waits for the hash secret from the platform" in str(told["sentence"])
        assert "cannot be reached" in str(told["sentence"])
        assert len(list((scene.spool / "received").iterdir())) == len(paths)
        scene.start_platform()
        travel.arrived(scene, travel.patient_id(paths[0]), len(paths))
        travel.emptied(scene)


def test_a_gateway_that_waits_for_its_platform_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    scene = stage.build(tmp_path / "stage", enrolled=True)
    with stage.running(scene):
        assert scene.gateway.stop() == 0
        assert scene.platform.stop() == 0
        scene.start_gateway()
        travel.wait("a keeper that waits", lambda: read(scene.spool / "run") is not None)
        assert scene.gateway.stop() == 0


def test_an_open_pass_keeps_its_secret_and_the_next_one_takes_the_new(tmp_path: Path) -> None:
    changes: stage.Changes = {"passes": {"quiet_seconds": 25.0, "repeat_seconds": 25.0}}
    with stage.running(stage.build(tmp_path / "stage", changes, enrolled=True)) as scene:
        paths = travel.study(tmp_path / "files", 5)
        patient = travel.patient_id(paths[0])
        before = commands.hashed_id(scene.folder, patient)
        travel.by_pynetdicom(scene, paths[:2])
        with administration(load_platform(scene.folder / "platform.toml")) as opened:
            opened.vault().rotate(INSTITUTION)
        run_dir = scene.spool / "run"
        scene.gateway.wait_until(
            lambda: (found := read(run_dir)) is not None and len(found.key_ids) == 2,
            "rotated",
            travel.PATIENCE,
        )
        travel.by_pynetdicom(scene, paths[2:])
        with Reader(scene.platform_url, scene.certificates) as reader:
            travel.wait("all objects", lambda: _objects(reader.studies(before)) == len(paths))
            assert len(reader.studies(before)) == 1
        travel.emptied(scene)
        after = commands.hashed_id(scene.folder, patient)
        assert after != before
        travel.by_pynetdicom(scene, paths)
        with Reader(scene.platform_url, scene.certificates) as reader:
            travel.wait("the next pass", lambda: _objects(reader.studies(after)) == len(paths))


def test_a_certificate_is_renewed_under_a_running_gateway(tmp_path: Path) -> None:
    # 0.01 hours are 36 seconds: renewed after 24, and over after 36
    short: stage.Changes = {"gateways": {"certificate_hours": 0.01}}
    with stage.running(stage.build(tmp_path / "stage", platform=short, enrolled=True)) as scene:
        credential = scene.folder / "identity" / "gateway.pem"
        first = credential.read_bytes()
        ends = _ends(scene)
        travel.wait("a renewal", lambda: credential.read_bytes() != first)
        travel.wait("the end of the first certificate", lambda: time.time() > ends)
        assert credential.stat().st_mode & 0o777 == 0o600
        paths = travel.study(tmp_path / "files", 6)
        travel.by_pynetdicom(scene, paths)
        travel.arrived(scene, travel.patient_id(paths[0]), len(paths))
        assert _ends(scene) > ends
        assert scene.gateway.stop() == 0


def _files_with(secret: bytes, *folders: Path) -> list[Path]:
    """Files of the gateways that hold the hash secret, as it is or in hexadecimal digits."""
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(found) > 10
    return [
        path
        for path in found
        if (held := travel.content(path)).count(secret) + held.count(secret.hex().encode())
    ]


def _studies(scene: Stage, hashed_id: str) -> list[dict[str, object]]:
    with Reader(scene.platform_url, scene.certificates) as reader:
        return reader.studies(hashed_id)


def _objects(studies: list[dict[str, object]]) -> int:
    return sum(int(str(one["objects"])) for one in studies)


def _ends(scene: Stage) -> float:
    return float(str(of_status(scene.folder)["certificate_ends"]))
