"""What is counted of each peer, and how many associations it may have."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.receiver import MOST_PEERS, PeerConfig, ReceiverConfig
from engine.metrics.meter import Meter
from engine.metrics.reading import read
from engine.receiver.listening import Shares
from engine.receiver.peers import NAMED, OTHERS, Peers
from tests.support.receiver import CT, IMPLICIT, Peer, config, data_set, receiving, request, wait

NETWORK = "127.0.0.0/8"


def title(name: str) -> bytes:
    return bytes(request([(CT, [IMPLICIT])], calling=name).encode())


def test_a_peer_above_its_limit_is_asked_to_come_back_and_others_are_not(tmp_path: Path) -> None:
    peers = (
        PeerConfig(ae_title="PACS", network=NETWORK, associations=2, name="pacs"),
        PeerConfig(ae_title="OTHER", network=NETWORK),
    )
    with receiving(config(tmp_path, peers=peers)) as receiver:
        callers = [Peer(receiver.port) for _ in range(3)]
        for caller in callers:
            caller.send(title("PACS"))
        answers = sorted(caller.pdu()[:10] for caller in callers)
        assert [answer[0] for answer in answers] == [2, 2, 3]
        assert tuple(answers[2][7:10]) == (2, 3, 2)
        with Peer(receiver.port) as other:
            other.send(title("OTHER"))
            assert other.pdu()[0] == 2
        for caller in callers:
            caller.socket.close()
        numbers = 'penstock_peer_associations_open{peer="pacs"}'
        wait(lambda: read(receiver.spool.run)[numbers] == 0, "the end of the associations")
        with Peer(receiver.port) as again:
            again.send(title("PACS"))
            assert again.pdu()[0] == 2
        told = read(receiver.spool.run)
        assert told['penstock_peer_associations_total{peer="pacs"}'] == 3
        assert told['penstock_peer_turned_away_total{peer="pacs"}'] == 1
        assert told['penstock_peer_associations_total{peer="2"}'] == 1


def test_objects_are_counted_by_peer_and_no_label_is_the_callers_word(tmp_path: Path) -> None:
    peers = (PeerConfig(ae_title="*", network=NETWORK),)
    with receiving(config(tmp_path, peers=peers)) as receiver:
        with Peer(receiver.port) as peer:
            peer.send(title("JOHN_DOE"))
            assert peer.pdu()[0] == 2
            assert peer.store("1.2.3") == 0
            assert peer.store("1.2.4", data_set("1.2.5")) == 0xA900
            peer.release()
        told = read(receiver.spool.run)
        assert told['penstock_peer_objects_total{peer="1"}'] == 1
        assert told['penstock_peer_bytes_total{peer="1"}'] > 1000
        assert told['penstock_peer_refused_objects_total{peer="1"}'] == 1
        assert not any("JOHN" in key for key in told)


def test_strangers_are_counted_by_reason(tmp_path: Path) -> None:
    peers = (PeerConfig(ae_title="PACS", network=NETWORK),)
    with receiving(config(tmp_path, peers=peers)) as receiver:
        with Peer(receiver.port) as stranger:
            stranger.send(title("STRANGER"))
            assert tuple(stranger.pdu()[7:10]) == (1, 1, 3)
        wait(
            lambda: (
                read(receiver.spool.run).get('penstock_rejections_total{why="calling_not_recognized"}') == 1
            ),
            "the count",
        )


def test_the_limit_holds_over_all_processes_and_is_given_back_by_the_dead(tmp_path: Path) -> None:
    settings = ReceiverConfig(peers=(PeerConfig(ae_title="A", network=NETWORK, associations=3),))
    shares = Shares(2, 1)
    one = Peers(settings, 0, shares, Meter.attach(tmp_path, "receiver"))[0]
    two = Peers(settings, 1, shares, Meter.attach(tmp_path, "receiver-1"))[0]
    for process in (one, two, one):
        assert process.admits()
        process.began()
    assert not one.admits()
    assert not two.admits()
    shares.forget(0)
    assert shares.of_peer(0) == 1
    assert two.admits()
    two.ended()
    assert shares.of_peer(0) == 0


def test_more_peers_than_there_is_room_for_share_a_label(tmp_path: Path) -> None:
    many = tuple(PeerConfig(ae_title=f"A{n}", network=NETWORK) for n in range(MOST_PEERS))
    settings = ReceiverConfig(peers=many)
    Peers(settings, 0, Shares(1, len(many)), Meter.attach(tmp_path, "receiver"))
    labels = {key.partition('peer="')[2].rstrip('"}') for key in read(tmp_path)}
    assert len(labels) == NAMED
    assert OTHERS in labels


def test_too_many_peers_and_names_that_come_twice_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 256"):
        ReceiverConfig(peers=tuple(PeerConfig(ae_title="A", network=NETWORK) for _ in range(MOST_PEERS + 1)))
    twice = PeerConfig(ae_title="A", network=NETWORK, name="pacs")
    with pytest.raises(ValueError, match=r"peer\[1\]\.name"):
        ReceiverConfig(peers=(twice, twice))
