"""A whole study from Orthanc through the running gateway to the platform."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.demo import stage
from engine.demo.stage import CALLED, HOST, Stage
from tests.support import travel
from tests.support.orthanc_sender import TITLE, OrthancSender


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    """A gateway that knows Orthanc."""
    peers = [{"ae_title": TITLE, "network": f"{HOST}/32"}]
    with stage.running(stage.build(tmp_path / "stage", peers=peers)) as running:
        yield running


def test_a_study_sent_by_orthanc_arrives_pseudonymized(scene: Stage, tmp_path: Path) -> None:
    sent = travel.study(tmp_path, seed=31)
    with OrthancSender(tmp_path / "orthanc", scene.gateway_port, CALLED) as orthanc:
        told = orthanc.send(*orthanc.keep(sent))
    assert (told["InstancesCount"], told["FailedInstancesCount"]) == (len(sent), 0)
    (uid,) = travel.arrived(scene, travel.patient_id(sent[0]), len(sent))
    travel.assert_pseudonymized(scene, sent, uid)
