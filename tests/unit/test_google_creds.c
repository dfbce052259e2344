/* Where Google's access tokens come from, source by source, against a server that plays token endpoint, metadata
 * service and API. */
#include "tests/support/unit.h"

#include "providers/common/google_creds.h"
#include "server/base/clock.h"
#include "server/base/text.h"
#include "tests/support/env.h"
#include "tests/support/fake_cloud.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_MS INT64_C(1714564800000) /* 2024-05-01T12:00:00Z */

struct scene {
    struct env env;
    struct rawserver *server;
    struct httpc *http;
    struct google_creds_conf conf;
    struct google_creds *creds;
    int status;       /* of the token endpoint; 0 = 200 with a token */
    const char *body; /* with it */
    int given;        /* tokens handed out so far; they are numbered */
    int refused;      /* the API refuses tokens up to this number */
    char dir[64], file[128], pem[128], url[128], host[64];
};

static const char *variable(void *arg, const char *name)
{
    const struct scene *s = arg;
    size_t n = strlen(name);

    for (size_t i = 0; i < s->env.n; i++) {
        if (strncmp(s->env.v[i], name, n) == 0 && s->env.v[i][n] == '=')
            return s->env.v[i] + n + 1;
    }
    return NULL;
}

static void give_token(struct scene *s, struct buf *answer)
{
    char token[32];

    if (s->status != 0) {
        raw_answer(answer, s->status, "", s->body);
        return;
    }
    (void)snprintf(token, sizeof(token), "ya29.%d", ++s->given);
    fake_json(answer, 200, "",
              json_pack("{s:s, s:i, s:s}", "access_token", token, "expires_in", 3600, "token_type", "Bearer"));
}

static int handle(void *arg, const struct raw_request *r, struct buf *answer)
{
    struct scene *s = arg;
    const char *auth = raw_header(r, "Authorization"), *flavor = raw_header(r, "Metadata-Flavor");
    int number = auth != NULL ? (int)strtol(strrchr(auth, '.') != NULL ? strrchr(auth, '.') + 1 : "0", NULL, 10) : 0;

    if (fake_is(r, "POST", "/token"))
        give_token(s, answer);
    else if (fake_is(r, "GET", "/computeMetadata/*") && (flavor == NULL || strcmp(flavor, "Google") != 0))
        raw_answer(answer, 403, "", "Missing Metadata-Flavor:Google header.");
    else if (fake_is(r, "GET", "/computeMetadata/v1/instance/service-accounts/default/token"))
        give_token(s, answer);
    else if (fake_is(r, "GET", "/computeMetadata/v1/project/project-id"))
        raw_answer(answer, 200, "", "the-machines-project");
    else if (number > s->refused)
        raw_answer(answer, 200, "", "{}");
    else
        raw_answer(answer, 401, "", "{}");
    return RAW_ANSWER;
}

static int set_up(void **state)
{
    static struct scene scene;
    struct scene *s = &scene;

    memset(s, 0, sizeof(*s));
    clock_test_set(NOW_MS);
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/google.XXXXXX");
    if (mkdtemp(s->dir) == NULL)
        return -1;
    (void)snprintf(s->file, sizeof(s->file), "%.63s/application_default_credentials.json", s->dir);
    (void)snprintf(s->pem, sizeof(s->pem), "%.63s/key.pem", s->dir);
    s->server = raw_start(&(struct raw_conf){.handler = handle, .arg = s});
    (void)snprintf(s->url, sizeof(s->url), "%.60s/token", raw_url(s->server));
    (void)snprintf(s->host, sizeof(s->host), "%s", raw_url(s->server) + strlen("http://"));
    s->http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    s->conf = (struct google_creds_conf){
        .http = s->http, .getenv_fn = variable, .getenv_arg = s, .file = s->file, .timeout_ms = 20000};
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;

    google_creds_free(s->creds);
    httpc_free(s->http);
    raw_stop(s->server);
    env_clear(&s->env);
    (void)unlink(s->file);
    (void)unlink(s->pem);
    (void)rmdir(s->dir);
    clock_test_release();
    return 0;
}

