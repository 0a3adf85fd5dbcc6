"""OUT/receipts: what `penstock batch` did, for each study and in all, also when it took several runs."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pydicom
import pytest

from engine.batch import Request, run
from engine.dicom.sample import Shape, identities, write
from engine.profile import compiled
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.plan import ObjectPlan, PassKey
from engine.pseudonymize.rewrite import Pseudonymizer
from tests.support.batch import Gate, Place, ended, started, told_by, written

SMALL = Shape(slices=6, size=16)
LONG = Shape(slices=60, size=16)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    HashSecret(bytes(range(32))).write(tmp_path / "secret")
    (tmp_path / "in").mkdir()
    return Place(tmp_path / "in", tmp_path / "out", tmp_path / "secret")


def receipts(place: Place) -> dict[str, dict[str, Any]]:
    """By file name without .json; each has been held against the schema."""
    schema = Path(__file__).parents[2] / "engine/pseudonymize/receipt.schema.json"
    check = jsonschema.Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))
    found = {path.name: json.loads(path.read_bytes()) for path in (place.out / "receipts").iterdir()}
    for document in found.values():
        check.validate(document)
    return {name.removesuffix(".json"): document for name, document in found.items()}


def assert_all_outputs_are_in_receipts(place: Place) -> dict[str, Any]:
    """Objects by study as the outputs have them, and as the receipts say; the batch's receipt."""
    found = receipts(place)
    batch = found.pop("batch")
    outputs = Counter(str(pydicom.dcmread(path).StudyInstanceUID) for path in written(place.out))
    assert {uid: one["objects"] for uid, one in found.items()} == dict(outputs)
    assert (batch["objects"], batch["studies"]) == (outputs.total(), len(outputs))
    return batch


def test_each_study_and_the_batch_have_a_receipt(place: Place) -> None:
    for seed in (1, 2):
        write(place.source / str(seed), seed, SMALL)
    assert place.run("--workers", 2) == 0
    batch = assert_all_outputs_are_in_receipts(place)
    assert (batch["complete"], batch["exact"]) == (True, True)
    assert batch["profile"] == {"name": "default", "digest": compiled("default").digest}
    secret = HashSecret.load(place.secret)
    assert batch["key_id"] == secret.key_id
    assert batch["pixels"]["kept"] == batch["objects"] == batch["leak_scan"]["objects"]
    studies = [one for name, one in receipts(place).items() if name != "batch"]
    assert batch["actions"] == dict(sum((Counter(one["actions"]) for one in studies), Counter()))
    outputs = {str(ds.StudyInstanceUID): ds.PatientID for ds in map(pydicom.dcmread, written(place.out))}
    assert {one["study"]: one["hashed_ids"] for one in studies} == {k: [v] for k, v in outputs.items()}


def test_nothing_in_a_receipt_names_anybody(place: Place) -> None:
    sources = write(place.source / "MILLER^ANNA", 1, SMALL)
    (place.source / "MILLER^ANNA" / "x.dcm").write_bytes(b"MILLER^ANNA")
    assert place.run() == 1
    known = {word for path in sources for word in identities(pydicom.dcmread(path)) if len(word) > 5}
    told = "".join(path.name + path.read_text() for path in (place.out / "receipts").iterdir())
    assert [word for word in known | {"MILLER", "x.dcm"} if word in told] == []


def test_what_was_quarantined_stands_in_the_receipt_of_its_study(place: Place) -> None:
    first, second, *_ = write(place.source, 1, SMALL)
    ds = pydicom.dcmread(first)
    ds.BurnedInAnnotation = "YES"
    ds.save_as(first)
    second.write_bytes(second.read_bytes()[:-7])
    (place.source / "text").write_text("no object")
    assert place.run() == 1
    found = receipts(place)
    batch = found.pop("batch")
    [study] = found.values()
    reasons = [
        {"code": "burned-in", "tag": "(0028,0301)", "objects": 1},
        {"code": "truncated", "tag": "(7FE0,0010)", "objects": 1},
    ]
    assert study["quarantined"] == {"objects": 2, "reasons": reasons}
    assert batch["quarantined"]["objects"] == 3
    assert {"code": "not-dicom", "tag": None, "objects": 1} in batch["quarantined"]["reasons"]


def test_a_link_that_leads_nowhere_is_counted_for_the_batch(place: Place) -> None:
    write(place.source, 1, SMALL)
    (place.source / "link").symlink_to("nowhere")
    assert place.run() == 1
    reasons = receipts(place)["batch"]["quarantined"]["reasons"]
    assert reasons == [{"code": "broken-link", "tag": None, "objects": 1}]


def test_doubles_are_not_counted_as_objects(place: Place) -> None:
    [first, *_] = write(place.source, 1, SMALL)
    shutil.copy(first, place.source / "double.dcm")
    assert place.run() == 0
    assert assert_all_outputs_are_in_receipts(place)["objects"] == SMALL.objects


def test_an_interrupted_run_says_so_and_the_next_covers_both(place: Place, gate: Gate) -> None:
    for seed in (1, 2):
        write(place.source / str(seed), seed, LONG)
    process = started(*place.arguments("--workers", 2), gate=gate)
    gate.let(lambda: len(written(place.out)) >= 10)
    assert told_by(signal.SIGINT, process, gate) == 130
    first = assert_all_outputs_are_in_receipts(place)
    assert (first["complete"], first["exact"]) == (False, True)
    assert place.run() == 0
    last = assert_all_outputs_are_in_receipts(place)
    assert last["objects"] == 2 * LONG.objects > first["objects"]
    assert (last["complete"], last["exact"], last["batch"]) == (True, True, first["batch"])


def test_a_killed_run_is_counted_whole_and_called_inexact(place: Place, gate: Gate) -> None:
    for seed in (1, 2):
        write(place.source / str(seed), seed, LONG)
    process = started(*place.arguments("--workers", 2), gate=gate)
    gate.let(lambda: len(written(place.out)) >= 30)
    os.killpg(process.pid or 0, signal.SIGKILL)
    ended(process)
    assert place.run() == 0
    last = assert_all_outputs_are_in_receipts(place)
    assert (last["objects"], last["complete"], last["exact"]) == (2 * LONG.objects, True, False)


class OneUnreadable(Pseudonymizer):
    """The first object lies on a bad sector."""

    met = False

    def plan(self, fd: int, size: int, pass_key: PassKey) -> ObjectPlan:
        if not self.met:
            self.met = True
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().plan(fd, size, pass_key)


def test_a_file_that_was_mended_is_an_object_and_no_longer_quarantined(place: Place) -> None:
    write(place.source, 1, SMALL)
    request = Request(place.source, place.out, compiled("default"), HashSecret.load(place.secret), workers=1)
    assert run(request, make=OneUnreadable).exit_code == 1
    before = assert_all_outputs_are_in_receipts(place)
    assert (before["complete"], before["quarantined"]["objects"]) == (False, 1)
    assert place.run() == 0
    after = assert_all_outputs_are_in_receipts(place)
    assert (after["objects"], after["complete"], after["quarantined"]["objects"]) == (SMALL.objects, True, 0)


def test_a_second_batch_keeps_the_receipt_of_the_first(place: Place) -> None:
    write(place.source, 1, SMALL)
    assert place.run() == 0
    first = receipts(place)["batch"]
    assert place.run() == 0
    found = receipts(place)
    assert found[f"batch-{first['batch']}"] == first
    assert found["batch"]["batch"] != first["batch"]
    assert len(found) == 4
