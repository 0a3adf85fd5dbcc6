"""Plants in attributes at the top level: listed in PS3.15 Table E.1-1, missing there, retired, or newer than any dictionary."""

from __future__ import annotations

from tests.leaks.plant import (
    DEVICE,
    EXPLICIT_ONLY,
    PATIENT,
    Plant,
    day,
    identifier,
    number,
    surname,
    text,
    time_of,
)
from tests.support.datasets import Element

UNLISTED_DATE = 0x0008041F  # Study Update DateTime: not in Table E.1-1
TIMES = "shifting is by whole days: times stay"


def _one(
    place: str, name: str, tag: int, vr: str, value: str = "", check: str = "text", research: str = ""
) -> Plant:
    """A value by itself in one attribute."""
    value = value or surname(name)
    return Plant(name, place, (value.rstrip(),), (text(tag, vr, value),), check=check, research=research)


def _in_words(place: str, name: str, tag: int, vr: str, before: str = "CT of ") -> Plant:
    """A name inside a text that is not only a name."""
    value = surname(name)
    return Plant(name, place, (value,), (text(tag, vr, f"{before}{value}, ward 7"),))


def _no_number(name: str, tag: int, vr: str) -> Plant:
    """A text under a VR of numbers."""
    return Plant(
        name, "text under a numeric VR", (surname(name),), (text(tag, vr, surname(name)),), alone=True
    )


LISTED = (
    Plant(
        "patient-name",
        "patient module",
        (surname("family"), surname("given"), surname("middle")),
        (text(0x00100010, "PN", f"{surname('family')}^{surname('given')}^{surname('middle')}^Dr"),),
    ),
    _one("patient module", "patient-id", 0x00100020, "LO", identifier("patient-id")),
    _one("patient module", "issuer-of-patient-id", 0x00100021, "LO"),
    _one("patient module", "birth-date", 0x00100030, "DA", day("birth"), "date"),
    _one("patient module", "birth-time", 0x00100032, "TM", time_of("birth")),
    _one("patient module", "birth-name", 0x00101005, "PN"),
    _one("patient module", "mothers-birth-name", 0x00101060, "PN"),
    _one("patient module", "other-patient-names", 0x00101001, "PN"),
    Plant(
        "other-patient-ids",
        "multi-valued identifier",
        (identifier("other-1"), identifier("other-2"), identifier("other-3")),
        (text(0x00101000, "LO", "\\".join(identifier(f"other-{i}") for i in (1, 2, 3))),),
    ),
    _in_words("patient module", "address", 0x00101040, "LO", "12 Elm Road, "),
    _one("patient module", "telephone", 0x00102154, "SH", "+49 30 " + number("telephone", 7)),
    _in_words("patient module", "patient-comments", 0x00104000, "LT", "daughter of "),
    _in_words("patient module", "additional-history", 0x001021B0, "LT", "seen by Dr "),
    _one("patient module", "military-rank", 0x00101080, "LO"),
    _one("patient module", "ethnic-group", 0x00102160, "SH", research=PATIENT),
    _one("patient module", "occupation", 0x00102180, "SH"),
    _one("patient module", "religious-preference", 0x001021F0, "LO"),
    _one("patient module", "region-of-residence", 0x00102152, "LO"),
    _one("patient module", "responsible-person", 0x00102297, "PN"),
    _one("patient module", "last-menstrual-date", 0x001021D0, "DA", day("menstrual"), "date"),
    _one("age above 89", "age", 0x00101010, "AS", "094Y"),
    _one(
        "birth date in an alternative calendar",
        "birth-date-other-calendar",
        0x00100033,
        "LO",
        "Safar 3, 1361 AH",
    ),
    _one(
        "birth date in an alternative calendar",
        "death-date-other-calendar",
        0x00100034,
        "LO",
        "Rajab 9, 1441 AH",
    ),
    _one("study module", "accession-number", 0x00080050, "SH", "A" + number("accession", 11)),
    _one("study module", "study-id", 0x00200010, "SH", "S" + number("study-id", 11)),
    _one("study module", "referring-physician", 0x00080090, "PN"),
    _one("study module", "physicians-of-record", 0x00081048, "PN"),
    _one("study module", "admission-id", 0x00380010, "LO", identifier("admission")),
    _one("institution", "institution-name", 0x00080080, "LO"),
    _one("institution", "institution-address", 0x00080081, "ST"),
    _one("institution", "department", 0x00081040, "LO"),
    _one("institution", "requesting-service", 0x00321033, "LO"),
    _one("institution", "current-location", 0x00380300, "LO"),
    _one("operators", "operators-name", 0x00081070, "PN"),
    _one("operators", "performing-physician", 0x00081050, "PN"),
    _one("operators", "reading-physician", 0x00081060, "PN"),
    _one("device", "station-name", 0x00081010, "SH", research=DEVICE),
    _one("device", "device-serial-number", 0x00181000, "LO", number("serial", 12), research=DEVICE),
    _one("device", "detector-id", 0x0018700A, "SH", number("detector", 12), research=DEVICE),
    _one("device", "gantry-id", 0x00181008, "LO", number("gantry", 12), research=DEVICE),
    _one("device", "plate-id", 0x00181004, "LO", number("plate", 12), research=DEVICE),
    _one("device", "scheduled-station-ae", 0x00400001, "AE", surname("station-ae").upper()),
    _one("order numbers", "placer-order-number", 0x00402016, "LO", identifier("placer")),
    _one("order numbers", "filler-order-number", 0x00402017, "LO", identifier("filler")),
    _one("order numbers", "placer-order-procedure", 0x00401006, "SH", identifier("placer-p")),
    _one("order numbers", "filler-order-procedure", 0x00401007, "SH", identifier("filler-p")),
    _one("order numbers", "placer-order-retired", 0x00402006, "SH", identifier("placer-r")),
    _one("order numbers", "filler-order-retired", 0x00402007, "SH", identifier("filler-r")),
)

