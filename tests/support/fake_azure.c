/*
 * Azure for the contract suite: machines by name, operations that end well or badly, lists with nextLink, and parts
 * (network card, disk, address) that a machine leaves behind when it failed.
 */
#include "tests/support/fake_cloud.h"

#include "server/base/json.h"

#include <stdio.h>
#include <string.h>

#define TENANT "72f988bf-86f1-41af-91ab-2d7cd011db47"
#define SUBSCRIPTION "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
#define GROUP "/subscriptions/" SUBSCRIPTION "/resourceGroups/ci"
#define VMS GROUP "/providers/Microsoft.Compute/virtualMachines"
#define OPERATIONS "/subscriptions/" SUBSCRIPTION "/providers/Microsoft.Compute/locations/eastus/operations/"

/* A machine's `type` is empty while it is whole; else the letters of the parts that it left: nic, disk, ip. */
static const struct part {
    char letter;
    const char *type;
} parts[] = {{'n', "Microsoft.Network/networkInterfaces"},
             {'d', "Microsoft.Compute/disks"},
             {'i', "Microsoft.Network/publicIPAddresses"}};

static void refuse_with(int status, const char *code, const char *text, struct buf *answer)
{
    fake_json(answer, status, "", json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", text));
}

static void refuse(const char *text, struct buf *answer)
{
    refuse_with(400, "InvalidParameter", text, answer);
}

static void not_found(struct buf *answer)
{
    refuse_with(404, "ResourceNotFound", "The Resource was not found.", answer);
}

static bool is_there(const struct fake_machine *m)
{
    return m != NULL && !m->gone && m->type[0] == '\0';
}

static json_t *tags_of(const struct fake_machine *m)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "muster-machine", m->name, "muster-deployment", m->deployment,
                     "Muster-Expires", "1714572000", "muster-job", "42", "muster-repository", "octo/hello");
}

static json_t *error_of(const struct fake_machine *m)
{
    AUTO_FREE char *text = fake_fixture("azure", m->doom->fixture);
    AUTO_JSON json_t *doc = json_loads(text, 0, NULL);

    return json_deep_copy(json_object_get(doc, "error"));
}

static json_t *vm(const struct fake_machine *m, const char *state)
{
    json_t *doc =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:s, s:s, s:{s:[{s:s}, {s:s}]}}}", "name", m->name, "id", VMS, "type",
                  "Microsoft.Compute/virtualMachines", "location", "eastus", "tags", tags_of(m), "properties",
                  "provisioningState", state, "timeCreated", "2024-05-01T14:00:00.1234567+00:00", "instanceView",
                  "statuses", "code", "ProvisioningState/succeeded", "code", "PowerState/running");

    if (m->doom == NULL)
        return doc;
    AUTO_JSON json_t *error = error_of(m);
    char code[100];

    (void)snprintf(code, sizeof(code), "ProvisioningState/failed/%s",
                   json_string_value(json_object_get(error, "code")));
    (void)json_object_set_new(
        json_object_get(doc, "properties"), "instanceView",
        json_pack("{s:[{s:s, s:O}]}", "statuses", "code", code, "message", json_object_get(error, "message")));
    return doc;
}

static const char *state_of(const struct fake_machine *m)
{
    return m->doom != NULL ? "Failed" : "Succeeded";
}

static const char *text_at(const json_t *body, const char *key)
{
    const char *text = json_string_value(json_object_get(json_object_get(body, "tags"), key));

    return text != NULL ? text : "";
}

