"""What waits for its delivery: told until it is heard, counted, and too much of it pauses the pool."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.coordinator.messages import PlanJob, SurveyJob
from engine.coordinator.outbox import LOW, Outbox
from engine.coordinator.queues import Queues
from engine.spool.hints import HintInbox, HintOutbox
from engine.spool.layout import Spool, new_pass_id, object_id

MOST = 10


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.open(tmp_path / "spool")


def plans(spool: Spool, count: int) -> list[Path]:
    """So many plans in a pass of their own."""
    pass_id = new_pass_id()
    folder = spool.folder_of(pass_id) / "out"
    folder.mkdir(parents=True)
    paths = [spool.plan(pass_id, object_id("a" * 16, number)) for number in range(count)]
    for path in paths:
        path.write_bytes(b"x")
    return paths


def test_it_pauses_at_the_most_and_goes_on_below_the_low_mark(spool: Spool) -> None:
    with HintOutbox(spool.run, "uploader") as hints:
        paths = plans(spool, MOST - 1)
        outbox = Outbox(spool, hints, MOST)
        assert not outbox.judge()
        paths += plans(spool, 1)
        outbox.tell(["one more"])
        assert outbox.judge() and outbox.objects == MOST
        while len(paths) >= MOST * LOW:
            outbox.look()
            assert outbox.full
            paths.pop().unlink()
        outbox.look()
        assert not outbox.full


def test_what_was_there_at_the_start_counts(spool: Spool) -> None:
    plans(spool, 4)
    plans(spool, 8)
    with HintOutbox(spool.run, "uploader") as hints:
        assert Outbox(spool, hints, MOST).judge()


def test_an_uploader_that_is_busy_is_told_again_and_each_object_counts_once(spool: Spool) -> None:
    with HintInbox(spool.run, "uploader") as inbox, HintOutbox(spool.run, "uploader") as hints:
        outbox = Outbox(spool, hints, 10**9)
        words = [f"{number:032x}/{object_id('b' * 16, number)}" for number in range(9000)]
        ready: list[str] = []
        heard: list[str] = []
        for start in range(0, len(words), 1000):
            ready += words[start : start + 1000]
            outbox.tell(ready)
        assert ready, "the inbox takes only so much"
        while ready:
            heard += inbox.receive()
            outbox.tell(ready)
        heard += inbox.receive(10_000)
        assert heard == words
        assert outbox.objects == len(words)


def test_a_pause_stops_plans_and_nothing_else() -> None:
    queues = Queues(1000)
    queues.put(PlanJob(object_id("a" * 16, 1), "1" * 32, b"k"), 1)
    queues.put(SurveyJob(object_id("a" * 16, 2)))
    queues.paused = True
    assert queues.waiting == 1
    assert [type(job) for job in queues.batch(1)] == [SurveyJob]
    assert queues.batch(1) == []
    queues.paused = False
    assert [type(job) for job in queues.batch(1)] == [PlanJob]
