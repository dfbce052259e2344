/* What Vast.ai says of machines, read: states, labels, lists; turns, secrets, and the account's key. */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/json.h"
#include "tests/support/asked.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEARCH "POST", "/api/v0/bundles/"
#define RENT "PUT", "/api/v0/asks/*/"

static const struct fake_fault well = {.skip = 1000000};

static struct bed *plain_bed(void)
{
    return bed_open(&fake_vast_ai, NULL, 0);
}

static void answer(struct bed *b, int status, const char *body)
{
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = status, .body = body});
}

/* ---- what Vast.ai says ---- */

/* PROVIDERS.md trap 10: one instance comes as an object under a plural name. */
static void test_vast_ai_says__trap_10_one_instance_is_an_object_a_list_of_one_or_null(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "12", "muster-a"), got;
    struct err e;

    (void)state;
    answer(b, 200, "{\"instances\":{\"id\":12,\"actual_status\":\"running\"}}");
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_RUNNING);
    answer(b, 200, "{\"instances\":[{\"id\":12,\"actual_status\":\"running\"}]}");
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_RUNNING);
    answer(b, 200, "{\"instances\":null}");
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_GONE);
    answer(b, 404, "{\"success\":false,\"error\":\"no_such_instance\",\"msg\":\"no\"}");
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_GONE);
    answer(b, 200, "{\"instances\":{\"id\":13,\"actual_status\":\"running\"}}");
    assert_fails(b->ops->describe(b->p, &ref, &got, &e), ERR_RETRY, "asked for 12, the answer speaks of 13", e);
}

static void test_vast_ai_says__a_number_that_is_refused_is_looked_for_in_the_list(void **state)
{
    static const char invalid[] = "{\"success\":false,\"error\":\"invalid_args\",\"msg\":\"invalid instance_id\"}";
    const struct fake_fault once = {.status = 400, .body = invalid, .next = &well};
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "31641", "muster-a"), got;
    struct err e;

    (void)state;
    (void)fake_add(&b->cloud, "muster-a", "t", BED_DEPLOYMENT);
    fake_set_fault(&b->cloud, &once);
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_RUNNING);
    b->cloud.machines[0].gone = true;
    fake_set_fault(&b->cloud, &once);
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_GONE);
    answer(b, 400, invalid);
    assert_fails(b->ops->describe(b->p, &ref, &got, &e), ERR_INVALID, "page 1", e);
}

static void test_vast_ai_says__states_say_what_still_runs_and_what_must_be_destroyed(void **state)
{
    static const struct {
        const char *actual, *intended, *is_bid;
        enum instance_state state;
        enum err_kind why;
    } rows[] = {{"null", "\"running\"", "false", INSTANCE_PENDING, ERR_NONE},
                {"\"created\"", "\"running\"", "false", INSTANCE_PENDING, ERR_NONE},
                {"\"loading\"", "\"running\"", "false", INSTANCE_PENDING, ERR_NONE},
                {"\"rebooting\"", "\"running\"", "false", INSTANCE_PENDING, ERR_NONE},
                {"\"of the future\"", "null", "null", INSTANCE_PENDING, ERR_NONE},
                {"\"running\"", "\"running\"", "true", INSTANCE_RUNNING, ERR_NONE},
                {"\"frozen\"", "\"running\"", "false", INSTANCE_RUNNING, ERR_NONE},
                {"\"exited\"", "\"running\"", "false", INSTANCE_STOPPED, ERR_NONE},
                {"\"unknown\"", "\"running\"", "false", INSTANCE_STOPPED, ERR_CAPACITY},
                {"\"offline\"", "\"running\"", "false", INSTANCE_STOPPED, ERR_CAPACITY},
                {"\"running\"", "\"stopped\"", "true", INSTANCE_STOPPED, ERR_CAPACITY},
                {"\"stopped\"", "\"stopped\"", "true", INSTANCE_STOPPED, ERR_CAPACITY},
                {"\"stopped\"", "\"stopped\"", "false", INSTANCE_STOPPED, ERR_NONE}};
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "12", "muster-a"), got;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[300];

        (void)snprintf(body, sizeof(body),
                       "{\"instances\":{\"id\":12,\"actual_status\":%s,\"intended_status\":%s,\"is_bid\":%s,"
                       "\"status_msg\":\"what it is\"}}",
                       rows[i].actual, rows[i].intended, rows[i].is_bid);
        answer(b, 200, body);
        assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
        assert_int_equal(got.state, rows[i].state);
        assert_int_equal(got.why, rows[i].why);
        assert_string_equal(got.detail, "what it is");
    }
}

