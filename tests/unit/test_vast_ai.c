/* What is Vast.ai's own: the search, the rental, offers that are taken in between, bids, labels, states, turns. */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/json.h"
#include "server/base/text.h"
#include "tests/support/asked.h"

#include <stdio.h>

#define SEARCH "POST", "/api/v0/bundles/"
#define RENT "PUT", "/api/v0/asks/*/"
#define TAKEN_404                                                                                                      \
    "{\"success\":false,\"error\":\"invalid_args\",\"msg\":\"error 404/3603: no_such_ask Instance type by id 7001 is " \
    "not available.\"}"
#define TAKEN_410                                                                                                      \
    "{\"success\":false,\"error\":\"no_such_ask\",\"msg\":\"error 410/3907: no_such_ask no longer available\"}"
#define LOW_PRICE "{\"success\":false,\"error\":\"invalid_price\",\"msg\":\"error 400/3470: Invalid price\"}"

static const struct fake_fault well = {.skip = 1000000};

static struct bed *plain_bed(void)
{
    return bed_open(&fake_vast_ai, NULL, 0);
}

static void answer(struct bed *b, int status, const char *body)
{
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = status, .body = body});
}

/* One launch, and what it sent to the search and to the rental. */
struct sent {
    json_t *search, *rental;
};

static void sent_clear(struct sent *s)
{
    json_decref(s->search);
    json_decref(s->rental);
}
#define AUTO_SENT AUTO(sent_clear)

static void launch(struct bed *b, struct order *o, struct sent *out)
{
    size_t before = asked_count(b, RENT);
    struct instance got;
    struct err e;

    o->r.first_try = true;
    assert_ok(b->ops->launch(b->p, &o->r, &got, &e), e);
    out->search = fake_body(asked_nth(b, SEARCH, asked_count(b, SEARCH) - 1));
    out->rental = fake_body(asked_nth(b, RENT, before));
}

/* ---- the requests ---- */

static void test_vast_ai__a_launch_searches_and_rents_with_exactly_these_fields(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_SENT struct sent s = {NULL, NULL};

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.r.lifetime_s = 21600;
    launch(b, &o, &s);
    assert_int_equal(raw_count(b->server), 2);
    assert_string_equal(asked_nth(b, RENT, 0)->path, "/api/v0/asks/7001/");
    assert_string_equal(raw_header(asked_nth(b, RENT, 0), "Authorization"),
                        "Bearer 5ec7e7key0of0the0account0123456789abcdef");
    is_json(s.search, "{'verified':{'eq':true},'external':{'eq':false},'rentable':{'eq':true},'rented':{'eq':false},"
                      "'gpu_name':{'in':['RTX 4090']},'num_gpus':{'eq':1},'reliability':{'gte':0.98},"
                      "'cpu_arch':{'eq':'amd64'},'disk_space':{'gte':30},'allocated_storage':30,"
                      "'duration':{'gte':21600},'geolocation':{'in':['US']},"
                      "'order':[['dph_total','asc'],['reliability','desc']],'limit':20}");
    assert_int_equal(json_object_del(s.rental, "args"), 0);
    is_json(s.rental,
            "{'image':'nvidia/cuda:12.4.1-base-ubuntu22.04','disk':30,'label':'muster-deployment=muster&muster-machine="
            "muster-a&muster-job=123456789&muster-repository=octo%2Fhello&muster-expires=1714572000',"
            "'target_state':'running','cancel_unavail':true,'runtype':'args'}");
}

/* What a container runs: bash, which reads our script out of base64. */
static void test_vast_ai__a_container_gets_the_user_data_whole_behind_how_it_ends_itself(void **state)
{
    static const char before[] = "exec bash <(echo ", after[] = " | base64 -d)";
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_SENT struct sent s = {NULL, NULL};
    AUTO_BUF struct buf script = BUF_INIT(65536);
    const char *command;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    launch(b, &o, &s);
    assert_string_equal(json_string_value(json_array_get(json_object_get(s.rental, "args"), 0)), "bash");
    assert_string_equal(json_string_value(json_array_get(json_object_get(s.rental, "args"), 1)), "-c");
    command = json_string_value(json_array_get(json_object_get(s.rental, "args"), 2));
    assert_true(text_has_prefix(command, before));
    assert_true(text_has_suffix(command, after));
    assert_ok(
        text_unbase64(command + sizeof(before) - 1, strlen(command) - sizeof(before) - sizeof(after) + 2, &script, &e),
        e);
    assert_true(
        text_has_prefix(script.p, "#!/bin/bash\nMUSTER_CONTAINER=1\nexport MUSTER_VAST_URL='http://127.0.0.1:"));
    assert_true(text_has_suffix(script.p, bed_user_data));
    assert_null(strstr(script.p, "5ec7e7key"));
}

