/* GitHub's answers about check runs and commit statuses, and what a person does with them. */
#include "tests/sim/sim_github_priv.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TEXT_MAX 65535
#define MAX_PER_PAGE 100

struct gh_check {
    int64_t id;
    struct gh_repo *repo;
    char *sha;
    json_t *shown;       /* as GitHub shows it, without annotations */
    json_t *annotations; /* they add up */
    int writes;
};

struct gh_status {
    struct gh_repo *repo;
    char *sha;
    json_t *shown;
};

/* ---- what a body may be ---- */

enum kind { TEXT, TIME, OBJECT, LIST };

struct field {
    const char *name;
    enum kind kind;
};

static bool is_one_of(const char *s, const char *words)
{
    size_t n = s != NULL ? strlen(s) : 0;

    for (const char *p = words; n > 0 && (p = strstr(p, s)) != NULL; p++)
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

static bool is_time(const json_t *v)
{
    const char *s = json_string_value(v);
    int n = 0, parts[6];

    return s != NULL &&
           sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &parts[0], &parts[1], &parts[2], &parts[3], &parts[4], &parts[5],
                  &n) == 6 &&
           s[n] == '\0';
}

/* NULL, or which key is unknown or of the wrong type. */
static const char *wrong_field(const json_t *o, const struct field *known, size_t n)
{
    const char *key;
    json_t *v;
    const char *bad = NULL;
    json_t *walk = json_incref((json_t *)(uintptr_t)o);

    json_object_foreach(walk, key, v)
    {
        size_t i = 0;

        while (i < n && strcmp(known[i].name, key) != 0)
            i++;
        if (i == n || (known[i].kind == TEXT && !json_is_string(v)) || (known[i].kind == TIME && !is_time(v)) ||
            (known[i].kind == OBJECT && !json_is_object(v)) || (known[i].kind == LIST && !json_is_array(v)))
            bad = key;
    }
    json_decref(walk);
    return bad;
}

static const char *annotation_fault(const json_t *a)
{
    static const char *const required[] = {"path", "message", "annotation_level"};
    static const char *const numbers[] = {"start_line", "end_line", "start_column", "end_column"};
    int64_t at[4];

    for (size_t i = 0; i < ARRAY_LEN(required); i++)
        if (json_string_length(json_object_get(a, required[i])) == 0)
            return "an annotation needs path, message and annotation_level";
    if (!is_one_of(json_string_value(json_object_get(a, "annotation_level")), "notice warning failure"))
        return "annotation_level is not a member of [\"notice\", \"warning\", \"failure\"]";
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const json_t *v = json_object_get(a, numbers[i]);

        at[i] = json_integer_value(v);
        if ((v == NULL && i < 2) || (v != NULL && (!json_is_integer(v) || at[i] < 1)))
            return "start_line, end_line and columns are integers from 1";
    }
    if (at[1] < at[0] || ((at[2] > 0 || at[3] > 0) && at[0] != at[1]))
        return "columns belong to annotations of one line, and the end is not before the start";
    if (json_string_length(json_object_get(a, "title")) > 255)
        return "title is too long (maximum is 255 characters)";
    return NULL;
}

/* Lengths in bytes where GitHub counts characters: stricter. */
static const char *output_fault(const json_t *o, bool create)
{
    static const struct field known[] = {
        {"title", TEXT}, {"summary", TEXT}, {"text", TEXT}, {"annotations", LIST}, {"images", LIST}};
    const json_t *annotations = json_object_get(o, "annotations");

    if (o == NULL)
        return NULL;
    if (!json_is_object(o) || wrong_field(o, known, ARRAY_LEN(known)) != NULL)
        return "output is not as described";
    if (json_object_get(o, "summary") == NULL || (create && json_object_get(o, "title") == NULL))
        return "output needs title and summary";
    if (json_string_length(json_object_get(o, "summary")) > TEXT_MAX ||
        json_string_length(json_object_get(o, "text")) > TEXT_MAX)
        return "Only 65535 characters are allowed; output was too long";
    if (json_array_size(annotations) > 50)
        return "No more than 50 annotations are allowed";
    for (size_t i = 0; i < json_array_size(annotations); i++)
        if (annotation_fault(json_array_get(annotations, i)) != NULL)
            return annotation_fault(json_array_get(annotations, i));
    return NULL;
}

