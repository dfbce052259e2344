/*
 * What every cloud owes the engine (providers/provider.h), tried on each against a scripted server. A cloud takes part
 * with a struct fake_dialect: a line in `clouds` below.
 */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "tests/support/cloud_bed.h"

#include <stdio.h>
#include <stdlib.h>

static const struct fake_dialect *const clouds[] = {&fake_aws};

#define TIMEOUT_MS 300 /* for answers that never come */

static int open_bed(void **state)
{
    *state = bed_open(*(const struct fake_dialect **)*state, NULL, 0);
    return 0;
}

static int close_bed(void **state)
{
    bed_close(*state);
    return 0;
}

static enum instance_state state_of(struct bed *b, const struct instance *ref)
{
    struct instance got;
    struct err e;

    assert_ok(b->ops->describe(b->p, ref, &got, &e), e);
    return got.state;
}

/* The four calls that ask the cloud, one after the other. */
enum { CALL_LAUNCH, CALL_DESCRIBE, CALL_DESTROY, CALL_LIST, CALLS };

static int call(struct bed *b, int which, struct err *e)
{
    struct instance ref = bed_ref(b, b->d->unknown_id, "muster-a"), out;
    struct bed_seen seen = {0};

    memset(e, 0, sizeof(*e));
    if (which == CALL_LAUNCH)
        return bed_launch(b, "muster-a", "muster-a-0-0", &out, e);
    if (which == CALL_DESCRIBE)
        return b->ops->describe(b->p, &ref, &out, e);
    if (which == CALL_DESTROY)
        return b->ops->destroy(b->p, &ref, e);
    return b->ops->list(b->p, b->d->region, bed_see, &seen, e);
}

/* ---- one machine, exactly ---- */

static void test_provider__launching_twice_with_one_token_makes_one_machine(void **state)
{
    struct bed *b = *state;
    struct instance first, second, other;
    struct err e;

    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &first, &e), e);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &second, &e), e);
    assert_string_equal(first.id, second.id);
    assert_int_equal(b->cloud.made, 1);
    assert_ok(bed_launch(b, "muster-b", "muster-b-0-0", &other, &e), e);
    assert_string_not_equal(first.id, other.id);
    assert_int_equal(b->cloud.made, 2);
}

static void test_provider__a_launch_says_what_it_made(void **state)
{
    struct bed *b = *state;
    struct instance got;
    struct err e;

    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_string_equal(got.id, b->cloud.machines[0].id);
    assert_string_equal(got.region, b->d->region);
    assert_string_equal(got.name, "muster-a");
    assert_true(got.state == INSTANCE_PENDING || got.state == INSTANCE_RUNNING);
}

static void test_provider__a_lost_answer_and_a_repetition_make_one_machine(void **state)
{
    struct bed *b = *state;
    struct instance got;
    struct err e;

    fake_set_fault(&b->cloud, &(struct fake_fault){.after_acting = true});
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_RETRY, "", e);
    fake_set_fault(&b->cloud, NULL);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_int_equal(b->cloud.made, 1);
    assert_string_equal(got.id, b->cloud.machines[0].id);
}

static void test_provider__a_machine_whose_answer_was_lost_is_found_by_its_name(void **state)
{
    struct bed *b = *state;
    struct instance ref = bed_ref(b, "", "muster-a"), got;
    struct err e;

    fake_set_fault(&b->cloud, &(struct fake_fault){.after_acting = true});
    assert_int_equal(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), -1);
    fake_set_fault(&b->cloud, NULL);
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_string_equal(got.id, b->cloud.machines[0].id);
    assert_true(got.state == INSTANCE_PENDING || got.state == INSTANCE_RUNNING);
    assert_ok(b->ops->destroy(b->p, &ref, &e), e);
    assert_int_equal(fake_alive(&b->cloud), 0);
}

static void test_provider__a_name_never_reaches_another_deployments_machine(void **state)
{
    struct bed *b = *state;
    struct instance ref = bed_ref(b, "", "muster-a");
    struct err e;

    (void)fake_add(&b->cloud, "muster-a", "t", "staging");
    (void)fake_add(&b->cloud, "muster-aa", "u", BED_DEPLOYMENT);
    assert_int_equal(state_of(b, &ref), INSTANCE_GONE);
    assert_ok(b->ops->destroy(b->p, &ref, &e), e);
    assert_int_equal(fake_alive(&b->cloud), 2);
}

