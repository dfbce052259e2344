#include "server/engine/idle.h"

#include "server/base/clock.h"
#include "server/base/id.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/metric.h"
#include "server/engine/room.h"
#include "server/store/store_room.h"

#include <stdio.h>
#include <string.h>

#define LATER_MS (60 * 1000)
#define READ_EVERY_MS (10 * 60 * 1000) /* of a file that asks for warm runners; a push is told at once */
#define MOST_PER_SOURCE 200

static const struct metric_desc wanted_made = {METRIC_COUNTER, "muster_idle_machines_total",
                                               "Warm machines by what became of them (wanted, surplus)", "outcome",
                                               NULL};

/* A pool as the file asks for it now. */
struct want {
    char pool[IDLE_POOL_MAX];
    struct idle_recipe recipe;
    const struct idle_spec *spec;
    struct idle_pool state; /* of the store */
    int replicas, have;     /* have: unmarked machines of this recipe, not too old */
};

/* One run of a source's task. */
struct round {
    struct engine *g;
    struct idle_source source;
    int64_t now_ms, next_ms;
    bool has_machines, told; /* told: what cannot be kept warm was said before */
    struct cirun_yml *file;
    struct want *wants;
    size_t n;
    struct marked {
        char name[64];
        size_t want; /* n = none */
        bool keep;   /* it could still be of use */
        bool surplus;
    } * rows;
    size_t n_rows;
    bool later; /* something that a plan needs could not be asked for now */
};

static void round_clear(struct round *r)
{
    for (size_t i = 0; i < r->n; i++)
        idle_recipe_clear(&r->wants[i].recipe);
    free(r->wants);
    free(r->rows);
    cirun_yml_free(r->file);
    idle_source_clear(&r->source);
}

static void next_at(struct round *r, int64_t ms)
{
    if (ms < r->next_ms)
        r->next_ms = ms;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

struct reading {
    const struct idle_source *s;
    int64_t was_ms;
};

static int read_done_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct reading *d = arg;

    return store_idle_source_put(t, d->s, d->was_ms, e);
}

static int read_anew(struct round *r, const struct task *task, struct err *e)
{
    struct reading d = {&r->source, r->source.read_ms};
    struct err why;

    if (idle_read(r->g, &r->source, &why)) { /* a failure that passes: all stays as it is */
        log_warn(EV("idle.unread"), FS("repo", r->source.repo), FE(&why));
        next_at(r, r->now_ms + (why.retry_after_s > 0 ? (int64_t)why.retry_after_s * 1000
                                                      : workers_backoff_ms(task->attempts, 10 * 1000, READ_EVERY_MS)));
        return 0;
    }
    r->source.read_ms = r->now_ms;
    return workers_write(r->g, read_done_tx, &d, e);
}

/* --- what it asks for --------------------------------------------------------------------------------------------- */

/* Said when the file was read, not at each turn. */
static void refuse_one(const struct round *r, const struct cirun_runner *runner, const char *why)
{
    if (!r->told)
        log_warn(EV("idle.refused"), FS("repo", r->source.repo), FS("runner", runner->name),
                 FI("line", runner->idle.line), FS("reason", why));
}

static void add_want(struct round *r, const struct cirun_runner *runner)
{
    /* a job that asks for nothing but these is never served from an organisation's file */
    bool system_labels = r->g->c.bare_self_hosted && !idle_is_org(&r->source);
    struct want *w = &r->wants[r->n];
    struct err why;

    memset(w, 0, sizeof(*w));
    w->spec = &runner->idle;
    if (!idle_pool_id(r->source.id, runner->name, w->pool))
        refuse_one(r, runner, "the runner's name is too long");
    else if (idle_recipe_make(r->g, runner, system_labels, &w->recipe, &why)) {
        r->later = r->later || err_is_passing(&why); /* nothing is concluded from it */
        refuse_one(r, runner, why.msg);
    } else
        r->n++;
}

static void find_wants(struct round *r)
{
    if (r->source.text == NULL || r->source.refused != NULL)
        return;
    r->file = cirun_yml_parse(r->source.text, strlen(r->source.text), ".cirun.yml");
    r->wants = mem_calloc(r->file->n_runners + 1, sizeof(*r->wants));
    for (size_t i = 0; i < r->file->n_runners; i++) {
        if (r->file->runners[i].idle.kind != IDLE_NONE)
            add_want(r, &r->file->runners[i]);
    }
}

