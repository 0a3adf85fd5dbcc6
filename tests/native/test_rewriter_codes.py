"""Sequences that are scrubbed or cleaned: dummies for text, codes of public schemes kept, content items by their concept name
(PS3.3 8.8 and C.17.3, PS3.15 E.3.4)."""

from __future__ import annotations

from itertools import product

import pytest

from engine._native.program import ACTIONS
from tests.support.datasets import EXPLICIT, IMPLICIT, SYNTAXES, Element, Syntax, encode, even
from tests.support.rewriting import new_uid, program, rewrite

CODES, CONTENT, CONCEPT, CONCEPT_CODES = 0x00081032, 0x0040A730, 0x0040A043, 0x0040A168
TEXT, NUMBER_VALUE, PERSON, UID = 0x0040A160, 0x0040A30A, 0x0040A123, 0x0040A124
every_syntax = pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
forms = [(d, i) for d, i in product((True, False), repeat=2)]
DUMMY = b"REMOVED "


def code(value: bytes, scheme: bytes, meaning: bytes, *more: Element) -> list[Element]:
    return [
        Element(0x00080100, "SH", value),
        Element(0x00080102, "SH", scheme),
        Element(0x00080104, "LO", meaning),
        *more,
    ]


def encode_value(action: int, tag: int, value: bytes, charset: bytes) -> bytes:
    assert action == ACTIONS["clean-text"]
    return b"CLEANED:" + b"%08X" % tag


def cleaned(tag: int, vr: str) -> Element:
    return Element(tag, vr, b"CLEANED:%08X" % tag)


CONCEPTS = [
    (b"DCM", b"121029", ACTIONS["remove"]),
    (b"DCM", b"121030", ACTIONS["keep"]),
    (b"DCM", b"121031", ACTIONS["scrub"]),
    (b"99DCM", b"121030", ACTIONS["remove"]),
    (b"DCM", b"121032", ACTIONS["clean-text"]),
]
MADE = program(
    {CODES: "clean-code", CONTENT: "clean-sr", 0x00401101: "scrub", UID: "new-uid"},
    {},
    public_schemes=[b"DCM", b"SCT"],
    concepts=CONCEPTS,
)


def made(elements: list[Element], syntax: Syntax) -> bytes:
    return rewrite(MADE, elements, syntax, encode_value=encode_value).head


# ---- scrub ---------------------------------------------------------------------------------------------------------------


@every_syntax
@pytest.mark.parametrize(("defined", "items_defined"), forms)
def test_a_scrubbed_sequence_keeps_its_shape_and_no_text(
    syntax: Syntax, defined: bool, items_defined: bool
) -> None:
    def person(text: bytes, tail: list[Element]) -> Element:
        names = [
            Element(0x00080080, "LO", text),
            *(Element(0x00080100 + n, "SH", text) for n in (0, 2)),
            Element(0x00080104, "LO", text),
        ]
        deep = Element(0x00081140, "SQ", [[Element(0x00081030, "LO", text)]], defined=defined)
        more = [deep, *tail, Element(0x00401102, "ST", text)]
        return Element(0x00401101, "SQ", [[*names, *more], []], defined=defined, items_defined=items_defined)

    kept = [
        Element(0x00180015, "CS", b"HEAD"),
        Element(0x00180050, "DS", b"1.5 "),
        Element(0x00189073, "FD", bytes(8)),
    ]
    binary = [Element(0x00204000, "LT", b""), Element(0x00282000, "OB", b"John")]
    assert made([person(b"John Smith", kept + binary)], syntax) == encode(
        [person(DUMMY, [*kept, binary[0]])], syntax
    )


def test_a_sequence_whose_value_is_replaced_is_scrubbed() -> None:
    tree = Element(0x00081140, "SQ", [[Element(0x00081030, "LO", b"Smith ")]])
    head = rewrite(program({0x00081140: "replace"}), [tree], EXPLICIT).head
    assert head == encode([Element(0x00081140, "SQ", [[Element(0x00081030, "LO", DUMMY)]])], EXPLICIT)