static const char *actions_fault(const json_t *list)
{
    if (json_array_size(list) > 3)
        return "No more than 3 actions are allowed";
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *a = json_array_get(list, i);
        size_t label = json_string_length(json_object_get(a, "label"));
        size_t description = json_string_length(json_object_get(a, "description"));
        size_t identifier = json_string_length(json_object_get(a, "identifier"));

        if (label < 1 || label > 20 || description < 1 || description > 40 || identifier < 1 || identifier > 20 ||
            json_object_size(a) != 3)
            return "an action needs a label (20), a description (40) and an identifier (20)";
    }
    return NULL;
}

static const char *check_fault(const json_t *body, bool create)
{
    static const struct field known[] = {
        {"name", TEXT},       {"head_sha", TEXT},   {"details_url", TEXT},  {"external_id", TEXT}, {"status", TEXT},
        {"started_at", TIME}, {"conclusion", TEXT}, {"completed_at", TIME}, {"output", OBJECT},    {"actions", LIST}};
    const char *status = json_string_value(json_object_get(body, "status"));
    const char *conclusion = json_string_value(json_object_get(body, "conclusion"));

    if (!json_is_object(body) || wrong_field(body, known, ARRAY_LEN(known)) != NULL)
        return "the body is not as described";
    if (create && json_string_length(json_object_get(body, "name")) == 0)
        return "name is missing";
    if (!create && json_object_get(body, "head_sha") != NULL)
        return "\"head_sha\" is not a permitted key";
    if (status != NULL && !is_one_of(status, "queued in_progress completed"))
        return "status is not a member of [\"queued\", \"in_progress\", \"completed\"]";
    if (conclusion != NULL &&
        !is_one_of(conclusion, "action_required cancelled failure neutral success skipped timed_out"))
        return "conclusion is not one that an App may give";
    if (conclusion == NULL &&
        ((status != NULL && strcmp(status, "completed") == 0) || json_object_get(body, "completed_at") != NULL))
        return "conclusion is missing";
    if (conclusion != NULL && status != NULL && strcmp(status, "completed") != 0)
        return "a conclusion, and yet it is not completed";
    if (output_fault(json_object_get(body, "output"), create) != NULL)
        return output_fault(json_object_get(body, "output"), create);
    return actions_fault(json_object_get(body, "actions"));
}

/* ---- check runs ---- */

static void unprocessable(struct sim_github *g, const struct sim_req *rq, struct sim_res *rs, const char *fault)
{
    char text[300];

    gh_violation(g, rq, "%s", fault);
    (void)snprintf(text, sizeof(text), "Invalid request.\n\n%.200s.", fault);
    gh_refuse(rs, 422, text);
}

static json_t *check_json(const struct sim_github *g, const struct gh_check *c)
{
    json_t *o = json_deep_copy(c->shown), *output = json_object_get(o, "output");

    (void)json_object_set_new(output, "annotations_count", json_integer((json_int_t)json_array_size(c->annotations)));
    (void)json_object_set_new(o, "app",
                              json_pack("{s:I, s:s, s:s}", "id", (json_int_t)strtoll(g->app_id, NULL, 10), "slug",
                                        "muster", "name", "muster"));
    return o;
}

/* Take over what the body says; what it does not name stays. */
static void apply(struct gh_check *c, const json_t *body)
{
    static const char *const keys[] = {"name",       "external_id", "details_url",  "status",
                                       "conclusion", "started_at",  "completed_at", "actions"};
    json_t *output = json_object_get(body, "output"), *shown = json_object_get(c->shown, "output"), *v;
    const char *status = json_string_value(json_object_get(body, "status"));
    const char *key;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        v = json_object_get(body, keys[i]);
        if (v != NULL)
            (void)json_object_set(c->shown, keys[i], v);
    }
    if (json_object_get(body, "conclusion") != NULL)
        (void)json_object_set_new(c->shown, "status", json_string("completed"));
    else if (status != NULL)
        (void)json_object_set_new(c->shown, "conclusion", json_null());
    json_object_foreach(output, key, v)
    {
        if (strcmp(key, "annotations") == 0)
            (void)json_array_extend(c->annotations, v);
        else
            (void)json_object_set(shown, key, v);
    }
    c->writes++;
}

