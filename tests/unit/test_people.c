#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/engine/people.h"
#include "tests/support/ghtest.h"
#include "tests/support/testtls.h"

#include <stdio.h>
#include <unistd.h>

#define NOW ((int64_t)1700000000000)

static const struct access_person alice = {"Alice", 7};

/* People known from a GitHub of a few lines, and a list on a TLS server of its own. */
struct bed {
    struct ghtest github;
    char dir[32], ca[64], host[64], url[128];
    SSL_CTX *tls;
    struct rawserver *lists;
    struct httpc *http;
    const char *hosts[1];
    struct people *people;
    struct people_of of;
    struct access_ask ask;
};

static void bed_start(struct bed *b, const struct raw_step *list, bool private_hosts)
{
    ght_start(&b->github, "");
    clock_test_set(NOW);
    (void)snprintf(b->dir, sizeof(b->dir), "/tmp/muster-test-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    (void)snprintf(b->ca, sizeof(b->ca), "%s/ca.pem", b->dir);
    b->tls = testtls_new(b->ca, "localhost");
    b->lists = raw_start(&(struct raw_conf){.steps = list, .n_steps = 1, .tls = b->tls});
    b->http = httpc_new(&(struct httpc_conf){.user_agent = "t", .ca_file = b->ca});
    (void)snprintf(b->host, sizeof(b->host), "localhost:%d", raw_port(b->lists));
    (void)snprintf(b->url, sizeof(b->url), "https://%s/team/users.json?ref=main", b->host);
    b->hosts[0] = b->host;
    b->people = people_new(&(struct people_conf){b->github.github, b->http, b->hosts, 1, private_hosts});
    b->of = (struct people_of){b->people, ght_repo};
    people_ask(&b->of, &b->ask);
}

static void bed_stop(struct bed *b)
{
    people_free(b->people);
    raw_stop(b->lists);
    httpc_free(b->http);
    SSL_CTX_free(b->tls);
    ght_stop(&b->github);
    (void)unlink(b->ca);
    (void)rmdir(b->dir);
    clock_test_release();
}

static const struct raw_step list = {
    .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n{\"users\": [{\"github\": \"alice\", \"id\": 7 }]}"};

/* --- teams and roles --------------------------------------------------------------------------------------------- */

static void test_people__membership_is_asked_for_once_in_five_minutes(void **state)
{
    struct bed b;
    struct err e;
    bool yes = false;

    (void)state;
    bed_start(&b, &list, true);
    ght_answer(&b.github, 200, "", "{\"state\":\"active\",\"role\":\"member\"}");
    ght_answer(&b.github, 404, "", "{\"message\":\"Not Found\"}");
    assert_ok(b.ask.in_team(b.ask.arg, "core", &alice, &yes, &e), e);
    assert_true(yes);
    assert_string_equal(ght_call(&b.github, 0)->path, "/orgs/octo/teams/core/memberships/Alice");
    assert_string_equal(ght_mint(&b.github, 0)->body,
                        "{\"repository_ids\":[1296269],\"permissions\":{\"members\":\"read\"}}");
    clock_test_advance(5 * 60 * 1000 - 1);
    assert_ok(b.ask.in_team(b.ask.arg, "core", &alice, &yes, &e), e);
    assert_true(yes);
    assert_int_equal(ght_calls(&b.github), 1);
    clock_test_advance(1); /* and who was taken out meanwhile is out */
    assert_ok(b.ask.in_team(b.ask.arg, "core", &alice, &yes, &e), e);
    assert_false(yes);
    assert_int_equal(ght_calls(&b.github), 2);
    bed_stop(&b);
}

static void test_people__a_pending_member_is_none(void **state)
{
    struct bed b;
    struct err e;
    bool yes = true;

    (void)state;
    bed_start(&b, &list, true);
    ght_answer(&b.github, 200, "", "{\"state\":\"pending\",\"role\":\"member\"}");
    assert_ok(b.ask.in_team(b.ask.arg, "core", &alice, &yes, &e), e);
    assert_false(yes);
    bed_stop(&b);
}

static void test_people__a_role_has_githubs_own_name_or_the_organisations(void **state)
{
    struct bed b;
    char role[ACCESS_ROLE_MAX] = "";
    struct err e;

    (void)state;
    bed_start(&b, &list, true);
    ght_answer(&b.github, 200, "", "{\"permission\":\"write\",\"role_name\":\"deployer\"}");
    assert_ok(b.ask.role(b.ask.arg, &alice, role, &e), e);
    assert_string_equal(role, "deployer");
    assert_string_equal(ght_call(&b.github, 0)->path, "/repos/octo/hello/collaborators/Alice/permission");
    ght_forget(&b.github);
    ght_answer(&b.github, 200, "", "{\"permission\":\"read\"}"); /* an older server */
    clock_test_advance(5 * 60 * 1000);
    assert_ok(b.ask.role(b.ask.arg, &alice, role, &e), e);
    assert_string_equal(role, "read");
    bed_stop(&b);
}

static void test_people__a_missing_permission_says_which_and_is_not_asked_for_at_every_job(void **state)
{
    struct bed b;
    struct err e;
    bool yes;

    (void)state;
    bed_start(&b, &list, true);
    for (int i = 0; i < 2; i++)
        ght_answer_mint(&b.github, 422, "", "{\"message\":\"The permissions requested are not granted\"}");
    for (int i = 0; i < 3; i++)
        assert_fails(b.ask.in_team(b.ask.arg, "core", &alice, &yes, &e), ERR_AUTH, "\"Members: read\"", e);
    assert_int_equal(ght_mints(&b.github), 1);
    clock_test_advance(30 * 1000);
    assert_fails(b.ask.in_team(b.ask.arg, "core", &alice, &yes, &e), ERR_AUTH, "not granted", e);
    assert_int_equal(ght_mints(&b.github), 2);
    bed_stop(&b);
}

static void test_people__a_passing_fault_is_no_answer_and_not_kept(void **state)
{
    struct bed b;
    struct err e;
    bool yes = false;

    (void)state;
    bed_start(&b, &list, true);
    ght_answer(&b.github, 502, "", "");
    ght_answer(&b.github, 200, "", "{\"state\":\"active\"}");
    assert_fails(b.ask.in_team(b.ask.arg, "core", &alice, &yes, &e), ERR_RETRY, "502", e);
    assert_ok(b.ask.in_team(b.ask.arg, "core", &alice, &yes, &e), e);
    assert_true(yes);
    bed_stop(&b);
}

static void test_people__a_login_never_climbs_out_of_its_place_in_the_path(void **state)
{
    const struct access_person odd = {"a/../b?c", 3}, dots = {"..", 4}, bot = {"dependabot[bot]", 5};
    struct bed b;
    struct err e;
    bool yes = false;

    (void)state;
    bed_start(&b, &list, true);
    ght_answer(&b.github, 404, "", "{}");
    assert_ok(b.ask.in_team(b.ask.arg, "core", &odd, &yes, &e), e);
    assert_string_equal(ght_call(&b.github, 0)->path, "/orgs/octo/teams/core/memberships/a%2F..%2Fb%3Fc");
    assert_fails(b.ask.in_team(b.ask.arg, "core", &dots, &yes, &e), ERR_INVALID, "path", e);
    assert_ok(b.ask.in_team(b.ask.arg, "core", &bot, &yes, &e), e);
    assert_string_equal(ght_call(&b.github, 1)->path, "/orgs/octo/teams/core/memberships/dependabot%5Bbot%5D");
    bed_stop(&b);
}

/* --- users_from_json --------------------------------------------------------------------------------------------- */

static void test_people__a_list_is_fetched_once_without_credentials(void **state)
{
    const struct access_person other = {"mallory", 8};
    struct bed b;
    struct err e;
    bool yes = false;

    (void)state;
    bed_start(&b, &list, true);
    assert_ok(b.ask.in_users(b.ask.arg, b.url, &alice, &yes, &e), e);
    assert_true(yes);
    assert_ok(b.ask.in_users(b.ask.arg, b.url, &other, &yes, &e), e);
    assert_false(yes);
    assert_int_equal(raw_count(b.lists), 1);
    assert_string_equal(raw_get(b.lists, 0)->path, "/team/users.json?ref=main");
    assert_null(raw_header(raw_get(b.lists, 0), "Authorization"));
    clock_test_advance(5 * 60 * 1000);
    assert_ok(b.ask.in_users(b.ask.arg, b.url, &alice, &yes, &e), e);
    assert_int_equal(raw_count(b.lists), 2);
    assert_int_equal(ght_calls(&b.github), 0);
    bed_stop(&b);
}

static void test_people__a_private_address_is_not_connected_to_unless_the_operator_says_so(void **state)
{
    struct bed b;
    struct err e;
    bool yes = false;

    (void)state;
    bed_start(&b, &list, false);
    assert_fails(b.ask.in_users(b.ask.arg, b.url, &alice, &yes, &e), ERR_INVALID, "no public address", e);
    assert_int_equal(raw_accepted(b.lists), 0);
    bed_stop(&b);
}

static void list_fails(const struct raw_step *step, enum err_kind kind, const char *why)
{
    struct bed b;
    struct err e;
    bool yes = false;

    bed_start(&b, step, true);
    assert_fails(b.ask.in_users(b.ask.arg, b.url, &alice, &yes, &e), kind, why, e);
    assert_fails(b.ask.in_users(b.ask.arg, b.url, &alice, &yes, &e), kind, why, e);
    assert_int_equal(raw_count(b.lists), 1); /* kept a moment */
    clock_test_advance(30 * 1000);
    assert_fails(b.ask.in_users(b.ask.arg, b.url, &alice, &yes, &e), kind, why, e);
    assert_int_equal(raw_count(b.lists), 2);
    bed_stop(&b);
}

static void test_people__a_list_that_cannot_be_read_is_no_answer_with_its_reason(void **state)
{
    const struct raw_step moved = {.bytes = "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"};
    const struct raw_step gone = {.bytes = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"};
    const struct raw_step out = {.bytes = "HTTP/1.1 503 Busy\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n"};
    const struct raw_step page = {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"};
    const struct raw_step large = {.act = RAW_ENDLESS, .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n"};

    (void)state;
    list_fails(&moved, ERR_INVALID, "answered 302, and redirects are not followed");
    list_fails(&gone, ERR_INVALID, "answered 404");
    list_fails(&out, ERR_RETRY, "answered 503");
    list_fails(&page, ERR_INVALID, "users_from_json");
    list_fails(&large, ERR_INVALID, "exceeds 1048576 bytes");
}

static void test_people__only_plain_addresses_of_listed_hosts_are_read(void **state)
{
    static const char *const hosts[] = {"raw.githubusercontent.com", "lists.example.com:8443"};
    static const struct people_conf c = {.hosts = hosts, .n_hosts = 2};
    static const char *const good[] = {"https://raw.githubusercontent.com/o/r/main/users.json",
                                       "https://RAW.githubusercontent.com:443/x?token=a%20b",
                                       "https://lists.example.com:8443"};
    static const char *const bad[] = {"http://raw.githubusercontent.com/x",
                                      "https://raw.githubusercontent.com.evil.example/x",
                                      "https://raw.githubusercontent.com@evil.example/x",
                                      "https://evil.example/raw.githubusercontent.com",
                                      "https://evil.example#raw.githubusercontent.com",
                                      "https://raw.githubusercontent.com:8443/x",
                                      "https://lists.example.com/x",
                                      "https://raw.githubusercontent.com\\@evil.example/",
                                      "https://raw.githubusercontent.com./x",
                                      "https://[::1]/x",
                                      "https://127.0.0.1/x",
                                      "https:///x",
                                      "https://raw.githubusercontent.com/x y",
                                      "https://raw.githubusercontent.com/x\r\nHost: y",
                                      "https://raw.githubusercontent.com/x#y",
                                      "file:///etc/passwd",
                                      ""};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_ok(people_check_url(&c, good[i], &e), e);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (people_check_url(&c, bad[i], &e) == 0)
            fail_msg("%s would be read", bad[i]);
    }
    assert_fails(people_check_url(&c, "https://evil.example/x", &e), ERR_INVALID, "policy.users_json_hosts", e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_people__membership_is_asked_for_once_in_five_minutes),
        cmocka_unit_test(test_people__a_pending_member_is_none),
        cmocka_unit_test(test_people__a_role_has_githubs_own_name_or_the_organisations),
        cmocka_unit_test(test_people__a_missing_permission_says_which_and_is_not_asked_for_at_every_job),
        cmocka_unit_test(test_people__a_passing_fault_is_no_answer_and_not_kept),
        cmocka_unit_test(test_people__a_login_never_climbs_out_of_its_place_in_the_path),
        cmocka_unit_test(test_people__a_list_is_fetched_once_without_credentials),
        cmocka_unit_test(test_people__a_private_address_is_not_connected_to_unless_the_operator_says_so),
        cmocka_unit_test(test_people__a_list_that_cannot_be_read_is_no_answer_with_its_reason),
        cmocka_unit_test(test_people__only_plain_addresses_of_listed_hosts_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
