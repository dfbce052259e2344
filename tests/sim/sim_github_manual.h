/*
 * A GitHub on whose behalf nothing happens by itself (sim_github_conf.manual): for simulations on one thread. Requests
 * are made by sim_http_call(sim_github_http(g), ...).
 */
#ifndef MUSTER_TESTS_SIM_GITHUB_MANUAL_H
#define MUSTER_TESTS_SIM_GITHUB_MANUAL_H

#include "tests/sim/sim_github.h"

/* What became due by base/clock.h happens; when the next is due by clock_mono_ms, -1 = nothing. */
void sim_github_run(struct sim_github *g);
int64_t sim_github_due_ms(struct sim_github *g);
/* The next webhook that is to go out now; false: there is none. The caller frees body, and says what came of it: a
 * status, or 0 for no answer. */
struct sim_webhook {
    int64_t id;
    char guid[37];
    const char *event;
    char *body;
};
bool sim_github_next_webhook(struct sim_github *g, struct sim_webhook *out);
void sim_github_webhook_done(struct sim_github *g, int64_t id, int status);

#endif
