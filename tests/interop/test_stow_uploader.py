"""The uploader against a real platform: everything arrives once, nothing goes before its receipt."""

from __future__ import annotations

import datetime
import functools
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from engine.platform.certificates import Authority
from engine.spool.ledger import Ledger
from tests.support import uploading
from tests.support.platform_process import Pki, PlatformProcess
from tests.support.uploading import CANARY, Proxy, ReadySpool, UploaderProcess, until


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[PlatformProcess]:
    """One for all tests that leave it alone; each test's spool has a study of its own."""
    process = PlatformProcess(tmp_path_factory.mktemp("platform"), pki).start()
    yield process
    assert process.stop() == 0


@pytest.fixture
def fragile(tmp_path: Path, pki: Pki) -> Iterator[PlatformProcess]:
    """One that a test may stop and kill."""
    process = PlatformProcess(tmp_path / "fragile", pki).start()
    yield process
    process.stop()


@pytest.fixture
def to_fragile(
    tmp_path: Path, ready: ReadySpool, pki: Pki, fragile: PlatformProcess
) -> Iterator[UploaderProcess]:
    process = UploaderProcess(tmp_path / "gateway", ready, pki, fragile.url)
    yield process
    process.stop(signal.SIGKILL)


@pytest.fixture
def ready(tmp_path: Path) -> ReadySpool:
    return ReadySpool(tmp_path / "spool")


@pytest.fixture
def proxy(pki: Pki, platform: PlatformProcess) -> Iterator[Proxy]:
    between = Proxy(pki, platform)
    yield between
    between.close()


@pytest.fixture
def uploader(
    tmp_path: Path, ready: ReadySpool, pki: Pki, platform: PlatformProcess
) -> Iterator[UploaderProcess]:
    process = UploaderProcess(tmp_path / "gateway", ready, pki, platform.url)
    yield process
    process.stop(signal.SIGKILL)


@pytest.fixture
def through(tmp_path: Path, ready: ReadySpool, pki: Pki, proxy: Proxy) -> Iterator[UploaderProcess]:
    """An uploader that goes through the proxy."""
    process = UploaderProcess(tmp_path / "gateway", ready, pki, proxy.url)
    yield process
    process.stop(signal.SIGKILL)


def arrived(platform: PlatformProcess, ready: ReadySpool) -> dict[str, str]:
    """Digests on the platform by SOP Instance UID."""
    return {one["sop_instance_uid"]: one["digest"] for one in platform.instances(ready.study)}


def expected(ready: ReadySpool) -> set[str]:
    return {blake3(content).hexdigest() for content in ready.sent.values()}


def all_delivered(platform: PlatformProcess, ready: ReadySpool) -> None:
    """Everything is there once, byte for byte, and the spool is empty."""
    until(lambda: not ready.left(), "an empty spool")
    assert set(arrived(platform, ready).values()) == expected(ready)
    assert len(platform.stored_files()) == platform.listed_objects()
    assert ready.quarantined() == {}


def test_what_is_ready_at_the_start_is_sent_and_then_deleted(
    uploader: UploaderProcess, platform: PlatformProcess, ready: ReadySpool
) -> None:
    for number in range(40):
        ready.add(number, size=3000 + 1111 * number)
    uploader.start()
    all_delivered(platform, ready)
    assert uploader.stop() == 0
    with Ledger.open(ready.spool.ledger, read_only=True) as ledger:
        assert ledger.totals()["receipted"] == ledger.totals()["deleted"] == 40
        [row] = ledger.find(next(iter(ready.sent)))
        assert row.digest == blake3(ready.sent[row.id]).hexdigest()


def test_a_hint_is_enough_and_a_lost_hint_costs_only_time(
    uploader: UploaderProcess, platform: PlatformProcess, ready: ReadySpool
) -> None:
    uploader.start()
    until(lambda: uploader.events("ready"))
    ready.hint(ready.add(1))
    until(lambda: len(arrived(platform, ready)) == 1)
    ready.add(2)
    all_delivered(platform, ready)


