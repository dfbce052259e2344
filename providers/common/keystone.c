#include "providers/common/keystone.h"

#include "server/base/cache.h"
#include "server/base/clock.h"
#include "server/base/crypto.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#define EARLY_MS ((int64_t)5 * 60 * 1000)
#define UNKNOWN_LIFE_MS ((int64_t)10 * 60 * 1000) /* of a token whose end cannot be read */
#define TOKEN_SIZE 16384
#define KEY "session"

/* ---- how OpenStack refuses ---- */

/* Room, quota and permission share 403 and the fault of a server: only the sentence tells. The first that fits counts.
 */
static const struct rest_rule rules[] = {
    {0, NULL, "no valid host|exhausted all hosts|exceeded maximum number of retries|insufficient compute resources",
     ERR_CAPACITY, 300, NULL},
    {0, NULL, "no more ip addresses|no fixed ip addresses available", ERR_CAPACITY, 300,
     "the network has no free address"},
    {0, NULL, "policy doesn't allow", ERR_AUTH, 0, "the account lacks a role"},
    {0, NULL, "quota exceeded|exceeded for quota|maximum number of", ERR_QUOTA, 0, NULL},
    {0, "overlimit", NULL, ERR_THROTTLED, 60, NULL},
    {403, NULL, "zero disk", ERR_INVALID, 0, "give it a volume with extra_config.block_device_mapping_v2"},
    {409, NULL, "multiple possible networks|more than one possible network", ERR_INVALID, 0,
     "name one in clouds.openstack.network"},
    {406, NULL, NULL, ERR_INVALID, 0, "Nova is older than 2018: it does not know microversion 2.67"},
    {401, NULL, NULL, ERR_AUTH, 0, "check user, password or application credential, project and their domains"},
    {0, NULL, NULL, ERR_NONE, 0, NULL},
};

/* {"NAME": {"code", "message"}} of Nova, {"error": {"code", "title", "message"}} of Keystone, {"NeutronError": {"type",
 * "message"}}, and Glance's bare {"message", "title"}. */
static void read_fault(const json_t *doc, struct rest_said *out)
{
    const char *name;
    json_t *fault;

    if (json_is_string(json_object_get(doc, "message"))) {
        out->message = json_string_value(json_object_get(doc, "message"));
        out->code = json_string_value(json_object_get(doc, "title"));
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)doc, name, fault)
    {
        const char *title = json_string_value(json_object_get(fault, "title"));
        const char *type = json_string_value(json_object_get(fault, "type"));

        if (!json_is_string(json_object_get(fault, "message")))
            continue;
        out->message = json_string_value(json_object_get(fault, "message"));
        out->code = title != NULL ? title : type != NULL ? type : name;
        return;
    }
}

const struct rest_dialect openstack_dialect = {.cloud = "openstack", .rules = rules, .read = read_fault};

/* ---- signing in ---- */

struct session {
    struct secret *token;
    json_t *catalog; /* a list */
};

struct keystone {
    const struct os_account *account;
    char *base; /* with /v3 */
    struct rest_client api;
    struct cache *sessions;
};

static void session_free(void *value)
{
    struct session *s = value;

    if (s == NULL)
        return;
    secret_free(s->token);
    json_decref(s->catalog);
    free(s);
}

/* auth_url is met with and without its version, and with that of the one before. */
static char *v3_url(const char *auth_url)
{
    size_t n = strlen(auth_url);
    struct buf url = BUF_INIT(n + 8);
    struct err ignored;
    char *out = NULL;

    if (text_has_suffix(auth_url, "/v3") || text_has_suffix(auth_url, "/v2.0"))
        n = (size_t)(strrchr(auth_url, '/') - auth_url);
    buf_add(&url, auth_url, n);
    buf_adds(&url, "/v3");
    if (buf_take(&url, &out, &ignored))
        abort(); /* its ceiling is made for it */
    return out;
}

