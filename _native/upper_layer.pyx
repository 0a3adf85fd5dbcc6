# cython: warn.unused=True
"""PDU stream parser and command set codec of the DICOM Upper Layer. The manual is `upper_layer.pyi`."""

from libc.string cimport memcpy, memmove
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_Resize

import struct

NEED, DATA, COMMAND, PDU, VIOLATION = EVENT_NEED, EVENT_DATA, EVENT_COMMAND, EVENT_PDU, EVENT_VIOLATION
MAX_COMMAND, MAX_SMALL_PDU, GATHER_BELOW = LIMIT_MAX_COMMAND, LIMIT_MAX_SMALL_PDU, LIMIT_GATHER_BELOW


cdef class PduStream:
    def __cinit__(self, unsigned int max_length):
        self.max_length = max_length
        self.spans = []
        self.kept = bytearray()
        self.state = PDU_HEADER
        self.span_start = self.span_end = -1
        self.detail = ""

    def associate(self):
        self.associated = True

    def expect_data(self):
        self.data_expected = True
        self.data_bytes = 0

    @property
    def inside_message(self):
        return self.message_context != 0 or self.data_expected

    @property
    def inside_pdu(self):
        return self.state != PDU_HEADER or self.header_have != 0

    def feed(self, view not None, Py_ssize_t count):
        cdef unsigned char[::1] bytes_ = view
        if count < 0 or count > bytes_.shape[0]:
            raise ValueError("count is outside the buffer")
        if self.at != self.end and self.state != BROKEN:
            raise ValueError("the last feed is not used up: call next() until NEED")
        self.view = view
        self.base = &bytes_[0] if count else NULL
        self.at = 0
        self.end = count
        self.spans = []

    def next(self):
        cdef int event
        self.spans = []
        self.complete = False
        if self.state == BROKEN:
            self.at = self.end
            return EVENT_VIOLATION
        while self.at < self.end:
            event = self._step()
            if event != EVENT_NEED:
                return event
        self._close_span()
        if self.spans:
            return EVENT_DATA
        return EVENT_NEED

    cdef int _step(self):
        """Takes one header or one part of a fragment from the buffer."""
        cdef Py_ssize_t n
        if self.state == PDU_HEADER:
            return self._begin_pdu() if self._header() else EVENT_NEED
        if self.state == PDV_HEADER:
            return self._begin_pdv() if self._header() else EVENT_NEED
        if self.state == DATA_PART:
            n = min(<Py_ssize_t>self.pdv_left, self.end - self.at)
            self._take_span(n)
            self.at += n
            self.pdv_left -= <unsigned int>n
            self.data_bytes += n
            return EVENT_NEED if self.pdv_left else self._end_pdv()
        return self._keep()

    cdef bint _header(self) noexcept:
        """Collects six bytes, which may come one by one; the first one may already tell that this is no PDU."""
        cdef Py_ssize_t n = min(6 - self.header_have, self.end - self.at)
        memcpy(&self.header[self.header_have], self.base + self.at, n)
        self.header_have += n
        self.at += n
        if self.header_have == 6:
            self.header_have = 0
            return True
        return self.state == PDU_HEADER and not 1 <= self.header[0] <= 7

    cdef int _fail(self, int reason, str detail):
        self.state = BROKEN
        self.reason = reason
        self.detail = detail
        self.spans = []
        self.span_start = -1
        self.kept = bytearray()
        self.at = self.end
        return EVENT_VIOLATION

    cdef int _begin_pdu(self):
        cdef unsigned int length = _big32(&self.header[2])
        cdef unsigned char kind = self.header[0]
        if not 1 <= kind <= 7:
            return self._fail(1, "not a PDU")
        self.pdu_type = kind
        self.pdu_left = length
        if kind == 4:
            if not self.associated:
                return self._fail(2, "P-DATA-TF outside an association")
            # Some peers count the six bytes of the header into the maximum length.
            if length > <unsigned long long>self.max_length + 6:
                return self._fail(6, "P-DATA-TF above the maximum length")
            if length < 6:
                return self._fail(6, "P-DATA-TF without a PDV")
            self.state = PDV_HEADER
            return EVENT_NEED
        if length > (LIMIT_MAX_SMALL_PDU if kind in (1, 2) else 4):
            return self._fail(6, "PDU length is out of range")
        if length < 4:
            return self._fail(6, "PDU length is out of range")
        PyByteArray_Resize(self.kept, 0)
        self.kept += (<char *>self.header)[:6]
        self.state = SMALL_PDU
        return EVENT_NEED

    cdef int _begin_pdv(self):
        cdef unsigned int length = _big32(&self.header[0])
        cdef int context = self.header[4]
        cdef bint is_command
        # The item length counts the context and control bytes, the PDU length also the item length itself (PS3.8 9.3.5.1).
        if length < 2 or <unsigned long long>length + 4 > self.pdu_left:
            return self._fail(6, "PDV length is out of range")
        if context % 2 == 0:
            return self._fail(6, "presentation context ID is even")
        self.control = self.header[5]
        is_command = self.control & 1
        if self.message_context and context != self.message_context:
            return self._fail(6, "fragments of one message in two presentation contexts")
        if is_command and self.data_expected:
            return self._fail(5, "command fragment inside a data set")
        if not is_command and not self.data_expected:
            return self._fail(5, "data set fragment without a command")
        if self.data_expected and not self.message_context and context != self.context_id:
            return self._fail(6, "data set in another presentation context than its command")
        if not self.message_context:
            PyByteArray_Resize(self.kept, 0)
        self.message_context = context
        self.context_id = context
        self.pdv_left = length - 2
        self.pdu_left -= <unsigned long long>length + 4
        if is_command:
            if len(self.kept) + <unsigned long long>self.pdv_left > LIMIT_MAX_COMMAND:
                return self._fail(6, "command set above the limit")
            self.state = COMMAND_PART
            return EVENT_NEED if self.pdv_left else self._end_pdv()
        self.state = DATA_PART
        return EVENT_NEED if self.pdv_left else self._end_pdv()

    cdef int _end_pdv(self):
        """After the last byte of a fragment: what comes next, and whether a message part is whole."""
        cdef bint last = self.control & 2
        cdef bint is_command = self.control & 1
        if self.pdu_left == 0:
            self.state = PDU_HEADER
            self.pdus += 1
        elif self.pdu_left < 6:
            return self._fail(6, "P-DATA-TF ends inside a PDV")
        else:
            self.state = PDV_HEADER
        if not last:
            return EVENT_NEED
        self.message_context = 0
        if is_command:
            self.command = bytes(self.kept)
            return EVENT_COMMAND
        self.data_expected = False
        self._close_span()
        self.complete = True
        return EVENT_DATA

    cdef int _keep(self):
        """Copies a part of a command set or of a small PDU."""
        cdef Py_ssize_t have = len(self.kept)
        cdef bint is_command = self.state == COMMAND_PART
        cdef unsigned long long left = self.pdv_left if is_command else self.pdu_left
        cdef Py_ssize_t n = <Py_ssize_t>min(left, <unsigned long long>(self.end - self.at))
        PyByteArray_Resize(self.kept, have + n)
        memcpy(PyByteArray_AS_STRING(self.kept) + have, self.base + self.at, n)
        self.at += n
        if is_command:
            self.pdv_left -= <unsigned int>n
            return EVENT_NEED if self.pdv_left else self._end_pdv()
        self.pdu_left -= n
        if self.pdu_left:
            return EVENT_NEED
        self.pdu = bytes(self.kept)
        PyByteArray_Resize(self.kept, 0)
        self.state = PDU_HEADER
        self.pdus += 1
        return EVENT_PDU

    cdef void _take_span(self, Py_ssize_t n):
        """Adds `n` bytes at the cursor to the spans. A short run is moved down to its predecessor's end: the gap between
        them holds only headers that are already read, so the move never overwrites anything unread."""
        if self.span_start >= 0 and (n < LIMIT_GATHER_BELOW or self.span_end == self.at):
            if self.span_end != self.at:
                memmove(self.base + self.span_end, self.base + self.at, n)
            self.span_end += n
            return
        self._close_span()
        self.span_start = self.at
        self.span_end = self.at + n

    cdef void _close_span(self):
        if self.span_start >= 0:
            self.spans.append(self.view[self.span_start:self.span_end])
            self.span_start = -1


