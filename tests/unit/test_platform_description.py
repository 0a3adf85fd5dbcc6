"""What the platform reads of an object before it takes it."""

from __future__ import annotations

import zlib

import pytest
from pydicom.dataset import Dataset

from engine.errors import Refusal
from engine.platform.description import FIRST_TRY, MOST_PREFIX, DescriptionReader
from tests.support.platform_process import pseudonymized, written


def described(content: bytes, step: int = 1000) -> tuple[str, str, str]:
    reader = DescriptionReader()
    for at in range(0, len(content), step):
        reader.feed(content[at : at + step])
    found = reader.finish()
    return found.sop_instance_uid, found.study_instance_uid, found.hashed_id


@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 20])
def test_an_object_is_described_whatever_its_pieces(step: int) -> None:
    assert described(pseudonymized(1, "2.25.9"), step) == (f"2.25.{10**20 + 1}", "2.25.9", "a" * 32)


def changed_object(**changes: object) -> bytes:
    ds = Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.1", "2.25.2", "2.25.3"
    ds.PatientID, ds.PatientIdentityRemoved, ds.Modality = "a" * 32, "YES", "CT"
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return written(ds)


@pytest.mark.filterwarnings("ignore:.*exceeds the maximum length")
def test_a_long_head_before_the_series_uid_is_read_on() -> None:
    long = changed_object(LongCodeValue="y" * (FIRST_TRY * 2))
    assert described(long)[0] == "2.25.1"


def test_a_head_without_end_is_refused_before_much_of_it_is_held() -> None:
    endless = changed_object(LongCodeValue="y" * (5 * MOST_PREFIX))
    reader = DescriptionReader()
    fed = 0

    def feed_on() -> None:
        nonlocal fed
        for at in range(0, len(endless), 10_000):
            reader.feed(endless[at : at + 10_000])
            fed += 10_000

    with pytest.raises(Refusal, match="Series Instance UID"):
        feed_on()
    assert fed <= MOST_PREFIX


@pytest.mark.parametrize(
    ("changes", "code", "tag"),
    [
        ({"PatientIdentityRemoved": None}, "not-pseudonymized", 0x00120062),
        ({"PatientIdentityRemoved": "NO"}, "not-pseudonymized", 0x00120062),
        ({"StudyInstanceUID": None}, "missing-attribute", 0x0020000D),
        ({"SeriesInstanceUID": ""}, "missing-attribute", 0x0020000E),
        ({"PatientID": ""}, "missing-attribute", 0x00100020),
        ({"PatientID": "x" * 65}, "missing-attribute", 0x00100020),
    ],
)
@pytest.mark.filterwarnings("ignore:.*exceeds the maximum length")
def test_an_object_without_what_the_index_needs_is_refused(
    changes: dict[str, object], code: str, tag: int
) -> None:
    with pytest.raises(Refusal) as caught:
        described(changed_object(**changes))
    assert (caught.value.code, caught.value.tag) == (code, tag)


@pytest.mark.parametrize("uid", ["../../etc/passwd", "1.2.x", "1..2", "1" * 65, "1.2\n"])
def test_a_uid_that_is_none_is_refused_and_not_repeated(uid: str) -> None:
    content = changed_object().replace(
        b"UI\x06\x002.25.2", b"UI" + len(uid).to_bytes(2, "little") + uid.encode()
    )
    with pytest.raises(Refusal) as caught:
        described(content)
    assert uid not in str(caught.value)


def test_a_deflated_object_is_described_and_a_bomb_is_bounded() -> None:
    plain = changed_object()
    start = plain.index(b"\x08\x00\x16\x00UI")
    deflated_uid = b"1.2.840.10008.1.2.1.99"
    meta = plain[:start].replace(b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI\x16\x00" + deflated_uid)
    group_length = int.from_bytes(meta[140:144], "little") + 2
    meta = meta[:140] + group_length.to_bytes(4, "little") + meta[144:]

    def deflate(data: bytes) -> bytes:
        packer = zlib.compressobj(wbits=-15)
        return packer.compress(data) + packer.flush()

    assert described(meta + deflate(plain[start:]))[0] == "2.25.1"
    with pytest.raises(Refusal):
        described(meta + deflate(bytes(50 << 20)), 1 << 20)
