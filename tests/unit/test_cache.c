#include "server/base/cache.h"

#include "server/base/clock.h"
#include "server/base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START_MS 1700000000000

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

/* A filler that counts its calls, makes "KEY#CALL" and may be held back until the test lets it go. */
struct source {
    atomic_int calls;
    int64_t expires_ms;
    bool fail, absent;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held, inside;
};

#define SOURCE_INIT                                                                                                    \
    {                                                                                                                  \
        .expires_ms = INT64_MAX, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                \
    }

static int fill(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    struct source *s = arg;
    int call = atomic_fetch_add(&s->calls, 1) + 1;
    char text[64];

    (void)pthread_mutex_lock(&s->lock);
    s->inside = true;
    (void)pthread_cond_broadcast(&s->changed);
    while (s->held)
        (void)pthread_cond_wait(&s->changed, &s->lock);
    (void)pthread_mutex_unlock(&s->lock);
    if (s->fail)
        return err_set(e, ERR_CAPACITY, "no %s", key);
    (void)snprintf(text, sizeof(text), "%s#%d", key, call);
    out->value = s->absent ? NULL : mem_strdup(text);
    out->expires_ms = s->expires_ms;
    return 0;
}

static void wait_inside(struct source *s)
{
    (void)pthread_mutex_lock(&s->lock);
    while (!s->inside)
        (void)pthread_cond_wait(&s->changed, &s->lock);
    (void)pthread_mutex_unlock(&s->lock);
}

