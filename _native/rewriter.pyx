"""The rewriter: head bytes and a compiled profile become a plan, or a refusal. No I/O. The manual is rewriter.pyi.

Every method of the walk answers 1, or 0 with `trouble` set.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from engine._native.elements cimport (
    BAD_VR, CODE, ITEM, ITEM_END, NULPAD, NUMBER, OK, SEQUENCE_END, SHORT, TEXT, TIME, UNDEFINED, Header, load_tag,
    read_header, vr_kind,
)
from engine._native.program cimport *
from engine._native.reader cimport *
from engine._native.plausible cimport *
from engine._native.coding cimport Coding, is_code, is_content_value
from engine._native.nesting cimport *
from engine._native.replacer cimport ONE_WORD
from engine._native.program import ACTIONS

cdef enum:
    UI = (c'U' << 8) | c'I'
    LO = (c'L' << 8) | c'O'
    DA = (c'D' << 8) | c'A'
    TM = (c'T' << 8) | c'M'
    DT = (c'D' << 8) | c'T'
    AS = (c'A' << 8) | c'S'
    AT = (c'A' << 8) | c'T'
    PN = (c'P' << 8) | c'N'
    DS = (c'D' << 8) | c'S'
    IS = (c'I' << 8) | c'S'
    MOST_HEAD = 1 << 26             # bytes of a head that a caller holds at the most
    CHARSET = 0x00080005
    CONCEPT_NAME = 0x0040A043
    CONTENT = 0x0040A730

_COUNTED = {**{number: name for name, number in ACTIONS.items()}, TRAILING: "trailing-bytes",
            GROUP_LENGTHS: "group-length", PRIVATE: "private", UNKNOWN: "unknown"}


cdef class Plan:
    """What a rewrite found: see rewriter.pyi."""


cdef class Rewriter(Coding):
    """Rewrites heads by one program. Not for two threads at once: the output buffer is reused."""

    cdef uint32_t told[32]      # the counts of `told_counts`, which most objects of a series share
    cdef dict told_counts

    def rewrite(self, head not None, size_t total, size_t start, int syntax, *, bytes hashed_id not None,
                bytes study_id not None, bytes sop_class not None, bytes sop_instance not None, int shift_days=0,
                bint tail=False, bint scan=True,
                tuple also=(), bytes charset=b""):
        """Rewrites a data set from `start` to its body (or, with `tail`, what follows a body); see rewriter.pyi."""
        cdef bytes value
        cdef Py_buffer buffer
        if self.busy:
            raise RuntimeError("a rewriter does one object at a time")
        if self.pass_key_bytes is None:
            raise ValueError("a pass key must be set first")
        self.computed_bytes = (b"", hashed_id, study_id, sop_class, sop_instance)
        for i in range(5):
            self.computed[i].data = <const uint8_t*><const char*><bytes>self.computed_bytes[i]
            self.computed[i].size = len(<bytes>self.computed_bytes[i])
        self.shift_days = shift_days
        self.leaks.hit_count = 0    # what follows a body is searched for what stood before it, too
        if not tail and not self.leaks.clear():
            raise MemoryError
        for extra in also:
            value = extra
            if not self.leaks.add(<const uint8_t*><const char*>value, len(value), True):
                raise MemoryError
        PyObject_GetBuffer(head, &buffer, PyBUF_SIMPLE)
        try:
            if not 0 <= syntax <= 3 or start > <size_t>buffer.len or <size_t>buffer.len > total:
                raise ValueError("the syntax, the start or the total size is out of range")
            memset(&self.w, 0, <char*>self.w.levels - <char*>&self.w)
            memset(&self.w.levels[0], 0, sizeof(Level))
            self.w.p = <const uint8_t*>buffer.buf
            self.w.avail = buffer.len
            self.w.total = total
            self.w.pos = start
            self.w.tail = tail
            self.w.levels[0].limit = total
            self.w.levels[0].defined = True
            self.w.levels[0].patch = NO_PATCH
            self.w.levels[0].syntax = syntax
            self.w.levels[0].step = -1
            self.w.levels[0].charset = <const uint8_t*><const char*>charset
            self.w.levels[0].charset_size = len(charset)
            return self._run(scan)
        finally:
            PyBuffer_Release(&buffer)

    cdef Plan _run(self, bint scan):
        """The walk that `w` describes, then the leak scan over what it wrote."""
        cdef Plan plan
        cdef Header body
        cdef bint done
        body.tag = 0
        self.raised = None
        self.begin(self.w.p, min(self.w.total, <size_t>MOST_HEAD), self.w.pos)
        self.busy = True
        with nogil:
            done = self._walk(&body)
            if done and scan and not self.leaks.search(self.out, self.out_size):
                done = not fail(&self.trouble, SCAN_LIMIT, 0, 0)
        self.busy = False
        if self.raised is not None:
            raise self.raised
        if not done:
            raise_trouble(&self.trouble)
        plan = Plan.__new__(Plan)
        plan.head = PyBytes_FromStringAndSize(<const char*>self.out, self.out_size)
        plan.end = self.w.pos
        if self.told_counts is None or memcmp(self.w.counts, self.told, sizeof(self.told)):
            memcpy(self.told, self.w.counts, sizeof(self.told))
            self.told_counts = {_COUNTED[i]: self.w.counts[i] for i in range(ACTION_COUNT + 4) if self.w.counts[i]}
        plan.counts = self.told_counts
        plan.body_tag = None
        plan.body_length = None
        if body.tag:
            plan.body_tag = body.tag
            plan.body_offset = self.w.pos
            plan.body_header = body.size
            if body.length != UNDEFINED:
                plan.body_length = body.length
        plan.leaks = [
            (self.leaks.hits[i].offset, self.leaks.patterns[self.leaks.hits[i].pattern].size,
             bool(self.leaks.patterns[self.leaks.hits[i].pattern].is_uid))
            for i in range(self.leaks.hit_count)
        ]
        return plan

    cdef int _walk(self, Header* body) noexcept nogil:
        cdef Walk* w = &self.w
        cdef Level* lv
        cdef Header h
        cdef int answer
        while True:
            lv = &w.levels[w.depth]
            if lv.defined and w.pos >= lv.limit:
                if w.depth == 0:
                    break
                if not self.close_level():
                    return 0
                continue
            answer = SHORT
            if w.pos <= w.avail:
                answer = read_header(w.p + w.pos, min(w.avail, lv.limit) - w.pos, lv.syntax, &h)
            if answer != OK:
                if answer == BAD_VR:
                    return not fail(&self.trouble, BAD_VR_FOUND, w.pos, h.tag)
                if w.pos + 12 > w.avail and w.avail < w.total and w.pos + 8 <= lv.limit:
                    return not fail(&self.trouble, NEED_MORE, min(w.pos + 12, w.total), 0)
                if w.depth == 0 and lv.limit - w.pos < 8:
                    w.counts[TRAILING] += 1     # too few bytes for an element: readers ignore them, we drop them
                    w.pos = lv.limit
                    continue
                return not fail(&self.trouble, TRUNCATED, w.pos, h.tag)
            if lv.kind != DATASET:
                if not self._item(lv, &h):
                    return 0
            elif (h.tag >> 16) == 0xFFFE:
                if not self._delimiter(lv, &h):
                    return 0
            elif w.depth == 0 and not w.tail and (h.tag == LAST_BODY or h.tag == FIRST_BODY or h.tag == FIRST_BODY + 1):
                if not may_be_body(h.tag, h.vr):
                    return not fail(&self.trouble, BAD_VR_FOUND, w.pos, h.tag)
                body[0] = h
                break
            elif not self._element(lv, &h):
                return 0
        if not w.tail and not self.insert_below(0xFFFFFFFF):
            return 0
        self.drop_unused_blocks(0)
        return self.flush()

    cdef int _item(self, Level* lv, Header* h) noexcept nogil:
        """A sequence or fragment sequence goes on: an item, or its end."""
        cdef Walk* w = &self.w
        cdef bint writes = lv.mode != DISCARDING
        if h.tag == SEQUENCE_END and not lv.defined:
            if writes and not self.keep(w.pos, w.pos + 8):
                return 0
            w.pos += 8
            w.depth -= 1
            return 1
        if h.tag != ITEM or (lv.kind == FRAGMENTS and h.length == UNDEFINED):
            return not fail(&self.trouble, ITEM_EXPECTED, w.pos, h.tag)
        if h.length != UNDEFINED and w.pos + 8 + h.length > lv.limit:
            return not fail(&self.trouble, TRUNCATED if lv.limit == w.total else OVERRUN, w.pos, h.tag)
        if lv.kind == FRAGMENTS:
            if w.pos + 8 + h.length > w.avail:
                return not fail(&self.trouble, NEED_MORE, w.pos + 8 + h.length, 0)
            if writes and not self.keep(w.pos, w.pos + 8 + h.length):
                return 0
            w.pos += 8 + h.length
            return 1
        if lv.mode == CLEANING:
            return self.open_cleaned_item(lv, h)
        return self.open_level(lv, h, DATASET, lv.syntax, lv.mode, False, lv.step)

    cdef int _delimiter(self, Level* lv, Header* h) noexcept nogil:
        cdef Walk* w = &self.w
        if h.tag == ITEM_END and w.depth > 0 and not lv.defined:
            self.drop_unused_blocks(lv.blocks)
            if lv.mode != DISCARDING and not self.keep(w.pos, w.pos + 8):
                return 0
            w.pos += 8
            w.depth -= 1
            return 1
        if w.depth == 0 and h.length == 0:
            w.counts[TRAILING] += 1     # a delimiter that some writers leave behind the data set
            w.pos += 8
            return 1
        return not fail(&self.trouble, STRAY_DELIMITER, w.pos, h.tag)

    cdef int _element(self, Level* lv, Header* h) noexcept nogil:
        cdef Walk* w = &self.w
        cdef const Rule* rule
        cdef uint8_t action
        cdef uint16_t arg = 0, vr = h.vr, group = h.tag >> 16, known_vr = 0
        cdef size_t value = w.pos + h.size, end, before
        cdef int step = -1, inner = lv.syntax, hit = -1
        cdef int mode
        cdef bint sequence
        if h.length != UNDEFINED:
            end = value + h.length
            if end > lv.limit:
                return not fail(&self.trouble, TRUNCATED if lv.limit == w.total else OVERRUN, w.pos, h.tag)
            if end > w.avail:
                return not fail(&self.trouble, NEED_MORE, end, 0)
        else:
            end = 0
        if lv.mode == DISCARDING:
            return self.discard(lv, h, end)
        if lv.group and group != lv.group:
            self.drop_unused_blocks(lv.blocks)
            lv.group = 0
        w.block_hit = -1
        if group & 1:
            action = self.private_action(lv, h, value, end, &arg, &known_vr)
            hit = w.block_hit
            if action == ACTION_COUNT:
                return self.trouble.stop == FINE
            if self.trouble.stop != FINE:
                return 0
            rule = NULL
        elif (h.tag & 0xFFFF) == 0 and group != 2:
            if self.program.group_lengths != KEEP:
                w.counts[GROUP_LENGTHS] += 1
                return self.discard(lv, h, end)
            rule, action = NULL, KEEP
        else:
            rule = self.program.find(h.tag)
            if rule == NULL:
                action = self.program.unknown_standard
                if action == REMOVE:
                    w.counts[UNKNOWN] += 1
                    return self.discard(lv, h, end)
            else:
                if w.depth == 0:
                    if rule.marks & INSERTED:
                        if rule.marks & IDENTIFIER and h.length != UNDEFINED and not self.remember_name(value, h.length, rule.vr):
                            return 0
                        if rule.top == NEW_UID and h.length != UNDEFINED and not self.remember_uid(value, h.length):
                            return 0
                        if not w.tail and (not self.insert_below(h.tag + 1)
                                           or not self.put_empty_insertion(lv, h.tag)):
                            return 0
                        w.counts[rule.top] += 1
                        return self.discard(lv, h, end)
                    action = rule.top
                else:
                    action = rule.nested
                arg, known_vr = rule.arg, rule.vr
                if lv.as_said and is_content_value(h.tag):
                    action = KEEP
                if rule.marks & IDENTIFIER and h.length != UNDEFINED and known_vr != SQ:
                    if not self.remember_name(value, h.length, rule.vr):
                        return 0
                if w.depth == 0:
                    if rule.marks & PATH_ROOT:
                        step = self.program.path_step(-1, h.tag)
                elif lv.step >= 0:
                    step = self.program.path_step(lv.step, h.tag)
                if step >= 0 and self.program.steps[step].leaf:
                    action, arg = self.program.steps[step].action, self.program.steps[step].arg
        if w.depth == 0 and not w.tail and not self.insert_below(h.tag):
            return 0
        if h.tag == CHARSET and h.length != UNDEFINED:
            lv.charset, lv.charset_size = w.p + value, h.length
        if vr and vr != UN and known_vr and vr != known_vr and action != REMOVE and contradicts(vr, known_vr):
            w.counts[UNKNOWN] += 1      # text where the dictionary has a number, a plain value where it has a sequence
            return self.discard(lv, h, end)
        # The VR that counts: what is declared, unless it is UN or implicit and the dictionary knows better.
        if vr == 0 or (vr == UN and known_vr):
            vr = known_vr if known_vr else UN
        elif known_vr and vr != known_vr and action == KEEP:
            rule = self.program.vr_rule(vr)
            if rule != NULL:
                action, arg = rule.top, rule.arg
        sequence = vr == SQ or (h.length == UNDEFINED and not (h.tag == LAST_BODY or vr == OB or vr == OW))
        if h.vr == UN and sequence:
            inner = content_syntax(w.p, value, min(w.avail, lv.limit) if h.length == UNDEFINED else end, 0)
        w.counts[action] += 1
        if hit >= 0 and (sequence or h.length == UNDEFINED):
            w.blocks[hit & (MAX_BLOCKS - 1)].used = True
        if sequence:
            if h.vr and h.vr != SQ and h.vr != UN:
                return not fail(&self.trouble, ITEM_EXPECTED, w.pos, h.tag)  # undefined length where no sequence can be
            if action == REMOVE:
                return self.discard(lv, h, end)
            if action == QUARANTINE or action == REFUSE:
                return not fail(&self.trouble, BY_PROFILE, w.pos, h.tag)
            if action == EMPTY or (vr != SQ and action != KEEP and action != RECURSE and action != SCRUB):
                return self.put(lv.syntax, h.tag, vr, NULL, 0) and self.discard(lv, h, end)
            if h.vr == UN and h.length != UNDEFINED and h.length >= 8 and load_tag(w.p + value, 0) != ITEM:
                return self.discard(lv, h, end)    # UN that is not understood
            if action == KEEP or action == RECURSE:
                mode = lv.mode
            elif action == CLEAN_CODE or action == CLEAN_SR or action == CLEAN_TEXT:
                mode = CLEANING if lv.mode == KEEPING else lv.mode
            else:
                mode = SCRUBBING
            if h.tag == CONCEPT_NAME and lv.mode == SCRUBBING and w.depth > 0 and (lv - 1).content:
                mode = CLEANING     # a content item's value goes, what kind of value it was stays if the code is public
            return self.open_level(
                lv, h, SEQUENCE, inner, mode, action == CLEAN_SR or (h.tag == CONTENT and mode == CLEANING), step)
        if h.length == UNDEFINED:
            if action != KEEP or lv.mode != KEEPING:
                return self.discard(lv, h, end)
            return self.open_level(lv, h, FRAGMENTS, lv.syntax, lv.mode, False, -1)
        w.pos = end
        if not group & 1:
            return self._value(lv, h, vr, action, arg, value)
        before = self.out_size + self.kept_to - self.kept_from
        if not self._value(lv, h, vr, action, arg, value):
            return 0
        if hit >= 0 and self.out_size + self.kept_to - self.kept_from > before:
            w.blocks[hit & (MAX_BLOCKS - 1)].used = True       # a value may turn out to be no number, and go
        return 1

    cdef int _value(self, Level* lv, Header* h, uint16_t vr, uint8_t action, uint16_t arg, size_t value) noexcept nogil:
        """Applies an action to a plain value; `w.pos` is already behind it."""
        cdef int kind
        if lv.mode != KEEPING and h.length and action == KEEP:
            kind = vr_kind(vr)
            if kind & TEXT:
                if lv.mode == SCRUBBING or vr == PN:
                    return self.put_removed(lv.syntax, h.tag, vr)
                if is_code(h.tag):
                    if not lv.public_code:
                        return self.put_removed(lv.syntax, h.tag, vr)
                else:
                    action, arg = CLEAN_TEXT, ONE_WORD
            elif not kind & (NUMBER | CODE | TIME) and vr != UI and vr != AT:
                return 1        # bytes without meaning to us: nothing of a scrubbed or cleaned sequence may keep them
        if action == RECURSE or action == SCRUB:
            return 1            # a plain value where the profile expects a sequence
        if action == KEEP:
            if vr == UI and not is_uid(self.source + value, h.length):
                action = NEW_UID    # a UID of a definition is kept; anything else under its tag is not
            elif ((vr == DS or vr == IS) and self.program.unknown_standard == REMOVE
                    and not is_number(self.source + value, h.length)):
                action = EMPTY      # whatever it is, it is no number
            else:
                return self.keep(value - h.size, value + h.length)
        if action == REMOVE:
            return 1
        self.source_at = value - h.size
        self.charset, self.charset_size = lv.charset, lv.charset_size
        return self.replace(lv.syntax, self.w.depth > 0, h, vr, action, arg, value)
