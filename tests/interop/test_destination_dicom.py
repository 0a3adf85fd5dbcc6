"""C-STORE as destination: DCMTK's storescp, plain and over TLS; peers that refuse, die and answer otherwise."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt

from engine.config.receiver import ReceiverTlsConfig
from tests.support import receiver
from tests.support.destinations import (
    Storescp,
    Uploader,
    data_sets_in,
    delivered,
    goes_to,
    receipts,
    table,
    told,
)
from tests.support.platform_process import Pki
from tests.support.uploading import ReadySpool, until

pytest_plugins = ("tests.support.stow_fixtures",)


def sends_to(folder: Path, ready: ReadySpool, port: int, **keys: object) -> Uploader:
    goes_to(ready, "ws")
    wanted = {"host": "localhost", "port": port, "called_ae_title": "WS", "timeout": 5, **keys}
    return Uploader(folder / "gateway", ready, table("dicom", "ws", **wanted))


def sent(ready: ReadySpool) -> dict[str, pydicom.Dataset]:
    """What has to arrive, by SOP Instance UID."""
    found = [pydicom.dcmread(io.BytesIO(content)) for content in ready.sent.values()]
    return {str(ds.SOPInstanceUID): ds for ds in found}


def assert_arrived(ready: ReadySpool, peer: Storescp) -> None:
    """The data sets are there, byte for byte; the file meta is the peer's own."""
    found, wanted = data_sets_in(peer.received), sent(ready)
    assert found.keys() == wanted.keys()
    for uid, ds in wanted.items():
        assert found[uid].to_json() == ds.to_json()
        assert found[uid].file_meta.TransferSyntaxUID == ds.file_meta.TransferSyntaxUID


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[Storescp]:
    peer = Storescp(tmp_path / "storescp")
    peer.start()
    yield peer
    peer.stop()


def tls_options(pki: Pki) -> tuple[str, ...]:
    """DCMTK with TLS, which wants a client certificate of our CA."""
    return ("+tls", str(pki.server[1]), str(pki.server[0]), "+cf", str(pki.ca), "-rc")


def over_tls(pki: Pki) -> dict[str, object]:
    files = {"ca": str(pki.ca), "certificate": str(pki.client[0]), "key": str(pki.client[1])}
    return {"tls": True, **files}


def test_storescp_gets_everything_and_its_status_is_noted(
    tmp_path: Path, ready: ReadySpool, storescp: Storescp
) -> None:
    for number in range(12):
        ready.add(number, size=(2_000, 700_000)[number % 2])  # some are longer than a piece that is read
    uploader = sends_to(tmp_path, ready, storescp.port).start()
    delivered(ready)
    assert uploader.stop() == 0
    assert_arrived(ready, storescp)
    assert receipts(ready) == {"ws": {"c-store": 12}}


def test_the_same_over_tls_with_certificates_on_both_sides(
    tmp_path: Path, ready: ReadySpool, pki: Pki
) -> None:
    peer = Storescp(tmp_path / "storescp", *tls_options(pki))
    peer.start()
    try:
        for number in range(4):
            ready.add(number, size=300_000)
        uploader = sends_to(tmp_path, ready, peer.port, **over_tls(pki)).start()
        delivered(ready)
        assert uploader.stop() == 0
        assert_arrived(ready, peer)
    finally:
        peer.stop()


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({"ca": "other"}, {"destination-ca-unknown"}),
        ({"server_name": "elsewhere.example.org"}, {"destination-host-mismatch"}),
        # DCMTK closes behind its alert, which may overtake it.
        ({"certificate": "none"}, {"gateway-certificate-refused", "tls-failed", "destination-broke-off"}),
        ({"tls": "none"}, {"destination-broke-off"}),
    ],
    ids=["ca", "name", "no-certificate", "no-tls"],
)
def test_where_tls_is_not_as_it_should_be_nothing_is_sent(
    tmp_path: Path, ready: ReadySpool, pki: Pki, change: dict[str, str], codes: set[str]
) -> None:
    peer = Storescp(tmp_path / "storescp", *tls_options(pki))
    peer.start()
    try:
        ready.add(1)
        keys = over_tls(pki)
        if "ca" in change:
            keys["ca"] = str(Pki(tmp_path / "other").ca)
        elif "server_name" in change:
            keys.update(change)
        elif "certificate" in change:
            del keys["certificate"], keys["key"]
        else:
            keys = {}
        uploader = sends_to(tmp_path, ready, peer.port, **keys).start()
        until(uploader.codes)
        assert uploader.codes()[0] in codes
        assert told(ready)["destinations"]["ws"]["error"]["hint"]
        assert len(ready.left()) == 2 and not list(peer.received.iterdir())
        assert uploader.stop() == 0
    finally:
        peer.stop()


def test_a_peer_that_dies_in_the_middle_gets_it_all_later(tmp_path: Path, ready: ReadySpool) -> None:
    peer = Storescp(
        tmp_path / "storescp", "--sleep-after", "1"
    )  # s: 30 of them cannot be over before it dies
    peer.start()
    try:
        for number in range(30):
            ready.add(number, size=500_000)
        uploader = sends_to(tmp_path, ready, peer.port).start()
        until(lambda: len(ready.left()) < 60)
        peer.stop()
        assert ready.left()
        until(uploader.codes)
        peer.options = ()
        peer.start()
        delivered(ready)
        assert uploader.stop() == 0
        assert sent(ready).keys() <= data_sets_in(peer.received).keys()
    finally:
        peer.stop()


