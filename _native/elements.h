/* Element headers as PS3.5 section 7.1 lays them out, and what the cores need to know of each VR (PS3.5 table 6.2-1).
 * Header only, no state, no I/O: shared by the reader and the rewriter. */
#ifndef PENSTOCK_ELEMENTS_H
#define PENSTOCK_ELEMENTS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PS_EXPLICIT 1 /* bits of a syntax */
#define PS_BIG 2

#define PS_VR(a, b) ((uint16_t)(((a) << 8) | (b)))
#define PS_UNDEFINED 0xFFFFFFFFu

#define PS_ITEM 0xFFFEE000u
#define PS_ITEM_END 0xFFFEE00Du
#define PS_SEQUENCE_END 0xFFFEE0DDu

/* What ps_read_header answers. */
#define PS_OK 0
#define PS_SHORT 1  /* fewer bytes than the header needs */
#define PS_BAD_VR 2 /* explicit VR syntax, and no VR stands there */

/* Kinds of VR, as bits. */
#define PS_KNOWN 1
#define PS_LONG 2    /* 32-bit length in explicit VR */
#define PS_TEXT 4    /* free or semi-free text: may hold anything a person typed */
#define PS_TIME 8    /* DA, TM, DT */
#define PS_NUMBER 16 /* numbers, also as text (DS, IS) */
#define PS_NULPAD 32 /* padded with NUL, not space (PS3.5 6.2) */
#define PS_CODE 64   /* CS, AS */

typedef struct {
    uint32_t tag;
    uint32_t length;
    uint16_t vr;   /* 0 where the syntax states none */
    uint16_t size; /* bytes of the header: 8 or 12 */
} ps_header;

static inline uint16_t ps_load16(const uint8_t *p, int big) {
    uint16_t v;
    memcpy(&v, p, 2);
    return big ? __builtin_bswap16(v) : v;
}

static inline uint32_t ps_load32(const uint8_t *p, int big) {
    uint32_t v;
    memcpy(&v, p, 4);
    return big ? __builtin_bswap32(v) : v;
}

static inline void ps_store16(uint8_t *p, uint16_t v, int big) {
    if (big) v = __builtin_bswap16(v);
    memcpy(p, &v, 2);
}

static inline void ps_store32(uint8_t *p, uint32_t v, int big) {
    if (big) v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
}

static inline uint32_t ps_load_tag(const uint8_t *p, int big) {
    return ((uint32_t)ps_load16(p, big) << 16) | ps_load16(p + 2, big);
}

static inline void ps_store_tag(uint8_t *p, uint32_t tag, int big) {
    ps_store16(p, (uint16_t)(tag >> 16), big);
    ps_store16(p + 2, (uint16_t)tag, big);
}

static inline int ps_vr_kind(uint16_t vr) {
    switch (vr) {
    case PS_VR('A', 'E'): return PS_KNOWN | PS_TEXT;
    case PS_VR('A', 'S'): return PS_KNOWN | PS_CODE;
    case PS_VR('A', 'T'): return PS_KNOWN | PS_NULPAD;
    case PS_VR('C', 'S'): return PS_KNOWN | PS_CODE;
    case PS_VR('D', 'A'): return PS_KNOWN | PS_TIME;
    case PS_VR('D', 'S'): return PS_KNOWN | PS_NUMBER;
    case PS_VR('D', 'T'): return PS_KNOWN | PS_TIME;
    case PS_VR('F', 'D'): return PS_KNOWN | PS_NUMBER | PS_NULPAD;
    case PS_VR('F', 'L'): return PS_KNOWN | PS_NUMBER | PS_NULPAD;
    case PS_VR('I', 'S'): return PS_KNOWN | PS_NUMBER;
    case PS_VR('L', 'O'): return PS_KNOWN | PS_TEXT;
    case PS_VR('L', 'T'): return PS_KNOWN | PS_TEXT;
    case PS_VR('O', 'B'): return PS_KNOWN | PS_LONG | PS_NULPAD;
    case PS_VR('O', 'D'): return PS_KNOWN | PS_LONG | PS_NULPAD;
    case PS_VR('O', 'F'): return PS_KNOWN | PS_LONG | PS_NULPAD;
    case PS_VR('O', 'L'): return PS_KNOWN | PS_LONG | PS_NULPAD;
    case PS_VR('O', 'V'): return PS_KNOWN | PS_LONG | PS_NULPAD;
    case PS_VR('O', 'W'): return PS_KNOWN | PS_LONG | PS_NULPAD;
    case PS_VR('P', 'N'): return PS_KNOWN | PS_TEXT;
    case PS_VR('S', 'H'): return PS_KNOWN | PS_TEXT;
    case PS_VR('S', 'L'): return PS_KNOWN | PS_NUMBER | PS_NULPAD;
    case PS_VR('S', 'Q'): return PS_KNOWN | PS_LONG;
    case PS_VR('S', 'S'): return PS_KNOWN | PS_NUMBER | PS_NULPAD;
    case PS_VR('S', 'T'): return PS_KNOWN | PS_TEXT;
    case PS_VR('S', 'V'): return PS_KNOWN | PS_LONG | PS_NUMBER | PS_NULPAD;
    case PS_VR('T', 'M'): return PS_KNOWN | PS_TIME;
    case PS_VR('U', 'C'): return PS_KNOWN | PS_LONG | PS_TEXT;
    case PS_VR('U', 'I'): return PS_KNOWN | PS_NULPAD;
    case PS_VR('U', 'L'): return PS_KNOWN | PS_NUMBER | PS_NULPAD;
    case PS_VR('U', 'N'): return PS_KNOWN | PS_LONG | PS_NULPAD;
    case PS_VR('U', 'R'): return PS_KNOWN | PS_LONG | PS_TEXT;
    case PS_VR('U', 'S'): return PS_KNOWN | PS_NUMBER | PS_NULPAD;
    case PS_VR('U', 'T'): return PS_KNOWN | PS_LONG | PS_TEXT;
    case PS_VR('U', 'V'): return PS_KNOWN | PS_LONG | PS_NUMBER | PS_NULPAD;
    default: return 0;
    }
}

