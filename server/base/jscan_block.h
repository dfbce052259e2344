/*
 * A byte is special in a string when it does not stand for itself: a quote, a backslash, a control character, a byte of
 * a non-ASCII character. special_bits tells which of the BLOCK bytes at p are (0 = none): the lowest bit counts, and
 * first_special is the number of its byte. Private to jscan.c.
 */
#ifndef MUSTER_BASE_JSCAN_BLOCK_H
#define MUSTER_BASE_JSCAN_BLOCK_H

#if defined(__SSE2__) && !defined(JSCAN_PORTABLE)
#include <emmintrin.h>

#define BLOCK 16

static inline unsigned special_bits(const char *p)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
    __m128i other = _mm_cmplt_epi8(x, _mm_set1_epi8(' ')); /* signed: bytes from 0x80 on are below zero */

    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), other));
}

static inline int first_special(unsigned bits)
{
    return __builtin_ctz(bits);
}
#else
#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 8

/* Subtracting borrows into a byte's top bit exactly when the byte is below the subtrahend; swapping 0x22 with 0x20
 * first lets one subtraction find quote and controls together. A borrow can only spoil bytes above one that was found,
 * and the lowest is what counts. */
static inline uint64_t special_bits(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones * 0x80;
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    w = le64toh(w);
    return (((w ^ ones * 0x02) - ones * 0x21) | ((w ^ ones * '\\') - ones) | w) & tops;
}

static inline int first_special(uint64_t bits)
{
    return __builtin_ctzll(bits) >> 3;
}
#endif

#endif
