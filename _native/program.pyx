"""A compiled profile in native form: rules by tag, constants, safe private elements, paths, insertions."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

from engine._native.elements cimport BIG, EXPLICIT, vr_kind, vr_width, write_header, NULPAD, LONG

ACTIONS = {
    "remove": REMOVE, "keep": KEEP, "empty": EMPTY, "replace": REPLACE, "new-uid": NEW_UID, "hash-patient": HASH_PATIENT,
    "hash-accession": HASH_ACCESSION, "hash-study": HASH_STUDY, "recurse": RECURSE, "scrub": SCRUB,
    "shift-date": SHIFT_DATE, "truncate-date": TRUNCATE_DATE, "generalise-age": GENERALISE_AGE, "clean-text": CLEAN_TEXT,
    "numeric-only": NUMERIC_ONLY, "quarantine": QUARANTINE, "refuse": REFUSE, "hashed-name": HASHED_NAME,
    "replace-document": REPLACE_DOCUMENT, "clean-code": CLEAN_CODE, "clean-sr": CLEAN_SR, "compound": COMPOUND,
}
COMPUTED = {"hashed-id": 1, "study-id": 2, "sop-class-uid": 3, "sop-instance-uid": 4}
VR_RULES = ("DA", "TM", "DT", "UI", "PN")


cdef inline uint32_t slot_of(uint32_t tag) noexcept nogil:
    """Fibonacci hashing: tags of dense groups would otherwise pile up behind one another."""
    return (tag * <uint32_t>2654435761u) >> 15


cdef uint16_t vr_code(str vr) except 0:
    if len(vr) != 2 or not vr_kind((<uint16_t>ord(vr[0]) << 8) | ord(vr[1])):
        raise ValueError(f"{vr!r} is no value representation of PS3.5")
    return (<uint16_t>ord(vr[0]) << 8) | ord(vr[1])


cdef void* zeroed(size_t count, size_t size) except NULL:
    cdef void* memory = calloc(count if count else 1, size)
    if memory == NULL:
        raise MemoryError
    return memory


cdef bytes swapped(bytes value, uint16_t vr):
    cdef int width = vr_width(vr)
    if width == 1:
        return value
    return b"".join(value[i:i + width][::-1] for i in range(0, len(value), width))


cdef bytes encoded(uint32_t tag, uint16_t vr, object value, int syntax):
    """One element in a syntax; `value` is bytes (numbers little endian) or, for SQ, a list of items of (tag, vr, value)."""
    cdef uint8_t header[12]
    cdef bytes body
    cdef int size
    if vr == <uint16_t>((c'S' << 8) | c'Q'):
        items = []
        for item in value:
            content = b"".join(encoded(t, vr_code(v), x, syntax) for t, v, x in item)
            size = write_header(header, 0xFFFEE000u, 0, len(content), syntax)
            items.append(header[:size] + content)
        body = b"".join(items)
    else:
        body = swapped(value, vr) if syntax & BIG else value
        if len(body) & 1:
            body += b"\0" if vr_kind(vr) & NULPAD else b" "
        if syntax & EXPLICIT and not vr_kind(vr) & LONG and len(body) > 0xFFFE:
            raise ValueError("a value to insert is too long for its VR")
    size = write_header(header, tag, vr, len(body), syntax)
    return header[:size] + body


cdef class Program:
    """See the manual in program.pyi."""

    def __cinit__(self):
        self._alive = []

    def __init__(self, *, rules, repeating=(), constants=(b"",), private=(), vr_rules=None, insertions=(), paths=(),
                 bint issuer=False, flags=None, compounds=None, identifiers=(), public_schemes=(),
                 concepts=()):
        self.issuer = issuer
        self.compounds = dict(compounds or {})
        told = {"unknown_standard": REMOVE, "unknown_private": REMOVE, "group_lengths": REMOVE, "unparsable": QUARANTINE}
        for name, value in (flags or {}).items():
            if name not in told:
                raise ValueError(f"unknown flag {name!r}; known are {', '.join(sorted(told))}")
            told[name] = value
        self.unknown_standard = told["unknown_standard"]
        self.unknown_private = told["unknown_private"]
        self.group_lengths = told["group_lengths"]
        self.constants, self.constant_count = self._texts(list(constants)), len(constants)
        self.schemes, self.scheme_count = self._texts(list(public_schemes)), len(public_schemes)
        self._take_concepts(list(concepts))
        self._take_rules(list(rules))
        self._take_repeating(list(repeating))
        self._take_private(list(private))
        self._take_vr_rules(dict(vr_rules or {}))
        self._take_insertions(sorted(insertions, key=lambda insertion: insertion[0]))
        self._take_paths(list(paths))
        for tag in identifiers:
            self._mark(tag, IDENTIFIER)

    def __dealloc__(self):
        free(self.slots)
        free(self.repeating)
        free(self.constants)
        free(self.creators)
        free(self.steps)
        free(self.insertions)
        free(self.schemes)
        free(self.concepts)

    cdef _check(self, int action, int arg):
        if not 0 <= action < ACTION_COUNT:
            raise ValueError(f"{action} is no action")
        if not 0 <= arg < self.constant_count:
            raise ValueError(f"there is no constant {arg}")

    cdef Constant* _texts(self, list texts) except NULL:
        """Bytes objects as C strings; they live as long as the program."""
        cdef bytes value
        cdef Constant* found = <Constant*>zeroed(len(texts), sizeof(Constant))
        for i, text in enumerate(texts):
            value = text
            self._alive.append(value)
            found[<int>i].data = <const uint8_t*><const char*>value
            found[<int>i].size = len(value)
        return found

    cdef _take_rules(self, list rules):
        cdef uint32_t capacity = 16, at
        cdef Rule* slot
        while capacity < 2 * len(rules):
            capacity *= 2
        self.slots = <Rule*>zeroed(capacity, sizeof(Rule))
        self.slot_mask = capacity - 1
        for tag, vr, top, nested, arg in rules:
            self._check(top, arg)
            self._check(nested, arg)
            at = slot_of(tag) & self.slot_mask
            while self.slots[at].used:
                if self.slots[at].tag == <uint32_t>tag:
                    raise ValueError(f"two rules for ({tag >> 16:04X},{tag & 0xFFFF:04X})")
                at = (at + 1) & self.slot_mask
            slot = &self.slots[at]
            slot.tag, slot.vr, slot.top, slot.nested, slot.arg, slot.used = tag, vr_code(vr), top, nested, arg, 1

    cdef _take_repeating(self, list repeating):
        cdef Repeating* row
        self.repeating = <Repeating*>zeroed(len(repeating), sizeof(Repeating))
        self.repeating_count = len(repeating)
        for i, (mask, value, vr, top, nested, arg) in enumerate(repeating):
            self._check(top, arg)
            self._check(nested, arg)
            row = &self.repeating[i]
            row.mask, row.value = mask, value
            row.rule.vr, row.rule.top, row.rule.nested, row.rule.arg = vr_code(vr), top, nested, arg

    cdef _take_private(self, list private):
        cdef Creator* creator
        names = {}
        for group, name, _, _, _, _ in private:
            if not group & 1:
                raise ValueError(f"group {group:04X} is not private")
            names.setdefault((group, name), len(names))
        self.creators = <Creator*>zeroed(len(names), sizeof(Creator))
        self.creator_count = len(names)
        for (group, name), i in names.items():
            self._alive.append(name)
            creator = &self.creators[<int>i]
            creator.group, creator.size, creator.name = group, len(name), <const uint8_t*><const char*>name
        for group, name, element, vr, action, arg in private:
            self._check(action, arg)
            if not 0 <= element <= 0xFF:
                raise ValueError(f"a private element is named by its low byte, not by {element}")
            creator = &self.creators[<int>names[group, name]]
            creator.elements[<int>element].vr = vr_code(vr)
            creator.elements[<int>element].action = action
            creator.elements[<int>element].arg = arg

    cdef _take_concepts(self, list concepts):
        self.concepts = <Concept*>zeroed(len(concepts), sizeof(Concept))
        cdef Constant* pair
        for i, (scheme, code, action) in enumerate(concepts):
            self._check(action, 0)
            pair = self._texts([scheme, code])
            self.concepts[<int>i].scheme, self.concepts[<int>i].code = pair[0], pair[1]
            self.concepts[<int>i].action = action
            free(pair)
        self.concept_count = len(concepts)

    cdef _take_vr_rules(self, dict vr_rules):
        for i, vr in enumerate(VR_RULES):
            action, arg = vr_rules.pop(vr, (KEEP, 0))
            self._check(action, arg)
            self.by_vr[<int>i].vr = vr_code(vr)
            self.by_vr[<int>i].top = self.by_vr[<int>i].nested = action
            self.by_vr[<int>i].arg = arg
        if vr_rules:
            raise ValueError(f"no rule by VR is possible for {', '.join(sorted(vr_rules))}")

    cdef _take_insertions(self, list insertions):
        cdef Insertion* row
        self.insertions = <Insertion*>zeroed(len(insertions), sizeof(Insertion))
        self.insertion_count = len(insertions)
        for i, (tag, vr, value) in enumerate(insertions):
            row = &self.insertions[i]
            row.tag, row.vr = tag, vr_code(vr)
            if i and self.insertions[i - 1].tag == row.tag:
                raise ValueError(f"two insertions of ({tag >> 16:04X},{tag & 0xFFFF:04X})")
            if isinstance(value, str):
                if value not in COMPUTED:
                    raise ValueError(f"{value!r} is no computed value; known are {', '.join(COMPUTED)}")
                row.computed = COMPUTED[value]
            else:
                for syntax in (0, EXPLICIT, BIG, EXPLICIT | BIG):
                    ready = encoded(tag, row.vr, value, syntax)
                    self._alive.append(ready)
                    row.ready[<int>syntax].data = <const uint8_t*><const char*>ready
                    row.ready[<int>syntax].size = len(ready)
            self._mark(tag, INSERTED)

    cdef _take_paths(self, list paths):
        cdef PathStep* step
        known = {}
        for tags, _, _ in paths:
            if not tags:
                raise ValueError("a path needs a tag")
            for n in range(1, len(tags) + 1):
                known.setdefault(tuple(tags[:n]), len(known))
        self.steps = <PathStep*>zeroed(len(known), sizeof(PathStep))
        self.step_count = len(known)
        for way, i in known.items():
            step = &self.steps[<int>i]
            n = len(way) - 1
            step.parent = known[way[:n]] if n else -1
            step.tag = way[n]
            if len(way) == 1:
                self._mark(way[0], PATH_ROOT)
        for tags, action, arg in paths:
            self._check(action, arg)
            step = &self.steps[<int>known[tuple(tags)]]
            if step.leaf:
                raise ValueError("two rules for one path")
            step.leaf, step.action, step.arg = True, action, arg

    cdef _mark(self, uint32_t tag, int mark):
        cdef Rule* rule = <Rule*>self.find(tag)
        if rule == NULL:
            raise ValueError(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) has no rule to mark")
        rule.marks |= mark

    def explain(self, uint32_t tag):
        """The row that decides for a tag: {vr, top, nested, arg, marks} with action numbers, or None."""
        cdef const Rule* rule = self.find(tag)
        if rule == NULL:
            return None
        return {"vr": chr(rule.vr >> 8) + chr(rule.vr & 0xFF), "top": rule.top, "nested": rule.nested, "arg": rule.arg,
                "marks": rule.marks}

    cdef const Rule* find(self, uint32_t tag) noexcept nogil:
        cdef uint32_t at = slot_of(tag) & self.slot_mask
        cdef int i
        while self.slots[at].used:
            if self.slots[at].tag == tag:
                return &self.slots[at]
            at = (at + 1) & self.slot_mask
        for i in range(self.repeating_count):
            if tag & self.repeating[i].mask == self.repeating[i].value:
                return &self.repeating[i].rule
        return NULL

    cdef int creator_index(self, uint16_t group, const uint8_t* name, size_t n) noexcept nogil:
        cdef int i
        for i in range(self.creator_count):
            if (self.creators[i].group == group and self.creators[i].size == n
                    and memcmp(self.creators[i].name, name, n) == 0):
                return i
        return -1

    cdef int path_step(self, int parent, uint32_t tag) noexcept nogil:
        cdef int i
        for i in range(self.step_count):
            if self.steps[i].tag == tag and self.steps[i].parent == parent:
                return i
        return -1

    cdef const Rule* vr_rule(self, uint16_t vr) noexcept nogil:
        cdef int i
        for i in range(5):
            if self.by_vr[i].vr == vr:
                return &self.by_vr[i]
        return NULL

    cdef bint is_public(self, const uint8_t* scheme, size_t n) noexcept nogil:
        cdef int i
        for i in range(self.scheme_count):
            if self.schemes[i].size == n and memcmp(self.schemes[i].data, scheme, n) == 0:
                return True
        return False

    cdef int concept_action(self, const uint8_t* scheme, size_t ns, const uint8_t* code, size_t nc) noexcept nogil:
        """The action for content items with this concept name, -1 where the profile does not name it."""
        cdef Concept* row
        cdef int i
        for i in range(self.concept_count):
            row = &self.concepts[i]
            if (row.code.size == nc and row.scheme.size == ns and memcmp(row.code.data, code, nc) == 0
                    and memcmp(row.scheme.data, scheme, ns) == 0):
                return row.action
        return -1
