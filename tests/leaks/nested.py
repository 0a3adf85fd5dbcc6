"""Plants inside sequences: listed and unlisted ones, deep ones, codes, original attributes, icons, functional groups."""

from __future__ import annotations

from tests.leaks.plant import Plant, day, identifier, sequence, surname, text
from tests.support.datasets import Element, nested


def _in(place: str, name: str, path: tuple[int, ...], tag: int, vr: str, value: str = "", check: str = "text",
        defined: bool = True) -> Plant:  # fmt: skip
    """A value at the bottom of sequences."""
    value = value or surname(name)
    inner = text(tag, vr, value)
    for holder in reversed(path):
        inner = sequence(holder, (inner,), defined=defined)
    return Plant(name, place, (value,), (inner,), check=check)


def _code(name: str, meaning: str) -> tuple[Element, ...]:
    return (
        text(0x00080100, "SH", "99" + name[:10].upper()),
        text(0x00080102, "SH", "99LOCAL"),
        text(0x00080104, "LO", meaning),
    )


MODIFIED = (
    text(0x00080050, "SH", "A77120341586"),
    text(0x00100010, "PN", surname("modified-name")),
    text(0x00100020, "LO", identifier("modified-id")),
)

PLANTS = (
    _in("unlisted sequence", "unlisted-name", (0x00540016,), 0x00081070, "PN"),
    _in("unlisted sequence", "unlisted-undefined-length", (0x00180026,), 0x00081050, "PN", defined=False),
    _in(
        "unlisted sequence",
        "unlisted-date-nested",
        (0x00186011,),
        0x00080020,
        "DA",
        day("unlisted-nested"),
        "date",
    ),
    _in("unlisted sequence", "unlisted-comment", (0x00189346, 0x00189304), 0x00204000, "LT"),
    Plant(
        "twelve-levels-down",
        "sequence twelve levels deep",
        (surname("twelve"),),
        (nested(12, [text(0x00100010, "PN", surname("twelve"))], tag=0x00089215, defined=False),),
        alone=True,
    ),
    Plant(
        "second-item",
        "items after the first",
        (surname("second-item"), surname("third-item")),
        (
            sequence(
                0x00289145,
                (text(0x00204000, "LT", ""),),
                (text(0x00204000, "LT", surname("second-item")),),
                (text(0x00081070, "PN", surname("third-item")),),
            ),
        ),
    ),
    _in("Request Attributes Sequence", "request-requester", (0x00400275,), 0x00321032, "PN"),
    _in("Request Attributes Sequence", "request-description", (0x00400275,), 0x00321060, "LO"),
    _in("Request Attributes Sequence", "request-accession", (0x00400275,), 0x00080050, "SH", "B22140975318"),
    _in(
        "Referenced Patient Sequence",
        "referenced-patient",
        (0x00081120,),
        0x00100020,
        "LO",
        identifier("ref-pat"),
    ),
    _in(
        "Other Patient IDs Sequence",
        "other-ids-sequence",
        (0x00101002,),
        0x00100020,
        "LO",
        identifier("other-seq"),
    ),
    _in("Issuer of … Sequences", "issuer-sequence", (0x00080051,), 0x00400031, "UT"),
    Plant(
        "original-attributes",
        "Original Attributes Sequence",
        (surname("modified-name"), identifier("modified-id"), surname("modifying-system")),
        (
            sequence(
                0x04000561,
                (
                    sequence(0x04000550, MODIFIED),
                    text(0x04000563, "LO", surname("modifying-system")),
                    text(0x04000564, "LO", ""),
                ),
            ),
        ),
    ),
    _in("Original Attributes Sequence", "nonconforming-value", (0x04000561, 0x04000551), 0x04000552, "UN"),
    _in("Encrypted Attributes Sequence", "encrypted-content", (0x04000500,), 0x04000520, "OB"),
    _in("MAC Parameters Sequence", "mac-parameters", (0x4FFE0001,), 0x04000015, "CS", surname("mac").upper()),
    Plant(
        "person-identification",
        "Person Identification Code Sequence",
        (surname("person-code"), "8841027735"),
        (
            sequence(
                0x00081072,
                (
                    sequence(0x00401101, _code("person", surname("person-code"))),
                    text(0x00401103, "LO", "+44 8841027735"),
                ),
            ),
        ),
    ),
    Plant(
        "procedure-code-meaning",
        "code meaning",
        (surname("procedure-code"),),
        (sequence(0x00081032, _code("procedure", "CT for " + surname("procedure-code"))),),
    ),
    Plant(
        "reason-long-code",
        "code value",
        (surname("long-code"),),
        (sequence(0x0040100A, (text(0x00080119, "UC", surname("long-code")), text(0x00080104, "LO", "x"))),),
    ),
    _in("icon image", "icon-comment", (0x00880200,), 0x00204000, "LT"),
    Plant(
        "icon-pixels",
        "icon image",
        (surname("icon"),),
        (sequence(0x00880200, (Element(0x7FE00010, "OB", surname("icon").ljust(64).encode()),)),),
        alone=True,
    ),
    _in("functional groups", "frame-comment", (0x52009230, 0x00209111), 0x00209158, "LT"),
    _in(
        "functional groups",
        "frame-date",
        (0x52009230, 0x00209111),
        0x00189151,
        "DT",
        day("frame") + "0101",
        "date",
    ),
    _in("functional groups", "shared-comment", (0x52009229, 0x00289110), 0x00184000, "LT"),
    _in("graphic annotations", "annotation-text", (0x00700001, 0x00700008), 0x00700006, "ST"),
    _in("graphic annotations", "annotation-creator", (0x00700001,), 0x00700084, "PN"),
    _in("structures and segments", "roi-name", (0x30060020,), 0x30060026, "LO"),
    _in("structures and segments", "roi-interpreter", (0x30060080,), 0x300600A6, "PN"),
    _in("structures and segments", "segment-label", (0x00620002,), 0x00620005, "LO"),
    _in("structures and segments", "segment-tracking", (0x00620002,), 0x00620020, "UT"),
    _in("acquisition context", "context-text", (0x00400555,), 0x0040A160, "UT"),
    _in("acquisition context", "context-name", (0x00400555,), 0x0040A123, "PN"),
    _in("acquisition context", "context-date", (0x00400555,), 0x0040A121, "DA", day("context"), "date"),
    _in("specimen", "specimen-identifier", (0x00400560,), 0x00400551, "LO", identifier("specimen")),
    _in("contributing equipment", "contributing-operator", (0x0018A001,), 0x00081070, "PN"),
    _in("contributing equipment", "contributing-institution", (0x0018A001,), 0x00080080, "LO"),
    _in("waveform annotation", "waveform-text", (0x0040B020,), 0x00700006, "ST"),
    _in("trailing padding inside an item", "item-padding", (0x00089215,), 0xFFFCFFFC, "OB"),
)