static void create(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_JSON json_t *body = fake_body(r);
    char name[100], headers[512];
    const char *condition = raw_header(r, "If-None-Match");
    struct fake_machine *m;

    fake_last_part(r, name, sizeof(name));
    if (fake_by_name(c, name) != NULL && is_there(fake_by_name(c, name))) {
        if (condition != NULL && strcmp(condition, "*") == 0)
            refuse_with(412, "PreconditionFailed", "The precondition given in the request was not met.", answer);
        else
            refuse_with(409, "PropertyChangeNotAllowed", "Changing property 'customData' is not allowed.", answer);
        return;
    }
    m = fake_add(c, text_at(body, TAG_MACHINE), "", text_at(body, TAG_DEPLOYMENT));
    (void)snprintf(headers, sizeof(headers),
                   "Azure-AsyncOperation: http://%s" OPERATIONS "%s?api-version=2025-04-01\r\nRetry-After: 10\r\n",
                   raw_header(r, "Host"), m->name);
    fake_json(answer, 201, headers, vm(m, "Creating"));
}

static void operation(const struct fake_machine *m, struct buf *answer)
{
    if (m == NULL)
        not_found(answer);
    else if (m->doom != NULL)
        fake_json(answer, 200, "", json_pack("{s:s, s:o}", "status", "Failed", "error", error_of(m)));
    else
        fake_json(answer, 200, "", json_pack("{s:s}", "status", "Succeeded"));
}

static void list_machines(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_JSON json_t *found = json_array();
    char skip[16] = "0", link[512];
    size_t seen = 0, from;

    (void)fake_query(r, "$skiptoken", skip, sizeof(skip));
    from = (size_t)strtoul(skip, NULL, 10);
    for (size_t i = 0; i < c->n; i++) {
        if (!is_there(&c->machines[i]))
            continue;
        if (seen >= from && seen < from + c->page_size)
            (void)json_array_append_new(found, vm(&c->machines[i], state_of(&c->machines[i])));
        seen++;
    }
    (void)snprintf(link, sizeof(link), "http://%s" VMS "?api-version=2025-04-01&$skiptoken=%zu", raw_header(r, "Host"),
                   from + c->page_size);
    fake_json(answer, 200, "",
              json_pack("{s:O, s:s*}", "value", found, "nextLink", from + c->page_size < seen ? link : NULL));
}

static void add_part(json_t *list, const struct fake_machine *m, const struct part *p)
{
    char id[300];

    (void)snprintf(id, sizeof(id), GROUP "/providers/%s/%s", p->type, m->name);
    (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", id, "name", m->name, "type", p->type,
                                                "location", "eastus", "tags", tags_of(m)));
}

static void list_parts(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_JSON json_t *found = json_array();
    char filter[200] = "", name[100] = "";

    (void)fake_query(r, "$filter", filter, sizeof(filter));
    (void)sscanf(filter, "substringof('%99[^']", name);
    for (size_t i = 0; i < c->n; i++) {
        const struct fake_machine *m = &c->machines[i];

        if (m->gone || (!c->lies && strstr(m->name, name) == NULL))
            continue;
        for (size_t k = 0; k < ARRAY_LEN(parts); k++) {
            if (m->type[0] == '\0' ? k < 2 : strchr(m->type, parts[k].letter) != NULL)
                add_part(found, m, &parts[k]);
        }
    }
    (void)json_array_append_new(
        found, json_pack("{s:s, s:s, s:s}", "id", "/x", "name", "kv", "type", "Microsoft.KeyVault/vaults"));
    fake_json(answer, 200, "", json_pack("{s:O}", "value", found));
}

/* A machine that failed leaves its parts; others take them along. */
static void delete_machine(struct fake_machine *m, struct buf *answer)
{
    if (!is_there(m)) {
        buf_adds(answer, "HTTP/1.1 204 No Content\r\n\r\n");
        return;
    }
    if (m->doom != NULL)
        (void)snprintf(m->type, sizeof(m->type), "nd");
    else
        m->gone = true;
    raw_answer(answer, 202, "Location: http://127.0.0.1/later\r\nRetry-After: 10\r\n", "");
}