cdef inline unsigned int _big32(const unsigned char *p) noexcept nogil:
    return (<unsigned int>p[0] << 24) | (<unsigned int>p[1] << 16) | (<unsigned int>p[2] << 8) | p[3]


cdef inline unsigned int _little32(const unsigned char *p) noexcept nogil:
    return (<unsigned int>p[3] << 24) | (<unsigned int>p[2] << 16) | (<unsigned int>p[1] << 8) | p[0]


class MalformedCommand(ValueError):
    """A command set that PS3.7 section 6.3.1 does not allow."""


cdef int _us(const unsigned char *p, unsigned int n) except -2:
    if n != 2:
        raise MalformedCommand("a US element is not 2 bytes long")
    return p[0] | (p[1] << 8)


cdef str _uid(const unsigned char *p, unsigned int n):
    """Up to 64 printable characters; the empty string for anything else. Real senders have UIDs with letters in them."""
    cdef unsigned int i
    while n and (p[n - 1] == 0 or p[n - 1] == 32):
        n -= 1
    if n == 0 or n > 64:
        return ""
    for i in range(n):
        if not 33 <= p[i] <= 126 or p[i] == 92:
            return ""
    return (<const char *>p)[:n].decode("ascii")


cdef class Command:
    def __cinit__(self):
        self.field = self.message_id = self.responded_to = self.data_set_type = self.status = -1
        self.sop_class_uid = self.sop_instance_uid = ""
        self.comment = b""

    def __repr__(self):
        return f"Command(field=0x{self.field:04X}, message_id={self.message_id}, status=0x{self.status:04X})"


