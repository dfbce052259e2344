/* What is OpenStack's own: the body of a launch, names and what they stand for, regions and zones, servers that failed,
 * tokens. The account's sources are test_os_account.c. */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/clock.h"
#include "server/base/json.h"
#include "tests/support/asked.h"

#include <stdio.h>

#define CREATE "/nova/v2.1/servers"
#define SERVER_ID "8f4e0000-0000-4000-8000-1"
#define OURS "\"metadata\":{\"muster-deployment\":\"muster\",\"muster-machine\":\"muster-a\"}"

static struct bed *plain_bed(void)
{
    return bed_open(&fake_openstack, NULL, 0);
}

static struct bed *bed_with(const char *name, const char *value)
{
    return bed_open(&fake_openstack, &(struct bed_setting){name, value}, 1);
}

/* The member of a document is this JSON, written with single quotes; NULL = it is not there. */
static void member_is(const json_t *doc, const char *name, const char *expected)
{
    AUTO_BUF struct buf text = BUF_INIT(65536);
    AUTO_JSON json_t *want = NULL;
    AUTO_FREE char *got = NULL;
    const json_t *found = json_object_get(doc, name);
    struct err e;

    if (expected == NULL) {
        assert_null(found);
        return;
    }
    buf_addc(&text, '[');
    for (; *expected != '\0'; expected++)
        buf_addc(&text, (char)(*expected == '\'' ? '"' : *expected));
    buf_addc(&text, ']');
    assert_ok(js_parse(text.p, text.len, &want, &e), e);
    got = json_dumps(found, JSON_ENCODE_ANY);
    if (json_equal(found, json_array_get(want, 0)) != 1)
        fail_msg("%s is %s", name, got);
}

/* Launch and return the server that was asked for. */
static json_t *asked(struct bed *b, const struct order *o, struct instance *got)
{
    AUTO_JSON json_t *body = NULL;
    struct err e;

    assert_ok(b->ops->launch(b->p, &o->r, got, &e), e);
    body = asked_last_body(b, "POST", CREATE);
    return json_incref(json_object_get(body, "server"));
}

/* What every look at a server finds from now on; the launch's own four requests are answered as usual. */
static void shows(struct bed *b, size_t skip, int status, const char *body)
{
    fake_set_fault(&b->cloud, &(struct fake_fault){.skip = skip, .status = status, .body = body});
}

/* ---- the launch ---- */

static void test_openstack__a_launch_sends_exactly_these_fields(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *server = NULL;
    struct instance got;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    server = asked(b, &o, &got);
    member_is(server, "name", "'muster-a'");
    member_is(server, "flavorRef", "'42'");
    member_is(server, "imageRef", "'70a599e0-31e7-49b7-b260-868f441e862b'");
    member_is(server, "networks", "'auto'");
    member_is(server, "config_drive", "true");
    member_is(server, "user_data",
              "'IyEvYmluL3NoCk1VU1RFUl9KSVRDT05GSUc9b25lLXRpbWUtY3JlZGVudGlhbC1vZi10aGUtcnVubmVyCg=='");
    member_is(server, "metadata",
              "{'muster-deployment':'muster','muster-machine':'muster-a','muster-job':'123456789','muster-repository':"
              "'octo/hello','muster-expires':'1714572000'}");
    member_is(server, "tags", "['muster-deployment:muster','muster-machine:muster-a']");
    assert_int_equal(json_object_size(server), 8);
    assert_string_equal(got.region, "RegionOne");
}

static void test_openstack__a_first_try_looks_for_nothing_and_names_are_looked_up_once(void **state)
{
    AUTO_BED struct bed *b = bed_with("network", "private");
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *server = NULL, *again = NULL;
    struct instance got;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.r.first_try = true;
    server = asked(b, &o, &got);
    member_is(server, "networks", "[{'uuid':'d32019d3-bc6e-4319-9c1d-6722fc136a22'}]");
    order_clear(&o);
    order_init(&o, b, "muster-b", "muster-b-0-0");
    again = asked(b, &o, &got);
    assert_int_equal(asked_count(b, "GET", "/nova/v2.1/flavors/detail"), 1);
    assert_int_equal(asked_count(b, "GET", "/glance/v2/images"), 1);
    assert_int_equal(asked_count(b, "GET", "/neutron/v2.0/networks"), 1);
    assert_int_equal(asked_count(b, "GET", "/nova/v2.1/servers/detail"), 1); /* for the second launch */
}

