"""What may carry burned-in text is quarantined, or masked where a rule knows its place, and says so only then."""

from __future__ import annotations

import os
import struct
import zlib
from io import BytesIO

import pydicom
import pytest
from pydicom.dataset import Dataset

from engine.errors import ConfigError, Refusal
from engine.profile import load
from engine.profile.loader import loads
from engine.profile.pixels import shipped_devices
from engine.pseudonymize import sidecar
from engine.pseudonymize.plan import ZEROS, ObjectPlan, write_plan
from tests.support.datasets import BIG, EXPLICIT, IMPLICIT, Element, Syntax, part10
from tests.support.images import (
    COLUMNS,
    CT,
    ROWS,
    SC,
    STRIP,
    US,
    device,
    image,
    region,
    regions,
    text,
    us,
    worker,
)
from tests.support.rewritten import planned

JPEG = Syntax("1.2.840.10008.1.2.4.50", explicit=True)
VIDEO = Syntax("1.2.840.10008.1.2.4.102", explicit=True)
PIXELS = bytes(range(1, ROWS * COLUMNS + 1))
NAMED = text(0x00280301, "CS", "YES")
KEEP = '[pixels]\npolicy = "keep"\n'
ACME = device(f'manufacturer = "acme"\n{STRIP}')


def code(data: bytes, pixels: str = "") -> str:
    """The code of the refusal, "" for none."""
    try:
        planned(data, worker(pixels))
    except Refusal as refusal:
        return refusal.code
    return ""


def output(data: bytes, pixels: str = "", options: str = "") -> tuple[ObjectPlan, Dataset]:
    plan, out = planned(data, worker(pixels, options))
    return plan, pydicom.dcmread(BytesIO(out))


def codes(dataset: Dataset) -> list[str]:
    return [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]


# ---- quarantine ------------------------------------------------------------------------------------------------------------

SUSPECTS = {
    "the object says so": ("burned-in", image(CT, [NAMED])),
    "says so in small letters": ("burned-in", image(CT, [text(0x00280301, "CS", "yes")])),
    "secondary capture": ("secondary-capture", image(SC)),
    "multi-frame secondary capture": ("secondary-capture", image(SC + ".4")),
    "secondary capture that says no": ("secondary-capture", image(SC, [text(0x00280301, "CS", "NO")])),
    "screen save": ("screen-save", image(CT, [text(0x00080008, "CS", "DERIVED\\SECONDARY\\SCREEN SAVE")])),
    "screen of a work station": ("screen-save", image(CT, [text(0x00080008, "CS", "DERIVED\\SECONDARY\\OTHER\\SCREENSHOT")])),
    "dose report": ("screen-save", image(CT, [text(0x00080008, "CS", "DERIVED\\SECONDARY\\DOSE_INFO")])),
    "scanned paper": ("screen-save", image(CT, [text(0x00080064, "CS", "SD")])),
    "scanned film": ("screen-save", image(CT, [text(0x00080064, "CS", "DF")])),
    "document": ("document", image("1.2.840.10008.5.1.4.1.1.104.1")),
    "CDA document": ("document", image("1.2.840.10008.5.1.4.1.1.104.2")),
    "video of an endoscope": ("video", image("1.2.840.10008.5.1.4.1.1.77.1.1.1")),
    "MPEG-4": ("video", image(CT, syntax=VIDEO, fragments=(b"\0\0\1\xba",))),
    "ultrasound": ("ultrasound-regions", image(US)),
    "ultrasound, retired class": ("ultrasound-regions", image("1.2.840.10008.5.1.4.1.1.6")),
    "multi-frame ultrasound": ("ultrasound-regions", image("1.2.840.10008.5.1.4.1.1.3.1")),
    "empty regions": ("ultrasound-regions", image(US, [regions()])),
    "a region without edges": ("ultrasound-regions", image(US, [regions([us(0x00186012, 1)])])),
    "a region inside out": ("ultrasound-regions", image(US, [regions(region(4, 5, 1, 1))])),
}  # fmt: skip


@pytest.mark.parametrize(("expected", "data"), SUSPECTS.values(), ids=SUSPECTS)
def test_what_may_show_who_the_patient_is_is_quarantined(expected: str, data: bytes) -> None:
    assert code(data) == expected
    assert code(data, KEEP) == ""


