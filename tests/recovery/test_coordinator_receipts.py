"""SPOOL/receipts: each sealed pass has one, whatever died on the way, and it names nobody."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pydicom
import pytest

from engine._native.reader import read_meta
from engine.coordinator.receipts import Receipts, note_plan, note_refusal
from engine.dicom.file_meta import file_meta
from engine.dicom.sample import identities
from engine.profile import compiled
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.plan import ObjectPlan
from engine.pseudonymize.receipt import Treatment
from engine.spool import associations, passfile
from engine.spool.layout import Spool, association_of, new_association_id, object_id
from engine.spool.passfile import Joined, Study
from engine.spool.states import State
from tests.support.rig import CoordinatorRig, head_of, study, wait_until

SCHEMA = Path(__file__).parents[2] / "engine/pseudonymize/receipt.schema.json"
TREATMENT = Treatment("default", "d" * 64, "0123abcd")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[CoordinatorRig]:
    rig = CoordinatorRig(tmp_path / "gateway")
    yield rig
    rig.kill()


def sealed(rig: CoordinatorRig, ids: list[str]) -> None:
    at_rest = (State.READY, State.QUARANTINED)
    wait_until(lambda: all(rig.states().get(one) in at_rest for one in ids), "treated")
    wait_until(lambda: not rig.open_passes(), "sealed")


def receipts(spool: Spool) -> dict[str, dict[str, Any]]:
    """By pass; each has been held against the schema."""
    check = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    found = {}
    for path in spool.receipts.iterdir():
        found[path.stem] = json.loads(path.read_bytes())
        check.validate(found[path.stem])
    return found


def test_a_sealed_pass_has_a_receipt_for_its_owner_alone(rig: CoordinatorRig, tmp_path: Path) -> None:
    ids = rig.put(study(tmp_path / "files"))
    rig.start()
    sealed(rig, ids)
    [(pass_id, receipt)] = receipts(rig.spool).items()
    assert rig.spool.receipt(pass_id).stat().st_mode & 0o777 == 0o600
    assert set(rig.pass_of().values()) == {receipt["pass"]} == {pass_id}
    head = head_of(rig.spool, pass_id, ids[0])
    assert (receipt["study"], receipt["hashed_ids"]) == (head.StudyInstanceUID, [head.PatientID])
    assert receipt["profile"] == {"name": "default", "digest": compiled("default").digest}
    assert receipt["key_id"] == HashSecret.load(rig.folder / "secret").key_id
    assert (receipt["objects"], receipt["pixels"]["kept"]) == (len(ids), len(ids))
    assert (receipt["complete"], receipt["exact"]) == (True, True)
    assert receipt["actions"]["new-uid"] >= 3 * len(ids)


def test_a_receipt_names_nobody(rig: CoordinatorRig, tmp_path: Path) -> None:
    files = study(tmp_path / "files")
    rig.start()
    sealed(rig, rig.put(files))
    known = {word for path in files for word in identities(pydicom.dcmread(path)) if len(word) > 5}
    [path] = rig.spool.receipts.iterdir()
    assert [word for word in known if word in path.read_text()] == []


def test_what_was_quarantined_of_a_pass_stands_in_its_receipt(rig: CoordinatorRig, tmp_path: Path) -> None:
    files = study(tmp_path / "files")
    ds = pydicom.dcmread(files[0])
    ds.BurnedInAnnotation = "YES"
    ds.save_as(files[0])
    rig.start()
    ids = rig.put(files)
    sealed(rig, ids)
    [receipt] = receipts(rig.spool).values()
    reasons = [{"code": "burned-in", "tag": "(0028,0301)", "objects": 1}]
    assert receipt["quarantined"] == {"objects": 1, "reasons": reasons}
    assert (receipt["objects"], receipt["exact"]) == (len(ids) - 1, True)
    assert rig.stop() == 0
    assert '"objects":4,"quarantined":1' in (rig.folder / "log").read_text()


def test_two_different_objects_under_one_uid_are_counted(rig: CoordinatorRig, tmp_path: Path) -> None:
    files = study(tmp_path / "files")
    ds = pydicom.dcmread(files[0])
    ds.InstanceNumber = 99
    ds.save_as(tmp_path / "other")
    rig.start()
    ids = rig.put([*files, tmp_path / "other"])
    sealed(rig, ids)
    [receipt] = receipts(rig.spool).values()
    assert receipt["quarantined"]["reasons"] == [{"code": "conflicting-double", "tag": None, "objects": 1}]
    assert receipt["objects"] == len(files)


@pytest.mark.parametrize(
    "point",
    ["plan-written-before-name", "plan-named-before-result", "persisted-before-seal", "key-destroyed"],
)
def test_a_death_on_the_way_costs_no_count(rig: CoordinatorRig, tmp_path: Path, point: str) -> None:
    mark = tmp_path / "mark"
    rig.start(PENSTOCK_KILL_POINT=f"{point}:{mark}")
    ids = rig.put(study(tmp_path / "files"))
    wait_until(mark.exists, "killed")
    if point in {"persisted-before-seal", "key-destroyed"}:
        wait_until(lambda: rig.dead, "killed")
        rig.start()
    sealed(rig, ids)
    found = list(receipts(rig.spool).values())
    assert [(one["objects"], one["exact"]) for one in found] == [(len(ids), True)]


def test_a_restart_in_the_middle_of_a_pass_costs_no_count(rig: CoordinatorRig, tmp_path: Path) -> None:
    files = study(tmp_path / "files")
    rig.quiet = 3600.0
    rig.configure()
    rig.start()
    first = rig.put(files[:2])
    wait_until(lambda: all(rig.states().get(one) is State.READY for one in first), "planned")
    rig.kill()
    rig.quiet = 0.4
    rig.configure()
    rig.start()
    second = rig.put(files[2:])
    sealed(rig, first + second)
    assert sum(one["objects"] for one in receipts(rig.spool).values()) == len(files)


def plan(number: int, study_uid: str = "2.25.1") -> ObjectPlan:
    return ObjectPlan(
        b"",
        (),
        b"",
        None,
        b"",
        0,
        "",
        "1.2",
        f"2.25.{number}",
        study_uid,
        "2.25.2",
        "ab" * 16,
        {"keep": 1},
        "kept",
    )


def spool_with_a_pass(tmp_path: Path, pass_id: str = "1" * 32) -> tuple[Spool, list[str]]:
    spool = Spool.open(tmp_path / "spool")
    passfile.make(spool, pass_id, Study("1.2.3", "x/" + "d" * 64, "0123abcd", 0.0, "default"))
    ids = [object_id(new_association_id(), number) for number in range(3)]
    passfile.join(spool, pass_id, [Joined(one, one) for one in ids])
    return spool, ids


def test_an_object_without_a_line_makes_the_receipt_inexact(tmp_path: Path) -> None:
    spool, ids = spool_with_a_pass(tmp_path)
    for number, one in enumerate(ids[:2]):
        note_plan(spool, "1" * 32, one, plan(number))
    Receipts(spool).write("1" * 32, TREATMENT)
    assert receipts(spool)["1" * 32]["exact"] is False
    Receipts(spool).write("1" * 32, TREATMENT, frozenset(ids[2:]))
    assert receipts(spool)["1" * 32]["exact"] is True


def test_an_object_that_is_planned_again_or_sent_twice_counts_once(tmp_path: Path) -> None:
    spool, ids = spool_with_a_pass(tmp_path)
    note_plan(spool, "1" * 32, ids[0], plan(1))
    note_plan(spool, "1" * 32, ids[0], plan(1))
    note_plan(spool, "1" * 32, ids[1], plan(1))
    note_refusal(spool, "1" * 32, ids[2], "leak", 0x00081030)
    tally = Receipts(spool).write("1" * 32, TREATMENT)
    assert (tally.objects, tally.quarantined) == (1, {("leak", 0x00081030): 1})
    assert receipts(spool)["1" * 32]["exact"] is True


def test_a_line_that_a_full_disk_cut_off_spoils_no_other(tmp_path: Path) -> None:
    spool, ids = spool_with_a_pass(tmp_path)
    note_plan(spool, "1" * 32, ids[0], plan(0))
    with spool.tally("1" * 32).open("r+b") as file:
        file.truncate(os.path.getsize(spool.tally("1" * 32)) - 20)
    note_plan(spool, "1" * 32, ids[1], plan(1))
    assert Receipts(spool).write("1" * 32, TREATMENT).objects == 1
    assert receipts(spool)["1" * 32]["exact"] is False


def test_only_the_newest_receipts_are_kept(tmp_path: Path) -> None:
    spool, ids = spool_with_a_pass(tmp_path)
    for number in range(300):
        old = spool.receipt(f"{number:032x}")
        old.write_text("{}")
        os.utime(old, (number, number))
    Receipts(spool, most=50).write("1" * 32, TREATMENT)
    kept = {path.stem for path in spool.receipts.iterdir()}
    assert kept == {"1" * 32, *(f"{number:032x}" for number in range(251, 300))}
    assert ids


def test_sealing_takes_the_counts_away_with_the_key(tmp_path: Path) -> None:
    spool, ids = spool_with_a_pass(tmp_path)
    note_plan(spool, "1" * 32, ids[0], plan(0))
    passfile.destroy_key(spool, "1" * 32)
    assert {path.name for path in spool.folder_of("1" * 32).iterdir()} == {"in", "out"}


ROUTE = """
[[receiver.peer]]
ae_title = "*"
network = "127.0.0.1"
[[route]]
calling_ae_title = "RESEARCH_PACS"
profile = "research"
"""


def from_caller(path: Path, title: bytes) -> Path:
    """The object as the receiver spools it when this caller sends it."""
    data = path.read_bytes()
    ds = pydicom.dcmread(path)
    syntax = ds.file_meta.TransferSyntaxUID
    meta = file_meta(ds.SOPClassUID.encode(), ds.SOPInstanceUID.encode(), syntax.encode(), title)
    made = path.with_name(f"{path.stem}-{title.decode()}")
    made.write_bytes(meta + data[read_meta(data, len(data)).start :])
    return made


def test_one_study_from_two_callers_is_two_passes_also_over_a_restart(
    rig: CoordinatorRig, tmp_path: Path
) -> None:
    files = study(tmp_path / "files")
    rig.quiet = 3600.0
    rig.configure(ROUTE)
    rig.start()
    titles = (b"RESEARCH_PACS", b"PACS")
    first = [rig.put([from_caller(path, title) for path in files[:2]]) for title in titles]
    wait_until(lambda: all(rig.states().get(one) is State.READY for ids in first for one in ids), "planned")
    rig.kill()
    rig.quiet = 0.4
    rig.configure(ROUTE)
    rig.start()
    second = [rig.put([from_caller(path, title) for path in files[2:]]) for title in titles]
    sealed(rig, [one for ids in first + second for one in ids])
    found = {one["profile"]["name"]: one for one in receipts(rig.spool).values()}
    assert {name: one["objects"] for name, one in found.items()} == {"research": 5, "default": 5}
    where = rig.pass_of()
    for ids, word in zip((first[0] + second[0], first[1] + second[1]), ("MODIFIED", "REMOVED"), strict=True):
        assert len({where[one] for one in ids}) == 1
        for one in ids:
            assert head_of(rig.spool, where[one], one).LongitudinalTemporalInformationModified == word


def test_a_repeat_by_another_caller_of_the_same_route_is_the_same_object(
    rig: CoordinatorRig, tmp_path: Path
) -> None:
    files = study(tmp_path / "files")
    rig.quiet = 3600.0
    rig.configure()
    rig.start()
    first = rig.put([from_caller(path, b"A") for path in files[:2]])
    wait_until(lambda: all(rig.states().get(one) is State.READY for one in first), "planned")
    association = association_of(first[0])
    associations.hold(rig.spool, association)
    again = rig.put([from_caller(path, b"LONGER_TITLE") for path in files])
    wait_until(lambda: all(rig.states().get(one) is State.READY for one in again), "planned")
    where = rig.pass_of()
    assert len({where[one] for one in first + again}) == 1
