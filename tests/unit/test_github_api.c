#include "tests/support/unit.h"

#include "server/base/mem.h"
#include "tests/support/ghtest.h"

#include <stdio.h>

static void run_clear_ptr(struct github_run *r)
{
    github_run_clear(r);
}

#define AUTO_RUN AUTO(run_clear_ptr)
#define RAW_TYPE "Content-Type: application/vnd.github.raw+json; charset=utf-8\r\n"
#define NOT_HEX "zz23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define JSON_TYPE "Content-Type: application/json; charset=utf-8\r\n"

static int file(struct ghtest *t, const char *path, const char *ref, size_t max, char etag[128], char **text,
                struct err *e)
{
    return github_file_get(t->github, &ght_repo, path, ref, max, etag, text, e);
}

static void assert_asked(struct ghtest *t, size_t i, const char *method, const char *path)
{
    const struct raw_request *r = ght_call(t, i);

    assert_non_null(r);
    assert_string_equal(r->method, method);
    assert_string_equal(r->path, path);
}

static void test_github_api__the_installation_is_looked_up_by_jwt(void **state)
{
    AUTO_GHT struct ghtest t;
    int64_t id = 0;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{\"id\":4711,\"app_id\":1}");
    assert_ok(github_installation_of(t.github, "octo/hello", &id, &e), e);
    assert_int_equal(id, 4711);
    assert_asked(&t, 0, "GET", "/repos/octo/hello/installation");
    json_decref(ght_verify_jwt(&t, raw_header(ght_call(&t, 0), "Authorization")));
    assert_int_equal(ght_mints(&t), 0);
    ght_answer(&t, 404, "", "{\"message\":\"Not Found\"}");
    assert_fails(github_installation_of(t.github, "octo/hello", &id, &e), ERR_GONE, "404", e);
    ght_answer(&t, 200, "", "{\"id\":-3}");
    assert_fails(github_installation_of(t.github, "octo/hello", &id, &e), ERR_RETRY, "id: expected", e);
    assert_int_equal(id, 4711);
}

static void test_github_api__an_organisation_s_installation_is_looked_up_by_its_name(void **state)
{
    AUTO_GHT struct ghtest t;
    int64_t id = 0;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{\"id\":4712}");
    assert_ok(github_installation_of(t.github, "octo-org", &id, &e), e);
    assert_int_equal(id, 4712);
    assert_asked(&t, 0, "GET", "/orgs/octo-org/installation");
    assert_fails(github_installation_of(t.github, "..", &id, &e), ERR_INVALID, "organisation", e);
}

static void test_github_api__a_run_says_who_started_it_and_from_where(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_RUN struct github_run run = {0};
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(
        &t, 200, JSON_TYPE,
        "{\"id\":9,\"event\":\"pull_request\",\"path\":\".github/workflows/ci.yml@refs/heads/main\","
        "\"actor\":{\"login\":\"ann\"},\"triggering_actor\":{\"login\":\"bob\"},\"head_repository\":{\"id\":55}}");
    assert_ok(github_run_get(t.github, &ght_repo, 9000000001, &run, &e), e);
    assert_asked(&t, 0, "GET", "/repos/octo/hello/actions/runs/9000000001");
    assert_non_null(strstr(ght_mint(&t, 0)->body, "\"actions\":\"read\""));
    assert_int_equal(run.head_repo_id, 55);
    assert_string_equal(run.event, "pull_request");
    assert_string_equal(run.path, ".github/workflows/ci.yml");
    assert_string_equal(run.actor, "ann");
    assert_string_equal(run.triggering_actor, "bob");
}

static void test_github_api__a_run_of_a_deleted_fork_has_no_head_repository(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_RUN struct github_run run = {0};
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, JSON_TYPE,
               "{\"event\":\"push\",\"path\":\".github/workflows/a.yml\",\"actor\":null,\"head_repository\":null}");
    assert_ok(github_run_get(t.github, &ght_repo, 1, &run, &e), e);
    assert_int_equal(run.head_repo_id, 0);
    assert_string_equal(run.actor, "");
    assert_string_equal(run.triggering_actor, "");
}