static void test_openstack__ids_need_no_look_up(void **state)
{
    AUTO_BED struct bed *b = bed_with("network", "d32019d3-bc6e-4319-9c1d-000000000001");
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *server = NULL;
    struct instance got;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.image = "70a599e0-31e7-49b7-b260-000000000002";
    o.spec.instance_type = "42"; /* a flavor's id says nothing by its form */
    server = asked(b, &o, &got);
    member_is(server, "flavorRef", "'42'");
    member_is(server, "imageRef", "'70a599e0-31e7-49b7-b260-000000000002'");
    member_is(server, "networks", "[{'uuid':'d32019d3-bc6e-4319-9c1d-000000000001'}]");
    assert_int_equal(asked_count(b, "GET", "/glance/*") + asked_count(b, "GET", "/neutron/*"), 0);
}

static void test_openstack__a_name_that_stands_for_nothing_is_named(void **state)
{
    AUTO_BED struct bed *b = bed_with("network", "nowhere");
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "network \"nowhere\"", e);
    o.spec.image = "Ubuntu 99";
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "image \"Ubuntu 99\"", e);
    o.spec.instance_type = "gpu.huge";
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "flavor \"gpu.huge\"", e);
    assert_int_equal(b->cloud.made, 0);
}

static void test_openstack__a_network_name_that_two_have_is_refused_and_of_two_images_the_newest_is_taken(void **state)
{
    static const char two[] =
        "{\"networks\":[{\"id\":\"d32019d3-bc6e-4319-9c1d-000000000001\",\"name\":\"private\"},{\"id\":"
        "\"d32019d3-bc6e-4319-9c1d-000000000002\",\"name\":\"private\"}],\"images\":[{\"id\":"
        "\"70a599e0-31e7-49b7-b260-000000000001\",\"name\":\"Ubuntu 24.04 beta\"},{\"id\":"
        "\"70a599e0-31e7-49b7-b260-000000000002\",\"name\":\"Ubuntu 24.04\"},{\"id\":"
        "\"70a599e0-31e7-49b7-b260-000000000003\",\"name\":\"Ubuntu 24.04\"}],\"flavors\":[{\"id\":\"1\",\"name\":"
        "\"gpu.large\",\"disk\":1}],\"servers\":[]}";
    AUTO_BED struct bed *b = bed_with("network", "private"), *any = plain_bed();
    AUTO_JSON json_t *body = NULL;
    struct instance got;
    struct err e;

    (void)state;
    shows(b, 0, 200, two);
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_INVALID, "2 networks \"private\"", e);
    shows(any, 0, 200, two);
    assert_fails(bed_launch(any, "muster-a", "muster-a-0-0", &got, &e), ERR_RETRY, "servers.create", e);
    body = asked_last_body(any, "POST", CREATE);
    member_is(json_object_get(body, "server"), "imageRef", "'70a599e0-31e7-49b7-b260-000000000002'");
    assert_non_null(
        strstr(raw_get(any->server, raw_count(any->server) - 2)->path, "sort=created_at:desc&name=Ubuntu%20"));
}

/* ---- disks ---- */

static void test_openstack__a_flavor_without_a_disk_boots_from_a_volume_that_ends_with_it(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *server = NULL;
    struct instance got;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.instance_type = "gpu.diskless";
    server = asked(b, &o, &got);
    member_is(server, "imageRef", NULL);
    member_is(server, "block_device_mapping_v2",
              "[{'boot_index':0,'uuid':'70a599e0-31e7-49b7-b260-868f441e862b','source_type':'image','destination_type':"
              "'volume','volume_size':50,'delete_on_termination':true}]");
}

