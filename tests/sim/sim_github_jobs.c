/* Jobs and runners: who takes what, and what follows. GitHub's rules: GITHUB.md, section 2 "Label matching". */
#include "tests/sim/sim_github_priv.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define HOSTED_PICKUP_MS 20 /* GitHub's own runners are quick */

const char *gh_job_status(const struct gh_job *j)
{
    switch (j->state) {
    case SIM_JOB_WAITING:
        return "waiting";
    case SIM_JOB_QUEUED:
        return "queued";
    case SIM_JOB_IN_PROGRESS:
        return "in_progress";
    case SIM_JOB_COMPLETED:
        break;
    }
    return "completed";
}

struct gh_job *gh_job(struct sim_github *g, int64_t id)
{
    int64_t at = id - GH_FIRST_JOB;

    return at >= 0 && at < (int64_t)g->n_jobs ? g->jobs[at] : NULL;
}

struct gh_runner *gh_runner(struct sim_github *g, int64_t id)
{
    int64_t at = id - GH_FIRST_RUNNER;

    return at >= 0 && at < (int64_t)g->n_runners ? g->runners[at] : NULL;
}

void gh_job_free(struct gh_job *j)
{
    free(j->name);
    free(j->runner_name);
    json_decref(j->labels);
    free(j);
}

void gh_runner_free(struct gh_runner *r)
{
    free(r->name);
    free(r->jit);
    json_decref(r->labels);
    free(r);
}

/* ---- who takes what ---- */

static bool has_label(const json_t *labels, const char *label)
{
    for (size_t i = 0; i < json_array_size(labels); i++)
        if (strcasecmp(json_string_value(json_array_get(labels, i)), label) == 0)
            return true;
    return false;
}

static bool may_take(const struct gh_runner *r, const struct gh_job *j)
{
    const struct gh_repo *repo = j->run->repo;
    bool reaches =
        r->repo != NULL ? r->repo == repo : r->org == repo->installation && (repo->is_private || r->org->allows_public);

    if (!reaches || !r->registered || !r->online || r->job_id != 0)
        return false;
    for (size_t i = 0; i < json_array_size(j->labels); i++)
        if (!has_label(r->labels, json_string_value(json_array_get(j->labels, i))))
            return false;
    return true;
}

static void dequeue(struct sim_github *g, const struct gh_job *j)
{
    for (size_t i = 0; i < g->n_queue; i++) {
        if (g->queue[i] != j)
            continue;
        memmove(&g->queue[i], &g->queue[i + 1], (g->n_queue - i - 1) * sizeof(struct gh_job *));
        g->n_queue--;
        return;
    }
}

/* On the timer's thread, without the lock: the runner hears of its job, or (0) that it is not wanted any more. */
static void tell(struct sim_github *g, int64_t runner_id, int64_t job_id)
{
    sim_assigned_fn *fn = NULL;
    void *arg = NULL;
    struct gh_runner *r;

    gh_lock(g);
    r = gh_runner(g, runner_id);
    if (r != NULL) {
        fn = r->fn;
        arg = r->arg;
    }
    gh_unlock(g);
    if (fn != NULL)
        fn(arg, runner_id, job_id);
}

static void tell_assigned(void *arg, int64_t runner_id)
{
    struct sim_github *g = arg;
    struct gh_runner *r;
    int64_t job = 0;

    gh_lock(g);
    r = gh_runner(g, runner_id);
    if (r != NULL)
        job = r->last_job_id;
    gh_unlock(g);
    tell(g, runner_id, job);
}

static void tell_removed(void *arg, int64_t runner_id)
{
    tell(arg, runner_id, 0);
}

static void begin(struct sim_github *g, struct gh_job *j, int64_t runner_id, const char *runner_name)
{
    dequeue(g, j);
    j->state = SIM_JOB_IN_PROGRESS;
    j->started_ms = gh_now_ms(g);
    j->runner_id = runner_id;
    j->runner_name = mem_strdup(runner_name);
    j->times_started++;
    gh_story(g, "job \"%s\" starts on %s", j->name, runner_name);
    gh_send_job_event(g, j, "in_progress", false);
    (void)pthread_cond_broadcast(&g->changed);
}

