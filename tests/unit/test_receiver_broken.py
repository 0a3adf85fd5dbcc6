"""A running receiver whose spool is full or whose disk fails: what the peer is told, and what stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from engine.receiver import association
from engine.receiver.limits import Limits
from engine.receiver.server import BROKEN
from engine.spool import associations
from engine.spool.budget import Budget
from engine.spool.intake import RESERVE
from engine.spool.layout import Spool
from engine.spool.writeback import Writeback
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

MAX = 4 * RESERVE


def test_over_budget_the_answer_is_a700_and_room_heals_it(tmp_path: Path) -> None:
    with receiving(config(tmp_path, max_bytes=MAX)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        assert peer.store("1.2.1", data_set("1.2.1", body=RESERVE)) == 0
        other = Budget.attach(receiver.spool.run, "uploader", MAX)
        other.add(MAX)
        assert peer.store("1.2.2") == 0xA700
        assert receiver.incoming() == []
        other.release(MAX)
        assert peer.store("1.2.3") == 0
        assert len(receiver.received()) == 2


def test_an_object_that_meets_the_budget_in_its_middle_is_taken_to_its_end_and_refused(
    tmp_path: Path,
) -> None:
    with receiving(config(tmp_path, max_bytes=MAX)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        other = Budget.attach(receiver.spool.run, "uploader", MAX)
        other.add(MAX - 2 * RESERVE)
        assert peer.store("1.2.2", data_set("1.2.2", body=3 * RESERVE)) == 0xA700
        assert receiver.incoming() == receiver.received() == []
        assert other.used() == MAX - 2 * RESERVE
        assert peer.store("1.2.3") == 0


def test_an_object_larger_than_the_spool_is_refused_for_good(tmp_path: Path) -> None:
    with receiving(config(tmp_path, max_bytes=MAX)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        assert peer.store("1.2.2", data_set("1.2.2", body=MAX + 2)) == 0xC004
        assert peer.store("1.2.3") == 0


def test_above_the_high_mark_new_associations_wait_and_open_ones_finish(tmp_path: Path) -> None:
    settings = config(tmp_path, max_bytes=MAX * 100, high_water=0.5, low_water=0.2)
    with receiving(settings) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        other = Budget.attach(receiver.spool.run, "uploader", MAX * 100)
        other.add(MAX * 60)
        with Peer(receiver.port) as late:
            late.send(request([(CT, [IMPLICIT])]).encode())
            assert tuple(late.pdu()[7:10]) == (2, 3, 2)
        assert peer.store("1.2.3") == 0
        other.release(MAX * 30)  # below the high mark, above the low one
        with Peer(receiver.port) as late:
            late.send(request([(CT, [IMPLICIT])]).encode())
            assert tuple(late.pdu()[7:10]) == (2, 3, 2)
        other.release(MAX * 20)
        with Peer(receiver.port) as late:
            late.associate()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_write_that_fails_is_answered_with_a700_and_the_next_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real = os.writev
    calls: list[int] = []

    def fail(fd: int, spans: list[bytes]) -> int:
        calls.append(fd)
        if len(calls) == 2:
            raise OSError(number, "no")
        return real(fd, spans)

    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        monkeypatch.setattr(os, "writev", fail)
        data = data_set("1.2.3", body=2_000_000)
        assert peer.store("1.2.3", data) == 0xA700
        assert len(calls) == 2
        assert receiver.incoming() == receiver.received() == []
        assert peer.store("1.2.3", data) == 0


def test_a_file_that_cannot_be_made_is_answered_with_a700(tmp_path: Path) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        nursery = receiver.spool.run / "nursery" / "receiver"
        nursery.rmdir()  # nothing can be born there any more
        assert peer.store("1.2.3") == 0xA700
        nursery.mkdir()
        assert peer.store("1.2.3") == 0


def test_a_failed_sync_is_answered_with_a700_and_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "no")

    limits = Limits(drain=60, drain_idle=0.0, sweep=0.05, closing=0.2)
    with (
        receiving(config(tmp_path), limits) as receiver,
        Peer(receiver.port) as peer,
        Peer(receiver.port) as other,
    ):
        peer.associate()
        other.associate()
        half = store_request(1, "1.2.4") + data_pdus(data_set("1.2.4"))
        other.send(half[:-100])
        wait(lambda: len(receiver.incoming()) == 1, "the start of the other object")
        with monkeypatch.context() as patch:
            patch.setattr(Writeback, "finish", lambda _self, fd: fail(fd))
            assert peer.store("1.2.3") == 0xA700
        other.send(half[-100:])  # the disk is well again, but nothing can be believed any more
        assert other.response().status == 0xA700
        receiver.thread.join(60)
        assert receiver.code == BROKEN
        assert receiver.incoming() == receiver.received() == []
        with pytest.raises(ConnectionRefusedError):
            Peer(receiver.port)


def test_an_association_that_cannot_be_noted_is_asked_to_come_back(tmp_path: Path) -> None:
    with receiving(config(tmp_path)) as receiver:
        with Peer(receiver.port) as peer:
            peer.associate()
            peer.release()
        folder = receiver.spool.associations
        wait(lambda: not list(folder.iterdir()), "the end of the first one")
        folder.rmdir()
        with Peer(receiver.port) as peer:
            peer.send(request([(CT, [IMPLICIT])]).encode())
            assert tuple(peer.pdu()[7:10]) == (2, 3, 2)
        folder.mkdir()
        with Peer(receiver.port) as peer:
            peer.associate()


def test_the_end_of_an_association_that_cannot_be_noted_is_noted_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = associations.released
    refusals = [OSError(errno.EDQUOT, "quota"), OSError(errno.EDQUOT, "quota")]

    def refuse(spool: Spool, association: str) -> None:
        if refusals:
            raise refusals.pop()
        released(spool, association)

    monkeypatch.setattr(associations, "released", refuse)
    monkeypatch.setattr(association, "MARK_SECONDS", 0.05)
    with receiving(config(tmp_path)) as receiver:
        with Peer(receiver.port) as peer:
            peer.associate()
            assert peer.store("1.2.1") == 0
            peer.release()
        wait(lambda: not list(receiver.spool.associations.iterdir()), "the note of its end")
        assert not refusals
