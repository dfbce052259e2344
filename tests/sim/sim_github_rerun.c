/*
 * Attempts of runs. GitHub docs, "Re-running workflows and jobs": a run can be run again while it is completed, for 30
 * days, 50 times; each time is a new attempt, in which the jobs that do not run again stand too, under new ids.
 */
#include "tests/sim/sim_github_rerun.h"

#include "server/base/mem.h"
#include "tests/sim/sim_github_priv.h"

#include <stdio.h>
#include <string.h>

#define MONTH_MS ((int64_t)30 * 24 * 3600 * 1000)
#define ATTEMPTS_MAX 50
#define PER_PAGE_MAX 100

struct gh_run *gh_run(struct sim_github *g, int64_t id)
{
    for (size_t i = g->n_runs; i > 0; i--)
        if (g->runs[i - 1]->id == id)
            return g->runs[i - 1];
    return NULL;
}

void gh_run_free(struct gh_run *r)
{
    free(r->workflow);
    free(r->path);
    free(r->event);
    free(r->actor);
    free(r->triggering_actor);
    free(r->head_branch);
    free(r->head_sha);
    free(r);
}

static bool is(const struct gh_job *j, const char *conclusion)
{
    return j->conclusion != NULL && strcmp(j->conclusion, conclusion) == 0;
}

static bool has_failed(const struct gh_job *j)
{
    return is(j, "failure") || is(j, "timed_out") || is(j, "cancelled");
}

static bool of_attempt(const struct gh_job *j, const struct gh_run *r)
{
    return j->run == r && j->attempt == r->attempt;
}

bool gh_run_completed(struct sim_github *g, const struct gh_run *r, const char **conclusion)
{
    bool failed = false, cancelled = r->cancelled != 0;

    for (size_t i = 0; i < g->n_jobs; i++) {
        const struct gh_job *j = g->jobs[i];

        if (!of_attempt(j, r))
            continue;
        if (j->state != SIM_JOB_COMPLETED)
            return false;
        failed = failed || is(j, "failure") || is(j, "timed_out");
        cancelled = cancelled || is(j, "cancelled");
    }
    *conclusion = r->cancelled != 0 ? "cancelled" : failed ? "failure" : cancelled ? "cancelled" : "success";
    return true;
}

/* One job of the last attempt in the new one: queued, or as it ended. */
static void carry_over(struct sim_github *g, size_t at, bool again)
{
    const struct gh_job *old = g->jobs[at];
    struct gh_job *j = mem_zalloc(sizeof(*j));

    *j = *old;
    j->id = GH_FIRST_JOB + (int64_t)g->n_jobs;
    j->name = mem_strdup(old->name);
    j->runner_name = again || old->runner_name == NULL ? NULL : mem_strdup(old->runner_name);
    j->labels = json_deep_copy(old->labels);
    j->attempt = old->run->attempt;
    g->jobs = mem_realloc_array(g->jobs, g->n_jobs + 1, sizeof(struct gh_job *));
    g->jobs[g->n_jobs++] = j;
    if (!again) {
        g->completed++;
        return;
    }
    j->conclusion = NULL;
    j->created_ms = gh_now_ms(g);
    j->started_ms = j->completed_ms = j->runner_id = 0;
    j->times_started = 0;
    gh_job_queue(g, j, false);
}

/* only NULL: all that failed. */
static void run_again(struct sim_github *g, struct gh_run *r, const struct gh_job *only)
{
    size_t n = g->n_jobs;
    int before = r->attempt++;

    r->cancelled = 0;
    gh_story(g, "run %lld begins again, attempt %d", (long long)r->id, r->attempt);
    for (size_t i = 0; i < n; i++) {
        const struct gh_job *j = g->jobs[i];

        if (j->run == r && j->attempt == before)
            carry_over(g, i, only != NULL ? j == only : has_failed(j));
    }
}

/* NULL: it can. */
static const char *why_not(struct sim_github *g, const struct gh_run *r, const char *running)
{
    const char *conclusion;

    if (!gh_run_completed(g, r, &conclusion))
        return running;
    if (gh_now_ms(g) - r->created_ms > MONTH_MS)
        return "Unable to retry this workflow run because it was created over a month ago";
    return r->attempt > ATTEMPTS_MAX ? "This workflow run cannot be retried: it was retried too often" : NULL;
}

