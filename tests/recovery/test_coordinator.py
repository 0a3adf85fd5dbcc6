"""The coordinator as a process: from received/ to sealed passes, and taken up again after it was killed at
each named point.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from engine.spool import associations, passfile
from engine.spool.layout import association_of, new_association_id
from engine.spool.ledger import Ledger
from engine.spool.passfile import Study
from engine.spool.states import State
from tests.support.rig import PATIENCE, CoordinatorRig, children, head_of, study, wait_until

NOT_YET = 3600.0  # seconds of quiet: no pass is sealed before the test wants it


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[CoordinatorRig]:
    rig = CoordinatorRig(tmp_path / "gateway")
    yield rig
    rig.kill()


def all_ready(rig: CoordinatorRig, ids: list[str]) -> bool:
    states = rig.states()
    return all(states.get(one) is State.READY for one in ids)


def planned_then_killed(rig: CoordinatorRig, paths: list[Path]) -> tuple[list[str], dict[str, str]]:
    """The ids of these files, which are planned, and their passes, which are open: the coordinator died. The next seals soon."""
    rig.quiet = NOT_YET
    rig.configure()
    rig.start()
    ids = rig.put(paths)
    wait_until(lambda: all_ready(rig, ids), "planned")
    where = rig.pass_of()
    rig.kill()
    rig.quiet = 0.4
    rig.configure()
    return ids, where


def finish(rig: CoordinatorRig, ids: list[str]) -> dict[str, str]:
    """Waits until all are planned and every pass is sealed; which pass each object is in."""
    wait_until(lambda: all_ready(rig, ids), "planned")
    wait_until(lambda: not rig.open_passes(), "sealed")
    return rig.pass_of()


def test_a_study_becomes_one_sealed_pass_of_plans(rig: CoordinatorRig, tmp_path: Path) -> None:
    ids = rig.put(study(tmp_path / "files"))
    rig.start()
    where = finish(rig, ids)
    (pass_id,) = set(where.values())
    folder = rig.spool.folder_of(pass_id)
    wait_until(lambda: {path.name for path in folder.iterdir()} == {"in", "out"}, "without original UIDs")
    heads = [head_of(rig.spool, pass_id, one) for one in ids]
    assert len({head.StudyInstanceUID for head in heads}) == 1
    assert len({head.SOPInstanceUID for head in heads}) == len(ids)
    assert rig.stop() == 0
    with Ledger.open(rig.spool.ledger, read_only=True) as ledger:
        rows = ledger.find(heads[0].StudyInstanceUID)
        assert {row.id for row in rows} == set(ids)
        assert {row.hashed_id for row in rows} == {heads[0].PatientID}
        assert all(row.received and row.rewritten and row.bytes_received for row in rows)


def test_two_studies_on_two_interleaved_associations_stay_two(rig: CoordinatorRig, tmp_path: Path) -> None:
    one, two = study(tmp_path / "files", 1), study(tmp_path / "files", 2)
    first, second = new_association_id(), new_association_id()
    rig.start()
    mixed = [path for pair in zip(one, two, strict=True) for path in pair]
    ids = rig.put(mixed[::2] + mixed[1::2], first) + rig.put(study(tmp_path / "files", 3), second)
    where = finish(rig, ids)
    assert sorted(len([1 for pass_id in where.values() if pass_id == one]) for one in set(where.values())) == [
        5, 5, 5,
    ]  # fmt: skip


def test_an_association_that_is_open_keeps_its_pass_open(rig: CoordinatorRig, tmp_path: Path) -> None:
    files = study(tmp_path / "files")
    association = new_association_id()
    associations.hold(rig.spool, association)
    rig.start()
    ids = rig.put(files[:2], association)
    wait_until(lambda: all_ready(rig, ids), "planned")
    with pytest.raises(AssertionError):
        wait_until(lambda: not rig.open_passes(), "sealed", seconds=rig.quiet * 4)
    late = rig.put(files[2:])
    associations.released(rig.spool, association)
    assert len(set(finish(rig, ids + late).values())) == 1


def test_a_file_that_is_no_dicom_is_quarantined_and_the_others_go_on(
    rig: CoordinatorRig, tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"not DICOM at all")
    short = tmp_path / "short"
    whole = study(tmp_path / "files")
    short.write_bytes(whole[0].read_bytes()[:700])
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    rig.start()
    ids = rig.put([bad, short, empty, *whole])
    finish(rig, ids[3:])
    wait_until(lambda: all(rig.states().get(one) is State.QUARANTINED for one in ids[:3]), "quarantined")
    for one in ids[:3]:
        assert (rig.spool.quarantine / f"{one}.json").stat().st_size > 0
    assert rig.stop() == 0


def test_a_second_sending_becomes_a_second_copy(rig: CoordinatorRig, tmp_path: Path) -> None:
    files = study(tmp_path / "files")
    rig.quiet = NOT_YET
    rig.configure()
    rig.start()
    ids = rig.put(files)
    wait_until(lambda: all_ready(rig, ids), "planned")
    again = rig.put(files)
    wait_until(lambda: all_ready(rig, ids + again), "planned")
    where = rig.pass_of()
    assert len({where[one] for one in ids}) == len({where[one] for one in again}) == 1
    assert where[ids[0]] != where[again[0]]
    uids = {head_of(rig.spool, where[one], one).StudyInstanceUID for one in (ids[0], again[0])}
    assert len(uids) == 2


def test_the_repeat_of_an_aborted_association_makes_the_same_outputs(
    rig: CoordinatorRig, tmp_path: Path
) -> None:
    files = study(tmp_path / "files")
    rig.quiet = NOT_YET
    rig.configure()
    rig.start()
    ids = rig.put(files[:3])
    wait_until(lambda: all_ready(rig, ids), "planned")
    association = association_of(ids[0])
    associations.hold(rig.spool, association)
    associations.aborted(rig.spool, association)
    repeat_association = new_association_id()
    associations.hold(rig.spool, repeat_association)
    # Associations are looked at before each scan of received/: what is put there without a hint tells when.
    probe = tmp_path / "probe"
    probe.write_bytes(b"no object")
    (seen,) = rig.put([probe])
    wait_until(lambda: rig.states().get(seen) is State.QUARANTINED, "looked at")
    repeat = rig.put(files, repeat_association)
    wait_until(lambda: all_ready(rig, ids + repeat), "planned")
    where = rig.pass_of()
    assert len(set(where.values())) == 1
    for one, other in zip(ids, repeat, strict=False):
        plans = [rig.spool.plan(where[name], name).read_bytes() for name in (one, other)]
        assert plans[0] == plans[1]


POINTS = [
    "pass-made-before-name",
    "pass-named",
    "admitted-before-job",
    "plan-written-before-name",
    "plan-named-before-result",
    "refused-before-move",
    "persisted-before-seal",
    "key-destroyed",
]


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_each_named_point_loses_and_splits_nothing(
    rig: CoordinatorRig, tmp_path: Path, point: str
) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"not DICOM")
    mark = tmp_path / "mark"
    files = study(tmp_path / "files")
    ids = rig.put([*files, bad])
    rig.start(PENSTOCK_KILL_POINT=f"{point}:{mark}")
    wait_until(mark.exists, f"killed at {point}")
    worker_point = point in {
        "pass-made-before-name", "pass-named", "plan-written-before-name", "plan-named-before-result",
    }  # fmt: skip
    if not worker_point:
        wait_until(lambda: rig.dead, "dead")
        rig.start()
    where = finish(rig, ids[:-1])
    assert len(set(where.values())) == 1, "split"
    wait_until(lambda: rig.states().get(ids[-1]) is State.QUARANTINED, "quarantined")
    assert set(rig.states()) == set(ids), "lost"
    names = {path.name for path in rig.spool.passes.rglob("*")}
    assert not [name for name in names if name.startswith(".")], "something half-done is left"
    assert rig.stop() == 0


def test_workers_killed_again_and_again_lose_nothing(rig: CoordinatorRig, tmp_path: Path) -> None:
    ids: list[str] = []
    rig.start()
    assert rig.process is not None
    for seed in range(12):
        ids += rig.put(study(tmp_path / "files", seed))
        for pid in children(rig.process.pid)[:1]:
            os.kill(pid, signal.SIGKILL)
        wait_until(partial(all_ready, rig, ids), "planned")  # an object that ends two workers is quarantined
    where = finish(rig, ids)
    assert len(set(where.values())) == 12
    assert rig.stop() == 0


def _are_in_passes(rig: CoordinatorRig, number: int) -> bool:
    return len(rig.pass_of()) >= number


def test_a_coordinator_killed_again_and_again_loses_and_splits_nothing(
    rig: CoordinatorRig, tmp_path: Path
) -> None:
    rig.quiet = 1.0
    rig.configure()
    ids: list[str] = []
    for seed in range(6):
        files = study(tmp_path / "files", seed)
        association = new_association_id()
        associations.hold(rig.spool, association)
        rig.start()
        ids += rig.put(files[:3], association)
        wait_until(partial(_are_in_passes, rig, len(ids) - 2), "in passes")
        rig.kill()
        rig.start()
        names = [f"{association}-{number:08x}" for number in range(100, 102)]
        for name, path in zip(names, files[3:], strict=True):
            rig.put_one(name, path)
        ids += names
        rig.kill()
        associations.released(rig.spool, association)
    rig.start()
    where = finish(rig, ids)
    assert len(where) == 30 and len(set(where.values())) == 6
    assert rig.stop() == 0


def test_a_plan_that_a_power_cut_damaged_is_made_again_before_the_seal(
    rig: CoordinatorRig, tmp_path: Path
) -> None:
    ids, where = planned_then_killed(rig, study(tmp_path / "files"))
    good = {one: rig.spool.plan(where[one], one).read_bytes() for one in ids}
    os.truncate(rig.spool.plan(where[ids[0]], ids[0]), 0)
    os.truncate(rig.spool.plan(where[ids[1]], ids[1]), 50)
    rig.spool.plan(where[ids[2]], ids[2]).unlink()
    rig.start()
    assert finish(rig, ids) == where
    assert {one: rig.spool.plan(where[one], one).read_bytes() for one in ids} == good


def test_what_a_pass_without_key_cannot_plan_goes_into_a_new_pass(
    rig: CoordinatorRig, tmp_path: Path
) -> None:
    ids, before = planned_then_killed(rig, study(tmp_path / "files"))
    (old,) = set(before.values())
    rig.spool.key(old).unlink()
    rig.spool.plan(old, ids[0]).unlink()
    rig.start()
    where = finish(rig, ids)
    assert where.pop(ids[0]) != old
    assert set(where.values()) == {old}


@pytest.mark.parametrize("damage", ["key", "study"])
def test_a_pass_with_a_damaged_file_keeps_what_is_planned(
    rig: CoordinatorRig, tmp_path: Path, damage: str
) -> None:
    ids, before = planned_then_killed(rig, study(tmp_path / "files"))
    (old,) = set(before.values())
    (rig.spool.folder_of(old) / damage).write_bytes(b"x")
    rig.spool.plan(old, ids[0]).unlink()
    rig.start()
    where = finish(rig, ids)
    assert where.pop(ids[0]) != old
    assert set(where.values()) == {old}


def test_a_start_with_another_secret_puts_the_unplanned_into_a_new_pass(
    rig: CoordinatorRig, tmp_path: Path
) -> None:
    pass_id = "0" * 31 + "1"
    files = study(tmp_path / "files")
    passfile.make(rig.spool, pass_id, Study("1.2.3", "another profile", "another key", 0.0))
    ids = rig.put(files)
    for one in ids:
        rig.spool.arrival(one).rename(rig.spool.original(pass_id, one))
    rig.start()
    where = finish(rig, ids)
    assert pass_id not in where.values() and len(set(where.values())) == 1


def test_a_leftover_of_a_release_is_removed_and_counted_free(rig: CoordinatorRig, tmp_path: Path) -> None:
    ids, where = planned_then_killed(rig, study(tmp_path / "files"))
    rig.spool.original(where[ids[0]], ids[0]).unlink()
    rig.start()
    wait_until(lambda: ids[0] not in rig.states(), "removed")
    assert rig.stop() == 0


def test_a_killed_coordinators_ledger_rows_are_told_by_the_next(rig: CoordinatorRig, tmp_path: Path) -> None:
    ids, _ = planned_then_killed(rig, study(tmp_path / "files"))
    for path in rig.spool.root.glob("ledger.sqlite*"):
        path.unlink()
    rig.start()
    wait_until(lambda: not rig.open_passes(), "sealed")
    assert rig.stop() == 0
    with Ledger.open(rig.spool.ledger, read_only=True) as ledger:
        for one in ids:
            (row,) = ledger.find(one)
            assert row.received and row.rewritten and row.hashed_id and row.sop and row.bytes_received


def test_sealed_passes_go_when_their_last_object_is_delivered(rig: CoordinatorRig, tmp_path: Path) -> None:
    ids = rig.put(study(tmp_path / "files"))
    rig.start()
    for one, pass_id in finish(rig, ids).items():
        rig.spool.original(pass_id, one).unlink()
        rig.spool.plan(pass_id, one).unlink()
    wait_until(lambda: not list(rig.spool.passes.iterdir()), "gone")


def test_the_leftover_of_a_dead_uploader_does_not_keep_its_pass(rig: CoordinatorRig, tmp_path: Path) -> None:
    ids = rig.put(study(tmp_path / "files"))
    rig.start()
    for one, pass_id in finish(rig, ids).items():
        rig.spool.original(pass_id, one).unlink()
    wait_until(lambda: not list(rig.spool.passes.iterdir()), "gone")


def test_sigterm_finishes_what_was_received(rig: CoordinatorRig, tmp_path: Path) -> None:
    files = study(tmp_path / "files", slices=30)
    rig.start()
    wait_until((rig.spool.run / "coordinator.sock").exists, "started")
    first = rig.put(files[:1])
    wait_until(lambda: all_ready(rig, first), "planned")
    ids = rig.put(files)
    assert rig.stop() == 0
    assert all_ready(rig, ids)
    assert rig.process is not None and not children(rig.process.pid)


def test_an_object_of_two_gigabytes_is_planned_in_little_memory(rig: CoordinatorRig, tmp_path: Path) -> None:
    length = 2_147_483_646
    files = study(tmp_path / "files", slices=1)
    whole = files[0].read_bytes()
    at = (
        whole.index(b"\xe0\x7f\x10\x00OW\0\0") + 8
    )  # (7FE0,0010) in explicit VR little endian, before its length
    huge = tmp_path / "huge"
    huge.write_bytes(whole[:at] + length.to_bytes(4, "little"))
    os.truncate(huge, at + 4 + length)  # zeros that take no room on the disk
    rig.start()
    (first,) = rig.put(files[1:])
    wait_until(lambda: all_ready(rig, [first]), "planned")
    identifier = new_association_id() + "-00000000"
    huge.rename(rig.spool.arrival(identifier))
    wait_until(lambda: all_ready(rig, [identifier]), "planned")
    assert rig.process is not None
    for pid in [rig.process.pid, *children(rig.process.pid)]:
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        assert int(peak) < 200 * 1024
    assert rig.stop() == 0


def test_a_secret_that_is_missing_ends_it_with_the_reason(rig: CoordinatorRig) -> None:
    (rig.folder / "secret").unlink()
    rig.start()
    assert rig.process is not None
    assert rig.process.wait(PATIENCE) in {1, 2}
    told = (rig.spool.run / "coordinator.error").read_text()
    assert "secret" in told and "penstock secret new" in told
