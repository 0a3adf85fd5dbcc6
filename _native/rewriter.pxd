"""Map of the rewriter core: one walk over a head. Its state is in nesting.pxd, what goes out in output.pxd."""

cdef class Plan:
    cdef readonly bytes head
    cdef readonly object body_tag
    cdef readonly size_t body_offset
    cdef readonly size_t body_header
    cdef readonly object body_length
    cdef readonly size_t end
    cdef readonly dict counts
    cdef readonly list leaks