static void test_provider__a_cloud_that_ignores_the_question_harms_nobody(void **state)
{
    struct bed *b = *state;
    struct instance ref = bed_ref(b, "", "muster-a"), got;
    struct err e;

    (void)fake_add(&b->cloud, "muster-b", "u", BED_DEPLOYMENT);
    (void)fake_add(&b->cloud, "muster-a", "t", "staging");
    b->cloud.lies = true;
    assert_int_equal(state_of(b, &ref), INSTANCE_GONE);
    assert_ok(b->ops->destroy(b->p, &ref, &e), e);
    assert_int_equal(fake_alive(&b->cloud), 2);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_int_equal(b->cloud.made, 3);
}

/* ---- its end ---- */

static void test_provider__destroying_twice_succeeds_and_describes_as_gone(void **state)
{
    struct bed *b = *state;
    struct instance got, by_name = bed_ref(b, "", "muster-a");
    struct err e;

    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_ok(b->ops->destroy(b->p, &got, &e), e);
    assert_int_equal(fake_alive(&b->cloud), 0);
    assert_int_equal(state_of(b, &got), INSTANCE_GONE);
    assert_int_equal(state_of(b, &by_name), INSTANCE_GONE);
    assert_ok(b->ops->destroy(b->p, &got, &e), e);
    assert_ok(b->ops->destroy(b->p, &by_name, &e), e);
}

static void test_provider__what_the_cloud_never_heard_of_is_gone(void **state)
{
    struct bed *b = *state;
    struct instance by_id = bed_ref(b, b->d->unknown_id, "muster-x"), by_name = bed_ref(b, "", "muster-x");
    struct err e;

    assert_int_equal(state_of(b, &by_id), INSTANCE_GONE);
    assert_int_equal(state_of(b, &by_name), INSTANCE_GONE);
    assert_ok(b->ops->destroy(b->p, &by_id, &e), e);
    assert_ok(b->ops->destroy(b->p, &by_name, &e), e);
}

/* ---- the list ---- */

static void fill_cloud(struct bed *b, size_t n)
{
    char name[32];

    for (size_t i = 0; i < n; i++) {
        (void)snprintf(name, sizeof(name), "muster-%zu", i);
        (void)fake_add(&b->cloud, name, name, BED_DEPLOYMENT);
    }
}

static void test_provider__the_list_has_every_machine_of_all_pages_once(void **state)
{
    struct bed *b = *state;
    struct bed_seen seen = {0};
    struct err e;

    fill_cloud(b, 23);
    b->cloud.page_size = 5;
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_int_equal(seen.n, 23);
    for (size_t i = 0; i < seen.n; i++) {
        assert_string_equal(seen.ids[i], b->cloud.machines[i].id);
        assert_string_equal(seen.names[i], b->cloud.machines[i].name);
    }
}

static void test_provider__the_list_leaves_out_what_ended_and_what_others_own(void **state)
{
    struct bed *b = *state;
    struct bed_seen seen = {0};
    struct err e;

    fill_cloud(b, 2);
    b->cloud.machines[1].gone = true;
    (void)fake_add(&b->cloud, "muster-z", "z", "staging");
    assert_ok(b->ops->list(b->p, b->d->region, bed_see, &seen, &e), e);
    assert_int_equal(seen.n, 1);
    assert_string_equal(seen.names[0], "muster-0");
}

static void test_provider__a_fault_on_the_second_page_fails_the_list(void **state)
{
    static const struct fake_fault faults[] = {{.skip = 1, .status = 500},
                                               {.skip = 1, .status = 503, .body = "<html>"},
                                               {.skip = 1, .status = 200},
                                               {.skip = 1}};
    struct bed *b = *state;

    fill_cloud(b, 10);
    b->cloud.page_size = 4;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        struct bed_seen seen = {0};
        struct err e;

        fake_set_fault(&b->cloud, &faults[i]);
        assert_fails(b->ops->list(b->p, b->d->region, bed_see, &seen, &e), ERR_RETRY, "page 2", e);
    }
}

static void test_provider__the_caller_can_stop_the_list(void **state)
{
    struct bed *b = *state;
    struct bed_seen seen = {.stop_after = 3};
    struct err e;

    fill_cloud(b, 10);
    assert_fails(b->ops->list(b->p, b->d->region, bed_see, &seen, &e), ERR_BUG, "enough", e);
    assert_int_equal(seen.n, 3);
}

/* ---- refusals ---- */

static void test_provider__each_refusal_has_its_kind(void **state)
{
    struct bed *b = *state;

    for (const struct fake_refusal *r = b->d->refusals; r->fixture != NULL; r++) {
        AUTO_FREE char *body = fake_fixture(b->d->name, r->fixture);
        struct err e;

        fake_set_fault(&b->cloud, &(struct fake_fault){.status = r->status, .body = body});
        for (int which = 0; which < CALLS; which++) {
            assert_fails(call(b, which, &e), r->kind, "", e);
            assert_true(strlen(e.msg) > 10);
        }
    }
    assert_int_equal(b->cloud.made, 0);
}