static void test_openstack__disks_of_extra_config_are_completed(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *server = NULL;
    struct instance got;

    (void)state;
    b->env.allow_privileged = true;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.extra = json_pack("{s:[{s:s, s:s, s:s, s:b}, {s:i}, {s:s, s:s}]}", "block_device_mapping_v2", "boot_index", "0",
                        "volume_size", "120", "volume_type", "ssd", "delete_on_termination", 0, "volume_size", 10,
                        "source_type", "volume", "uuid", "data");
    o.spec.extra = o.extra;
    server = asked(b, &o, &got);
    member_is(server, "imageRef", NULL);
    member_is(
        server, "block_device_mapping_v2",
        "[{'boot_index':0,'volume_size':120,'volume_type':'ssd','delete_on_termination':true,'source_type':'image',"
        "'destination_type':'volume','uuid':'70a599e0-31e7-49b7-b260-868f441e862b'},"
        "{'volume_size':10,'source_type':'blank','destination_type':'volume','delete_on_termination':true},"
        "{'source_type':'volume','uuid':'data','destination_type':'volume'}]");
}

static void test_openstack__a_disk_of_the_account_needs_allow_privileged(void **state)
{
    static const char *const disks[] = {"{\"source_type\": \"volume\", \"uuid\": \"data\"}",
                                        "{\"source_type\": \"snapshot\", \"uuid\": \"data\"}",
                                        "{\"boot_index\": 0, \"uuid\": \"another-image\"}",
                                        "{\"boot_index\": 0, \"source_type\": \"image\", \"uuid\": \"another-image\"}"};
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    for (size_t i = 0; i < ARRAY_LEN(disks); i++) {
        json_decref(o.extra);
        o.extra = json_pack("{s:[o]}", "block_device_mapping_v2", json_loads(disks[i], 0, NULL));
        o.spec.extra = o.extra;
        b->env.allow_privileged = false;
        assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, "policy.allow_privileged", e);
        b->env.allow_privileged = true;
        assert_ok(b->ops->check(b->p, &o.spec, &e), e);
    }
}

static void test_openstack__a_disk_beside_the_flavors_own_leaves_the_image_where_it_is(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *server = NULL;
    struct instance got;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.extra = json_pack("{s:[{s:i}]}", "block_device_mapping_v2", "volume_size", 10);
    o.spec.extra = o.extra;
    server = asked(b, &o, &got);
    member_is(server, "imageRef", "'70a599e0-31e7-49b7-b260-868f441e862b'");
}

static void test_openstack__disks_that_nova_would_refuse_are_refused_offline(void **state)
{
    static const struct {
        const char *disks, *where;
    } rows[] = {{"7", "expected a list"},
                {"[7]", "[0]: expected a mapping"},
                {"[{}, {\"volume_size\": 0}]", "[1].volume_size"},
                {"[{\"volume_size\": \"12GB\"}]", "[0].volume_size"},
                {"[{\"boot_index\": true}]", "[0].boot_index"},
                {"[{\"source_type\": \"iso\"}]", "[0].source_type"},
                {"[{\"destination_type\": 1}]", "[0].destination_type"},
                {"[{\"delete_on_termination\": \"yes\"}]", "[0].delete_on_termination"},
                {"[{\"uuid\": \"\"}]", "[0].uuid"},
                {"[{\"size\": 5}]", "[0].size: unknown"}};
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_ORDER struct order o;
        struct err e;

        order_init(&o, b, "muster-a", "muster-a-0-0");
        o.extra = json_pack("{s:o}", "block_device_mapping_v2", json_loads(rows[i].disks, JSON_DECODE_ANY, NULL));
        o.spec.extra = o.extra;
        assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, rows[i].where, e);
    }
    assert_int_equal(fake_requests(&b->cloud), 0);
}

/* ---- where ---- */

static void test_openstack__a_region_that_is_none_is_a_zone_of_the_accounts_region(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *server = NULL;
    struct instance got;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.region = "az-gpu";
    server = asked(b, &o, &got);
    member_is(server, "availability_zone", "'az-gpu'");
    assert_string_equal(got.region, "RegionOne"); /* where it is looked for from now on */
}

static void test_openstack__a_region_that_nobody_knows_is_an_error_and_never_an_empty_one(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct bed_seen seen = {0};
    struct instance got, ref;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.region = "RegionNine";
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "(RegionOne, RegionTwo)", e);
    assert_fails(b->ops->list(b->p, "RegionNine", bed_see, &seen, &e), ERR_INVALID, "(az-gpu)", e);
    ref = bed_ref(b, SERVER_ID, "muster-a");
    (void)snprintf(ref.region, sizeof(ref.region), "RegionNine");
    assert_fails(b->ops->describe(b->p, &ref, &got, &e), ERR_INVALID, "RegionNine", e);
    assert_fails(b->ops->destroy(b->p, &ref, &e), ERR_INVALID, "RegionNine", e);
}

