"""Receipts of de-identification: they add up, outlive a process, and meet their schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from engine.pseudonymize.plan import ObjectPlan
from engine.pseudonymize.receipt import Tally, Treatment, document
from engine.pseudonymize.uids import new_uid

PLAN = ObjectPlan(
    head=b"",
    spans=(),
    tail=b"",
    body_tag=None,
    body_header=b"",
    size=0,
    transfer_syntax="",
    sop_class_uid="1.2",
    sop_instance_uid="2.25.1",
    study_instance_uid="2.25.2",
    series_instance_uid="2.25.3",
    hashed_id="ab" * 16,
    counts={"remove": 3, "new-uid": 2},
    pixels="kept",
)
TREATMENT = Treatment("default", "d" * 64, "0123abcd")
ABOUT = {"batch": "0" * 16, "study": "2.25.2", "hashed_ids": ["ab" * 16]}


def tally() -> Tally:
    made = Tally()
    made.add(PLAN)
    made.add(replace(PLAN, pixels="masked", counts={"remove": 1, "shift-date": 4}))
    made.refuse("leak", 0x00081030)
    made.refuse("leak", 0x00081030)
    made.refuse("truncated", None)
    return made


def told(**more: Any) -> dict[str, Any]:
    return document(
        tally(), TREATMENT, **{"scope": "study", "about": ABOUT, "complete": True, "exact": True, **more}
    )


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    text = (Path(__file__).parents[2] / "engine/pseudonymize/receipt.schema.json").read_text(encoding="utf-8")
    jsonschema.Draft202012Validator.check_schema(json.loads(text))
    return jsonschema.Draft202012Validator(json.loads(text))


def test_a_receipt_adds_up_what_was_done() -> None:
    receipt = told()
    assert receipt["objects"] == 2
    assert receipt["actions"] == {"new-uid": 2, "remove": 4, "shift-date": 4}
    assert receipt["pixels"] == {"none": 0, "kept": 1, "masked": 1}


def test_a_leak_counts_as_scanned_and_as_quarantined() -> None:
    receipt = told()
    assert receipt["leak_scan"] == {"objects": 4, "hits": 2}
    assert receipt["quarantined"] == {
        "objects": 3,
        "reasons": [
            {"code": "leak", "tag": "(0008,1030)", "objects": 2},
            {"code": "truncated", "tag": None, "objects": 1},
        ],
    }


def test_a_tally_read_back_is_the_same_and_can_be_merged() -> None:
    first = tally()
    again = Tally.of_plain(json.loads(json.dumps(first.plain())))
    assert again == first
    again.merge(first)
    assert (again.objects, again.actions["remove"], again.quarantined["leak", 0x00081030]) == (4, 8, 4)
    assert again.hashed_ids == {"ab" * 16}


def test_study_and_batch_meet_the_schema(schema: jsonschema.Draft202012Validator) -> None:
    schema.validate(told())
    schema.validate(told(scope="batch", about={"batch": "0" * 16, "studies": 3}))
    schema.validate(told(about={"pass": "0" * 32, "study": "", "hashed_ids": []}))


@pytest.mark.parametrize(
    "more",
    [
        {"about": {**ABOUT, "patient": "MILLER^ANNA"}},
        {"about": {**ABOUT, "study": "MILLER^ANNA"}},
        {"about": {"study": "2.25.2", "hashed_ids": []}},
        {"scope": "batch", "about": {"batch": "0" * 16, "study": "2.25.2", "studies": 1}},
    ],
)
def test_what_could_name_somebody_does_not_meet_the_schema(
    schema: jsonschema.Draft202012Validator, more: dict[str, Any]
) -> None:
    assert not schema.is_valid(told(**more))


def test_a_new_uid_is_that_of_the_native_core() -> None:
    from engine._native.rewriter import Rewriter
    from engine.profile import compiled

    rewriter = Rewriter(compiled("keep-all").program, lambda *_: None)
    for number in range(20):
        key = bytes([number]) * 32
        rewriter.set_pass_key(key)
        old = f"1.2.840.{number}"
        assert new_uid(key, old) == rewriter.new_uid(old.encode()).decode()
    assert new_uid(bytes(32), "") == ""
