/* The user-data: parameters quoted so that a shell reads back exactly what was put in, within the cloud's limit. */
#include "server/base/mem.h"
#include "server/bootstrap/bootstrap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

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

static void test_bootstrap__hostile_values_reach_the_shell_unchanged(void **state)
{
    static const char *const HOSTILE[] = {
        "'; touch /tmp/owned; '", "$(id)`id`${HOME}",     "\\", "'", "''\\''",
        "a\"b#c !* ~ & | < >",    "\xc3\xa9\xe2\x82\xac", "",
    };
    AUTO_SECRET struct secret *jit = jit_of(16);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(HOSTILE); i++) {
        struct bootstrap_params p = params(jit);
        AUTO_FREE char *text = NULL, *got = NULL;

        p.instance_type = HOSTILE[i];
        text = render(&p);
        got = as_read_by_bash(text, "MUSTER_TYPE");
        assert_string_equal(got, HOSTILE[i]);
    }
}

static void test_bootstrap__no_region_is_empty_and_no_gpu_is_none(void **state)
{
    AUTO_SECRET struct secret *jit = jit_of(16);
    struct bootstrap_params p = params(jit);
    AUTO_FREE char *text = NULL;

    (void)state;
    p.region = p.gpu = NULL;
    text = render(&p);
    assert_int_equal(count(text, "\nMUSTER_REGION=''\n"), 1);
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
    p.region = "eu\nreboot";
    assert_refused(&p, AWS_MAX, "MUSTER_REGION holds a control character");
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
    assert_true(strlen(text) - secret_len(jit) <= 9 * 1024 + 640);
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
    bootstrap_builtin_release("x64", &url, &sha);
    bootstrap_builtin_release("arm64", &arm_url, &arm_sha);
    assert_string_equal(sha, SHA);
    assert_non_null(strstr(url, "/actions-runner-linux-x64-"));
    assert_non_null(strstr(arm_url, "/actions-runner-linux-arm64-"));
    assert_int_equal(strlen(arm_sha), 64);
    assert_string_not_equal(sha, arm_sha);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bootstrap__parameters_stand_right_below_the_first_line),
        cmocka_unit_test(test_bootstrap__same_parameters_give_the_same_bytes),
        cmocka_unit_test(test_bootstrap__the_jit_configuration_stands_in_one_place),
        cmocka_unit_test(test_bootstrap__hostile_values_reach_the_shell_unchanged),
        cmocka_unit_test(test_bootstrap__no_region_is_empty_and_no_gpu_is_none),
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
