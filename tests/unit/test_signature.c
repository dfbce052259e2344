#include "server/github/signature.h"

#include "server/base/mem.h"
#include "tests/support/unit.h"

#include <ctype.h>
#include <stdlib.h>

/* GitHub's own example: "Validating webhook deliveries". */
#define SECRET "It's a Secret to Everybody"
#define BODY "Hello, World!"
#define HEADER "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

struct keys {
    struct secret *own[3];
    const struct secret *list[3];
};

static int setup(void **state)
{
    static const char *const texts[] = {SECRET, "an older secret", "sch\xc3\xb6n-\xe7\xa7\x98\xe5\xaf\x86"};
    struct keys *k = mem_zalloc(sizeof(*k));

    for (size_t i = 0; i < 3; i++)
        k->list[i] = k->own[i] = secret_new(texts[i], strlen(texts[i]));
    *state = k;
    return 0;
}

static int teardown(void **state)
{
    struct keys *k = *state;

    for (size_t i = 0; i < 3; i++)
        secret_free(k->own[i]);
    free(k);
    return 0;
}

static bool verify(struct keys *k, const char *header)
{
    return signature_verify(k->list, 1, header, BODY, strlen(BODY));
}

static void test_signature__githubs_known_answer_is_made_and_accepted(void **state)
{
    struct keys *k = *state;
    char made[72];

    signature_make(k->list[0], BODY, strlen(BODY), made);
    assert_string_equal(made, HEADER);
    assert_true(verify(k, HEADER));
}

static void test_signature__an_absent_or_empty_header_never_matches(void **state)
{
    assert_false(verify(*state, NULL));
    assert_false(verify(*state, ""));
    assert_false(verify(*state, "sha256="));
}

static void test_signature__every_other_spelling_is_refused(void **state)
{
    char text[128];

    memcpy(text, HEADER, sizeof(HEADER));
    for (char *s = text + 7; *s != '\0'; s++)
        *s = (char)toupper((unsigned char)*s);
    assert_false(verify(*state, text));
    memcpy(text, HEADER, sizeof(HEADER));
    memcpy(text, "SHA256=", 7);
    assert_false(verify(*state, text));
    memcpy(text, "sha1=75", 7);
    assert_false(verify(*state, text));
    assert_false(verify(*state, HEADER " "));
    assert_false(verify(*state, " " HEADER));
    assert_false(verify(*state, &HEADER[7]));
    assert_false(verify(*state, HEADER "17"));
}

static void test_signature__a_header_cut_anywhere_is_refused(void **state)
{
    char text[sizeof(HEADER)];

    for (size_t n = 0; n + 1 < sizeof(HEADER); n++) {
        memcpy(text, HEADER, n);
        text[n] = '\0';
        assert_false(verify(*state, text));
    }
}

static void test_signature__changing_any_one_character_of_the_header_is_refused(void **state)
{
    char text[sizeof(HEADER)];

    for (size_t i = 0; i + 1 < sizeof(HEADER); i++) {
        for (int c = 1; c < 256; c++) {
            memcpy(text, HEADER, sizeof(HEADER));
            text[i] = (char)c;
            assert_int_equal(verify(*state, text), text[i] == HEADER[i]);
        }
    }
}

static void test_signature__changing_any_one_bit_of_the_body_is_refused(void **state)
{
    struct keys *k = *state;
    unsigned char body[400];
    char header[72];
    uint64_t seed = 1;

    unit_random_bytes(&seed, body, sizeof(body));
    signature_make(k->list[0], body, sizeof(body), header);
    for (size_t bit = 0; bit < 8 * sizeof(body); bit++) {
        body[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_false(signature_verify(k->list, 1, header, body, sizeof(body)));
        body[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
    assert_true(signature_verify(k->list, 1, header, body, sizeof(body)));
}

static void test_signature__adding_or_removing_a_byte_is_refused(void **state)
{
    struct keys *k = *state;

    assert_false(signature_verify(k->list, 1, HEADER, BODY "\n", strlen(BODY) + 1));
    assert_false(signature_verify(k->list, 1, HEADER, BODY, strlen(BODY) + 1));
    assert_false(signature_verify(k->list, 1, HEADER, BODY, strlen(BODY) - 1));
    assert_false(signature_verify(k->list, 1, HEADER, BODY, 0));
}

static void test_signature__each_secret_of_a_rotation_is_accepted_and_no_other(void **state)
{
    struct keys *k = *state;
    char header[72];

    for (size_t i = 0; i < 3; i++) {
        signature_make(k->list[i], BODY, strlen(BODY), header);
        assert_true(signature_verify(k->list, 3, header, BODY, strlen(BODY)));
        assert_int_equal(signature_verify(k->list, 2, header, BODY, strlen(BODY)), i < 2);
    }
}

static void test_signature__a_body_in_pieces_hashes_as_a_whole(void **state)
{
    struct keys *k = *state;
    struct signature *s = signature_new(k->list, 3);

    for (size_t cut = 0; cut <= strlen(BODY); cut++) {
        signature_begin(s);
        signature_add(s, BODY, cut);
        signature_add(s, &BODY[cut], strlen(BODY) - cut);
        assert_true(signature_end(s, HEADER));
    }
    signature_free(s);
}

static void test_signature__one_used_again_forgets_the_body_before(void **state)
{
    struct keys *k = *state;
    struct signature *s = signature_new(k->list, 2);

    signature_begin(s);
    signature_add(s, "something else", 14);
    assert_false(signature_end(s, HEADER));
    signature_begin(s);
    signature_add(s, "left unfinished", 15);
    signature_begin(s);
    signature_add(s, BODY, strlen(BODY));
    assert_true(signature_end(s, HEADER));
    signature_free(s);
    signature_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signature__githubs_known_answer_is_made_and_accepted),
        cmocka_unit_test(test_signature__an_absent_or_empty_header_never_matches),
        cmocka_unit_test(test_signature__every_other_spelling_is_refused),
        cmocka_unit_test(test_signature__a_header_cut_anywhere_is_refused),
        cmocka_unit_test(test_signature__changing_any_one_character_of_the_header_is_refused),
        cmocka_unit_test(test_signature__changing_any_one_bit_of_the_body_is_refused),
        cmocka_unit_test(test_signature__adding_or_removing_a_byte_is_refused),
        cmocka_unit_test(test_signature__each_secret_of_a_rotation_is_accepted_and_no_other),
        cmocka_unit_test(test_signature__a_body_in_pieces_hashes_as_a_whole),
        cmocka_unit_test(test_signature__one_used_again_forgets_the_body_before),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
