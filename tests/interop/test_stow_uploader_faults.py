"""The uploader through a proxy with faults: outages, cut and changed replies."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable

import pytest

from tests.support import uploading
from tests.support.platform_process import PATIENCE, PlatformProcess
from tests.support.uploading import (
    Proxy,
    ReadySpool,
    UploaderProcess,
    all_delivered,
    arrived,
    until,
)

pytest_plugins = ("tests.support.stow_fixtures",)


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
    shared: PlatformProcess,
    ready: ReadySpool,
    proxy: Proxy,
    fault: Callable[..., None],
    code: str,
) -> None:
    proxy.fail(fault, fault)
    for number in range(8):
        ready.add(number)
    through.start()
    all_delivered(shared, ready)
    assert through.stop() == 0
    assert through.codes()[0] == code


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
    shared: PlatformProcess,
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
    all_delivered(shared, ready)


def test_an_object_that_makes_requests_fail_is_quarantined_once_others_get_through(
    through: UploaderProcess, shared: PlatformProcess, ready: ReadySpool, proxy: Proxy
) -> None:
    poison = ready.uid(2).encode()

    def too_large(handler: uploading._Handler) -> None:
        body = handler.body()
        if poison in body:
            handler.reply(413)
        else:
            connection = shared.connect()
            connection.request("POST", handler.path, body, {"Content-Type": handler.headers["content-type"]})
            told = connection.getresponse()
            handler.reply(told.status, told.read())
            connection.close()

    proxy.always = too_large
    names = {number: ready.add(number) for number in range(5)}
    through.start()
    until(lambda: len(arrived(shared, ready)) == 4)

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


def test_sigterm_lets_what_is_under_way_finish(
    through: UploaderProcess, shared: PlatformProcess, ready: ReadySpool, proxy: Proxy
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(handler: uploading._Handler) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)
        uploading.forward(handler)

    proxy.always = slow
    for number in range(3):
        ready.add(number)
    through.start()
    assert begun.wait(PATIENCE)
    threading.Timer(0.5, go_on.set).start()
    assert through.stop() == 0
    all_delivered(shared, ready)
