/* GitHub's answers about self-hosted runners. */
#include "tests/sim/sim_github_priv.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_PER_PAGE 100

static json_t *runner_json(const struct gh_runner *r)
{
    json_t *labels = json_array();

    for (size_t i = 0; i < json_array_size(r->labels); i++)
        (void)json_array_append_new(labels, json_pack("{s:i, s:O, s:s}", "id", (int)i + 1, "name",
                                                      json_array_get(r->labels, i), "type", "custom"));
    return json_pack("{s:I, s:s, s:s, s:s, s:b, s:o, s:i, s:b}", "id", (json_int_t)r->id, "name", r->name, "os",
                     r->was_online ? "Linux" : "unknown", "status", r->online ? "online" : "offline", "busy",
                     r->job_id != 0, "labels", labels, "runner_group_id", 1, "ephemeral", 1);
}

/* Whose runners a request is about: a repository's, or those of the organisation that its path names. */
struct owner {
    const struct gh_repo *repo;
    struct gh_installation *org;
};

static struct owner owner_of(struct sim_github *g, const struct gh_repo *repo, const struct sim_req *rq)
{
    return (struct owner){repo, repo == NULL ? gh_org(g, rq->arg[0]) : NULL};
}

static bool belongs(const struct gh_runner *r, struct owner o)
{
    return o.repo != NULL ? r->repo == o.repo : r->repo == NULL && r->org == o.org;
}

void gh_api_list_runners(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    const char *name = sim_req_query(rq, "name");
    int per_page = gh_page_number(g, rq, "per_page", 30, MAX_PER_PAGE);
    int page = gh_page_number(g, rq, "page", 1, 1000000), total = 0;
    struct owner owner = owner_of(g, repo, rq);
    json_t *list = json_array();

    for (size_t i = 0; i < g->n_runners; i++) {
        const struct gh_runner *r = g->runners[i];

        if (!belongs(r, owner) || !r->registered || (name != NULL && strcmp(r->name, name) != 0))
            continue;
        if (total / per_page == page - 1)
            (void)json_array_append_new(list, runner_json(r));
        total++;
    }
    if (page * per_page < total)
        sim_res_header(rs, "Link", "<%s%s?page=%d&per_page=%d>; rel=\"next\"", sim_http_url(g->http), rq->raw_path,
                       page + 1, per_page);
    sim_res_json(rs, 200, json_pack("{s:i, s:o}", "total_count", total, "runners", list));
}

static struct gh_runner *runner_arg(struct sim_github *g, const struct gh_repo *repo, const struct sim_req *rq,
                                    struct sim_res *rs)
{
    struct gh_runner *r = gh_runner(g, gh_id_arg(rq->arg[repo != NULL ? 2 : 1]));

    if (r != NULL && r->registered && belongs(r, owner_of(g, repo, rq)))
        return r;
    gh_refuse(rs, 404, "Not Found");
    return NULL;
}

void gh_api_get_runner(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    const struct gh_runner *r = runner_arg(g, repo, rq, rs);

    if (r != NULL)
        sim_res_json(rs, 200, runner_json(r));
}

void gh_api_delete_runner(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    struct gh_runner *r = runner_arg(g, repo, rq, rs);
    char text[200];

    if (r == NULL)
        return;
    if (r->job_id != 0) {
        (void)snprintf(text, sizeof(text),
                       "Bad request - Runner \"%.64s\" is currently running a job and cannot be deleted.", r->name);
        gh_refuse(rs, 422, text);
        return;
    }
    gh_runner_remove(g, r);
    sim_res_json(rs, 204, NULL);
}

void gh_api_list_downloads(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    json_t *list = json_array();

    (void)repo;
    (void)rq;
    for (size_t i = 0; i < g->n_downloads; i++) {
        const struct gh_download *d = &g->downloads[i];
        const char *file = strrchr(d->url, '/');
        json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "os", d->os, "architecture", d->arch, "download_url", d->url,
                              "filename", file != NULL ? file + 1 : d->url);

        if (d->sha256 != NULL)
            (void)json_object_set_new(o, "sha256_checksum", json_string(d->sha256));
        (void)json_array_append_new(list, o);
    }
    sim_res_json(rs, 200, list);
}

/* ---- generate-jitconfig ---- */

static void add_base64(json_t *files, const char *name, json_t *content)
{
    char *text = json_dumps(content, JSON_COMPACT);
    struct buf b = BUF_INIT(16 * 1024);

    sim_base64(&b, text, strlen(text));
    (void)json_object_set_new(files, name, json_string(b.p));
    buf_clear(&b);
    free(text);
    json_decref(content);
}

static json_t *random_text(struct sim_github *g, size_t bytes)
{
    struct buf b = BUF_INIT(1024);
    json_t *s;

    sim_rng_base64(&g->rng, bytes, &b);
    s = json_string(b.p);
    buf_clear(&b);
    return s;
}

static json_t *rsa_json(struct sim_github *g)
{
    static const char *const halves[] = {"dp", "dq", "inverseQ", "p", "q"};
    json_t *o =
        json_pack("{s:o, s:s, s:o}", "d", random_text(g, 256), "exponent", "AQAB", "modulus", random_text(g, 256));

    for (size_t i = 0; i < ARRAY_LEN(halves); i++)
        (void)json_object_set_new(o, halves[i], random_text(g, 128));
    return o;
}

