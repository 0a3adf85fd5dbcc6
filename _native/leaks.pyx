"""The leak scan: searches a new head for what its original said. No I/O; the manual is leaks.pyi."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from engine._native.elements cimport trim


cdef inline uint32_t short_gram(const uint8_t* p) noexcept nogil:
    """Four bytes with bit 5 set: letters lose their case, and some other bytes fall together, which only the filter sees."""
    cdef uint32_t gram
    memcpy(&gram, p, GRAM)
    return (gram | <uint32_t>0x20202020u) * <uint32_t>2654435761u


cdef inline uint32_t long_gram(const uint8_t* p) noexcept nogil:
    """Eight bytes of a UID, which has no letters."""
    cdef uint64_t gram
    memcpy(&gram, p, UID_GRAM)
    return <uint32_t>((gram * <uint64_t>0x9E3779B97F4A7C15u) >> 32)


cdef inline double now() noexcept nogil:
    """Monotonic seconds."""
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return at.tv_sec + at.tv_nsec * 1e-9


cdef inline uint8_t folded(uint8_t c) noexcept nogil:
    return c | 0x20 if c'A' <= c <= c'Z' else c


cdef inline bint is_digit(uint8_t c) noexcept nogil:
    return c'0' <= c <= c'9'


cdef inline bint is_of_a_header(uint8_t c) noexcept nogil:
    """Whether a byte stands in tags and lengths and in no text: what it stands beside is half of a tag or of a length, though it
    may look like a digit or a letter (group 0032 begins with a 2, group 0054 with a T)."""
    return c < 0x20 and c != c'\t' and c != c'\n' and c != c'\r'


cdef inline bint is_letter(uint8_t c) noexcept nogil:
    return c'a' <= (c | 0x20) <= c'z'


cdef class LeakScan:
    """See leaks.pyi."""

    def __cinit__(self):
        self.room, self.arena_room, self.hit_room = 64, 4096, 64
        self.patterns = <Pattern*>malloc(self.room * sizeof(Pattern))
        self.arena = <uint8_t*>malloc(self.arena_room)
        self.hits = <Hit*>malloc(self.hit_room * sizeof(Hit))
        if self.patterns == NULL or self.arena == NULL or self.hits == NULL or not self.clear():
            raise MemoryError

    def __dealloc__(self):
        free(self.patterns)
        free(self.arena)
        free(self.hits)
        free(self.bits)
        free(self.chains)

    cdef int clear(self) noexcept nogil:
        """Forgets all patterns and hits; 0 when memory ran out."""
        # Most objects have few patterns: their places are emptied one by one, and the tables stay in the cache.
        cdef bint few = self.power == FIRST_CHAINS and self.count < FEW_PATTERNS
        cdef int32_t i
        cdef uint32_t hashed
        if few:
            for i in range(self.count):
                hashed = self.patterns[i].hash
                self.chains[hashed >> (32 - FIRST_CHAINS)] = -1
                self.bits[hashed >> (32 - FIRST_CHAINS - FILTER_BITS + 6)] = 0
        self.count = self.hit_count = 0
        self.arena_size = 0
        self.short_grams = self.long_grams = False
        self.effort = EFFORT
        return few or self._resize(FIRST_CHAINS)

    cdef int _resize(self, int power) noexcept nogil:
        """Gives the chains and the filter their size and links every pattern anew; 0 when memory ran out."""
        cdef size_t chains = <size_t>1 << power, words = (chains << FILTER_BITS) >> 6
        cdef int32_t* new_chains
        cdef uint64_t* new_bits
        cdef int32_t i
        if self.power != power:
            new_chains = <int32_t*>malloc(chains * sizeof(int32_t))
            new_bits = <uint64_t*>malloc(words * sizeof(uint64_t))
            if new_chains == NULL or new_bits == NULL:
                free(new_chains)
                free(new_bits)
                return 0
            free(self.chains)
            free(self.bits)
            self.chains, self.bits, self.power = new_chains, new_bits, power
        memset(self.chains, 0xFF, chains * sizeof(int32_t))
        memset(self.bits, 0, words * sizeof(uint64_t))
        for i in range(self.count):
            self._link(i)
        return 1

    cdef void _link(self, int32_t index) noexcept nogil:
        cdef Pattern* pattern = &self.patterns[index]
        cdef uint32_t chain = pattern.hash >> (32 - self.power), bit = pattern.hash >> (32 - self.power - FILTER_BITS)
        pattern.next = self.chains[chain]
        self.chains[chain] = index
        self.bits[bit >> 6] |= <uint64_t>1 << (bit & 63)

    cdef int add(self, const uint8_t* p, size_t n, bint is_uid) noexcept nogil:
        """Takes one pattern; 0 when memory or effort ran out. Patterns shorter than a gram, or known already, are passed over."""
        cdef uint32_t hashed, anchor
        cdef int32_t i
        cdef Pattern* more
        cdef uint8_t* larger
        if n < GRAM:
            return 1
        if is_uid and n >= UID_GRAM:
            anchor = n - UID_GRAM
            hashed = long_gram(p + anchor)
            self.long_grams = True
        else:
            anchor = 0
            hashed = short_gram(p)
            self.short_grams = True
        i = self.chains[hashed >> (32 - self.power)]
        while i >= 0:
            self.effort -= 1
            if self.patterns[i].hash == hashed and self.patterns[i].size == n and self._matches(&self.patterns[i], p, n, 0):
                return 1
            i = self.patterns[i].next
        self.effort += 1
        if self.effort < 0 or self.count >= MAX_PATTERNS:
            return 0
        if self.count == self.room:
            more = <Pattern*>realloc(self.patterns, 2 * self.room * sizeof(Pattern))
            if more == NULL:
                return 0
            self.patterns = more
            self.room *= 2
        while self.arena_size + n > self.arena_room:
            larger = <uint8_t*>realloc(self.arena, 2 * self.arena_room)
            if larger == NULL:
                return 0
            self.arena = larger
            self.arena_room *= 2
        memcpy(self.arena + self.arena_size, p, n)
        self.patterns[self.count] = Pattern(self.arena_size, <uint32_t>n, anchor, hashed, -1, is_uid)
        self._link(self.count)
        self.arena_size += n
        self.count += 1
        return self.count < (2 << self.power) or self._resize(self.power + 2)

    cdef int add_identifier(self, const uint8_t* p, size_t n, bint is_name) noexcept nogil:
        """Takes each of the values of an attribute; of a person's name (PS3.5 6.2.1) also each of its words."""
        cdef size_t i, begin = 0, size
        cdef const uint8_t* part
        cdef uint8_t c
        for i in range(n + 1):
            c = p[i] if i < n else c'\\'
            if c == c'\\' or (is_name and (c == c'^' or c == c'=' or c == c' ' or c == c',')):
                size = i - begin
                part = trim(p + begin, &size)
                if not self.add(part, size, False):
                    return 0
                begin = i + 1
        return 1

    cdef bint _matches(self, const Pattern* pattern, const uint8_t* text, size_t n, size_t at) noexcept nogil:
        """Whether the pattern stands at `at` as a word of its own: digits not inside a longer number, letters not inside a
        longer word, a UID not inside a longer one."""
        cdef const uint8_t* p = self.arena + pattern.at
        cdef size_t size = pattern.size, end = at + size, i
        cdef uint8_t before, after
        if end > n:
            return False
        for i in range(size):
            if folded(p[i]) != folded(text[at + i]):
                return False
        before = text[at - 1] if at else 0
        if at > 1 and is_of_a_header(text[at - 2]):
            before = 0
        after = text[end] if end < n else 0
        if end + 1 < n and is_of_a_header(text[end + 1]):
            after = 0
        if is_digit(p[0]) and (is_digit(before) or (pattern.is_uid and before == c'.')):
            return False
        if is_letter(p[0]) and is_letter(before):
            return False
        if is_digit(p[size - 1]) and (is_digit(after) or (pattern.is_uid and after == c'.')):
            return False
        return not (is_letter(p[size - 1]) and is_letter(after))

    cdef int search(self, const uint8_t* text, size_t n) noexcept nogil:
        """Notes where patterns stand in the text; 0 when the effort or the memory ran out."""
        cdef double began = now()
        cdef int done = self._search(text, n)
        self.seconds += now() - began
        return done

    cdef int _search(self, const uint8_t* text, size_t n) noexcept nogil:
        cdef size_t i, long_end = n - UID_GRAM + 1 if self.long_grams and n >= UID_GRAM else 0
        cdef uint32_t hashed
        if n < GRAM or not (self.short_grams or self.long_grams):
            return 1
        self.effort += n
        for i in range(n - GRAM + 1):
            if self.short_grams:
                hashed = short_gram(text + i)
                if self._may_be(hashed) and not self._try(hashed, text, n, i):
                    return 0
            if i < long_end:
                hashed = long_gram(text + i)
                if self._may_be(hashed) and not self._try(hashed, text, n, i):
                    return 0
        return 1

    cdef inline bint _may_be(self, uint32_t hashed) noexcept nogil:
        cdef uint32_t bit = hashed >> (32 - self.power - FILTER_BITS)
        return (self.bits[bit >> 6] >> (bit & 63)) & 1

    cdef int _try(self, uint32_t hashed, const uint8_t* text, size_t n, size_t at) noexcept nogil:
        cdef int32_t k = self.chains[hashed >> (32 - self.power)]
        cdef Pattern* pattern
        cdef Hit* more
        while k >= 0:
            pattern = &self.patterns[k]
            self.effort -= 1
            if pattern.hash == hashed and at >= pattern.anchor and self._matches(pattern, text, n, at - pattern.anchor):
                if self.hit_count == self.hit_room:
                    if self.hit_count >= MAX_HITS:
                        return 0    # no hit is ever dropped: one of them may be the leak
                    more = <Hit*>realloc(self.hits, 2 * self.hit_room * sizeof(Hit))
                    if more == NULL:
                        return 0
                    self.hits = more
                    self.hit_room *= 2
                self.hits[self.hit_count] = Hit(at - pattern.anchor, k)
                self.hit_count += 1
            k = pattern.next
        return self.effort >= 0


def search(const uint8_t[::1] text, identifiers=(), names=(), uids=()):
    """Where original values stand in a text; see the manual in leaks.pyi."""
    cdef LeakScan scan = LeakScan()
    cdef const uint8_t* p = &text[0] if text.shape[0] else NULL
    cdef bytes value
    cdef int i
    for value in identifiers:
        if not scan.add_identifier(<const uint8_t*><const char*>value, len(value), False):
            raise MemoryError
    for value in names:
        if not scan.add_identifier(<const uint8_t*><const char*>value, len(value), True):
            raise MemoryError
    for value in uids:
        if not scan.add(<const uint8_t*><const char*>value, len(value), True):
            raise MemoryError
    if not scan.search(p, text.shape[0]):
        raise ValueError("the search takes more effort than an object is worth")
    return [
        (scan.hits[i].offset, scan.patterns[scan.hits[i].pattern].size, bool(scan.patterns[scan.hits[i].pattern].is_uid))
        for i in range(scan.hit_count)
    ]
