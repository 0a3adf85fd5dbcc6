# sources: sha256.c
"""The rewriter: head bytes and a compiled profile become a plan, or a refusal. No I/O. The manual is rewriter.pyi."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy, memmove, memset

from engine._native.elements cimport (
    BAD_VR, BIG, CODE, EXPLICIT, ITEM, ITEM_END, KNOWN, LONG, NULPAD, NUMBER, OK, SEQUENCE_END, SHORT, TEXT, TIME,
    UNDEFINED, Header, is_plain_ascii, read_header, store32, trim, vr_kind, vr_width, write_header, load16, store16,
)
from engine._native.program cimport *
from engine._native.reader cimport *
from engine._native.program import ACTIONS
from engine._native.reader import NeedMore, Refused

cdef extern from "sha256.h" nogil:
    ctypedef struct penstock_hmac_key:
        pass
    void penstock_hmac_init(penstock_hmac_key* k, const uint8_t* key, size_t n)
    void penstock_hmac(const penstock_hmac_key* k, const uint8_t* msg, size_t n, uint8_t* out)
    void penstock_hmac_prefixed(
        const penstock_hmac_key* k, const uint8_t* prefix, size_t np, const uint8_t* msg, size_t n, uint8_t* out)
    void penstock_hmac_wipe(penstock_hmac_key* k)

cdef extern from "values.h" nogil:
    const int UID_MAX "PS_UID_MAX"
    size_t uid_from_digest "ps_uid_from_digest"(const uint8_t* digest, uint8_t* out)
    int shift_date "ps_shift_date"(uint8_t* p, size_t n, int days)
    int generalise_age "ps_generalise_age"(uint8_t* p, size_t n)

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
    TRAILING = ACTION_COUNT          # what a count means beyond the actions
    GROUP_LENGTHS = ACTION_COUNT + 1
    PRIVATE = ACTION_COUNT + 2
    UNKNOWN = ACTION_COUNT + 3

_COUNTED = {**{number: name for name, number in ACTIONS.items()}, TRAILING: "trailing-bytes",
            GROUP_LENGTHS: "group-length", PRIVATE: "private", UNKNOWN: "unknown"}
cdef const uint8_t* SCRUBBED = b"REMOVED"


cdef class Plan:
    """What a rewrite found: see rewriter.pyi."""


cdef class Rewriter:
    """Rewrites heads by one program. Not for two threads at once: the output buffer is reused."""

    cdef Program program
    cdef object encode
    cdef Walk w
    cdef uint8_t* out
    cdef size_t out_size
    cdef size_t out_room
    cdef penstock_hmac_key pass_key
    cdef bytes pass_key_bytes
    cdef Constant computed[5]      # by COMPUTED's numbers
    cdef tuple computed_bytes      # keeps them alive during a call
    cdef Span* originals           # identifiers and UIDs of the source, for the leak scan
    cdef int original_count
    cdef int original_room

    def __cinit__(self):
        self.out_room = 1 << 16
        self.out = <uint8_t*>malloc(self.out_room)
        self.original_room = 256
        self.originals = <Span*>malloc(self.original_room * sizeof(Span))
        if self.out == NULL or self.originals == NULL:
            raise MemoryError

    def __init__(self, Program program not None, encode):
        self.program = program
        self.encode = encode

    def __dealloc__(self):
        penstock_hmac_wipe(&self.pass_key)
        free(self.out)
        free(self.originals)

    # ---- what Python calls --------------------------------------------------------------------------------------

    def set_pass_key(self, bytes key not None):
        """Takes the key under which UIDs are replaced; 32 bytes."""
        if len(key) != 32:
            raise ValueError("a pass key has 32 bytes")
        if key != self.pass_key_bytes:
            penstock_hmac_init(&self.pass_key, key, 32)
            self.pass_key_bytes = key

    def new_uid(self, bytes old not None):
        """The UID that replaces `old` in this pass (architecture: UIDs need no map)."""
        cdef uint8_t text[64]
        cdef size_t n = self._uid(<const uint8_t*><const char*>old, len(old), text)
        return PyBytes_FromStringAndSize(<const char*>text, n)

    def rewrite(self, const uint8_t[::1] head not None, size_t total, size_t start, int syntax, *, bytes hashed_id not None,
                bytes study_id not None, bytes sop_class not None, bytes sop_instance not None, int shift_days=0,
                bint tail=False):
        """Rewrites a data set from `start` to its body (or, with `tail`, what follows a body); see rewriter.pyi."""
        cdef Plan plan
        cdef Header body
        if self.pass_key_bytes is None:
            raise ValueError("a pass key must be set first")
        if not 0 <= syntax <= 3 or start > <size_t>head.shape[0] or <size_t>head.shape[0] > total:
            raise ValueError("the syntax, the start or the total size is out of range")
        self.computed_bytes = (b"", hashed_id, study_id, sop_class, sop_instance)
        for i in range(5):
            self.computed[i].data = <const uint8_t*><const char*><bytes>self.computed_bytes[i]
            self.computed[i].size = len(<bytes>self.computed_bytes[i])
        self.w.p = &head[0] if head.shape[0] else NULL
        self.w.avail = head.shape[0]
        self.w.total = total
        self.w.pos = self.w.kept_from = self.w.kept_to = start
        self.w.depth = 0
        self.w.block_count = 0
        self.w.inserted = 0
        self.w.tail = tail
        self.w.shift_days = shift_days
        memset(self.w.counts, 0, sizeof(self.w.counts))
        self.w.trouble.stop = FINE
        self.out_size = 0
        self.original_count = 0
        memset(&self.w.levels[0], 0, sizeof(Level))
        self.w.levels[0].limit = total
        self.w.levels[0].defined = True
        self.w.levels[0].patch = NO_PATCH
        self.w.levels[0].syntax = syntax
        self.w.levels[0].step = -1
        body.tag = 0
        with nogil:
            self._walk(&body)
        if self.w.trouble.stop != FINE:
            raise_trouble(&self.w.trouble)
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
        plan.identifiers = []
        plan.uids = []
        for i in range(self.original_count):
            value = PyBytes_FromStringAndSize(
                <const char*>(self.w.p + self.originals[i].at), self.originals[i].size & 0x7FFFFFFF)
            (plan.uids if self.originals[i].size >> 31 else plan.identifiers).append(value)
        return plan

    # ---- the walk -----------------------------------------------------------------------------------------------

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
                if not self._close_level():
                    return 0
                continue
            answer = SHORT
            if w.pos <= w.avail:
                answer = read_header(w.p + w.pos, min(w.avail, lv.limit) - w.pos, lv.syntax, &h)
            if answer != OK:
                if answer == BAD_VR:
                    return not fail(&w.trouble, BAD_VR_FOUND, w.pos, h.tag)
                if w.pos + 12 > w.avail and w.avail < w.total and w.pos + 8 <= lv.limit:
                    return not fail(&w.trouble, NEED_MORE, w.pos + 12, 0)
                if w.depth == 0 and lv.limit - w.pos < 8:
                    w.counts[TRAILING] += 1     # too few bytes for an element: readers ignore them, we drop them
                    w.pos = lv.limit
                    continue
                return not fail(&w.trouble, TRUNCATED, w.pos, h.tag)
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
        if not w.tail and not self._insert_below(0xFFFFFFFF):
            return 0
        self._drop_unused_blocks(0)
        return self._flush()

    cdef int _item(self, Level* lv, Header* h) noexcept nogil:
        """A sequence or fragment sequence goes on: an item, or its end."""
        cdef Walk* w = &self.w
        cdef bint writes = lv.mode != DISCARDING
        if h.tag == SEQUENCE_END and not lv.defined:
            if writes and not self._keep(w.pos, w.pos + 8):
                return 0
            w.pos += 8
            w.depth -= 1
            return 1
        if h.tag != ITEM or (lv.kind == FRAGMENTS and h.length == UNDEFINED):
            return not fail(&w.trouble, ITEM_EXPECTED, w.pos, h.tag)
        if h.length != UNDEFINED and w.pos + 8 + h.length > lv.limit:
            return not fail(&w.trouble, TRUNCATED if lv.limit == w.total else OVERRUN, w.pos, h.tag)
        if lv.kind == FRAGMENTS:
            if w.pos + 8 + h.length > w.avail:
                return not fail(&w.trouble, NEED_MORE, w.pos + 8 + h.length, 0)
            if writes and not self._keep(w.pos, w.pos + 8 + h.length):
                return 0
            w.pos += 8 + h.length
            return 1
        return self._open_level(lv, h, DATASET, lv.syntax, lv.mode, lv.step)

    cdef int _delimiter(self, Level* lv, Header* h) noexcept nogil:
        cdef Walk* w = &self.w
        if h.tag == ITEM_END and w.depth > 0 and not lv.defined:
            self._drop_unused_blocks(lv.blocks)
            if lv.mode != DISCARDING and not self._keep(w.pos, w.pos + 8):
                return 0
            w.pos += 8
            w.depth -= 1
            return 1
        if w.depth == 0 and h.length == 0:
            w.counts[TRAILING] += 1     # a delimiter that some writers leave behind the data set
            w.pos += 8
            return 1
        return not fail(&w.trouble, STRAY_DELIMITER, w.pos, h.tag)

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
                return not fail(&w.trouble, TRUNCATED if lv.limit == w.total else OVERRUN, w.pos, h.tag)
            if end > w.avail:
                return not fail(&w.trouble, NEED_MORE, end, 0)
        else:
            end = 0
        if lv.mode == DISCARDING:
            return self._discard(lv, h, end)
        if lv.group and group != lv.group:
            self._drop_unused_blocks(lv.blocks)
            lv.group = 0
        if group & 1:
            action = self._private(lv, h, value, end, &arg, &known_vr)
            if action == ACTION_COUNT:
                return w.trouble.stop == FINE
            if w.trouble.stop != FINE:
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
                        if rule.marks & IDENTIFIER:
                            self._remember(value, h.length, 0)
                        if not self._insert_below(h.tag + 1):
                            return 0
                        w.counts[rule.top] += 1
                        return self._discard(lv, h, end)
                    action = rule.top
                else:
                    action = rule.nested
                arg, known_vr = rule.arg, rule.vr
                if rule.marks & IDENTIFIER and h.length != UNDEFINED and known_vr != SQ:
                    self._remember(value, h.length, 0)
                if w.depth == 0:
                    if rule.marks & PATH_ROOT:
                        step = self.program.path_step(-1, h.tag)
                elif lv.step >= 0:
                    step = self.program.path_step(lv.step, h.tag)
                if step >= 0 and self.program.steps[step].leaf:
                    action, arg = self.program.steps[step].action, self.program.steps[step].arg
        if w.depth == 0 and not w.tail and not self._insert_below(h.tag):
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
                return not fail(&w.trouble, ITEM_EXPECTED, w.pos, h.tag)  # undefined length where no sequence can be
            if action == REMOVE:
                return self._discard(lv, h, end)
            if action == QUARANTINE or action == REFUSE:
                return not fail(&w.trouble, BY_PROFILE, w.pos, h.tag)
            if action == EMPTY or (vr != SQ and action != KEEP and action != RECURSE and action != SCRUB):
                return self._put(lv, h.tag, vr, NULL, 0) and self._discard(lv, h, end)
            return self._open_level(
                lv, h, SEQUENCE, inner, SCRUBBING if action == SCRUB or action == REPLACE else lv.mode, step)
        if h.length == UNDEFINED:
            if action != KEEP or lv.mode == SCRUBBING:
                return self._discard(lv, h, end)
            return self._open_level(lv, h, FRAGMENTS, lv.syntax, lv.mode, -1)
        w.pos = end
        return self._value(lv, h, vr, action, arg, value)

    cdef int _value(self, Level* lv, Header* h, uint16_t vr, uint8_t action, uint16_t arg, size_t value) noexcept nogil:
        """Applies an action to a plain value; `w.pos` is already behind it."""
        cdef Walk* w = &self.w
        cdef const uint8_t* p = w.p + value
        cdef size_t n = h.length
        cdef int kind = vr_kind(vr)
        if lv.mode == SCRUBBING and (action == KEEP or action == RECURSE):
            if kind & TEXT and n:
                return self._put(lv, h.tag, vr, SCRUBBED, 7)
            if not kind & (NUMBER | CODE | TIME) and vr != UI and vr != AT and n:
                return 1        # bytes without meaning to us: nothing of a scrubbed sequence may keep them
        if action == KEEP or action == RECURSE or action == SCRUB:
            return self._keep(value - h.size, value + n)
        if action == REMOVE:
            return 1
        if action == EMPTY or n == 0:
            return self._put(lv, h.tag, vr, NULL, 0)
        if action == REPLACE or action == REPLACE_DOCUMENT:
            return self._put_constant(lv, h.tag, vr, arg)
        if action == NEW_UID:
            return self._put_uids(lv, h.tag, p, n)
        if action == HASHED_NAME or (action == HASH_PATIENT and w.depth == 0):
            return self._put(lv, h.tag, vr, self.computed[1].data, self.computed[1].size)
        if action == HASH_STUDY:
            return self._put(lv, h.tag, vr, self.computed[2].data, self.computed[2].size)
        if action == HASH_PATIENT or action == HASH_ACCESSION:
            return self._put_encoded(lv, h.tag, vr, action, p, n)
        if action == SHIFT_DATE or action == TRUNCATE_DATE or action == GENERALISE_AGE:
            return self._put_changed(lv, h, vr, action, arg, value)
        if action == NUMERIC_ONLY:
            return self._keep(value - h.size, value + n) if kind & NUMBER else 1
        if action == CLEAN_TEXT or action == CLEAN_CODE or action == CLEAN_SR:
            return self._put_encoded(lv, h.tag, vr, action, p, n)
        return not fail(&w.trouble, BY_PROFILE, value - h.size, h.tag)

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
                if w.depth == 0 and not w.tail and not self._insert_below(h.tag):
                    return ACTION_COUNT
                if not self._flush():
                    return ACTION_COUNT
                block = &w.blocks[w.block_count]
                block.group, block.number, block.creator, block.used = group, element, creator, False
                block.out_at = self.out_size
                w.pos = end
                if self._put(lv, h.tag, LO, name, n):
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
            h.tag == LAST_BODY or h.vr == OB or h.vr == OW, &w.trouble)
        if w.trouble.stop == NEED_MORE and w.trouble.offset > w.total:
            fail(&w.trouble, TRUNCATED, at, h.tag)
        elif w.trouble.stop == FINE and w.pos > lv.limit:
            fail(&w.trouble, OVERRUN, at, h.tag)
        return w.trouble.stop == FINE

    # ---- levels -------------------------------------------------------------------------------------------------

    cdef int _open_level(self, Level* above, Header* h, int kind, int syntax, int mode, int step) noexcept nogil:
        cdef Walk* w = &self.w
        cdef Level* lv
        cdef bint unchanged = h.length == UNDEFINED
        if w.depth + 1 >= LEVELS:
            return not fail(&w.trouble, TOO_DEEP, w.pos, h.tag)
        lv = above + 1
        lv.kind, lv.syntax, lv.mode, lv.step = kind, syntax, mode, step
        lv.defined = h.length != UNDEFINED
        lv.limit = w.pos + h.size + h.length if lv.defined else above.limit
        lv.patch = NO_PATCH
        lv.blocks = w.block_count
        lv.group = 0
        lv.charset_at, lv.charset_size = above.charset_at, above.charset_size
        w.depth += 1
        if mode != DISCARDING:
            if not self._keep(w.pos, w.pos + h.size):
                return 0
            if lv.defined:
                if not self._flush():
                    return 0
                lv.patch = self.out_size - 4
        w.pos += h.size
        return 1

    cdef int _close_level(self) noexcept nogil:
        cdef Walk* w = &self.w
        cdef Level* lv = &w.levels[w.depth]
        cdef size_t size
        if w.pos > lv.limit:
            return not fail(&w.trouble, OVERRUN, lv.limit, 0)
        self._drop_unused_blocks(lv.blocks)
        if lv.patch != NO_PATCH:
            if not self._flush():
                return 0
            size = self.out_size - <size_t>lv.patch - 4
            if size >= UNDEFINED:
                return not fail(&w.trouble, TOO_LONG, w.pos, 0)
            # The length field is in the syntax of what holds the level, not of what the level holds.
            store32(self.out + lv.patch, <uint32_t>size, (lv - 1).syntax & BIG)
        w.depth -= 1
        return 1

    cdef void _drop_unused_blocks(self, int down_to) noexcept nogil:
        """Takes back private creators whose block kept no element, the last one first."""
        cdef Walk* w = &self.w
        cdef Block* block
        cdef size_t behind
        while w.block_count > down_to:
            w.block_count -= 1
            block = &w.blocks[w.block_count]
            if not block.used:
                if not self._flush():
                    return
                behind = block.out_at + block.out_size
                memmove(self.out + block.out_at, self.out + behind, self.out_size - behind)
                self.out_size -= block.out_size
                w.counts[PRIVATE] += 1

    # ---- output -------------------------------------------------------------------------------------------------

    cdef int _room(self, size_t n) noexcept nogil:
        cdef size_t room = self.out_room
        cdef uint8_t* larger
        if self.out_size + n <= room:
            return 1
        while room < self.out_size + n:
            room *= 2
        larger = <uint8_t*>realloc(self.out, room)
        if larger == NULL:
            return not fail(&self.w.trouble, NO_MEMORY, self.w.pos, 0)
        self.out, self.out_room = larger, room
        return 1

    cdef int _flush(self) noexcept nogil:
        cdef Walk* w = &self.w
        cdef size_t n = w.kept_to - w.kept_from
        if n:
            if not self._room(n):
                return 0
            memcpy(self.out + self.out_size, w.p + w.kept_from, n)
            self.out_size += n
            w.kept_from = w.kept_to
        return 1

    cdef inline int _keep(self, size_t begin, size_t end) noexcept nogil:
        cdef Walk* w = &self.w
        if begin != w.kept_to:
            if not self._flush():
                return 0
            w.kept_from = begin
        w.kept_to = end
        return 1

    cdef int _put(self, Level* lv, uint32_t tag, uint16_t vr, const uint8_t* value, size_t n) noexcept nogil:
        """Writes an element with a new value, padded to even length by its VR."""
        cdef int kind = vr_kind(vr)
        cdef size_t padded = n + (n & 1)
        if not self._flush() or not self._room(padded + 12):
            return 0
        if lv.syntax & EXPLICIT and not kind & LONG and padded > 0xFFFE:
            return not fail(&self.w.trouble, TOO_LONG, self.w.pos, tag)
        self.out_size += write_header(self.out + self.out_size, tag, vr, <uint32_t>padded, lv.syntax)
        if n:
            memcpy(self.out + self.out_size, value, n)
        if n & 1:
            self.out[self.out_size + n] = 0 if kind & NULPAD else c' '
        self.out_size += padded
        return 1

    cdef int _put_constant(self, Level* lv, uint32_t tag, uint16_t vr, uint16_t arg) noexcept nogil:
        cdef Constant* constant = &self.program.constants[arg]
        cdef size_t i, at
        cdef int width = vr_width(vr) if lv.syntax & BIG else 1, k
        if not self._put(lv, tag, vr, constant.data, constant.size):
            return 0
        if width > 1:
            at = self.out_size - constant.size
            for i in range(constant.size // width):
                for k in range(width):
                    self.out[at + i * width + k] = constant.data[i * width + width - 1 - k]
        return 1

    cdef size_t _uid(self, const uint8_t* old, size_t n, uint8_t* text) noexcept nogil:
        cdef uint8_t digest[32]
        penstock_hmac(&self.pass_key, old, n, digest)
        return uid_from_digest(digest, text)

    cdef int _put_uids(self, Level* lv, uint32_t tag, const uint8_t* p, size_t n) noexcept nogil:
        """Replaces each of the values of a UI (PS3.5 6.4: separated by backslashes); an empty one stays empty."""
        cdef size_t left = n, size, part, at
        cdef const uint8_t* bar
        cdef const uint8_t* old
        if not self._put(lv, tag, UI, NULL, 0):
            return 0
        at = self.out_size
        while True:
            bar = <const uint8_t*>memchr(p, c'\\', left)
            size = bar - p if bar != NULL else left
            part = size
            old = trim(p, &part)
            if not self._room(UID_MAX + 2):
                return 0
            if part:
                self._remember(old - self.w.p, part, 1)
                self.out_size += self._uid(old, part, self.out + self.out_size)
            if bar == NULL:
                break
            self.out[self.out_size] = c'\\'
            self.out_size += 1
            left -= size + 1
            p = bar + 1
        if (self.out_size - at) & 1:
            self.out[self.out_size] = 0
            self.out_size += 1
        size = self.out_size - at
        if lv.syntax & EXPLICIT:
            if size > 0xFFFE:
                return not fail(&self.w.trouble, TOO_LONG, self.w.pos, tag)
            store16(self.out + at - 2, <uint16_t>size, lv.syntax & BIG)
        else:
            store32(self.out + at - 4, <uint32_t>size, lv.syntax & BIG)
        return 1

    cdef int _put_changed(self, Level* lv, Header* h, uint16_t vr, uint8_t action, uint16_t arg, size_t value) noexcept nogil:
        """Dates and ages: each of the values in place; a value that cannot be read becomes the dummy of the rule."""
        cdef uint8_t* p
        cdef size_t at, n = h.length, i, begin = 0, size
        cdef bint fine = True
        if action == SHIFT_DATE and vr == TM:
            return self._keep(value - h.size, value + n)     # whole days: times stay as they are
        if not self._put(lv, h.tag, vr, self.w.p + value, n):
            return 0
        at = self.out_size - n - (n & 1)
        for i in range(n + 1):
            if i == n or self.out[at + i] == c'\\':
                p = self.out + at + begin
                size = i - begin
                trim(p, &size)
                if size:
                    if action == GENERALISE_AGE:
                        fine = fine and generalise_age(p, size)
                    elif action == SHIFT_DATE:
                        fine = fine and shift_date(p, size, self.w.shift_days)
                    elif size >= 8:
                        memcpy(p + 4, b"0101", 4)
                        memset(p + 8, c' ', size - 8)
                    else:
                        fine = False
                begin = i + 1
        if fine:
            return 1
        self.out_size = at - (12 if lv.syntax & EXPLICIT and vr_kind(vr) & LONG else 8)
        return self._put_constant(lv, h.tag, vr, arg)

    cdef int _put_encoded(self, Level* lv, uint32_t tag, uint16_t vr, uint8_t action, const uint8_t* p, size_t n) noexcept with gil:
        """Values that need a character set or the hash secret: Python's `encode` gives the new value, None removes it."""
        cdef bytes new
        try:
            charset = PyBytes_FromStringAndSize(<const char*>(self.w.p + lv.charset_at), lv.charset_size)
            found = self.encode(action, tag, PyBytes_FromStringAndSize(<const char*>p, n), charset)
            if found is None:
                return 1
            new = found
            return self._put(lv, tag, vr, <const uint8_t*><const char*>new, len(new))
        except Exception:
            return not fail(&self.w.trouble, BAD_VALUE, p - self.w.p, tag)

    cdef int _insert_below(self, uint32_t tag) noexcept nogil:
        """Writes the insertions whose place is before `tag`."""
        cdef Walk* w = &self.w
        cdef Insertion* row
        cdef Level* lv = &w.levels[0]
        while w.inserted < self.program.insertion_count and self.program.insertions[w.inserted].tag < tag:
            row = &self.program.insertions[w.inserted]
            w.inserted += 1
            if row.computed == 0:
                if not self._flush() or not self._room(row.ready[lv.syntax].size):
                    return 0
                memcpy(self.out + self.out_size, row.ready[lv.syntax].data, row.ready[lv.syntax].size)
                self.out_size += row.ready[lv.syntax].size
            elif not self._insert_computed(lv, row):
                return 0
        return 1

    cdef int _insert_computed(self, Level* lv, Insertion* row) noexcept nogil:
        cdef Constant* value = &self.computed[row.computed]
        return value.size == 0 or self._put(lv, row.tag, row.vr, value.data, value.size)

    cdef void _remember(self, size_t at, size_t n, int is_uid) noexcept nogil:
        cdef Span* larger
        if n == 0 or n == UNDEFINED or n >= 0x80000000u:
            return
        if self.original_count == self.original_room:
            larger = <Span*>realloc(self.originals, 2 * self.original_room * sizeof(Span))
            if larger == NULL:
                fail(&self.w.trouble, NO_MEMORY, at, 0)
                return
            self.originals = larger
            self.original_room *= 2
        self.originals[self.original_count].at = at
        self.originals[self.original_count].size = <uint32_t>n | (<uint32_t>is_uid << 31)
        self.original_count += 1
