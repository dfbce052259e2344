/*
 * From words to GitHub. The check run's id is known to the store before its content counts as said; that one is about
 * to be made is known before the request.
 */
#include "server/engine/report.h"

#include "server/base/clock.h"
#include "server/base/log.h"

#include <stdio.h>
#include <string.h>

static int update_tx(struct store_tx *t, void *arg, struct err *e)
{
    return store_report_update(t, arg, e);
}

static int keep(struct engine *g, struct store_report *r, struct err *e)
{
    return workers_write(g, update_tx, r, e);
}

static void fill(struct github_check *c, const struct report_view *v, const struct report_words *w, const char *name)
{
    *c = (struct github_check){.name = name,
                               .head_sha = v->r.head_sha,
                               .external_id = v->r.external_id,
                               .status = w->status,
                               .conclusion = w->conclusion,
                               .title = w->title,
                               .summary = w->summary,
                               .text = w->text,
                               .started_ms = v->r.opened_ms,
                               .completed_ms = w->conclusion != NULL ? v->now_ms : 0,
                               .retry_button = v->phase == REPORT_FAILING};
    /* they add up at GitHub: the same ones are sent once */
    if (w->n_annotations > 0 && strcmp(w->annotated, v->r.annotated) != 0) {
        c->annotations = w->annotations;
        c->n_annotations = w->n_annotations;
    }
}

/* None yet, or perhaps one whose answer was lost: then it is looked for first. */
static int make(struct engine *g, struct store_report *r, const struct github_repo *repo, const struct github_check *c,
                struct err *e)
{
    int64_t id = 0;
    int rc = -1;

    if (r->check_run_id < 0) {
        rc = github_check_find(g->c.github, repo, c, &id, e);
        if (rc && e->kind != ERR_GONE)
            return -1;
    }
    if (rc == 0) {
        r->check_run_id = id;
        if (keep(g, r, e))
            return -1;
        return github_check_update(g->c.github, repo, id, c, e);
    }
    r->check_run_id = -1;
    if (keep(g, r, e))
        return -1;
    if (github_check_create(g->c.github, repo, c, &id, e) == 0) {
        r->check_run_id = id;
        return 0;
    }
    if (e->kind != ERR_RETRY) {
        struct err ignored;

        r->check_run_id = 0; /* refused: there is none */
        if (keep(g, r, &ignored))
            return -1;
    }
    return -1;
}

static int send_check(struct engine *g, struct report_view *v, const struct report_words *w, struct err *e)
{
    const struct github_repo repo = {v->r.installation_id, v->r.repo_id, v->r.repo};
    struct github_check c;
    char name[96];

    report_name(v->r.topic, name);
    fill(&c, v, w, name);
    return v->r.check_run_id > 0 ? github_check_update(g->c.github, &repo, v->r.check_run_id, &c, e)
                                 : make(g, &v->r, &repo, &c, e);
}

static int send_status(struct engine *g, const struct report_view *v, const struct report_words *w, struct err *e)
{
    static const char *const states[] = {"failure", "pending", "pending",
                                         "success", "success", "success"}; /* by phase */
    const struct github_repo repo = {v->r.installation_id, v->r.repo_id, v->r.repo};
    char name[96];
    const struct github_status s = {
        .context = name, .head_sha = v->r.head_sha, .state = states[v->phase], .description = w->title};

    report_name(v->r.topic, name);
    return github_status_put(g->c.github, &repo, &s, e);
}

/* Once in a row for an installation: all its repositories have the same rights. */
static void say_missing(struct engine *g, const struct store_report *r, const struct err *e)
{
    if (atomic_exchange(&g->reports_refused, r->installation_id) == r->installation_id)
        return;
    log_error(EV("report.refused"), FS("repo", r->repo), FE(e),
              FS("remedy", "give the GitHub App the permission \"Checks: write\" (or \"Commit statuses: write\") and "
                           "let the installation's owner accept it; until then pull requests are not told why a job "
                           "waits"));
}

static bool is_forbidden(const struct err *e)
{
    return e->kind == ERR_AUTH || e->kind == ERR_GONE;
}

static int send_some_form(struct engine *g, struct report_view *v, const struct report_words *w, struct err *e)
{
    if (v->r.form == REPORT_CHECK_RUN) {
        if (send_check(g, v, w, e) == 0)
            return 0;
        if (!is_forbidden(e))
            return -1;
        v->r.form = REPORT_STATUS;
    }
    if (v->r.form == REPORT_STATUS) {
        struct err cause;

        if (send_status(g, v, w, &cause) == 0)
            return 0;
        if (!is_forbidden(&cause)) {
            *e = cause;
            return -1;
        }
        say_missing(g, &v->r, e->kind == ERR_AUTH ? e : &cause);
        v->r.form = REPORT_SILENT;
    }
    return 0;
}

int report_send(struct engine *g, struct report_view *v, const struct report_words *w, struct err *e)
{
    struct store_report *r = &v->r;
    int rc;

    *e = (struct err){.kind = ERR_NONE};
    rc = send_some_form(g, v, w, e);
    /* what GitHub calls invalid would be so again: it counts as said, until there is something else to say */
    if (rc != 0 && e->kind != ERR_INVALID)
        return -1;
    (void)snprintf(r->said, sizeof(r->said), "%s", w->said);
    if (rc == 0 && w->n_annotations > 0)
        (void)snprintf(r->annotated, sizeof(r->annotated), "%s", w->annotated);
    r->updates += v->phase == REPORT_WAITING ? 1 : 0;
    r->said_ms = v->now_ms;
    if (rc != 0) {
        struct err ignored;

        return keep(g, r, &ignored) ? -1 : rc;
    }
    log_info(EV("report.said"), FI("job", r->external_id), FS("repo", r->repo), FS("status", w->status),
             FS("conclusion", w->conclusion), FS("title", w->title));
    return keep(g, r, e);
}
