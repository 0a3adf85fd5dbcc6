# sources: sha256.c
"""Levels opening and closing, private blocks that vanish when nothing of them is kept, insertions in their place.

Every method answers 1, or 0 with `trouble` set.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memmove

from engine._native.elements cimport BIG, NUMBER, UNDEFINED, Header, store32, trim, vr_kind
from engine._native.program cimport ACTION_COUNT, KEEP, NUMERIC_ONLY, REMOVE, Constant, Insertion
from engine._native.reader cimport FINE, OVERRUN, TOO_DEEP, TOO_LONG, TRUNCATED, content_syntax, fail, skip_undefined

cdef enum:
    LO = (c'L' << 8) | c'O'
    OB = (c'O' << 8) | c'B'
    OW = (c'O' << 8) | c'W'
    UN = (c'U' << 8) | c'N'
    PIXEL_DATA = 0x7FE00010


cdef class Nesting(Replacer):
    """The walk's way down and up again."""

    cdef int open_level(self, Level* above, Header* h, int kind, int syntax, int mode, bint content, int step) noexcept nogil:
        cdef Walk* w = &self.w
        cdef Level* lv
        if w.depth + 1 >= LEVELS:
            return not fail(&self.trouble, TOO_DEEP, w.pos, h.tag)
        lv = above + 1
        lv.kind, lv.syntax, lv.mode, lv.content, lv.step = kind, syntax, mode, content, step
        lv.public_code = lv.as_said = False
        lv.defined = h.length != UNDEFINED
        lv.limit = w.pos + h.size + h.length if lv.defined else above.limit
        lv.patch = NO_PATCH
        lv.blocks = w.block_count
        lv.group = 0
        lv.charset, lv.charset_size = above.charset, above.charset_size
        w.depth += 1
        if mode != DISCARDING:
            if not self.keep(w.pos, w.pos + h.size):
                return 0
            if lv.defined:
                if not self.flush():
                    return 0
                lv.patch = self.out_size - 4
        w.pos += h.size
        return 1

    cdef int close_level(self) noexcept nogil:
        cdef Walk* w = &self.w
        cdef Level* lv = &w.levels[w.depth]
        cdef size_t size
        if w.pos > lv.limit:
            return not fail(&self.trouble, OVERRUN, lv.limit, 0)
        self.drop_unused_blocks(lv.blocks)
        if lv.patch != NO_PATCH:
            if not self.flush():
                return 0
            size = self.out_size - <size_t>lv.patch - 4
            if size >= UNDEFINED:
                return not fail(&self.trouble, TOO_LONG, w.pos, 0)
            # The length field is in the syntax of what holds the level, not of what the level holds.
            store32(self.out + lv.patch, <uint32_t>size, (lv - 1).syntax & BIG)
        w.depth -= 1
        return 1

    cdef void drop_unused_blocks(self, int down_to) noexcept nogil:
        """Takes back private creators whose block kept no element. What stands between and behind them moves once."""
        cdef Walk* w = &self.w
        cdef Block* block
        cdef size_t to = 0, behind = 0
        cdef bint moving = False
        cdef int i
        for i in range(down_to, w.block_count):
            block = &w.blocks[i]
            if block.used:
                continue
            if not moving:
                if not self.flush():
                    return
                to, moving = block.out_at, True
            else:
                memmove(self.out + to, self.out + behind, block.out_at - behind)
                to += block.out_at - behind
            behind = block.out_at + block.out_size
            w.counts[PRIVATE] += 1
        if moving:
            memmove(self.out + to, self.out + behind, self.out_size - behind)
            self.out_size = to + self.out_size - behind
        w.block_count = min(w.block_count, down_to)

    cdef int insert_below(self, uint32_t tag) noexcept nogil:
        """Writes the insertions whose place is before `tag`."""
        cdef Walk* w = &self.w
        cdef Insertion* row
        cdef Level* lv = &w.levels[0]
        while w.inserted < self.program.insertion_count and self.program.insertions[w.inserted].tag < tag:
            row = &self.program.insertions[w.inserted]
            w.inserted += 1
            if row.computed == 0:
                if not self.flush() or not self.room(row.ready[lv.syntax].size):
                    return 0
                memcpy(self.out + self.out_size, row.ready[lv.syntax].data, row.ready[lv.syntax].size)
                self.out_size += row.ready[lv.syntax].size
            elif not self.insert_computed(lv, row):
                return 0
        return 1

    cdef int insert_computed(self, Level* lv, Insertion* row) noexcept nogil:
        cdef Constant* value = &self.computed[row.computed]
        return value.size == 0 or self.put(lv.syntax, row.tag, row.vr, value.data, value.size)

    cdef int put_empty_insertion(self, Level* lv, uint32_t tag) noexcept nogil:
        """What was there and has no new value stays as an empty attribute: it may be of Type 2 (PS3.5 7.4.3)."""
        cdef Insertion* row = &self.program.insertions[self.w.inserted - 1]
        if row.tag != tag or not row.computed or self.computed[row.computed].size or self.w.emptied == tag:
            return 1
        self.w.emptied = tag
        return self.put(lv.syntax, tag, row.vr, NULL, 0)

    cdef uint8_t private_action(
        self, Level* lv, Header* h, size_t value, size_t end, uint16_t* arg, uint16_t* vr
    ) noexcept nogil:
        """The action for a private element; ACTION_COUNT when it has been dealt with here (PS3.5 7.8.1)."""
        cdef Walk* w = &self.w
        cdef uint16_t group = h.tag >> 16, element = h.tag & 0xFFFF, number = element >> 8
        cdef const uint8_t* name
        cdef size_t n
        cdef int creator, i
        cdef Block* block
        if self.program.unknown_private == KEEP:
            return KEEP
        if 0x10 <= element <= 0xFF:
            for i in range(lv.blocks, w.block_count):
                if w.blocks[i].number == element and w.blocks[i].group == group:
                    w.blocks[i].number = 0      # reserved again by somebody: what follows is no longer the first one's
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
                    if creator == KEEP and vr_kind(h.vr if h.vr and h.vr != UN else vr[0]) & NUMBER:
                        creator = NUMERIC_ONLY      # a number is kept as a number, not as whatever stands under its VR
                    if creator != REMOVE:
                        w.block_hit = i
                        return creator
                    break
        w.counts[PRIVATE] += 1
        self.discard(lv, h, end)
        return ACTION_COUNT

    cdef int discard(self, Level* lv, Header* h, size_t end) noexcept nogil:
        """Passes over an element without writing it; one of undefined length is walked to find its end."""
        cdef Walk* w = &self.w
        cdef size_t at = w.pos + h.size, avail
        if h.length != UNDEFINED:
            w.pos = end
            return 1
        # What holds the element is the end of all that may be read here, however far the buffer reaches.
        avail = min(w.avail, lv.limit)
        w.pos = skip_undefined(
            w.p, at, avail, lv.limit,
            content_syntax(w.p, at, avail, 0) if h.vr == UN else lv.syntax,
            h.tag == PIXEL_DATA or h.vr == OB or h.vr == OW, &self.trouble)
        if self.trouble.stop == TRUNCATED and lv.limit < w.total:
            self.trouble.stop = OVERRUN
        return self.trouble.stop == FINE
