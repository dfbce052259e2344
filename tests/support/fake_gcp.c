/* Compute Engine for the contract suite: one zone of one project, inserts answered by operations that take a look or
 * two, lists of all zones; and the token endpoint of a user's login. */
#include "tests/support/fake_cloud.h"

#include "server/base/json.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define ZONES "/compute/v1/projects/*/zones/*"
#define ZONE_URL "https://www.googleapis.com/compute/v1/projects/my-project/zones/us-central1-a"
#define TOKEN "ya29.token0of0the0account0123456789"

static void refuse_with(int status, const char *reason, const char *text, struct buf *answer)
{
    fake_json(answer, status, "",
              json_pack("{s:{s:i, s:s, s:[{s:s, s:s}]}}", "error", "code", status, "message", text, "errors", "reason",
                        reason, "message", text));
}

static void refuse(const char *text, struct buf *answer)
{
    refuse_with(400, "invalid", text, answer);
}

static void not_found(const char *path, struct buf *answer)
{
    char text[400];

    (void)snprintf(text, sizeof(text), "The resource '%.300s' was not found", path);
    refuse_with(404, "notFound", text, answer);
}

static json_t *instance(const struct fake_machine *m)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s, s:s}}", "kind", "compute#instance", "name",
                     m->name, "status", m->doom != NULL ? "STAGING" : "RUNNING", "zone", ZONE_URL, "creationTimestamp",
                     "2024-05-01T07:00:00.000-07:00", "labels", TAG_MACHINE, m->name, TAG_DEPLOYMENT, m->deployment,
                     TAG_EXPIRES, "1714572000", TAG_JOB, "42", TAG_REPOSITORY, "octo_hello");
}

/* number: of the machine that it is about, from 1 */
static json_t *operation(const char *type, size_t number, const char *status)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "operation-%s-%zu", type, number);
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", "compute#operation", "name", name, "operationType", type,
                     "status", status, "zone", ZONE_URL);
}

static size_t number_of(const struct fake_cloud *c, const struct fake_machine *m)
{
    return (size_t)(m - c->machines) + 1;
}

static void insert(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_JSON json_t *body = fake_body(r);
    const json_t *labels = json_object_get(body, "labels");
    const char *name = json_string_value(json_object_get(body, "name"));
    const char *deployment = json_string_value(json_object_get(labels, TAG_DEPLOYMENT));
    char id[64];
    struct fake_machine *m;

    if (!fake_query(r, "requestId", id, sizeof(id)) || name == NULL || deployment == NULL)
        abort();
    m = fake_by_token(c, id);
    if (m == NULL && fake_by_name(c, name) != NULL) {
        refuse_with(409, "alreadyExists", "The resource already exists", answer);
        return;
    }
    if (m == NULL)
        m = fake_add(c, name, id, deployment);
    fake_json(answer, 200, "", operation("insert", number_of(c, m), "RUNNING"));
}

static void show_operation(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    char name[128];
    size_t number;

    fake_last_part(r, name, sizeof(name));
    number = (size_t)strtoul(strrchr(name, '-') != NULL ? strrchr(name, '-') + 1 : "0", NULL, 10);
    if (number == 0 || number > c->n) {
        not_found(r->path, answer);
    } else if (c->machines[number - 1].doom != NULL) {
        AUTO_FREE char *text = fake_fixture("gcp", c->machines[number - 1].doom->fixture);

        raw_answer(answer, 200, "", text);
    } else {
        fake_json(answer, 200, "", operation("insert", number, "DONE"));
    }
}

static void show(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    char name[64];
    const struct fake_machine *m;

    fake_last_part(r, name, sizeof(name));
    m = fake_by_name(c, name);
    if (m == NULL)
        not_found(r->path, answer);
    else
        fake_json(answer, 200, "", instance(m));
}

static void end(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    char name[64];
    struct fake_machine *m;

    fake_last_part(r, name, sizeof(name));
    m = fake_by_name(c, name);
    if (m == NULL) {
        not_found(r->path, answer);
        return;
    }
    m->gone = true;
    fake_json(answer, 200, "", operation("delete", number_of(c, m), "RUNNING"));
}

static bool fits(const struct fake_cloud *c, const struct fake_machine *m, const char *filter)
{
    const char *value = strchr(filter, '=');

    if (m->gone)
        return false;
    if (c->lies || value == NULL)
        return true;
    return text_has_prefix(filter, "labels." TAG_DEPLOYMENT "=") && strcmp(m->deployment, value + 1) == 0;
}