static void test_vast_ai__a_vm_is_searched_for_and_runs_the_user_data_once_it_is_up(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_SENT struct sent s = {NULL, NULL};

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.extra = json_pack("{s:s}", "vm", "true");
    o.spec.extra = o.extra;
    o.spec.image = "docker.io/vastai/kvm:ubuntu_cli_22.04-2025-11-21";
    launch(b, &o, &s);
    is_json(json_object_get(s.search, "vms_enabled"), "{'eq':true}");
    assert_true(json_is_true(json_object_get(s.rental, "vm")));
    assert_string_equal(json_string_value(json_object_get(s.rental, "runtype")), "ssh");
    assert_string_equal(json_string_value(json_object_get(s.rental, "onstart")), bed_user_data);
    assert_null(json_object_get(s.rental, "args"));
}

static void test_vast_ai__disk_and_memory_are_gigabytes_here_and_megabytes_there(void **state)
{
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (int as_text = 0; as_text < 2; as_text++) {
        AUTO_ORDER struct order o;
        AUTO_SENT struct sent s = {NULL, NULL};

        order_init(&o, b, "muster-a", "muster-a-0-0");
        o.extra = as_text ? json_pack("{s:s, s:s}", "disk_space", "40", "min_ram", "16")
                          : json_pack("{s:i, s:i}", "disk_space", 40, "min_ram", 16);
        o.spec.extra = o.extra;
        o.spec.gpu_memory_gb = 24;
        launch(b, &o, &s);
        is_json(json_object_get(s.search, "disk_space"), "{'gte':40}");
        is_json(json_object_get(s.search, "cpu_ram"), "{'gte':16000}");
        is_json(json_object_get(s.search, "gpu_ram"), "{'gte':22608}");
        assert_int_equal(json_integer_value(json_object_get(s.search, "allocated_storage")), 40);
        assert_int_equal(json_integer_value(json_object_get(s.rental, "disk")), 40);
    }
}

static void test_vast_ai__gpus_are_named_as_offers_name_them(void **state)
{
    static const char *const rows[][2] = {
        {"1xRTX_4090", "{'in':['RTX 4090']}"},   {"2xrtx_4090", "{'in':['RTX 4090']}"},
        {"1xA100_PCIE", "{'in':['A100 PCIE']}"}, {"8xA100", "{'in':['A100 PCIE','A100 SXM4']}"},
        {"1xT4", "{'in':['Tesla T4']}"},         {"1xRTX_9999_Ti", "{'in':['RTX 9999 Ti']}"},
    };
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_ORDER struct order o;
        AUTO_SENT struct sent s = {NULL, NULL};

        order_init(&o, b, "muster-a", "muster-a-0-0");
        o.spec.instance_type = rows[i][0];
        launch(b, &o, &s);
        is_json(json_object_get(s.search, "gpu_name"), rows[i][1]);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(s.search, "num_gpus"), "eq")),
                         rows[i][0][0] - '0');
    }
}

static void test_vast_ai__images_are_dockers_or_names_common_to_all_clouds(void **state)
{
    static const char *const rows[][2] = {{"stevendargaville/petsc_kokkos_cuda:latest", NULL},
                                          {"ghcr.io/octo/hello@sha256:0123456789abcdef", NULL},
                                          {"ubuntu2004", "ubuntu:20.04"},
                                          {"ubuntu2204", "ubuntu:22.04"},
                                          {"ubuntu2404", "ubuntu:24.04"},
                                          {"debian12", "debian:12"},
                                          {"ubuntu2204-gpu", "nvidia/cuda:12.4.1-base-ubuntu22.04"}};
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_ORDER struct order o;
        AUTO_SENT struct sent s = {NULL, NULL};

        order_init(&o, b, "muster-a", "muster-a-0-0");
        o.spec.image = rows[i][0];
        launch(b, &o, &s);
        assert_string_equal(json_string_value(json_object_get(s.rental, "image")),
                            rows[i][1] != NULL ? rows[i][1] : rows[i][0]);
    }
}

static void test_vast_ai__without_region_and_lifetime_nothing_is_said_of_them(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_SENT struct sent s = {NULL, NULL}, small = {NULL, NULL};

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.region = NULL;
    launch(b, &o, &s);
    assert_null(json_object_get(s.search, "geolocation"));
    assert_null(json_object_get(s.search, "duration"));
    o.spec.region = "de";
    launch(b, &o, &small);
    is_json(json_object_get(small.search, "geolocation"), "{'in':['DE']}");
}

/* ---- specs ---- */

