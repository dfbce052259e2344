/* Signing in at OpenStack: what is sent for each kind of account, where, and which region is meant. */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/json.h"
#include "tests/support/cloud_bed.h"

#include <stdio.h>

#define AUTH "/v3/auth/tokens"

/* An account with these settings and no others, which has asked for its list. */
static struct bed *signed_in(struct fake_dialect *d, const char *const (*settings)[2])
{
    struct bed_seen seen = {0};
    struct bed *b;
    struct err e;

    *d = fake_openstack;
    d->settings = settings;
    b = bed_open(d, NULL, 0);
    assert_ok(b->ops->list(b->p, "RegionOne", bed_see, &seen, &e), e);
    return b;
}

/* The body of the first request is this JSON, written with single quotes. */
static void sent(struct bed *b, const char *expected)
{
    const struct raw_request *r = raw_get(b->server, 0);
    AUTO_BUF struct buf text = BUF_INIT(65536);
    AUTO_JSON json_t *body = NULL, *want = NULL;
    struct err e;

    assert_true(fake_is(r, "POST", AUTH));
    body = fake_body(r);
    for (; *expected != '\0'; expected++)
        buf_addc(&text, (char)(*expected == '\'' ? '"' : *expected));
    assert_ok(js_parse(text.p, text.len, &want, &e), e);
    if (json_equal(body, want) != 1)
        fail_msg("it is %s", r->body);
}

static void test_keystone__a_password_signs_in_by_names_of_domains(void **state)
{
    static const char *const settings[][2] = {{"auth_url", "URL"},
                                              {"username", "ci"},
                                              {"password", "pa55word"},
                                              {"user_domain_name", "Users"},
                                              {"project_name", "gpu"},
                                              {"project_domain_id", "d1"},
                                              {NULL, NULL}};
    struct fake_dialect d;
    AUTO_BED struct bed *b = signed_in(&d, settings);

    (void)state;
    sent(b, "{'auth':{'identity':{'methods':['password'],'password':{'user':{'name':'ci','domain':{'name':'Users'},"
            "'password':'pa55word'}}},'scope':{'project':{'name':'gpu','domain':{'id':'d1'}}}}}");
}

static void test_keystone__without_a_domain_it_is_the_default_one_and_the_projects_is_the_users(void **state)
{
    static const char *const settings[][2] = {
        {"auth_url", "URL"}, {"username", "ci"}, {"password", "pa55word"}, {"project_name", "gpu"}, {NULL, NULL}};
    struct fake_dialect d;
    AUTO_BED struct bed *b = signed_in(&d, settings);

    (void)state;
    sent(b, "{'auth':{'identity':{'methods':['password'],'password':{'user':{'name':'ci','domain':{'id':'default'},"
            "'password':'pa55word'}}},'scope':{'project':{'name':'gpu','domain':{'id':'default'}}}}}");
}

static void test_keystone__ids_need_no_domain(void **state)
{
    static const char *const settings[][2] = {
        {"auth_url", "URL"}, {"user_id", "u1"}, {"password", "pa55word"}, {"project_id", "p1"}, {NULL, NULL}};
    struct fake_dialect d;
    AUTO_BED struct bed *b = signed_in(&d, settings);

    (void)state;
    sent(b, "{'auth':{'identity':{'methods':['password'],'password':{'user':{'id':'u1','password':'pa55word'}}},"
            "'scope':{'project':{'id':'p1'}}}}");
}

/* It knows its project: a scope would be refused. */
static void test_keystone__an_application_credential_signs_in_without_a_scope(void **state)
{
    static const char *const by_id[][2] = {{"auth_url", "URL"},
                                           {"application_credential_id", "c1"},
                                           {"application_credential_secret", "s3cret"},
                                           {"project_id", "ignored"},
                                           {NULL, NULL}};
    static const char *const by_name[][2] = {{"auth_url", "URL"},
                                             {"application_credential_name", "runner"},
                                             {"application_credential_secret", "s3cret"},
                                             {"username", "ci"},
                                             {NULL, NULL}};
    struct fake_dialect d, other;
    AUTO_BED struct bed *b = signed_in(&d, by_id), *named = signed_in(&other, by_name);

    (void)state;
    sent(b, "{'auth':{'identity':{'methods':['application_credential'],'application_credential':{'id':'c1','secret':"
            "'s3cret'}}}}");
    sent(named, "{'auth':{'identity':{'methods':['application_credential'],'application_credential':{'name':'runner',"
                "'secret':'s3cret','user':{'name':'ci','domain':{'id':'default'}}}}}}");
}

static void test_keystone__the_address_may_have_its_version_or_not(void **state)
{
    static const char *const urls[] = {"URL", "URL/", "URL/v3", "URL/v3/", "URL/v2.0"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        const char *const settings[][2] = {
            {"auth_url", urls[i]}, {"user_id", "u"}, {"password", "p"}, {"project_id", "p"}, {NULL, NULL}};
        struct fake_dialect d;
        AUTO_BED struct bed *b = signed_in(&d, settings);

        assert_true(fake_is(raw_get(b->server, 0), "POST", AUTH));
    }
}

