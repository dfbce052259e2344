#include "providers/common/gcp_machine.h"

#include "providers/common/gcp_spec.h"
#include "providers/common/label.h"
#include "server/base/crypto.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define HOURS(n) ((n)*3600)

/* Codes of HTTP answers are in camel case, those of operations in capitals. 403 may be a quota, haste or permissions.
 */
static const struct rest_rule rules[] = {
    {0, "ZONE_RESOURCE_POOL_EXHAUSTED", NULL, ERR_CAPACITY, 600, NULL},
    {0, "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", NULL, ERR_CAPACITY, 600, NULL},
    {0, "REGION_RESOURCE_POOL_EXHAUSTED", NULL, ERR_CAPACITY, 600, NULL},
    {0, "RESOURCE_POOL_EXHAUSTED", NULL, ERR_CAPACITY, 600, NULL},
    {0, "GPU_STOCKOUT", NULL, ERR_CAPACITY, 600, NULL},
    {0, "STOCKOUT", NULL, ERR_CAPACITY, 600, NULL},
    {0, "insufficientCapacity", NULL, ERR_CAPACITY, 600, NULL},
    {0, "UNSUPPORTED_OPERATION", "preempted", ERR_CAPACITY, 600, NULL},
    {0, "quotaExceeded", NULL, ERR_QUOTA, 0, NULL},
    {0, "QUOTA_EXCEEDED", NULL, ERR_QUOTA, 0, NULL},
    {0, "limitExceeded", NULL, ERR_QUOTA, 0, NULL},
    {0, "rateLimitExceeded", NULL, ERR_THROTTLED, 30, NULL},
    {0, "userRateLimitExceeded", NULL, ERR_THROTTLED, 30, NULL},
    {0, "RESOURCE_OPERATION_RATE_EXCEEDED", NULL, ERR_THROTTLED, 30, NULL},
    {0, "accessNotConfigured", NULL, ERR_AUTH, 0, "turn on the Compute Engine API in this project"},
    {0, "forbidden", NULL, ERR_AUTH, 0, NULL},
    {0, "PERMISSIONS_ERROR", NULL, ERR_AUTH, 0, NULL},
    {0, "IAM_PERMISSION_DENIED", NULL, ERR_AUTH, 0, NULL},
    {0, "resourceNotReady", NULL, ERR_RETRY, 0, NULL},
    {0, "RESOURCE_NOT_READY", NULL, ERR_RETRY, 0, NULL},
    {0, "INTERNAL_ERROR", NULL, ERR_RETRY, 0, NULL},
    {0, "RESOURCE_ALREADY_EXISTS", NULL, ERR_CONFLICT, 0, NULL},
    {0, "resourceInUseByAnotherResource", NULL, ERR_CAPACITY, 60, "another machine has that disk"},
    {0, "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", NULL, ERR_CAPACITY, 60, "another machine has that disk"},
    {0, "conditionNotMet", NULL, ERR_INVALID, 0, "a policy of the organisation"},
    {0, "CONDITION_NOT_MET", NULL, ERR_INVALID, 0, "a policy of the organisation"},
    {0, NULL, "disk type cannot be used by", ERR_INVALID, 0, "set diskType in extra_config"},
    {0, NULL, "does not exist in zone", ERR_CAPACITY, HOURS(6), "not offered in this zone"},
    {0, "notFound", "/acceleratortypes/|/machinetypes/", ERR_CAPACITY, HOURS(6), "not offered in this zone"},
    {0, "RESOURCE_NOT_FOUND", "/acceleratortypes/|/machinetypes/", ERR_CAPACITY, HOURS(6), "not offered in this zone"},
    {0, "RESOURCE_NOT_FOUND", NULL, ERR_INVALID, 0, NULL},
    {0, "INVALID_FIELD_VALUE", NULL, ERR_INVALID, 0, NULL},
    {0, "INVALID_USAGE", NULL, ERR_INVALID, 0, NULL},
    {0, "UNSUPPORTED_OPERATION", NULL, ERR_INVALID, 0, NULL},
    {0, NULL, NULL, ERR_NONE, 0, NULL},
};

