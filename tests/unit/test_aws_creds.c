/* The credential chain, source by source, against a server that plays STS, container agent and metadata service. */
#include "tests/support/unit.h"

#include "providers/common/aws_client.h"
#include "server/base/clock.h"
#include "server/base/text.h"
#include "tests/support/env.h"
#include "tests/support/fake_cloud.h"

#include <stdio.h>
#include <unistd.h>

#define NOW_MS INT64_C(1714564800000) /* 2024-05-01T12:00:00Z, an hour before the fixtures' keys end */
#define HOUR_MS (3600 * INT64_C(1000))

struct scene {
    struct env env;
    struct rawserver *server;
    struct httpc *http;
    struct aws_creds_conf conf;
    struct aws_creds *creds;
    int status;       /* instead of the truth; 0 = the truth */
    const char *body; /* with it */
    int64_t expires_ms;
    int given; /* keys handed out so far; they are numbered */
    char dir[64], file[128];
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

static void give_json(struct scene *s, struct buf *answer)
{
    AUTO_BUF struct buf body = BUF_INIT(4096);
    char until[21];

    text_format_rfc3339(s->expires_ms, until);
    buf_addf(
        &body,
        "{\"Code\":\"Success\",\"AccessKeyId\":\"ASIA%d\",\"SecretAccessKey\":\"secret%d\",\"Token\":\"session%d\","
        "\"Expiration\":\"%s\"}",
        s->given, s->given, s->given, until);
    raw_answer(answer, 200, "", body.p);
}

static void give_sts(struct scene *s, const char *action, struct buf *answer)
{
    AUTO_BUF struct buf body = BUF_INIT(4096);
    char until[21];

    text_format_rfc3339(s->expires_ms, until);
    buf_addf(&body,
             "<%sResponse><%sResult><Credentials><AccessKeyId>ASIA%d</AccessKeyId><SecretAccessKey>secret%d"
             "</SecretAccessKey><SessionToken>session%d</SessionToken><Expiration>%s</Expiration></Credentials>"
             "</%sResult></%sResponse>",
             action, action, s->given, s->given, s->given, until, action, action);
    raw_answer(answer, 200, "", body.p);
}

/* EC2: keys number 1 have been withdrawn. */
static void be_ec2(const struct raw_request *r, struct buf *answer)
{
    const char *session = raw_header(r, "X-Amz-Security-Token");

    if (session == NULL || strcmp(session, "session1") == 0)
        raw_answer(answer, 400, "",
                   "<Response><Errors><Error><Code>RequestExpired</Code><Message>Request has expired.</Message></Error>"
                   "</Errors></Response>");
    else
        raw_answer(answer, 200, "", "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>");
}

static int answer_scene(void *arg, const struct raw_request *r, struct buf *answer)
{
    struct scene *s = arg;
    char action[64] = "";

    (void)fake_form(r->body, "Action", action, sizeof(action));
    if (s->status != 0) {
        raw_answer(answer, s->status, "", s->body);
    } else if (strcmp(action, "DescribeInstances") == 0) {
        be_ec2(r, answer);
    } else if (action[0] != '\0') {
        s->given++;
        give_sts(s, action, answer);
    } else if (strcmp(r->path, "/latest/api/token") == 0) {
        raw_answer(answer, 200, "", "metadata-token==");
    } else if (strcmp(r->path, "/latest/meta-data/iam/security-credentials/") == 0) {
        raw_answer(answer, 200, "", "ci@role\n");
    } else {
        s->given++;
        give_json(s, answer);
    }
    return RAW_ANSWER;
}

static void scene_open(struct scene *s)
{
    memset(s, 0, sizeof(*s));
    clock_test_set(NOW_MS);
    s->expires_ms = NOW_MS + HOUR_MS;
    s->server = raw_start(&(struct raw_conf){.handler = answer_scene, .arg = s});
    s->http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    s->conf = (struct aws_creds_conf){.http = s->http, .getenv_fn = variable, .getenv_arg = s, .region = "eu-west-1"};
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/muster-creds-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void)snprintf(s->file, sizeof(s->file), "%s/file", s->dir);
    env_addf(&s->env, "AWS_ENDPOINT_URL=%s", raw_url(s->server));
    env_addf(&s->env, "AWS_EC2_METADATA_DISABLED=true");
    s->creds = aws_creds_new(&s->conf);
}