static int ask_wants(struct round *r, struct store_tx *t, struct err *e)
{
    int left = MOST_PER_SOURCE;

    for (size_t i = 0; i < r->n; i++) {
        struct want *w = &r->wants[i];

        if (store_idle_pool_know(t, w->pool, r->source.id, w->recipe.spec, &w->state, e))
            return -1;
        w->have = 0;
        w->replicas = idle_wanted(w->spec, r->now_ms, w->state.used_ms);
        if (w->replicas > left)
            w->replicas = left;
        left -= w->replicas;
        next_at(r, idle_next_change(w->spec, r->now_ms, w->state.used_ms));
    }
    return 0;
}

/* --- what there is ------------------------------------------------------------------------------------------------ */

/* A job that takes a warm machine finds at least half of the lifetime left. */
static int64_t old_at_ms(const struct machine *m)
{
    return m->launched_ms > 0 ? m->launched_ms + (m->expires_ms - m->launched_ms) / 2 : INT64_MAX;
}

static int see_machine(void *arg, const struct idle_machine *i, const struct machine *m, struct err *e)
{
    struct round *r = arg;
    struct marked *row;
    size_t k = 0;

    (void)e;
    while (k < r->n && strcmp(r->wants[k].pool, i->pool) != 0)
        k++;
    r->rows = mem_realloc_array(r->rows, r->n_rows + 1, sizeof(*r->rows));
    row = &r->rows[r->n_rows++];
    *row = (struct marked){.want = k, .surplus = m->surplus_ms != 0};
    (void)snprintf(row->name, sizeof(row->name), "%s", m->name);
    row->keep = k < r->n && strcmp(r->wants[k].recipe.spec, i->spec) == 0 && old_at_ms(m) > r->now_ms;
    if (row->keep && !row->surplus) {
        r->wants[k].have++;
        next_at(r, old_at_ms(m));
    }
    return 0;
}

/* It ends as soon as GitHub agrees: nobody waits for it, and nobody is to be given it. */
static int mark(struct store_tx *t, const struct engine *g, const char *name, int64_t now_ms, const char *why,
                struct err *e)
{
    AUTO_MACHINE struct machine m = {0};
    enum machine_state was;
    bool found, changed;

    if (store_machine_get(t, name, &m, &found, e))
        return -1;
    was = m.state;
    metric_add(&wanted_made, "surplus", 1);
    if (m.state == M_WANTED && m.launched_ms == 0 && m.runner_id == 0) {
        m.state = M_ENDING;
        return store_machine_update(t, &m, was, &changed, e) || store_idle_machine_drop(t, name, e) ||
                       store_task_put(t, TASK_MACHINE, name, TASK_TEARDOWN, now_ms, e) ||
                       store_event_add(t, now_ms, 0, name, "machine.dropped", why, e)
                   ? -1
                   : 0;
    }
    m.surplus_ms = now_ms > g->c.idle_grace_ms ? now_ms - g->c.idle_grace_ms : 1;
    return store_machine_update(t, &m, was, &changed, e) ||
                   store_task_put(t, TASK_MACHINE, name, TASK_CHECK, now_ms, e) ||
                   store_event_add(t, now_ms, 0, name, "machine.surplus", why, e)
               ? -1
               : 0;
}

int idle_yield(struct store_tx *t, const struct engine *g, int64_t repo_id, int64_t now_ms, struct err *e)
{
    char name[sizeof(((struct machine *)NULL)->name)];
    int64_t jobs, leaving;
    bool found;

    if (store_queue_jobs(t, repo_id, &jobs, e) || store_idle_leaving(t, repo_id, &leaving, e))
        return -1;
    if (leaving >= jobs)
        return 0; /* their room is on its way */
    if (store_idle_spare(t, repo_id, name, &found, e))
        return -1;
    return found ? mark(t, g, name, now_ms, "jobs wait for room", e) : 0;
}

static int unmark(struct store_tx *t, const char *name, struct err *e)
{
    AUTO_MACHINE struct machine m = {0};
    bool found, changed;

    if (store_machine_get(t, name, &m, &found, e))
        return -1;
    m.surplus_ms = 0;
    return store_machine_update(t, &m, m.state, &changed, e);
}

/* --- what follows ------------------------------------------------------------------------------------------------- */

