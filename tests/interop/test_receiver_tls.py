"""DICOM over TLS (PS3.15 B.12 and B.13): senders that others wrote come in, and what the profiles forbid stays out."""

from __future__ import annotations

import datetime
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, Verification

from engine.config.receiver import PeerConfig
from engine.dicom import sample
from engine.dicom.tls_profiles import MODIFIED_CIPHERS
from engine.platform.certificates import Authority
from engine.receiver.limits import Limits
from tests.support.cli import penstock
from tests.support.platform_process import Pki
from tests.support.receiver import HOST, Peer, Running, config, receiving, wait
from tests.support.receiver_tls import SecurePeer, failures, revoke, settings

DCMTK = Path("/usr/bin")
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sample.write(tmp_path_factory.mktemp("study"), 11, sample.Shape(slices=4, size=256))


@pytest.fixture
def receiver(tmp_path: Path, pki: Pki) -> Iterator[Running]:
    """It wants certificates."""
    with receiving(config(tmp_path, tls=settings(pki))) as running:
        yield running


def dcmtk(tool: str, receiver: Running, pki: Pki, *arguments: str) -> subprocess.CompletedProcess[str]:
    if not (DCMTK / tool).exists():
        pytest.skip(f"{tool} of DCMTK is not installed (apt-get install dcmtk)")
    certificate, key = pki.client
    security = ["+tls", str(key), str(certificate), "+cf", str(pki.ca), "-aec", "PENSTOCK"]
    command = [str(DCMTK / tool), *security, HOST, str(receiver.tls_port), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("profile", ["bcp195", "modified-bcp195"])
@pytest.mark.parametrize("options", [["+py"], ["+px"], ["+pz"]], ids=lambda options: options[0])
def test_dcmtk_echoes_by_each_of_its_profiles(
    tmp_path: Path, pki: Pki, profile: str, options: list[str]
) -> None:
    with receiving(config(tmp_path, tls=settings(pki, profile=profile))) as receiver:
        done = dcmtk("echoscu", receiver, pki, *options)
        assert done.returncode == 0, done.stderr


def test_dcmtk_stores_a_study(receiver: Running, pki: Pki, study: list[Path]) -> None:
    done = dcmtk("storescu", receiver, pki, *map(str, study))
    assert done.returncode == 0, done.stderr
    assert len(receiver.received()) == len(study)
    assert failures(receiver) == {}


def test_pynetdicom_stores_a_study(receiver: Running, pki: Pki, study: list[Path]) -> None:
    ae = AE(ae_title="PYNETDICOM")
    ae.add_requested_context(CTImageStorage)
    ae.add_requested_context(Verification)
    association = ae.associate(
        HOST, receiver.tls_port, ae_title="PENSTOCK", tls_args=(pki.context(), "127.0.0.1")
    )
    assert association.is_established
    assert association.send_c_echo().Status == 0
    for path in study:
        assert association.send_c_store(dcmread(path)).Status == 0
    association.release()
    assert len(receiver.received()) == len(study)


@pytest.mark.parametrize("profile", ["bcp195", "modified-bcp195"])
def test_our_own_sender_stores_a_study(tmp_path: Path, pki: Pki, study: list[Path], profile: str) -> None:
    certificate, key = pki.client
    with receiving(config(tmp_path, tls=settings(pki, profile=profile))) as receiver:
        done = penstock(
            *("send", HOST, str(receiver.tls_port), *map(str, study), "--associations", "2", "--json"),
            *("--tls", "--ca", str(pki.ca), "--certificate", str(certificate), "--key", str(key)),
        )
        assert done.code == 0, done.err
        assert done.document["objects"] == len(study)
        sent = {path.read_bytes()[-100_000:] for path in study}
        assert {path.read_bytes()[-100_000:] for path in receiver.received()} == sent


def test_an_object_above_the_senders_memory_comes_by_tls_too(
    receiver: Running, pki: Pki, study: list[Path], tmp_path: Path
) -> None:
    large = sample.write(tmp_path / "large", 3, sample.Shape(slices=1, size=2300))
    certificate, key = pki.client
    path = next(path for path in large if path.stat().st_size > 10_000_000)
    done = penstock(
        *("send", HOST, str(receiver.tls_port), str(path), "--json"),
        *("--tls", "--ca", str(pki.ca), "--certificate", str(certificate), "--key", str(key)),
    )
    assert done.code == 0, done.err
    assert receiver.received()[0].read_bytes()[-10_000_000:] == path.read_bytes()[-10_000_000:]


def test_without_a_client_ca_senders_need_no_certificate(tmp_path: Path, pki: Pki, study: list[Path]) -> None:
    with receiving(config(tmp_path, tls=settings(pki, mutual=False))) as receiver:
        done = penstock(
            "send", HOST, str(receiver.tls_port), str(study[0]), "--tls", "--ca", str(pki.ca), "--json"
        )
        assert done.code == 0, done.err
        assert len(receiver.received()) == 1


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("who", ["nobody", "expired", "other-ca", "server-certificate", "revoked"])
def test_a_sender_without_the_right_certificate_stores_nothing(
    tmp_path: Path, pki: Pki, who: str, version: ssl.TLSVersion
) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
    chosen = {
        "expired": lambda: pki.keep("expired", pki.authority.issue_client("PACS", not_after=past)),
        "other-ca": lambda: pki.keep("stranger", Authority.new().issue_client("PACS")),
        "server-certificate": lambda: pki.server,
        "revoked": lambda: pki.keep("revoked", pki.authority.issue_client("PACS")),
    }
    client = chosen[who]() if who != "nobody" else None
    context = pki.context(client, anonymous=client is None)
    context.minimum_version = context.maximum_version = version
    crl = revoke(pki, client[0], tmp_path / "crl.pem") if who == "revoked" and client else None
    with receiving(config(tmp_path, tls=settings(pki, crl=crl))) as receiver:
        with (
            pytest.raises((OSError, AssertionError)),
            SecurePeer(receiver.tls_port, context) as peer,
        ):
            # TLS 1.3 lets a client write before it was judged.
            peer.associate()
        expected = "no-certificate" if who == "nobody" else "certificate"
        wait(lambda: failures(receiver) == {expected: 1}, "the refusal")
        assert receiver.received() == receiver.incoming() == []
        if crl is not None:
            with SecurePeer(receiver.tls_port, pki.context()) as other:  # the list names one, not all
                other.associate()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=str)
