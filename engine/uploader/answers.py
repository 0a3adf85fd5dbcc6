"""The body of an answer to STOW-RS: the Store Instances Response Module (PS3.18 I.2) in DICOM JSON (PS3.18 F) or, from servers that
do not heed the Accept header, as the Native DICOM Model in XML (PS3.19 A.1). Both become the same mapping.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from xml.parsers import expat

import orjson

Item = Mapping[str, object]

_BEGINS_XML: Final = (b"<", b"\xef\xbb\xbf<")
_NUMBERS: Final = frozenset({"US", "UL", "SS", "SL", "UV", "SV", "IS"})
_DEEPEST: Final = 32


class NotAResponse(ValueError):
    """The bytes are no Store Instances Response."""


def parse(content: bytes) -> Item:
    """The response's data set. Raises NotAResponse."""
    if content.lstrip().startswith(_BEGINS_XML):
        return _of_xml(content.lstrip())
    try:
        data_set = orjson.loads(content)
    except orjson.JSONDecodeError as problem:
        raise NotAResponse("neither JSON nor XML") from problem
    if isinstance(data_set, list) and len(data_set) == 1:  # some servers wrap it
        data_set = data_set[0]
    if not isinstance(data_set, dict):
        raise NotAResponse("no data set")
    return data_set


def items(data_set: Item, tag: str) -> list[Item]:
    """The items of a sequence; none if it is absent or empty. Raises NotAResponse if it is no sequence."""
    element = data_set.get(tag)
    if element is None:
        return []
    values = element.get("Value", []) if isinstance(element, dict) else None
    if not isinstance(values, list) or not all(isinstance(item, dict) for item in values):
        raise NotAResponse("no sequence")
    return values


def value(item: Item, tag: str) -> object:
    """The first value of an element; None if there is none."""
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None


def text(item: Item, tag: str) -> str:
    """The first value if it is text, else ""."""
    found = value(item, tag)
    return found if isinstance(found, str) else ""


def number(item: Item, tag: str) -> int | None:
    """The first value if it is a whole number, or one as text; else None."""
    found = value(item, tag)
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= 20:
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def binary(item: Item, tag: str) -> bytes:
    """The bytes of an element with InlineBinary; b"" if there are none."""
    element = item.get(tag)
    encoded = element.get("InlineBinary") if isinstance(element, dict) else None
    try:
        return base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else b""
    except binascii.Error:
        return b""


@dataclass(slots=True)
class _Level:
    """One data set or item that is being read, and the element in it that is open."""

    data_set: dict[str, Any] = field(default_factory=dict)
    element: dict[str, Any] | None = None


class _Reader:
    """Takes what expat finds. Document types are refused: they are the way to entities that grow without end."""

    def __init__(self) -> None:
        self.levels: list[_Level] = []
        self.root: dict[str, Any] | None = None
        self._text: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(" ")[2]
        if name == "NativeDicomModel" and not self.levels:
            self.levels.append(_Level())
            return
        if not self.levels or len(self.levels) > _DEEPEST:
            raise NotAResponse("another document, or one that is too deep")
        level = self.levels[-1]
        if name == "DicomAttribute":
            level.element = {"vr": attributes.get("vr", "UN"), "Value": []}
            level.data_set[attributes.get("tag", "").upper()] = level.element
        elif name == "Item" and level.element is not None:
            self.levels.append(_Level())
            level.element["Value"].append(self.levels[-1].data_set)
        elif name in ("Value", "InlineBinary"):
            self._text = []

    def data(self, characters: str) -> None:
        if self._text is not None:
            self._text.append(characters)

    def end(self, name: str) -> None:
        name = name.rpartition(" ")[2]
        level = self.levels[-1]
        if name == "NativeDicomModel":
            self.root = self.levels.pop().data_set
        elif name == "Item" and len(self.levels) > 1:
            self.levels.pop()
        elif name == "DicomAttribute":
            level.element = None
        elif name in ("Value", "InlineBinary") and self._text is not None:
            told, self._text = "".join(self._text).strip(), None
            if level.element is None:
                return
            if name == "InlineBinary":
                level.element["InlineBinary"] = told
            else:
                whole = (
                    level.element["vr"] in _NUMBERS and told.isascii() and told.isdigit() and len(told) <= 20
                )
                level.element["Value"].append(int(told) if whole else told)


def _of_xml(content: bytes) -> Item:
    parser = expat.ParserCreate(namespace_separator=" ")
    reader = _Reader()

    def refuse(*_: object) -> None:
        raise NotAResponse("a document type")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    try:
        parser.Parse(content, True)
    except expat.ExpatError as problem:
        raise NotAResponse("damaged XML") from problem
    if reader.root is None:
        raise NotAResponse("no data set")
    return reader.root
