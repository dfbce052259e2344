/*
 * muster check as a person, a workflow and a program meet it. Each tests/fixtures/check/NAME.yml is shown in every
 * format and held against what was read and found right once (NAME.yml.text, .json, .sarif, .github). After a change
 * that is meant: MUSTER_UPDATE=1 build/tests/e2e/test_check && git diff tests/fixtures/check
 */
#include "tests/support/unit.h"

#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/cirun_yml.h"
#include "tests/support/run.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "tests/fixtures/check/"
#define OUT_MAX ((size_t)16 * 1024 * 1024)

static void read_whole(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "re");
    char piece[4096];
    size_t n;

    if (f == NULL)
        fail_msg("%s cannot be opened", path);
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        buf_add(out, piece, n);
    (void)fclose(f);
}

static void write_whole(const char *path, const char *text, size_t len)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* A temporary directory with B made absolute, so that one may stand in it. */
struct place {
    char before[PATH_MAX], dir[64];
};

static void place_enter(struct place *p)
{
    char build[PATH_MAX];

    assert_non_null(realpath(getenv("B") != NULL ? getenv("B") : "build", build));
    assert_int_equal(setenv("B", build, 1), 0);
    assert_non_null(getcwd(p->before, sizeof(p->before)));
    (void)snprintf(p->dir, sizeof(p->dir), "/tmp/muster-check-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    assert_int_equal(chdir(p->dir), 0);
}

static void place_leave(struct place *p)
{
    static const char *const names[] = {".cirun.yml", ".cirun.yaml", ".cirun.global.yml", ".access.yml",
                                        "a,b:c%.yml", "\x1b[2J.yml", "muster.yml"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)unlink(names[i]);
    assert_int_equal(chdir(p->before), 0);
    assert_int_equal(rmdir(p->dir), 0);
}

static int check(struct buf *out, const char *a, const char *b, const char *c)
{
    buf_reset(out);
    return run_muster((const char *const[]){"check", a, b, c, NULL}, out);
}

/* ---- golden outputs ---- */

/* What every new rule would change is left to another test. */
static void cut_sarif(struct buf *out)
{
    AUTO_JSON json_t *doc = NULL;
    AUTO_FREE char *text = NULL;
    json_t *results, *one;
    struct err e;
    size_t i;

    assert_ok(js_parse(out->p, out->len, &doc, &e), e);
    assert_ok(js_arr(doc, "runs.0.results", &results, &e), e);
    json_array_foreach(results, i, one)
    {
        (void)json_object_del(one, "ruleIndex");
    }
    text = json_dumps(results, JSON_INDENT(1));
    buf_reset(out);
    buf_addf(out, "%s\n", text);
}

static void compare(const char *name, const char *format)
{
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX), golden = BUF_INIT(OUT_MAX);
    char path[300], file[256];

    (void)snprintf(file, sizeof(file), FOLDER "%s.yml", name);
    (void)snprintf(path, sizeof(path), "%s.%s", file, format);
    (void)check(&out, "--format", format, file);
    if (strcmp(format, "sarif") == 0)
        cut_sarif(&out);
    if (getenv("MUSTER_UPDATE") != NULL)
        write_whole(path, out.p, out.len);
    read_whole(path, &golden);
    if (golden.len != out.len || (out.len > 0 && memcmp(golden.p, out.p, out.len) != 0))
        fail_msg("%s, expected:\n%s\nfound:\n%s", path, golden.p, out.p);
}

static void test_check__every_fixture_looks_in_every_format_as_it_was_found_right(void **state)
{
    static const char *const names[] = {"sound", "grammar", "meaning", "wide", "secrets"};
    static const char *const formats[] = {"text", "json", "sarif", "github"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        for (size_t k = 0; k < ARRAY_LEN(formats); k++)
            compare(names[i], formats[k]);
    }
}

static void test_check__a_caret_stands_under_the_whole_token_behind_wide_characters(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);

    (void)state;
    assert_int_equal(check(&out, FOLDER "wide.yml", NULL, NULL), 0);
    /* Two kanji take four columns, the tab one, two kana four: eight more columns than letters would be off. */
    assert_non_null(strstr(out.p, "      2 |   - {name: \"漢字 タブ\", cloud: aws"));
    assert_non_null(strstr(out.p, "^~~~~~~~~\n        = write eu-west-1\n"));
    assert_non_null(strstr(out.p, "wide.yml:2:104: warning:"));
}

