/* SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104) for the native cores. No I/O, no allocation, no Python: every function may
 * run without the GIL. Compile sha256.c into each extension that needs it.
 *
 * Lengths are bytes, digests are 32 bytes. Pointers may be NULL only where the length beside them is 0. */
#ifndef PENSTOCK_SHA256_H
#define PENSTOCK_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define PENSTOCK_DIGEST_SIZE 32

/* A key, ready for use: the states after the ipad and the opad block. As secret as the key itself. */
typedef struct {
    uint32_t inner[8], outer[8];
} penstock_hmac_key;

void penstock_sha256(const uint8_t *data, size_t n, uint8_t out[32]);

void penstock_hmac_init(penstock_hmac_key *k, const uint8_t *key, size_t n);
void penstock_hmac(const penstock_hmac_key *k, const uint8_t *msg, size_t n, uint8_t out[32]);

/* HMAC of prefix and message, one after the other, without joining them in memory. */
void penstock_hmac_prefixed(const penstock_hmac_key *k, const uint8_t *prefix, size_t np, const uint8_t *msg, size_t n,
                            uint8_t out[32]);

/* out[i] = HMAC of msgs[i], for every i < count; short messages go through the processor two at a time. The pointers in `out` may not
 * overlap a message. */
void penstock_hmac_many(const penstock_hmac_key *k, const uint8_t *const *msgs, const size_t *lengths, uint8_t *const *out,
                        size_t count);

void penstock_hmac_wipe(penstock_hmac_key *k);

/* "sha-ni" or "portable". Chosen when the extension is loaded; each extension has its own choice. */
const char *penstock_sha256_backend(void);

/* For tests: 0 when the named backend is now in use, -1 when the name is unknown or this processor lacks it. */
int penstock_sha256_select(const char *name);

#endif
