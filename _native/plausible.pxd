"""What bytes may be, by tag and VR: short questions that the rewriter asks of elements. Inline, so there is no core of this name."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t

from engine._native.elements cimport NULPAD, NUMBER, TEXT, vr_kind

cdef enum:
    UN = (c'U' << 8) | c'N'
    SQ = (c'S' << 8) | c'Q'
    OB = (c'O' << 8) | c'B'
    OW = (c'O' << 8) | c'W'
    FIRST_BODY = 0x7FE00008
    LAST_BODY = 0x7FE00010

cdef inline bint contradicts(uint16_t declared, uint16_t known) noexcept nogil:
    """Whether a declared VR says that the value cannot be what the dictionary knows of the tag."""
    if known == SQ:
        return declared != SQ
    return vr_kind(declared) & TEXT and vr_kind(known) & (NUMBER | NULPAD)

cdef inline bint may_be_body(uint32_t tag, uint16_t vr) noexcept nogil:
    """Only VRs of pixel data (PS3.5 8.2 and PS3.6) make bytes pixels; text must not pass unread as a body."""
    if vr == 0 or vr == UN:
        return True
    if tag == LAST_BODY:
        return vr == OB or vr == OW
    return vr == ((c'O' << 8) | c'F') if tag == FIRST_BODY else vr == ((c'O' << 8) | c'D')

cdef inline bint is_number(const uint8_t* p, size_t n) noexcept nogil:
    """Whether text is nothing but numbers; some writers put a comma where a point belongs."""
    cdef size_t i
    for i in range(n):
        if not (c'0' <= p[i] <= c'9' or p[i] == c'.' or p[i] == c' ' or p[i] == c'-' or p[i] == c'\\' or p[i] == c'+'
                or p[i] == c'e' or p[i] == c'E' or p[i] == c',' or p[i] == 0):
            return False
    return True

cdef inline bint is_uid(const uint8_t* p, size_t n) noexcept nogil:
    cdef size_t i
    for i in range(n):
        if not (c'0' <= p[i] <= c'9' or p[i] == c'.' or p[i] == c'\\' or p[i] == c' ' or p[i] == 0):
            return False
    return True
