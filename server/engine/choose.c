/*
 * Which runners a job may have: those of the repository's own .cirun.yml that match it, else those of the
 * organisation's .cirun.global.yml, in each case without those that the people behind the run may not use.
 *
 * Each source of runners is a step. The first one with a runner that matches decides: what it may not have there is not
 * looked for elsewhere. Where none matches, the job is told why, or, when it does not mean us, left alone.
 */
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/engine/engine_int.h"
#include "server/engine/match_oneline.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct choosing {
    struct engine *g;
    const struct job *j;
    struct lookup *l;
    struct match_job job;
    bool bare, last_try, decided;
    struct people_of people;
    struct access_ask ask;
    struct choice *out;
    enum org_team own_limit; /* run_only_when_triggered_by at the top of the own file */
    char own_team[ORG_TEAM_MAX];
    char org_unknown[400]; /* why the organisation's files cannot be looked at, on the last try */
    char note[400];        /* what is to be added when nothing matches: why a source was left out */
};

void choice_clear(struct choice *c)
{
    free(c->runners);
    cirun_yml_free(c->oneline);
    *c = (struct choice){.want = WANT_UNDECIDED};
}

static void settle(struct choosing *c, enum job_want want)
{
    c->out->want = want;
    c->decided = true;
    text_tidy(c->out->reason);
}

/* --- who may ----------------------------------------------------------------------------------------------------- */

static void deny(struct access_verdict *v, const char *fmt, ...) PRINTF(2, 3);

static void deny(struct access_verdict *v, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(v->reason, sizeof(v->reason), fmt, ap);
    va_end(ap);
    v->allowed = false;
}

/* A question without an answer: asked again later, and on the last try a no. */
static int no_answer(const struct choosing *c, struct access_verdict *v, struct err *e)
{
    if (err_is_passing(e) && !c->last_try)
        return -1;
    deny(v, "it cannot be told, and so is denied: %.400s", e->msg);
    return 0;
}

/* The teams that all people behind the run must be in, at most three: each limit counts, whoever set it. false: there
 * is a limit, and nobody can tell which. */
static bool teams_of(const struct choosing *c, bool is_own, const struct cirun_runner *r, const char **teams, size_t *n)
{
    const struct org_files *org = c->l->org;
    bool from_org = org != NULL && org->limit != ORG_TEAM_NONE;

    *n = 0;
    if ((from_org && org->limit == ORG_TEAM_UNCLEAR) || (is_own && c->own_limit == ORG_TEAM_UNCLEAR))
        return false;
    if (from_org)
        teams[(*n)++] = org->team;
    if (is_own && c->own_limit == ORG_TEAM_NAMED)
        teams[(*n)++] = c->own_team;
    if (r->team != NULL)
        teams[(*n)++] = r->team;
    return true;
}

static int check_teams(struct choosing *c, bool is_own, const struct cirun_runner *r, bool *asked,
                       struct access_verdict *v, struct err *e)
{
    const char *teams[3];
    size_t n;

    if (!teams_of(c, is_own, r, teams, &n)) {
        *asked = true;
        deny(v, "run_only_when_triggered_by at the top of the file names no team, so nobody may use it");
        return 0;
    }
    for (size_t i = 0; i < n && v->allowed; i++) {
        *asked = true;
        if (access_of_team(teams[i], &c->l->subject, &c->ask, v, e))
            return no_answer(c, v, e);
    }
    return 0;
}

/* *asked: it was a question; runners that everybody may use are none. */
static int may_use(struct choosing *c, bool is_own, const struct cirun_runner *r, bool *asked, struct access_verdict *v,
                   struct err *e)
{
    const struct org_files *org = is_own ? NULL : c->l->org;

    *v = (struct access_verdict){.allowed = true};
    *asked = c->org_unknown[0] != '\0' || (org != NULL && (org->access != NULL || org->access_problem[0] != '\0'));
    if (c->org_unknown[0] != '\0')
        deny(v, "it cannot be told, and so is denied: %s", c->org_unknown);
    else if (org != NULL && org->access_problem[0] != '\0')
        deny(v, "nobody may use the organisation's runners: %s", org->access_problem);
    else if (org != NULL && org->access != NULL && access_decide(org->access, &c->l->subject, r->name, &c->ask, v, e))
        return no_answer(c, v, e);
    return v->allowed ? check_teams(c, is_own, r, asked, v, e) : 0;
}

