/*
 * A runner is online, a job of its labels waits, and GitHub does not bring the two together: the group of an
 * organisation's runners keeps the repository out, the job is held by an environment or a concurrency group, the runner
 * hangs, GitHub has a bad day. Another machine would change nothing, so the job is told, and the machine stays for a
 * while; after the second such machine no further one is made by itself.
 */
#include "server/base/log.h"
#include "server/base/text.h"
#include "server/engine/check.h"

#include <stdio.h>
#include <string.h>

#define SAY_MS ((int64_t)5 * 60 * 1000)
#define END_MS ((int64_t)60 * 60 * 1000)
#define MACHINES 2 /* that were given no job, after which the job is given up */

struct waiting {
    const struct machine *m;
    struct job j;
    bool found;
    int64_t before; /* machines of this job that were given none */
};

static int read_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct waiting *w = arg;

    if (machine_job(t, w->m, &w->j, &w->found, e))
        return -1;
    return w->found ? store_events_since_retry(t, w->j.id, "machine.unassigned", &w->before, e) : 0;
}

/* What keeps an organisation's runner from this job, if GitHub tells; else what usually does. */
static void why(struct check *c, const char *status, char out[200])
{
    const struct github_repo org = machine_repo(c->m);
    struct github_runner_group group;
    struct err ignored;

    if (strcmp(status, "queued") != 0)
        (void)snprintf(out, 200,
                       "GitHub holds the job itself (it is \"%.20s\"): an environment's rule or a concurrency group",
                       status);
    else if (machine_is_org(c->m) && github_org_group_get(c->g->c.github, &org, &group, &ignored) == 0 &&
             (!group.allows_public || group.selected))
        (void)snprintf(out, 200,
                       "the organisation's default runner group %s: its owner can change that (Settings, Actions, "
                       "Runner groups)",
                       group.selected ? "serves chosen repositories only" : "does not serve public repositories");
    else
        (void)snprintf(out, 200,
                       "look whether Actions and self-hosted runners are allowed in this repository, and at "
                       "githubstatus.com");
}

/* GitHub's own word for the job's state. "" = it did not say. */
static void status_of(struct check *c, const struct job *j, char status[32])
{
    const struct github_repo repo = {c->m->installation_id, j->repo_id, j->repo};
    struct err cause;

    status[0] = c->conclusion[0] = '\0';
    if (github_job_status(c->g->c.github, &repo, j->id, status, c->conclusion, &cause) == 0)
        return;
    if (cause.kind == ERR_GONE)
        (void)snprintf(status, 32, "gone");
    log_warn(EV("job.unknown"), FS("machine", c->m->name), FI("job", j->id), FE(&cause));
}

static int tell(struct check *c, const struct waiting *w, const char *status, int64_t waited_ms, struct err *e)
{
    struct check_verdict v = {.fault = "unassigned", .cause = CAUSE_UNASSIGNED, .word_job = w->j.id};
    char reason[400], because[200];

    why(c, status, because);
    (void)snprintf(reason, sizeof(reason),
                   "machine %s is up and its runner online, and GitHub has given it no job for %lld minutes: %s",
                   c->m->name, (long long)(waited_ms / 60000), because);
    text_tidy(reason);
    v.reason = reason;
    c->w.told |= TOLD_UNASSIGNED;
    c->w_changed = true;
    return check_say(c, &v, e);
}

/* It had its time. Its runner first: GitHub refuses when it has a job after all. */
static int give_up(struct check *c, const struct waiting *w, int64_t waited_ms, struct err *e)
{
    struct check_verdict v = {.event = FSM_EXPIRED, .kind = "machine.unassigned", .fault = "unassigned_over"};
    struct check_runner r;
    char reason[300];
    bool busy, done;

    check_ask(c, &r);
    if (!r.known)
        return 0;
    check_remove(c, &r, &busy, &done);
    if (busy || (r.known && r.busy)) {
        v = (struct check_verdict){.event = FSM_TAKEN, .reason = "GitHub says its runner is busy"};
        return check_decide(c, &v, e);
    }
    if (!done)
        return 0;
    v.refuse = w->before + 1 >= MACHINES;
    (void)snprintf(reason, sizeof(reason), "its runner was online for %lld minutes, and GitHub gave it no job%s",
                   (long long)(waited_ms / 60000),
                   v.refuse ? "; nor did it give the one before any: not trying again by itself" : "");
    v.reason = reason;
    v.cause = CAUSE_UNASSIGNED;
    v.word_job = w->j.id;
    return check_decide(c, &v, e);
}

/* A job that is not shown is gone only where the repository shows itself: else all of it answers 404 for a while. */
static bool is_shown(struct check *c)
{
    struct check_runner r;

    check_ask(c, &r);
    return r.known;
}

static int look(struct check *c, const struct waiting *w, struct err *e)
{
    int64_t since_ms = w->j.queued_ms > c->w.since_ms ? w->j.queued_ms : c->w.since_ms;
    int64_t waited_ms = c->now_ms - since_ms;
    char status[32];

    if (waited_ms < SAY_MS)
        return 0;
    if (waited_ms >= END_MS && (c->w.told & TOLD_UNASSIGNED) != 0)
        return give_up(c, w, waited_ms, e);
    if ((c->w.told & TOLD_UNASSIGNED) != 0)
        return 0;
    status_of(c, &w->j, status);
    if (status[0] == '\0') {
        c->unasked = true;
        return 0;
    }
    if (strcmp(status, "gone") == 0 && !is_shown(c))
        return 0;
    if (strcmp(status, "completed") == 0 || strcmp(status, "gone") == 0)
        return check_settle_job(c, w->j.id, e);
    if (strcmp(status, "in_progress") == 0)
        return 0; /* elsewhere: its delivery is late, or lost and asked for again */
    return tell(c, w, status, waited_ms, e);
}

int check_unassigned(struct check *c, struct err *e)
{
    struct waiting w = {.m = c->m};
    int rc = store_read(c->g->c.store, read_tx, &w, e);

    if (rc == 0 && w.found)
        rc = look(c, &w, e);
    job_clear(&w.j);
    return rc;
}
