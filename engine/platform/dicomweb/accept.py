"""What a client of WADO-RS takes (PS3.18 8.7.4): multipart/related, or a single object, and in which transfer syntaxes.

Objects are given out as they are stored; nothing is transcoded. A client that names a transfer syntax gets objects of that one
alone; one that names none, or `*`, gets what there is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message

from engine.errors import Refusal

_LONGEST = 2000
_DICOM = "application/dicom"
_ZERO = re.compile(r"0(\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`single`: one object as the whole body. `syntaxes`: the transfer syntaxes taken; empty for any."""

    single: bool
    syntaxes: frozenset[str]

    def takes(self, transfer_syntax: str) -> bool:
        """Whether an object in this transfer syntax is taken."""
        return not self.syntaxes or transfer_syntax in self.syntaxes


def wanted(accept: str, *, one: bool) -> Wanted:
    """The first way in the header's order that can be served; `one` when a single object was asked for.

    Raises Refusal("not-acceptable").
    """
    if len(accept) <= _LONGEST:
        for part in re.split(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", accept or "*/*"):
            chosen = _chosen(part, one=one)
            if chosen is not None:
                return chosen
    raise Refusal(
        "not-acceptable",
        f'objects are given out as multipart/related; type="{_DICOM}"' + (f", or as {_DICOM}" if one else ""),
    )


def metadata_taken(accept: str) -> bool:
    """Whether DICOM JSON is taken."""
    kinds = {part.partition(";")[0].strip().lower() for part in (accept or "*/*").split(",")}
    return not kinds.isdisjoint({"*/*", "application/*", "application/json", "application/dicom+json"})


def _chosen(part: str, *, one: bool) -> Wanted | None:
    parsed = Message()
    parsed["content-type"] = part.strip()
    kind = part.partition(";")[0].strip().lower()
    options = {name.lower(): str(value) for name, value in parsed.get_params(failobj=[])[1:]}
    if _ZERO.fullmatch(options.get("q", "1")):
        return None
    syntax = options.get("transfer-syntax", "*")
    syntaxes = frozenset() if syntax == "*" else frozenset({syntax})
    if kind in {"*/*", "multipart/*"}:
        return Wanted(single=False, syntaxes=frozenset())
    if kind == "multipart/related" and options.get("type", _DICOM).lower() in {_DICOM, "*/*"}:
        return Wanted(single=False, syntaxes=syntaxes)
    if one and kind in {_DICOM, "application/*"}:
        return Wanted(single=True, syntaxes=syntaxes)
    return None
