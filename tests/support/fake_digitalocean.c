/* DigitalOcean for the contract suite: droplets by tag and by type, pages by number. */
#include "tests/support/fake_cloud.h"

#include "server/base/json.h"

#include <stdio.h>
#include <string.h>

static void refuse(const char *text, struct buf *answer)
{
    fake_json(answer, 400, "", json_pack("{s:s, s:s}", "id", "bad_request", "message", text));
}

static void not_found(struct buf *answer)
{
    fake_json(
        answer, 404, "",
        json_pack("{s:s, s:s}", "id", "not_found", "message", "The resource you were accessing could not be found."));
}

static json_t *droplet(const struct fake_machine *m)
{
    char machine[100], deployment[100];

    (void)snprintf(machine, sizeof(machine), "muster-machine:%s", m->name);
    (void)snprintf(deployment, sizeof(deployment), "muster-deployment:%s", m->deployment);
    return json_pack("{s:I, s:s, s:s, s:s, s:{s:s}, s:[s, s, s, s, s]}", "id", (json_int_t)strtoll(m->id, NULL, 10),
                     "name", m->name, "status", "active", "created_at", "2024-05-01T14:00:00Z", "region", "slug",
                     "nyc3", "tags", machine, deployment, "muster-expires:1714572000", "muster-job:42",
                     "muster-repository:octo_hello");
}

/* The value of a tag "KEY:VALUE" of a body. */
static void tag_of(const json_t *body, const char *key, char *out, size_t size)
{
    const json_t *one;
    size_t i, n = strlen(key);

    out[0] = '\0';
    json_array_foreach(json_object_get(body, "tags"), i, one)
    {
        const char *text = json_string_value(one);

        if (strncmp(text, key, n) == 0 && text[n] == ':')
            (void)snprintf(out, size, "%s", text + n + 1);
    }
}

static void create(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_JSON json_t *body = fake_body(r);
    char name[64], deployment[64];
    struct fake_machine *m;

    tag_of(body, TAG_MACHINE, name, sizeof(name));
    tag_of(body, TAG_DEPLOYMENT, deployment, sizeof(deployment));
    m = fake_add(c, name, "", deployment);
    (void)snprintf(m->type, sizeof(m->type), "%s", json_string_value(json_object_get(body, "size")));
    fake_json(answer, 202, "", json_pack("{s:o}", "droplet", droplet(m)));
}

static bool fits(const struct fake_cloud *c, const struct raw_request *r, const struct fake_machine *m)
{
    char tag[256], type[32] = "", machine[100], deployment[100];
    bool gpu = strncmp(m->type, "gpu-", 4) == 0;

    (void)snprintf(machine, sizeof(machine), "muster-machine:%s", m->name);
    (void)snprintf(deployment, sizeof(deployment), "muster-deployment:%s", m->deployment);
    (void)fake_query(r, "type", type, sizeof(type));
    if (m->gone || gpu != (strcmp(type, "gpus") == 0))
        return false;
    if (!fake_query(r, "tag_name", tag, sizeof(tag)) || c->lies)
        return true;
    return strcmp(tag, machine) == 0 || strcmp(tag, deployment) == 0;
}

static void list(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_JSON json_t *found = json_array();
    char page[16] = "1";
    size_t number, seen = 0, shown = 0, from;

    (void)fake_query(r, "page", page, sizeof(page));
    number = (size_t)strtoul(page, NULL, 10);
    from = (number - 1) * c->page_size;
    for (size_t i = 0; i < c->n; i++) {
        if (!fits(c, r, &c->machines[i]))
            continue;
        if (seen >= from && shown < c->page_size) {
            shown++;
            (void)json_array_append_new(found, droplet(&c->machines[i]));
        }
        seen++;
    }
    if (from + shown < seen)
        fake_json(answer, 200, "",
                  json_pack("{s:O, s:{s:{s:s}}}", "droplets", found, "links", "pages", "next",
                            "https://api.digitalocean.com/v2/droplets?page=2"));
    else
        fake_json(answer, 200, "", json_pack("{s:O, s:{}}", "droplets", found, "links"));
}

static void act(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    char id[64];
    struct fake_machine *m;

    fake_last_part(r, id, sizeof(id));
    m = fake_by_id(c, id);
    if (fake_is(r, "POST", "/v2/droplets")) {
        create(c, r, answer);
    } else if (fake_is(r, "GET", "/v2/droplets")) {
        list(c, r, answer);
    } else if (fake_is(r, "GET", "/v2/droplets/*")) {
        if (m == NULL || m->gone)
            not_found(answer);
        else
            fake_json(answer, 200, "", json_pack("{s:o}", "droplet", droplet(m)));
    } else if (fake_is(r, "DELETE", "/v2/droplets/*")) {
        if (m == NULL || m->gone) {
            not_found(answer);
            return;
        }
        m->gone = true;
        buf_adds(answer, "HTTP/1.1 204 No Content\r\n\r\n");
    } else {
        not_found(answer);
    }
}

static bool is_create(const struct raw_request *r)
{
    return fake_is(r, "POST", "/v2/droplets");
}

static const char *const settings[][2] = {
    {"region", "nyc3"}, {"token", "dop_v1_secret0of0the0account0123456789"}, {"endpoint_url", "URL"}, {NULL, NULL}};
static const char *const secrets[] = {"dop_v1_secret0of0the0account0123456789", NULL};
static const struct fake_refusal refusals[] = {{"no-capacity.json", 422, ERR_CAPACITY},
                                               {"sold-out.json", 422, ERR_CAPACITY},
                                               {"quota.json", 422, ERR_QUOTA},
                                               {"throttled.json", 429, ERR_THROTTLED},
                                               {"bad-credentials.json", 401, ERR_AUTH},
                                               {"not-permitted.json", 403, ERR_AUTH},
                                               {"bad-request.json", 422, ERR_INVALID},
                                               {"server-error.json", 500, ERR_RETRY},
                                               {NULL, 0, ERR_NONE}};
static const char *const nonsense[] = {"",
                                       "<html><body>Welcome to nginx!</body></html>",
                                       "[]",
                                       "{\"droplet\":{\"id\":12",
                                       "{}",
                                       "{\"droplet\":null,\"droplets\":null}",
                                       "{\"droplet\":[],\"droplets\":{}}",
                                       "{\"droplet\":{},\"droplets\":7}",
                                       "{\"droplet\":{\"id\":\"12\",\"status\":\"active\"},\"droplets\":\"\"}",
                                       "{\"droplet\":{\"id\":-1,\"status\":\"active\"},\"droplets\":7,\"links\":7}",
                                       "{\"droplet\":{\"id\":12,\"status\":\"happy\"}}",
                                       NULL};

const struct fake_dialect fake_digitalocean = {.name = "digitalocean",
                                               .settings = settings,
                                               .secrets = secrets,
                                               .refusals = refusals,
                                               .nonsense = nonsense,
                                               .region = "nyc3",
                                               .type = "s-4vcpu-8gb",
                                               .image = "ubuntu-24-04-x64",
                                               .unknown_id = "999999999",
                                               .id_format = "3164%",
                                               .is_create = is_create,
                                               .act = act,
                                               .refuse = refuse};
