"""The uploader's parts that decide: verdicts, troubles, the gate, the backlog, Retry-After."""

from __future__ import annotations

import asyncio
import email.utils
import json
import ssl
import time
from pathlib import Path

import aiohttp
import pytest

from engine.errors import ConfigError
from engine.platform.certificates import make_files
from engine.uploader.answers import NotAResponse
from engine.uploader.backlog import Backlog, parse_hint
from engine.uploader.gate import Gate
from engine.uploader.outgoing import Key
from engine.uploader.stow import _retry_after
from engine.uploader.tls import ClientContext, client_context
from engine.uploader.trouble import OTHERS, PEERS, Troubles
from engine.uploader.verdicts import Outcome, Sent, Verdict, judge
from tests.support import virtual_time

DIGEST = "ab" * 32
PLATFORM = Troubles("platform", "the platform", "uploader")
OTHER = Troubles("destination", "the destination ws", "destination[ws]", "host")
SENT = Sent("2.25.1", DIGEST, 1000)


def item(**changes: object) -> dict[str, object]:
    values: dict[str, object] = {
        "00081155": "2.25.1",
        "00990010": "PENSTOCK",
        "00991001": DIGEST,
        "00991002": 1000,
        **{f"00{tag[1:]}": value for tag, value in changes.items()},
    }
    return {tag: {"vr": "UN", "Value": [value]} for tag, value in values.items() if value is not None}


def answer(stored: object = None, failed: object = None) -> bytes:
    told = {}
    if stored is not None:
        told["00081199"] = {"vr": "SQ", "Value": stored}
    if failed is not None:
        told["00081198"] = {"vr": "SQ", "Value": failed}
    return json.dumps(told).encode()


def one(status: int, content: bytes) -> Verdict:
    [verdict] = judge(status, content, [SENT])
    return verdict


def test_a_receipt_is_200_with_digest_and_length() -> None:
    assert one(200, answer([item()])) == Verdict(Outcome.RECEIPT)
    assert one(200, answer([item(x991001=DIGEST.upper())])) == Verdict(Outcome.RECEIPT)
    assert one(200, answer([item(x991002="1000")])) == Verdict(Outcome.RECEIPT)
    assert one(200, b"[" + answer([item()]) + b"]") == Verdict(Outcome.RECEIPT)


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        ([], "no-receipt"),
        (None, "no-receipt"),
        ([item(x081155="2.25.2")], "no-receipt"),
        ([item(x990010=None)], "no-receipt"),
        ([item(x990010="OTHER")], "no-receipt"),
        ([item(x991001="cd" * 32)], "digest-mismatch"),
        ([item(x991001=None)], "digest-mismatch"),
        ([item(x991002=999)], "digest-mismatch"),
        ([item(x991002=None)], "digest-mismatch"),
        ([item(x991002=True)], "digest-mismatch"),
    ],
)
def test_less_is_no_receipt(stored: object, reason: str) -> None:
    assert one(200, answer(stored)) == Verdict(Outcome.AGAIN, reason)


@pytest.mark.parametrize("status", [202, 409])
def test_no_other_status_is_a_receipt(status: int) -> None:
    other = {"00081155": {"vr": "UI", "Value": ["2.25.9"]}, "00081197": {"vr": "US", "Value": [0x0110]}}
    assert one(status, answer([item()], [other])) == Verdict(Outcome.UNTOLD)


@pytest.mark.parametrize(
    ("reason", "code", "verdict"),
    [
        (0x0110, "other-digest", Verdict(Outcome.REFUSED, "other-digest")),
        (0xC000, "not-dicom", Verdict(Outcome.REFUSED, "not-dicom")),
        (0xA900, None, Verdict(Outcome.REFUSED, "failure-a900")),
        (0x0122, None, Verdict(Outcome.REFUSED, "failure-0122")),
        (0xA700, None, Verdict(Outcome.AGAIN, "failure-a700")),
        (0x0110, None, Verdict(Outcome.AGAIN, "failure-0110")),
        ("text", None, Verdict(Outcome.AGAIN, "failure-0000")),
        (0xC000, "DOE^JANE said <b>", Verdict(Outcome.REFUSED, "failure-c000")),
    ],
)
def test_a_failure_is_for_good_or_not(reason: object, code: str | None, verdict: Verdict) -> None:
    failed = item(x081197=reason, x991006=code)
    assert one(202, answer([item()], [failed])) == verdict
    assert one(200, answer([item()], [failed])) == verdict


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"3", b"[]", b"[{}, {}]", b'{"00081199": 3}', b'{"00081199": {"Value": [3]}}', b"\xff"],
)
def test_what_is_no_store_response_is_named(content: bytes) -> None:
    with pytest.raises(NotAResponse):
        judge(200, content, [SENT])


