"""Map of what goes out: a growing buffer, and a run of source bytes that is copied as late as possible."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from engine._native.reader cimport Trouble

cdef class Output:
    cdef const uint8_t* source
    cdef size_t source_at       # where the walk stands: for troubles
    cdef size_t kept_from       # source bytes kept and not yet copied: [kept_from, kept_to)
    cdef size_t kept_to
    cdef uint8_t* out
    cdef size_t out_size
    cdef size_t out_room
    cdef size_t out_limit       # no output may grow beyond it: values can be made that grow twentyfold
    cdef Trouble trouble

    cdef void begin(self, const uint8_t* source, size_t size, size_t at) noexcept nogil
    cdef int room(self, size_t n) noexcept nogil
    cdef int flush(self) noexcept nogil
    cdef int keep(self, size_t begin, size_t end) noexcept nogil
    cdef int put(self, int syntax, uint32_t tag, uint16_t vr, const uint8_t* value, size_t n) noexcept nogil
    cdef int put_number(self, int syntax, uint32_t tag, uint16_t vr, const uint8_t* value, size_t n) noexcept nogil
    cdef void patch_length(self, size_t at, int syntax, bint short_form) noexcept nogil
