"""One object: from a file descriptor to a plan. Reads by pread only; writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine._native.program import Program
from engine._native.reader import Refused
from engine._native.rewriter import Plan, Rewriter
from engine._native.survey import Wanted, survey
from engine.dicom.file_meta import PADDING_LEAST, padded
from engine.errors import Refusal
from engine.pseudonymize.body import body_end, content_digest, read_tail
from engine.pseudonymize.codestream import check_frames
from engine.pseudonymize.deflated import deflate
from engine.pseudonymize.identities import (
    ACCESSION,
    CHARSET,
    ISSUER,
    PATIENT_ID,
    PATIENT_NAME,
    STUDY_UID,
    Identities,
)
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.kind import Kind, Kinds, key_of, make
from engine.pseudonymize.leak_scan import judge
from engine.pseudonymize.mask import masked_spans
from engine.pseudonymize.pixels import FACTS, Mask, decide
from engine.pseudonymize.plan import PAGE, ObjectPlan, PassKey, Survey
from engine.pseudonymize.source import SERIES_UID, SOP_CLASS, SOP_INSTANCE, Source, guarded, open_source
from engine.pseudonymize.window import Window

if TYPE_CHECKING:
    from engine.profile import CompiledProfile

UIDS = (SOP_CLASS, SOP_INSTANCE, STUDY_UID, SERIES_UID)
IDENTITY = (CHARSET, ACCESSION, PATIENT_NAME, PATIENT_ID, ISSUER)
_SURVEYED = Wanted((*UIDS, PATIENT_ID))
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"


class Pseudonymizer:
    """Makes plans by one profile under one hash secret. One a process: it holds keys, caches and a read buffer.

    With `page_aligned` the body of an output begins at the same offset in a page of the disk as in the source, which the
    kernel copies faster; up to 4 KiB of padding in the file meta bring it there.
    """

    def __init__(self, profile: CompiledProfile, secret: HashSecret, *, page_aligned: bool = False) -> None:
        self._page_aligned = page_aligned
        self._profile = profile
        self._pixels = profile.profile.pixels
        self._identities = Identities(secret, issuer=profile.profile.issuer)
        self._rewriters: dict[Program, Rewriter] = {}
        self._kinds = Kinds()
        self._wanted = Wanted((*UIDS, *IDENTITY, *FACTS, *profile.facts), SOP_INSTANCE)
        self._window = Window()

    @property
    def scan_seconds(self) -> float:
        """How long all leak scans up to now took together."""
        return sum(one.leaks.seconds for one in self._rewriters.values())

    def survey(self, fd: int, size: int) -> Survey:
        """The original UIDs of the object of `size` bytes behind `fd`. Raises Refusal as `plan` does."""
        source = open_source(self._window, fd, size, _SURVEYED, SERIES_UID)
        study, series = source.values.get(STUDY_UID) or b"", source.values.get(SERIES_UID) or b""
        return Survey(
            transfer_syntax=source.meta.transfer_syntax,
            sop_class_uid=_ascii(source.values.get(SOP_CLASS) or b"") or source.meta.sop_class_uid,
            sop_instance_uid=_ascii(source.sop_instance()),
            study_instance_uid=_ascii(study),
            series_instance_uid=_ascii(series),
            source_ae_title=source.meta.source_ae_title,
        )

    def plan(self, fd: int, size: int, pass_key: PassKey) -> ObjectPlan:
        """The plan for the object of `size` bytes behind `fd`.

        A pure function of object, profile, pass key and hash secret. Raises Refusal: the codes of the reader and the rewriter,
        of `Source.sop_class`, `pixels.decide`, `check_frames`, `masked_spans`, `read_tail`, `inflate`; `leak`,
        `head-too-large`; and those of text that its character set cannot hold.
        """
        source = open_source(self._window, fd, size, self._wanted)
        if not isinstance(pass_key, bytes):
            pass_key = pass_key(_ascii(source.values.get(STUDY_UID) or b""))
        kind = self._kind(source)
        work = _Work(kind, source)
        kind.rewriter.set_pass_key(pass_key)
        old_instance = source.sop_instance()
        new_instance = kind.rewriter.new_uid(old_instance or content_digest(fd))
        found = work.rewrite(self._window, new_instance)
        if SOP_INSTANCE not in kind.replaces:  # then the file meta has to say what the data set says
            new_instance = work.said(SOP_INSTANCE, found).encode("ascii") or new_instance
        study, series = kind.study_and_series(source, pass_key)
        if STUDY_UID not in kind.replaces:
            study = work.said(STUDY_UID, found)
        if SERIES_UID not in kind.replaces:
            series = work.said(SERIES_UID, found)
        meta = kind.meta.of(new_instance)
        spans: tuple[tuple[int, int], ...] = ()
        kept = 0
        tail, header = b"", b""
        if source.inflated is not None:
            head = meta + deflate(work.whole(found, source.inflated))
        else:
            head = meta + found.head
            if found.body_tag is not None:
                if self._page_aligned:
                    head = _aligned(meta, len(head), found.body_offset) + found.head
                end, tail = work.after_body(found)
                header = self._window.piece(found.body_offset, found.body_header)
                spans = self._spans(source, found, end, header, kind.mask)
                kept = sum([length for _, length in spans])
        self._window.settle(found.end)
        return ObjectPlan(
            head=head,
            spans=spans,
            tail=tail,
            body_tag=found.body_tag if spans else None,
            body_header=header,
            size=len(head) + kept + len(tail),
            transfer_syntax=source.meta.transfer_syntax,
            sop_class_uid=kind.sop_class_uid,
            sop_instance_uid=new_instance.decode("ascii"),
            study_instance_uid=study,
            series_instance_uid=series,
            hashed_id=kind.hashed_id,
            counts=work.counts,
            pixels="none" if found.body_tag is None else "masked" if kind.mask is not None else "kept",
        )

    def _kind(self, source: Source) -> Kind:
        key = key_of(source)
        kind = self._kinds.get(key)
        if kind is None:
            sop_class = source.sop_class()
            mask = decide(
                self._pixels,
                source.values,
                _ascii(sop_class),
                source.meta.transfer_syntax,
                source.meta.syntax,
            )
            rewriter = self._rewriter(source, mask)
            identity = self._identities.of(source.values, source.sop_instance())
            kind = make(source, sop_class, rewriter, mask, identity)
            self._kinds.put(key, kind)
        self._identities.turn_to(kind.name)
        return kind

    def _rewriter(self, source: Source, mask: Mask | None) -> Rewriter:
        program = self._profile.program_for(source.values, masked=mask is not None)
        found = self._rewriters.get(program)
        if found is None:
            found = self._rewriters[program] = Rewriter(program, self._identities.encode)
        return found

    def _spans(
        self, source: Source, found: Plan, end: int, header: bytes, mask: Mask | None
    ) -> tuple[tuple[int, int], ...]:
        """What is kept of the body, which begins with `header` and ends at the offset `end`."""
        if mask is not None:
            if found.body_length is None:
                raise Refusal("mask-compressed", "the pixels are not native", tag=found.body_tag)
            return masked_spans(
                source.values,
                source.meta.syntax,
                mask,
                found.body_offset,
                header,
                found.body_length,
            )
        if found.body_length is None and self._pixels.policy != "keep":
            first = found.body_offset + found.body_header
            check_frames(source.fd, first, end, source.meta.transfer_syntax)
        return ((found.body_offset, end - found.body_offset),)


class _Work:
    """The rewriting of one object: head, tail, and the leak scan over both."""

    def __init__(self, kind: Kind, source: Source) -> None:
        self.kind, self.source = kind, source
        self.counts: Mapping[str, int] = {}

    def rewrite(self, window: Window, sop_instance: bytes) -> Plan:
        """The new head."""
        source, kind = self.source, self.kind
        identity = kind.identity
        whole = source.inflated is not None

        def core(view: memoryview | bytes) -> Plan:
            return kind.rewriter.rewrite(
                view,
                len(view) if whole else source.size,
                0 if whole else source.meta.start,
                source.meta.syntax,
                hashed_id=identity.hashed_id,
                study_id=identity.study_id,
                sop_class=kind.sop_class,
                sop_instance=sop_instance,
                shift_days=identity.shift_days,
                also=self._instance_of_meta() if kind.scans_meta else (),
            )

        inflated = source.inflated
        found = window.run(core) if inflated is None else guarded(lambda: core(inflated))
        self.counts = found.counts
        self._judge(found)
        return found

    def _instance_of_meta(self) -> tuple[bytes, ...]:
        """The Media Storage SOP Instance UID, for the leak scan, where the profile replaces instance UIDs."""
        uid = self.source.meta.sop_instance_uid
        return (uid.encode("latin-1"),) if uid else ()

    def after_body(self, found: Plan) -> tuple[int, bytes]:
        """(offset behind the body, the new tail) of an object that is not deflated."""
        source = self.source
        first = found.body_offset + found.body_header
        closing = b""
        if found.body_length is None:
            end, ended = body_end(source.fd, source.size, first, source.meta.syntax)
            closing = b"" if ended else _SEQUENCE_END
        else:
            end = first + found.body_length
            if end > source.size:
                raise Refusal(
                    "truncated",
                    "the object ends inside its pixel data",
                    offset=source.size,
                    tag=found.body_tag,
                )
        return end, closing + (
            self._tail(read_tail(source.fd, source.size, end), end) if end < source.size else b""
        )

    def whole(self, found: Plan, inflated: bytes) -> bytes:
        """The new data set of a deflated object, whose pixel data is in memory already."""
        if found.body_tag is None:
            return found.head
        if found.body_length is None:
            raise Refusal(
                "bad-deflate", "a deflated data set holds encapsulated pixel data", tag=found.body_tag
            )
        end = found.body_offset + found.body_header + found.body_length
        if end > len(inflated):
            raise Refusal(
                "truncated", "the object ends inside its pixel data", offset=end, tag=found.body_tag
            )
        return found.head + inflated[found.body_offset : end] + self._tail(inflated[end:], end)

    def said(self, tag: int, found: Plan) -> str:
        """The UID that the new head has in `tag`, "" where it has none."""
        head, syntax = found.head, self.source.meta.syntax
        return _ascii(guarded(lambda: survey(head, len(head), 0, syntax, (tag,), tag)).get(tag) or b"")

    def _tail(self, tail: bytes, at: int) -> bytes:
        """What follows a body, by the same rules; `at` is its offset in the object, for refusals."""
        if not tail:
            return b""
        try:
            found = self.kind.rewriter.rewrite(
                tail,
                len(tail),
                0,
                self.source.meta.syntax,
                hashed_id=self.kind.identity.hashed_id,
                study_id=self.kind.identity.study_id,
                sop_class=b"",
                sop_instance=b"",
                shift_days=self.kind.identity.shift_days,
                tail=True,
                charset=self.source.values.get(CHARSET) or b"",
            )
        except Refused as refused:
            raise Refusal(
                refused.code, refused.message, offset=at + refused.offset, tag=refused.tag
            ) from None
        self._judge(found)
        together = Counter(self.counts)
        together.update(found.counts)
        self.counts = dict(together)
        return found.head

    def _judge(self, found: Plan) -> None:
        if found.leaks:
            judge(found.head, self.source.meta.syntax, found.leaks, self.kind.rewriter.program)


def _ascii(raw: bytes) -> str:
    return raw.decode("ascii", "replace")


def _aligned(meta: bytes, before: int, offset: int) -> bytes:
    """`meta`, padded so that a body behind `before` bytes gets the place in its page that it has at `offset` in the source."""
    missing = (offset - before) % PAGE
    if not missing or missing & 1:  # an odd one cannot be had with even elements
        return meta
    return padded(meta, missing if missing >= PADDING_LEAST else missing + PAGE)
