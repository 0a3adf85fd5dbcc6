"""A study to try things on: a chest CT of a patient who does not exist, and all that would identify one.

Names, numbers and dates stand where scanners put them: on top, in nested sequences, in private elements.
UIDs refer to each other across images and series. Nobody's files are needed to demonstrate, test or measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom.datadict import private_dictionary_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from engine.dicom.phantom import INTERCEPT, Chest, Pixels

# pydicom's root for made-up data; what follows it is derived from the seed.
UID_ROOT = "1.2.826.0.1.3680043.8.498."
NAMES = (
    "Mustermann^Änne^Fiktiva",
    "Beispiel^Jörg^Erfunden",
    "Fictif^Hélène^Zoé",
    "Ejemplo^Íñigo^Inventado",
)
WELL_KNOWN_UIDS = "1.2.840.10008."
PRIVATE_CREATOR = "PENSTOCK SAMPLE 1.0"


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the study is: `slices` axial images and a localizer, `size` × `size` 16-bit pixels each."""

    slices: int = 40
    size: int = 512
    transfer_syntax: str = ExplicitVRLittleEndian

    @property
    def objects(self) -> int:
        return self.slices + 1


def study(seed: int = 1, shape: Shape | None = None) -> Iterator[Dataset]:
    """The objects of one study, the localizer first. One seed, one patient: always the same bytes.

    Each is a Dataset with file meta information, ready for `save_as` or a C-STORE.
    ValueError: an impossible shape.
    """
    shape = shape or Shape()
    if shape.slices < 1:
        raise ValueError(f"a study of {shape.slices} slices is none: 1 or more")
    chest = Chest(shape.size, seed)
    yield _image(seed, shape, None, chest.localizer())
    for index in range(shape.slices):
        yield _image(seed, shape, index, chest.axial(index, shape.slices))


def write(folder: Path, seed: int = 1, shape: Shape | None = None) -> list[Path]:
    """The study as Part 10 files in `folder` (made if missing); their paths, the localizer first."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for ds in study(seed, shape):
        path = folder / f"S{ds.SeriesNumber:02d}I{ds.InstanceNumber:04d}.dcm"
        encoded = BytesIO()
        ds.save_as(encoded, enforce_file_format=True)
        path.write_bytes(encoded.getvalue())  # pydicom hides which error it was when the disk is full
        paths.append(path)
    return paths


def identities(ds: Dataset) -> frozenset[str]:
    """Every value of `ds`, at any depth, that says who, where, when or which: none of them may survive.

    Names whole and by component, UIDs that are not the standard's, dates, identifiers and free text.
    """
    found: set[str] = set()
    for element in ds.iterall():
        values = element.value if element.VM > 1 else [element.value]
        if element.VR == "PN":
            for name in values:
                found.add(str(name))
                found.update(part for part in str(name).replace("=", "^").split("^") if len(part) > 3)
        elif element.VR == "UI":
            found.update(str(uid) for uid in values if not str(uid).startswith(WELL_KNOWN_UIDS))
        elif element.VR in ("DA", "DT") or element.keyword in _TELLING or _is_private_text(element.tag):
            found.update(str(value) for value in values if isinstance(value, str) and len(value) > 5)
    return frozenset(found - {""})


_TELLING = frozenset({
    "PatientID", "PatientComments", "PatientAddress", "PatientTelephoneNumbers", "AdditionalPatientHistory",
    "AccessionNumber", "InstitutionName", "InstitutionAddress", "StationName", "DeviceSerialNumber",
    "ImageComments", "RequestedProcedureID", "ScheduledProcedureStepID", "PerformedProcedureStepID",
})  # fmt: skip


def _is_private_text(tag: BaseTag) -> bool:
    return bool(tag.is_private and not tag.is_private_creator)


def _uid(seed: int, *what: object) -> UID:
    return generate_uid(prefix=UID_ROOT, entropy_srcs=["penstock sample", str(seed), *map(str, what)])


def _image(seed: int, shape: Shape, index: int | None, pixels: Pixels) -> Dataset:
    """The localizer (index None) or one axial slice."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(shape.transfer_syntax)
    _fill(ds, _PATIENT_AND_STUDY)
    _identify(ds, seed)
    _relate(ds, seed, index)
    _fill(ds, _ACQUISITION)
    _place(ds, shape, index)
    _add_sequences(ds, seed, index)
    _add_private(ds, seed, index)
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = INTERCEPT, 1, "HU"
    ds.PixelData = pixels.tobytes()
    return ds


