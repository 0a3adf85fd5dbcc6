"""Runs that are stopped, killed or starved, and what the next run makes of them."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest

from engine.batch import durable
from engine.dicom.sample import Shape, write
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.plan import ObjectPlan, PassKey
from engine.pseudonymize.rewrite import Pseudonymizer
from tests.support.batch import (
    NOBODY,
    Gate,
    Place,
    as_nobody,
    children,
    ended,
    started,
    told_by,
    written,
)

STUDY = Shape(slices=99, size=16)
TWO_STUDIES = 2 * STUDY.objects


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    for seed in (1, 2):
        write(folder / f"study{seed}", seed, STUDY)
    return folder


@pytest.fixture
def place(tmp_path: Path, studies: Path) -> Place:
    secret = tmp_path / "secret"
    HashSecret(bytes(range(32))).write(secret)
    shutil.copytree(studies, tmp_path / "in")
    return Place(tmp_path / "in", tmp_path / "out", secret)


def under_way(place: Place, gate: Gate, *more: object) -> ForkProcess:
    """A run that has written something and has much to do, which waits at the gate."""
    process = started(*place.arguments(*more), gate=gate)
    gate.let(lambda: len(written(place.out)) >= 10)
    return process


def assert_each_object_once(place: Place) -> None:
    outputs = [pydicom.dcmread(path, stop_before_pixels=True) for path in written(place.out)]
    assert len(outputs) == TWO_STUDIES
    assert len({ds.SOPInstanceUID for ds in outputs}) == TWO_STUDIES
    assert sorted(Counter(ds.StudyInstanceUID for ds in outputs).values()) == [STUDY.objects] * 2
    assert not (place.out / ".penstock").exists()


def report(place: Place) -> dict[str, Any]:
    document = orjson.loads((place.out / "quarantine.json").read_bytes())
    assert isinstance(document, dict)
    return document


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document = orjson.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_finished_by_the_same_command(
    place: Place, gate: Gate, which: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told_by(which, under_way(place, gate, "--workers", 2), gate) == 130
    first = {path: path.stat().st_ino for path in written(place.out)}
    assert 10 <= len(first) < TWO_STUDIES
    assert report(place) == {"refused": [], "notices": [], "finished": False}
    assert (place.out / ".penstock" / "key").stat().st_mode & 0o777 == 0o600
    assert list((place.out / ".penstock" / "parts").iterdir()) == []
    assert place.run("--json") == 0
    assert_each_object_once(place)
    again = told(capsys)
    assert again["resumed"] is True
    assert (again["already_done"], again["written"]) == (len(first), TWO_STUDIES - len(first))
    assert all(path.stat().st_ino == inode for path, inode in first.items())


def test_ctrl_c_to_the_whole_group_stops_as_cleanly(place: Place, gate: Gate) -> None:
    assert told_by(signal.SIGINT, under_way(place, gate, "--workers", 2), gate, group=True) == 130
    assert place.run() == 0
    assert_each_object_once(place)


def test_a_second_ctrl_c_ends_the_run_at_once_and_loses_nothing(place: Place, gate: Gate) -> None:
    process = under_way(place, gate, "--workers", 2)
    workers = children(process.pid or 0)
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)  # as a disk does that hangs
    while process.is_alive():  # two at once count as one
        os.kill(process.pid or 0, signal.SIGINT)
        process.join(0.05)
    assert process.exitcode == -signal.SIGINT
    for worker in workers:
        os.kill(worker, signal.SIGCONT)
    gate.open()
    assert place.run() == 0
    assert_each_object_once(place)


def test_a_killed_run_is_finished_by_the_same_command(
    place: Place, gate: Gate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told_by(signal.SIGKILL, under_way(place, gate, "--workers", 2), gate) == -signal.SIGKILL
    assert place.run("--json") == 0
    assert_each_object_once(place)
    assert told(capsys)["already_done"] >= 10


def test_a_run_that_dies_again_and_again_is_finished_in_the_end(place: Place, gate: Gate) -> None:
    for wanted in range(20, TWO_STUDIES, 40):
        process = started(*place.arguments("--workers", 3), gate=gate)
        gate.let(lambda wanted=wanted: len(written(place.out)) >= wanted)  # type: ignore[misc]
        os.killpg(process.pid or 0, signal.SIGKILL)  # workers too, in the middle of what they do
        ended(process)
    assert place.run() == 0
    assert_each_object_once(place)


def test_without_its_journal_a_killed_run_is_finished_all_the_same(place: Place, gate: Gate) -> None:
    process = under_way(place, gate, "--workers", 2)
    os.killpg(process.pid or 0, signal.SIGKILL)
    ended(process)
    before = {path: path.stat().st_ino for path in written(place.out)}
    (place.out / ".penstock" / "journal").unlink()
    assert place.run() == 0
    assert_each_object_once(place)
    assert all(path.stat().st_ino == inode for path, inode in before.items())


def test_what_a_power_cut_tore_is_written_anew(place: Place, gate: Gate) -> None:
    process = under_way(place, gate, "--workers", 2)
    os.killpg(process.pid or 0, signal.SIGKILL)
    ended(process)
    torn = written(place.out)[:5]
    for path in torn:
        path.write_bytes(b"")
    note = place.out / ".penstock" / "run.json"
    note.write_bytes(orjson.dumps({**orjson.loads(note.read_bytes()), "boot": "before the power cut"}))
    assert place.run() == 0
    assert_each_object_once(place)
    assert all(path.stat().st_size > 0 for path in torn)


def test_a_disk_that_cannot_hold_the_outputs_keeps_the_run_open(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(durable, "sync_filesystem", fails)
    assert place.run("--json") == 1
    first = told(capsys)
    assert (first["stopped"], first["finished"], first["written"]) == ("output-failed", False, TWO_STUDIES)
    assert (place.out / ".penstock" / "key").exists()
    monkeypatch.undo()
    assert place.run("--json") == 0
    assert told(capsys)["already_done"] == TWO_STUDIES
    assert_each_object_once(place)


def test_a_changed_input_of_an_unfinished_run_is_not_taken_for_done(place: Place, gate: Gate) -> None:
    assert told_by(signal.SIGINT, under_way(place, gate), gate) == 130
    done = written(place.out)
    for path in sorted(place.source.rglob("*.dcm")):
        ds = pydicom.dcmread(path)
        ds.PixelData = bytes(len(ds.PixelData))
        ds.save_as(path)
    assert place.run() == 1
    assert Counter(entry["code"] for entry in report(place)["refused"]) == {"same-uid": len(done)}


def test_an_unfinished_run_is_not_mixed_with_another(
    place: Place, gate: Gate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told_by(signal.SIGINT, under_way(place, gate), gate) == 130
    HashSecret(bytes(32)).write(place.secret.with_name("other"))
    before = written(place.out)
    assert place.run("--secret-file", place.secret.with_name("other")) == 2
    said = capsys.readouterr().err
    assert "unfinished run" in said and "another hash secret" in said and str(place.out / ".penstock") in said
    assert written(place.out) == before


def test_a_worker_that_is_killed_costs_nothing(place: Place, gate: Gate) -> None:
    process = under_way(place, gate, "--workers", 2)
    os.kill(children(process.pid or 0)[0], signal.SIGKILL)
    gate.open()
    assert ended(process) == 0
    assert report(place)["refused"] == []
    assert_each_object_once(place)


class Poisoned(Pseudonymizer):
    """The real one, but one size of file ends its process, as a fault in a native core would."""

    poison = 0

    def plan(self, fd: int, size: int, pass_key: PassKey) -> ObjectPlan:
        if size == self.poison:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().plan(fd, size, pass_key)


def test_a_file_that_ends_two_workers_is_named_and_the_run_goes_on(place: Place) -> None:
    pill = place.source / "study1" / "pill.dcm"
    shutil.copy(next((place.source / "study1").glob("*.dcm")), pill)
    with pill.open("ab") as file:
        file.write(bytes(10))
    make = type("Pill", (Poisoned,), {"poison": pill.stat().st_size})
    assert ended(started(*place.arguments("--workers", 2), make=make)) == 1
    assert [(entry["path"], entry["code"]) for entry in report(place)["refused"]] == [
        ("study1/pill.dcm", "worker-died")
    ]
    assert_each_object_once(place)


class Meddling(Pseudonymizer):
    """The real one, but while it looks at a file somebody else appends to it."""

    def plan(self, fd: int, size: int, pass_key: PassKey) -> ObjectPlan:
        made = super().plan(fd, size, pass_key)
        path = Path(f"/proc/self/fd/{fd}").readlink()
        if path.name == "S02I0007.dcm":
            with path.open("ab") as file:
                file.write(b"more")
        return made


def test_an_input_that_changes_while_it_is_read_keeps_the_run_open(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(started(*place.arguments(), make=Meddling)) == 1
    assert {entry["code"] for entry in report(place)["refused"]} == {"changed-while-read"}
    assert report(place)["finished"] is False
    for path in place.source.rglob("S02I0007.dcm"):
        os.truncate(path, path.stat().st_size - 4)
    assert place.run("--json") == 0
    assert told(capsys)["written"] == 2
    assert_each_object_once(place)


@pytest.fixture
def for_all() -> Iterator[Path]:
    """A folder of `nobody`'s, if we are root; unlike pytest's, all may reach it."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


