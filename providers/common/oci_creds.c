#include "providers/common/oci_creds.h"

#include "providers/common/ini.h"
#include "providers/common/oci_federation.h"
#include "providers/common/oci_region.h"
#include "providers/common/sign_oci.h"
#include "server/base/cache.h"
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define CACHE_KEY "identity"
#define EARLY_MS ((int64_t)5 * 60 * 1000)
#define FILES_AGAIN_MS ((int64_t)5 * 60 * 1000)

/* Whom a signature names, and the key behind it. */
struct identity {
    struct secret *key_id;
    struct crypto_key *key;
};

struct oci_creds {
    const struct oci_creds_conf *conf;
    struct cache *cache;
};

static void free_identity(void *value)
{
    struct identity *i = value;

    if (i == NULL)
        return;
    secret_free(i->key_id);
    crypto_key_free(i->key);
    free(i);
}

struct oci_creds *oci_creds_new(const struct oci_creds_conf *conf)
{
    struct oci_creds *c = mem_zalloc(sizeof(*c));

    c->conf = conf;
    c->cache = cache_new(1, free_identity);
    return c;
}

void oci_creds_free(struct oci_creds *c)
{
    if (c == NULL)
        return;
    cache_free(c->cache);
    free(c);
}

static const char *env(conf_getenv_fn *getenv_fn, void *arg, const char *name)
{
    const char *v = getenv_fn(arg, name);

    return v != NULL && *v != '\0' ? v : NULL;
}

/* ---- a user's key ---- */

/* The four parts, each from where it was found first; borrowed. */
struct parts {
    const char *tenancy, *user, *fingerprint;
    const struct secret *private_key, *pass_phrase;
    const char *key_file; /* when there is no private_key */
};

static struct parts parts_of(const struct oci_creds_conf *c, const struct oci_profile *p)
{
    const char *key_file = env(c->getenv_fn, c->getenv_arg, "OCI_CLI_KEY_FILE");

    return (struct parts){.tenancy = c->tenancy != NULL ? c->tenancy : p->tenancy,
                          .user = c->user != NULL ? c->user : p->user,
                          .fingerprint = c->fingerprint != NULL ? c->fingerprint : p->fingerprint,
                          .private_key = c->private_key,
                          .pass_phrase = c->pass_phrase != NULL ? c->pass_phrase : p->pass_phrase,
                          .key_file = key_file != NULL ? key_file : p->key_file};
}

static int check_parts(const struct parts *p, struct err *e)
{
    const char *missing = p->tenancy == NULL                              ? "tenancy"
                          : p->user == NULL                               ? "user"
                          : p->fingerprint == NULL                        ? "fingerprint"
                          : p->private_key == NULL && p->key_file == NULL ? "private_key"
                                                                          : NULL;

    if (missing != NULL)
        return err_set(e, ERR_AUTH,
                       "%s is missing: tenancy, user, fingerprint and private_key go together, in clouds.oracle, "
                       "OCI_CLI_ variables or ~/.oci/config",
                       missing);
    if (!oci_is_ocid(p->tenancy, "tenancy") || !oci_is_ocid(p->user, "user"))
        return err_set(e, ERR_AUTH, "%s is not written like ocid1.%s.oc1..aaaa",
                       oci_is_ocid(p->tenancy, "tenancy") ? "user" : "tenancy",
                       oci_is_ocid(p->tenancy, "tenancy") ? "user" : "tenancy");
    if (strlen(p->fingerprint) != 47 || p->fingerprint[strspn(p->fingerprint, "0123456789abcdef:")] != '\0')
        return err_set(e, ERR_AUTH, "fingerprint is not written like 20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34");
    return 0;
}

static int read_key_file(const struct oci_creds_conf *c, const char *file, struct secret **out, struct err *e)
{
    AUTO(buf_wipe) struct buf text = BUF_INIT(INI_FILE_MAX);
    const char *home = env(c->getenv_fn, c->getenv_arg, "HOME");
    char path[1024];
    bool at_home = text_has_prefix(file, "~/") && home != NULL;

    if ((size_t)snprintf(path, sizeof(path), "%s%s", at_home ? home : "", at_home ? file + 1 : file) >= sizeof(path))
        return err_set(e, ERR_AUTH, "key_file: the path is too long");
    if (ini_read_file(path, &text, e)) {
        e->kind = ERR_AUTH;
        return err_wrap(e, "key_file");
    }
    return secret_from_buf(&text, out, e);
}

static int from_key(const struct oci_creds_conf *c, const struct parts *p, struct identity *out, struct err *e)
{
    AUTO_SECRET struct secret *from_file = NULL;
    char key_id[800];

    if (check_parts(p, e) || (p->private_key == NULL && read_key_file(c, p->key_file, &from_file, e)))
        return -1;
    if (crypto_key_unlock(p->private_key != NULL ? p->private_key : from_file, p->pass_phrase,
                          p->private_key != NULL ? "private_key" : p->key_file, &out->key, e)) {
        e->kind = ERR_AUTH;
        return -1;
    }
    (void)snprintf(key_id, sizeof(key_id), "%s/%s/%s", p->tenancy, p->user, p->fingerprint);
    out->key_id = secret_new(key_id, strlen(key_id));
    return 0;
}

