/*
 * The engine under chance: jobs queued, stolen, cancelled and finished, events late, twice and out of order, clouds and
 * GitHub that refuse, lose answers and machines, restarts in between. Then everybody behaves, time passes, and nothing
 * may be left; what must hold at every moment is looked at all along.
 *
 *     CHAOS_SEED=n CHAOS_SEEDS=1 build/tests/e2e/test_engine_chaos      one seed again
 */
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/store/db.h"
#include "tests/sim/sim_util.h"
#include "tests/support/engine_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS 30
#define STEPS 70
#define MAX_JOBS 14
#define MAX_EVENTS 128
#define QUIET_ROUNDS 600
#define MOST 3 /* machines, of any limit */

static const char *const labels[] = {"cirun-gpu", "cirun-gpu--1", "cirun-gpu--2",
                                     "cirun-one", "cirun-one",    "cirun-odd"};

struct tracked {
    int64_t id;
    const char *label;
    enum sim_job_state seen;
};

struct event {
    struct tracked job;
    enum job_state state;
    char runner[80];
};

/* A machine as it really is. */
struct real {
    bool booted, over, ours; /* over: its runner is accounted for; ours: the test ended it, not the engine */
    int64_t runner_id;
};

struct chaos {
    struct bed *w;
    struct memcloud *clouds[2];
    uint64_t seed, rng;
    struct tracked jobs[MAX_JOBS];
    size_t n_jobs, n_events;
    struct event events[MAX_EVENTS];
    struct real real[2][MEMCLOUD_MAX];
    struct memcloud_box boxes[MEMCLOUD_MAX]; /* the look just taken */
    bool limited;                            /* by limits that each start draws anew */
    bool outage;                             /* no cloud takes a launch any more, ever */
};

static uint64_t draw(struct chaos *c, uint64_t n)
{
    return sim_rng(&c->rng) % n;
}

/* --- looking ---------------------------------------------------------------------------------------------------- */

static int64_t number(struct chaos *c, const char *sql, int64_t v)
{
    return bed_number(c->w, sql, v);
}

static int print_row(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    (void)arg;
    (void)e;
    for (size_t i = 0; i < n; i++) {
        if (cols[i].type == DB_INT)
            print_error(" %lld", (long long)cols[i].i);
        else
            print_error(" %s", cols[i].s != NULL ? cols[i].s : "-");
    }
    print_error("\n");
    return 0;
}

/* Everything is told, then the test fails. */
static void broken(struct chaos *c, const char *what, int64_t n)
{
    static const char *const dumps[] = {
        "SELECT 'job', id, label_key, state, want, runner_name, reason FROM job",
        ("SELECT 'machine', name, label_key, state, job_id, taken_job_id, runner_id, candidate, round, cloud, "
         "instance_id, surplus_ms, launched_ms, reason FROM machine"),
        "SELECT 'queue', repo_id, label_key, jobs, since_ms FROM queue",
        "SELECT 'task', subject, priority, due_ms, claimed, attempts FROM task",
        "SELECT 'event', at_ms, job_id, machine, kind, detail FROM event ORDER BY id"};
    struct err e;

    print_error("seed %llu, at %lld: %s (%lld)\n", (unsigned long long)c->seed, (long long)clock_now_ms(), what,
                (long long)n);
    for (size_t i = 0; i < ARRAY_LEN(dumps); i++)
        (void)db_sqlite.exec(c->w->db, dumps[i], NULL, 0, print_row, NULL, NULL, &e);
    for (size_t k = 0; k < 2; k++) {
        size_t n_boxes = memcloud_boxes(c->clouds[k], c->boxes);

        for (size_t i = 0; i < n_boxes; i++)
            print_error("box %s %s booted %d over %d\n", c->boxes[i].name, c->boxes[i].live ? "lives" : "gone",
                        c->real[k][i].booted, c->real[k][i].over);
    }
    fail_msg("seed %llu: %s", (unsigned long long)c->seed, what);
}

