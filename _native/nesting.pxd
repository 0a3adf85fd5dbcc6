"""Map of the levels of one walk.

`Walk` is the state of one call; what goes out is in output.pxd, the new values are in replacer.pxd. A level is the data set,
a sequence or an item; `patch` says where in `out` the length of a level of defined length is to be written when it closes.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine._native.elements cimport Header
from engine._native.program cimport ACTION_COUNT, Insertion
from engine._native.reader cimport MAX_DEPTH
from engine._native.replacer cimport Replacer

cdef enum:
    LEVELS = 2 * MAX_DEPTH + 1
    MAX_BLOCKS = 256        # private blocks that may be open at once on one way down
    NO_PATCH = -1

cdef enum:                  # what a count means, beyond the actions
    TRAILING = ACTION_COUNT
    GROUP_LENGTHS = ACTION_COUNT + 1
    PRIVATE = ACTION_COUNT + 2
    UNKNOWN = ACTION_COUNT + 3

cdef enum Kind:
    DATASET = 0             # elements follow
    SEQUENCE = 1            # items follow
    FRAGMENTS = 2           # items of bytes follow (PS3.5 A.4)

cdef enum Mode:
    KEEPING = 0
    SCRUBBING = 1           # as keeping, and every text becomes a dummy
    CLEANING = 2            # as keeping, and text is cleaned; codes of public schemes stay
    DISCARDING = 3          # nothing goes out

cdef struct Level:
    size_t limit            # nothing of this level may reach behind this source offset
    bint defined            # its length was stated, so it ends at `limit`
    long patch
    uint8_t kind
    uint8_t syntax          # of its elements; a UN's content may differ from what holds it
    uint8_t mode
    bint content            # its items are content items of a structured report (PS3.3 C.17.3)
    bint as_said            # a content item whose concept the profile keeps: its value stays, whatever its tag's rule
    bint public_code        # the code that this item states is of a public scheme
    int step                # path rules: the step reached, -1 for none
    int blocks              # how many private blocks were open when it began
    uint16_t group          # the private group whose blocks are open
    const uint8_t* charset  # the Specific Character Set in force
    uint32_t charset_size

cdef struct Block:          # a reserved private block that the profile knows
    uint16_t group
    uint16_t number
    int creator
    size_t out_at
    size_t out_size
    bint used

cdef struct Walk:
    const uint8_t* p
    size_t avail
    size_t total
    size_t pos
    int depth
    int block_count
    uint32_t emptied        # the insertion without a value that was last written as an empty attribute
    int block_hit           # the private block whose element is being treated, -1 for none
    int inserted            # insertions written so far
    bint tail               # behind the body: nothing is inserted
    uint32_t counts[32]
    Level levels[LEVELS]        # from here on nothing is cleared for a new object: what opens a level or a block fills it
    Block blocks[MAX_BLOCKS]

cdef class Nesting(Replacer):
    cdef Walk w

    cdef int open_level(self, Level* above, Header* h, int kind, int syntax, int mode, bint content, int step) noexcept nogil
    cdef int close_level(self) noexcept nogil
    cdef int discard(self, Level* lv, Header* h, size_t end) noexcept nogil
    cdef uint8_t private_action(
        self, Level* lv, Header* h, size_t value, size_t end, uint16_t* arg, uint16_t* vr) noexcept nogil
    cdef void drop_unused_blocks(self, int down_to) noexcept nogil
    cdef int insert_below(self, uint32_t tag) noexcept nogil
    cdef int put_empty_insertion(self, Level* lv, uint32_t tag) noexcept nogil
    cdef int insert_computed(self, Level* lv, Insertion* row) noexcept nogil