static void test_vast_ai_says__an_instance_is_read_whole(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "12", "muster-a"), got;
    struct err e;

    (void)state;
    answer(b, 200,
           "{\"instances\":{\"id\":12,\"label\":\"muster-deployment=muster&muster-machine=muster-a&muster-expires="
           "1714572000\",\"start_date\":1714568400.25,\"geolocation\":\"Ontario, CA\",\"status_msg\":"
           "\"line\\nkey 5ec7e7key0of0the0account0123456789abcdef\"}}");
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_string_equal(got.id, "12");
    assert_string_equal(got.name, "muster-a");
    assert_string_equal(got.region, "CA");
    assert_string_equal(got.detail, "line key ***");
    assert_int_equal(got.created_ms, 1714568400250);
    assert_int_equal(got.expires_ms, 1714572000000);
}

static void test_vast_ai_says__a_key_across_the_cut_of_a_sentence_is_masked_too(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "12", "muster-a"), got;
    char body[600];
    struct err e;

    (void)state;
    for (int words = 0; words < 26; words++) {
        (void)snprintf(
            body, sizeof(body),
            "{\"instances\":{\"id\":12,\"status_msg\":\"%.*s5ec7e7key0of0the0account0123456789"
            "abcdef\"}}",
            150 + 2 * words,
            "no room no room no room no room no room no room no room no room no room no room no room no room no "
            "room no room no room no room no room no room no room no room no room no room no room no room no room");
        answer(b, 200, body);
        assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
        assert_null(strstr(got.detail, "5ec7"));
    }
}

static void test_vast_ai_says__a_start_beyond_all_time_is_unknown(void **state)
{
    static const char *const starts[] = {"1e300", "-1e300", "-5", "\"soon\"", "null"};
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "12", "muster-a"), got;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        char body[100];

        (void)snprintf(body, sizeof(body), "{\"instances\":{\"id\":12,\"start_date\":%s}}", starts[i]);
        answer(b, 200, body);
        assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
        assert_int_equal(got.created_ms, 0);
    }
}

static void test_vast_ai_says__places_without_a_country_code_are_no_region(void **state)
{
    static const char *const rows[][2] = {
        {"\"California, United States\"", ""}, {"\"Texas,US\"", "US"}, {"\"DE\"", "DE"}, {"null", ""}, {"\"\"", ""}};
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "12", "muster-a"), got;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[200];

        (void)snprintf(body, sizeof(body), "{\"instances\":{\"id\":12,\"geolocation\":%s}}", rows[i][0]);
        answer(b, 200, body);
        assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
        assert_string_equal(got.region, rows[i][1]);
    }
}

/* ---- labels and lists ---- */

static void listed(struct bed *b, const char *label, size_t expected)
{
    AUTO_FREE char *body = NULL;
    AUTO_JSON json_t *doc = NULL;
    struct bed_seen seen = {0};
    struct err e;

    assert_ok(js_pack(&e, &doc, "{s:[{s:i, s:s}]}", "instances", "id", 12, "label", label), e);
    assert_ok(js_dump(doc, &body, &e), e);
    answer(b, 200, body);
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    if (seen.n != expected)
        fail_msg("the label \"%s\" gave %zu machines", label, seen.n);
}

static void test_vast_ai_says__a_label_is_ours_only_if_it_says_exactly_so(void **state)
{
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    listed(b, "muster-deployment=muster&muster-machine=muster-a", 1);
    listed(b, "muster-machine=muster-a&x=y&muster-deployment=muster", 1);
    listed(b, "muster-deployment=muster", 0);
    listed(b, "muster-machine=muster-a", 0);
    listed(b, "muster-deployment=muster2&muster-machine=muster-a", 0);
    listed(b, "muster-deployment=muste&muster-machine=muster-a", 0);
    listed(b, "a-muster-deployment=muster&muster-machine=muster-a", 0);
    listed(b, "muster-machine=muster&muster-deployment=muster-a", 0);
    listed(b, "muster-deployment=muster&muster-deployment=staging&muster-machine=muster-a", 0);
    listed(b, "muster-machine=x%26muster-deployment%3Dmuster&muster-deployment=staging", 0);
    listed(b, "", 0);
}

/* PROVIDERS.md trap 10: at most 25 come on a page. */
static void test_vast_ai_says__trap_10_lists_are_asked_for_in_pages_of_25_without_secrets(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct bed_seen seen = {0};
    char name[32], text[300];
    struct err e;

    (void)state;
    for (int i = 0; i < 60; i++) {
        (void)snprintf(name, sizeof(name), "muster-%d", i);
        (void)fake_add(&b->cloud, name, name, BED_DEPLOYMENT);
    }
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_int_equal(seen.n, 60);
    assert_int_equal(raw_count(b->server), 3);
    assert_true(fake_query(raw_get(b->server, 1), "limit", text, sizeof(text)));
    assert_string_equal(text, "25");
    assert_true(fake_query(raw_get(b->server, 1), "after_token", text, sizeof(text)));
    assert_string_equal(text, "25");
    assert_true(fake_query(raw_get(b->server, 0), "select_cols", text, sizeof(text)));
    assert_null(strstr(text, "onstart"));
    assert_null(strstr(text, "image_args"));
}

