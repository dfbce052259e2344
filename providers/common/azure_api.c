#include "providers/common/azure_api.h"

#include "server/base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HOURS(n) ((n)*3600)
#define RESOURCES_API "2021-04-01"
#define MAX_OPERATION_URL 4096
#define MAX_LINK ((size_t)32 * 1024)
#define MAX_DEPTH 4

/* https://learn.microsoft.com/en-us/azure/azure-resource-manager/troubleshooting/common-deployment-errors and
 * https://learn.microsoft.com/en-us/troubleshoot/azure/virtual-machines/windows/allocation-failure */
static const struct rest_rule rules[] = {
    {0, "AllocationFailed", NULL, ERR_CAPACITY, 300, NULL},
    {0, "ZonalAllocationFailed", NULL, ERR_CAPACITY, 300, NULL},
    {0, "OverconstrainedAllocationRequest", NULL, ERR_CAPACITY, 600, NULL},
    {0, "OverconstrainedZonalAllocationRequest", NULL, ERR_CAPACITY, 600, NULL},
    {0, "SkuNotAvailable", "subscription", ERR_CAPACITY, HOURS(4), "this subscription may not have it here"},
    {0, "SkuNotAvailable", NULL, ERR_CAPACITY, 600, NULL},
    {0, "NotAvailableForSubscription", NULL, ERR_CAPACITY, HOURS(4), NULL},
    {0, "RequestedSizeNotFound", NULL, ERR_CAPACITY, HOURS(4), "no such size here"},
    {0, "InvalidParameter", "valid sizes in the current region", ERR_CAPACITY, HOURS(4), "no such size here"},
    {0, "OperationNotAllowed", "quota", ERR_QUOTA, 0, "ask Azure for a higher quota of this family and region"},
    {0, "OperationNotAllowed", "too many requests|throttl", ERR_THROTTLED, 60, NULL},
    {0, "QuotaExceeded", NULL, ERR_QUOTA, 0, NULL},
    {0, "ResourceQuotaExceeded", NULL, ERR_QUOTA, 0, NULL},
    {0, "PublicIPCountLimitReached", NULL, ERR_QUOTA, 0, NULL},
    {0, "SubnetIsFull", NULL, ERR_QUOTA, 0, "the subnet has no address left"},
    {0, "TooManyRequests", NULL, ERR_THROTTLED, 60, NULL},
    {0, "SubscriptionRequestsThrottled", NULL, ERR_THROTTLED, 60, NULL},
    {0, "ResourceRequestsThrottled", NULL, ERR_THROTTLED, 60, NULL},
    {0, "InvalidAuthenticationToken", NULL, ERR_AUTH, 0, NULL},
    {0, "ExpiredAuthenticationToken", NULL, ERR_AUTH, 0, "check the clock"},
    {0, "InvalidAuthenticationTokenTenant", NULL, ERR_AUTH, 0, "the subscription belongs to another tenant"},
    {0, "AuthorizationFailed", NULL, ERR_AUTH, 0, "the identity lacks a role on the resource group"},
    {0, "LinkedAuthorizationFailed", NULL, ERR_AUTH, 0, "the identity may not use the subnet or the image"},
    {0, "ReadOnlyDisabledSubscription", NULL, ERR_AUTH, 0, NULL},
    {0, "SubscriptionNotFound", NULL, ERR_AUTH, 0, "check subscription_id, and that the identity has a role in it"},
    {0, "MissingSubscriptionRegistration", NULL, ERR_AUTH, 0, "register Microsoft.Compute and Microsoft.Network"},
    {0, "ResourceGroupNotFound", NULL, ERR_INVALID, 0, "create clouds.azure.resource_group"},
    {0, "InvalidResourceType", NULL, ERR_INVALID, 0, "does clouds.azure.endpoint_url know this API version?"},
    {0, "InvalidResourceNamespace", NULL, ERR_INVALID, 0, NULL},
    {0, "NoRegisteredProviderFound", NULL, ERR_INVALID, 0, "does clouds.azure.endpoint_url know this API version?"},
    {0, "MarketplacePurchaseEligibilityFailed", NULL, ERR_INVALID, 0, "accept the image's terms once"},
    {0, "ResourcePurchaseValidationFailed", NULL, ERR_INVALID, 0, "accept the image's terms once"},
    {0, "RequestDisallowedByPolicy", NULL, ERR_INVALID, 0, NULL},
    {0, "PlatformImageNotFound", NULL, ERR_INVALID, 0, NULL},
    {0, "ImageNotFound", NULL, ERR_INVALID, 0, NULL},
    {0, "NicReservedForAnotherVm", NULL, ERR_RETRY, 180, NULL},
    {0, "NicInUse", NULL, ERR_RETRY, 15, NULL},
    {0, "PublicIPAddressCannotBeDeleted", NULL, ERR_RETRY, 15, NULL},
    {0, "AnotherOperationInProgress", NULL, ERR_RETRY, 15, NULL},
    {0, "RetryableError", NULL, ERR_RETRY, 15, NULL},
    {0, "PropertyChangeNotAllowed", NULL, ERR_CONFLICT, 0, NULL},
    {412, NULL, NULL, ERR_CONFLICT, 0, NULL},
    {0, NULL, NULL, ERR_NONE, 0, NULL},
};