def test_encapsulated_pixels_in_a_scrubbed_sequence_go() -> None:
    pixels = Element(0x7FE00010, "OB", fragments=(b"", b"John"))
    assert made([Element(0x00401101, "SQ", [[pixels]])], EXPLICIT) == encode(
        [Element(0x00401101, "SQ", [[]])], EXPLICIT
    )


# ---- clean-code ----------------------------------------------------------------------------------------------------------


@every_syntax
@pytest.mark.parametrize(("defined", "items_defined"), forms)
def test_codes_of_public_schemes_stay_and_others_become_dummies(
    syntax: Syntax, defined: bool, items_defined: bool
) -> None:
    def codes(*items: list[Element]) -> Element:
        return Element(CODES, "SQ", items, defined=defined, items_defined=items_defined)

    public = code(b"113100", b"DCM ", b"Basic profile ")
    local = code(b"SMITH1", b"99ACME", b"Dr Smith")
    none = [Element(0x00080100, "SH", b"SMITH1"), Element(0x00080104, "LO", b"Dr Smith")]
    right = codes(
        public,
        code(DUMMY, DUMMY, DUMMY),
        [Element(0x00080100, "SH", DUMMY), Element(0x00080104, "LO", DUMMY)],
    )
    assert made([codes(public, local, none)], syntax) == encode([right], syntax)


@pytest.mark.parametrize("scheme", [b"dcm ", b"DCM1", b"XDCM", b"", b"  ", b"DC", b"99DCM "])
def test_a_scheme_must_be_named_exactly(scheme: bytes) -> None:
    item = code(b"113100", scheme, b"Dr Smith")
    right = code(DUMMY, DUMMY if scheme else b"", DUMMY)
    assert made([Element(CODES, "SQ", [item])], EXPLICIT) == encode([Element(CODES, "SQ", [right])], EXPLICIT)


@pytest.mark.parametrize("scheme", [b"SCT ", b" SCT", b"SCT\0"])
def test_padding_is_no_part_of_a_scheme(scheme: bytes) -> None:
    item = code(b"1234", scheme, b"Dr Smith")
    assert made([Element(CODES, "SQ", [item])], EXPLICIT) == encode([Element(CODES, "SQ", [item])], EXPLICIT)


@every_syntax
def test_other_text_in_a_coded_entry_is_cleaned(syntax: Syntax) -> None:
    more = [
        Element(0x00181030, "LO", b"Dr Smith"),
        Element(0x00281050, "DS", b"40"),
        Element(0x00400275, "SQ", [code(b"X", b"99ACME", b"Smith ")]),
    ]
    right = [cleaned(0x00181030, "LO"), more[1], Element(0x00400275, "SQ", [code(DUMMY, DUMMY, DUMMY)])]
    item = code(b"113100", b"DCM ", b"Basic ")
    assert made([Element(CODES, "SQ", [[*item, *more]])], syntax) == encode(
        [Element(CODES, "SQ", [[*item, *right]])], syntax
    )


def test_a_name_among_codes_is_never_text_to_clean() -> None:
    head = made([Element(CODES, "SQ", [[Element(0x00081048, "PN", b"Smith^John")]])], EXPLICIT)
    assert head == encode([Element(CODES, "SQ", [[Element(0x00081048, "PN", DUMMY)]])], EXPLICIT)


@pytest.mark.parametrize("inside", [EXPLICIT, IMPLICIT])
def test_a_scheme_behind_a_un_of_undefined_length_is_found(inside: Syntax) -> None:
    modality = Element(0x00080060, "CS", b"CT")
    skipped = Element(0x00071001, "UN", [[modality]], defined=False, items_defined=False, content=inside)
    item = code(b"113100", b"DCM ", b"Basic ")
    head = made([Element(CODES, "SQ", [[skipped, *item]])], EXPLICIT)
    assert head == encode([Element(CODES, "SQ", [item])], EXPLICIT)


# ---- clean-sr ------------------------------------------------------------------------------------------------------------


