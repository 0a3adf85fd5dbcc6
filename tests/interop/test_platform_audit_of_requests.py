"""What machines ask of the platform and what it refuses them, as the audit trail tells it."""

from __future__ import annotations

from typing import Any

import pytest

from engine.config import load_platform
from engine.platform.administration import administration
from tests.support.platform_process import (
    STUDY,
    PlatformProcess,
    content_type,
    multipart,
    pseudonymized,
    tls_socket,
    written,
)
from tests.support.uploading import until

pytest_plugins = ("tests.support.stow_fixtures",)

TENANT = "Hospital X"


def rows(process: PlatformProcess, event: str) -> list[tuple[str, str, str]]:
    """(outcome, subject, detail) of an event, the oldest first."""
    with administration(load_platform(process.folder / "platform.toml")) as opened:
        found = opened.audit.latest(TENANT, event=event)
    return [(row.outcome, row.subject, row.detail) for row in reversed(found)]


def identified() -> bytes:
    """An object that nobody has pseudonymized."""
    import io

    import pydicom

    ds = pydicom.dcmread(io.BytesIO(pseudonymized(1)))
    del ds.PatientIdentityRemoved
    ds.PatientID = "DOE12345"
    return written(ds)


BODY = multipart([pseudonymized(5)])


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (multipart([b"no DICOM"]), content_type(), 409, "not-dicom"),
        (multipart([identified()]), content_type(), 409, "not-pseudonymized"),
        (multipart([pseudonymized(1)[:300]]), content_type(), 409, "truncated"),
        (BODY[:-40], content_type(), 400, "multipart"),
        (multipart([pseudonymized(5)], head="Content-Length: 7\r\n"), content_type(), 400, "multipart"),
        (b"{}", "application/json", 415, "content-type"),
        (b"", content_type(), 400, "multipart"),
    ],
    ids=["not-dicom", "identified", "cut", "half", "lies-about-its-length", "json", "nothing"],
)
def test_a_refused_body_has_a_row(
    fragile: PlatformProcess, body: bytes, kind: str, status: int, code: str
) -> None:
    assert fragile.post(body, kind=kind)[0] == status
    [(outcome, _, detail)] = rows(fragile, "study-stored")
    assert (outcome, f'"{code}"' in detail) == ("refused", True), detail
    assert "DOE12345" not in str(rows(fragile, "study-stored"))
    assert fragile.stored_files() == []


def test_other_bytes_under_a_uid_have_a_row_with_that_uid(fragile: PlatformProcess) -> None:
    assert fragile.store([pseudonymized(1)])[0] == 200
    assert fragile.store([pseudonymized(1, size=3000)])[0] == 409
    [(outcome, subject, detail)] = rows(fragile, "study-stored")
    assert (outcome, subject, '"other-digest"' in detail) == ("refused", f"2.25.{10**20 + 1}", True)


def test_a_client_that_goes_away_has_a_row(fragile: PlatformProcess) -> None:
    with tls_socket(fragile, fragile.pki.context()) as raw:
        head = f"POST /studies HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type()}\r\nContent-Length: 9999\r\n\r\n"
        raw.sendall(head.encode() + BODY[:1000])
    until(lambda: rows(fragile, "study-stored"), "a row")
    assert rows(fragile, "study-stored") == [("failed", "", '{"code":"client-gone"}')]


def test_downloads_and_searches_have_rows_and_no_patient_id(fragile: PlatformProcess) -> None:
    fragile.store([pseudonymized(1)])
    instance = f"2.25.{10**20 + 1}"
    place = f"/dicom-web/studies/{STUDY}"
    for path in (place, f"{place}/metadata", f"{place}/series/{STUDY}.1/instances/{instance}"):
        assert fragile.get(path)[0] == 200
    assert fragile.get(f"/penstock/v1/studies/{STUDY}/instances/{instance}")[0] == 200
    for patient in ("a" * 32, "12345678"):
        fragile.get(f"/dicom-web/studies?PatientID={patient}")
        fragile.get(f"/penstock/v1/studies?hashed_id={patient}")
    assert [(outcome, subject) for outcome, subject, _ in rows(fragile, "study-download")] == [
        ("success", STUDY)
    ] * 2
    downloads: Any = rows(fragile, "object-download")
    assert [(outcome, subject, instance in detail) for outcome, subject, detail in downloads] == [
        ("success", STUDY, True)
    ] * 2
    searches = rows(fragile, "study-search")
    assert [subject for _, subject, _ in searches] == ["a" * 32, "a" * 32, "", ""]
    assert "12345678" not in str(searches)


def test_a_download_that_fails_has_a_row(fragile: PlatformProcess) -> None:
    fragile.store([pseudonymized(1)])
    [path] = fragile.stored_files()
    path.write_bytes(path.read_bytes()[:-1])
    assert fragile.get(f"/dicom-web/studies/{STUDY}")[0] == 500
    assert fragile.get(f"/penstock/v1/studies/{STUDY}/instances/2.25.{10**20 + 1}")[0] == 500
    for event in ("study-download", "object-download"):
        [(outcome, subject, detail)] = rows(fragile, event)
        assert (outcome, subject, "object-altered" in detail) == ("failed", STUDY, True)