static void keep_verdict(struct choosing *c, const char *file, const struct cirun_runner *r,
                         const struct access_verdict *v)
{
    struct choice_verdict *kept;

    if (c->out->n_verdicts == CHOICE_MAX_VERDICTS)
        return;
    kept = &c->out->verdicts[c->out->n_verdicts++];
    kept->allowed = v->allowed;
    (void)snprintf(kept->runner, sizeof(kept->runner), "%.80s", r->name);
    (void)snprintf(kept->reason, sizeof(kept->reason), "runner \"%.80s\" of %s: %s", r->name, file, v->reason);
    text_tidy(kept->runner);
    text_tidy(kept->reason);
}

static void keep_reason(struct choosing *c, const struct cirun_runner *r, const struct access_verdict *v)
{
    char *reason = c->out->reason;
    size_t len = strlen(reason);

    (void)snprintf(reason + len, sizeof(c->out->reason) - len, "%s runner \"%.80s\": %s",
                   len > 0 ? ";" : "this job may not use what its labels name:", r->name, v->reason);
}

/* Of the n runners that match, those that may be used, in order. None: the job is refused with each reason. */
static int admit(struct choosing *c, const struct match_source *from, bool is_own, size_t n, struct err *e)
{
    const struct cirun_runner **runners = c->out->runners;
    int line = runners[0]->line;
    size_t kept = 0;

    for (size_t i = 0; i < n && !(c->bare && kept > 0); i++) {
        struct access_verdict v;
        bool asked;

        if (may_use(c, is_own, runners[i], &asked, &v, e))
            return -1;
        if (asked)
            keep_verdict(c, from->name, runners[i], &v);
        if (v.allowed)
            runners[kept++] = runners[i];
        else
            keep_reason(c, runners[i], &v);
    }
    c->out->n = kept;
    c->out->is_own = is_own;
    if (kept > 0)
        c->out->reason[0] = '\0';
    else
        c->out->cause = (struct store_cause){CAUSE_ACCESS, is_own ? line : 0, is_own ? 1 : 0};
    settle(c, kept > 0 ? WANT_MACHINE : WANT_REFUSED);
    return 0;
}

/* The organisation's files, once. Without an answer on the last try: org_unknown says so. */
static int look_at_org(struct choosing *c, struct err *e)
{
    if (c->l->org != NULL || c->org_unknown[0] != '\0')
        return 0;
    if (lookup_org(c->g, c->j->installation_id, c->j->repo, &c->l->org_ref, &c->l->org, e) == 0)
        return 0;
    if (err_is_passing(e) && !c->last_try)
        return -1;
    (void)snprintf(c->org_unknown, sizeof(c->org_unknown), "%.390s", e->msg);
    return 0;
}

/* Match one file; when something in it matches, it decides. The organisation may limit whom its repositories serve. */
static int try_source(struct choosing *c, const struct match_source *from, bool is_own, struct err *e)
{
    size_t n;

    free(c->out->runners);
    c->out->runners = mem_calloc(from->file->n_runners + 1, sizeof(struct cirun_runner *));
    n = match_find(&c->job, from->file, c->out->runners);
    if (n == 0)
        return 0;
    return look_at_org(c, e) || admit(c, from, is_own, n, e) ? -1 : 0;
}

/* --- the steps --------------------------------------------------------------------------------------------------- */

static int from_own_file(struct choosing *c, struct err *e)
{
    const struct match_source own = {".cirun.yml", c->l->file};

    if (own.file == NULL)
        return 0;
    c->own_limit = org_team_read(own.file, NULL, c->own_team);
    return try_source(c, &own, true, e);
}

/* The organisation's files are there, or could be: why they do not help, or the file to match. */
static const struct cirun_yml *usable_global(struct choosing *c, const struct org_files *org)
{
    struct err why;

    if (org->no_access[0] != '\0')
        (void)snprintf(c->note, sizeof(c->note),
                       "; runners of the organisation are not known: %s is not there, or the App has no access to it",
                       org->no_access);
    else if (org->problem[0] != '\0')
        (void)snprintf(c->note, sizeof(c->note), "; the organisation's file cannot be used: %s", org->problem);
    else if (org->global != NULL && org->global->n_errors > 0 && cirun_yml_error(org->global, ORG_GLOBAL_FILE, &why))
        (void)snprintf(c->note, sizeof(c->note), "; the organisation's file cannot be used: %.320s", why.msg);
    else
        return org->global;
    return NULL;
}