static void test_vast_ai_says__a_list_that_goes_round_in_a_circle_ends(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct bed_seen seen = {0};
    struct err e;

    (void)state;
    answer(b, 200, "{\"instances\":[],\"next_token\":\"abc\"}");
    assert_fails(b->ops->list(b->p, NULL, bed_see, &seen, &e), ERR_RETRY, "pages without end", e);
    assert_int_equal(raw_count(b->server), 2);
}

/* PROVIDERS.md trap 13: a list that fails on its second page must not make a second machine. */
static void test_vast_ai_says__trap_13_a_repetition_that_cannot_look_everywhere_rents_nothing(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    char name[32];
    struct err e;

    (void)state;
    for (int i = 0; i < 30; i++) {
        (void)snprintf(name, sizeof(name), "muster-%d", i);
        (void)fake_add(&b->cloud, name, name, BED_DEPLOYMENT);
    }
    fake_set_fault(&b->cloud, &(struct fake_fault){.skip = 1, .status = 502});
    assert_fails(bed_launch(b, "muster-x", "muster-x-0-0", &got, &e), ERR_RETRY, "page 2", e);
    assert_int_equal(asked_count(b, RENT), 0);
    assert_int_equal(asked_count(b, SEARCH), 0);
}

/* PROVIDERS.md trap 12 */
static void test_vast_ai_says__trap_12_a_lost_answer_is_found_by_its_label(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    (void)fake_add(&b->cloud, "muster-ab", "t", BED_DEPLOYMENT);
    fake_set_fault(&b->cloud, &(struct fake_fault){.after_acting = true, .at_create = true});
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_RETRY, "", e);
    fake_set_fault(&b->cloud, NULL);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_int_equal(asked_count(b, RENT), 1);
    assert_string_equal(got.id, b->cloud.machines[1].id);
}

/* ---- throttling ---- */

/* PROVIDERS.md trap 10: a 429 is plain text and names no time. */
static void test_vast_ai_says__trap_10_a_plain_429_is_waited_for(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    answer(b, 429, "API requests too frequent: endpoint threshold=4.5");
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_THROTTLED, "", e);
    assert_int_equal(e.retry_after_s, 5);
}

static void test_vast_ai_says__calls_of_one_endpoint_keep_their_distance(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct bed_seen seen = {0};
    struct instance got;
    struct err e;

    (void)state;
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_int_equal(b->pauses, 0);
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_int_equal(b->pauses, 1);
    assert_true(b->paused_ms > 0 && b->paused_ms <= 1000);
    assert_ok(b->ops->destroy(b->p, &got, &e), e);
    assert_int_equal(b->pauses, 1);
    assert_ok(b->ops->destroy(b->p, &got, &e), e);
    assert_int_equal(b->pauses, 2);
}

static void test_vast_ai_says__an_ending_daemon_waits_for_no_turn(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct bed_seen seen = {0};
    struct err e;

    (void)state;
    b->max_pauses = 0;
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_fails(b->ops->list(b->p, NULL, bed_see, &seen, &e), ERR_RETRY, "the daemon ended", e);
    assert_int_equal(raw_count(b->server), 1);
}

/* ---- secrets ---- */

static void test_vast_ai_says__the_key_of_an_instance_shows_nowhere(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &(struct fake_fault){.at_create = true,
                                                   .status = 200,
                                                   .body = "{\"success\":true,\"instance_api_key\":\"5ec7e7ke9\","
                                                           "\"new_contract\":\"5ec7e7ke9\"}"});
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_RETRY, "new_contract", e);
    assert_null(strstr(e.msg, "5ec7e7ke9"));
}

/* ---- the account ---- */

struct home {
    char dir[64];
    const char *xdg, *key; /* variables */
};

static const char *variable(void *arg, const char *name)
{
    const struct home *h = arg;

    if (strcmp(name, "HOME") == 0)
        return h->dir;
    if (strcmp(name, "XDG_CONFIG_HOME") == 0)
        return h->xdg;
    return strcmp(name, "VAST_API_KEY") == 0 ? h->key : NULL;
}