def decode_command(const unsigned char[::1] data not None):
    cdef Command found = Command()
    cdef Py_ssize_t at = 0, size = data.shape[0]
    cdef const unsigned char *p
    cdef unsigned int group, element, length
    cdef int last = -1
    while at < size:
        if size - at < 8:
            raise MalformedCommand("the command set ends inside an element header")
        p = &data[at]
        group = p[0] | (p[1] << 8)
        element = p[2] | (p[3] << 8)
        length = _little32(p + 4)
        at += 8
        if group != 0:
            raise MalformedCommand("an element outside group 0000")
        if <int>element <= last:
            raise MalformedCommand("elements are not in ascending order")
        if length > size - at:
            raise MalformedCommand("an element is longer than the command set")
        last = <int>element
        p += 8
        at += length
        if element == 0x0100:
            found.field = _us(p, length)
        elif element == 0x0110:
            found.message_id = _us(p, length)
        elif element == 0x0120:
            found.responded_to = _us(p, length)
        elif element == 0x0800:
            found.data_set_type = _us(p, length)
        elif element == 0x0900:
            found.status = _us(p, length)
        elif element == 0x0902:
            found.comment = (<const char *>p)[:min(length, 64)]
        elif element == 0x0002 or element == 0x0003:
            found.sop_class_uid = _uid(p, length)
        elif element == 0x1000 or element == 0x1001:
            found.sop_instance_uid = _uid(p, length)
    if found.field < 0 or found.data_set_type < 0:
        raise MalformedCommand("Command Field or Command Data Set Type is missing")
    return found


_ELEMENT = struct.Struct("<HHI")
_US = struct.Struct("<HHIH")
_PDV = struct.Struct(">BBIIBB")


def command_set(elements):
    cdef bytearray body = bytearray()
    cdef bytes value
    for element, given in elements:
        if isinstance(given, int):
            body += _US.pack(0, element, 2, given)
            continue
        value = given.encode("ascii") if isinstance(given, str) else given
        if len(value) % 2:
            # PS3.5 section 6.2: UI is padded with NUL, text with a space.
            value += b"\0" if element in (0x0002, 0x0003, 0x1000, 0x1001) else b" "
        body += _ELEMENT.pack(0, element, len(value))
        body += value
    return struct.pack("<HHII", 0, 0, 4, len(body)) + bytes(body)


def command_pdus(int context_id, elements, unsigned int max_length=0):
    cdef bytes whole = command_set(elements)
    cdef Py_ssize_t room, at = 0, n, size = len(whole)
    cdef list parts = []
    if max_length != 0 and max_length < 8:
        raise ValueError("a maximum length below 8 has no room for a fragment")
    room = size if max_length == 0 else min(size, <Py_ssize_t>(max_length - 6) & ~1)
    while at < size:
        n = min(room, size - at)
        parts.append(_PDV.pack(4, 0, n + 6, n + 2, context_id, 3 if at + n == size else 1))
        parts.append(whole[at:at + n])
        at += n
    return b"".join(parts)


def data_header(int context_id, unsigned int count, bint last):
    return _PDV.pack(4, 0, count + 6, count + 2, context_id, 2 if last else 0)
