"""The platform's signature on receipts: learned once over the verified connection, held on to, or pinned by configuration."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from engine.platform.keys import SigningKey
from tests.support import uploading
from tests.support.destinations import receipts, told
from tests.support.platform_process import Pki, PlatformProcess
from tests.support.uploading import Proxy, ReadySpool, UploaderProcess, all_delivered, until

pytest_plugins = ("tests.support.stow_fixtures",)


def key_of(platform: PlatformProcess) -> str:
    """The platform's public key, 64 hexadecimal digits."""
    _, content = platform.get("/penstock/v1/key")
    return base64.b64decode(json.loads(content)["public_key"]).hex()


def kept(ready: ReadySpool) -> list[str]:
    """The keys that the gateway remembers."""
    return [path.read_text().strip() for path in (ready.spool.root / "receipt-keys").iterdir()]


def resigned(content: bytes) -> bytes:
    """The answer with every signature one of another key, of the right length."""
    return re.sub(
        rb'"InlineBinary":"[^"]+"', b'"InlineBinary":"' + base64.b64encode(bytes(64)) + b'"', content
    )


def test_the_key_is_learned_and_kept_and_the_ledger_says_signed(
    uploader: UploaderProcess, shared: PlatformProcess, ready: ReadySpool
) -> None:
    ready.add(1)
    uploader.start()
    all_delivered(shared, ready)
    assert uploader.stop() == 0
    assert kept(ready) == [key_of(shared)]
    assert receipts(ready) == {"platform": {"signed": 1}}


@pytest.mark.parametrize("change", [resigned, lambda content: content.replace(b"00991004", b"00991014")])
def test_a_wrong_or_missing_signature_is_no_receipt(
    through: UploaderProcess,
    shared: PlatformProcess,
    ready: ReadySpool,
    proxy: Proxy,
    change: uploading.Change,
) -> None:
    proxy.always = uploading.change_reply(change)
    for number in range(3):
        ready.add(number)
    through.start()
    until(lambda: through.codes() == ["platform-receipt-signature"])
    until(lambda: proxy.seen >= 3, "repeats")
    assert len(ready.left()) == 6 and ready.quarantined() == {}
    assert "receipt_key" in told(ready)["destinations"]["platform"]["error"]["hint"]
    proxy.always = None
    all_delivered(shared, ready)


def test_one_wrong_signature_among_right_ones_is_that_objects(
    through: UploaderProcess, shared: PlatformProcess, ready: ReadySpool, proxy: Proxy
) -> None:
    names = [ready.add(number) for number in range(3)]

    def one(content: bytes) -> bytes:
        told = json.loads(content)
        for item in told["00081199"]["Value"]:
            if item["00081155"]["Value"] == [ready.uid(1)]:
                item["00991003"]["Value"] = [7]  # the time is signed, too
        return json.dumps(told).encode()

    proxy.always = uploading.change_reply(one)
    through.start()
    until(lambda: ready.left() == [f"{names[1]}.dcm", f"{names[1]}.plan"])
    proxy.always = None
    all_delivered(shared, ready)


def test_a_pinned_key_is_asked_for_nowhere_and_another_ones_receipts_are_none(
    tmp_path: Path, pki: Pki, shared: PlatformProcess, ready: ReadySpool
) -> None:
    ready.add(1)
    other = SigningKey(bytes(32)).public.hex()
    uploader = UploaderProcess(tmp_path / "one", ready, pki, shared.url, receipt_key=other).start()
    until(lambda: uploader.codes() == ["platform-receipt-signature"])
    assert len(ready.left()) == 2
    assert uploader.stop() == 0
    uploader = UploaderProcess(tmp_path / "two", ready, pki, shared.url, receipt_key=key_of(shared)).start()
    all_delivered(shared, ready)
    assert uploader.stop() == 0
    assert not (ready.spool.root / "receipt-keys").exists()


def test_a_platform_with_another_key_than_the_remembered_one_gets_no_deletion(
    tmp_path: Path, pki: Pki, uploader: UploaderProcess, shared: PlatformProcess, ready: ReadySpool
) -> None:
    ready.add(1)
    uploader.start()
    all_delivered(shared, ready)
    assert uploader.stop() == 0
    [path] = (ready.spool.root / "receipt-keys").iterdir()
    path.write_text(SigningKey(bytes(32)).public.hex() + "\n")
    ready.add(2)
    uploader.start()
    until(lambda: "platform-receipt-signature" in uploader.codes())
    assert len(ready.left()) == 2
    path.unlink()
    assert uploader.stop() == 0
    uploader.start()
    all_delivered(shared, ready)
    assert kept(ready) == [key_of(shared)]
    assert uploader.stop() == 0


def test_a_platform_that_does_not_tell_its_key_gets_no_object(
    through: UploaderProcess, shared: PlatformProcess, ready: ReadySpool, proxy: Proxy
) -> None:
    proxy.keyless = True
    ready.add(1)
    through.start()
    until(lambda: through.codes() == ["platform-receipt-key"])
    assert proxy.seen == 0 and len(ready.left()) == 2
    proxy.keyless = False
    all_delivered(shared, ready)
