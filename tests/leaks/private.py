"""Plants in private attributes, and behind VR UN."""

from __future__ import annotations

from tests.leaks.plant import EXPLICIT_ONLY, Plant, identifier, sequence, surname, text
from tests.support.datasets import EXPLICIT, IMPLICIT, Element, even

ACME = "ACME MEDICAL 1.0"


def _block(
    place: str, name: str, group: int, *elements: Element, value: str = "", creator: str = ACME
) -> Plant:
    """A private block with its creator."""
    owner = text(group << 16 | 0x10, "LO", creator)
    return Plant(name, place, (value or surname(name),), (owner, *elements))


def _un(place: str, name: str, element: Element, *, syntaxes: frozenset[str] = EXPLICIT_ONLY) -> Plant:
    return Plant(name, place, (surname(name),), (element,), syntaxes=syntaxes, alone=True)


def _items(name: str, content: object, *, tag: int = 0x00400275, defined: bool = True) -> Element:
    """A sequence that is written as UN, its content in the encoding `content`."""
    assert content in (IMPLICIT, EXPLICIT)
    return Element(
        tag,
        "UN",
        [[text(0x00321032, "PN", surname(name))]],
        defined=defined,
        items_defined=defined,
        content=IMPLICIT if content is IMPLICIT else EXPLICIT,
    )


PRIVATE = (
    _block("private with creator", "private-text", 0x0013, text(0x00131001, "LO", surname("private-text"))),
    _block(
        "private with creator",
        "private-unlimited",
        0x0015,
        text(0x00151002, "UT", surname("private-unlimited")),
    ),
    _block("private with creator", "private-bytes", 0x0017, text(0x00171003, "OB", surname("private-bytes"))),
    _block(
        "private with creator",
        "private-unknown-vr",
        0x001B,
        text(0x001B1004, "UN", surname("private-unknown-vr")),
    ),
    _block("private creator's own name", "private-creator", 0x001D, creator=surname("private-creator")),
    Plant(
        "private-no-creator",
        "private without creator",
        (surname("orphan"),),
        (text(0x00211001, "LO", surname("orphan")),),
    ),
    Plant(
        "private-no-creator-no-block",
        "private without creator",
        (surname("blockless"),),
        (text(0x00230001, "LO", surname("blockless")),),
    ),
    Plant(
        "private-wrong-block",
        "private in another creator's block",
        (surname("wrong-block"),),
        (text(0x00190010, "LO", "SIEMENS MR HEADER"), text(0x0019110C, "IS", surname("wrong-block"))),
        alone=True,
    ),
    _block(
        "private nested in a sequence",
        "private-in-item",
        0x0031,
        sequence(0x00311001, (text(0x00100010, "PN", surname("private-in-item")),)),
    ),
    Plant(
        "private-in-standard-item",
        "private nested in a sequence",
        (surname("private-in-standard"),),
        (
            sequence(
                0x00540013,
                (text(0x00090010, "LO", ACME), text(0x00091001, "LT", surname("private-in-standard"))),
            ),
        ),
    ),
    _block(
        "private sequence of undefined length",
        "private-undefined",
        0x0033,
        sequence(0x00331001, (text(0x00204000, "LT", surname("private-undefined")),), defined=False),
    ),
    Plant(
        "private-overlay-group",
        "odd group among overlays",
        (surname("odd-overlay"),),
        (text(0x60010010, "LO", ACME), text(0x60011001, "LT", surname("odd-overlay"))),
    ),
    Plant(
        "private-first-groups",
        "odd group below 8",
        (surname("odd-first"),),
        (text(0x00050010, "LO", ACME), text(0x00051001, "LT", surname("odd-first"))),
        alone=True,
    ),
    Plant(
        "safe-private-text-in-number",
        "safe private attribute with an unsafe value",
        (surname("safe-number"),),
        (text(0x00190010, "LO", "SIEMENS MR HEADER"), text(0x0019100C, "IS", surname("safe-number"))),
        alone=True,
    ),
    Plant(
        "safe-private-text-in-code",
        "safe private attribute with an unsafe value",
        (surname("safe-code"),),
        (text(0x00190010, "LO", "SIEMENS MR HEADER"), text(0x0019100D, "CS", "Dr " + surname("safe-code"))),
        alone=True,
    ),
    Plant(
        "safe-private-string",
        "safe private attribute with an unsafe value",
        (surname("safe-string"),),
        (text(0x00430010, "LO", "GEMS_PARM_01"), text(0x00431027, "SH", surname("safe-string"))),
        alone=True,
    ),
    Plant(
        "private-id",
        "private with creator",
        (identifier("private-id"),),
        (text(0x00350010, "LO", ACME), text(0x003510FF, "LO", identifier("private-id"))),
    ),
)

UNKNOWN_VR = (
    _un("standard attribute as UN", "un-name", text(0x00101001, "UN", surname("un-name"))),
    _un("standard attribute as UN", "un-comment", text(0x00204000, "UN", surname("un-comment"))),
    _un("sequence as UN of defined length", "un-sequence", _items("un-sequence", IMPLICIT)),
    _un(
        "sequence as UN of undefined length", "un-undefined", _items("un-undefined", IMPLICIT, defined=False)
    ),
    _un("sequence as UN with explicit content", "un-explicit", _items("un-explicit", EXPLICIT)),
    _un(
        "sequence as UN with explicit content",
        "un-explicit-undefined",
        _items("un-explicit-undefined", EXPLICIT, defined=False),
    ),
    _un(
        "unlisted sequence as UN",
        "un-unlisted",
        _items("un-unlisted", IMPLICIT, tag=0x00540016, defined=False),
    ),
    _un(
        "sequence as UN that holds no items",
        "un-not-understood",
        Element(0x00540016, "UN", even(b"not a sequence: " + surname("un-not-understood").encode())),
    ),
    Plant(
        "un-private-sequence",
        "private sequence as UN",
        (surname("un-private"),),
        (
            text(0x00370010, "LO", ACME),
            Element(
                0x00371001,
                "UN",
                [[text(0x00100010, "PN", surname("un-private"))]],
                defined=False,
                items_defined=False,
                content=IMPLICIT,
            ),
        ),
        syntaxes=EXPLICIT_ONLY,
    ),
)

PLANTS = (*PRIVATE, *UNKNOWN_VR)