static void assign(struct sim_github *g, struct gh_runner *r, struct gh_job *j)
{
    r->job_id = j->id;
    r->last_job_id = j->id;
    begin(g, j, r->id, r->name);
    if (r->fn != NULL)
        sim_timer_after(g->timer, 0, tell_assigned, g, r->id);
}

static void end(struct sim_github *g, struct gh_job *j, const char *conclusion)
{
    if (j->state == SIM_JOB_COMPLETED)
        return;
    dequeue(g, j);
    j->state = SIM_JOB_COMPLETED;
    j->conclusion = conclusion;
    j->completed_ms = gh_now_ms(g);
    g->completed++;
    g->cancelled += strcmp(conclusion, "cancelled") == 0 ? 1 : 0;
    gh_story(g, "job \"%s\" completed: %s", j->name, conclusion);
    gh_send_job_event(g, j, "completed", false);
    (void)pthread_cond_broadcast(&g->changed);
}

/* ---- GitHub's own runners ---- */

static void hosted_ends(void *arg, int64_t n)
{
    struct sim_github *g = arg;
    struct gh_job *j;

    gh_lock(g);
    j = gh_job(g, n);
    if (j != NULL && j->state == SIM_JOB_IN_PROGRESS)
        end(g, j, "success");
    gh_unlock(g);
}

static void hosted_begins(void *arg, int64_t n)
{
    struct sim_github *g = arg;
    struct gh_job *j;
    char name[48];

    gh_lock(g);
    j = gh_job(g, n);
    if (j != NULL && j->state == SIM_JOB_QUEUED) {
        (void)snprintf(name, sizeof(name), "GitHub Actions %d", (int)(n % 1000) + 1);
        begin(g, j, 1000000 + n % 1000, name);
        sim_timer_after(g->timer, j->hosted_ms, hosted_ends, g, n);
    }
    gh_unlock(g);
}

/* ---- jobs ---- */

static void fake_sha(struct sim_github *g, char out[41])
{
    for (int i = 0; i < 40; i += 8)
        (void)snprintf(out + i, 9, "%08x", (unsigned)sim_rng(&g->rng));
}

static const char * or (const char *s, const char *fallback)
{
    return s != NULL ? s : fallback;
}

static void add_alias(struct gh_repo *r, const char *sha, const char *branch)
{
    r->aliases = mem_realloc_array(r->aliases, r->n_aliases + 1, sizeof(*r->aliases));
    r->aliases[r->n_aliases].sha = mem_strdup(sha);
    r->aliases[r->n_aliases++].branch = mem_strdup(branch);
}

static struct gh_run *run_new(struct sim_github *g, struct gh_repo *repo, const struct sim_job_spec *s)
{
    struct gh_run *r = mem_zalloc(sizeof(*r));
    char sha[41];

    fake_sha(g, sha);
    r->id = s->run_id != 0 ? s->run_id : GH_FIRST_RUN + (int64_t)g->n_runs;
    r->repo = repo;
    r->head_repo_id = s->head_repo_id != 0 ? s->head_repo_id : repo->id;
    r->created_ms = gh_now_ms(g);
    r->attempt = s->run_attempt > 0 ? s->run_attempt : 1;
    r->workflow = mem_strdup(or (s->workflow, "CI"));
    r->path = mem_strdup(or (s->path, ".github/workflows/ci.yml"));
    r->event = mem_strdup(or (s->event, "push"));
    r->actor = mem_strdup(or (s->actor, "octocat"));
    r->triggering_actor = mem_strdup(or (s->triggering_actor, r->actor));
    r->head_branch = mem_strdup(or (s->head_branch, repo->default_branch));
    r->head_sha = mem_strdup(or (s->head_sha, sha));
    add_alias(repo, r->head_sha, r->head_branch);
    g->runs = mem_realloc_array(g->runs, g->n_runs + 1, sizeof(struct gh_run *));
    g->runs[g->n_runs++] = r;
    return r;
}