struct keystone *keystone_new(struct httpc *http, const struct os_account *account, int timeout_ms)
{
    struct keystone *k = mem_zalloc(sizeof(*k));

    k->account = account;
    k->base = v3_url(account->auth_url != NULL ? account->auth_url : "<auth_url>");
    k->api = (struct rest_client){.http = http,
                                  .dialect = &openstack_dialect,
                                  .base = k->base,
                                  .secrets = {account->password, account->credential_secret},
                                  .timeout_ms = timeout_ms};
    k->sessions = cache_new(1, session_free);
    return k;
}

void keystone_free(struct keystone *k)
{
    if (k == NULL)
        return;
    cache_free(k->sessions);
    free(k->base);
    free(k);
}

/* {"id"} or {"name"}; NULL when both are unset. */
static json_t *reference(const char *id, const char *name)
{
    if (id == NULL && name == NULL)
        return NULL;
    return json_pack("{s:s}", id != NULL ? "id" : "name", id != NULL ? id : name);
}

/* A name is one of its domain; an id needs none. */
static int named(const char *id, const char *name, json_t *domain, json_t **out, struct err *e)
{
    return id != NULL ? js_pack(e, out, "{s:s}", "id", id)
                      : js_pack(e, out, "{s:s, s:O}", "name", name, "domain", domain);
}

static int user_of(const struct os_account *a, json_t **user, json_t **domain, struct err *e)
{
    *domain = reference(a->user_domain_id, a->user_domain_name);
    if (*domain == NULL)
        *domain = reference("default", NULL);
    return named(a->user_id, a->username, *domain, user, e);
}

static int by_credential(const struct os_account *a, json_t **out, struct err *e)
{
    AUTO_JSON json_t *user = NULL, *domain = NULL;
    const char *secret = secret_reveal(a->credential_secret);

    if (a->credential_id == NULL && user_of(a, &user, &domain, e))
        return -1;
    return js_pack(e, out, "{s:{s:{s:[s], s:{s:s, s:s, s:O*}}}}", "auth", "identity", "methods",
                   "application_credential", "application_credential", a->credential_id != NULL ? "id" : "name",
                   a->credential_id != NULL ? a->credential_id : a->credential_name, "secret", secret, "user", user);
}

static int by_password(const struct os_account *a, json_t **out, struct err *e)
{
    AUTO_JSON json_t *user = NULL, *domain = NULL, *project = NULL;
    AUTO_JSON json_t *project_domain = reference(a->project_domain_id, a->project_domain_name);

    if (user_of(a, &user, &domain, e) ||
        named(a->project_id, a->project_name, project_domain != NULL ? project_domain : domain, &project, e))
        return -1;
    if (json_object_set_new(user, "password", json_string(secret_reveal(a->password))) != 0)
        return err_set(e, ERR_INVALID, "clouds.openstack.password is no UTF-8");
    return js_pack(e, out, "{s:{s:{s:[s], s:{s:O}}, s:{s:O}}}", "auth", "identity", "methods", "password", "password",
                   "user", user, "scope", "project", project);
}

/* Until when a token of this answer may be used, by our own clock. */
static int64_t use_until_ms(const json_t *doc)
{
    int64_t now = clock_now_ms(), from = 0, to = 0, life = UNKNOWN_LIFE_MS;
    const char *issued = NULL, *expires = NULL;
    struct err ignored;

    if (js_str(doc, "token.issued_at", &issued, &ignored) == 0 &&
        js_str(doc, "token.expires_at", &expires, &ignored) == 0 &&
        text_rfc3339_ms(issued, strlen(issued), &from, &ignored) == 0 &&
        text_rfc3339_ms(expires, strlen(expires), &to, &ignored) == 0 && to > from)
        life = to - from;
    return now + life - (life > 2 * EARLY_MS ? EARLY_MS : life / 2);
}

