"""Any STOW-RS server as destination: Orthanc with its DICOMweb plugin, over TLS and on loopback without."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.destinations import (
    PASSWORD,
    USER,
    Orthanc,
    TlsFront,
    Uploader,
    delivered,
    goes_to,
    receipts,
    table,
    told,
)
from tests.support.platform_process import Pki
from tests.support.uploading import ReadySpool, expected, until

pytest_plugins = ("tests.support.stow_fixtures",)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """One for all: each test has a study of its own."""
    server = Orthanc(tmp_path_factory.mktemp("orthanc"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def front(orthanc: Orthanc, pki: Pki) -> Iterator[TlsFront]:
    between = TlsFront(pki, orthanc.port)
    yield between
    between.close()


def password(folder: Path, word: str = PASSWORD, mode: int = 0o600) -> Path:
    path = folder / "password"
    path.write_text(word + "\n", encoding="utf-8")
    path.chmod(mode)
    return path


def sends_to(folder: Path, ready: ReadySpool, url: str, **keys: object) -> Uploader:
    goes_to(ready, "archive")
    signs_in = {"username": USER, "password_file": str(password(folder))}
    return Uploader(folder / "gateway", ready, table("stow", "archive", **{"url": url, **signs_in, **keys}))


def secured(front: TlsFront) -> str:
    return f"https://localhost:{front.port}/dicom-web"


def test_orthanc_gets_everything_over_tls_and_its_word_is_noted_as_accepted(
    tmp_path: Path, ready: ReadySpool, pki: Pki, orthanc: Orthanc, front: TlsFront
) -> None:
    for number in range(20):
        ready.add(number, size=90_000)
    uploader = sends_to(tmp_path, ready, secured(front), ca=str(pki.ca), objects_per_request=7).start()
    delivered(ready)
    assert expected(ready) <= orthanc.digests()
    assert uploader.stop() == 0
    assert receipts(ready) == {"archive": {"accepted": 20}}


def test_one_object_that_orthanc_cannot_read_is_quarantined_and_the_others_arrive(
    tmp_path: Path, ready: ReadySpool, orthanc: Orthanc
) -> None:
    names = [ready.add(number) for number in range(6)]
    ready.spoil(names[2])
    uploader = sends_to(tmp_path, ready, orthanc.url, plain_http=True).start()
    until(lambda: len(ready.left()) == 2, "all but one")
    for number in range(10, 60):  # a strike counts when others got through since the last
        if ready.quarantined():
            break
        ready.hint(ready.add(number))
        until(lambda: len(ready.left()) <= 2)
    until(ready.quarantined)
    assert {name: why["code"] for name, why in ready.quarantined().items()} == {names[2]: "http-400"}
    until(lambda: not ready.left(), "the last one")
    assert expected(ready) <= orthanc.digests()
    assert uploader.stop() == 0


def assert_waits(uploader: Uploader, ready: ReadySpool, code: str) -> None:
    until(uploader.codes)
    assert uploader.codes()[0] == code
    assert told(ready)["destinations"]["archive"]["error"]["code"] == code
    assert len(ready.left()) == 2 and not ready.quarantined()


def test_a_wrong_password_waits_and_the_right_one_is_read_by_itself(
    tmp_path: Path, ready: ReadySpool, pki: Pki, front: TlsFront
) -> None:
    ready.add(1)
    uploader = sends_to(tmp_path, ready, secured(front), ca=str(pki.ca))
    password(tmp_path, "another word")
    uploader.start()
    assert_waits(uploader, ready, "destination-forbids")
    password(tmp_path)
    delivered(ready)
    assert uploader.stop() == 0
    text = "".join(str(line) for line in uploader.lines)
    assert PASSWORD not in text and "another word" not in text


def test_a_server_of_another_ca_gets_not_a_byte(
    tmp_path: Path, ready: ReadySpool, orthanc: Orthanc, front: TlsFront
) -> None:
    ready.add(1)
    before = len(orthanc.get("/instances"))
    uploader = sends_to(tmp_path, ready, secured(front), ca=str(Pki(tmp_path / "other").ca)).start()
    assert_waits(uploader, ready, "destination-ca-unknown")
    assert len(orthanc.get("/instances")) == before
    assert uploader.stop() == 0


def test_an_address_without_the_service_is_named(
    tmp_path: Path, ready: ReadySpool, pki: Pki, front: TlsFront
) -> None:
    ready.add(1)
    url = secured(front).replace("/dicom-web", "/nothing")
    uploader = sends_to(tmp_path, ready, url, ca=str(pki.ca)).start()
    assert_waits(uploader, ready, "destination-url")
    assert uploader.stop() == 0


def test_a_password_that_others_can_read_stops_the_start(tmp_path: Path, ready: ReadySpool) -> None:
    uploader = sends_to(tmp_path, ready, "https://localhost:1")
    password(tmp_path, mode=0o644)
    assert uploader.start().wait() == 2
    assert "can be read by others" in str(uploader.lines)


def test_orthanc_killed_in_the_middle_loses_nothing(
    tmp_path: Path, ready: ReadySpool, pki: Pki, orthanc: Orthanc, front: TlsFront
) -> None:
    for number in range(10):
        ready.add(number, size=400_000)
    limits = {"objects_per_request": 3, "requests_in_flight": 2}
    uploader = sends_to(tmp_path, ready, secured(front), ca=str(pki.ca), **limits).start()
    delivered(ready)
    orthanc.stop(signal.SIGSTOP)  # now it answers nothing: what comes is on its way when it dies
    before = front.passed
    ready.hint(*(ready.add(number, size=400_000) for number in range(10, 30)))
    until(lambda: front.passed > before, "a request on its way")
    orthanc.stop()
    assert len(ready.left()) == 40
    until(uploader.codes)
    orthanc.start()
    delivered(ready)
    assert expected(ready) <= orthanc.digests()
    assert uploader.stop() == 0