def test_an_object_of_many_chunks_arrives_as_its_plan_says(
    uploader: UploaderProcess, platform: PlatformProcess, ready: ReadySpool
) -> None:
    ready.add(1, size=9_000_000)
    ready.add(2, size=262_144)
    uploader.start()
    all_delivered(platform, ready)
    fetched = platform.get(f"/penstock/v1/studies/{ready.study}/instances/{ready.uid(1)}")[1]
    assert fetched in ready.sent.values()
    assert CANARY not in fetched


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (uploading.answer(500), "platform-failed"),
        (uploading.answer(502, b"<html>no</html>"), "platform-failed"),
        (uploading.answer(503, Retry_After="0"), "platform-busy"),
        (uploading.answer(507), "platform-busy"),
        (uploading.answer(429), "platform-busy"),
        (uploading.answer(403), "platform-forbids"),
        (uploading.answer(404), "platform-url"),
        (uploading.answer(302, Location="https://elsewhere.example/"), "platform-url"),
        (uploading.answer(202), "platform-accepts-only"),
        (uploading.answer(200), "platform-answer"),
        (uploading.answer(200, b"<html>welcome</html>"), "platform-answer"),
        (uploading.cut_before_reading, "platform-broke-off"),
        (uploading.lose_the_reply, "platform-broke-off"),
        (uploading.cut_the_reply, "platform-broke-off"),
    ],
)
def test_a_fault_on_the_way_loses_and_doubles_nothing(
    through: UploaderProcess,
    platform: PlatformProcess,
    ready: ReadySpool,
    proxy: Proxy,
    fault: Callable[..., None],
    code: str,
) -> None:
    proxy.fail(fault, fault)
    for number in range(8):
        ready.add(number)
    through.start()
    all_delivered(platform, ready)
    assert through.codes()[0] == code
    assert through.stop() == 0


def changed(pattern: bytes, by: bytes) -> Callable[..., None]:
    def change(content: bytes) -> bytes:
        return re.sub(pattern, by, content)

    return uploading.change_reply(change)


@pytest.mark.parametrize(
    "fault",
    [
        uploading.accept_only,
        uploading.answer(200, b"{}"),
        changed(rb'"00991001":\{"vr":"LO","Value":\["..', rb'"00991001":{"vr":"LO","Value":["zz'),
        changed(rb'"00991002":\{"vr":"UV","Value":\[', rb'"00991002":{"vr":"UV","Value":[1'),
        changed(rb"PENSTOCK", rb"ANOTHER "),
        changed(rb'"2\.25\.1000', rb'"2.25.2000'),
    ],
    ids=["202", "no-references", "other-digest", "other-length", "no-private-block", "other-uid"],
)
def test_less_than_a_receipt_is_none_and_nothing_is_deleted(
    through: UploaderProcess,
    platform: PlatformProcess,
    ready: ReadySpool,
    proxy: Proxy,
    fault: Callable[..., None],
) -> None:
    proxy.always = fault
    for number in range(3):
        ready.add(number)
    through.start()
    until(lambda: proxy.seen >= 6, "repeats")
    assert len(ready.left()) == 6
    assert ready.quarantined() == {}
    proxy.always = None
    all_delivered(platform, ready)


def test_a_platform_that_is_away_is_waited_for(
    to_fragile: UploaderProcess, fragile: PlatformProcess, ready: ReadySpool
) -> None:
    fragile.stop()
    for number in range(5):
        ready.add(number)
    to_fragile.start()
    until(to_fragile.codes)
    assert to_fragile.codes() == ["platform-unreachable"]
    told = json.loads((ready.spool.run / "uploader.json").read_bytes())
    assert told["state"] == "waiting"
    assert told["error"]["code"] == "platform-unreachable"
    assert told["error"]["hint"]
    fragile.start()
    all_delivered(fragile, ready)
    until(lambda: json.loads((ready.spool.run / "uploader.json").read_bytes()) == {"state": "sending"})


def test_a_platform_killed_in_the_middle_loses_and_doubles_nothing(
    to_fragile: UploaderProcess, fragile: PlatformProcess, ready: ReadySpool
) -> None:
    for number in range(60):
        ready.add(number, size=400_000)
    to_fragile.start()

    def fewer(before: int) -> bool:
        return len(ready.left()) < max(before - 4, 1)

    for _ in range(3):
        before = len(ready.left())
        until(functools.partial(fewer, before))
        fragile.stop(signal.SIGKILL)
        fragile.start()
    all_delivered(fragile, ready)