void gh_api_rerun_failed(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    struct gh_run *r = gh_run(g, gh_id_arg(rq->arg[2]));
    const char *no;

    if (r == NULL || r->repo != repo) {
        gh_refuse(rs, 404, "Not Found");
        return;
    }
    no = why_not(g, r, "This workflow is already running");
    if (no != NULL) {
        gh_refuse(rs, 403, no);
        return;
    }
    run_again(g, r, NULL);
    sim_res_json(rs, 201, json_object());
}

void gh_api_rerun_job(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    const struct gh_job *j = gh_job(g, gh_id_arg(rq->arg[2]));
    const char *no;

    if (j == NULL || j->run->repo != repo) {
        gh_refuse(rs, 404, "Not Found");
        return;
    }
    no = why_not(g, j->run, "The workflow run containing this job is already running");
    if (no == NULL && !of_attempt(j, j->run))
        no = "Unable to re-run this job: only jobs of the latest attempt can be re-run";
    if (no != NULL) {
        gh_refuse(rs, 403, no);
        return;
    }
    run_again(g, j->run, j);
    sim_res_json(rs, 201, json_object());
}

void gh_api_list_attempt_jobs(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    const struct gh_run *r = gh_run(g, gh_id_arg(rq->arg[2]));
    int64_t attempt = gh_id_arg(rq->arg[3]);
    int per_page = gh_page_number(g, rq, "per_page", 30, PER_PAGE_MAX), page = gh_page_number(g, rq, "page", 1, 1000);
    json_t *list;
    int n = 0;

    if (r == NULL || r->repo != repo || attempt < 1 || attempt > r->attempt) {
        gh_refuse(rs, 404, "Not Found");
        return;
    }
    list = json_array();
    for (size_t i = 0; i < g->n_jobs; i++) {
        struct gh_job *j = g->jobs[i];
        struct gh_event at = {.job = j, .status = gh_job_status(j), .conclusion = j->conclusion};

        if (j->run != r || j->attempt != attempt)
            continue;
        at.started_ms = j->started_ms;
        at.completed_ms = j->completed_ms;
        at.runner_id = j->runner_id;
        at.runner_name = j->runner_name;
        if (n >= (page - 1) * per_page && n < page * per_page)
            (void)json_array_append_new(list, gh_job_json(j, &at));
        n++;
    }
    sim_res_json(rs, 200, json_pack("{s:i, s:o}", "total_count", n, "jobs", list));
}

/* ---- by hand ---- */

void sim_github_run_cancel(struct sim_github *g, int64_t run_id)
{
    struct gh_run *r;

    gh_lock(g);
    r = gh_run(g, run_id);
    if (r != NULL) {
        r->cancelled = 1;
        for (size_t i = 0; i < g->n_jobs; i++) {
            if (of_attempt(g->jobs[i], r))
                gh_job_cancel(g, g->jobs[i]);
        }
    }
    gh_unlock(g);
}

bool sim_github_run_again(struct sim_github *g, int64_t run_id)
{
    struct gh_run *r;
    bool can;

    gh_lock(g);
    r = gh_run(g, run_id);
    can = r != NULL && why_not(g, r, "running") == NULL;
    if (can)
        run_again(g, r, NULL);
    gh_unlock(g);
    return can;
}

bool sim_github_run_get(struct sim_github *g, int64_t run_id, struct sim_run_info *out)
{
    const char *conclusion = NULL;
    const struct gh_run *r;

    *out = (struct sim_run_info){0};
    gh_lock(g);
    r = gh_run(g, run_id);
    if (r != NULL) {
        out->attempt = r->attempt;
        out->completed = gh_run_completed(g, r, &conclusion);
        (void)snprintf(out->conclusion, sizeof(out->conclusion), "%s", conclusion != NULL ? conclusion : "");
        for (size_t i = 0; i < g->n_jobs && out->n_jobs < ARRAY_LEN(out->jobs); i++) {
            if (of_attempt(g->jobs[i], r))
                out->jobs[out->n_jobs++] = g->jobs[i]->id;
        }
    }
    gh_unlock(g);
    return r != NULL;
}
