"""Map of the program: a compiled profile as the rewriter walks it.

A rule table is open-addressed by tag (capacity a power of two, at most half full); one slot is twelve bytes, so that a
data set's ascending tags stay in the cache. Everything is allocated once, when the profile is compiled.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t

cdef enum:                  # actions
    REMOVE = 0
    KEEP = 1
    EMPTY = 2
    REPLACE = 3
    NEW_UID = 4
    HASH_PATIENT = 5
    HASH_ACCESSION = 6
    HASH_STUDY = 7
    RECURSE = 8
    SCRUB = 9
    SHIFT_DATE = 10
    TRUNCATE_DATE = 11
    GENERALISE_AGE = 12
    CLEAN_TEXT = 13
    NUMERIC_ONLY = 14
    QUARANTINE = 15
    REFUSE = 16
    HASHED_NAME = 17
    REPLACE_DOCUMENT = 18
    CLEAN_CODE = 19
    CLEAN_SR = 20
    COMPOUND = 21
    ACTION_COUNT = 22

cdef enum Mark:             # bits of Rule.marks
    PATH_ROOT = 1           # a path rule begins with this tag
    INSERTED = 2            # the profile writes this attribute itself; what is there goes
    IDENTIFIER = 4          # its value names the patient: the leak scan looks for it

cdef struct Rule:
    uint32_t tag
    uint16_t vr
    uint8_t top
    uint8_t nested
    uint16_t arg
    uint8_t marks
    uint8_t used

cdef struct Repeating:
    uint32_t mask
    uint32_t value
    Rule rule

cdef struct PrivateRule:
    uint16_t vr
    uint8_t action          # REMOVE where the element is not on the list
    uint16_t arg

cdef struct Creator:
    uint16_t group
    uint16_t size
    const uint8_t* name
    PrivateRule elements[256]

cdef struct PathStep:
    int32_t parent          # index of the step above, -1 for the top level
    uint32_t tag
    uint8_t action
    bint leaf
    uint16_t arg

cdef struct Constant:
    const uint8_t* data
    uint32_t size

cdef struct Concept:          # a content item's concept name, and what happens to items that bear it
    Constant scheme
    Constant code
    uint8_t action

cdef struct Insertion:
    uint32_t tag
    uint16_t vr
    uint8_t computed        # 0: ready bytes; else one of the COMPUTED kinds in program.pyx
    Constant ready[4]       # the whole element by syntax: implicit, explicit, (implicit big), explicit big

cdef class Program:
    cdef Rule* slots
    cdef uint32_t slot_mask
    cdef Repeating* repeating
    cdef int repeating_count
    cdef Constant* constants
    cdef int constant_count
    cdef Creator* creators
    cdef int creator_count
    cdef PathStep* steps
    cdef int step_count
    cdef Insertion* insertions
    cdef int insertion_count
    cdef Concept* concepts
    cdef int concept_count
    cdef Constant* schemes      # coding schemes whose codes anybody may know
    cdef int scheme_count
    cdef Rule by_vr[6]      # DA TM DT UI PN, in the order of VR_RULES
    cdef uint8_t unknown_standard
    cdef uint8_t unknown_private
    cdef uint8_t group_lengths
    cdef readonly bint issuer
    cdef readonly dict compounds
    cdef list _alive        # bytes objects that constants and names point into

    cdef const Rule* find(self, uint32_t tag) noexcept nogil
    cdef int creator_index(self, uint16_t group, const uint8_t* name, size_t n) noexcept nogil
    cdef int path_step(self, int parent, uint32_t tag) noexcept nogil
    cdef const Rule* vr_rule(self, uint16_t vr) noexcept nogil
    cdef bint is_public(self, const uint8_t* scheme, size_t n) noexcept nogil
    cdef int concept_action(self, const uint8_t* scheme, size_t ns, const uint8_t* code, size_t nc) noexcept nogil

    cdef _check(self, int action, int arg)
    cdef Constant* _texts(self, list texts) except NULL
    cdef _take_rules(self, list rules)
    cdef _take_repeating(self, list repeating)
    cdef _take_private(self, list private)
    cdef _take_vr_rules(self, dict vr_rules)
    cdef _take_concepts(self, list concepts)
    cdef _take_insertions(self, list insertions)
    cdef _take_paths(self, list paths)
    cdef _mark(self, uint32_t tag, int mark)
