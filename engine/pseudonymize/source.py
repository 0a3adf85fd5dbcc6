"""An object as it came: file meta, chosen values of its top level, and, where it is deflated, its inflated data set."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from engine._native.reader import Meta, Refused, read_meta
from engine._native.survey import Survey, Wanted, survey
from engine.errors import Refusal
from engine.pseudonymize.deflated import inflate
from engine.pseudonymize.identities import PATIENT_ID, STUDY_UID
from engine.pseudonymize.window import Window

T = TypeVar("T")

SOP_CLASS, SOP_INSTANCE, SERIES_UID = 0x00080016, 0x00080018, 0x0020000E
MEDIA_STORAGE_DIRECTORY = b"1.2.840.10008.1.3.10"
_UID = re.compile(rb"[0-9.]{1,64}")


@dataclass(slots=True)
class Source:
    """`fd` and `size` of the object in bytes; `inflated` is None unless the data set is deflated."""

    fd: int
    size: int
    meta: Meta
    values: Survey
    inflated: bytes | None

    def sop_class(self) -> bytes:
        """The SOP Class UID, b"" if nobody says. Raises Refusal `bad-sop-class`, `dicomdir`, `sop-class-mismatch`."""
        of_meta = self.meta.sop_class_uid.encode("latin-1")
        found = self.values.get(SOP_CLASS) or of_meta
        if found and not _UID.fullmatch(found):
            raise Refusal("bad-sop-class", "what stands in the SOP Class UID is no UID", tag=SOP_CLASS)
        if found == MEDIA_STORAGE_DIRECTORY:
            raise Refusal(
                "dicomdir", "a DICOMDIR lists files by names and patients; it is not an object to pass on"
            )
        if of_meta and found != of_meta:
            raise Refusal(
                "sop-class-mismatch", "file meta and data set name different SOP classes", tag=SOP_CLASS
            )
        return found

    def sop_instance(self) -> bytes:
        """The SOP Instance UID, b"" if nobody says."""
        return self.values.get(SOP_INSTANCE) or self.meta.sop_instance_uid.encode("latin-1")


def open_source(window: Window, fd: int, size: int, wanted: Wanted, last: int = 0xFFFFFFFF) -> Source:
    """Reads what must be known of an object before its plan: `wanted` attributes of the top level up to the tag `last`; to
    the end of the head where Patient ID or Study Instance UID are missing, since they may stand out of order.

    Raises Refusal with the reader's codes and those of `inflate`.
    """

    def look(view: memoryview) -> tuple[Meta, Survey | None]:
        meta = read_meta(view, size)
        return meta, None if meta.deflated else survey(view, size, meta.start, meta.syntax, wanted, last)

    window.open(fd, size)
    meta, values = window.run(look)
    if values is None:
        inflated = inflate(fd, size, meta.start)
        values = guarded(lambda: survey(inflated, len(inflated), 0, meta.syntax, wanted))
        return Source(fd, size, meta, values, inflated)
    if last != 0xFFFFFFFF and (values.get(PATIENT_ID) is None or values.get(STUDY_UID) is None):
        values = window.run(lambda view: survey(view, size, meta.start, meta.syntax, wanted))
    return Source(fd, size, meta, values, None)


def guarded(core: Callable[[], T]) -> T:
    """Runs a core over bytes that are in memory as a whole; its refusal becomes ours."""
    try:
        return core()
    except Refused as refused:
        raise Refusal(refused.code, refused.message, offset=refused.offset, tag=refused.tag) from None
