/* The end of `muster sweep`, on a cloud in memory and a clock that stands still but for its own pauses. */
#include "server/base/clock.h"
#include "server/base/text.h"
#include "server/cli/sweep_int.h"
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NOW ((int64_t)1700000000000)
#define MINUTE ((int64_t)60 * 1000)
#define E_ACUTE "\xC3\xA9"

/* What was asked of the cloud. */
struct provider {
    int looks, destroys, pauses;
    int64_t destroyed_ms[64], paused_ms[200];
    const char *refusal; /* of an end; NULL = none */
};

static int describe(struct provider *p, const struct instance *ref, struct instance *out, struct err *e)
{
    (void)e;
    p->looks++;
    *out = *ref;
    out->state = INSTANCE_STOPPED; /* for ever */
    return 0;
}

static int destroy(struct provider *p, const struct instance *ref, struct err *e)
{
    (void)ref;
    if (p->destroys < (int)ARRAY_LEN(p->destroyed_ms))
        p->destroyed_ms[p->destroys] = clock_mono_ms();
    p->destroys++;
    return p->refusal != NULL ? err_set(e, ERR_AUTH, "%s", p->refusal) : 0;
}

static bool pass(void *arg, int64_t ms)
{
    struct provider *p = arg;

    if (p->pauses < (int)ARRAY_LEN(p->paused_ms))
        p->paused_ms[p->pauses] = ms;
    p->pauses++;
    clock_test_advance(ms);
    return false;
}

static const struct provider_ops ops = {.name = "mem", .describe = describe, .destroy = destroy};

struct bed {
    struct provider p;
    struct cloud_account account;
    struct sweeping s;
};

/* One machine, stopped and over its lifetime: it ends without GitHub's word. */
static void begin(struct bed *b)
{
    clock_test_set(NOW);
    *b = (struct bed){.account = {.ops = &ops}, .s = {.wait_ms = 5 * MINUTE, .now_ms = NOW, .deployment = "d"}};
    b->s.env.pause = pass;
    b->s.env.pause_arg = &b->p;
    b->s.found = calloc(1, sizeof(*b->s.found));
    assert_non_null(b->s.found);
    b->s.found[0] = (struct sweep_found){.account = &b->account,
                                         .provider = &b->p,
                                         .i = {.id = "i-1", .state = INSTANCE_STOPPED, .expires_ms = NOW - MINUTE}};
    b->s.n_found = 1;
}

static void end(struct bed *b)
{
    free(b->s.found);
    free(b->s.errors);
    clock_test_release();
}

static void test_sweep_end__looks_come_ever_more_seldom_until_the_time_is_over(void **state)
{
    static const int64_t first[] = {2000, 4000, 8000, 16000, 30000, 30000};
    struct bed b;

    (void)state;
    begin(&b);
    sweep_end_all(&b.s);
    assert_int_equal(clock_now_ms(), NOW + 5 * MINUTE);
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        assert_int_equal(b.p.paused_ms[i], first[i]);
    assert_int_equal(b.p.looks, b.p.pauses + 1);
    assert_true(b.p.looks <= 15);
    assert_int_equal(b.s.found[0].fate, FATE_FAILED);
    end(&b);
}

static void test_sweep_end__what_cannot_go_yet_is_asked_to_every_half_minute_at_most(void **state)
{
    struct bed b;

    (void)state;
    begin(&b);
    sweep_end_all(&b.s);
    assert_in_range(b.p.destroys, 5, 1 + 5 * MINUTE / 30000);
    for (int i = 1; i < b.p.destroys; i++)
        assert_true(b.p.destroyed_ms[i] - b.p.destroyed_ms[i - 1] >= 30000);
    end(&b);
}

/* Into nothing; whether it could be written. */
static int as_json(const struct sweeping *s, struct err *e)
{
    int out = dup(STDOUT_FILENO), nothing = open("/dev/null", O_WRONLY | O_CLOEXEC), rc;

    (void)fflush(stdout);
    assert_true(out >= 0 && nothing >= 0 && dup2(nothing, STDOUT_FILENO) >= 0);
    rc = sweep_print_json(s, e);
    (void)fflush(stdout);
    assert_true(dup2(out, STDOUT_FILENO) >= 0);
    close(out);
    close(nothing);
    return rc;
}

/* Whatever its length, the cut falls into the middle of a character at one of two. */
static void test_sweep_end__long_words_of_a_cloud_are_cut_between_characters(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 2; shift++) {
        char text[401] = "", id[] = "i-\xC3";
        struct bed b;
        struct err e;

        for (size_t n = shift; n + 2 < sizeof(text); n += 2)
            memcpy(text + n, E_ACUTE, 3);
        memset(text, 'x', shift);
        begin(&b);
        b.p.refusal = text;
        (void)snprintf(b.s.found[0].i.id, sizeof(b.s.found[0].i.id), "%s", id);
        sweep_end_all(&b.s);
        sweep_error(&b.s, "mem", "r\xC3", text);
        assert_int_equal(b.s.found[0].fate, FATE_FAILED);
        assert_in_range(strlen(b.s.found[0].why), 280, 290);
        assert_true(text_utf8_valid(b.s.found[0].why, strlen(b.s.found[0].why)));
        assert_true(text_utf8_valid(b.s.errors[0].text, strlen(b.s.errors[0].text)));
        assert_ok(as_json(&b.s, &e), e);
        end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sweep_end__looks_come_ever_more_seldom_until_the_time_is_over),
        cmocka_unit_test(test_sweep_end__what_cannot_go_yet_is_asked_to_every_half_minute_at_most),
        cmocka_unit_test(test_sweep_end__long_words_of_a_cloud_are_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
