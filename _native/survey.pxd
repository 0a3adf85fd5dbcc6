"""Map of the survey: what is looked for, and what was found.

`Survey.key` is one run of bytes: for each attribute found, in the order of the data set, tag and length as they lie in memory,
then the value. Objects that say the same of themselves have equal keys, so a key finds again what was decided once.
"""

from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    MAX_WANTED = 64         # attributes a survey can look for

cdef class Wanted:
    cdef int count
    cdef uint32_t tags[MAX_WANTED]      # ascending
    cdef int apart                      # which of them is no part of the key, -1 for none

cdef class Survey:
    cdef readonly bytes key
    cdef bytes apart                    # value of the wanted attribute that is no part of the key
    cdef uint32_t apart_tag
    cdef readonly size_t elements
    cdef readonly size_t end

    cdef int _find(self, uint32_t tag, const uint8_t** value, size_t* n) noexcept
