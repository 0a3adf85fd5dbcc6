"""A running receiver and a peer on a raw socket: associations, objects, and what is answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from pynetdicom.pdu_items import AsynchronousOperationsWindowSubItem

from engine.config.receiver import PeerConfig
from engine.metrics.reading import read
from engine.receiver.limits import Limits
from engine.spool import associations
from tests.support.receiver import (
    CT,
    HOST,
    IMPLICIT,
    VERIFICATION,
    Peer,
    config,
    data_pdus,
    data_set,
    receiving,
    request,
    store_request,
    wait,
)

RELEASE = bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0))


def abort(pdu: bytes) -> tuple[int, int]:
    """Source and reason of an A-ABORT."""
    assert pdu[0] == 7, pdu
    return pdu[8], pdu[9]


def test_an_echo_is_answered(tmp_path: Path) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        peer.send(echo(3))
        answer = peer.response()
        assert (answer.field, answer.status, answer.responded_to) == (0x8030, 0, 9)
        peer.release()


def echo(context: int) -> bytes:
    from engine._native.upper_layer import command_pdus

    return command_pdus(context, ((0x0002, VERIFICATION), (0x0100, 0x0030), (0x0110, 9), (0x0800, 0x0101)))


def other(field: int, data_set_type: int, context: int = 1) -> bytes:
    from engine._native.upper_layer import command_pdus

    return command_pdus(context, ((0x0002, CT), (0x0100, field), (0x0110, 9), (0x0800, data_set_type)))


@pytest.mark.parametrize("field", [0x0020, 0x0021, 0x0010, 0x0130, 0x0140])
@pytest.mark.parametrize("announced", [True, False])
def test_an_operation_that_we_do_not_have_is_refused_and_the_next_one_works(
    tmp_path: Path, field: int, announced: bool
) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        peer.send(other(field, 1 if announced else 0x0101) + (data_pdus(b"query") if announced else b""))
        answer = peer.response()
        assert (answer.field, answer.status) == (field | 0x8000, 0x0211)
        assert peer.store("1.2.3") == 0


def test_a_cancel_of_nothing_gets_no_answer(tmp_path: Path) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        peer.send(other(0x0FFF, 0x0101))
        assert peer.store("1.2.3") == 0


def test_a_command_without_a_number_is_a_violation(tmp_path: Path) -> None:
    from engine._native.upper_layer import command_pdus

    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        peer.send(command_pdus(1, ((0x0002, CT), (0x0110, 1))))
        assert abort(peer.pdu()) == (0, 0)
        assert peer.is_closed()


@pytest.mark.parametrize(
    ("called", "calling", "answer"),
    [("WRONG", "TESTER", (1, 1, 7)), ("PENSTOCK", "STRANGER", (1, 1, 3)), ("WRONG", "STRANGER", (1, 1, 3))],
)
def test_strangers_and_wrong_numbers_are_rejected(
    tmp_path: Path, called: str, calling: str, answer: tuple[int, int, int]
) -> None:
    peers = (PeerConfig(ae_title="TESTER", network="127.0.0.1"),)
    with receiving(config(tmp_path, peers=peers)) as receiver, Peer(receiver.port) as peer:
        peer.send(request([(CT, [IMPLICIT])], called=called, calling=calling).encode())
        assert tuple(peer.pdu()[7:10]) == answer
        assert peer.is_closed()


@pytest.mark.parametrize("peers", [(), (PeerConfig(ae_title="TESTER", network="10.0.0.0/8"),)])
def test_without_a_peer_for_this_address_everybody_is_rejected(
    tmp_path: Path, peers: tuple[PeerConfig, ...]
) -> None:
    with receiving(config(tmp_path, peers=peers)) as receiver, Peer(receiver.port) as peer:
        peer.send(request([(CT, [IMPLICIT])]).encode())
        assert tuple(peer.pdu()[7:10]) == (1, 1, 3)


def test_a_strangers_request_is_not_decoded(tmp_path: Path) -> None:
    wire = bytearray(request([(CT, [IMPLICIT])]).encode())
    wire[74:] = b"\xff" * (len(wire) - 74)  # no item at all
    with receiving(config(tmp_path, peers=())) as receiver, Peer(receiver.port) as peer:
        peer.send(bytes(wire))
        assert tuple(peer.pdu()[7:10]) == (1, 1, 3)
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.send(bytes(wire))
        assert abort(peer.pdu()) == (2, 6)


def test_another_application_context_is_rejected(tmp_path: Path) -> None:
    wire = request([(CT, [IMPLICIT])]).encode().replace(b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.3.1.1.2")
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.send(wire)
        assert tuple(peer.pdu()[7:10]) == (1, 1, 2)


INSIDE = {
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", (2, 1)),
    "a second association request": (request([(CT, [IMPLICIT])]).encode(), (2, 2)),
    "an A-ASSOCIATE-AC": (b"\2\0\0\0\0\4abcd", (2, 2)),
    "an A-RELEASE-RP": (b"\6\0\0\0\0\4\0\0\0\0", (2, 2)),
    "a PDU above the maximum length": (b"\4\0\0\3\0\0", (2, 6)),
    "a context that was not proposed": (store_request(1, "1.2.3", context=5), (2, 6)),
    "a response": (other(0x8001, 0x0101), (2, 6)),
    "a release inside a data set": (store_request(1, "1.2.3") + RELEASE, (2, 2)),
    "a command inside a data set": (store_request(1, "1.2.3") + echo(1), (2, 5)),
}


@pytest.mark.parametrize("name", INSIDE)
def test_a_violation_ends_the_association_with_its_reason(tmp_path: Path, name: str) -> None:
    wire, expected = INSIDE[name]
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer, Peer(receiver.port) as good:
        good.associate()
        peer.associate()
        peer.send(wire)
        assert abort(peer.pdu()) == expected
        assert peer.is_closed()
        assert good.store("1.2.3") == 0  # others are not touched
        assert receiver.incoming() == []


OUTSIDE = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    bytes.fromhex("16030100a5010000a10303"),
    b"\4\0\0\0\0\x10" + bytes(16),
    RELEASE,
    b"\1\0\xff\xff\xff\xff",
    b"\1\0\0\0\0\4\0\1\0\0",
    bytes(100),
]


@pytest.mark.parametrize("wire", OUTSIDE)
def test_who_does_not_begin_with_a_request_is_aborted_and_closed(tmp_path: Path, wire: bytes) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.send(wire)
        abort(peer.pdu())
        assert peer.is_closed()


def test_a_peers_small_maximum_length_is_kept(tmp_path: Path) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.send(request([(CT, [IMPLICIT])]).encode().replace(b"\0\0\x40\0", b"\0\0\0\x20"))
        assert peer.pdu()[0] == 2
        peer.send(store_request(1, "1.2.3") + data_pdus(data_set("1.2.3")))
        command = b""
        while True:
            pdu = peer.pdu()
            assert len(pdu) <= 6 + 32
            command += pdu[12:]
            if pdu[11] & 2:
                break
        from engine._native.upper_layer import decode_command

        assert decode_command(command).status == 0


def test_several_requests_may_be_outstanding_when_that_was_agreed(tmp_path: Path) -> None:
    window = AsynchronousOperationsWindowSubItem()
    window.maximum_number_operations_invoked, window.maximum_number_operations_performed = 8, 1
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.send(request([(CT, [IMPLICIT])], extra=[window]).encode())
        assert peer.pdu()[0] == 2
        peer.send(
            b"".join(store_request(n, f"1.2.{n}") + data_pdus(data_set(f"1.2.{n}")) for n in range(1, 9))
            + RELEASE
        )
        answers = [peer.response() for _ in range(8)]
        assert sorted(a.responded_to for a in answers) == list(range(1, 9))
        assert {a.status for a in answers} == {0}
        assert peer.pdu()[0] == 6  # the release waits for them
        assert len(receiver.received()) == 8


def test_requests_without_an_agreed_window_are_answered_all_the_same(tmp_path: Path) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        peer.send(
            b"".join(store_request(n, f"1.2.{n}") + data_pdus(data_set(f"1.2.{n}")) for n in range(1, 60))
        )
        assert [peer.response().status for _ in range(59)] == [0] * 59
        assert len(receiver.received()) == 59


def test_a_released_association_lets_go_of_its_passes(tmp_path: Path) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        held, _ = associations.scan(receiver.spool)
        assert len(held) == 1
        assert peer.store("1.2.3") == 0
        assert receiver.received()[0].name.startswith(next(iter(held)))
        peer.release()
        wait(lambda: associations.scan(receiver.spool) == (set(), set()), "the end of the association")


def test_what_was_received_is_counted(tmp_path: Path) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        peer.store("1.2.3")
        peer.send(store_request(1, "1.2.4") + data_pdus(data_set("1.2.5")))
        peer.response()
        counted = read(receiver.spool.run)
        assert counted["penstock_associations_open"] == 1
        assert counted["penstock_received_objects_total"] == 1
        assert counted["penstock_received_bytes_total"] == len(data_set("1.2.3"))
        assert counted['penstock_answers_total{status="0000"}'] == 1
        assert counted['penstock_answers_total{status="A900"}'] == 1
        assert counted["penstock_commits_total"] == 1
        peer.release()
        wait(lambda: read(receiver.spool.run)["penstock_associations_open"] == 0)
        assert read(receiver.spool.run)['penstock_associations_total{ended="released"}'] == 1


def test_more_associations_than_the_limit_are_asked_to_come_back(tmp_path: Path) -> None:
    limits = Limits(associations=2, sweep=0.05, drain=0.2, drain_idle=0.0, closing=0.2)
    with receiving(config(tmp_path), limits) as receiver:
        first, second, third = (Peer(receiver.port) for _ in range(3))
        first.associate()
        second.associate()
        third.send(request([(CT, [IMPLICIT])]).encode())
        assert tuple(third.pdu()[7:10]) == (2, 3, 2)
        first.release()
        with Peer(receiver.port) as fourth:
            wait(lambda: len(associations.scan(receiver.spool)[0]) == 1)
            fourth.associate()
        for peer in (first, second, third):
            peer.socket.close()


def test_connections_above_the_limit_are_closed_and_the_others_work(tmp_path: Path) -> None:
    limits = Limits(connections=3, sweep=0.05, drain=0.2, drain_idle=0.0, closing=0.2)
    with receiving(config(tmp_path), limits) as receiver:
        peers = [Peer(receiver.port) for _ in range(3)]
        peers[0].associate()
        peers[1].associate()
        peers[2].associate()
        with Peer(receiver.port) as late:
            assert late.is_closed()
        assert peers[0].store("1.2.3") == 0
        for peer in peers:
            peer.socket.close()


def test_the_log_of_all_this_names_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from engine import log

    log.configure("debug")
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.send(request([(CT, [IMPLICIT])], calling="SECRET^WARD").encode())
        peer.pdu()
        peer.store("1.2.840.99.1")
        peer.send(store_request(1, "1.2.840.99.2") + data_pdus(data_set("1.2.840.99.3")))
        peer.response()
        peer.send(b"SECRET^WARD")
        peer.pdu()
    said = capsys.readouterr().err
    assert '"event":"object-refused"' in said
    for name in ("SECRET", "1.2.840.99", "12345678"):
        assert name not in said
    assert HOST in said
