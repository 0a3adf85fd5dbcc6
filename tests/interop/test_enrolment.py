"""Enrolment between two processes: everything that can be wrong with it, told apart, and nothing sent to a stranger."""

from __future__ import annotations

import datetime
import http.client
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509

from engine.enrolment import enrol as steps
from engine.enrolment.enrol import PATH, enrol
from engine.enrolment.folder import IdentityFolder
from engine.enrolment.pinned import pin_of
from engine.enrolment.platform import Platform
from engine.enrolment.request import new_request
from engine.enrolment.token import Token
from engine.errors import ConfigError, PenstockError, TransportError
from tests.support.enrolling import named
from tests.support.platform_process import HOST
from tests.support.silent_server import SilentServer, old_version, weak_suite
from tests.support.uploading import until
from tests.support.web_platform import TENANT, WebPlatform


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebPlatform]:
    running = WebPlatform(tmp_path_factory.mktemp("platform"))
    yield running
    running.stop()
    assert not running.process.events("request-broken")


def refused(code: str, url: str, token: str, folder: Path, **options: bool) -> PenstockError:
    with pytest.raises(PenstockError) as caught:
        enrol(url, token, folder, **options)  # type: ignore[arg-type]
    assert caught.value.code == code, caught.value
    return caught.value


def pin(platform: WebPlatform) -> bytes:
    return pin_of(x509.load_pem_x509_certificate(platform.certificate.read_bytes()))


def test_a_fresh_machine_gets_an_identity_that_works(platform: WebPlatform, tmp_path: Path) -> None:
    folder = tmp_path / "identity"
    done = enrol(platform.url, platform.token(), folder, gateway="fresh")
    assert done.unproved is None and (done.enrolled.gateway, done.enrolled.epoch) == ("fresh", 1)
    assert {path.name for path in folder.iterdir()} == {"gateway.pem", "ca.pem", "platform.json"}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    identity = IdentityFolder(folder)
    status = Platform(identity).status()
    assert (status.institution, status.gateway, status.epoch) == (TENANT, "fresh", 1)
    validity = identity.validity()
    assert 86_000 < validity.ends - time.time() < 86_500
    assert abs(validity.renew_at - (time.time() + 86_400 * 2 / 3)) < 600
    key = Token.parse(platform.token()).secret
    assert key.hex() not in platform.kept().decode("latin-1")


def test_the_secrets_come_over_mutual_tls_and_stay_out_of_every_file(
    platform: WebPlatform, tmp_path: Path
) -> None:
    enrol(platform.url, platform.token(), tmp_path / "identity", gateway="keeper")
    page = bytearray(4096)
    key_ids = Platform(IdentityFolder(tmp_path / "identity")).secrets(page)
    assert page[:32] == b"2" * 32 and page[32:64] == b"1" * 32 and not any(page[64:])
    assert len(key_ids) == 2
    for path in (tmp_path / "identity").iterdir():
        assert b"2" * 32 not in path.read_bytes() and (b"2" * 32).hex().encode() not in path.read_bytes()


def test_a_used_forged_or_malformed_token_is_refused_with_its_own_words(
    platform: WebPlatform, tmp_path: Path
) -> None:
    token = platform.token()
    enrol(platform.url, token, tmp_path / "first", gateway="tokens")
    assert "used already" in refused("token-used", platform.url, token, tmp_path / "second").message
    refused("token-unknown", platform.url, Token.new(pin(platform)).text, tmp_path / "second")
    refused("token-malformed", platform.url, token[:-3], tmp_path / "second")
    assert not IdentityFolder(tmp_path / "second").paths.is_enrolled
    rows = [(row.outcome, json.loads(row.detail).get("code")) for row in platform.trail("token-used")]
    assert ("refused", "token-used") in rows


def test_a_folder_that_is_enrolled_is_left_alone_unless_it_is_meant(
    platform: WebPlatform, tmp_path: Path
) -> None:
    token = platform.token()
    tmp_path.chmod(0o700)
    enrol(platform.url, platform.token(), tmp_path, gateway="twice")
    before = (tmp_path / "gateway.pem").read_bytes()
    assert "--replace" in refused("already-enrolled", platform.url, token, tmp_path).hint
    assert (tmp_path / "gateway.pem").read_bytes() == before
    done = enrol(platform.url, token, tmp_path, gateway="twice", replace=True)
    assert done.replaced and done.enrolled.epoch == 2
    assert (tmp_path / "gateway.pem").read_bytes() != before


