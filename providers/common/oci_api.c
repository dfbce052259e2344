#include "providers/common/oci_api.h"

#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define HOURS(n) ((n)*3600)

/* No room comes as an internal error: the sentence counts before code and status. A shape that an availability domain
 * does not have comes as one that may not be seen. */
static const struct rest_rule rules[] = {
    {0, "LimitExceeded", NULL, ERR_QUOTA, 0, NULL},
    {0, "QuotaExceeded", NULL, ERR_QUOTA, 0, NULL},
    {0, "OutOfHostCapacity", NULL, ERR_CAPACITY, 600, NULL},
    {0, NULL, "out of host capacity|out of capacity|insufficient capacity", ERR_CAPACITY, 600, NULL},
    {404, "NotAuthorizedOrNotFound", "shape vm.|shape bm.", ERR_CAPACITY, HOURS(6), "not in this availability domain"},
    {0, "TooManyRequests", NULL, ERR_THROTTLED, 60, NULL},
    {401, "NotAuthenticated", NULL, ERR_AUTH, 0,
     "check the clock, five minutes off are refused; then the key, its fingerprint, user and tenancy"},
    {404, "NotAuthorizedOrNotFound", NULL, ERR_AUTH, 0, "not there or not permitted, Oracle does not tell which"},
    {0, "RelatedResourceNotAuthorizedOrNotFound", NULL, ERR_INVALID, 0,
     "what the request names is not there or not permitted, Oracle does not tell which"},
    {0, "IncorrectState", NULL, ERR_RETRY, 10, NULL},
    {0, "ExternalServerIncorrectState", NULL, ERR_RETRY, 10, NULL},
    {0, NULL, NULL, ERR_NONE, 0, NULL},
};

static void read_fault(const json_t *doc, struct rest_said *out)
{
    out->code = json_string_value(json_object_get(doc, "code"));
    out->message = json_string_value(json_object_get(doc, "message"));
}

static const struct rest_dialect dialect = {.cloud = "oracle", .rules = rules, .read = read_fault};

void oci_api_init(const struct oci_account *a, const char *service, const char *region, struct oci_api *out)
{
    (void)snprintf(out->base, sizeof(out->base), "https://%.20s.%.63s.%.63s", service, region, a->domain);
    out->rest = (struct rest_client){.http = a->http,
                                     .dialect = &dialect,
                                     .base = a->endpoint_url != NULL ? a->endpoint_url : out->base,
                                     .auth = oci_creds_auth,
                                     .auth_arg = a->creds,
                                     .secrets = {a->private_key, a->pass_phrase},
                                     .timeout_ms = a->timeout_ms};
}

bool oci_said(const struct rest_res *res, int status, const char *code)
{
    return res->status == status && text_ieq(res->code, code);
}

/* One page; next: what opc-next-page said, "" at the end. */
static int read_page(const struct oci_api *api, const struct rest_call *call, oci_visit_fn *visit, void *arg,
                     char next[2048], struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    const json_t *item;
    size_t i;

    if (rest_do(&api->rest, call, &res, e))
        return -1;
    if (!json_is_array(res.doc))
        return err_set(e, ERR_RETRY, "oracle %s: the answer makes no sense: expected a list", call->what);
    json_array_foreach(res.doc, i, item)
    {
        if (visit(arg, item, e))
            return -1;
    }
    if (!httpc_header(&res.http, "opc-next-page", next, 2048))
        next[0] = '\0';
    return 0;
}

int oci_each(const struct oci_api *api, const char *what, const char *path_query, oci_visit_fn *visit, void *arg,
             struct err *e)
{
    char next[2048] = "";

    for (size_t page = 1; page == 1 || next[0] != '\0'; page++) {
        AUTO_BUF struct buf path = BUF_INIT(16384);
        struct rest_call call = {.method = "GET", .what = what};

        if (page > REST_MAX_PAGES)
            return err_set(e, ERR_RETRY, "oracle %s: pages without end", what);
        buf_adds(&path, path_query);
        if (page > 1) {
            buf_adds(&path, "&page=");
            text_url_escape(&path, next, strlen(next));
        }
        if (buf_str(&path, &call.path, e) || read_page(api, &call, visit, arg, next, e))
            return rest_page_failed(page, e);
    }
    return 0;
}
