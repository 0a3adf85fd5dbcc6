"""Bodies at the source's place in a page: padding in the file meta, whole pages copied, shared where a file system can."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from pydicom import dcmread

from engine.dicom.file_meta import PADDING_LEAST, FileMeta, file_meta, padded
from engine.profile import compiled
from engine.pseudonymize.plan import PAGE, ObjectPlan, write_plan
from engine.pseudonymize.rewrite import Pseudonymizer
from tests.support.datasets import EXPLICIT, SYNTAXES, Element, Syntax, encode
from tests.support.smalldisk import CannotMountError, LoopDisk
from tests.unit.test_pseudonymize_object import KEY, SECRET, ct, holding, planned

META = file_meta(b"1.2.840.10008.5.1.4.1.1.2", b"1.2.3", b"1.2.840.10008.1.2.1")
LARGE = bytes(range(251)) * 2000


@pytest.fixture(scope="module")
def aligning() -> Pseudonymizer:
    return Pseudonymizer(compiled("default"), SECRET, page_aligned=True)


def aligned(data: bytes, by: Pseudonymizer) -> tuple[ObjectPlan, bytes]:
    with holding(data) as source, holding(b"") as target:
        plan = by.plan(source, len(data), KEY)
        write_plan(plan, source, target)
        return plan, os.pread(target, 1 << 24, 0)


def large(comment: bytes, syntax: Syntax = EXPLICIT) -> bytes:
    head = ct(syntax, Element(0x00104000, "LT", comment), without=(0x7FE00010,))
    return head + encode([Element(0x7FE00010, "OW", LARGE)], syntax)


@pytest.mark.parametrize("length", [0, 1, 16, 43, 44, 64])
def test_file_meta_of_ready_pieces_is_the_same(length: int) -> None:
    uid = (b"1.2." * 16)[:length]
    ready = FileMeta(b"1.2.840.10008.5.1.4.1.1.2", b"1.2.840.10008.1.2.1")
    assert ready.of(uid) == file_meta(b"1.2.840.10008.5.1.4.1.1.2", uid, b"1.2.840.10008.1.2.1")
    assert ready.of(uid) == ready.of(uid)


@pytest.mark.parametrize("count", [PADDING_LEAST, PADDING_LEAST + 2, 4096, 4160])
def test_padded_file_meta_is_longer_by_just_so_much_and_still_file_meta(count: int) -> None:
    longer = padded(META, count)
    assert len(longer) == len(META) + count
    found = dcmread(io.BytesIO(longer)).file_meta
    plain = dcmread(io.BytesIO(META)).file_meta
    assert found.FileMetaInformationGroupLength == len(longer) - 144
    assert (found.PrivateInformation or b"") == bytes(count - PADDING_LEAST)
    assert found.PrivateInformationCreatorUID.is_valid
    for keyword in ("MediaStorageSOPInstanceUID", "TransferSyntaxUID", "ImplementationClassUID"):
        assert found[keyword] == plain[keyword]


@pytest.mark.parametrize("count", [0, -2, PADDING_LEAST - 2, PADDING_LEAST + 1])
def test_padding_that_no_element_can_be_is_an_error(count: int) -> None:
    with pytest.raises(ValueError, match="padding is even"):
        padded(META, count)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_a_body_keeps_its_place_in_a_page_and_nothing_else_changes(
    syntax: Syntax, aligning: Pseudonymizer
) -> None:
    for length in range(0, 4200, 130):
        data = large(b"x" * length, syntax)
        plan, written = aligned(data, aligning)
        assert len(written) == plan.size
        ((offset, kept),) = plan.spans
        assert (offset - len(plan.head)) % PAGE == 0
        assert written[len(plan.head) :] == data[offset : offset + kept]
        _, plain = planned(data)
        assert len(plain) <= len(written) < len(plain) + PAGE + PADDING_LEAST
        assert dcmread(io.BytesIO(written)) == dcmread(io.BytesIO(plain))


def test_what_has_no_body_or_an_odd_place_is_not_padded(aligning: Pseudonymizer) -> None:
    without = ct(without=(0x7FE00010,))
    assert aligned(without, aligning)[1] == planned(without)[1]
    odd = large(b"x" * 5)  # an odd length, as some write it, moves all that follows
    assert aligned(odd, aligning)[1] == planned(odd)[1]


def test_a_page_aligned_output_of_any_start_is_copied_whole(tmp_path: Path, aligning: Pseudonymizer) -> None:
    data = large(b"y" * 124)
    with holding(data) as source:
        plan = aligning.plan(source, len(data), KEY)
        for spans in (plan.spans, ((plan.spans[0][0], 100),), ((plan.spans[0][0], 70_000),)):
            with holding(b"") as target:
                write_plan(replace(plan, spans=spans), source, target)
                (offset, length), head = spans[0], len(plan.head)
                assert os.pread(target, 1 << 24, head) == data[offset : offset + length]


@pytest.fixture
def sharing(tmp_path: Path) -> Iterator[Path]:
    """A file system that shares blocks between files."""
    try:
        disk = LoopDisk.make(tmp_path / "image", tmp_path / "place", 320, kind="xfs")
    except CannotMountError as error:
        pytest.skip(str(error))
    yield disk.mount
    disk.detach()


def test_bodies_are_shared_on_a_file_system_that_can(sharing: Path, aligning: Pseudonymizer) -> None:
    source = sharing / "source"
    source.write_bytes(large(b"z" * 6))
    os.sync()
    before = os.statvfs(sharing).f_bfree
    with source.open("rb") as read, (sharing / "target").open("wb") as write:
        write_plan(aligning.plan(read.fileno(), source.stat().st_size, KEY), read.fileno(), write.fileno())
    os.sync()
    used = (before - os.statvfs(sharing).f_bfree) * os.statvfs(sharing).f_frsize
    assert used < len(LARGE) / 4
