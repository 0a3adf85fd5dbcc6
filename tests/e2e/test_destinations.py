"""One gateway, several destinations at once: what each caller sends goes where its route says, and stays on its way there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from engine.demo import stage
from engine.demo.show import left_in
from engine.demo.stage import CALLING, Stage
from tests.support import travel
from tests.support.cli import penstock
from tests.support.destinations import Storescp, data_sets_in, table

EXPORTER, READER = "EXPORTER", "READER"
ROUTES = f"""
[[route]]
calling_ae_title = "{EXPORTER}"
destination = "export"

[[route]]
calling_ae_title = "{READER}"
destination = "workstation"

"""


@pytest.fixture
def workstation(tmp_path: Path) -> Iterator[Storescp]:
    """Not started yet."""
    peer = Storescp(tmp_path / "storescp")
    yield peer
    peer.stop()


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    return folder


def destinations(export: Path, workstation: Storescp) -> str:
    where = {"host": "localhost", "port": workstation.port, "called_ae_title": "WS", "timeout": 10}
    return (
        table("folder", "export", path=str(export), profile="research")
        + "\n"
        + table("dicom", "workstation", **where)
    )


@pytest.fixture
def laid(tmp_path: Path, export: Path, workstation: Storescp) -> Stage:
    peers = [{"ae_title": name, "network": "127.0.0.0/8"} for name in (CALLING, EXPORTER, READER)]
    made = stage.build(tmp_path / "stage", peers=peers)
    with (made.folder / "gateway.toml").open("a", encoding="utf-8") as file:
        file.write(ROUTES + destinations(export, workstation))
    return made


def told(scene: Stage, *words: str) -> Any:
    """What a command of the gateway tells as JSON."""
    done = penstock(*words, "--config", str(scene.folder / "gateway.toml"), "--json")
    assert done.code == 0, done.err
    return done.document


def in_folder(export: Path) -> list[Dataset]:
    return list(data_sets_in(export).values())


def test_each_callers_study_goes_to_its_destination_by_its_profile(
    laid: Stage, tmp_path: Path, export: Path, workstation: Storescp
) -> None:
    sent = travel.study(tmp_path, seed=1)
    hashed_id = laid.secret.hashed_id(travel.patient_id(sent[0]))
    workstation.start()
    with stage.running(laid) as scene:
        for caller in (CALLING, EXPORTER, READER):
            travel.by_dcmtk(scene, sent, "-aet", caller)
        [uid] = travel.arrived(scene, travel.patient_id(sent[0]), len(sent))
        travel.assert_pseudonymized(scene, sent, uid)
        travel.emptied(scene)
        status = told(scene, "status")
        listed = told(scene, "where", hashed_id)
    assert {name: one["receipts"] for name, one in status["destinations"].items()} == {
        "platform": {"signed": len(sent)},
        "export": {"file": len(sent)},
        "workstation": {"c-store": len(sent)},
    }
    assert {(one["destination"], one["receipt"]) for one in listed["objects"]} == {
        ("platform", "signed"),
        ("export", "file"),
        ("workstation", "c-store"),
    }
    by_research, by_default = in_folder(export), in_folder(workstation.received)
    assert len(by_research) == len(by_default) == len(sent)
    assert {ds.LongitudinalTemporalInformationModified for ds in by_research} == {"MODIFIED"}
    assert {ds.LongitudinalTemporalInformationModified for ds in by_default} == {"REMOVED"}
    assert {ds.PatientID for ds in by_research + by_default} == {hashed_id}
    studies = {uid, *(str(ds.StudyInstanceUID) for ds in by_research + by_default)}
    assert len(studies) == 3  # three passes, three sets of UIDs
    assert len(list((laid.spool / "receipts").glob("*.json"))) == 3


def test_a_pass_keeps_its_destination_through_a_crash_and_another_configuration(
    laid: Stage, tmp_path: Path, export: Path, workstation: Storescp
) -> None:
    sent = travel.study(tmp_path, seed=2)
    config = laid.folder / "gateway.toml"
    with stage.running(laid) as scene:
        travel.by_dcmtk(scene, sent, "-aet", READER)  # nobody is at home there yet
        travel.planned(laid, len(sent))
        scene.gateway.kill()
        assert scene.platform.running

        whole = config.read_text()
        without = whole[: whole.index("[[route]]")] + table("folder", "export", path=str(export))
        config.write_text(without, encoding="utf-8")
        scene.start_gateway()
        unknown = f"{len(sent)} objects wait for this destination, which the configuration does not have"

        def is_said() -> bool:
            done = penstock("status", "--config", str(config))
            return f"workstation: {unknown}" in done.out

        travel.wait("the word of status", is_said)
        assert scene.gateway.stop() == 0 and left_in(laid.spool)

        # The destination is back; the callers' route now leads elsewhere.
        config.write_text(
            whole.replace('destination = "workstation"', 'destination = "export"'), encoding="utf-8"
        )
        workstation.start()
        scene.start_gateway()
        travel.emptied(scene)
        listed = told(scene, "where", laid.secret.hashed_id(travel.patient_id(sent[0])))
    assert len(in_folder(workstation.received)) == len(sent)
    assert len({str(ds.StudyInstanceUID) for ds in in_folder(workstation.received)}) == 1
    assert in_folder(export) == []
    assert {one["destination"] for one in listed["objects"]} == {"workstation"}


def test_a_destination_that_is_down_holds_up_no_other_and_gets_everything_later(
    laid: Stage, tmp_path: Path, export: Path, workstation: Storescp
) -> None:
    stuck, free = travel.study(tmp_path, seed=3), travel.study(tmp_path, seed=4)
    with stage.running(laid) as scene:
        travel.by_dcmtk(scene, stuck, "-aet", READER)
        travel.by_dcmtk(scene, free, "-aet", EXPORTER)
        travel.wait("the export", lambda: len(in_folder(export)) == len(free))
        travel.planned(laid, len(stuck))  # those of the other are deleted, in the order original, plan
        assert len(list(laid.spool.glob("open/*/in/*.dcm"))) == len(stuck)
        workstation.start()
        travel.emptied(scene)
    assert len(in_folder(workstation.received)) == len(stuck)
    assert pydicom.dcmread(stuck[0]).PatientID not in {
        str(ds.PatientID) for ds in in_folder(workstation.received)
    }