static void test_openstack__each_region_and_interface_has_its_own_address(void **state)
{
    AUTO_BED struct bed *b = plain_bed(), *internal = bed_with("interface", "internalURL");
    AUTO_BED struct bed *own = bed_with("compute_endpoint_override", "URL/my-nova/v2.1");
    struct bed_seen seen = {0};
    struct err e;

    (void)state;
    (void)b->ops->list(b->p, "RegionTwo", bed_see, &seen, &e);
    assert_int_equal(asked_count(b, "GET", "/nova-two/v2.1/servers/detail"), 1);
    (void)internal->ops->list(internal->p, NULL, bed_see, &seen, &e);
    assert_int_equal(asked_count(internal, "GET", "/internal/v2.1/servers/detail"), 1);
    (void)own->ops->list(own->p, NULL, bed_see, &seen, &e);
    assert_int_equal(asked_count(own, "GET", "/my-nova/v2.1/servers/detail"), 1);
}

static void test_openstack__a_service_that_the_catalogue_lacks_is_named(void **state)
{
    AUTO_BED struct bed *b = bed_with("interface", "internal");
    struct instance got;
    struct err e;

    (void)state;
    shows(b, 1, 200, "{\"flavors\":[{\"id\":\"1\",\"name\":\"gpu.large\",\"disk\":1}],\"servers\":[]}");
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_INVALID, "not be found", e);
    shows(b, 0, 200, "{\"flavors\":[{\"id\":\"1\",\"name\":\"gpu.large\",\"disk\":1}],\"servers\":[]}");
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_INVALID,
                 "no image service on the internal interface", e);
}

/* ---- what Nova says of a server ---- */

static void test_openstack__each_status_has_its_state(void **state)
{
    static const struct {
        const char *status, *task;
        enum instance_state state;
    } rows[] = {{"BUILD", "scheduling", INSTANCE_PENDING},
                {"BUILD", NULL, INSTANCE_PENDING},
                {"ACTIVE", NULL, INSTANCE_RUNNING},
                {"ACTIVE", "deleting", INSTANCE_ENDING},
                {"SHUTOFF", NULL, INSTANCE_STOPPED},
                {"SHELVED_OFFLOADED", NULL, INSTANCE_STOPPED},
                {"ERROR", NULL, INSTANCE_STOPPED},
                {"ERROR", "deleting", INSTANCE_ENDING},
                {"SOFT_DELETED", NULL, INSTANCE_GONE},
                {"DELETED", "deleting", INSTANCE_GONE},
                {"VERIFY_RESIZE", "resize", INSTANCE_RUNNING},
                {"RESCUE", NULL, INSTANCE_RUNNING}};
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, SERVER_ID, "muster-a"), got;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON json_t *doc = json_pack("{s:{s:s, s:s, s:s?}}", "server", "id", SERVER_ID, "status", rows[i].status,
                                          "OS-EXT-STS:task_state", rows[i].task);
        AUTO_FREE char *text = json_dumps(doc, 0);

        shows(b, 0, 200, text);
        assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
        assert_int_equal(got.state, rows[i].state);
    }
}

/* One that ran before may run on, whatever an operator's action did to its status. */
static void test_openstack__a_server_in_error_that_once_ran_counts_as_running(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, SERVER_ID, "muster-a"), got;
    struct err e;

    (void)state;
    shows(b, 0, 200,
          "{\"server\":{\"id\":\"" SERVER_ID "\",\"status\":\"ERROR\",\"OS-SRV-USG:launched_at\":"
          "\"2024-05-01T14:00:09.000000\",\"fault\":{\"message\":\"live migration\"}}}");
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_RUNNING);
}