static bool in_table(const char *code)
{
    for (const struct rest_rule *r = rules; r->kind != ERR_NONE; r++) {
        if (r->code != NULL && text_ieq(r->code, code))
            return true;
    }
    return false;
}

/* The outermost code that the table knows: "DeploymentFailed" and "Conflict" only wrap the reason. */
static bool read_known(const json_t *error, int depth, struct rest_said *out)
{
    const char *code = json_string_value(json_object_get(error, "code"));
    const json_t *one;
    size_t i;

    if (code != NULL && in_table(code)) {
        out->code = code;
        out->message = json_string_value(json_object_get(error, "message"));
        return true;
    }
    json_array_foreach(json_object_get(error, "details"), i, one)
    {
        if (depth < MAX_DEPTH && read_known(one, depth + 1, out))
            return true;
    }
    return false;
}

static void read_fault(const json_t *doc, struct rest_said *out)
{
    const json_t *error = json_object_get(doc, "error");

    if (error == NULL && json_object_get(doc, "code") != NULL)
        error = doc; /* a few services leave the wrapper out */
    if (read_known(error, 0, out))
        return;
    out->code = json_string_value(json_object_get(error, "code"));
    out->message = json_string_value(json_object_get(error, "message"));
}

const struct rest_dialect azure_dialect = {.cloud = "azure", .rules = rules, .read = read_fault};

int azure_vm_path(const struct azure_api *a, const char *name, const char *tail, const char *query, struct buf *out,
                  const char **path, struct err *e)
{
    if (!rest_is_id(name, "-_.", 64))
        return err_set(e, ERR_INVALID, "\"%.40s\" is not a name of a machine of Azure", name);
    buf_addf(out,
             "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Compute/virtualMachines/%s%s"
             "?api-version=" AZURE_COMPUTE_API "%s",
             a->subscription, a->group, name, tail, query);
    return buf_str(out, path, e);
}

const char *azure_tag(const json_t *resource, const char *name)
{
    const json_t *value;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)json_object_get(resource, "tags"), key, value)
    {
        if (text_ieq(key, name))
            return json_string_value(value);
    }
    return NULL;
}

bool azure_failure(const json_t *vm, struct rest_said *out)
{
    static const char head[] = "ProvisioningState/failed/";
    const json_t *view = json_object_get(json_object_get(vm, "properties"), "instanceView"), *one;
    size_t i;

    json_array_foreach(json_object_get(view, "statuses"), i, one)
    {
        const char *code = json_string_value(json_object_get(one, "code"));

        if (code == NULL || strncasecmp(code, head, strlen(head)) != 0)
            continue;
        out->code = code + strlen(head);
        out->message = json_string_value(json_object_get(one, "message"));
        return true;
    }
    return false;
}

/* ---- lists ---- */

/* What Azure links to, as a path when it is on this host; it may name the port that goes without saying. */
static const char *path_of(const struct azure_api *a, const char *url)
{
    size_t n = strlen(a->rest.base);
    const char *rest = url + n;

    if (strncmp(url, a->rest.base, n) != 0)
        return url;
    if (text_has_prefix(rest, ":443/"))
        rest += strlen(":443");
    return *rest == '/' ? rest : url;
}

/* *next stays empty when it was the last one. */
static int one_page(const struct azure_api *a, const char *path, const char *what, azure_each_fn *each, void *arg,
                    struct buf *next, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    const struct rest_call call = {.method = "GET", .path = path, .what = what};
    const char *link = NULL;
    json_t *list, *item;
    size_t i;

    if (rest_do(&a->rest, &call, &res, e))
        return -1;
    if (js_arr(res.doc, "value", &list, e) || js_opt_str(res.doc, "nextLink", &link, e))
        return rest_nonsense(&a->rest, &call, e);
    json_array_foreach(list, i, item)
    {
        if (each(arg, item, e))
            return -1;
    }
    buf_adds(next, link != NULL ? path_of(a, link) : "");
    return buf_str(next, &link, e) ? rest_nonsense(&a->rest, &call, e) : 0;
}

int azure_each(const struct azure_api *a, const char *first_path, const char *what, azure_each_fn *each, void *arg,
               struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(MAX_LINK), next = BUF_INIT(MAX_LINK);

    buf_adds(&path, first_path);
    for (size_t page = 1; path.len > 0; page++) {
        if (page > REST_MAX_PAGES)
            return err_set(e, ERR_RETRY, "azure %s: pages without end", what);
        buf_reset(&next);
        if (one_page(a, path.p, what, each, arg, &next, e))
            return rest_page_failed(page, e);
        buf_reset(&path);
        buf_add(&path, next.p, next.len);
    }
    return 0;
}

/* ---- what takes its time ---- */