static int want_one(struct round *r, struct store_tx *t, const struct want *w, struct err *e)
{
    AUTO_MACHINE struct machine m = {0};
    struct idle_machine row = {.claimed = false};
    char key[IDLE_POOL_MAX + 16];

    id_machine_name(m.name);
    idle_label_key(w->pool, key);
    m.state = M_WANTED;
    m.installation_id = r->source.installation_id;
    m.repo_id = r->source.repo_id;
    m.created_ms = r->now_ms;
    m.expires_ms = r->now_ms + r->g->c.lifetime_ms;
    m.candidate = (int)w->state.candidate;
    m.repo = mem_strdup(r->source.repo);
    m.labels_json = mem_strdup(w->recipe.labels_json);
    m.label_key = mem_strdup(key);
    m.plan_json = mem_strdup(w->recipe.plan_json);
    (void)snprintf(row.name, sizeof(row.name), "%s", m.name);
    (void)snprintf(row.pool, sizeof(row.pool), "%s", w->pool);
    (void)snprintf(row.source, sizeof(row.source), "%s", r->source.id);
    (void)snprintf(row.spec, sizeof(row.spec), "%s", w->recipe.spec);
    metric_add(&wanted_made, "wanted", 1);
    /* less urgent than any job's: those who wait go first */
    return store_machine_insert(t, &m, e) || store_idle_machine_add(t, &row, e) ||
                   store_task_put(t, TASK_MACHINE, m.name, TASK_CHECK, r->now_ms, e) ||
                   store_event_add(t, r->now_ms, 0, m.name, "machine.wanted", "a warm runner", e)
               ? -1
               : 0;
}

/* Those that were marked and are not gone yet come first. */
static int unmark_some(struct round *r, struct store_tx *t, struct want *w, struct err *e)
{
    size_t index = (size_t)(w - r->wants);

    for (size_t i = 0; i < r->n_rows && w->have < w->replicas; i++) {
        struct marked *row = &r->rows[i];

        if (row->want != index || !row->keep || !row->surplus)
            continue;
        if (unmark(t, row->name, e))
            return -1;
        w->have++;
    }
    return 0;
}

static int fill(struct round *r, struct store_tx *t, struct want *w, struct err *e)
{
    while (w->have < w->replicas) {
        int have = w->have;
        bool spare;

        if (room_spare(t, r->g, r->source.repo_id, r->now_ms, &spare, e))
            return -1;
        if (!spare) { /* jobs first */
            next_at(r, r->now_ms + ROOM_AGAIN_MS);
            return 0;
        }
        if (unmark_some(r, t, w, e))
            return -1;
        if (w->have > have)
            continue;
        if (w->state.retry_ms > r->now_ms) {
            next_at(r, w->state.retry_ms);
            return 0;
        }
        if (want_one(r, t, w, e))
            return -1;
        w->have++;
    }
    return 0;
}

static int drain(struct round *r, struct store_tx *t, struct err *e)
{
    for (size_t i = 0; i < r->n_rows; i++) {
        struct marked *row = &r->rows[i];
        struct want *w = row->keep ? &r->wants[row->want] : NULL;

        if (row->surplus || (w != NULL && w->have <= w->replicas))
            continue;
        if (mark(t, r->g, row->name, r->now_ms, "no warm runner is needed any more", e))
            return -1;
        if (w != NULL)
            w->have--;
    }
    return 0;
}

static int strike_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct round *r = arg;

    free(r->rows);
    r->rows = NULL;
    r->n_rows = 0;
    if (ask_wants(r, t, e) || store_idle_machines(t, r->source.id, see_machine, r, e) || drain(r, t, e))
        return -1;
    for (size_t i = 0; i < r->n; i++) {
        if (fill(r, t, &r->wants[i], e))
            return -1;
    }
    r->has_machines = r->n_rows > 0;
    return 0;
}

struct source_read {
    const char *id;
    struct idle_source *s;
    bool found;
};

static int read_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct source_read *q = arg;

    idle_source_clear(q->s);
    return store_idle_source_get(t, q->id, q->s, &q->found, e);
}

int idle_task(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    AUTO(round_clear) struct round r = {.g = g, .now_ms = clock_now_ms(), .next_ms = INT64_MAX};
    struct source_read q = {task->subject, &r.source, false};

    *next = TASK_NEXT_NONE;
    if (store_read(g->c.store, read_tx, &q, e))
        return -1;
    if (!q.found)
        return 0;
    r.told = r.now_ms < r.source.read_ms + READ_EVERY_MS;
    if (!r.told && read_anew(&r, task, e))
        return -1;
    find_wants(&r);
    if (r.later) {
        next->due_ms = r.now_ms + LATER_MS;
        return 0;
    }
    if (workers_write(g, strike_tx, &r, e))
        return -1;
    /* where nothing is asked for and nothing is left, a push or a job wakes it */
    if (r.n > 0 || r.has_machines)
        next_at(&r, r.now_ms + READ_EVERY_MS);
    if (r.next_ms == INT64_MAX)
        return 0;
    next->due_ms = r.next_ms;
    next->retry = r.source.read_ms + READ_EVERY_MS <= r.now_ms; /* it could not be read */
    return 0;
}
