/* The user-data: parameters quoted so that a shell reads back exactly what was put in, within the cloud's limit. */
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/bootstrap/bootstrap.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHA "4ef2f25285f0ae4477f1fe1e346db76d2f3ebf03824e2ddd1973a2819bf6c8cf"
#define AWS_MAX 16384

static struct bootstrap_params params(const struct secret *jit)
{
    return (struct bootstrap_params){
        .name = "muster-01jabcdefghjkmnpqrstvwxyz0",
        .cloud = "aws",
        .instance_type = "g4dn.xlarge",
        .region = "eu-west-1",
        .arch = "x64",
        .gpu = "t4",
        .runner_url =
            "https://github.com/actions/runner/releases/download/v2.335.1/actions-runner-linux-x64-2.335.1.tar.gz",
        .runner_sha256 = SHA,
        .expires_s = 1767225600,
        .boot_deadline_s = 900,
        .jit = jit,
    };
}

static struct secret *jit_of(size_t len)
{
    AUTO_FREE char *text = mem_zalloc(len + 1);

    memset(text, 'Q', len);
    return secret_new(text, len);
}

static char *render(const struct bootstrap_params *p)
{
    AUTO_SECRET struct secret *s = NULL;
    struct err e = {0};

    if (bootstrap_render(p, AWS_MAX, &s, &e))
        fail_msg("%s", e.msg);
    return mem_strdup(secret_reveal(s));
}

