#include "tests/chaos/chaos.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/github/event.h"
#include "server/store/store_internal.h"
#include "tests/sim/sim_github_manual.h"

#include <semaphore.h>
#include <stdio.h>
#include <string.h>

/* One key for all seeds: making one takes longer than a seed. */
const struct crypto_key *chaos_key(void);

void daemon_up(struct chaos *c)
{
    struct github_conf gc = {sim_github_url(c->gh), "12345", chaos_key(), c->http};
    struct engine_conf ec = {.app_key = chaos_key(),
                             .clouds = c->engine_clouds,
                             .n_clouds = CHAOS_CLOUDS,
                             .deployment = "chaos",
                             .workers = 4,
                             .limits = c->limits,
                             .lifetime_ms = CHAOS_LIFETIME,
                             .boot_deadline_ms = 15 * MINUTE,
                             .idle_grace_ms = 5 * MINUTE,
                             .http = c->http,
                             .bare_self_hosted = true,
                             .one_line = true};
    struct err e;

    c->dead = false;
    c->up = true;
    c->counts.restarts++;
    chaos_say(c, "up");
    c->github = github_new(&gc);
    ec.github = c->github;
    c->engine = NULL;
    if (store_open_with(chaos_db(), c->url, &c->store, &e)) {
        c->store = NULL;
        if (!c->dead)
            chaos_fail(c, CHAOS_BROKEN, "the store cannot be opened: %s", e.msg);
        return;
    }
    ec.store = c->store;
    c->engine = engine_new(&ec);
    if (engine_prepare(c->engine, &e) && !c->dead)
        chaos_fail(c, CHAOS_BROKEN, "the engine does not start: %s", e.msg);
}

void daemon_down(struct chaos *c)
{
    if (!c->up)
        return;
    chaos_say(c, "down");
    store_close(c->store);
    engine_free(c->engine);
    github_free(c->github);
    c->store = NULL;
    c->engine = NULL;
    c->github = NULL;
    c->up = c->dead = false;
}

static void up_again(struct chaos *c, int64_t n)
{
    (void)n;
    if (!c->up)
        daemon_up(c);
}

void daemon_killed(struct chaos *c)
{
    int64_t ms = c->mood.down_most > 0 ? (int64_t)chaos_draw(c, (uint64_t)c->mood.down_most) : 0;

    if (chaos_draw(c, 3) != 0)
        ms = ms > SECOND ? SECOND : ms; /* mostly it is back at once */
    daemon_down(c);
    agenda_add(c, ms, up_again, 0);
}

/* --- webhooks --------------------------------------------------------------------------------------------------- */

struct answer {
    sem_t over;
    enum delivery_outcome outcome;
    int rc;
};

static void answered(void *arg, enum delivery_outcome outcome, int rc, const struct err *e)
{
    struct answer *a = arg;

    (void)e;
    a->outcome = outcome;
    a->rc = rc;
    (void)sem_post(&a->over);
}

static int hand_in(struct chaos *c, const char *guid, enum event_verdict what, struct job *job)
{
    struct answer a = {.rc = -1};

    (void)sem_init(&a.over, 0, 0);
    if (what == EVENT_JOB)
        engine_deliver(c->engine, guid, job, answered, &a);
    else if (what == EVENT_PUSH)
        engine_pushed(c->engine, guid, job, answered, &a);
    else
        engine_pressed(c->engine, guid, job, answered, &a);
    engine_flush(c->engine);
    (void)sem_wait(&a.over);
    (void)sem_destroy(&a.over);
    return a.rc != 0 ? 503 : 202;
}

static void remember(struct chaos *c, const char *guid)
{
    c->acked = mem_realloc_array(c->acked, c->n_acked + 1, sizeof(*c->acked));
    c->acked[c->n_acked++] = mem_strdup(guid);
}

/* The status that GitHub sees; 0 = none. */
static int receive(struct chaos *c, const struct sim_webhook *w)
{
    AUTO_JOB struct job job = {0};
    enum event_verdict what;
    struct err e;
    int status;

    if (!c->up || c->dead)
        return 0;
    if (event_parse(w->event, w->body, strlen(w->body), clock_now_ms(), &what, &job, &e)) {
        chaos_fail(c, CHAOS_BROKEN, "a delivery cannot be read: %s", e.msg);
        return 400;
    }
    if (what == EVENT_IGNORED)
        return 200;
    status = hand_in(c, w->guid, what, &job);
    if (chaos_point(c, "before a delivery was answered"))
        return 0;
    if (status == 202)
        remember(c, w->guid);
    return status;
}

static void deliver_all(struct chaos *c)
{
    struct sim_webhook w;

    while (sim_github_next_webhook(c->gh, &w)) {
        int status = receive(c, &w);

        c->counts.deliveries++;
        chaos_say(c, "webhook %s %s: %d", w.event, w.guid, status);
        sim_github_webhook_done(c->gh, w.id, status);
        free(w.body);
    }
}

/* --- time ------------------------------------------------------------------------------------------------------- */

void chaos_tick(struct chaos *c)
{
    sim_github_run(c->gh);
    agenda_run(c);
    story_see_jobs(c);
    deliver_all(c);
    judge_now(c);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

/* When the daemon has something to do, by the monotonic clock; -1 = never. */
static int64_t daemon_due_ms(struct chaos *c)
{
    int64_t due, now = clock_now_ms();

    if (!c->up || c->dead)
        return -1;
    due = workers_due_ms(c->engine->workers);
    return due < 0 ? -1 : clock_mono_ms() + (due > now ? due - now : 0);
}

bool chaos_step(struct chaos *c)
{
    int64_t mono, due, next;

    c->counts.steps++;
    chaos_tick(c);
    mono = clock_mono_ms();
    due = daemon_due_ms(c);
    if (due == mono)
        (void)workers_step(c->engine->workers);
    if (c->up && c->dead)
        daemon_killed(c);
    if (due == mono)
        return true;
    next = sooner(due, sooner(agenda_due_ms(c), sim_github_due_ms(c->gh)));
    if (next < 0)
        return false;
    if (next > mono)
        clock_test_advance(next - mono);
    return true;
}
