/* Nobody is on the other side here: what would go out, when, on a set clock. */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "server/github/app_int.h"
#include "tests/support/ghtest.h"

#include <stdio.h>

#define START_MS 1700000000000
#define MINUTE 60

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

static void paces_clear(struct paces **p)
{
    paces_free(*p);
}
#define AUTO_PACES AUTO(paces_clear)

static uint64_t next_who(void)
{
    static _Atomic uint64_t who = 1000;

    return ++who;
}

static struct pace_call reading(int64_t installation, int64_t repo)
{
    return (struct pace_call){.id = installation, .repo = repo, .who = next_who()};
}

static struct pace_call writing(int64_t installation, int64_t repo)
{
    return (struct pace_call){.id = installation, .repo = repo, .who = next_who(), .writes = true, .registers = true};
}

static struct pace_call ending(int64_t installation, int64_t repo)
{
    return (struct pace_call){
        .id = installation, .repo = repo, .who = next_who(), .writes = true, .use = GITHUB_FOR_ENDS};
}

static struct pace_call reporting(int64_t installation, int64_t repo)
{
    return (struct pace_call){
        .id = installation, .repo = repo, .writes = true, .contents = true, .use = GITHUB_FOR_REPORTS};
}

/* Seconds it is told to wait; 0 = it went out, and is under way. */
static int enter(struct paces *p, const struct pace_call *c)
{
    struct err e;

    if (pace_enter(p, c, &e) == 0)
        return 0;
    assert_int_equal(e.kind, ERR_THROTTLED);
    assert_true(e.retry_after_s > 0);
    return e.retry_after_s;
}

/* Its answer; limit 0 = it announces none. reset_s: from now. */
static void leave(struct paces *p, const struct pace_call *c, int limit, int remaining, int reset_s)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;

    res.status = 200;
    res.headers = (struct buf)BUF_INIT(4096);
    if (limit > 0)
        buf_addf(&res.headers,
                 "X-RateLimit-Limit: %d\r\nX-RateLimit-Remaining: %d\r\nX-RateLimit-Reset: %lld\r\n"
                 "X-RateLimit-Resource: core\r\n",
                 limit, remaining, (long long)(clock_now_ms() / 1000 + reset_s));
    pace_leave(p, c, &res, clock_now_ms());
}

/* There and back. */
static int call(struct paces *p, struct pace_call c, int limit, int remaining)
{
    int wait_s = enter(p, &c);

    if (wait_s == 0)
        leave(p, &c, limit, remaining, 3600);
    return wait_s;
}

static void learn(struct paces *p, int64_t installation, int remaining)
{
    assert_int_equal(call(p, reading(installation, 1), 5000, remaining), 0);
}

static void test_github_pace__no_minute_sees_more_points_than_documented(void **state)
{
    AUTO_PACES struct paces *p = paces_new();
    int points[10 * MINUTE] = {0}, sum = 0, most = 0, all = 0;
    struct pace_call calls[40];

    (void)state;
    for (int i = 0; i < 40; i++)
        calls[i] = i % 2 == 0 ? writing(7, i) : reading(7, i);
    for (int s = 0; s < 10 * MINUTE; s++) {
        for (int i = 0; i < 40; i++) {
            if (call(p, calls[i], 5000, 4900) != 0)
                continue;
            points[s] += calls[i].writes ? 5 : 1;
            calls[i].who = next_who();
        }
        sum += points[s] - (s >= MINUTE ? points[s - MINUTE] : 0);
        most = sum > most ? sum : most;
        all += points[s];
        clock_test_advance(1000);
    }
    assert_in_range(most, 700, 900);
    assert_true(all > 7000); /* nor is it left unused */
}

static void test_github_pace__who_is_told_a_time_goes_out_at_that_time(void **state)
{
    AUTO_PACES struct paces *p = paces_new();
    struct pace_call late;
    int wait_s;

    (void)state;
    learn(p, 7, 4900);
    while (call(p, writing(7, 1), 5000, 4900) == 0)
        continue;
    for (int i = 0; i < 100; i++)
        (void)call(p, writing(7, 1), 5000, 4900);
    late = writing(7, 1);
    wait_s = enter(p, &late);
    assert_in_range(wait_s, 39, 43); /* a hundred before it, two and a half a second */
    clock_test_advance((wait_s - 20) * 1000);
    assert_true(enter(p, &late) > 0); /* some of those before it never came back, others may */
    clock_test_advance(20 * 1000);
    assert_int_equal(enter(p, &late), 0);
}

static void test_github_pace__ends_go_when_nothing_is_left_for_starts(void **state)
{
    AUTO_PACES struct paces *p = paces_new();
    int ends = 0;

    (void)state;
    learn(p, 7, 4900);
    while (call(p, writing(7, 1), 5000, 4900) == 0)
        continue;
    for (int i = 0; i < 500; i++)
        (void)call(p, writing(7, 1), 5000, 4900); /* a storm stands in the queue */
    while (call(p, ending(7, 1), 5000, 4900) == 0)
        ends++;
    assert_in_range(ends, 3, 5);
    clock_test_advance(1000);
    assert_int_equal(call(p, ending(7, 1), 5000, 4900), 0); /* before all of them */
}

