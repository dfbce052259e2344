/*
 * What the files of a launch share. Not for others.
 *
 *   launch.c        the candidates one by one, rounds, what follows from refusals
 *   launch_try.c    one try: the store before the act, the call, the store after it
 *   launch_ask.c    a machine in place of another: is it still needed?
 */
#ifndef MUSTER_ENGINE_LAUNCH_INT_H
#define MUSTER_ENGINE_LAUNCH_INT_H

#include "server/engine/breaker.h"

struct attempt { /* one run of the task */
    struct engine *g;
    struct machine *m;
    const struct task *task;
    struct task_next *next;
    struct plan plan;
    struct secret *jit;
    int tries;        /* of this candidate, counting this one; 0 = it came up in this very run */
    int64_t doubt_ms; /* of the record, before the try under way */
    bool by_policy;   /* the last refusal is the operator's */
    bool may_pass;    /* some refusal of this round may pass: capacity, quota, credentials */
    bool called;      /* a cloud was asked in this run */
    int64_t opens_ms; /* of the candidates that were passed over, the first to be tried again; 0 = none was */
    struct buf notes; /* why each candidate was refused, for a person */
};

/* A word about the job, unless it was decided otherwise, taken or ended meanwhile. */
int launch_job_note(struct store_tx *t, const struct engine *g, const struct verdict *v, struct err *e) MUST_USE;
struct verdict launch_word(const struct machine *m, enum job_want want, const char *reason);

/* *served: m's job runs or has run, which GitHub alone told; what follows from that is done. */
int launch_ask(struct engine *g, const struct machine *m, bool *served, struct err *e) MUST_USE;

/* Store that a->m->candidate is about to be tried. go = false: it is left alone for now, when left->again_ms says so;
 * else it is not to be launched any more, and the task goes on as a->next says. */
int launch_intent(struct attempt *a, bool *go, struct breaker_found *left, struct err *e) MUST_USE;
/* The call itself. */
int launch_call(struct attempt *a, const struct machine_spec *s, struct instance *got, struct err *e) MUST_USE;
/* The cloud took it. */
int launch_accepted(struct attempt *a, struct instance *got, struct err *e) MUST_USE;
/* The outcome, for the metric: "ok", or the kind of the failure. */
void launch_count(const char *outcome);

#endif
