#include "server/engine/idle.h"

#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define FILE_STALE_MS (10 * 60 * 1000) /* a job looks again at a file that was not read for so long */
#define RETRY_FIRST_MS (30 * 1000)
#define RETRY_MOST_MS (60 * 60 * 1000)

/* No job's key begins so: there a backslash stands before a comma, a backslash or an x (github/label.h). */
#define KEY_PREFIX "\\idle/"

bool idle_pool_id(const char *source, const char *runner, char out[IDLE_POOL_MAX])
{
    int n = snprintf(out, IDLE_POOL_MAX, "%s/%s", source, runner);

    return n > 0 && n < IDLE_POOL_MAX;
}

void idle_label_key(const char *pool, char out[IDLE_POOL_MAX + 16])
{
    (void)snprintf(out, IDLE_POOL_MAX + 16, KEY_PREFIX "%s", pool);
}

/* The two sources that may serve a job: its repository's file, and its organisation's. */
struct job_sources {
    char repo[IDLE_SOURCE_MAX], org[IDLE_SOURCE_MAX];
};

static struct job_sources sources_of(const struct job *j)
{
    struct job_sources s;

    (void)snprintf(s.repo, sizeof(s.repo), "r%lld", (long long)j->repo_id);
    (void)snprintf(s.org, sizeof(s.org), "o%lld", (long long)j->installation_id);
    return s;
}

static int wake(struct store_tx *t, const char *source, int64_t now_ms, struct err *e)
{
    return store_task_put(t, TASK_IDLE, source, TASK_CHECK, now_ms, e);
}

/* --- what wakes a source ------------------------------------------------------------------------------------------ */

static int use(struct store_tx *t, const char *source, const char *runner, int64_t now_ms, struct err *e)
{
    char pool[IDLE_POOL_MAX];
    bool known = false;

    if (!idle_pool_id(source, runner, pool))
        return 0;
    if (store_idle_pool_use(t, pool, now_ms, &known, e))
        return -1;
    return known ? wake(t, source, now_ms, e) : 0;
}

/* A file that asks for warm runners: it is read if it was not for a while. */
static int know(struct store_tx *t, const struct idle_source *source, int64_t now_ms, struct err *e)
{
    bool stale;

    if (store_idle_source_know(t, source, now_ms - FILE_STALE_MS, &stale, e))
        return -1;
    return stale ? wake(t, source->id, now_ms, e) : 0;
}

static struct idle_source repo_source(const struct job *j)
{
    struct idle_source s = {.installation_id = j->installation_id, .repo_id = j->repo_id, .repo = j->repo};

    (void)snprintf(s.id, sizeof(s.id), "%s", sources_of(j).repo);
    return s;
}

static struct idle_source org_source(const struct job *j, char *owner)
{
    struct idle_source s = {.installation_id = j->installation_id, .repo = owner};

    (void)snprintf(s.id, sizeof(s.id), "%s", sources_of(j).org);
    return s;
}

int idle_admitted(struct store_tx *t, const struct job *j, const char *plan_json, struct idle_asks asks, int64_t now_ms,
                  struct err *e)
{
    const struct job_sources s = sources_of(j);
    AUTO_FREE char *runner = NULL, *owner = mem_strndup(j->repo, strcspn(j->repo, "/"));
    const struct idle_source repo = repo_source(j), org = org_source(j, owner);
    struct err ignored;
    char spec[65];

    if ((asks.repo && know(t, &repo, now_ms, e)) || (asks.org && know(t, &org, now_ms, e)))
        return -1;
    if (idle_plan_spec(plan_json, spec, &runner, &ignored))
        return 0;
    return use(t, s.repo, runner, now_ms, e) || use(t, s.org, runner, now_ms, e) ? -1 : 0;
}

/* installation_id 0: the delivery did not say, and only a source that is known can be read. */
static int touch(struct store_tx *t, const struct idle_source *source, bool names_file, int64_t now_ms, struct err *e)
{
    bool known, stale;

    if (store_idle_source_touch(t, source->id, now_ms, &known, e))
        return -1;
    if (!known && (!names_file || source->installation_id == 0))
        return 0;
    if (source->installation_id != 0 && store_idle_source_know(t, source, now_ms, &stale, e))
        return -1;
    return wake(t, source->id, now_ms, e);
}

int idle_pushed(struct store_tx *t, const struct job *where, int64_t now_ms, struct err *e)
{
    AUTO_FREE char *owner = mem_strndup(where->repo, strcspn(where->repo, "/"));
    const struct idle_source repo = repo_source(where), org = org_source(where, owner);

    if (touch(t, &repo, where->name != NULL && strcmp(where->name, IDLE_FILE) == 0, now_ms, e))
        return -1;
    return text_has_suffix(where->repo, "/" IDLE_ORG_REPO) ? touch(t, &org, where->name != NULL, now_ms, e) : 0;
}

