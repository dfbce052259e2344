/*
 * Limits. A machine is made only where there is room: in all, for its repository, and in this minute. A label set that
 * has fewer machines than its jobs need, and finds no room, stands in the queue of the store; its jobs wait and are
 * told why. Whenever room may have come (a machine is gone, a launch found no capacity, a minute has passed, the
 * settings are others) it goes to the repository with the fewest machines, of several to the one whose last turn is the
 * longest ago, there to the job that waits longest: five hundred jobs of one repository do not delay the single job of
 * another.
 *
 * All of it happens in the transaction of what caused it, so that a crash leaves neither a job that nobody serves nor a
 * machine beyond a limit. A machine that nobody waits for any more keeps no job waiting: its grace ends. Warm machines
 * that stand idle count as all do; while jobs wait none is made, and one gives its room up for each that waits.
 */
#include "server/engine/room.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/engine/idle.h"
#include "server/store/store_room.h"

#include <stdio.h>
#include <string.h>

#define SUBJECT "room"
#define AT_ONCE 64          /* machines that one transaction gives room to; the next goes on */
#define TELL_MS (30 * 1000) /* between two words to the jobs that wait */
#define TELL_FIRST_MS 2000  /* after the queue changed */
#define TOLD 1000           /* jobs whose place is worked out */
#define WRITTEN 200         /* reasons that one pass writes */
#define MINUTE_MS (60 * 1000)

static const char waits[] = "waits for room: ";

/* --- is there room? ----------------------------------------------------------------------------------------------- */

enum room_why { ROOM_OPEN, ROOM_FULL, ROOM_REPO_FULL, ROOM_MINUTE_FULL };

struct room {
    enum room_why why;
    struct store_room now;
};

static int look(struct store_tx *t, const struct engine *g, int64_t repo_id, int64_t now_ms, struct room *out,
                struct err *e)
{
    const struct engine_limits *l = &g->c.limits;
    struct room r = {ROOM_OPEN, {0, 0, 0}};

    if (l->machines > 0 || l->machines_per_repository > 0 || l->launches_per_minute > 0) {
        if (store_room(t, repo_id, now_ms, l->launches_per_minute, &r.now, e))
            return -1;
        if (repo_id != 0 && l->machines_per_repository > 0 && r.now.of_repo >= l->machines_per_repository)
            r.why = ROOM_REPO_FULL;
        else if (l->machines > 0 && r.now.machines >= l->machines)
            r.why = ROOM_FULL;
        else if (r.now.full_since_ms > 0)
            r.why = ROOM_MINUTE_FULL;
    }
    *out = r;
    return 0;
}

int room_for(struct store_tx *t, const struct engine *g, int64_t repo_id, int64_t now_ms, bool *open, struct err *e)
{
    struct room r;

    if (look(t, g, repo_id, now_ms, &r, e))
        return -1;
    *open = r.why == ROOM_OPEN || r.why == ROOM_MINUTE_FULL;
    return 0;
}

int room_spare(struct store_tx *t, const struct engine *g, int64_t repo_id, int64_t now_ms, bool *spare, struct err *e)
{
    AUTO_FREE char *label_key = NULL;
    int64_t waits_repo;
    struct room r;
    bool waiting;

    /* who waits for his own repository's limit keeps nobody's warm machines away */
    if (store_queue_next(t, g->c.limits.machines_per_repository, &waits_repo, &label_key, &waiting, e) ||
        look(t, g, repo_id, now_ms, &r, e))
        return -1;
    *spare = !waiting && r.why == ROOM_OPEN;
    return 0;
}

struct asking {
    const struct engine *g;
    int64_t repo_id;
    bool open;
};

static int ask_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct asking *a = arg;

    return room_for(t, a->g, a->repo_id, clock_now_ms(), &a->open, e);
}

int room_ask(struct engine *g, const struct machine *m, struct task_next *next, bool *open, struct err *e)
{
    struct asking a = {g, m->repo_id, false};

    if (store_read(g->c.store, ask_tx, &a, e))
        return -1;
    *open = a.open;
    if (!a.open)
        *next = (struct task_next){clock_now_ms() + CHECK_FIRST_MS, TASK_LAUNCH, false};
    return 0;
}

