/* What Azure does in its own time: operations, machines that fail after they were accepted, what they leave behind. */
#include "tests/support/unit.h"

#include "server/base/json.h"
#include "tests/support/cloud_bed.h"

#include <stdio.h>

#define S "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590"
#define VM S "/resourceGroups/ci/providers/Microsoft.Compute/virtualMachines/muster-a"
#define GOING "{\"status\":\"InProgress\"}"
#define ENOUGH                                                                                                         \
    {                                                                                                                  \
        .skip = 100000                                                                                                 \
    }

static const struct fake_fault truthful = ENOUGH;

static size_t seen(struct bed *b, const char *method, const char *glob)
{
    size_t n = 0;

    for (size_t i = 0; i < raw_count(b->server); i++)
        n += fake_is(raw_get(b->server, i), method, glob) ? 1 : 0;
    return n;
}

static struct bed *plain_bed(void)
{
    return bed_open(&fake_azure, NULL, 0);
}

static int launch(struct bed *b, struct instance *got, struct err *e)
{
    return bed_launch(b, "muster-a", "muster-a-0-0", got, e);
}

static struct instance described(struct bed *b)
{
    struct instance ref = bed_ref(b, "muster-a", "muster-a"), got;
    struct err e;

    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    return got;
}

/* A machine as Azure describes it. */
static char *vm(const char *state, const char *code, const char *message)
{
    AUTO_JSON json_t *doc =
        json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:{s:[{s:s, s:s}]}}}", "name", "muster-a", "location", "eastus",
                  "tags", TAG_MACHINE, "muster-a", TAG_DEPLOYMENT, BED_DEPLOYMENT, "properties", "provisioningState",
                  state, "instanceView", "statuses", "code", code, "message", message);
    char *text = json_dumps(doc, JSON_COMPACT);

    assert_non_null(text);
    return text;
}

/* ---- waiting ---- */

static void test_azure__a_launch_waits_for_the_operation_as_long_as_it_is_told(void **state)
{
    const struct fake_fault second = {.status = 200, .headers = "Retry-After: 7\r\n", .body = GOING, .next = &truthful};
    const struct fake_fault first = {
        .skip = 1, .status = 200, .headers = "Retry-After: 20\r\n", .body = GOING, .next = &second};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &first);
    assert_ok(launch(b, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_RUNNING);
    assert_int_equal(seen(b, "GET", "*/locations/eastus/operations/muster-a"), 3);
    assert_int_equal(b->paused_ms, (10 + 20 + 7) * 1000); /* the creation itself asked for ten */
}

static void test_azure__what_stays_open_is_a_machine_that_is_pending(void **state)
{
    const struct fake_fault going = {.skip = 1, .status = 200, .body = GOING};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &going);
    assert_ok(launch(b, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_PENDING);
    assert_string_equal(got.id, "muster-a");
    assert_int_equal(fake_alive(&b->cloud), 1);
}

static void test_azure__an_operation_that_cannot_be_asked_for_a_while_is_asked_again(void **state)
{
    const struct fake_fault third = {.status = 429, .headers = "Retry-After: 30\r\n", .body = "", .next = &truthful};
    const struct fake_fault second = {.status = 200, .body = "<html>", .next = &third};
    const struct fake_fault first = {.skip = 1, .status = 502, .body = "", .next = &second};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &first);
    assert_ok(launch(b, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_RUNNING);
    assert_true(b->paused_ms >= (10 + 30) * 1000);
}

/* Credentials are not carried to where an answer points. */
static void test_azure__an_operation_elsewhere_is_not_asked_but_the_machine_is(void **state)
{
    AUTO_FREE char *made = vm("Creating", "ProvisioningState/creating", "");
    const struct fake_fault elsewhere = {.status = 201,
                                         .after_acting = true,
                                         .headers = "Azure-AsyncOperation: http://127.0.0.1:1/operations/1\r\n",
                                         .body = made,
                                         .next = &truthful};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &elsewhere);
    assert_ok(launch(b, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_RUNNING);
    assert_int_equal(seen(b, "GET", VM), 1);
}

/* ---- refusals that come later: PROVIDERS.md trap 6 ---- */

static void test_azure__trap_6_a_failed_launch_removes_machine_card_and_disk_before_it_is_refused(void **state)
{
    static const struct fake_refusal doom = {"allocation-failed.json", 200, ERR_CAPACITY};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    b->cloud.doom = &doom;
    assert_fails(launch(b, &got, &e), ERR_CAPACITY, "AllocationFailed", e);
    assert_int_equal(e.retry_after_s, 300);
    assert_null(strstr(e.msg, "left behind"));
    assert_int_equal(seen(b, "DELETE", VM), 1);
    assert_int_equal(seen(b, "DELETE", "*/Microsoft.Network/networkInterfaces/muster-a"), 1);
    assert_int_equal(seen(b, "DELETE", "*/Microsoft.Compute/disks/muster-a"), 1);
    b->cloud.doom = NULL;
    assert_ok(launch(b, &got, &e), e); /* the name is free for the next candidate */
}

