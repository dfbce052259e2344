/*
 * Whether a machine that no record explains may still work for somebody: GitHub is asked for the runner of its name.
 * For the sweep of the daemon and for `muster sweep`, which has no store.
 */
#ifndef MUSTER_ENGINE_SWEEP_ASK_H
#define MUSTER_ENGINE_SWEEP_ASK_H

#include "server/github/api.h"

struct sweep_question {
    struct github *github;           /* NULL = it cannot be asked */
    const char *name;                /* of the machine, which is the runner's */
    const struct github_repo *owner; /* as a record tells; NULL = by the tag below */
    const char *repo;                /* instance.repo (providers/common/machine.h) */
    bool remove;                     /* a runner without a job is removed: from then on it can be given none */
};

enum sweep_use {
    SWEEP_IDLE,   /* there is no such runner (any more) */
    SWEEP_BUSY,   /* it has a job */
    SWEEP_UNHEARD /* that cannot be learned: *e says why */
};
/* *why: a sentence for SWEEP_IDLE. Of a runner without a job that was not to be removed also SWEEP_IDLE. */
enum sweep_use sweep_ask(const struct sweep_question *q, const char **why, struct err *e);

#endif
