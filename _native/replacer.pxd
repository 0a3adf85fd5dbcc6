"""Map of the new values: what the actions on plain values write in place of the old ones.

`computed` holds the values that are the same for the whole object, by the numbers of program.COMPUTED.
Original identifiers and UIDs go into `leaks`, which is then asked whether any of them stands in the new head.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from engine._native.elements cimport Header
from engine._native.leaks cimport LeakScan
from engine._native.output cimport Output
from engine._native.program cimport Constant, Program

cdef extern from "sha256.h" nogil:
    ctypedef struct penstock_hmac_key:
        pass

cdef enum:
    ONE_WORD = 0xFFFF       # in place of a constant's index: text of which nothing is left becomes one word

cdef class Replacer(Output):
    cdef readonly Program program
    cdef object encode
    cdef penstock_hmac_key pass_key
    cdef bytes pass_key_bytes
    cdef Constant computed[5]
    cdef tuple computed_bytes   # keeps them alive during a call
    cdef int shift_days
    cdef readonly LeakScan leaks
    cdef const uint8_t* charset # the Specific Character Set in force at the element being replaced
    cdef uint32_t charset_size
    cdef bint busy
    cdef object raised          # what `encode` raised, if it was no ordinary exception

    cdef int replace(
        self, int syntax, bint nested, Header* h, uint16_t vr, uint8_t action, uint16_t arg, size_t value) noexcept nogil
    cdef int keep_number(self, Header* h, uint16_t vr, size_t value) noexcept nogil
    cdef int put_constant(self, int syntax, uint32_t tag, uint16_t vr, uint16_t arg) noexcept nogil
    cdef int put_removed(self, int syntax, uint32_t tag, uint16_t vr) noexcept nogil
    cdef size_t uid(self, const uint8_t* old, size_t n, uint8_t* text) noexcept nogil
    cdef int put_uids(self, int syntax, uint32_t tag, const uint8_t* p, size_t n) noexcept nogil
    cdef int put_changed(
        self, int syntax, Header* h, uint16_t vr, uint8_t action, uint16_t arg, size_t value) noexcept nogil
    cdef int put_encoded(
        self, int syntax, uint32_t tag, uint16_t vr, uint8_t action, uint16_t arg, const uint8_t* p, size_t n) noexcept with gil
    cdef int remember_uid(self, size_t at, size_t n) noexcept nogil
    cdef int remember_name(self, size_t at, size_t n, uint16_t vr) noexcept nogil