static void refused(struct bed *b, struct order *o, const char *remedy)
{
    struct instance got;
    struct err e;

    assert_fails(b->ops->check(b->p, &o->spec, &e), ERR_INVALID, remedy, e);
    assert_fails(b->ops->launch(b->p, &o->r, &got, &e), ERR_INVALID, remedy, e);
    assert_int_equal(raw_count(b->server), 0);
}

static void test_vast_ai__what_cannot_be_had_is_refused_with_the_remedy(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.instance_type = "RTX_4090";
    refused(b, &o, "such as 1xRTX_4090");
    o.spec.instance_type = "1xRTX_4090";
    o.spec.gpus = 2;
    refused(b, &o, "has 1 GPU, and 2 are asked for");
    o.spec.gpus = 0;
    o.spec.region = "EUR";
    refused(b, &o, "two letters");
    o.spec.region = "US";
    o.spec.os = "windows";
    refused(b, &o, "Linux only");
    o.spec.os = NULL;
    o.spec.image = "../etc";
    refused(b, &o, "name of a Docker image");
    o.spec.image = "vastai/kvm:ubuntu_cli_22.04-2025-11-21";
    refused(b, &o, "extra_config.vm: true");
}

static void test_vast_ai__extra_config_is_read_strictly(void **state)
{
    static const struct {
        const char *key, *value, *remedy;
    } rows[] = {{"disk_space", "40GB", "extra_config.disk_space must be a whole number of GB"},
                {"disk_space", "0", "extra_config.disk_space must be a whole number of GB"},
                {"min_ram", "-1", "extra_config.min_ram must be a whole number of GB"},
                {"vm", "perhaps", "extra_config.vm must be true or false"},
                {"vm", "true", "is no VM's image"}};
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_ORDER struct order o;

        order_init(&o, b, "muster-a", "muster-a-0-0");
        o.extra = json_pack("{s:s}", rows[i].key, rows[i].value);
        o.spec.extra = o.extra;
        refused(b, &o, rows[i].remedy);
    }
}

static void test_vast_ai__tags_that_do_not_fit_into_a_label_are_refused(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    char value[1000];
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    memset(value, '/', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    o.tags[3].value = value;
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "1024 characters", e);
    assert_int_equal(raw_count(b->server), 0);
}

/* ---- offers ---- */

/* PROVIDERS.md trap 10: an offer taken in between is 404 or 410. */
static void test_vast_ai__trap_10_an_offer_that_was_taken_is_passed_over_for_the_next(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    const struct fake_fault second = {.at_create = true, .status = 410, .body = TAKEN_410, .next = &well};
    const struct fake_fault first = {.at_create = true, .status = 404, .body = TAKEN_404, .next = &second};
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &first);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_int_equal(asked_count(b, SEARCH), 1);
    assert_string_equal(asked_nth(b, RENT, 0)->path, "/api/v0/asks/7001/");
    assert_string_equal(asked_nth(b, RENT, 1)->path, "/api/v0/asks/7002/");
    assert_string_equal(asked_nth(b, RENT, 2)->path, "/api/v0/asks/7003/");
    assert_int_equal(b->cloud.made, 1);
}

static void test_vast_ai__when_all_offers_are_taken_the_search_ends_as_no_capacity(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &(struct fake_fault){.at_create = true, .status = 410, .body = TAKEN_410});
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_CAPACITY, "was taken", e);
    assert_int_equal(asked_count(b, RENT), 8);
    assert_int_equal(asked_count(b, SEARCH), 3);
    assert_int_equal(e.retry_after_s, 120);
}

static void test_vast_ai__without_offers_there_is_no_capacity_and_nothing_is_rented(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.r.first_try = true;
    answer(b, 200, "{\"success\":true,\"offers\":[]}");
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_CAPACITY, "nobody offers 1 x RTX 4090 in US", e);
    assert_int_equal(e.retry_after_s, 300);
    assert_int_equal(raw_count(b->server), 1);
}

static void test_vast_ai__a_refusal_of_the_account_tries_no_other_offer(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_FREE char *body = fake_fixture("vast_ai", "quota.json");
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &(struct fake_fault){.at_create = true, .status = 400, .body = body});
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_QUOTA, "add credit", e);
    assert_int_equal(asked_count(b, RENT), 1);
}

static void test_vast_ai__a_refusal_inside_a_success_is_one(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "12", "muster-a"), got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &(struct fake_fault){.at_create = true, .status = 200, .body = TAKEN_410, .next = &well});
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_int_equal(asked_count(b, RENT), 2);
    answer(b, 200, "{\"success\":false,\"error\":\"busy\",\"msg\":\"not now\"}");
    assert_fails(b->ops->destroy(b->p, &ref, &e), ERR_RETRY, "busy: not now", e);
}

/* ---- bids ---- */

