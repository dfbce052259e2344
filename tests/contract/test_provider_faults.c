/* What every cloud owes the engine when something goes wrong: refusals, answers without sense, silence, secrets. */
#include "server/base/clock.h"
#include "tests/support/cloud_suite.h"

#include <stdio.h>

#define TIMEOUT_MS 300 /* for answers that never come */

/* The calls that ask the cloud, one after the other; the last only of clouds that are asked for their regions. */
enum { CALL_LAUNCH, CALL_DESCRIBE, CALL_DESTROY, CALL_LIST, CALL_REGIONS };

static int calls(const struct bed *b)
{
    return b->ops->regions != NULL && !b->d->regions_come_with_token ? CALL_REGIONS + 1 : CALL_REGIONS;
}

static int see_region(void *arg, const char *region, struct err *e)
{
    (void)region;
    (*(size_t *)arg)++;
    (void)e;
    return 0;
}

static int call(struct bed *b, int which, struct err *e)
{
    struct instance ref = bed_ref(b, b->d->unknown_id, "muster-a"), out;
    struct bed_seen seen = {0};
    size_t regions = 0;

    memset(e, 0, sizeof(*e));
    if (which == CALL_LAUNCH)
        return bed_launch(b, "muster-a", "muster-a-0-0", &out, e);
    if (which == CALL_DESCRIBE)
        return b->ops->describe(b->p, &ref, &out, e);
    if (which == CALL_DESTROY)
        return b->ops->destroy(b->p, &ref, e);
    if (which == CALL_REGIONS)
        return b->ops->regions(b->p, see_region, &regions, e);
    return b->ops->list(b->p, b->d->region, bed_see, &seen, e);
}

/* ---- refusals ---- */

static void test_provider__each_refusal_has_its_kind(void **state)
{
    struct bed *b = *state;

    for (const struct fake_refusal *r = b->d->refusals; r->fixture != NULL; r++) {
        AUTO_FREE char *body = fake_fixture(b->d->name, r->fixture);
        struct err e;

        fake_set_fault(&b->cloud, &(struct fake_fault){.status = r->status, .body = body});
        for (int which = 0; which < calls(b); which++) {
            assert_fails(call(b, which, &e), r->kind, "", e);
            assert_true(strlen(e.msg) > 10);
        }
    }
    assert_int_equal(b->cloud.made, 0);
}

static void test_provider__a_machine_that_fails_after_it_was_accepted_is_refused_and_leaves_nothing(void **state)
{
    struct bed *b = *state;
    struct instance got;
    struct err e;

    if (b->d->dooms == NULL)
        skip();
    for (const struct fake_refusal *r = b->d->dooms; r->fixture != NULL; r++) {
        b->cloud.doom = r;
        assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), r->kind, "", e);
        assert_true(strlen(e.msg) > 10);
        assert_int_equal(fake_alive(&b->cloud), 0);
        b->cloud.n = 0;
    }
}

static void test_provider__a_throttled_call_says_how_long_to_wait(void **state)
{
    struct bed *b = *state;
    struct err e;

    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 429, .headers = "Retry-After: 17\r\n", .body = "slow"});
    for (int which = 0; which < calls(b); which++) {
        assert_fails(call(b, which, &e), ERR_THROTTLED, "", e);
        assert_int_equal(e.retry_after_s, 17);
    }
}

static void test_provider__a_bare_status_has_its_kind_and_never_means_gone(void **state)
{
    static const struct {
        int status;
        enum err_kind kind;
    } rows[] = {{401, ERR_AUTH},    {403, ERR_AUTH},  {409, ERR_CONFLICT}, {429, ERR_THROTTLED}, {400, ERR_INVALID},
                {404, ERR_INVALID}, {500, ERR_RETRY}, {502, ERR_RETRY},    {503, ERR_RETRY},     {302, ERR_RETRY}};
    struct bed *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e;

        fake_set_fault(&b->cloud, &(struct fake_fault){.status = rows[i].status, .body = "who are you?"});
        for (int which = 0; which < calls(b); which++)
            assert_fails(call(b, which, &e), rows[i].kind, "", e);
    }
}

/* ---- answers of others ---- */

static void test_provider__an_answer_without_sense_is_tried_again(void **state)
{
    struct bed *b = *state;

    for (size_t i = 0; b->d->nonsense[i] != NULL; i++) {
        fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .body = b->d->nonsense[i]});
        for (int which = 0; which < calls(b); which++) {
            struct err e;

            if (which == CALL_DESTROY && b->d->destroy_says_nothing)
                continue;
            assert_fails(call(b, which, &e), ERR_RETRY, "", e);
        }
    }
}

