"""How much a sender is slowed, as a table, as a loop that has to find its level, and on a running receiver."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine._native.upper_layer import command_pdus
from engine.config.gateway import SpoolConfig
from engine.config.receiver import PeerConfig
from engine.metrics.reading import read
from engine.receiver.limits import Limits
from engine.receiver.listening import Shares
from engine.receiver.slowing import CREDIT, HORIZON, MOST, STEP, Brake, Debt, Marks
from engine.spool import associations
from engine.spool.budget import Budget
from tests.support.receiver import (
    CT,
    IMPLICIT,
    Peer,
    Running,
    config,
    data_set,
    receiving,
    request,
    store_request,
    wait,
)
from tests.support.receiver import data_pdus as pdus

MARKS = Marks(slow=1000.0, high=2000.0)
TARGET = 1750.0
GB = 1 << 30


@pytest.mark.parametrize(
    ("used", "drain", "rate"),
    [
        (1000, 0.0, 750 / HORIZON),
        (1750, 0.0, 0.0),
        (1750, 80.0, 80.0),
        (1450, 80.0, 80.0 + 300 / HORIZON),
        (2000, 80.0, 80.0 - 250 / HORIZON),
        (2000, 1.0, 0.0),
    ],
)
def test_what_goes_out_may_come_in_and_the_way_to_the_target_within_the_horizon(
    used: int, drain: float, rate: float
) -> None:
    assert MARKS.target == TARGET
    assert MARKS.rate(used, drain) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("used", "longest"), [(0, 0.0), (999, 0.0), (1000, 0.0), (1375, MOST / 2), (1750, MOST), (5000, MOST)]
)
def test_the_longest_wait_grows_with_the_level(used: int, longest: float) -> None:
    assert MARKS.longest(used) == pytest.approx(longest)


def test_a_band_without_room_slows_nobody() -> None:
    assert Marks(2000.0, 2000.0).longest(5000) == 0.0


def test_who_brings_less_than_its_share_never_waits() -> None:
    debt = Debt()
    assert [debt.charge(0.5, MOST, now) for now in (10.0, 10.6, 11.2, 11.8)] == [0.0] * 4


def test_who_brings_more_waits_for_what_it_brought_and_no_longer_than_is_allowed() -> None:
    debt = Debt()
    assert debt.charge(CREDIT, MOST, 10.0) == 0.0, "a pause before is its credit"
    assert debt.charge(0.5, MOST, 10.0) == 0.5
    assert debt.charge(0.5, MOST, 10.5) == 0.5
    assert debt.charge(0.5, MOST, 10.5) == 1.0, "two answers at a time wait one after the other"
    assert debt.charge(60.0, MOST, 11.0) == MOST
    assert debt.charge(float("inf"), 0.25, 14.0) == 0.25
    assert debt.charge(0.5, MOST, 14.25) == 0.5, "what was above the bound is forgiven"


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Rig:
    """A brake whose spool the test fills and drains."""

    config: SpoolConfig
    folder: Path
    peers: int = 1
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.shares = Shares(1, self.peers)
        self.inside = Budget.attach(self.folder, "receiver", self.config.max_bytes)
        self.outside = Budget.attach(self.folder, "uploader", self.config.max_bytes)
        self.brake = Brake(self.config, self.inside, self.shares, 0, self.clock)

    def level(self, part: float) -> None:
        self.inside.add(int(part * self.config.max_bytes) - self.inside.used())
        self.brake.look()

    def drain(self, bytes_a_second: int, seconds: float) -> None:
        """So much leaves, and as much comes."""
        for _ in range(int(2 * seconds)):
            self.clock.now += 0.5
            self.outside.release(bytes_a_second // 2)
            self.inside.add(bytes_a_second // 2)
            self.brake.look()


def rig(tmp_path: Path, peers: int = 1, slow_water: float | None = None) -> Rig:
    tmp_path.mkdir(exist_ok=True)
    spool = SpoolConfig(
        path=tmp_path, max_bytes=10 * GB, high_water=0.8, low_water=0.4, slow_water=slow_water
    )
    return Rig(spool, tmp_path, peers)


def test_below_the_band_nobody_waits_and_the_clock_is_not_even_asked(tmp_path: Path) -> None:
    one = rig(tmp_path)
    one.shares.add(0, 0, 1)
    one.level(0.399)
    one.clock.now = float("nan")
    assert one.brake.wait(Debt(), 0, GB) == 0.0
    assert not one.brake.is_on


def test_slow_water_moves_the_beginning_and_at_the_high_mark_turns_it_off(tmp_path: Path) -> None:
    for slow, level, waits in ((None, 0.5, True), (0.6, 0.5, False), (0.6, 0.7, True), (0.8, 0.9, False)):
        one = rig(tmp_path / f"{slow}-{level}", slow_water=slow)
        one.shares.add(0, 0, 1)
        one.level(level)
        debt = Debt()
        assert (one.brake.wait(debt, 0, 100 * GB) > 0) is waits, (slow, level)
        assert one.brake.is_on is waits


def test_what_leaves_is_measured_and_what_the_receiver_gives_back_itself_is_not(tmp_path: Path) -> None:
    one = rig(tmp_path)
    one.shares.add(0, 0, 1)
    one.level(0.7)  # the target: in = out
    for _ in range(200):
        one.clock.now += 0.5
        one.inside.reserve(1 << 20)
        one.inside.release(1 << 20)
        one.brake.look()
    assert one.brake.wait(Debt(), 0, 1) == MOST, "nothing leaves, so nothing may come"
    one.drain(50_000_000, 200.0)
    debt = Debt()
    assert one.brake.wait(debt, 0, 50_000_000) == pytest.approx(0.0), "its credit"
    assert one.brake.wait(debt, 0, 50_000_000) == pytest.approx(1.0, rel=0.01)


def test_the_shares_are_by_peer_first_and_then_by_association(tmp_path: Path) -> None:
    one = rig(tmp_path, peers=3)
    one.shares.add(0, 0, 8)  # a migration
    one.shares.add(0, 1, 1)  # the daily work; the third peer is not there
    one.level(0.7)
    one.drain(80_000_000, 200.0)
    migration, daily = Debt(), Debt()
    for debt, peer in ((migration, 0), (daily, 1)):
        one.brake.wait(debt, peer, 5_000_000 if peer == 0 else 40_000_000)  # the credit of a second
    assert one.brake.wait(migration, 0, 5_000_000) == pytest.approx(1.0, rel=0.01)
    assert one.brake.wait(daily, 1, 5_000_000) == pytest.approx(0.125, rel=0.01)


def test_it_is_over_below_the_low_mark_and_when_the_receiver_stops(tmp_path: Path) -> None:
    one = rig(tmp_path, slow_water=0.6)
    seen = []
    for level in (0.59, 0.61, 0.41, 0.39, 0.75):
        one.level(level)
        seen.append(one.brake.is_on)
    assert seen == [False, True, True, False, True]
    one.brake.end()
    assert one.brake.wait(Debt(), 0, GB) == 0.0 and not one.brake.is_on


@pytest.mark.parametrize("drain", [1e6, 20e6, 100e6])
@pytest.mark.parametrize(
    ("associations", "size"), [(1, 530_000), (4, 530_000), (8, 265_000), (2, 200_000_000)]
)
def test_a_sender_at_full_speed_finds_the_pace_of_what_leaves(
    tmp_path: Path, associations: int, size: int, drain: float
) -> None:
    """A loop in simulated time: each association brings a piece, waits as it is told, and brings the next at 300 MB/s."""
    one = rig(tmp_path)
    one.shares.add(0, 0, associations)
    piece = min(size, STEP)
    slowest = associations * piece / MOST
    ready = [one.clock.now + index / associations for index in range(associations)]
    debts = [Debt() for _ in ready]
    one.level(0.39)
    end, looked, highest, late_in = one.clock.now + 300.0, one.clock.now, 0.0, 0.0
    while one.clock.now < end:
        index = min(range(associations), key=ready.__getitem__)
        one.clock.now = max(one.clock.now, ready[index])
        while looked + 0.5 <= one.clock.now:
            looked += 0.5
            one.outside.release(min(int(drain / 2), one.inside.used()))
            one.brake.look()
        one.inside.reserve(piece)
        waits = one.brake.wait(debts[index], 0, piece)
        ready[index] = one.clock.now + piece / (300e6 / associations) + waits
        highest = max(highest, one.inside.fraction)
        late_in += piece if one.clock.now > end - 100 else 0
    if slowest < drain:
        assert highest < one.config.high_water, "nothing has to be refused"
        assert late_in / 100 == pytest.approx(drain, rel=0.1), (
            "what leaves is what comes: nothing stands idle"
        )
    else:
        assert late_in / 100 == pytest.approx(slowest, rel=0.1)


# On a running receiver.

MAX = 400 << 20
QUICK = Limits(drain=5.0, drain_idle=0.0, sweep=0.05, closing=0.3)


@contextmanager
def full(tmp_path: Path, part: float = 0.75) -> Iterator[tuple[Running, Budget]]:
    """A receiver whose spool was filled by others to a part of the budget; the marks are 0.5 and 0.8."""
    peers = (PeerConfig(ae_title="*", network="127.0.0.0/8", name="pacs"),)
    settings = config(tmp_path, peers=peers, max_bytes=MAX, high_water=0.8, low_water=0.5)
    with receiving(settings, QUICK) as receiver:
        other = Budget.attach(receiver.spool.run, "uploader", MAX)
        other.add(int(part * MAX))
        wait(lambda: gauge(receiver, "penstock_receiving_slowed") == 1, "the brake")
        yield receiver, other


def gauge(receiver: Running, name: str) -> float:
    return read(receiver.spool.run).get(name, 0.0)


def echo(peer: Peer, message_id: int) -> int:
    verification = "1.2.840.10008.1.1"
    peer.send(
        command_pdus(3, ((0x0002, verification), (0x0100, 0x30), (0x0110, message_id), (0x0800, 0x0101)))
    )
    answer = peer.response()
    assert answer.field == 0x8030
    return answer.status


def test_an_answer_is_held_back_and_an_echo_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.receiver.slowing.MOST", 600.0)
    with full(tmp_path) as (receiver, _), Peer(receiver.port) as sender, Peer(receiver.port) as other:
        sender.associate()
        other.associate()
        sender.send(store_request(1, "1.2.3") + pdus(data_set("1.2.3")))
        wait(lambda: gauge(receiver, 'penstock_peer_slowed_seconds_total{peer="pacs"}') > 0, "a wait")
        assert len(receiver.received()) == 1, "it is durable, only the answer waits"
        assert echo(other, 1) == 0
        assert gauge(receiver, 'penstock_answers_total{status="0000"}') == 1
        sender.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            sender.socket.recv(1)


def test_an_answer_comes_after_the_longest_wait_though_nothing_drains(tmp_path: Path) -> None:
    with full(tmp_path) as (receiver, _), Peer(receiver.port) as sender:
        sender.associate()
        sender.send(store_request(1, "1.2.3") + pdus(data_set("1.2.3")))
        assert sender.response().status == 0  # or the socket's own patience is over
        assert 0 < gauge(receiver, 'penstock_peer_slowed_seconds_total{peer="pacs"}') <= MOST
        assert echo(sender, 2) == 0


def test_a_refusal_is_not_held_back(tmp_path: Path) -> None:
    with full(tmp_path) as (receiver, _), Peer(receiver.port) as peer:
        peer.associate()
        assert peer.store("1.2.3", data_set("1.2.4")) == 0xA900
        assert gauge(receiver, 'penstock_peer_slowed_seconds_total{peer="pacs"}') == 0


def test_when_the_spool_drains_what_is_held_is_given_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.receiver.slowing.MOST", 600.0)
    with full(tmp_path) as (receiver, other), Peer(receiver.port) as peer:
        peer.associate()
        peer.send(store_request(1, "1.2.3") + pdus(data_set("1.2.3")))
        wait(lambda: gauge(receiver, 'penstock_peer_slowed_seconds_total{peer="pacs"}') > 60, "a wait")
        other.release(int(0.3 * MAX))
        assert peer.response().status == 0  # or the socket's own 20 s are over
        wait(lambda: gauge(receiver, "penstock_receiving_slowed") == 0, "the end of it")
        assert peer.store("1.2.4", message_id=2) == 0


def test_a_large_object_is_slowed_while_it_comes_and_let_go_with_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.receiver.slowing.MOST", 600.0)
    data = data_set("1.2.3", body=40 << 20)
    with full(tmp_path) as (receiver, other), Peer(receiver.port) as peer:
        peer.associate()
        peer.socket.settimeout(100)  # for all that is sent
        message = store_request(1, "1.2.3") + pdus(data)
        sending = threading.Thread(target=peer.send, args=(message,))
        sending.start()
        wait(lambda: gauge(receiver, 'penstock_peer_slowed_seconds_total{peer="pacs"}') > 60, "a wait")
        time.sleep(0.3)
        (part,) = receiver.incoming()
        assert STEP <= part.stat().st_size < len(data) // 2
        assert sending.is_alive(), "the sender cannot send on"
        other.release(int(0.5 * MAX))
        assert peer.response().status == 0
        sending.join()
        assert [path.stat().st_size > len(data) for path in receiver.received()] == [True]


@pytest.mark.parametrize("how", ["reset", "abort", "stop"])
def test_an_association_that_ends_while_its_answer_is_held_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("engine.receiver.slowing.MOST", 600.0)
    with full(tmp_path) as (receiver, _), Peer(receiver.port) as peer:
        peer.send(request([(CT, [IMPLICIT])]).encode())
        assert peer.pdu()[0] == 2
        peer.send(store_request(1, "1.2.3") + pdus(data_set("1.2.3")))
        wait(lambda: gauge(receiver, 'penstock_peer_slowed_seconds_total{peer="pacs"}') > 60, "a wait")
        if how == "reset":
            peer.reset()
        elif how == "abort":
            peer.send(bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0)))
        else:
            receiver.stop()
            assert peer.response().status == 0, "it is durable: whoever stops says so"
        wait(lambda: associations.scan(receiver.spool)[0] == set(), "the end of the association")
        assert len(receiver.received()) == 1