static void test_keystone__without_a_region_there_must_be_one_alone(void **state)
{
    static const char *const settings[][2] = {
        {"auth_url", "URL"}, {"user_id", "u"}, {"password", "p"}, {"project_id", "p"}, {NULL, NULL}};
    static const char *const internal[][2] = {{"auth_url", "URL"}, {"user_id", "u"},          {"password", "p"},
                                              {"project_id", "p"}, {"interface", "internal"}, {NULL, NULL}};
    struct fake_dialect d = fake_openstack, other = fake_openstack;
    AUTO_BED struct bed *several = NULL, *one = NULL;
    struct bed_seen seen = {0};
    struct err e;

    (void)state;
    d.settings = settings;
    several = bed_open(&d, NULL, 0);
    assert_fails(several->ops->list(several->p, NULL, bed_see, &seen, &e), ERR_INVALID, "RegionOne, RegionTwo", e);
    other.settings = internal; /* of the internal interface there is one region only */
    one = bed_open(&other, NULL, 0);
    (void)one->ops->list(one->p, NULL, bed_see, &seen, &e);
    assert_true(fake_is(raw_get(one->server, 1), "GET", "/internal/v2.1/servers/detail"));
}

static void test_keystone__a_session_without_sense_is_tried_again(void **state)
{
    static const struct raw_step steps[] = {
        {.act = RAW_ANSWER, .bytes = "HTTP/1.1 201 X\r\nContent-Length: 24\r\n\r\n{\"token\":{\"catalog\":[]}}"},
        {.act = RAW_ANSWER,
         .bytes = "HTTP/1.1 201 X\r\nX-Subject-Token: t\r\nContent-Length: 12\r\n\r\n{\"token\":{}}"},
        {.act = RAW_ANSWER,
         .bytes = "HTTP/1.1 201 X\r\nX-Subject-Token: t\r\nContent-Length: 23\r\n\r\n{\"token\":{\"catalog\":7}} "},
        {.act = RAW_ANSWER, .bytes = "HTTP/1.1 201 X\r\nX-Subject-Token: t\r\nContent-Length: 0\r\n\r\n"},
        {.act = RAW_ANSWER, .bytes = "HTTP/1.1 300 X\r\nContent-Length: 2\r\n\r\n{}"}};
    AUTO_RAW struct rawserver *server = raw_start(&(struct raw_conf){.steps = steps, .n_steps = ARRAY_LEN(steps)});
    char url[100];
    AUTO_BED struct bed *b = NULL;
    struct bed_seen seen = {0};

    (void)state;
    (void)snprintf(url, sizeof(url), "%s/v3", raw_url(server));
    b = bed_open(&fake_openstack, &(struct bed_setting){"auth_url", url}, 1);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct err e;

        assert_fails(b->ops->list(b->p, NULL, bed_see, &seen, &e), ERR_RETRY, "", e);
    }
}

/* Keystone's own sentence about a bad password, and the remedy; a wrong address is no passing fault. */
static void test_keystone__a_refusal_says_what_to_check(void **state)
{
    static const struct raw_step steps[] = {
        {.act = RAW_ANSWER,
         .bytes =
             "HTTP/1.1 401 X\r\nContent-Length: 112\r\n\r\n{\"error\":{\"code\":401,\"message\":\"The request you have "
             "made requires authentication.\",\"title\":\"Unauthorized\"}}     "},
        {.act = RAW_ANSWER, .bytes = "HTTP/1.1 404 X\r\nContent-Length: 9\r\n\r\nNot Found"},
        {.act = RAW_ANSWER,
         .bytes = "HTTP/1.1 404 X\r\nContent-Length: 65\r\n\r\n{\"error\":{\"code\":404,\"message\":\"no project "
                  "gpu\",\"title\":"
                  "\"None\"}}    "}};
    AUTO_RAW struct rawserver *server = raw_start(&(struct raw_conf){.steps = steps, .n_steps = ARRAY_LEN(steps)});
    char url[100];
    AUTO_BED struct bed *b = NULL;
    struct bed_seen seen = {0};
    struct err e;

    (void)state;
    (void)snprintf(url, sizeof(url), "%s", raw_url(server));
    b = bed_open(&fake_openstack, &(struct bed_setting){"auth_url", url}, 1);
    assert_fails(b->ops->list(b->p, NULL, bed_see, &seen, &e), ERR_AUTH, "check user, password", e);
    assert_fails(b->ops->list(b->p, NULL, bed_see, &seen, &e), ERR_INVALID, "404", e);
    assert_fails(b->ops->list(b->p, NULL, bed_see, &seen, &e), ERR_INVALID, "no project gpu", e);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keystone__a_password_signs_in_by_names_of_domains),
        cmocka_unit_test(test_keystone__without_a_domain_it_is_the_default_one_and_the_projects_is_the_users),
        cmocka_unit_test(test_keystone__ids_need_no_domain),
        cmocka_unit_test(test_keystone__an_application_credential_signs_in_without_a_scope),
        cmocka_unit_test(test_keystone__the_address_may_have_its_version_or_not),
        cmocka_unit_test(test_keystone__without_a_region_there_must_be_one_alone),
        cmocka_unit_test(test_keystone__a_session_without_sense_is_tried_again),
        cmocka_unit_test(test_keystone__a_refusal_says_what_to_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