static void hold(struct chaos *c, bool ok, const char *what, int64_t n)
{
    if (!ok)
        broken(c, what, n);
}

/* --- what must hold always ---------------------------------------------------------------------------------------- */

struct balance_look {
    const char *label;
    struct store_balance b;
};

static int balance_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct balance_look *l = arg;

    return store_balance(t, BED_REPO_ID, l->label, &l->b, e);
}

/* Jobs of a label set that wait for room. One text each, in the order of labels: statements are known by their address.
 */
#define HELD(label) "SELECT coalesce(sum(jobs), 0) FROM queue WHERE label_key = '" label "' AND $1 = 0"
static const char *const held[] = {HELD("cirun-gpu"), HELD("cirun-gpu--1"), HELD("cirun-gpu--2"),
                                   HELD("cirun-one"), HELD("cirun-one"),    HELD("cirun-odd")};

static void check_now(struct chaos *c)
{
    int64_t n;

    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        struct balance_look l = {.label = labels[i]};
        struct err e;

        assert_int_equal(store_read(c->w->store, balance_tx, &l, &e), 0);
        hold(c, l.b.supply - l.b.surplus + number(c, held[i], 0) == l.b.demand,
             "machines on their way and room that is waited for are not as many as jobs that wait",
             l.b.supply - l.b.surplus - l.b.demand);
    }
    n = number(c,
               "SELECT count(*) FROM machine WHERE state < 6 AND (state > 0 OR round = 0)"
               " AND (state <> 5 OR launched_ms > 0 OR taken_job_id > 0) AND $1 = 0",
               0);
    hold(c, !c->limited || n <= MOST, "there are more machines than were ever allowed", n);
    n = number(c,
               "SELECT count(*) FROM machine WHERE state < 6 AND $1 = 0 AND NOT EXISTS"
               " (SELECT 1 FROM task WHERE kind = 2 AND subject = machine.name)",
               0);
    hold(c, n == 0, "a machine that is not gone has no task", n);
    n = number(c,
               "SELECT count(*) FROM job WHERE state = 1 AND want = 0 AND $1 = 0 AND NOT EXISTS"
               " (SELECT 1 FROM task WHERE kind = 1 AND subject = CAST(job.id AS TEXT))",
               0);
    hold(c, n == 0, "an undecided job has no task", n);
    n = number(c, "SELECT count(*) FROM machine WHERE state >= 5 AND sealed_jit IS NOT NULL AND $1 = 0", 0);
    hold(c, n == 0, "an ended machine's runner configuration is still in the store", n);
}

static void settle(struct chaos *c)
{
    hold(c, bed_settle(c->w), "tasks are due for ever", 0);
}

/* --- GitHub and the machines as they really are ----------------------------------------------------------------- */

static void push_event(struct chaos *c, const struct tracked *j, enum job_state state, const char *runner)
{
    struct event *v = &c->events[c->n_events++];

    assert_true(c->n_events < MAX_EVENTS);
    v->job = *j;
    v->state = state;
    (void)snprintf(v->runner, sizeof(v->runner), "%s", runner);
}

/* What happened at GitHub becomes events, not yet delivered. */
static void note_changes(struct chaos *c)
{
    for (size_t i = 0; i < c->n_jobs; i++) {
        struct tracked *j = &c->jobs[i];
        struct sim_job_info info;

        assert_true(sim_github_job(c->w->gh, j->id, &info));
        if (info.state > j->seen && j->seen < SIM_JOB_IN_PROGRESS && info.times_started > 0)
            push_event(c, j, JOB_RUNNING, info.runner_name);
        if (info.state > j->seen && info.state == SIM_JOB_COMPLETED)
            push_event(c, j, JOB_DONE, info.runner_name);
        j->seen = info.state;
    }
}

