"""Peers that are slow, silent or many, and a receiver that is asked to stop. Limits are short here,
or the clock is the test's; what counts is the order."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.receiver import association, objects, server
from engine.receiver.limits import Limits
from engine.spool import associations
from tests.support.receiver import (
    CT,
    IMPLICIT,
    PATIENCE,
    Peer,
    config,
    data_pdus,
    data_set,
    receiving,
    request,
    store_request,
    wait,
)

SHORT = Limits(acse=0.3, closing=0.2, drain=0.3, drain_idle=0.0, sweep=0.05)
PATIENT = Limits(drain=1.0, drain_idle=0.0, sweep=0.05, closing=0.2)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def drip(peer: Peer, data: bytes) -> None:
    """Sends a byte at a time until the receiver has enough of it."""
    for byte in cut(data, 1):
        try:
            peer.send(byte)
        except OSError:
            return
        time.sleep(0.02)


def test_a_caller_that_says_nothing_is_closed(tmp_path: Path) -> None:
    with receiving(config(tmp_path), SHORT) as receiver, Peer(receiver.port) as peer:
        assert peer.is_closed()


def test_a_request_that_drips_in_is_not_waited_for(tmp_path: Path) -> None:
    with receiving(config(tmp_path), SHORT) as receiver, Peer(receiver.port) as peer:
        never_whole = request([(CT, [IMPLICIT])]).encode()[:-1]
        thread = threading.Thread(target=drip, args=(peer, never_whole))
        thread.start()
        assert peer.is_closed()
        thread.join()


@dataclass
class Clock:
    """The receiver's time, which stands until the test moves it on."""

    now: float
    pdus: int = 0  # how often an association asked for it: when it had a whole PDU
    looks: int = 0  # how often the server did: before each look at the deadlines

    @classmethod
    def of(cls, patch: pytest.MonkeyPatch) -> Clock:
        made = cls(time.monotonic())
        patch.setattr(association, "time", SimpleNamespace(monotonic=lambda: made.asked(pdus=1)))
        patch.setattr(server, "time", SimpleNamespace(monotonic=lambda: made.asked(looks=1)))
        patch.setattr(objects, "time", SimpleNamespace(monotonic=made.asked))
        return made

    def asked(self, *, pdus: int = 0, looks: int = 0) -> float:
        self.pdus += pdus
        self.looks += looks
        return self.now

    def heard(self, peer: Peer, data: bytes) -> None:
        """Sends what ends a PDU, and waits until the receiver has it."""
        before = self.pdus
        peer.send(data)
        wait(lambda: self.pdus > before, "the PDU's arrival")

    def go_on(self, seconds: float) -> None:
        """Waits until the receiver has looked at all deadlines in the new time."""
        self.now += seconds
        before = self.looks
        wait(lambda: self.looks > before + 1, "a look at the deadlines")


def test_an_association_that_does_nothing_is_aborted(tmp_path: Path) -> None:
    limits = Limits(idle=0.4, closing=0.2, drain=0.3, drain_idle=0.0, sweep=0.05)
    with receiving(config(tmp_path), limits) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        assert peer.pdu()[:1] == b"\7"
        assert peer.is_closed()
        assert len(associations.scan(receiver.spool)[1]) == 1


def test_bytes_are_no_progress_but_pdus_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock.of(monkeypatch)
    limits = Limits(idle=10.0, closing=3600.0, slowest=0, sweep=0.01)
    with (
        receiving(config(tmp_path), limits) as receiver,
        Peer(receiver.port) as slow,
        Peer(receiver.port) as steady,
    ):
        slow.associate()
        steady.associate()
        clock.heard(slow, store_request(1, "1.2.3"))
        clock.heard(steady, store_request(1, "1.2.4"))
        dripping = data_pdus(data_set("1.2.3", body=2000))
        for number, pdu in enumerate(cut(data_pdus(data_set("1.2.4", body=2000), size=200), 212)):
            slow.send(dripping[number : number + 1])
            clock.heard(steady, pdu)
            clock.go_on(4.0)  # 44 s in all
        assert steady.response().status == 0
        assert slow.pdu()[:1] == b"\7"
        wait(lambda: receiver.incoming() == [], "the removal of the unfinished object")
        assert len(receiver.received()) == 1