static void test_azure__trap_6_a_launch_that_is_refused_at_once_removes_what_an_earlier_one_left(void **state)
{
    AUTO_FREE char *body = fake_fixture("azure", "no-capacity.json");
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    (void)snprintf(fake_add(&b->cloud, "muster-a", "", BED_DEPLOYMENT)->type, 64, "nd");
    fake_set_fault(&b->cloud, &(struct fake_fault){.at_create = true, .status = 409, .body = body});
    assert_fails(launch(b, &got, &e), ERR_CAPACITY, "SkuNotAvailable", e);
    assert_int_equal(fake_alive(&b->cloud), 0);
}

static void test_azure__a_name_that_others_have_is_a_conflict(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    (void)fake_add(&b->cloud, "muster-a", "", "staging");
    assert_fails(launch(b, &got, &e), ERR_CONFLICT, "muster-a is taken by a machine of somebody else", e);
    assert_int_equal(seen(b, "DELETE", "*"), 0);
}

static void test_azure__trap_6_a_machine_whose_end_could_not_be_asked_for_keeps_the_outcome_open(void **state)
{
    static const struct fake_refusal doom = {"allocation-failed.json", 200, ERR_CAPACITY};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    b->cloud.doom = &doom;
    b->max_pauses = 2;
    /* create, operation, get: then nothing is answered any more */
    fake_set_fault(&b->cloud, &(struct fake_fault){.skip = 3, .status = 503, .body = "{}"});
    assert_fails(launch(b, &got, &e), ERR_RETRY, "; what it may have left behind is still to be removed", e);
    assert_non_null(strstr(e.msg, "AllocationFailed"));
    assert_int_equal(fake_alive(&b->cloud), 1);
    b->max_pauses = 100;
    fake_set_fault(&b->cloud, NULL);
    assert_fails(launch(b, &got, &e), ERR_CAPACITY, "AllocationFailed", e); /* the same try again */
    assert_int_equal(fake_alive(&b->cloud), 0);
}

/* A network card may stay reserved for three minutes: the job does not wait for it, its end does. */
static void test_azure__trap_6_a_reserved_card_delays_no_refusal_and_is_removed_with_the_machine(void **state)
{
    static const char reserved[] =
        "{\"error\":{\"code\":\"NicReservedForAnotherVm\",\"message\":\"Nic(s) in request is "
        "reserved for another Virtual Machine for 180 seconds.\"}}";
    static const struct fake_refusal doom = {"allocation-failed.json", 200, ERR_CAPACITY};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got, ref = bed_ref(b, "muster-a", "muster-a");
    struct bed_seen list = {0};
    struct err e;
    /* create, operation, get, delete, get, list: then the card */
    const struct fake_fault card = {.skip = 6, .status = 400, .body = reserved, .next = &truthful};

    (void)state;
    b->cloud.doom = &doom;
    b->max_pauses = 2;
    fake_set_fault(&b->cloud, &card);
    assert_fails(launch(b, &got, &e), ERR_CAPACITY, "; what it may have left behind is still to be removed", e);
    got = described(b);
    assert_int_equal(got.state, INSTANCE_STOPPED);
    assert_non_null(strstr(got.detail, "network card"));
    assert_ok(b->ops->list(b->p, NULL, bed_see, &list, &e), e);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.ids[0], "muster-a");
    fake_set_fault(&b->cloud, &(struct fake_fault){.skip = 2, .status = 400, .body = reserved});
    assert_fails(b->ops->destroy(b->p, &ref, &e), ERR_RETRY, "NicReservedForAnotherVm", e);
    assert_int_equal(e.retry_after_s, 180);
    fake_set_fault(&b->cloud, NULL);
    assert_ok(b->ops->destroy(b->p, &ref, &e), e);
    assert_int_equal(described(b).state, INSTANCE_GONE);
}

