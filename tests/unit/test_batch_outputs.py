"""How an output gets its name: whole, once, and never over another."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.batch.compare import PIECE, Likeness, compare
from engine.batch.outputs import Outputs, Put
from engine.errors import Refusal
from engine.pseudonymize.plan import ZEROS, ObjectPlan
from tests.support.batch import wait_for

BODY = bytes(range(256)) * 64
FOLDER = "0123456789abcdef0123456789abcdef/2.25.1/2.25.2"


@pytest.fixture
def source(tmp_path: Path) -> int:
    (tmp_path / "source").write_bytes(b"old head" + BODY + b"old tail")
    return os.open(tmp_path / "source", os.O_RDONLY)


def plan(head: bytes = b"new head", tail: bytes = b"new tail", body: int = len(BODY)) -> ObjectPlan:
    return ObjectPlan(
        head=head,
        spans=((8, body),),
        tail=tail,
        body_tag=0x7FE00010,
        body_header=BODY[:12],
        size=len(head) + body + len(tail),
        transfer_syntax="1.2.840.10008.1.2.1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        sop_instance_uid="2.25.3",
        study_instance_uid="2.25.1",
        series_instance_uid="2.25.2",
        hashed_id="0123456789abcdef0123456789abcdef",
        counts={"keep": 1},
    )


WANTED = b"new head" + BODY + b"new tail"


def outputs(tmp_path: Path, *, keep_same_uid: bool = False, rebooted: bool = False) -> Outputs:
    run = tmp_path / "out" / ".penstock"
    (run / "parts").mkdir(parents=True, exist_ok=True)
    return Outputs(tmp_path / "out", run, keep_same_uid=keep_same_uid, rebooted=rebooted)


def written(tmp_path: Path) -> dict[str, bytes]:
    out = tmp_path / "out"
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*.dcm")}


def parts(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "out" / ".penstock" / "parts").iterdir())


def put(ways: Outputs, the_plan: ObjectPlan, source: int) -> Put:
    return ways.put(the_plan, source, os.fstat(source))


def test_an_output_lies_under_its_new_names_and_leaves_no_part(tmp_path: Path, source: int) -> None:
    assert put(outputs(tmp_path), plan(), source) is Put.WRITTEN
    assert written(tmp_path) == {f"{FOLDER}/2.25.3.dcm": WANTED}
    assert parts(tmp_path) == []


def test_an_object_without_patient_study_and_series_has_a_place(tmp_path: Path, source: int) -> None:
    bare = replace(plan(), hashed_id="", study_instance_uid="", series_instance_uid="")
    put(outputs(tmp_path), bare, source)
    assert list(written(tmp_path)) == ["no-patient/no-study/no-series/2.25.3.dcm"]


def test_the_same_bytes_again_are_present_and_not_touched(tmp_path: Path, source: int) -> None:
    ways = outputs(tmp_path)
    put(ways, plan(), source)
    before = (tmp_path / "out" / FOLDER / "2.25.3.dcm").stat()
    assert put(ways, plan(), source) is Put.PRESENT
    after = (tmp_path / "out" / FOLDER / "2.25.3.dcm").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("other", [plan(head=b"New head"), plan(tail=b"new tai"), plan(tail=b"", body=500)])
def test_other_contents_under_the_same_name_are_refused(
    tmp_path: Path, source: int, other: ObjectPlan
) -> None:
    ways = outputs(tmp_path)
    put(ways, plan(), source)
    with pytest.raises(Refusal) as caught:
        put(ways, other, source)
    assert (caught.value.code, caught.value.tag) == ("same-uid", 0x00080018)
    assert "--same-uid keep" in caught.value.hint
    assert list(written(tmp_path).values()) == [WANTED]
    assert parts(tmp_path) == []


def test_other_contents_can_be_kept_beside_under_numbered_names(tmp_path: Path, source: int) -> None:
    ways = outputs(tmp_path, keep_same_uid=True)
    results = [put(ways, plan(tail=tail), source) for tail in (b"1", b"2", b"3", b"2", b"1")]
    assert results == [Put.WRITTEN, Put.BESIDE, Put.BESIDE, Put.PRESENT, Put.PRESENT]
    assert {name: data[-1:] for name, data in written(tmp_path).items()} == {
        f"{FOLDER}/2.25.3.dcm": b"1",
        f"{FOLDER}/2.25.3.2.dcm": b"2",
        f"{FOLDER}/2.25.3.3.dcm": b"3",
    }


def test_a_torn_output_is_replaced_only_after_a_restart_of_the_machine(tmp_path: Path, source: int) -> None:
    put(outputs(tmp_path), plan(), source)
    torn = tmp_path / "out" / FOLDER / "2.25.3.dcm"
    torn.write_bytes(WANTED[:5000])
    with pytest.raises(Refusal, match="came first"):
        put(outputs(tmp_path), plan(), source)
    assert put(outputs(tmp_path, rebooted=True), plan(), source) is Put.WRITTEN
    assert written(tmp_path) == {f"{FOLDER}/2.25.3.dcm": WANTED}


def test_another_object_is_not_taken_for_a_torn_one(tmp_path: Path, source: int) -> None:
    put(outputs(tmp_path), plan(), source)
    with pytest.raises(Refusal, match="came first"):
        put(outputs(tmp_path, rebooted=True), plan(head=b"New head"), source)
    assert written(tmp_path) == {f"{FOLDER}/2.25.3.dcm": WANTED}


@pytest.mark.parametrize("bad", ["../../etc/cron.d/x", "..", ".", "1/2", "1\0", "1.2\n", "x", "1" * 65, "²"])
@pytest.mark.parametrize("where", ["study_instance_uid", "series_instance_uid", "sop_instance_uid"])
def test_a_uid_that_is_no_file_name_is_refused(tmp_path: Path, source: int, where: str, bad: str) -> None:
    ways = outputs(tmp_path)
    with pytest.raises(Refusal, match="cannot be a file's name") as caught:
        put(ways, replace(plan(), **{where: bad}), source)
    assert caught.value.code == "unsafe-name"
    assert bad not in str(caught.value)
    assert [path.name for path in tmp_path.rglob("*")].count(".penstock") == 1
    assert written(tmp_path) == {}


@pytest.mark.parametrize("bad", ["..", "a/b", ".hidden", "-x"])
def test_a_patient_that_is_no_folder_name_is_refused(tmp_path: Path, source: int, bad: str) -> None:
    with pytest.raises(Refusal, match="cannot be a folder's name"):
        put(outputs(tmp_path), replace(plan(), hashed_id=bad), source)


def test_an_object_without_any_uid_of_its_own_is_refused(tmp_path: Path, source: int) -> None:
    with pytest.raises(Refusal, match="cannot be a file's name"):
        put(outputs(tmp_path), replace(plan(), sop_instance_uid=""), source)


def test_an_input_that_changed_meanwhile_gets_no_output(tmp_path: Path, source: int) -> None:
    about = os.fstat(source)
    with (tmp_path / "source").open("ab") as file:
        file.write(b"more")
    with pytest.raises(Refusal) as caught:
        outputs(tmp_path).put(plan(), source, about)
    assert (caught.value.code, caught.value.retryable) == ("changed-while-read", True)
    assert written(tmp_path) == {}
    assert parts(tmp_path) == []


def test_a_failed_rename_leaves_no_part(tmp_path: Path, source: int) -> None:
    ways = outputs(tmp_path)
    put(ways, plan(), source)
    for path in (tmp_path / "out" / FOLDER).iterdir():
        path.unlink()
    (tmp_path / "out" / FOLDER).rmdir()  # behind its back
    with pytest.raises(OSError) as caught:
        put(ways, plan(), source)
    assert caught.value.errno == errno.ENOENT
    assert parts(tmp_path) == []


def _race(tmp_path: Path, mine: bytes, start: Any, results: Any) -> None:
    ways = outputs(tmp_path)
    descriptor = os.open(tmp_path / "source", os.O_RDONLY)
    for number in range(200):
        wanted = replace(plan(tail=mine), sop_instance_uid=f"2.25.{number}")
        start.wait()
        try:
            results.put((number, mine, ways.put(wanted, descriptor, os.fstat(descriptor)).value))
        except Refusal as refusal:
            results.put((number, mine, refusal.code))


@pytest.mark.usefixtures("source")
def test_two_workers_that_want_one_name_at_once_take_turns(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(2), context.SimpleQueue()
    racers = [
        context.Process(target=_race, args=(tmp_path, tail, start, results)) for tail in (b"one", b"two")
    ]
    for racer in racers:
        racer.start()
    told = [results.get() for _ in range(400)]
    for racer in racers:
        racer.join()
        assert racer.exitcode == 0
    found = written(tmp_path)
    for number in range(200):
        verdicts = {mine: verdict for which, mine, verdict in told if which == number}
        assert sorted(verdicts.values()) == ["same-uid", "written"]
        [winner] = [mine for mine, verdict in verdicts.items() if verdict == "written"]
        assert found[f"{FOLDER}/2.25.{number}.dcm"].endswith(winner)


def _put_one(tmp_path: Path, result: Any) -> None:
    descriptor = os.open(tmp_path / "source", os.O_RDONLY)
    try:
        result.put(put(outputs(tmp_path), plan(), descriptor).value)
    except Refusal as refusal:
        result.put(refusal.code)


def _somebody_waits_for_a_lock(path: Path) -> bool:
    inode = f":{path.stat().st_ino} "
    return any("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines())


@pytest.mark.usefixtures("source")
def test_a_name_that_was_given_while_a_worker_waited_for_it_is_not_taken(tmp_path: Path) -> None:
    outputs(tmp_path).close()  # makes the folders
    names = tmp_path / "out" / ".penstock" / "names"
    held = os.open(names, os.O_RDWR)
    fcntl.lockf(held, fcntl.LOCK_EX)
    context = multiprocessing.get_context("fork")
    result = context.SimpleQueue()
    waiting = context.Process(target=_put_one, args=(tmp_path, result))
    waiting.start()
    wait_for(lambda: _somebody_waits_for_a_lock(names))
    taken = tmp_path / "out" / FOLDER / "2.25.3.dcm"
    taken.write_bytes(b"another worker's")
    os.close(held)
    assert result.get() == "same-uid"
    waiting.join()
    assert taken.read_bytes() == b"another worker's"
    assert parts(tmp_path) == []


def likeness(tmp_path: Path, source: int, data: bytes, the_plan: ObjectPlan | None = None) -> Likeness:
    (tmp_path / "existing").write_bytes(data)
    existing = os.open(tmp_path / "existing", os.O_RDONLY)
    try:
        return compare(the_plan or plan(), source, existing)
    finally:
        os.close(existing)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (WANTED, Likeness.SAME),
        (b"", Likeness.TORN),
        (WANTED[:-1], Likeness.TORN),
        (WANTED[:4096], Likeness.TORN),
        (WANTED[:4096] + bytes(len(WANTED) - 4096), Likeness.TORN),
        (bytes(8192) + WANTED[8192:], Likeness.TORN),
        (WANTED + b"x", Likeness.OTHER),
        (WANTED[:-1] + b"x", Likeness.OTHER),
        (b"x" + WANTED[1:], Likeness.OTHER),
        (WANTED[:5000] + b"x" + WANTED[5001:], Likeness.OTHER),
        (WANTED[:5000] + bytes(10) + WANTED[5010:], Likeness.OTHER),
    ],
)
def test_likeness(tmp_path: Path, source: int, data: bytes, expected: Likeness) -> None:
    assert likeness(tmp_path, source, data) is expected


def test_likeness_of_what_has_masked_pixels(tmp_path: Path, source: int) -> None:
    masked = replace(plan(), spans=((8, 5000), (ZEROS, 3000), (8008, len(BODY) - 8000)))
    data = b"new head" + BODY[:5000] + bytes(3000) + BODY[8000:] + b"new tail"
    assert likeness(tmp_path, source, data, masked) is Likeness.SAME
    assert likeness(tmp_path, source, WANTED, masked) is Likeness.OTHER
    assert put(outputs(tmp_path), masked, source) is Put.WRITTEN
    assert list(written(tmp_path).values()) == [data]


def test_likeness_of_what_is_larger_than_a_piece(tmp_path: Path) -> None:
    body = os.urandom(2 * PIECE + 77)
    (tmp_path / "large").write_bytes(b"old head" + body)
    source = os.open(tmp_path / "large", os.O_RDONLY)
    large = plan(body=len(body))
    whole = b"new head" + body + b"new tail"
    assert likeness(tmp_path, source, whole, large) is Likeness.SAME
    assert likeness(tmp_path, source, whole[: PIECE + 9], large) is Likeness.TORN
    spoilt = bytearray(whole)
    spoilt[2 * PIECE + 5] ^= 1
    assert likeness(tmp_path, source, bytes(spoilt), large) is Likeness.OTHER
