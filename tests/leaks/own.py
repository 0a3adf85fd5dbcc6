"""Plants that only a look at the patient's own identifiers finds: they stand in attributes that every profile keeps, because
what usually stands there identifies nobody. Such an object is quarantined by the leak scan."""

from __future__ import annotations

from tests.leaks.plant import ALL, Plant, day, identifier, sequence, surname, text, uid
from tests.support.datasets import Element, even

MODEL, SEQUENCE_NAME, FILTER, SOFTWARE, ICC_PROFILE = (
    0x00081090,
    0x00180024,
    0x00181160,
    0x00181020,
    0x00282000,
)
LAST_OF_28 = 0x00283003  # LUT Explanation
PLACE = "the patient's own identifier in an attribute that is kept"
FOUND = dict.fromkeys(ALL, "leak")


def _own(name: str, value: str, source: Element, copy: Element, check: str = "text", *more: Element) -> Plant:
    """`source` says what identifies the patient, `copy` repeats it where nobody looks."""
    return Plant(name, PLACE, (value,), (*more, source, copy), check=check, refused=FOUND)


def _name(name: str, copy: Element, source: Element | None = None, *more: Element) -> Plant:
    return _own(
        name, surname(name), source or text(0x00100010, "PN", surname(name) + "^Ada"), copy, "text", *more
    )


PLANTS = (
    _name("own-name-in-model", text(MODEL, "LO", "as used for " + surname("own-name-in-model").upper())),
    _name(
        "own-name-in-bytes",
        Element(ICC_PROFILE, "OB", even(b"desc\0" + surname("own-name-in-bytes").encode())),
    ),
    _name(
        "own-name-nested",
        sequence(0x00540016, (text(MODEL, "LO", surname("own-name-nested")),)),
    ),
    _name(
        "own-name-in-code",
        text(0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL\\" + surname("own-name-in-code").upper()),
    ),
    _own(
        "own-name-in-utf-8",
        "Örebrosson",
        text(0x00100010, "PN", "Örebrosson^Åsa", "utf-8"),
        text(MODEL, "LO", "für Örebrosson", "utf-8"),
        "text",
        text(0x00080005, "CS", "ISO_IR 192"),
    ),
    _own(
        "own-name-in-japanese",
        "佐々木花子",
        text(0x00100010, "PN", "Sasaki^Hanako=佐々木花子", "iso2022_jp"),
        text(MODEL, "LO", "佐々木花子", "iso2022_jp"),
        "text",
        text(0x00080005, "CS", "\\ISO 2022 IR 87"),
    ),
    _own(
        "own-id-in-sequence-name",
        identifier("own-id"),
        text(0x00100020, "LO", identifier("own-id")),
        text(SEQUENCE_NAME, "SH", identifier("own-id")),
    ),
    _own(
        "own-id-before-a-tag-like-a-digit",
        "MRN73451296",
        text(0x00100020, "LO", "MRN73451296"),
        text(LAST_OF_28, "LO", "of MRN73451296"),
        "text",
        text(0x00380102, "LO", "ACME"),
    ),
    _own(
        "own-name-before-a-tag-like-a-letter",
        surname("before-letter"),
        text(0x00100010, "PN", surname("before-letter") + "^Ada"),
        text(LAST_OF_28, "LO", "by: " + surname("before-letter")),
        "text",
        Element(0x00540081, "US", b"\1\0"),
    ),
    _own(
        "own-id-in-number",
        "73119264",
        text(0x00100020, "LO", "73119264"),
        text(0x00200012, "IS", "73119264"),
    ),
    _own(
        "own-other-id-in-filter",
        identifier("own-other"),
        text(0x00101000, "LO", "4711\\" + identifier("own-other")),
        text(FILTER, "SH", identifier("own-other")),
    ),
    _own(
        "own-accession-in-model",
        "ACC5520148",
        text(0x00080050, "SH", "ACC5520148"),
        text(MODEL, "LO", "order acc5520148"),
    ),
    _own(
        "own-telephone-in-software",
        "030 5550199",
        text(0x00102154, "SH", "030 5550199"),
        text(SOFTWARE, "LO", "V1\\030 5550199"),
    ),
    _own(
        "own-birth-date-in-model",
        day("own-birth"),
        text(0x00100030, "DA", day("own-birth")),
        text(MODEL, "LO", "phantom " + day("own-birth")),
        "date",
    ),
    _own(
        "own-instance-in-software",
        uid("own-instance"),
        text(0x00080018, "UI", uid("own-instance")),
        text(SOFTWARE, "LO", "from " + uid("own-instance")),
        "uid",
    ),
    _own(
        "own-reference-in-bytes",
        uid("own-reference"),
        sequence(0x00081140, (text(0x00081155, "UI", uid("own-reference")),)),
        Element(ICC_PROFILE, "OB", even(b"from " + uid("own-reference").encode())),
        "uid",
    ),
)