@pytest.mark.parametrize(("expected", "data"), SUSPECTS.values(), ids=SUSPECTS)
def test_the_refusal_says_what_can_be_done_and_nothing_of_the_patient(expected: str, data: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        planned(data, worker())
    assert refused.value.tag
    assert not {"Kestovic", "4471902", "ACME"} & set(str(refused.value).split())
    if expected not in ("document", "video"):
        assert "[[pixels.device]]" in refused.value.hint


@pytest.mark.parametrize(
    "data",
    [
        image(CT),
        image(CT, [text(0x00280301, "CS", "NO")]),
        image(US, [text(0x00280301, "CS", "NO")]),
        image(CT, [text(0x00080064, "CS", "WSD")][:0]),
        image("1.2.840.10008.5.1.4.1.1.128"),
    ],
)
def test_what_says_nothing_of_text_passes_untouched(data: bytes) -> None:
    plan, dataset = output(data)
    assert plan.pixels == "kept"
    assert dataset.PixelData == PIXELS
    assert "113101" not in codes(dataset)


def test_an_object_without_pixels_has_none() -> None:
    data = image(CT)
    whole = data[: data.index(b"\xe0\x7f\x10\0")]
    assert planned(whole, worker())[0].pixels == "none"


def test_policy_keep_passes_pixels_unseen_and_claims_nothing() -> None:
    plan, dataset = output(image(SC, [NAMED]), KEEP)
    assert plan.pixels == "kept"
    assert dataset.PixelData == PIXELS
    assert dataset.BurnedInAnnotation == "YES"
    assert "113101" not in codes(dataset)


# ---- masks -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG], ids=lambda syntax: syntax.name)
def test_a_device_rule_masks_its_region_and_the_object_says_so(syntax: Syntax) -> None:
    plan, dataset = output(image(SC, [NAMED], syntax=syntax), ACME)
    assert dataset.PixelData == bytes(2 * COLUMNS) + PIXELS[2 * COLUMNS :]
    assert plan.pixels == "masked"
    assert dataset.BurnedInAnnotation == "NO"
    assert codes(dataset) == ["113100", "113101"]


def test_in_big_endian_words_of_sixteen_bits_are_masked_whole() -> None:
    pixels = struct.pack("<30H", *range(1001, 1031))
    data = image(SC, [us(0x00280100, 16)], syntax=BIG, pixels=pixels, vr="OW")
    _, dataset = output(data, ACME)
    assert dataset.PixelData == bytes(20) + struct.pack(">20H", *range(1011, 1031))


def test_big_endian_words_of_two_pixels_are_not_masked_by_halves() -> None:
    """Bits Allocated 8 under OW: the first pixel of a word is its second byte (PS3.5 8.1.1)."""
    data = image(SC, syntax=BIG, vr="OW")
    _, dataset = output(data, device('manufacturer = "ACME"\nregions = [[0, 0, 0, 1]]'))
    assert dataset.PixelData[:6] == bytes(6)
    assert dataset.PixelData[6:] == bytes((8, 7)) + dataset.PixelData[8:]


def test_every_frame_is_masked() -> None:
    data = image(SC, [text(0x00280008, "IS", "4")], pixels=PIXELS * 4)
    _, dataset = output(data, ACME)
    assert dataset.PixelData == (bytes(10) + PIXELS[10:]) * 4


def test_ultrasound_keeps_nothing_but_its_regions() -> None:
    data = image(US, [regions(region(1, 2, 3, 4))])
    plan, dataset = output(data)
    array = dataset.pixel_array
    assert (array[2:5, 1:4] > 0).all()
    array[2:5, 1:4] = 0
    assert not array.any()
    assert plan.pixels == "masked"
    assert dataset.BurnedInAnnotation == "NO"


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG], ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("defined", [True, False])
def test_regions_are_read_in_every_encoding(syntax: Syntax, defined: bool) -> None:
    several = regions(region(0, 0, 1, 1), region(3, 4, 4, 5), defined=defined)
    _, dataset = output(image(US, [several], syntax=syntax))
    kept = {i for i, byte in enumerate(dataset.PixelData) if byte}
    assert kept == {0, 1, 5, 6, 23, 24, 28, 29}


def test_a_device_rule_goes_before_ultrasound_regions() -> None:
    _, dataset = output(image(US, [regions(region(0, 0, 4, 5))]), ACME)
    assert dataset.PixelData == bytes(10) + PIXELS[10:]


