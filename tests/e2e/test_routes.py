"""Two callers, two profiles, one gateway: what each sends arrives as its route says."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from engine.demo import stage
from engine.demo.stage import CALLING, Stage
from engine.profile import compiled
from tests.support import travel

RESEARCH = "RESEARCH_PACS"
ROUTE = f'\n[[route]]\ncalling_ae_title = "{RESEARCH}"\nprofile = "research"\n'


@pytest.fixture
def laid(tmp_path: Path) -> Stage:
    network = "127.0.0.0/8"
    made = stage.build(
        tmp_path / "stage",
        peers=[{"ae_title": CALLING, "network": network}, {"ae_title": RESEARCH, "network": network}],
    )
    with (made.folder / "gateway.toml").open("a", encoding="utf-8") as file:
        file.write(ROUTE)
    return made


def by_profile(scene: Stage, uids: list[str]) -> dict[str, list[Dataset]]:
    """The studies' objects by what the objects say of their profile."""
    found = {}
    for uid in uids:
        objects = [pydicom.dcmread(BytesIO(data)) for data in travel.read_back(scene, uid)]
        [modified] = {ds.LongitudinalTemporalInformationModified for ds in objects}
        found[modified] = objects
    return found


def test_one_study_from_two_callers_is_treated_by_two_profiles(laid: Stage, tmp_path: Path) -> None:
    sent = travel.study(tmp_path, seed=1)
    with stage.running(laid) as scene:
        travel.by_dcmtk(scene, sent)
        travel.by_dcmtk(scene, sent, "-aet", RESEARCH)
        uids = travel.arrived(scene, travel.patient_id(sent[0]), 2 * len(sent), studies=2)
        found = by_profile(scene, uids)
        travel.assert_pseudonymized(scene, sent, found["REMOVED"][0].StudyInstanceUID)
        travel.wait("two receipts", lambda: len(list((scene.spool / "receipts").glob("*.json"))) == 2)
    assert {word: len(objects) for word, objects in found.items()} == {
        "REMOVED": len(sent),
        "MODIFIED": len(sent),
    }
    assert not any(ds.get("PatientSex") for ds in found["REMOVED"])
    assert {ds.PatientSex for ds in found["MODIFIED"]} == {pydicom.dcmread(sent[0]).PatientSex}
    assert not any(
        "SourceApplicationEntityTitle" in ds.file_meta for objects in found.values() for ds in objects
    )
    receipts = [json.loads(path.read_bytes()) for path in (laid.spool / "receipts").glob("*.json")]
    assert {
        one["profile"]["name"]: (one["profile"]["digest"], one["study"], one["objects"]) for one in receipts
    } == {
        name: (compiled(name).digest, found[word][0].StudyInstanceUID, len(sent))
        for name, word in (("default", "REMOVED"), ("research", "MODIFIED"))
    }


def test_a_gateway_with_a_wrong_route_does_not_start(laid: Stage) -> None:
    config = laid.folder / "gateway.toml"
    config.write_text(config.read_text().replace('"research"', '"reserch"'), encoding="utf-8")
    laid.gateway.start()
    assert laid.gateway.wait() == 2
    assert "reserch" in "".join(laid.gateway.tail())
    assert not list((laid.spool / "received").iterdir())