/* The default branch of .cirun is nobody's but the organisation's; a stranger's code never gets its machines. */
static int from_organisation(struct choosing *c, struct err *e)
{
    struct match_source global = {ORG_GLOBAL_FILE, NULL};

    if (c->bare)
        return 0;
    if (c->l->fork) {
        (void)snprintf(c->note, sizeof(c->note), "; runners of the organisation never serve forks");
        return 0;
    }
    if (look_at_org(c, e))
        return -1;
    if (c->l->org == NULL) {
        (void)snprintf(c->note, sizeof(c->note), "; %.390s", c->org_unknown);
        return 0;
    }
    global.file = usable_global(c, c->l->org);
    return global.file != NULL ? try_source(c, &global, false, e) : 0;
}

/* The runner that a label describes. Who is limited to a team is so here too. */
static int admit_label(struct choosing *c, struct err *e)
{
    const struct match_source label = {"its label", NULL};

    free(c->out->runners);
    c->out->runners = mem_calloc(1, sizeof(struct cirun_runner *));
    c->out->runners[0] = &c->out->oneline->runners[0];
    c->out->reason[0] = '\0';
    if (admit(c, &label, true, 1, e))
        return -1;
    c->out->is_own = false; /* there is no line to point at */
    c->out->cause.line = c->out->cause.column = 0;
    return 0;
}

/* A label that names its machine itself. A fork's workflow is a stranger's: it never chooses machines. */
static int from_label(struct choosing *c, struct err *e)
{
    size_t len = strlen(c->note);
    char why[480];

    if (c->bare || !c->g->c.one_line || c->l->fork)
        return 0;
    switch (match_oneline(&c->job, &c->out->oneline, why, sizeof(why))) {
    case MATCH_NOT_OURS:
        break;
    case MATCH_REFUSED: /* told together with the labels that there are */
        (void)snprintf(c->note + len, sizeof(c->note) - len, "; and as a one-line label: %s", why);
        break;
    case MATCH_FOUND:
        return admit_label(c, e);
    }
    return 0;
}

/* Another source of runners is another step: it is asked where the ones before it had none that matches. */
typedef int step_fn(struct choosing *c, struct err *e);
static step_fn *const steps[] = {from_own_file, from_organisation, from_label};

/* --- nothing matches --------------------------------------------------------------------------------------------- */

static void explain(struct choosing *c)
{
    struct match_source sources[2];
    size_t n = 0;
    char reason[640] = "the repository has no .cirun.yml at this commit";

    if (c->l->file != NULL)
        sources[n++] = (struct match_source){".cirun.yml", c->l->file};
    if (c->l->org != NULL && c->l->org->global != NULL && c->l->org->global->n_errors == 0)
        sources[n++] = (struct match_source){ORG_GLOBAL_FILE, c->l->org->global};
    if (n > 0)
        match_explain(&c->job, sources, n, reason, sizeof(reason));
    (void)snprintf(c->out->reason, sizeof(c->out->reason), "%s%s", reason, c->note);
    c->out->cause.cause = n > 0 ? CAUSE_NO_RUNNER : CAUSE_NO_FILE;
    settle(c, WANT_REFUSED);
}

static int choose(struct choosing *c, struct err *e)
{
    if (c->bare && !c->g->c.bare_self_hosted) {
        settle(c, WANT_NOTHING);
        (void)snprintf(c->out->reason, sizeof(c->out->reason), "none of its labels means us");
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(steps) && !c->decided; i++) {
        if (steps[i](c, e))
            return -1;
    }
    if (c->decided)
        return 0;
    if ((c->l->file == NULL || c->l->file->n_runners == 0) && !match_means_us(c->job.labels)) {
        settle(c, WANT_NOTHING);
        (void)snprintf(c->out->reason, sizeof(c->out->reason), "none of its labels means us");
        return 0;
    }
    explain(c);
    return 0;
}

int choose_runners(struct engine *g, const struct job *j, struct lookup *l, bool last_try, struct choice *out,
                   struct err *e)
{
    AUTO_JSON json_t *labels = NULL;
    struct choosing c = {.g = g, .j = j, .l = l, .last_try = last_try, .out = out};

    if (js_parse(j->labels_json, strlen(j->labels_json), &labels, e))
        return -1;
    c.job = (struct match_job){labels, l->workflow_path[0] != '\0' ? l->workflow_path : NULL, g->c.bare_self_hosted};
    c.bare = match_is_bare(labels);
    c.people = (struct people_of){g->people, {j->installation_id, j->repo_id, j->repo}};
    people_ask(&c.people, &c.ask);
    return choose(&c, e);
}
