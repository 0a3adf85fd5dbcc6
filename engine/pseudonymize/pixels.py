"""Text burned into pixels: whether an object may pass, must be masked, or is quarantined (design: rule 13)."""

from __future__ import annotations

import io
from dataclasses import dataclass

from engine._native.survey import Survey
from engine.errors import Refusal
from engine.profile.pixels import PixelRules, Region

IMAGE_TYPE, MODALITY, CONVERSION_TYPE, MANUFACTURER, MODEL = (
    0x00080008,
    0x00080060,
    0x00080064,
    0x00080070,
    0x00081090,
)
ULTRASOUND_REGIONS = 0x00186011
SAMPLES, PHOTOMETRIC, PLANAR, FRAMES, ROWS, COLUMNS, ALLOCATED = (
    0x00280002,
    0x00280004,
    0x00280006,
    0x00280008,
    0x00280010,
    0x00280011,
    0x00280100,
)
BURNED_IN = 0x00280301
SOP_CLASS = 0x00080016

FACTS = (
    IMAGE_TYPE,
    MODALITY,
    CONVERSION_TYPE,
    MANUFACTURER,
    MODEL,
    ULTRASOUND_REGIONS,
    SAMPLES,
    PHOTOMETRIC,
    PLANAR,
    FRAMES,
    ROWS,
    COLUMNS,
    ALLOCATED,
    BURNED_IN,
)
"""Top-level attributes that the decision needs."""

_STORAGE = "1.2.840.10008.5.1.4.1.1."
SECONDARY_CAPTURE = _STORAGE + "7"
DOCUMENTS = _STORAGE + "104."
VIDEO = frozenset(_STORAGE + suffix for suffix in ("77.1.1.1", "77.1.2.1", "77.1.4.1"))
ULTRASOUND = frozenset(_STORAGE + suffix for suffix in ("3", "3.1", "6", "6.1"))
_VIDEO_SYNTAXES = tuple(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))
_SCREENS = ("SCREEN", "SCANNED", "DOCUMENT", "CAPTURE", "DOSE")
_SCANNED = frozenset({"DF", "DV", "SD", "SI", "WSD", "DRW", "SYN"})
_EDITABLE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})


@dataclass(frozen=True, slots=True)
class Mask:
    """What is blanked in every frame: `regions` when `inside`, else everything but them."""

    regions: tuple[Region, ...]
    inside: bool


def decide(
    rules: PixelRules, values: Survey, sop_class: str, transfer_syntax: str, syntax: int
) -> Mask | None:
    """The mask for an object's pixels, None where they may pass as they are. `values` hold `FACTS`.

    Raises Refusal: `burned-in`, `secondary-capture`, `document`, `video`, `ultrasound-regions`, and `mask-compressed` where a
    mask is known but the transfer syntax cannot be edited.
    """
    if rules.policy == "keep":
        return None
    suspicion = _suspicion(values, sop_class, transfer_syntax)
    if suspicion is None:
        return None
    mask = _device_mask(rules, values, syntax)
    if mask is None and suspicion.code == "ultrasound-regions":
        inside = ultrasound_regions(values.raw(ULTRASOUND_REGIONS) or b"", syntax)
        mask = Mask(inside, inside=False) if inside else None
    if mask is None:
        raise suspicion
    if not mask.regions and mask.inside:
        return None  # a device that is known to write nothing into its images
    if transfer_syntax not in _EDITABLE:
        raise Refusal(
            "mask-compressed",
            "the text's place is known, but compressed pixels are not edited",
            hint="have the sender decompress, or clean the pixels before",
            tag=0x7FE00010,
        )
    return mask


def _suspicion(values: Survey, sop_class: str, transfer_syntax: str) -> Refusal | None:
    """Why an object may carry burned-in text; None where nothing says so."""
    hint = "a [[pixels.device]] rule of the profile can say where the text stands, or that there is none"
    kinds = _values(values.get(IMAGE_TYPE))
    if sop_class.startswith(DOCUMENTS):
        return Refusal("document", "an encapsulated document can say anything", tag=0x00420011)
    if sop_class in VIDEO or transfer_syntax.startswith(_VIDEO_SYNTAXES):
        return Refusal("video", "a video shows the patient", tag=0x7FE00010)
    if _text(values.get(BURNED_IN)).startswith("Y"):
        return Refusal(
            "burned-in", "the object says that text is burned into its pixels", hint=hint, tag=BURNED_IN
        )
    if sop_class == SECONDARY_CAPTURE or sop_class.startswith(SECONDARY_CAPTURE + "."):
        return Refusal("secondary-capture", "a secondary capture may show a screen", hint=hint, tag=SOP_CLASS)
    if (
        any(word in kind for kind in kinds for word in _SCREENS)
        or _text(values.get(CONVERSION_TYPE)) in _SCANNED
    ):
        return Refusal(
            "screen-save", "the object is a picture of a screen or of paper", hint=hint, tag=IMAGE_TYPE
        )
    if sop_class in ULTRASOUND and not _text(values.get(BURNED_IN)).startswith("N"):
        return Refusal(
            "ultrasound-regions",
            "an ultrasound image that does not say where its image ends",
            hint=hint,
            tag=ULTRASOUND_REGIONS,
        )
    return None


def _device_mask(rules: PixelRules, values: Survey, syntax: int) -> Mask | None:
    rows, columns = number(values.raw(ROWS), syntax), number(values.raw(COLUMNS), syntax)
    modality, manufacturer, model = (_text(values.get(tag)) for tag in (MODALITY, MANUFACTURER, MODEL))
    for device in rules.devices:
        if device.fits(modality, manufacturer, model, rows, columns):
            return Mask(device.regions, inside=True)
    return None


def ultrasound_regions(raw: bytes, syntax: int) -> tuple[Region, ...]:
    """The image areas in Sequence of Ultrasound Regions (PS3.3 C.8.5.5.1), () where there are none that make sense."""
    from pydicom.filereader import read_sequence

    if not raw:
        return ()
    try:
        items = read_sequence(io.BytesIO(raw), not syntax & 1, not syntax & 2, len(raw), "ascii")
        regions = []
        for item in items:
            left, top = int(item.RegionLocationMinX0), int(item.RegionLocationMinY0)
            right, bottom = int(item.RegionLocationMaxX1), int(item.RegionLocationMaxY1)
            if left <= right and top <= bottom:
                regions.append((left, top, right - left + 1, bottom - top + 1))
    except Exception:  # noqa: BLE001 (whatever cannot be read gives no region, and without one the object is quarantined)
        return ()
    return tuple(regions)


def number(raw: bytes | None, syntax: int) -> int:
    """A US value (two bytes in the byte order of `syntax`); 0 where it is absent or something else."""
    if raw is None or len(raw) != 2:
        return 0
    return int.from_bytes(raw, "big" if syntax & 2 else "little")


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("ascii", "replace").strip(" \0").upper()


def _values(raw: bytes | None) -> list[str]:
    return [part.strip() for part in _text(raw).split("\\")]
