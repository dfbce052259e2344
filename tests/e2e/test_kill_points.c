/*
 * The crash matrix: the real daemon is killed at each state transition, seen from outside - in the timeline it keeps in
 * its store, or by a request of its that GitHub or the cloud holds back, before it takes effect or after - and started
 * again. Each job runs once, on one machine; nothing is left.
 *
 *     KILL_POINT=name build/tests/e2e/test_kill_points      that one alone
 */
#include "tests/support/lab.h"

#include "server/base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FAST 20
#define WAIT_MS 20000

enum story {
    SERVED,    /* a job from queued to gone */
    CANCELLED, /* while its machine boots */
    REFUSED,   /* no runner has its labels: a check run says so */
    VANISHED,  /* its machine is lost at work */
    NO_ROOM,   /* the first candidate has no capacity */
    WARM,      /* in the repository that keeps machines ready */
    PUSH       /* of its file */
};

enum place { GITHUB, CLOUD, TIMELINE, STORE };

struct point {
    const char *name;
    enum story story;
    enum place place;
    const char *what; /* GITHUB, CLOUD: the op; TIMELINE: kind of an event; STORE: a number that grows */
};

static const struct point points[] = {
    {"delivery stored", SERVED, STORE, "SELECT count(*) FROM delivery"},
    {"job stored", SERVED, STORE, "SELECT max(id) FROM job"},
    {"installation token", SERVED, GITHUB, SIM_GH_TOKEN},
    {"run looked up", SERVED, GITHUB, SIM_GH_RUN},
    {"file read", SERVED, GITHUB, SIM_GH_CONTENTS},
    {"job decided", SERVED, STORE, "SELECT count(*) FROM job WHERE want = 1"},
    {"machine wanted", SERVED, TIMELINE, "machine.wanted"},
    {"runner configuration", SERVED, GITHUB, SIM_GH_JITCONFIG},
    {"runner configuration of a job that is cancelled then", CANCELLED, GITHUB, SIM_GH_JITCONFIG},
    {"intent stored", SERVED, STORE, "SELECT count(*) FROM machine WHERE launched_ms > 0"},
    {"launch", SERVED, CLOUD, "RunInstances"},
    {"launch for a job that is cancelled then", CANCELLED, CLOUD, "RunInstances"},
    {"launch of the second candidate", NO_ROOM, CLOUD, "RunInstances"},
    {"candidate left for the next", NO_ROOM, STORE, "SELECT coalesce(sum(candidate), 0) FROM machine"},
    {"launched", SERVED, TIMELINE, "machine.launched"},
    {"taken", SERVED, TIMELINE, "machine.taken"},
    {"completed", SERVED, TIMELINE, "machine.finished"},
    {"destroy", SERVED, CLOUD, "TerminateInstances"},
    {"destroy accepted", SERVED, TIMELINE, "machine.ended"},
    {"last look", SERVED, CLOUD, "DescribeInstances"},
    {"gone", SERVED, TIMELINE, "machine.destroyed"},
    {"nobody waits any more", CANCELLED, TIMELINE, "machine.surplus"},
    {"dropped", CANCELLED, TIMELINE, "machine.dropped"},
    {"runner removed", CANCELLED, GITHUB, SIM_GH_RUNNER_DELETE},
    {"lost at work", VANISHED, TIMELINE, "machine.finished"},
    {"refused", REFUSED, STORE, "SELECT count(*) FROM job WHERE want = 3"},
    {"check run made", REFUSED, GITHUB, SIM_GH_CHECK_CREATE},
    {"file of warm machines read", PUSH, GITHUB, SIM_GH_CONTENTS},
    {"warm machine launched", WARM, CLOUD, "RunInstances"},
    {"warm machine taken", WARM, TIMELINE, "machine.taken"},
    {"warm machine replaced", WARM, TIMELINE, "machine.wanted"},
};

/* --- one point ------------------------------------------------------------------------------------------------------
 */

static struct sim_http *peer(const struct lab *l, const struct point *p)
{
    return p->place == GITHUB ? sim_github_http(l->w->gh) : sim_ec2_http(l->w->ec2);
}

/* How often it happened so far; -1 = cannot be told now. */
static int64_t seen(struct lab *l, const struct point *p)
{
    switch (p->place) {
    case GITHUB:
    case CLOUD:
        return (int64_t)sim_http_count_status(peer(l, p), p->what, 0); /* held back */
    case TIMELINE:
        return lab_number(l, "SELECT count(*) FROM event WHERE kind = $1", p->what);
    case STORE:
        break;
    }
    return lab_number(l, p->what, NULL);
}

