#include "providers/common/aws_query.h"

#include "providers/common/mask.h"
#include "providers/common/origin.h"
#include "server/base/clock.h"
#include "server/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_ANSWER XML_MAX_BYTES
#define MAX_VENDOR_TEXT 400
#define HOURS(n) ((n)*3600)
#define CHECK_CLOCK " (check the clock: requests are refused when it is more than 5 minutes off)"

/*
 * The vendor's codes and what may be done next. A code that is not here is judged by its HTTP status.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
 */
static const struct code_row {
    const char *code;
    enum err_kind kind;
    int retry_after_s; /* CAPACITY: remember this long */
    const char *hint;
} codes[] = {
    {"InsufficientInstanceCapacity", ERR_CAPACITY, 0, ""}, /* comes with 5xx */
    {"InsufficientCapacityOnHost", ERR_CAPACITY, 0, ""},
    {"UnfulfillableCapacity", ERR_CAPACITY, 0, ""},
    {"InsufficientFreeAddressesInSubnet", ERR_CAPACITY, 0, ""},
    {"InsufficientHostCapacity", ERR_CAPACITY, 0, ""},
    {"InsufficientReservedInstanceCapacity", ERR_CAPACITY, 0, ""},
    {"ReservationCapacityExceeded", ERR_CAPACITY, 0, ""},
    {"SpotMaxPriceTooLow", ERR_CAPACITY, 0, ""},
    {"Unsupported", ERR_CAPACITY, HOURS(6), ""}, /* not offered in this zone */
    {"VcpuLimitExceeded", ERR_QUOTA, 0, ""},
    {"InstanceLimitExceeded", ERR_QUOTA, 0, ""},
    {"MaxSpotInstanceCountExceeded", ERR_QUOTA, 0, ""},
    {"MaxSpotFleetRequestCountExceeded", ERR_QUOTA, 0, ""},
    {"TargetCapacityLimitExceededException", ERR_QUOTA, 0, ""},
    {"VolumeLimitExceeded", ERR_QUOTA, 0, ""},
    {"ResourceLimitExceeded", ERR_QUOTA, 0, ""},
    {"PendingVerification", ERR_QUOTA, 0, ""},
    {"AddressLimitExceeded", ERR_QUOTA, 0, ""},
    {"RequestLimitExceeded", ERR_THROTTLED, 0, ""},
    {"EC2ThrottledException", ERR_THROTTLED, 0, ""},
    {"Throttling", ERR_THROTTLED, 0, ""},
    {"ThrottlingException", ERR_THROTTLED, 0, ""},
    {"AuthFailure", ERR_AUTH, 0, ""},
    {"AuthFailure.ServiceLinkedRoleCreationNotPermitted", ERR_AUTH, 0,
     " (create the role AWSServiceRoleForEC2Spot once, or allow iam:CreateServiceLinkedRole)"},
    {"UnauthorizedOperation", ERR_AUTH, 0, ""},
    {"InvalidClientTokenId", ERR_AUTH, 0, ""},
    {"UnrecognizedClientException", ERR_AUTH, 0, ""},
    {"OptInRequired", ERR_AUTH, 0, ""},
    {"Blocked", ERR_AUTH, 0, ""},
    {"SignatureDoesNotMatch", ERR_AUTH, 0, CHECK_CLOCK},
    {"InvalidSignatureException", ERR_AUTH, 0, CHECK_CLOCK},
    {"AccessDenied", ERR_AUTH, 0, ""},
    {"AccessDeniedException", ERR_AUTH, 0, ""},
    {"RequestExpired", ERR_AUTH, 0, CHECK_CLOCK},
    {"ExpiredToken", ERR_AUTH, 0, CHECK_CLOCK},
    {"ExpiredTokenException", ERR_AUTH, 0, CHECK_CLOCK},
    {"InvalidIdentityToken", ERR_AUTH, 0, ""},
    {"InvalidParameterValue", ERR_INVALID, 0, ""},
    {"UnknownParameter", ERR_INVALID, 0, ""},
    {"InvalidParameterCombination", ERR_INVALID, 0, ""},
    {"MissingParameter", ERR_INVALID, 0, ""},
    {"InvalidAMIID.NotFound", ERR_INVALID, 0, ""},
    {"InvalidAMIID.Malformed", ERR_INVALID, 0, ""},
    {"InvalidSubnetID.NotFound", ERR_INVALID, 0, ""},
    {"InvalidGroup.NotFound", ERR_INVALID, 0, ""},
    {"InvalidKeyPair.NotFound", ERR_INVALID, 0, ""},
    {"InvalidUserData.Malformed", ERR_INVALID, 0, ""},
    {"ParameterNotFound", ERR_INVALID, 0, ""},
    {"IdempotentParameterMismatch", ERR_CONFLICT, 0, ""}, /* provider.h: the token is taken with other parameters */
    {"InvalidInstanceID.NotFound", ERR_GONE, 0, ""},
    {"InternalError", ERR_RETRY, 0, ""},
    {"InternalFailure", ERR_RETRY, 0, ""},
    {"ServiceUnavailable", ERR_RETRY, 0, ""},
    {"Unavailable", ERR_RETRY, 0, ""},
    {"RequestTimeout", ERR_RETRY, 0, ""},
};