static void write_file(const struct scene *s, const char *text)
{
    FILE *f = fopen(s->file, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void write_json(const struct scene *s, json_t *doc)
{
    AUTO_FREE char *text = json_dumps(doc, 0);

    assert_non_null(text);
    write_file(s, text);
    json_decref(doc);
}

/* A service account's key, as Google writes one. */
static void write_service_account(const struct scene *s)
{
    AUTO_BUF struct buf pem = BUF_INIT(16384);
    char line[200];
    FILE *f;

    env_write_key(s->pem);
    f = fopen(s->pem, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL)
        buf_adds(&pem, line);
    (void)fclose(f);
    write_json(s, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "type", "service_account", "project_id", "keys-project",
                            "private_key_id", "key-1", "private_key", pem.p, "client_email",
                            "muster@keys-project.iam.gserviceaccount.com", "token_uri", s->url));
}

static void write_user(const struct scene *s)
{
    write_json(s, json_pack("{s:s, s:s, s:s, s:s}", "type", "authorized_user", "client_id", "the-client",
                            "client_secret", "the+client/secret", "refresh_token", "1//the-refresh-token"));
}

/* The token in use. */
static void token_is(struct scene *s, const char *expected)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    struct err e;

    if (s->creds == NULL)
        assert_ok(google_creds_open(&s->conf, &s->creds, &e), e);
    assert_ok(bearer_get(google_creds_bearer(s->creds), &ref, &e), e);
    assert_string_equal(secret_reveal(cache_value(ref)), expected);
}

static void no_token(struct scene *s, enum err_kind kind, const char *piece)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    struct err e;

    if (s->creds == NULL)
        assert_ok(google_creds_open(&s->conf, &s->creds, &e), e);
    assert_fails(bearer_get(google_creds_bearer(s->creds), &ref, &e), kind, piece, e);
}

static void does_not_open(struct scene *s, const char *text, const char *piece)
{
    struct err e;

    write_file(s, text);
    assert_fails(google_creds_open(&s->conf, &s->creds, &e), ERR_INVALID, piece, e);
    assert_null(s->creds);
    assert_null(strstr(e.msg, "hush"));
}

/* Part n of a JWT, as a document. */
static json_t *part_of(const char *jwt, int n)
{
    AUTO_BUF struct buf base64 = BUF_INIT(16384), text = BUF_INIT(16384);
    json_t *doc = NULL;
    struct err e;

    for (int i = 0; i < n; i++)
        jwt = strchr(jwt, '.') + 1;
    for (size_t i = 0; i < strcspn(jwt, "."); i++)
        buf_addc(&base64, (char)(jwt[i] == '-' ? '+' : jwt[i] == '_' ? '/' : jwt[i]));
    while (base64.len % 4 != 0)
        buf_addc(&base64, '=');
    assert_ok(text_unbase64(base64.p, base64.len, &text, &e), e);
    assert_ok(js_parse(text.p, text.len, &doc, &e), e);
    return doc;
}

/* ---- sources ---- */

