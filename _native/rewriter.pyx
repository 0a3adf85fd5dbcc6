"""The rewriter: head bytes and a compiled profile become a plan, or a refusal. No I/O. The manual is rewriter.pyi.

Every method of the walk answers 1, or 0 with `trouble` set.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from engine._native.elements cimport (
    BAD_VR, CODE, EXPLICIT, ITEM, ITEM_END, NUMBER, OK, SEQUENCE_END, SHORT, TEXT, TIME, UNDEFINED, Header, read_header,
    trim, vr_kind,
)
from engine._native.program cimport *
from engine._native.reader cimport *
from engine._native.nesting cimport *
from engine._native.program import ACTIONS

cdef enum:
    UI = (c'U' << 8) | c'I'
    UN = (c'U' << 8) | c'N'
    SQ = (c'S' << 8) | c'Q'
    LO = (c'L' << 8) | c'O'
    OB = (c'O' << 8) | c'B'
    OW = (c'O' << 8) | c'W'
    DA = (c'D' << 8) | c'A'
    TM = (c'T' << 8) | c'M'
    DT = (c'D' << 8) | c'T'
    AS = (c'A' << 8) | c'S'
    AT = (c'A' << 8) | c'T'
    PN = (c'P' << 8) | c'N'
    CHARSET = 0x00080005
    FIRST_BODY = 0x7FE00008
    LAST_BODY = 0x7FE00010

_COUNTED = {**{number: name for name, number in ACTIONS.items()}, TRAILING: "trailing-bytes",
            GROUP_LENGTHS: "group-length", PRIVATE: "private", UNKNOWN: "unknown"}
cdef const uint8_t* SCRUBBED = b"REMOVED"


cdef class Plan:
    """What a rewrite found: see rewriter.pyi."""


cdef class Rewriter(Nesting):
    """Rewrites heads by one program. Not for two threads at once: the output buffer is reused."""

    def rewrite(self, const uint8_t[::1] head not None, size_t total, size_t start, int syntax, *, bytes hashed_id not None,
                bytes study_id not None, bytes sop_class not None, bytes sop_instance not None, int shift_days=0,
                bint tail=False, bint scan=True, tuple also=()):
        """Rewrites a data set from `start` to its body (or, with `tail`, what follows a body); see rewriter.pyi."""
        cdef Plan plan
        cdef Header body
        cdef bytes value
        if self.pass_key_bytes is None:
            raise ValueError("a pass key must be set first")
        if not 0 <= syntax <= 3 or start > <size_t>head.shape[0] or <size_t>head.shape[0] > total:
            raise ValueError("the syntax, the start or the total size is out of range")
        self.computed_bytes = (b"", hashed_id, study_id, sop_class, sop_instance)
        for i in range(5):
            self.computed[i].data = <const uint8_t*><const char*><bytes>self.computed_bytes[i]
            self.computed[i].size = len(<bytes>self.computed_bytes[i])
        self.shift_days = shift_days
        self.leaks.hit_count = 0
        if not tail:
            self.leaks.clear()      # what follows a body is searched for what stood before it, too
        self.begin(&head[0] if head.shape[0] else NULL, start)
        memset(&self.w, 0, sizeof(Walk))
        self.w.p = self.source
        self.w.avail = head.shape[0]
        self.w.total = total
        self.w.pos = start
        self.w.tail = tail
        self.w.levels[0].limit = total
        self.w.levels[0].defined = True
        self.w.levels[0].patch = NO_PATCH
        self.w.levels[0].syntax = syntax
        self.w.levels[0].step = -1
        for extra in also:
            value = extra
            if not self.leaks.add(<const uint8_t*><const char*>value, len(value), False):
                raise MemoryError
        body.tag = 0
        with nogil:
            if self._walk(&body) and scan:
                self.leaks.search(self.out, self.out_size)
        if self.trouble.stop != FINE:
            raise_trouble(&self.trouble)
        plan = Plan.__new__(Plan)
        plan.head = PyBytes_FromStringAndSize(<const char*>self.out, self.out_size)
        plan.end = self.w.pos
        plan.counts = {_COUNTED[i]: self.w.counts[i] for i in range(ACTION_COUNT + 4) if self.w.counts[i]}
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
                    return not fail(&self.trouble, NEED_MORE, w.pos + 12, 0)
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
        return self.open_level(lv, h, DATASET, lv.syntax, lv.mode, lv.step)

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
        cdef size_t value = w.pos + h.size, end
        cdef int step = -1, inner = lv.syntax
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
            return self._discard(lv, h, end)
        if lv.group and group != lv.group:
            self.drop_unused_blocks(lv.blocks)
            lv.group = 0
        if group & 1:
            action = self._private(lv, h, value, end, &arg, &known_vr)
            if action == ACTION_COUNT:
                return self.trouble.stop == FINE
            if self.trouble.stop != FINE:
                return 0
            rule = NULL
        elif (h.tag & 0xFFFF) == 0 and group != 2:
            if self.program.group_lengths != KEEP:
                w.counts[GROUP_LENGTHS] += 1
                return self._discard(lv, h, end)
            rule, action = NULL, KEEP
        else:
            rule = self.program.find(h.tag)
            if rule == NULL:
                action = self.program.unknown_standard
                if action == REMOVE:
                    w.counts[UNKNOWN] += 1
                    return self._discard(lv, h, end)
            else:
                if w.depth == 0:
                    if rule.marks & INSERTED and not w.tail:
                        if rule.marks & IDENTIFIER and h.length != UNDEFINED and not self.remember_name(value, h.length, rule.vr):
                            return 0
                        if not self.insert_below(h.tag + 1):
                            return 0
                        w.counts[rule.top] += 1
                        return self._discard(lv, h, end)
                    action = rule.top
                else:
                    action = rule.nested
                arg, known_vr = rule.arg, rule.vr
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
            lv.charset_at, lv.charset_size = value, h.length
        # The VR that counts: what is declared, unless it is UN or implicit and the dictionary knows better.
        if vr == 0 or (vr == UN and known_vr):
            vr = known_vr if known_vr else UN
        elif known_vr and vr != known_vr and action == KEEP:
            rule = self.program.vr_rule(vr)
            if rule != NULL:
                action, arg = rule.top, rule.arg
        sequence = vr == SQ or (h.length == UNDEFINED and not (h.tag == LAST_BODY or vr == OB or vr == OW))
        if h.vr == UN and sequence:
            inner = content_syntax(w.p, value, w.avail if h.length == UNDEFINED else end, 0)
        w.counts[action] += 1
        if sequence:
            if h.vr and h.vr != SQ and h.vr != UN:
                return not fail(&self.trouble, ITEM_EXPECTED, w.pos, h.tag)  # undefined length where no sequence can be
            if action == REMOVE:
                return self._discard(lv, h, end)
            if action == QUARANTINE or action == REFUSE:
                return not fail(&self.trouble, BY_PROFILE, w.pos, h.tag)
            if action == EMPTY or (vr != SQ and action != KEEP and action != RECURSE and action != SCRUB):
                return self.put(lv.syntax, h.tag, vr, NULL, 0) and self._discard(lv, h, end)
            return self.open_level(
                lv, h, SEQUENCE, inner, SCRUBBING if action == SCRUB or action == REPLACE else lv.mode, step)
        if h.length == UNDEFINED:
            if action != KEEP or lv.mode == SCRUBBING:
                return self._discard(lv, h, end)
            return self.open_level(lv, h, FRAGMENTS, lv.syntax, lv.mode, -1)
        w.pos = end
        return self._value(lv, h, vr, action, arg, value)

    cdef int _value(self, Level* lv, Header* h, uint16_t vr, uint8_t action, uint16_t arg, size_t value) noexcept nogil:
        """Applies an action to a plain value; `w.pos` is already behind it."""
        cdef int kind
        if lv.mode == SCRUBBING and h.length and (action == KEEP or action == RECURSE):
            kind = vr_kind(vr)
            if kind & TEXT:
                return self.put(lv.syntax, h.tag, vr, SCRUBBED, 7)
            if not kind & (NUMBER | CODE | TIME) and vr != UI and vr != AT:
                return 1        # bytes without meaning to us: nothing of a scrubbed sequence may keep them
        if action == KEEP or action == RECURSE or action == SCRUB:
            return self.keep(value - h.size, value + h.length)
        if action == REMOVE:
            return 1
        self.source_at = value - h.size
        self.charset_at, self.charset_size = lv.charset_at, lv.charset_size
        return self.replace(lv.syntax, self.w.depth > 0, h, vr, action, arg, value)

    cdef uint8_t _private(self, Level* lv, Header* h, size_t value, size_t end, uint16_t* arg, uint16_t* vr) noexcept nogil:
        """The action for a private element; ACTION_COUNT when it has been dealt with here (PS3.5 7.8.1)."""
        cdef Walk* w = &self.w
        cdef uint16_t group = h.tag >> 16, element = h.tag & 0xFFFF, number = element >> 8
        cdef const uint8_t* name
        cdef size_t n
        cdef int creator, i
        cdef Block* block
        if self.program.unknown_private == KEEP:
            return KEEP
        if 0x10 <= element <= 0xFF and h.length != UNDEFINED and (h.vr == 0 or h.vr == LO) and lv.mode == KEEPING:
            n = h.length
            name = trim(w.p + value, &n)
            creator = self.program.creator_index(group, name, n)
            if creator >= 0 and w.block_count < MAX_BLOCKS:
                if w.depth == 0 and not w.tail and not self.insert_below(h.tag):
                    return ACTION_COUNT
                if not self.flush():
                    return ACTION_COUNT
                block = &w.blocks[w.block_count]
                block.group, block.number, block.creator, block.used = group, element, creator, False
                block.out_at = self.out_size
                w.pos = end
                if self.put(lv.syntax, h.tag, LO, name, n):
                    block.out_size = self.out_size - block.out_at
                    w.block_count += 1
                    lv.group = group
                return ACTION_COUNT
        elif number >= 0x10 and lv.group == group:
            for i in range(w.block_count - 1, lv.blocks - 1, -1):
                block = &w.blocks[i]
                if block.number == number:
                    arg[0] = self.program.creators[block.creator].elements[element & 0xFF].arg
                    vr[0] = self.program.creators[block.creator].elements[element & 0xFF].vr
                    creator = self.program.creators[block.creator].elements[element & 0xFF].action
                    if creator == NUMERIC_ONLY and not vr_kind(h.vr if h.vr and h.vr != UN else vr[0]) & NUMBER:
                        break
                    if creator != REMOVE:
                        block.used = True
                        return creator
                    break
        w.counts[PRIVATE] += 1
        self._discard(lv, h, end)
        return ACTION_COUNT

    cdef int _discard(self, Level* lv, Header* h, size_t end) noexcept nogil:
        """Passes over an element without writing it; one of undefined length is walked to find its end."""
        cdef Walk* w = &self.w
        cdef size_t at = w.pos + h.size
        if h.length != UNDEFINED:
            w.pos = end
            return 1
        w.pos = skip_undefined(
            w.p, at, w.avail, lv.limit if lv.defined else w.total,
            content_syntax(w.p, at, w.avail, 0) if h.vr == UN else lv.syntax,
            h.tag == LAST_BODY or h.vr == OB or h.vr == OW, &self.trouble)
        if self.trouble.stop == NEED_MORE and self.trouble.offset > w.total:
            fail(&self.trouble, TRUNCATED, at, h.tag)
        elif self.trouble.stop == FINE and w.pos > lv.limit:
            fail(&self.trouble, OVERRUN, at, h.tag)
        return self.trouble.stop == FINE
