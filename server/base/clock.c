#include "server/base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* Set only by tests; the system's clocks count while test_mono_ms is zero. */
static _Atomic int64_t test_wall_ms;
static _Atomic int64_t test_mono_ms;
static pthread_mutex_t test_lock = PTHREAD_MUTEX_INITIALIZER; /* both change together for clock_read_all */

static int64_t read_us(clockid_t id)
{
    struct timespec t;

    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_now_ms(void)
{
    return atomic_load(&test_mono_ms) != 0 ? atomic_load(&test_wall_ms) : read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_ms(void)
{
    int64_t t = atomic_load(&test_mono_ms);

    return t != 0 ? t : read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
    int64_t t = atomic_load(&test_mono_ms);

    return t != 0 ? t * 1000 : read_us(CLOCK_MONOTONIC);
}

void clock_read_all(struct clock_reading *out)
{
    (void)pthread_mutex_lock(&test_lock);
    *out = (struct clock_reading){.wall_ms = clock_now_ms(), .mono_ms = clock_mono_ms()};
    out->boot_ms = atomic_load(&test_mono_ms) != 0 ? out->mono_ms : read_us(CLOCK_BOOTTIME) / 1000;
    (void)pthread_mutex_unlock(&test_lock);
}

void clock_test_set(int64_t wall_ms)
{
    int64_t mono_ms = clock_mono_ms(); /* a second call does not turn it back */

    (void)pthread_mutex_lock(&test_lock);
    atomic_store(&test_wall_ms, wall_ms);
    atomic_store(&test_mono_ms, mono_ms);
    (void)pthread_mutex_unlock(&test_lock);
}

void clock_test_advance(int64_t ms)
{
    (void)pthread_mutex_lock(&test_lock);
    (void)atomic_fetch_add(&test_wall_ms, ms);
    (void)atomic_fetch_add(&test_mono_ms, ms);
    (void)pthread_mutex_unlock(&test_lock);
}

void clock_test_release(void)
{
    atomic_store(&test_mono_ms, 0);
}
