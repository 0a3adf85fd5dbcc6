"""Hints: never in the way, and lost only when nobody listens."""

from __future__ import annotations

from pathlib import Path

from engine.spool.hints import HintInbox, HintOutbox


def test_a_hint_reaches_the_inbox_of_its_role(tmp_path: Path) -> None:
    with HintInbox(tmp_path, "coordinator") as inbox, HintInbox(tmp_path, "uploader") as other:
        outbox = HintOutbox(tmp_path, "coordinator")
        assert outbox.send(["a", "-b"])
        assert inbox.receive() == ["a", "-b"]
        assert inbox.receive() == []
        assert other.receive() == []
        outbox.close()


def test_a_hint_to_nobody_is_lost_without_an_error(tmp_path: Path) -> None:
    with HintOutbox(tmp_path, "coordinator") as outbox:
        assert not outbox.send(["a"])
        HintInbox(tmp_path, "coordinator").close()  # a socket whose process died
        assert not outbox.send(["a"])


def test_a_role_that_starts_again_gets_its_hints(tmp_path: Path) -> None:
    with HintOutbox(tmp_path, "uploader") as outbox:
        HintInbox(tmp_path, "uploader").close()
        with HintInbox(tmp_path, "uploader") as inbox:
            assert outbox.send(["x"])
            assert inbox.receive() == ["x"]


def test_a_full_inbox_drops_hints_and_never_blocks(tmp_path: Path) -> None:
    with HintInbox(tmp_path, "coordinator") as inbox, HintOutbox(tmp_path, "coordinator") as outbox:
        words = ["0123456789abcdef-00000000"] * 600
        sent = [outbox.send(words) for _ in range(2000)]
        assert sent[0] and not sent[-1]
        received = inbox.receive(10_000)
        assert received and set(received) == set(words)


def test_more_words_than_one_datagram_holds_are_split(tmp_path: Path) -> None:
    words = [f"{n:016x}-{n:08x}" for n in range(3000)]
    with HintInbox(tmp_path, "uploader") as inbox, HintOutbox(tmp_path, "uploader") as outbox:
        assert outbox.send(words)
        assert inbox.receive() == words
        assert outbox.send([])


def test_a_spool_path_longer_than_a_socket_address_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / ("e" * 120)
    deep.mkdir(parents=True)
    with HintInbox(deep, "coordinator") as inbox, HintOutbox(deep, "coordinator") as outbox:
        assert outbox.send(["far"])
        assert inbox.receive() == ["far"]


def test_what_a_full_inbox_does_not_take_can_be_offered_again(tmp_path: Path) -> None:
    words = [f"{n:016x}-{n:08x}" for n in range(200_000)]
    left = list(words)
    received: list[str] = []
    with HintInbox(tmp_path, "uploader") as inbox, HintOutbox(tmp_path, "uploader") as outbox:
        handed = outbox.offer(left)
        assert 0 < handed < len(words)
        del left[:handed]
        while left:
            received += inbox.receive()
            del left[: outbox.offer(left)]
        received += inbox.receive(10_000)
    assert received == words


def test_an_offer_to_nobody_is_not_repeated(tmp_path: Path) -> None:
    with HintOutbox(tmp_path, "uploader") as outbox:
        assert outbox.offer(["a", "b"]) == 2
        assert outbox.offer([]) == 0
