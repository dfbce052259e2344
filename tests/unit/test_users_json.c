#include "tests/support/unit.h"

#include "server/base/buf.h"
#include "server/config/users_json.h"

static struct users_json *parse(const char *text)
{
    struct users_json *u = NULL;
    struct err e;

    assert_ok(users_json_parse(text, strlen(text), &u, &e), e);
    return u;
}

static void refused(const char *text, const char *why)
{
    struct users_json *u = NULL;
    struct err e;

    assert_fails(users_json_parse(text, strlen(text), &u, &e), ERR_INVALID, why, e);
    assert_null(u);
}

static void test_users_json__an_id_decides_and_a_login_where_there_is_none(void **state)
{
    struct users_json *u =
        parse("{\"users\": [{\"github\": \"alice\", \"id\": 7}, {\"github\": \"Bob\"}, {\"id\": 9}]}");

    (void)state;
    assert_int_equal(users_json_count(u), 3);
    assert_true(users_json_has(u, "alice", 7));
    assert_true(users_json_has(u, "renamed", 7));
    assert_false(users_json_has(u, "alice", 8)); /* who took a name that was given up */
    assert_false(users_json_has(u, "alice", 0));
    assert_true(users_json_has(u, "bob", 1));
    assert_true(users_json_has(u, "BOB", 0));
    assert_true(users_json_has(u, "", 9));
    assert_false(users_json_has(u, "", 0));
    assert_false(users_json_has(u, "carol", 10));
    users_json_free(u);
    users_json_free(NULL);
}

static void test_users_json__an_empty_list_has_nobody(void **state)
{
    struct users_json *u = parse("{\"users\": []}");

    (void)state;
    assert_false(users_json_has(u, "alice", 7));
    users_json_free(u);
}

static void test_users_json__another_shape_is_refused(void **state)
{
    (void)state;
    refused("", "");
    refused("[]", "expected {\"users\": [...]}");
    refused("{}", "expected {\"users\": [...]}");
    refused("{\"users\": [], \"until\": 1}", "no other key");
    refused("{\"users\": {}}", "users");
    refused("{\"users\": [\"alice\"]}", "users.0: expected");
    refused("{\"users\": [{\"github\": \"a\", \"id\": 1}, {}]}", "users.1: expected");
    refused("{\"users\": [{\"github\": \"a\", \"until\": 1}]}", "users.0: expected");
    refused("{\"users\": [{\"github\": \"\"}]}", "users.0.github: expected a login");
    refused("{\"users\": [{\"github\": 7}]}", "users.0.github: expected a login");
    refused("{\"users\": [{\"id\": \"7\"}]}", "users.0.id: expected a positive number");
    refused("{\"users\": [{\"id\": 0}]}", "users.0.id: expected a positive number");
    refused("{\"users\": [{\"id\": 1.5}]}", "users.0.id: expected a positive number");
    refused("{\"users\": [{\"id\": 1, \"id\": 2}]}", "duplicate");
    refused("<html>", "");
}

static void test_users_json__a_list_over_a_megabyte_is_refused(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT(2 * USERS_JSON_MAX);
    struct users_json *u = NULL;
    struct err e;

    (void)state;
    buf_adds(&b, "{\"users\": [{\"id\": 1}");
    while (b.len < USERS_JSON_MAX)
        buf_adds(&b, ", {\"id\": 1}");
    buf_adds(&b, "]}");
    assert_fails(users_json_parse(b.p, b.len, &u, &e), ERR_INVALID, "larger than", e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_users_json__an_id_decides_and_a_login_where_there_is_none),
        cmocka_unit_test(test_users_json__an_empty_list_has_nobody),
        cmocka_unit_test(test_users_json__another_shape_is_refused),
        cmocka_unit_test(test_users_json__a_list_over_a_megabyte_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