@pytest.mark.parametrize(
    "point", ["sent-before-receipt", "receipt-before-delete", "original-deleted-before-plan"]
)
def test_an_uploader_killed_at_a_named_point_loses_and_doubles_nothing(
    uploader: UploaderProcess,
    platform: PlatformProcess,
    ready: ReadySpool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    for number in range(6):
        ready.add(number)
    monkeypatch.setenv("PENSTOCK_KILL_POINT", f"{point}:{tmp_path / 'mark'}")
    uploader.start()
    until((tmp_path / "mark").exists, point)
    assert uploader.stop() == -signal.SIGKILL
    originals = {path.stem for path in (ready.spool.folder_of(ready.pass_id) / "in").iterdir()}
    digests = set(arrived(platform, ready).values())
    for identifier in ready.sent.keys() - originals:
        assert blake3(ready.sent[identifier]).hexdigest() in digests
    uploader.start()
    until(lambda: not list((ready.spool.folder_of(ready.pass_id) / "in").iterdir()), "deleted originals")
    assert set(arrived(platform, ready).values()) == expected(ready)
    assert len(platform.stored_files()) == platform.listed_objects()


def test_an_object_that_the_platform_refuses_for_good_is_quarantined_and_holds_up_nobody(
    uploader: UploaderProcess, platform: PlatformProcess, ready: ReadySpool
) -> None:
    assert platform.store([ready.output(3, size=4000)])[0] == 200
    names = {number: ready.add(number) for number in range(8)}
    uploader.start()
    until(lambda: not ready.left())
    assert {name: why["code"] for name, why in ready.quarantined().items()} == {names[3]: "other-digest"}
    assert ready.quarantined()[names[3]]["hint"]
    assert (ready.spool.quarantine / f"{names[3]}.dcm").read_bytes().startswith(CANARY)
    assert len(arrived(platform, ready)) == 8


def test_an_object_that_makes_requests_fail_is_quarantined_once_others_get_through(
    through: UploaderProcess, platform: PlatformProcess, ready: ReadySpool, proxy: Proxy
) -> None:
    poison = ready.uid(2).encode()

    def too_large(handler: uploading._Handler) -> None:
        body = handler.body()
        if poison in body:
            handler.reply(413)
        else:
            connection = platform.connect()
            connection.request("POST", handler.path, body, {"Content-Type": handler.headers["content-type"]})
            told = connection.getresponse()
            handler.reply(told.status, told.read())
            connection.close()

    proxy.always = too_large
    names = {number: ready.add(number) for number in range(5)}
    through.start()
    until(lambda: len(arrived(platform, ready)) == 4)

    def gone(identifier: str) -> bool:
        return f"{identifier}.dcm" not in ready.left()

    for number in range(10, 60):
        if ready.quarantined():
            break
        identifier = ready.add(number)
        ready.hint(identifier)
        until(functools.partial(gone, identifier))
    until(ready.quarantined)
    assert {name: why["code"] for name, why in ready.quarantined().items()} == {names[2]: "http-413"}


def test_a_damaged_plan_is_removed_to_be_made_again(
    uploader: UploaderProcess, platform: PlatformProcess, ready: ReadySpool
) -> None:
    damaged, good = ready.add(1), ready.add(2)
    plan = ready.spool.plan(ready.pass_id, damaged)
    content = bytearray(plan.read_bytes())
    content[-50] ^= 1
    plan.write_bytes(content)
    uploader.start()
    until(lambda: ready.left() == [f"{damaged}.dcm"])
    assert list(arrived(platform, ready)) == [ready.uid(2)]
    assert good in ready.sent


@pytest.mark.parametrize("change", ["shorter", "longer", "other-body", "head-in-place-of-the-body"])
def test_an_original_that_is_not_its_plans_is_quarantined_and_not_a_byte_is_sent(
    uploader: UploaderProcess, platform: PlatformProcess, ready: ReadySpool, change: str
) -> None:
    wrong = ready.add(1)
    ready.add(2)
    path = ready.spool.original(ready.pass_id, wrong)
    content = path.read_bytes()
    path.write_bytes(
        {
            "shorter": content[:-1],
            "longer": content + b"x",
            "other-body": content[:302] + b"y" + content[303:],
            "head-in-place-of-the-body": (CANARY * 1000)[: len(content)],
        }[change]
    )
    uploader.start()
    until(lambda: not ready.left())
    assert {name: why["code"] for name, why in ready.quarantined().items()} == {wrong: "source-changed"}
    assert list(arrived(platform, ready)) == [ready.uid(2)]


def test_sigterm_lets_what_is_under_way_finish(
    through: UploaderProcess, platform: PlatformProcess, ready: ReadySpool, proxy: Proxy
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(handler: uploading._Handler) -> None:
        begun.set()
        assert go_on.wait(20)
        uploading.forward(handler)

    proxy.always = slow
    for number in range(3):
        ready.add(number)
    through.start()
    assert begun.wait(20)
    threading.Timer(0.5, go_on.set).start()
    assert through.stop() == 0
    all_delivered(platform, ready)


class SilentServer:
    """A TLS server that counts the bytes of application data that it gets."""

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        self.application_bytes = 0
        self.handshakes = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(plain, server_side=True) as tls:
                    self.application_bytes += len(tls.recv(1000))
            except OSError:
                plain.close()
            self.handshakes += 1

    def close(self) -> None:
        self._listener.close()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("expired", "platform-certificate-expired"),
        ("other-ca", "platform-ca-unknown"),
        ("other-host", "platform-host-mismatch"),
        ("client-certificate", "platform-certificate-wrong"),
    ],
)
def test_a_platform_that_is_not_who_it_should_be_gets_not_a_byte(
    tmp_path: Path, pki: Pki, ready: ReadySpool, wrong: str, code: str
) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
    credential = {
        "expired": lambda: pki.authority.issue_server(["localhost"], not_after=past),
        "other-ca": lambda: Authority.new().issue_server(["localhost"]),
        "other-host": lambda: pki.authority.issue_server(["elsewhere.example"]),
        "client-certificate": lambda: pki.authority.issue_client("Hospital X"),
    }[wrong]()
    server = SilentServer(pki.keep(f"wrong-{wrong}", credential))
    ready.add(1)
    uploader = UploaderProcess(tmp_path / "gateway", ready, pki, f"https://localhost:{server.port}").start()
    try:
        until(lambda: server.handshakes >= 3, "repeats")
        assert set(uploader.codes()) == {code}
        assert server.application_bytes == 0
        assert len(ready.left()) == 2
    finally:
        assert uploader.stop() == 0
        server.close()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [("expired", "gateway-certificate-expired"), ("other-ca", "gateway-certificate-refused")],
)
def test_a_refused_gateway_certificate_is_named_and_a_new_one_is_taken_up(
    tmp_path: Path, pki: Pki, ready: ReadySpool, platform: PlatformProcess, wrong: str, code: str
) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
    authority = Authority.new() if wrong == "other-ca" else pki.authority
    certificate, key = pki.keep(
        "mine", authority.issue_client("Hospital X", not_after=past if wrong == "expired" else None)
    )
    uploader = UploaderProcess(
        tmp_path / "gateway", ready, pki, platform.url, certificate=str(certificate), key=str(key)
    )
    ready.add(1)
    refused = len(platform.events("handshake-refused"))
    uploader.start()
    try:
        until(lambda: len(platform.events("handshake-refused")) >= refused + 3, "repeats")
        assert set(uploader.codes()) == {code}
        assert arrived(platform, ready) == {}
        pki.keep("mine", pki.authority.issue_client("Hospital X"))
        all_delivered(platform, ready)
    finally:
        uploader.stop()