static void assert_refused(const struct bootstrap_params *p, size_t max, const char *because)
{
    struct secret *s = NULL;
    struct err e = {0};

    assert_int_equal(bootstrap_render(p, max, &s, &e), -1);
    assert_int_equal(e.kind, ERR_INVALID);
    assert_null(s);
    if (strstr(e.msg, because) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", e.msg, because);
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;

    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
        n++;
    return n;
}

/* What bash has in a variable after reading the assignments, which end where the script proper begins. */
static char *as_read_by_bash(const char *script, const char *variable)
{
    const char *end = strstr(script, "\nset -u\n");
    AUTO_FREE char *head = NULL;
    char *got = mem_zalloc(4096);
    int in[2], out[2], status;
    ssize_t n;
    pid_t pid;

    assert_non_null(end);
    head = mem_strndup(script, (size_t)(end - script) + 1);
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(in[0], 0);
        (void)dup2(out[1], 1);
        close(in[1]);
        (void)execlp("bash", "bash", "-s", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    assert_true(write(in[1], head, strlen(head)) == (ssize_t)strlen(head));
    (void)dprintf(in[1], "printf %%s \"$%s\"\n", variable);
    close(in[1]);
    for (size_t at = 0; (n = read(out[0], got + at, 4095 - at)) > 0;)
        at += (size_t)n;
    close(out[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return got;
}

static void test_bootstrap__parameters_stand_right_below_the_first_line(void **state)
{
    AUTO_SECRET struct secret *jit = secret_new("c2VjcmV0", 8);
    struct bootstrap_params p = params(jit);
    AUTO_FREE char *text = render(&p);

    (void)state;
    assert_ptr_equal(strstr(text, "#!/bin/bash\nMUSTER_NAME='muster-01jabcdefghjkmnpqrstvwxyz0'\n"), text);
    assert_int_equal(count(text, "\nMUSTER_JIT='c2VjcmV0'\n"), 1);
    assert_int_equal(count(text, "\nMUSTER_EXPIRES=1767225600\n"), 1);
    assert_int_equal(count(text, "\nMUSTER_BOOT_DEADLINE=900\n"), 1);
    assert_int_equal(count(text, "\nMUSTER_RUNNER_SHA256='" SHA "'\n"), 1);
}

static void test_bootstrap__same_parameters_give_the_same_bytes(void **state)
{
    AUTO_SECRET struct secret *jit = jit_of(100);
    struct bootstrap_params p = params(jit);
    AUTO_FREE char *first = render(&p);
    AUTO_FREE char *second = render(&p);

    (void)state;
    assert_string_equal(first, second);
}

static void test_bootstrap__the_jit_configuration_stands_in_one_place(void **state)
{
    AUTO_SECRET struct secret *jit = secret_new("bm93aGVyZSBlbHNl", 16);
    struct bootstrap_params p = params(jit);
    AUTO_FREE char *text = render(&p);

    (void)state;
    assert_int_equal(count(text, "bm93aGVyZSBlbHNl"), 1);
    assert_int_equal(count(text, "export MUSTER"), 0);
}

static const char *const HOSTILE[] = {
    "'; touch /tmp/owned; '", "$(id)`id`${HOME}",     "\\", "'", "''\\''",
    "a\"b#c !* ~ & | < >",    "\xc3\xa9\xe2\x82\xac", "",
};

static void test_bootstrap__hostile_values_reach_the_shell_unchanged(void **state)
{
    AUTO_SECRET struct secret *jit = jit_of(16);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(HOSTILE); i++) {
        struct bootstrap_params p = params(jit);
        AUTO_FREE char *text = NULL, *got = NULL;

        p.name = HOSTILE[i];
        text = render(&p);
        got = as_read_by_bash(text, "MUSTER_NAME");
        assert_string_equal(got, HOSTILE[i]);
    }
}

static json_t *setup_as_read_by_bash(const struct bootstrap_params *p)
{
    AUTO_FREE char *text = render(p), *got = as_read_by_bash(text, "MUSTER_SETUP");
    json_t *list = NULL;
    struct err e;

    assert_ok(js_parse(got, strlen(got), &list, &e), e);
    return list;
}

static void test_bootstrap__set_up_job_shows_the_machine_then_what_the_repository_says(void **state)
{
    AUTO_SECRET struct secret *jit = jit_of(16);
    AUTO_JSON json_t *said = json_pack("[{s:s, s:s}, {s:s}]", "group", "Team's \"box\" $(id)", "detail",
                                       "`first`\nsecond \xe2\x80\x99 '", "detail", "no group");
    AUTO_JSON json_t *got = NULL;
    struct bootstrap_params p = params(jit);
    const char *group, *detail;
    struct err e;

    (void)state;
    p.setup_info = said;
    p.spot = true;
    p.gpus = 2;
    p.gpu_memory_gb = 16;
    got = setup_as_read_by_bash(&p);
    assert_int_equal(json_array_size(got), 3);
    assert_ok(js_str(got, "0.group", &group, &e) || js_str(got, "0.detail", &detail, &e), e);
    assert_string_equal(group, "muster");
    assert_string_equal(detail, "Machine: muster-01jabcdefghjkmnpqrstvwxyz0\nCloud: aws\nType: g4dn.xlarge\n"
                                "Region: eu-west-1\nPrice: spot\nGPU: t4, at least 2, each with 16 GB");
    assert_true(json_equal(json_array_get(got, 1), json_array_get(said, 0)));
    assert_ok(js_str(got, "2.group", &group, &e) || js_str(got, "2.detail", &detail, &e), e);
    assert_string_equal(group, "Setup");
    assert_string_equal(detail, "no group");
}

static void test_bootstrap__what_is_hostile_in_a_type_stays_within_its_line_of_set_up_job(void **state)
{
    AUTO_SECRET struct secret *jit = jit_of(16);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(HOSTILE) - 1; i++) {
        struct bootstrap_params p = params(jit);
        AUTO_JSON json_t *got = NULL;
        const char *detail;
        char want[64];
        struct err e;

        p.instance_type = HOSTILE[i];
        got = setup_as_read_by_bash(&p);
        (void)snprintf(want, sizeof(want), "\nType: %s\n", HOSTILE[i]);
        assert_ok(js_str(got, "0.detail", &detail, &e), e);
        assert_non_null(strstr(detail, want));
    }
}

/* Each element as NAME=value, by the shell's own words. */
static char *env_as_read_by_bash(const char *script)
{
    return as_read_by_bash(script, "{MUSTER_ENV[0]}|${MUSTER_ENV[1]}|${#MUSTER_ENV[@]}\"; printf %s \"");
}

static void test_bootstrap__variables_of_the_repository_are_data_to_the_shell(void **state)
{
    AUTO_SECRET struct secret *jit = jit_of(16);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(HOSTILE); i++) {
        AUTO_JSON json_t *env = json_pack("{s:s, s:s}", "FIRST", HOSTILE[i], "_2nd", "a\tb  c");
        AUTO_FREE char *text = NULL, *got = NULL;
        struct bootstrap_params p = params(jit);
        char want[96];

        p.env_vars = env;
        text = render(&p);
        got = env_as_read_by_bash(text);
        (void)snprintf(want, sizeof(want), "FIRST=%s|_2nd=a\tb  c|2", HOSTILE[i]);
        assert_string_equal(got, want);
    }
}

static void test_bootstrap__variables_that_cannot_be_passed_on_are_refused_by_name(void **state)
{
    static const struct {
        const char *json, *because;
    } rows[] = {
        {"{\"A\":\"x\\ny\"}", "env_vars.A holds a line break or another control character (byte 1)"},
        {"{\"A\":\"\\r\"}", "(byte 0)"},
        {"{\"A\":\"\\u007f\"}", "(byte 0)"},
        {"{\"A\":{\"b\":1}}", "env_vars.A must be a text"},
        {"{\"A B\":\"x\"}", "\"A B\" is no name of a variable"},
        {"{\"A=B\":\"x\"}", "is no name of a variable"},
        {"{\"1A\":\"x\"}", "is no name of a variable"},
        {"{\"\":\"x\"}", "is no name of a variable"},
        {"{\"$(id)\":\"x\"}", "is no name of a variable"},
        {"{\"\u00e9\":\"x\"}", "is no name of a variable"},
        {"{\"ACTIONS_RUNNER_INPUT_JITCONFIG\":\"x\"}", "ACTIONS_RUNNER_INPUT_JITCONFIG is reserved"},
        {"{\"actions_runner_hook_job_started\":\"x\"}", "is reserved"},
        {"[\"A=x\"]", "must be a mapping"},
    };
    AUTO_SECRET struct secret *jit = jit_of(16);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bootstrap_params p = params(jit);
        AUTO_JSON json_t *env = NULL;
        struct err e;

        assert_ok(js_parse(rows[i].json, strlen(rows[i].json), &env, &e), e);
        p.env_vars = env;
        assert_refused(&p, AWS_MAX, rows[i].because);
        p.os = "windows";
        assert_refused(&p, AWS_MAX, rows[i].because);
    }
}

