/* Access tokens: how long they are kept, who asks for them, what happens to a refused one. */
#include "tests/support/unit.h"

#include "providers/common/bearer.h"
#include "server/base/clock.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#define START_MS 1700000000000
#define MINUTE ((int64_t)60 * 1000)

/* Hands out "token-1", "token-2", ... */
struct issuer {
    atomic_int asked, waiting;
    int wait_for; /* so many threads are to be on their way before it answers */
    int64_t life_ms;
    bool fails;
};

static int issue(void *arg, struct secret **token, int64_t *expires_ms, struct err *e)
{
    struct issuer *i = arg;
    int n = atomic_fetch_add(&i->asked, 1) + 1;
    char text[32];

    while (i->waiting < i->wait_for)
        (void)sched_yield();
    if (i->fails)
        return err_set(e, ERR_AUTH, "no token");
    (void)snprintf(text, sizeof(text), "token-%d", n);
    *token = secret_new(text, strlen(text));
    *expires_ms = clock_now_ms() + i->life_ms;
    return 0;
}

static int setup(void **state)
{
    (void)state;
    clock_test_set(START_MS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clock_test_release();
    return 0;
}

static void holds(struct bearer *t, const char *expected)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    struct err e;

    assert_ok(bearer_get(t, &ref, &e), e);
    assert_string_equal(secret_reveal(cache_value(ref)), expected);
}

static void test_bearer__a_token_is_kept_until_five_minutes_before_its_end(void **state)
{
    struct issuer i = {.life_ms = 60 * MINUTE};
    struct bearer *t = bearer_new(issue, &i);

    (void)state;
    holds(t, "token-1");
    clock_test_advance(55 * MINUTE - 1);
    holds(t, "token-1");
    clock_test_advance(1);
    holds(t, "token-2");
    bearer_free(t);
}

static void test_bearer__a_short_life_is_used_for_its_first_half(void **state)
{
    struct issuer i = {.life_ms = 6 * MINUTE};
    struct bearer *t = bearer_new(issue, &i);

    (void)state;
    holds(t, "token-1");
    clock_test_advance(3 * MINUTE - 1);
    holds(t, "token-1");
    clock_test_advance(1);
    holds(t, "token-2");
    bearer_free(t);
}

static void test_bearer__a_failure_is_not_kept(void **state)
{
    struct issuer i = {.life_ms = 60 * MINUTE, .fails = true};
    struct bearer *t = bearer_new(issue, &i);
    struct cache_ref *ref = NULL;
    struct err e;

    (void)state;
    assert_fails(bearer_get(t, &ref, &e), ERR_AUTH, "no token", e);
    assert_null(ref);
    i.fails = false;
    holds(t, "token-2");
    bearer_free(t);
}

struct asker {
    struct bearer *t;
    struct issuer *i;
    pthread_t thread;
    char got[32];
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    struct err e;

    a->i->waiting++;
    if (bearer_get(a->t, &ref, &e) == 0)
        (void)snprintf(a->got, sizeof(a->got), "%s", secret_reveal(cache_value(ref)));
    return NULL;
}

static void test_bearer__one_thread_asks_while_the_others_wait(void **state)
{
    struct issuer i = {.life_ms = 60 * MINUTE, .wait_for = 8};
    struct bearer *t = bearer_new(issue, &i);
    struct asker askers[8] = {{.t = NULL}};

    (void)state;
    for (size_t n = 0; n < ARRAY_LEN(askers); n++) {
        askers[n].t = t;
        askers[n].i = &i;
        assert_int_equal(pthread_create(&askers[n].thread, NULL, ask, &askers[n]), 0);
    }
    for (size_t n = 0; n < ARRAY_LEN(askers); n++) {
        (void)pthread_join(askers[n].thread, NULL);
        assert_string_equal(askers[n].got, "token-1");
    }
    assert_int_equal(i.asked, 1);
    bearer_free(t);
}

static void test_bearer__a_dropped_token_is_asked_for_anew_once(void **state)
{
    struct issuer i = {.life_ms = 60 * MINUTE};
    struct bearer *t = bearer_new(issue, &i);
    struct cache_ref *old = NULL;
    struct err e;

    (void)state;
    assert_ok(bearer_get(t, &old, &e), e);
    bearer_drop(t, cache_value(old));
    holds(t, "token-2");
    bearer_drop(t, cache_value(old)); /* somebody else saw the old one refused, too late */
    holds(t, "token-2");
    assert_int_equal(i.asked, 2);
    cache_release(old);
    bearer_free(t);
}

/* The Authorization that bearer_auth fills in after `refused` ("" = at the first try). */
static void authorizes(struct bearer *t, const char *refused, const char *expected)
{
    AUTO_REST_HEADERS struct rest_headers before = {.n = 0}, out = {.n = 0};
    const struct rest_call call = {.method = "GET", .path = "/", .what = "w"};
    struct err e;

    if (*refused != '\0')
        rest_header_add(&before, "Authorization", refused);
    assert_ok(bearer_auth(t, &call, "http://x/", "", 0, *refused != '\0' ? &before : NULL, &out, &e), e);
    assert_int_equal(out.n, 1);
    assert_string_equal(out.names[0], "Authorization");
    assert_string_equal(secret_reveal(out.values[0]), expected);
}

static void test_bearer__a_refused_call_gets_a_new_token_only_if_it_had_the_newest(void **state)
{
    struct issuer i = {.life_ms = 60 * MINUTE};
    struct bearer *t = bearer_new(issue, &i);

    (void)state;
    authorizes(t, "", "Bearer token-1");
    authorizes(t, "", "Bearer token-1");
    authorizes(t, "Bearer token-1", "Bearer token-2");
    authorizes(t, "Bearer token-1", "Bearer token-2");
    authorizes(t, "Basic token-2", "Bearer token-2");
    assert_int_equal(i.asked, 2);
    bearer_free(t);
}

static void test_bearer__a_fixed_token_stays_the_same(void **state)
{
    AUTO_SECRET struct secret *token = secret_new("tok", 3);
    AUTO_REST_HEADERS struct rest_headers first = {.n = 0}, second = {.n = 0};
    const struct rest_call call = {.method = "GET", .path = "/", .what = "w"};
    struct err e;

    (void)state;
    assert_ok(bearer_fixed(token, &call, "http://x/", "", 0, NULL, &first, &e), e);
    assert_ok(bearer_fixed(token, &call, "http://x/", "", 0, &first, &second, &e), e);
    assert_string_equal(secret_reveal(first.values[0]), "Bearer tok");
    assert_string_equal(secret_reveal(second.values[0]), "Bearer tok");
}

static void test_bearer__nothing_is_freed_twice_or_left(void **state)
{
    struct issuer i = {.life_ms = 60 * MINUTE};
    struct bearer *t = bearer_new(issue, &i);

    (void)state;
    bearer_free(NULL);
    bearer_free(t);
    assert_int_equal(i.asked, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bearer__a_token_is_kept_until_five_minutes_before_its_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_bearer__a_short_life_is_used_for_its_first_half, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bearer__a_failure_is_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bearer__one_thread_asks_while_the_others_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bearer__a_dropped_token_is_asked_for_anew_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bearer__a_refused_call_gets_a_new_token_only_if_it_had_the_newest, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_bearer__a_fixed_token_stays_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bearer__nothing_is_freed_twice_or_left, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