static void test_github_pace__reports_come_last(void **state)
{
    AUTO_PACES struct paces *p = paces_new();
    struct pace_call one = reporting(7, 1);

    (void)state;
    learn(p, 7, 4900);
    for (int i = 0; i < 11; i++)
        assert_int_equal(call(p, writing(7, 1), 5000, 4900), 0);
    assert_true(enter(p, &one) > 0);
    assert_int_equal(call(p, writing(7, 1), 5000, 4900), 0);
}

static void test_github_pace__contents_are_written_one_at_a_time_and_at_most_80_a_minute_500_an_hour(void **state)
{
    AUTO_PACES struct paces *p = paces_new();
    struct pace_call one = reporting(7, 1), two = reporting(7, 1);
    int minute = 0, hour = 0;

    (void)state;
    learn(p, 7, 4900);
    assert_int_equal(enter(p, &one), 0);
    assert_int_equal(enter(p, &two), 1);
    leave(p, &one, 5000, 4900, 3600);
    for (int s = 0; s < 60 * MINUTE; s++) {
        bool went = call(p, reporting(7, 1), 5000, 4900) == 0;

        hour += went ? 1 : 0;
        minute += went && s < MINUTE ? 1 : 0;
        clock_test_advance(1000);
    }
    assert_in_range(minute, 50, 80);
    assert_in_range(hour, 400, 500);
}

static void test_github_pace__the_hours_last_calls_are_for_ends(void **state)
{
    AUTO_PACES struct paces *p = paces_new();

    (void)state;
    learn(p, 7, 251);
    assert_int_equal(call(p, writing(7, 1), 5000, 250), 0);
    assert_in_range(call(p, writing(7, 1), 5000, 250), 3600, 3601); /* until it is filled again */
    assert_in_range(call(p, reading(7, 1), 5000, 250), 3600, 3601);
    assert_int_equal(call(p, ending(7, 1), 5000, 249), 0);
    clock_test_advance(3601 * 1000);
    assert_int_equal(call(p, writing(7, 1), 5000, 4999), 0);
}

static void test_github_pace__an_answer_that_was_overtaken_gives_no_calls_back(void **state)
{
    AUTO_PACES struct paces *p = paces_new();
    struct pace_call first = ending(7, 1), second = ending(7, 1);

    (void)state;
    learn(p, 7, 2);
    assert_int_equal(enter(p, &first), 0);
    assert_int_equal(enter(p, &second), 0);
    leave(p, &second, 5000, 0, 3600);
    leave(p, &first, 5000, 1, 3600);
    assert_in_range(call(p, ending(7, 1), 5000, 0), 3600, 3601);
}

static void test_github_pace__a_repository_that_used_much_leaves_the_rest_of_the_hour_to_others(void **state)
{
    AUTO_PACES struct paces *p = paces_new();

    (void)state;
    for (int i = 0; i < 110; i++) {
        assert_int_equal(call(p, reading(7, 1), 5000, 4000), 0);
        clock_test_advance(100);
    }
    learn(p, 7, 700);
    assert_true(call(p, writing(7, 1), 5000, 700) > 3000);
    assert_true(call(p, reporting(7, 2), 5000, 700) > 3000);
    assert_int_equal(call(p, writing(7, 2), 5000, 700), 0);
}

static void test_github_pace__an_installation_that_is_used_up_does_not_delay_another(void **state)
{
    AUTO_PACES struct paces *p = paces_new();

    (void)state;
    learn(p, 7, 10);
    learn(p, 8, 4900);
    assert_true(call(p, writing(7, 1), 5000, 10) > 0);
    assert_int_equal(call(p, writing(8, 1), 5000, 4900), 0);
    assert_int_equal(call(p, writing(0, 0), 0, 0), 0); /* and not the App itself */
}

static void test_github_pace__one_repositorys_thousand_calls_do_not_delay_the_single_one_of_another(void **state)
{
    AUTO_PACES struct paces *p = paces_new();

    (void)state;
    learn(p, 7, 4900);
    for (int i = 0; i < 1000; i++)
        (void)call(p, writing(7, 1), 5000, 4900);
    assert_in_range(call(p, writing(7, 2), 5000, 4900), 1, 2);
}

static void test_github_pace__without_announced_limits_nothing_waits(void **state)
{
    AUTO_PACES struct paces *p = paces_new();

    (void)state;
    assert_int_equal(call(p, reading(7, 1), 0, 0), 0);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(call(p, writing(7, 1), 0, 0), 0);
}