def _new_secret(path: Path) -> Path:
    HashSecret(bytes(32)).write(path)
    return path


def test_unreadable_files_and_folders_are_named_and_done_when_they_can_be_read(for_all: Path) -> None:
    write(for_all / "in" / "open", 1, Shape(slices=3, size=16))
    shut = write(for_all / "in" / "shut", 2, Shape(slices=3, size=16))
    locked = next((for_all / "in" / "open").glob("*.dcm"))
    locked.chmod(0)
    (for_all / "in" / "shut").chmod(0)
    secret = for_all / "secret"

    def run() -> int:
        return Place(
            for_all / "in", for_all / "out", secret if secret.exists() else _new_secret(secret)
        ).run()

    # Where Python itself is out of their reach, other users need everything to be imported already.
    assert Place(for_all / "in", for_all / "warm", _new_secret(for_all / "warm-secret")).run() in (0, 1)
    assert as_nobody(run) == 1
    document = orjson.loads((for_all / "out" / "quarantine.json").read_bytes())
    assert {entry["path"]: entry["reason"] for entry in document["refused"]} == {
        f"open/{locked.name}": "the file cannot be read: Permission denied",
        "shut": "the folder cannot be read: Permission denied",
    }
    assert len(written(for_all / "out")) == 3
    (for_all / "in" / "shut").chmod(0o755)
    locked.chmod(0o644)
    assert as_nobody(run) == 0
    assert len(written(for_all / "out")) == 4 + len(shut)
    assert not (for_all / "out" / ".penstock").exists()


