/* Vast.ai for the contract suite: offers that are rented once, instances whose only tag is a label, pages by token. */
#include "tests/support/fake_cloud.h"

#include "providers/common/label.h"
#include "server/base/json.h"

#include <stdio.h>
#include <string.h>

static void refuse(const char *text, struct buf *answer)
{
    fake_json(answer, 400, "", json_pack("{s:b, s:s, s:s}", "success", 0, "error", "invalid_args", "msg", text));
}

static void not_found(struct buf *answer)
{
    fake_json(answer, 404, "",
              json_pack("{s:b, s:s, s:s}", "success", 0, "error", "no_such_instance", "msg", "Instance not found"));
}

static json_t *instance(const struct fake_machine *m)
{
    struct buf label = BUF_INIT(1024);
    json_t *doc;

    label_pack(&label, "muster-deployment", m->deployment);
    label_pack(&label, "muster-machine", m->name);
    label_pack(&label, "muster-expires", "1714572000");
    label_pack(&label, "muster-job", "42");
    label_pack(&label, "muster-repository", "octo/hello");
    doc = json_pack("{s:I, s:s, s:s, s:s, s:s, s:f, s:s, s:n, s:b}", "id", (json_int_t)strtoll(m->id, NULL, 10),
                    "label", label.p, "actual_status", "running", "intended_status", "running", "status_msg",
                    "success, running ubuntu", "start_date", 1714568400.25, "geolocation", "California, US",
                    "country_code", "is_bid", 0);
    buf_clear(&label);
    return doc;
}

/* Three offers, always the same ids: an offer is free again once its machine is gone, so that the suite never runs out.
 */
static void search(struct buf *answer)
{
    json_t *offers = json_array();

    for (int i = 0; i < 3; i++)
        (void)json_array_append_new(offers, json_pack("{s:i, s:s, s:i, s:f, s:f, s:s}", "id", 7001 + i, "gpu_name",
                                                      "RTX 4090", "num_gpus", 1, "dph_total", 0.3 + i * 0.1, "min_bid",
                                                      0.2 + i * 0.1, "geolocation", "California, US"));
    fake_json(answer, 200, "", json_pack("{s:b, s:o}", "success", 1, "offers", offers));
}

static void rent(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_JSON json_t *body = fake_body(r);
    const char *label = json_string_value(json_object_get(body, "label"));
    char name[64] = "", deployment[64] = "";
    struct fake_machine *m;

    if (!label_unpack(label, "muster-machine", name, sizeof(name)) ||
        !label_unpack(label, "muster-deployment", deployment, sizeof(deployment)))
        abort();
    m = fake_add(c, name, "", deployment);
    fake_json(answer, 200, "",
              json_pack("{s:b, s:I, s:s}", "success", 1, "new_contract", (json_int_t)strtoll(m->id, NULL, 10),
                        "instance_api_key", "5ec7e7ke9of0the1instance"));
}

static void list(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_JSON json_t *found = json_array(), *next = json_null();
    char limit[16] = "25", after[32] = "0", token[32];
    size_t shown = 0, i, size;

    (void)fake_query(r, "limit", limit, sizeof(limit));
    (void)fake_query(r, "after_token", after, sizeof(after));
    size = (size_t)strtoul(limit, NULL, 10);
    size = size < c->page_size ? size : c->page_size;
    for (i = (size_t)strtoul(after, NULL, 10); i < c->n && shown < size; i++) {
        if (c->machines[i].gone)
            continue;
        shown++;
        (void)json_array_append_new(found, instance(&c->machines[i]));
    }
    (void)snprintf(token, sizeof(token), "%zu", i);
    if (i < c->n)
        next = json_string(token);
    fake_json(answer, 200, "", json_pack("{s:b, s:O, s:O}", "success", 1, "instances", found, "next_token", next));
}

/* The number in ".../NUMBER/". */
static struct fake_machine *named(struct fake_cloud *c, const struct raw_request *r)
{
    const char *at = strstr(r->path, "/instances/");
    char id[64] = "";

    if (at != NULL)
        (void)snprintf(id, sizeof(id), "%.*s", (int)strcspn(at + 11, "/?"), at + 11);
    return fake_by_id(c, id);
}

static void act(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    struct fake_machine *m = named(c, r);

    if (fake_is(r, "POST", "/api/v0/bundles/")) {
        search(answer);
    } else if (fake_is(r, "PUT", "/api/v0/asks/*/")) {
        rent(c, r, answer);
    } else if (fake_is(r, "GET", "/api/v1/instances/")) {
        list(c, r, answer);
    } else if (fake_is(r, "GET", "/api/v0/instances/*/")) {
        fake_json(answer, 200, "", json_pack("{s:o}", "instances", m == NULL || m->gone ? json_null() : instance(m)));
    } else if (fake_is(r, "DELETE", "/api/v0/instances/*/")) {
        if (m == NULL || m->gone) {
            not_found(answer);
            return;
        }
        m->gone = true;
        fake_json(answer, 200, "", json_pack("{s:b}", "success", 1));
    } else {
        not_found(answer);
    }
}

static bool is_create(const struct raw_request *r)
{
    return fake_is(r, "PUT", "/api/v0/asks/*/");
}

static const char *const settings[][2] = {
    {"api_key", "5ec7e7key0of0the0account0123456789abcdef"}, {"endpoint_url", "URL"}, {NULL, NULL}};
static const char *const secrets[] = {"5ec7e7key0of0the0account0123456789abcdef", NULL};
static const struct fake_refusal refusals[] = {
    {"no-capacity.json", 410, ERR_CAPACITY}, {"taken.json", 404, ERR_CAPACITY},
    {"outbid.json", 400, ERR_CAPACITY},      {"quota.json", 400, ERR_QUOTA},
    {"throttled.txt", 429, ERR_THROTTLED},   {"throttled.json", 429, ERR_THROTTLED},
    {"bad-credentials.json", 401, ERR_AUTH}, {"not-permitted.json", 403, ERR_AUTH},
    {"bad-request.json", 400, ERR_INVALID},  {"no-ssh-key.json", 400, ERR_INVALID},
    {"server-error.json", 500, ERR_RETRY},   {NULL, 0, ERR_NONE}};
static const char *const nonsense[] = {"",
                                       "<html><body>Welcome to nginx!</body></html>",
                                       "[]",
                                       "{\"instances\":{\"id\":12",
                                       "{}",
                                       "{\"success\":7}",
                                       "{\"success\":\"yes\",\"instances\":7,\"offers\":{}}",
                                       "{\"instances\":{},\"offers\":7}",
                                       "{\"instances\":{\"id\":\"12\",\"actual_status\":\"running\"}}",
                                       "{\"instances\":{\"id\":-1,\"actual_status\":\"running\"}}",
                                       "{\"instances\":{\"id\":12,\"actual_status\":7}}",
                                       NULL};

const struct fake_dialect fake_vast_ai = {.name = "vast_ai",
                                          .settings = settings,
                                          .secrets = secrets,
                                          .refusals = refusals,
                                          .nonsense = nonsense,
                                          .region = "US",
                                          .type = "1xRTX_4090",
                                          .image = "nvidia/cuda:12.4.1-base-ubuntu22.04",
                                          .unknown_id = "999999999",
                                          .id_format = "3164%",
                                          .is_create = is_create,
                                          .act = act,
                                          .refuse = refuse};
