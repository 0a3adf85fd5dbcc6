"""The same SOP Instance UID again on one association: the same object is taken, another one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.receiver.doubles import REMEMBERED, Doubles, compare
from engine.spool.layout import Spool, object_id
from tests.support.receiver import Peer, Running, config, data_set, receiving

FIRST, SECOND = object_id("0" * 16, 0), object_id("0" * 16, 1)


def moved_into_a_pass(receiver: Running) -> None:
    (path,) = receiver.received()
    folder = receiver.spool.passes / ("a" * 32) / "in"
    folder.mkdir(parents=True)
    path.rename(folder / path.name)


def quarantined(receiver: Running) -> None:
    (path,) = receiver.received()
    path.rename(receiver.spool.quarantine / path.name)


def left(_: Running) -> None:
    return None


@pytest.mark.parametrize("durability", ["fsync", "flush"])
@pytest.mark.parametrize("where", [left, moved_into_a_pass, quarantined])
def test_other_bytes_under_the_same_uid_are_refused_wherever_the_first_is(
    tmp_path: Path, where: object, durability: str
) -> None:
    with receiving(config(tmp_path, durability=durability)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        assert peer.store("1.2.3") == 0
        assert callable(where)
        where(receiver)
        before = receiver.received()
        assert peer.store("1.2.3", data_set("1.2.3", body=998)) == 0xC005
        assert (receiver.received(), receiver.incoming()) == (before, [])
        assert peer.store("1.2.3") == 0  # the same again
        assert peer.store("1.2.4", data_set("1.2.4", body=998)) == 0
        assert len(receiver.received()) == len(before) + 2


def test_a_first_object_that_is_gone_cannot_be_compared(tmp_path: Path) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        assert peer.store("1.2.3") == 0
        receiver.received()[0].unlink()
        assert peer.store("1.2.3", data_set("1.2.3", body=998)) == 0


def test_another_association_may_send_other_bytes(tmp_path: Path) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as one, Peer(receiver.port) as other:
        one.associate()
        other.associate()
        assert one.store("1.2.3") == 0
        assert other.store("1.2.3", data_set("1.2.3", body=998)) == 0


def test_a_refused_object_is_not_remembered(tmp_path: Path) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        assert peer.store("1.2.3", data_set("1.2.4")) == 0xA900
        assert peer.store("1.2.3") == 0


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (b"", b"", True),
        (b"abc", b"abc", True),
        (b"abc", b"abd", False),
        (b"abc", b"abcd", False),
        (b"abcd", b"abc", False),
        (bytes(600_000), bytes(600_000), True),
        (bytes(600_000), bytes(599_999) + b"x", False),
    ],
)
def test_objects_are_compared_to_the_last_byte(tmp_path: Path, old: bytes, new: bytes, same: bool) -> None:
    spool = Spool.open(tmp_path / "spool")
    spool.arrival(FIRST).write_bytes(old)
    spool.part(SECOND).write_bytes(new)
    assert (compare(spool, FIRST, SECOND) is None) == same


def test_the_memory_of_an_association_is_bounded() -> None:
    doubles = Doubles()
    for number in range(REMEMBERED + 10):
        doubles.note(f"1.{number}", str(number))
    assert doubles.earlier("1.9") is None
    assert doubles.earlier("1.10") == "10"
    doubles.note("1.10", "again")
    assert doubles.earlier("1.10") == "10"
    assert doubles.earlier(f"1.{REMEMBERED + 9}") == str(REMEMBERED + 9)