@pytest.mark.parametrize("kind", [*PEERS, *OTHERS])
def test_every_trouble_says_what_to_do(kind: str) -> None:
    for troubles, prefix in ((PLATFORM, "platform-"), (OTHER, "destination-")):
        told = troubles.of(kind)
        assert told.code == (kind if kind in OTHERS else prefix + kind)
        assert told.retryable and told.hint
        assert "{" not in told.message + told.hint
        assert troubles.who in told.message or troubles.section in told.message


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (301, "platform-url"),
        (400, "platform-failed"),
        (401, "platform-forbids"),
        (404, "platform-url"),
        (418, "platform-failed"),
        (429, "platform-busy"),
        (500, "platform-failed"),
        (503, "platform-busy"),
    ],
)
def test_a_status_that_is_no_answer_has_a_trouble(status: int, code: str) -> None:
    assert PLATFORM.of_status(status).code == code


def test_the_cause_is_found_behind_the_clients_exceptions() -> None:
    alert = ssl.SSLError(1, "[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] alert")
    alert.reason = "SSLV3_ALERT_CERTIFICATE_EXPIRED"
    wrapped = aiohttp.ClientOSError(None, "Can not write request body")
    wrapped.__cause__ = alert
    assert PLATFORM.explain(wrapped).code == "gateway-certificate-expired"
    assert PLATFORM.explain(aiohttp.ServerDisconnectedError()).code == "platform-broke-off"
    assert PLATFORM.explain(TimeoutError()).code == "platform-silent"
    alert.reason = "WRONG_VERSION_NUMBER"
    assert PLATFORM.explain(alert).code == "tls-failed"