static void test_github_api__a_file_is_read_raw_at_a_commit(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_FREE char *text = NULL;
    char etag[128] = "";
    struct err e;

    (void)state;
    ght_start(&t, "/api/v3");
    ght_answer(&t, 200, RAW_TYPE "ETag: W/\"abc\"\r\n", "runners: []\n");
    assert_ok(file(&t, ".github/a b.yml", "feature/x&y=1", 1000, etag, &text, &e), e);
    assert_string_equal(text, "runners: []\n");
    assert_string_equal(etag, "W/\"abc\"");
    assert_asked(&t, 0, "GET", "/api/v3/repos/octo/hello/contents/.github/a%20b.yml?ref=feature%2Fx%26y%3D1");
    assert_string_equal(raw_header(ght_call(&t, 0), "Accept"), "application/vnd.github.raw+json");
    assert_null(raw_header(ght_call(&t, 0), "If-None-Match"));
    assert_non_null(strstr(ght_mint(&t, 0)->body, "\"contents\":\"read\""));
}

static void test_github_api__an_unchanged_file_is_told_by_its_etag(void **state)
{
    AUTO_GHT struct ghtest t;
    char unset[] = "unset", *text = unset;
    char etag[128] = "\"abc\"";
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 304, "ETag: \"other\"\r\n", "");
    assert_ok(file(&t, ".cirun.yml", NULL, 1000, etag, &text, &e), e);
    assert_null(text);
    assert_string_equal(etag, "\"abc\"");
    assert_asked(&t, 0, "GET", "/repos/octo/hello/contents/.cirun.yml");
    assert_string_equal(raw_header(ght_call(&t, 0), "If-None-Match"), "\"abc\"");
    ght_answer(&t, 200, RAW_TYPE, "new");
    assert_ok(file(&t, ".cirun.yml", NULL, 1000, etag, &text, &e), e);
    assert_string_equal(text, "new");
    assert_string_equal(etag, ""); /* the new text came without one: the old one would lie */
    free(text);
}

static void test_github_api__a_file_may_fill_its_ceiling_and_not_a_byte_more(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_FREE char *text = NULL;
    AUTO_BUF struct buf large = BUF_INIT((size_t)1 << 20);
    char etag[128] = "";
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, RAW_TYPE, "12345");
    assert_ok(file(&t, "a", NULL, 5, etag, &text, &e), e);
    assert_fails(file(&t, "a", NULL, 4, etag, &text, &e), ERR_INVALID, "a in octo/hello: it is larger than 4", e);
    for (int i = 0; i < 100000; i++)
        buf_addc(&large, 'x');
    ght_answer(&t, 200, RAW_TYPE, large.p);
    assert_fails(file(&t, "a", NULL, 70000, etag, &text, &e), ERR_INVALID, "exceeds", e);
}

static void test_github_api__what_is_no_file_is_refused(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_FREE char *text = NULL;
    char etag[128] = "";
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 404, JSON_TYPE, "{\"message\":\"Not Found\"}");
    assert_fails(file(&t, "a", NULL, 99, etag, &text, &e), ERR_GONE, "404", e);
    ght_answer(&t, 200, JSON_TYPE, "[{\"name\":\"x\"}]");
    assert_fails(file(&t, "a", NULL, 99, etag, &text, &e), ERR_INVALID, "a directory or a submodule", e);
    ght_answer(&t, 200, "Content-Type: application/vnd.github.object+json\r\n", "{\"type\":\"submodule\"}");
    assert_fails(file(&t, "a", NULL, 99, etag, &text, &e), ERR_INVALID, "a directory or a submodule", e);
    ght_answer(&t, 200, "Content-Type: text/html\r\n", "<html>");
    assert_fails(file(&t, "a", NULL, 99, etag, &text, &e), ERR_RETRY, "a web page", e);
    ght_answer(&t, 302, "Location: http://127.0.0.1:1/\r\n", "");
    assert_fails(file(&t, "a", NULL, 99, etag, &text, &e), ERR_INVALID, "302", e);
    ght_answer(&t, 304, "", ""); /* not asked for */
    assert_fails(file(&t, "a", NULL, 99, etag, &text, &e), ERR_RETRY, "304", e);
    assert_null(text);
}

