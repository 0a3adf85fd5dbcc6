"""What the sender reads of a file, and what it refuses by name."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from engine.errors import Refusal, TransportError
from engine.sender.source import Cloner, files_in, read_source
from tests.support.receiver import CT, IMPLICIT, data_set

UID = "1.2.826.0.1.3680043.8.498.12345678901234567890"


def meta(elements: dict[int, bytes], tail: bytes = b"") -> bytes:
    """Preamble and file meta of these UIDs; explicit VR little endian."""
    group = b"".join(
        struct.pack("<HH2sH", 2, number, b"UI", len(value)) + value for number, value in elements.items()
    )
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(group)) + group + tail


def even(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)


WHOLE = {2: even(CT), 3: even(UID), 0x10: even(IMPLICIT)}


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm", "image_dfl.dcm"])
def test_the_meta_of_files_that_others_wrote_is_read(name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    source = read_source(path)
    ds = dcmread(path, stop_before_pixels=True)
    assert source.sop_class_uid == ds.file_meta.MediaStorageSOPClassUID
    assert source.sop_instance_uid == ds.file_meta.MediaStorageSOPInstanceUID
    assert source.transfer_syntax_uid == ds.file_meta.TransferSyntaxUID
    assert source.offset == 144 + ds.file_meta.FileMetaInformationGroupLength
    assert source.offset + source.size == path.stat().st_size


def test_a_group_length_that_lies_is_not_believed(tmp_path: Path) -> None:
    data = bytearray(meta(WHOLE, data_set(UID)))
    data[140:144] = b"\7\0\0\0"
    path = tmp_path / "x.dcm"
    path.write_bytes(data)
    assert read_source(path).size == len(data_set(UID))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not-dicom"),
        (b"hello", "not-dicom"),
        (bytes(132), "not-dicom"),
        (bytes(128) + b"DICM", "meta-incomplete"),
        (meta({2: even(CT), 3: even(UID)}, b"\x08\0"), "meta-incomplete"),
        (meta({**WHOLE, 3: b""}, b"\x08\0"), "meta-incomplete"),
        (meta(WHOLE), "no-data-set"),
        (meta(WHOLE)[:-3], "meta-damaged"),
        (meta({**WHOLE, 3: b"\xff\xff"}, b"\x08\0"), "meta-damaged"),
        (meta({2: even(CT)}) + struct.pack("<HH2sHI", 2, 1, b"OB", 0, 0xFFFFFFFF), "meta-damaged"),
        (meta({}) + b"\2\0\3\0UI", "meta-damaged"),
    ],
)
def test_a_file_that_cannot_be_sent_is_refused_with_its_reason(
    tmp_path: Path, data: bytes, code: str
) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(Refusal) as caught:
        read_source(path)
    assert caught.value.code == code


def test_at_every_cut_a_file_is_read_or_refused(tmp_path: Path) -> None:
    whole = meta(WHOLE, b"ab")
    path = tmp_path / "x"
    for cut in range(len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(Refusal):
            read_source(path)
    path.write_bytes(whole)
    assert read_source(path).size == 2


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="directory"):
        read_source(tmp_path)


def test_folders_are_walked_in_order_and_loops_do_not_catch_us(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("z", "a", "b/c"):
        (tmp_path / name).write_bytes(b"")
    os.symlink(tmp_path, tmp_path / "b" / "loop")
    found = [str(path.relative_to(tmp_path)) for path in files_in([tmp_path, tmp_path / "a"])]
    assert found == ["a", "z", "b/c", "a"]


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="nowhere"):
        list(files_in([tmp_path / "nowhere"]))


def test_clones_have_uids_of_their_own_and_of_the_same_length(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(meta(WHOLE, data_set(UID)))
    cloner = Cloner(read_source(path))
    uids = [cloner.uid(number) for number in range(1000)]
    assert len(set(uids)) == 1000
    assert {len(uid) for uid in uids} == {len(UID)}
    assert all(part == str(int(part)) for uid in uids for part in uid.split("."))
    data = data_set(UID)
    assert data[cloner.at : cloner.at + len(UID)] == UID.encode()
    assert Cloner(read_source(path)).uid(0) != uids[0]  # another run, other UIDs


@pytest.mark.parametrize(("uid", "inside"), [("1.2.3", "1.2.3"), (UID, UID[:-1] + "9")])
def test_an_object_that_cannot_be_cloned_is_refused(tmp_path: Path, uid: str, inside: str) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(meta({**WHOLE, 3: even(uid)}, data_set(inside)))
    with pytest.raises(Refusal) as caught:
        Cloner(read_source(path))
    assert caught.value.code == "not-cloneable"