def test_an_object_that_crawls_is_ended_though_it_makes_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock.of(monkeypatch)
    limits = Limits(idle=10.0, closing=3600.0, slowest=100, sweep=0.01)
    with receiving(config(tmp_path), limits) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        clock.heard(peer, store_request(1, "1.2.3"))
        *few, last = cut(data_pdus(data_set("1.2.3", body=4000), size=200), 212)[:6]
        for pdu in few:
            clock.heard(peer, pdu)
            clock.go_on(4.0)
        peer.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.socket.recv(1)  # 1,000 bytes in the 10 s after the first 10 s are enough
        peer.socket.settimeout(PATIENCE)
        clock.heard(peer, last)
        clock.go_on(4.0)
        assert peer.pdu()[:1] == b"\7"
        wait(lambda: receiver.incoming() == [], "the removal of the unfinished object")
        assert receiver.received() == []


def test_fifty_silent_callers_do_not_disturb_a_good_one(tmp_path: Path) -> None:
    with receiving(config(tmp_path), PATIENT) as receiver, Peer(receiver.port) as good:
        silent = [Peer(receiver.port) for _ in range(50)]
        for index, peer in enumerate(silent):
            peer.send(request([(CT, [IMPLICIT])]).encode()[: index * 3])
        good.associate()
        for number in range(20):
            assert good.store(f"1.2.{number}") == 0
        for peer in silent:
            peer.reset()
        assert good.store("1.2.99") == 0


def test_thousands_of_rejected_callers_leave_nothing_behind(tmp_path: Path) -> None:
    with receiving(config(tmp_path), PATIENT) as receiver:
        wire = request([(CT, [IMPLICIT])], called="WRONG").encode()
        for _ in range(500):
            with Peer(receiver.port) as peer:
                peer.send(wire)
                assert peer.pdu()[:1] == b"\3"
        with Peer(receiver.port) as peer:
            peer.associate()
            assert peer.store("1.2.3") == 0
        wait(lambda: associations.scan(receiver.spool)[0] == set())


def test_a_stop_lets_the_object_at_hand_finish_and_closes_the_rest(tmp_path: Path) -> None:
    data = data_pdus(data_set("1.2.3"))
    with receiving(config(tmp_path), Limits(drain=60, drain_idle=0.0, sweep=0.05, closing=0.2)) as receiver:
        busy, idle, silent = (Peer(receiver.port) for _ in range(3))
        busy.associate()
        idle.associate()
        busy.send(store_request(1, "1.2.3") + data[:100])
        wait(lambda: len(receiver.incoming()) == 1, "the start of the object")
        receiver.stop()
        assert idle.pdu()[:1] == b"\7"
        assert silent.is_closed()
        busy.send(data[100:])
        assert busy.response().status == 0
        assert busy.pdu()[:1] == b"\7"
        receiver.thread.join(60)
        assert receiver.code == 0
        assert len(receiver.received()) == 1
        with pytest.raises(ConnectionRefusedError):
            Peer(receiver.port)
        for peer in (busy, idle, silent):
            peer.socket.close()


def test_a_stop_does_not_wait_for_ever_for_an_object(tmp_path: Path) -> None:
    with receiving(config(tmp_path), Limits(drain=0.3, drain_idle=0.0, sweep=0.05, closing=0.2)) as receiver:
        with Peer(receiver.port) as peer:
            peer.associate()
            peer.send(store_request(1, "1.2.3") + data_pdus(data_set("1.2.3"))[:100])
            wait(lambda: len(receiver.incoming()) == 1)
            receiver.stop()
            assert peer.pdu()[:1] == b"\7"
        receiver.thread.join(60)
        assert receiver.code == 0
        assert receiver.incoming() == receiver.received() == []