static void test_github_api__paths_cannot_climb_out_of_their_repository(void **state)
{
    static const char *const repos[] = {"octo", "octo/", "/hello", "octo/hello/x", "../hello", "octo/..", "./a", ""};
    static const char *const files[] = {"", "/a", "a//b", "../a", "a/../../b", ".", "a/"};
    AUTO_GHT struct ghtest t;
    AUTO_FREE char *text = NULL;
    char etag[128] = "";
    struct github_repo bad = ght_repo;
    struct github_runner runner;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, RAW_TYPE, "x");
    for (size_t i = 0; i < ARRAY_LEN(repos); i++) {
        bad.repo = repos[i];
        assert_fails(github_runner_find(t.github, &bad, "m", &runner, &e), ERR_INVALID, "repository", e);
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_fails(file(&t, files[i], NULL, 99, etag, &text, &e), ERR_INVALID, "file", e);
    assert_int_equal(raw_count(t.server), 0);
    bad.repo = "oc to?x/he#llo%2f";
    assert_ok(github_file_get(t.github, &bad, "a", NULL, 99, etag, &text, &e), e);
    assert_asked(&t, 0, "GET", "/repos/oc%20to%3Fx/he%23llo%252f/contents/a");
}

static void test_github_api__a_runner_configuration_is_made_for_exactly_the_labels(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_SECRET struct secret *jit = NULL;
    int64_t id = 0;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 201, JSON_TYPE,
               "{\"runner\":{\"id\":23,\"name\":\"muster-1\",\"labels\":[]},\"encoded_jit_config\":\"abc\\/def==\"}");
    assert_ok(github_jitconfig(t.github, &ght_repo, "muster-1", "[\"cirun-gpu--9\",\"g\\\"x\"]", &id, &jit, &e), e);
    assert_int_equal(id, 23);
    assert_string_equal(secret_reveal(jit), "abc/def==");
    assert_asked(&t, 0, "POST", "/repos/octo/hello/actions/runners/generate-jitconfig");
    assert_string_equal(ght_call(&t, 0)->body, "{\"name\":\"muster-1\",\"runner_group_id\":1,\"labels\":"
                                               "[\"cirun-gpu--9\",\"g\\\"x\"],\"work_folder\":\"_work\"}");
    assert_non_null(strstr(ght_mint(&t, 0)->body, "{\"administration\":\"write\"}"));
}

static void test_github_api__labels_are_checked_before_anything_goes_out(void **state)
{
    static const char *const bad[] = {"", "[]", "{}", "\"a\"", "[1]", "[\"a\",null]", "[\"a\""};
    AUTO_GHT struct ghtest t;
    AUTO_BUF struct buf many = BUF_INIT(4096);
    struct secret *jit = NULL;
    int64_t id;
    struct err e;

    (void)state;
    ght_start(&t, "");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_fails(github_jitconfig(t.github, &ght_repo, "m", bad[i], &id, &jit, &e), ERR_INVALID, "labels", e);
    buf_adds(&many, "[\"0\"");
    for (int i = 1; i <= 100; i++)
        buf_addf(&many, ",\"%d\"", i);
    buf_adds(&many, "]");
    assert_fails(github_jitconfig(t.github, &ght_repo, "m", many.p, &id, &jit, &e), ERR_INVALID, "1 to 100", e);
    assert_int_equal(raw_count(t.server), 0);
}

static void test_github_api__a_taken_name_is_a_conflict(void **state)
{
    AUTO_GHT struct ghtest t;
    struct secret *jit = NULL;
    int64_t id;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 409, JSON_TYPE, "{\"message\":\"Already exists - A runner with the name *** already exists.\"}");
    assert_fails(github_jitconfig(t.github, &ght_repo, "m", "[\"a\"]", &id, &jit, &e), ERR_CONFLICT, "Already exists",
                 e);
    assert_null(jit);
}

static void test_github_api__a_broken_configuration_is_a_passing_fault_and_not_repeated_aloud(void **state)
{
    static const char *const bodies[] = {
        "",
        "<html>",
        "{\"runner\":{\"id\":1},\"encoded_jit_config\":\"leak",
        "{\"runner\":{\"id\":1},\"encoded_jit_config\":\"\"}",
        "{\"runner\":{\"id\":1},\"encoded_jit_config\":[\"leak\"]}",
        "{\"runner\":{\"id\":\"1\"},\"encoded_jit_config\":\"leak\"}",
        "{\"runner\":null,\"encoded_jit_config\":\"leak\"}",
        "{\"runner\":{\"id\":0},\"encoded_jit_config\":\"leak\"}",
        "{\"encoded_jit_config\":\"leak\"}",
        "[]",
    };
    AUTO_GHT struct ghtest t;
    struct secret *jit = NULL;
    int64_t id = 5;
    struct err e;

    (void)state;
    ght_start(&t, "");
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        ght_answer(&t, 201, JSON_TYPE, bodies[i]);
        assert_fails(github_jitconfig(t.github, &ght_repo, "m", "[\"a\"]", &id, &jit, &e), ERR_RETRY,
                     "POST /repos/octo/hello/actions/runners/generate-jitconfig: unexpected answer", e);
        assert_null(strstr(e.msg, "leak"));
        assert_null(jit);
        assert_int_equal(id, 5);
    }
}

