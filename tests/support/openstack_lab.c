#include "tests/support/openstack_lab.h"

#include "providers/registry.h"
#include "server/base/mem.h"

#include <stdio.h>
#include <string.h>

const char lab_user_data[] = "#!/bin/sh\necho one-time-credential-0123456789\n";

/* ---- the account under test ---- */

const char *lab_env(const char *name)
{
    const char *value = getenv(name);

    if (value == NULL) {
        (void)fprintf(stderr, "%s is not set: run this by tests/openstack/stack.sh\n", name);
        exit(2);
    }
    return value;
}

static const char *no_environment(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

struct lab_bed *lab_open(const char *deployment, bool from_env, const struct lab_setting *more, size_t n)
{
    struct lab_bed *b = mem_zalloc(sizeof(*b));
    struct err e = {.kind = ERR_NONE};
    int rc = 0;

    b->ops = registry_find("openstack");
    b->http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    b->pause = pause_new();
    b->acct = conf_new("clouds.openstack", b->ops->account_keys);
    b->env = (struct provider_env){.http = b->http,
                                   .deployment = deployment,
                                   .getenv_fn = from_env ? conf_getenv_process : no_environment,
                                   .timeout_ms = LAB_TIMEOUT_MS,
                                   .pause = pause_for,
                                   .pause_arg = b->pause};
    if (from_env)
        rc = conf_load_env(b->acct, conf_getenv_process, NULL, &e);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = conf_set(b->acct, more[i].name, more[i].value, "$TEST", &e);
    if (rc != 0 || b->ops->open(b->acct, &b->env, &b->p, &e)) {
        (void)fprintf(stderr, "%s: %s\n", deployment, e.msg);
        exit(2);
    }
    return b;
}

void lab_close(struct lab_bed *b)
{
    b->ops->close(b->p);
    conf_free(b->acct);
    pause_free(b->pause);
    httpc_free(b->http);
    json_decref(b->extra);
    free(b);
}

void lab_extra(struct lab_bed *b, json_t *extra)
{
    json_decref(b->extra);
    b->extra = extra;
}

int lab_launch(struct lab_bed *b, const char *name, const char *region, const char *type, bool first_try,
               struct instance *out, struct err *e)
{
    AUTO_SECRET struct secret *data = secret_new(lab_user_data, strlen(lab_user_data));
    const struct machine_spec spec = {
        .cloud = "openstack", .region = region, .instance_type = type, .image = "tiny", .extra = b->extra};
    const struct tag tags[] = {{TAG_DEPLOYMENT, b->env.deployment},
                               {TAG_MACHINE, name},
                               {TAG_JOB, "123456789"},
                               {TAG_REPOSITORY, "octo/hello"},
                               {TAG_EXPIRES, "1900000000"}};
    const struct launch_request r = {.spec = &spec,
                                     .name = name,
                                     .token = name,
                                     .user_data = data,
                                     .first_try = first_try,
                                     .tags = tags,
                                     .n_tags = ARRAY_LEN(tags)};

    return b->ops->launch(b->p, &r, out, e);
}

/* ---- what the operator sees ---- */

/* A token of the cloud's administrator; false when Keystone gives none. */
static bool admin_token(struct lab_bed *b, char *out, size_t size)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    AUTO_BUF struct buf url = BUF_INIT(1024);
    AUTO_JSON json_t *body =
        json_pack("{s:{s:{s:[s], s:{s:{s:s, s:{s:s}, s:s}}}, s:{s:{s:s, s:{s:s}}}}}", "auth", "identity", "methods",
                  "password", "password", "user", "name", "admin", "domain", "id", "default", "password",
                  lab_env("LAB_ADMIN_PASSWORD"), "scope", "project", "name", "admin", "domain", "id", "default");
    AUTO_FREE char *text = json_dumps(body, 0);
    const struct httpc_header type = {"Content-Type", "application/json"};
    struct httpc_req req = {.method = "POST",
                            .headers = &type,
                            .n_headers = 1,
                            .body = text,
                            .body_len = strlen(text),
                            .timeout_ms = LAB_TIMEOUT_MS};
    struct err e;

    buf_addf(&url, "%s/auth/tokens", lab_env("OS_AUTH_URL"));
    req.url = url.p;
    return httpc_do(b->http, &req, &res, &e) == 0 && httpc_header(&res, "X-Subject-Token", out, size);
}