static void delete_part(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    char name[100], *letter;
    struct fake_machine *m;

    fake_last_part(r, name, sizeof(name));
    m = fake_by_name(c, name);
    for (size_t k = 0; m != NULL && k < ARRAY_LEN(parts); k++) {
        letter = strchr(m->type, parts[k].letter);
        if (strstr(r->path, parts[k].type) == NULL || letter == NULL)
            continue;
        memmove(letter, letter + 1, strlen(letter));
        m->gone = m->type[0] == '\0';
        raw_answer(answer, 202, "", "");
        return;
    }
    buf_adds(answer, "HTTP/1.1 204 No Content\r\n\r\n");
}

/* Images of nvidia are sold under a plan; a gallery's image is specialised when its name says so. */
static bool image(const struct raw_request *r, struct buf *answer)
{
    if (fake_is(r, "GET", "*/publishers/nobody/*")) {
        refuse_with(404, "PlatformImageNotFound", "The platform image is not available.", answer);
    } else if (fake_is(r, "GET", "*/publishers/*/skus/*/versions")) {
        fake_json(answer, 200, "", json_pack("[{s:s, s:s}]", "name", "22.8.3", "location", "eastus"));
    } else if (fake_is(r, "GET", "*/publishers/nvidia/*/versions/*")) {
        fake_json(answer, 200, "",
                  json_pack("{s:s, s:{s:{s:s, s:s, s:s}}}", "name", "22.8.3", "properties", "plan", "publisher",
                            "nvidia", "name", "gpu", "product", "ngc"));
    } else if (fake_is(r, "GET", "*/publishers/*/versions/*")) {
        fake_json(answer, 200, "", json_pack("{s:s, s:{}}", "name", "22.8.3", "properties"));
    } else if (fake_is(r, "GET", "*alleries/*/images/absent")) {
        not_found(answer);
    } else if (fake_is(r, "GET", "*alleries/*/images/sold")) {
        fake_json(answer, 200, "",
                  json_pack("{s:{s:s, s:{s:s, s:s, s:s}}}", "properties", "osState", "Generalized", "purchasePlan",
                            "name", "n", "publisher", "p", "product", "o"));
    } else if (fake_is(r, "GET", "*alleries/*/images/*")) {
        fake_json(answer, 200, "",
                  json_pack("{s:{s:s}}", "properties", "osState",
                            strstr(r->path, "special") != NULL ? "Specialized" : "Generalized"));
    } else {
        return false;
    }
    return true;
}

static bool is_auth(const struct raw_request *r)
{
    return fake_is(r, "POST", "/" TENANT "/oauth2/v2.0/token");
}

static bool is_create(const struct raw_request *r)
{
    return fake_is(r, "PUT", VMS "/*") && strstr(r->path, "/extensions/") == NULL;
}

static void act(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    char name[100];
    struct fake_machine *m;

    fake_last_part(r, name, sizeof(name));
    m = fake_by_name(c, name);
    if (is_auth(r))
        fake_json(answer, 200, "",
                  json_pack("{s:s, s:i, s:s}", "token_type", "Bearer", "expires_in", 3599, "access_token",
                            "eyJ0eXAi.azure-access-token-0123456789.sig"));
    else if (is_create(r))
        create(c, r, answer);
    else if (fake_is(r, "PUT", VMS "/*/extensions/muster"))
        fake_json(answer, 201, "", json_pack("{s:s}", "name", "muster"));
    else if (fake_is(r, "GET", OPERATIONS "*"))
        operation(m, answer);
    else if (fake_is(r, "GET", VMS))
        list_machines(c, r, answer);
    else if (fake_is(r, "GET", GROUP "/resources"))
        list_parts(c, r, answer);
    else if (fake_is(r, "GET", VMS "/*") && is_there(m))
        fake_json(answer, 200, "", vm(m, state_of(m)));
    else if (fake_is(r, "DELETE", VMS "/*"))
        delete_machine(m, answer);
    else if (fake_is(r, "DELETE", GROUP "/providers/*"))
        delete_part(c, r, answer);
    else if (!image(r, answer))
        not_found(answer);
}

