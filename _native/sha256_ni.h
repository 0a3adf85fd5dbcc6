/* The compression function with Intel's SHA extensions, for one message and for two at a time. Included by sha256.c alone; the functions
 * carry their own target attributes, so the rest of the extension still runs on a processor without them.
 *
 * SHA256RNDS2 does two rounds. It wants the state in two registers, named here from the high word to the low one as
 * the manual does: ABEF and CDGH. After two rounds the old ABEF is the new CDGH, so the registers only swap names.
 * One instruction must wait for the one before: two independent messages fill the gaps. */
#ifndef PENSTOCK_SHA256_NI_H
#define PENSTOCK_SHA256_NI_H

#include <cpuid.h>
#include <immintrin.h>

#define NI_TARGET __attribute__((target("sha,sse4.1,ssse3")))
#define NI_INLINE static inline __attribute__((always_inline)) NI_TARGET

typedef struct {
    __m128i abef, cdgh; /* the state */
    __m128i w[4];       /* the last 16 words of the message schedule; w[i] holds four, the earliest lowest */
} ni_lane;

static int ni_supported(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1)) return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 29));
}

NI_INLINE void ni_load_state(ni_lane *l, const uint32_t state[8]) {
    __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0x1B);       /* high to low: a b c d */
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B); /* e f g h */
    l->abef = _mm_unpackhi_epi64(efgh, abcd);
    l->cdgh = _mm_unpacklo_epi64(efgh, abcd);
}

NI_INLINE void ni_store_state(const ni_lane *l, uint32_t state[8]) {
    __m128i abcd = _mm_unpackhi_epi64(l->cdgh, l->abef);
    __m128i efgh = _mm_unpacklo_epi64(l->cdgh, l->abef);
    _mm_storeu_si128((__m128i *)state, _mm_shuffle_epi32(abcd, 0x1B));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_shuffle_epi32(efgh, 0x1B));
}

NI_INLINE void ni_load_block(ni_lane *l, const uint8_t *block) {
    const __m128i big_endian = _mm_set_epi64x(0x0C0D0E0F08090A0BLL, 0x0405060700010203LL);
    for (int i = 0; i < 4; i++)
        l->w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), big_endian);
}

/* Four rounds with the words in w[t % 4], and, while the schedule still needs them, the next four words in their place. */
NI_INLINE void ni_four_rounds(ni_lane *l, int t) {
    __m128i *w = l->w;
    __m128i wk = _mm_add_epi32(w[t % 4], _mm_loadu_si128((const __m128i *)(K + 4 * t)));
    l->cdgh = _mm_sha256rnds2_epu32(l->cdgh, l->abef, wk);
    l->abef = _mm_sha256rnds2_epu32(l->abef, l->cdgh, _mm_shuffle_epi32(wk, 0x0E));
    if (t < 12) {
        __m128i minus_16 = w[t % 4], minus_12 = w[(t + 1) % 4], minus_8 = w[(t + 2) % 4], minus_4 = w[(t + 3) % 4];
        __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(minus_16, minus_12), _mm_alignr_epi8(minus_4, minus_8, 4));
        w[t % 4] = _mm_sha256msg2_epu32(sum, minus_4);
    }
}

NI_TARGET static void ni_blocks(uint32_t state[8], const uint8_t *data, size_t blocks) {
    ni_lane l;
    ni_load_state(&l, state);
    for (; blocks; blocks--, data += 64) {
        const __m128i abef = l.abef, cdgh = l.cdgh;
        ni_load_block(&l, data);
#pragma GCC unroll 16
        for (int t = 0; t < 16; t++) ni_four_rounds(&l, t);
        l.abef = _mm_add_epi32(l.abef, abef);
        l.cdgh = _mm_add_epi32(l.cdgh, cdgh);
    }
    ni_store_state(&l, state);
}

NI_TARGET static void ni_blocks_of_two(uint32_t state0[8], const uint8_t *data0, uint32_t state1[8], const uint8_t *data1,
                                       size_t blocks) {
    ni_lane l, m;
    ni_load_state(&l, state0);
    ni_load_state(&m, state1);
    for (; blocks; blocks--, data0 += 64, data1 += 64) {
        const __m128i abef0 = l.abef, cdgh0 = l.cdgh, abef1 = m.abef, cdgh1 = m.cdgh;
        ni_load_block(&l, data0);
        ni_load_block(&m, data1);
#pragma GCC unroll 16
        for (int t = 0; t < 16; t++) {
            ni_four_rounds(&l, t);
            ni_four_rounds(&m, t);
        }
        l.abef = _mm_add_epi32(l.abef, abef0);
        l.cdgh = _mm_add_epi32(l.cdgh, cdgh0);
        m.abef = _mm_add_epi32(m.abef, abef1);
        m.cdgh = _mm_add_epi32(m.cdgh, cdgh1);
    }
    ni_store_state(&l, state0);
    ni_store_state(&m, state1);
}

#endif
