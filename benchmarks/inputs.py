"""Files to measure with: copies of a real CT slice where the corpus is there, else of the sample study's first slice."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from engine.dicom import sample

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT.parent / "shared" / "corpus" / "bench"


@dataclass(frozen=True, slots=True)
class Slice:
    """One CT slice as a file, and what it is called in the report."""

    path: Path
    name: str
    size: int
    elements: int


def ct_slice(folder: Path) -> Slice:
    """The 530 KB CT slice: real if the corpus lies beside the repository, else made into `folder`."""
    real = CORPUS / "ct.dcm"
    if real.is_file():
        return _slice(real, "a real CT slice, implicit little endian")
    made = sample.write(
        folder / "sample", shape=sample.Shape(slices=1, transfer_syntax=ImplicitVRLittleEndian)
    )
    return _slice(made[1], "a slice of the sample study, implicit little endian")


def long_head(folder: Path) -> Slice:
    """An object with thousands of elements: an enhanced MR if the corpus is there, else a deeply filled sample."""
    real = CORPUS / "mr-8175-elements.dcm"
    if real.is_file():
        return _slice(real, "a real enhanced MR")
    path = folder / "long-head.dcm"
    folder.mkdir(parents=True, exist_ok=True)
    ds = next(iter(sample.study(shape=sample.Shape(slices=1, size=64))))
    ds.PerFrameFunctionalGroupsSequence = [_frame(n) for n in range(500)]
    ds.save_as(path, enforce_file_format=True)
    return _slice(path, "a sample object with 500 functional groups")


def clones(source: Slice, folder: Path, count: int) -> list[Path]:
    """`count` plain copies of the slice in `folder`; what is there already is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.dcm" for number in range(count)]
    for path in paths:
        if not path.exists() or path.stat().st_size != source.size:
            shutil.copyfile(source.path, path)
    return paths


def distinct(source: Slice, folder: Path, count: int, studies: int) -> None:
    """`count` copies in `folder` with SOP Instance UIDs of their own, spread over `studies` studies; same size each."""
    folder.mkdir(parents=True, exist_ok=True)
    data, ds = source.path.read_bytes(), pydicom.dcmread(source.path, stop_before_pixels=True)
    instance, study = str(ds.SOPInstanceUID).encode(), str(ds.StudyInstanceUID).encode()
    for number in range(count):
        made = data.replace(instance, _numbered(instance, number))
        (folder / f"{number:06d}.dcm").write_bytes(made.replace(study, _numbered(study, number % studies)))


def _numbered(uid: bytes, number: int) -> bytes:
    """A UID of the same length that ends with the number."""
    return uid[:-7] + b"1%06d" % number


def huge_object(path: Path, size: int) -> None:
    """A multi-frame CT of about `size` bytes (512 × 512 × 16 bits a frame) at `path`, written frame by frame."""
    frame = next(iter(sample.study())).PixelData
    frames = max(1, size // len(frame))
    ds = _multi_frame_head(frames)
    ds.save_as(path, enforce_file_format=True)
    with path.open("ab") as file:
        # Pixel Data (7FE0,0010) OW, explicit VR little endian, PS3.5 7.1.2; the element fits 32 bits.
        file.write(b"\xe0\x7f\x10\x00OW\0\0" + (frames * len(frame)).to_bytes(4, "little"))
        for _ in range(frames):
            file.write(frame)


def _multi_frame_head(frames: int) -> Dataset:
    ds = next(iter(sample.study()))
    del ds.PixelData
    ds.SOPClassUID = EnhancedCTImageStorage
    ds.SOPInstanceUID = generate_uid(prefix=sample.UID_ROOT)
    ds.NumberOfFrames = frames
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def _frame(number: int) -> Dataset:
    position = Dataset()
    position.ImagePositionPatient = ["0.0", "0.0", f"{number}.0"]
    reference = Dataset()
    reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    reference.ReferencedSOPInstanceUID = generate_uid(prefix=sample.UID_ROOT, entropy_srcs=[str(number)])
    content = Dataset()
    content.FrameAcquisitionDateTime = "20240314091212"
    content.FrameReferenceDateTime = "20240314091212"
    content.DimensionIndexValues = [1, number + 1]
    item = Dataset()
    item.PlanePositionSequence = [position]
    item.ReferencedImageSequence = [reference]
    item.FrameContentSequence = [content]
    return item


def _slice(path: Path, name: str) -> Slice:
    ds = pydicom.dcmread(path)
    return Slice(path, name, path.stat().st_size, sum(1 for _ in ds.iterall()))