static void test_provider__a_throttled_call_says_how_long_to_wait(void **state)
{
    struct bed *b = *state;
    struct err e;

    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 429, .headers = "Retry-After: 17\r\n", .body = "slow"});
    for (int which = 0; which < CALLS; which++) {
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
        for (int which = 0; which < CALLS; which++)
            assert_fails(call(b, which, &e), rows[i].kind, "", e);
    }
}

/* ---- answers of others ---- */

static void test_provider__an_answer_without_sense_is_tried_again(void **state)
{
    struct bed *b = *state;

    for (size_t i = 0; b->d->nonsense[i] != NULL; i++) {
        fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .body = b->d->nonsense[i]});
        for (int which = 0; which < CALLS; which++) {
            struct err e;

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
    for (int which = 0; which < CALLS; which++) {
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
        for (int which = 0; which < CALLS; which++) {
            struct err e;

            assert_fails(call(b, which, &e), ERR_RETRY, "", e);
        }
    }
}

/* ---- limits ---- */

static void test_provider__user_data_may_fill_its_limit_and_not_pass_it(void **state)
{
    struct bed *b = *state;
    size_t max = b->ops->user_data_max;
    AUTO_FREE char *text = malloc(max + 1);
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    assert_non_null(text);
    memset(text, 'u', max + 1);
    order_init(&o, b, "muster-a", "muster-a-0-0");
    secret_free(o.data);
    o.r.user_data = o.data = secret_new(text, max + 1);
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "user-data", e);
    assert_int_equal(fake_requests(&b->cloud), 0);
    secret_free(o.data);
    o.r.user_data = o.data = secret_new(text, max);
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
}

static void test_provider__names_and_tokens_of_full_length_arrive_whole(void **state)
{
    static const char name[] = "muster-01hx3vb9qzk8m4n5p6r7s8t9vw-0123456789-0123456789-0123456";
    static const char token[] = "muster-01hx3vb9qzk8m4n5p6r7s8t9vw-63-9999-abcdef";
    struct bed *b = *state;

    assert_int_equal(strlen(name), 63);
    assert_int_equal(strlen(token), 48);
    struct instance got, ref = bed_ref(b, "", name);
    struct err e;

    assert_ok(bed_launch(b, name, token, &got, &e), e);
    assert_string_equal(got.name, name);
    assert_string_equal(b->cloud.machines[0].name, name);
    assert_int_equal(state_of(b, &ref), INSTANCE_RUNNING);
}

static void test_provider__tags_may_fill_their_limits_and_not_pass_them(void **state)
{
    struct bed *b = *state;
    AUTO_ORDER struct order o;
    char key[300], value[300];
    struct instance got;
    struct err e;

    order_init(&o, b, "muster-a", "muster-a-0-0");
    if (b->d->tag_key_max == 0)
        skip();
    memset(key, 'k', sizeof(key));
    memset(value, 'v', sizeof(value));
    key[b->d->tag_key_max] = value[b->d->tag_value_max] = '\0';
    o.tags[2] = (struct tag){key, value};
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    value[b->d->tag_value_max] = 'v';
    value[b->d->tag_value_max + 1] = '\0';
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "tag ", e);
}

/* ---- the spec ---- */

static void test_provider__a_spec_without_type_or_image_is_refused_without_a_request(void **state)
{
    struct bed *b = *state;
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    order_init(&o, b, "muster-a", "muster-a-0-0");
    assert_ok(b->ops->check(b->p, &o.spec, &e), e);
    o.spec.instance_type = NULL;
    assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, "instance_type", e);
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "instance_type", e);
    order_clear(&o);
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.image = NULL;
    assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, "machine_image", e);
    o.spec.region = "evil.example.com/";
    assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, "region", e);
    assert_int_equal(fake_requests(&b->cloud), 0);
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
    for (int which = 0; which < CALLS; which++) {
        assert_int_equal(call(b, which, &e), -1);
        holds_no_secret(b, e.msg);
    }
    for (size_t i = 0; b->d->secrets[i] != NULL; i++)
        buf_addf(&sentence, "%s, ", b->d->secrets[i]);
    buf_adds(&sentence, bed_user_data);
    b->d->refuse(sentence.p, &answer);
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 400, .body = strstr(answer.p, "\r\n\r\n") + 4});
    assert_fails(call(b, CALL_LAUNCH, &e), ERR_INVALID, "***, ***", e);
    holds_no_secret(b, e.msg);
}