static void test_github_api__a_runner_is_found_by_its_exact_name(void **state)
{
    AUTO_GHT struct ghtest t;
    struct github_runner r = {0};
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, JSON_TYPE,
               "{\"total_count\":2,\"runners\":["
               "{\"id\":1,\"name\":\"muster-12\",\"status\":\"offline\",\"busy\":false},"
               "{\"id\":2,\"name\":\"muster-1\",\"status\":\"online\",\"busy\":true}]}");
    assert_ok(github_runner_find(t.github, &ght_repo, "muster-1", &r, &e), e);
    assert_asked(&t, 0, "GET", "/repos/octo/hello/actions/runners?per_page=100&name=muster-1");
    assert_int_equal(r.id, 2);
    assert_true(r.online);
    assert_true(r.busy);
    assert_ok(github_runner_find(t.github, &ght_repo, "muster-12", &r, &e), e);
    assert_false(r.online);
    assert_false(r.busy);
    assert_fails(github_runner_find(t.github, &ght_repo, "muster-&", &r, &e), ERR_GONE, "no runner muster-&", e);
    assert_asked(&t, 2, "GET", "/repos/octo/hello/actions/runners?per_page=100&name=muster-%26");
    ght_answer(&t, 404, JSON_TYPE, "{\"message\":\"Not Found\"}");
    /* a repository that we are not shown: that says nothing of its runners */
    assert_fails(github_runner_find(t.github, &ght_repo, "muster-1", &r, &e), ERR_AUTH, "404", e);
}

static void test_github_api__a_runner_is_removed_once_and_a_busy_one_kept(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 204, "", "");
    assert_ok(github_runner_remove(t.github, &ght_repo, 42, &e), e);
    assert_asked(&t, 0, "DELETE", "/repos/octo/hello/actions/runners/42");
    ght_answer(&t, 404, JSON_TYPE, "{\"message\":\"Not Found\"}");
    assert_ok(github_runner_remove(t.github, &ght_repo, 42, &e), e);
    ght_answer(&t, 422, JSON_TYPE, "{\"message\":\"Runner is currently running a job and cannot be deleted.\"}");
    assert_fails(github_runner_remove(t.github, &ght_repo, 42, &e), ERR_CONFLICT, "running a job", e);
    ght_answer(&t, 403, JSON_TYPE, "{\"message\":\"Resource not accessible by integration\"}");
    assert_fails(github_runner_remove(t.github, &ght_repo, 42, &e), ERR_AUTH, "administration: write", e);
}

static void test_github_api__the_runner_release_is_chosen_by_architecture(void **state)
{
    static const char hash[] = "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef";
    AUTO_GHT struct ghtest t;
    struct github_runner_release r = {.url = "old"};
    char body[1024];
    struct err e;

    (void)state;
    ght_start(&t, "");
    (void)snprintf(
        body, sizeof(body),
        "[{\"os\":\"osx\",\"architecture\":\"x64\",\"download_url\":\"https://e/osx\",\"filename\":\"f\"},"
        "{\"os\":\"linux\",\"architecture\":\"arm64\",\"download_url\":\"https://e/arm\",\"filename\":\"f\"},"
        "{\"os\":\"linux\",\"architecture\":\"x64\",\"download_url\":\"https://e/x64\",\"filename\":\"f\","
        "\"sha256_checksum\":\"%s\"}]",
        hash);
    ght_answer(&t, 200, JSON_TYPE, body);
    assert_ok(github_runner_release_get(t.github, &ght_repo, "linux", "x64", &r, &e), e);
    assert_asked(&t, 0, "GET", "/repos/octo/hello/actions/runners/downloads");
    assert_string_equal(r.url, "https://e/x64");
    assert_string_equal(r.sha256, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    assert_ok(github_runner_release_get(t.github, &ght_repo, "linux", "arm64", &r, &e), e);
    assert_string_equal(r.url, "https://e/arm");
    assert_string_equal(r.sha256, "");
    assert_fails(github_runner_release_get(t.github, &ght_repo, "linux", "riscv", &r, &e), ERR_GONE, "linux, riscv", e);
    assert_string_equal(r.url, "https://e/arm");
}

static void test_github_api__an_odd_runner_release_is_refused(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "[1]",
        "[{\"os\":\"linux\",\"architecture\":\"x64\"}]",
        "[{\"os\":\"linux\",\"architecture\":\"x64\",\"download_url\":\"file:///etc/passwd\"}]",
        "[{\"os\":\"linux\",\"architecture\":\"x64\",\"download_url\":\"https://e\",\"sha256_checksum\":\"abc\"}]",
        "[{\"os\":\"linux\",\"architecture\":\"x64\",\"download_url\":\"https://e\",\"sha256_checksum\":\"" NOT_HEX
        "\"}]",
    };
    AUTO_GHT struct ghtest t;
    struct github_runner_release r = {.url = "old"};
    struct err e;

    (void)state;
    ght_start(&t, "");
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        ght_answer(&t, 200, JSON_TYPE, bodies[i]);
        assert_fails(github_runner_release_get(t.github, &ght_repo, "linux", "x64", &r, &e), ERR_RETRY,
                     "unexpected answer", e);
        assert_string_equal(r.url, "old");
    }
}

