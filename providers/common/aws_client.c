#include "providers/common/aws_client.h"

#include "server/base/crypto.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <string.h>

#define EC2_TIMEOUT_MS 60000 /* RunInstances may take its time, and a cut-off one leaves a machine to look for */

/* One call, ready to be sent with any keys. */
struct call {
    const struct aws_service *service;
    const char *action;     /* Query: the action; JSON: the target */
    const struct buf *form; /* Query */
    const json_t *json;     /* JSON, when form is NULL */
    const struct secret *hide;
    struct xml_doc **xml_out;
    json_t **json_out;
};

static int send_once(const struct call *c, const struct aws_keys *keys, struct aws_fault *fault, struct err *e)
{
    if (c->form != NULL)
        return aws_query(c->service, keys, c->action, c->form, c->hide, c->xml_out, fault, e);
    return aws_json_call(c->service, keys, c->action, c->json, c->json_out, fault, e);
}

static bool same_keys(const struct aws_keys *a, const struct aws_keys *b)
{
    bool same_id = strcmp(a->access_key_id, b->access_key_id) == 0;

    return same_id && crypto_same(a->session_token, b->session_token) &&
           crypto_same(a->secret_access_key, b->secret_access_key);
}

/* Keys that were refused are asked for anew, once; what comes back unchanged is not sent again. */
static int send_call(const struct aws_client *client, const struct call *c, struct aws_fault *fault, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL, *again = NULL;
    const struct aws_keys *keys, *fresh;
    struct err cause;

    *fault = (struct aws_fault){0};
    if (aws_creds_get(client->creds, &ref, e))
        return -1;
    keys = cache_value(ref);
    if (send_once(c, keys, fault, e) == 0)
        return 0;
    if (!aws_fault_is_stale_keys(fault))
        return -1;
    aws_creds_drop(client->creds, keys);
    if (aws_creds_get(client->creds, &again, &cause)) {
        *e = cause;
        return -1;
    }
    fresh = cache_value(again);
    return same_keys(keys, fresh) ? -1 : send_once(c, fresh, fault, e);
}

static int service_url(const struct aws_client *c, const char *name, const char *region, struct buf *out, struct err *e)
{
    if (strcmp(name, "ec2") != 0 || c->ec2_url == NULL)
        return aws_endpoint(c->getenv_fn, c->getenv_arg, name, region, out, e);
    buf_adds(out, c->ec2_url);
    return 0;
}

int aws_client_ec2_url(const struct aws_client *c, const char *region, struct buf *out, struct err *e)
{
    return service_url(c, "ec2", region, out, e);
}

int aws_client_ec2(const struct aws_client *c, const char *region, const char *action, const struct buf *form,
                   const struct secret *hide, struct xml_doc **out, struct aws_fault *fault, struct err *e)
{
    AUTO_BUF struct buf url = BUF_INIT(1024);
    struct aws_service ec2 = {.http = c->http,
                              .region = region,
                              .name = "ec2",
                              .timeout_ms = c->timeout_ms > 0 ? c->timeout_ms : EC2_TIMEOUT_MS};
    struct call call = {.service = &ec2, .action = action, .form = form, .hide = hide, .xml_out = out};

    *fault = (struct aws_fault){0};
    if (service_url(c, "ec2", region, &url, e) || buf_str(&url, &ec2.url, e))
        return -1;
    return send_call(c, &call, fault, e);
}

int aws_client_ssm_parameter(const struct aws_client *c, const char *region, const char *name, char **out,
                             struct err *e)
{
    AUTO_BUF struct buf url = BUF_INIT(1024);
    AUTO_JSON json_t *body = NULL, *answer = NULL;
    struct aws_service ssm = {.http = c->http, .region = region, .name = "ssm", .timeout_ms = c->timeout_ms};
    struct call call = {.service = &ssm, .action = "AmazonSSM.GetParameter", .json_out = &answer};
    struct aws_fault fault;
    const char *value;

    if (service_url(c, "ssm", region, &url, e) || buf_str(&url, &ssm.url, e) ||
        js_pack(e, &body, "{s:s}", "Name", name))
        return -1;
    call.json = body;
    if (send_call(c, &call, &fault, e))
        return -1;
    if (js_str(answer, "Parameter.Value", &value, e)) {
        e->kind = ERR_RETRY;
        return err_wrap(e, "ssm GetParameter: the answer makes no sense");
    }
    *out = mem_strdup(value);
    return 0;
}

/* https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html: three places of the
 * first partition and one in China have the price list. */
int aws_client_pricing(const struct aws_client *c, const char *region, const json_t *question, json_t **out,
                       struct aws_fault *fault, struct err *e)
{
    AUTO_BUF struct buf url = BUF_INIT(1024);
    const char *place = text_has_prefix(region, "cn-") ? "cn-northwest-1" : "us-east-1";
    struct aws_service pricing = {.http = c->http, .region = place, .name = "pricing", .timeout_ms = c->timeout_ms};
    struct call call = {
        .service = &pricing, .action = "AWSPriceListService.GetProducts", .json = question, .json_out = out};

    *fault = (struct aws_fault){0};
    if (service_url(c, "pricing", place, &url, e) || buf_str(&url, &pricing.url, e))
        return -1;
    return send_call(c, &call, fault, e);
}
