/* New values from old ones: UIDs (PS3.5 B.2), dates and ages (PS3.5 table 6.2-1). Pure functions over small buffers. */
#ifndef PENSTOCK_VALUES_H
#define PENSTOCK_VALUES_H

#include <stdint.h>
#include <string.h>

#define PS_UID_MAX 44 /* "2.25." and 39 digits */

/* Writes "2.25." and the decimal of the first 16 bytes of a digest in UUID form (RFC 9562, version 8: vendor's own hash).
 * Returns the length, at most PS_UID_MAX. */
static inline size_t ps_uid_from_digest(const uint8_t digest[32], uint8_t *out) {
    static const uint64_t TEN19 = 10000000000000000000ull;
    uint8_t b[16], digits[40];
    unsigned __int128 v = 0;
    uint64_t part[3];
    size_t n = 0;
    memcpy(b, digest, 16);
    b[6] = (uint8_t)((b[6] & 0x0F) | 0x80);
    b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
    for (int i = 0; i < 16; ++i) v = (v << 8) | b[i];
    part[0] = (uint64_t)(v % TEN19);
    v /= TEN19;
    part[1] = (uint64_t)(v % TEN19);
    part[2] = (uint64_t)(v / TEN19);
    for (int i = 0; i < 3; ++i) {
        uint64_t x = part[i];
        int left = i < 2 ? 19 : 1;
        if (i == 2 && !x) break;
        for (; left > 0 || (i == 2 && x); --left) {
            digits[n++] = (uint8_t)('0' + x % 10);
            x /= 10;
        }
    }
    while (n > 1 && digits[n - 1] == '0') --n;
    memcpy(out, "2.25.", 5);
    for (size_t i = 0; i < n; ++i) out[5 + i] = digits[n - 1 - i];
    return n + 5;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back (Fliegel and Van Flandern's integer arithmetic). */
static inline int64_t ps_days(int y, int m, int d) {
    int64_t a = (m - 14) / 12;
    return (1461 * (y + 4800 + a)) / 4 + (367 * (m - 2 - 12 * a)) / 12 - (3 * ((y + 4900 + a) / 100)) / 4 + d - 32075 - 2440588;
}

static inline void ps_civil(int64_t days, int *y, int *m, int *d) {
    int64_t l = days + 2440588 + 68569, n = 4 * l / 146097, i, j;
    l -= (146097 * n + 3) / 4;
    i = 4000 * (l + 1) / 1461001;
    l = l - 1461 * i / 4 + 31;
    j = 80 * l / 2447;
    *d = (int)(l - 2447 * j / 80);
    l = j / 11;
    *m = (int)(j + 2 - 12 * l);
    *y = (int)(100 * (n - 49) + i + l);
}

static inline int ps_digits(const uint8_t *p, int n) {
    int v = 0;
    for (int i = 0; i < n; ++i) {
        if (p[i] < '0' || p[i] > '9') return -1;
        v = v * 10 + (p[i] - '0');
    }
    return v;
}

/* Whether p holds what may follow a DT's day (PS3.5 table 6.2-1): up to HHMMSS, a fraction, an offset from UTC. */
static inline int ps_is_time_of_dt(const uint8_t *p, size_t n) {
    size_t i = 0, begin;
    while (i < n && i < 6 && p[i] >= '0' && p[i] <= '9') ++i;
    if (i & 1) return 0;
    if (i == 6 && i < n && p[i] == '.') {
        begin = ++i;
        while (i < n && i - begin < 6 && p[i] >= '0' && p[i] <= '9') ++i;
        if (i == begin) return 0;
    }
    if (n - i == 5 && (p[i] == '+' || p[i] == '-') && ps_digits(p + i + 1, 4) >= 0) i += 5;
    return i == n;
}

/* Reads the day of a DA or DT value: YYYYMMDD, the retired YYYY.MM.DD (dots = 1), or a DT with its time. 0 when it is none, or when
 * anything else stands there, since whoever changes the day would let the rest through. */
static inline int ps_read_day(const uint8_t *p, size_t n, int *y, int *m, int *d, int *dots) {
    if (n < 8) return 0;
    *dots = n == 10 && p[4] == '.' && p[7] == '.';
    *y = ps_digits(p, 4);
    *m = ps_digits(p + (*dots ? 5 : 4), 2);
    *d = ps_digits(p + (*dots ? 8 : 6), 2);
    if (*y < 1 || *m < 1 || *m > 12 || *d < 1 || *d > 31) return 0;
    return *dots || ps_is_time_of_dt(p + 8, n - 8);
}

static inline void ps_write_day(uint8_t *p, int y, int m, int d, int dots) {
    p[0] = (uint8_t)('0' + y / 1000);
    p[1] = (uint8_t)('0' + y / 100 % 10);
    p[2] = (uint8_t)('0' + y / 10 % 10);
    p[3] = (uint8_t)('0' + y % 10);
    p += dots ? 5 : 4;
    p[0] = (uint8_t)('0' + m / 10);
    p[1] = (uint8_t)('0' + m % 10);
    p += dots ? 3 : 2;
    p[0] = (uint8_t)('0' + d / 10);
    p[1] = (uint8_t)('0' + d % 10);
}

/* Shifts one DA or DT value in place by whole days, the time of day untouched; 0, and nothing changed, when it is no full date or the
 * new one is outside the years 1 to 9999. */
static inline int ps_shift_date(uint8_t *p, size_t n, int days) {
    int y, m, d, dots;
    if (!ps_read_day(p, n, &y, &m, &d, &dots)) return 0;
    ps_civil(ps_days(y, m, d) + days, &y, &m, &d);
    if (y < 1 || y > 9999) return 0;
    ps_write_day(p, y, m, d, dots);
    return 1;
}

/* Leaves the year of one DA or DT value: 1 January, and spaces where a time stood; 0, and nothing changed, when it is no full date. */
static inline int ps_truncate_date(uint8_t *p, size_t n) {
    int y, m, d, dots;
    if (!ps_read_day(p, n, &y, &m, &d, &dots)) return 0;
    ps_write_day(p, y, 1, 1, dots);
    if (!dots) memset(p + 8, ' ', n - 8);
    return 1;
}

/* Ages above 89 years become 090Y (the HIPAA safe harbour's limit); three digits of months never reach it. 0 when the value is no age
 * of PS3.5. */
static inline int ps_generalise_age(uint8_t *p, size_t n) {
    int v = n == 4 ? ps_digits(p, 3) : -1;
    if (v < 0 || (p[3] != 'Y' && p[3] != 'M' && p[3] != 'W' && p[3] != 'D')) return 0;
    if (p[3] == 'Y' && v > 89) memcpy(p, "090Y", 4);
    return 1;
}

#endif
