"""The JSON Schema of profiles, for editors; made from the same tables that the loader checks with.

`profile.schema.json` beside this file is its output, and a test holds the two equal. What a schema cannot say (does the
attribute exist, can its VR take the action, do two rules contradict each other) the loader says.
"""

from __future__ import annotations

from typing import Any

from engine.profile.actions import ADMISSIBLE
from engine.profile.dummies import DUMMIES
from engine.profile.loader import UNKNOWN
from engine.profile.model import BASES, EXCLUSIVE, OPTIONS
from engine.profile.pixels import POLICIES

_STRING = {"type": "string", "minLength": 1}
_STRINGS = {"oneOf": [_STRING, {"type": "array", "items": _STRING, "minItems": 1}]}
_TAG = {"type": "string", "pattern": r"^([A-Za-z][A-Za-z0-9]*|\(?[0-9A-Fa-f]{4},? ?[0-9A-Fa-f]{4}\)?)$"}
_PIXELS = {"type": "integer", "minimum": 0, "maximum": 65535}
_DEVICE = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": [key]} for key in ("modality", "manufacturer", "model")],
    "properties": {
        **{key: {"type": "string"} for key in ("modality", "manufacturer", "model", "why")},
        "rows": _PIXELS,
        "columns": _PIXELS,
        "regions": {
            "type": "array",
            "items": {"type": "array", "items": _PIXELS, "minItems": 4, "maxItems": 4},
        },
    },
}


def schema() -> dict[str, Any]:
    """The schema, as a JSON object."""
    actions = {"enum": list(ADMISSIBLE)}
    byte = {"type": "integer", "minimum": 0, "maximum": 255}
    selectors = {
        "path": {"type": "string", "pattern": "^[^/]+(/[^/]+)+$"},
        "tag": _TAG,
        "private": {
            "type": "object",
            "additionalProperties": False,
            "required": ["group", "creator", "element"],
            "properties": {
                "group": {"type": "integer", "minimum": 9, "maximum": 65535},
                "creator": {"type": "string", "minLength": 1, "maxLength": 64},
                "element": {"oneOf": [byte, {"type": "array", "items": byte, "minItems": 1}]},
                "vr": {"enum": sorted(DUMMIES)},
            },
        },
        "group": {"type": "string", "pattern": "^(50|60)xx(,?([0-9A-Fa-f]{4}|xxxx))?$"},
        "vr": {"enum": sorted(DUMMIES)},
    }
    rule = {
        "type": "object",
        "additionalProperties": False,
        "required": ["action"],
        "oneOf": [{"required": [name]} for name in selectors],
        "properties": {
            **selectors,
            "action": actions,
            "nested": actions,
            "value": {"type": ["string", "number"]},
            "when": {
                "type": "object",
                "additionalProperties": False,
                "minProperties": 1,
                "properties": {
                    "modality": _STRINGS,
                    "sop-class": _STRINGS,
                    "manufacturer": _STRINGS,
                    "present": _STRINGS,
                    "equals": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
            "why": {"type": "string"},
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Penstock profile",
        "type": "object",
        "additionalProperties": False,
        "required": ["profile", "base"],
        "properties": {
            "profile": {"type": "string", "pattern": "^[a-z0-9-]{1,40}$"},
            "description": {"type": "string"},
            "base": {"enum": list(BASES)},
            "options": {
                "type": "array",
                "uniqueItems": True,
                "items": {"enum": list(OPTIONS)},
                "not": {
                    "anyOf": [
                        {"allOf": [{"contains": {"const": name}} for name in pair]} for pair in EXCLUSIVE
                    ]
                },
            },
            "unknown": {
                "type": "object",
                "additionalProperties": False,
                "properties": {key: {"enum": list(allowed)} for key, allowed in UNKNOWN.items()},
            },
            "issuer": {"type": "boolean"},
            "pixels": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "policy": {"enum": list(POLICIES)},
                    "shipped_devices": {"type": "boolean"},
                    "device": {"type": "array", "items": _DEVICE},
                },
            },
            "rule": {"type": "array", "items": rule},
        },
    }
