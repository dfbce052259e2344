/* The command line as a person meets it: what is printed, and the exit status. */
#include "server/base/json.h"
#include "server/base/mem.h"
#include "tests/support/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char bad_text[] = "runners:\n"
                               "  - name: gpu\n"
                               "    cloud: aws\n"
                               "    machine_imag: ami-1\n"
                               "    instance_type: {a: b}\n"
                               "    labels: [cirun-gpu]\n";

static const char good_text[] = "runners:\n"
                                "  - name: gpu\n"
                                "    cloud: aws\n"
                                "    machine_image: ami-1\n"
                                "    instance_type: g4dn.xlarge\n"
                                "    labels: [cirun-gpu]\n";

struct files {
    char dir[64], bad[96], good[96];
};

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    struct files *f = mem_zalloc(sizeof(*f));

    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/muster-cli-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    (void)snprintf(f->bad, sizeof(f->bad), "%s/bad.yml", f->dir);
    (void)snprintf(f->good, sizeof(f->good), "%s/good.yml", f->dir);
    write_file(f->bad, bad_text);
    write_file(f->good, good_text);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct files *f = *state;

    (void)unlink(f->bad);
    (void)unlink(f->good);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

static void test_cli__usage_errors_exit_with_2(void **state)
{
    static const char *const cases[][4] = {{"no-such-command", NULL},
                                           {"check", "--nonsense", NULL},
                                           {"check", "--format", NULL},
                                           {"version", "x", NULL},
                                           {"check", "--format", "xml", NULL}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf out = BUF_INIT(65536);

        assert_int_equal(run_muster(cases[i], &out), 2);
        assert_true(out.len > 0);
    }
}

static void test_cli__help_exits_with_0_everywhere(void **state)
{
    static const char *const cases[][3] = {{"--help", NULL},
                                           {"serve", "--help", NULL},
                                           {"check", "--help", NULL},
                                           {"sweep", "--help", NULL},
                                           {"version", "-h", NULL}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf out = BUF_INIT(65536);

        assert_int_equal(run_muster(cases[i], &out), 0);
        assert_non_null(strstr(out.p, "usage: muster"));
    }
}

static void test_version__is_one_line_or_json(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(65536), json = BUF_INIT(65536);
    AUTO_JSON json_t *doc = NULL;
    const char *version;
    struct err e;

    (void)state;
    assert_int_equal(run_muster((const char *const[]){"version", NULL}, &text), 0);
    assert_string_equal(text.p, "muster " MUSTER_VERSION "\n");
    assert_int_equal(run_muster((const char *const[]){"version", "--json", NULL}, &json), 0);
    assert_int_equal(js_parse(json.p, json.len, &doc, &e), 0);
    assert_int_equal(js_str(doc, "version", &version, &e), 0);
    assert_string_equal(version, MUSTER_VERSION);
}

/* ---- plan ---- */

static void test_plan__shows_each_candidate_as_the_request_that_would_be_sent(void **state)
{
    const struct files *f = *state;
    AUTO_BUF struct buf out = BUF_INIT(65536);

    assert_int_equal(
        run_muster((const char *const[]){"plan", "--labels", "self-hosted,cirun-gpu--7", f->good, NULL}, &out), 1);
    assert_non_null(strstr(out.p, "skipped: no region"));
    buf_reset(&out);
    write_file(
        f->bad,
        "runners:\n  - {name: g, cloud: aws, instance_type: [g4dn.xlarge, t4g.small], machine_image: ubuntu2204, "
        "region: eu-west-1, preemptible: [true, false], labels: [cirun-gpu]}\n");
    assert_int_equal(run_muster((const char *const[]){"plan", "--labels", "cirun-gpu", f->bad, NULL}, &out), 0);
    assert_non_null(strstr(out.p, "1. aws eu-west-1 g4dn.xlarge ubuntu2204 spot  (runner \"g\")"));
    assert_non_null(strstr(out.p, "POST https://ec2.eu-west-1.amazonaws.com/"));
    assert_non_null(strstr(out.p, "InstanceMarketOptions.MarketType=spot"));
    assert_non_null(strstr(out.p, "UserData=***"));
    assert_non_null(strstr(out.p, "2. aws eu-west-1 t4g.small"));
}

static void test_plan__json_holds_the_same_for_programs(void **state)
{
    const struct files *f = *state;
    AUTO_BUF struct buf out = BUF_INIT(65536);
    AUTO_JSON json_t *doc = NULL;
    const char *text;
    struct err e;

    write_file(
        f->bad,
        "runners:\n  - {name: d, cloud: do, instance_type: s-1vcpu-1gb, machine_image: ubuntu2204, region: nyc3, "
        "labels: [cirun-do]}\n");
    assert_int_equal(run_muster((const char *const[]){"plan", "--json", "--labels", "cirun-do", f->bad, NULL}, &out),
                     0);
    assert_int_equal(js_parse(out.p, out.len, &doc, &e), 0);
    assert_int_equal(js_str(doc, "candidates.0.requests.0.body.image", &text, &e), 0);
    assert_string_equal(text, "ubuntu-22-04-x64");
    assert_int_equal(js_str(doc, "candidates.0.requests.0.headers.Authorization", &text, &e), 0);
    assert_string_equal(text, "***");
}

static void test_plan__labels_that_nobody_serves_and_files_with_errors_say_why(void **state)
{
    const struct files *f = *state;
    AUTO_BUF struct buf out = BUF_INIT(65536);

    assert_int_equal(run_muster((const char *const[]){"plan", "--labels", "cirun-gpo", f->good, NULL}, &out), 1);
    assert_non_null(strstr(out.p, "did you mean \"cirun-gpu\"?"));
    buf_reset(&out);
    assert_int_equal(run_muster((const char *const[]){"plan", "--labels", "cirun-gpu", f->bad, NULL}, &out), 1);
    assert_non_null(strstr(out.p, "bad.yml:2:5: machine_image is missing"));
    buf_reset(&out);
    assert_int_equal(run_muster((const char *const[]){"plan", f->good, NULL}, &out), 2);
    assert_non_null(strstr(out.p, "--labels is missing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cli__usage_errors_exit_with_2),
        cmocka_unit_test(test_cli__help_exits_with_0_everywhere),
        cmocka_unit_test(test_version__is_one_line_or_json),
        cmocka_unit_test_setup_teardown(test_plan__shows_each_candidate_as_the_request_that_would_be_sent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_plan__json_holds_the_same_for_programs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_plan__labels_that_nobody_serves_and_files_with_errors_say_why, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