static void test_vast_ai__preemptible_is_a_bid_a_tenth_above_the_least(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_SENT struct sent s = {NULL, NULL};
    double price;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.spot = true;
    launch(b, &o, &s);
    assert_string_equal(json_string_value(json_object_get(s.search, "type")), "bid");
    price = json_real_value(json_object_get(s.rental, "price"));
    assert_true(price > 0.22 && price < 0.222); /* of 0.2 */
}

static void test_vast_ai__a_bid_that_is_too_low_by_now_searches_again(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    const struct fake_fault low = {.at_create = true, .status = 400, .body = LOW_PRICE, .next = &well};
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.spot = true;
    fake_set_fault(&b->cloud, &low);
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_int_equal(asked_count(b, SEARCH), 2);
    assert_string_equal(asked_nth(b, RENT, 1)->path, "/api/v0/asks/7001/");
    fake_set_fault(&b->cloud, &(struct fake_fault){.at_create = true, .status = 400, .body = LOW_PRICE});
    o.r.first_try = true;
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_CAPACITY, "the bid is too low by now", e);
    assert_int_equal(asked_count(b, SEARCH), 5);
}

/* ---- shown requests ---- */

static void shown(struct bed *b, struct order *o, json_t **search, json_t **rental)
{
    AUTO_JSON json_t *list = json_array();
    struct err e;

    assert_ok(b->ops->render(b->p, &o->r, list, &e), e);
    assert_int_equal(json_array_size(list), 2);
    *search = json_incref(json_object_get(json_array_get(list, 0), "body"));
    *rental = json_incref(json_object_get(json_array_get(list, 1), "body"));
    assert_non_null(strstr(json_string_value(json_object_get(json_array_get(list, 1), "url")),
                           "/asks/<id of the cheapest offer>/"));
    assert_int_equal(raw_count(b->server), 0);
}

static void test_vast_ai__every_form_of_a_runner_is_shown(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_SENT struct sent container = {NULL, NULL}, vm = {NULL, NULL};

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.spot = true;
    o.spec.image = "stevendargaville/petsc_kokkos_cuda:latest";
    o.extra = json_pack("{s:i, s:i}", "disk_space", 40, "min_ram", 16);
    o.spec.extra = o.extra;
    shown(b, &o, &container.search, &container.rental);
    is_json(json_object_get(container.rental, "args"), "['bash','-c','***']");
    is_json(json_object_get(container.rental, "price"), "'<min_bid of the offer and a tenth>'");
    is_json(json_object_get(container.search, "cpu_ram"), "{'gte':16000}");
    o.spec.spot = false;
    o.spec.image = "vastai/kvm:ubuntu_cli_22.04-2025-11-21";
    assert_int_equal(json_object_set_new(o.extra, "vm", json_true()), 0);
    shown(b, &o, &vm.search, &vm.rental);
    is_json(json_object_get(vm.rental, "onstart"), "'***'");
    assert_null(json_object_get(vm.rental, "price"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vast_ai__a_launch_searches_and_rents_with_exactly_these_fields),
        cmocka_unit_test(test_vast_ai__a_container_gets_the_user_data_whole_behind_how_it_ends_itself),
        cmocka_unit_test(test_vast_ai__a_vm_is_searched_for_and_runs_the_user_data_once_it_is_up),
        cmocka_unit_test(test_vast_ai__disk_and_memory_are_gigabytes_here_and_megabytes_there),
        cmocka_unit_test(test_vast_ai__gpus_are_named_as_offers_name_them),
        cmocka_unit_test(test_vast_ai__images_are_dockers_or_names_common_to_all_clouds),
        cmocka_unit_test(test_vast_ai__without_region_and_lifetime_nothing_is_said_of_them),
        cmocka_unit_test(test_vast_ai__what_cannot_be_had_is_refused_with_the_remedy),
        cmocka_unit_test(test_vast_ai__extra_config_is_read_strictly),
        cmocka_unit_test(test_vast_ai__tags_that_do_not_fit_into_a_label_are_refused),
        cmocka_unit_test(test_vast_ai__trap_10_an_offer_that_was_taken_is_passed_over_for_the_next),
        cmocka_unit_test(test_vast_ai__when_all_offers_are_taken_the_search_ends_as_no_capacity),
        cmocka_unit_test(test_vast_ai__without_offers_there_is_no_capacity_and_nothing_is_rented),
        cmocka_unit_test(test_vast_ai__a_refusal_of_the_account_tries_no_other_offer),
        cmocka_unit_test(test_vast_ai__a_refusal_inside_a_success_is_one),
        cmocka_unit_test(test_vast_ai__preemptible_is_a_bid_a_tenth_above_the_least),
        cmocka_unit_test(test_vast_ai__a_bid_that_is_too_low_by_now_searches_again),
        cmocka_unit_test(test_vast_ai__every_form_of_a_runner_is_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
