#include "server/engine/match.h"

#include "server/base/text.h"
#include "server/config/plan.h"

#include <stdarg.h>
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
        if (same_label(label, system_labels[i]))
            return true;
    }
    return false;
}

const char *match_runner_os(const struct cirun_runner *r)
{
    return r->n_candidates > 0 ? plan_os(r, &r->candidates[0]) : "linux";
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
    return same_label(label, "self-hosted") || same_label(label, match_runner_os(r)) ||
           same_label(label, match_runner_arch(r));
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

bool match_is_bare(const json_t *labels)
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

bool match_means_us(const json_t *labels)
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

/* --- when nothing matches ---------------------------------------------------------------------------------------- */

#define KNOWN_MAX 256
#define SHOWN_MAX 12

struct known {
    const char *labels[KNOWN_MAX];
    size_t n;
};

/* Each label once. */
static void add_label(struct known *k, const char *label)
{
    for (size_t i = 0; i < k->n; i++) {
        if (text_ieq(k->labels[i], label))
            return;
    }
    if (k->n < KNOWN_MAX)
        k->labels[k->n++] = label;
}

static void add_labels(struct known *k, const struct cirun_yml *file)
{
    for (size_t r = 0; r < file->n_runners; r++) {
        for (size_t i = 0; i < file->runners[r].n_labels; i++)
            add_label(k, file->runners[r].labels[i]);
    }
}

/* The first label of the job that no runner carries, or NULL. */
static const char *missing_label(const json_t *labels, const struct known *k)
{
    size_t i;
    json_t *label;

    json_array_foreach(labels, i, label)
    {
        const char *text = json_string_value(label);
        bool found = match_is_system_label(text);

        for (size_t n = 0; n < k->n && !found; n++)
            found = same_label(text, k->labels[n]);
        if (!found)
            return text;
    }
    return NULL;
}

static void append(char *out, size_t size, const char *fmt, ...) PRINTF(3, 4);

static void append(char *out, size_t size, const char *fmt, ...)
{
    size_t len = strlen(out);
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(out + len, size - len, fmt, ap);
    va_end(ap);
}

static void append_labels(char *out, size_t size, const struct cirun_yml *file)
{
    struct known k = {.n = 0};

    add_labels(&k, file);
    for (size_t i = 0; i < k.n && i < SHOWN_MAX; i++)
        append(out, size, "%s %.60s", i > 0 ? "," : "", k.labels[i]);
    if (k.n > SHOWN_MAX)
        append(out, size, " and others");
    else if (k.n == 0)
        append(out, size, " none");
}

static void append_names(char *out, size_t size, const struct match_source *sources, size_t n)
{
    for (size_t i = 0; i < n; i++)
        append(out, size, "%s%s", i > 0 ? " or " : "", sources[i].name);
}

void match_explain(const struct match_job *job, const struct match_source *sources, size_t n, char *reason, size_t size)
{
    struct known k = {.n = 0};
    const char *missing, *near;
    char meant[128];

    for (size_t i = 0; i < n; i++)
        add_labels(&k, sources[i].file);
    missing = missing_label(job->labels, &k);
    (void)snprintf(reason, size, "no runner of ");
    append_names(reason, size, sources, n);
    if (missing == NULL) {
        append(reason, size, " has all of the job's labels at once%s",
               job->workflow_path == NULL ? "" : ", or `workflow` limits it to another file");
        return;
    }
    (void)snprintf(meant, sizeof(meant), "%.*s", (int)stem(missing), missing); /* a suffix is no part of the slip */
    near = text_nearest(meant, k.labels, k.n);
    append(reason, size, " has the label \"%.100s\"%s%.100s%s", missing, near != NULL ? "; did you mean \"" : "",
           near != NULL ? near : "", near != NULL ? "\"?" : "");
    for (size_t i = 0; i < n; i++) {
        append(reason, size, "; %s has:", n == 1 ? "it" : sources[i].name);
        append_labels(reason, size, sources[i].file);
    }
    text_tidy(reason);
}

/* --- one file ---------------------------------------------------------------------------------------------------- */

size_t match_find(const struct match_job *job, const struct cirun_yml *file, const struct cirun_runner **runners)
{
    bool bare = match_is_bare(job->labels);
    size_t n = 0;

    for (size_t i = 0; file != NULL && i < file->n_runners; i++) {
        const struct cirun_runner *r = &file->runners[i];
        const char *missing;

        if ((r->n_labels > 0 || bare) && workflow_allows(r, job->workflow_path) && serves(r, job, &missing))
            runners[n++] = r;
    }
    return n;
}

enum match_verdict match_job(const struct match_job *job, const struct cirun_yml *file,
                             const struct cirun_runner **runners, size_t *n, char *reason, size_t reason_size)
{
    const struct match_source source = {".cirun.yml", file};
    bool bare = match_is_bare(job->labels);

    *n = 0;
    reason[0] = '\0';
    if (bare && !job->bare_self_hosted)
        return MATCH_NOT_OURS;
    *n = match_find(job, file, runners);
    if (bare && *n > 1)
        *n = 1;
    if (*n > 0)
        return MATCH_FOUND;
    if (file->n_runners == 0 && !match_means_us(job->labels))
        return MATCH_NOT_OURS;
    match_explain(job, &source, 1, reason, reason_size);
    return MATCH_REFUSED;
}
