"""Map of the leak scan: which of an object's original values stand in its new head (design: rule 15).

A pattern is found by one gram, case folded: the first four bytes of an identifier, the last eight of a UID (UIDs share their
beginnings). A filter says no for nearly every position of the text; chains of patterns with one gram answer
the rest. Patterns are copied, so that a scan outlives the source buffer. Work is bounded by `effort`: data made so that
everything collides is refused rather than searched for hours.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    GRAM = 4                # bytes; shorter identifiers are not looked for
    UID_GRAM = 8            # a shorter UID is treated as an identifier is
    FEW_PATTERNS = 512      # so many are forgotten one by one
    FIRST_CHAINS = 12       # as a power of two; chains grow fourfold when they would become long
    FILTER_BITS = 4         # sixteen filter bits a chain
    MAX_PATTERNS = 1 << 20
    EFFORT = 1 << 22        # comparisons that an object is worth, beyond one for each pattern and byte
    MAX_HITS = 1 << 16

cdef struct Pattern:
    size_t at               # in the arena
    uint32_t size
    uint32_t anchor         # where its gram begins
    uint32_t hash           # of the gram
    int32_t next            # of the same chain, -1 at its end
    bint is_uid

cdef struct Hit:
    size_t offset           # in the text
    int32_t pattern

cdef class LeakScan:
    cdef uint64_t* bits
    cdef int32_t* chains
    cdef int power          # of two: how many chains
    cdef bint short_grams   # there are patterns with a gram of four bytes
    cdef bint long_grams    # of eight
    cdef long effort        # comparisons still allowed
    cdef Pattern* patterns
    cdef int count
    cdef int room
    cdef uint8_t* arena
    cdef size_t arena_size
    cdef size_t arena_room
    cdef Hit* hits
    cdef int hit_count
    cdef int hit_room
    cdef readonly double seconds    # that all searches together took

    cdef int clear(self) noexcept nogil
    cdef int _resize(self, int power) noexcept nogil
    cdef void _link(self, int32_t index) noexcept nogil
    cdef int add(self, const uint8_t* p, size_t n, bint is_uid) noexcept nogil
    cdef int add_identifier(self, const uint8_t* p, size_t n, bint is_name) noexcept nogil
    cdef int search(self, const uint8_t* text, size_t n) noexcept nogil
    cdef int _search(self, const uint8_t* text, size_t n) noexcept nogil
    cdef bint _may_be(self, uint32_t hashed) noexcept nogil
    cdef int _try(self, uint32_t hashed, const uint8_t* text, size_t n, size_t at) noexcept nogil
    cdef bint _matches(self, const Pattern* pattern, const uint8_t* text, size_t n, size_t at) noexcept nogil
