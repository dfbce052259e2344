/* OpenStack for the contract suite: Keystone's token and catalogue, flavors and images by name, servers with tags,
 * metadata, pages by marker, and faults. All services stand behind one address. */
#include "tests/support/fake_cloud.h"

#include "server/base/json.h"
#include "server/base/mem.h"

#include <stdio.h>
#include <string.h>

#define FAKE_TOKEN "gAAAAABfake0token0of0the0project0123456789"

/* Nova's form of a refusal. */
static void refuse_with(int status, const char *name, const char *text, struct buf *answer)
{
    fake_json(answer, status, "", json_pack("{s:{s:i, s:s}}", name, "code", status, "message", text));
}

static void refuse(const char *text, struct buf *answer)
{
    refuse_with(400, "badRequest", text, answer);
}

static json_t *endpoint(const struct raw_request *r, const char *region, const char *interface, const char *path)
{
    char url[200];

    (void)snprintf(url, sizeof(url), "http://%s%s", raw_header(r, "Host"), path);
    return json_pack("{s:s, s:s, s:s, s:s}", "region_id", region, "region", region, "interface", interface, "url", url);
}

static void sign_in(const struct raw_request *r, struct buf *answer)
{
    json_t *compute = json_pack("[o, o, o]", endpoint(r, "RegionOne", "public", "/nova/v2.1"),
                                endpoint(r, "RegionOne", "internal", "/internal/v2.1"),
                                endpoint(r, "RegionTwo", "public", "/nova-two/v2.1"));
    json_t *image = json_pack("[o]", endpoint(r, "RegionOne", "public", "/glance"));
    json_t *network = json_pack("[o]", endpoint(r, "RegionOne", "public", "/neutron/"));

    fake_json(answer, 201, "X-Subject-Token: " FAKE_TOKEN "\r\n",
              json_pack("{s:{s:s, s:s, s:[{s:s, s:o}, {s:s, s:o}, {s:s, s:o}]}}", "token", "issued_at",
                        "2024-05-01T12:00:00.000000Z", "expires_at", "2024-05-01T13:00:00.000000Z", "catalog", "type",
                        "compute", "endpoints", compute, "type", "image", "endpoints", image, "type", "network",
                        "endpoints", network));
}

static void flavors(struct buf *answer)
{
    fake_json(answer, 200, "",
              json_pack("{s:[{s:s, s:s, s:i}, {s:s, s:s, s:i}]}", "flavors", "id", "42", "name", "gpu.large", "disk",
                        100, "id", "43", "name", "gpu.diskless", "disk", 0));
}

static void images(struct buf *answer)
{
    fake_json(
        answer, 200, "",
        json_pack("{s:[{s:s, s:s}]}", "images", "id", "70a599e0-31e7-49b7-b260-868f441e862b", "name", "Ubuntu 24.04"));
}

static void networks(struct buf *answer)
{
    fake_json(
        answer, 200, "",
        json_pack("{s:[{s:s, s:s}]}", "networks", "id", "d32019d3-bc6e-4319-9c1d-6722fc136a22", "name", "private"));
}

static json_t *server(const struct fake_machine *m)
{
    json_t *doc = json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s, s:s}, s:n}", "id", m->id, "name", m->name,
                            "created", "2024-05-01T14:00:00Z", "status", m->doom != NULL ? "ERROR" : "ACTIVE",
                            "metadata", TAG_MACHINE, m->name, TAG_DEPLOYMENT, m->deployment, TAG_EXPIRES, "1714572000",
                            TAG_JOB, "42", TAG_REPOSITORY, "octo/hello", "OS-EXT-STS:task_state");

    if (m->doom != NULL) {
        AUTO_FREE char *text = fake_fixture("openstack", m->doom->fixture);
        struct err e;
        json_t *fault = NULL;

        if (js_parse(text, strlen(text), &fault, &e))
            abort();
        (void)json_object_set_new(doc, "fault", fault);
    }
    return doc;
}