static bool labels_valid(const json_t *labels)
{
    for (size_t i = 0; i < json_array_size(labels); i++)
        if (!json_is_string(json_array_get(labels, i)))
            return false;
    return json_is_array(labels);
}

static struct gh_job *job_new(struct sim_github *g, struct gh_run *run, const struct sim_job_spec *s, json_t *labels)
{
    struct gh_job *j = mem_zalloc(sizeof(*j));

    j->id = GH_FIRST_JOB + (int64_t)g->n_jobs;
    j->run = run;
    j->name = mem_strdup(or (s->name, "build"));
    j->labels = labels;
    j->created_ms = gh_now_ms(g);
    j->hosted_ms = s->hosted_ms;
    j->attempt = run->attempt;
    g->jobs = mem_realloc_array(g->jobs, g->n_jobs + 1, sizeof(struct gh_job *));
    g->jobs[g->n_jobs++] = j;
    return j;
}

void gh_job_queue(struct sim_github *g, struct gh_job *j, bool lost)
{
    char *labels = json_dumps(j->labels, JSON_COMPACT);

    j->state = SIM_JOB_QUEUED;
    j->queued_ms = gh_now_ms(g);
    gh_story(g, "job \"%s\" queued, runs-on %s", j->name, labels);
    free(labels);
    gh_send_job_event(g, j, "queued", lost);
    if (j->hosted_ms > 0) {
        sim_timer_after(g->timer, HOSTED_PICKUP_MS, hosted_begins, g, j->id);
        return;
    }
    g->queue = mem_realloc_array(g->queue, g->n_queue + 1, sizeof(struct gh_job *));
    g->queue[g->n_queue++] = j;
    for (size_t i = 0; i < g->n_runners; i++) {
        if (may_take(g->runners[i], j)) {
            assign(g, g->runners[i], j);
            return;
        }
    }
}

int64_t sim_github_job_create(struct sim_github *g, const struct sim_job_spec *s)
{
    json_t *labels = json_loads(s->labels, 0, NULL);
    struct gh_repo *repo;
    struct gh_run *run;
    struct gh_job *j;
    int64_t id = 0;

    gh_lock(g);
    repo = gh_repo_full(g, s->repo);
    if (repo != NULL && labels_valid(labels)) {
        run = s->run_id != 0 ? gh_run(g, s->run_id) : NULL;
        j = job_new(g, run != NULL ? run : run_new(g, repo, s), s, labels);
        labels = NULL;
        id = j->id;
        if (s->waiting)
            gh_send_job_event(g, j, "waiting", false);
        else
            gh_job_queue(g, j, s->silent);
    }
    gh_unlock(g);
    json_decref(labels);
    return id;
}

void sim_github_job_release(struct sim_github *g, int64_t id)
{
    struct gh_job *j;

    gh_lock(g);
    j = gh_job(g, id);
    if (j != NULL && j->state == SIM_JOB_WAITING)
        gh_job_queue(g, j, false);
    gh_unlock(g);
}

void gh_job_cancel(struct sim_github *g, struct gh_job *j)
{
    struct gh_runner *r = gh_runner(g, j->runner_id);

    if (j->state == SIM_JOB_COMPLETED)
        return;
    if (r != NULL && r->job_id == j->id)
        gh_runner_remove(g, r);
    end(g, j, "cancelled");
}

void sim_github_job_cancel(struct sim_github *g, int64_t id)
{
    struct gh_job *j;

    gh_lock(g);
    j = gh_job(g, id);
    if (j != NULL)
        gh_job_cancel(g, j);
    gh_unlock(g);
}

bool sim_github_job(struct sim_github *g, int64_t id, struct sim_job_info *out)
{
    const struct gh_job *j;

    gh_lock(g);
    j = gh_job(g, id);
    if (j != NULL) {
        *out = (struct sim_job_info){
            .state = j->state, .run_id = j->run->id, .runner_id = j->runner_id, .attempt = j->attempt};
        out->queued_ms = j->queued_ms;
        out->started_ms = j->started_ms;
        out->completed_ms = j->completed_ms;
        out->times_started = j->times_started;
        (void)snprintf(out->runner_name, sizeof(out->runner_name), "%s", or (j->runner_name, ""));
        (void)snprintf(out->conclusion, sizeof(out->conclusion), "%s", or (j->conclusion, ""));
    }
    gh_unlock(g);
    return j != NULL;
}