static void test_check__no_format_shows_a_secret(void **state)
{
    static const char *const formats[] = {"text", "json", "sarif", "github"};
    static const char *const secrets[] = {"wJalr", "hunter22", "ghp_", "MIIE", "BEGIN RSA"};
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        assert_int_equal(check(&out, "--format", formats[i], FOLDER "secrets.yml"), 0);
        assert_non_null(strstr(out.p, "secret-in-file"));
        for (size_t k = 0; k < ARRAY_LEN(secrets); k++)
            assert_null(strstr(out.p, secrets[k]));
    }
}

static void test_check__the_line_of_a_file_that_is_no_yaml_shows_no_secret_either(void **state)
{
    static const char *const lines[] = {
        "  DB_PASSWORD: Correct-Horse-9: x", "a: {ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "key: x\n  MIIEabcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789abcdefghijklmn\nb: c"};
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    struct place p;

    (void)state;
    place_enter(&p);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        write_whole(".cirun.yml", lines[i], strlen(lines[i]));
        assert_int_equal(check(&out, NULL, NULL, NULL), 1);
        assert_null(strstr(out.p, "Correct-Horse"));
        assert_null(strstr(out.p, "ghp_"));
        assert_null(strstr(out.p, "MIIE"));
    }
    place_leave(&p);
}

/* ---- which files ---- */

static const char good_text[] = "runners:\n  - {name: a, cloud: do, instance_type: s-1vcpu-1gb, machine_image: "
                                "ubuntu-24-04-x64, region: nyc3, labels: [cirun-a]}\n";

static void test_check__without_a_name_the_files_here_are_taken(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    struct place p;

    (void)state;
    place_enter(&p);
    assert_int_equal(check(&out, NULL, NULL, NULL), 1);
    assert_non_null(strstr(out.p, "there is no .cirun.yml here"));
    write_whole(".cirun.yaml", good_text, strlen(good_text));
    assert_int_equal(check(&out, NULL, NULL, NULL), 1);
    assert_non_null(strstr(out.p, "rename it"));
    write_whole(".cirun.global.yml", good_text, strlen(good_text));
    assert_int_equal(check(&out, NULL, NULL, NULL), 0);
    assert_string_equal(out.p, ".cirun.global.yml: 1 runner, 0 warnings\n");
    write_whole(".cirun.yml", good_text, strlen(good_text));
    assert_int_equal(check(&out, NULL, NULL, NULL), 0);
    assert_string_equal(out.p, ".cirun.yml: 1 runner, 0 warnings\n");
    assert_int_equal(check(&out, ".", NULL, NULL), 0);
    assert_string_equal(out.p, "./.cirun.yml: 1 runner, 0 warnings\n");
    place_leave(&p);
}

static void test_check__what_cannot_be_read_is_an_error_and_the_others_are_checked_all_the_same(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);

    (void)state;
    assert_int_equal(check(&out, "/nowhere/.cirun.yml", FOLDER "sound.yml", "tests/fixtures/plan"), 1);
    assert_non_null(strstr(out.p, "/nowhere/.cirun.yml: error: cannot be opened: No such file or directory "
                                  "[unreadable-file]\n"));
    assert_non_null(strstr(out.p, "sound.yml: 2 runners, 0 warnings\n"));
    assert_non_null(strstr(out.p, "tests/fixtures/plan: error: there is no .cirun.yml in this directory"));
    assert_non_null(strstr(out.p, "3 files: 2 errors, 0 warnings\n"));
    assert_int_equal(check(&out, "/dev/zero", NULL, NULL), 1);
    assert_non_null(strstr(out.p, "/dev/zero: error: the file is larger than"));
}

static void test_check__a_name_cannot_steer_terminals_annotations_or_addresses(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    struct place p;

    (void)state;
    place_enter(&p);
    write_whole("a,b:c%.yml", "x: y\n", 5);
    write_whole("\x1b[2J.yml", "x: y\n", 5);
    assert_int_equal(check(&out, "--format=github", "a,b:c%.yml", NULL), 1);
    assert_non_null(strstr(out.p, "file=a%2Cb%3Ac%25.yml,line=1,endLine=1,col=1,"));
    assert_int_equal(check(&out, "--format=sarif", "a,b:c%.yml", NULL), 1);
    assert_non_null(strstr(out.p, "\"uri\":\"a%2Cb%3Ac%25.yml\""));
    assert_int_equal(check(&out, "\x1b[2J.yml", NULL, NULL), 1);
    assert_null(strchr(out.p, '\x1b'));
    assert_non_null(strstr(out.p, "?[2J.yml:1:1: "));
    place_leave(&p);
}

