# sources: sha256.c
"""Items whose codes decide over them. Every method answers 1, or 0 with `trouble` set."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from engine._native.elements cimport OK, UNDEFINED, Header, read_header, trim
from engine._native.nesting cimport *
from engine._native.program cimport KEEP, REMOVE, REPLACE, SCRUB
from engine._native.reader cimport FINE, NEED_MORE, content_syntax, fail, skip_undefined

cdef enum:
    CONCEPT_NAME = 0x0040A043
    CODE_VALUE = 0x00080100
    SCHEME = 0x00080102
    UN = (c'U' << 8) | c'N'


cdef class Coding(Nesting):
    """Looks ahead into items where codes are cleaned."""

    cdef int open_cleaned_item(self, Level* lv, Header* h) noexcept nogil:
        """Opens an item where codes are cleaned: a coded entry is judged by its Coding Scheme Designator, a content item by its
        Concept Name (PS3.15 Table E.3.4-1)."""
        cdef Walk* w = &self.w
        cdef Coded own, concept
        cdef size_t limit = w.pos + 8 + h.length if h.length != UNDEFINED else lv.limit
        cdef int action = -1, mode = CLEANING
        memset(&own, 0, sizeof(Coded))
        if not self.look_ahead(w.pos + 8, limit, lv.syntax, &own):
            return 0
        if lv.content and own.concept_at:
            memset(&concept, 0, sizeof(Coded))
            if not self.look_ahead(own.concept_at + 8, limit, lv.syntax, &concept):
                return 0
            action = self.program.concept_action(
                w.p + concept.scheme_at, concept.scheme_size, w.p + concept.code_at, concept.code_size)
        if action == REMOVE:
            w.counts[<int>REMOVE] += 1
            mode = DISCARDING
        elif action == KEEP:
            mode = KEEPING
        elif action == SCRUB or action == REPLACE:
            mode = SCRUBBING
        if not self.open_level(lv, h, DATASET, lv.syntax, mode, False, lv.step):
            return 0
        w.levels[w.depth].as_said = action == KEEP
        w.levels[w.depth].public_code = (
            own.scheme_size and self.program.is_public(w.p + own.scheme_at, own.scheme_size))
        return 1

    cdef int look_ahead(self, size_t at, size_t limit, int syntax, Coded* code) noexcept nogil:
        """Notes Code Value, Coding Scheme Designator and where the Concept Name's first item stands, for the item whose content
        begins at `at`. What cannot be read is left to the walk, which judges it when it comes there."""
        cdef Walk* w = &self.w
        cdef Header h
        cdef size_t n
        cdef const uint8_t* text
        while at + 8 <= limit:
            if at + 12 > w.avail and w.avail < w.total:
                return not fail(&self.trouble, NEED_MORE, min(at + 12, w.total), 0)
            if at > w.avail or read_header(w.p + at, min(w.avail, limit) - at, syntax, &h) != OK:
                return 1
            if h.tag > CONCEPT_NAME or (h.tag >> 16) == 0xFFFE:
                return 1
            at += h.size
            if h.tag == CONCEPT_NAME:
                code.concept_at = at
                return 1
            if h.length == UNDEFINED:
                at = skip_undefined(
                    w.p, at, w.avail, limit, content_syntax(w.p, at, w.avail, 0) if h.vr == UN else syntax, False,
                    &self.trouble)
                if self.trouble.stop == NEED_MORE:
                    return 0
                if self.trouble.stop != FINE:
                    self.trouble.stop = FINE
                    return 1
                continue
            if at + h.length > limit:
                return 1
            if at + h.length > w.avail:
                return not fail(&self.trouble, NEED_MORE, at + h.length, 0)
            n = h.length
            text = trim(w.p + at, &n)
            if h.tag == CODE_VALUE:
                code.code_at, code.code_size = text - w.p, n
            elif h.tag == SCHEME:
                code.scheme_at, code.scheme_size = text - w.p, n
            at += h.length
        return 1
