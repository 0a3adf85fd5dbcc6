"""Peers that are slow, silent or many, and a receiver that is asked to stop. Limits are short here; what
counts is the order."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from engine.receiver.limits import Limits
from engine.spool import associations
from tests.support.receiver import (
    CT,
    IMPLICIT,
    Peer,
    config,
    data_pdus,
    data_set,
    receiving,
    request,
    store_request,
    wait,
)

SHORT = Limits(acse=0.3, idle=0.4, closing=0.2, drain=0.3, drain_idle=0.0, sweep=0.05)
PATIENT = Limits(drain=1.0, drain_idle=0.0, sweep=0.05, closing=0.2)


def drip(peer: Peer, data: bytes, every: float, size: int = 1) -> None:
    """Sends a little at a time until the receiver has enough of it."""
    for at in range(0, len(data), size):
        try:
            peer.send(data[at : at + size])
        except OSError:
            return
        time.sleep(every)


def test_a_caller_that_says_nothing_is_closed(tmp_path: Path) -> None:
    with receiving(config(tmp_path), SHORT) as receiver, Peer(receiver.port) as peer:
        assert peer.is_closed()


def test_a_request_that_drips_in_is_not_waited_for(tmp_path: Path) -> None:
    with receiving(config(tmp_path), SHORT) as receiver, Peer(receiver.port) as peer:
        thread = threading.Thread(target=drip, args=(peer, request([(CT, [IMPLICIT])]).encode(), 0.02))
        thread.start()
        assert peer.is_closed()
        thread.join()


def test_an_association_that_does_nothing_is_aborted(tmp_path: Path) -> None:
    with receiving(config(tmp_path), SHORT) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        assert peer.pdu()[:1] == b"\7"
        assert peer.is_closed()
        assert len(associations.scan(receiver.spool)[1]) == 1


def test_bytes_are_no_progress_but_pdus_are(tmp_path: Path) -> None:
    data = data_set("1.2.3", body=2000)
    with (
        receiving(config(tmp_path), SHORT) as receiver,
        Peer(receiver.port) as slow,
        Peer(receiver.port) as steady,
    ):
        slow.associate()
        steady.associate()
        slow.send(store_request(1, "1.2.3"))
        thread = threading.Thread(target=drip, args=(slow, data_pdus(data), 0.02))
        thread.start()
        steady.send(store_request(1, "1.2.4"))
        pdus = data_pdus(data_set("1.2.4", body=2000), size=200)
        drip(steady, pdus, 0.06, size=212)  # 11 PDUs in more than one idle time
        assert steady.response().status == 0
        thread.join()
        assert slow.pdu()[:1] in (b"\7", b"")
        wait(lambda: receiver.incoming() == [], "the removal of the unfinished object")
        assert len(receiver.received()) == 1


def test_an_object_that_crawls_is_ended_though_it_makes_progress(tmp_path: Path) -> None:
    limits = Limits(idle=0.3, slowest=10**9, sweep=0.05, closing=0.2, drain=0.2, drain_idle=0.0)
    with receiving(config(tmp_path), limits) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        peer.send(store_request(1, "1.2.3"))
        pdus = data_pdus(data_set("1.2.3", body=4000), size=200)
        drip(peer, pdus, 0.1, size=212)
        assert peer.pdu()[:1] in (b"\7", b"")
        wait(lambda: receiver.incoming() == [])
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
    with receiving(config(tmp_path), Limits(drain=10, drain_idle=0.0, sweep=0.05, closing=0.2)) as receiver:
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
        receiver.thread.join(10)
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
        receiver.thread.join(10)
        assert receiver.code == 0
        assert receiver.incoming() == receiver.received() == []