@pytest.mark.parametrize(
    ("value", "seconds"), [("", None), ("soon", None), ("0", 0.0), ("120", 120.0), (" 7 ", 7.0), ("-1", None)]
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert _retry_after(value) == seconds


def test_retry_after_as_a_date() -> None:
    later = _retry_after(email.utils.formatdate(time.time() + 100, usegmt=True))
    assert later is not None
    assert 90 < later < 110
    assert _retry_after(email.utils.formatdate(time.time() - 100, usegmt=True)) == 0.0


def test_the_gate_closes_for_longer_each_time_and_opens_at_once() -> None:
    async def scenario() -> None:
        gate = Gate(1.0, 60.0, jitter=lambda: 0.0)
        assert not await gate.enter()
        waits = [gate.failed(trying=False)]
        assert gate.failed(trying=False) == waits[0]  # failed together: one failure
        waits += [gate.failed(trying=True) for _ in range(8)]
        assert [round(wait) for wait in waits] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        gate.succeeded()
        async with asyncio.timeout(1):
            assert not await gate.enter()
        assert round(gate.failed(trying=False)) == 1

    virtual_time.run(scenario())


def test_a_retry_after_is_the_least_wait_and_bounded() -> None:
    async def scenario() -> None:
        assert round(Gate(1.0, 60.0).failed(120.0, trying=False)) == 120
        assert round(Gate(1.0, 60.0).failed(1e9, trying=False)) == 3600
        assert round(Gate(1.0, 60.0, jitter=lambda: 0.0).failed(0.0, trying=False)) == 1

    virtual_time.run(scenario())


def test_jitter_shortens_a_wait_by_half_at_most() -> None:
    async def scenario() -> None:
        assert Gate(10.0, 60.0, jitter=lambda: 0.999).failed(trying=False) == pytest.approx(5.005)

    virtual_time.run(scenario())


def test_one_request_tries_while_the_others_wait() -> None:
    async def scenario() -> None:
        gate = Gate(10.0, 10.0)
        gate.failed(trying=False)
        entered: list[bool] = []

        async def courier() -> None:
            entered.append(await gate.enter())

        tasks = [asyncio.create_task(courier()) for _ in range(3)]
        await asyncio.sleep(60.0)
        assert entered == [True]
        gate.leave(trying=True)  # it says nothing of the platform: another one tries
        await asyncio.sleep(60.0)
        assert entered == [True, True]
        gate.succeeded()
        gate.leave(trying=True)
        await asyncio.gather(*tasks)
        assert entered == [True, True, False]

    virtual_time.run(scenario())


def key(number: int) -> Key:
    return Key("0" * 32, f"{number:016x}-{0:08x}")


def test_an_object_is_handed_out_once() -> None:
    async def scenario() -> None:
        backlog = Backlog()
        assert backlog.offer([key(1), key(2), key(1)]) == 2
        assert backlog.take() == key(1)
        assert backlog.offer([key(1)]) == 0
        assert [backlog.take(), backlog.take()] == [key(2), None]
        backlog.done(key(1))
        assert backlog.offer([key(1), key(2)]) == 1
        assert len(backlog) == 2

    asyncio.run(scenario())


def test_what_is_put_back_comes_first_and_in_its_order() -> None:
    async def scenario() -> None:
        backlog = Backlog()
        backlog.offer([key(1), key(2), key(3)])
        assert [backlog.take(), backlog.take()] == [key(1), key(2)]
        backlog.put_back([key(1), key(2)])
        assert [backlog.take() for _ in range(4)] == [key(1), key(2), key(3), None]
        assert not backlog.goes_alone(key(1))

    asyncio.run(scenario())


def test_what_is_put_off_comes_later_and_alone() -> None:
    async def scenario() -> None:
        backlog = Backlog()
        backlog.offer([key(1), key(2)])
        assert backlog.take() == key(1)
        backlog.later(key(1), 60.0)
        assert [backlog.take(), backlog.take()] == [key(2), None]
        async with asyncio.timeout(61):
            await backlog.wait()
        assert backlog.take() == key(1)
        assert backlog.goes_alone(key(1))
        backlog.done(key(1))
        assert not backlog.goes_alone(key(1))

    virtual_time.run(scenario())


def test_a_strike_counts_only_when_others_get_through() -> None:
    async def scenario() -> None:
        backlog = Backlog()
        assert [backlog.strike(key(1), delivered) for delivered in (0, 0, 0, 5, 5, 9)] == [1, 1, 1, 2, 2, 3]

    asyncio.run(scenario())


def test_the_backlog_is_bounded() -> None:
    async def scenario() -> None:
        backlog = Backlog(most=3)
        assert backlog.offer(key(number) for number in range(10)) == 3
        taken = backlog.take()
        assert taken is not None
        backlog.done(taken)
        assert backlog.offer(key(number) for number in range(10)) == 1

    asyncio.run(scenario())


def test_waiting_ends_with_the_first_offer() -> None:
    async def scenario() -> None:
        backlog = Backlog()
        waiting = asyncio.create_task(backlog.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        backlog.offer([key(1)])
        async with asyncio.timeout(5):
            await waiting

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "word",
    [
        "",
        "/",
        "a/b",
        f"{'0' * 32}/../../x",
        f"{'0' * 31}g/{'0' * 16}-{'0' * 8}",
        f"{'0' * 32}/{'0' * 16}-{'0' * 7}",
    ],
)
def test_a_hint_that_is_none_is_passed_over(word: str) -> None:
    assert parse_hint(word) is None


def test_a_hint_names_an_object() -> None:
    assert parse_hint(f"{'0' * 32}/{1:016x}-{0:08x}") == key(1)


def context_of(folder: Path, **changes: Path) -> ClientContext:
    files = make_files(folder, ["localhost"])
    paths = {"ca": files.ca, "certificate": files.client_certificate, "key": files.client_key, **changes}
    return client_context("uploader", **paths)


def test_the_client_verifies_and_speaks_modern_tls_only(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    suites = context.get_ciphers()
    assert suites
    assert all(suite["aead"] for suite in suites)
    assert all(suite["protocol"] == "TLSv1.3" or "DHE" in str(suite["name"]) for suite in suites)


@pytest.mark.parametrize("name", ["certificate", "key", "ca"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_a_tls_file_that_cannot_be_used_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / "wrong"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        context_of(tmp_path / "tls", **{name: path})
    assert str(path) in caught.value.message
    assert "uploader." in caught.value.message


def test_a_key_of_another_certificate_is_named(tmp_path: Path) -> None:
    other = make_files(tmp_path / "other", ["localhost"]).client_key
    with pytest.raises(ConfigError, match=r"uploader\.certificate"):
        context_of(tmp_path / "tls", key=other)
