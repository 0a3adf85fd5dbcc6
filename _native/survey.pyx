"""The survey: chosen values of the top level of a data set, found in one walk. No I/O; the manual is survey.pyi."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from engine._native.elements cimport OK, SHORT, UNDEFINED, Header, read_header, trim
from engine._native.reader cimport (
    BAD_VR_FOUND, FINE, NEED_MORE, TRUNCATED, Trouble, content_syntax, fail, raise_trouble, skip_undefined, upto,
)

cdef enum:
    UN = (c'U' << 8) | c'N'

cdef struct Entry:              # of `Survey.key`: this, then the value
    uint32_t tag
    uint32_t size

cdef struct Span:
    Entry entry
    const uint8_t* value


cdef class Wanted:
    """A set of attributes to look for; see the manual in reader.pyi."""

    def __init__(self, tags, apart=None):
        ordered = sorted({*tags, *(() if apart is None else (apart,))})
        if len(ordered) > MAX_WANTED:
            raise ValueError(f"a survey looks for at most {MAX_WANTED} attributes")
        self.count = len(ordered)
        self.apart = -1 if apart is None else ordered.index(apart)
        for i, tag in enumerate(ordered):
            self.tags[i] = tag


cdef class Survey:
    """Raw values of chosen top-level attributes. `key` holds tag, length and value of each that was found."""

    def get(self, uint32_t tag):
        """The value's bytes without padding, or None."""
        cdef const uint8_t* p
        cdef size_t n
        if not self._find(tag, &p, &n):
            return None
        p = trim(p, &n)
        return PyBytes_FromStringAndSize(<const char*>p, n)

    def raw(self, uint32_t tag):
        """The value's bytes as they stand there, or None."""
        cdef const uint8_t* p
        cdef size_t n
        if not self._find(tag, &p, &n):
            return None
        return PyBytes_FromStringAndSize(<const char*>p, n)

    cdef int _find(self, uint32_t tag, const uint8_t** value, size_t* n) noexcept:
        """Some two dozen entries are looked through sooner than hashed."""
        cdef const uint8_t* p
        cdef const uint8_t* end
        cdef Entry entry
        if tag == self.apart_tag and self.apart is not None:
            value[0], n[0] = <const uint8_t*><const char*>self.apart, len(self.apart)
            return True
        p = <const uint8_t*><const char*>self.key
        end = p + len(self.key)
        while p < end:
            memcpy(&entry, p, sizeof(Entry))
            p += sizeof(Entry)
            if entry.tag == tag:
                value[0], n[0] = p, entry.size
                return True
            p += entry.size
        return False


def survey(head, size_t total, size_t start, int syntax, wanted, uint32_t last=0xFFFFFFFF):
    """Looks for the attributes `wanted` at the top level; see the manual."""
    cdef Wanted tags = wanted if type(wanted) is Wanted else Wanted(wanted)
    cdef Py_buffer buffer
    PyObject_GetBuffer(head, &buffer, PyBUF_SIMPLE)
    try:
        return _survey(<const uint8_t*>buffer.buf, buffer.len, total, start, syntax, tags, last)
    finally:
        PyBuffer_Release(&buffer)


cdef Survey _survey(
    const uint8_t* p, size_t avail, size_t total, size_t pos, int syntax, Wanted tags, uint32_t last
):
    cdef size_t begin, room = 0
    cdef Span spans[MAX_WANTED]
    cdef int found_count = 0, next_tag = 0, i, place, answer
    cdef uint32_t highest = 0
    cdef bint is_wanted
    cdef Header h
    cdef Trouble trouble
    cdef Survey found = Survey.__new__(Survey)
    cdef char* to
    trouble.stop = FINE
    while pos < total:
        if pos + 12 > avail and avail < total:
            fail(&trouble, NEED_MORE, upto(pos, total), 0)
            raise_trouble(&trouble)
        answer = read_header(p + pos, avail - pos, syntax, &h)
        if answer != OK:
            if answer == SHORT:
                break  # fewer than 8 bytes are left; the rewriter judges them
            fail(&trouble, BAD_VR_FOUND, pos, 0)
            raise_trouble(&trouble)
        if h.tag > last or 0x7FE00008 <= h.tag <= 0x7FE00010:
            break
        found.elements += 1
        is_wanted = False
        place = found_count
        if h.tag > highest or found.elements == 1:      # as the standard orders them (PS3.5 7.1)
            highest = h.tag
            while next_tag < tags.count and tags.tags[next_tag] < h.tag:
                next_tag += 1
            is_wanted = next_tag < tags.count and tags.tags[next_tag] == h.tag
        else:
            for i in range(tags.count):
                if tags.tags[i] == h.tag:
                    is_wanted = True
            for i in range(found_count):
                if spans[i].entry.tag == h.tag:
                    place = i       # of an attribute that stands there twice, the last counts
        pos += h.size
        if h.length == UNDEFINED:
            begin = pos
            pos = skip_undefined(
                p, pos, avail, total,
                content_syntax(p, pos, avail, 0) if h.vr == UN else syntax,
                False, &trouble,
            )
            if trouble.stop != FINE:
                raise_trouble(&trouble)
            if is_wanted:
                spans[place] = Span(Entry(h.tag, pos - begin), p + begin)
                found_count = max(found_count, place + 1)
            continue
        if (h.tag >> 16) == 0xFFFE and h.length == 0:
            continue
        if pos + h.length > total:
            fail(&trouble, TRUNCATED, pos - h.size, h.tag)
            raise_trouble(&trouble)
        if is_wanted:
            if pos + h.length > avail:
                fail(&trouble, NEED_MORE, pos + h.length, 0)
                raise_trouble(&trouble)
            spans[place] = Span(Entry(h.tag, h.length), p + pos)
            found_count = max(found_count, place + 1)
        pos += h.length
    found.end = pos
    if tags.apart >= 0:
        found.apart_tag = tags.tags[tags.apart]
    for i in range(found_count):
        if tags.apart >= 0 and spans[i].entry.tag == found.apart_tag:
            found.apart = PyBytes_FromStringAndSize(<const char*>spans[i].value, spans[i].entry.size)
        else:
            room += sizeof(Entry) + spans[i].entry.size
    found.key = PyBytes_FromStringAndSize(NULL, room)
    to = <char*>found.key
    for i in range(found_count):
        if tags.apart < 0 or spans[i].entry.tag != found.apart_tag:
            memcpy(to, &spans[i].entry, sizeof(Entry))
            memcpy(to + sizeof(Entry), spans[i].value, spans[i].entry.size)
            to += sizeof(Entry) + spans[i].entry.size
    return found