static int read_session(const struct rest_res *res, struct session **out, struct err *e)
{
    char token[TOKEN_SIZE];
    json_t *catalog;
    struct session *s;

    if (js_arr(res->doc, "token.catalog", &catalog, e))
        return -1;
    if (!httpc_header(&res->http, "X-Subject-Token", token, sizeof(token)) || *token == '\0')
        return err_set(e, ERR_RETRY, "no token");
    s = mem_zalloc(sizeof(*s));
    s->token = secret_new(token, strlen(token));
    s->catalog = json_incref(catalog);
    OPENSSL_cleanse(token, sizeof(token));
    *out = s;
    return 0;
}

static int sign_in(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct keystone *k = arg;
    const struct os_account *a = k->account;
    bool credential = a->credential_secret != NULL;
    AUTO_JSON json_t *body = NULL;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct rest_call call = {
        .method = "POST", .path = "/auth/tokens", .what = "authentication", .ok = {201, 200}, .creates = true};
    struct session *s = NULL;

    (void)key;
    if (credential ? by_credential(a, &body, e) : by_password(a, &body, e))
        return -1;
    call.body = body;
    if (rest_do(&k->api, &call, &res, e))
        return -1;
    if (read_session(&res, &s, e))
        return rest_nonsense(&k->api, &call, e);
    out->value = s;
    out->expires_ms = use_until_ms(res.doc);
    return 0;
}

static int session_get(struct keystone *k, struct cache_ref **ref, const struct session **out, struct err *e)
{
    if (cache_get(k->sessions, KEY, sign_in, k, ref, e))
        return -1;
    *out = cache_value(*ref);
    return 0;
}

int keystone_auth(void *keystone, const struct rest_call *call, const char *url, const char *text, size_t len,
                  const struct rest_headers *refused, struct rest_headers *out, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL, *again = NULL;
    struct keystone *k = keystone;
    const struct session *s;

    (void)call;
    (void)url;
    (void)text;
    (void)len;
    if (session_get(k, &ref, &s, e))
        return -1;
    if (refused != NULL && refused->n > 0 && crypto_same(refused->values[0], s->token)) {
        cache_drop(k->sessions, KEY, s);
        if (session_get(k, &again, &s, e))
            return -1;
    }
    rest_header_add(out, "X-Auth-Token", secret_reveal(s->token));
    return 0;
}

/* ---- the catalogue ---- */

static const char *region_of(const json_t *endpoint)
{
    const char *id = json_string_value(json_object_get(endpoint, "region_id"));

    return id != NULL ? id : json_string_value(json_object_get(endpoint, "region"));
}

/* Visit the endpoints of a service on the account's interface that have a region and an address; stops at true. */
typedef bool endpoint_fn(void *arg, const char *region, const char *url);

static bool each_endpoint(const struct keystone *k, const struct session *s, const char *type, endpoint_fn *visit,
                          void *arg)
{
    const json_t *service, *endpoint;
    size_t i, j;

    json_array_foreach(s->catalog, i, service)
    {
        const char *name = json_string_value(json_object_get(service, "type"));

        if (name == NULL || strcmp(name, type) != 0)
            continue;
        json_array_foreach(json_object_get(service, "endpoints"), j, endpoint)
        {
            const char *interface = json_string_value(json_object_get(endpoint, "interface"));
            const char *url = json_string_value(json_object_get(endpoint, "url")), *region = region_of(endpoint);

            if (interface != NULL && strcmp(interface, k->account->interface) == 0 && url != NULL && region != NULL &&
                visit(arg, region, url))
                return true;
        }
    }
    return false;
}

struct wanted {
    const char *region;
    struct buf *out; /* NULL = only whether it is there */
};

static bool is_wanted(void *arg, const char *region, const char *url)
{
    const struct wanted *w = arg;
    size_t n = strlen(url);

    if (strcmp(region, w->region) != 0)
        return false;
    while (n > 0 && url[n - 1] == '/')
        n--;
    if (w->out != NULL)
        buf_add(w->out, url, n);
    return true;
}