/* ---- runners ---- */

struct gh_runner *gh_runner_new(struct sim_github *g, struct gh_repo *repo, const char *name, json_t *labels)
{
    struct gh_runner *r = mem_zalloc(sizeof(*r));

    r->id = GH_FIRST_RUNNER + (int64_t)g->n_runners;
    r->repo = repo;
    r->name = mem_strdup(name);
    r->labels = json_incref(labels);
    r->registered = true;
    sim_rng_guid(&g->rng, r->session);
    g->runners = mem_realloc_array(g->runners, g->n_runners + 1, sizeof(struct gh_runner *));
    g->runners[g->n_runners++] = r;
    return r;
}

void gh_runner_remove(struct sim_github *g, struct gh_runner *r)
{
    if (r->registered && r->online && r->fn != NULL)
        sim_timer_after(g->timer, 0, tell_removed, g, r->id);
    r->registered = false;
    r->online = false;
    r->job_id = 0;
    free(r->jit);
    r->jit = NULL;
}

/* The runner that this configuration was made for; it says so in its .runner part, as the real one does. */
static struct gh_runner *runner_of_jit(struct sim_github *g, const char *jit)
{
    struct buf outer = BUF_INIT(64 * 1024), inner = BUF_INIT(16 * 1024);
    json_t *files = NULL, *runner = NULL;
    const char *b64 = NULL, *id = NULL;
    struct gh_runner *r = NULL;

    if (sim_unbase64(jit, strlen(jit), false, &outer) && outer.p != NULL)
        files = json_loadb(outer.p, outer.len, 0, NULL);
    b64 = json_string_value(json_object_get(files, ".runner"));
    if (b64 != NULL && sim_unbase64(b64, strlen(b64), false, &inner) && inner.p != NULL)
        runner = json_loadb(inner.p, inner.len, 0, NULL);
    id = json_string_value(json_object_get(runner, "agentId"));
    if (id != NULL)
        r = gh_runner(g, strtoll(id, NULL, 10));
    json_decref(files);
    json_decref(runner);
    buf_clear(&outer);
    buf_clear(&inner);
    return r != NULL && r->jit != NULL && strcmp(r->jit, jit) == 0 ? r : NULL;
}

int sim_github_runner_online(struct sim_github *g, const char *encoded_jit_config, sim_assigned_fn *fn, void *arg,
                             int64_t *runner_id, struct err *e)
{
    struct gh_runner *r;
    int rc = 0;

    gh_lock(g);
    r = runner_of_jit(g, encoded_jit_config);
    if (r == NULL || !r->registered) {
        rc = err_set(e, ERR_GONE, "The runner registration has been deleted from the server.");
    } else if (r->was_online) {
        rc = err_set(e, ERR_CONFLICT, "A session for this runner already exists.");
    } else {
        r->online = true;
        r->was_online = true;
        r->fn = fn;
        r->arg = arg;
        *runner_id = r->id;
        gh_story(g, "runner %s is on line", r->name);
        for (size_t i = 0; i < g->n_queue; i++) {
            if (may_take(r, g->queue[i])) {
                assign(g, r, g->queue[i]);
                break;
            }
        }
    }
    gh_unlock(g);
    return rc;
}

static const char *known_conclusion(const char *s)
{
    static const char *const known[] = {"success", "failure", "cancelled", "skipped", "timed_out", "neutral"};

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(known[i], s) == 0)
            return known[i];
    return "failure";
}

void sim_github_runner_finish(struct sim_github *g, int64_t runner_id, const char *conclusion)
{
    struct gh_runner *r;

    gh_lock(g);
    r = gh_runner(g, runner_id);
    if (r != NULL && r->registered) {
        struct gh_job *j = gh_job(g, r->job_id);

        r->fn = NULL;
        gh_runner_remove(g, r);
        if (j != NULL)
            end(g, j, known_conclusion(conclusion));
    }
    gh_unlock(g);
}

