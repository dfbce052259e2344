/* Who signs: settings, variables, Oracle's config file, and the machine's own instance principal. */
#include "tests/support/unit.h"

#include "providers/common/oci_creds.h"
#include "server/base/clock.h"
#include "server/base/json.h"
#include "server/base/text.h"
#include "tests/support/env.h"
#include "tests/support/fake_cloud.h"
#include "tests/support/pem.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TENANCY "ocid1.tenancy.oc1..aaaat"
#define USER "ocid1.user.oc1..aaaau"
#define FINGERPRINT "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34"
#define PROFILE "user=" USER "\nfingerprint=" FINGERPRINT "\ntenancy=" TENANCY "\nregion=eu-frankfurt-1\n"
#define NOW_MS 1714572000000

/* A home, a server that is API, metadata service and federation endpoint at once, and one account. */
struct world {
    char dir[64], config[128], key[128];
    struct env env;
    struct rawserver *server;
    struct httpc *http;
    struct oci_creds_conf conf;
    struct oci_creds *creds;
    struct rest_client api;
    EVP_PKEY *user_key, *leaf_key; /* of the file, of the machine's certificate */
    const char *cert, *leaf_pem;
    int64_t token_s;        /* how long tokens live */
    size_t tokens, refuse;  /* handed out; calls of the API to be refused with 401 */
    int metadata, exchange; /* their status when not 200 */
};

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* ---- the server ---- */

static void give_token(struct world *w, struct buf *answer)
{
    AUTO_BUF struct buf claims = BUF_INIT(1000), token = BUF_INIT(4000);

    w->tokens++;
    buf_addf(&claims, "{\"n\":%zu,\"exp\":%lld}", w->tokens, (long long)(clock_now_ms() / 1000 + w->token_s));
    buf_adds(&token, "eyJhbGciOiJSUzI1NiJ9.");
    text_base64url(&token, claims.p, claims.len);
    buf_adds(&token, ".c2lnbmF0dXJl");
    fake_json(answer, 200, "", json_pack("{s:s}", "token", token.p));
}

static void metadata(struct world *w, const struct raw_request *r, struct buf *answer)
{
    const char *who = raw_header(r, "Authorization");

    if (w->metadata != 0)
        raw_answer(answer, w->metadata, "", "no");
    else if (who == NULL || strcmp(who, "Bearer Oracle") != 0)
        raw_answer(answer, 403, "", "no");
    else if (text_has_suffix(r->path, "/instance/regionInfo"))
        raw_answer(answer, 200, "",
                   "{\"realmKey\":\"oc1\",\"realmDomainComponent\":\"oraclecloud.com\",\"regionKey\":\"FRA\","
                   "\"regionIdentifier\":\"eu-frankfurt-1\"}");
    else if (text_has_suffix(r->path, "/identity/key.pem"))
        raw_answer(answer, 200, "", w->leaf_pem);
    else
        raw_answer(answer, 200, "", w->cert);
}

static int answer(void *arg, const struct raw_request *r, struct buf *out)
{
    struct world *w = arg;

    if (text_has_prefix(r->path, "/opc/v2/")) {
        metadata(w, r, out);
    } else if (strcmp(r->path, "/v1/x509") == 0) {
        if (w->exchange != 0)
            raw_answer(out, w->exchange, "", "{\"code\":\"NotAuthenticated\",\"message\":\"no\"}");
        else
            give_token(w, out);
    } else if (w->refuse > 0) {
        w->refuse--;
        clock_test_advance(2000); /* another time, another signature */
        raw_answer(out, 401, "", "{\"code\":\"NotAuthenticated\",\"message\":\"who?\"}");
    } else {
        raw_answer(out, 200, "", "{}");
    }
    return RAW_ANSWER;
}

/* ---- the world ---- */

/* Made once for all tests: keys take their time. */
struct keys {
    EVP_PKEY *leaf, *user;
    char *cert, *leaf_pem, *user_pem;
};

