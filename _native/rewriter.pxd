"""Map of the rewriter core: one walk over a head, one growing output.

`Walk` is the state of one call. `kept` is a run of source bytes that go out unchanged and are copied together as late as
possible; everything else is written to `out` at once. A level is the data set, a sequence or an item; `patch` says where
in `out` the length of a level of defined length is to be written when it closes.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine._native.elements cimport Header
from engine._native.program cimport Program, Rule
from engine._native.reader cimport MAX_DEPTH, Trouble

cdef enum:
    LEVELS = 2 * MAX_DEPTH + 1
    MAX_BLOCKS = 256        # private blocks that may be open at once on one way down
    NO_PATCH = -1

cdef enum Kind:
    DATASET = 0             # elements follow
    SEQUENCE = 1            # items follow
    FRAGMENTS = 2           # items of bytes follow (PS3.5 A.4)

cdef enum Mode:
    KEEPING = 0
    SCRUBBING = 1           # as keeping, and every text becomes a dummy
    DISCARDING = 2          # nothing goes out

cdef struct Level:
    size_t limit            # nothing of this level may reach behind this source offset
    bint defined            # its length was stated, so it ends at `limit`
    long patch
    uint8_t kind
    uint8_t syntax          # of its elements; a UN's content may differ from what holds it
    uint8_t mode
    int step                # path rules: the step reached, -1 for none
    int blocks              # how many private blocks were open when it began
    uint16_t group          # the private group whose blocks are open
    size_t charset_at       # where the Specific Character Set in force stands
    uint32_t charset_size

cdef struct Block:          # a reserved private block that the profile knows
    uint16_t group
    uint16_t number
    int creator
    size_t out_at
    size_t out_size
    bint used

cdef struct Span:
    size_t at
    uint32_t size

cdef struct Walk:
    const uint8_t* p
    size_t avail
    size_t total
    size_t pos
    size_t kept_from
    size_t kept_to
    Level levels[LEVELS]
    int depth
    Block blocks[MAX_BLOCKS]
    int block_count
    int inserted            # insertions written so far
    bint tail               # behind the body: nothing is inserted
    uint32_t counts[32]
    Trouble trouble
    int shift_days

cdef class Plan:
    cdef readonly bytes head
    cdef readonly object body_tag
    cdef readonly size_t body_offset
    cdef readonly size_t body_header
    cdef readonly object body_length
    cdef readonly size_t end
    cdef readonly dict counts
    cdef readonly list identifiers
    cdef readonly list uids