static const struct code_row *code_find(const char *code)
{
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        if (strcmp(codes[i].code, code) == 0)
            return &codes[i];
    }
    return NULL;
}

/* A bare 404 is a wrong address, not a missing machine: EC2 says that by its code. */
static enum err_kind kind_of_status(int status)
{
    if (status == 401 || status == 403)
        return ERR_AUTH;
    if (status == 409)
        return ERR_CONFLICT;
    if (status == 429)
        return ERR_THROTTLED;
    return status >= 400 && status < 500 ? ERR_INVALID : ERR_RETRY;
}

bool aws_fault_is_stale_keys(const struct aws_fault *f)
{
    static const char *const stale[] = {"RequestExpired", "ExpiredToken", "ExpiredTokenException", "AuthFailure",
                                        "InvalidClientTokenId"};

    for (size_t i = 0; i < ARRAY_LEN(stale); i++) {
        if (strcmp(f->code, stale[i]) == 0)
            return true;
    }
    return false;
}

int aws_endpoint(conf_getenv_fn *getenv_fn, void *arg, const char *service, const char *region, struct buf *out,
                 struct err *e)
{
    char own[64];
    const char *var = own, *url;
    int n = snprintf(own, sizeof(own), "AWS_ENDPOINT_URL_%s", service);

    for (char *p = own; n > 0 && *p != '\0'; p++)
        *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
    url = getenv_fn(arg, own);
    if (url == NULL || *url == '\0') {
        var = "AWS_ENDPOINT_URL";
        url = getenv_fn(arg, var);
    }
    if (url == NULL || *url == '\0') {
        /* the price list is the one whose host is not its name */
        buf_addf(out, "https://%s%s.%s.amazonaws.com%s", strcmp(service, "pricing") == 0 ? "api." : "", service, region,
                 text_has_prefix(region, "cn-") ? ".cn" : "");
        return 0;
    }
    if (!text_has_prefix(url, "http://") && !text_has_prefix(url, "https://"))
        return err_set(e, ERR_INVALID, "$%s: expected a URL that begins with https:// or http://", var);
    buf_add(out, url, strlen(url) - (text_has_suffix(url, "/") ? 1 : 0));
    return 0;
}

int aws_region_check(const char *region, struct err *e)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t n = strlen(region);
    bool ends_in_digit = n > 0 && region[n - 1] >= '0' && region[n - 1] <= '9';

    if (n > 2 && !ends_in_digit && region[n - 2] >= '0' && region[n - 2] <= '9' && strspn(region, alphabet) == n)
        return err_set(e, ERR_INVALID, "region %s is a zone: name the region, %.*s", region, (int)(n - 1), region);
    if (n < 5 || n > 40 || region[0] == '-' || !ends_in_digit || strspn(region, alphabet) != n)
        return err_set(e, ERR_INVALID, "region \"%.40s\" is not an AWS region: write it like eu-west-1", region);
    return 0;
}

void aws_form_begin(struct buf *f, const char *action, const char *version)
{
    buf_addf(f, "Action=%s&Version=%s", action, version);
}

void aws_form_add(struct buf *f, const char *value, const char *name_fmt, ...)
{
    char name[128];
    va_list ap;

    va_start(ap, name_fmt);
    (void)vsnprintf(name, sizeof(name), name_fmt, ap);
    va_end(ap);
    buf_addf(f, "&%s=", name);
    text_url_escape(f, value, strlen(value));
}

int aws_form_show(const char *url, const struct buf *form, json_t *list, struct err *e)
{
    AUTO_JSON json_t *params = json_object(), *one = NULL;
    const char *at;

    if (buf_str(form, &at, e))
        return -1;
    while (*at != '\0') {
        AUTO_BUF struct buf name = BUF_INIT(256), value = BUF_INIT(AWS_FORM_MAX);
        size_t n = strcspn(at, "="), end = strcspn(at, "&");

        buf_add(&name, at, n);
        if (text_url_unescape(at + n + 1, end - n - 1, true, &value, e))
            return -1;
        (void)json_object_set_new(params, name.p, json_string(value.p != NULL ? value.p : ""));
        at += end;
        at += *at == '&' ? 1 : 0;
    }
    if (js_pack(e, &one, "{s:s, s:s, s:{s:s}, s:O}", "method", "POST", "url", url, "headers", "Authorization", "***",
                "form", params))
        return -1;
    return json_array_append(list, one) == 0 ? 0 : err_set(e, ERR_BUG, "a request could not be shown");
}

