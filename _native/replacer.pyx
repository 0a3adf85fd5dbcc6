# sources: sha256.c
"""New values for old ones. Every method answers 1, or 0 with `trouble` set."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memchr

from engine._native.elements cimport EXPLICIT, NULPAD, NUMBER, Header, trim, vr_kind, vr_width
from engine._native.leaks cimport LeakScan
from engine._native.output cimport Output
from engine._native.program cimport *
from engine._native.reader cimport BAD_VALUE, BY_PROFILE, SCAN_LIMIT, TOO_LONG, fail

cdef extern from "sha256.h" nogil:
    void penstock_hmac_init(penstock_hmac_key* k, const uint8_t* key, size_t n)
    void penstock_hmac(const penstock_hmac_key* k, const uint8_t* msg, size_t n, uint8_t* out)
    void penstock_hmac_wipe(penstock_hmac_key* k)

cdef extern from "values.h" nogil:
    const int UID_MAX "PS_UID_MAX"
    size_t uid_from_digest "ps_uid_from_digest"(const uint8_t* digest, uint8_t* out)
    int shift_date "ps_shift_date"(uint8_t* p, size_t n, int days)
    int truncate_date "ps_truncate_date"(uint8_t* p, size_t n)
    int generalise_age "ps_generalise_age"(uint8_t* p, size_t n)

cdef enum:
    UI = (c'U' << 8) | c'I'
    TM = (c'T' << 8) | c'M'
    PN = (c'P' << 8) | c'N'


cdef class Replacer(Output):
    """Keys, constants and call-back behind the actions on plain values."""

    def __init__(self, Program program not None, encode):
        self.program = program
        self.encode = encode
        self.leaks = LeakScan()

    def __dealloc__(self):
        penstock_hmac_wipe(&self.pass_key)

    def set_pass_key(self, bytes key not None):
        """Takes the key under which UIDs are replaced; 32 bytes."""
        if self.busy:
            raise RuntimeError("a rewriter does one object at a time")
        if len(key) != 32:
            raise ValueError("a pass key has 32 bytes")
        if key != self.pass_key_bytes:
            penstock_hmac_init(&self.pass_key, key, 32)
            self.pass_key_bytes = key

    def new_uid(self, bytes old not None):
        """The UID that replaces `old` in this pass (architecture: UIDs need no map)."""
        cdef uint8_t text[64]
        cdef size_t n
        if self.pass_key_bytes is None:
            raise ValueError("a pass key must be set first")
        n = self.uid(<const uint8_t*><const char*>old, len(old), text)
        return PyBytes_FromStringAndSize(<const char*>text, n)

    cdef int replace(
        self, int syntax, bint nested, Header* h, uint16_t vr, uint8_t action, uint16_t arg, size_t value
    ) noexcept nogil:
        """Applies any action but keep and remove to the plain value that begins at `value` of the source."""
        cdef const uint8_t* p = self.source + value
        cdef size_t n = h.length
        if action == EMPTY or n == 0:
            return self.put(syntax, h.tag, vr, NULL, 0)
        if action == REPLACE or action == REPLACE_DOCUMENT:
            return self.put_constant(syntax, h.tag, vr, arg)
        if action == NEW_UID:
            return self.put_uids(syntax, h.tag, p, n)
        if action == HASHED_NAME or (action == HASH_PATIENT and not nested):
            return self.put(syntax, h.tag, vr, self.computed[1].data, self.computed[1].size)
        if action == HASH_STUDY:
            return self.put(syntax, h.tag, vr, self.computed[2].data, self.computed[2].size)
        if action == SHIFT_DATE or action == TRUNCATE_DATE or action == GENERALISE_AGE:
            return self.put_changed(syntax, h, vr, action, arg, value)
        if action == NUMERIC_ONLY:
            return self.keep_number(h, vr, value)
        if (action == HASH_PATIENT or action == HASH_ACCESSION or action == CLEAN_TEXT or action == CLEAN_CODE
                or action == CLEAN_SR):
            return self.put_encoded(syntax, h.tag, vr, action, arg, p, n)
        return not fail(&self.trouble, BY_PROFILE, value - h.size, h.tag)

    cdef int keep_number(self, Header* h, uint16_t vr, size_t value) noexcept nogil:
        """Keeps a value that is nothing but numbers; anything else under a VR of numbers is removed."""
        cdef const uint8_t* p = self.source + value
        cdef int kind = vr_kind(vr)
        cdef size_t i
        if not kind & NUMBER:
            return 1
        if kind & NULPAD:
            if h.length % vr_width(vr):
                return 1
        else:
            for i in range(h.length):
                if not (c'0' <= p[i] <= c'9' or memchr(b"+-.eE\\ \0", p[i], 9) != NULL):
                    return 1
        return self.keep(value - h.size, value + h.length)

    cdef int put_constant(self, int syntax, uint32_t tag, uint16_t vr, uint16_t arg) noexcept nogil:
        cdef Constant* constant = &self.program.constants[arg]
        return self.put_number(syntax, tag, vr, constant.data, constant.size)

    cdef int put_removed(self, int syntax, uint32_t tag, uint16_t vr) noexcept nogil:
        """The word that stands for text that went."""
        return self.put(syntax, tag, vr, b"REMOVED", 7)

    cdef size_t uid(self, const uint8_t* old, size_t n, uint8_t* text) noexcept nogil:
        cdef uint8_t digest[32]
        penstock_hmac(&self.pass_key, old, n, digest)
        return uid_from_digest(digest, text)

    cdef int put_uids(self, int syntax, uint32_t tag, const uint8_t* p, size_t n) noexcept nogil:
        """Replaces each of the values of a UI (PS3.5 6.4: separated by backslashes); an empty one stays empty."""
        cdef size_t left = n, size, part, at
        cdef const uint8_t* bar
        cdef const uint8_t* old
        if not self.put(syntax, tag, UI, NULL, 0):
            return 0
        at = self.out_size
        while True:
            bar = <const uint8_t*>memchr(p, c'\\', left)
            size = bar - p if bar != NULL else left
            part = size
            old = trim(p, &part)
            if not self.room(UID_MAX + 2):
                return 0
            if part:
                if not self.leaks.add(old, part, True):
                    return not fail(&self.trouble, SCAN_LIMIT, self.source_at, tag)
                self.out_size += self.uid(old, part, self.out + self.out_size)
            if bar == NULL:
                break
            self.out[self.out_size] = c'\\'
            self.out_size += 1
            left -= size + 1
            p = bar + 1
        if (self.out_size - at) & 1:
            self.out[self.out_size] = 0
            self.out_size += 1
        if syntax & EXPLICIT and self.out_size - at > 0xFFFE:
            return not fail(&self.trouble, TOO_LONG, self.source_at, tag)
        self.patch_length(at, syntax, syntax & EXPLICIT)
        return 1

    cdef int put_changed(
        self, int syntax, Header* h, uint16_t vr, uint8_t action, uint16_t arg, size_t value
    ) noexcept nogil:
        """Dates and ages, each of the values in place; a value that cannot be read turns the whole into the rule's dummy."""
        cdef const uint8_t* trimmed
        cdef size_t before, at, n = h.length, i, begin = 0, size
        cdef bint fine = True
        if action == SHIFT_DATE and vr == TM:
            return self.keep(value - h.size, value + n)     # whole days: times stay as they are
        if not self.flush():
            return 0
        before = self.out_size
        if not self.put(syntax, h.tag, vr, self.source + value, n):
            return 0
        at = self.out_size - n - (n & 1)
        for i in range(n + 1):
            if i < n and self.out[at + i] != c'\\':
                continue
            size = i - begin
            trimmed = trim(self.out + at + begin, &size)
            begin = i + 1
            if not size:
                continue
            if action == GENERALISE_AGE:
                fine = fine and generalise_age(<uint8_t*>trimmed, size)
            elif action == SHIFT_DATE:
                fine = fine and shift_date(<uint8_t*>trimmed, size, self.shift_days)
            else:
                fine = fine and truncate_date(<uint8_t*>trimmed, size)
        if fine:
            return 1
        self.out_size = before
        return self.put_constant(syntax, h.tag, vr, arg)

    cdef int put_encoded(
        self, int syntax, uint32_t tag, uint16_t vr, uint8_t action, uint16_t arg, const uint8_t* p, size_t n
    ) noexcept with gil:
        """Values that need a character set or the hash secret: Python's `encode` gives the new value, None removes it."""
        cdef bytes charset, new
        try:
            charset = PyBytes_FromStringAndSize(<const char*>self.charset, self.charset_size)
            new = self.encode(action, tag, PyBytes_FromStringAndSize(<const char*>p, n), charset)
            if new is None:
                return 1
            if arg and not new:     # nothing is left of a value that must be there
                if arg == ONE_WORD:
                    return self.put_removed(syntax, tag, vr)
                return self.put_constant(syntax, tag, vr, arg)
            return self.put(syntax, tag, vr, <const uint8_t*><const char*>new, len(new))
        except BaseException as error:
            # Whatever went wrong, the value must not go out, and its text must not go into a message. What is no ordinary
            # exception (a signal's) goes on to the caller of `rewrite`.
            if not isinstance(error, Exception):
                self.raised = error
            return not fail(&self.trouble, BAD_VALUE, p - self.source, tag)

    cdef int remember_uid(self, size_t at, size_t n) noexcept nogil:
        """Gives the leak scan a UID that is replaced elsewhere."""
        cdef const uint8_t* p = trim(self.source + at, &n)
        return 1 if self.leaks.add(p, n, True) else not fail(&self.trouble, SCAN_LIMIT, at, 0)

    cdef int remember_name(self, size_t at, size_t n, uint16_t vr) noexcept nogil:
        """Gives the leak scan a value that names the patient."""
        if self.leaks.add_identifier(self.source + at, n, vr == PN):
            return 1
        return not fail(&self.trouble, SCAN_LIMIT, at, 0)
