/*
 * What every cloud owes the engine (providers/provider.h), tried on each of tests/support/fake_clouds.c against a
 * scripted server: machines, lists, limits. What goes wrong is in test_provider_faults.c.
 */
#include "server/base/json.h"
#include "tests/support/cloud_suite.h"

#include <stdio.h>
#include <stdlib.h>

static enum instance_state state_of(struct bed *b, const struct instance *ref)
{
    struct instance got;
    struct err e;

    assert_ok(b->ops->describe(b->p, ref, &got, &e), e);
    return got.state;
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

/* PROVIDERS.md trap 12, on every cloud. */
static void test_provider__a_lost_answer_and_a_repetition_make_one_machine(void **state)
{
    struct bed *b = *state;
    struct instance got;
    struct err e;

    fake_set_fault(&b->cloud, &(struct fake_fault){.after_acting = true, .at_create = true});
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

    fake_set_fault(&b->cloud, &(struct fake_fault){.after_acting = true, .at_create = true});
    assert_int_equal(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), -1);
    fake_set_fault(&b->cloud, NULL);
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_string_equal(got.id, b->cloud.machines[0].id);
    assert_true(got.state == INSTANCE_PENDING || got.state == INSTANCE_RUNNING);
    assert_ok(b->ops->destroy(b->p, &ref, &e), e);
    assert_int_equal(fake_alive(&b->cloud), 0);
}

/* What the engine does after a crash between the cloud's acceptance and its own record. */
static void test_provider__another_process_adopts_what_was_made_and_not_recorded(void **state)
{
    struct bed *b = *state;
    struct instance got, again;
    struct err e;

    fake_set_fault(&b->cloud, &(struct fake_fault){.after_acting = true, .at_create = true});
    assert_int_equal(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), -1);
    fake_set_fault(&b->cloud, NULL);
    bed_reopen(b, b->env.timeout_ms);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    bed_reopen(b, b->env.timeout_ms);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &again, &e), e);
    assert_string_equal(got.id, again.id);
    assert_int_equal(b->cloud.made, 1);
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
    if (b->d->names_are_unique) {
        assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_CONFLICT, "", e);
        assert_int_equal(fake_alive(&b->cloud), 2);
        return;
    }
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

static int see_owner(void *arg, const struct instance *i, struct err *e)
{
    (void)e;
    *(struct instance *)arg = *i;
    return 0;
}

/* Without a store the tags are all that is known of a machine. */
static void test_provider__the_list_tells_whose_a_machine_is_and_when_it_expires(void **state)
{
    struct bed *b = *state;
    struct instance i = {.job_id = -1};
    struct err e;

    fill_cloud(b, 1);
    assert_ok(b->ops->list(b->p, b->d->region, see_owner, &i, &e), e);
    assert_string_equal(i.repo, "octo/hello");
    assert_int_equal(i.job_id, 42);
    assert_int_equal(i.expires_ms, INT64_C(1714572000000));
    assert_false(i.part);
}

struct regions {
    size_t n;
    bool own;
    const char *wanted;
};

static int see_region(void *arg, const char *region, struct err *e)
{
    struct regions *r = arg;

    (void)e;
    r->n++;
    r->own = r->own || strcmp(region, r->wanted) == 0;
    return 0;
}