static void create(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_JSON json_t *body = fake_body(r);
    const json_t *metadata = json_object_get(json_object_get(body, "server"), "metadata");
    const char *name = json_string_value(json_object_get(metadata, TAG_MACHINE));
    const char *deployment = json_string_value(json_object_get(metadata, TAG_DEPLOYMENT));
    const struct fake_machine *m;

    if (name == NULL || deployment == NULL || raw_header(r, "OpenStack-API-Version") == NULL) {
        refuse("metadata or microversion is missing", answer);
        return;
    }
    m = fake_add(c, name, "", deployment);
    fake_json(answer, 202, "", json_pack("{s:{s:s, s:s}}", "server", "id", m->id, "adminPass", "aBcDeF123"));
}

/* Tags as Nova has them: separated by ',', all of them must be there. */
static bool fits(const struct fake_cloud *c, const struct raw_request *r, const struct fake_machine *m)
{
    char tags[256] = "", machine[100], deployment[100], *rest, *one;

    if (m->gone || c->lies || !fake_query(r, "tags", tags, sizeof(tags)))
        return !m->gone;
    (void)snprintf(machine, sizeof(machine), "muster-machine:%s", m->name);
    (void)snprintf(deployment, sizeof(deployment), "muster-deployment:%s", m->deployment);
    machine[60] = deployment[60] = '\0';
    for (rest = tags; (one = strsep(&rest, ",")) != NULL;) {
        if (strcmp(one, machine) != 0 && strcmp(one, deployment) != 0)
            return false;
    }
    return true;
}

static void list(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_JSON json_t *found = json_array();
    char marker[64] = "";
    size_t i = 0, shown = 0;

    if (fake_query(r, "marker", marker, sizeof(marker))) {
        while (i < c->n && strcmp(c->machines[i].id, marker) != 0)
            i++;
        i++;
    }
    for (; i < c->n && shown < c->page_size; i++) {
        if (!fits(c, r, &c->machines[i]))
            continue;
        shown++;
        (void)json_array_append_new(found, server(&c->machines[i]));
    }
    if (shown == c->page_size) /* as Nova does: perhaps the next page is empty */
        fake_json(answer, 200, "",
                  json_pack("{s:O, s:[{s:s, s:s}]}", "servers", found, "servers_links", "rel", "next", "href",
                            "http://behind.a.proxy.example/servers/detail?marker=x"));
    else
        fake_json(answer, 200, "", json_pack("{s:O}", "servers", found));
}

static void one_server(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    char id[64];
    struct fake_machine *m;

    fake_last_part(r, id, sizeof(id));
    m = fake_by_id(c, id);
    if (m == NULL || m->gone) {
        refuse_with(404, "itemNotFound", "Instance could not be found.", answer);
    } else if (strcmp(r->method, "DELETE") == 0) {
        m->gone = true;
        buf_adds(answer, "HTTP/1.1 204 No Content\r\n\r\n");
    } else {
        fake_json(answer, 200, "", json_pack("{s:o}", "server", server(m)));
    }
}

static bool is_auth(const struct raw_request *r)
{
    return fake_is(r, "POST", "/v3/auth/tokens");
}

static bool is_create(const struct raw_request *r)
{
    return fake_is(r, "POST", "/nova/v2.1/servers");
}

static void act(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    const char *token = raw_header(r, "X-Auth-Token");

    if (is_auth(r)) {
        sign_in(r, answer);
        return;
    }
    if (token == NULL || strcmp(token, FAKE_TOKEN) != 0)
        fake_json(answer, 401, "",
                  json_pack("{s:{s:i, s:s, s:s}}", "error", "code", 401, "title", "Unauthorized", "message",
                            "The request you have made requires authentication."));
    else if (is_create(r))
        create(c, r, answer);
    else if (fake_is(r, "GET", "/nova/v2.1/servers/detail"))
        list(c, r, answer);
    else if (fake_is(r, "GET", "/nova/v2.1/servers/*") || fake_is(r, "DELETE", "/nova/v2.1/servers/*"))
        one_server(c, r, answer);
    else if (fake_is(r, "GET", "/nova/v2.1/flavors/detail"))
        flavors(answer);
    else if (fake_is(r, "GET", "/nova/v2.1/os-availability-zone"))
        fake_json(answer, 200, "", json_pack("{s:[{s:s}]}", "availabilityZoneInfo", "zoneName", "az-gpu"));
    else if (fake_is(r, "GET", "/glance/v2/images"))
        images(answer);
    else if (fake_is(r, "GET", "/neutron/v2.0/networks"))
        networks(answer);
    else
        refuse_with(404, "itemNotFound", "The resource could not be found.", answer);
}

