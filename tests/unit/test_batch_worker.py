"""One worker: each file of a job has a fate, and what it says of it names nobody."""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path

import pytest

from engine.batch.journal import Done
from engine.batch.outputs import Outputs, Put
from engine.batch.worker import Job, Keys, Tally, Worker
from engine.dicom.sample import Shape, write
from engine.profile import compiled
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.plan import ObjectPlan, PassKey
from engine.pseudonymize.rewrite import Pseudonymizer

KEYS = Keys(b"p" * 32, b"j" * 32)


class Bench:
    """A worker with real parts, each of which a test may replace."""

    def __init__(self, root: Path) -> None:
        self.source = root / "in"
        self.names = tuple(os.fsencode(path.name) for path in write(self.source, 1, Shape(slices=3, size=16)))
        self.run = root / "out" / ".penstock"
        (self.run / "parts").mkdir(parents=True)
        self.stop = mmap.mmap(-1, 1)

    def do(
        self,
        *names: bytes,
        make: type[Pseudonymizer] = Pseudonymizer,
        ways: type[Outputs] = Outputs,
        done: Done | None = None,
        again: bool = False,
    ) -> Tally:
        outputs = ways(self.run.parent, self.run, keep_same_uid=False, rebooted=False)
        pseudonymizer = make(compiled("default"), HashSecret(bytes(32)))
        worker = Worker(pseudonymizer, self.source, outputs, KEYS, done or Done(b""), self.stop)
        try:
            return worker.do(Job(names or self.names, again))
        finally:
            worker.close()

    def written(self) -> list[Path]:
        return sorted(self.run.parent.rglob("*.dcm"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_tally_adds_up(bench: Bench) -> None:
    tally = bench.do()
    assert (tally.written, tally.present, tally.already_done, tally.refused) == (4, 0, 0, [])
    assert len(bench.written()) == 4
    assert tally.bytes_read == sum((bench.source / os.fsdecode(name)).stat().st_size for name in bench.names)
    assert tally.bytes_written == sum(path.stat().st_size for path in bench.written())
    assert (len(tally.tags), len(tally.studies)) == (4 * 16, 1)
    assert tally.actions["new-uid"] >= 4 * 3


def test_the_tags_of_a_tally_are_what_makes_its_files_done(bench: Bench) -> None:
    first = bench.do()
    for path in bench.written():
        path.unlink()
    second = bench.do(done=Done(bytes(first.tags)))
    assert (second.written, second.already_done, bench.written()) == (0, 4, [])


def test_two_workers_give_the_same_outputs(bench: Bench) -> None:
    bench.do()
    assert bench.do().present == 4
    assert len(bench.written()) == 4


def test_a_file_that_is_tried_again_counts_as_written_though_its_output_is_there(bench: Bench) -> None:
    bench.do()
    tally = bench.do(again=True)
    assert (tally.written, tally.present) == (4, 0)


def test_after_stop_nothing_is_begun(bench: Bench) -> None:
    bench.stop[0] = 1
    tally = bench.do()
    assert (tally.written, tally.left) == (0, bench.names)


def test_a_file_that_is_gone_is_refused_and_may_be_tried_again(bench: Bench) -> None:
    tally = bench.do(b"gone", bench.names[0])
    assert tally.written == 1
    [refused] = tally.refused
    assert (refused.name, refused.code, refused.retryable) == (b"gone", "unreadable", True)
    assert refused.reason == "the file cannot be read: No such file or directory"


def test_a_folder_in_the_place_of_a_file_is_refused(bench: Bench) -> None:
    (bench.source / "folder").mkdir()
    [refused] = bench.do(b"folder").refused
    assert (refused.code, refused.reason) == ("unreadable", "the file cannot be read: Is a directory")


def test_a_pipe_in_the_place_of_a_file_does_not_hold_the_worker_up(bench: Bench) -> None:
    os.mkfifo(bench.source / "pipe")
    [refused] = bench.do(b"pipe").refused
    assert refused.code == "empty"


class Faulty(Pseudonymizer):
    """Fails as a fault in the code would, with a text that names a patient."""

    def plan(self, fd: int, size: int, pass_key: PassKey) -> ObjectPlan:
        raise ValueError("MILLER^ANNA")


def test_a_fault_refuses_the_file_and_tells_its_place_but_not_its_text(bench: Bench) -> None:
    tally = bench.do(make=Faulty)
    assert {refused.code for refused in tally.refused} == {"internal-error"}
    assert len(tally.refused) == 4
    assert tally.refused[0].reason.startswith("ValueError in test_batch_worker.py:")
    assert "MILLER" not in repr(tally)


def failing(number: int) -> type[Outputs]:
    """Outputs that fail at the second object, as the disk below them does."""

    class Failing(Outputs):
        objects = 0

        def put(self, plan: ObjectPlan, source: int, about: os.stat_result) -> Put:
            self.objects += 1
            if self.objects == 2:
                raise OSError(number, os.strerror(number), "/a/name/that/must/not/be/told")
            return super().put(plan, source, about)

    return Failing


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (errno.ENOSPC, "disk-full", "the disk of the output folder is full"),
        (errno.EDQUOT, "disk-full", "the disk of the output folder has no quota left for you"),
        (errno.EROFS, "output-failed", "the output folder cannot be written: Read-only file system"),
        (errno.EIO, "output-failed", "the output folder cannot be written: Input/output error"),
    ],
)
def test_an_output_folder_that_fails_ends_the_run_and_keeps_what_is_done(
    bench: Bench, number: int, code: str, words: str
) -> None:
    tally = bench.do(ways=failing(number))
    assert tally.halt is not None
    assert (tally.halt.code, tally.halt.message) == (code, words)
    assert "run the same command again" in tally.halt.hint
    assert (tally.written, tally.left, tally.refused) == (1, bench.names[1:], [])


class Unplugged(Pseudonymizer):
    """The real one, but afterwards the source can no longer be read: a folder stands behind its descriptor."""

    def plan(self, fd: int, size: int, pass_key: PassKey) -> ObjectPlan:
        made = super().plan(fd, size, pass_key)
        folder = os.open("/", os.O_RDONLY)
        os.dup2(folder, fd)
        os.close(folder)
        return made


def test_a_source_that_fails_while_it_is_copied_is_refused_and_the_run_goes_on(bench: Bench) -> None:
    tally = bench.do(make=Unplugged)
    assert tally.halt is None
    assert {(refused.code, refused.retryable) for refused in tally.refused} == {("unreadable", True)}
    assert len(tally.refused) == 4
    assert bench.written() == []
