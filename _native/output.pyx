"""What goes out. Every method answers 1, or 0 with `trouble` set."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy

from engine._native.elements cimport BIG, EXPLICIT, LONG, NULPAD, store16, store32, vr_kind, vr_width, write_header
from engine._native.reader cimport HEAD_TOO_LARGE, NO_MEMORY, TOO_LONG, fail

cdef enum:
    FIRST_ROOM = 1 << 16
    SLACK = 1 << 22         # what is inserted, and UIDs that grow, in a small head
    KEPT_ROOM = 1 << 22     # a larger buffer is given back before the next object


cdef class Output:
    """A buffer that is used again for the next object."""

    def __cinit__(self):
        self.out_room = FIRST_ROOM
        self.out = <uint8_t*>malloc(self.out_room)
        if self.out == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.out)

    cdef void begin(self, const uint8_t* source, size_t size, size_t at) noexcept nogil:
        """Forgets what was written; the source is now `source`, `size` bytes of it, nothing of it kept yet."""
        cdef uint8_t* smaller
        if self.out_room > KEPT_ROOM:
            smaller = <uint8_t*>realloc(self.out, FIRST_ROOM)
            if smaller != NULL:
                self.out, self.out_room = smaller, FIRST_ROOM
        self.source = source
        self.out_limit = 2 * size + SLACK
        self.source_at = self.kept_from = self.kept_to = at
        self.out_size = 0
        self.trouble.stop = 0

    cdef int room(self, size_t n) noexcept nogil:
        cdef size_t room = self.out_room
        cdef uint8_t* larger
        if self.out_size + n <= room:
            return 1
        if self.out_size + n > self.out_limit:
            return not fail(&self.trouble, HEAD_TOO_LARGE, self.source_at, 0)
        while room < self.out_size + n:
            room *= 2
        larger = <uint8_t*>realloc(self.out, room)
        if larger == NULL:
            return not fail(&self.trouble, NO_MEMORY, self.source_at, 0)
        self.out, self.out_room = larger, room
        return 1

    cdef int flush(self) noexcept nogil:
        """Copies the kept run."""
        cdef size_t n = self.kept_to - self.kept_from
        if n:
            if not self.room(n):
                return 0
            memcpy(self.out + self.out_size, self.source + self.kept_from, n)
            self.out_size += n
            self.kept_from = self.kept_to
        return 1

    cdef int keep(self, size_t begin, size_t end) noexcept nogil:
        """Source bytes that go out as they are."""
        if begin != self.kept_to:
            if not self.flush():
                return 0
            self.kept_from = begin
        self.kept_to = end
        return 1

    cdef int put(self, int syntax, uint32_t tag, uint16_t vr, const uint8_t* value, size_t n) noexcept nogil:
        """Writes an element with a new value, padded to even length as its VR asks (PS3.5 6.2)."""
        cdef int kind = vr_kind(vr)
        cdef size_t padded = n + (n & 1)
        if not self.flush() or not self.room(padded + 12):
            return 0
        if syntax & EXPLICIT and not kind & LONG and padded > 0xFFFE:
            return not fail(&self.trouble, TOO_LONG, self.source_at, tag)
        self.out_size += write_header(self.out + self.out_size, tag, vr, <uint32_t>padded, syntax)
        if n:
            memcpy(self.out + self.out_size, value, n)
        if n & 1:
            self.out[self.out_size + n] = 0 if kind & NULPAD else c' '
        self.out_size += padded
        return 1

    cdef int put_number(self, int syntax, uint32_t tag, uint16_t vr, const uint8_t* value, size_t n) noexcept nogil:
        """As `put`; binary numbers come little endian and go out in the byte order of the syntax."""
        cdef size_t width = vr_width(vr) if syntax & BIG else 1, at, i, k
        if not self.put(syntax, tag, vr, value, n):
            return 0
        if width > 1:
            at = self.out_size - n - (n & 1)
            for i in range(n // width):
                for k in range(width):
                    self.out[at + i * width + k] = value[i * width + width - 1 - k]
        return 1

    cdef void patch_length(self, size_t at, int syntax, bint short_form) noexcept nogil:
        """Writes the length of what stands from `at` to the end into the field before it."""
        if short_form:
            store16(self.out + at - 2, <uint16_t>(self.out_size - at), syntax & BIG)
        else:
            store32(self.out + at - 4, <uint32_t>(self.out_size - at), syntax & BIG)
