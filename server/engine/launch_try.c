/* One try of a launch: what is about to happen is in the store before it happens, and what happened after it. */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/metric.h"
#include "server/engine/launch_int.h"
#include "server/engine/pace.h"
#include "server/engine/rank.h"
#include "server/engine/room.h"

#include <stdio.h>
#include <string.h>

#define SAY_EVERY_MS 5000 /* between two words of a long launch */

static const struct metric_desc launches = {METRIC_COUNTER, "muster_launches_total",
                                            "Launch calls by outcome (ok, or the kind of the failure)", "outcome",
                                            NULL};

void launch_count(const char *outcome)
{
    metric_add(&launches, outcome, 1);
}

/* --- words about the job ---------------------------------------------------------------------------------------- */

/* A word about the job, unless it was decided otherwise, taken or ended meanwhile. */
int launch_job_note(struct store_tx *t, const struct engine *g, const struct verdict *v, struct err *e)
{
    AUTO_JOB struct job j = {0};
    bool found;

    if (store_job_get(t, v->job_id, &j, &found, e))
        return -1;
    if (!found || !job_waits(&j))
        return 0;
    if (v->want == WANT_MACHINE && strcmp(v->reason, j.reason != NULL ? j.reason : "") == 0)
        return 0;
    return verdict_put(t, g, v, e);
}

struct verdict launch_word(const struct machine *m, enum job_want want, const char *reason)
{
    return (struct verdict){.job_id = m->job_id,
                            .want = want,
                            .reason = reason,
                            .cause = {CAUSE_CANDIDATES, 0, 0},
                            .now_ms = clock_now_ms()};
}

/* --- the store before the act --------------------------------------------------------------------------------- */

/* Write the machine as it is about to act. go = false: it is no longer to be launched, being in state `now`. */
struct intent {
    struct machine *m;
    const struct task *task;
    bool go;
    enum machine_state now;
    char token[96]; /* of the try, when its machine fetches its bootstrap; else "" */
    const struct engine *g;
    const struct plan *plan;
    bool first; /* no request of this try went out yet: it may be left alone */
    bool sound; /* a request may go out: its region is worth a look from now on */
    struct breaker_found left;
};

/* Ended while its runner configuration was on its way: who ends it must know of the runner. */
static int leave_runner(struct store_tx *t, const struct machine *m, struct machine *now, struct err *e)
{
    bool changed;

    now->runner_id = m->runner_id;
    return store_machine_update(t, now, M_ENDING, &changed, e);
}

/* What the machine may fetch is there before the machine. */
static int arm(struct store_tx *t, const struct intent *i, struct err *e)
{
    return i->go && i->token[0] != '\0' ? store_pull_arm(t, i->m->name, i->token, i->m->sealed_jit, e) : 0;
}

static int intent_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct intent *i = arg;
    AUTO_MACHINE struct machine now = {0};
    enum machine_state next;
    struct machine copy = *i->m;
    bool found, open = true;

    i->go = false;
    i->now = M_GONE;
    i->left = (struct breaker_found){.again_ms = 0};
    if (store_task_renew(t, i->task, clock_now_ms() + LEASE_MS, e) || (i->sound && sweep_note(t, i->g, i->m, e)) ||
        store_machine_get(t, i->m->name, &now, &found, e))
        return -1;
    if (found)
        i->now = now.state;
    if (!fsm_next(i->now, FSM_START, &next))
        return i->now == M_ENDING ? leave_runner(t, i->m, &now, e) : 0;
    if (i->now == M_WANTED && now.round > 0 && (room_for(t, i->g, now.repo_id, clock_now_ms(), &open, e) || !open))
        return open ? -1 : 0;
    if (i->first && breaker_look_tx(t, i->g, i->m, i->plan, true, clock_now_ms(), &i->left, e))
        return -1;
    if (i->left.again_ms > 0)
        return 0;
    copy.state = next;
    copy.surplus_ms = now.surplus_ms;
    return store_machine_update(t, &copy, now.state, &i->go, e) || arm(t, i, e) ? -1 : 0;
}

/* Files of strangers name regions that no cloud has. */
static bool is_sound(const struct attempt *a)
{
    const struct machine_spec *s = &a->plan.specs[a->m->candidate];
    const struct engine_cloud *cloud = machine_cloud(a->g, s->cloud);
    struct err ignored;

    return cloud != NULL && cloud->ops->check(cloud->provider, s, &ignored) == 0;
}

