# The map of the Upper Layer core (PS3.8 section 9.3): a push parser of PDUs, and a codec of command sets (PS3.7 section 6.3.1).
# Bytes go in by `feed`, events come out by `next`. It knows nothing of sockets, files, DICOM data sets or policy.

cdef enum State:
    PDU_HEADER      # collecting the 6 bytes of a PDU header
    PDV_HEADER      # collecting the 6 bytes of a PDV item: length, context, message control header
    COMMAND_PART    # inside a command fragment
    DATA_PART       # inside a data set fragment
    SMALL_PDU       # inside a PDU of another type, kept whole
    BROKEN          # after a violation; nothing more comes out

cdef enum Event:
    EVENT_NEED = 0        # everything fed was taken; feed more
    EVENT_DATA = 1        # `spans` holds parts of the data set of the message at hand; `complete` tells whether they end it
    EVENT_COMMAND = 2     # `command` holds a whole command set, sent in `context_id`
    EVENT_PDU = 3         # `pdu` holds a whole PDU of a type other than P-DATA-TF
    EVENT_VIOLATION = 4   # the peer broke the protocol: `reason` (PS3.8 Table 9-26) and `detail`

cdef enum Limit:
    LIMIT_MAX_COMMAND = 65536       # bytes of a command set
    LIMIT_MAX_SMALL_PDU = 524288    # bytes of an A-ASSOCIATE-RQ
    LIMIT_GATHER_BELOW = 8192       # fragments shorter than this are moved together, so that a feed yields few spans

cdef class PduStream:
    cdef readonly object spans            # list[memoryview]
    cdef readonly bint complete
    cdef readonly bytes command
    cdef readonly bytes pdu
    cdef readonly int context_id
    cdef readonly int reason
    cdef readonly str detail
    cdef readonly unsigned long long pdus     # whole PDUs taken so far: the measure of progress
    cdef readonly unsigned long long data_bytes   # data set bytes of the message at hand taken so far
    cdef State state
    cdef bint associated                  # P-DATA-TF is legal
    cdef bint data_expected               # the command at hand announced a data set
    cdef int message_context              # context of the message at hand, 0 = between messages
    cdef unsigned char header[6]
    cdef int header_have
    cdef unsigned int max_length
    cdef unsigned long long pdu_left
    cdef unsigned int pdv_left
    cdef unsigned char control
    cdef unsigned char pdu_type
    cdef bytearray kept                   # a command set or a small PDU, growing
    cdef object view                      # memoryview of the caller's buffer
    cdef unsigned char *base
    cdef Py_ssize_t at, end
    cdef Py_ssize_t span_start, span_end  # the span that is growing, -1 = none
    cdef int _fail(self, int reason, str detail)
    cdef bint _header(self) noexcept
    cdef void _take_span(self, Py_ssize_t n)
    cdef void _close_span(self)
    cdef int _begin_pdu(self)
    cdef int _begin_pdv(self)
    cdef int _end_pdv(self)
    cdef int _keep(self)
    cdef int _step(self)

cdef class Command:
    cdef readonly int field
    cdef readonly int message_id
    cdef readonly int responded_to
    cdef readonly int data_set_type
    cdef readonly int status
    cdef readonly str sop_class_uid
    cdef readonly str sop_instance_uid
    cdef readonly bytes comment
