"""The sidecar: a plan survives on disk unchanged, or counts as lost; a plan is never applied to another original."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from blake3 import blake3
from msgspec.structs import replace

from engine.errors import SpoolError
from engine.pseudonymize.plan import ZEROS, ObjectPlan
from engine.pseudonymize.sidecar import MAGIC, decode, encode

HEADER = b"\xe0\x7f\x10\x00OW\0\0\x08\0\0\0"
ORIGINAL = b"h" * 100 + HEADER + b"pixels!!" + b"tail"
PLAN = ObjectPlan(
    head=b"\0new head\xff" * 20,
    spans=((100, 20),),
    tail=b"new tail",
    body_tag=0x7FE00010,
    body_header=HEADER,
    size=228,
    transfer_syntax="1.2.840.10008.1.2.1",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    sop_instance_uid="2.25.1",
    study_instance_uid="2.25.2",
    series_instance_uid="2.25.3",
    hashed_id="0123456789abcdef0123456789abcdef",
    counts={"keep": 3, "remove": 1},
    pixels="kept",
)
SIDECAR = encode(PLAN, len(ORIGINAL))


@contextmanager
def opened(path: Path, data: bytes) -> Iterator[int]:
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def sealed(content: bytes) -> bytes:
    return content + blake3(content).digest()


@pytest.mark.parametrize(
    "plan",
    [
        PLAN,
        replace(PLAN, head=b"", tail=b"", spans=(), body_tag=None, body_header=b"", counts={}),
        replace(PLAN, spans=((100, 4), (ZEROS, 8), (112, 8))),
        replace(PLAN, spans=((1 << 40, 1 << 41),), size=1 << 42),
    ],
)
def test_a_plan_is_read_back_as_it_was_written(plan: ObjectPlan) -> None:
    found = decode(encode(plan, 12345))
    assert (found.plan, found.source_size) == (plan, 12345)
    assert encode(plan, 12345) == encode(plan, 12345)


def test_a_change_of_any_byte_is_noticed() -> None:
    for at in range(len(SIDECAR)):
        for flipped in (0x01, 0x80):
            damaged = bytearray(SIDECAR)
            damaged[at] ^= flipped
            with pytest.raises(SpoolError) as caught:
                decode(bytes(damaged))
            assert (caught.value.code, caught.value.retryable) == ("sidecar-damaged", True)


def test_a_cut_or_longer_file_is_noticed() -> None:
    for cut in range(len(SIDECAR)):
        with pytest.raises(SpoolError, match="sidecar"):
            decode(SIDECAR[:cut])
    for more in (b"\0", bytes(4096), SIDECAR):
        with pytest.raises(SpoolError, match="sidecar"):
            decode(SIDECAR + more)


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"{}",
        b"[]",
        b"not json",
        b"null",
        orjson.dumps({"head": 10**9, "tail": 0}),
        orjson.dumps({"head": "x"}),
    ],
)
def test_a_right_checksum_over_something_else_counts_as_lost(told: bytes) -> None:
    with pytest.raises(SpoolError) as caught:
        decode(sealed(MAGIC + len(told).to_bytes(4, "little") + told))
    assert caught.value.code == "sidecar-damaged"


@pytest.mark.parametrize("length", [0, 5, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_false_length_under_a_right_checksum_counts_as_lost(length: int) -> None:
    content = bytearray(SIDECAR[:-32])
    content[8:12] = length.to_bytes(4, "little")
    with pytest.raises(SpoolError, match="another version"):
        decode(sealed(bytes(content)))


def test_lengths_that_do_not_add_up_count_as_lost() -> None:
    with pytest.raises(SpoolError, match="another version"):
        decode(sealed(SIDECAR[:-32] + b"more"))


def test_no_identity_is_told_beside_the_head() -> None:
    told = SIDECAR[12 : SIDECAR.index(PLAN.head)]
    assert set(orjson.loads(told)) == {
        "source_size", "head", "tail", "spans", "body_tag", "body_header", "size", "transfer_syntax", "sop_class_uid",
        "sop_instance_uid", "study_instance_uid", "series_instance_uid", "hashed_id", "counts", "pixels",
    }  # fmt: skip


# ---- the original ---------------------------------------------------------------------------------------------------------


def test_the_original_of_a_plan_is_recognised(tmp_path: Path) -> None:
    with opened(tmp_path / "original", ORIGINAL) as source:
        decode(SIDECAR).check_source(source)
        decode(encode(replace(PLAN, spans=()), len(ORIGINAL))).check_source(source)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        ORIGINAL[:-1],
        ORIGINAL + b"\0",
        ORIGINAL.replace(b"OW", b"OB"),
        b"h" + ORIGINAL[:-1],
        bytes(len(ORIGINAL)),
    ],
)
def test_another_file_is_not(tmp_path: Path, data: bytes) -> None:
    with opened(tmp_path / "other", data) as source, pytest.raises(SpoolError) as caught:
        decode(SIDECAR).check_source(source)
    assert caught.value.code == "source-changed"


@pytest.mark.parametrize(
    "spans",
    [
        ((0, 20),),
        ((99, 20),),
        ((100, 25),),
        ((100, 1 << 40),),
        ((100, -1),),
        ((-5, 20),),
        ((1 << 62, 1),),
        ((ZEROS, 20),),
        ((100, 20), (120, 5)),
        ((100, 20), (-2, 5)),
    ],
)
def test_a_plan_that_keeps_what_it_must_not_is_refused(
    tmp_path: Path, spans: tuple[tuple[int, int], ...]
) -> None:
    sidecar = decode(encode(replace(PLAN, spans=spans), len(ORIGINAL)))
    with opened(tmp_path / "original", ORIGINAL) as source, pytest.raises(SpoolError) as caught:
        sidecar.check_source(source)
    assert caught.value.code == "source-changed"


def test_kept_bytes_without_a_header_to_know_them_by_are_refused(tmp_path: Path) -> None:
    sidecar = decode(encode(replace(PLAN, body_header=b""), len(ORIGINAL)))
    with opened(tmp_path / "original", ORIGINAL) as source, pytest.raises(SpoolError, match="does not begin"):
        sidecar.check_source(source)