def test_old_versions_are_refused(receiver: Running, pki: Pki, version: ssl.TLSVersion) -> None:
    context = pki.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises(ssl.SSLError, match=r"(?i)version|alert|eof"):
        SecurePeer(receiver.tls_port, context)
    wait(lambda: failures(receiver) == {"old-version": 1}, "the refusal")


@pytest.mark.parametrize("profile", ["bcp195", "modified-bcp195"])
@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-ECDSA-AES256-SHA384",
        "ECDHE-ECDSA-AES128-SHA",
        "AES256-GCM-SHA384",
        "ECDHE-ECDSA-NULL-SHA",
        "aNULL",
    ],
)
def test_weak_suites_are_refused(tmp_path: Path, pki: Pki, profile: str, suite: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{suite}:@SECLEVEL=0")
    with receiving(config(tmp_path, tls=settings(pki, profile=profile))) as receiver:
        with pytest.raises(OSError, match=r"(?i)alert|reset|eof"):
            SecurePeer(receiver.tls_port, context)
        wait(lambda: failures(receiver) == {"no-shared-suite": 1}, "the refusal")


@pytest.mark.parametrize("suite", [suite for suite in MODIFIED_CIPHERS if "-ECDSA-" in suite])
def test_the_modified_profile_has_every_suite_that_it_must(tmp_path: Path, pki: Pki, suite: str) -> None:
    context = pki.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suite)
    with (
        receiving(config(tmp_path, tls=settings(pki, profile="modified-bcp195"))) as receiver,
        SecurePeer(receiver.tls_port, context) as peer,
    ):
        assert isinstance(peer.socket, ssl.SSLSocket)
        assert (peer.socket.cipher() or ("",))[0] == suite
        peer.associate()


def test_the_newer_version_is_preferred(receiver: Running, pki: Pki) -> None:
    with SecurePeer(receiver.tls_port, pki.context()) as peer:
        assert isinstance(peer.socket, ssl.SSLSocket)
        assert peer.socket.version() == "TLSv1.3"


def test_plain_dicom_to_the_tls_port_is_refused(receiver: Running) -> None:
    with Peer(receiver.tls_port) as peer:
        peer.send(b"\1\0\0\0\0\4abcd")
        assert peer.socket.recv(100)[:1] in (b"", b"\x15")  # nothing, or an alert
    wait(lambda: sum(failures(receiver).values()) == 1, "the refusal")


def test_slow_handshakes_do_not_hold_a_good_sender_up_and_end(tmp_path: Path, pki: Pki) -> None:
    limits = Limits(drain=0.5, drain_idle=0.0, sweep=0.05, closing=0.3, handshake=6.0, handshakes=8)
    with receiving(config(tmp_path, tls=settings(pki)), limits) as receiver:
        slow = [socket.create_connection((HOST, receiver.tls_port)) for _ in range(12)]
        try:
            for one in slow:
                one.sendall(b"\x16\x03\x01\x02")  # a record that never goes on
            with SecurePeer(receiver.tls_port, pki.context()) as peer:
                peer.associate()
                assert peer.store("1.2.3") == 0
                peer.release()
            wait(lambda: sum(failures(receiver).values()) == 12, "the end of the slow ones")
            told = failures(receiver)
            assert told["lost"] >= 4  # these made room
            assert told["deadline"] >= 1
            for one in slow:
                one.settimeout(60)
                assert one.recv(1) == b""
        finally:
            for one in slow:
                one.close()


def test_a_peer_that_has_to_use_tls_is_a_stranger_on_the_plain_port(tmp_path: Path, pki: Pki) -> None:
    peers = (PeerConfig(ae_title="*", network="127.0.0.0/8", tls=True),)
    with receiving(config(tmp_path, peers=peers, tls=settings(pki))) as receiver:
        with Peer(receiver.port) as plain, pytest.raises(AssertionError):
            plain.associate()
        with SecurePeer(receiver.tls_port, pki.context()) as peer:
            peer.associate()
            assert peer.store("1.2.3") == 0


def test_a_cut_inside_an_object_leaves_nothing(receiver: Running, pki: Pki) -> None:
    with SecurePeer(receiver.tls_port, pki.context()) as peer:
        peer.associate()
        peer.send(b"\4\0\0\0\1\0")  # a PDU that never comes
        time.sleep(0.1)
        assert isinstance(peer.socket, ssl.SSLSocket)
        raw = socket.socket(fileno=peer.socket.detach())
        raw.sendall(b"\x17\x03\x03\0\x20" + bytes(32))  # a record whose integrity check fails
        raw.settimeout(60)
        while raw.recv(1000):
            pass
        raw.close()
    assert receiver.received() == receiver.incoming() == []