static int make_keys(void **state)
{
    struct keys *k = calloc(1, sizeof(*k));

    k->leaf = EVP_RSA_gen(2048);
    k->user = EVP_RSA_gen(2048);
    k->cert = pem_cert(k->leaf, "opc-tenant:" TENANCY);
    k->leaf_pem = pem_key(k->leaf, NULL);
    k->user_pem = pem_key(k->user, NULL);
    *state = k;
    return 0;
}

static int free_keys(void **state)
{
    struct keys *k = *state;

    EVP_PKEY_free(k->leaf);
    EVP_PKEY_free(k->user);
    free(k->cert);
    free(k->leaf_pem);
    free(k->user_pem);
    free(k);
    return 0;
}

static const char *variable(void *arg, const char *name)
{
    const struct world *w = arg;
    size_t n = strlen(name);

    for (size_t i = 0; i < w->env.n; i++) {
        if (strncmp(w->env.v[i], name, n) == 0 && w->env.v[i][n] == '=')
            return w->env.v[i] + n + 1;
    }
    return NULL;
}

static void read_fault(const json_t *doc, struct rest_said *out)
{
    out->message = json_string_value(json_object_get(doc, "message"));
}

static int world_open(void **state)
{
    static const struct rest_rule none[] = {{0, NULL, NULL, ERR_NONE, 0, NULL}};
    static const struct rest_dialect dialect = {.cloud = "oracle", .rules = none, .read = read_fault};
    const struct keys *keys = *state;
    struct world *w = calloc(1, sizeof(*w));

    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/muster-home-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(w->config, sizeof(w->config), "%s/.oci", w->dir);
    assert_int_equal(mkdir(w->config, 0700), 0);
    (void)snprintf(w->config, sizeof(w->config), "%s/.oci/config", w->dir);
    (void)snprintf(w->key, sizeof(w->key), "%s/.oci/key.pem", w->dir);
    write_file(w->key, keys->user_pem);
    w->user_key = keys->user;
    w->leaf_key = keys->leaf;
    w->cert = keys->cert;
    w->leaf_pem = keys->leaf_pem;
    w->token_s = 3600;
    w->server = raw_start(&(struct raw_conf){.handler = answer, .arg = w});
    w->http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    env_addf(&w->env, "HOME=%s", w->dir);
    env_addf(&w->env, "OCI_METADATA_BASE_URL=%s/opc/v2", raw_url(w->server));
    env_addf(&w->env, "OCI_SDK_AUTH_CLIENT_REGION_URL=%s", raw_url(w->server));
    w->conf = (struct oci_creds_conf){.http = w->http, .getenv_fn = variable, .getenv_arg = w, .timeout_ms = 5000};
    w->creds = oci_creds_new(&w->conf);
    w->api = (struct rest_client){
        .http = w->http, .dialect = &dialect, .base = raw_url(w->server), .auth = oci_creds_auth, .auth_arg = w->creds};
    clock_test_set(NOW_MS);
    *state = w;
    return 0;
}

static int world_close(void **state)
{
    struct world *w = *state;

    clock_test_release();
    oci_creds_free(w->creds);
    httpc_free(w->http);
    raw_stop(w->server);
    (void)unlink(w->config);
    (void)unlink(w->key);
    (void)snprintf(w->config, sizeof(w->config), "%s/.oci", w->dir);
    (void)rmdir(w->config);
    (void)rmdir(w->dir);
    env_clear(&w->env);
    free(w);
    return 0;
}

/* One call of the API, with a body. */
static int ask(struct world *w, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_JSON json_t *body = json_pack("{s:s}", "name", "muster-a");
    const struct rest_call call = {.method = "POST", .path = "/x?y=a%20b", .what = "ask", .body = body};

    return rest_do(&w->api, &call, &res, e);
}

static const struct raw_request *last(struct world *w)
{
    return raw_get(w->server, raw_count(w->server) - 1);
}

