/* A Docker Engine for the contract suite: containers by name, labels, archives, and how big its host is. */
#include "tests/support/fake_cloud.h"

#include "server/base/json.h"

#include <stdio.h>
#include <string.h>

static void refuse_with(int status, const char *text, struct buf *answer)
{
    fake_json(answer, status, "", json_pack("{s:s}", "message", text));
}

static void refuse(const char *text, struct buf *answer)
{
    refuse_with(400, text, answer);
}

/* A host has no regions: the field holds which GPUs a machine has. */
static json_t *labels_of(const struct fake_machine *m)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s*}", TAG_MACHINE, m->name, TAG_DEPLOYMENT, m->deployment,
                     TAG_EXPIRES, "1714572000", TAG_JOB, "42", TAG_REPOSITORY, "octo/hello", "muster-token", m->token,
                     "muster-type", m->type, "muster-gpus", m->region[0] != '\0' ? m->region : NULL);
}

static json_t *listed(const struct fake_machine *m)
{
    char name[80];

    (void)snprintf(name, sizeof(name), "/%s", m->name);
    return json_pack("{s:s, s:[s], s:s, s:i, s:o}", "Id", m->id, "Names", name, "State", "running", "Created",
                     1714570000, "Labels", labels_of(m));
}

static void inspect(const struct fake_machine *m, struct buf *answer)
{
    char name[80];

    (void)snprintf(name, sizeof(name), "/%s", m->name);
    fake_json(answer, 200, "",
              json_pack("{s:s, s:s, s:s, s:{s:s}, s:{s:o}}", "Id", m->id, "Name", name, "Created",
                        "2024-05-01T14:00:00.123456789Z", "State", "Status", "running", "Config", "Labels",
                        labels_of(m)));
}

static const char *label_of(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(json_object_get(body, "Labels"), key));

    return text != NULL ? text : "";
}

static void create(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_JSON json_t *body = fake_body(r);
    char name[80] = "";
    struct fake_machine *m;

    (void)fake_query(r, "name", name, sizeof(name));
    if (fake_by_name(c, name) != NULL) {
        refuse_with(409, "Conflict. The container name is already in use by container \"0123\".", answer);
        return;
    }
    m = fake_add(c, name, label_of(body, "muster-token"), label_of(body, TAG_DEPLOYMENT));
    (void)snprintf(m->type, sizeof(m->type), "%s", label_of(body, "muster-type"));
    (void)snprintf(m->region, sizeof(m->region), "%s", label_of(body, "muster-gpus"));
    fake_json(answer, 201, "", json_pack("{s:s, s:[]}", "Id", m->id, "Warnings"));
}

/* filters={"label":["KEY" or "KEY=VALUE"]} */
static bool fits(const struct fake_cloud *c, const char *label, const struct fake_machine *m)
{
    char machine[120], deployment[120];

    (void)snprintf(machine, sizeof(machine), TAG_MACHINE "=%s", m->name);
    (void)snprintf(deployment, sizeof(deployment), TAG_DEPLOYMENT "=%s", m->deployment);
    return !m->gone && (c->lies || strcmp(label, TAG_MACHINE) == 0 || strcmp(label, machine) == 0 ||
                        strcmp(label, deployment) == 0 || (strcmp(label, "muster-gpus") == 0 && m->region[0] != '\0'));
}

static void list(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_JSON json_t *filters = NULL;
    json_t *found = json_array();
    char text[400] = "";
    const char *label;
    struct err e;

    (void)fake_query(r, "filters", text, sizeof(text));
    if (js_parse(text, strlen(text), &filters, &e) || js_str(filters, "label.0", &label, &e))
        abort();
    for (size_t i = 0; i < c->n; i++) {
        if (fits(c, label, &c->machines[i]))
            (void)json_array_append_new(found, listed(&c->machines[i]));
    }
    fake_json(answer, 200, "", found);
}

/* By id or name, which stands in the path's third part. */
static struct fake_machine *named(struct fake_cloud *c, const struct raw_request *r)
{
    const char *at = strstr(r->path, "/containers/") + strlen("/containers/");
    char id[128];
    struct fake_machine *m;

    (void)snprintf(id, sizeof(id), "%.*s", (int)strcspn(at, "/?"), at);
    m = fake_by_name(c, id);
    if (m == NULL)
        m = fake_by_id(c, id);
    return m == NULL || m->gone ? NULL : m;
}

