/* What is DigitalOcean's own: the fields of a launch, two lists, tags, states, refusals that share one code. */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/json.h"
#include "tests/support/asked.h"

#include <stdio.h>

static struct bed *plain_bed(void)
{
    return bed_open(&fake_digitalocean, NULL, 0);
}

static void answer(struct bed *b, int status, const char *body)
{
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = status, .body = body});
}

static void test_digitalocean__a_launch_sends_exactly_these_fields(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_JSON json_t *body = NULL;
    struct instance got;
    struct err e;

    (void)state;
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    body = asked_last_body(b, "POST", "/v2/droplets");
    is_json(body,
            "{'name':'muster-a','region':'nyc3','size':'s-4vcpu-8gb','image':'ubuntu-24-04-x64','user_data':'#!/bin/"
            "sh\\nMUSTER_JITCONFIG=one-time-credential-of-the-runner\\n','tags':['muster-deployment:muster','muster-"
            "machine:muster-a','muster-job:123456789','muster-repository:octo_hello','muster-expires:1714572000'],"
            "'ipv6':false,'monitoring':false,'with_droplet_agent':false}");
}

static void test_digitalocean__a_first_try_looks_for_nothing(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.r.first_try = true;
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_int_equal(raw_count(b->server), 1);
}

static void test_digitalocean__images_are_slugs_numbers_or_names_common_to_all_clouds(void **state)
{
    static const char *const rows[][2] = {{"ubuntu-22-04-x64", "'ubuntu-22-04-x64'"},
                                          {"63663980", "63663980"},
                                          {"ubuntu2204", "'ubuntu-22-04-x64'"},
                                          {"ubuntu2404", "'ubuntu-24-04-x64'"},
                                          {"debian12", "'debian-12-x64'"},
                                          {"ubuntu2204-gpu", "'gpu-h100x1-base'"}};
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_ORDER struct order o;
        AUTO_JSON json_t *body = NULL, *only = NULL;
        char want[64];
        struct instance got;
        struct err e;

        order_init(&o, b, "muster-a", "muster-a-0-0");
        o.r.first_try = true;
        o.spec.image = rows[i][0];
        assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
        body = asked_last_body(b, "POST", "/v2/droplets");
        assert_ok(js_pack(&e, &only, "{s:O}", "image", json_object_get(body, "image")), e);
        (void)snprintf(want, sizeof(want), "{'image':%s}", rows[i][1]);
        is_json(only, want);
    }
}

static void test_digitalocean__what_cannot_be_a_size_image_or_region_is_refused_with_the_remedy(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.instance_type = "s-4vcpu 8gb";
    assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, "write it like s-4vcpu-8gb", e);
    o.spec.instance_type = "s-4vcpu-8gb";
    o.spec.image = "../images";
    assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, "neither a slug", e);
    o.spec.image = "1";
    o.spec.region = "New York";
    assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, "write it like nyc3", e);
    o.spec.region = "nyc3";
    o.spec.os = "windows";
    assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, "Linux only, and no windows", e);
}

/* PROVIDERS.md trap 7: without type=gpus a list shows none of them. */
static void test_digitalocean__gpu_droplets_are_found_by_name_and_in_the_list(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct bed_seen seen = {0};
    struct instance got, ref = bed_ref(b, "", "muster-g");
    struct err e;

    (void)state;
    order_init(&o, b, "muster-g", "muster-g-0-0");
    o.spec.instance_type = "gpu-h100x1-80gb";
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_ok(bed_launch(b, "muster-c", "muster-c-0-0", &got, &e), e);
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_int_equal(seen.n, 2);
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_RUNNING);
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_int_equal(b->cloud.made, 2);
}

/* PROVIDERS.md traps 12 and 7 together: the lost answer was a GPU droplet's. */
static void test_digitalocean__a_lost_answer_for_a_gpu_droplet_makes_one_machine(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-g", "muster-g-0-0");
    o.spec.instance_type = "gpu-h100x1-80gb";
    fake_set_fault(&b->cloud, &(struct fake_fault){.after_acting = true, .at_create = true});
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_RETRY, "", e);
    fake_set_fault(&b->cloud, NULL);
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_int_equal(b->cloud.made, 1);
    assert_int_equal(asked_count(b, "POST", "/v2/droplets"), 1);
}

static void test_digitalocean__states_say_what_a_machine_costs(void **state)
{
    static const struct {
        const char *status;
        enum instance_state state;
    } rows[] = {{"new", INSTANCE_PENDING},
                {"active", INSTANCE_RUNNING},
                {"off", INSTANCE_STOPPED},
                {"archive", INSTANCE_STOPPED}};
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "12", "muster-a"), got;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[200];

        (void)snprintf(body, sizeof(body), "{\"droplet\":{\"id\":12,\"status\":\"%s\",\"region\":{\"slug\":\"ams3\"}}}",
                       rows[i].status);
        answer(b, 200, body);
        assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
        assert_int_equal(got.state, rows[i].state);
        assert_string_equal(got.region, "ams3");
    }
    answer(b, 200, "{\"droplet\":{\"id\":13,\"status\":\"active\"}}");
    assert_fails(b->ops->describe(b->p, &ref, &got, &e), ERR_RETRY, "asked for 12, the answer speaks of 13", e);
}

