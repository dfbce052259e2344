#include "tests/support/unit.h"

#include "server/base/attr.h"
#include "server/config/secret_look.h"

static void test_secret_look__shapes_are_found_with_their_whole_length(void **state)
{
    static const struct {
        const char *text, *secret;
    } cases[] = {
        {"x ghp_0123456789abcdefghijABCDEFGHIJ012345 y", "ghp_0123456789abcdefghijABCDEFGHIJ012345"},
        {"github_pat_11ABCDEFG0123456789_abcdefghij,", "github_pat_11ABCDEFG0123456789_abcdefghij"},
        {"id=AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"},
        {"postgres://user:hunter22@host/db", "hunter22"},
        {"a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl b", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct secret_look hit;

        assert_true(secret_look_find(cases[i].text, strlen(cases[i].text), 0, &hit));
        assert_int_equal(hit.len, strlen(cases[i].secret));
        assert_memory_equal(cases[i].text + hit.at, cases[i].secret, hit.len);
    }
}

static void test_secret_look__what_only_resembles_one_is_left_alone(void **state)
{
    static const char *const cases[] = {
        "ghp_short",
        "xghp_0123456789abcdefghijABCDEFGHIJ012345",
        "https://example.com:8080/a@b",
        "ocid1.image.oc1.iad.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "ami-0123456789abcdef0",
        "-----BEGIN CERTIFICATE-----",
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg",
        "sk-learn",
        "cirun-gpu--${{ github.run_id }}"};
    struct secret_look hit;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_false(secret_look_find(cases[i], strlen(cases[i]), 0, &hit));
}

static void test_secret_look__a_name_tells_by_its_last_word(void **state)
{
    static const char *const secret[] = {"WANDB_API_KEY",         "DB_PASSWORD", "github-token",
                                         "AWS_SECRET_ACCESS_KEY", "token",       "my.client.secret"};
    static const char *const plain[] = {"TOKEN_URL", "PASSWORD_FILE",          "MAX_TOKENS",       "KEY", "MONKEY",
                                        "sort_key",  "TOKENIZERS_PARALLELISM", "AWS_ACCESS_KEY_ID"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(secret); i++)
        assert_true(secret_look_name(secret[i], strlen(secret[i])));
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        assert_false(secret_look_name(plain[i], strlen(plain[i])));
}

static void test_secret_look__of_a_line_the_value_behind_such_a_name_counts(void **state)
{
    static const struct {
        const char *line, *hidden;
    } cases[] = {{"    DB_PASSWORD: hunter22 # x", "hunter22 # x"},
                 {"- \"API_KEY\": abc", "abc"},
                 {"export MY_TOKEN=abc", NULL},
                 {"MY_TOKEN=abc", "abc"},
                 {"labels: [a]", NULL}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct secret_look hit;
        bool found = secret_look_line(cases[i].line, strlen(cases[i].line), 0, &hit);

        assert_int_equal(found, cases[i].hidden != NULL);
        if (found)
            assert_string_equal(cases[i].line + hit.at, cases[i].hidden);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret_look__shapes_are_found_with_their_whole_length),
        cmocka_unit_test(test_secret_look__what_only_resembles_one_is_left_alone),
        cmocka_unit_test(test_secret_look__a_name_tells_by_its_last_word),
        cmocka_unit_test(test_secret_look__of_a_line_the_value_behind_such_a_name_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