def _fill(ds: Dataset, values: dict[str, Any]) -> None:
    for keyword, value in values.items():
        setattr(ds, keyword, value)


def _identify(ds: Dataset, seed: int) -> None:
    ds.PatientName = NAMES[(seed - 1) % len(NAMES)]
    ds.PatientID = f"MRN-{4_700_000 + seed:08d}"
    ds.AccessionNumber = f"ACC{20_240_000 + seed}"
    ds.StudyID = f"{1187 + seed}"
    ds.DeviceUID = _uid(0, "device")


def _relate(ds: Dataset, seed: int, index: int | None) -> None:
    ds.StudyInstanceUID = _uid(seed, "study")
    ds.FrameOfReferenceUID = _uid(seed, "frame of reference")
    ds.IrradiationEventUID = _uid(seed, "irradiation", index is None)
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = _uid(seed, "image", index)
    if index is None:
        ds.SeriesInstanceUID = _uid(seed, "series", 1)
        ds.SeriesNumber, ds.InstanceNumber, ds.SeriesDescription = 1, 1, "LOCALIZER"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    else:
        ds.SeriesInstanceUID = _uid(seed, "series", 2)
        ds.SeriesNumber, ds.InstanceNumber, ds.SeriesDescription = 2, index + 1, "CHEST 2.5 STD"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID


def _place(ds: Dataset, shape: Shape, index: int | None) -> None:
    spacing = 360.0 / shape.size
    ds.PixelSpacing = [f"{spacing:.6f}"] * 2
    seconds = 0 if index is None else 12 + index // 4
    ds.ContentTime = ds.AcquisitionTime = f"0912{seconds % 60:02d}.{(index or 0) % 4 * 250_000:06d}"
    ds.AcquisitionDateTime = f"20240314{ds.AcquisitionTime}+0100"
    if index is None:
        ds.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        ds.ImagePositionPatient = ["-180.0", "0.0", "180.0"]
        return
    z = 2.5 * (shape.slices / 2 - index)
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = ["-180.0", "-180.0", f"{z:.3f}"]
    ds.SliceLocation = f"{z:.3f}"


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _reference(sop_class: str, instance: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
    return item


def _add_sequences(ds: Dataset, seed: int, index: int | None) -> None:
    ds.ReferencedStudySequence = [_reference("1.2.840.10008.3.1.2.3.1", ds.StudyInstanceUID)]
    ds.ReferencedPerformedProcedureStepSequence = [
        _reference("1.2.840.10008.3.1.2.3.3", _uid(seed, "performed procedure step"))
    ]
    if index is not None:
        localizer = _reference(CTImageStorage, _uid(seed, "image", None))
        localizer.PurposeOfReferenceCodeSequence = [_code("121311", "DCM", "Localizer")]
        ds.ReferencedImageSequence = [localizer]
    ds.ProcedureCodeSequence = [_code("RPID16", "RADLEX", "CT Chest")]

    physician = Dataset()
    physician.PersonIdentificationCodeSequence = [_code("PH-20771", "99HOSP", "Oberarzt Prüfer")]
    physician.InstitutionName = "Klinikum Musterstadt"
    ds.ReferringPhysicianIdentificationSequence = [physician]

    other = Dataset()
    other.PatientID, other.IssuerOfPatientID, other.TypeOfPatientID = f"OLD-{seed:06d}", "ALTE KLINIK", "TEXT"
    ds.OtherPatientIDsSequence = [other]

    request = Dataset()
    request.StudyInstanceUID = ds.StudyInstanceUID
    request.AccessionNumber = ds.AccessionNumber
    request.RequestedProcedureID = f"RP-{880_000 + seed}"
    request.ScheduledProcedureStepID = f"SPS-{990_000 + seed}"
    request.ScheduledProtocolCodeSequence = [_code("CT.CHEST.01", "99HOSP", "Thorax nativ")]
    ds.RequestAttributesSequence = [request]


def _add_private(ds: Dataset, seed: int, index: int | None) -> None:
    """Private elements: identities in a vendor's own place, and many dull numbers, as scanners write them."""
    own = ds.private_block(0x0011, PRIVATE_CREATOR, create=True)
    own.add_new(0x01, "PN", ds.PatientName)
    own.add_new(0x02, "LO", f"ROOM 3 / {ds.PatientID}")
    nested = Dataset()
    nested.PatientBirthDate = ds.PatientBirthDate
    deeper = nested.private_block(0x0011, PRIVATE_CREATOR, create=True)
    deeper.add_new(0x03, "UI", _uid(seed, "raw data", index))
    own.add_new(0x04, "SQ", [nested])

    for group, creator in _DULL:
        block = ds.private_block(group, creator, create=True)
        for offset in range(0x70):
            vr = _private_vr(group, offset, creator)
            if vr in _DULL_VALUES:
                block.add_new(offset, vr, _DULL_VALUES[vr](offset))


# Public names of private creators, whose elements pydicom's dictionary knows.
_DULL = ((0x0019, "GEMS_ACQU_01"), (0x0027, "GEMS_IMAG_01"), (0x0043, "GEMS_PARM_01"))
_DULL_VALUES: dict[str, Callable[[int], Any]] = {
    "DS": lambda offset: f"{offset * 3.25:.6f}",
    "FL": lambda offset: offset / 8.0,
    "LO": lambda offset: f"PARAMETER {offset}",
    "OB": lambda offset: bytes([offset]) * 512,
    "SL": lambda offset: offset * 17,
    "SS": lambda offset: offset * 5,
    "US": lambda offset: offset * 3,
}


def _private_vr(group: int, offset: int, creator: str) -> str:
    """As pydicom's dictionary has it; "" if it does not know the element."""
    try:
        return str(private_dictionary_VR(group << 16 | 0x1000 | offset, creator))
    except KeyError:
        return ""


_PATIENT_AND_STUDY: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 100",
    "InstanceCreationDate": "20240314",
    "InstanceCreationTime": "091230",
    "StudyDate": "20240314",
    "SeriesDate": "20240314",
    "AcquisitionDate": "20240314",
    "ContentDate": "20240314",
    "StudyTime": "090512",
    "SeriesTime": "091104",
    "Modality": "CT",
    "Manufacturer": "Penstock",
    "InstitutionName": "Klinikum Musterstadt",
    "InstitutionAddress": "Gedachte Straße 7, 00000 Musterstadt",
    "ReferringPhysicianName": "Prüfer^Ödön^^Dr.",
    "PerformingPhysicianName": "Ersonnen^Søren",
    "OperatorsName": "Erdacht^Maja",
    "NameOfPhysiciansReadingStudy": "Prüfer^Ödön^^Dr.",
    "StationName": "CTMUSTER03",
    "StudyDescription": "CT THORAX NATIV",
    "InstitutionalDepartmentName": "Radiologie",
    "ManufacturerModelName": "Imaginary CT",
    "PatientBirthDate": "19470812",
    "PatientSex": "F",
    "PatientAge": "076Y",
    "PatientSize": "1.68",
    "PatientWeight": "64.5",
    "PatientAddress": "Gedachte Straße 7, 00000 Musterstadt",
    "PatientTelephoneNumbers": "+49 000 1234567",
    "AdditionalPatientHistory": "Husten seit 3 Wochen, Frau Mustermann wünscht Rückruf",
    "PatientComments": "Kommt mit Tochter",
    "EthnicGroup": "unbekannt",
    "Occupation": "Lehrerin",
}