static void test_github_api__a_jobs_status_is_githubs_own_word(void **state)
{
    AUTO_GHT struct ghtest t;
    char status[32] = "", conclusion[32] = "x";
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, JSON_TYPE, "{\"id\":7,\"status\":\"completed\",\"conclusion\":\"timed_out\"}");
    assert_ok(github_job_status(t.github, &ght_repo, 7, status, conclusion, &e), e);
    assert_string_equal(status, "completed");
    assert_string_equal(conclusion, "timed_out");
    ght_forget(&t);
    ght_answer(&t, 200, JSON_TYPE, "{\"id\":7,\"status\":\"in_progress\",\"conclusion\":null}");
    assert_ok(github_job_status(t.github, &ght_repo, 7, status, conclusion, &e), e);
    assert_string_equal(status, "in_progress");
    assert_string_equal(conclusion, "");
    assert_asked(&t, 0, "GET", "/repos/octo/hello/actions/jobs/7");
    ght_answer(&t, 200, JSON_TYPE, "{\"id\":7,\"status\":\"a-word-of-the-future-that-is-too-long-for-us\"}");
    assert_ok(github_job_status(t.github, &ght_repo, 7, status, conclusion, &e), e);
    assert_int_equal(strlen(status), 31);
}

static void test_github_api__answers_of_the_wrong_shape_are_passing_faults_that_name_the_call(void **state)
{
    static const char *const bodies[] = {
        "",     "<html>login</html>", "{\"event\":\"push\"", "{\"event\":5}", "[]", "{}",
        "null", "\"text\"",           "{\"status\":null}"};
    AUTO_GHT struct ghtest t;
    AUTO_RUN struct github_run run = {0};
    struct github_runner runner;
    char status[32];
    struct err e;

    (void)state;
    ght_start(&t, "");
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        ght_forget(&t);
        ght_answer(&t, 200, JSON_TYPE, bodies[i]);
        assert_fails(github_run_get(t.github, &ght_repo, 1, &run, &e), ERR_RETRY,
                     "GET /repos/octo/hello/actions/runs/1: unexpected answer", e);
        assert_fails(github_runner_find(t.github, &ght_repo, "m", &runner, &e), ERR_RETRY,
                     "GET /repos/octo/hello/actions/runners: unexpected answer", e);
        assert_fails(github_job_status(t.github, &ght_repo, 1, status, status, &e), ERR_RETRY, "unexpected answer", e);
        assert_null(run.event);
    }
}

#define T(name) cmocka_unit_test(test_github_api__##name)

static void test_github_api__an_organisation_s_runners_are_asked_for_without_a_repository(void **state)
{
    const struct github_repo org = {.installation_id = GHT_INSTALLATION, .repo = "octo-org"};
    const struct github_repo climbing = {.installation_id = GHT_INSTALLATION, .repo = ".."};
    AUTO_GHT struct ghtest t;
    struct github_runner_group group;
    struct github_runner runner;
    struct github_repo_info info;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{\"runners\":[{\"id\":4,\"name\":\"m\",\"status\":\"online\",\"busy\":true}]}");
    ght_answer(&t, 200, "", "{\"allows_public_repositories\":true,\"visibility\":\"selected\"}");
    ght_answer(&t, 200, "", "{\"id\":9,\"private\":true}");
    assert_ok(github_runner_find(t.github, &org, "m", &runner, &e), e);
    assert_true(runner.id == 4 && runner.busy);
    assert_asked(&t, 0, "GET", "/orgs/octo-org/actions/runners?per_page=100&name=m");
    assert_non_null(
        strstr(raw_get(t.server, 0)->body, "{\"permissions\":{\"organization_self_hosted_runners\":\"write\"}}"));
    assert_ok(github_org_group_get(t.github, &org, &group, &e), e);
    assert_true(group.allows_public && group.selected);
    assert_ok(github_org_repo_get(t.github, &org, ".cirun", &info, &e), e);
    assert_true(info.id == 9 && info.is_private && !info.archived);
    assert_asked(&t, 2, "GET", "/repos/octo-org/.cirun");
    assert_fails(github_runner_find(t.github, &climbing, "m", &runner, &e), ERR_INVALID, "organisation", e);
}