static void test_openstack__a_host_that_is_not_found_in_time_leaves_the_launch_open(void **state)
{
    static const struct {
        int status;
        const char *body;
    } rows[] = {{200, "{\"server\":{\"id\":\"" SERVER_ID
                      "\",\"status\":\"BUILD\",\"OS-EXT-STS:task_state\":\"scheduling\"," OURS "}}"},
                {503, ""},
                {404, "{\"itemNotFound\":{\"code\":404,\"message\":\"not yet\"}}"}};
    struct instance got;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BED struct bed *b = plain_bed();

        shows(b, 4, rows[i].status, rows[i].body);
        assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
        assert_int_equal(got.state, INSTANCE_PENDING);
        assert_string_equal(got.id, SERVER_ID);
        assert_string_equal(got.name, "muster-a");
        assert_true(b->paused_ms > 0);
    }
}

/* ---- traps ---- */

/* PROVIDERS.md trap 8: 202, then ERROR with "No valid host"; must be deleted. The suite has it for launch. */
static void test_openstack__a_server_that_failed_later_is_stopped_for_want_of_room(void **state)
{
    static const struct fake_refusal doom = {"fault-no-valid-host.json", 0, ERR_CAPACITY};
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "", "muster-a"), got;
    struct err e;

    (void)state;
    b->cloud.doom = &doom;
    (void)fake_add(&b->cloud, "muster-a", "", BED_DEPLOYMENT);
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_STOPPED);
    assert_int_equal(got.why, ERR_CAPACITY);
    assert_non_null(strstr(got.detail, "No valid host was found"));
    assert_ok(b->ops->destroy(b->p, &ref, &e), e);
    assert_int_equal(fake_alive(&b->cloud), 0);
}

/* PROVIDERS.md trap 8. */
static void test_openstack__a_repetition_that_finds_its_server_failed_removes_it_and_says_why(void **state)
{
    static const struct fake_refusal doom = {"fault-no-valid-host.json", 0, ERR_CAPACITY};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    b->cloud.doom = &doom;
    (void)fake_add(&b->cloud, "muster-a", "", BED_DEPLOYMENT);
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_CAPACITY, "No valid host", e);
    assert_true(e.retry_after_s > 0);
    assert_int_equal(fake_alive(&b->cloud), 0);
    assert_int_equal(b->cloud.made, 1);
}

/* PROVIDERS.md trap 8: a failed server that cannot be removed is no refusal yet: the same launch again removes it. */
static void test_openstack__a_failed_server_that_stays_is_tried_again(void **state)
{
    static const struct fake_refusal doom = {"fault-no-valid-host.json", 0, ERR_CAPACITY};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    b->cloud.doom = &doom;
    shows(b, 5, 503, "");
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_RETRY, "removing", e);
    fake_set_fault(&b->cloud, NULL);
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_CAPACITY, "No valid host", e);
    assert_int_equal(fake_alive(&b->cloud), 0);
    assert_int_equal(b->cloud.made, 1);
}

/* PROVIDERS.md trap 12: by tag and look-up. One that is on its way out is not adopted. */
static void test_openstack__a_lost_answer_is_looked_for_by_both_tags_and_what_ends_is_left_alone(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &(struct fake_fault){.at_create = true, .after_acting = true});
    assert_int_equal(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), -1);
    fake_set_fault(&b->cloud, NULL);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_int_equal(b->cloud.made, 1);
    assert_non_null(strstr(raw_get(b->server, raw_count(b->server) - 1)->path,
                           "tags=muster-deployment%3Amuster,muster-machine%3Amuster-a"));
    fake_set_fault(&b->cloud,
                   &(struct fake_fault){.status = 200,
                                        .body = "{\"servers\":[{\"id\":\"" SERVER_ID "\",\"status\":\"ACTIVE\","
                                                "\"OS-EXT-STS:task_state\":\"deleting\"," OURS "}]}",
                                        .next = &(struct fake_fault){.skip = 1000}});
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_int_equal(b->cloud.made, 2);
}

/* PROVIDERS.md trap 13: pages go on by marker, not where the cloud's link leads, and one that goes nowhere fails the
 * list. */
static void test_openstack__a_page_that_leads_nowhere_fails_the_list(void **state)
{
    static const char *const pages[] = {
        "{\"servers\":[],\"servers_links\":[{\"rel\":\"next\",\"href\":\"http://x/\"}]}",
        "{\"servers\":[{\"id\":\"" SERVER_ID "\",\"status\":\"ACTIVE\"," OURS
        "}],\"servers_links\":[{\"rel\":\"next\"}]}"};
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        struct bed_seen seen = {0};
        struct err e;

        shows(b, 0, 200, pages[i]); /* the same again and again */
        assert_fails(b->ops->list(b->p, NULL, bed_see, &seen, &e), ERR_RETRY, "a next page behind nothing new", e);
    }
}

