"""What the uploader sends of an object with masked pixels is what `batch` would have written, and nothing of what was masked."""

from __future__ import annotations

from pathlib import Path

import pytest
from blake3 import blake3

from engine.errors import SpoolError
from engine.pseudonymize import sidecar
from engine.pseudonymize.plan import ZEROS, ObjectPlan
from engine.spool.layout import Spool, new_pass_id, object_id
from engine.uploader.outgoing import READ_AT_ONCE, Key, OutgoingObject
from tests.support.images import SC, device, image, text, us, worker
from tests.support.rewritten import planned

NAME = b"KESTOVIC^ADA"
WIDTH = 700  # pixels; a strip of 400 rows is more than one piece of what is read at once


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.open(tmp_path / "spool")


def ready(spool: Spool) -> tuple[Key, bytes, ObjectPlan, bytes]:
    """An object in a pass, as coordinator and workers leave it, with a name among the pixels of its strip."""
    pixels = bytearray(b"\xa5" * WIDTH * 600)
    pixels[WIDTH * 30 : WIDTH * 30 + len(NAME)] = NAME
    size = [us(0x00280010, 600), us(0x00280011, WIDTH), text(0x00280008, "IS", "2")]
    data = image(SC, size, pixels=bytes(pixels) * 2)
    plan, out = planned(data, worker(device('manufacturer = "ACME"\nregions = [[0, 0, 0, 400]]')))
    key = Key(new_pass_id(), object_id("0" * 16, 1))
    for name in ("in", "out"):
        (spool.folder_of(key.pass_id) / name).mkdir(parents=True)
    spool.original(key.pass_id, key.identifier).write_bytes(data)
    spool.plan(key.pass_id, key.identifier).write_bytes(sidecar.encode(plan, len(data)))
    return key, data, plan, out


def test_masked_pixels_are_sent_as_zeros(spool: Spool) -> None:
    key, data, plan, out = ready(spool)
    assert any(offset == ZEROS and length > READ_AT_ONCE for offset, length in plan.spans)
    outgoing = OutgoingObject.open(spool, key)
    sent = b"".join(outgoing.chunks())
    outgoing.close()
    assert sent == out
    assert outgoing.size == len(sent)
    assert outgoing.digest == blake3(out).hexdigest()
    assert NAME in data
    assert NAME not in sent
    assert sent.count(b"\xa5") == 2 * 200 * WIDTH


def test_it_can_be_sent_again(spool: Spool) -> None:
    key, _, _, out = ready(spool)
    outgoing = OutgoingObject.open(spool, key)
    assert [b"".join(outgoing.chunks()) for _ in range(2)] == [out, out]
    outgoing.close()


def test_an_original_that_has_changed_is_not_sent(spool: Spool) -> None:
    key, data, _, _ = ready(spool)
    spool.original(key.pass_id, key.identifier).write_bytes(data[:-1])
    with pytest.raises(SpoolError) as error:
        OutgoingObject.open(spool, key)
    assert error.value.code == "source-changed"
