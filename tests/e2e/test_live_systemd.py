"""The units under a live systemd: installed as the runbook says, held down as they should be, reloaded, stopped and killed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import travel
from tests.support.deployed import CONFIG, GATEWAY, PLATFORM, Deployed

pytest_plugins = ("tests.support.deployed_fixtures",)
pytestmark = pytest.mark.timeout(300)
UNITS = (GATEWAY, PLATFORM)
STATES = ("/var/lib/penstock/gateway", "/var/lib/penstock-platform")
SUPPORT = Path(__file__).parents[1] / "support"
PAUSE = "0.02"  # seconds behind each object of a sender that has to be met while it sends
NO_CAPABILITIES = "0000000000000000"

MAY = {"write its state", "read a credential"}
READ_ONLY = {"write /etc", "write /usr", "write its own program"}


def counted(report: dict[str, Any]) -> int:
    """The objects that were answered with Success."""
    return int(report["statuses"].get("0000", 0))


def drop_in(deployed: Deployed, unit: str, text: str) -> None:
    (deployed.shared / "drop-in").write_text(f"[Service]\n{text}")
    folder = f"/etc/systemd/system/{unit}.service.d"
    deployed.machine.shell(
        f"mkdir -p {folder}; cp /srv/shared/drop-in {folder}/test.conf; systemctl daemon-reload"
    )


def sends_while(deployed: Deployed, objects: int) -> subprocess.Popen[str]:
    """A sender in the middle of `objects`: a part of them is acknowledged, and it goes on."""
    name = "long"
    if not (deployed.shared / name).exists():
        deployed.study(name, seed=3)
    clones = objects // len(list((deployed.shared / name).rglob("*.dcm")))
    (deployed.shared / "steady.py").write_text((SUPPORT / "steady.py").read_text())
    before = deployed.metric("penstock_received_objects_total")
    words = ("11112", "PENSTOCK", "PACS", f"/srv/shared/{name}", str(clones), PAUSE)
    sender = deployed.machine.start("/opt/penstock/venv/bin/python", "/srv/shared/steady.py", *words)
    enough = before + objects / 10
    travel.wait("the first objects", lambda: deployed.metric("penstock_received_objects_total") > enough)
    assert sender.poll() is None, "it is still sending"
    return sender


def end_of(sender: subprocess.Popen[str]) -> int:
    """How many objects it has Success for."""
    out, _ = sender.communicate(timeout=travel.PATIENCE)
    return counted(json.loads(out))


def test_a_study_that_is_sent_to_the_units_arrives(deployed: Deployed) -> None:
    sent = deployed.study("first", seed=1)
    before = deployed.ever("deleted")
    assert counted(deployed.send("first")) == len(sent)
    travel.wait("receipts", lambda: deployed.ever("deleted") == before + len(sent))
    lines = deployed.machine.journal(GATEWAY).splitlines()
    assert {json.loads(line)["level"] for line in lines if line.startswith("{")} <= {"info", "warning"}
    assert travel.patient_id(sent[0]) not in "".join(lines)


@pytest.mark.parametrize("unit", UNITS)
def test_every_process_of_a_unit_is_held_down(deployed: Deployed, unit: str) -> None:
    most = 6 if unit == GATEWAY else 1  # supervisor, roles and workers
    travel.wait("all of them", lambda: len(deployed.machine.processes(unit)) >= most)
    processes = deployed.machine.processes(unit)
    for process in processes:
        status = deployed.machine.status(process)
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2" and int(status["Seccomp_filters"]) > 5, "filters, not strict mode"
        sets = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
        assert [status[name] for name in sets] == [NO_CAPABILITIES] * len(sets)
        assert "0" not in status["Uid"].split()
        limits = deployed.machine.run("cat", f"/proc/{process}/limits")
        assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)


@pytest.mark.parametrize(("unit", "state"), list(zip(UNITS, STATES, strict=True)))
def test_what_a_unit_forbids_fails_inside_it(deployed: Deployed, unit: str, state: str) -> None:
    there = deployed.machine
    (deployed.shared / "probe.py").write_text((SUPPORT / "probe.py").read_text())
    drop_in(deployed, unit, f"ExecStartPre=/opt/penstock/venv/bin/python /srv/shared/probe.py {state}\n")
    there.shell(
        "mkdir -p /home/person; echo theirs >/tmp/theirs; chmod 644 /tmp/theirs; mknod -m 666 /dev/theirs c 1 3"
    )
    there.run("systemctl", "restart", unit)
    told = json.loads(there.run("cat", f"{state}/probe.json"))
    there.shell(f"rm {state}/probe*; rm -r /home/person /tmp/theirs /dev/theirs")
    assert {what for what, how in told.items() if how == "did"} == MAY, told
    assert {told[what] for what in READ_ONLY} == {"Read-only file system"}
    assert told["open a netlink socket"] == "Address family not supported by protocol"
    assert len(told) > 20


def test_nobody_outside_the_private_networks_is_spoken_to_unless_a_drop_in_says_so(
    deployed: Deployed,
) -> None:
    there = deployed.machine
    there.run("ip", "address", "add", "198.51.100.7/32", "dev", "lo")
    there.run("ip", "address", "add", "10.1.2.3/32", "dev", "lo")
    echo = "import socket, sys; socket.create_connection(('127.0.0.1', 9108), 2, (sys.argv[1], 0))"

    def reaches(address: str) -> bool:
        return there.attempt("python3", "-c", echo, address).returncode == 0

    assert reaches("127.0.0.1") and reaches("10.1.2.3")
    assert not reaches("198.51.100.7")
    deployed.page("networks")
    assert reaches("198.51.100.7")


def test_a_reload_changes_the_number_of_workers_and_restarts_nobody(deployed: Deployed) -> None:
    there = deployed.machine
    main = there.shown(GATEWAY, "MainPID")
    before = set(there.processes(GATEWAY))
    deployed.configure(("workers = 2", "workers = 3"))
    there.run("systemctl", "reload", GATEWAY)
    travel.wait("three workers", lambda: deployed.penstock("workers").stdout.startswith("3 workers"))
    three = there.processes(GATEWAY)
    assert there.shown(GATEWAY, "MainPID") == main and before < set(three)
    assert {there.status(one)["Seccomp"] for one in three} == {"2"}, "the new worker too"

    deployed.configure(("workers = 3", "workers = 0"))
    there.run("systemctl", "reload", GATEWAY)
    travel.wait("a word about the mistake", lambda: "pool.workers" in there.journal(GATEWAY))
    assert sorted(there.processes(GATEWAY)) == sorted(three) and there.shown(GATEWAY, "MainPID") == main


def test_a_stop_is_in_order_and_what_was_acknowledged_is_not_lost(deployed: Deployed) -> None:
    there = deployed.machine
    before = deployed.delivered()
    sender = sends_while(deployed, 600)
    there.run("systemctl", "stop", GATEWAY)
    assert (there.shown(GATEWAY, "Result"), there.shown(GATEWAY, "ExecMainStatus")) == ("success", "0")
    acknowledged = end_of(sender)
    there.run("systemctl", "start", GATEWAY)
    deployed.ready()
    assert 0 < acknowledged <= deployed.delivered() - before


def test_a_killed_main_process_comes_back_and_what_was_acknowledged_is_not_lost(deployed: Deployed) -> None:
    there = deployed.machine
    before = deployed.delivered()
    main = there.shown(GATEWAY, "MainPID")
    restarts = int(there.shown(GATEWAY, "NRestarts"))
    old = there.processes(GATEWAY)
    sender = sends_while(deployed, 600)
    there.run("kill", "-KILL", main)
    acknowledged = end_of(sender)
    travel.wait("a restart", lambda: there.shown(GATEWAY, "MainPID") not in {main, "0"})
    deployed.ready()
    assert int(there.shown(GATEWAY, "NRestarts")) == restarts + 1
    assert not set(old) & set(there.processes(GATEWAY)), "nothing of before is left"
    assert 0 < acknowledged <= deployed.delivered() - before


def test_a_wrong_configuration_is_one_sentence_and_is_not_tried_again(deployed: Deployed) -> None:
    there = deployed.machine
    there.run("systemctl", "stop", GATEWAY)
    deployed.configure(("port = 11112", "prot = 11112"))
    there.attempt("systemctl", "start", GATEWAY)
    travel.wait("its end", lambda: there.shown(GATEWAY, "ActiveState") == "failed")
    assert (there.shown(GATEWAY, "ExecMainStatus"), there.shown(GATEWAY, "NRestarts")) == ("2", "0")
    travel.wait("its words", lambda: "receiver.prot" in there.journal(GATEWAY))
    said = there.journal(GATEWAY).splitlines()[-2:]
    assert CONFIG in said[0] and "receiver.prot" in said[0], said
