/* Windows on Azure: a password nobody knows, and the bootstrap by an extension. */
#include "tests/support/unit.h"

#include "server/base/json.h"
#include "tests/support/cloud_bed.h"

#include <stdio.h>

#define VM                                                                                                             \
    "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/ci/providers/Microsoft.Compute/"               \
    "virtualMachines/muster-a"

static size_t seen(struct bed *b, const char *method, const char *glob, const struct raw_request **last)
{
    size_t n = 0;

    for (size_t i = 0; i < raw_count(b->server); i++) {
        if (!fake_is(raw_get(b->server, i), method, glob))
            continue;
        *last = raw_get(b->server, i);
        n++;
    }
    return n;
}

static json_t *sent(struct bed *b, const char *method, const char *glob)
{
    const struct raw_request *r = NULL;

    assert_int_equal(seen(b, method, glob, &r), 1);
    return fake_body(r);
}

static struct bed *plain_bed(void)
{
    return bed_open(&fake_azure, NULL, 0);
}

static void test_azure__windows_gets_a_password_nobody_knows_and_its_script_by_an_extension(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *body = NULL, *script = NULL;
    const json_t *os, *p;
    const char *password;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.os = "windows";
    o.spec.image = "windows2022";
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    body = sent(b, "PUT", VM);
    os = json_object_get(json_object_get(body, "properties"), "osProfile");
    password = json_string_value(json_object_get(os, "adminPassword"));
    assert_true(strlen(password) >= 64 && strlen(password) <= 123);
    assert_true(strlen(json_string_value(json_object_get(os, "computerName"))) <= 15);
    p = json_object_get(os, "windowsConfiguration");
    assert_true(json_is_true(json_object_get(p, "provisionVMAgent")));
    assert_true(json_is_false(json_object_get(p, "enableAutomaticUpdates")));
    assert_non_null(json_object_get(os, "customData"));
    script = sent(b, "PUT", VM "/extensions/muster");
    assert_string_equal(json_string_value(json_object_get(script, "location")), "eastus");
    p = json_object_get(script, "properties");
    assert_string_equal(json_string_value(json_object_get(p, "publisher")), "Microsoft.Compute");
    assert_string_equal(json_string_value(json_object_get(p, "type")), "CustomScriptExtension");
    assert_string_equal(json_string_value(json_object_get(p, "typeHandlerVersion")), "1.10");
    p = json_object_get(json_object_get(p, "protectedSettings"), "commandToExecute");
    assert_non_null(strstr(json_string_value(p), "C:\\AzureData\\CustomData.bin"));
}

static void test_azure__a_specialised_windows_image_reads_its_user_data_from_the_metadata_service(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *body = NULL, *script = NULL;
    const json_t *p;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.os = "windows";
    o.spec.image = "/communityGalleries/flux/images/special";
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    body = sent(b, "PUT", VM);
    p = json_object_get(body, "properties");
    assert_null(json_object_get(p, "osProfile"));
    assert_non_null(json_object_get(p, "userData"));
    script = sent(b, "PUT", VM "/extensions/muster");
    p = json_object_get(json_object_get(json_object_get(script, "properties"), "protectedSettings"),
                        "commandToExecute");
    assert_non_null(strstr(json_string_value(p), "/metadata/instance/compute/userData?"));
    assert_null(strstr(json_string_value(p), "CustomData.bin"));
}

static void test_azure__a_windows_image_that_fetches_its_bootstrap_is_sent_none(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *body = NULL;
    const struct raw_request *ignored;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.os = "windows";
    o.spec.image = "windows2022";
    o.extra = json_pack("{s:s}", "provision_via", "pull_from_api");
    o.spec.extra = o.extra;
    secret_free(o.data);
    o.r.user_data = o.data = secret_new("", 0);
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    body = sent(b, "PUT", VM);
    assert_null(json_object_get(json_object_get(json_object_get(body, "properties"), "osProfile"), "customData"));
    assert_int_equal(seen(b, "PUT", VM "/extensions/muster", &ignored), 0);
}

static void test_azure__a_windows_machine_whose_script_is_refused_is_removed(void **state)
{
    static const struct fake_fault later = {.skip = 1000}, refused = {.skip = 2,
                                                                      .status = 400,
                                                                      .body = "{\"error\":{\"code\":\"VMExtension\"}}",
                                                                      .next = &later};
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.os = "windows";
    o.spec.image = "windows2022";
    fake_set_fault(&b->cloud, &refused);
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "virtualMachineExtensions.createOrUpdate", e);
    assert_int_equal(fake_alive(&b->cloud), 0);
}

static void test_azure__a_windows_machine_that_is_busy_is_not_taken_for_ready(void **state)
{
    static const struct fake_fault busy = {.skip = 2, .status = 409, .body = ""};
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.os = "windows";
    o.spec.image = "windows2022";
    fake_set_fault(&b->cloud, &busy);
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_RETRY, "virtualMachineExtensions", e);
    assert_int_equal(fake_alive(&b->cloud), 1);
}

static void test_azure__a_windows_machine_that_is_not_up_yet_is_waited_for_again(void **state)
{
    static const struct fake_fault going = {.skip = 1, .status = 200, .body = "{\"status\":\"InProgress\"}"};
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    const struct raw_request *r = NULL;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.os = "windows";
    o.spec.image = "windows2022";
    fake_set_fault(&b->cloud, &going);
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_RETRY, "still being made", e);
    assert_int_equal(seen(b, "PUT", "*/extensions/muster", &r), 0);
    fake_set_fault(&b->cloud, NULL);
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_int_equal(seen(b, "PUT", "*/extensions/muster", &r), 1);
    assert_int_equal(b->cloud.made, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_azure__windows_gets_a_password_nobody_knows_and_its_script_by_an_extension),
        cmocka_unit_test(test_azure__a_specialised_windows_image_reads_its_user_data_from_the_metadata_service),
        cmocka_unit_test(test_azure__a_windows_image_that_fetches_its_bootstrap_is_sent_none),
        cmocka_unit_test(test_azure__a_windows_machine_whose_script_is_refused_is_removed),
        cmocka_unit_test(test_azure__a_windows_machine_that_is_busy_is_not_taken_for_ready),
        cmocka_unit_test(test_azure__a_windows_machine_that_is_not_up_yet_is_waited_for_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