_ACQUISITION: dict[str, Any] = {
    "BodyPartExamined": "CHEST",
    "ScanOptions": "HELICAL MODE",
    "SliceThickness": "2.5",
    "KVP": "120",
    "DataCollectionDiameter": "500.0",
    "DeviceSerialNumber": "SN-0042-7781",
    "SoftwareVersions": "1.0",
    "ProtocolName": "5.1 Thorax Routine",
    "ReconstructionDiameter": "360.0",
    "DistanceSourceToDetector": "949.147",
    "DistanceSourceToPatient": "541.0",
    "GantryDetectorTilt": "0.0",
    "TableHeight": "141.5",
    "RotationDirection": "CW",
    "ExposureTime": "570",
    "XRayTubeCurrent": "210",
    "Exposure": "9",
    "FilterType": "BODY FILTER",
    "GeneratorPower": "25200",
    "FocalSpots": "1.2",
    "DateOfLastCalibration": "20240311",
    "TimeOfLastCalibration": "061500",
    "ConvolutionKernel": "STANDARD",
    "PatientPosition": "FFS",
    "CTDIvol": 4.71,
    "AcquisitionNumber": 1,
    "PositionReferenceIndicator": "SN",
    "ImageComments": "Kontrolle für Frau Dr. Mustermann",
    "WindowCenter": ["40", "-600"],
    "WindowWidth": ["400", "1500"],
    "PerformedProcedureStepStartDate": "20240314",
    "PerformedProcedureStepStartTime": "090512",
    "PerformedProcedureStepID": "PPS-00077",
    "PerformedProcedureStepDescription": "CT Thorax nativ",
}