/* base64 of {".runner": base64, ".credentials": base64, ".credentials_rsaparams": base64}, about 4 KB as the real one.
 */
static char *jit_config(struct sim_github *g, const struct gh_runner *r)
{
    json_t *files = json_object();
    struct buf b = BUF_INIT(32 * 1024);
    char id[24], url[256], guid[37], *text;

    (void)snprintf(id, sizeof(id), "%lld", (long long)r->id);
    (void)snprintf(url, sizeof(url), "https://github.com/%s", r->repo != NULL ? r->repo->full_name : r->org->account);
    sim_rng_guid(&g->rng, guid);
    add_base64(files, ".runner",
               json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "agentId", id, "agentName", r->name,
                         "disableUpdate", "False", "ephemeral", "True", "poolId", "1", "poolName", "Default",
                         "serverUrl", "https://pipelinesghubeus22.actions.githubusercontent.com/aB3dE5fG7hJ9kL1mN3pQ/",
                         "gitHubUrl", url, "workFolder", "_work", "useV2Flow", "True"));
    add_base64(files, ".credentials",
               json_pack("{s:s, s:{s:s, s:s, s:s}}", "scheme", "OAuth", "data", "clientId", guid, "authorizationUrl",
                         "https://vstoken.actions.githubusercontent.com/_apis/oauth2/token/", "requireFipsCryptography",
                         "True"));
    add_base64(files, ".credentials_rsaparams", rsa_json(g));
    text = json_dumps(files, JSON_COMPACT);
    sim_base64(&b, text, strlen(text));
    free(text);
    json_decref(files);
    text = mem_strdup(b.p);
    buf_clear(&b);
    return text;
}

static const char *labels_fault(const json_t *labels)
{
    if (!json_is_array(labels) || json_array_size(labels) < 1 || json_array_size(labels) > 100)
        return "Invalid request.\n\nlabels must be a list of 1 to 100 strings.";
    for (size_t i = 0; i < json_array_size(labels); i++) {
        const char *s = json_string_value(json_array_get(labels, i));

        if (s == NULL || *s == '\0' || strlen(s) > 256)
            return "Invalid request.\n\nEach label must be a string of 1 to 256 characters.";
    }
    return NULL;
}

static const char *jit_fault(const json_t *body)
{
    const json_t *folder = json_object_get(body, "work_folder"), *group = json_object_get(body, "runner_group_id");
    const char *name = json_string_value(json_object_get(body, "name"));
    size_t known = folder != NULL ? 4 : 3;

    if (!json_is_object(body))
        return "Invalid request.\n\nThe body must be an object.";
    if (name == NULL || *name == '\0' || strlen(name) > 64)
        return "Invalid request.\n\nname must be a string of 1 to 64 characters.";
    if (!json_is_integer(group))
        return "Invalid request.\n\n\"runner_group_id\" wasn't supplied.";
    if (json_integer_value(group) != 1)
        return "Invalid request.\n\nRunner group not found.";
    if (folder != NULL && !json_is_string(folder))
        return "Invalid request.\n\nwork_folder must be a string.";
    if (labels_fault(json_object_get(body, "labels")) != NULL)
        return labels_fault(json_object_get(body, "labels"));
    return json_object_size(body) == known ? NULL : "Invalid request.\n\nUnknown field.";
}

static bool name_taken(const struct sim_github *g, struct owner owner, const char *name)
{
    for (size_t i = 0; i < g->n_runners; i++) {
        const struct gh_runner *r = g->runners[i];

        if (r->registered && belongs(r, owner) && strcasecmp(r->name, name) == 0)
            return true;
    }
    return false;
}

void gh_api_create_jitconfig(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    json_t *body = json_loadb(rq->body, rq->body_len, JSON_REJECT_DUPLICATES, NULL);
    const char *fault = jit_fault(body), *name = json_string_value(json_object_get(body, "name"));
    struct gh_runner *r;
    char text[200];

    if (fault != NULL || name == NULL) {
        gh_violation(g, rq, "%s", fault != NULL ? fault : "no name");
        gh_refuse(rs, body != NULL ? 422 : 400, body != NULL ? fault : "Problems parsing JSON");
    } else if (name_taken(g, owner_of(g, repo, rq), name)) {
        (void)snprintf(text, sizeof(text), "Already exists - A runner with the name *%.64s* already exists.", name);
        gh_refuse(rs, 409, text);
    } else {
        r = gh_runner_new(g, repo, name, json_object_get(body, "labels"));
        r->org = owner_of(g, repo, rq).org;
        r->jit = jit_config(g, r);
        gh_story(g, "registers the single-use runner %s", name);
        sim_res_json(rs, 201, json_pack("{s:o, s:s}", "runner", runner_json(r), "encoded_jit_config", r->jit));
    }
    json_decref(body);
}

void gh_api_get_group(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    const struct gh_installation *org = gh_org(g, rq->arg[0]);

    (void)repo;
    if (gh_id_arg(rq->arg[1]) != 1) {
        gh_refuse(rs, 404, "Not Found");
        return;
    }
    sim_res_json(rs, 200,
                 json_pack("{s:i, s:s, s:s, s:b, s:b, s:b, s:b, s:[]}", "id", 1, "name", "Default", "visibility", "all",
                           "default", 1, "inherited", 0, "allows_public_repositories", org->allows_public ? 1 : 0,
                           "restricted_to_workflows", 0, "selected_workflows"));
}
