"""DICOMweb out of the platform, read by a client library of others (dicomweb-client)."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset

from tests.support.platform_process import Pki, PlatformProcess, pseudonymized, tls_socket, written

pytest_plugins = ("tests.support.stow_fixtures",)

HASHED = {patient: patient * 32 for patient in "abc"}


def made(study: str, series: int, number: int, patient: str = "a", **more: Any) -> bytes:
    """One object; `more` are attributes by keyword."""
    ds = Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID = f"{study}.{series}.{number}"
    ds.Modality = "CT"
    ds.PatientName = ds.PatientID = HASHED[patient]
    ds.PatientIdentityRemoved = "YES"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, f"{study}.{series}"
    ds.SeriesNumber, ds.InstanceNumber = series, number
    ds.Rows = ds.Columns = 4
    ds.BitsAllocated = ds.BitsStored = 16
    ds.PixelData = bytes(range(32))
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    return written(ds)


STORED = {
    "1.2.1": [
        made("1.2.1", 1, 1, StudyDate="20260101", StudyDescription="Head_CT 100%", AccessionNumber="ACC1"),
        made("1.2.1", 1, 2, StudyDate="20260101", StudyDescription="Head_CT 100%", AccessionNumber="ACC1"),
        made(
            "1.2.1", 2, 3, Modality="SR", SeriesDescription="Bericht äöü", SpecificCharacterSet="ISO_IR 192"
        ),
    ],
    "1.2.2": [made("1.2.2", 1, 1, "b", StudyDate="20260215", Modality="MR", StudyDescription="headXCT")],
    "1.2.3": [made("1.2.3", 1, 1, "b", Modality="MR", PixelData=bytes(2_000_000))],
}
ELSEWHERE = made("1.2.9", 1, 1, "c")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[PlatformProcess]:
    process = PlatformProcess(tmp_path_factory.mktemp("dicomweb"), pki).start()
    for parts in STORED.values():
        assert process.store(parts)[0] == 200
    other = pki.context(pki.keep("elsewhere", pki.authority.issue_client("Hospital Y")))
    assert process.post_as(other, [ELSEWHERE]) == 200
    yield process
    assert process.stop() == 0
    assert not process.events("request-broken")


def client_of(process: PlatformProcess, credential: tuple[Path, Path] | None = None) -> DICOMwebClient:
    session = requests.Session()
    session.trust_env = False  # else a bundle named in the environment would replace ours
    session.verify = str(process.pki.ca)
    certificate, key = credential or process.pki.client
    session.cert = str(certificate), str(key)
    return DICOMwebClient(f"{process.url}/dicom-web", session=session)


@pytest.fixture
def client(filled: PlatformProcess) -> Iterator[DICOMwebClient]:
    made = client_of(filled)
    yield made
    made._session.close()


def uids(found: list[dict[str, Any]], tag: str = "0020000D") -> list[str]:
    return sorted(one[tag]["Value"][0] for one in found)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["1.2.1", "1.2.2", "1.2.3"]),
        ({"PatientID": HASHED["b"]}, ["1.2.2", "1.2.3"]),
        ({"00100020": HASHED["a"]}, ["1.2.1"]),
        ({"StudyDate": "20260101"}, ["1.2.1"]),
        ({"StudyDate": "20260101-20260214"}, ["1.2.1"]),
        ({"StudyDate": "20260102-"}, ["1.2.2"]),
        ({"StudyDate": "-20260214"}, ["1.2.1"]),
        ({"ModalitiesInStudy": "SR"}, ["1.2.1"]),
        ({"ModalitiesInStudy": "R"}, []),
        ({"ModalitiesInStudy": "%"}, []),
        ({"StudyInstanceUID": "1.2.1,1.2.3"}, ["1.2.1", "1.2.3"]),
        ({"AccessionNumber": "ACC?"}, ["1.2.1"]),
        ({"StudyDescription": "*head*"}, ["1.2.1", "1.2.2"]),
        ({"StudyDescription": "*Head_CT*"}, ["1.2.1"]),
        ({"StudyDescription": "*100%"}, ["1.2.1"]),
        ({"StudyDescription": "' OR '1'='1"}, []),
        ({"StudyDescription": "*';DROP TABLE objects;--*"}, []),
        ({"PatientID": "\\"}, []),
    ],
)
def test_studies_are_found_by_what_is_asked(
    client: DICOMwebClient, filters: dict[str, str], found: list[str]
) -> None:
    assert uids(client.search_for_studies(search_filters=filters)) == found


def test_a_study_is_described_by_the_usual_attributes(client: DICOMwebClient) -> None:
    [study] = client.search_for_studies(search_filters={"StudyInstanceUID": "1.2.1"})
    ds = Dataset.from_json(study)
    assert (ds.PatientID, str(ds.PatientName), ds.AccessionNumber) == (HASHED["a"], HASHED["a"], "ACC1")
    assert (ds.StudyDate, list(ds.ModalitiesInStudy)) == ("20260101", ["CT", "SR"])
    assert (ds.NumberOfStudyRelatedSeries, ds.NumberOfStudyRelatedInstances) == (2, 3)
    assert ds.RetrieveURL.endswith("/dicom-web/studies/1.2.1")


def test_series_and_instances_are_found_in_a_study_and_everywhere(client: DICOMwebClient) -> None:
    series = client.search_for_series("1.2.1", search_filters={"Modality": "SR"})
    assert [Dataset.from_json(one).SeriesDescription for one in series] == ["Bericht äöü"]
    assert uids(client.search_for_series(search_filters={"Modality": "MR"})) == ["1.2.2", "1.2.3"]
    assert len(client.search_for_instances("1.2.1")) == 3
    assert len(client.search_for_instances("1.2.1", "1.2.1.1")) == 2
    [one] = client.search_for_instances("1.2.1", search_filters={"InstanceNumber": "2"})
    ds = Dataset.from_json(one)
    assert (ds.SOPInstanceUID, ds.Rows, ds.SeriesNumber) == ("1.2.1.1.2", 4, 1)
    assert len(client.search_for_instances()) == 5


def test_a_page_says_that_there_is_more_only_where_the_platform_cut_it(filled: PlatformProcess) -> None:
    seen = []
    for offset in range(3):
        status, body = filled.get(f"/dicom-web/studies?limit=1&offset={offset}")
        assert status == 200
        seen += uids(json.loads(body))
    assert sorted(seen) == ["1.2.1", "1.2.2", "1.2.3"]
    assert filled.get("/dicom-web/studies?limit=1&offset=3") == (204, b"")


@pytest.mark.parametrize(
    "query",
    [
        "limit=x",
        "limit=-1",
        "offset=1e9",
        "StudyInstanceUID=1.2'",
        "StudyDate=2026",
        "StudyDate=20261399",
        "SeriesNumber%27=1",
        "a;b=1",
        f"PatientID={'x' * 5000}",
        "PatientID=%00",
    ],
)
def test_what_is_no_query_is_refused(filled: PlatformProcess, query: str) -> None:
    status, body = filled.get(f"/dicom-web/instances?{query}")
    assert (status, json.loads(body)["error"]["code"]) == (400, "query")


@pytest.mark.parametrize(
    "query", ["fuzzymatching=true", "PatientBirthDate=19700101", "Unknown=1", "SOPClassUID=1.2"]
)
def test_what_is_not_matched_is_said(client: DICOMwebClient, query: str) -> None:
    answer = client._session.get(f"{client.base_url}/studies?{query}")
    assert (answer.status_code, len(answer.json())) == (200, 3)
    assert f"not matched: {query.partition('=')[0]}" in answer.headers["warning"]


def test_objects_come_back_as_they_were(client: DICOMwebClient) -> None:
    for study, parts in STORED.items():
        got = client.retrieve_study(study)
        assert sorted(one.SOPInstanceUID for one in got) == sorted(
            pydicom.dcmread(io.BytesIO(part)).SOPInstanceUID for part in parts
        )
    assert len(client.retrieve_series("1.2.1", "1.2.1.1")) == 2
    one = client.retrieve_instance("1.2.3", "1.2.3.1", "1.2.3.1.1")
    assert one.PixelData == bytes(2_000_000)


def test_one_object_is_given_alone_where_that_is_asked(
    filled: PlatformProcess, client: DICOMwebClient
) -> None:
    place = "/dicom-web/studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.1"
    for url, headers in (
        (f"{filled.url}{place}", {"accept": "application/dicom"}),
        (f"{filled.url}{place}?accept=application/dicom", {}),
    ):
        answer = client._session.get(url, headers=headers)
        assert answer.content == STORED["1.2.3"][0]
        assert answer.headers["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
        assert answer.headers["content-disposition"] == 'attachment; filename="1.2.3.1.1.dcm"'


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/studies/1.2.3", "application/dicom", 406),
        ("/studies/1.2.3", "image/png", 406),
        ("/studies/1.2.3", 'multipart/related; type="application/octet-stream"', 406),
        (
            "/studies/1.2.3",
            'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50',
            406,
        ),
        (
            "/studies/1.2.3",
            'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1',
            200,
        ),
        ("/studies/1.2.3", "image/png, */*;q=0.1", 200),
        ("/studies/1.2.3", "*/*;q=0", 406),
        ("/studies/1.2.3", "x" * 3000, 406),
        ("/studies/1.2.3/metadata", "application/dicom+xml", 406),
        ("/studies/1.2.77", "*/*", 404),
        ("/studies/1.2.1/series/1.2.2.1", "*/*", 404),
        ("/studies/1.2.1/series/1.2.1.1/instances/1.2.3.1.1", "*/*", 404),
        ("/studies/..%2F..%2Fmaster-key", "*/*", 404),
        ("/studies/1.2.3%0D%0ASet-Cookie:%20x", "*/*", 404),
        ("/studies/1.2.3'--", "*/*", 404),
    ],
)
def test_only_what_can_be_given_is_given(
    filled: PlatformProcess, client: DICOMwebClient, path: str, accept: str, status: int
) -> None:
    url = f"{filled.url}/dicom-web{path}"
    answer = client._session.get(url, headers={"accept": accept})
    assert answer.status_code == status
    assert "set-cookie" not in answer.headers


def test_metadata_are_heads_without_bulk_data(client: DICOMwebClient) -> None:
    [told] = client.retrieve_series_metadata("1.2.1", "1.2.1.2")
    ds = Dataset.from_json(told)
    assert (ds.SeriesDescription, ds.SOPInstanceUID, ds.Rows) == ("Bericht äöü", "1.2.1.2.3", 4)
    assert "PixelData" not in ds
    assert len(client.retrieve_study_metadata("1.2.1")) == 3
    assert client.retrieve_instance_metadata("1.2.3", "1.2.3.1", "1.2.3.1.1")["0020000D"]["Value"] == [
        "1.2.3"
    ]


def test_another_institution_finds_and_gets_nothing_of_it(filled: PlatformProcess) -> None:
    other = client_of(filled, filled.pki.keep("elsewhere", filled.pki.authority.issue_client("Hospital Y")))
    assert uids(other.search_for_studies()) == ["1.2.9"]
    assert uids(other.search_for_instances(search_filters={"StudyInstanceUID": "1.2.1,1.2.9"})) == ["1.2.9"]
    for path in (
        "studies/1.2.1",
        "studies/1.2.1/metadata",
        "studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.1",
    ):
        answer = other._session.get(f"{other.base_url}/{path}")
        assert answer.status_code == 404
    other._session.close()


def test_a_host_that_is_none_gets_no_place_in_the_answer(filled: PlatformProcess) -> None:
    with tls_socket(filled, filled.pki.context()) as raw:
        raw.sendall(b'GET /dicom-web/studies HTTP/1.1\r\nHost: x"><script>\r\nConnection: close\r\n\r\n')
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert b"200 OK" in answer and b"script" not in answer
    assert b'"Value":["/dicom-web/studies/1.2.1"]' in answer


def test_an_altered_object_breaks_the_answer_off(fragile: PlatformProcess) -> None:
    assert fragile.store([pseudonymized(1, "2.25.1", 700_000), pseudonymized(2, "2.25.1", 700_000)])[0] == 200
    for path in fragile.stored_files():
        held = bytearray(path.read_bytes())
        held[-20] ^= 1
        path.write_bytes(held)
    client = client_of(fragile)
    with pytest.raises(requests.exceptions.RequestException):
        client._session.get(f"{client.base_url}/studies/2.25.1")
    client._session.close()
    assert fragile.events("object-unreadable")
