#include "server/engine/match.h"

#include "server/base/text.h"
#include "server/config/plan.h"

#include <stdio.h>
#include <string.h>

static const char *const system_labels[] = {"self-hosted", "linux", "windows", "macos", "x64", "arm64"};

/* Length of the part that counts: up to the first "--". */
static size_t stem(const char *label)
{
    const char *suffix = strstr(label, "--");

    return suffix != NULL ? (size_t)(suffix - label) : strlen(label);
}

static bool same_label(const char *job_label, const char *runner_label)
{
    size_t n = stem(job_label);

    if (n != stem(runner_label))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text_lower(job_label[i]) != text_lower(runner_label[i]))
            return false;
    }
    return true;
}

bool match_is_system_label(const char *label)
{
    for (size_t i = 0; i < ARRAY_LEN(system_labels); i++) {
        if (text_ieq(label, system_labels[i]))
            return true;
    }
    return false;
}

const char *match_runner_os(const struct cirun_runner *r)
{
    return r->n_candidates > 0 ? plan_os(&r->candidates[0]) : "linux";
}

const char *match_runner_arch(const struct cirun_runner *r)
{
    return r->n_candidates > 0 ? plan_arch(r, &r->candidates[0]) : "x64";
}

static bool runner_has(const struct cirun_runner *r, const char *label)
{
    for (size_t i = 0; i < r->n_labels; i++) {
        if (same_label(label, r->labels[i]))
            return true;
    }
    return text_ieq(label, "self-hosted") || text_ieq(label, match_runner_os(r)) ||
           text_ieq(label, match_runner_arch(r));
}

static bool serves(const struct cirun_runner *r, const struct match_job *job, const char **missing)
{
    size_t i;
    json_t *label;

    json_array_foreach(job->labels, i, label)
    {
        if (!runner_has(r, json_string_value(label))) {
            *missing = json_string_value(label);
            return false;
        }
    }
    return true;
}

/* The old key `workflow` names one file, with or without its folder. */
static bool workflow_allows(const struct cirun_runner *r, const char *path)
{
    const char *want = r->workflow;

    if (want == NULL)
        return true;
    if (path == NULL)
        return false;
    if (text_has_prefix(want, "./"))
        want += 2;
    return strcmp(want, path) == 0 ||
           (strchr(want, '/') == NULL && text_has_suffix(path, want) && path[strlen(path) - strlen(want) - 1] == '/');
}

static bool only_system_labels(const json_t *labels)
{
    size_t i;
    json_t *label;

    json_array_foreach(labels, i, label)
    {
        if (!match_is_system_label(json_string_value(label)))
            return false;
    }
    return true;
}

static bool any_cirun_label(const json_t *labels)
{
    size_t i;
    json_t *label;

    json_array_foreach(labels, i, label)
    {
        const char *s = json_string_value(label);

        if (text_lower(s[0]) == 'c' && text_lower(s[1]) == 'i' && text_lower(s[2]) == 'r' && text_lower(s[3]) == 'u' &&
            text_lower(s[4]) == 'n')
            return true;
    }
    return false;
}

/* The sentence for a job whose labels no runner carries: which label is missing, what is nearest, what there is. */
static void explain_no_match(const struct match_job *job, const struct cirun_yml *file, char *reason, size_t size)
{
    const char *known[256];
    const char *missing = NULL, *near;
    size_t n = 0, i;
    json_t *label;

    for (size_t r = 0; r < file->n_runners; r++) {
        for (size_t k = 0; k < file->runners[r].n_labels && n < ARRAY_LEN(known); k++)
            known[n++] = file->runners[r].labels[k];
    }
    json_array_foreach(job->labels, i, label)
    {
        bool found = match_is_system_label(json_string_value(label));

        for (size_t k = 0; k < n && !found; k++)
            found = same_label(json_string_value(label), known[k]);
        if (!found && missing == NULL)
            missing = json_string_value(label);
    }
    if (missing == NULL) {
        (void)snprintf(reason, size, "no runner of .cirun.yml has all of the job's labels at once%s",
                       job->workflow_path == NULL ? "" : ", or `workflow` limits it to another file");
        return;
    }
    near = text_nearest(missing, known, n);
    (void)snprintf(reason, size, "no runner of .cirun.yml has the label \"%.100s\"%s%.100s%s; it has:", missing,
                   near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
    for (size_t k = 0; k < n && k < 12; k++) {
        size_t len = strlen(reason);

        (void)snprintf(reason + len, size - len, "%s %.60s", k > 0 ? "," : "", known[k]);
    }
    text_tidy(reason);
}

enum match_verdict match_job(const struct match_job *job, const struct cirun_yml *file,
                             const struct cirun_runner **runners, size_t *n, char *reason, size_t reason_size)
{
    bool bare = only_system_labels(job->labels);
    const char *team = NULL;

    *n = 0;
    reason[0] = '\0';
    if (bare && !job->bare_self_hosted)
        return MATCH_NOT_OURS;
    for (size_t i = 0; i < file->n_runners; i++) {
        const struct cirun_runner *r = &file->runners[i];
        const char *missing;

        if ((r->n_labels == 0 && !bare) || !workflow_allows(r, job->workflow_path) || !serves(r, job, &missing))
            continue;
        if (r->team != NULL) {
            team = r->team;
            continue;
        }
        runners[(*n)++] = r;
        if (bare)
            break;
    }
    if (*n > 0)
        return MATCH_FOUND;
    if (team != NULL) {
        (void)snprintf(reason, reason_size,
                       "run_only_when_triggered_by limits this runner to the team \"%.100s\", and membership cannot be "
                       "checked yet: denied",
                       team);
        text_tidy(reason);
        return MATCH_REFUSED;
    }
    if (file->n_runners == 0 && !any_cirun_label(job->labels))
        return MATCH_NOT_OURS;
    explain_no_match(job, file, reason, reason_size);
    return MATCH_REFUSED;
}