static void test_azure__trap_6_a_second_put_with_other_settings_finds_the_first_machine(void **state)
{
    static const char changed[] = "{\"error\":{\"code\":\"PropertyChangeNotAllowed\",\"message\":\"Changing property "
                                  "'linuxConfiguration.ssh.publicKeys' is not allowed.\"}}";
    const struct fake_fault conflict = {.at_create = true, .status = 409, .body = changed};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    assert_ok(launch(b, &got, &e), e);
    fake_set_fault(&b->cloud, &conflict);
    assert_ok(launch(b, &got, &e), e);
    assert_string_equal(got.id, "muster-a");
    assert_int_equal(b->cloud.made, 1);
    assert_int_equal(seen(b, "DELETE", "*"), 0);
    b->cloud.machines[0].gone = true; /* nothing of that name: then it is somebody's word against another's */
    assert_fails(launch(b, &got, &e), ERR_CONFLICT, "PropertyChangeNotAllowed", e);
}

static void test_azure__a_name_whose_machine_failed_meanwhile_is_refused_with_its_reason_and_removed(void **state)
{
    static const struct fake_refusal doom = {"quota.json", 200, ERR_QUOTA};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_add(&b->cloud, "muster-a", "", BED_DEPLOYMENT)->doom = &doom;
    assert_fails(launch(b, &got, &e), ERR_QUOTA, "exceeding approved standardNCASv3_T4Family Cores quota", e);
    assert_int_equal(fake_alive(&b->cloud), 0);
}

static void test_azure__a_name_whose_machine_is_still_being_removed_is_tried_again_soon(void **state)
{
    AUTO_FREE char *going = vm("Deleting", "PowerState/running", "");
    const struct fake_fault deleting = {.skip = 1, .status = 200, .body = going};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    (void)fake_add(&b->cloud, "muster-a", "", BED_DEPLOYMENT);
    fake_set_fault(&b->cloud, &deleting);
    assert_fails(launch(b, &got, &e), ERR_RETRY, "still being removed", e);
    assert_int_equal(e.retry_after_s, 15);
}

/* ---- states ---- */

static void test_azure__each_state_has_its_meaning(void **state)
{
    static const struct {
        const char *state, *code, *message;
        enum instance_state want;
        enum err_kind why;
    } rows[] = {{"Creating", "ProvisioningState/creating", "", INSTANCE_PENDING, ERR_NONE},
                {"Updating", "PowerState/running", "", INSTANCE_RUNNING, ERR_NONE},
                {"Succeeded", "PowerState/running", "", INSTANCE_RUNNING, ERR_NONE},
                /* PROVIDERS.md trap 5: powered off it costs until it is destroyed */
                {"Succeeded", "PowerState/stopped", "", INSTANCE_STOPPED, ERR_NONE},
                {"Updating", "PowerState/stopping", "", INSTANCE_STOPPED, ERR_NONE},
                {"Succeeded", "PowerState/starting", "", INSTANCE_RUNNING, ERR_NONE},
                {"Succeeded", "PowerState/deallocated", "", INSTANCE_STOPPED, ERR_NONE},
                {"Deleting", "PowerState/stopped", "", INSTANCE_ENDING, ERR_NONE},
                {"Failed", "ProvisioningState/failed/AllocationFailed", "no room", INSTANCE_STOPPED, ERR_CAPACITY},
                {"failed", "provisioningstate/FAILED/SkuNotAvailable", "no room", INSTANCE_STOPPED, ERR_CAPACITY},
                {"Failed", "ProvisioningState/failed/OSProvisioningInternalError", "oops", INSTANCE_STOPPED, ERR_NONE},
                {"Canceled", "ProvisioningState/canceled", "", INSTANCE_STOPPED, ERR_NONE},
                /* an image without Azure's agent never says that it is up; its job is not killed for that */
                {"Failed", "PowerState/running", "", INSTANCE_RUNNING, ERR_NONE}};
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *body = vm(rows[i].state, rows[i].code, rows[i].message);
        struct instance got;

        fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .body = body});
        got = described(b);
        assert_int_equal(got.state, rows[i].want);
        assert_int_equal(got.why, rows[i].why);
        if (*rows[i].message != '\0')
            assert_non_null(strstr(got.detail, rows[i].message));
    }
}

static void test_azure__a_machine_says_where_and_when_it_was_made_and_when_it_expires(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;

    (void)state;
    (void)fake_add(&b->cloud, "muster-a", "", BED_DEPLOYMENT);
    got = described(b);
    assert_string_equal(got.region, "eastus");
    assert_string_equal(got.name, "muster-a");
    assert_int_equal(got.created_ms, 1714572000123);
    assert_int_equal(got.expires_ms, 1714572000000); /* a tag's name counts without case */
}