static const char *const settings[][2] = {{"auth_url", "URL/v3"},
                                          {"username", "ci"},
                                          {"password", "pa55word0of0the0account"},
                                          {"project_id", "b04dac4f9e2a4f21a3a5d1d6f2b2f6f1"},
                                          {"region", "RegionOne"},
                                          {NULL, NULL}};
static const char *const secrets[] = {"pa55word0of0the0account", FAKE_TOKEN, NULL};
static const struct fake_refusal refusals[] = {
    {"quota.json", 403, ERR_QUOTA},          {"port-quota.json", 409, ERR_QUOTA},
    {"throttled.json", 429, ERR_THROTTLED},  {"over-limit.json", 413, ERR_THROTTLED},
    {"bad-credentials.json", 401, ERR_AUTH}, {"not-permitted.json", 403, ERR_AUTH},
    {"bad-request.json", 400, ERR_INVALID},  {"several-networks.json", 409, ERR_INVALID},
    {"old-nova.json", 406, ERR_INVALID},     {"locked.json", 409, ERR_CONFLICT},
    {"server-error.json", 500, ERR_RETRY},   {NULL, 0, ERR_NONE}};
static const struct fake_refusal dooms[] = {
    {"fault-no-valid-host.json", 0, ERR_CAPACITY}, {"fault-retries.json", 0, ERR_CAPACITY},
    {"fault-no-address.json", 0, ERR_CAPACITY},    {"fault-volume-quota.json", 0, ERR_QUOTA},
    {"fault-unknown.json", 0, ERR_RETRY},          {NULL, 0, ERR_NONE}};
#define LISTS ",\"flavors\":7,\"servers\":{},\"images\":null}"
static const char *const nonsense[] = {
    "",
    "<html><body>Welcome to nginx!</body></html>",
    "[]",
    "{\"server\":{\"id\":\"8f4e",
    "{}",
    "{\"server\":null" LISTS,
    "{\"server\":[]" LISTS,
    "{\"server\":{}" LISTS,
    "{\"server\":{\"id\":7,\"status\":\"ACTIVE\"}" LISTS,
    "{\"server\":{\"id\":\"../../etc\",\"status\":\"ACTIVE\"}" LISTS,
    "{\"server\":{\"id\":\"8f4e0000-0000-4000-8000-000000000001\",\"status\":\"HAPPY\"}" LISTS,
    "{\"server\":{\"id\":\"8f4e0000-0000-4000-8000-000000000001\",\"status\":\"ACTIVE\",\"fault\":\"?\"}" LISTS,
    "{\"servers\":[],\"servers_links\":[{\"rel\":\"next\"}],\"flavors\":[],\"flavors_links\":7}",
    "{\"servers\":[],\"servers_links\":\"next\",\"flavors\":[{\"id\":\"1\",\"name\":7}]}",
    NULL};

const struct fake_dialect fake_openstack = {.name = "openstack",
                                            .settings = settings,
                                            .secrets = secrets,
                                            .refusals = refusals,
                                            .dooms = dooms,
                                            .nonsense = nonsense,
                                            .region = "RegionOne",
                                            .type = "gpu.large",
                                            .image = "Ubuntu 24.04",
                                            .regions_come_with_token = true,
                                            .unknown_id = "8f4e0000-0000-4000-8000-00000fffffff",
                                            .id_format = "8f4e0000-0000-4000-8000-%",
                                            .tag_key_max = 255,
                                            .tag_value_max = 255,
                                            .is_auth = is_auth,
                                            .is_create = is_create,
                                            .act = act,
                                            .refuse = refuse};