struct crowd {
    size_t n, online;
    char last[64];
};

static int count_runner(void *arg, const char *name, const struct github_runner *r, struct err *e)
{
    struct crowd *c = arg;

    (void)e;
    c->n++;
    c->online += r->online ? 1 : 0;
    (void)snprintf(c->last, sizeof(c->last), "%s", name);
    return 0;
}

/* The text is the buffer's until the answer went out. */
static void answer_runners(struct ghtest *t, struct buf *b, int from, int n)
{
    buf_addf(b, "{\"total_count\":101,\"runners\":[");
    for (int i = from; i < from + n; i++)
        buf_addf(b, "%s{\"id\":%d,\"name\":\"m%d\",\"status\":\"%s\",\"busy\":false}", i > from ? "," : "", i, i,
                 i % 2 == 0 ? "online" : "offline");
    buf_adds(b, "]}");
    ght_answer(t, 200, "", b->p);
}

static void test_github_api__all_runners_are_listed_page_by_page(void **state)
{
    const struct github_repo repo = {.installation_id = GHT_INSTALLATION, .repo_id = 1, .repo = "octo/hello"};
    AUTO_BUF struct buf first = BUF_INIT((size_t)64 * 1024), second = BUF_INIT(4096);
    AUTO_GHT struct ghtest t;
    struct crowd c = {.n = 0};
    struct err e;

    (void)state;
    ght_start(&t, "");
    answer_runners(&t, &first, 1, 100);
    answer_runners(&t, &second, 101, 1);
    assert_ok(github_runners_each(t.github, &repo, count_runner, &c, &e), e);
    assert_int_equal(c.n, 101);
    assert_int_equal(c.online, 50);
    assert_string_equal(c.last, "m101");
    assert_asked(&t, 0, "GET", "/repos/octo/hello/actions/runners?per_page=100&page=1");
    assert_asked(&t, 1, "GET", "/repos/octo/hello/actions/runners?per_page=100&page=2");
    ght_answer(&t, 200, "", first.p);
    ght_answer(&t, 502, "", "");
    assert_fails(github_runners_each(t.github, &repo, count_runner, &c, &e), ERR_RETRY, "502", e);
    ght_answer(&t, 200, "", "{\"runners\":[{\"id\":1,\"status\":\"online\",\"busy\":false}]}");
    assert_fails(github_runners_each(t.github, &repo, count_runner, &c, &e), ERR_RETRY, "name", e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_installation_is_looked_up_by_jwt),
        T(an_organisation_s_installation_is_looked_up_by_its_name),
        T(all_runners_are_listed_page_by_page),
        T(a_run_says_who_started_it_and_from_where),
        T(a_run_of_a_deleted_fork_has_no_head_repository),
        T(a_file_is_read_raw_at_a_commit),
        T(an_unchanged_file_is_told_by_its_etag),
        T(a_file_may_fill_its_ceiling_and_not_a_byte_more),
        T(what_is_no_file_is_refused),
        T(paths_cannot_climb_out_of_their_repository),
        T(a_runner_configuration_is_made_for_exactly_the_labels),
        T(labels_are_checked_before_anything_goes_out),
        T(a_taken_name_is_a_conflict),
        T(a_broken_configuration_is_a_passing_fault_and_not_repeated_aloud),
        T(a_runner_is_found_by_its_exact_name),
        T(a_runner_is_removed_once_and_a_busy_one_kept),
        T(the_runner_release_is_chosen_by_architecture),
        T(an_odd_runner_release_is_refused),
        T(a_jobs_status_is_githubs_own_word),
        T(answers_of_the_wrong_shape_are_passing_faults_that_name_the_call),
        cmocka_unit_test(test_github_api__an_organisation_s_runners_are_asked_for_without_a_repository),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