/* Where to ask how it goes: the operation, when the answer names one on this host. */
static const char *operation_of(const struct azure_api *a, const struct rest_res *accepted, char *url, size_t size)
{
    const char *path;

    if (accepted == NULL || !httpc_header(&accepted->http, "Azure-AsyncOperation", url, size))
        return NULL;
    path = path_of(a, url);
    return strlen(url) < size - 1 && *path == '/' ? path : NULL;
}

enum going { GOES_ON, DONE, FAILED };

static enum going read_going(const json_t *doc)
{
    const char *state = json_string_value(json_object_get(doc, "status"));

    if (state == NULL)
        state = json_string_value(json_object_get(json_object_get(doc, "properties"), "provisioningState"));
    if (state == NULL)
        return GOES_ON;
    if (text_ieq(state, "Succeeded"))
        return DONE;
    return text_ieq(state, "Failed") || text_ieq(state, "Canceled") ? FAILED : GOES_ON;
}

static int failed(const struct azure_api *a, const struct rest_call *call, const json_t *doc, struct err *e)
{
    struct rest_said said = {NULL, NULL};

    read_fault(doc, &said);
    if (said.code == NULL)
        (void)azure_failure(doc, &said);
    return rest_refuse(&a->rest, call, 0, said.code != NULL ? said.code : "Failed", said.message, e);
}

int azure_wait(const struct azure_api *a, const struct rest_call *call, const struct rest_res *accepted,
               const char *resource, int64_t at_most_ms, bool *done, struct err *e)
{
    struct poll w = poll_begin(a->pause, a->pause_arg, at_most_ms);
    char url[MAX_OPERATION_URL];
    const char *operation = operation_of(a, accepted, url, sizeof(url));
    const struct rest_call look = {
        .method = "GET", .path = operation != NULL ? operation : resource, .what = "operation", .hide = call->hide};
    int asked_s = accepted != NULL ? httpc_retry_after_s(&accepted->http) : 0;
    struct err ignored;

    while (poll_pause(&w, asked_s, &ignored) == 0) {
        AUTO_REST_RES struct rest_res res = REST_RES_INIT;

        if (rest_do(&a->rest, &look, &res, &ignored)) {
            asked_s = ignored.retry_after_s;
            continue;
        }
        asked_s = httpc_retry_after_s(&res.http);
        switch (read_going(res.doc)) {
        case DONE:
            *done = true;
            return 0;
        case FAILED:
            return failed(a, call, res.doc, e);
        case GOES_ON:
            break;
        }
    }
    *done = false;
    return 0;
}

/* ---- what is left behind ---- */

static const struct kind {
    const char *type, *api;
} kinds[] = {{"Microsoft.Network/networkInterfaces", "2024-05-01"},
             {"Microsoft.Network/publicIPAddresses", "2024-05-01"},
             {"Microsoft.Compute/disks", "2024-03-02"}};

static const struct kind *kind_of(const json_t *item)
{
    const char *type = json_string_value(json_object_get(item, "type"));

    for (size_t i = 0; type != NULL && i < ARRAY_LEN(kinds); i++) {
        if (text_ieq(kinds[i].type, type))
            return &kinds[i];
    }
    return NULL;
}

struct sieve {
    azure_each_fn *each;
    void *arg;
};

static int only_kinds(void *arg, const json_t *item, struct err *e)
{
    const struct sieve *s = arg;

    return kind_of(item) != NULL ? s->each(s->arg, item, e) : 0;
}

/* Not filtered by tag: then the answer holds no tags to compare. */
int azure_left_each(const struct azure_api *a, const char *name, azure_each_fn *each, void *arg, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(AZURE_PATH_MAX), filter = BUF_INIT(AZURE_PATH_MAX);
    struct sieve s = {each, arg};
    const char *text;

    buf_addf(&path, "/subscriptions/%s/resourceGroups/%s/resources?api-version=" RESOURCES_API, a->subscription,
             a->group);
    if (name != NULL) {
        buf_addf(&filter, "substringof('%s', name)", name);
        if (strchr(name, '\'') != NULL || buf_str(&filter, &text, e))
            return err_set(e, ERR_INVALID, "\"%.40s\" is not a name of a machine of Azure", name);
        buf_adds(&path, "&$filter=");
        text_url_escape(&path, text, strlen(text));
    }
    return buf_str(&path, &text, e) ? -1 : azure_each(a, text, "resources.list", only_kinds, &s, e);
}

int azure_left_delete(const struct azure_api *a, const json_t *item, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(AZURE_PATH_MAX);
    struct rest_call call = {.method = "DELETE", .what = "resources.delete", .ok = {200, 202, 204}, .no_answer = true};
    const struct kind *kind = kind_of(item);
    const char *id = json_string_value(json_object_get(item, "id"));

    if (kind == NULL || id == NULL || *id != '/' || strstr(id, "..") != NULL || !rest_is_id(id, "/-_.()", 512))
        return err_set(e, ERR_RETRY, "azure resources.list: the answer makes no sense: an id is none");
    buf_addf(&path, "%s?api-version=%s", id, kind->api);
    if (buf_str(&path, &call.path, e))
        return -1;
    return rest_do(&a->rest, &call, &res, e) && e->kind != ERR_GONE ? -1 : 0;
}
