"""Turns what msgspec refuses into words for the person who wrote the file: the key, what stands there, and
what may stand there.

Values are shown only where they are numbers or words of a fixed list: text could be a misplaced secret.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, NamedTuple

from msgspec import Struct, inspect

LOCATION = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
STEP = re.compile(r"(?P<key>[^.\[\]]+)|\[(?P<index>\d+)\]")
MISSING = re.compile(r"^Object missing required field `(?P<key>[^`]+)`")


class Fault(NamedTuple):
    """What is wrong, beginning with the key; and what to do, or "" where the message says it."""

    message: str
    hint: str


def unknown_key(data: dict[str, Any], kind: type[Struct]) -> Fault | None:
    """The first key of `data`, at any depth, that the configuration does not have, and the nearest it has."""
    return _unknown(data, inspect.type_info(kind), "")


def wrong_value(text: str, data: dict[str, Any], kind: type[Struct]) -> Fault:
    """Says in full what msgspec's message `text` about `data` says in short."""
    found = LOCATION.search(text)
    path = found["path"] if found else ""
    missing = MISSING.match(text)
    if missing:
        path = f"{path}.{missing['key']}" if path else missing["key"]
    node, value = _follow(path, data, inspect.type_info(kind))
    if missing:
        shown = f"the table [{path}]" if isinstance(node, inspect.StructType) else path
        return Fault(f"{shown} is missing", f"expected {allowed(node)}")
    if isinstance(node, inspect.StructType) and isinstance(value, dict):
        # A rule between the keys of one section; its message begins with the key.
        return Fault(_join(path, LOCATION.sub("", text)), "")
    return Fault(f"{path} is {_shown(value, node)}", f"expected {allowed(node)}")


def allowed(node: inspect.Type) -> str:
    """What may stand in a place of this type, in words."""
    match node:
        case inspect.Metadata():
            about = (node.extra_json_schema or {}).get("description")
            return allowed(node.type) + (f": {about}" if about else "")
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number" + _range(node)
        case inspect.FloatType():
            return "a number" + _range(node)
        case inspect.LiteralType():
            return "one of " + ", ".join(f'"{value}"' for value in node.values)
        case inspect.StrType():
            return "text" + _length(node)
        case inspect.UnionType() if (kinds := _kinds(node)) is not None:
            return f"a table with {kinds.field} and what that kind needs"
        case inspect.StructType():
            needed = [field.encode_name for field in node.fields if field.required]
            return "a table" + (f" with {', '.join(needed)}" if needed else "")
        case inspect.UnionType():
            return " or ".join(allowed(one) for one in node.types if not isinstance(one, inspect.NoneType))
        case inspect.VarTupleType(item_type=inspect.StrType()):
            return "a list of texts"
        case inspect.VarTupleType():
            return "a list of tables, each under its own [[…]]"
        case inspect.CustomType():
            return "a path, as text"
        case _:
            raise TypeError(f"no words for {type(node).__name__}")


def _unknown(data: Any, node: inspect.Type, path: str) -> Fault | None:
    if isinstance(node, inspect.VarTupleType) and isinstance(data, list):
        return _first(_unknown(item, node.item_type, f"{path}[{i}]") for i, item in enumerate(data))
    node = _given(node, data)
    if not isinstance(node, inspect.StructType) or not isinstance(data, dict):
        return None
    known = {field.encode_name: field.type for field in node.fields}
    for key in data:
        if key not in known and key != node.tag_field:
            near = difflib.get_close_matches(key, known, n=1)
            where = f"[{path}] may have" if path else "the file may have"
            if node.tag_field is not None:
                where = f'{node.tag_field} "{node.tag}" may have'
            hint = (f"did you mean {near[0]}? " if near else "") + f"{where} {', '.join(known)}"
            return Fault(f"unknown key {_join(path, key)}", hint)
    return _first(_unknown(data[key], known[key], _join(path, key)) for key in data if key in known)


def _first(faults: Any) -> Fault | None:
    return next((fault for fault in faults if fault is not None), None)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _follow(path: str, data: Any, node: inspect.Type) -> tuple[inspect.Type, Any]:
    """The type and the value (None if there is none) at a path such as `receiver.peer[0].network`."""
    for step in STEP.finditer(path):
        kinds = _kinds(node)
        if kinds is not None and step["key"] == kinds.field:
            return inspect.LiteralType(kinds.names), data.get(kinds.field)
        node = _given(node, data)
        if step["index"] is not None and isinstance(node, inspect.UnionType):
            node = next(one for one in node.types if isinstance(one, inspect.VarTupleType))
        if step["index"] is not None and isinstance(node, inspect.VarTupleType):
            node, data = node.item_type, data[int(step["index"])]
        elif isinstance(node, inspect.StructType):
            node = next(field.type for field in node.fields if field.encode_name == step["key"])
            data = data.get(step["key"])
    return _given(node, data), data


class Kinds(NamedTuple):
    """The tables that may stand in one place, told apart by the value of `field`."""

    field: str
    names: tuple[str, ...]


def _kinds(node: inspect.Type) -> Kinds | None:
    """The kinds of table of a union that is one of tables of several kinds; else None."""
    if not isinstance(node, inspect.UnionType):
        return None
    tables = [one for one in node.types if isinstance(one, inspect.StructType)]
    if len(tables) < 2 or tables[0].tag_field is None:
        return None
    return Kinds(tables[0].tag_field, tuple(str(one.tag) for one in tables))


def _given(node: inspect.Type, data: Any) -> inspect.Type:
    """What a value that may be left out, or that may be of several kinds, is where it is given."""
    if isinstance(node, inspect.UnionType):
        kinds_of = _kinds(node)
        if kinds_of is not None and isinstance(data, dict):
            tag = data.get(kinds_of.field)
            chosen = [one for one in node.types if isinstance(one, inspect.StructType) and one.tag == tag]
            return chosen[0] if chosen else node
        kinds = [one for one in node.types if not isinstance(one, inspect.NoneType)]
        if len(kinds) == 1:
            return kinds[0]
    return node


def _shown(value: Any, node: inspect.Type) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"' if isinstance(node, inspect.LiteralType) else _text(value)
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return "a date or a time"


def _text(value: str) -> str:
    return "empty" if not value else f"a text of {len(value)} characters"


def _range(node: inspect.IntType | inspect.FloatType) -> str:
    low = f" from {node.ge}" if node.ge is not None else f" above {node.gt:g}"
    return low + (f" to {node.le:.16g}" if node.le is not None else "")


def _length(node: inspect.StrType) -> str:
    if node.max_length is not None:
        return f" of {node.min_length or 0} to {node.max_length} characters"
    return " that is not empty" if node.min_length else ""