static void test_azure__trap_5_a_machine_that_powered_itself_off_is_destroyed(void **state)
{
    AUTO_FREE char *body = vm("Succeeded", "PowerState/stopped", "");
    const struct fake_fault off = {.status = 200, .body = body, .next = &truthful};
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "muster-a", "muster-a");
    struct err e;

    (void)state;
    (void)fake_add(&b->cloud, "muster-a", "", BED_DEPLOYMENT);
    fake_set_fault(&b->cloud, &off);
    assert_ok(b->ops->destroy(b->p, &ref, &e), e);
    assert_int_equal(fake_alive(&b->cloud), 0);
    for (size_t i = 0; i < raw_count(b->server); i++) {
        const struct raw_request *r = raw_get(b->server, i);

        if (strcmp(r->method, "DELETE") == 0)
            assert_string_equal(strchr(r->path, '?'), "?api-version=2025-04-01&forceDeletion=true");
    }
}

static void test_azure__what_is_being_deleted_is_not_deleted_again(void **state)
{
    AUTO_FREE char *body = vm("Deleting", "PowerState/stopped", "");
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "muster-a", "muster-a");
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .body = body});
    assert_ok(b->ops->destroy(b->p, &ref, &e), e);
    assert_int_equal(seen(b, "DELETE", "*"), 0);
}

/* ---- what is left behind ---- */

static void test_azure__parts_without_a_machine_are_listed_once_and_can_be_destroyed(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance orphan = bed_ref(b, "muster-b", "muster-b");
    struct bed_seen list = {0};
    struct err e;

    (void)state;
    (void)fake_add(&b->cloud, "muster-a", "", BED_DEPLOYMENT);
    (void)snprintf(fake_add(&b->cloud, "muster-b", "", BED_DEPLOYMENT)->type, 64, "ndi");
    (void)snprintf(fake_add(&b->cloud, "muster-c", "", "staging")->type, 64, "n");
    assert_ok(b->ops->list(b->p, NULL, bed_see, &list, &e), e);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.ids[1], "muster-b");
    assert_ok(b->ops->destroy(b->p, &orphan, &e), e);
    assert_int_equal(seen(b, "DELETE", "*/Microsoft.Network/publicIPAddresses/muster-b"), 1);
    assert_true(b->cloud.machines[1].gone);
    assert_false(b->cloud.machines[2].gone);
}

static void test_azure__an_address_that_its_card_still_holds_goes_with_the_next_call(void **state)
{
    static const char held[] = "{\"error\":{\"code\":\"PublicIPAddressCannotBeDeleted\",\"message\":\"in use\"}}";
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "muster-b", "muster-b");
    struct err e;
    /* get, list, card; then the address, before the disk */
    const struct fake_fault address = {.skip = 4, .status = 400, .body = held, .next = &truthful};

    (void)state;
    (void)snprintf(fake_add(&b->cloud, "muster-b", "", BED_DEPLOYMENT)->type, 64, "ndi");
    fake_set_fault(&b->cloud, &address);
    assert_fails(b->ops->destroy(b->p, &ref, &e), ERR_RETRY, "PublicIPAddressCannotBeDeleted", e);
    assert_string_equal(b->cloud.machines[0].type, "i"); /* the others were asked for all the same */
    assert_ok(b->ops->destroy(b->p, &ref, &e), e);
    assert_int_equal(fake_alive(&b->cloud), 0);
}

static int keep_state(void *arg, const struct instance *i, struct err *e)
{
    (void)e;
    *(struct instance *)arg = *i;
    return 0;
}

/* Its card and disk are seen, but the list of machines was read before it was there. */
static void test_azure__a_machine_made_while_the_list_is_read_is_no_leftover(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    const struct fake_fault before = {.status = 200, .body = "{\"value\":[]}", .next = &truthful};
    struct instance got = {.why = ERR_NONE};
    struct err e;

    (void)state;
    assert_ok(launch(b, &got, &e), e);
    fake_set_fault(&b->cloud, &before);
    assert_ok(b->ops->list(b->p, NULL, keep_state, &got, &e), e);
    assert_string_equal(got.name, "muster-a");
    assert_int_equal(got.state, INSTANCE_RUNNING);
    assert_string_equal(got.detail, "");
}

/* PROVIDERS.md trap 13: a list is whole, or it is none. */
static void test_azure__trap_13_a_fault_while_parts_are_listed_fails_the_list(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct bed_seen list = {0};
    struct err e;

    (void)state;
    (void)fake_add(&b->cloud, "muster-a", "", BED_DEPLOYMENT);
    fake_set_fault(&b->cloud, &(struct fake_fault){.skip = 1, .status = 500, .body = ""});
    assert_fails(b->ops->list(b->p, NULL, bed_see, &list, &e), ERR_RETRY, "page 1: azure resources.list", e);
}