static const char *const settings[][2] = {
    {"region", "eastus"},
    {"subscription_id", SUBSCRIPTION},
    {"tenant_id", TENANT},
    {"client_id", "11112222-bbbb-3333-cccc-4444dddd5555"},
    {"client_secret", "jXoM3Q~secret.of-the.application0123"},
    {"resource_group", "ci"},
    {"subnet_id", "/subscriptions/" SUBSCRIPTION
                  "/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/ci/subnets/machines"},
    {"endpoint_url", "URL"},
    {"token_url", "URL/" TENANT "/oauth2/v2.0/token"},
    {NULL, NULL}};
static const char *const secrets[] = {"jXoM3Q~secret.of-the.application0123", NULL};
static const struct fake_refusal refusals[] = {
    {"no-capacity.json", 409, ERR_CAPACITY}, {"not-offered.json", 400, ERR_CAPACITY},
    {"quota.json", 409, ERR_QUOTA},          {"spot-quota.json", 403, ERR_QUOTA},
    {"wrapped-quota.json", 400, ERR_QUOTA},  {"throttled.json", 429, ERR_THROTTLED},
    {"bad-credentials.json", 401, ERR_AUTH}, {"expired.json", 401, ERR_AUTH},
    {"not-permitted.json", 403, ERR_AUTH},   {"subnet-not-permitted.json", 403, ERR_AUTH},
    {"policy.json", 403, ERR_INVALID},       {"no-group.json", 404, ERR_INVALID},
    {"bad-request.json", 400, ERR_INVALID},  {"terms.json", 400, ERR_INVALID},
    {"server-error.json", 500, ERR_RETRY},   {NULL, 0, ERR_NONE}};
static const struct fake_refusal dooms[] = {{"allocation-failed.json", 200, ERR_CAPACITY},
                                            {"zonal-allocation-failed.json", 200, ERR_CAPACITY},
                                            {"overconstrained.json", 200, ERR_CAPACITY},
                                            {"no-capacity.json", 200, ERR_CAPACITY},
                                            {"quota.json", 200, ERR_QUOTA},
                                            {"wrapped-quota.json", 200, ERR_QUOTA},
                                            {"failed-inside.json", 200, ERR_RETRY},
                                            {NULL, 0, ERR_NONE}};
static const char *const nonsense[] = {
    "",
    "<html><body>Welcome to nginx!</body></html>",
    "[]",
    "{\"name\":\"muster-a\",\"properties\":{",
    "{}",
    "{\"name\":null,\"value\":null}",
    "{\"name\":\"muster-a\",\"location\":\"eastus\",\"properties\":[],\"value\":{}}",
    "{\"name\":\"muster-a\",\"location\":\"eastus\",\"properties\":{},\"value\":7}",
    "{\"name\":7,\"location\":\"eastus\",\"properties\":{\"provisioningState\":\"Succeeded\"},\"value\":\"\"}",
    "{\"name\":\"muster-a\",\"location\":\"eastus\",\"properties\":{\"provisioningState\":\"Happy\"},\"value\":1}",
    "{\"name\":\"muster-b\",\"location\":\"eastus\",\"properties\":{\"provisioningState\":\"Succeeded\"},"
    "\"value\":[],\"nextLink\":7}",
    "{\"name\":\"../x\",\"location\":\"eastus\",\"properties\":{\"provisioningState\":\"Succeeded\"},"
    "\"value\":[],\"nextLink\":\"http://evil.example.com/\"}",
    NULL};

const struct fake_dialect fake_azure = {.name = "azure",
                                        .settings = settings,
                                        .secrets = secrets,
                                        .refusals = refusals,
                                        .dooms = dooms,
                                        .nonsense = nonsense,
                                        .region = "eastus",
                                        .type = "Standard_NC4as_T4_v3",
                                        .image = "ubuntu2204",
                                        .unknown_id = "muster-unknown",
                                        .id_is_name = true,
                                        .names_are_unique = true,
                                        .tag_key_max = 200,
                                        .tag_value_max = 256,
                                        .is_auth = is_auth,
                                        .is_create = is_create,
                                        .act = act,
                                        .refuse = refuse};