def test_a_folder_that_others_can_read_is_refused_before_the_token_is_used(
    platform: WebPlatform, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    token = platform.token()
    refused("identity-open-to-others", platform.url, token, tmp_path)
    tmp_path.chmod(0o700)
    assert enrol(platform.url, token, tmp_path, gateway="closed").unproved is None


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("key", "platform-not-the-tokens"),
        ("host", "platform-host-mismatch"),
        ("expired", "platform-certificate-expired"),
        ("future", "clock-wrong"),
        ("tls-1.1", "tls-failed"),
        ("weak-suite", "tls-failed"),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_not_a_byte_goes_to_what_is_not_the_tokens_platform(
    platform: WebPlatform, tmp_path: Path, wrong: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    past = now - datetime.timedelta(minutes=1)
    authority = platform.pki.authority
    hosts = ["elsewhere.example"] if wrong == "host" else [HOST]
    credential = authority.issue_server(hosts, not_after=past if wrong == "expired" else None)
    if wrong == "future":
        early = SimpleNamespace(now=lambda _zone: now - datetime.timedelta(days=30))
        monkeypatch.setattr(
            "engine.enrolment.pinned.datetime", SimpleNamespace(datetime=early, UTC=datetime.UTC)
        )
    pair = platform.pki.keep(f"enrol-{wrong}", credential)
    weakened = {"tls-1.1": old_version, "weak-suite": weak_suite}.get(wrong)
    server = SilentServer(pair, weakened)
    shown = pin_of(x509.load_pem_x509_certificate(credential.certificate))
    token = Token.new(pin(platform) if wrong == "key" else shown)
    try:
        refused(code, f"https://{HOST}:{server.port}", token.text, tmp_path / "identity")
        until(lambda: server.handshakes, "the end of the connection")
        assert server.application_bytes == 0
    finally:
        server.close()


def test_a_clock_that_is_wrong_is_named_before_the_token_is_used(
    platform: WebPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = platform.token()
    real = time.time
    for hours, word in ((3, "180 minutes ahead of"), (-3, "180 minutes behind")):
        monkeypatch.setattr(steps, "time", SimpleNamespace(time=lambda by=hours: real() + by * 3600))
        assert word in refused("clock-wrong", platform.url, token, tmp_path / "identity").message
    monkeypatch.undo()
    assert enrol(platform.url, token, tmp_path / "identity", gateway="clock").unproved is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "platform.example.org",
        "http://localhost:1",
        "https://",
        "https://h:99999",
        "https://u:p@h",
        "https://h/x",
    ],
)
def test_what_is_no_address_of_a_platform_is_refused(url: str, tmp_path: Path) -> None:
    refused("enrol-url", url, Token.new(bytes(32)).text, tmp_path / "identity")
    assert not (tmp_path / "identity").exists()


def test_nobody_at_the_address_is_said_so(platform: WebPlatform, tmp_path: Path) -> None:
    token = platform.token()
    refused("platform-unreachable", f"https://{HOST}:1", token, tmp_path / "identity")
    problem = refused("platform-name", "https://no-such-host.invalid", token, tmp_path / "identity")
    assert isinstance(problem, TransportError)


def test_the_wrong_listener_is_told_from_the_right_one(platform: WebPlatform, tmp_path: Path) -> None:
    """The port of [platform] has the same key here, but wants a certificate first."""
    with pytest.raises((TransportError, ConfigError)) as caught:
        enrol(f"https://{HOST}:{platform.process.port}", platform.token(), tmp_path / "identity")
    assert caught.value.code in {"gateway-certificate-refused", "platform-broke-off", "tls-failed"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "enrolment-request"),
        (b"not json", 400, "enrolment-request"),
        (b"[1, 2]", 400, "enrolment-request"),
        (b'{"token": 5, "csr": "x"}', 400, "enrolment-request"),
        (b'{"token": "x", "csr": "x", "tenant": "other"}', 400, "enrolment-request"),
        (b'{"token": "x", "csr": "x"}', 400, "token-malformed"),
        (b"x" * 20_000, 400, "enrolment-request"),
    ],
)
def test_what_is_no_request_is_answered_with_a_code(
    platform: WebPlatform, body: bytes, status: int, code: str
) -> None:
    assert _post(platform, body) == (status, code)


def test_a_request_for_another_institution_is_refused_over_the_wire(platform: WebPlatform) -> None:
    body = json.dumps({"token": platform.token(), "csr": named("x", "other").decode()}).encode()
    assert _post(platform, body) == (403, "csr-institution")


def test_a_client_without_a_gateways_certificate_gets_no_secret(platform: WebPlatform) -> None:
    context = platform.pki.context(platform.client)
    for path in ("status", "secrets"):
        status, body = platform.process.get(f"/penstock/v1/gateway/{path}", context)
        assert status == 403 and json.loads(body)["error"]["code"] == "gateway-not-enrolled"
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        platform.process.get("/penstock/v1/gateway/secrets", platform.pki.context(anonymous=True))


def test_a_renewal_gives_a_new_key_and_the_old_certificate_still_holds(
    platform: WebPlatform, tmp_path: Path
) -> None:
    folder = tmp_path / "identity"
    enrol(platform.url, platform.token(), folder, gateway="renewing")
    identity = IdentityFolder(folder)
    before = identity.paths.credential.read_bytes()
    request = new_request()
    renewed = Platform(identity).renew(request.csr)
    identity.renew(request.key, renewed.certificate.encode(), renewed.ca.encode())
    assert identity.paths.credential.read_bytes() != before
    assert Platform(identity).status().epoch == 1
    identity.paths.credential.write_bytes(before)
    assert Platform(identity).status().epoch == 1


def _post(platform: WebPlatform, body: bytes) -> tuple[int, str]:
    context = ssl.create_default_context(cafile=str(platform.pki.ca))
    connection = http.client.HTTPSConnection(HOST, platform.process.web_port, context=context, timeout=60)
    try:
        connection.request("POST", PATH, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, str(json.loads(answer.read())["error"]["code"])
    finally:
        connection.close()
