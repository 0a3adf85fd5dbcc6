"""A running receiver and a peer on a raw socket: what becomes of objects."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydicom import dcmread

from engine.spool import associations
from engine.spool.hints import HintInbox
from tests.support.receiver import (
    CT,
    EXPLICIT,
    IMPLICIT,
    MR,
    Peer,
    config,
    data_pdus,
    data_set,
    receiving,
    store_request,
    wait,
)


def body(path: Path) -> bytes:
    """What follows the file meta."""
    data = path.read_bytes()
    return data[144 + int.from_bytes(data[140:144], "little") :]


def test_an_object_is_stored_as_it_came_behind_a_meta_of_our_own(tmp_path: Path) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        assert peer.store("1.2.3.4") == 0
        (path,) = receiver.received()
        assert body(path) == data_set("1.2.3.4")
        assert path.read_bytes()[:132] == bytes(128) + b"DICM"
        meta = dcmread(path).file_meta
        assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (CT, "1.2.3.4")
        assert meta.TransferSyntaxUID == IMPLICIT
        assert re.fullmatch(r"00[0-9a-f]{14}-00000000\.dcm", path.name)
        assert path.stat().st_mode & 0o777 == 0o600
        assert receiver.incoming() == []
        peer.release()


@pytest.mark.parametrize("durability", ["fsync", "flush"])
@pytest.mark.parametrize("company", [0, 1])
def test_the_coordinator_is_told_of_objects_and_of_the_end(
    tmp_path: Path, durability: str, company: int
) -> None:
    with (
        receiving(config(tmp_path, durability=durability)) as receiver,
        HintInbox(receiver.spool.run, "coordinator") as inbox,
    ):
        others = [Peer(receiver.port) for _ in range(company)]
        with Peer(receiver.port) as peer:
            peer.associate()
            assert peer.store("1.2.3") == 0
            peer.release()
        told: list[str] = []

        def both_told() -> bool:
            told.extend(inbox.receive())
            return len(told) == 2

        wait(both_told, "two hints")
        (path,) = receiver.received()
        assert told == [path.stem, f"-{path.stem[:16]}"]
        for other in others:
            other.socket.close()


@pytest.mark.parametrize("company", [0, 1])
def test_objects_of_one_and_of_several_associations_are_all_stored(tmp_path: Path, company: int) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        others = [Peer(receiver.port) for _ in range(company)]
        peer.associate()
        for number in range(5):
            assert peer.store(f"1.2.{number}", data_set(f"1.2.{number}", body=400_000)) == 0
        assert len(receiver.received()) == 5
        for other in others:
            other.socket.close()


def test_names_count_the_objects_of_an_association(tmp_path: Path) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        for number in range(3):
            assert peer.store(f"1.2.3.{number}") == 0
        names = [path.stem for path in receiver.received()]
        assert [name[16:] for name in names] == ["-00000000", "-00000001", "-00000002"]
        assert len({name[:16] for name in names}) == 1


@pytest.mark.parametrize("size", [1, 2, 7, 1000, 131066])
def test_fragments_of_every_size_make_the_same_object(tmp_path: Path, size: int) -> None:
    data = data_set("1.2.3.4", body=200_000 if size > 100 else 3000)
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        peer.send(store_request(1, "1.2.3.4") + data_pdus(data, size=size))
        assert peer.response().status == 0
        assert [body(path) for path in receiver.received()] == [data]


def test_an_object_whose_bytes_come_one_by_one_is_the_same(tmp_path: Path) -> None:
    data = data_set("1.2.3.4", body=200)
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        for byte in store_request(1, "1.2.3.4") + data_pdus(data, size=50):
            peer.send(bytes((byte,)))
        assert peer.response().status == 0
        assert [body(path) for path in receiver.received()] == [data]


def test_contexts_are_told_apart(tmp_path: Path) -> None:
    private = "1.3.12.2.1107.5.9.1"
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate([(CT, [EXPLICIT]), (MR, [IMPLICIT]), (private, [IMPLICIT])])
        for context, sop_class in ((3, MR), (5, private)):
            instance = f"1.2.{context}"
            data = data_set(instance, sop_class=sop_class)
            peer.send(
                store_request(1, instance, sop_class=sop_class, context=context) + data_pdus(data, context)
            )
            assert peer.response().status == 0
        assert [dcmread(path).SOPClassUID for path in receiver.received()] == [MR, private]


REFUSED = {
    "another class than the context's": (store_request(1, "1.2.3", sop_class=MR), data_set("1.2.3"), 0xA900),
    "another class in the data set": (store_request(1, "1.2.3"), data_set("1.2.3", sop_class=MR), 0xA900),
    "another instance in the data set": (store_request(1, "1.2.3"), data_set("1.2.4"), 0xA900),
    "an instance of several lines": (store_request(1, "1.2\n3"), data_set("1.2.3"), 0xC002),
    "an instance with a backslash": (store_request(1, "1.2\\3"), data_set("1.2.3"), 0xC002),
    "no instance": (store_request(1, ""), data_set("1.2.3"), 0xC002),
    "an empty data set": (store_request(1, "1.2.3"), b"", 0xC003),
    "no data set": (store_request(1, "1.2.3", data_set_type=0x0101), None, 0xC001),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_object_leaves_nothing_and_the_next_one_is_stored(tmp_path: Path, name: str) -> None:
    command, data, status = REFUSED[name]
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        empty = b"\4\0\0\0\0\6\0\0\0\2\1\2"
        peer.send(command + (b"" if data is None else data_pdus(data) or empty))
        assert peer.response().status == status
        assert receiver.received() == receiver.incoming() == []
        assert peer.store("1.2.3") == 0
        assert len(receiver.received()) == 1
        assert {path.name for path in tmp_path.iterdir()} == {"spool"}


@pytest.mark.parametrize(
    "uid", ["../../../../tmp/x", "/etc/passwd", "dccc9599087131742838cc", "a" * 64, "..", "~"]
)
def test_a_uid_never_becomes_a_name(tmp_path: Path, uid: str) -> None:
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        assert peer.store(uid) == 0
        (path,) = receiver.received()
        assert re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]{8}\.dcm", path.name)
        assert body(path) == data_set(uid)
        assert {entry.name for entry in tmp_path.iterdir()} == {"spool"}


@pytest.mark.parametrize("how", ["abort", "reset", "close", "violation"])
@pytest.mark.parametrize("sent", [0, 1, 100, 1200, 20_000])
def test_an_association_that_ends_inside_an_object_leaves_only_its_mark(
    tmp_path: Path, how: str, sent: int
) -> None:
    wire = store_request(1, "1.2.9") + data_pdus(data_set("1.2.9", body=40_000))
    with receiving(config(tmp_path)) as receiver, Peer(receiver.port) as peer:
        peer.associate()
        assert peer.store("1.2.3") == 0
        peer.send(wire[:sent])
        if how == "reset":
            peer.reset()
        elif how == "close":
            peer.socket.close()
        elif sent in (0, len(store_request(1, "1.2.9"))):
            peer.send(b"\7\0\0\0\0\4\0\0\0\0" if how == "abort" else b"\xff" * 10)
        else:
            peer.socket.close()  # inside a PDU nothing else can be said
        wait(lambda: len(associations.scan(receiver.spool)[1]) == 1, "the mark of an aborted association")
        assert associations.scan(receiver.spool)[0] == set()
        assert receiver.incoming() == []
        assert len(receiver.received()) == 1
