/* Hand an event to an engine as the webhook does, and wait until it is on disk. */
#ifndef MUSTER_TESTS_SUPPORT_DELIVER_H
#define MUSTER_TESTS_SUPPORT_DELIVER_H

#include "server/engine/engine.h"

struct deliver_event {
    int64_t job_id, run_id, repo_id;
    enum job_state state;
    const char *repo;        /* owner/name */
    const char *label;       /* its only label */
    const char *runner;      /* NULL = none yet */
    int64_t installation_id; /* 0 = 7 */
    int64_t attempt;         /* of its run; 0 = 1 */
    const char *name;        /* NULL = "train" */
    const char *conclusion;  /* NULL = none */
    int64_t late_ms;         /* so long ago GitHub queued it */
};

/* Each call is a new delivery id. The test fails when it cannot be stored. */
void deliver(struct engine *g, const struct deliver_event *ev);
/* The same for a push to the default branch; label: the file of ours that it names. */
void deliver_push(struct engine *g, const struct deliver_event *ev);
/* The same for an event about what the installation may see. */
void deliver_installed(struct engine *g, int64_t installation_id, const char *action);

/* "Re-run" of a check run; id 0: of all of the commit that deliver's jobs are of. */
enum delivery_outcome deliver_press(struct engine *g, int64_t repo_id, int64_t check_run_id);

#endif