static bool is_busy(struct chaos *c, int64_t runner_id)
{
    for (size_t i = 0; i < c->n_jobs; i++) {
        struct sim_job_info info;

        assert_true(sim_github_job(c->w->gh, c->jobs[i].id, &info));
        if (info.state == SIM_JOB_IN_PROGRESS && info.runner_id == runner_id)
            return true;
    }
    return false;
}

/* Runners whose machine is gone. The engine may not have ended one at work. */
static void note_ends(struct chaos *c)
{
    for (size_t k = 0; k < 2; k++) {
        size_t n = memcloud_boxes(c->clouds[k], c->boxes);

        for (size_t i = 0; i < n; i++) {
            struct real *r = &c->real[k][i];

            if (c->boxes[i].live || !r->booted || r->over)
                continue;
            r->over = true;
            if (is_busy(c, r->runner_id)) {
                hold(c, r->ours, "a machine was destroyed while its runner had a job", r->runner_id);
                sim_github_runner_finish(c->w->gh, r->runner_id, "failure");
            }
            sim_github_runner_lost(c->w->gh, r->runner_id);
        }
    }
}

static void end_box(struct chaos *c, size_t k, size_t i)
{
    c->real[k][i].ours = true;
    memcloud_end(c->clouds[k], i);
}

/* As the bootstrap does: no registration, then power off. */
static void boot_box(struct chaos *c, size_t k, size_t i)
{
    char *jit = bed_jit_of(c->boxes[i].user_data);
    struct err e;

    c->real[k][i].booted = true;
    if (sim_github_runner_online(c->w->gh, jit, NULL, NULL, &c->real[k][i].runner_id, &e)) {
        c->real[k][i].over = true;
        end_box(c, k, i);
    }
    free(jit);
}

static void boot(struct chaos *c, bool all)
{
    for (size_t k = 0; k < 2; k++) {
        size_t n = memcloud_boxes(c->clouds[k], c->boxes);

        for (size_t i = 0; i < n; i++) {
            if (c->boxes[i].live && !c->real[k][i].booted && (all || draw(c, 2) == 0))
                boot_box(c, k, i);
        }
    }
}

static void power_off(struct chaos *c, int64_t runner_id)
{
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < MEMCLOUD_MAX; i++) {
            if (c->real[k][i].booted && c->real[k][i].runner_id == runner_id)
                end_box(c, k, i);
        }
    }
}

static void finish(struct chaos *c, bool all)
{
    for (size_t i = 0; i < c->n_jobs; i++) {
        struct sim_job_info info;

        assert_true(sim_github_job(c->w->gh, c->jobs[i].id, &info));
        if (info.state != SIM_JOB_IN_PROGRESS || (!all && draw(c, 2) == 0))
            continue;
        sim_github_runner_finish(c->w->gh, info.runner_id, "success");
        if (draw(c, 2) == 0)
            power_off(c, info.runner_id);
    }
}

/* --- one thing that happens -----------------------------------------------------------------------------------------
 */

static void queue(struct chaos *c)
{
    struct tracked *j = &c->jobs[c->n_jobs];

    if (c->n_jobs == MAX_JOBS)
        return;
    c->n_jobs++;
    j->label = labels[draw(c, ARRAY_LEN(labels))];
    j->id = bed_create_job(c->w, &(struct sim_job_spec){0}, j->label);
    j->seen = SIM_JOB_QUEUED;
    push_event(c, j, JOB_QUEUED, "");
    note_changes(c); /* an idle runner takes it at once */
}

static void cancel(struct chaos *c, size_t i)
{
    struct sim_job_info info;

    assert_true(sim_github_job(c->w->gh, c->jobs[i].id, &info));
    if (info.state == SIM_JOB_IN_PROGRESS)
        power_off(c, info.runner_id);
    sim_github_job_cancel(c->w->gh, c->jobs[i].id);
}