static void test_github_pace__a_server_with_limits_of_its_own_is_held_to_the_hours_only(void **state)
{
    AUTO_PACES struct paces *p = paces_new();

    (void)state;
    for (int i = 0; i < 2000; i++)
        assert_int_equal(call(p, writing(7, i), 100000, 90000), 0);
    assert_int_equal(call(p, writing(7, 1), 100000, 4000), 0);
    assert_true(call(p, writing(7, 1), 100000, 4000) > 0);
}

static void test_github_pace__before_the_first_answer_only_a_few_go_out(void **state)
{
    AUTO_PACES struct paces *p = paces_new();
    struct pace_call calls[100];
    int out = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        calls[i] = writing(7, 1);
        out += enter(p, &calls[i]) == 0 ? 1 : 0;
    }
    assert_int_equal(out, 8);
    leave(p, &calls[0], 5000, 0, 1800); /* the first one tells that there is nothing left */
    assert_in_range(enter(p, &calls[50]), 1800, 1801);
}

static void test_github_pace__a_hundred_calls_at_once_are_never_passed(void **state)
{
    AUTO_PACES struct paces *p = paces_new();
    int out = 0;

    (void)state;
    learn(p, 7, 4900);
    for (int s = 0; s < 60; s++) {
        struct pace_call c;

        for (int i = 0; i < 20; i++) {
            c = reading(7, i);
            out += enter(p, &c) == 0 ? 1 : 0;
        }
        clock_test_advance(1000);
    }
    assert_int_equal(out, 90);
}

static void test_github_pace__a_refusal_all_the_same_makes_it_slower(void **state)
{
    AUTO_PACES struct paces *p = paces_new();
    struct pace_call c = writing(7, 1);
    int went = 0;

    (void)state;
    learn(p, 7, 4900);
    pace_refused(p, &c, 30);
    assert_int_equal(enter(p, &c), 30);
    clock_test_advance(30 * 1000);
    for (int s = 0; s < 10; s++, clock_test_advance(1000)) {
        while (call(p, writing(7, 1), 5000, 4900) == 0)
            went++;
    }
    assert_in_range(went, 12, 30); /* instead of about forty */
}

/* The client whole: what is told to come later never leaves the house. */
static void test_github_pace__the_client_sends_nothing_beyond(void **state)
{
    AUTO_GHT struct ghtest t;
    struct github_call c = {.installation_id = GHT_INSTALLATION, .repo_id = 5, .method = "GET", .path = "/x"};
    struct err e = {.kind = ERR_NONE};
    int out = 0;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "X-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 4000\r\nX-RateLimit-Reset: 1700003600\r\n",
               "{}");
    for (int i = 0; i < 200; i++) {
        AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;

        out += github_call(t.github, &c, &res, &e) == 0 ? 1 : 0;
    }
    assert_in_range(out, 70, 80); /* the token took five of a hundred, twenty are for ends */
    assert_int_equal(ght_calls(&t), out);
    assert_int_equal(e.kind, ERR_THROTTLED);
    assert_non_null(strstr(e.msg, "installation 77"));
    assert_int_equal(e.retry_after_s, 1);
}

/* A look at each of a hundred repositories takes a token of its own: that writes nothing that anybody is shown. */
static void test_github_pace__tokens_for_looks_are_no_contents(void **state)
{
    AUTO_GHT struct ghtest t;
    struct github_call c = {
        .installation_id = GHT_INSTALLATION, .use = GITHUB_FOR_REPORTS, .method = "GET", .path = "/x"};
    struct err e;
    int out = 0;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "X-RateLimit-Limit: 5000\r\nX-RateLimit-Remaining: 4000\r\nX-RateLimit-Reset: 1700003600\r\n",
               "{}");
    for (int i = 0; i < 100; i++) {
        AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;

        c.repo_id = i + 1;
        out += github_call(t.github, &c, &res, &e) == 0 ? 1 : 0;
        clock_test_advance(500);
    }
    assert_int_equal(out, 100);
}

#define T(name) cmocka_unit_test_setup_teardown(test_github_pace__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(no_minute_sees_more_points_than_documented),
        T(who_is_told_a_time_goes_out_at_that_time),
        T(ends_go_when_nothing_is_left_for_starts),
        T(reports_come_last),
        T(contents_are_written_one_at_a_time_and_at_most_80_a_minute_500_an_hour),
        T(the_hours_last_calls_are_for_ends),
        T(an_answer_that_was_overtaken_gives_no_calls_back),
        T(a_repository_that_used_much_leaves_the_rest_of_the_hour_to_others),
        T(an_installation_that_is_used_up_does_not_delay_another),
        T(one_repositorys_thousand_calls_do_not_delay_the_single_one_of_another),
        T(without_announced_limits_nothing_waits),
        T(a_server_with_limits_of_its_own_is_held_to_the_hours_only),
        T(before_the_first_answer_only_a_few_go_out),
        T(a_hundred_calls_at_once_are_never_passed),
        T(a_refusal_all_the_same_makes_it_slower),
        T(the_client_sends_nothing_beyond),
        T(tokens_for_looks_are_no_contents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