static void let_go(struct source *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->held = false;
    (void)pthread_cond_broadcast(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
}

static void assert_value(struct cache *c, const char *key, struct source *s, const char *want)
{
    AUTO_CACHE_REF struct cache_ref *r = NULL;
    struct err e;

    assert_int_equal(cache_get(c, key, fill, s, &r, &e), 0);
    assert_string_equal(cache_value(r), want);
}

static void test_cache__a_fresh_value_is_made_once(void **state)
{
    struct cache *c = cache_new(4, free);
    struct source s = SOURCE_INIT;

    (void)state;
    assert_value(c, "a", &s, "a#1");
    assert_value(c, "a", &s, "a#1");
    assert_value(c, "b", &s, "b#2");
    assert_int_equal(s.calls, 2);
    cache_free(c);
}

static void test_cache__a_value_is_made_anew_at_its_expiry_and_not_before(void **state)
{
    struct cache *c = cache_new(4, free);
    struct source s = SOURCE_INIT;

    (void)state;
    s.expires_ms = START_MS + 1000;
    assert_value(c, "a", &s, "a#1");
    clock_test_advance(999);
    assert_value(c, "a", &s, "a#1");
    clock_test_advance(1);
    s.expires_ms = START_MS + 5000;
    assert_value(c, "a", &s, "a#2");
    assert_int_equal(cache_count(c), 1);
    cache_free(c);
}

static void test_cache__known_absence_is_a_value(void **state)
{
    struct cache *c = cache_new(4, free);
    struct source s = SOURCE_INIT;
    struct err e;

    (void)state;
    s.absent = true;
    for (int i = 0; i < 2; i++) {
        AUTO_CACHE_REF struct cache_ref *r = NULL;

        assert_int_equal(cache_get(c, "a", fill, &s, &r, &e), 0);
        assert_null(cache_value(r));
    }
    assert_int_equal(s.calls, 1);
    cache_free(c);
}

static void test_cache__a_failure_is_reported_and_not_kept(void **state)
{
    struct cache *c = cache_new(4, free);
    struct source s = SOURCE_INIT;
    struct cache_ref *r = NULL;
    struct err e;

    (void)state;
    s.fail = true;
    assert_int_equal(cache_get(c, "a", fill, &s, &r, &e), -1);
    assert_int_equal(e.kind, ERR_CAPACITY);
    assert_string_equal(e.msg, "no a");
    assert_null(r);
    assert_int_equal(cache_count(c), 0);
    s.fail = false;
    assert_value(c, "a", &s, "a#2");
    cache_free(c);
}

static void test_cache__peek_never_fills_and_sees_only_fresh_values(void **state)
{
    struct cache *c = cache_new(4, free);
    struct source s = SOURCE_INIT;
    struct cache_ref *r = NULL;

    (void)state;
    s.expires_ms = START_MS + 10;
    assert_false(cache_peek(c, "a", &r));
    assert_value(c, "a", &s, "a#1");
    assert_true(cache_peek(c, "a", &r));
    assert_string_equal(cache_value(r), "a#1");
    cache_release(r);
    clock_test_advance(10);
    assert_false(cache_peek(c, "a", &r));
    assert_int_equal(s.calls, 1);
    cache_free(c);
}

static void test_cache__a_dropped_value_stays_valid_for_who_holds_it(void **state)
{
    struct cache *c = cache_new(4, free);
    struct source s = SOURCE_INIT;
    struct cache_ref *r = NULL;
    struct err e;

    (void)state;
    assert_int_equal(cache_get(c, "a", fill, &s, &r, &e), 0);
    cache_drop(c, "a", NULL);
    assert_value(c, "a", &s, "a#2");
    assert_string_equal(cache_value(r), "a#1");
    cache_release(r);
    cache_free(c);
}

static void test_cache__dropping_a_certain_value_spares_its_successor(void **state)
{
    struct cache *c = cache_new(4, free);
    struct source s = SOURCE_INIT;
    struct cache_ref *first = NULL;
    struct err e;

    (void)state;
    assert_int_equal(cache_get(c, "a", fill, &s, &first, &e), 0);
    cache_drop(c, "a", cache_value(first));
    assert_value(c, "a", &s, "a#2");
    cache_drop(c, "a", cache_value(first)); /* another thread that was refused with the old value */
    assert_value(c, "a", &s, "a#2");
    cache_release(first);
    cache_free(c);
}

static void test_cache__the_least_recently_used_goes_first(void **state)
{
    struct cache *c = cache_new(2, free);
    struct source s = SOURCE_INIT;
    struct cache_ref *r = NULL;

    (void)state;
    assert_value(c, "a", &s, "a#1");
    assert_value(c, "b", &s, "b#2");
    assert_value(c, "a", &s, "a#1");
    assert_value(c, "c", &s, "c#3");
    assert_int_equal(cache_count(c), 2);
    assert_false(cache_peek(c, "b", &r));
    assert_value(c, "a", &s, "a#1");
    assert_value(c, "c", &s, "c#3");
    cache_free(c);
}

static void test_cache__many_keys_never_exceed_the_ceiling(void **state)
{
    struct cache *c = cache_new(100, free);
    struct source s = SOURCE_INIT;
    char key[32], want[64];

    (void)state;
    for (int i = 1; i <= 5000; i++) {
        (void)snprintf(key, sizeof(key), "key-%d", i);
        (void)snprintf(want, sizeof(want), "key-%d#%d", i, i);
        assert_value(c, key, &s, want);
        assert_true(cache_count(c) <= 100);
    }
    assert_int_equal(cache_count(c), 100);
    cache_free(c);
}

struct caller {
    struct cache *c;
    struct source *s;
    pthread_t thread;
    int rc;
    struct cache_ref *ref;
    struct err e;
};

static void *call_get(void *arg)
{
    struct caller *k = arg;

    k->rc = cache_get(k->c, "a", fill, k->s, &k->ref, &k->e);
    return NULL;
}

#define CALLERS 20

static void start_callers(struct caller k[CALLERS], struct cache *c, struct source *s)
{
    for (int i = 0; i < CALLERS; i++) {
        k[i] = (struct caller){.c = c, .s = s};
        assert_int_equal(pthread_create(&k[i].thread, NULL, call_get, &k[i]), 0);
    }
}

static void test_cache__one_fills_while_the_others_wait_and_share(void **state)
{
    struct cache *c = cache_new(4, free);
    struct source s = SOURCE_INIT;
    struct caller k[CALLERS];

    (void)state;
    s.held = true;
    start_callers(k, c, &s);
    wait_inside(&s);
    let_go(&s);
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(k[i].thread, NULL), 0);
        assert_int_equal(k[i].rc, 0);
        assert_string_equal(cache_value(k[i].ref), "a#1");
    }
    assert_int_equal(s.calls, 1);
    for (int i = 0; i < CALLERS; i++)
        cache_release(k[i].ref);
    cache_free(c);
}

