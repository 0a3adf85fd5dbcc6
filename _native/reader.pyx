"""The element walker (PS3.5 section 7) and the file meta (PS3.10 section 7.1): buffers in, values out, no I/O."""

import re

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp
from cpython.bytes cimport PyBytes_FromStringAndSize

from engine._native.elements cimport (
    EXPLICIT, BIG, UNDEFINED, ITEM, ITEM_END, SEQUENCE_END, OK, SHORT, BAD_VR,
    Header, read_header, load16, load32, load_tag, vr_kind, trim,
)

cdef enum:
    UN = (c'U' << 8) | c'N'
    SQ = (c'S' << 8) | c'Q'
    OB = (c'O' << 8) | c'B'
    OW = (c'O' << 8) | c'W'

REASONS = {
    TRUNCATED: ("truncated", "the object ends inside an element"),
    BAD_VR_FOUND: ("bad-vr", "no value representation of PS3.5 stands where one must"),
    TOO_DEEP: ("too-deep", f"sequences are nested more than {MAX_DEPTH} levels deep"),
    ITEM_EXPECTED: ("item-expected", "a sequence holds something that is no item"),
    STRAY_DELIMITER: ("stray-delimiter", "an item or a delimiter stands outside a sequence"),
    OVERRUN: ("overrun", "an element reaches past the end of the sequence or item that holds it"),
    BAD_VALUE: ("bad-value", "a value that must be replaced cannot be read"),
    BAD_PRIVATE: ("bad-private", "a private element stands outside any reserved block"),
    BY_PROFILE: ("by-profile", "the profile quarantines objects with this attribute"),
    NO_MEMORY: ("no-memory", "not enough memory for the new head"),
    TOO_LONG: ("too-long", "a new value is longer than its length field can say"),
    HEAD_TOO_LARGE: ("head-too-large", "the new head would be larger than the limit"),
    SCAN_LIMIT: ("leak-scan-limit", "the leak scan of this object takes more effort than the limit allows"),
}


# PS3.5 A.4: encapsulated pixel data. The value is copied into the new file meta, so nothing but a UID of that branch may pass.
ENCAPSULATED = re.compile(r"1\.2\.840\.10008\.1\.2\.(1\.98|4\.[1-9][0-9]{1,2}|5|8\.1)")
_BY_REFERENCE = ("1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.204")


class Refused(Exception):
    """An object that a core cannot treat with certainty: `code` (kebab-case), `message`, `offset` in bytes, `tag`."""

    def __init__(self, code, message, offset, tag=None):
        super().__init__(message)
        self.code = code
        self.message = message
        self.offset = offset
        self.tag = tag


class NeedMore(Exception):
    """The buffer ends too early: it must hold at least `upto` bytes of the object."""

    def __init__(self, upto):
        super().__init__(upto)
        self.upto = upto


cdef int fail(Trouble* trouble, int stop, uint64_t offset, uint32_t tag) noexcept nogil:
    trouble.stop = stop
    trouble.offset = offset
    trouble.tag = tag
    return stop


cdef int raise_trouble(Trouble* trouble) except -1:
    if trouble.stop == NEED_MORE:
        raise NeedMore(trouble.offset)
    code, message = REASONS[trouble.stop]
    raise Refused(code, message, trouble.offset, trouble.tag or None)


cdef int content_syntax(const uint8_t* p, size_t pos, size_t end, int assumed) noexcept nogil:
    """The syntax in which the first item at `pos` is really written.

    UN of undefined length holds implicit VR little endian (PS3.5 6.2.2, CP-246), yet explicit content exists; two capital
    letters that are a VR cannot be the low half of a plausible implicit length, so they decide. Empty items say nothing.
    """
    cdef uint16_t vr
    cdef uint32_t length
    while pos + 16 <= end and load_tag(p + pos, 0) == ITEM:
        length = load32(p + pos + 4, 0)
        if length == 0:
            pos += 8
        elif length == UNDEFINED and load_tag(p + pos + 8, 0) == ITEM_END:
            pos += 16
        elif load16(p + pos + 8, 0) == 0xFFFE:
            break
        else:
            vr = (<uint16_t>p[pos + 12] << 8) | p[pos + 13]
            return EXPLICIT if vr_kind(vr) else assumed & ~EXPLICIT
    return assumed


