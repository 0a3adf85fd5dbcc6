"""Map of the leak scan: which of an object's original values stand in its new head (design: rule 15).

A pattern is found by one gram of four bytes, case folded: a filter of 65,536 bits says no for nearly every position of the
text, a chain of patterns with that gram answers the rest. Patterns are copied, so that a scan outlives the source buffer.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    GRAM = 4                # bytes; shorter identifiers are not looked for
    FILTER_WORDS = 1024
    CHAINS = 1024
    MAX_HITS = 64

cdef struct Pattern:
    size_t at               # in the arena
    uint32_t size
    uint32_t anchor         # where its gram begins
    int32_t next            # of the same chain, -1 at its end
    bint is_uid

cdef struct Hit:
    size_t offset           # in the text
    int32_t pattern

cdef class LeakScan:
    cdef uint64_t bits[FILTER_WORDS]
    cdef int32_t chains[CHAINS]
    cdef Pattern* patterns
    cdef int count
    cdef int room
    cdef uint8_t* arena
    cdef size_t arena_size
    cdef size_t arena_room
    cdef Hit hits[MAX_HITS]
    cdef int hit_count

    cdef void clear(self) noexcept nogil
    cdef int add(self, const uint8_t* p, size_t n, bint is_uid) noexcept nogil
    cdef int add_identifier(self, const uint8_t* p, size_t n, bint is_name) noexcept nogil
    cdef int search(self, const uint8_t* text, size_t n) noexcept nogil
    cdef bint _matches(self, const Pattern* pattern, const uint8_t* text, size_t n, size_t at) noexcept nogil