static void scene_close(struct scene *s)
{
    aws_creds_free(s->creds);
    httpc_free(s->http);
    raw_stop(s->server);
    env_clear(&s->env);
    (void)unlink(s->file);
    (void)rmdir(s->dir);
    clock_test_release();
}
#define AUTO_SCENE AUTO(scene_close)

static void write_file(const struct scene *s, const char *text)
{
    FILE *f = fopen(s->file, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void keys_are(struct scene *s, const char *id, const char *secret, const char *session)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    const struct aws_keys *k;
    struct err e;

    assert_ok(aws_creds_get(s->creds, &ref, &e), e);
    k = cache_value(ref);
    assert_string_equal(k->access_key_id, id);
    assert_string_equal(secret_reveal(k->secret_access_key), secret);
    assert_string_equal(secret_reveal(k->session_token), session);
}

static int get(struct scene *s, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;

    return aws_creds_get(s->creds, &ref, e);
}

static void use_container(struct scene *s)
{
    env_addf(&s->env, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/v2/creds", raw_url(s->server));
}

static void use_instance(struct scene *s)
{
    env_set(&s->env, "AWS_EC2_METADATA_DISABLED", NULL);
    env_addf(&s->env, "AWS_EC2_METADATA_SERVICE_ENDPOINT=%s/", raw_url(s->server));
}

static const char *sent(struct scene *s, size_t request, const char *header)
{
    const char *v = raw_header(raw_get(s->server, request), header);

    return v != NULL ? v : "(absent)";
}

/* ---- sources ---- */

static void test_aws_creds__configured_keys_come_first(void **state)
{
    AUTO_SCENE struct scene s;
    AUTO_SECRET struct secret *secret = secret_new("own-secret", 10);

    (void)state;
    scene_open(&s);
    env_addf(&s.env, "AWS_ACCESS_KEY_ID=ENVKEY");
    env_addf(&s.env, "AWS_SECRET_ACCESS_KEY=env-secret");
    use_container(&s);
    s.conf.access_key_id = "OWNKEY";
    s.conf.secret_access_key = secret;
    keys_are(&s, "OWNKEY", "own-secret", "");
    assert_int_equal(raw_count(s.server), 0);
}

static void test_aws_creds__the_environments_keys_come_second(void **state)
{
    AUTO_SCENE struct scene s;

    (void)state;
    scene_open(&s);
    env_addf(&s.env, "AWS_ACCESS_KEY_ID=ENVKEY");
    env_addf(&s.env, "AWS_SECRET_ACCESS_KEY=env-secret");
    env_addf(&s.env, "AWS_SESSION_TOKEN=env-session");
    use_container(&s);
    keys_are(&s, "ENVKEY", "env-secret", "env-session");
    assert_int_equal(raw_count(s.server), 0);
}

static void test_aws_creds__half_a_pair_in_the_environment_is_named(void **state)
{
    AUTO_SCENE struct scene s;
    struct err e;

    (void)state;
    scene_open(&s);
    env_addf(&s.env, "AWS_ACCESS_KEY_ID=ENVKEY");
    use_container(&s);
    assert_fails(get(&s, &e), ERR_AUTH, "AWS_SECRET_ACCESS_KEY go together", e);
}

static void test_aws_creds__a_web_identity_is_exchanged_unsigned(void **state)
{
    AUTO_SCENE struct scene s;
    char value[256];

    (void)state;
    scene_open(&s);
    write_file(&s, "eyJ.web.identity\n");
    env_addf(&s.env, "AWS_ROLE_ARN=arn:aws:iam::1:role/ci");
    env_addf(&s.env, "AWS_WEB_IDENTITY_TOKEN_FILE=%s", s.file);
    keys_are(&s, "ASIA1", "secret1", "session1");
    assert_string_equal(sent(&s, 0, "Authorization"), "(absent)");
    assert_true(fake_form(raw_get(s.server, 0)->body, "WebIdentityToken", value, sizeof(value)));
    assert_string_equal(value, "eyJ.web.identity");
    assert_true(fake_form(raw_get(s.server, 0)->body, "RoleSessionName", value, sizeof(value)));
    assert_string_equal(value, "muster");
}

static void test_aws_creds__a_profile_with_a_source_assumes_its_role(void **state)
{
    AUTO_SCENE struct scene s;
    char value[256];

    (void)state;
    scene_open(&s);
    write_file(&s, "[base]\naws_access_key_id=AKIABASE\naws_secret_access_key=b\n"
                   "[ci]\nrole_arn=arn:aws:iam::1:role/ci\nsource_profile=base\nexternal_id=x-1\n");
    env_addf(&s.env, "AWS_SHARED_CREDENTIALS_FILE=%s", s.file);
    env_addf(&s.env, "AWS_PROFILE=ci");
    keys_are(&s, "ASIA1", "secret1", "session1");
    assert_non_null(strstr(sent(&s, 0, "Authorization"), "Credential=AKIABASE/20240501/eu-west-1/sts/aws4_request"));
    assert_true(fake_form(raw_get(s.server, 0)->body, "ExternalId", value, sizeof(value)));
    assert_string_equal(value, "x-1");
}

static void test_aws_creds__a_named_profile_that_is_nowhere_is_an_error(void **state)
{
    AUTO_SCENE struct scene s;
    struct err e;

    (void)state;
    scene_open(&s);
    env_addf(&s.env, "AWS_PROFILE=typo");
    use_container(&s);
    assert_fails(get(&s, &e), ERR_AUTH, "typo", e);
}

static void test_aws_creds__a_profiles_file_is_read_again_after_five_minutes(void **state)
{
    AUTO_SCENE struct scene s;

    (void)state;
    scene_open(&s);
    env_addf(&s.env, "AWS_SHARED_CREDENTIALS_FILE=%s", s.file);
    write_file(&s, "[default]\naws_access_key_id=A1\naws_secret_access_key=s1\n");
    keys_are(&s, "A1", "s1", "");
    write_file(&s, "[default]\naws_access_key_id=A2\naws_secret_access_key=s2\n");
    clock_test_advance(4 * 60 * 1000);
    keys_are(&s, "A1", "s1", "");
    clock_test_advance(60 * 1000);
    keys_are(&s, "A2", "s2", "");
}

static void test_aws_creds__a_container_is_asked_with_its_token(void **state)
{
    AUTO_SCENE struct scene s;

    (void)state;
    scene_open(&s);
    use_container(&s);
    write_file(&s, "Bearer of-the-file\n");
    env_addf(&s.env, "AWS_CONTAINER_AUTHORIZATION_TOKEN=Bearer plain");
    env_addf(&s.env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%s", s.file);
    keys_are(&s, "ASIA1", "secret1", "session1");
    assert_string_equal(raw_get(s.server, 0)->path, "/v2/creds");
    assert_string_equal(sent(&s, 0, "Authorization"), "Bearer of-the-file");
}

static void test_aws_creds__an_instance_is_asked_by_version_two(void **state)
{
    AUTO_SCENE struct scene s;

    (void)state;
    scene_open(&s);
    use_instance(&s);
    keys_are(&s, "ASIA1", "secret1", "session1");
    assert_int_equal(raw_count(s.server), 3);
    assert_string_equal(raw_get(s.server, 0)->method, "PUT");
    assert_string_equal(sent(&s, 0, "X-aws-ec2-metadata-token-ttl-seconds"), "300");
    assert_string_equal(sent(&s, 1, "X-aws-ec2-metadata-token"), "metadata-token==");
    assert_string_equal(raw_get(s.server, 2)->path, "/latest/meta-data/iam/security-credentials/ci%40role");
    assert_string_equal(sent(&s, 2, "X-aws-ec2-metadata-token"), "metadata-token==");
}

static void test_aws_creds__a_configured_role_is_assumed_with_what_the_chain_gave(void **state)
{
    AUTO_SCENE struct scene s;

    (void)state;
    scene_open(&s);
    use_container(&s);
    s.conf.role_arn = "arn:aws:iam::2:role/deploy";
    keys_are(&s, "ASIA2", "secret2", "session2");
    assert_non_null(strstr(sent(&s, 1, "Authorization"), "Credential=ASIA1/"));
    assert_string_equal(sent(&s, 1, "X-Amz-Security-Token"), "session1");
    assert_non_null(strstr(raw_get(s.server, 1)->body, "RoleArn=arn%3Aaws%3Aiam%3A%3A2%3Arole%2Fdeploy"));
}

/* ---- time ---- */

static void test_aws_creds__keys_are_kept_until_five_minutes_before_their_end(void **state)
{
    AUTO_SCENE struct scene s;

    (void)state;
    scene_open(&s);
    use_container(&s);
    keys_are(&s, "ASIA1", "secret1", "session1");
    clock_test_advance(54 * 60 * 1000);
    keys_are(&s, "ASIA1", "secret1", "session1");
    assert_int_equal(raw_count(s.server), 1);
    s.expires_ms += HOUR_MS;
    clock_test_advance(60 * 1000);
    keys_are(&s, "ASIA2", "secret2", "session2");
}

static void test_aws_creds__keys_near_their_end_are_still_used(void **state)
{
    AUTO_SCENE struct scene s;

    (void)state;
    scene_open(&s);
    use_container(&s);
    s.expires_ms = NOW_MS + 60 * 1000;
    keys_are(&s, "ASIA1", "secret1", "session1");
    keys_are(&s, "ASIA1", "secret1", "session1");
}

static void test_aws_creds__keys_past_their_end_say_check_the_clock(void **state)
{
    AUTO_SCENE struct scene s;
    struct err e;

    (void)state;
    scene_open(&s);
    use_container(&s);
    s.expires_ms = NOW_MS - 1000;
    assert_fails(get(&s, &e), ERR_AUTH, "check the clock", e);
}

/* ---- refused keys ---- */

static int describe(struct scene *s, struct err *e)
{
    struct aws_client c = {.http = s->http, .creds = s->creds, .getenv_fn = variable, .getenv_arg = s};
    AUTO_BUF struct buf form = BUF_INIT(1024);
    AUTO_XML struct xml_doc *doc = NULL;
    struct aws_fault fault;

    aws_form_begin(&form, "DescribeInstances", AWS_EC2_VERSION);
    return aws_client_ec2(&c, "eu-west-1", "DescribeInstances", &form, NULL, &doc, &fault, e);
}

static void test_aws_creds__refused_keys_are_replaced_once_and_the_call_repeated(void **state)
{
    AUTO_SCENE struct scene s;
    struct err e;

    (void)state;
    scene_open(&s);
    use_container(&s);
    assert_ok(describe(&s, &e), e);
    assert_int_equal(raw_count(s.server), 4); /* keys, call, keys, call */
    keys_are(&s, "ASIA2", "secret2", "session2");
}

static void test_aws_creds__lasting_keys_that_are_refused_are_not_sent_again(void **state)
{
    AUTO_SCENE struct scene s;
    struct err e;

    (void)state;
    scene_open(&s);
    env_addf(&s.env, "AWS_ACCESS_KEY_ID=ENVKEY");
    env_addf(&s.env, "AWS_SECRET_ACCESS_KEY=env-secret");
    assert_fails(describe(&s, &e), ERR_AUTH, "check the clock", e);
    assert_int_equal(raw_count(s.server), 1);
}

/* ---- what goes wrong ---- */

static void test_aws_creds__nothing_anywhere_is_said_with_the_ways_out(void **state)
{
    AUTO_SCENE struct scene s;
    struct err e;

    (void)state;
    scene_open(&s);
    assert_fails(get(&s, &e), ERR_AUTH, "configure access_key_id", e);
    assert_non_null(strstr(e.msg, "AWS_EC2_METADATA_DISABLED"));
}

static void test_aws_creds__an_instance_without_a_role_has_no_credentials(void **state)
{
    AUTO_SCENE struct scene s;
    struct err e;

    (void)state;
    scene_open(&s);
    use_instance(&s);
    s.status = 404;
    s.body = "";
    assert_fails(get(&s, &e), ERR_AUTH, "HTTP status 404", e);
}

static void test_aws_creds__no_metadata_service_is_no_passing_fault(void **state)
{
    AUTO_SCENE struct scene s;
    struct err e;

    (void)state;
    scene_open(&s);
    env_set(&s.env, "AWS_EC2_METADATA_DISABLED", NULL);
    env_addf(&s.env, "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1");
    assert_fails(get(&s, &e), ERR_AUTH, "no credentials", e);
}

static void test_aws_creds__a_source_that_stumbles_is_asked_again(void **state)
{
    static const char *const nonsense[] = {"", "[]", "{\"AccessKeyId\":7}", "{\"AccessKeyId\":\"A\"}",
                                           "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":\"soon\"}"};
    AUTO_SCENE struct scene s;
    struct err e;

    (void)state;
    scene_open(&s);
    use_container(&s);
    s.status = 503;
    s.body = "";
    assert_fails(get(&s, &e), ERR_RETRY, "HTTP status 503", e);
    s.status = 200;
    for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
        s.body = nonsense[i];
        assert_fails(get(&s, &e), ERR_RETRY, "makes no sense", e);
    }
    s.status = 0;
    keys_are(&s, "ASIA1", "secret1", "session1");
}

static void test_aws_creds__a_denied_web_identity_does_not_show_its_token(void **state)
{
    AUTO_SCENE struct scene s;
    struct err e;

    (void)state;
    scene_open(&s);
    write_file(&s, "short-web-identity");
    env_addf(&s.env, "AWS_ROLE_ARN=arn:aws:iam::1:role/ci");
    env_addf(&s.env, "AWS_WEB_IDENTITY_TOKEN_FILE=%s", s.file);
    s.status = 400;
    s.body = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>bad short-web-identity</Message></Error>"
             "</ErrorResponse>";
    assert_fails(get(&s, &e), ERR_AUTH, "InvalidIdentityToken: bad ***", e);
}

static void test_aws_creds__keys_that_would_break_a_header_are_refused(void **state)
{
    AUTO_SCENE struct scene s;
    struct err e;

    (void)state;
    scene_open(&s);
    env_addf(&s.env, "AWS_ACCESS_KEY_ID=AKIA\r\nX-Evil: 1");
    env_addf(&s.env, "AWS_SECRET_ACCESS_KEY=s");
    assert_fails(get(&s, &e), ERR_AUTH, "line breaks", e);
    assert_null(strstr(e.msg, "Evil"));
}

static void test_aws_creds__only_trusted_addresses_are_asked_for_keys(void **state)
{
    static const char *const good[] = {"https://example.com/x",
                                       "http://127.0.0.1/x",
                                       "http://127.1.2.3:81/",
                                       "http://localhost:9/",
                                       "http://[::1]/",
                                       "http://169.254.170.2/x",
                                       "http://169.254.170.23/v1/credentials",
                                       "http://[fd00:ec2::23]/v1"};
    static const char *const bad[] = {"http://example.com/",
                                      "http://127.0.0.1.example.com/",
                                      "http://127.0.0.1@example.com/",
                                      "ftp://localhost/",
                                      "file:///etc/passwd",
                                      "localhost",
                                      "",
                                      "http://169.254.169.254/x",
                                      "http://10.0.0.1/"};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_ok(aws_creds_uri_check(good[i], &e), e);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_fails(aws_creds_uri_check(bad[i], &e), ERR_AUTH, "only https", e);
}

static void test_aws_creds__the_environment_is_known_to_hold_credentials_without_asking(void **state)
{
    AUTO_SCENE struct scene s;

    (void)state;
    scene_open(&s);
    assert_false(aws_creds_in_env(variable, &s));
    use_instance(&s);
    assert_false(aws_creds_in_env(variable, &s));
    use_container(&s);
    assert_true(aws_creds_in_env(variable, &s));
    env_set(&s.env, "AWS_CONTAINER_CREDENTIALS_FULL_URI", NULL);
    env_addf(&s.env, "AWS_ACCESS_KEY_ID=A");
    assert_false(aws_creds_in_env(variable, &s));
    env_addf(&s.env, "AWS_SECRET_ACCESS_KEY=s");
    assert_true(aws_creds_in_env(variable, &s));
    env_set(&s.env, "AWS_ACCESS_KEY_ID", NULL);
    write_file(&s, "[default]\naws_access_key_id=A1\naws_secret_access_key=s1\n");
    env_addf(&s.env, "AWS_SHARED_CREDENTIALS_FILE=%s", s.file);
    assert_true(aws_creds_in_env(variable, &s));
    assert_int_equal(raw_count(s.server), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aws_creds__configured_keys_come_first),
        cmocka_unit_test(test_aws_creds__the_environments_keys_come_second),
        cmocka_unit_test(test_aws_creds__half_a_pair_in_the_environment_is_named),
        cmocka_unit_test(test_aws_creds__a_web_identity_is_exchanged_unsigned),
        cmocka_unit_test(test_aws_creds__a_profile_with_a_source_assumes_its_role),
        cmocka_unit_test(test_aws_creds__a_named_profile_that_is_nowhere_is_an_error),
        cmocka_unit_test(test_aws_creds__a_profiles_file_is_read_again_after_five_minutes),
        cmocka_unit_test(test_aws_creds__a_container_is_asked_with_its_token),
        cmocka_unit_test(test_aws_creds__an_instance_is_asked_by_version_two),
        cmocka_unit_test(test_aws_creds__a_configured_role_is_assumed_with_what_the_chain_gave),
        cmocka_unit_test(test_aws_creds__keys_are_kept_until_five_minutes_before_their_end),
        cmocka_unit_test(test_aws_creds__keys_near_their_end_are_still_used),
        cmocka_unit_test(test_aws_creds__keys_past_their_end_say_check_the_clock),
        cmocka_unit_test(test_aws_creds__refused_keys_are_replaced_once_and_the_call_repeated),
        cmocka_unit_test(test_aws_creds__lasting_keys_that_are_refused_are_not_sent_again),
        cmocka_unit_test(test_aws_creds__nothing_anywhere_is_said_with_the_ways_out),
        cmocka_unit_test(test_aws_creds__an_instance_without_a_role_has_no_credentials),
        cmocka_unit_test(test_aws_creds__no_metadata_service_is_no_passing_fault),
        cmocka_unit_test(test_aws_creds__a_source_that_stumbles_is_asked_again),
        cmocka_unit_test(test_aws_creds__a_denied_web_identity_does_not_show_its_token),
        cmocka_unit_test(test_aws_creds__keys_that_would_break_a_header_are_refused),
        cmocka_unit_test(test_aws_creds__only_trusted_addresses_are_asked_for_keys),
        cmocka_unit_test(test_aws_creds__the_environment_is_known_to_hold_credentials_without_asking),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
