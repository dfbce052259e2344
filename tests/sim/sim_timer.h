/*
 * One thread that calls functions later, in order of time, with no lock held. Real (monotonic) time, whatever
 * base/clock.h was set to. Safe from any thread, also from its own callbacks.
 */
#ifndef MUSTER_TESTS_SIM_TIMER_H
#define MUSTER_TESTS_SIM_TIMER_H

#include <stdint.h>

struct sim_timer;
typedef void sim_timer_fn(void *arg, int64_t n);

struct sim_timer *sim_timer_new(void);
/* Without a thread, in the time of base/clock.h: whoever made it calls what is due. One thread. */
struct sim_timer *sim_timer_new_manual(void);
int64_t sim_timer_due_ms(const struct sim_timer *t); /* when the next one is, by clock_mono_ms; -1 = there is none */
void sim_timer_run_due(struct sim_timer *t);         /* all that are due now, also those that these add */
void sim_timer_after(struct sim_timer *t, int64_t ms, sim_timer_fn *fn, void *arg, int64_t n);
/* What waits is dropped, what runs is waited for; calls of sim_timer_after are ignored from now on. */
void sim_timer_stop(struct sim_timer *t);
void sim_timer_free(struct sim_timer *t); /* stops; accepts NULL */

int64_t sim_mono_ms(void); /* the timer's clock */

#endif