/* ---- .cirun.global.yml and .access.yml ---- */

static const char access_text[] = "version: 1\npolicies:\n  - {id: p, repo: r}\n  - {id: q, repo: r}\n"
                                  "access_control:\n  - {resource: aa, policies: [p]}\n";

static void test_check__the_files_of_an_organisation_are_held_against_each_other(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    struct place p;

    (void)state;
    place_enter(&p);
    write_whole(".cirun.global.yml", good_text, strlen(good_text));
    write_whole(".access.yml", access_text, strlen(access_text));
    assert_int_equal(check(&out, NULL, NULL, NULL), 0);
    assert_non_null(strstr(out.p, ".cirun.global.yml:2:12: note: no policy of .access.yml lets anybody use this runner "
                                  "[runner-denied]\n"));
    assert_non_null(strstr(out.p,
                           ".access.yml:6:16: warning: .cirun.global.yml has no runner \"aa\"; did you mean \"a\"? "
                           "[access-unknown-resource]\n"));
    assert_non_null(strstr(out.p, ".access.yml:4:10: note: no entry of access_control names the policy \"q\""));
    assert_non_null(strstr(out.p, "2 files: 1 warning, 2 notes\n"));
    place_leave(&p);
}

static void test_check__the_other_file_is_looked_at_but_not_reported_when_one_was_named(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    struct place p;

    (void)state;
    place_enter(&p);
    write_whole(".cirun.global.yml", good_text, strlen(good_text));
    write_whole(".access.yml", access_text, strlen(access_text));
    assert_int_equal(check(&out, "--strict", ".cirun.global.yml", NULL), 0);
    assert_non_null(strstr(out.p, "[runner-denied]"));
    assert_null(strstr(out.p, ".access.yml:"));
    write_whole(".access.yml", "hello: world\n", 13);
    assert_int_equal(check(&out, ".access.yml", NULL, NULL), 1);
    assert_non_null(strstr(out.p, ".access.yml:1:1: error: "));
    assert_int_equal(check(&out, ".cirun.global.yml", NULL, NULL), 0);
    place_leave(&p);
}

/* ---- the operator's policy ---- */

static void test_check__with_our_settings_what_the_policy_refuses_is_an_error_at_its_place(void **state)
{
    static const struct {
        const char *policy, *finding;
    } cases[] = {
        {"allowed_clouds: [aws]", ".cirun.yml:2:22: error: the operator's policy refuses this: policy.allowed_clouds "},
        {"allowed_instance_types: [s-2vcpu-*]", ".cirun.yml:2:41: error: the operator's policy refuses this: "},
        {"allowed_regions: [ams3]", ".cirun.yml:2:95: error: the operator's policy refuses this: "},
        {"allowed_images: [debian*]", ".cirun.yml:2:69: error: the operator's policy refuses this: "},
        {"allowed_images: [ubuntu*], allowed_regions: [nyc*]", NULL}};
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    struct place p;

    (void)state;
    place_enter(&p);
    write_whole(".cirun.yml", good_text, strlen(good_text));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf conf = BUF_INIT(4096);

        buf_addf(&conf, "policy: {%s}\n", cases[i].policy);
        write_whole("muster.yml", conf.p, conf.len);
        assert_int_equal(check(&out, "--config", "muster.yml", NULL), cases[i].finding != NULL ? 1 : 0);
        if (cases[i].finding != NULL && strstr(out.p, cases[i].finding) == NULL)
            fail_msg("%s: %s", cases[i].finding, out.p);
    }
    assert_int_equal(check(&out, NULL, NULL, NULL), 0);
    place_leave(&p);
}

static void test_check__a_file_gives_githubs_runner_no_commands(void **state)
{
    static const char text[] =
        "runners:\n  - {name: \"##[stop-commands]x\", clod: do, \"##[add-mask]k\": 1}\n::error::x\n";
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    struct place p;

    (void)state;
    place_enter(&p);
    write_whole(".cirun.yml", text, sizeof(text) - 13);
    assert_int_equal(check(&out, NULL, NULL, NULL), 1);
    assert_null(strstr(out.p, "##["));
    assert_non_null(strstr(out.p, "##(stop-commands]x"));
    assert_non_null(strstr(out.p, "unknown key \"##(add-mask]k\""));
    assert_null(strstr(out.p, "\n::"));
    write_whole(".cirun.yml", text, sizeof(text) - 1);
    assert_int_equal(check(&out, NULL, NULL, NULL), 1);
    assert_null(strstr(out.p, "\n::"));
    place_leave(&p);
}

