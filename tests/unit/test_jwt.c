/* Signed tokens: head, claims and signature in their places. */
#include "tests/support/ghtest.h"
#include "tests/support/unit.h"

#include "server/base/jwt.h"
#include "server/base/text.h"

#include <stdio.h>

static int setup(void **state)
{
    static struct ghtest t;

    ght_start(&t, "");
    *state = &t;
    return 0;
}

static int teardown(void **state)
{
    ght_stop(*state);
    return 0;
}

/* The token begins with this head, in base64url without padding. */
static void has_head(const char *token, const char *head)
{
    AUTO_BUF struct buf want = BUF_INIT(1000);

    text_base64url(&want, head, strlen(head));
    buf_addc(&want, '.');
    if (strncmp(token, want.p, want.len) != 0)
        fail_msg("%s does not begin with %s", token, want.p);
}

static void test_jwt__a_token_verifies_with_the_keys_other_half(void **state)
{
    struct ghtest *t = *state;
    AUTO_JSON json_t *claims = json_pack("{s:s, s:i, s:s}", "iss", "me", "exp", 17, "sub", "\xc3\xa4?>"), *got = NULL;
    AUTO_SECRET struct secret *jwt = NULL;
    char line[2000];
    struct err e;

    assert_ok(jwt_rs256(t->key, NULL, claims, &jwt, &e), e);
    (void)snprintf(line, sizeof(line), "Bearer %s", secret_reveal(jwt));
    got = ght_verify_jwt(t, line);
    assert_int_equal(json_equal(got, claims), 1);
    line[strlen(line) - 3] ^= 1;
    assert_null(ght_verify_jwt(t, line));
}

static void test_jwt__the_head_names_the_key_if_it_has_a_name(void **state)
{
    struct ghtest *t = *state;
    AUTO_JSON json_t *claims = json_object();
    AUTO_SECRET struct secret *plain = NULL, *named = NULL;
    struct err e;

    assert_ok(jwt_rs256(t->key, NULL, claims, &plain, &e), e);
    assert_ok(jwt_rs256(t->key, "key-1", claims, &named, &e), e);
    has_head(secret_reveal(plain), "{\"alg\":\"RS256\",\"typ\":\"JWT\"}");
    has_head(secret_reveal(named), "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"key-1\"}");
}

static void test_jwt__claims_beyond_its_ceiling_and_ids_that_are_no_text_are_refused(void **state)
{
    struct ghtest *t = *state;
    AUTO_JSON json_t *claims = json_object();
    char text[9000];
    struct secret *jwt = NULL;
    struct err e;

    assert_fails(jwt_rs256(t->key, "\xff", claims, &jwt, &e), ERR_INVALID, "", e);
    memset(text, 'c', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(json_object_set_new(claims, "sub", json_string(text)), 0);
    assert_fails(jwt_rs256(t->key, NULL, claims, &jwt, &e), ERR_INVALID, "", e);
    assert_null(jwt);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_jwt__a_token_verifies_with_the_keys_other_half, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jwt__the_head_names_the_key_if_it_has_a_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jwt__claims_beyond_its_ceiling_and_ids_that_are_no_text_are_refused, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