struct post {
    const char *content_type, *target; /* target NULL = Query protocol */
    const void *body;
    size_t len;
};

/* Sign (unless keys is NULL) and send. */
static int post(const struct aws_service *s, const struct aws_keys *keys, const struct post *p, struct httpc_res *res,
                struct err *e)
{
    AUTO_BUF struct buf authorization = BUF_INIT(4096);
    AUTO_BUF struct buf url = BUF_INIT(2048), path = BUF_INIT(2048);
    struct httpc_header h[6];
    char host[300], date[SIGN_AWS_DATE_LEN + 1];
    const char *base_path = "", *text = "";
    int64_t now = clock_now_ms();
    size_t n = 0;

    if (origin_split(s->url, host, sizeof(host), &base_path, e))
        return -1;
    sign_aws_date(now, date);
    h[n++] = (struct httpc_header){"Content-Type", p->content_type};
    h[n++] = (struct httpc_header){"X-Amz-Date", date};
    if (p->target != NULL)
        h[n++] = (struct httpc_header){"X-Amz-Target", p->target};
    if (keys != NULL && keys->session_token != NULL)
        h[n++] = (struct httpc_header){"X-Amz-Security-Token", secret_reveal(keys->session_token)};
    buf_addf(&path, "%s/", base_path);
    buf_addf(&url, "%s/", s->url);
    if (buf_str(&path, &text, e) || buf_str(&url, &text, e))
        return -1;
    if (keys != NULL) {
        /* libcurl writes the Host header itself; it only takes part in the signature. */
        h[n] = (struct httpc_header){"Host", host};
        if (sign_aws(keys,
                     &(struct sign_aws_req){.region = s->region,
                                            .service = s->name,
                                            .time_ms = now,
                                            .method = "POST",
                                            .path = path.p,
                                            .query = "",
                                            .headers = h,
                                            .n_headers = n + 1,
                                            .body = p->body,
                                            .body_len = p->len},
                     &authorization, e) ||
            buf_str(&authorization, &text, e))
            return -1;
        h[n++] = (struct httpc_header){"Authorization", text};
    }
    return httpc_do(s->http,
                    &(struct httpc_req){.method = "POST",
                                        .url = url.p,
                                        .headers = h,
                                        .n_headers = n,
                                        .body = p->body,
                                        .body_len = p->len,
                                        .timeout_ms = s->timeout_ms,
                                        .max_answer = MAX_ANSWER},
                    res, e);
}

/* Who was called for what, with what must not show. */
struct context {
    const struct aws_service *s;
    const char *action;
    const struct aws_keys *keys;
    const struct secret *hide;
};

/* The call itself failed. An answer over the ceiling is httpc's ERR_INVALID; here it is one that makes no sense. */
static int no_answer(const struct context *c, struct err *e)
{
    if (e->kind == ERR_INVALID)
        e->kind = ERR_RETRY;
    return err_wrap(e, "%s %s", c->s->name, c->action);
}

static int nonsense(const struct context *c, const char *why, struct err *e)
{
    return err_set(e, ERR_RETRY, "%s %s: the answer makes no sense: %s", c->s->name, c->action, why);
}

/* A hostile or careless answer may echo what we sent. */
static void mask(const struct context *c, char *text)
{
    if (c->keys != NULL) {
        secret_mask(c->keys->secret_access_key, text);
        secret_mask(c->keys->session_token, text);
    }
    secret_mask(c->hide, text);
    mask_runs(text);
}

/* The service refused with a code (may be "") and a sentence (may be NULL). */
static int refused(const struct context *c, const struct httpc_res *res, const char *code, const char *message,
                   struct aws_fault *fault, struct err *e)
{
    const struct code_row *row = code_find(code);
    enum err_kind kind = row != NULL ? row->kind : kind_of_status(res->status);
    bool coded = *code != '\0';
    AUTO_BUF struct buf said = BUF_INIT(2 * XML_MAX_BYTES);
    int wait_s = httpc_retry_after_s(res), rc;