/* ---- options and exit statuses ---- */

static void test_check__strict_makes_warnings_fail_but_never_notes(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    static const char notes[] = "runners:\n  - {name: a, cloud: do, instance_type: [s-1vcpu-1gb], machine_image: "
                                "ubuntu-24-04-x64, region: nyc3, labels: [cirun-a]}\n";
    struct place p;

    (void)state;
    assert_int_equal(check(&out, FOLDER "wide.yml", NULL, NULL), 0);
    assert_int_equal(check(&out, "--strict", FOLDER "wide.yml", NULL), 1);
    place_enter(&p);
    write_whole(".cirun.yml", notes, strlen(notes));
    assert_int_equal(check(&out, "--strict", NULL, NULL), 0);
    assert_non_null(strstr(out.p, ".cirun.yml: 1 runner, 0 warnings, 1 note\n"));
    place_leave(&p);
}

static void test_check__colours_are_for_terminals_or_who_asks(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);

    (void)state;
    assert_int_equal(check(&out, FOLDER "wide.yml", NULL, NULL), 0);
    assert_null(strchr(out.p, '\x1b'));
    assert_int_equal(check(&out, "--color=always", FOLDER "wide.yml", NULL), 0);
    assert_non_null(strstr(out.p, "\x1b[1;33mwarning:\x1b[0m "));
    assert_int_equal(check(&out, "--color=never", FOLDER "wide.yml", NULL), 0);
    assert_null(strchr(out.p, '\x1b'));
}

static void test_check__wrong_usage_exits_with_2(void **state)
{
    static const char *const cases[][2] = {{"--format", "xml"},    {"--format=", NULL}, {"--color=sometimes", NULL},
                                           {"--kind", "machines"}, {"--kind=", NULL},   {"--nonsense", NULL}};
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(check(&out, cases[i][0], cases[i][1], NULL), 2);
}

/* ---- sarif ---- */

static void test_check__each_result_of_sarif_points_at_the_row_of_its_rule(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    AUTO_JSON json_t *doc = NULL;
    json_t *results, *rules, *one;
    const char *id, *of_row;
    struct err e;
    int64_t row;
    size_t i;

    (void)state;
    assert_int_equal(check(&out, "--format=sarif", FOLDER "meaning.yml", NULL), 1);
    assert_ok(js_parse(out.p, out.len, &doc, &e), e);
    assert_ok(js_arr(doc, "runs.0.results", &results, &e), e);
    assert_ok(js_arr(doc, "runs.0.tool.driver.rules", &rules, &e), e);
    assert_int_equal(json_array_size(rules), cirun_rules_n);
    assert_true(json_array_size(results) > 20);
    json_array_foreach(results, i, one)
    {
        assert_ok(js_str(one, "ruleId", &id, &e), e);
        assert_ok(js_i64(one, "ruleIndex", &row, &e), e);
        assert_ok(js_str(json_array_get(rules, (size_t)row), "id", &of_row, &e), e);
        assert_string_equal(id, of_row);
    }
}

static void test_check__a_fingerprint_outlives_a_moved_line_and_tells_equal_lines_apart(void **state)
{
    static const char *const texts[] = {"runners: []\nx: 1\ny: {x: 1}\n", "\n\nrunners: []\nx: 1\n"};
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    AUTO_FREE char *first = NULL;
    struct place p;

    (void)state;
    place_enter(&p);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        AUTO_JSON json_t *doc = NULL;
        const char *print;
        struct err e;

        write_whole(".cirun.yml", texts[i], strlen(texts[i]));
        assert_int_equal(check(&out, "--format=sarif", NULL, NULL), 0);
        assert_ok(js_parse(out.p, out.len, &doc, &e), e);
        assert_ok(js_str(doc, "runs.0.results.1.partialFingerprints.musterLine/v1", &print, &e), e);
        if (first == NULL)
            first = mem_strdup(print);
        else
            assert_string_equal(first, print);
    }
    place_leave(&p);
}

/* ---- hostile files ---- */