static void lose(struct chaos *c)
{
    size_t k = draw(c, 2), n = memcloud_boxes(c->clouds[k], c->boxes), i = n > 0 ? draw(c, n) : 0;

    if (n > 0 && c->boxes[i].live)
        end_box(c, k, i);
}

/* Any of those that wait, and sometimes it comes again later. */
static void deliver(struct chaos *c)
{
    struct event v;
    size_t i;

    if (c->n_events == 0)
        return;
    i = draw(c, c->n_events);
    v = c->events[i];
    if (draw(c, 6) != 0)
        c->events[i] = c->events[--c->n_events];
    bed_deliver(c->w, v.job.id, v.state, v.job.label, v.runner[0] != '\0' ? v.runner : NULL);
}

/* Every other seed: limits so small that jobs wait for room all the time. */
static void draw_limits(struct chaos *c)
{
    if (c->limited)
        c->w->limits = (struct engine_limits){.machines = 1 + (int64_t)draw(c, MOST),
                                              .machines_per_repository = 1 + (int64_t)draw(c, MOST),
                                              .launches_per_minute = 1 + (int64_t)draw(c, 5)};
}

static void restart(struct chaos *c)
{
    bed_down(c->w);
    draw_limits(c);
    bed_up(c->w);
}

static void github_fails(struct chaos *c)
{
    static const char *const ops[] = {NULL, SIM_GH_JITCONFIG, SIM_GH_RUNNER_DELETE, SIM_GH_RUNNERS, SIM_GH_CONTENTS};
    static const enum sim_fault_kind kinds[] = {SIM_FAULT_STATUS, SIM_FAULT_RESET_BEFORE, SIM_FAULT_RESET_AFTER,
                                                SIM_FAULT_STATUS_AFTER};

    sim_http_fault(sim_github_http(c->w->gh), &(struct sim_fault){.op = ops[draw(c, ARRAY_LEN(ops))],
                                                                  .kind = kinds[draw(c, ARRAY_LEN(kinds))],
                                                                  .status = draw(c, 4) == 0 ? 403 : 502,
                                                                  .next = 1 + (int)draw(c, 3)});
}

/* Every eighth seed: from the middle on nothing can be launched, and nobody ever says that it never will. */
static void begin_outage(struct chaos *c)
{
    enum err_kind kind = c->seed % 16 == 0 ? ERR_THROTTLED : ERR_CAPACITY;

    c->outage = true;
    memcloud_refuse(c->w->aws, NULL, kind, 0);
    memcloud_refuse(c->w->gcp, NULL, kind, 0);
}

static void step(struct chaos *c)
{
    uint64_t what = draw(c, 100);

    if (what < 18)
        queue(c);
    else if (what < 30)
        boot(c, false);
    else if (what < 40)
        finish(c, false);
    else if (what < 46 && c->n_jobs > 0)
        cancel(c, draw(c, c->n_jobs));
    else if (what < 50)
        lose(c);
    else if (what < 75)
        deliver(c);
    else if (what < 90)
        bed_advance(c->w, (int64_t)draw(c, draw(c, 4) == 0 ? 600 * 1000 : 40 * 1000));
    else if (what < 93)
        restart(c);
    else
        github_fails(c);
    note_ends(c);
    note_changes(c);
    if (draw(c, 3) == 0) {
        settle(c);
        check_now(c);
        note_ends(c);
        note_changes(c);
    }
}

/* --- quiet
 * ------------------------------------------------------------------------------------------------------------ */

static void one_quiet_round(struct chaos *c)
{
    boot(c, true);
    note_ends(c);
    note_changes(c);
    finish(c, true);
    note_ends(c);
    note_changes(c);
    while (c->n_events > 0)
        deliver(c);
    settle(c);
    check_now(c);
    note_ends(c);
    bed_advance(c->w, 15 * 1000 + (int64_t)draw(c, 60 * 1000));
    settle(c);
}