static void test_google_creds__a_service_account_signs_for_its_token(void **state)
{
    struct scene *s = *state;
    AUTO_JSON json_t *header = NULL, *claims = NULL, *want = NULL;
    char form[16384], grant[80];

    write_service_account(s);
    token_is(s, "ya29.1");
    assert_true(fake_form(raw_get(s->server, 0)->body, "assertion", form, sizeof(form)));
    assert_true(fake_form(raw_get(s->server, 0)->body, "grant_type", grant, sizeof(grant)));
    assert_string_equal(grant, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    header = part_of(form, 0);
    claims = part_of(form, 1);
    assert_string_equal(json_string_value(json_object_get(header, "alg")), "RS256");
    assert_string_equal(json_string_value(json_object_get(header, "kid")), "key-1");
    want = json_pack("{s:s, s:s, s:s, s:i, s:i}", "iss", "muster@keys-project.iam.gserviceaccount.com", "scope",
                     "https://www.googleapis.com/auth/compute", "aud", s->url, "iat", 1714564800, "exp", 1714568400);
    assert_true(json_equal(claims, want));
    assert_string_equal(google_creds_project(s->creds), "keys-project");
}

static void test_google_creds__a_token_url_changes_where_is_asked_and_not_what_is_claimed(void **state)
{
    struct scene *s = *state;
    AUTO_JSON json_t *claims = NULL;
    char form[16384];

    write_service_account(s);
    s->conf.token_url = s->url;
    (void)snprintf(s->url, sizeof(s->url), "%.60s/token?proxy=1", raw_url(s->server));
    token_is(s, "ya29.1");
    assert_string_equal(raw_get(s->server, 0)->path, "/token?proxy=1");
    assert_true(fake_form(raw_get(s->server, 0)->body, "assertion", form, sizeof(form)));
    claims = part_of(form, 1);
    assert_null(strstr(json_string_value(json_object_get(claims, "aud")), "proxy"));
}

static void test_google_creds__a_user_refreshes_a_token_and_names_no_project(void **state)
{
    struct scene *s = *state;
    static const char *const want[][2] = {{"grant_type", "refresh_token"},
                                          {"client_id", "the-client"},
                                          {"client_secret", "the+client/secret"},
                                          {"refresh_token", "1//the-refresh-token"}};
    char value[200];

    write_user(s);
    s->conf.token_url = s->url;
    token_is(s, "ya29.1");
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(fake_form(raw_get(s->server, 0)->body, want[i][0], value, sizeof(value)));
        assert_string_equal(value, want[i][1]);
    }
    assert_null(google_creds_project(s->creds));
}

static void test_google_creds__without_a_named_file_gclouds_login_is_found(void **state)
{
    struct scene *s = *state;
    char home[160], folder[300];

    write_user(s);
    s->conf.file = NULL;
    s->conf.token_url = s->url;
    env_addf(&s->env, "CLOUDSDK_CONFIG=%s", s->dir);
    token_is(s, "ya29.1");
    google_creds_free(s->creds);
    s->creds = NULL;
    env_set(&s->env, "CLOUDSDK_CONFIG", NULL);
    (void)snprintf(home, sizeof(home), "%.63s/.config", s->dir);
    (void)snprintf(folder, sizeof(folder), "%s/gcloud", home);
    assert_int_equal(mkdir(home, 0700), 0);
    assert_int_equal(symlink(s->dir, folder), 0);
    env_addf(&s->env, "HOME=%s", s->dir);
    token_is(s, "ya29.2");
    (void)unlink(folder);
    (void)rmdir(home);
}

static void test_google_creds__a_google_machine_needs_no_file(void **state)
{
    struct scene *s = *state;
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    struct err e;

    s->conf.file = NULL;
    env_addf(&s->env, "GCE_METADATA_HOST=%s", s->host);
    token_is(s, "ya29.1");
    assert_ok(google_creds_machine_project(s->creds, &ref, &e), e);
    assert_string_equal(cache_value(ref), "the-machines-project");
}

static void test_google_creds__off_google_without_a_file_it_says_what_to_set(void **state)
{
    struct scene *s = *state;
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    struct err e;

    s->conf.file = NULL;
    env_addf(&s->env, "GCE_METADATA_HOST=127.0.0.1:1");
    no_token(s, ERR_AUTH, "GOOGLE_APPLICATION_CREDENTIALS");
    assert_fails(google_creds_machine_project(s->creds, &ref, &e), ERR_AUTH, "clouds.gcp.project", e);
}

/* ---- files that will not do ---- */

static void test_google_creds__what_is_no_credentials_file_is_refused_with_the_reason(void **state)
{
    struct scene *s = *state;

    does_not_open(s, "", "not JSON");
    does_not_open(s, "{\"private_key\": hush}", "not JSON at line 1");
    does_not_open(s, "{}", "no credentials of Google");
    does_not_open(s, "{\"type\":\"hamster\"}", "\"hamster\" is no type of credentials");
    does_not_open(s, "{\"type\":\"external_account\"}", "workload identity federation");
    does_not_open(s, "{\"type\":\"impersonated_service_account\"}", "impersonation");
    does_not_open(s, "{\"installed\":{\"client_secret\":\"hush\"}}", "this is an OAuth client");
    does_not_open(s, "{\"type\":\"service_account\",\"private_key\":\"hush\"}", "client_email");
    does_not_open(s, "{\"type\":\"service_account\",\"private_key\":\"hush\",\"client_email\":\"a\"}",
                  "private_key of");
    does_not_open(s, "{\"type\":\"authorized_user\",\"client_id\":\"a\",\"client_secret\":\"hush\"}", "refresh_token");
}