def content(concept: bytes, *value: Element, scheme: bytes = b"DCM ", defined: bool = True) -> list[Element]:
    name = Element(
        CONCEPT, "SQ", [code(concept, scheme, b"Concept ")], defined=defined, items_defined=defined
    )
    return [Element(0x0040A010, "CS", b"CONTAINS"), name, *value]


def report(*items: list[Element], defined: bool = True) -> Element:
    return Element(CONTENT, "SQ", items, defined=defined, items_defined=defined)


PERSONAL = [
    Element(PERSON, "PN", b"Smith^John"),
    Element(UID, "UI", b"1.2."),
    Element(TEXT, "UT", b"Dr Smith"),
]


@every_syntax
@pytest.mark.parametrize("defined", [True, False])
def test_content_items_are_treated_by_their_concept_name(syntax: Syntax, defined: bool) -> None:
    uid = Element(UID, "UI", even(new_uid(b"1.2."), b"\0"))
    text = [Element(TEXT, "UT", b"Dr Smith")]
    source = report(
        content(b"121029", *PERSONAL, defined=defined),
        content(b"121030", *text, defined=defined),
        content(b"121031", *text, defined=defined),
        content(b"121032", *text, defined=defined),
        content(b"999999", PERSONAL[0], PERSONAL[1], *text, defined=defined),
        defined=defined,
    )
    right = report(
        content(b"121030", *text, defined=defined),
        content(b"121031", Element(TEXT, "UT", DUMMY), defined=defined),
        content(b"121032", cleaned(TEXT, "UT"), defined=defined),
        content(b"999999", Element(PERSON, "PN", DUMMY), uid, cleaned(TEXT, "UT"), defined=defined),
        defined=defined,
    )
    # In the order of tags, as a content item has them.
    assert made([_sorted(source)], syntax) == encode([_sorted(right)], syntax)


def _sorted(tree: Element) -> Element:
    items = [sorted(item, key=lambda e: e.tag) for item in tree.value if not isinstance(item, int)]
    return Element(tree.tag, tree.vr, items, defined=tree.defined, items_defined=tree.items_defined)


@every_syntax
def test_concepts_of_another_scheme_are_others(syntax: Syntax) -> None:
    gone = content(b"121030", PERSONAL[2], scheme=b"99DCM ")
    local = content(b"121029", PERSONAL[2], scheme=b"ACME")
    right = [local[0], Element(CONCEPT, "SQ", [code(DUMMY, DUMMY, DUMMY)]), cleaned(TEXT, "UT")]
    assert made([report(gone, local)], syntax) == encode([report(right)], syntax)


@every_syntax
def test_content_inside_content_is_treated_the_same(syntax: Syntax) -> None:
    inner = report(content(b"121029", *PERSONAL), content(b"121032", PERSONAL[2]))
    right = report(content(b"121032", cleaned(TEXT, "UT")))
    assert made([report(content(b"121032", inner))], syntax) == encode(
        [report(content(b"121032", right))], syntax
    )


def test_a_content_item_without_a_concept_name_is_cleaned() -> None:
    for nameless in (
        [],
        [Element(CONCEPT, "SQ", [])],
        [Element(CONCEPT, "SQ", [[]])],
        [Element(CONCEPT, "SQ", [[]], defined=False)],
    ):
        head = made([report([*nameless, PERSONAL[2]])], EXPLICIT)
        assert head == encode([report([*nameless, cleaned(TEXT, "UT")])], EXPLICIT)


def test_codes_in_un_are_judged_too() -> None:
    items = [code(b"113100", b"DCM ", b"Basic "), code(b"X1", b"99ACME", b"Smith ")]
    right = [items[0], code(DUMMY, DUMMY, DUMMY)]
    for defined in (True, False):
        for inside in (IMPLICIT, EXPLICIT):
            tree = Element(CODES, "UN", items, defined=defined, content=inside)
            assert made([tree], EXPLICIT) == encode(
                [Element(CODES, "UN", right, defined=defined, content=inside)], EXPLICIT
            )