/* Jobs at GitHub that wait although ours, and nobody said why they are refused. */
static size_t unserved(struct chaos *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_jobs; i++) {
        struct sim_job_info info;

        assert_true(sim_github_job(c->w->gh, c->jobs[i].id, &info));
        n +=
            info.state != SIM_JOB_COMPLETED &&
            number(c, "SELECT count(*) FROM job WHERE id = $1 AND want = 3 AND reason IS NOT NULL", c->jobs[i].id) == 0;
    }
    return n;
}

static int64_t left_over(struct chaos *c)
{
    return (int64_t)memcloud_live(c->w->aws) + (int64_t)memcloud_live(c->w->gcp) +
           number(c, "SELECT count(*) FROM machine WHERE state < 6 AND $1 = 0", 0) +
           number(c, "SELECT count(*) FROM task WHERE subject <> 'nobody' AND kind < 7 AND $1 = 0",
                  0); /* standing ones stay */
}

static void be_quiet(struct chaos *c)
{
    struct sim_github_stats stats;

    memcloud_chance(c->w->aws, &(struct memcloud_chance){0});
    memcloud_chance(c->w->gcp, &(struct memcloud_chance){0});
    sim_http_faults_clear(sim_github_http(c->w->gh));
    for (int i = 0; i < QUIET_ROUNDS && unserved(c) > 0 && !c->outage; i++)
        one_quiet_round(c);
    hold(c, c->outage || unserved(c) == 0, "a job waits, neither served nor refused with a reason",
         (int64_t)unserved(c));
    for (size_t i = 0; i < c->n_jobs; i++)
        cancel(c, i);
    for (int i = 0; i < QUIET_ROUNDS && (i == 0 || left_over(c) > 0); i++)
        one_quiet_round(c);
    hold(c, memcloud_live(c->w->aws) + memcloud_live(c->w->gcp) == 0, "a machine lives that nobody needs", 0);
    hold(c, left_over(c) == 0, "records or tasks are left", left_over(c));
    sim_github_stats(c->w->gh, &stats);
    hold(c, stats.runners == 0, "runners are left at GitHub", (int64_t)stats.runners);
}

static void run_seed(void **state, uint64_t seed)
{
    struct chaos *c = mem_zalloc(sizeof(*c));
    static const struct memcloud_chance moods[] = {
        {.refuse = 0.05, .lose = 0.05, .fail = 0.05, .invisible_ms = 1000},
        {.refuse = 0.25, .lose = 0.10, .fail = 0.15, .invisible_ms = 5000},
        {.refuse = 0.40, .lose = 0.60, .fail = 0.20, .invisible_ms = 40 * 1000},
    };
    struct memcloud_chance chance = moods[seed % ARRAY_LEN(moods)];

    c->w = *state;
    c->seed = c->rng = seed;
    c->clouds[0] = c->w->aws;
    c->clouds[1] = c->w->gcp;
    for (size_t k = 0; k < 2; k++) {
        chance.seed = seed * 2 + k;
        memcloud_chance(c->clouds[k], &chance);
    }
    c->limited = seed % 2 == 1;
    if (c->limited)
        restart(c);
    for (int i = 0; i < STEPS; i++) {
        if (i == STEPS / 2 && seed % 8 == 0)
            begin_outage(c);
        step(c);
    }
    be_quiet(c);
    free(c);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);

    return s != NULL ? strtoull(s, NULL, 10) : otherwise;
}

static void test_engine_chaos__nothing_is_lost_and_nothing_is_left_whatever_happens(void **state)
{
    uint64_t first = setting("CHAOS_SEED", 1), n = setting("CHAOS_SEEDS", SEEDS);

    for (uint64_t i = 0; i < n; i++) {
        assert_int_equal(bed_setup(state), 0);
        run_seed(state, first + i);
        assert_int_equal(bed_teardown(state), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine_chaos__nothing_is_lost_and_nothing_is_left_whatever_happens)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