static void put_file(const struct home *h, const char *name, const char *text)
{
    char path[200];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", h->dir, name);
    for (char *at = strchr(path + strlen(h->dir) + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        (void)mkdir(path, 0700);
        *at = '/';
    }
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int drop(const char *path, const struct stat *s, int kind, struct FTW *at)
{
    (void)s;
    (void)kind;
    (void)at;
    return remove(path);
}

static void home_open(struct home *h)
{
    *h = (struct home){.dir = "/tmp/muster-vast-XXXXXX"};
    assert_non_null(mkdtemp(h->dir));
}

static void home_close(struct home *h)
{
    (void)nftw(h->dir, drop, 8, FTW_DEPTH | FTW_PHYS);
}
#define AUTO_HOME AUTO(home_close)

/* Opening an account without a key of its own; the key that goes out must be this one. */
static void uses_key(struct bed *b, struct home *h, const char *key)
{
    AUTO_CONF struct conf *acct = conf_new("clouds.test", b->ops->account_keys);
    struct provider_env env = b->env;
    struct provider *p = NULL;
    struct bed_seen seen = {0};
    char want[100];
    struct err e;

    env.getenv_fn = variable;
    env.getenv_arg = h;
    assert_ok(conf_set(acct, "endpoint_url", raw_url(b->server), "the test", &e), e);
    assert_ok(conf_load_env(acct, variable, h, &e), e);
    assert_ok(b->ops->open(acct, &env, &p, &e), e);
    assert_ok(b->ops->list(p, NULL, bed_see, &seen, &e), e);
    (void)snprintf(want, sizeof(want), "Bearer %s", key);
    assert_string_equal(raw_header(raw_get(b->server, raw_count(b->server) - 1), "Authorization"), want);
    b->ops->close(p);
}

static void test_vast_ai_says__the_key_is_the_settings_the_environments_or_the_vendors_tools(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_HOME struct home h;
    char xdg[100];

    (void)state;
    home_open(&h);
    put_file(&h, ".vast_api_key", "legacy-key\n");
    uses_key(b, &h, "legacy-key");
    put_file(&h, ".config/vastai/vast_api_key", "saved-key");
    uses_key(b, &h, "saved-key");
    (void)snprintf(xdg, sizeof(xdg), "%s/elsewhere2", h.dir);
    h.xdg = xdg;
    uses_key(b, &h, "legacy-key");
    h.key = "environment-key";
    uses_key(b, &h, "environment-key");
}

static void test_vast_ai_says__an_account_without_a_key_is_refused_with_the_remedy(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_CONF struct conf *acct = conf_new("clouds.test", b->ops->account_keys);
    AUTO_HOME struct home h;
    struct provider_env env = b->env;
    struct provider *p = NULL;
    struct err e;

    (void)state;
    home_open(&h);
    env.getenv_fn = variable;
    env.getenv_arg = &h;
    assert_false(b->ops->configured(&env));
    assert_fails(b->ops->open(acct, &env, &p, &e), ERR_INVALID, "$VAST_API_KEY", e);
    put_file(&h, ".vast_api_key", "two words\n");
    assert_fails(b->ops->open(acct, &env, &p, &e), ERR_INVALID, ".vast_api_key: holds no API key", e);
    assert_null(strstr(e.msg, "two"));
    assert_null(p);
    h.key = "k";
    assert_true(b->ops->configured(&env));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vast_ai_says__trap_10_one_instance_is_an_object_a_list_of_one_or_null),
        cmocka_unit_test(test_vast_ai_says__a_number_that_is_refused_is_looked_for_in_the_list),
        cmocka_unit_test(test_vast_ai_says__states_say_what_still_runs_and_what_must_be_destroyed),
        cmocka_unit_test(test_vast_ai_says__an_instance_is_read_whole),
        cmocka_unit_test(test_vast_ai_says__a_key_across_the_cut_of_a_sentence_is_masked_too),
        cmocka_unit_test(test_vast_ai_says__a_start_beyond_all_time_is_unknown),
        cmocka_unit_test(test_vast_ai_says__places_without_a_country_code_are_no_region),
        cmocka_unit_test(test_vast_ai_says__a_label_is_ours_only_if_it_says_exactly_so),
        cmocka_unit_test(test_vast_ai_says__trap_10_lists_are_asked_for_in_pages_of_25_without_secrets),
        cmocka_unit_test(test_vast_ai_says__a_list_that_goes_round_in_a_circle_ends),
        cmocka_unit_test(test_vast_ai_says__trap_13_a_repetition_that_cannot_look_everywhere_rents_nothing),
        cmocka_unit_test(test_vast_ai_says__trap_12_a_lost_answer_is_found_by_its_label),
        cmocka_unit_test(test_vast_ai_says__trap_10_a_plain_429_is_waited_for),
        cmocka_unit_test(test_vast_ai_says__calls_of_one_endpoint_keep_their_distance),
        cmocka_unit_test(test_vast_ai_says__an_ending_daemon_waits_for_no_turn),
        cmocka_unit_test(test_vast_ai_says__the_key_of_an_instance_shows_nowhere),
        cmocka_unit_test(test_vast_ai_says__the_key_is_the_settings_the_environments_or_the_vendors_tools),
        cmocka_unit_test(test_vast_ai_says__an_account_without_a_key_is_refused_with_the_remedy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