/* --- a machine's way out of its pool, and back ------------------------------------------------------------------- */

static bool fits_job(void *arg, const struct machine *m)
{
    const struct job *j = arg;

    return m->labels_json != NULL && idle_labels_fit(m->labels_json, j->labels_json);
}

int idle_claim(struct store_tx *t, const struct job *j, int64_t now_ms, bool *claimed, struct err *e)
{
    const struct job_sources s = sources_of(j);
    AUTO_MACHINE struct machine m = {0};
    AUTO_FREE char *runner = NULL;
    struct job copy = *j; /* plain copy: its strings are borrowed */
    struct idle_machine row;
    struct err ignored;
    char spec[65];
    int64_t asked_ms;
    bool found, reaches;

    *claimed = false;
    if (j->plan_json == NULL || j->labels_json == NULL || idle_plan_spec(j->plan_json, spec, &runner, &ignored))
        return 0;
    if (store_idle_reach_get(t, j->repo_id, &reaches, &asked_ms, e) ||
        store_idle_find(t, s.repo, reaches ? s.org : NULL, spec, fits_job, &copy, &m, claimed, e))
        return -1;
    if (!*claimed)
        return 0;
    if (store_idle_machine_get(t, m.name, &row, &found, e) || store_idle_claim(t, m.name, j, e) ||
        store_event_add(t, now_ms, j->id, m.name, "machine.claimed", "a warm runner fits this job", e) ||
        store_task_put(t, TASK_MACHINE, m.name, TASK_CHECK, now_ms + CHECK_FIRST_MS, e)) /* is it really there? */
        return -1;
    return found ? wake(t, row.source, now_ms, e) : 0;
}

int idle_return(struct store_tx *t, const struct machine *m, int64_t now_ms, bool *returned, struct err *e)
{
    struct idle_machine row;
    char key[IDLE_POOL_MAX + 16];

    *returned = false;
    if (store_idle_machine_get(t, m->name, &row, returned, e))
        return -1;
    *returned = *returned && row.claimed;
    if (!*returned)
        return 0;
    idle_label_key(row.pool, key);
    return store_idle_release(t, m->name, machine_is_org(m) ? 0 : m->repo_id, key, e) ||
                   store_event_add(t, now_ms, m->job_id, m->name, "machine.returned",
                                   "the job it was claimed for needs it no more: warm again", e) ||
                   wake(t, row.source, now_ms, e)
               ? -1
               : 0;
}

/* It was in use, it failed, or it ended as it should. */
static void note_end(struct idle_pool *p, const struct machine_change *c, const struct machine *m)
{
    bool failed =
        c->event == FSM_LOST || c->event == FSM_DROP || (c->event == FSM_EXPIRED && c->now_ms < m->expires_ms);

    if (c->event == FSM_TAKEN || c->event == FSM_FINISHED) {
        p->used_ms = c->now_ms;
        p->failures = p->retry_ms = p->candidate = 0;
    } else if (failed && m->surplus_ms == 0) {
        p->failures++;
        p->retry_ms =
            c->now_ms + workers_backoff_ms((int)(p->failures < 16 ? p->failures : 16), RETRY_FIRST_MS, RETRY_MOST_MS);
        p->candidate = c->first_candidate;
    }
}

int idle_left(struct store_tx *t, const struct machine_change *c, const struct machine *m, bool *pooled, struct err *e)
{
    struct idle_machine row;
    struct idle_pool pool;
    bool found;

    *pooled = false;
    if (store_idle_machine_get(t, m->name, &row, &found, e))
        return -1;
    if (!found)
        return 0;
    *pooled = !row.claimed;
    if (store_idle_machine_drop(t, m->name, e) || store_idle_pool_get(t, row.pool, &pool, &found, e))
        return -1;
    if (found) {
        note_end(&pool, c, m);
        if (store_idle_pool_put(t, &pool, e))
            return -1;
    }
    return wake(t, row.source, c->now_ms, e);
}

int idle_is_up(struct store_tx *t, const char *name, struct err *e)
{
    struct idle_machine row;
    struct idle_pool pool;
    bool found;

    if (store_idle_machine_get(t, name, &row, &found, e))
        return -1;
    if (!found)
        return 0;
    if (store_idle_pool_get(t, row.pool, &pool, &found, e))
        return -1;
    if (!found || pool.failures == 0)
        return 0;
    pool.failures = pool.retry_ms = 0;
    return store_idle_pool_put(t, &pool, e);
}