json_t *lab_as_admin(struct lab_bed *b, const char *method, const char *url, const json_t *body)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    AUTO_FREE char *text = body != NULL ? json_dumps(body, 0) : NULL;
    char token[4096] = "";
    const struct httpc_header h[] = {{"Content-Type", "application/json"},
                                     {"X-Auth-Token", token},
                                     {"OpenStack-API-Version", "compute 2.67, volume 3.0"}};
    const struct httpc_req req = {.method = method,
                                  .url = url,
                                  .headers = h,
                                  .n_headers = ARRAY_LEN(h),
                                  .body = text,
                                  .body_len = text != NULL ? strlen(text) : 0,
                                  .timeout_ms = LAB_TIMEOUT_MS};
    json_t *doc = NULL;
    struct err e;

    if (!admin_token(b, token, sizeof(token)) || httpc_do(b->http, &req, &res, &e) || res.status >= 300 ||
        js_parse(res.body.p, res.body.len, &doc, &e))
        return NULL;
    return doc;
}

/* ---- the relay ---- */

static bool is_passed_on(const char *name)
{
    return strcasecmp(name, "Host") != 0 && strcasecmp(name, "Content-Length") != 0 &&
           strcasecmp(name, "Connection") != 0;
}

static int relay_handle(void *arg, const struct raw_request *r, struct buf *answer)
{
    struct lab_relay *relay = arg;
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    AUTO_BUF struct buf url = BUF_INIT(4096);
    struct httpc_header h[RAW_MAX_HEADERS];
    const char *nova = lab_env("LAB_NOVA");
    struct httpc_req req = {.method = r->method, .headers = h, .timeout_ms = LAB_TIMEOUT_MS, .max_answer = 8000000};
    struct err e;

    if (relay->break_at != NULL && strstr(r->path, relay->break_at) != NULL) {
        raw_answer(answer, 503, "", "");
        return RAW_ANSWER;
    }
    for (size_t i = 0; i < r->n_headers; i++) {
        if (is_passed_on(r->names[i]))
            h[req.n_headers++] = (struct httpc_header){r->names[i], r->values[i]};
    }
    buf_addf(&url, "%.*s%s", (int)(strrchr(nova, '/') - nova), nova, r->path);
    req.url = url.p;
    req.body = r->body_len > 0 ? r->body : NULL;
    req.body_len = r->body_len;
    if (httpc_do(relay->http, &req, &res, &e) || (relay->lose != NULL && strcmp(relay->lose, r->method) == 0))
        return RAW_CLOSE;
    relay->refused += res.status == 401 ? 1 : 0;
    if (res.status == 204)
        buf_adds(answer, "HTTP/1.1 204 No Content\r\n\r\n");
    else
        raw_answer(answer, res.status, "", res.body.p);
    return RAW_ANSWER;
}

struct lab_bed *lab_open_relayed(const char *deployment, struct lab_relay *relay)
{
    relay->http = httpc_new(&(struct httpc_conf){.user_agent = "relay"});
    relay->server = raw_start(&(struct raw_conf){.handler = relay_handle, .arg = relay});
    (void)snprintf(relay->url, sizeof(relay->url), "%s/v2.1", raw_url(relay->server));
    return lab_open(deployment, true, &(struct lab_setting){"compute_endpoint_override", relay->url}, 1);
}

void lab_relay_stop(struct lab_relay *relay)
{
    raw_stop(relay->server);
    httpc_free(relay->http);
}
