/*
 * Every form of the language that a cloud has to put into a request (tests/fixtures/plan/language.yml), as `muster
 * plan` shows it, held against what was read and found right once (language.json); one-line labels on every cloud alike
 * (oneline.json), without any file. After a change that is meant:
 *     MUSTER_UPDATE=1 build/tests/e2e/test_plan_language && git diff tests/fixtures/plan
 */
#include "tests/support/unit.h"

#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/config/cirun_yml.h"
#include "tests/support/run.h"

#include <stdio.h>
#include <stdlib.h>

#define FOLDER "tests/fixtures/plan/"

static void read_whole(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "re");
    char piece[4096];
    size_t n;

    if (f == NULL) {
        perror(path);
        abort();
    }
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        buf_add(out, piece, n);
    (void)fclose(f);
}

/* The one thing that the day decides: when the machine expires. */
static void hide_time(json_t *node)
{
    const char *key, *text;
    json_t *item;
    size_t i;

    json_object_foreach(node, key, item)
    {
        text = json_string_value(item);
        if (text != NULL && strspn(text, "0123456789") == 10 && strlen(text) == 10)
            (void)json_object_set_new(node, key, json_string("TIME"));
        else if (text != NULL && strstr(text, "muster-expires") != NULL && strlen(text) > 24)
            (void)json_object_set_new(node, key, json_string("TIME AND TAGS"));
        else
            hide_time(item);
    }
    json_array_foreach(node, i, item)
    {
        text = json_string_value(item);
        if (text != NULL && strncmp(text, "muster-expires", 14) == 0)
            (void)json_array_set_new(node, i, json_string("muster-expires TIME"));
        else
            hide_time(item);
    }
}

/* What a job with this label would get; file NULL: there is none. */
static json_t *plan_of(const char *label, const char *config, const char *file)
{
    AUTO_BUF struct buf out = BUF_INIT((size_t)1024 * 1024);
    json_t *doc = NULL;
    struct err e;
    int status =
        run_muster((const char *const[]){"plan", "--json", "--config", config, "--labels", label, file, NULL}, &out);

    if (status != 0)
        fail_msg("%s: %s", label, out.p);
    if (js_parse(out.p, out.len, &doc, &e))
        fail_msg("%s: %s", label, e.msg);
    hide_time(doc);
    return doc;
}

/* All plans, by label, against the golden file; MUSTER_UPDATE writes it. */
static void compare(json_t *all, const char *file)
{
    AUTO_BUF struct buf golden = BUF_INIT((size_t)4 * 1024 * 1024);
    AUTO_JSON json_t *want = NULL;
    struct err e;

    if (getenv("MUSTER_UPDATE") != NULL && json_dump_file(all, file, JSON_INDENT(1)) != 0)
        fail_msg("%s could not be written", file);
    read_whole(file, &golden);
    assert_ok(js_parse(golden.p, golden.len, &want, &e), e);
    assert_int_equal(json_object_size(want), json_object_size(all));
    for (void *at = json_object_iter(all); at != NULL; at = json_object_iter_next(all, at)) {
        AUTO_FREE char *got = json_dumps(json_object_iter_value(at), JSON_INDENT(1));

        if (json_equal(json_object_iter_value(at), json_object_get(want, json_object_iter_key(at))) != 1)
            fail_msg("%s: %s", json_object_iter_key(at), got);
    }
}

static void test_plan__every_form_of_the_language_becomes_the_request_that_was_found_right(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(CIRUN_YML_MAX);
    AUTO_JSON json_t *all = json_object();
    struct cirun_yml *yml;

    (void)state;
    read_whole(FOLDER "language.yml", &text);
    yml = cirun_yml_parse(text.p, text.len, "language.yml");
    assert_int_equal(yml->n_errors, 0);
    for (size_t i = 0; i < yml->n_runners; i++)
        (void)json_object_set_new(all, yml->runners[i].name,
                                  plan_of(yml->runners[i].labels[0], FOLDER "muster.yml", FOLDER "language.yml"));
    cirun_yml_free(yml);
    compare(all, FOLDER "language.json");
}

static void test_plan__every_clouds_one_line_label_becomes_the_request_that_was_found_right(void **state)
{
    static const char *const labels[] = {"cirun-aws-t2-large-ubuntu2204--123",
                                         "cirun-aws-t4g-small-debian12",
                                         "cirun-aws-g4dn-xlarge-ubuntu2204-gpu",
                                         "cirun-aws-m7i-metal-24xl-ubuntu2404",
                                         "cirun-gcp-n1-standard-4-ubuntu2204--x",
                                         "cirun-gcp-t2a-standard-4-ubuntu2404",
                                         "cirun-gcp-g2-standard-4-ubuntu2204-gpu",
                                         "cirun-azure-Standard_D4s_v3-ubuntu2204",
                                         "cirun-azure-Standard_D4ps_v5-debian12",
                                         "cirun-azure-standard_nc4as_t4_v3-ubuntu2204-gpu",
                                         "cirun-do-s-1vcpu-1gb-ubuntu2404",
                                         "cirun-digitalocean-gpu-h100x1-80gb-ubuntu2204-gpu",
                                         "cirun-openstack-m1-small-ubuntu2204",
                                         "cirun-oracle-VM-Standard-E4-Flex-ubuntu2204",
                                         "cirun-oracle-vm-standard-a1-flex-ubuntu2404",
                                         "cirun-oracle-VM-GPU-A10-1-ubuntu2204",
                                         "cirun-vast_ai-1xRTX_4090-ubuntu2204-gpu",
                                         "cirun-on_prem-4vcpu-8gb-50gb-ubuntu2404"};
    AUTO_JSON json_t *all = json_object();

    (void)state;
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
        (void)json_object_set_new(all, labels[i], plan_of(labels[i], FOLDER "oneline.yml", NULL));
    compare(all, FOLDER "oneline.json");
}

static void test_plan__a_form_shows_no_secret_and_no_user_data(void **state)
{
    AUTO_BUF struct buf golden = BUF_INIT((size_t)4 * 1024 * 1024);

    (void)state;
    read_whole(FOLDER "language.json", &golden);
    assert_null(strstr(golden.p, "BEGIN"));
    assert_non_null(strstr(golden.p, "\"***\""));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan__every_form_of_the_language_becomes_the_request_that_was_found_right),
        cmocka_unit_test(test_plan__every_clouds_one_line_label_becomes_the_request_that_was_found_right),
        cmocka_unit_test(test_plan__a_form_shows_no_secret_and_no_user_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