static void test_bootstrap__what_the_repository_brings_counts_against_the_limit_and_is_named(void **state)
{
    AUTO_SECRET struct secret *jit = jit_of(16);
    AUTO_FREE char *long_text = mem_zalloc(64 * 1024 + 1);
    AUTO_JSON json_t *env = NULL, *setup = NULL;
    struct bootstrap_params p = params(jit);
    struct secret *s = NULL;
    struct err e = {0};

    (void)state;
    memset(long_text, '\'', 64 * 1024);
    env = json_pack("{s:s}", "BIG", long_text);
    setup = json_pack("[{s:s, s:s}]", "group", "abc", "detail", "de");
    p.env_vars = env;
    p.setup_info = setup;
    assert_refused(&p, AWS_MAX,
                   "more than the 16384 the cloud takes; extra_config.env_vars and setup_info hold 65545 "
                   "bytes: shorten them");
    assert_ok(bootstrap_render(&p, 512 * 1024, &s, &e), e);
    secret_free(s);
}

static void test_bootstrap__a_script_that_is_fetched_has_no_clouds_limit(void **state)
{
    AUTO_SECRET struct secret *jit = jit_of(16), *script = NULL;
    struct bootstrap_params p = params(jit);
    struct err e = {0};

    (void)state;
    p.as_file = true;
    assert_ok(bootstrap_render(&p, 0, &script, &e), e);
    assert_ptr_equal(strstr(secret_reveal(script), "#!/bin/bash\n"), secret_reveal(script));
}

