"""A study by DICOM TLS through the running gateway, with two receiver processes; and a certificate that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.demo import stage
from engine.demo.process import free_port
from engine.demo.stage import CALLING, HOST, Changes, Stage
from tests.support import travel
from tests.support.cli import penstock
from tests.support.platform_process import Pki


def secured(pki: Pki, port: int) -> dict[str, str | int]:
    return {
        "certificate": str(pki.server[0]),
        "key": str(pki.server[1]),
        "client_ca": str(pki.ca),
        "port": port,
    }


def send(pki: Pki, port: int, paths: list[Path], *options: str) -> tuple[int, str]:
    security = ("--tls", "--ca", str(pki.ca), *options)
    done = penstock("send", HOST, str(port), *map(str, paths), "--calling", CALLING, *security)
    return done.code, done.err


def test_a_study_by_tls_arrives_pseudonymized_and_a_stranger_gets_nothing_in(tmp_path: Path) -> None:
    pki, port = Pki(tmp_path / "pki"), free_port()
    changes: Changes = {
        "receiver": {"processes": 2},
        "receiver.tls": secured(pki, port),
        "passes": {"quiet_seconds": 8.0},  # for the second association to come
    }
    mine = ("--certificate", str(pki.client[0]), "--key", str(pki.client[1]))
    with stage.running(stage.build(tmp_path / "stage", gateway=changes)) as scene:
        sent = travel.study(tmp_path, seed=51)
        other = travel.study(tmp_path, seed=52)
        code, said = send(pki, port, other)
        assert code == 1
        assert "TLS" in said or "connection" in said
        assert send(pki, port, sent, "--associations", "2", *mine) == (0, "")
        (uid,) = travel.arrived(scene, travel.patient_id(sent[0]), len(sent))
        travel.assert_pseudonymized(scene, sent, uid)
        assert_nothing_of(scene, other)


def assert_nothing_of(scene: Stage, paths: list[Path]) -> None:
    """The ledger has no more objects than those that were let in."""

    def received() -> int:
        told = penstock("status", "--config", str(scene.folder / "gateway.toml"), "--json").document
        return int(told["ever"].get("received", 0))

    travel.emptied(scene)
    travel.wait("the ledger", lambda: received() >= len(paths))
    assert received() == len(paths)  # the two studies are of one size


@pytest.mark.parametrize("key", ["certificate", "client_ca"])
def test_a_gateway_with_a_certificate_that_cannot_be_used_says_so_and_ends(tmp_path: Path, key: str) -> None:
    pki = Pki(tmp_path / "pki")
    changes: Changes = {"receiver.tls": secured(pki, free_port()) | {key: str(tmp_path / "missing.pem")}}
    scene = stage.build(tmp_path / "stage", gateway=changes)
    done = penstock("up", "--config", str(scene.folder / "gateway.toml"))
    assert done.code == 2
    assert f"receiver.tls.{key}" in done.err