static void list(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_JSON json_t *found = json_array();
    char token[16] = "0", filter[256] = "", next[24];
    size_t from, seen = 0, shown = 0;
    bool more;

    (void)fake_query(r, "pageToken", token, sizeof(token));
    (void)fake_query(r, "filter", filter, sizeof(filter));
    from = (size_t)strtoul(token, NULL, 10);
    for (size_t i = 0; i < c->n; i++) {
        if (!fits(c, &c->machines[i], filter))
            continue;
        if (seen >= from && shown < c->page_size) {
            shown++;
            (void)json_array_append_new(found, instance(&c->machines[i]));
        }
        seen++;
    }
    more = from + shown < seen;
    (void)snprintf(next, sizeof(next), "%zu", from + shown);
    fake_json(answer, 200, "",
              json_pack("{s:s, s:{s:{s:O}, s:{s:{s:s, s:s}}}, s:s*}", "kind", "compute#instanceAggregatedList", "items",
                        "zones/us-central1-a", "instances", found, "zones/us-central1-b", "warning", "code",
                        "NO_RESULTS_ON_PAGE", "message", "There are no results for scope 'zones/us-central1-b'.",
                        "nextPageToken", more ? next : NULL));
}

static bool is_auth(const struct raw_request *r)
{
    return fake_is(r, "POST", "/token");
}

/* Each token is another one; the first request asks for one. */
static void give_token(const struct fake_cloud *c, struct buf *answer)
{
    char token[80] = TOKEN;

    if (c->requests > 1)
        (void)snprintf(token, sizeof(token), TOKEN "-%zu", c->requests);
    fake_json(answer, 200, "",
              json_pack("{s:s, s:i, s:s}", "access_token", token, "expires_in", 3599, "token_type", "Bearer"));
}

static bool is_create(const struct raw_request *r)
{
    return fake_is(r, "POST", ZONES "/instances");
}

static void act(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    if (is_auth(r))
        give_token(c, answer);
    else if (is_create(r))
        insert(c, r, answer);
    else if (fake_is(r, "GET", ZONES "/operations/*"))
        show_operation(c, r, answer);
    else if (fake_is(r, "GET", ZONES "/instances/*"))
        show(c, r, answer);
    else if (fake_is(r, "DELETE", ZONES "/instances/*"))
        end(c, r, answer);
    else if (fake_is(r, "GET", "/compute/v1/projects/*/aggregated/instances"))
        list(c, r, answer);
    else
        not_found(r->path, answer);
}

static const char *const settings[][2] = {
    {"zone", "us-central1-a"},  {"project", "my-project"}, {"credentials_file", "tests/fixtures/gcp/user.json"},
    {"token_url", "URL/token"}, {"endpoint_url", "URL"},   {NULL, NULL}};
static const char *const secrets[] = {"d-secret0of0the0client0app", "1//0g-refresh0token0of0the0user", TOKEN, NULL};
static const struct fake_refusal refusals[] = {
    {"no-capacity.json", 503, ERR_CAPACITY},     {"not-offered.json", 400, ERR_CAPACITY},
    {"gpu-not-offered.json", 404, ERR_CAPACITY}, {"quota.json", 403, ERR_QUOTA},
    {"throttled.json", 403, ERR_THROTTLED},      {"bad-credentials.json", 401, ERR_AUTH},
    {"not-permitted.json", 403, ERR_AUTH},       {"api-off.json", 403, ERR_AUTH},
    {"bad-request.json", 400, ERR_INVALID},      {"taken.json", 409, ERR_CONFLICT},
    {"server-error.json", 503, ERR_RETRY},       {NULL, 0, ERR_NONE}};
static const struct fake_refusal dooms[] = {{"op-no-capacity.json", 503, ERR_CAPACITY},
                                            {"op-no-capacity-plain.json", 503, ERR_CAPACITY},
                                            {"op-preempted.json", 400, ERR_CAPACITY},
                                            {"op-quota.json", 403, ERR_QUOTA},
                                            {"op-policy.json", 412, ERR_INVALID},
                                            {"op-no-image.json", 404, ERR_INVALID},
                                            {"op-not-permitted.json", 403, ERR_AUTH},
                                            {"op-internal.json", 500, ERR_RETRY},
                                            {NULL, 0, ERR_NONE}};
static const char *const nonsense[] = {"",
                                       "<html><body>Welcome to nginx!</body></html>",
                                       "[]",
                                       "{\"kind\":\"compute#operation\",\"name\":\"op",
                                       "{}",
                                       "{\"kind\":7,\"name\":null,\"status\":null}",
                                       "{\"kind\":\"x\",\"name\":\"o\",\"status\":\"HAPPY\",\"items\":7}",
                                       "{\"kind\":\"x\",\"name\":\"../x\",\"status\":\"DONE\",\"items\":{\"a\":7}}",
                                       "{\"name\":\"muster-other\",\"status\":7}",
                                       NULL};

const struct fake_dialect fake_gcp = {.name = "gcp",
                                      .settings = settings,
                                      .secrets = secrets,
                                      .refusals = refusals,
                                      .dooms = dooms,
                                      .nonsense = nonsense,
                                      .region = "us-central1-a",
                                      .type = "n1-standard-4",
                                      .image = "projects/my-images/global/images/family/runner",
                                      .unknown_id = "projects/my-project/zones/us-central1-a/instances/muster-unknown",
                                      .id_is_name = true,
                                      .id_prefix = "projects/my-project/zones/us-central1-a/instances/",
                                      .names_are_unique = true,
                                      .is_auth = is_auth,
                                      .is_create = is_create,
                                      .act = act,
                                      .refuse = refuse};
