#include "providers/common/oauth2.h"

#include "server/base/clock.h"
#include "server/base/jwt.h"
#include "server/base/text.h"

#include <string.h>

#define FORM_MAX ((size_t)64 * 1024)
#define JWT_LIFE_S 3600
#define METADATA_TIMEOUT_MS 3000
#define MAX_LIFE_S 86400

static void read_refusal(const json_t *doc, struct rest_said *out)
{
    const json_t *error = json_object_get(doc, "error");

    /* a proxy or an API gateway in between may say {"error": {"message"}} */
    out->code = json_string_value(error);
    out->message = json_string_value(
        json_object_get(json_is_object(error) ? error : doc, json_is_object(error) ? "message" : "error_description"));
}

static const struct rest_rule rules[] = {
    {0, "invalid_grant", NULL, ERR_AUTH, 0, "is the key still valid? check the clock"},
    {0, "invalid_client", NULL, ERR_AUTH, 0, NULL},
    {0, "unauthorized_client", NULL, ERR_AUTH, 0, NULL},
    {0, "invalid_scope", NULL, ERR_AUTH, 0, NULL},
    {0, "invalid_request", NULL, ERR_AUTH, 0, NULL},
    {0, "access_denied", NULL, ERR_AUTH, 0, NULL},
    {0, "temporarily_unavailable", NULL, ERR_RETRY, 0, NULL},
    {0, NULL, NULL, ERR_NONE, 0, NULL},
};

/* expires_in is a number; Microsoft's metadata service writes it as text, and App Service says only when it ends. */
static int read_life(const json_t *doc, int64_t *life_s, struct err *e)
{
    const char *text = json_string_value(json_object_get(doc, "expires_in"));
    const char *end = json_string_value(json_object_get(doc, "expires_on"));
    int64_t now_s = clock_now_ms() / 1000;

    if (text == NULL && end != NULL && json_object_get(doc, "expires_in") == NULL) {
        if (text_i64(end, now_s + 1, now_s + MAX_LIFE_S, life_s, e))
            return -1;
        *life_s -= now_s;
        return 0;
    }
    if (text != NULL)
        return text_i64(text, 1, MAX_LIFE_S, life_s, e);
    if (js_i64(doc, "expires_in", life_s, e))
        return -1;
    if (*life_s < 1 || *life_s > MAX_LIFE_S)
        return err_set(e, ERR_RETRY, "expires_in: not a life of a token");
    return 0;
}

/* *status: 0 = nobody answered. */
static int ask(const struct oauth2 *o, const struct rest_call *call, int *status, struct secret **token,
               int64_t *expires_ms, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    const struct rest_dialect dialect = {.cloud = o->cloud, .rules = rules, .read = read_refusal};
    const struct rest_client client = {.http = o->http,
                                       .dialect = &dialect,
                                       .base = o->token_url,
                                       .timeout_ms = o->timeout_ms,
                                       .secrets = {o->secret, o->secret_too}};
    const char *text;
    int64_t life_s;
    int rc;

    rc = rest_do(&client, call, &res, e);
    *status = res.status;
    if (rc != 0)
        return -1;
    if (js_str(res.doc, "access_token", &text, e) || read_life(res.doc, &life_s, e))
        return rest_nonsense(&client, call, e);
    if (*text == '\0' || strpbrk(text, "\r\n") != NULL)
        return err_set(e, ERR_RETRY, "%s %s: the answer makes no sense: no token in it", o->cloud, call->what);
    *token = secret_new(text, strlen(text));
    *expires_ms = clock_now_ms() + life_s * 1000;
    return 0;
}

int oauth2_post(const struct oauth2 *o, const struct buf *form, struct secret **token, int64_t *expires_ms,
                struct err *e)
{
    const struct rest_call call = {.method = "POST", .path = "", .what = "token", .form = form};
    const char *text;
    int status;

    if (buf_str(form, &text, e))
        return err_wrap(e, "%s token", o->cloud);
    return ask(o, &call, &status, token, expires_ms, e);
}

int oauth2_metadata(const struct oauth2 *o, const struct httpc_header *header, struct secret **token,
                    int64_t *expires_ms, struct err *e)
{
    const struct rest_call call = {
        .method = "GET",
        .path = "",
        .what = "metadata service",
        .headers = header,
        .n_headers = 1,
        .timeout_ms = o->timeout_ms > 0 && o->timeout_ms < METADATA_TIMEOUT_MS ? o->timeout_ms : METADATA_TIMEOUT_MS};
    int status;

    if (ask(o, &call, &status, token, expires_ms, e) == 0)
        return 0;
    if (status == 0 || e->kind == ERR_INVALID || e->kind == ERR_GONE)
        e->kind = ERR_AUTH; /* nobody or somebody else is there, or the machine has no identity */
    return -1;
}

void oauth2_form_add(struct buf *form, const char *name, const char *value)
{
    buf_addf(form, "%s%s=", form->len > 0 ? "&" : "", name);
    text_url_escape(form, value, strlen(value));
}

int oauth2_client_credentials(const struct oauth2 *o, const char *client_id, const struct secret *client_secret,
                              const char *scope, struct secret **token, int64_t *expires_ms, struct err *e)
{
    AUTO(buf_wipe) struct buf form = BUF_INIT(FORM_MAX);

    oauth2_form_add(&form, "grant_type", "client_credentials");
    oauth2_form_add(&form, "client_id", client_id);
    oauth2_form_add(&form, "client_secret", secret_reveal(client_secret));
    oauth2_form_add(&form, "scope", scope);
    return oauth2_post(o, &form, token, expires_ms, e);
}

int oauth2_jwt_bearer(const struct oauth2 *o, const struct oauth2_issuer *i, struct secret **token, int64_t *expires_ms,
                      struct err *e)
{
    AUTO(buf_wipe) struct buf form = BUF_INIT(FORM_MAX);
    AUTO_JSON json_t *claims = NULL;
    AUTO_SECRET struct secret *jwt = NULL;
    int64_t now_s = clock_now_ms() / 1000;

    if (js_pack(e, &claims, "{s:s, s:s, s:s, s:I, s:I}", "iss", i->issuer, "scope", i->scope, "aud",
                i->audience != NULL ? i->audience : o->token_url, "iat", (json_int_t)now_s, "exp",
                (json_int_t)(now_s + JWT_LIFE_S)) ||
        jwt_rs256(i->key, i->kid, claims, &jwt, e))
        return err_wrap(e, "%s token", o->cloud);
    oauth2_form_add(&form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    oauth2_form_add(&form, "assertion", secret_reveal(jwt));
    return oauth2_post(o, &form, token, expires_ms, e);
}