/* Why a job of this repository waits. before: jobs that come first. */
static void say(const struct engine *g, const struct room *r, const char *repo, int64_t before, char *out, size_t size)
{
    const struct engine_limits *l = &g->c.limits;
    char place[48];

    (void)snprintf(place, sizeof(place), before > 0 ? "%lld job%s before this one" : "this job is the next",
                   (long long)before, before > 1 ? "s" : "");
    switch (r->why) {
    case ROOM_REPO_FULL:
        (void)snprintf(out, size, "%s%.200s has %lld of %lld machines (limits.machines_per_repository), %s", waits,
                       repo != NULL ? repo : "the repository", (long long)r->now.of_repo,
                       (long long)l->machines_per_repository, place);
        return;
    case ROOM_MINUTE_FULL:
        (void)snprintf(out, size, "%s%lld machines were launched in the last minute (limits.launches_per_minute), %s",
                       waits, (long long)l->launches_per_minute, place);
        return;
    case ROOM_FULL:
    case ROOM_OPEN:
        (void)snprintf(out, size, "%sthere are %lld of %lld machines (limits.machines), %s", waits,
                       (long long)r->now.machines, (long long)l->machines, place);
    }
}

/* --- the queue ---------------------------------------------------------------------------------------------------- */

bool room_is_waiting(const char *reason)
{
    return reason != NULL && text_has_prefix(reason, waits);
}

/* The newest job of the label set is told at once, others by room_pass. */
static int tell_newest(struct store_tx *t, const struct balance *b, const struct room *r, struct err *e)
{
    AUTO_JOB struct job j = {0};
    char reason[400];
    int64_t before;
    bool found;

    if (store_job_newest_unserved(t, b->repo_id, b->label_key, &j, &found, e))
        return -1;
    if (!found || room_is_waiting(j.reason))
        return 0;
    if (store_queue_jobs(t, r->why == ROOM_REPO_FULL ? b->repo_id : 0, &before, e))
        return -1;
    say(b->g, r, j.repo, before - 1, reason, sizeof(reason));
    return verdict_put(
        t, b->g,
        &(struct verdict){
            .job_id = j.id, .want = WANT_MACHINE, .reason = reason, .cause = {CAUSE_LIMIT, 0, 0}, .now_ms = b->now_ms},
        e);
}

/* --- room may have come ------------------------------------------------------------------------------------------- */

/* Nobody waits for it, and others wait for room: its grace is over. One at a time; where there is none, a warm one. */
static int yield_one(struct store_tx *t, const struct engine *g, int64_t now_ms, struct err *e)
{
    AUTO_MACHINE struct machine m = {0};
    int64_t over_ms = now_ms - g->c.idle_grace_ms;
    bool found, changed;

    if (store_machine_surplus(t, &m, &found, e))
        return -1;
    if (!found)
        return idle_yield(t, g, 0, now_ms, e);
    if (m.surplus_ms <= over_ms)
        return 0;
    m.surplus_ms = over_ms > 0 ? over_ms : 1;
    return store_machine_update(t, &m, m.state, &changed, e) ||
                   store_task_put(t, TASK_MACHINE, m.name, TASK_CHECK, now_ms, e) ||
                   store_event_add(t, now_ms, m.job_id, m.name, "machine.yielded", "other jobs wait for room", e)
               ? -1
               : 0;
}

static int serve(struct store_tx *t, struct engine *g, int64_t repo_id, const char *label_key, int64_t now_ms,
                 struct err *e)
{
    const struct balance b = {g, repo_id, label_key, now_ms, 0};
    int64_t missing;
    bool made;

    if (balance_missing(t, &b, &missing, e))
        return -1;
    if (missing > 0) {
        if (balance_want(t, &b, &made, e))
            return -1;
        missing = made ? missing - 1 : 0;
    }
    return store_queue_put(t, repo_id, label_key, missing, e);
}

/* Give room to whose turn it is; what is left to do is left to room_pass. */
static int admit(struct store_tx *t, struct engine *g, int64_t now_ms, struct err *e)
{
    struct room r = {ROOM_OPEN, {0, 0, 0}};
    bool found = true;
    int i = 0;

    for (; found; i++) {
        AUTO_FREE char *label_key = NULL;
        int64_t repo_id;

        if (look(t, g, 0, now_ms, &r, e) ||
            store_queue_next(t, g->c.limits.machines_per_repository, &repo_id, &label_key, &found, e))
            return -1;
        if (found && r.why == ROOM_FULL && yield_one(t, g, now_ms, e))
            return -1;
        if (!found || r.why != ROOM_OPEN || i == AT_ONCE)
            break;
        if (serve(t, g, repo_id, label_key, now_ms, e))
            return -1;
    }
    if (!found || (r.why != ROOM_OPEN && r.why != ROOM_MINUTE_FULL))
        return 0;
    return store_task_put(t, TASK_ROOM, SUBJECT, TASK_DECIDE,
                          r.why == ROOM_OPEN ? now_ms : r.now.full_since_ms + MINUTE_MS, e);
}

int room_admit(struct store_tx *t, struct engine *g, int64_t now_ms, struct err *e)
{
    bool waiting;

    if (store_queue_any(t, &waiting, e))
        return -1;
    return waiting ? admit(t, g, now_ms, e) : 0;
}