cdef size_t skip_undefined(
    const uint8_t* p, size_t pos, size_t avail, size_t total, int syntax, bint fragments, Trouble* trouble
) noexcept nogil:
    """The offset behind an element of undefined length whose content starts at `pos`; on trouble, `trouble.stop` is set."""
    cdef int depth = 0
    cdef bint in_item[MAX_DEPTH * 2]
    cdef int syntaxes[MAX_DEPTH * 2]
    cdef Header h
    cdef int answer
    cdef size_t at
    in_item[0] = False
    syntaxes[0] = syntax
    while True:
        if pos + 12 > avail and avail < total:
            fail(trouble, NEED_MORE, upto(pos, total), 0)
            return pos
        answer = read_header(p + pos, avail - pos, syntaxes[depth], &h) if pos <= avail else SHORT
        if answer != OK:
            fail(trouble, TRUNCATED if answer == SHORT else BAD_VR_FOUND, pos, 0)
            return pos
        at = pos
        pos += h.size
        if h.tag == (ITEM_END if in_item[depth] else SEQUENCE_END):
            if depth == 0:
                return pos
            depth -= 1
            continue
        if in_item[depth]:
            if (h.tag >> 16) == 0xFFFE:
                fail(trouble, STRAY_DELIMITER, at, h.tag)
                return at
        elif h.tag != ITEM or (h.length == UNDEFINED and fragments and depth == 0):
            fail(trouble, ITEM_EXPECTED, at, h.tag)
            return at
        if h.length != UNDEFINED:
            pos += h.length
            if pos > total:
                fail(trouble, TRUNCATED, at, h.tag)
                return at
            continue
        depth += 1
        if depth >= MAX_DEPTH * 2:
            fail(trouble, TOO_DEEP, at, h.tag)
            return at
        in_item[depth] = not in_item[depth - 1]
        syntaxes[depth] = syntaxes[depth - 1]
        if h.vr == UN:
            syntaxes[depth] = content_syntax(p, pos, avail, 0)


cdef str uid_text(const uint8_t* p, size_t n):
    p = trim(p, &n)
    return PyBytes_FromStringAndSize(<const char*>p, n).decode("latin-1")


cdef class Meta:
    """What the file meta says: `transfer_syntax`, `sop_class_uid`, `sop_instance_uid`, `source_ae_title` ("" if absent), `start`
    (offset of the data set), `syntax` (bits: 1 explicit, 2 big endian) as the data set is really written, `deflated`, `encapsulated`."""


def read_meta(const uint8_t[::1] head, size_t total):
    """Reads preamble and file meta; see the manual in reader.pyi."""
    cdef const uint8_t* p = &head[0] if head.shape[0] else NULL
    cdef size_t avail = head.shape[0], pos
    cdef Header h
    cdef int answer
    cdef Meta meta = Meta.__new__(Meta)
    cdef Trouble trouble
    if total == 0:
        raise Refused("empty", "the file is empty", 0)
    if avail < 132 and avail < total:
        raise NeedMore(upto(120, total))
    if avail >= 132 and memcmp(p + 128, b"DICM", 4) == 0:
        pos = 132
    elif avail >= 8 and load32(p, 0) & 0xFFFF == 2 and vr_kind((<uint16_t>p[4] << 8) | p[5]):
        pos = 0  # a file meta without its preamble (PS3.10 7.1 demands one, old writers omit it)
    else:
        raise Refused("not-dicom", "there is neither a preamble with DICM nor a file meta", 0)
    meta.transfer_syntax = meta.sop_class_uid = meta.sop_instance_uid = meta.source_ae_title = ""
    while True:
        if pos + 12 > avail and avail < total:
            raise NeedMore(upto(pos, total))
        if pos + 8 > avail or load32(p + pos, 0) & 0xFFFF != 2:
            break  # the group ends where another begins; its length element is often wrong
        answer = read_header(p + pos, avail - pos, EXPLICIT, &h)
        if answer != OK:
            fail(&trouble, TRUNCATED if answer == SHORT else BAD_VR_FOUND, pos, h.tag)
            raise_trouble(&trouble)
        if h.length == UNDEFINED or pos + h.size + h.length > total:
            fail(&trouble, TRUNCATED, pos, h.tag)
            raise_trouble(&trouble)
        pos += h.size
        if pos + h.length > avail:
            raise NeedMore(pos + h.length)
        if h.tag == 0x00020002:
            meta.sop_class_uid = uid_text(p + pos, h.length)
        elif h.tag == 0x00020003:
            meta.sop_instance_uid = uid_text(p + pos, h.length)
        elif h.tag == 0x00020010:
            meta.transfer_syntax = uid_text(p + pos, h.length)
        elif h.tag == 0x00020016:
            meta.source_ae_title = uid_text(p + pos, h.length)
        pos += h.length
    meta.start = pos
    _settle_syntax(meta, p, pos, avail)
    return meta