static void test_provider__its_regions_are_told_where_lists_are_of_one(void **state)
{
    struct bed *b = *state;
    struct regions r = {.wanted = b->d->region};
    struct err e;

    if (b->ops->regions == NULL)
        return; /* its lists are of all */
    assert_ok(b->ops->regions(b->p, see_region, &r, &e), e);
    assert_true(r.n > 1);
    assert_true(r.own);
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

/* PROVIDERS.md trap 13, on every cloud. */
static void test_provider__a_fault_on_the_second_page_fails_the_list(void **state)
{
    static const struct fake_fault faults[] = {{.skip = 1, .status = 500},
                                               {.skip = 1, .status = 503, .body = "<html>"},
                                               {.skip = 1, .status = 200},
                                               {.skip = 1}};
    struct bed *b = *state;

    if (b->d->one_page)
        skip();
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

/* extra_config.provision_via: nothing is sent along, where an image can have something of its own that fetches it. */
static void test_provider__a_machine_that_fetches_its_bootstrap_is_launched_without_user_data(void **state)
{
    struct bed *b = *state;
    static const char *const names[] = {"UserData", "user_data", "userData", "customData", "startup-script"};
    AUTO_ORDER struct order o = {.extra = NULL};
    AUTO_JSON json_t *list = NULL;
    AUTO_FREE char *shown = NULL;
    struct instance got;
    struct err e;

    if (strcmp(b->ops->name, "on_prem") == 0 || strcmp(b->ops->name, "vast_ai") == 0)
        skip(); /* leaves from here: nothing may be held yet */
    order_init(&o, b, "muster-a", "muster-a-0-0");
    list = json_array();
    if (o.extra == NULL)
        o.extra = json_object();
    (void)json_object_set_new(o.extra, "provision_via", json_string("pull_from_api"));
    o.spec.extra = o.extra;
    secret_free(o.data);
    o.r.user_data = o.data = secret_new("", 0);
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_int_equal(b->cloud.made, 1);
    assert_ok(b->ops->render(b->p, &o.r, list, &e) || js_dump(list, &shown, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_null(strstr(shown, names[i]));
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

    if (b->d->tag_key_max == 0)
        skip();
    order_init(&o, b, "muster-a", "muster-a-0-0");
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

/* ---- the request, shown ---- */

/* Does what was shown stand for what was sent? "***" hides something, "<...>" is what only the cloud can tell. */
static bool stands_for(const json_t *shown, const json_t *sent)
{
    const char *text = json_string_value(shown), *key;
    json_t *item;
    size_t i;

    if (text != NULL)
        return json_is_string(sent) && (strcmp(text, "***") == 0 || (text[0] == '<' && text[strlen(text) - 1] == '>') ||
                                        strcmp(text, json_string_value(sent)) == 0);
    if (json_is_object(shown)) {
        json_object_foreach((json_t *)(uintptr_t)shown, key, item)
        {
            if (!stands_for(item, json_object_get(sent, key)))
                return false;
        }
        return json_object_size(shown) == json_object_size(sent);
    }
    if (!json_is_array(shown))
        return json_equal(shown, sent) == 1;
    json_array_foreach(shown, i, item)
    {
        if (!stands_for(item, json_array_get(sent, i)))
            return false;
    }
    return json_array_size(shown) == json_array_size(sent);
}

static const struct raw_request *creation(struct bed *b)
{
    for (size_t i = 0; i < raw_count(b->server); i++) {
        if (b->d->is_create == NULL || b->d->is_create(raw_get(b->server, i)))
            return raw_get(b->server, i);
    }
    abort(); /* nothing was created, though launch said so */
}

static void test_provider__what_is_shown_is_what_is_sent_but_for_secrets(void **state)
{
    struct bed *b = *state;
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *shown = json_array(), *body = NULL;
    AUTO_FREE char *text = NULL;
    const struct raw_request *sent;
    const json_t *last;
    const char *url;
    struct instance got;
    struct err e;

    order_init(&o, b, "muster-a", "muster-a-0-0");
    assert_ok(b->ops->render(b->p, &o.r, shown, &e), e);
    assert_int_equal(raw_count(b->server), 0);
    assert_ok(js_dump(shown, &text, &e), e);
    for (size_t i = 0; b->d->secrets[i] != NULL; i++)
        assert_null(strstr(text, b->d->secrets[i]));
    assert_null(strstr(text, "one-time-credential"));
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    sent = creation(b);
    last = json_array_get(shown, json_array_size(shown) - 1);
    assert_string_equal(json_string_value(json_object_get(last, "method")), sent->method);
    url = json_string_value(json_object_get(last, "url"));
    if (strchr(url, '<') == NULL && strncmp(url, raw_url(b->server), strlen(raw_url(b->server))) == 0)
        assert_string_equal(url + strlen(raw_url(b->server)), sent->path);
    if (json_object_get(last, "body") == NULL)
        return;
    body = fake_body(sent);
    if (!stands_for(json_object_get(last, "body"), body))
        fail_msg("shown: %s\nsent: %s", text, sent->body);
}

static void test_provider__a_spec_that_is_refused_is_not_shown(void **state)
{
    struct bed *b = *state;
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *shown = json_array();
    struct err e;

    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.instance_type = NULL;
    assert_fails(b->ops->render(b->p, &o.r, shown, &e), ERR_INVALID, "instance_type", e);
    assert_int_equal(json_array_size(shown), 0);
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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SUITE_TEST(test_provider__launching_twice_with_one_token_makes_one_machine),
        SUITE_TEST(test_provider__a_launch_says_what_it_made),
        SUITE_TEST(test_provider__a_lost_answer_and_a_repetition_make_one_machine),
        SUITE_TEST(test_provider__a_machine_whose_answer_was_lost_is_found_by_its_name),
        SUITE_TEST(test_provider__another_process_adopts_what_was_made_and_not_recorded),
        SUITE_TEST(test_provider__a_name_never_reaches_another_deployments_machine),
        SUITE_TEST(test_provider__a_cloud_that_ignores_the_question_harms_nobody),
        SUITE_TEST(test_provider__destroying_twice_succeeds_and_describes_as_gone),
        SUITE_TEST(test_provider__what_the_cloud_never_heard_of_is_gone),
        SUITE_TEST(test_provider__the_list_has_every_machine_of_all_pages_once),
        SUITE_TEST(test_provider__the_list_tells_whose_a_machine_is_and_when_it_expires),
        SUITE_TEST(test_provider__its_regions_are_told_where_lists_are_of_one),
        SUITE_TEST(test_provider__the_list_leaves_out_what_ended_and_what_others_own),
        SUITE_TEST(test_provider__a_fault_on_the_second_page_fails_the_list),
        SUITE_TEST(test_provider__the_caller_can_stop_the_list),
        SUITE_TEST(test_provider__user_data_may_fill_its_limit_and_not_pass_it),
        SUITE_TEST(test_provider__a_machine_that_fetches_its_bootstrap_is_launched_without_user_data),
        SUITE_TEST(test_provider__names_and_tokens_of_full_length_arrive_whole),
        SUITE_TEST(test_provider__tags_may_fill_their_limits_and_not_pass_them),
        SUITE_TEST(test_provider__a_spec_without_type_or_image_is_refused_without_a_request),
        SUITE_TEST(test_provider__what_is_shown_is_what_is_sent_but_for_secrets),
        SUITE_TEST(test_provider__a_spec_that_is_refused_is_not_shown),
        SUITE_TEST(test_provider__many_threads_use_one_account),
    };

    return suite_run(tests, ARRAY_LEN(tests));
}