/* From its second round on it counts for no limit, and asks for room anew (room_ask). */
int room_leave(struct store_tx *t, struct engine *g, struct machine *m, int64_t now_ms, struct err *e)
{
    bool changed;

    if (m->state != M_WANTED || m->round > 0 || m->launched_ms != 0)
        return 0;
    m->round = 1;
    if (store_machine_update(t, m, M_WANTED, &changed, e) ||
        store_event_add(t, now_ms, m->job_id, m->name, "machine.waits",
                        "its runner cannot be had from GitHub for now: others may have its place meanwhile", e))
        return -1;
    return room_admit(t, g, now_ms, e);
}

static int hold(struct store_tx *t, const struct balance *b, const struct room *r, struct err *e)
{
    int64_t again_ms = b->now_ms + TELL_FIRST_MS;

    if (r->why == ROOM_MINUTE_FULL && r->now.full_since_ms + MINUTE_MS < again_ms)
        again_ms = r->now.full_since_ms + MINUTE_MS;
    if (store_task_put(t, TASK_ROOM, SUBJECT, TASK_DECIDE, again_ms, e))
        return -1;
    if (r->why == ROOM_OPEN) /* others wait too: whose turn is it? */
        return room_admit(t, b->g, b->now_ms, e);
    if (r->why == ROOM_FULL && yield_one(t, b->g, b->now_ms, e))
        return -1;
    if (r->why == ROOM_REPO_FULL && idle_yield(t, b->g, b->repo_id, b->now_ms, e))
        return -1;
    return tell_newest(t, b, r, e);
}

int room_fill(struct store_tx *t, const struct balance *b, int64_t missing, struct err *e)
{
    struct room r;
    bool waiting, made = true;

    if (store_queue_any(t, &waiting, e))
        return -1;
    if (missing <= 0)
        return waiting ? store_queue_put(t, b->repo_id, b->label_key, 0, e) : 0;
    if (look(t, b->g, b->repo_id, b->now_ms, &r, e))
        return -1;
    for (; !waiting && r.why == ROOM_OPEN && missing > 0 && made; missing--) {
        if (balance_want(t, b, &made, e) || look(t, b->g, b->repo_id, b->now_ms, &r, e))
            return -1;
    }
    if (missing <= 0 || !made)
        return 0;
    return store_queue_put(t, b->repo_id, b->label_key, missing, e) || hold(t, b, &r, e) ? -1 : 0;
}

/* --- at the start --------------------------------------------------------------------------------------------------
 */

struct rebuild {
    struct store_tx *t;
    struct engine *g;
    int64_t now_ms;
};

static int strike_one(void *arg, int64_t repo_id, const char *label_key, struct err *e)
{
    const struct rebuild *r = arg;
    const struct balance b = {r->g, repo_id, label_key, r->now_ms, 0};

    return balance_strike(r->t, &b, e);
}

int room_start_tx(struct store_tx *t, void *engine, struct err *e)
{
    struct rebuild r = {t, engine, clock_now_ms()};

    return store_demands(t, strike_one, &r, e) || room_admit(t, engine, r.now_ms, e) ? -1 : 0;
}

/* --- what the waiting are told -------------------------------------------------------------------------------------
 */

/* Repositories with jobs in the queue, and how the turns would go on from here. */
struct turn {
    int64_t repo_id, machines, served_ms;
    int64_t given; /* turns it had in this reckoning */
    size_t next;   /* of its jobs, in their order */
};

struct waiting {
    int64_t id, repo_id, before, before_of_repo;
    char *repo, *reason;
    bool placed;
};

struct pass {
    struct engine *g;
    int64_t now_ms;
    struct room room;
    struct waiting *jobs;
    size_t n_jobs;
    struct turn *turns;
    size_t n_turns;
    int64_t next_ms; /* < 0: nobody waits any more */
};

static void pass_clear(struct pass *p)
{
    for (size_t i = 0; i < p->n_jobs; i++) {
        free(p->jobs[i].repo);
        free(p->jobs[i].reason);
    }
    free(p->jobs);
    free(p->turns);
}

static struct turn *turn_of(struct pass *p, int64_t repo_id)
{
    for (size_t i = 0; i < p->n_turns; i++) {
        if (p->turns[i].repo_id == repo_id)
            return &p->turns[i];
    }
    p->turns[p->n_turns] = (struct turn){.repo_id = repo_id};
    return &p->turns[p->n_turns++];
}

static int add_job(void *arg, const struct job *j, struct err *e)
{
    struct pass *p = arg;

    (void)e;
    (void)turn_of(p, j->repo_id);
    p->jobs[p->n_jobs++] = (struct waiting){
        .id = j->id, .repo_id = j->repo_id, .repo = mem_strdup(j->repo), .reason = mem_strdup(j->reason)};
    return 0;
}