static void check_hostile(const char *text, size_t len, const char *piece)
{
    static const char *const formats[] = {"text", "json", "sarif", "github"};
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);

    write_whole(".cirun.yml", text, len);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        assert_int_equal(check(&out, "--format", formats[i], NULL), 1);
        assert_true(text_utf8_valid(out.p, out.len));
        assert_true(out.len < 2000000);
        if (strstr(out.p, piece) == NULL)
            fail_msg("%s is missing in %.2000s", piece, out.p);
    }
}

static void test_check__hostile_files_get_short_answers_in_every_format(void **state)
{
    static const char nul[] = "runners:\n  - name: a\0b\n", latin[] = "runners:\n  - name: caf\xe9\n",
                      escape[] = "runners:\n  - name: \"\x1b[2Jgone\"\n", bidi[] = "runners:\n  - nam\xe2\x80\xae: x\n";
    AUTO_BUF struct buf line = BUF_INIT(OUT_MAX), deep = BUF_INIT(OUT_MAX), many = BUF_INIT(OUT_MAX);
    struct place p;

    (void)state;
    place_enter(&p);
    check_hostile(nul, sizeof(nul) - 1, "not-yaml");
    check_hostile(latin, sizeof(latin) - 1, "not-yaml");
    check_hostile(escape, sizeof(escape) - 1, "not-yaml");
    check_hostile(bidi, sizeof(bidi) - 1, "unknown-key");
    buf_adds(&line, "runners: [{name: a, ");
    while (line.len < 200000)
        buf_addf(&line, "k%zu: \"\t漢 %060d\", ", line.len, 0);
    buf_adds(&line, "z: 1}]\n");
    check_hostile(line.p, line.len, "unknown-key");
    for (int i = 0; i < 5000; i++)
        buf_addc(&deep, '[');
    check_hostile(deep.p, deep.len, "not-yaml");
    buf_adds(&many, "runners:\n");
    for (int i = 0; i < 4000; i++)
        buf_adds(&many, "- 1\n");
    check_hostile(many.p, many.len, "wrong-type");
    place_leave(&p);
}

static void test_check__ten_thousand_findings_are_counted_and_not_all_shown(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(OUT_MAX), out = BUF_INIT(OUT_MAX);
    struct place p;

    (void)state;
    place_enter(&p);
    buf_adds(&text, "runners:\n");
    for (int i = 0; i < 9000; i++)
        buf_adds(&text, "- 1\n");
    write_whole(".cirun.yml", text.p, text.len);
    assert_int_equal(check(&out, NULL, NULL, NULL), 1);
    assert_non_null(strstr(out.p, ".cirun.yml: 8800 more findings are not shown\n"));
    assert_non_null(strstr(out.p, ".cirun.yml: 0 runners, 9000 errors, 0 warnings\n"));
    assert_int_equal(check(&out, "--json", NULL, NULL), 1);
    assert_non_null(strstr(out.p, "\"not_shown\":8800"));
    place_leave(&p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check__every_fixture_looks_in_every_format_as_it_was_found_right),
        cmocka_unit_test(test_check__a_caret_stands_under_the_whole_token_behind_wide_characters),
        cmocka_unit_test(test_check__no_format_shows_a_secret),
        cmocka_unit_test(test_check__the_line_of_a_file_that_is_no_yaml_shows_no_secret_either),
        cmocka_unit_test(test_check__without_a_name_the_files_here_are_taken),
        cmocka_unit_test(test_check__what_cannot_be_read_is_an_error_and_the_others_are_checked_all_the_same),
        cmocka_unit_test(test_check__a_name_cannot_steer_terminals_annotations_or_addresses),
        cmocka_unit_test(test_check__the_files_of_an_organisation_are_held_against_each_other),
        cmocka_unit_test(test_check__the_other_file_is_looked_at_but_not_reported_when_one_was_named),
        cmocka_unit_test(test_check__with_our_settings_what_the_policy_refuses_is_an_error_at_its_place),
        cmocka_unit_test(test_check__a_file_gives_githubs_runner_no_commands),
        cmocka_unit_test(test_check__strict_makes_warnings_fail_but_never_notes),
        cmocka_unit_test(test_check__colours_are_for_terminals_or_who_asks),
        cmocka_unit_test(test_check__wrong_usage_exits_with_2),
        cmocka_unit_test(test_check__each_result_of_sarif_points_at_the_row_of_its_rule),
        cmocka_unit_test(test_check__a_fingerprint_outlives_a_moved_line_and_tells_equal_lines_apart),
        cmocka_unit_test(test_check__hostile_files_get_short_answers_in_every_format),
        cmocka_unit_test(test_check__ten_thousand_findings_are_counted_and_not_all_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
