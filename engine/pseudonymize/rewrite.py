"""One object: from a file descriptor to a plan. Reads by pread only; writes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from engine._native.program import Program
from engine._native.reader import Meta, Refused, read_meta, survey
from engine._native.reader import Survey as Values
from engine._native.rewriter import Plan, Rewriter
from engine.dicom.file_meta import file_meta
from engine.errors import Refusal
from engine.pseudonymize.body import body_end, content_digest, read_tail
from engine.pseudonymize.deflated import deflate, inflate
from engine.pseudonymize.identities import (
    ACCESSION,
    CHARSET,
    ISSUER,
    PATIENT_ID,
    PATIENT_NAME,
    STUDY_UID,
    Identities,
    Identity,
)
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.leak_scan import judge
from engine.pseudonymize.plan import ObjectPlan, Survey
from engine.pseudonymize.window import Window

if TYPE_CHECKING:
    from engine.profile import CompiledProfile

T = TypeVar("T")

SOP_CLASS, SOP_INSTANCE, SERIES_UID = 0x00080016, 0x00080018, 0x0020000E
WANTED = (
    CHARSET,
    SOP_CLASS,
    SOP_INSTANCE,
    ACCESSION,
    PATIENT_NAME,
    PATIENT_ID,
    ISSUER,
    STUDY_UID,
    SERIES_UID,
)
_UID = re.compile(rb"[0-9.]{1,64}")
MEDIA_STORAGE_DIRECTORY = b"1.2.840.10008.1.3.10"
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"


class Pseudonymizer:
    """Makes plans by one profile under one hash secret. One a process: it holds keys, caches and a read buffer."""

    def __init__(self, profile: CompiledProfile, secret: HashSecret) -> None:
        program = profile.program
        self._identities = Identities(secret, issuer=program.issuer)
        self._program = program
        self._rewriters = {"": Rewriter(program, self._identities.encode)}
        for sop_class, variant in program.compounds.items():
            self._rewriters[sop_class] = Rewriter(variant, self._identities.encode)
        self._window = Window()

    def survey(self, fd: int, size: int) -> Survey:
        """The original UIDs of the object of `size` bytes behind `fd`. Raises Refusal as `plan` does."""
        self._window.open(fd, size)
        meta, values, _ = self._survey(fd, size)
        text = {
            tag: _ascii(values.get(tag) or b"") for tag in (SOP_CLASS, SOP_INSTANCE, STUDY_UID, SERIES_UID)
        }
        return Survey(
            transfer_syntax=meta.transfer_syntax,
            sop_class_uid=text[SOP_CLASS] or meta.sop_class_uid,
            sop_instance_uid=text[SOP_INSTANCE] or meta.sop_instance_uid,
            study_instance_uid=text[STUDY_UID],
            series_instance_uid=text[SERIES_UID],
        )

    def plan(self, fd: int, size: int, pass_key: bytes) -> ObjectPlan:
        """The plan for the object of `size` bytes behind `fd`; `pass_key` (32 bytes) decides its new UIDs.

        A pure function of object, profile, pass key and hash secret. Raises Refusal: the reader's and rewriter's codes,
        `dicomdir`, `bad-sop-class`, `sop-class-mismatch`, `leak`, `head-too-large`, `tail-too-large`,
        `inflate-limit`, `bad-deflate`, and those of
        text that its character set cannot hold.
        """
        self._window.open(fd, size)
        meta, values, inflated = self._survey(fd, size)
        sop_class = values.get(SOP_CLASS) or meta.sop_class_uid.encode("latin-1")
        if sop_class and not _UID.fullmatch(sop_class):
            raise Refusal("bad-sop-class", "what stands in the SOP Class UID is no UID", tag=SOP_CLASS)
        if sop_class == MEDIA_STORAGE_DIRECTORY:
            raise Refusal(
                "dicomdir", "a DICOMDIR lists files by names and patients; it is not an object to pass on"
            )
        if meta.sop_class_uid and sop_class != meta.sop_class_uid.encode("latin-1"):
            raise Refusal(
                "sop-class-mismatch", "file meta and data set name different SOP classes", tag=SOP_CLASS
            )
        rewriter = self._rewriters.get(_ascii(sop_class)) or self._rewriters[""]
        rewriter.set_pass_key(pass_key)
        old_instance = values.get(SOP_INSTANCE) or meta.sop_instance_uid.encode("latin-1")
        identity = self._identities.of(values, old_instance)
        new_instance = rewriter.new_uid(old_instance or content_digest(fd))

        def rewrite(view: memoryview) -> Plan:
            data, total, start = (
                (inflated, len(inflated), 0) if inflated is not None else (view, size, meta.start)
            )
            return rewriter.rewrite(
                data,
                total,
                start,
                meta.syntax,
                hashed_id=identity.hashed_id,
                study_id=identity.study_id,
                sop_class=sop_class,
                sop_instance=new_instance,
                shift_days=identity.shift_days,
            )

        found = self._window.run(rewrite) if inflated is None else _guarded(rewrite)
        if found.leaks:
            judge(found.head, meta.syntax, found.leaks, self._program)
        before = file_meta(sop_class, new_instance, meta.transfer_syntax.encode("ascii"))
        tail_of = _Tail(
            rewriter, meta.syntax, identity, found.counts, self._program, values.get(CHARSET) or b""
        )
        if inflated is not None:
            spans: tuple[tuple[int, int], ...] = ()
            head, tail, header = before + deflate(_whole(found, inflated, tail_of)), b"", b""
        else:
            spans, tail, header = self._body(fd, size, found, meta.syntax, tail_of)
            head = before + found.head
        self._window.settle(found.end)
        return ObjectPlan(
            head=head,
            spans=spans,
            tail=tail,
            body_tag=found.body_tag if spans else None,
            body_header=header,
            size=len(head) + sum(length for _, length in spans) + len(tail),
            transfer_syntax=meta.transfer_syntax,
            sop_class_uid=_ascii(sop_class),
            sop_instance_uid=new_instance.decode("ascii"),
            study_instance_uid=_new(rewriter, values.get(STUDY_UID)),
            series_instance_uid=_new(rewriter, values.get(SERIES_UID)),
            hashed_id=identity.hashed_id.decode("ascii"),
            counts=found.counts,
        )

    def _survey(self, fd: int, size: int) -> tuple[Meta, Values, bytes | None]:
        meta = self._window.run(lambda view: read_meta(view, size))
        if meta.deflated:
            inflated = inflate(fd, size, meta.start)
            return meta, _guarded(lambda _: survey(inflated, len(inflated), 0, meta.syntax, WANTED)), inflated
        values = self._window.run(
            lambda view: survey(view, size, meta.start, meta.syntax, WANTED, SERIES_UID)
        )
        if values.get(PATIENT_ID) is None or values.get(STUDY_UID) is None:
            # Absent, or out of order further down: only the whole top level can tell.
            values = self._window.run(lambda view: survey(view, size, meta.start, meta.syntax, WANTED))
        return meta, values, None

    @staticmethod
    def _body(
        fd: int, size: int, found: Plan, syntax: int, tail_of: _Tail
    ) -> tuple[tuple[tuple[int, int], ...], bytes, bytes]:
        """(spans, tail, header of the body) of an object that is not deflated."""
        if found.body_tag is None:
            return (), b"", b""
        first = found.body_offset + found.body_header
        closing = b""
        if found.body_length is None:
            end, ended = body_end(fd, size, first, syntax)
            closing = b"" if ended else _SEQUENCE_END
        else:
            end = first + found.body_length
            if end > size:
                raise Refusal(
                    "truncated", "the object ends inside its pixel data", offset=size, tag=found.body_tag
                )
        tail = tail_of(read_tail(fd, size, end), end) if end < size else b""
        header = os.pread(fd, found.body_header, found.body_offset)
        return ((found.body_offset, end - found.body_offset),), closing + tail, header


class _Tail:
    """Rewrites what follows a body by the same rules, and adds what it did to the counts."""

    def __init__(
        self,
        rewriter: Rewriter,
        syntax: int,
        identity: Identity,
        counts: dict[str, int],
        program: Program,
        charset: bytes,
    ) -> None:
        self._rewriter, self._syntax, self._identity, self._counts = rewriter, syntax, identity, counts
        self._program, self._charset = program, charset

    def __call__(self, tail: bytes, at: int) -> bytes:
        """`at` is the tail's offset in the object, for refusals."""
        if not tail:
            return b""
        try:
            found = self._rewriter.rewrite(
                tail,
                len(tail),
                0,
                self._syntax,
                hashed_id=self._identity.hashed_id,
                study_id=self._identity.study_id,
                sop_class=b"",
                sop_instance=b"",
                shift_days=self._identity.shift_days,
                tail=True,
                charset=self._charset,
            )
        except Refused as refused:
            raise Refusal(
                refused.code, refused.message, offset=at + refused.offset, tag=refused.tag
            ) from None
        if found.leaks:
            judge(found.head, self._syntax, found.leaks, self._program)
        for action, count in found.counts.items():
            self._counts[action] = self._counts.get(action, 0) + count
        return found.head


def _whole(found: Plan, inflated: bytes, tail_of: _Tail) -> bytes:
    """The new data set of a deflated object, whose pixel data is in memory already."""
    if found.body_tag is None:
        return found.head
    if found.body_length is None:
        raise Refusal("bad-deflate", "a deflated data set holds encapsulated pixel data", tag=found.body_tag)
    end = found.body_offset + found.body_header + found.body_length
    if end > len(inflated):
        raise Refusal("truncated", "the object ends inside its pixel data", offset=end, tag=found.body_tag)
    return found.head + inflated[found.body_offset : end] + tail_of(inflated[end:], end)


def _guarded(core: Callable[[memoryview], T]) -> T:
    """Runs a core over a data set that is in memory as a whole."""
    try:
        return core(memoryview(b""))
    except Refused as refused:
        raise Refusal(refused.code, refused.message, offset=refused.offset, tag=refused.tag) from None


def _ascii(raw: bytes) -> str:
    return raw.decode("ascii", "replace")


def _new(rewriter: Rewriter, old: bytes | None) -> str:
    return rewriter.new_uid(old).decode("ascii") if old else ""