def test_a_device_that_writes_no_text_passes_unmasked_and_says_nothing_of_cleaning() -> None:
    plan, dataset = output(image(SC), device('manufacturer = "ACME"'))
    assert plan.pixels == "kept"
    assert dataset.PixelData == PIXELS
    assert "BurnedInAnnotation" not in dataset
    assert codes(dataset) == ["113100"]


def test_a_rule_does_not_touch_objects_that_nothing_speaks_against() -> None:
    plan, dataset = output(image(CT), ACME)
    assert plan.pixels == "kept"
    assert dataset.PixelData == PIXELS


FITTING = {
    "manufacturer": 'manufacturer = "AC"',
    "model": 'model = "scanner"',
    "modality": 'modality = "CT"',
    "all": f'modality = "CT"\nmanufacturer = "ACME"\nmodel = "Scanner 7"\nrows = {ROWS}\ncolumns = {COLUMNS}',
}
OTHERS = {
    "manufacturer": 'manufacturer = "ACME Inc"',
    "model": 'model = "canner"',
    "modality": 'modality = "US"',
    "rows": 'manufacturer = "ACME"\nrows = 7',
    "columns": 'manufacturer = "ACME"\ncolumns = 6',
}


@pytest.mark.parametrize("rule", FITTING.values(), ids=FITTING)
def test_a_rule_fits_by_beginnings_of_names_and_by_size(rule: str) -> None:
    assert output(image(SC), device(f"{rule}\n{STRIP}"))[0].pixels == "masked"


@pytest.mark.parametrize("rule", OTHERS.values(), ids=OTHERS)
def test_a_rule_for_another_device_leaves_the_object_in_quarantine(rule: str) -> None:
    assert code(image(SC), device(f"{rule}\n{STRIP}")) == "secondary-capture"


def test_the_first_rule_that_fits_decides() -> None:
    rules = device('model = "Scanner 7"\nregions = [[0, 0, 1, 1]]') + ACME
    _, dataset = output(image(SC), rules)
    assert dataset.PixelData == b"\0" + PIXELS[1:]


def test_the_shipped_rules_are_used_unless_a_profile_says_otherwise() -> None:
    signature = [
        text(0x00080060, "CS", "US"),
        text(0x00080070, "LO", "SuperSonic Imagine"),
        us(0x00280010, 200),
        us(0x00280011, 4),
    ]
    data = image(US, signature, pixels=b"\1" * 800)
    _, dataset = output(data)
    assert dataset.PixelData == bytes(360) + b"\1" * 440
    assert code(data, "[pixels]\nshipped_devices = false\n") == "ultrasound-regions"
    assert len(shipped_devices()) >= 10
    assert all(rule.why for rule in shipped_devices())


def test_what_is_masked_is_written_with_research_as_well() -> None:
    _, dataset = output(image(SC, [text(0x00080020, "DA", "20200101")]), ACME, '"modified-dates"')
    assert codes(dataset) == ["113100", "113101", "113107"]


# ---- what cannot be masked -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"]
)
def test_compressed_pixels_are_not_edited(number: str) -> None:
    data = image(SC, syntax=Syntax(number, explicit=True), fragments=(b"\xff\xd8\xff\xd9",))
    assert code(data, ACME) == "mask-compressed"
    assert code(data) == "secondary-capture"


def test_a_deflated_object_is_not_edited() -> None:
    data = image(SC)
    start = 144 + struct.unpack("<I", data[140:144])[0]
    packer = zlib.compressobj(wbits=-15)
    deflated = part10(
        packer.compress(data[start:]) + packer.flush(), "1.2.840.10008.1.2.1.99", sop_class=SC.encode()
    )
    assert code(deflated, ACME) == "mask-compressed"


def test_encapsulated_pixels_under_a_native_transfer_syntax_are_not_masked() -> None:
    assert code(image(SC, fragments=(bytes(30),)), ACME) in ("mask-compressed", "item-expected", "bad-vr")


@pytest.mark.parametrize(
    "more",
    [
        [us(0x00280100, 1)],
        [us(0x00280002, 3), text(0x00280004, "CS", "YBR_FULL_422")],
        [text(0x00280008, "IS", "2")],
        [us(0x00280010, 0)],
    ],
)
def test_pixels_whose_layout_is_unknown_are_not_masked(more: list[Element]) -> None:
    assert code(image(SC, more), ACME) == "mask-impossible"


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (image(US, [regions(region(0, 0, COLUMNS - 1, ROWS - 1))]), ""),
        (image(SC), device('manufacturer = "ACME"\nregions = [[50, 50, 9, 9]]')),
    ],
    ids=["a region as large as the frame", "a rule beside the frame"],
)
def test_a_mask_that_blanks_nothing_does_not_say_that_pixels_are_clean(data: bytes, rule: str) -> None:
    assert code(data, rule) in ("ultrasound-regions", "mask-impossible")


