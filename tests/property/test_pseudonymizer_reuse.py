"""A pseudonymizer remembers what objects of a kind have in common; what it says of one must not depend on those before it."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import Refusal
from engine.profile import compiled
from engine.profile.compiler import compile_profile
from engine.profile.loader import loads
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.plan import ObjectPlan
from engine.pseudonymize.rewrite import Pseudonymizer
from tests.support.datasets import EXPLICIT, IMPLICIT, Element, Syntax, encode, part10

SECRET = HashSecret(bytes(range(32)))
CT, CAPTURE = b"1.2.840.10008.5.1.4.1.1.2", b"1.2.840.10008.5.1.4.1.1.7"
RULES = """
profile = "by-modality"
base = "ps3.15@2026c/basic"
issuer = true
pixels = { policy = "quarantine" }
[[rule]]
tag = "SeriesDescription"
action = "clean-text"
[[rule]]
tag = "ProtocolName"
action = "keep"
when = { modality = "MR" }
"""


@dataclass(frozen=True)
class Facts:
    """What the objects of a test differ by; b"" leaves the attribute out."""

    instance: bytes = b"1.2.99.3"
    meta_instance: bytes = b"1.2.99.3"
    study: bytes = b"1.2.99.1"
    series: bytes = b"1.2.99.2"
    patient: bytes = b"4711-X"
    issuer: bytes = b""
    name: bytes = b"Smith^John"
    charset: bytes = b"ISO_IR 100"
    modality: bytes = b"CT"
    image_type: bytes = b"ORIGINAL\\PRIMARY "
    sop_class: bytes = CT
    text: bytes = b"Thorax of Smith "
    rows: bytes = b"\x10\0"
    syntax: Syntax = EXPLICIT
    key: bytes = b"k" * 32


OTHERS: dict[str, list[object]] = {
    "instance": [b"1.2.99.4", b""],
    "meta_instance": [b"1.2.99.4"],
    "study": [b"1.2.99.9", b""],
    "series": [b"1.2.99.8", b""],
    "patient": [b"4712-X", b""],
    "issuer": [b"ELSEWHERE "],
    "name": [b"Thorax^Ann", b""],
    "charset": [b"ISO_IR 192", b""],
    "modality": [b"MR"],
    "image_type": [b"DERIVED\\SECONDARY\\SCREEN SAVE "],
    "sop_class": [CAPTURE],
    "text": [b"Abdomen "],
    "rows": [b"\x20\0"],
    "syntax": [IMPLICIT],
    "key": [b"o" * 32],
}
TAGS = {
    0x00080005: ("CS", "charset"),
    0x00080008: ("CS", "image_type"),
    0x00080016: ("UI", "sop_class"),
    0x00080018: ("UI", "instance"),
    0x00080060: ("CS", "modality"),
    0x0008103E: ("LO", "text"),
    0x00100010: ("PN", "name"),
    0x00100020: ("LO", "patient"),
    0x00100021: ("LO", "issuer"),
    0x00181030: ("LO", "text"),
    0x0020000D: ("UI", "study"),
    0x0020000E: ("UI", "series"),
    0x00280010: ("US", "rows"),
}
PROFILES = {"default": compiled("default"), "by-modality": compile_profile(loads(RULES, "by-modality.toml"))}


def test_every_fact_is_varied() -> None:
    assert set(OTHERS) == {one.name for one in fields(Facts)}


def said(by: Pseudonymizer, facts: Facts) -> ObjectPlan | str:
    """The plan, or the code of the refusal."""
    given = {tag: getattr(facts, name) for tag, (_, name) in TAGS.items()}
    head = [Element(tag, TAGS[tag][0], value) for tag, value in given.items() if value]
    data = part10(
        encode([*head, Element(0x7FE00010, "OW", bytes(512))], facts.syntax),
        facts.syntax.uid,
        sop_class=facts.sop_class,
        sop_instance=facts.meta_instance,
    )
    descriptor = os.memfd_create("object")
    try:
        os.write(descriptor, data)
        return by.plan(descriptor, len(data), facts.key)
    except Refusal as refusal:
        return refusal.code
    finally:
        os.close(descriptor)


changes = st.sampled_from([(name, value) for name, values in OTHERS.items() for value in values])
one_object = st.lists(changes, max_size=3).map(lambda pairs: Facts(**dict(pairs)))  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(PROFILES)), st.lists(one_object, min_size=2, max_size=6))
def test_a_plan_is_the_same_whatever_objects_came_before(profile: str, objects: list[Facts]) -> None:
    used = Pseudonymizer(PROFILES[profile], SECRET)
    for facts in objects:
        assert said(used, facts) == said(Pseudonymizer(PROFILES[profile], SECRET), facts)


def test_each_fact_alone_is_told_apart_from_the_object_before() -> None:
    for profile in PROFILES.values():
        used, plain = Pseudonymizer(profile, SECRET), Facts()
        for name, values in OTHERS.items():
            for value in values:
                changed = Facts(**{name: value})  # type: ignore[arg-type]
                assert said(used, plain) == said(Pseudonymizer(profile, SECRET), plain), name
                assert said(used, changed) == said(Pseudonymizer(profile, SECRET), changed), name