#define AUTH "/v3/auth/tokens"
#define REFUSED "{\"error\":{\"code\":401,\"title\":\"Unauthorized\",\"message\":\"authentication\"}}"

/* PROVIDERS.md trap 14: one refresh, one retry, then AUTH. */
static void test_openstack__a_refused_token_is_renewed_once(void **state)
{
    const struct fake_fault well = {.skip = 1000};
    AUTO_BED struct bed *b = plain_bed();
    struct bed_seen seen = {0};
    struct err e;

    (void)state;
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_int_equal(asked_count(b, "POST", AUTH), 1);
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 401, .body = REFUSED, .next = &well});
    assert_int_equal(b->ops->list(b->p, NULL, bed_see, &seen, &e), -1); /* the new token is the same: not sent again */
    assert_int_equal(e.kind, ERR_AUTH);
    assert_int_equal(asked_count(b, "POST", AUTH), 2);
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_int_equal(asked_count(b, "POST", AUTH), 2);
}

static void test_openstack__a_token_is_renewed_before_its_end(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct bed_seen seen = {0};
    struct err e;

    (void)state;
    clock_test_set(1714572000000);
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    clock_test_advance((int64_t)54 * 60 * 1000);
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_int_equal(asked_count(b, "POST", AUTH), 1);
    clock_test_advance((int64_t)2 * 60 * 1000); /* of an hour less than five minutes are left */
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_int_equal(asked_count(b, "POST", AUTH), 2);
    clock_test_release();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openstack__a_launch_sends_exactly_these_fields),
        cmocka_unit_test(test_openstack__a_first_try_looks_for_nothing_and_names_are_looked_up_once),
        cmocka_unit_test(test_openstack__ids_need_no_look_up),
        cmocka_unit_test(test_openstack__a_name_that_stands_for_nothing_is_named),
        cmocka_unit_test(test_openstack__a_network_name_that_two_have_is_refused_and_of_two_images_the_newest_is_taken),
        cmocka_unit_test(test_openstack__a_flavor_without_a_disk_boots_from_a_volume_that_ends_with_it),
        cmocka_unit_test(test_openstack__disks_of_extra_config_are_completed),
        cmocka_unit_test(test_openstack__a_disk_of_the_account_needs_allow_privileged),
        cmocka_unit_test(test_openstack__a_disk_beside_the_flavors_own_leaves_the_image_where_it_is),
        cmocka_unit_test(test_openstack__disks_that_nova_would_refuse_are_refused_offline),
        cmocka_unit_test(test_openstack__a_region_that_is_none_is_a_zone_of_the_accounts_region),
        cmocka_unit_test(test_openstack__a_region_that_nobody_knows_is_an_error_and_never_an_empty_one),
        cmocka_unit_test(test_openstack__each_region_and_interface_has_its_own_address),
        cmocka_unit_test(test_openstack__a_service_that_the_catalogue_lacks_is_named),
        cmocka_unit_test(test_openstack__each_status_has_its_state),
        cmocka_unit_test(test_openstack__a_server_in_error_that_once_ran_counts_as_running),
        cmocka_unit_test(test_openstack__a_host_that_is_not_found_in_time_leaves_the_launch_open),
        cmocka_unit_test(test_openstack__a_server_that_failed_later_is_stopped_for_want_of_room),
        cmocka_unit_test(test_openstack__a_repetition_that_finds_its_server_failed_removes_it_and_says_why),
        cmocka_unit_test(test_openstack__a_failed_server_that_stays_is_tried_again),
        cmocka_unit_test(test_openstack__a_lost_answer_is_looked_for_by_both_tags_and_what_ends_is_left_alone),
        cmocka_unit_test(test_openstack__a_page_that_leads_nowhere_fails_the_list),
        cmocka_unit_test(test_openstack__a_refused_token_is_renewed_once),
        cmocka_unit_test(test_openstack__a_token_is_renewed_before_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