/* {"error": {"code": 403, "message", "status", "errors": [{"reason", "message"}]}} */
static void read_fault(const json_t *doc, struct rest_said *out)
{
    const json_t *error = json_object_get(doc, "error");
    const json_t *first = json_array_get(json_object_get(error, "errors"), 0);

    out->code = json_string_value(json_object_get(first, "reason"));
    if (out->code == NULL)
        out->code = json_string_value(json_object_get(error, "status"));
    out->message = json_string_value(json_object_get(error, "message"));
}

const struct rest_dialect gcp_dialect = {.cloud = "gcp", .rules = rules, .read = read_fault};

/* "projects/P/zones/Z/instances/NAME", as it comes from the store or from a person. */
int gcp_vm_parse(const char *id, struct gcp_vm *out, struct err *e)
{
    struct gcp_vm vm;
    struct err ignored;

    if (sscanf(id, "projects/%63[^/]/zones/%63[^/]/instances/%63[^/]", vm.project, vm.zone, vm.name) != 3 ||
        strlen(id) != strlen("projects//zones//instances/") + strlen(vm.project) + strlen(vm.zone) + strlen(vm.name) ||
        gcp_project_check(vm.project, &ignored) || gcp_zone_check(vm.zone, &ignored) || !rest_is_id(vm.name, "-", 63))
        return err_set(e, ERR_INVALID, "\"%.80s\" is not the path of an instance", id);
    *out = vm;
    return 0;
}

int gcp_vm_path(const struct gcp_vm *vm, struct buf *out, const char **path, struct err *e)
{
    buf_addf(out, "/compute/v1/projects/%s/zones/%s/instances/%s", vm->project, vm->zone, vm->name);
    return buf_str(out, path, e);
}