static void test_cache__who_waits_for_a_failing_fill_gets_its_error(void **state)
{
    struct cache *c = cache_new(4, free);
    struct source s = SOURCE_INIT;
    struct caller k[CALLERS];

    (void)state;
    s.held = s.fail = true;
    start_callers(k, c, &s);
    wait_inside(&s);
    let_go(&s);
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(k[i].thread, NULL), 0);
        assert_int_equal(k[i].rc, -1);
        assert_int_equal(k[i].e.kind, ERR_CAPACITY);
        assert_null(k[i].ref);
    }
    cache_free(c);
}

static void test_cache__a_value_dropped_while_it_is_made_is_not_kept(void **state)
{
    struct cache *c = cache_new(4, free);
    struct source s = SOURCE_INIT;
    struct caller k = {.c = c, .s = &s};

    (void)state;
    s.held = true;
    assert_int_equal(pthread_create(&k.thread, NULL, call_get, &k), 0);
    wait_inside(&s);
    cache_drop(c, "a", NULL);
    let_go(&s);
    assert_int_equal(pthread_join(k.thread, NULL), 0);
    assert_string_equal(cache_value(k.ref), "a#1");
    cache_release(k.ref);
    assert_int_equal(cache_count(c), 0);
    assert_value(c, "a", &s, "a#2");
    cache_free(c);
}

static void *storm(void *arg)
{
    struct caller *k = arg;
    char key[8];

    for (int i = 0; i < 2000 && k->rc == 0; i++) {
        AUTO_CACHE_REF struct cache_ref *r = NULL;

        (void)snprintf(key, sizeof(key), "%d", i % 7);
        k->rc = cache_get(k->c, key, fill, k->s, &r, &k->e);
        if (k->rc == 0 && strncmp(cache_value(r), key, 1) != 0)
            k->rc = -1;
        if (i % 5 == 0)
            cache_drop(k->c, key, r != NULL ? cache_value(r) : NULL);
        if (i % 11 == 0)
            cache_drop(k->c, key, NULL);
    }
    return NULL;
}

static void test_cache__a_storm_of_gets_and_drops_gives_everyone_the_right_value(void **state)
{
    struct cache *c = cache_new(3, free);
    struct source s = SOURCE_INIT;
    struct caller k[8];

    (void)state;
    for (int i = 0; i < 8; i++) {
        k[i] = (struct caller){.c = c, .s = &s};
        assert_int_equal(pthread_create(&k[i].thread, NULL, storm, &k[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(k[i].thread, NULL), 0);
        assert_int_equal(k[i].rc, 0);
    }
    assert_true(cache_count(c) <= 3);
    cache_free(c);
}

static void test_cache__nothing_is_freed_quietly(void **state)
{
    (void)state;
    cache_free(NULL);
    cache_release(NULL);
}

static void test_cache__a_clock_that_is_set_back_makes_nothing_good_for_longer(void **state)
{
    struct cache *c = cache_new(4, free);
    struct source s = SOURCE_INIT;
    struct cache_ref *r;
    struct err e;

    (void)state;
    s.expires_ms = START_MS + 60000;
    assert_int_equal(cache_get(c, "a", fill, &s, &r, &e), 0);
    cache_release(r);
    clock_test_advance(59000);
    clock_test_set(START_MS - 86400000);
    assert_int_equal(cache_get(c, "a", fill, &s, &r, &e), 0);
    cache_release(r);
    assert_int_equal(s.calls, 1);
    clock_test_advance(2000);
    s.expires_ms = INT64_MAX;
    assert_int_equal(cache_get(c, "a", fill, &s, &r, &e), 0);
    cache_release(r);
    assert_int_equal(s.calls, 2);
    cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cache__a_fresh_value_is_made_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache__a_value_is_made_anew_at_its_expiry_and_not_before, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache__known_absence_is_a_value, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache__a_failure_is_reported_and_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache__peek_never_fills_and_sees_only_fresh_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache__a_dropped_value_stays_valid_for_who_holds_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache__dropping_a_certain_value_spares_its_successor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache__the_least_recently_used_goes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache__many_keys_never_exceed_the_ceiling, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache__one_fills_while_the_others_wait_and_share, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache__who_waits_for_a_failing_fill_gets_its_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache__a_value_dropped_while_it_is_made_is_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache__a_storm_of_gets_and_drops_gives_everyone_the_right_value, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_cache__nothing_is_freed_quietly, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cache__a_clock_that_is_set_back_makes_nothing_good_for_longer, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
