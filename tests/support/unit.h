/* What a unit test includes: cmocka with what it needs, and a random source that is the same in every run. */
#ifndef MUSTER_TESTS_UNIT_H
#define MUSTER_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/err.h"

/* A linear congruential generator (Knuth's MMIX numbers); its high bits are good enough for tests. */
static inline uint32_t unit_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*seed >> 33);
}

static inline void unit_random_bytes(uint64_t *seed, void *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((unsigned char *)out)[i] = (unsigned char)unit_random(seed);
}

/* The call must fail with this kind and a text that holds this piece. */
#define assert_fails(call, wanted_kind, piece, e)                                                                      \
    do {                                                                                                               \
        memset(&(e), 0, sizeof(e));                                                                                    \
        assert_int_equal((call), -1);                                                                                  \
        assert_string_equal(err_kind_name((e).kind), err_kind_name(wanted_kind));                                      \
        if (strstr((e).msg, (piece)) == NULL)                                                                          \
            fail_msg("expected \"%s\" in the error \"%s\"", (piece), (e).msg);                                         \
    } while (0)

/* The call must succeed. */
#define assert_ok(call, e)                                                                                             \
    do {                                                                                                               \
        if ((call) != 0)                                                                                               \
            fail_msg("%s", (e).msg);                                                                                   \
    } while (0)

#endif
