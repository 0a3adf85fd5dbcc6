"""DICOMweb for people: researchers who are signed in, and nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.platform_process import pseudonymized
from tests.support.web_platform import SECOND, Session, WebPlatform

STUDY = "2.25.77"
PLACE = f"/dicom-web/studies/{STUDY}"
INSTANCE = f"2.25.{10**20 + 1}"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebPlatform]:
    made = WebPlatform(tmp_path_factory.mktemp("people"))
    made.store(1, "12345", STUDY)
    yield made
    made.stop()


def test_a_researcher_finds_and_gets_a_study_and_the_trail_says_so(platform: WebPlatform) -> None:
    rosa = Session(platform, "rosa")
    hashed = SECOND.hashed_id("12345")
    status, _, body = rosa.get(f"/dicom-web/studies?PatientID={hashed}")
    assert (status, json.loads(body)[0]["0020000D"]["Value"]) == (200, [STUDY])
    place = f"{PLACE}/series/{STUDY}.1/instances/{INSTANCE}?accept=application/dicom"
    status, headers, body = rosa.get(place)
    assert (status, body) == (200, pseudonymized(1, STUDY, hashed_id=hashed))
    assert headers["cache-control"] == "no-store"
    [row] = platform.trail("object-download")
    assert (row.actor_kind, row.actor_name, row.subject, row.outcome) == ("person", "rosa", STUDY, "success")
    assert [row.subject for row in platform.trail("study-search")] == [hashed]


@pytest.mark.parametrize("name", ["ada", "anna", "otto", ""])
@pytest.mark.parametrize("path", ["/dicom-web/studies", PLACE, f"{PLACE}/metadata", "/dicom-web/instances"])
def test_others_get_nothing(platform: WebPlatform, name: str, path: str) -> None:
    status, _, body = Session(platform, name).get(path)
    assert status in {303, 401, 403}
    assert STUDY.encode() not in body.replace(path.encode(), b"")


def test_nobody_stores_at_the_listener_of_people(platform: WebPlatform) -> None:
    assert Session(platform, "rosa").post("/dicom-web/studies", {})[0] in {403, 404, 405}