static void test_azure__a_next_page_may_name_the_port_that_goes_without_saying(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct bed_seen list = {0};
    char body[400];
    struct err e;
    struct fake_fault linked = {.status = 200, .body = body, .next = &truthful};

    (void)state;
    (void)fake_add(&b->cloud, "muster-a", "", BED_DEPLOYMENT);
    (void)snprintf(body, sizeof(body),
                   "{\"value\":[],\"nextLink\":\"%s:443" S "/resourceGroups/ci/providers/Microsoft.Compute/"
                   "virtualMachines?api-version=2025-04-01&$skiptoken=0\"}",
                   raw_url(b->server));
    fake_set_fault(&b->cloud, &linked);
    assert_ok(b->ops->list(b->p, NULL, bed_see, &list, &e), e);
    assert_int_equal(list.n, 1);
}

static void test_azure__a_next_page_on_another_host_fails_the_list(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct bed_seen list = {0};
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud,
                   &(struct fake_fault){.status = 200, .body = "{\"value\":[],\"nextLink\":\"http://127.0.0.1:1/x\"}"});
    assert_fails(b->ops->list(b->p, NULL, bed_see, &list, &e), ERR_RETRY, "page 2: azure virtualMachines.list", e);
}

/* A 404 about anything but the machine. */
static void test_azure__what_else_is_not_there_never_means_that_machines_are_gone(void **state)
{
    static const char *const rows[][2] = {
        {"ResourceGroupNotFound", "create clouds.azure.resource_group"},
        {"InvalidResourceType", "does clouds.azure.endpoint_url know this API version?"},
        {"InvalidResourceNamespace", "virtualMachines.get"}};
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "muster-a", "muster-a"), got;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[200];

        (void)snprintf(body, sizeof(body), "{\"error\":{\"code\":\"%s\",\"message\":\"not found\"}}", rows[i][0]);
        fake_set_fault(&b->cloud, &(struct fake_fault){.status = 404, .body = body});
        assert_fails(b->ops->describe(b->p, &ref, &got, &e), ERR_INVALID, rows[i][1], e);
        assert_fails(b->ops->destroy(b->p, &ref, &e), ERR_INVALID, rows[i][1], e);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_azure__a_launch_waits_for_the_operation_as_long_as_it_is_told),
        cmocka_unit_test(test_azure__what_stays_open_is_a_machine_that_is_pending),
        cmocka_unit_test(test_azure__an_operation_that_cannot_be_asked_for_a_while_is_asked_again),
        cmocka_unit_test(test_azure__an_operation_elsewhere_is_not_asked_but_the_machine_is),
        cmocka_unit_test(test_azure__trap_6_a_failed_launch_removes_machine_card_and_disk_before_it_is_refused),
        cmocka_unit_test(test_azure__trap_6_a_launch_that_is_refused_at_once_removes_what_an_earlier_one_left),
        cmocka_unit_test(test_azure__a_name_that_others_have_is_a_conflict),
        cmocka_unit_test(test_azure__trap_6_a_machine_whose_end_could_not_be_asked_for_keeps_the_outcome_open),
        cmocka_unit_test(test_azure__trap_6_a_reserved_card_delays_no_refusal_and_is_removed_with_the_machine),
        cmocka_unit_test(test_azure__trap_6_a_second_put_with_other_settings_finds_the_first_machine),
        cmocka_unit_test(test_azure__a_name_whose_machine_failed_meanwhile_is_refused_with_its_reason_and_removed),
        cmocka_unit_test(test_azure__a_name_whose_machine_is_still_being_removed_is_tried_again_soon),
        cmocka_unit_test(test_azure__each_state_has_its_meaning),
        cmocka_unit_test(test_azure__a_machine_says_where_and_when_it_was_made_and_when_it_expires),
        cmocka_unit_test(test_azure__trap_5_a_machine_that_powered_itself_off_is_destroyed),
        cmocka_unit_test(test_azure__what_is_being_deleted_is_not_deleted_again),
        cmocka_unit_test(test_azure__parts_without_a_machine_are_listed_once_and_can_be_destroyed),
        cmocka_unit_test(test_azure__an_address_that_its_card_still_holds_goes_with_the_next_call),
        cmocka_unit_test(test_azure__a_machine_made_while_the_list_is_read_is_no_leftover),
        cmocka_unit_test(test_azure__trap_13_a_fault_while_parts_are_listed_fails_the_list),
        cmocka_unit_test(test_azure__a_next_page_may_name_the_port_that_goes_without_saying),
        cmocka_unit_test(test_azure__a_next_page_on_another_host_fails_the_list),
        cmocka_unit_test(test_azure__what_else_is_not_there_never_means_that_machines_are_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
