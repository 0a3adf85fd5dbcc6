"""What a sender reads: Part 10 files (PS3.10 section 7.1), their file meta and where their data set lies."""

from __future__ import annotations

import os
import secrets
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Refusal, TransportError

PREAMBLE = 132
META_LIMIT = 65536
HEAD = 65536
LONG_VRS = frozenset(
    {b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"}
)
CLASS, INSTANCE, SYNTAX = 0x0002, 0x0003, 0x0010
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One file to send. `offset` and `size` (bytes) tell where the data set lies; it is sent as it is."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    offset: int
    size: int


def files_in(paths: Iterable[Path]) -> Iterator[Path]:
    """The files named, and those inside the folders named, in name order. Symbolic links to folders are not
    followed, so that a loop cannot catch us. TransportError names a path that does not exist."""
    for path in paths:
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders.sort()
                yield from (Path(folder) / name for name in sorted(names))
        elif path.exists():
            yield path
        else:
            raise TransportError(
                "path-missing", f"{path} does not exist", hint="name a DICOM file or a folder of them"
            )


def read_source(path: Path) -> SourceObject:
    """The file's meta information. Raises Refusal when it is no Part 10 file or lacks what C-STORE needs."""
    try:
        with path.open("rb") as file:
            start = file.read(PREAMBLE + META_LIMIT)
            total = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise Refusal("not-readable", f"cannot be read: {error.strerror}") from error
    if start[128:PREAMBLE] != b"DICM":
        raise Refusal("not-dicom", "is no DICOM file: the prefix DICM is missing", offset=128)
    meta, offset = _read_meta(start)
    found = {
        element: meta[element].rstrip(b"\0 ") for element in (CLASS, INSTANCE, SYNTAX) if element in meta
    }
    if len(found) < 3 or not all(found.values()):
        raise Refusal(
            "meta-incomplete", "its file meta lacks the SOP class, the SOP instance or the transfer syntax"
        )
    try:
        sop_class, instance, syntax = (found[e].decode("ascii") for e in (CLASS, INSTANCE, SYNTAX))
    except UnicodeDecodeError as error:
        raise Refusal("meta-damaged", "its file meta holds a UID that is not ASCII") from error
    if total <= offset:
        raise Refusal("no-data-set", "ends after its file meta", offset=offset)
    return SourceObject(path, sop_class, instance, syntax, offset, total - offset)


def _read_meta(data: bytes) -> tuple[dict[int, bytes], int]:
    """Elements of group 0002 (explicit VR little endian) and the offset behind the last one. The group
    length is not trusted: writers get it wrong."""
    found: dict[int, bytes] = {}
    at = PREAMBLE
    while data[at : at + 2] == b"\x02\x00":
        if at + 12 > len(data):
            raise Refusal("meta-damaged", "ends inside its file meta", offset=at)
        element = int.from_bytes(data[at + 2 : at + 4], "little")
        if data[at + 4 : at + 6] in LONG_VRS:
            length, body = int.from_bytes(data[at + 8 : at + 12], "little"), at + 12
        else:
            length, body = int.from_bytes(data[at + 6 : at + 8], "little"), at + 8
        if body + length > len(data):
            raise Refusal("meta-damaged", "has a file meta element longer than the file or 64 KiB", offset=at)
        found[element] = data[body : body + length]
        at = body + length
    return found, at


class Cloner:
    """Gives copies of an object SOP Instance UIDs of their own, of the same length, patched into the data
    set.

    `patches` are the places of (0008,0018)'s value, relative to the data set."""

    def __init__(self, source: SourceObject) -> None:
        length = len(source.sop_instance_uid)
        self._prefix = "2.25.1"
        self._digits = length - len(self._prefix)
        if self._digits < 12 or source.transfer_syntax_uid == DEFLATED:
            raise Refusal("not-cloneable", "cannot be cloned: its SOP Instance UID is too short or deflated")
        # Six random digits keep two runs apart, whatever the length.
        self._run = f"{secrets.randbelow(10**6):06d}"
        with source.path.open("rb") as file:
            file.seek(source.offset)
            head = file.read(HEAD)
        self.at = _value_of_instance(head, source)

    def uid(self, number: int) -> str:
        """The UID of clone `number`, 0 to 10**6 - 1 or more when the UID is long; as long as the
        original's."""
        return f"{self._prefix}{self._run}{number:0{self._digits - 6}d}"


def _value_of_instance(head: bytes, source: SourceObject) -> int:
    order = ">" if source.transfer_syntax_uid == BIG_ENDIAN else "<"
    uid = source.sop_instance_uid.encode("ascii")
    tag = struct.pack(order + "HH", 0x0008, 0x0018)
    at = head.find(tag)
    while at >= 0:
        if head[at + 8 : at + 8 + len(uid)] == uid:
            return at + 8
        at = head.find(tag, at + 1)
    raise Refusal("not-cloneable", "cannot be cloned: its data set does not begin with its SOP Instance UID")