static void cancel_last(struct lab *l)
{
    struct lab_job *j = &l->jobs[l->n_jobs - 1];

    if (j->kind == LAB_CANCELLED)
        return;
    sim_github_job_cancel(l->w->gh, j->id);
    j->kind = LAB_CANCELLED;
}

static void begin(struct lab *l, enum story story)
{
    struct world *w = l->w;

    if (story == NO_ROOM)
        sim_ec2_capacity(w->ec2, NULL, NULL, SIM_MARKET_SPOT, 0);
    if (story == VANISHED || story == CANCELLED)
        sim_machines_next(w->machines, story == VANISHED ? SIM_MACHINE_VANISHES : SIM_MACHINE_NEVER_BOOTS, 1);
    if (story == PUSH)
        lab_keep_warm(l, LAB_WARM);
    else if (story == REFUSED)
        (void)lab_job(l, LAB_NOBODY);
    else if (story == WARM)
        (void)lab_job_of(l, LAB_PLAIN, LAB_WARM_REPO, "[\"cirun-warm\"]");
    else
        (void)lab_job_of(l, LAB_PLAIN, WORLD_REPO, "[\"self-hosted\",\"cirun-gpu\"]");
}

/* Until it happens. A job of that story is cancelled once its machine is there, unless the kill comes first. */
static bool reach(struct lab *l, const struct point *p, int64_t before, size_t live)
{
    int64_t until = lab_real_ms() + WAIT_MS;

    while (seen(l, p) <= before) {
        if (lab_real_ms() >= until)
            return false;
        if (p->story == CANCELLED && sim_ec2_live(l->w->ec2) > live)
            cancel_last(l);
        lab_pause(1);
    }
    return true;
}

static void hold_back(struct lab *l, const struct point *p, enum sim_fault_kind kind)
{
    sim_http_fault(peer(l, p), &(struct sim_fault){.op = p->what, .kind = kind, .hang_ms = 5000, .next = 1});
}

static void tell_calls(struct lab *l)
{
    struct sim_http *both[] = {sim_github_http(l->w->gh), sim_ec2_http(l->w->ec2)};

    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        json_t *log = sim_http_log(both[i]);

        (void)json_dumpf(log, stderr, JSON_INDENT(1));
        json_decref(log);
    }
}

/* Killed there, with what it waits for never answered, and started again. */
static void die_at(struct lab *l, const struct point *p, const char *when, enum sim_fault_kind kind)
{
    size_t live = sim_ec2_live(l->w->ec2);
    int64_t before;

    (void)snprintf(l->point, sizeof(l->point), "%s%s", p->name, when);
    assert_true(lab_up(l));
    before = seen(l, p);
    if (p->place == GITHUB || p->place == CLOUD)
        hold_back(l, p, kind);
    begin(l, p->story);
    if (!reach(l, p, before, live))
        lab_finding(l, &l->count.wrong, "it was never reached");
    lab_kill(l);
    if (p->story == CANCELLED)
        cancel_last(l);
    if (!lab_calm(l) || lab_judge(l) != 0)
        lab_finding(l, &l->count.wrong, "not as if nothing had happened");
    if (getenv("KILL_POINT") != NULL)
        tell_calls(l);
    lab_kill(l);
    l->count.kills--; /* of the daemon at rest */
}

static void test_kill_points__a_death_at_each_transition_loses_and_doubles_nothing(void **state)
{
    const char *only = getenv("KILL_POINT");
    struct lab *l = lab_new(&(struct lab_conf){.seed = 1, .rate = FAST, .rough = true, .warm = true});

    (void)state;
    assert_true(lab_up(l) && lab_calm(l));
    lab_kill(l);
    l->count.kills = 0;
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        const struct point *p = &points[i];

        if (only != NULL && strcmp(only, p->name) != 0)
            continue;
        if (p->place == TIMELINE || p->place == STORE) {
            die_at(l, p, "", SIM_FAULT_STATUS);
            continue;
        }
        die_at(l, p, ", before it takes effect", SIM_FAULT_HANG);
        die_at(l, p, ", after it took effect", SIM_FAULT_HANG_AFTER);
    }
    assert_true(lab_up(l) && lab_calm(l) && lab_cool(l));
    (void)lab_judge(l);
    lab_print(l, "transitions");
    assert_int_equal(l->count.lost + l->count.doubled + l->count.left + l->count.wrong, 0);
    assert_int_equal(lab_down(l, SIGTERM), 0);
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_points__a_death_at_each_transition_loses_and_doubles_nothing)};

    if (!lab_can_preload("test_kill_points"))
        return 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