/* Names the try: the same again means the same machine. */
static void name_try(const struct machine *m, char out[96])
{
    (void)snprintf(out, 96, "%s-%d-%d", m->name, m->candidate, m->round);
}

int launch_intent(struct attempt *a, bool *go, struct breaker_found *left, struct err *e)
{
    struct intent i = {.m = a->m,
                       .task = a->task,
                       .g = a->g,
                       .plan = &a->plan,
                       .first = a->m->doubt_ms == 0,
                       .sound = is_sound(a),
                       .now = M_GONE};
    int64_t now = clock_now_ms();

    a->doubt_ms = a->m->doubt_ms;
    a->m->doubt_ms = now;
    if (a->m->launched_ms == 0) {
        a->m->launched_ms = now;
        a->m->boot_deadline_ms = now + a->g->c.boot_deadline_ms;
    }
    /* the same for a repetition of the same try */
    a->m->expires_ms = a->m->launched_ms + terms_lifetime_ms(a->g, &a->plan, (size_t)a->m->candidate);
    if (spec_pulls(&a->plan.specs[a->m->candidate]))
        name_try(a->m, i.token);
    if (workers_write(a->g, intent_tx, &i, e))
        return -1;
    *go = i.go;
    *left = i.left;
    if (i.left.again_ms > 0) {
        a->m->doubt_ms = a->doubt_ms;
        return 0;
    }
    if (i.go) {
        a->m->state = M_LAUNCHING;
        return 0;
    }
    /* ended, or already at work, while the runner configuration was on its way: no launch */
    a->next->due_ms = i.now == M_ENDING ? now : now + CHECK_FIRST_MS;
    a->next->priority = i.now == M_ENDING ? TASK_TEARDOWN : TASK_CHECK;
    return 0;
}

/* --- one candidate -------------------------------------------------------------------------------------------- */

/* What the launch carries: the bootstrap, or nothing where the image fetches it. */
static int render(const struct attempt *a, const struct engine_cloud *cloud, const struct machine_spec *s,
                  struct secret **out, struct err *e)
{
    if (!spec_pulls(s))
        return provision_render(a->g, a->m, &a->plan, a->jit, cloud->ops->user_data_max, out, e);
    return provision_check(a->g, a->m, &a->plan, a->jit, out, e);
}

/* What a long launch is at: the job says so, and the lease of the task goes on. */
struct word {
    struct attempt *a;
    const char *text;
    int64_t last_ms;
};

static int word_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct word *w = arg;
    struct verdict v = launch_word(w->a->m, WANT_MACHINE, w->text);

    v.progress = true;
    return store_task_renew(t, w->a->task, clock_now_ms() + LEASE_MS, e) || launch_job_note(t, w->a->g, &v, e) ? -1 : 0;
}

static void say(void *arg, const char *text)
{
    struct word *w = arg;
    struct err e;

    if (clock_mono_ms() - w->last_ms < SAY_EVERY_MS)
        return;
    w->last_ms = clock_mono_ms();
    w->text = text;
    if (store_write(w->a->g->c.store, word_tx, w, &e))
        log_warn(EV("launch.unsaid"), FS("machine", w->a->m->name), FE(&e));
}

