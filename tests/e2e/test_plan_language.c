/*
 * Every form of the language that a cloud has to put into a request (tests/fixtures/plan/language.yml), as `muster
 * plan` shows it, held against what was read and found right once (language.json). After a change that is meant:
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

/* What a job with this label would get. */
static json_t *plan_of(const char *label)
{
    AUTO_BUF struct buf out = BUF_INIT((size_t)1024 * 1024);
    json_t *doc = NULL;
    struct err e;
    int status = run_muster((const char *const[]){"plan", "--json", "--config", FOLDER "muster.yml", "--labels", label,
                                                  FOLDER "language.yml", NULL},
                            &out);

    if (status != 0)
        fail_msg("%s: %s", label, out.p);
    if (js_parse(out.p, out.len, &doc, &e))
        fail_msg("%s: %s", label, e.msg);
    hide_time(doc);
    return doc;
}

static void save(json_t *all)
{
    if (json_dump_file(all, FOLDER "language.json", JSON_INDENT(1)) != 0)
        fail_msg("language.json could not be written");
}

static void test_plan__every_form_of_the_language_becomes_the_request_that_was_found_right(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(CIRUN_YML_MAX), golden = BUF_INIT((size_t)4 * 1024 * 1024);
    AUTO_JSON json_t *all = json_object(), *want = NULL;
    struct cirun_yml *yml;
    struct err e;

    (void)state;
    read_whole(FOLDER "language.yml", &text);
    yml = cirun_yml_parse(text.p, text.len, "language.yml");
    assert_int_equal(yml->n_errors, 0);
    for (size_t i = 0; i < yml->n_runners; i++)
        (void)json_object_set_new(all, yml->runners[i].name, plan_of(yml->runners[i].labels[0]));
    cirun_yml_free(yml);
    if (getenv("MUSTER_UPDATE") != NULL)
        save(all);
    read_whole(FOLDER "language.json", &golden);
    assert_ok(js_parse(golden.p, golden.len, &want, &e), e);
    assert_int_equal(json_object_size(want), json_object_size(all));
    for (void *at = json_object_iter(all); at != NULL; at = json_object_iter_next(all, at)) {
        AUTO_FREE char *got = json_dumps(json_object_iter_value(at), JSON_INDENT(1));

        if (json_equal(json_object_iter_value(at), json_object_get(want, json_object_iter_key(at))) != 1)
            fail_msg("%s: %s", json_object_iter_key(at), got);
    }
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
        cmocka_unit_test(test_plan__a_form_shows_no_secret_and_no_user_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