TEXTS = (
    _in_words("descriptions", "study-description", 0x00081030, "LO"),
    _in_words("descriptions", "series-description", 0x0008103E, "LO"),
    _in_words("descriptions", "protocol-name", 0x00181030, "LO"),
    _in_words("descriptions", "requested-procedure", 0x00321060, "LO"),
    _in_words("descriptions", "admitting-diagnosis", 0x00081080, "LO", "fall at "),
    _in_words("descriptions", "derivation-description", 0x00082111, "ST"),
    _in_words("comments", "image-comments", 0x00204000, "LT"),
    _in_words("comments", "visit-comments", 0x00384000, "LT"),
    _in_words("comments", "acquisition-comments", 0x00184000, "LT"),
    _in_words("comments", "step-comments", 0x00400400, "LT"),
    _in_words("comments", "requested-procedure-comments", 0x00401400, "LT"),
    _in_words("comments", "frame-comments", 0x00209158, "LT"),
    Plant(
        "date-in-description",
        "date inside a text",
        (day("in-text"),),
        (text(0x00081030, "LO", "Thorax vs " + day("in-text")),),
        check="date",
        alone=True,
    ),
    Plant(
        "telephone-in-comment",
        "telephone number inside a text",
        ("555-0142",),
        (text(0x00204000, "LT", "call +1 202 555-0142 if in doubt"),),
        alone=True,
    ),
    Plant(
        "id-in-description",
        "identifier inside a text",
        (identifier("in-description"),),
        (text(0x0008103E, "LO", "Chest " + identifier("in-description")),),
        alone=True,
    ),
)

URLS = (
    _one(
        "addresses of objects",
        "retrieve-url",
        0x00081190,
        "UR",
        "https://pacs.example/" + surname("url").lower(),
    ),
    _one(
        "addresses of objects",
        "retrieve-uri",
        0x0040E010,
        "UR",
        "https://xds.example/" + surname("uri").lower(),
    ),
    _one(
        "addresses of objects",
        "pixel-provider",
        0x00287FE0,
        "UR",
        "https://jpip.example/" + surname("jpip").lower(),
    ),
    _one("addresses of objects", "storage-file-set", 0x00880130, "SH", surname("file-set").upper()),
)

