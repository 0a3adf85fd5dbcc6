"""Map of the reader core: how bytes become element headers, and where each element ends.

Offsets are positions in the buffer given. `avail` is how many bytes the buffer holds, `total` how many the whole object has:
what lies between them is `NeedMore`, what lies behind `total` is a refusal.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    MAX_DEPTH = 64          # levels of nesting; one level is a sequence and its item

# What stopped a walk. The names that Python sees are in reader.pyx: REASONS.
cdef enum Stop:
    FINE = 0
    NEED_MORE
    TRUNCATED
    BAD_VR_FOUND
    TOO_DEEP
    ITEM_EXPECTED
    STRAY_DELIMITER
    OVERRUN
    BAD_VALUE
    BAD_PRIVATE
    BY_PROFILE
    NO_MEMORY
    TOO_LONG
    HEAD_TOO_LARGE
    SCAN_LIMIT

cdef struct Trouble:
    int stop
    uint32_t tag
    uint64_t offset         # where; for NEED_MORE: how far the buffer must reach

cdef int fail(Trouble* trouble, int stop, uint64_t offset, uint32_t tag) noexcept nogil
cdef int raise_trouble(Trouble* trouble) except -1
cdef size_t skip_undefined(
    const uint8_t* p, size_t pos, size_t avail, size_t total, int syntax, bint fragments, Trouble* trouble
) noexcept nogil
cdef int content_syntax(const uint8_t* p, size_t pos, size_t end, int assumed) noexcept nogil

cdef inline size_t upto(size_t pos, size_t total) noexcept nogil:
    """How far a buffer must reach for a header at `pos`; never behind the end of the object."""
    return min(pos + 12, total)

cdef class Meta:
    cdef readonly str transfer_syntax
    cdef readonly str sop_class_uid
    cdef readonly str sop_instance_uid
    cdef readonly str source_ae_title
    cdef readonly size_t start
    cdef readonly int syntax
    cdef readonly bint deflated
    cdef readonly bint encapsulated
