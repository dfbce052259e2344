/* Labels to a verdict: own file, global file, one-line form. */
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/cli/plan_int.h"
#include "server/engine/match_oneline.h"
#include "server/github/event.h"

#include <stdio.h>
#include <string.h>

struct matching {
    struct planning *p;
    const struct cirun_runner **runners;
    size_t n;
    struct cirun_yml *oneline; /* owned */
    const char *source;        /* the file that serves it */
    char reason[PLAN_REASON_MAX * 2];
};

static void matching_clear(struct matching *m)
{
    cirun_yml_free(m->oneline);
    free(m->runners);
}

static struct match_job job_of(const struct matching *m, const json_t *labels)
{
    bool bare = strcmp(conf_str(m->p->conf->policy, "bare_self_hosted"), "allow") == 0;

    return (struct match_job){labels, m->p->workflow_path, bare};
}

/* A job with system labels only takes the first runner. */
static bool in_file(struct matching *m, const json_t *labels, const struct cirun_yml *yml, const char *name)
{
    const struct match_job job = job_of(m, labels);

    if (yml == NULL)
        return false;
    free(m->runners);
    m->runners = mem_calloc(yml->n_runners + 1, sizeof(*m->runners));
    m->n = match_find(&job, yml, m->runners);
    if (m->n > 1 && match_is_bare(labels))
        m->n = 1;
    m->source = name;
    return m->n > 0;
}

/* A reason is left when the label is meant to be of this form and is wrong. */
static enum match_verdict in_one_line(struct matching *m, const json_t *labels)
{
    const struct match_job job = job_of(m, labels);
    enum match_verdict v = match_oneline(&job, &m->oneline, m->reason, sizeof(m->reason));

    if (v == MATCH_FOUND && strcmp(conf_str(m->p->conf->policy, "one_line"), "allow") != 0) {
        (void)snprintf(m->reason, sizeof(m->reason), "the operator has switched the form off (policy.one_line)");
        return MATCH_REFUSED;
    }
    if (v != MATCH_FOUND)
        return v;
    free(m->runners);
    m->runners = mem_calloc(1, sizeof(*m->runners));
    m->runners[0] = &m->oneline->runners[0];
    m->n = 1;
    m->source = "one-line label";
    return v;
}

/* Nothing serves it: which labels there are, and what is wrong with the one-line form, if it is meant to be that. */
static void explain(struct matching *m, const json_t *labels, enum match_verdict line)
{
    const struct planning *p = m->p;
    const struct match_job job = job_of(m, labels);
    struct match_source sources[2];
    char one_line[PLAN_REASON_MAX];
    size_t n = 0, len;

    (void)snprintf(one_line, sizeof(one_line), "%.470s", m->reason);
    if (p->yml != NULL)
        sources[n++] = (struct match_source){".cirun.yml", p->yml};
    if (p->global != NULL)
        sources[n++] = (struct match_source){".cirun.global.yml", p->global};
    if (n > 0)
        match_explain(&job, sources, n, m->reason, sizeof(m->reason));
    else
        (void)snprintf(m->reason, sizeof(m->reason), "there is no %.200s", p->file);
    len = strlen(m->reason);
    if (line == MATCH_REFUSED)
        (void)snprintf(m->reason + len, sizeof(m->reason) - len, "; and as a one-line label: %s", one_line);
    text_tidy(m->reason);
}

/* GitHub's own runners take it: the daemon reads no file for such a job. */
static bool is_hosted(const json_t *labels)
{
    size_t i;
    json_t *label;

    json_array_foreach(labels, i, label)
    {
        if (!event_label_is_hosted(json_string_value(label)))
            return false;
    }
    return json_array_size(labels) > 0;
}

/* As server/engine/choose.c, but for the people: they are known when the job comes. */
static enum match_verdict match_all(struct matching *m, const json_t *labels)
{
    const struct planning *p = m->p;
    bool bare = match_is_bare(labels), nothing = p->yml == NULL || p->yml->n_runners == 0;
    enum match_verdict line;

    if (is_hosted(labels) || (bare && !job_of(m, labels).bare_self_hosted))
        return MATCH_NOT_OURS;
    if (in_file(m, labels, p->yml, p->file) || (!bare && in_file(m, labels, p->global, p->global_file)))
        return MATCH_FOUND;
    line = bare ? MATCH_NOT_OURS : in_one_line(m, labels);
    if (line == MATCH_FOUND)
        return line;
    if (nothing && !match_means_us(labels))
        return MATCH_NOT_OURS;
    explain(m, labels, line);
    return MATCH_REFUSED;
}

static const char *verdict_name(enum plan_verdict v)
{
    static const char *const names[] = {"served", "not_ours", "refused"};

    return names[v];
}

/* All candidates are skipped: the first one's reason stands for all. */
static const char *first_skip(const json_t *candidates)
{
    const char *why = json_string_value(json_object_get(json_array_get(candidates, 0), "skipped"));

    return why != NULL ? why : "no candidate is left";
}

static int plan_new(struct planning *p, const json_t *labels, json_t **out, struct err *e)
{
    AUTO(matching_clear) struct matching m = {.p = p};
    AUTO_JSON json_t *candidates = json_array();
    enum plan_verdict verdict = PLAN_REFUSED;
    size_t n_usable = 0;

    switch (match_all(&m, labels)) {
    case MATCH_FOUND:
        if (plan_candidates(p, m.runners, m.n, candidates, &n_usable, e))
            return -1;
        verdict = n_usable > 0 ? PLAN_SERVED : PLAN_REFUSED;
        if (n_usable == 0)
            (void)snprintf(m.reason, sizeof(m.reason), "every candidate is skipped: %.400s", first_skip(candidates));
        text_tidy(m.reason);
        break;
    case MATCH_NOT_OURS:
        verdict = PLAN_NOT_OURS;
        (void)snprintf(m.reason, sizeof(m.reason), "no label begins with cirun, and no runner has them");
        break;
    case MATCH_REFUSED:
        break;
    }
    return js_pack(e, out, "{s:O, s:s, s:s*, s:s*, s:O}", "labels", labels, "verdict", verdict_name(verdict), "source",
                   m.n > 0 ? m.source : NULL, "reason", verdict != PLAN_SERVED ? m.reason : NULL, "candidates",
                   candidates);
}

int plan_labels(struct planning *p, const json_t *labels, const json_t **out, enum plan_verdict *verdict, struct err *e)
{
    AUTO_FREE char *key = NULL;
    json_t *found;
    const char *name;

    if (p->known == NULL)
        p->known = json_object();
    if (js_dump(labels, &key, e))
        return -1;
    found = json_object_get(p->known, key);
    if (found == NULL) {
        if (plan_new(p, labels, &found, e))
            return -1;
        if (json_object_set_new(p->known, key, found) != 0)
            return err_set(e, ERR_BUG, "a plan could not be kept");
    }
    name = json_string_value(json_object_get(found, "verdict"));
    *verdict = strcmp(name, "served") == 0 ? PLAN_SERVED : strcmp(name, "refused") == 0 ? PLAN_REFUSED : PLAN_NOT_OURS;
    *out = found;
    return 0;
}