def test_a_missing_certificate_is_a_clear_error_at_the_start(
    tmp_path: Path, pki: Pki, ready: ReadySpool
) -> None:
    uploader = UploaderProcess(
        tmp_path / "gateway", ready, pki, "https://localhost:1", certificate=str(tmp_path / "none.pem")
    ).start()
    until(lambda: uploader.events("cannot-go-on"))
    assert uploader.wait() == 2
    told = json.loads((ready.spool.run / "uploader.error").read_bytes())
    assert "uploader.certificate" in told["message"]


def test_a_full_platform_is_waited_for(tmp_path: Path, pki: Pki, ready: ReadySpool) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(small)], check=True)
    try:
        platform = PlatformProcess(tmp_path / "platform", pki, storage=small / "storage").start()
        for number in range(10):
            ready.add(number, size=700_000)
        uploader = UploaderProcess(tmp_path / "gateway", ready, pki, platform.url).start()
        until(lambda: "platform-busy" in uploader.codes(), "a full platform")
        subprocess.run(["mount", "-o", "remount,size=60m", str(small)], check=True)
        all_delivered(platform, ready)
        assert uploader.stop() == 0
        platform.stop()
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_no_log_line_holds_a_uid_or_a_name(
    uploader: UploaderProcess, platform: PlatformProcess, ready: ReadySpool
) -> None:
    platform.store([ready.output(3, size=4000)])
    for number in range(6):
        ready.add(number)
    uploader.start()
    until(lambda: not ready.left())
    assert uploader.stop() == 0
    said = json.dumps(uploader.lines + platform.lines)
    assert uploader.events("object-quarantined")
    for secret in (CANARY.decode(), ready.study, ready.uid(0)[:15], "a" * 32, "Hospital"):
        assert secret not in said