/* The value of a parameter of the Authorization header. */
static void parameter(const struct raw_request *r, const char *name, char *out, size_t size)
{
    char start[64];
    const char *at;

    (void)snprintf(start, sizeof(start), "%s=\"", name);
    at = strstr(raw_header(r, "Authorization"), start);
    assert_non_null(at);
    at += strlen(start);
    (void)snprintf(out, size, "%.*s", (int)strcspn(at, "\""), at);
}

/* What was signed, put together from the request as it arrived. */
static void text_of(const struct raw_request *r, struct buf *text)
{
    char headers[200];
    char *name = headers, *end;

    parameter(r, "headers", headers, sizeof(headers));
    for (; name != NULL; name = end) {
        end = strchr(name, ' ');
        if (end != NULL)
            *end++ = '\0';
        buf_addf(text, "%s%s: ", text->len > 0 ? "\n" : "", name);
        if (strcmp(name, "(request-target)") == 0)
            buf_addf(text, "%s %s", strcmp(r->method, "POST") == 0 ? "post" : "get", r->path);
        else
            buf_adds(text, raw_header(r, name));
    }
}

static bool is_signed_by(const struct raw_request *r, EVP_PKEY *key)
{
    AUTO_BUF struct buf text = BUF_INIT(8192), sig = BUF_INIT(1024);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    char signature[1024];
    struct err e;
    bool good;

    text_of(r, &text);
    parameter(r, "signature", signature, sizeof(signature));
    assert_ok(text_unbase64(signature, strlen(signature), &sig, &e), e);
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    good = EVP_DigestVerify(ctx, (const unsigned char *)sig.p, sig.len, (const unsigned char *)text.p, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

/* ---- the config file ---- */

static void test_oci_creds__the_default_profile_signs(void **state)
{
    struct world *w = *state;
    char key_id[300];
    struct err e;

    write_file(w->config, "# Oracle's own\n[DEFAULT]\n" PROFILE "key_file = ~/.oci/key.pem\n[other]\nuser=nobody\n");
    assert_ok(ask(w, &e), e);
    parameter(last(w), "keyId", key_id, sizeof(key_id));
    assert_string_equal(key_id, TENANCY "/" USER "/" FINGERPRINT);
    assert_true(is_signed_by(last(w), w->user_key));
    assert_string_equal(raw_header(last(w), "Date"), "Wed, 01 May 2024 14:00:00 GMT");
}

static void test_oci_creds__a_profile_inherits_what_it_does_not_say(void **state)
{
    struct world *w = *state;
    AUTO_OCI_PROFILE struct oci_profile p = {0};
    struct err e;

    write_file(w->config, "[DEFAULT]\n" PROFILE "key_file=/d.pem\n[ci]\nkey_file=/ci.pem\nregion = us-ashburn-1\n");
    env_set(&w->env, "OCI_CLI_PROFILE", "ci");
    assert_ok(oci_profile_load(variable, w, &p, &e), e);
    assert_true(p.found);
    assert_string_equal(p.user, USER);
    assert_string_equal(p.key_file, "/ci.pem");
    assert_string_equal(p.region, "us-ashburn-1");
    env_set(&w->env, "OCI_CLI_PROFILE", "nobody");
    assert_fails(oci_profile_load(variable, w, &p, &e), ERR_AUTH, ".oci/config: there is no profile [nobody]", e);
}

static void test_oci_creds__a_malformed_file_is_named_with_its_line(void **state)
{
    struct world *w = *state;
    struct err e;

    write_file(w->config, "[DEFAULT]\nuser " USER "\n");
    assert_fails(ask(w, &e), ERR_AUTH, ".oci/config:2: expected \"name = value\"", e);
    env_set(&w->env, "OCI_CONFIG_FILE", "/nowhere/config");
    assert_fails(ask(w, &e), ERR_AUTH, "/nowhere/config: there is no profile [DEFAULT]", e);
    assert_int_equal(raw_count(w->server), 0);
}

static void test_oci_creds__what_is_missing_or_unknown_is_named(void **state)
{
    static const struct {
        const char *config, *says;
    } rows[] = {{"[DEFAULT]\nuser=" USER "\nkey_file=/k.pem\nfingerprint=" FINGERPRINT "\n", "tenancy is missing"},
                {"[DEFAULT]\ntenancy=" TENANCY "\nkey_file=/k.pem\n", "user is missing"},
                {"[DEFAULT]\n" PROFILE, "private_key is missing"},
                {"[DEFAULT]\n" PROFILE "key_file=/nowhere/k.pem\n", "key_file: /nowhere/k.pem: No such file"},
                {"[DEFAULT]\n" PROFILE "user=me\nkey_file=/k.pem\n", "user is not written like ocid1.user.oc1"},
                {"[DEFAULT]\n" PROFILE "fingerprint=20:3b\nkey_file=/k.pem\n", "fingerprint is not written like"},
                {"[DEFAULT]\nregion=eu-frankfurt-1\nsecurity_token_file=/t\n", "by security_token_file, which is not"}};
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e;

        write_file(w->config, rows[i].config);
        assert_fails(ask(w, &e), ERR_AUTH, rows[i].says, e);
    }
    assert_int_equal(raw_count(w->server), 0);
}

static void test_oci_creds__an_encrypted_key_needs_its_pass_phrase(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *locked = pem_key(w->leaf_key, "hunter2");
    struct err e;

    write_file(w->key, locked);
    write_file(w->config, "[DEFAULT]\n" PROFILE "key_file=~/.oci/key.pem\n");
    assert_fails(ask(w, &e), ERR_AUTH, "~/.oci/key.pem: the private key is protected by a pass phrase", e);
    write_file(w->config, "[DEFAULT]\n" PROFILE "key_file=~/.oci/key.pem\npass_phrase=hunter3\n");
    assert_fails(ask(w, &e), ERR_AUTH, "the pass phrase does not open", e);
    assert_null(strstr(e.msg, "hunter3"));
    write_file(w->config, "[DEFAULT]\n" PROFILE "key_file=~/.oci/key.pem\npass_phrase=hunter2\n");
    assert_ok(ask(w, &e), e);
    assert_true(is_signed_by(last(w), w->leaf_key));
}

static void test_oci_creds__settings_and_variables_come_before_the_file(void **state)
{
    struct world *w = *state;
    AUTO_SECRET struct secret *pem = secret_new(w->leaf_pem, strlen(w->leaf_pem));
    char key_id[300], other[128];
    struct err e;

    write_file(w->config, "[DEFAULT]\n" PROFILE "key_file=/nowhere\n");
    (void)snprintf(other, sizeof(other), "%s/.oci/key.pem", w->dir);
    env_set(&w->env, "OCI_CLI_KEY_FILE", other);
    assert_ok(ask(w, &e), e);
    w->conf.user = "ocid1.user.oc1..other";
    w->conf.private_key = pem;
    clock_test_advance(6 * 60 * 1000);
    assert_ok(ask(w, &e), e);
    parameter(last(w), "keyId", key_id, sizeof(key_id));
    assert_string_equal(key_id, TENANCY "/ocid1.user.oc1..other/" FINGERPRINT);
    assert_true(is_signed_by(last(w), w->leaf_key));
}

static void test_oci_creds__the_environment_alone_may_hold_credentials(void **state)
{
    struct world *w = *state;

    assert_false(oci_creds_in_env(variable, w));
    write_file(w->config, "[DEFAULT]\n" PROFILE "key_file=/k.pem\n");
    assert_true(oci_creds_in_env(variable, w));
    assert_int_equal(unlink(w->config), 0);
    env_set(&w->env, "OCI_CLI_USER", USER);
    assert_false(oci_creds_in_env(variable, w));
    env_set(&w->env, "OCI_CLI_KEY_FILE", "/k.pem");
    assert_true(oci_creds_in_env(variable, w));
}

/* ---- refusals ---- */

static void test_oci_creds__a_refused_key_is_sent_once(void **state)
{
    struct world *w = *state;
    struct err e;

    write_file(w->config, "[DEFAULT]\n" PROFILE "key_file=~/.oci/key.pem\n");
    assert_ok(ask(w, &e), e);
    w->refuse = 1;
    assert_fails(ask(w, &e), ERR_AUTH, "who?", e);
    assert_int_equal(raw_count(w->server), 2);
}

static void test_oci_creds__a_key_that_was_changed_meanwhile_is_tried(void **state)
{
    struct world *w = *state;
    struct err e;

    write_file(w->config, "[DEFAULT]\n" PROFILE "key_file=~/.oci/key.pem\n");
    assert_ok(ask(w, &e), e);
    write_file(w->key, w->leaf_pem);
    w->refuse = 1;
    assert_ok(ask(w, &e), e);
    assert_int_equal(raw_count(w->server), 3);
    assert_true(is_signed_by(last(w), w->leaf_key));
}

/* ---- instance principals ---- */

/* The public key of the exchange's body. */
static EVP_PKEY *session_key(const json_t *body)
{
    AUTO_BUF struct buf der = BUF_INIT(4096);
    const char *text = json_string_value(json_object_get(body, "publicKey"));
    const unsigned char *p;
    EVP_PKEY *key;
    struct err e;

    assert_ok(text_unbase64(text, strlen(text), &der, &e), e);
    p = (const unsigned char *)der.p;
    key = d2i_PUBKEY(NULL, &p, (long)der.len);
    assert_non_null(key);
    return key;
}

static const struct raw_request *exchange_of(struct world *w)
{
    for (size_t i = raw_count(w->server); i > 0; i--) {
        if (strcmp(raw_get(w->server, i - 1)->path, "/v1/x509") == 0)
            return raw_get(w->server, i - 1);
    }
    fail_msg("no certificate was exchanged");
    return NULL;
}

/* PEM without its armour and line breaks. */
static void body_of(const char *pem, struct buf *out)
{
    for (const char *p = strchr(pem, '\n') + 1; *p != '-'; p++) {
        if (*p != '\n')
            buf_addc(out, *p);
    }
}

static void test_oci_creds__a_machine_of_oracles_exchanges_its_certificate(void **state)
{
    struct world *w = *state;
    AUTO_JSON json_t *body = NULL;
    AUTO_BUF struct buf cert = BUF_INIT(8192);
    const struct raw_request *x;
    char key_id[1000], headers[200];
    EVP_PKEY *session;
    struct err e;

    assert_ok(ask(w, &e), e);
    x = exchange_of(w);
    parameter(x, "keyId", key_id, sizeof(key_id));
    assert_true(text_has_prefix(key_id, TENANCY "/fed-x509-sha256/"));
    assert_int_equal(strlen(key_id), strlen(TENANCY "/fed-x509-sha256/") + 95);
    parameter(x, "headers", headers, sizeof(headers));
    assert_string_equal(headers, "date (request-target) content-length content-type x-content-sha256");
    assert_true(is_signed_by(x, w->leaf_key));
    body = fake_body(x);
    body_of(w->cert, &cert);
    assert_string_equal(json_string_value(json_object_get(body, "certificate")), cert.p);
    assert_string_equal(json_string_value(json_array_get(json_object_get(body, "intermediateCertificates"), 0)),
                        cert.p);
    assert_string_equal(json_string_value(json_object_get(body, "fingerprintAlgorithm")), "SHA256");
    session = session_key(body);
    parameter(last(w), "keyId", key_id, sizeof(key_id));
    assert_true(text_has_prefix(key_id, "ST$eyJhbGciOiJSUzI1NiJ9."));
    assert_true(is_signed_by(last(w), session));
    EVP_PKEY_free(session);
}

static void test_oci_creds__a_token_is_kept_until_shortly_before_its_end(void **state)
{
    struct world *w = *state;
    struct err e;

    assert_ok(ask(w, &e), e);
    clock_test_advance(54 * 60 * 1000);
    assert_ok(ask(w, &e), e);
    assert_int_equal(w->tokens, 1);
    clock_test_advance(2 * 60 * 1000);
    assert_ok(ask(w, &e), e);
    assert_int_equal(w->tokens, 2);
}

/* PROVIDERS.md trap 14: one refresh, one repetition, then it is the account's fault. */
static void test_oci_creds__trap_14_a_refused_token_is_renewed_once(void **state)
{
    struct world *w = *state;
    struct err e;

    assert_ok(ask(w, &e), e);
    w->refuse = 1;
    assert_ok(ask(w, &e), e);
    assert_int_equal(w->tokens, 2);
    w->refuse = 2;
    assert_fails(ask(w, &e), ERR_AUTH, "who?", e);
    assert_int_equal(w->tokens, 3);
}

static void test_oci_creds__faults_of_the_exchange_are_told_apart(void **state)
{
    struct world *w = *state;
    struct err e;

    w->metadata = 404;
    assert_fails(ask(w, &e), ERR_AUTH, "no credentials: set tenancy", e);
    w->metadata = 503;
    assert_fails(ask(w, &e), ERR_RETRY, "HTTP status 503", e);
    w->metadata = 0;
    w->exchange = 401;
    assert_fails(ask(w, &e), ERR_AUTH, "check the clock", e);
    w->exchange = 500;
    assert_fails(ask(w, &e), ERR_RETRY, "oracle x509", e);
    w->exchange = 0;
    assert_ok(ask(w, &e), e);
}

static void test_oci_creds__off_oracles_cloud_it_says_what_can_be_set(void **state)
{
    struct world *w = *state;
    struct err e;

    env_set(&w->env, "OCI_METADATA_BASE_URL", "http://127.0.0.1:1");
    assert_fails(ask(w, &e), ERR_AUTH, "set tenancy, user, fingerprint and private_key", e);
}

static void test_oci_creds__a_metadata_service_without_sense_is_tried_again(void **state)
{
    struct world *w = *state;
    const char *cert = w->cert;
    struct err e;

    w->cert = "not a certificate";
    assert_fails(ask(w, &e), ERR_RETRY, "cert.pem: expected a certificate", e);
    w->cert = cert;
    w->leaf_pem = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0LW9mLXRoZS1tYWNoaW5l";
    assert_fails(ask(w, &e), ERR_RETRY, "key.pem", e);
    assert_null(strstr(e.msg, "c2VjcmV0"));
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, world_open, world_close)
    static const struct CMUnitTest tests[] = {
        TEST(test_oci_creds__the_default_profile_signs),
        TEST(test_oci_creds__a_profile_inherits_what_it_does_not_say),
        TEST(test_oci_creds__a_malformed_file_is_named_with_its_line),
        TEST(test_oci_creds__what_is_missing_or_unknown_is_named),
        TEST(test_oci_creds__an_encrypted_key_needs_its_pass_phrase),
        TEST(test_oci_creds__settings_and_variables_come_before_the_file),
        TEST(test_oci_creds__the_environment_alone_may_hold_credentials),
        TEST(test_oci_creds__a_refused_key_is_sent_once),
        TEST(test_oci_creds__a_key_that_was_changed_meanwhile_is_tried),
        TEST(test_oci_creds__a_machine_of_oracles_exchanges_its_certificate),
        TEST(test_oci_creds__a_token_is_kept_until_shortly_before_its_end),
        TEST(test_oci_creds__trap_14_a_refused_token_is_renewed_once),
        TEST(test_oci_creds__faults_of_the_exchange_are_told_apart),
        TEST(test_oci_creds__off_oracles_cloud_it_says_what_can_be_set),
        TEST(test_oci_creds__a_metadata_service_without_sense_is_tried_again),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
