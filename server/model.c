#include "server/model.h"

#include <stdlib.h>
#include <string.h>

void job_clear(struct job *j)
{
    free(j->repo);
    free(j->default_branch);
    free(j->head_sha);
    free(j->name);
    free(j->workflow_name);
    free(j->labels_json);
    free(j->label_key);
    free(j->runner_name);
    free(j->conclusion);
    free(j->plan_json);
    free(j->reason);
    memset(j, 0, sizeof(*j));
}

void machine_clear(struct machine *m)
{
    free(m->repo);
    free(m->labels_json);
    free(m->label_key);
    free(m->plan_json);
    free(m->sealed_jit);
    free(m->reason);
    memset(m, 0, sizeof(*m));
}

const char *job_state_name(enum job_state s)
{
    switch (s) {
    case JOB_WAITING:
        return "waiting";
    case JOB_QUEUED:
        return "queued";
    case JOB_RUNNING:
        return "in_progress";
    case JOB_DONE:
        return "completed";
    }
    return "unknown";
}

const char *job_want_name(enum job_want w)
{
    switch (w) {
    case WANT_UNDECIDED:
        return "undecided";
    case WANT_MACHINE:
        return "machine";
    case WANT_NOTHING:
        return "nothing";
    case WANT_REFUSED:
        return "refused";
    }
    return "unknown";
}

const char *job_cause_name(enum job_cause c)
{
    switch (c) {
    case CAUSE_NONE:
        return "none";
    case CAUSE_NO_FILE:
        return "no_file";
    case CAUSE_BAD_FILE:
        return "bad_file";
    case CAUSE_NO_RUNNER:
        return "no_runner";
    case CAUSE_FORK:
        return "fork";
    case CAUSE_ACCESS:
        return "access";
    case CAUSE_POLICY:
        return "policy";
    case CAUSE_LIMIT:
        return "limit";
    case CAUSE_UNSUPPORTED:
        return "unsupported";
    case CAUSE_CANDIDATES:
        return "candidates";
    case CAUSE_BOOT:
        return "boot";
    case CAUSE_UNDECIDED:
        return "undecided";
    case CAUSE_RUNNER:
        return "runner";
    case CAUSE_UNASSIGNED:
        return "unassigned";
    case CAUSE_OVERTIME:
        return "overtime";
    case CAUSE_ENDED:
        return "ended";
    }
    return "unknown";
}

const char *machine_state_name(enum machine_state s)
{
    switch (s) {
    case M_WANTED:
        return "wanted";
    case M_LAUNCHING:
        return "launching";
    case M_BOOTING:
        return "booting";
    case M_IDLE:
        return "idle";
    case M_BUSY:
        return "busy";
    case M_ENDING:
        return "ending";
    case M_GONE:
        return "gone";
    }
    return "unknown";
}
