/*
 * Machines that are up, looked at now and then: still there? registered? needed? in time? Private to these:
 *
 *   check.c        one look: the cloud's word, what becomes of it, when to look again
 *   check_hub.c    GitHub's word about the runner and the job of a machine
 *   check_end.c    what a look decides, written down in one transaction
 *   check_wait.c   a runner that is online while the job it is for waits
 *
 * A healthy job is never killed. A machine that may have a job ends only when its job is completed, when GitHub agrees
 * that nothing runs on it, when its cloud took it away for good, or when its lifetime and overtime are over. Who cannot
 * be asked proves nothing: he is asked again.
 */
#ifndef MUSTER_ENGINE_CHECK_H
#define MUSTER_ENGINE_CHECK_H

#include "server/engine/engine_int.h"
#include "server/store/store_watch.h"

/* What was said of a machine (store_watch.told). */
enum check_told {
    TOLD_UNASSIGNED = 1,
    TOLD_OVERTIME = 2,
    TOLD_DISBELIEVED = 4,
    TOLD_SILENT = 8,
    TOLD_KEPT = 16,
    TOLD_STUCK = 32
};

struct check {
    struct engine *g;
    struct machine *m;
    int64_t now_ms;
    bool ended;
    bool moved;          /* it changed under us: look again at once */
    bool unasked;        /* somebody who had to be asked could not be: look again soon */
    char conclusion[32]; /* of the job whose status GitHub told last; "" = it told none */
    struct store_watch w;
    bool w_changed, asked_for; /* asked_for: w.ask as the look began */
};

/* --- check_end.c */

/* What a look decided. */
struct check_verdict {
    enum fsm_event event;
    const char *kind;  /* of the timeline event; NULL = the event's own name, or none when it is only said */
    const char *fault; /* for muster_machine_faults_total; NULL = it is none */
    const char *reason;
    enum job_cause cause;   /* NONE = nothing is said at the job, else that, with the reason */
    int64_t word_job;       /* of this job; 0 = of the one that runs on it */
    enum machine_loss loss; /* of FSM_LOST */
    bool refuse;            /* the job gets no further machine by itself */
    bool job_is_done;       /* GitHub says that the job that runs on it is completed */
    void (*edit)(struct machine *m, void *arg);
    void *edit_arg;
};
/* Nothing happens, and c->moved is set, when the machine is not in the state any more that this was decided by. */
int check_decide(struct check *c, const struct check_verdict *v, struct err *e) MUST_USE;
/* Nothing changes, but something is said: kind, fault, cause, reason and word_job as above. */
int check_say(struct check *c, const struct check_verdict *v, struct err *e) MUST_USE;
/* GitHub says that this job is completed, and its delivery never came. */
int check_settle_job(struct check *c, int64_t job_id, struct err *e) MUST_USE;

/* --- check_hub.c */

struct check_runner {
    bool known;  /* GitHub answered */
    bool exists; /* it has such a runner */
    bool online, busy;
    int64_t id;
    struct err why; /* unless known */
};
/* Sets c->unasked when it cannot be asked. */
void check_ask(struct check *c, struct check_runner *out);
/* Remove it, that no job comes to it any more. *busy: GitHub keeps it, for it has one. *done: it is gone there. */
void check_remove(struct check *c, const struct check_runner *r, bool *busy, bool *done);
int check_registration(struct check *c, struct err *e) MUST_USE;
int check_busy(struct check *c, struct err *e) MUST_USE;
int check_lifetime(struct check *c, struct err *e) MUST_USE;
int check_surplus(struct check *c, struct err *e) MUST_USE;
/* The end of a machine whose job runs on, at the latest. */
int64_t check_hard_end_ms(const struct check *c);

/* --- check_wait.c */
int check_unassigned(struct check *c, struct err *e) MUST_USE;

#endif