static bool add_region(void *arg, const char *region, const char *url)
{
    struct buf *out = arg;

    (void)url;
    buf_addf(out, "%s%.100s", out->len > 0 ? ", " : "", region);
    return out->over;
}

int keystone_regions(struct keystone *k, struct buf *out, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    const struct session *s;

    if (session_get(k, &ref, &s, e))
        return -1;
    (void)each_endpoint(k, s, "compute", add_region, out);
    return 0;
}

struct visiting {
    int (*each)(void *arg, const char *region, struct err *e);
    void *arg;
    struct err *e;
};

static bool visit_region(void *arg, const char *region, const char *url)
{
    const struct visiting *v = arg;

    (void)url;
    return v->each(v->arg, region, v->e) != 0;
}

int keystone_each_region(struct keystone *k, int (*each)(void *arg, const char *region, struct err *e), void *arg,
                         struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    struct visiting v = {each, arg, e};
    const struct session *s;

    if (session_get(k, &ref, &s, e))
        return -1;
    return each_endpoint(k, s, "compute", visit_region, &v) ? -1 : 0;
}

/* The account's region, else the only one. */
static int default_region(struct keystone *k, const struct session *s, char out[KEYSTONE_REGION_SIZE], struct err *e)
{
    AUTO_BUF struct buf names = BUF_INIT(300);
    const char *own = k->account->region;
    bool sound;

    (void)each_endpoint(k, s, "compute", add_region, &names);
    if (own != NULL || k->account->compute_url != NULL)
        sound =
            k->account->compute_url != NULL || each_endpoint(k, s, "compute", is_wanted, &(struct wanted){own, NULL});
    else
        sound = names.len > 0 && strchr(names.p, ',') == NULL;
    if (!sound || strlen(own != NULL ? own : "") >= KEYSTONE_REGION_SIZE || names.len >= names.max)
        return err_set(e, ERR_INVALID,
                       "openstack: %s%.60s%s: set clouds.openstack.region or OS_REGION_NAME to one of: %.200s",
                       own != NULL ? "no region " : "no region", own != NULL ? own : "",
                       own != NULL ? " with machines in the catalogue" : "", names.len > 0 ? names.p : "(none)");
    (void)snprintf(out, KEYSTONE_REGION_SIZE, "%.63s", own != NULL ? own : names.len > 0 ? names.p : "");
    return 0;
}

int keystone_region(struct keystone *k, const char *asked, char out[KEYSTONE_REGION_SIZE], bool *is_region,
                    struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    const struct session *s;

    if (session_get(k, &ref, &s, e))
        return -1;
    if (asked != NULL && strlen(asked) < KEYSTONE_REGION_SIZE &&
        each_endpoint(k, s, "compute", is_wanted, &(struct wanted){asked, NULL})) {
        (void)snprintf(out, KEYSTONE_REGION_SIZE, "%s", asked);
        *is_region = true;
        return 0;
    }
    if (default_region(k, s, out, e))
        return -1;
    *is_region = asked == NULL || strcmp(asked, out) == 0;
    return 0;
}

static const char *own_url(const struct os_account *a, const char *type)
{
    if (strcmp(type, "compute") == 0)
        return a->compute_url;
    return strcmp(type, "image") == 0 ? a->image_url : a->network_url;
}

int keystone_endpoint(struct keystone *k, const char *type, const char *region, struct buf *out, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    const char *own = own_url(k->account, type);
    bool at_home = k->account->region == NULL || strcmp(k->account->region, region) == 0;
    const struct session *s;

    if (own != NULL && at_home) {
        buf_adds(out, own);
        return 0;
    }
    if (session_get(k, &ref, &s, e))
        return -1;
    if (!each_endpoint(k, s, type, is_wanted, &(struct wanted){region, out}))
        return err_set(e, ERR_INVALID, "openstack: the catalogue has no %s service on the %s interface of region %.60s",
                       type, k->account->interface, region);
    return 0;
}
