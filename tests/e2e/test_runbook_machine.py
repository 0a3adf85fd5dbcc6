"""The runbook: the gateway is down, an upgrade, a lost machine. Commands copied from the page end each of them."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import pytest

from tests.support import machine, travel
from tests.support.deployed import GATEWAY, OFFLINE, PLATFORM, Deployed, prepare

pytest_plugins = ("tests.support.deployed_fixtures",)
pytestmark = pytest.mark.timeout(300)
SECRET = "/etc/credstore/penstock.hash-secret"
KEPT = {"sudo penstock": "echo sudo penstock"}  # its certificates and its key are there already


def test_why_a_gateway_is_down_is_told_and_it_takes_up_where_it_was(deployed: Deployed) -> None:
    there = deployed.machine
    before = deployed.delivered()
    sent = deployed.study("down", seed=31)
    there.run("systemctl", "stop", PLATFORM)
    deployed.send("down")
    there.run("systemctl", "stop", GATEWAY)
    deployed.configure(("port = 11112", "prot = 11112"))
    there.attempt("systemctl", "start", GATEWAY)
    travel.wait("its end", lambda: there.shown(GATEWAY, "ActiveState") == "failed")
    travel.wait("its words", lambda: "receiver.prot" in there.journal(GATEWAY))
    told = deployed.look("gateway-down")
    for word in ("status=2", "receiver.prot", "/etc/penstock/gateway.toml"):
        assert word in told, word

    deployed.configure(("prot = 11112", "port = 11112"))
    told = deployed.look("gateway-down")
    assert "unusable" not in told and "credential-unseen" in told, "nothing keeps it from starting"
    told = deployed.page("gateway-up")
    assert "6" in told and "the gateway is running" in told
    there.run("systemctl", "start", PLATFORM)
    assert deployed.delivered() == before + len(sent)


def test_an_upgrade_keeps_the_configuration_and_loses_nothing(deployed: Deployed) -> None:
    there = deployed.machine
    before = deployed.delivered()
    sent = deployed.study("upgrade", seed=32)
    there.run("systemctl", "stop", PLATFORM)
    deployed.send("upgrade")
    deployed.configure(("workers = 2", "workers = 1"))
    version = deployed.shared / "checkout" / "engine" / "version.py"
    old = version.read_text()
    number = old.split('"')[-2]
    version.write_text(old.replace(f'"{number}"', f'"9{number}"'))
    told = deployed.page("upgrade", **OFFLINE)
    assert f"\npenstock 9{number}\n" in told and "kept /etc/penstock/gateway.toml" in told
    assert "now: systemctl restart penstock-gateway" in told
    deployed.ready()
    assert "workers = 1" in there.run("cat", "/etc/penstock/gateway.toml")

    version.write_text(old)  # back again: the old version, installed the same way
    told = deployed.page("upgrade", **OFFLINE)
    assert f"\npenstock {number}\n" in told
    there.run("systemctl", "start", PLATFORM)
    assert deployed.delivered() == before + len(sent)


def test_another_machine_takes_the_place_of_a_lost_one_and_its_spool(
    deployed: Deployed, tmp_path: Path
) -> None:
    there = deployed.machine
    before = deployed.delivered()
    sent = deployed.study("lost", seed=33)
    patient = travel.patient_id(sent[0])
    deployed.page("backup")
    known = there.run("penstock", "hash", patient, "--secret-file", SECRET)
    there.run("systemctl", "stop", PLATFORM)
    deployed.send("lost")
    there.shell(f"systemctl kill -s KILL {GATEWAY}; systemctl stop {GATEWAY}")  # or it would come back
    there.shell("tar -C / -cf /srv/shared/disk.tar var/lib/penstock/gateway/spool var/lib/penstock-platform")

    with machine.booted(tmp_path, Path(sysconfig.get_path("purelib"))) as spare:
        other = prepare(spare, tmp_path / "shared")
        shutil.copy(deployed.shared / "checkout" / "gateway-backup.tgz", other.shared / "checkout")
        shutil.copy(deployed.shared / "disk.tar", other.shared)
        shutil.copytree(deployed.shared / "checkout" / "tls", other.shared / "checkout" / "tls")
        other.page("restore", **OFFLINE)
        spare.shell("tar -C /mnt -xf /srv/shared/disk.tar; mkdir -p /var/lib/penstock-platform")
        spare.shell(
            "cp -a /mnt/var/lib/penstock-platform /var/lib"
        )  # the platform is the same one, as far as the gateway can see
        other.page("platform", **OFFLINE, **KEPT)
        other.page("old-disk")
        told = other.page("same-secret", **{"MRN-04700001": patient})
        assert told.splitlines()[0] == known.strip() != ""
        other.ready()
        assert other.delivered() - before == len(sent)
