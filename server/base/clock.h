/*
 * Time. Everything that decides by time asks here, so that tests and simulations set it. Safe from any thread.
 */
#ifndef MUSTER_BASE_CLOCK_H
#define MUSTER_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_now_ms(void);  /* wall clock, milliseconds since 1970 */
int64_t clock_mono_ms(void); /* monotonic, milliseconds since an arbitrary point */
int64_t clock_mono_us(void); /* monotonic, microseconds: for measuring */

/* All of them in one moment, to tell whether one was set. boot counts what mono counts, and the time that the system
 * was suspended. */
struct clock_reading {
    int64_t wall_ms, mono_ms, boot_ms;
};
void clock_read_all(struct clock_reading *out);

/* Tests: from now on the wall clock shows wall_ms and both clocks stand still until clock_test_advance. */
void clock_test_set(int64_t wall_ms);
void clock_test_advance(int64_t ms);
void clock_test_release(void);

#endif