/* A name-based UUID (RFC 9562, version 5 but for the digest): one for each token. */
void gcp_request_id(const char *deployment, const char *token, char out[37])
{
    AUTO_BUF struct buf name = BUF_INIT(4096);
    unsigned char d[CRYPTO_SHA256_LEN];
    char hex[33];

    buf_addf(&name, "muster insert %s/%s", deployment, token);
    crypto_sha256(name.p, name.len, d);
    d[6] = (unsigned char)((d[6] & 0x0f) | 0x50);
    d[8] = (unsigned char)((d[8] & 0x3f) | 0x80);
    text_hex(d, 16, hex);
    (void)snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

/* ---- what Google says of a machine ---- */

static int read_state(const char *status, enum instance_state *out, struct err *e)
{
    static const struct instance_word words[] = {
        {"PENDING", INSTANCE_PENDING},   {"PROVISIONING", INSTANCE_PENDING},  {"STAGING", INSTANCE_PENDING},
        {"RUNNING", INSTANCE_RUNNING},   {"REPAIRING", INSTANCE_RUNNING},     {"PENDING_STOP", INSTANCE_ENDING},
        {"STOPPING", INSTANCE_ENDING},   {"DEPROVISIONING", INSTANCE_ENDING}, {"SUSPENDING", INSTANCE_STOPPED},
        {"SUSPENDED", INSTANCE_STOPPED}, {"STOPPED", INSTANCE_STOPPED},       {"TERMINATED", INSTANCE_STOPPED},
    };

    return instance_read_state(words, ARRAY_LEN(words), status, "Google's", out, e);
}

static const char *label_of(const json_t *machine, const char *key)
{
    return json_string_value(json_object_get(json_object_get(machine, "labels"), key));
}

bool gcp_is_ours(const char *deployment, const json_t *machine, const char *name)
{
    return label_is(&gcp_label_rule, label_of(machine, TAG_DEPLOYMENT), deployment) &&
           (name == NULL || label_is(&gcp_label_rule, label_of(machine, TAG_MACHINE), name));
}

void gcp_vm_put(const struct gcp_vm *vm, struct instance *out)
{
    (void)snprintf(out->id, sizeof(out->id), "projects/%s/zones/%s/instances/%s", vm->project, vm->zone, vm->name);
    (void)snprintf(out->region, sizeof(out->region), "%s", vm->zone);
    (void)snprintf(out->name, sizeof(out->name), "%s", vm->name);
}

bool gcp_is_spot(const json_t *machine)
{
    const char *model = json_string_value(json_object_get(json_object_get(machine, "scheduling"), "provisioningModel"));

    return model != NULL && strcmp(model, "SPOT") == 0;
}

bool gcp_was_preempted(const json_t *operations, const char *name)
{
    const json_t *items = json_object_get(operations, "items"), *one;
    size_t i;

    json_array_foreach(items, i, one)
    {
        const char *type = json_string_value(json_object_get(one, "operationType"));
        const char *target = json_string_value(json_object_get(one, "targetLink"));

        if (type != NULL && target != NULL && strcmp(type, GCP_PREEMPTED) == 0 && strrchr(target, '/') != NULL &&
            strcmp(strrchr(target, '/') + 1, name) == 0)
            return true;
    }
    return false;
}

int gcp_machine_read(const json_t *doc, const char *project, struct instance *out, struct err *e)
{
    struct instance i = {.why = ERR_NONE};
    struct gcp_vm vm;
    const char *name, *status, *zone, *created = NULL, *detail = NULL, *expires = label_of(doc, TAG_EXPIRES);
    struct err ignored;

    if (js_str(doc, "name", &name, e) || js_str(doc, "status", &status, e) || js_str(doc, "zone", &zone, e) ||
        js_opt_str(doc, "creationTimestamp", &created, e) || js_opt_str(doc, "statusMessage", &detail, e) ||
        read_state(status, &i.state, e))
        return -1;
    zone = strrchr(zone, '/') != NULL ? strrchr(zone, '/') + 1 : zone;
    if (!rest_is_id(name, "-", 63) || gcp_zone_check(zone, &ignored))
        return err_set(e, ERR_RETRY, "the name or zone of an instance is none");
    (void)snprintf(vm.project, sizeof(vm.project), "%s", project);
    (void)snprintf(vm.zone, sizeof(vm.zone), "%s", zone);
    (void)snprintf(vm.name, sizeof(vm.name), "%s", name);
    gcp_vm_put(&vm, &i);
    (void)snprintf(i.detail, sizeof(i.detail), "%s", detail != NULL ? detail : "");
    text_tidy(i.detail);
    instance_set_times(&i, created, expires);
    instance_set_owner(&i, label_of(doc, TAG_REPOSITORY), label_of(doc, TAG_JOB));
    *out = i;
    return 0;
}

int gcp_operation_read(const json_t *doc, struct gcp_operation *out, struct err *e)
{
    struct gcp_operation o = {.name = NULL};
    const char *status;
    json_t *errors = NULL;
    int64_t http = 0;

    if (js_str(doc, "name", &o.name, e) || js_str(doc, "status", &status, e) ||
        js_opt_i64(doc, "httpErrorStatusCode", &http, e) || js_opt_arr(doc, "error.errors", &errors, e))
        return -1;
    if (!rest_is_id(o.name, "-_.", 128))
        return err_set(e, ERR_RETRY, "name: not the name of an operation");
    o.done = strcmp(status, "DONE") == 0;
    if (!o.done && strcmp(status, "PENDING") != 0 && strcmp(status, "RUNNING") != 0)
        return err_set(e, ERR_RETRY, "the status of an operation is none of Google's");
    o.status = http >= 400 && http < 600 ? (int)http : 0;
    if (json_array_size(errors) > 0 || o.status != 0) {
        o.code = json_string_value(json_object_get(json_array_get(errors, 0), "code"));
        o.message = json_string_value(json_object_get(json_array_get(errors, 0), "message"));
        o.code = o.code != NULL ? o.code : "failed";
    }
    *out = o;
    return 0;
}
