# sources: sha256.c
"""SHA-256 and HMAC-SHA-256. The manual is digest.pyi, the map digest.pxd."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE

# Below this many bytes, giving the GIL away and asking for it again costs more than the hashing.
cdef size_t WORTH_RELEASING = 16384


cdef inline const uint8_t *view(bytes data) noexcept:
    return <const uint8_t *> PyBytes_AS_STRING(data)


cdef inline bytes blank():
    return PyBytes_FromStringAndSize(NULL, 32)


def sha256(data not None: bytes) -> bytes:
    cdef bytes source = data
    cdef bytes out = blank()
    cdef const uint8_t *start = view(source)
    cdef uint8_t *target = <uint8_t *> view(out)
    cdef size_t n = PyBytes_GET_SIZE(source)
    if n < WORTH_RELEASING:
        penstock_sha256(start, n, target)
    else:
        with nogil:
            penstock_sha256(start, n, target)
    return out


def hmac_sha256(key not None: bytes, message not None: bytes, *, prefix not None: bytes = b"") -> bytes:
    cdef bytes secret = key
    cdef bytes first = prefix
    cdef bytes rest = message
    cdef bytes out = blank()
    cdef penstock_hmac_key ready
    cdef const uint8_t *starts[2]
    cdef size_t lengths[2]
    cdef uint8_t *target = <uint8_t *> view(out)
    starts[0], lengths[0] = view(first), PyBytes_GET_SIZE(first)
    starts[1], lengths[1] = view(rest), PyBytes_GET_SIZE(rest)
    penstock_hmac_init(&ready, view(secret), PyBytes_GET_SIZE(secret))
    if lengths[0] + lengths[1] < WORTH_RELEASING:
        penstock_hmac_prefixed(&ready, starts[0], lengths[0], starts[1], lengths[1], target)
    else:
        with nogil:
            penstock_hmac_prefixed(&ready, starts[0], lengths[0], starts[1], lengths[1], target)
    penstock_hmac_wipe(&ready)
    return out


def many(key not None: bytes, messages: object) -> list:
    # The tuple holds a reference to every message: another thread may change the caller's list while the GIL is away.
    cdef bytes secret = key
    cdef tuple held = messages if type(messages) is tuple else tuple(messages)
    cdef Py_ssize_t count = PyTuple_GET_SIZE(held), i
    cdef size_t total = 0
    cdef penstock_hmac_key ready
    cdef list digests = PyList_New(count)
    cdef bytes digest
    cdef object message
    cdef const uint8_t **starts
    cdef uint8_t **targets
    cdef size_t *lengths
    # One block of memory for three columns of equal width.
    cdef void *columns = PyMem_Malloc(max(count, 1) * 3 * sizeof(void *))
    if columns == NULL:
        raise MemoryError
    starts = <const uint8_t **> columns
    targets = <uint8_t **> columns + count
    lengths = <size_t *> columns + 2 * count
    try:
        for i in range(count):
            message = <object> PyTuple_GET_ITEM(held, i)
            if type(message) is not bytes:
                raise TypeError(f"message {i} is {type(message).__name__}, not bytes")
            digest = blank()
            Py_INCREF(digest)
            PyList_SET_ITEM(digests, i, digest)
            starts[i] = view(<bytes> message)
            targets[i] = <uint8_t *> view(digest)
            lengths[i] = PyBytes_GET_SIZE(message)
            total += lengths[i]
        penstock_hmac_init(&ready, view(secret), PyBytes_GET_SIZE(secret))
        if total < WORTH_RELEASING:
            penstock_hmac_many(&ready, starts, lengths, targets, count)
        else:
            with nogil:
                penstock_hmac_many(&ready, starts, lengths, targets, count)
        penstock_hmac_wipe(&ready)
    finally:
        PyMem_Free(columns)
    return digests


def backend() -> str:
    return penstock_sha256_backend().decode("ascii")


def select(name not None: str) -> None:
    if penstock_sha256_select((<str> name).encode("utf-8")) != 0:
        raise ValueError(f"no digest backend {name!r} on this processor; there is {backend()!r}, and 'portable' always")