cdef int _settle_syntax(Meta meta, const uint8_t* p, size_t pos, size_t avail) except -1:
    cdef str ts = meta.transfer_syntax
    cdef bint explicit_there
    # The deflated syntaxes: the one of PS3.5 A.5, and two whose pixel data is fetched by JPIP, as in the two _BY_REFERENCE.
    meta.deflated = ts in ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205")
    meta.encapsulated = False
    meta.syntax = EXPLICIT
    if meta.deflated:
        return 0
    if pos + 8 <= avail:
        explicit_there = vr_kind((<uint16_t>p[pos + 4] << 8) | p[pos + 5]) != 0
    else:
        explicit_there = ts not in ("", "1.2.840.10008.1.2")     # no element to see it by
    if ts == "1.2.840.10008.1.2.2":
        meta.syntax = EXPLICIT | BIG
    elif ts in ("", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"):
        # Writers confuse the two; the first element shows which it is, and the new file meta tells the truth.
        meta.syntax = EXPLICIT if explicit_there else 0
        meta.transfer_syntax = "1.2.840.10008.1.2.1" if explicit_there else "1.2.840.10008.1.2"
    elif ENCAPSULATED.fullmatch(ts):
        meta.encapsulated = ts not in _BY_REFERENCE
        meta.syntax = EXPLICIT if explicit_there else 0
    else:
        raise Refused("unknown-transfer-syntax", "the transfer syntax is not one of PS3.5 annex A", 0, 0x00020010)
    return 0


def fragments(const uint8_t[::1] window, size_t base, size_t pos, size_t total, int syntax):
    """Hops over the items of encapsulated PixelData; see the manual in reader.pyi."""
    cdef const uint8_t* p = &window[0] if window.shape[0] else NULL
    cdef size_t end = base + window.shape[0]
    cdef uint32_t length, tag
    cdef Header h
    cdef Trouble trouble
    while pos >= base and pos + 8 <= end:
        read_header(p + (pos - base), 8, syntax & BIG, &h)
        if h.tag == SEQUENCE_END:
            return pos + 8, True
        if h.tag != ITEM or h.length == UNDEFINED:
            fail(&trouble, ITEM_EXPECTED, pos, 0x7FE00010)
            raise_trouble(&trouble)
        if pos + 8 + h.length > total:
            fail(&trouble, TRUNCATED, pos, 0x7FE00010)
            raise_trouble(&trouble)
        pos += 8 + <size_t>h.length
    return pos, False


def walk(const uint8_t[::1] data, size_t start, int syntax, sequences=frozenset()):
    """Every element of a data set, in order; see the manual in reader.pyi."""
    cdef const uint8_t* p = &data[0] if data.shape[0] else NULL
    cdef size_t total = data.shape[0], pos = start
    cdef size_t limits[MAX_DEPTH * 2 + 1]      # nothing of the level may reach behind this
    cdef bint defined[MAX_DEPTH * 2 + 1]       # the level ends at its limit, not by a delimiter
    cdef bint holds_items[MAX_DEPTH * 2 + 1]
    cdef int syntaxes[MAX_DEPTH * 2 + 1]
    cdef int depth = 0, answer, inner
    cdef Header h
    cdef Trouble trouble
    cdef list found = []
    if start > total:
        raise ValueError("the start is behind the end")
    limits[0], defined[0], holds_items[0], syntaxes[0] = total, True, False, syntax
    while True:
        while depth > 0 and defined[depth] and pos == limits[depth]:
            depth -= 1
        if depth == 0 and total - pos < 8:
            return found
        answer = read_header(p + pos, limits[depth] - pos, syntaxes[depth], &h)
        if answer != OK:
            fail(&trouble, TRUNCATED if answer == SHORT else BAD_VR_FOUND, pos, 0)
            raise_trouble(&trouble)
        found.append((
            pos, h.tag, chr(h.vr >> 8) + chr(h.vr & 0xFF) if h.vr else "", h.length if h.length != UNDEFINED else -1,
            depth, pos + h.size,
        ))
        if h.tag == SEQUENCE_END or h.tag == ITEM_END:
            if depth == 0 or holds_items[depth] != (h.tag == SEQUENCE_END):
                fail(&trouble, ITEM_EXPECTED if holds_items[depth] else STRAY_DELIMITER, pos, h.tag)
                raise_trouble(&trouble)
            pos += 8
            depth -= 1
            continue
        if holds_items[depth] != (h.tag == ITEM):
            fail(&trouble, ITEM_EXPECTED if holds_items[depth] else STRAY_DELIMITER, pos, h.tag)
            raise_trouble(&trouble)
        pos += h.size
        if h.length != UNDEFINED and pos + h.length > limits[depth]:
            fail(&trouble, TRUNCATED if limits[depth] == total else OVERRUN, pos - h.size, h.tag)
            raise_trouble(&trouble)
        inner = syntaxes[depth]
        if h.length == UNDEFINED and (h.tag == 0x7FE00010 or h.vr == OB or h.vr == OW):
            trouble.stop = FINE
            pos = skip_undefined(p, pos, limits[depth], limits[depth], inner, True, &trouble)
            if trouble.stop != FINE:
                raise_trouble(&trouble)
            continue
        if h.vr == UN and h.length == UNDEFINED:
            inner = content_syntax(p, pos, limits[depth], 0)
        if h.tag == ITEM or h.length == UNDEFINED or h.vr == SQ or (h.vr == 0 and h.tag in sequences):
            depth += 1
            if depth > MAX_DEPTH * 2:
                fail(&trouble, TOO_DEEP, pos, h.tag)
                raise_trouble(&trouble)
            defined[depth] = h.length != UNDEFINED
            limits[depth] = pos + h.length if h.length != UNDEFINED else limits[depth - 1]
            holds_items[depth] = h.tag != ITEM
            syntaxes[depth] = inner
        else:
            pos += h.length