static void test_provider__an_unreachable_cloud_is_tried_again_and_shows_no_secret(void **state)
{
    struct bed *b = *state;
    struct err e;

    raw_stop(b->server);
    b->server = NULL;
    for (int which = 0; which < CALLS; which++) {
        assert_fails(call(b, which, &e), ERR_RETRY, "", e);
        holds_no_secret(b, e.msg);
    }
    b->server = raw_start(&(struct raw_conf){.handler = fake_handle, .arg = &b->cloud});
}

/* ---- threads ---- */

struct runner {
    struct bed *b;
    int number, rc;
    pthread_t thread;
};

static void *run(void *arg)
{
    struct runner *r = arg;
    struct instance got;
    struct err e;
    char name[32];

    for (int i = 0; i < 5 && r->rc == 0; i++) {
        (void)snprintf(name, sizeof(name), "muster-%d-%d", r->number, i);
        r->rc = bed_launch(r->b, name, name, &got, &e) || (i % 2 == 0 && r->b->ops->destroy(r->b->p, &got, &e));
    }
    return NULL;
}

static void test_provider__many_threads_use_one_account(void **state)
{
    struct bed *b = *state;
    struct runner runners[8];

    for (size_t i = 0; i < ARRAY_LEN(runners); i++) {
        runners[i] = (struct runner){.b = b, .number = (int)i};
        assert_int_equal(pthread_create(&runners[i].thread, NULL, run, &runners[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(runners); i++) {
        (void)pthread_join(runners[i].thread, NULL);
        assert_int_equal(runners[i].rc, 0);
    }
    assert_int_equal(b->cloud.made, 40);
    assert_int_equal(fake_alive(&b->cloud), 16);
}

#define OWED(test)                                                                                                     \
    {                                                                                                                  \
#test, test, open_bed, close_bed, NULL                                                                         \
    }

int main(void)
{
    struct CMUnitTest tests[] = {
        OWED(test_provider__launching_twice_with_one_token_makes_one_machine),
        OWED(test_provider__a_launch_says_what_it_made),
        OWED(test_provider__a_lost_answer_and_a_repetition_make_one_machine),
        OWED(test_provider__a_machine_whose_answer_was_lost_is_found_by_its_name),
        OWED(test_provider__a_name_never_reaches_another_deployments_machine),
        OWED(test_provider__a_cloud_that_ignores_the_question_harms_nobody),
        OWED(test_provider__destroying_twice_succeeds_and_describes_as_gone),
        OWED(test_provider__what_the_cloud_never_heard_of_is_gone),
        OWED(test_provider__the_list_has_every_machine_of_all_pages_once),
        OWED(test_provider__the_list_leaves_out_what_ended_and_what_others_own),
        OWED(test_provider__a_fault_on_the_second_page_fails_the_list),
        OWED(test_provider__the_caller_can_stop_the_list),
        OWED(test_provider__each_refusal_has_its_kind),
        OWED(test_provider__a_throttled_call_says_how_long_to_wait),
        OWED(test_provider__a_bare_status_has_its_kind_and_never_means_gone),
        OWED(test_provider__an_answer_without_sense_is_tried_again),
        OWED(test_provider__outputs_stay_untouched_on_failure),
        OWED(test_provider__an_endless_answer_ends_with_its_ceiling),
        OWED(test_provider__a_silent_cloud_is_left_at_the_deadline),
        OWED(test_provider__a_cut_connection_is_tried_again),
        OWED(test_provider__user_data_may_fill_its_limit_and_not_pass_it),
        OWED(test_provider__names_and_tokens_of_full_length_arrive_whole),
        OWED(test_provider__tags_may_fill_their_limits_and_not_pass_them),
        OWED(test_provider__a_spec_without_type_or_image_is_refused_without_a_request),
        OWED(test_provider__no_error_shows_a_secret_even_if_the_cloud_repeats_it),
        OWED(test_provider__an_unreachable_cloud_is_tried_again_and_shows_no_secret),
        OWED(test_provider__many_threads_use_one_account),
    };
    int failed = 0;

    for (size_t c = 0; c < ARRAY_LEN(clouds); c++) {
        const struct fake_dialect *d = clouds[c];

        for (size_t t = 0; t < ARRAY_LEN(tests); t++)
            tests[t].initial_state = &d;
        failed += cmocka_run_group_tests_name(clouds[c]->name, tests, NULL, NULL);
    }
    return failed;
}