void gh_api_create_check(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    json_t *body = json_loadb(rq->body, rq->body_len, JSON_REJECT_DUPLICATES, NULL);
    const char *fault = check_fault(body, true), *sha = json_string_value(json_object_get(body, "head_sha"));
    struct gh_check *c;
    char text[120];

    if (fault != NULL) {
        unprocessable(g, rq, rs, fault);
    } else if (sha == NULL || !gh_ref_exists(repo, sha)) {
        gh_violation(g, rq, "head_sha is no commit of this repository");
        (void)snprintf(text, sizeof(text), "No commit found for SHA: %.64s", sha != NULL ? sha : "");
        gh_refuse(rs, 422, text);
    } else {
        c = mem_zalloc(sizeof(*c));
        c->id = GH_FIRST_CHECK + (int64_t)g->n_checks;
        c->repo = repo;
        c->sha = mem_strdup(sha);
        c->annotations = json_array();
        c->shown = json_pack("{s:I, s:s, s:s, s:s, s:n, s:{}, s:{s:I}}", "id", (json_int_t)c->id, "head_sha", sha,
                             "external_id", "", "status", "queued", "conclusion", "output", "check_suite", "id",
                             (json_int_t)5);
        apply(c, body);
        g->checks = mem_realloc_array(g->checks, g->n_checks + 1, sizeof(struct gh_check *));
        g->checks[g->n_checks++] = c;
        gh_story(g, "shows a check run: %s",
                 json_string_value(json_object_get(json_object_get(c->shown, "output"), "title")));
        sim_res_json(rs, 201, check_json(g, c));
    }
    json_decref(body);
    (void)pthread_cond_broadcast(&g->changed);
}

void gh_api_update_check(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    int64_t at = gh_id_arg(rq->arg[2]) - GH_FIRST_CHECK;
    json_t *body = json_loadb(rq->body, rq->body_len, JSON_REJECT_DUPLICATES, NULL);
    const char *fault = check_fault(body, false);

    if (at < 0 || at >= (int64_t)g->n_checks || g->checks[at]->repo != repo) {
        gh_refuse(rs, 404, "Not Found");
    } else if (fault != NULL) {
        unprocessable(g, rq, rs, fault);
    } else {
        apply(g->checks[at], body);
        sim_res_json(rs, 200, check_json(g, g->checks[at]));
    }
    json_decref(body);
    (void)pthread_cond_broadcast(&g->changed);
}

void gh_api_list_checks(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    const char *name = sim_req_query(rq, "check_name"), *filter = sim_req_query(rq, "filter");
    int per_page = gh_page_number(g, rq, "per_page", 30, MAX_PER_PAGE), total = 0;
    json_t *list = json_array();

    if (filter != NULL && !is_one_of(filter, "latest all"))
        gh_violation(g, rq, "filter is neither latest nor all");
    for (size_t i = 0; i < g->n_checks; i++) {
        const struct gh_check *c = g->checks[i];
        const char *is = json_string_value(json_object_get(c->shown, "name"));

        if (c->repo != repo || strcmp(c->sha, rq->arg[2]) != 0 || (name != NULL && strcmp(is, name) != 0))
            continue;
        if (total++ < per_page)
            (void)json_array_append_new(list, check_json(g, c));
    }
    sim_res_json(rs, 200, json_pack("{s:i, s:o}", "total_count", total, "check_runs", list));
}

/* ---- commit statuses ---- */

void gh_api_create_status(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    static const struct field known[] = {
        {"state", TEXT}, {"target_url", TEXT}, {"description", TEXT}, {"context", TEXT}};
    json_t *body = json_loadb(rq->body, rq->body_len, JSON_REJECT_DUPLICATES, NULL);
    struct gh_status *s;

    if (!json_is_object(body) || wrong_field(body, known, ARRAY_LEN(known)) != NULL ||
        !is_one_of(json_string_value(json_object_get(body, "state")), "error failure pending success") ||
        json_string_length(json_object_get(body, "description")) > 140) {
        unprocessable(g, rq, rs, "a status needs a state, and a description of at most 140 characters");
    } else if (!gh_ref_exists(repo, rq->arg[2])) {
        gh_violation(g, rq, "no commit of this repository");
        gh_refuse(rs, 422, "No commit found for SHA");
    } else {
        s = mem_zalloc(sizeof(*s));
        s->repo = repo;
        s->sha = mem_strdup(rq->arg[2]);
        s->shown = json_deep_copy(body);
        g->statuses = mem_realloc_array(g->statuses, g->n_statuses + 1, sizeof(struct gh_status *));
        g->statuses[g->n_statuses++] = s;
        sim_res_json(rs, 201, json_deep_copy(s->shown));
    }
    json_decref(body);
    (void)pthread_cond_broadcast(&g->changed);
}

/* ---- for tests ---- */

static void copy_text(const json_t *o, const char *key, char *out, size_t size)
{
    const char *s = json_string_value(json_object_get(o, key));

    (void)snprintf(out, size, "%s", s != NULL ? s : "");
}

