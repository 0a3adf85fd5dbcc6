"""The receiver role as its own processes: several on one port, one that dies, and the end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.demo.process import free_port
from engine.errors import TransportError
from engine.receiver.listening import YIELD, listen
from engine.spool import associations
from engine.spool.layout import Spool
from tests.support.receiver import HOST, PATIENCE, Peer, data_pdus, data_set, store_request, wait

ROLE = """
import sys
from engine import log
from engine.config import load_gateway
from engine.receiver import listening
from engine.receiver.main import run
config = load_gateway(sys.argv[1])
listening.YIELD = float(sys.argv[2])
log.configure("info")
sys.exit(run(config))
"""


@dataclass
class Role:
    process: subprocess.Popen[str]
    port: int
    spool: Spool
    log: Path

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def say(self, event: str) -> int:
        return self.log.read_text().count(f'"event":"{event}"')


def start(tmp_path: Path, processes: int, descriptors: int = 0, yields: float = YIELD) -> Role:
    """`descriptors`: how many the role may have before it asks for more; 0 leaves it at what we have. `yields`: seconds that a
    process gives to one with fewer callers."""
    port = free_port()
    path = tmp_path / "gateway.toml"
    path.write_text(
        f"""
[spool]
path = "spool"
[receiver]
host = "{HOST}"
port = {port}
processes = {processes}
[[receiver.peer]]
ae_title = "*"
network = "127.0.0.0/8"
[identity]
secret_file = "secret"
[uploader]
url = "https://localhost:1"
certificate = "c"
key = "k"
ca = "a"
"""
    )
    spool = Spool.open(tmp_path / "spool")
    log = tmp_path / "log"
    with log.open("w") as err:
        command = [sys.executable, "-c", ROLE, str(path), str(yields)]
        if descriptors:
            command = ["sh", "-c", f'ulimit -S -n {descriptors}; exec "$@"', "sh", *command]
        process = subprocess.Popen(command, stderr=err, text=True)
    role = Role(process, port, spool, log)
    wait(lambda: role.say("listening") == processes, "listening")
    return role


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Role]:
    role = start(tmp_path, 2)
    yield role
    role.process.terminate()
    assert role.process.wait(PATIENCE) == 0


def test_several_processes_serve_one_port(tmp_path: Path) -> None:
    two = start(
        tmp_path, 2, yields=20.0
    )  # however busy the machine is, the one with fewer callers gets there in time
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(Peer(two.port)) for _ in range(6)]
        for number, peer in enumerate(peers):
            peer.associate()
            assert peer.store(f"1.2.{number}") == 0
        served = [path.name[:2] for path in two.spool.received.iterdir()]
        assert sorted(served) == ["00"] * 3 + ["01"] * 3  # each takes its share
        for peer in peers:
            peer.release()
    wait(lambda: associations.scan(two.spool) == (set(), set()))
    two.process.terminate()
    assert two.process.wait(PATIENCE) == 0


def test_a_process_that_hangs_does_not_hold_callers_back(two: Role) -> None:
    one, _ = two.children()
    os.kill(one, signal.SIGSTOP)
    try:
        with contextlib.ExitStack() as stack:
            for number in range(4):
                peer = stack.enter_context(Peer(two.port))
                peer.associate()
                assert peer.store(f"1.2.{number}") == 0
    finally:
        os.kill(one, signal.SIGCONT)


def test_a_process_that_is_killed_is_replaced_and_leaves_nothing(two: Role) -> None:
    with Peer(two.port) as peer:
        peer.associate()
        assert peer.store("1.2.3") == 0
        peer.send(store_request(2, "1.2.4") + data_pdus(data_set("1.2.4"))[:500])
        wait(lambda: len(list(two.spool.incoming.iterdir())) == 1, "the start of an object")
        before = two.children()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert peer.is_closed()
    wait(lambda: len(set(two.children()) - set(before)) == 2, "new processes")
    wait(lambda: two.say("listening") == 4)
    assert list(two.spool.incoming.iterdir()) == []
    held, aborted = associations.scan(two.spool)
    assert held == set()
    assert len(aborted) == 1
    with Peer(two.port) as peer:
        peer.associate()
        assert peer.store("1.2.5") == 0
        peer.release()
    assert len(list(two.spool.received.iterdir())) == 2


def test_processes_that_die_again_and_again_end_the_role(tmp_path: Path) -> None:
    role = start(tmp_path, 2)
    until = time.monotonic() + PATIENCE
    while role.process.poll() is None and time.monotonic() < until:
        for pid in role.children():
            with_luck(pid)
        time.sleep(0.05)
    assert role.process.wait(PATIENCE) == 1
    assert role.say("receiver-processes-die-too-often") == 1


def with_luck(pid: int) -> None:
    """Kills it, if it is still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.mark.parametrize("processes", [1, 2])
def test_sigterm_ends_the_role_when_the_association_is_over(tmp_path: Path, processes: int) -> None:
    role = start(tmp_path, processes)
    with Peer(role.port) as peer:
        peer.associate()
        role.process.send_signal(signal.SIGTERM)
        wait(lambda: role.say("draining") == processes)
        assert peer.store("1.2.3") == 0  # what is under way is still taken
        peer.release()
    assert role.process.wait(PATIENCE) == 0
    assert len(list(role.spool.received.iterdir())) == 1
    assert list((role.spool.run / "associations").iterdir()) == []


def test_more_callers_than_the_usual_descriptors_do_not_lock_a_good_one_out(tmp_path: Path) -> None:
    role = start(tmp_path, 1, descriptors=64)
    with contextlib.ExitStack() as silent:
        for _ in range(200):
            silent.enter_context(Peer(role.port))
        with Peer(role.port) as peer:
            peer.associate()
            assert peer.store("1.2.3") == 0
            peer.release()
    role.process.terminate()
    assert role.process.wait(PATIENCE) == 0


def test_children_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    role = start(tmp_path, 2)
    children = role.children()
    role.process.kill()
    role.process.wait(PATIENCE)
    wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the end of the children")


def test_a_port_in_use_is_named_with_what_to_do() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(TransportError) as caught:
            listen(HOST, port)
    assert f"{HOST}:{port}" in str(caught.value)
    assert "receiver.port" in caught.value.hint


def test_a_host_that_does_not_exist_is_named() -> None:
    with pytest.raises(TransportError, match="no-such-host"):
        listen("no-such-host.invalid", 0)
