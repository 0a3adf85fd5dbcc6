"""Which attributes of VR UI hold UIDs of definitions, and which hold UIDs of objects, devices, places and
people.

The role belongs to the attribute, never to the look of the value: private SOP classes have roots of their
own, and an instance UID may begin with 1.2.840.10008.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import orjson

from engine.dicom.dictionary import parse_tag


@cache
def structural_tags() -> frozenset[int]:
    """Tags whose UIDs are kept: SOP classes, transfer syntaxes, coding schemes, context groups, software
    versions."""
    roles = orjson.loads((files(__package__) / "uid_roles.json").read_bytes())
    return frozenset(tag for word in roles["structural"] if (tag := parse_tag(word)) is not None)
