/* See sha256.h. Written from FIPS 180-4 and RFC 2104. */
#define _DEFAULT_SOURCE
#include "sha256.h"

#include <string.h>

#define BLOCK 64
#define ROOM 55           /* bytes of a last block that leave room for the 0x80 and the length (FIPS 180-4, 5.1.1) */
#define SHORT (BLOCK + ROOM) /* the longest message that fits two padded blocks */

/* FIPS 180-4, 4.2.2 and 5.3.3 */
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
static const uint32_t H0[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static inline uint32_t rotr(uint32_t x, int n) { return (x >> n) | (x << (32 - n)); }

static inline uint32_t load_be32(const uint8_t *p) {
    return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}

static inline void store_be32(uint8_t *p, uint32_t x) {
    p[0] = (uint8_t)(x >> 24), p[1] = (uint8_t)(x >> 16), p[2] = (uint8_t)(x >> 8), p[3] = (uint8_t)x;
}

/* FIPS 180-4, 6.2.2 */
static void portable_blocks(uint32_t state[8], const uint8_t *data, size_t blocks) {
    uint32_t w[64];
    for (; blocks; blocks--, data += BLOCK) {
        for (int t = 0; t < 16; t++) w[t] = load_be32(data + 4 * t);
        for (int t = 16; t < 64; t++) {
            uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ (w[t - 15] >> 3);
            uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ (w[t - 2] >> 10);
            w[t] = s1 + w[t - 7] + s0 + w[t - 16];
        }
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (int t = 0; t < 64; t++) {
            uint32_t choice = (e & f) ^ (~e & g), majority = (a & b) ^ (a & c) ^ (b & c);
            uint32_t t1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + choice + K[t] + w[t];
            uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + majority;
            h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
        state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
}

static void portable_blocks_of_two(uint32_t state0[8], const uint8_t *data0, uint32_t state1[8], const uint8_t *data1, size_t blocks) {
    portable_blocks(state0, data0, blocks);
    portable_blocks(state1, data1, blocks);
}

/* ---- the backends ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *name;
    void (*blocks)(uint32_t state[8], const uint8_t *data, size_t blocks);
    void (*blocks_of_two)(uint32_t state0[8], const uint8_t *data0, uint32_t state1[8], const uint8_t *data1, size_t blocks);
} backend;

static const backend PORTABLE = {"portable", portable_blocks, portable_blocks_of_two};

#if defined(__x86_64__)
#include "sha256_ni.h"
static const backend SHA_NI = {"sha-ni", ni_blocks, ni_blocks_of_two};
#endif

static const backend *active = &PORTABLE;

int penstock_sha256_select(const char *name) {
    const backend *found = NULL;
    if (strcmp(name, PORTABLE.name) == 0) found = &PORTABLE;
#if defined(__x86_64__)
    if (strcmp(name, SHA_NI.name) == 0 && ni_supported()) found = &SHA_NI;
#endif
    if (!found) return -1;
    __atomic_store_n(&active, found, __ATOMIC_RELAXED);
    return 0;
}

const char *penstock_sha256_backend(void) { return __atomic_load_n(&active, __ATOMIC_RELAXED)->name; }

static const backend *current(void) { return __atomic_load_n(&active, __ATOMIC_RELAXED); }

/* Before the extension's first function can run, so that no later call has to ask. */
__attribute__((constructor)) static void choose(void) { penstock_sha256_select("sha-ni"); }

/* ---- one message ------------------------------------------------------------------------------------------------------------- */

/* What an emptied register or stack slot may still hold is the compiler's business; what we put into memory is ours. */
static void wipe(void *p, size_t n) { explicit_bzero(p, n); }

static void store_state(const uint32_t state[8], uint8_t out[32]) {
    for (int i = 0; i < 8; i++) store_be32(out + 4 * i, state[i]);
}

/* Writes 0x80, zeros and the length in bits (FIPS 180-4, 5.1.1) behind the `used` bytes in `tail`, which has room for two blocks.
 * `total` counts all bytes that were hashed, those of `tail` among them. Returns the number of blocks, 1 or 2. */
static inline size_t pad(uint8_t tail[2 * BLOCK], size_t used, uint64_t total) {
    size_t end = used <= ROOM ? BLOCK : 2 * BLOCK;
    tail[used] = 0x80;
    memset(tail + used + 1, 0, end - 8 - used - 1);
    store_be32(tail + end - 8, (uint32_t)(total >> 29));
    store_be32(tail + end - 4, (uint32_t)(total << 3));
    return end / BLOCK;
}

/* Brings `state`, which has `before` bytes (whole blocks) behind it, to the end of prefix + msg. */
static void finish(const backend *b, uint32_t state[8], uint64_t before, const uint8_t *prefix, size_t np, const uint8_t *msg, size_t n,
                   uint8_t out[32]) {
    uint8_t tail[2 * BLOCK];
    size_t used = 0;
    uint64_t total = before + np + n;
    if (np >= BLOCK) {
        b->blocks(state, prefix, np / BLOCK);
        prefix += np - np % BLOCK, np %= BLOCK;
    }
    if (np) {
        memcpy(tail, prefix, np), used = np;
        size_t take = n < BLOCK - used ? n : BLOCK - used;
        if (take) memcpy(tail + used, msg, take);
        used += take, msg += take, n -= take;
        if (used == BLOCK) b->blocks(state, tail, 1), used = 0;
    }
    if (n >= BLOCK) {
        b->blocks(state, msg, n / BLOCK);
        msg += n - n % BLOCK, n %= BLOCK;
    }
    if (n) memcpy(tail + used, msg, n), used += n;
    b->blocks(state, tail, pad(tail, used, total));
    store_state(state, out);
}

void penstock_sha256(const uint8_t *data, size_t n, uint8_t out[32]) {
    uint32_t state[8];
    memcpy(state, H0, sizeof state);
    finish(current(), state, 0, NULL, 0, data, n, out);
}

void penstock_hmac_init(penstock_hmac_key *k, const uint8_t *key, size_t n) {
    const backend *b = current();
    uint8_t block[BLOCK] = {0};
    if (n > BLOCK)
        penstock_sha256(key, n, block);
    else if (n)
        memcpy(block, key, n);
    for (int i = 0; i < BLOCK; i++) block[i] ^= 0x36;
    memcpy(k->inner, H0, sizeof H0);
    b->blocks(k->inner, block, 1);
    for (int i = 0; i < BLOCK; i++) block[i] ^= 0x36 ^ 0x5C;
    memcpy(k->outer, H0, sizeof H0);
    b->blocks(k->outer, block, 1);
    wipe(block, sizeof block);
}

void penstock_hmac_wipe(penstock_hmac_key *k) { wipe(k, sizeof *k); }

void penstock_hmac_prefixed(const penstock_hmac_key *k, const uint8_t *prefix, size_t np, const uint8_t *msg, size_t n,
                            uint8_t out[32]) {
    const backend *b = current();
    uint32_t state[8];
    uint8_t inner[32];
    memcpy(state, k->inner, sizeof state);
    finish(b, state, BLOCK, prefix, np, msg, n, inner);
    memcpy(state, k->outer, sizeof state);
    finish(b, state, BLOCK, NULL, 0, inner, sizeof inner, out);
}

void penstock_hmac(const penstock_hmac_key *k, const uint8_t *msg, size_t n, uint8_t out[32]) {
    penstock_hmac_prefixed(k, NULL, 0, msg, n, out);
}

/* ---- many messages ----------------------------------------------------------------------------------------------------------- */

/* The two messages at once; each is at most SHORT bytes. `last` holds the outer blocks, whose second half never changes. */
static void hmac_two(const backend *b, const penstock_hmac_key *k, const uint8_t *const *msgs, const size_t *lengths,
                     uint8_t *const *out, uint8_t last[2][BLOCK]) {
    uint8_t tail[2][2 * BLOCK];
    uint32_t state[2][8];
    size_t blocks[2];
    for (int i = 0; i < 2; i++) {
        if (lengths[i]) memcpy(tail[i], msgs[i], lengths[i]);
        blocks[i] = pad(tail[i], lengths[i], BLOCK + lengths[i]);
        memcpy(state[i], k->inner, sizeof k->inner);
    }
    size_t common = blocks[0] < blocks[1] ? blocks[0] : blocks[1];
    b->blocks_of_two(state[0], tail[0], state[1], tail[1], common);
    for (int i = 0; i < 2; i++) {
        if (blocks[i] > common) b->blocks(state[i], tail[i] + BLOCK * common, blocks[i] - common);
        store_state(state[i], last[i]);
        memcpy(state[i], k->outer, sizeof k->outer);
    }
    b->blocks_of_two(state[0], last[0], state[1], last[1], 1);
    store_state(state[0], out[0]);
    store_state(state[1], out[1]);
}

void penstock_hmac_many(const penstock_hmac_key *k, const uint8_t *const *msgs, const size_t *lengths, uint8_t *const *out,
                        size_t count) {
    const backend *b = current();
    uint8_t last[2][BLOCK];
    for (int i = 0; i < 2; i++) {
        uint8_t whole[2 * BLOCK] = {0};
        pad(whole, PENSTOCK_DIGEST_SIZE, BLOCK + PENSTOCK_DIGEST_SIZE);
        memcpy(last[i], whole, BLOCK);
    }
    size_t i = 0;
    while (i < count) {
        if (i + 1 < count && lengths[i] <= SHORT && lengths[i + 1] <= SHORT) {
            hmac_two(b, k, msgs + i, lengths + i, out + i, last);
            i += 2;
        } else {
            penstock_hmac(k, msgs[i], lengths[i], out[i]);
            i++;
        }
    }
}