static void test_provider__outputs_stay_untouched_on_failure(void **state)
{
    struct bed *b = *state;
    struct instance ref = bed_ref(b, b->d->unknown_id, "muster-a"), out, before;
    struct err e;

    memset(&out, 'x', sizeof(out));
    before = out;
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .body = b->d->nonsense[3]});
    assert_int_equal(bed_launch(b, "muster-a", "muster-a-0-0", &out, &e), -1);
    assert_memory_equal(&out, &before, sizeof(out));
    assert_int_equal(b->ops->describe(b->p, &ref, &out, &e), -1);
    assert_memory_equal(&out, &before, sizeof(out));
}

static void test_provider__an_endless_answer_ends_with_its_ceiling(void **state)
{
    struct bed *b = *state;
    int64_t began = clock_mono_ms();

    fake_set_fault(&b->cloud, &(struct fake_fault){.act = RAW_ENDLESS});
    for (int which = 0; which < calls(b); which++) {
        struct err e;

        assert_fails(call(b, which, &e), ERR_RETRY, "", e);
    }
    assert_true(clock_mono_ms() - began < b->env.timeout_ms);
}

static void test_provider__a_silent_cloud_is_left_at_the_deadline(void **state)
{
    struct bed *b = *state;
    struct err e;

    bed_reopen(b, TIMEOUT_MS);
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .act = RAW_HANG});
    assert_fails(call(b, CALL_LAUNCH, &e), ERR_RETRY, "", e);
    assert_fails(call(b, CALL_LIST, &e), ERR_RETRY, "", e);
}

static void test_provider__a_cut_connection_is_tried_again(void **state)
{
    static const struct fake_fault faults[] = {{.status = 0}, {.status = 200, .body = "<Run", .act = RAW_RESET}};
    struct bed *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        fake_set_fault(&b->cloud, &faults[i]);
        for (int which = 0; which < calls(b); which++) {
            struct err e;

            assert_fails(call(b, which, &e), ERR_RETRY, "", e);
        }
    }
}

/* ---- secrets ---- */

static void holds_no_secret(const struct bed *b, const char *text)
{
    for (size_t i = 0; b->d->secrets[i] != NULL; i++) {
        if (strstr(text, b->d->secrets[i]) != NULL)
            fail_msg("a secret shows in \"%s\"", text);
    }
    if (strstr(text, "one-time-credential") != NULL || strstr(text, "b25lLXRpbWUtY3JlZGVudGlhbC") != NULL)
        fail_msg("user-data shows in \"%s\"", text);
}

static void test_provider__no_error_shows_a_secret_even_if_the_cloud_repeats_it(void **state)
{
    struct bed *b = *state;
    AUTO_BUF struct buf sentence = BUF_INIT(4096), answer = BUF_INIT(65536);
    struct err e;

    fake_set_fault(&b->cloud, &(struct fake_fault){.echo = true});
    for (int which = 0; which < calls(b); which++) {
        assert_int_equal(call(b, which, &e), -1);
        holds_no_secret(b, e.msg);
    }
    for (size_t i = 0; b->d->secrets[i] != NULL; i++)
        buf_addf(&sentence, "%s, ", b->d->secrets[i]);
    buf_adds(&sentence, bed_user_data);
    b->d->refuse(sentence.p, &answer);
    fake_set_fault(&b->cloud,
                   &(struct fake_fault){.at_create = true, .status = 400, .body = strstr(answer.p, "\r\n\r\n") + 4});
    assert_fails(call(b, CALL_LAUNCH, &e), ERR_INVALID, "***, ***", e);
    holds_no_secret(b, e.msg);
}

static void test_provider__an_unreachable_cloud_is_tried_again_and_shows_no_secret(void **state)
{
    struct bed *b = *state;
    struct err e;

    raw_stop(b->server);
    b->server = NULL;
    for (int which = 0; which < calls(b); which++) {
        assert_fails(call(b, which, &e), ERR_RETRY, "", e);
        holds_no_secret(b, e.msg);
    }
    b->server = raw_start(&(struct raw_conf){.handler = fake_handle, .arg = &b->cloud});
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SUITE_TEST(test_provider__each_refusal_has_its_kind),
        SUITE_TEST(test_provider__a_machine_that_fails_after_it_was_accepted_is_refused_and_leaves_nothing),
        SUITE_TEST(test_provider__a_throttled_call_says_how_long_to_wait),
        SUITE_TEST(test_provider__a_bare_status_has_its_kind_and_never_means_gone),
        SUITE_TEST(test_provider__an_answer_without_sense_is_tried_again),
        SUITE_TEST(test_provider__outputs_stay_untouched_on_failure),
        SUITE_TEST(test_provider__an_endless_answer_ends_with_its_ceiling),
        SUITE_TEST(test_provider__a_silent_cloud_is_left_at_the_deadline),
        SUITE_TEST(test_provider__a_cut_connection_is_tried_again),
        SUITE_TEST(test_provider__no_error_shows_a_secret_even_if_the_cloud_repeats_it),
        SUITE_TEST(test_provider__an_unreachable_cloud_is_tried_again_and_shows_no_secret),
    };

    return suite_run(tests, ARRAY_LEN(tests));
}