static int add_turn(void *arg, const struct store_turn *turn, struct err *e)
{
    struct pass *p = arg;

    (void)e;
    for (size_t i = 0; i < p->n_turns; i++) {
        if (p->turns[i].repo_id != turn->repo_id)
            continue;
        p->turns[i].machines = turn->machines;
        p->turns[i].served_ms = turn->served_ms;
    }
    return 0;
}

/* The first job of a repository that has no place yet; n_jobs = there is none. */
static size_t next_of(const struct pass *p, struct turn *turn)
{
    while (turn->next < p->n_jobs && (p->jobs[turn->next].placed || p->jobs[turn->next].repo_id != turn->repo_id))
        turn->next++;
    return turn->next;
}

/* As store_queue_next decides. Jobs are in the order of their waiting, so the lower number waits longer. */
static bool comes_before(const struct turn *a, const struct turn *b)
{
    int64_t x = a->machines + a->given, y = b->machines + b->given;

    if (x != y)
        return x < y;
    return a->served_ms != b->served_ms ? a->served_ms < b->served_ms : a->next < b->next;
}

static struct turn *best_turn(struct pass *p)
{
    struct turn *best = NULL;

    for (size_t i = 0; i < p->n_turns; i++) {
        struct turn *one = &p->turns[i];

        if (next_of(p, one) < p->n_jobs && (best == NULL || comes_before(one, best)))
            best = one;
    }
    return best;
}

static void place_all(struct pass *p)
{
    struct turn *turn;

    for (int64_t i = 0; (turn = best_turn(p)) != NULL; i++) {
        struct waiting *w = &p->jobs[turn->next];

        w->placed = true;
        w->before = i;
        w->before_of_repo = turn->given++;
        turn->served_ms = p->now_ms + i;
    }
}

static int write_word(struct store_tx *t, const struct pass *p, const struct waiting *w, const char *reason,
                      struct err *e)
{
    AUTO_JOB struct job j = {0};
    bool found;

    if (store_job_get(t, w->id, &j, &found, e))
        return -1;
    if (!found || j.state != JOB_QUEUED || j.want != WANT_MACHINE)
        return 0;
    return verdict_put(t, p->g,
                       &(struct verdict){.job_id = w->id,
                                         .want = WANT_MACHINE,
                                         .reason = reason,
                                         .cause = {CAUSE_LIMIT, 0, 0},
                                         .progress = room_is_waiting(j.reason), /* told before: another place only */
                                         .now_ms = p->now_ms},
                       e);
}

/* As look() for its repository, from what the pass has read already. */
static struct room room_of(const struct pass *p, const struct waiting *w)
{
    int64_t most = p->g->c.limits.machines_per_repository;
    struct room r = p->room;

    for (size_t i = 0; i < p->n_turns; i++) {
        if (p->turns[i].repo_id == w->repo_id)
            r.now.of_repo = p->turns[i].machines;
    }
    if (most > 0 && r.now.of_repo >= most)
        r.why = ROOM_REPO_FULL;
    return r;
}

static int tell_all(struct store_tx *t, const struct pass *p, struct err *e)
{
    int written = 0;

    for (size_t i = 0; i < p->n_jobs && written < WRITTEN; i++) {
        const struct waiting *w = &p->jobs[i];
        const struct room r = room_of(p, w);
        char reason[400];

        say(p->g, &r, w->repo, r.why == ROOM_REPO_FULL ? w->before_of_repo : w->before, reason, sizeof(reason));
        if (w->reason != NULL && strcmp(reason, w->reason) == 0)
            continue;
        if (write_word(t, p, w, reason, e))
            return -1;
        written++;
    }
    return 0;
}

static int pass_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct pass *p = arg;
    bool waiting;

    pass_clear(p);
    *p = (struct pass){.g = p->g, .now_ms = clock_now_ms(), .next_ms = -1};
    if (room_admit(t, p->g, p->now_ms, e) || store_queue_any(t, &waiting, e))
        return -1;
    if (!waiting)
        return 0;
    p->next_ms = p->now_ms + TELL_MS;
    p->jobs = mem_calloc(TOLD, sizeof(*p->jobs));
    p->turns = mem_calloc(TOLD, sizeof(*p->turns));
    if (look(t, p->g, 0, p->now_ms, &p->room, e) || store_queue_each(t, TOLD, add_job, p, e) ||
        store_queue_turns(t, add_turn, p, e))
        return -1;
    place_all(p);
    return tell_all(t, p, e);
}

int room_pass(struct engine *g, struct task_next *next, struct err *e)
{
    AUTO(pass_clear) struct pass p = {.g = g};

    *next = TASK_NEXT_NONE;
    if (workers_write(g, pass_tx, &p, e))
        return -1;
    next->due_ms = p.next_ms;
    next->priority = TASK_DECIDE;
    return 0;
}