static void show(const struct gh_check *c, struct sim_check *out)
{
    const json_t *output = json_object_get(c->shown, "output");
    const char *summary = json_string_value(json_object_get(output, "summary"));
    const char *text = json_string_value(json_object_get(output, "text"));

    *out = (struct sim_check){.id = c->id, .writes = c->writes};
    copy_text(c->shown, "name", out->name, sizeof(out->name));
    copy_text(c->shown, "external_id", out->external_id, sizeof(out->external_id));
    copy_text(c->shown, "status", out->status, sizeof(out->status));
    copy_text(c->shown, "conclusion", out->conclusion, sizeof(out->conclusion));
    copy_text(output, "title", out->title, sizeof(out->title));
    out->summary = mem_strdup(summary != NULL ? summary : "");
    out->text = mem_strdup(text != NULL ? text : "");
    out->annotations = json_deep_copy(c->annotations);
}

void sim_check_clear(struct sim_check *c)
{
    free(c->summary);
    free(c->text);
    json_decref(c->annotations);
    *c = (struct sim_check){0};
}

size_t sim_github_checks(struct sim_github *g)
{
    size_t n;

    gh_lock(g);
    n = g->n_checks;
    gh_unlock(g);
    return n;
}

bool sim_github_check(struct sim_github *g, size_t i, struct sim_check *out)
{
    bool found;

    sim_check_clear(out);
    gh_lock(g);
    found = i < g->n_checks;
    if (found)
        show(g->checks[i], out);
    gh_unlock(g);
    return found;
}

size_t sim_github_statuses(struct sim_github *g)
{
    size_t n;

    gh_lock(g);
    n = g->n_statuses;
    gh_unlock(g);
    return n;
}

bool sim_github_status(struct sim_github *g, size_t i, struct sim_status *out)
{
    bool found;

    gh_lock(g);
    found = i < g->n_statuses;
    if (found) {
        const struct gh_status *s = g->statuses[i];

        copy_text(s->shown, "context", out->context, sizeof(out->context));
        copy_text(s->shown, "state", out->state, sizeof(out->state));
        copy_text(s->shown, "description", out->description, sizeof(out->description));
    }
    gh_unlock(g);
    return found;
}

bool sim_github_wait_check(struct sim_github *g, size_t i, const char *status, const char *conclusion, int timeout_ms)
{
    struct timespec until;
    bool is = false;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000 + 1;
    gh_lock(g);
    for (;;) {
        struct sim_check c = {0};

        if (i < g->n_checks) {
            show(g->checks[i], &c);
            is = strcmp(c.status, status) == 0 && strcmp(c.conclusion, conclusion) == 0;
        }
        sim_check_clear(&c);
        if (is || pthread_cond_timedwait(&g->changed, &g->lock, &until) != 0)
            break;
    }
    gh_unlock(g);
    return is;
}

/* "Re-run" in GitHub's page, or our own button: the event goes to the App. */
void sim_github_check_press(struct sim_github *g, int64_t id, const char *action, const char *identifier)
{
    const struct gh_check *c = NULL;
    json_t *event = NULL;
    char *text = NULL;

    gh_lock(g);
    if (id >= GH_FIRST_CHECK && id < GH_FIRST_CHECK + (int64_t)g->n_checks)
        c = g->checks[id - GH_FIRST_CHECK];
    if (c != NULL) {
        event = json_pack("{s:s, s:o, s:O, s:o, s:{s:I}}", "action", action, "check_run", check_json(g, c),
                          "repository", gh_repo_json(c->repo), "sender", gh_user_json("octocat", false), "installation",
                          "id", (json_int_t)c->repo->installation->id);
        if (identifier != NULL)
            (void)json_object_set_new(event, "requested_action", json_pack("{s:s}", "identifier", identifier));
        text = json_dumps(event, JSON_COMPACT);
    }
    gh_unlock(g);
    if (text != NULL)
        sim_github_send(g, "check_run", text);
    free(text);
    json_decref(event);
}

void gh_checks_free(struct sim_github *g)
{
    for (size_t i = 0; i < g->n_checks; i++) {
        free(g->checks[i]->sha);
        json_decref(g->checks[i]->shown);
        json_decref(g->checks[i]->annotations);
        free(g->checks[i]);
    }
    for (size_t i = 0; i < g->n_statuses; i++) {
        free(g->statuses[i]->sha);
        json_decref(g->statuses[i]->shown);
        free(g->statuses[i]);
    }
    free(g->checks);
    free(g->statuses);
}
