# The C side of the digests, for every core that hashes without Python objects. A core that cimports this file also names
# sha256.c in its "sources" line.
from libc.stdint cimport uint8_t, uint32_t


cdef extern from "sha256.h" nogil:
    ctypedef struct penstock_hmac_key:
        uint32_t[8] inner
        uint32_t[8] outer

    void penstock_sha256(const uint8_t *data, size_t n, uint8_t *out)
    void penstock_hmac_init(penstock_hmac_key *k, const uint8_t *key, size_t n)
    void penstock_hmac(const penstock_hmac_key *k, const uint8_t *msg, size_t n, uint8_t *out)
    void penstock_hmac_prefixed(
        const penstock_hmac_key *k, const uint8_t *prefix, size_t np, const uint8_t *msg, size_t n, uint8_t *out
    )
    void penstock_hmac_many(
        const penstock_hmac_key *k, const uint8_t *const *msgs, const size_t *lengths, uint8_t *const *out, size_t count
    )
    void penstock_hmac_wipe(penstock_hmac_key *k)
    const char *penstock_sha256_backend()
    int penstock_sha256_select(const char *name)