static void test_bootstrap__no_region_is_told_as_none_and_no_gpu_is_none(void **state)
{
    AUTO_SECRET struct secret *jit = jit_of(16);
    struct bootstrap_params p = params(jit);
    AUTO_FREE char *text = NULL;

    (void)state;
    p.region = p.gpu = NULL;
    text = render(&p);
    assert_int_equal(count(text, "Region:"), 0);
    assert_int_equal(count(text, "\nMUSTER_ENV=()\n"), 1);
    assert_int_equal(count(text, "\nMUSTER_GPUS=0\nMUSTER_GPU_MEMORY=0\n"), 1);
}

static void test_bootstrap__how_many_gpus_of_what_size_reach_the_script(void **state)
{
    static const struct {
        const char *gpu;
        int gpus, gb;
        const char *want;
    } rows[] = {
        {"t4", 0, 0, "\nMUSTER_GPUS=1\nMUSTER_GPU_MEMORY=0\n"},
        {"t4", 4, 16, "\nMUSTER_GPUS=4\nMUSTER_GPU_MEMORY=16\n"},
        {NULL, 2, 0, "\nMUSTER_GPUS=2\nMUSTER_GPU_MEMORY=0\n"},
        {NULL, 0, 24, "\nMUSTER_GPUS=1\nMUSTER_GPU_MEMORY=24\n"},
    };
    AUTO_SECRET struct secret *jit = jit_of(16);
    struct bootstrap_params p = params(jit);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE char *text = NULL;

        p.gpu = rows[i].gpu;
        p.gpus = rows[i].gpus;
        p.gpu_memory_gb = rows[i].gb;
        text = render(&p);
        assert_int_equal(count(text, rows[i].want), 1);
    }
    p.gpus = -1;
    assert_refused(&p, AWS_MAX, "cannot be asked for");
}

static void test_bootstrap__control_characters_are_refused(void **state)
{
    AUTO_SECRET struct secret *jit = jit_of(16);
    AUTO_SECRET struct secret *two_lines = secret_new("a\nreboot", 8);
    AUTO_SECRET struct secret *with_nul = secret_new("a\0b", 3);
    struct bootstrap_params p = params(jit);

    (void)state;
    p.name = "muster\nreboot";
    assert_refused(&p, AWS_MAX, "MUSTER_NAME holds a control character");
    p = params(two_lines);
    assert_refused(&p, AWS_MAX, "MUSTER_JIT holds a control character");
    p = params(with_nul);
    assert_refused(&p, AWS_MAX, "MUSTER_JIT holds a control character");
}

static void test_bootstrap__what_the_script_relies_on_is_required(void **state)
{
    AUTO_SECRET struct secret *jit = jit_of(16);
    AUTO_SECRET struct secret *empty = secret_new("", 0);
    struct bootstrap_params p = params(jit);

    (void)state;
    p.runner_sha256 = "";
    assert_refused(&p, AWS_MAX, "64 lower-case hex digits");
    p.runner_sha256 = "Xef2f25285f0ae4477f1fe1e346db76d2f3ebf03824e2ddd1973a2819bf6c8cf";
    assert_refused(&p, AWS_MAX, "64 lower-case hex digits");
    p = params(jit);
    p.arch = "mips";
    assert_refused(&p, AWS_MAX, "x64 or arm64");
    p = params(empty);
    assert_refused(&p, AWS_MAX, "no just-in-time runner configuration");
    p = params(NULL);
    assert_refused(&p, AWS_MAX, "no just-in-time runner configuration");
}

