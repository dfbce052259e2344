#include "server/engine/idle.h"

#include "server/base/crypto.h"
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/engine/match.h"

#include <string.h>

#define LABELS_MOST 100 /* as many as GitHub takes */

void idle_recipe_clear(struct idle_recipe *r)
{
    free(r->plan_json);
    free(r->labels_json);
    *r = (struct idle_recipe){.plan_json = NULL};
}

/* --- what a plan is, apart from the runner's release ------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whatever their order, which muster.order may change. */
static int hash(const json_t *list, char spec[65], struct err *e)
{
    size_t n = json_array_size(list), i = 0;
    AUTO_FREE char **texts = mem_calloc(n + 1, sizeof(*texts));
    AUTO_BUF struct buf all = BUF_INIT((size_t)4 * 1024 * 1024);
    unsigned char digest[CRYPTO_SHA256_LEN];
    const char *text;
    int rc = 0;

    for (; i < n && rc == 0; i++)
        rc = js_dump(json_array_get(list, i), &texts[i], e);
    if (rc == 0)
        qsort(texts, n, sizeof(*texts), by_text);
    for (i = 0; i < n; i++) {
        buf_addf(&all, "%s\n", texts[i] != NULL ? texts[i] : "");
        free(texts[i]);
    }
    if (rc || buf_str(&all, &text, e))
        return -1;
    crypto_sha256(text, strlen(text), digest);
    text_hex(digest, sizeof(digest), spec);
    return 0;
}

int idle_plan_spec(const char *plan_json, char spec[65], char **runner, struct err *e)
{
    AUTO_JSON json_t *doc = NULL, *kept = json_array();
    const char *first = NULL, *name;
    json_t *list, *one;
    size_t i;

    if (js_parse(plan_json, strlen(plan_json), &doc, e) || js_arr(doc, "candidates", &list, e))
        return -1;
    json_array_foreach(list, i, one)
    {
        if (js_str(one, "runner", &name, e))
            return -1;
        if (first == NULL)
            first = name;
        if (strcmp(first, name) != 0)
            break;
        (void)json_object_del(one, "runner_url");
        (void)json_object_del(one, "runner_sha256");
        if (json_array_append(kept, one) != 0)
            return err_set(e, ERR_BUG, "a candidate could not be copied");
    }
    if (first == NULL)
        return err_set(e, ERR_BUG, "a plan without candidates");
    if (hash(kept, spec, e))
        return -1;
    *runner = mem_strdup(first);
    return 0;
}

/* --- labels ------------------------------------------------------------------------------------------------------- */

static bool has_label(const json_t *labels, const char *label)
{
    size_t i;
    json_t *one;

    json_array_foreach(labels, i, one)
    {
        if (json_is_string(one) && text_ieq(json_string_value(one), label))
            return true;
    }
    return false;
}

bool idle_labels_fit(const char *runner_labels_json, const char *job_labels_json)
{
    AUTO_JSON json_t *runner = NULL, *job = NULL;
    struct err ignored;
    size_t i;
    json_t *one;

    if (js_parse(runner_labels_json, strlen(runner_labels_json), &runner, &ignored) ||
        js_parse(job_labels_json, strlen(job_labels_json), &job, &ignored) || json_array_size(job) == 0)
        return false;
    json_array_foreach(job, i, one)
    {
        if (!json_is_string(one) || !has_label(runner, json_string_value(one)))
            return false;
    }
    return true;
}

static int add_label(json_t *labels, const char *label, struct err *e)
{
    if (has_label(labels, label))
        return 0;
    return json_array_append_new(labels, json_string(label)) != 0
               ? err_set(e, ERR_INVALID, "the label \"%.60s\" is no text", label)
               : 0;
}

static int make_labels(const struct cirun_runner *r, bool system_labels, char **out, struct err *e)
{
    const char *const system[] = {"self-hosted", match_runner_os(r), match_runner_arch(r)};
    AUTO_JSON json_t *labels = json_array();

    for (size_t i = 0; i < r->n_labels; i++) {
        if ((system_labels || !match_is_system_label(r->labels[i])) && add_label(labels, r->labels[i], e))
            return -1;
    }
    if (json_array_size(labels) == 0)
        return err_set(e, ERR_INVALID, "it has no label but system labels, which any job may name");
    for (size_t i = 0; system_labels && i < ARRAY_LEN(system); i++) {
        if (add_label(labels, system[i], e))
            return -1;
    }
    if (json_array_size(labels) > LABELS_MOST)
        return err_set(e, ERR_INVALID, "it has more than %d labels", LABELS_MOST);
    return js_dump(labels, out, e);
}

int idle_recipe_make(struct engine *g, const struct cirun_runner *runner, bool system_labels, struct idle_recipe *out,
                     struct err *e)
{
    AUTO_IDLE_RECIPE struct idle_recipe r = {.plan_json = NULL};
    AUTO_FREE char *name = NULL;

    if (make_labels(runner, system_labels, &r.labels_json, e) || decide_plan(g, &runner, 1, &r.plan_json, e) ||
        idle_plan_spec(r.plan_json, r.spec, &name, e))
        return -1;
    *out = r;
    r = (struct idle_recipe){.plan_json = NULL};
    return 0;
}
