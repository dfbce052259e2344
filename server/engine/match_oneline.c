#include "server/engine/match_oneline.h"

#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/oneline.h"

#include <stdio.h>
#include <string.h>

/* The first label of the form; the others must be system labels, which matching tells. */
static enum oneline_verdict find(const json_t *labels, struct cirun_yml **yml, struct err *e)
{
    enum oneline_verdict first = ONELINE_NONE;
    json_t *label;
    size_t i;

    json_array_foreach(labels, i, label)
    {
        const char *text = json_string_value(label);

        first = text != NULL ? oneline_parse(text, yml, e) : ONELINE_NONE;
        if (first != ONELINE_NONE)
            break;
    }
    return first;
}

/* The label that keeps this runner from serving the job. */
static const char *odd_label(const struct match_job *job, const struct cirun_yml *yml)
{
    char ignored[80];
    const struct cirun_runner *runners[1];
    json_t *label;
    size_t i, n;

    json_array_foreach(job->labels, i, label)
    {
        json_t *one = json_pack("[sO]", yml->runners[0].name, label);
        const struct match_job alone = {one, job->workflow_path, false};
        bool served = match_job(&alone, yml, runners, &n, ignored, sizeof(ignored)) == MATCH_FOUND;

        json_decref(one);
        if (!served)
            return json_string_value(label);
    }
    return "";
}

enum match_verdict match_oneline(const struct match_job *job, struct cirun_yml **yml, char *reason, size_t reason_size)
{
    const struct cirun_runner *runners[1];
    struct cirun_yml *found = NULL;
    char why[480];
    struct err e;
    size_t n;

    switch (find(job->labels, &found, &e)) {
    case ONELINE_NONE:
        return MATCH_NOT_OURS;
    case ONELINE_WRONG:
        (void)snprintf(reason, reason_size, "%s", e.msg);
        return MATCH_REFUSED;
    case ONELINE_FOUND:
        break;
    }
    if (match_job(job, found, runners, &n, why, sizeof(why)) == MATCH_FOUND) {
        *yml = found;
        return MATCH_FOUND;
    }
    (void)snprintf(reason, reason_size, "the one-line runner %.100s is a %s %s machine and has no label \"%.100s\"",
                   found->runners[0].name, match_runner_os(&found->runners[0]), match_runner_arch(&found->runners[0]),
                   odd_label(job, found));
    text_tidy(reason);
    cirun_yml_free(found);
    return MATCH_REFUSED;
}