static void test_bootstrap__too_much_for_the_cloud_says_by_how_much(void **state)
{
    AUTO_SECRET struct secret *jit = jit_of(6000);
    struct bootstrap_params p = params(jit);
    AUTO_FREE char *text = render(&p);
    size_t size = strlen(text);
    char want[96];
    struct secret *exact = NULL;
    struct err e = {0};

    (void)state;
    (void)snprintf(want, sizeof(want), "%zu bytes of user-data, 7 more than the %zu", size, size - 7);
    assert_refused(&p, size - 7, want);
    assert_int_equal(bootstrap_render(&p, size, &exact, &e), 0);
    assert_int_equal(secret_len(exact), size);
    secret_free(exact);
}

static void test_bootstrap__six_kilobytes_of_jit_fit_into_the_smallest_limit(void **state)
{
    AUTO_SECRET struct secret *jit = jit_of(6 * 1024);
    struct bootstrap_params p = params(jit);
    AUTO_FREE char *text = render(&p);

    (void)state;
    assert_true(strlen(text) - secret_len(jit) <= 10 * 1024);
}

static void test_bootstrap__a_monstrous_value_is_refused_and_harms_nothing(void **state)
{
    AUTO_SECRET struct secret *jit = jit_of(4 * 1024 * 1024);
    struct bootstrap_params p = params(jit);

    (void)state;
    assert_refused(&p, SIZE_MAX, "ceiling");
    assert_refused(&p, AWS_MAX, "more than the 16384");
}

static void test_bootstrap__each_architecture_has_a_built_in_release(void **state)
{
    const char *url, *sha, *arm_url, *arm_sha;

    (void)state;
    bootstrap_builtin_release("linux", "x64", &url, &sha);
    bootstrap_builtin_release("linux", "arm64", &arm_url, &arm_sha);
    assert_string_equal(sha, SHA);
    assert_non_null(strstr(url, "/actions-runner-linux-x64-"));
    assert_non_null(strstr(arm_url, "/actions-runner-linux-arm64-"));
    assert_int_equal(strlen(arm_sha), 64);
    assert_string_not_equal(sha, arm_sha);
    bootstrap_builtin_release("windows", "x64", &url, &sha);
    assert_non_null(strstr(url, "/actions-runner-win-x64-2.335.1.zip"));
    assert_int_equal(strlen(sha), 64);
    bootstrap_builtin_release("windows", "arm64", &url, &sha);
    assert_string_equal(url, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bootstrap__parameters_stand_right_below_the_first_line),
        cmocka_unit_test(test_bootstrap__same_parameters_give_the_same_bytes),
        cmocka_unit_test(test_bootstrap__the_jit_configuration_stands_in_one_place),
        cmocka_unit_test(test_bootstrap__hostile_values_reach_the_shell_unchanged),
        cmocka_unit_test(test_bootstrap__set_up_job_shows_the_machine_then_what_the_repository_says),
        cmocka_unit_test(test_bootstrap__what_is_hostile_in_a_type_stays_within_its_line_of_set_up_job),
        cmocka_unit_test(test_bootstrap__variables_of_the_repository_are_data_to_the_shell),
        cmocka_unit_test(test_bootstrap__variables_that_cannot_be_passed_on_are_refused_by_name),
        cmocka_unit_test(test_bootstrap__what_the_repository_brings_counts_against_the_limit_and_is_named),
        cmocka_unit_test(test_bootstrap__a_script_that_is_fetched_has_no_clouds_limit),
        cmocka_unit_test(test_bootstrap__no_region_is_told_as_none_and_no_gpu_is_none),
        cmocka_unit_test(test_bootstrap__how_many_gpus_of_what_size_reach_the_script),
        cmocka_unit_test(test_bootstrap__control_characters_are_refused),
        cmocka_unit_test(test_bootstrap__what_the_script_relies_on_is_required),
        cmocka_unit_test(test_bootstrap__too_much_for_the_cloud_says_by_how_much),
        cmocka_unit_test(test_bootstrap__six_kilobytes_of_jit_fit_into_the_smallest_limit),
        cmocka_unit_test(test_bootstrap__a_monstrous_value_is_refused_and_harms_nothing),
        cmocka_unit_test(test_bootstrap__each_architecture_has_a_built_in_release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
