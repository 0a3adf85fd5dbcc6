"""What is wrong around the gateway: each case is named, with what to do, and nothing is lost."""

from __future__ import annotations

import datetime
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from engine.demo import stage
from engine.demo.process import Process, listens
from engine.demo.show import left_in
from engine.demo.stage import HOST, Stage
from engine.platform.certificates import Authority
from tests.support import travel

USAGE = 2
YESTERDAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


def _ends_with(process: Process, code: int, *words: str) -> None:
    """Starts it; it must end by itself with `code` and say all `words`."""
    process.start()
    assert process.wait(travel.PATIENCE) == code, process.tail()
    said = "\n".join(process.tail())
    assert [word for word in words if word not in said] == [], said


def test_a_port_in_use_is_named_by_the_gateway(scene: Stage) -> None:
    with socket.create_server((HOST, scene.gateway_port)):
        _ends_with(scene.gateway, USAGE, str(scene.gateway_port), "receiver.port")


def test_a_port_in_use_is_named_by_the_platform(scene: Stage) -> None:
    with socket.create_server((HOST, scene.platform_port)):
        _ends_with(scene.platform, USAGE, str(scene.platform_port), "platform.port")


@pytest.mark.parametrize("which", ["gateway", "platform"])
def test_a_wrong_key_in_the_configuration_is_named(scene: Stage, which: str) -> None:
    path = scene.folder / f"{which}.toml"
    table = "[receiver]\n" if which == "gateway" else "[platform]\n"
    path.write_text(path.read_text(encoding="utf-8").replace(table, table + "prot = 1\n"), encoding="utf-8")
    _ends_with(getattr(scene, which), USAGE, f"{which}.toml", "prot")


def test_a_configuration_that_is_missing_is_named(scene: Stage) -> None:
    (scene.folder / "gateway.toml").unlink()
    _ends_with(scene.gateway, USAGE, "gateway.toml")


def test_a_missing_hash_secret_is_named_with_the_command_that_makes_one(scene: Stage) -> None:
    (scene.folder / "hash-secret").unlink()
    _ends_with(scene.gateway, USAGE, "hash-secret", "penstock secret new")


def test_a_hash_secret_that_others_can_read_is_refused(scene: Stage) -> None:
    (scene.folder / "hash-secret").chmod(0o644)
    _ends_with(scene.gateway, USAGE, "hash-secret", "chmod 600")


def test_a_spool_that_another_gateway_uses_is_left_to_it(scene: Stage, tmp_path: Path) -> None:
    scene.start_gateway()
    other = stage.build(tmp_path / "other", gateway={"spool": {"path": str(scene.spool)}})
    _ends_with(other.gateway, 1, str(scene.spool), "another gateway")
    assert scene.gateway.running


def test_a_certificate_that_has_expired_on_the_platform_keeps_objects_in_the_spool(
    scene: Stage, tmp_path: Path
) -> None:
    authority = Authority.new("another root")
    files = scene.certificates
    for path in (
        files.ca,
        files.server_certificate,
        files.server_key,
        files.client_certificate,
        files.client_key,
    ):
        path.unlink()
    files.ca.write_bytes(authority.certificate)
    authority.issue_server([HOST], not_after=YESTERDAY).write(files.server_certificate, files.server_key)
    authority.issue_client("demo").write(files.client_certificate, files.client_key)
    scene.start_platform()
    scene.start_gateway()
    sent = travel.study(tmp_path, seed=1)
    travel.by_dcmtk(scene, sent)
    travel.wait(
        "a word about the certificate", lambda: "expired" in scene.gateway.log.read_text(encoding="utf-8")
    )
    travel.planned(scene, len(sent))
    assert len([path for path in left_in(scene.spool) if path.suffix == ".dcm"]) == len(sent)

    assert scene.platform.stop() == 0
    files.server_certificate.unlink()
    files.server_key.unlink()
    authority.issue_server([HOST]).write(files.server_certificate, files.server_key)
    scene.start_platform()
    (uid,) = travel.arrived(scene, travel.patient_id(sent[0]), len(sent))
    travel.assert_pseudonymized(scene, sent, uid)


def test_a_stranger_is_turned_away(tmp_path: Path) -> None:
    scene = stage.build(tmp_path / "stage", peers=[{"ae_title": "SOMEBODY_ELSE", "network": "127.0.0.0/8"}])
    try:
        scene.start_gateway()
        sent = travel.study(tmp_path, seed=1)
        assert travel.by_pynetdicom(scene, sent[:1]) == [-1]
        assert left_in(scene.spool) == []
    finally:
        scene.gateway.kill()


def test_an_unknown_called_title_is_turned_away(scene: Stage, tmp_path: Path) -> None:
    scene.start_gateway()
    sent = travel.study(tmp_path, seed=1)
    assert travel.by_pynetdicom(scene, sent[:1], called="WRONG") == [-1]
    assert left_in(scene.spool) == []


def test_a_checkout_or_anything_else_called_engine_in_the_working_directory_is_not_ours(
    scene: Stage, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    for package in ("engine", "engine/supervisor", "engine/cli"):
        (trap / package).mkdir(parents=True)
        (trap / package / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    installed = str(Path(sys.executable).with_name("penstock"))
    command = [installed, "up", "--config", str(scene.folder / "gateway.toml")]
    with (tmp_path / "said").open("wb") as said, subprocess.Popen(command, cwd=trap, stderr=said) as gateway:
        try:
            travel.wait(
                "a gateway that listens", lambda: listens(scene.gateway_port) or gateway.poll() is not None
            )
            assert gateway.poll() is None, (tmp_path / "said").read_text()
        finally:
            gateway.terminate()
    assert gateway.wait() == 0
    command = [installed, "demo", "--json"]
    assert subprocess.run(command, cwd=trap, capture_output=True, check=False, timeout=100).returncode == 0
