# sources: sha256.c
"""Levels opening and closing, private blocks that vanish when nothing of them is kept, insertions in their place.

Every method answers 1, or 0 with `trouble` set.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memmove

from engine._native.elements cimport BIG, UNDEFINED, Header, store32
from engine._native.program cimport Constant, Insertion
from engine._native.reader cimport OVERRUN, TOO_DEEP, TOO_LONG, fail


cdef class Nesting(Replacer):
    """The walk's way down and up again."""

    cdef int open_level(self, Level* above, Header* h, int kind, int syntax, int mode, int step) noexcept nogil:
        cdef Walk* w = &self.w
        cdef Level* lv
        if w.depth + 1 >= LEVELS:
            return not fail(&self.trouble, TOO_DEEP, w.pos, h.tag)
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
        """Takes back private creators whose block kept no element, the last one first."""
        cdef Walk* w = &self.w
        cdef Block* block
        cdef size_t behind
        while w.block_count > down_to:
            w.block_count -= 1
            block = &w.blocks[w.block_count]
            if not block.used:
                if not self.flush():
                    return
                behind = block.out_at + block.out_size
                memmove(self.out + block.out_at, self.out + behind, self.out_size - behind)
                self.out_size -= block.out_size
                w.counts[PRIVATE] += 1

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