class Scripted:
    """pynetdicom as SCP, which answers with the statuses of `answers` by SOP Instance UID, else with Success."""

    def __init__(self) -> None:
        self.answers: dict[str, int] = {}
        self.stored: list[str] = []
        ae = AE(ae_title="WS")
        ae.require_called_aet = True
        ae.add_supported_context(CTImageStorage, ExplicitVRLittleEndian)
        self._server = ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        assert self._server is not None
        self.port = int(self._server.server_address[1])

    def _store(self, event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        status = self.answers.get(uid, 0)
        if status == 0:
            self.stored.append(uid)
        return status

    def close(self) -> None:
        self._server.shutdown()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    peer = Scripted()
    yield peer
    peer.close()


def test_a_warning_is_a_receipt_with_a_remark_and_a_refusal_is_quarantined(
    tmp_path: Path, ready: ReadySpool, scripted: Scripted
) -> None:
    names = [ready.add(number) for number in range(4)]
    scripted.answers = {ready.uid(0): 0xB007, ready.uid(1): 0xC123, ready.uid(2): 0xA900}
    uploader = sends_to(tmp_path, ready, scripted.port).start()
    until(lambda: not ready.left())
    assert {name: why["code"] for name, why in ready.quarantined().items()} == {
        names[1]: "status-c123",
        names[2]: "status-a900",
    }
    assert uploader.stop() == 0
    assert receipts(ready) == {"ws": {"c-store": 1, "c-store B007": 1}}
    assert [line["warning"] for line in uploader.events("stored-with-warning")] == ["B007"]


def test_out_of_resources_is_waited_for_and_is_no_objects_fault(
    tmp_path: Path, ready: ReadySpool, scripted: Scripted
) -> None:
    ready.add(1)
    scripted.answers = {ready.uid(1): 0xA700}
    uploader = sends_to(tmp_path, ready, scripted.port).start()
    until(lambda: uploader.codes() == ["destination-full"])
    assert len(ready.left()) == 2
    scripted.answers.clear()
    delivered(ready)
    assert uploader.stop() == 0


def test_a_class_that_the_peer_does_not_take_is_named_and_holds_up_nobody(
    tmp_path: Path, ready: ReadySpool, scripted: Scripted
) -> None:
    odd = ready.add(0)
    ready.become(odd, sop_class_uid="1.2.840.10008.5.1.4.1.1.66.4")
    uploader = sends_to(tmp_path, ready, scripted.port).start()
    for number in range(1, 60):
        if ready.quarantined():
            break
        ready.hint(ready.add(number))
        until(lambda: len(ready.left()) <= 2)
    until(ready.quarantined)
    assert {why["code"] for why in ready.quarantined().values()} == {"context-not-accepted"}
    assert ready.quarantined().keys() == {odd}
    assert uploader.stop() == 0


def test_a_plan_without_file_meta_is_quarantined(
    tmp_path: Path, ready: ReadySpool, scripted: Scripted
) -> None:
    names = [ready.add(number) for number in range(3)]
    ready.spoil(names[1])
    uploader = sends_to(tmp_path, ready, scripted.port).start()
    until(lambda: not ready.left())
    assert {name: why["code"] for name, why in ready.quarantined().items()} == {names[1]: "no-file-meta"}
    assert len(scripted.stored) == 2
    assert uploader.stop() == 0


def test_a_rejected_association_says_what_to_do(
    tmp_path: Path, ready: ReadySpool, scripted: Scripted
) -> None:
    ready.add(1)
    uploader = sends_to(tmp_path, ready, scripted.port, called_ae_title="OTHER").start()
    until(uploader.codes)
    assert uploader.codes()[0] == "destination-rejected"
    error = told(ready)["destinations"]["ws"]["error"]
    assert "called AE title" in error["message"] and "destination[ws]" in error["hint"]
    assert uploader.stop() == 0


def test_another_penstock_takes_the_objects_over_tls_and_its_spool_has_them_whole(
    tmp_path: Path, ready: ReadySpool, pki: Pki
) -> None:
    tls = ReceiverTlsConfig(certificate=pki.server[0], key=pki.server[1], client_ca=pki.ca)
    for number in range(3):
        ready.add(number, size=300_000)
    with receiver.receiving(receiver.config(tmp_path / "second", tls=tls)) as running:
        keys = {**over_tls(pki), "called_ae_title": "PENSTOCK"}
        uploader = sends_to(tmp_path, ready, running.tls_port, **keys).start()
        delivered(ready)
        assert uploader.stop() == 0
        arrived = {str(ds.SOPInstanceUID): ds.to_json() for ds in map(pydicom.dcmread, running.received())}
    assert arrived == {uid: ds.to_json() for uid, ds in sent(ready).items()}


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 no\r\n\r\n", b"\x03\x00\x00\x00\x00\x04\x00\x01"])
def test_what_is_no_scp_is_waited_for(tmp_path: Path, ready: ReadySpool, answer: bytes) -> None:
    """It closes at once, speaks something else, or cuts its answer off."""
    ready.add(1)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listening.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(100)
                    peer.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        uploader = sends_to(tmp_path, ready, listening.getsockname()[1]).start()
        until(uploader.codes)
        assert uploader.codes()[0] == "destination-broke-off"
        assert len(ready.left()) == 2
        assert uploader.stop() == 0
        listening.shutdown(socket.SHUT_RDWR)