# ---- text in compressed frames -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("segment", [b"\xff\xfe\0\x07Smith", b"\xff\xe1\0\x0cExif\0\0Ada."])
def test_a_comment_in_a_frame_quarantines_unless_pixels_pass_unseen(segment: bytes) -> None:
    frame = b"\xff\xd8" + segment + b"\xff\xda\0\x08\1\1\0\0\x3f\0" + bytes(20) + b"\xff\xd9"
    data = image(CT, syntax=JPEG, fragments=(frame,))
    assert code(data) == "pixel-text"
    assert code(data, KEEP) == ""


# ---- plans and sidecars ------------------------------------------------------------------------------------------------------


def _masked() -> tuple[bytes, ObjectPlan, bytes]:
    data = image(
        SC, [text(0x00280008, "IS", "2")], pixels=PIXELS * 2, tail=[Element(0xFFFCFFFC, "OB", bytes(4))]
    )
    return data, *planned(data, worker(ACME))


def test_a_masked_plan_names_zeros_and_spans_of_the_source() -> None:
    data, plan, out = _masked()
    kept = [(offset, length) for offset, length in plan.spans if offset != ZEROS]
    assert [length for offset, length in plan.spans if offset == ZEROS] == [10, 10]
    assert (
        plan.body_header == data[kept[0][0] :][: len(plan.body_header)] == b"\xe0\x7f\x10\0OB\0\0\x3c\0\0\0"
    )
    assert plan.size == len(out) == len(plan.head) + sum(length for _, length in plan.spans) + len(plan.tail)
    assert b"".join(data[offset : offset + length] for offset, length in kept[1:]) == PIXELS[10:] * 2


def test_a_masked_plan_comes_back_from_its_sidecar() -> None:
    data, plan, _ = _masked()
    read = sidecar.decode(sidecar.encode(plan, len(data)))
    assert read.plan == plan
    source = os.memfd_create("source", os.MFD_CLOEXEC)
    try:
        os.write(source, data)
        read.check_source(source)
    finally:
        os.close(source)


def test_zeros_are_no_hole_in_the_target(tmp_path: pytest.TempPathFactory) -> None:
    data, plan, out = _masked()
    target = os.memfd_create("target", os.MFD_CLOEXEC)
    source = os.memfd_create("source", os.MFD_CLOEXEC)
    try:
        os.write(source, data)
        os.write(target, b"\xff" * 2 * plan.size)
        os.lseek(target, 0, os.SEEK_SET)
        write_plan(plan, source, target)
        assert os.pread(target, plan.size, 0) == out
    finally:
        os.close(source)
        os.close(target)


# ---- profiles ----------------------------------------------------------------------------------------------------------------

WRONG = {
    'policy = "blur"': "policy is one of",
    "polcy = 1": "unknown key polcy",
    "shipped_devices = 1": "shipped_devices",
    "device = 3": "[[pixels.device]]",
    "[[pixels.device]]\nregions = []": "names a modality, a manufacturer or a model",
    '[[pixels.device]]\nmodel = "x"\nregions = [[1, 2, 3]]': "[left, top, width, height]",
    '[[pixels.device]]\nmodel = "x"\nregions = [[-1, 2, 3, 4]]': "[left, top, width, height]",
    '[[pixels.device]]\nmodel = "x"\nregions = [[1, 2, 3, true]]': "[left, top, width, height]",
    '[[pixels.device]]\nmodel = "x"\nrows = 65536': "rows",
    '[[pixels.device]]\nmodel = 7': "model",
    '[[pixels.device]]\nmaker = "x"': "unknown key device.maker",
}  # fmt: skip


@pytest.mark.parametrize(("body", "message"), WRONG.items())
def test_a_wrong_pixel_table_is_refused_with_its_key(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        loads(f'profile = "x"\nbase = "ps3.15@2026c/basic"\n[pixels]\n{body}\n', "site.toml")
    assert message in str(error.value)
    assert "site.toml" in str(error.value)
    assert "pixels" in str(error.value)


def test_the_shipped_profiles_quarantine() -> None:
    assert {load(name).pixels.policy for name in ("default", "research")} == {"quarantine"}