int launch_call(struct attempt *a, const struct machine_spec *s, struct instance *got, struct err *e)
{
    const struct engine_cloud *cloud = machine_cloud(a->g, s->cloud);
    AUTO_SECRET struct secret *user_data = NULL;
    char token[96], job[24], expires[24];
    const struct machine *m = a->m;
    struct word words = {.a = a, .last_ms = clock_mono_ms() - SAY_EVERY_MS};
    struct tag tags[] = {{TAG_DEPLOYMENT, a->g->c.deployment},
                         {TAG_MACHINE, m->name},
                         {TAG_JOB, job},
                         {TAG_REPOSITORY, m->repo},
                         {TAG_EXPIRES, expires}};
    struct launch_request r = {.spec = s,
                               .name = m->name,
                               .token = token,
                               /* a repetition says the same */
                               .lifetime_s = (m->expires_ms + a->g->c.overtime_ms - m->launched_ms) / 1000,
                               .max_hourly_usd = sift_most_usd(a->g, &a->plan, (size_t)m->candidate),
                               .first_try = a->doubt_ms == 0,
                               .tags = tags,
                               .n_tags = ARRAY_LEN(tags),
                               .say = say,
                               .say_arg = &words};
    int rc;

    if (cloud == NULL)
        return err_set(e, ERR_AUTH, "cloud %s is not set up here (settings: clouds.%s)", s->cloud, s->cloud);
    name_try(m, token);
    (void)snprintf(job, sizeof(job), "%lld", (long long)m->job_id);
    (void)snprintf(expires, sizeof(expires), "%lld", (long long)(m->expires_ms / 1000));
    a->by_policy =
        sift_check(a->g, &a->plan, (size_t)a->m->candidate, e) != 0; /* it may have changed since the plan was made */
    if (a->by_policy || cloud->ops->check(cloud->provider, s, e) || render(a, cloud, s, &user_data, e))
        return -1;
    r.user_data = user_data;
    rc = cloud->ops->launch(cloud->provider, &r, got, e);
    pace_launched(a->g, cloud, s->region, rc != 0 ? e : NULL);
    return rc;
}

/* The machine is up: its first look, its deadline, and nothing to explain about its job any more. */
struct acceptance {
    struct engine *g;
    const struct machine *tried;
    const struct plan *plan;
    struct machine_change change;
    struct instance *got;
    int64_t now_ms, boot_ms; /* boot_ms: how long it may take to come up */
    bool stray;              /* the record knows another machine, or none: this one belongs to nobody */
};

static void note_launched(struct machine *m, void *arg)
{
    const struct acceptance *c = arg;

    machine_note_instance(m, c->got);
    m->boot_deadline_ms = c->now_ms + c->boot_ms;
}

static int accepted_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct acceptance *c = arg;
    AUTO_MACHINE struct machine m = {0};
    struct verdict v;
    bool found;

    c->stray = false;
    if (machine_change_tx(t, &c->change, e) || store_machine_get(t, c->change.name, &m, &found, e))
        return -1;
    if (!found || m.state == M_GONE || strcmp(m.instance_id, c->got->id) != 0)
        c->stray = true;
    if (breaker_taken_tx(t, c->g, c->tried, c->plan, e))
        return -1;
    v = launch_word(&m, WANT_MACHINE, "");
    return found ? launch_job_note(t, c->g, &v, e) : 0;
}

/* Whoever holds the record now does not know this machine: it ends here. */
static void end_stray(struct attempt *a, struct instance *got)
{
    const struct engine_cloud *cloud = machine_cloud(a->g, a->m->cloud);
    struct err e;

    log_error(EV("machine.unexpected"), FS("machine", a->m->name), FS("cloud", a->m->cloud), FS("instance", got->id));
    if (cloud != NULL && pace_destroy(a->g, cloud, got, NULL, &e))
        log_error(EV("destroy.failed"), FS("machine", a->m->name), FS("cloud", a->m->cloud), FS("instance", got->id),
                  FE(&e));
}

int launch_accepted(struct attempt *a, struct instance *got, struct err *e)
{
    struct acceptance c = {.g = a->g,
                           .tried = a->m,
                           .plan = &a->plan,
                           .got = got,
                           .now_ms = clock_now_ms(),
                           .boot_ms = terms_boot_deadline_ms(a->g, &a->plan, (size_t)a->m->candidate)};
    bool ending;

    c.change = (struct machine_change){.name = a->m->name,
                                       .event = FSM_LAUNCHED,
                                       .edit = note_launched,
                                       .edit_arg = &c,
                                       .now_ms = c.now_ms,
                                       .g = a->g};
    launch_count("ok");
    if (workers_write(a->g, accepted_tx, &c, e))
        return -1;
    if (c.stray)
        end_stray(a, got);
    log_info(EV("machine.launched"), FS("machine", a->m->name), FS("cloud", a->m->cloud), FS("region", got->region),
             FS("instance", got->id), FI("job", a->m->job_id), FI("took_ms", c.now_ms - a->m->created_ms));
    /* while the call was under way its job may have ended: then it ends at once */
    ending = c.change.applied && c.change.after == M_ENDING;
    a->next->due_ms = ending ? c.now_ms : c.now_ms + CHECK_FIRST_MS;
    a->next->priority = ending ? TASK_TEARDOWN : TASK_CHECK;
    return 0;
}