    fault->status = res->status;
    (void)snprintf(fault->code, sizeof(fault->code), "%s", code);
    buf_addf(&said, "%s%s: %s", code, row != NULL ? row->hint : "",
             message != NULL && *message != '\0' ? message : "no reason given");
    if (coded && !said.over) {
        mask(c, said.p);
        rc = err_set(e, kind, "%s %s: %.*s", c->s->name, c->action, MAX_VENDOR_TEXT, said.p);
    } else {
        rc = err_set(e, kind, "%s %s: HTTP status %d without an error code of AWS", c->s->name, c->action, res->status);
    }
    if (kind == ERR_CAPACITY && row != NULL)
        e->retry_after_s = row->retry_after_s;
    else if ((kind == ERR_THROTTLED || kind == ERR_RETRY) && wait_s > 0)
        e->retry_after_s = wait_s;
    return rc;
}

/* <Response><Errors><Error> of EC2, <ErrorResponse><Error> of STS; NULL when it is neither. */
static const struct xml_node *error_of(const struct xml_node *root)
{
    const struct xml_node *n = xml_find(root, "Errors/Error");

    return n != NULL ? n : xml_find(root, "Error");
}

static const char *text_or(const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

static bool root_is(const struct xml_node *root, const char *action)
{
    size_t n = strlen(action);

    return strncmp(root->name, action, n) == 0 && strcmp(root->name + n, "Response") == 0;
}

static int read_xml(const struct context *c, const struct httpc_res *res, struct xml_doc **out, struct aws_fault *fault,
                    struct err *e)
{
    AUTO_XML struct xml_doc *doc = NULL;
    const struct xml_node *error;
    struct err cause;

    if (xml_parse(res->body.p != NULL ? res->body.p : "", res->body.len, &doc, &cause))
        return res->status == 200 ? nonsense(c, cause.msg, e) : refused(c, res, "", NULL, fault, e);
    error = error_of(xml_root(doc));
    if (error != NULL || res->status != 200)
        return refused(c, res, text_or(xml_text(error, "Code"), ""), xml_text(error, "Message"), fault, e);
    if (!root_is(xml_root(doc), c->action))
        return nonsense(c, "another document than was asked for", e);
    *out = doc;
    doc = NULL;
    return 0;
}

int aws_query(const struct aws_service *s, const struct aws_keys *keys, const char *action, const struct buf *form,
              const struct secret *hide, struct xml_doc **out, struct aws_fault *fault, struct err *e)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct context c = {.s = s, .action = action, .keys = keys, .hide = hide};
    struct post p = {.content_type = "application/x-www-form-urlencoded; charset=utf-8"};
    const char *body;

    *fault = (struct aws_fault){0};
    if (buf_str(form, &body, e))
        return err_wrap(e, "%s %s", s->name, action);
    p.body = body;
    p.len = form->len;
    if (post(s, keys, &p, &res, e))
        return no_answer(&c, e);
    return read_xml(&c, &res, out, fault, e);
}

/* "com.amazonaws.ssm#ParameterNotFound" and "ParameterNotFound" are the same code. */
static int read_json(const struct context *c, const struct httpc_res *res, json_t **out, struct aws_fault *fault,
                     struct err *e)
{
    AUTO_JSON json_t *doc = NULL;
    const char *type = "", *message = NULL, *hash;
    struct err cause;

    if (js_parse(res->body.p != NULL ? res->body.p : "", res->body.len, &doc, &cause))
        return res->status == 200 ? nonsense(c, "not JSON", e) : refused(c, res, "", NULL, fault, e);
    if (res->status != 200) {
        if (js_opt_str(doc, "__type", &type, &cause) ||
            js_opt_str(doc, json_object_get(doc, "message") != NULL ? "message" : "Message", &message, &cause))
            type = "";
        hash = strrchr(type, '#');
        return refused(c, res, hash != NULL ? hash + 1 : type, message, fault, e);
    }
    *out = doc;
    doc = NULL;
    return 0;
}

int aws_json_call(const struct aws_service *s, const struct aws_keys *keys, const char *target, const json_t *body,
                  json_t **out, struct aws_fault *fault, struct err *e)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    AUTO_FREE char *text = NULL;
    const char *dot = strrchr(target, '.');
    struct context c = {.s = s, .action = dot != NULL ? dot + 1 : target, .keys = keys};
    struct post p = {.content_type = "application/x-amz-json-1.1", .target = target};

    *fault = (struct aws_fault){0};
    if (js_dump(body, &text, e))
        return err_wrap(e, "%s %s", s->name, c.action);
    p.body = text;
    p.len = strlen(text);
    if (post(s, keys, &p, &res, e))
        return no_answer(&c, e);
    return read_json(&c, &res, out, fault, e);
}