/* ---- a machine's own name ---- */

static int from_instance(const struct oci_creds_conf *c, struct identity *out, int64_t *until_ms, struct err *e)
{
    AUTO_SECRET struct secret *token = NULL;
    struct buf key_id = BUF_INIT((size_t)64 * 1024);
    int64_t expires_ms = 0, life_ms;

    if (oci_federation(c, &token, &out->key, &expires_ms, e))
        return e->kind != ERR_AUTH ? -1
                                   : err_wrap(e, "no credentials: set tenancy, user, fingerprint and private_key, the "
                                                 "OCI_CLI_ variables, ~/.oci/config, or run on a machine of a dynamic "
                                                 "group");
    buf_addf(&key_id, "ST$%s", secret_reveal(token));
    if (secret_from_buf(&key_id, &out->key_id, e))
        return -1;
    life_ms = expires_ms - clock_now_ms();
    *until_ms = expires_ms - (life_ms > 2 * EARLY_MS ? EARLY_MS : life_ms / 2);
    return 0;
}

/* ---- one of them ---- */

static int find_identity(const struct oci_creds_conf *c, struct identity *out, int64_t *until_ms, struct err *e)
{
    AUTO_OCI_PROFILE struct oci_profile profile = {0};
    struct parts p;

    if (oci_profile_load(c->getenv_fn, c->getenv_arg, &profile, e))
        return -1;
    p = parts_of(c, &profile);
    if (p.user == NULL && p.fingerprint == NULL && p.private_key == NULL && profile.unsupported != NULL)
        return err_set(e, ERR_AUTH,
                       "the profile gets its credentials by %s, which is not known here: give it a user and a key_file",
                       profile.unsupported);
    if (p.user == NULL && p.fingerprint == NULL && p.private_key == NULL && p.key_file == NULL)
        return from_instance(c, out, until_ms, e);
    *until_ms = clock_now_ms() + FILES_AGAIN_MS;
    return from_key(c, &p, out, e);
}

static int fill(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct oci_creds *c = arg;
    struct identity *i = mem_zalloc(sizeof(*i));

    (void)key;
    if (find_identity(c->conf, i, &out->expires_ms, e)) {
        free_identity(i);
        return -1;
    }
    out->value = i;
    return 0;
}

/* ---- signing ---- */

static int sign(const struct identity *i, const struct sign_oci_req *what, const char *date, struct rest_headers *out,
                struct err *e)
{
    struct sign_oci_req r = *what;

    r.key_id = secret_reveal(i->key_id);
    r.key = i->key;
    r.date = date;
    return sign_oci(&r, out, e);
}

/* Are these headers, Date first, what this identity makes of that date? RSA signs the same thing in the same way. */
static bool was_signed_by(const struct identity *i, const struct sign_oci_req *what, const struct rest_headers *sent)
{
    AUTO_REST_HEADERS struct rest_headers again = {.n = 0};
    struct err ignored;

    return sent->n >= 2 && sign(i, what, secret_reveal(sent->values[0]), &again, &ignored) == 0 &&
           crypto_same(again.values[1], sent->values[1]);
}

int oci_creds_auth(void *creds, const struct rest_call *call, const char *url, const char *text, size_t len,
                   const struct rest_headers *refused, struct rest_headers *out, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL, *fresh = NULL;
    struct oci_creds *c = creds;
    struct sign_oci_req what = {
        .method = call->method, .url = url, .body = call->body != NULL ? text : NULL, .body_len = len};
    char date[SIGN_OCI_DATE_LEN + 1];

    sign_oci_date(clock_now_ms(), date);
    if (cache_get(c->cache, CACHE_KEY, fill, c, &ref, e))
        return err_wrap(e, "Oracle credentials");
    if (refused == NULL || !was_signed_by(cache_value(ref), &what, refused))
        return sign(cache_value(ref), &what, date, out, e);
    cache_drop(c->cache, CACHE_KEY, cache_value(ref));
    if (cache_get(c->cache, CACHE_KEY, fill, c, &fresh, e))
        return err_wrap(e, "Oracle credentials");
    if (was_signed_by(cache_value(fresh), &what, refused)) /* nothing newer: the refusal stands */
        return sign(cache_value(fresh), &what, secret_reveal(refused->values[0]), out, e);
    return sign(cache_value(fresh), &what, date, out, e);
}

bool oci_creds_in_env(conf_getenv_fn *getenv_fn, void *arg)
{
    AUTO_OCI_PROFILE struct oci_profile p = {0};
    struct err ignored = {0};
    bool key = env(getenv_fn, arg, "OCI_CLI_KEY_CONTENT") != NULL || env(getenv_fn, arg, "OCI_CLI_KEY_FILE") != NULL;

    if (env(getenv_fn, arg, "OCI_CLI_USER") != NULL && key)
        return true;
    if (oci_profile_load(getenv_fn, arg, &p, &ignored))
        return false;
    return p.user != NULL && p.key_file != NULL;
}
