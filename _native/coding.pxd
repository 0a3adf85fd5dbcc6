"""Map of coded entries and content items: how an item is judged by the codes that it states (PS3.3 8.8, C.17.3)."""

from libc.stdint cimport uint8_t, uint32_t

from engine._native.elements cimport Header
from engine._native.nesting cimport Level, Nesting

cdef struct Coded:                  # what a look-ahead into an item found; sizes are 0 where absent
    size_t code_at
    size_t code_size
    size_t scheme_at
    size_t scheme_size
    size_t concept_at

cdef class Coding(Nesting):
    cdef int open_cleaned_item(self, Level* lv, Header* h) noexcept nogil
    cdef int look_ahead(self, size_t at, size_t limit, int syntax, Coded* code) noexcept nogil


cdef inline bint is_code(uint32_t tag) noexcept nogil:
    """Attributes of a coded entry (PS3.3 table 8.8-1) that a public scheme vouches for."""
    return (tag == 0x00080100 or tag == 0x00080102 or tag == 0x00080103 or tag == 0x00080104 or tag == 0x00080119
            or tag == 0x00080120)


cdef inline bint is_content_value(uint32_t tag) noexcept nogil:
    """Attributes that hold the value of a content item (PS3.3 table C.17.3-7): times, names, UIDs, text."""
    return 0x0040A120 <= tag <= 0x0040A124 or tag == 0x0040A160