def test_an_output_folder_that_may_not_be_written_ends_with_two(for_all: Path) -> None:
    write(for_all / "in", 1, Shape(slices=1, size=16))
    (for_all / "out").mkdir(mode=0o555)

    def run() -> int:
        return Place(for_all / "in", for_all / "out", _new_secret(for_all / "secret")).run()

    assert as_nobody(run) == 2


def _can_mount() -> bool:
    tried = subprocess.run(
        ["unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0


SMALL_DISK = """
set -u
mkdir "$1/disk"
mount -t tmpfs -o size=300k tmpfs "$1/disk"
shift_out="$1/disk/out"
"$2" -m engine.cli batch "$1/in" "$shift_out" --secret-file "$1/secret" --workers 2 --json >"$1/first.json" 2>"$1/first.err"
echo $? >"$1/first.code"
find "$shift_out" -name '*.part' >"$1/first.parts"
mount -o remount,size=64m tmpfs "$1/disk"
"$2" -m engine.cli batch "$1/in" "$shift_out" --secret-file "$1/secret" --json >"$1/second.json" 2>"$1/second.err"
echo $? >"$1/second.code"
cp -r "$shift_out" "$1/out"
"""


def test_a_full_disk_stops_the_run_cleanly_and_more_room_finishes_it(place: Place) -> None:
    if not _can_mount():
        pytest.skip("no small disk can be mounted here (unshare -rm)")
    root = place.source.parent
    subprocess.run(["unshare", "-rm", "sh", "-c", SMALL_DISK, "sh", str(root), sys.executable], check=True)
    first, second = (orjson.loads((root / name).read_bytes()) for name in ("first.json", "second.json"))
    assert (root / "first.code").read_text(encoding="ascii") == "1\n"
    assert (first["stopped"], first["finished"]) == ("disk-full", False)
    assert 0 < first["written"] < TWO_STUDIES
    said = (root / "first.err").read_text(encoding="utf-8")
    assert "the disk of the output folder is full" in said
    assert "run the same command again" in said
    assert (root / "first.parts").read_text(encoding="ascii") == ""
    assert (root / "second.code").read_text(encoding="ascii") == "0\n"
    assert second["written"] + second["already_done"] == TWO_STUDIES
    assert second["already_done"] >= first["written"]
    assert_each_object_once(place)