/* Bytes of one number of a binary VR, for byte order; 1 for everything else. */
static inline int ps_vr_width(uint16_t vr) {
    switch (vr) {
    case PS_VR('U', 'S'): case PS_VR('S', 'S'): case PS_VR('O', 'W'): case PS_VR('A', 'T'): return 2;
    case PS_VR('U', 'L'): case PS_VR('S', 'L'): case PS_VR('F', 'L'): case PS_VR('O', 'L'): case PS_VR('O', 'F'): return 4;
    case PS_VR('F', 'D'): case PS_VR('O', 'D'): case PS_VR('O', 'V'): case PS_VR('S', 'V'): case PS_VR('U', 'V'): return 8;
    default: return 1;
    }
}

/* Reads the header at p, of which `room` bytes may be read. Items and delimiters never state a VR (PS3.5 7.5). */
static inline int ps_read_header(const uint8_t *p, size_t room, int syntax, ps_header *h) {
    int big = syntax & PS_BIG;
    h->tag = h->length = 0;
    h->vr = 0;
    h->size = 8;
    if (room < 8) return PS_SHORT;
    h->tag = ps_load_tag(p, big);
    if (!(syntax & PS_EXPLICIT) || (h->tag >> 16) == 0xFFFE) {
        h->length = ps_load32(p + 4, big);
        return PS_OK;
    }
    h->vr = PS_VR(p[4], p[5]);
    int kind = ps_vr_kind(h->vr);
    if (!kind) return PS_BAD_VR;
    if (kind & PS_LONG) {
        if (room < 12) return PS_SHORT;
        h->length = ps_load32(p + 8, big);
        h->size = 12;
    } else {
        h->length = ps_load16(p + 6, big);
    }
    return PS_OK;
}

/* Writes a header; returns its size. The caller has checked that a short form can hold the length. */
static inline int ps_write_header(uint8_t *p, uint32_t tag, uint16_t vr, uint32_t length, int syntax) {
    int big = syntax & PS_BIG;
    ps_store_tag(p, tag, big);
    if (!(syntax & PS_EXPLICIT) || (tag >> 16) == 0xFFFE) {
        ps_store32(p + 4, length, big);
        return 8;
    }
    p[4] = (uint8_t)(vr >> 8);
    p[5] = (uint8_t)vr;
    if (ps_vr_kind(vr) & PS_LONG) {
        p[6] = p[7] = 0;
        ps_store32(p + 8, length, big);
        return 12;
    }
    ps_store16(p + 6, (uint16_t)length, big);
    return 8;
}

/* The value without the padding that DICOM and careless writers put around it: returns the new start, shortens *n. */
static inline const uint8_t *ps_trim(const uint8_t *p, size_t *n) {
    while (*n && (p[*n - 1] == ' ' || p[*n - 1] == 0)) --*n;
    while (*n && (*p == ' ' || *p == 0)) { ++p; --*n; }
    return p;
}

static inline int ps_is_plain_ascii(const uint8_t *p, size_t n) {
    for (size_t i = 0; i < n; ++i)
        if (p[i] >= 0x7F || p[i] < 0x20) return 0;
    return 1;
}

#endif
