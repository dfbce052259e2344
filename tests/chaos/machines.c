/* Machines as they really are, from power on to power off; and GitHub, as far as their runners see it. */
#include "tests/chaos/chaos.h"

#include "server/base/clock.h"

#include <string.h>

static int64_t number_of(const struct box *b)
{
    const struct chaos *c = b->c;

    for (size_t k = 0; k < CHAOS_CLOUDS; k++) {
        if (b >= c->clouds[k].boxes && b < c->clouds[k].boxes + c->clouds[k].n)
            return (int64_t)(k * CHAOS_BOXES) + (b - c->clouds[k].boxes);
    }
    return -1;
}

static struct box *box_at(struct chaos *c, int64_t n)
{
    return &c->clouds[n / CHAOS_BOXES].boxes[n % CHAOS_BOXES];
}

/* The job that its runner has at GitHub; NULL = none. */
static struct chaos_job *job_of(const struct box *b)
{
    struct chaos *c = b->c;

    for (size_t i = 0; i < c->n_jobs; i++) {
        struct sim_job_info info;

        if (sim_github_job(c->gh, c->jobs[i].id, &info) && info.state == SIM_JOB_IN_PROGRESS && b->runner_id != 0 &&
            info.runner_id == b->runner_id)
            return &c->jobs[i];
    }
    return NULL;
}

static void gone(struct chaos *c, int64_t n)
{
    struct box *b = box_at(c, n);

    b->state = BOX_GONE;
    chaos_say(c, "%s is gone", b->id);
}

static void off_line(struct box *b)
{
    if (b->on_line)
        sim_github_runner_lost(b->c->gh, b->runner_id);
    b->on_line = b->working = false;
}

void box_end(struct box *b, bool by_engine)
{
    struct chaos *c = b->c;
    struct chaos_job *job = b->state == BOX_RUNNING ? job_of(b) : NULL;

    if (b->state == BOX_ENDING || b->state == BOX_GONE)
        return;
    if (by_engine && job != NULL && judge_may_end(c, job->id))
        job->harmed = true;
    else if (by_engine && job != NULL && clock_now_ms() < b->expires_ms)
        chaos_fail(c, CHAOS_KILLED_AT_WORK, "machine %s was destroyed while its runner had job %lld", b->name,
                   (long long)job->id);
    off_line(b);
    b->state = BOX_ENDING;
    agenda_add(c, (int64_t)chaos_draw(c, c->calm ? 5 * SECOND : 90 * SECOND), gone, number_of(b));
}

/* Some clouds keep what is off, and it costs. */
static void power_off(struct box *b)
{
    struct chaos *c = b->c;

    if (b->state != BOX_RUNNING)
        return;
    chaos_say(c, "%s powers off", b->id);
    off_line(b);
    b->state = BOX_STOPPED;
    if (number_of(b) >= CHAOS_BOXES)
        box_end(b, false);
}

static void harm(struct box *b, const char *how)
{
    struct chaos_job *job = job_of(b);

    chaos_say(b->c, "%s %s", b->id, how);
    if (job != NULL)
        job->harmed = true;
    if (b->kind == BOX_RECLAIMED) {
        b->reclaimed = true;
        box_end(b, false);
    } else {
        power_off(b);
    }
}

static void powers_off(struct chaos *c, int64_t n)
{
    power_off(box_at(c, n));
}

static void work_ends(struct chaos *c, int64_t n)
{
    struct box *b = box_at(c, n);

    if (!b->working || b->state != BOX_RUNNING)
        return;
    if (b->kind == BOX_BREAKS || b->kind == BOX_RECLAIMED) {
        harm(b, b->kind == BOX_BREAKS ? "breaks" : "is taken back");
        return;
    }
    chaos_say(c, "%s has done its job", b->id);
    b->on_line = b->working = false;
    sim_github_runner_finish(c->gh, b->runner_id, chaos_draw(c, 10) == 0 ? "failure" : "success");
    if (b->kind != BOX_HANGS)
        agenda_add(c, (int64_t)chaos_draw(c, 20 * SECOND), powers_off, n);
}

static void assigned(void *arg, int64_t runner_id, int64_t job_id)
{
    struct box *b = arg;
    struct chaos *c = b->c;
    int64_t most = chaos_draw(c, 6) == 0 ? 3 * HOUR : 20 * MINUTE;

    (void)runner_id;
    if (b->state != BOX_RUNNING || !b->on_line)
        return;
    if (job_id == 0) { /* the runner is not wanted any more */
        b->on_line = b->working = false;
        power_off(b);
        return;
    }
    chaos_say(c, "%s takes job %lld", b->id, (long long)job_id);
    b->working = true;
    agenda_add(c, 5 * SECOND + (int64_t)chaos_draw(c, (uint64_t)most), work_ends, number_of(b));
}

static void boots(struct chaos *c, int64_t n)
{
    struct box *b = box_at(c, n);
    struct err e;

    if (b->state != BOX_RUNNING || b->kind == BOX_NEVER_BOOTS)
        return;
    if (b->kind == BOX_NEVER_REGISTERS || b->jit == NULL ||
        sim_github_runner_online(c->gh, b->jit, assigned, b, &b->runner_id, &e)) {
        power_off(b);
        return;
    }
    b->on_line = true;
    chaos_say(c, "%s is on line", b->id);
}

void box_born(struct box *b)
{
    static const enum box_kind liars[] = {BOX_NEVER_BOOTS, BOX_NEVER_REGISTERS, BOX_BREAKS, BOX_RECLAIMED, BOX_HANGS};
    struct chaos *c = b->c;

    for (size_t k = 0; k < CHAOS_CLOUDS; k++) {
        for (size_t i = 0; i < c->clouds[k].n; i++) {
            const struct box *o = &c->clouds[k].boxes[i];

            if (o != b && strcmp(o->name, b->name) == 0 && o->state == BOX_RUNNING)
                chaos_fail(c, CHAOS_DOUBLED, "there are two machines %s: %s and %s", b->name, o->id, b->id);
        }
    }
    if (chaos_by(c, c->mood.liars))
        b->kind = liars[chaos_draw(c, ARRAY_LEN(liars))];
    if (b->kind == BOX_RECLAIMED && !b->spot)
        b->kind = BOX_BREAKS;
    agenda_add(c, 15 * SECOND + (int64_t)chaos_draw(c, 4 * MINUTE), boots, number_of(b));
}