static void act_on(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    struct fake_machine *m = named(c, r);

    if (m == NULL) {
        refuse_with(404, "No such container: it", answer);
    } else if (fake_is(r, "GET", "/v1.47/containers/*/json")) {
        inspect(m, answer);
    } else if (fake_is(r, "PUT", "/v1.47/containers/*/archive")) {
        raw_answer(answer, 200, "", "");
    } else if (fake_is(r, "POST", "/v1.47/containers/*/start")) {
        buf_adds(answer, "HTTP/1.1 204 No Content\r\n\r\n");
    } else if (fake_is(r, "DELETE", "/v1.47/containers/*")) {
        m->gone = true;
        buf_adds(answer, "HTTP/1.1 204 No Content\r\n\r\n");
    } else {
        refuse_with(404, "page not found", answer);
    }
}

static void act(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    if (fake_is(r, "GET", "/version"))
        fake_json(answer, 200, "",
                  json_pack("{s:s, s:s, s:[{s:s}]}", "ApiVersion", "1.51", "MinAPIVersion", "1.24", "Components",
                            "Name", "Engine"));
    else if (fake_is(r, "GET", "/info"))
        fake_json(answer, 200, "",
                  json_pack("{s:i, s:I}", "NCPU", 4096, "MemTotal", (json_int_t)16384 * 1024 * 1024 * 1024));
    else if (fake_is(r, "POST", "/v1.47/containers/create"))
        create(c, r, answer);
    else if (fake_is(r, "GET", "/v1.47/containers/json"))
        list(c, r, answer);
    else if (strncmp(r->path, "/v1.47/containers/", 18) == 0)
        act_on(c, r, answer);
    else
        refuse_with(404, "page not found", answer);
}

static bool is_create(const struct raw_request *r)
{
    return fake_is(r, "POST", "/v1.47/containers/create");
}

/* What the engine is asked about itself, once a minute. */
static bool is_about_itself(const struct raw_request *r)
{
    return fake_is(r, "GET", "/version") || fake_is(r, "GET", "/info");
}

static const char *const settings[][2] = {
    {"docker_host", "URL"}, {"agent_token", "agent-token-0123456789-nobody-sees"}, {NULL, NULL}};
static const char *const secrets[] = {"agent-token-0123456789-nobody-sees", NULL};
static const struct fake_refusal refusals[] = {{"no-gpu-runtime.json", 500, ERR_CAPACITY},
                                               {"no-space.json", 500, ERR_CAPACITY},
                                               {"bad-request.json", 400, ERR_INVALID},
                                               {"unknown-runtime.json", 400, ERR_INVALID},
                                               {"not-permitted.json", 403, ERR_AUTH},
                                               {"name-taken.json", 409, ERR_CONFLICT},
                                               {"podman-name-taken.json", 500, ERR_CONFLICT},
                                               {"podman-no-init.json", 500, ERR_INVALID},
                                               {"throttled.json", 500, ERR_THROTTLED},
                                               {"server-error.json", 500, ERR_RETRY},
                                               {NULL, 0, ERR_NONE}};
static const char *const nonsense[] = {
    "",
    "<html><body>Welcome to nginx!</body></html>",
    "{\"Id\":\"0123",
    "{}",
    "[7]",
    "[{}]",
    "[{\"Id\":\"../../etc\",\"State\":\"running\",\"Labels\":{}}]",
    "{\"Id\":7,\"State\":\"running\"}",
    "{\"Id\":\"0123456789012345678901234567890123456789012345678901234567890123\",\"State\":{\"Status\":\"happy\"}}",
    NULL};

#define ZEROS "00000000000000000000000000000000000000000000000000000000000000"

const struct fake_dialect fake_on_prem = {.name = "on_prem",
                                          .settings = settings,
                                          .secrets = secrets,
                                          .refusals = refusals,
                                          .nonsense = nonsense,
                                          .region = "",
                                          .type = "4vcpu-16gb",
                                          .image = "ghcr.io/octo/machine:1",
                                          .unknown_id = ZEROS "ff",
                                          .id_is_hex = true,
                                          .names_are_unique = true,
                                          .one_page = true,
                                          .is_auth = is_about_itself,
                                          .is_create = is_create,
                                          .act = act,
                                          .refuse = refuse};