static void test_digitalocean__when_it_was_made_and_when_it_expires_are_read(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got, ref;
    struct err e;

    (void)state;
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    ref = got;
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(got.created_ms, INT64_C(1714572000000));
    assert_int_equal(got.expires_ms, INT64_C(1714572000000));
}

static void test_digitalocean__an_id_that_is_no_number_asks_nobody(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "12/../../account", "muster-a"), got;
    struct err e;

    (void)state;
    assert_fails(b->ops->describe(b->p, &ref, &got, &e), ERR_INVALID, "not a number of a droplet", e);
    assert_fails(b->ops->destroy(b->p, &ref, &e), ERR_INVALID, "not a number of a droplet", e);
    assert_int_equal(raw_count(b->server), 0);
}

static void test_digitalocean__a_deployment_with_odd_characters_keeps_its_machines_apart(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct bed_seen seen = {0};
    struct err e;

    (void)state;
    b->env.deployment = "team/one";
    (void)fake_add(&b->cloud, "muster-a", "t", "team_one");
    (void)fake_add(&b->cloud, "muster-b", "t", "team_two");
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_int_equal(seen.n, 1);
    assert_string_equal(seen.names[0], "muster-a");
}

static void test_digitalocean__the_token_is_required_and_may_come_from_the_environment(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_CONF struct conf *bare = conf_new("clouds.digitalocean", b->ops->account_keys);
    struct provider *p = NULL;
    struct err e;

    (void)state;
    assert_fails(b->ops->open(bare, &b->env, &p, &e), ERR_INVALID, "$DIGITALOCEAN_TOKEN", e);
    assert_null(p);
    assert_false(b->ops->configured(&b->env));
}

static void test_digitalocean__quota_room_and_mistakes_are_told_apart_by_their_sentence(void **state)
{
    static const struct {
        const char *sentence;
        enum err_kind kind;
    } rows[] = {{"creating this/these droplet(s) will exceed your droplet limit", ERR_QUOTA},
                {"Size is not available in this region.", ERR_CAPACITY},
                {"Region is not available", ERR_CAPACITY},
                {"This size is currently unavailable due to CAPACITY", ERR_CAPACITY},
                {"sold out", ERR_CAPACITY},
                {"Name Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)", ERR_INVALID},
                {"You specified an invalid size for Droplet creation.", ERR_INVALID}};
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[300];
        struct instance got;
        struct err e;

        (void)snprintf(body, sizeof(body), "{\"id\":\"unprocessable_entity\",\"message\":\"%s\"}", rows[i].sentence);
        answer(b, 422, body);
        assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), rows[i].kind, rows[i].sentence, e);
    }
}

static void test_digitalocean__tags_that_do_not_fit_are_refused(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    char value[300];
    struct instance got;
    struct err e;

    (void)state;
    memset(value, 'v', sizeof(value));
    value[255 - 1 - strlen("k")] = '\0';
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.tags[2] = (struct tag){"k", value};
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    value[strlen(value)] = 'v';
    value[256 - 1 - strlen("k")] = '\0';
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "tag k", e);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digitalocean__a_launch_sends_exactly_these_fields),
        cmocka_unit_test(test_digitalocean__a_first_try_looks_for_nothing),
        cmocka_unit_test(test_digitalocean__images_are_slugs_numbers_or_names_common_to_all_clouds),
        cmocka_unit_test(test_digitalocean__what_cannot_be_a_size_image_or_region_is_refused_with_the_remedy),
        cmocka_unit_test(test_digitalocean__gpu_droplets_are_found_by_name_and_in_the_list),
        cmocka_unit_test(test_digitalocean__a_lost_answer_for_a_gpu_droplet_makes_one_machine),
        cmocka_unit_test(test_digitalocean__states_say_what_a_machine_costs),
        cmocka_unit_test(test_digitalocean__when_it_was_made_and_when_it_expires_are_read),
        cmocka_unit_test(test_digitalocean__an_id_that_is_no_number_asks_nobody),
        cmocka_unit_test(test_digitalocean__a_deployment_with_odd_characters_keeps_its_machines_apart),
        cmocka_unit_test(test_digitalocean__the_token_is_required_and_may_come_from_the_environment),
        cmocka_unit_test(test_digitalocean__quota_room_and_mistakes_are_told_apart_by_their_sentence),
        cmocka_unit_test(test_digitalocean__tags_that_do_not_fit_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
