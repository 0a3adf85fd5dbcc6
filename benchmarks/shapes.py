"""Objects of the sizes that a hospital sends, made: the same on every machine, and nobody's."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DigitalMammographyXRayImageStorageForPresentation,
    JPEG2000Lossless,
    MRImageStorage,
    generate_uid,
)

from benchmarks.inputs import huge_object
from engine.dicom import sample

Make = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object: `objects` of them make a round, `make` writes one; `many`: a few rounds of all are enough."""

    name: str
    objects: int
    make: Make
    many: bool = False


def ct(path: Path) -> None:
    """A CT slice of 512 x 512 pixels, 530 KB."""
    _slice(512).save_as(path, enforce_file_format=True)


def mr(path: Path) -> None:
    """An MR slice of 192 x 192 pixels with a private head of some 56 KB, as several makers write them: 130 KB."""
    ds = _slice(192)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = MRImageStorage
    ds.Modality = "MR"
    noise = random.Random(1)
    for number, group in enumerate((0x0019, 0x0021, 0x0029, 0x0051)):
        block = ds.private_block(group, f"BENCH MAKER {number}", create=True)
        for element in range(60):
            block.add_new(element, "LO", f"value {noise.randrange(1 << 30)}")
        block.add_new(0xF0, "OB", noise.randbytes(12_000))
    ds.save_as(path, enforce_file_format=True)


def multi_frame(path: Path) -> None:
    """An enhanced CT of 380 frames, 200 MB."""
    huge_object(path, 200_000_000)


def mammography(path: Path) -> None:
    """One JPEG 2000 frame of 30 MB. Its entropy-coded part is noise: nothing here decodes it."""
    ds = _slice(64)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    ds.Modality = "MG"
    ds.Rows, ds.Columns, ds.BurnedInAnnotation = 4096, 3328, "NO"
    ds.PixelData = encapsulate([_codestream(30_000_000)])
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = UID(JPEG2000Lossless)
    ds.save_as(path, enforce_file_format=True)


def tiny(path: Path) -> None:
    """A slice of 16 x 16 pixels: next to nothing but its head."""
    _slice(16).save_as(path, enforce_file_format=True)


KINDS = (
    Kind("CT, 530 KB", 400, ct),
    Kind("MR with a large private head, 130 KB", 1_000, mr),
    Kind("enhanced multi-frame CT, 200 MB", 2, multi_frame),
    Kind("mammography, JPEG 2000, 30 MB", 6, mammography),
    Kind("tiny objects, 8 KB", 100_000, tiny, many=True),
)


def _slice(size: int) -> Dataset:
    slices: Iterator[Dataset] = sample.study(shape=sample.Shape(slices=1, size=size))
    next(slices)
    ds = next(slices)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(prefix=sample.UID_ROOT)
    return ds


def _codestream(size: int) -> bytes:
    """SOC, SIZ, COD, QCD, one tile, EOC (ISO/IEC 15444-1 A.2); no two bytes of the tile are a marker."""
    siz = (
        bytes.fromhex("ff510029000000000d0000001000000000000000000000000d00000010000000000000000000000107")
        + b"\1\1"
    )
    cod = bytes.fromhex("ff52000c00000001000504040001")
    qcd = bytes.fromhex("ff5c00134048484850484850484850484850484850")
    sot = bytes.fromhex("ff90000a0000000000000001")
    noise = random.Random(2).randbytes(1 << 20).replace(b"\xff", b"\x7f")
    tile = (noise * (size // len(noise) + 1))[:size]
    return b"\xff\x4f" + siz + cod + qcd + sot + b"\xff\x93" + tile + b"\xff\xd9"