DATES = (
    _one("dates and times", "study-date", 0x00080020, "DA", day("study"), "date"),
    _one("dates and times", "acquisition-datetime", 0x0008002A, "DT", day("dt") + "101530.5+0200", "date"),
    _one("dates and times", "content-date", 0x00080023, "DA", day("content"), "date"),
    _one("dates and times", "study-time", 0x00080030, "TM", time_of("study-time"), research=TIMES),
    _one("dates and times", "unlisted-date", UNLISTED_DATE, "DT", day("unlisted") + "120000", "date"),
    _one("dates and times", "calibration-date", 0x00181200, "DA", day("calibration"), "date"),
    _one("dates and times", "retired-date", 0x00321050, "DA", day("retired"), "date"),
    Plant(
        "date-under-another-vr",
        "date whose VR is not the dictionary's",
        (day("as-sh"),),
        (text(0x00180024, "DA", day("as-sh")),),
        check="date",
        syntaxes=EXPLICIT_ONLY,
    ),
    Plant(
        "dates-several",
        "multi-valued date",
        (day("several-1"), day("several-2")),
        (text(0x00181200, "DA", day("several-1") + "\\" + day("several-2")),),
        check="date",
        alone=True,
    ),
)

RETIRED = (
    _one("retired attributes", "retired-identifying-comments", 0x00084000, "LT"),
    _one("retired attributes", "retired-interpretation-text", 0x4008010B, "ST"),
    _one("retired attributes", "retired-interpretation-author", 0x4008010C, "PN"),
    _one("retired attributes", "retired-results-comments", 0x40084000, "ST"),
    _one("retired attributes", "retired-text-comments", 0x40004000, "LT"),
    _one("retired attributes", "retired-text-arbitrary", 0x40000010, "LT"),
    _one("retired attributes", "retired-insurance-plan", 0x00101050, "LO"),
    _one("retired attributes", "retired-study-comments", 0x00324000, "LT"),
    _one("retired attributes", "retired-study-id-issuer", 0x00320012, "LO"),
)

UNKNOWN = (
    _one("standard attribute that no dictionary knows", "unknown-patient", 0x001011F0, "LO"),
    _one("standard attribute that no dictionary knows", "unknown-acquisition", 0x0018EEEE, "UT"),
    _one("standard attribute that no dictionary knows", "unknown-group", 0x0A0A0010, "PN"),
)

FORMS = (
    Plant(
        "name-as-bytes",
        "explicit VR that is not the dictionary's",
        (surname("as-ob"),),
        (text(0x00101001, "OB", surname("as-ob")),),
        syntaxes=EXPLICIT_ONLY,
        alone=True,
    ),
    Plant(
        "text-in-a-number-s-place",
        "explicit VR that is not the dictionary's",
        (surname("rows"),),
        (text(0x00280030, "LT", surname("rows")),),
        syntaxes=EXPLICIT_ONLY,
        alone=True,
    ),
    Plant(
        "text-in-a-sequence-s-place",
        "explicit VR that is not the dictionary's",
        (surname("as-lt"),),
        (text(0x00081110, "LT", surname("as-lt")),),
        syntaxes=EXPLICIT_ONLY,
        alone=True,
    ),
    _no_number("text-in-a-ds", 0x00180050, "DS"),
    _no_number("text-in-an-is", 0x00200013, "IS"),
    Plant(
        "text-in-a-class-uid",
        "text in a structural UID",
        (surname("class-uid"),),
        (text(0x0008001A, "UI", surname("class-uid")),),
        alone=True,
    ),
)

OVERLAYS = (
    Plant(
        "overlay-comments",
        "overlays",
        (surname("overlay-comments"),),
        (text(0x60004000, "LT", surname("overlay-comments")),),
    ),
    _one("overlays", "overlay-description", 0x60020022, "LO"),
    _one("overlays", "overlay-label", 0x60041500, "LO"),
    Plant(
        "overlay-data",
        "overlays",
        (surname("overlay-data"),),
        (Element(0x60003000, "OW", surname("overlay-data").ljust(64).encode()),),
    ),
    _one("overlays beyond the last", "overlay-beyond", 0x60204000, "LT"),
    _one("curves", "curve-label", 0x50002500, "LO"),
    _one("curves", "curve-description", 0x50020022, "LO"),
    _one("curves", "audio-comments", 0x5004200E, "LT"),
    Plant(
        "curve-data",
        "curves",
        (surname("curve-data"),),
        (Element(0x50003000, "OW", surname("curve-data").ljust(64).encode()),),
    ),
)

PLANTS = (*LISTED, *TEXTS, *URLS, *DATES, *RETIRED, *UNKNOWN, *FORMS, *OVERLAYS)
