"""`penstock up` as people and machines meet it: starting, failing clearly, changing its mind, ending, dying."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import load_gateway
from engine.demo import stage
from engine.demo.process import free_port, listens
from engine.demo.stage import Stage
from engine.spool.layout import Spool
from tests.support import travel
from tests.support.killing import processes


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    laid = stage.build(tmp_path / "stage", gateway={"metrics": {"port": free_port()}})
    yield laid
    laid.gateway.kill()
    laid.platform.kill()


def up(scene: Stage) -> subprocess.CompletedProcess[str]:
    """Runs `penstock up` where it should not stay up."""
    command = [sys.executable, "-m", "engine.cli", "up", "--config", str(scene.folder / "gateway.toml")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def all_pids(scene: Stage) -> list[int]:
    return [pid for pids in processes(scene).values() for pid in pids]


def everybody_up(scene: Stage) -> dict[str, list[int]]:
    scene.start_gateway()
    workers = load_gateway(scene.folder / "gateway.toml").pool.workers
    travel.wait(
        "all roles", lambda: all(processes(scene).values()) and len(processes(scene)["worker"]) == workers
    )
    return processes(scene)


def restarted(scene: Stage, role: str, old: int) -> None:
    travel.wait(f"another {role}", lambda: processes(scene)[role] not in ([], [old]))


def metrics_port(scene: Stage) -> int:
    text = (scene.folder / "gateway.toml").read_text()
    return int(text.partition("[metrics]\nport = ")[2].split()[0])


def test_sigterm_drains_and_leaves_no_process(scene: Stage) -> None:
    pids = [pid for found in everybody_up(scene).values() for pid in found]
    assert scene.gateway.stop() == 0
    assert alive(pids) == []
    log = [json.loads(line) for line in scene.gateway.log.read_text().splitlines()]
    assert [line["role"] for line in log if line["event"] == "role-ended"] == [
        "receiver", "coordinator", "uploader",
    ]  # fmt: skip


def test_no_process_outlives_a_killed_supervisor_and_the_next_start_works(scene: Stage) -> None:
    pids = [pid for found in everybody_up(scene).values() for pid in found]
    scene.gateway.kill()
    travel.wait("nobody left", lambda: not alive(pids))
    everybody_up(scene)
    assert scene.gateway.stop() == 0


@pytest.mark.parametrize("role", ["receiver", "coordinator", "uploader"])
def test_a_role_that_dies_is_started_again(scene: Stage, role: str) -> None:
    (old,) = everybody_up(scene)[role]
    os.kill(old, signal.SIGKILL)
    restarted(scene, role, old)
    travel.wait("the port", lambda: listens(scene.gateway_port))


def test_a_second_gateway_on_one_spool_is_refused(scene: Stage) -> None:
    everybody_up(scene)
    told = up(scene)
    assert told.returncode != 0 and "another gateway is running on the spool" in told.stderr
    assert all(processes(scene).values()), "the first one is not disturbed"


def test_a_port_in_use_is_one_clear_sentence(scene: Stage) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", scene.gateway_port))
        taken.listen()
        told = up(scene)
    assert told.returncode == 2
    assert f"cannot listen on 127.0.0.1:{scene.gateway_port} (receiver.port)" in told.stderr


def test_a_role_that_cannot_begin_ends_the_gateway_with_its_reason(scene: Stage) -> None:
    (scene.folder / "hash-secret").write_text("this is no secret\n")
    told = up(scene)
    assert told.returncode == 2
    assert "hash-secret" in told.stderr and "this is no secret" not in told.stderr
    assert "coordinator" not in told.stderr.splitlines()[-1], "the reason itself, and not who had it"


def test_a_spool_on_a_disk_that_others_read_is_refused(scene: Stage) -> None:
    (scene.folder / "spool").mkdir(mode=0o755)
    told = up(scene)
    assert told.returncode != 0 and "chmod 700" in told.stderr


def test_a_wrong_key_is_named_with_its_file(scene: Stage) -> None:
    path = scene.folder / "gateway.toml"
    path.write_text(path.read_text().replace("ae_title", "ae_titel", 1))
    told = up(scene)
    assert told.returncode == 2 and "ae_titel" in told.stderr and "gateway.toml" in told.stderr


def test_sighup_restarts_only_the_roles_whose_sections_changed(scene: Stage) -> None:
    before = everybody_up(scene)
    path = scene.folder / "gateway.toml"
    path.write_text(path.read_text().replace("quiet_seconds = 1.0", "quiet_seconds = 2.0"))
    scene.gateway.signal(signal.SIGHUP)
    restarted(scene, "coordinator", before["coordinator"][0])
    after = processes(scene)
    assert (after["receiver"], after["uploader"]) == (before["receiver"], before["uploader"])
    assert scene.gateway.stop() == 0


def test_sighup_with_a_wrong_configuration_changes_nothing(scene: Stage) -> None:
    before = everybody_up(scene)
    path = scene.folder / "gateway.toml"
    path.write_text("this is no TOML")
    scene.gateway.signal(signal.SIGHUP)
    travel.wait("its word", lambda: "reload-refused" in scene.gateway.log.read_text())
    assert processes(scene) == before


def test_no_secret_is_in_arguments_environment_or_log(scene: Stage) -> None:
    everybody_up(scene)
    secret = (scene.folder / "hash-secret").read_text().strip().encode()
    for pid in all_pids(scene):
        for name in ("cmdline", "environ"):
            assert secret not in Path(f"/proc/{pid}/{name}").read_bytes()
        assert "Max core file size        0                    0" in Path(f"/proc/{pid}/limits").read_text()
    assert secret not in scene.gateway.log.read_bytes()


def test_health_and_metrics_of_a_running_gateway(scene: Stage, tmp_path: Path) -> None:
    scene.start_platform()
    everybody_up(scene)
    sent = travel.study(tmp_path, seed=1)
    travel.by_dcmtk(scene, sent)
    (uid,) = travel.arrived(scene, travel.patient_id(sent[0]), len(sent))
    address = f"http://127.0.0.1:{metrics_port(scene)}"
    travel.wait("counters", lambda: _number(address, "penstock_rewritten_objects_total") == len(sent))
    travel.wait("its counter", lambda: _number(address, "penstock_received_objects_total") == len(sent))
    assert _number(address, 'penstock_process_up{role="uploader"}') == 1
    with urllib.request.urlopen(f"{address}/healthz", timeout=travel.PATIENCE) as answer:
        assert json.loads(answer.read())["healthy"]
    with urllib.request.urlopen(f"{address}/metrics", timeout=travel.PATIENCE) as answer:
        page = answer.read().decode()
    for word in (travel.patient_id(sent[0]), stage.CALLING, uid):
        assert word not in page


def _number(address: str, key: str) -> float | None:
    with urllib.request.urlopen(f"{address}/metrics", timeout=travel.PATIENCE) as answer:
        lines = answer.read().decode().splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{key} ")), None)


def test_status_and_where_follow_a_study(scene: Stage, tmp_path: Path) -> None:
    def ask(*words: str) -> tuple[int, dict[str, object]]:
        command = [sys.executable, "-m", "engine.cli", *words, "--json"]
        command += ["--config", str(scene.folder / "gateway.toml")]
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return told.returncode, json.loads(told.stdout)

    everybody_up(scene)
    sent = travel.study(tmp_path, seed=1)
    travel.by_dcmtk(scene, sent)
    hashed_id = scene.secret.hashed_id(travel.patient_id(sent[0]))
    travel.wait("a ledger", lambda: len(_objects(ask("where", hashed_id)[1])) == len(sent))
    rows = _objects(ask("where", hashed_id)[1])
    assert all(row["rewritten"] and "deleted" not in row for row in rows)
    code, status = ask("status")
    assert code == 0 and status["running"] is True
    assert status["spool"]["objects"] == {"ready": len(sent)}  # type: ignore[index]
    scene.start_platform()
    travel.arrived(scene, travel.patient_id(sent[0]), len(sent))
    travel.wait("receipts", lambda: all("deleted" in row for row in _objects(ask("where", hashed_id)[1])))
    rows = _objects(ask("where", str(rows[0]["study"]))[1])
    assert len(rows) == len(sent) and all(len(str(row["digest"])) == 64 for row in rows)
    assert scene.gateway.stop() == 0
    code, status = ask("status")
    assert (code, status["running"]) == (0, False)
    assert status["ever"]["deleted"] == len(sent)  # type: ignore[index]
    assert ask("where", "0" * 32)[0] == 1
    assert Spool.open(scene.spool).ledger.stat().st_mode & 0o077 == 0


def _objects(told: dict[str, object]) -> list[dict[str, object]]:
    objects = told["objects"]
    assert isinstance(objects, list)
    return objects