static void contact_lost(void *arg, int64_t n)
{
    struct sim_github *g = arg;
    struct gh_runner *r;

    gh_lock(g);
    r = gh_runner(g, n);
    if (r != NULL && r->registered && !r->online && r->job_id != 0) {
        struct gh_job *j = gh_job(g, r->job_id);

        gh_runner_remove(g, r);
        if (j != NULL)
            end(g, j, "failure");
    }
    gh_unlock(g);
}

void sim_github_runner_lost(struct sim_github *g, int64_t runner_id)
{
    struct gh_runner *r;

    gh_lock(g);
    r = gh_runner(g, runner_id);
    if (r != NULL && r->registered) {
        r->online = false;
        r->fn = NULL;
        if (r->job_id != 0)
            sim_timer_after(g->timer, g->lost_contact_ms, contact_lost, g, r->id);
    }
    gh_unlock(g);
}

/* ---- counting and waiting ---- */

void sim_github_stats(struct sim_github *g, struct sim_github_stats *out)
{
    *out = (struct sim_github_stats){0};
    gh_lock(g);
    out->jobs = g->n_jobs;
    out->completed = g->completed;
    out->cancelled = g->cancelled;
    for (size_t i = 0; i < g->n_jobs; i++) {
        out->queued += g->jobs[i]->state == SIM_JOB_QUEUED ? 1 : 0;
        out->in_progress += g->jobs[i]->state == SIM_JOB_IN_PROGRESS ? 1 : 0;
    }
    out->runners_ever = g->n_runners;
    for (size_t i = 0; i < g->n_runners; i++) {
        out->runners += g->runners[i]->registered ? 1 : 0;
        out->runners_online += g->runners[i]->online ? 1 : 0;
    }
    out->limited_by_hour = g->limited_by_hour;
    out->limited_by_minute = g->limited_by_minute;
    out->deliveries = g->n_deliveries;
    out->deliveries_pending = g->pending;
    for (size_t i = 0; i < g->n_deliveries; i++) {
        const struct gh_delivery *d = g->deliveries[i];

        out->deliveries_failed += d->done && (d->status_code < 200 || d->status_code > 399) ? 1 : 0;
    }
    gh_unlock(g);
}

typedef bool condition_fn(struct sim_github *g, int64_t a, int64_t b);

static bool wait_until(struct sim_github *g, condition_fn *fn, int64_t a, int64_t b, int timeout_ms)
{
    int64_t until = sim_mono_ms() + timeout_ms;
    struct timespec at = {.tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000};
    bool ok;

    gh_lock(g);
    while (!(ok = fn(g, a, b)) && sim_mono_ms() < until)
        (void)pthread_cond_timedwait(&g->changed, &g->lock, &at);
    gh_unlock(g);
    return ok;
}

static bool job_is(struct sim_github *g, int64_t id, int64_t state)
{
    const struct gh_job *j = gh_job(g, id);

    return j != NULL && (int64_t)j->state >= state;
}

static bool completed_are(struct sim_github *g, int64_t n, int64_t unused)
{
    (void)unused;
    return (int64_t)g->completed >= n;
}

static bool deliveries_idle(struct sim_github *g, int64_t a, int64_t b)
{
    (void)a;
    (void)b;
    return g->pending == 0;
}

bool sim_github_wait_job(struct sim_github *g, int64_t id, enum sim_job_state s, int timeout_ms)
{
    return wait_until(g, job_is, id, (int64_t)s, timeout_ms);
}

bool sim_github_wait_completed(struct sim_github *g, size_t jobs, int timeout_ms)
{
    return wait_until(g, completed_are, (int64_t)jobs, 0, timeout_ms);
}

bool sim_github_wait_deliveries(struct sim_github *g, int timeout_ms)
{
    return wait_until(g, deliveries_idle, 0, 0, timeout_ms);
}