static void test_google_creds__a_named_file_that_is_not_there_is_an_error_and_not_passed_over(void **state)
{
    struct scene *s = *state;
    struct err e;

    env_addf(&s->env, "GCE_METADATA_HOST=%s", s->host);
    assert_fails(google_creds_open(&s->conf, &s->creds, &e), ERR_INVALID, "application_default_credentials.json", e);
}

/* ---- in use ---- */

static void say_nothing(const json_t *doc, struct rest_said *out)
{
    (void)doc;
    (void)out;
}

/* PROVIDERS.md trap 15 */
static void test_google_creds__trap_15_invalid_grant_says_check_the_clock(void **state)
{
    struct scene *s = *state;

    write_service_account(s);
    s->status = 400;
    s->body = "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT: Token must be a short-lived token\"}";
    no_token(s, ERR_AUTH, "check the clock");
}

/* PROVIDERS.md trap 14 */
static void
test_google_creds__trap_14_a_token_refused_in_mid_run_is_renewed_once_from_the_file_as_it_is_now(void **state)
{
    static const struct rest_rule none[] = {{0, NULL, NULL, ERR_NONE, 0, NULL}};
    struct scene *s = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    const struct rest_dialect dialect = {.cloud = "gcp", .rules = none, .read = say_nothing};
    struct rest_client api = {.http = s->http, .dialect = &dialect, .base = raw_url(s->server), .auth = bearer_auth};
    const struct rest_call call = {.method = "GET", .path = "/x", .what = "x"};
    struct err e;

    write_user(s);
    s->conf.token_url = s->url;
    token_is(s, "ya29.1");
    api.auth_arg = google_creds_bearer(s->creds);
    write_service_account(s); /* rotated meanwhile */
    s->refused = 1;
    assert_ok(rest_do(&api, &call, &res, &e), e);
    assert_non_null(strstr(raw_get(s->server, raw_count(s->server) - 2)->body, "assertion="));
    token_is(s, "ya29.2");
    s->refused = 9;
    assert_fails(rest_do(&api, &call, &res, &e), ERR_AUTH, "401", e);
    assert_int_equal(s->given, 3);
}

static void test_google_creds__a_token_is_renewed_before_it_ends(void **state)
{
    struct scene *s = *state;

    write_service_account(s);
    token_is(s, "ya29.1");
    clock_test_advance(INT64_C(54) * 60 * 1000);
    token_is(s, "ya29.1");
    clock_test_advance(INT64_C(2) * 60 * 1000);
    token_is(s, "ya29.2");
}

static void test_google_creds__no_secret_of_a_user_shows_in_a_refusal(void **state)
{
    struct scene *s = *state;
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    struct err e;

    write_user(s);
    s->conf.token_url = s->url;
    s->status = 401;
    s->body = "{\"error\":\"invalid_client\",\"error_description\":\"the+client/secret with 1//the-refresh-token\"}";
    assert_ok(google_creds_open(&s->conf, &s->creds, &e), e);
    assert_fails(bearer_get(google_creds_bearer(s->creds), &ref, &e), ERR_AUTH, "*** with ***", e);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_google_creds__a_service_account_signs_for_its_token, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_google_creds__a_token_url_changes_where_is_asked_and_not_what_is_claimed,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_google_creds__a_user_refreshes_a_token_and_names_no_project, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_google_creds__without_a_named_file_gclouds_login_is_found, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_google_creds__a_google_machine_needs_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_google_creds__off_google_without_a_file_it_says_what_to_set, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_google_creds__what_is_no_credentials_file_is_refused_with_the_reason,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_google_creds__a_named_file_that_is_not_there_is_an_error_and_not_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_google_creds__trap_15_invalid_grant_says_check_the_clock, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            test_google_creds__trap_14_a_token_refused_in_mid_run_is_renewed_once_from_the_file_as_it_is_now, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(test_google_creds__a_token_is_renewed_before_it_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_google_creds__no_secret_of_a_user_shows_in_a_refusal, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
