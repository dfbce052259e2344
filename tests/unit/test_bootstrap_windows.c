/* The PowerShell that a Windows machine gets: read back here by the rules of its literals, since no PowerShell runs
 * here. tests/conformance/powershell.sh parses the whole with an independent grammar. */
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/bootstrap/bootstrap.h"
#include "tests/support/unit.h"

#include <ctype.h>
#include <stdio.h>

#define MAX ((size_t)512 * 1024)
#define SHA "eb65c95277af42bcf3778a799c41359d224ba2a67b4de26b7cea1729b09c803d"

static const char *const HOSTILE[] = {
    "'; Stop-Computer; '",
    "$(Stop-Computer)`n\"",
    "\xe2\x80\x98\xe2\x80\x99\xe2\x80\x9a\xe2\x80\x9b", /* the four typographic quotes */
    "\xd1\x92",                                         /* its second byte is one of them in code page 1252 */
    "</powershell><persist>true</persist>",
    "@' \r here",
    "%PATH% ^& | < > ~ #",
    "\xf0\x9f\x9a\x80",
    "tab\there",
    "C:\\r",
    "",
};

static struct bootstrap_params params(const struct secret *jit)
{
    return (struct bootstrap_params){
        .name = "muster-01jabcdefghjkmnpqrstvwxyz0",
        .cloud = "gcp",
        .instance_type = "n2-standard-4",
        .os = "windows",
        .arch = "x64",
        .runner_url = "https://example.com/actions-runner-win-x64-2.335.1.zip",
        .runner_sha256 = SHA,
        .expires_s = 1767225600,
        .boot_deadline_s = 900,
        .jit = jit,
    };
}

static char *render(const struct bootstrap_params *p)
{
    AUTO_SECRET struct secret *s = NULL;
    struct err e = {0};

    assert_ok(bootstrap_render(p, MAX, &s, &e), e);
    return mem_strdup(secret_reveal(s));
}

/* One literal at *at: '…' without any quote in it, or (Text '…base64…'); *at goes behind it. */
static void read_literal(const char **at, struct buf *out)
{
    bool encoded = strncmp(*at, "(Text '", 7) == 0;
    const char *begin = *at + (encoded ? 7 : 1), *end;
    struct err e;

    assert_true(encoded || **at == '\'');
    end = strchr(begin, '\'');
    assert_non_null(end);
    for (const char *c = begin; c < end; c++)
        assert_true((unsigned char)*c >= 0x20 && (unsigned char)*c < 0x7f);
    buf_reset(out);
    if (encoded)
        assert_ok(text_unbase64(begin, (size_t)(end - begin), out, &e), e);
    else
        buf_add(out, begin, (size_t)(end - begin));
    buf_adds(out, "");
    *at = end + (encoded ? 2 : 1);
    assert_true(!encoded || end[1] == ')');
}

/* The text assigned to a variable, on a line of its own. */
static void variable(const char *script, const char *name, struct buf *out)
{
    char start[64];
    const char *at;

    (void)snprintf(start, sizeof(start), "\n$%s = ", name);
    at = strstr(script, start);
    assert_non_null(at);
    at += strlen(start);
    read_literal(&at, out);
    assert_int_equal(*at, '\n');
}

static void assert_variable(const char *script, const char *name, const char *want)
{
    AUTO_BUF struct buf got = BUF_INIT(MAX);

    variable(script, name, &got);
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.p, want, got.len);
}

/* Nothing but printable ASCII, tabs and line feeds: no code page can make anything else of it. */
static void assert_plain(const char *script)
{
    for (const char *c = script; *c != '\0'; c++)
        assert_true(*c == '\n' || ((unsigned char)*c >= 0x20 && (unsigned char)*c < 0x7f));
}

static void test_bootstrap_windows__every_parameter_is_a_literal_of_its_own(void **state)
{
    AUTO_SECRET struct secret *jit = secret_new("c2VjcmV0+/8=", 12);
    struct bootstrap_params p = params(jit);
    AUTO_FREE char *text = render(&p);

    (void)state;
    assert_plain(text);
    assert_variable(text, "MusterName", p.name);
    assert_variable(text, "MusterUrl", p.runner_url);
    assert_variable(text, "MusterSha256", SHA);
    assert_variable(text, "MusterJit", "c2VjcmV0+/8=");
    assert_variable(text, "MusterUser", "runner");
    assert_variable(text, "MusterPath", "C:\\r");
    assert_non_null(strstr(text, "\n$MusterExpires = 1767225600\n"));
    assert_non_null(strstr(text, "\n$MusterDeadline = 900\n"));
    assert_non_null(strstr(text, "\n$MusterGpus = 0\n$MusterGpuMemory = 0\n"));
    assert_non_null(strstr(text, "\n$MusterInteractive = 0\n"));
    assert_non_null(strstr(text, "\n$MusterEnv = @()\n"));
    assert_null(strstr(strstr(text, "c2VjcmV0+/8=") + 1, "c2VjcmV0+/8="));
}

static void test_bootstrap_windows__variables_of_the_repository_are_data(void **state)
{
    AUTO_SECRET struct secret *jit = secret_new("x", 1);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(HOSTILE); i++) {
        AUTO_JSON json_t *env = json_pack("{s:s, s:s}", "FIRST", HOSTILE[i], "SECOND", "2");
        AUTO_BUF struct buf got = BUF_INIT(MAX);
        AUTO_FREE char *text = NULL;
        struct bootstrap_params p = params(jit);
        char want[128];
        const char *at;
        struct err e;

        p.env_vars = env;
        if (strchr(HOSTILE[i], '\r') != NULL) {
            struct secret *none = NULL;

            assert_fails(bootstrap_render(&p, MAX, &none, &e), ERR_INVALID, "env_vars.FIRST holds a line break", e);
            continue;
        }
        text = render(&p);
        assert_plain(text);
        at = strstr(text, "\n$MusterEnv = @(") + 16;
        read_literal(&at, &got);
        (void)snprintf(want, sizeof(want), "FIRST=%s", HOSTILE[i]);
        assert_string_equal(got.p, want);
        assert_memory_equal(at, ", ", 2);
        at += 2;
        read_literal(&at, &got);
        assert_string_equal(got.p, "SECOND=2");
        assert_memory_equal(at, ")\n", 2);
    }
}

static void test_bootstrap_windows__what_set_up_job_shows_is_data(void **state)
{
    AUTO_SECRET struct secret *jit = secret_new("x", 1);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(HOSTILE); i++) {
        AUTO_JSON json_t *said = json_pack("[{s:s, s:s}]", "group", HOSTILE[i], "detail", HOSTILE[i]), *list = NULL;
        AUTO_BUF struct buf got = BUF_INIT(MAX);
        AUTO_FREE char *text = NULL;
        struct bootstrap_params p = params(jit);
        struct err e;

        p.setup_info = said;
        text = render(&p);
        assert_plain(text);
        variable(text, "MusterSetup", &got);
        assert_ok(js_parse(got.p, got.len, &list, &e), e);
        assert_int_equal(json_array_size(list), 2);
        assert_true(json_equal(json_array_get(list, 1), json_array_get(said, 0)));
        assert_int_equal(got.p[got.len - 1], ']'); /* the script adds the GPU's group there */
    }
}

static void test_bootstrap_windows__each_cloud_gets_what_it_runs(void **state)
{
    static const struct {
        const char *cloud, *begins, *ends;
    } rows[] = {{"aws", "<powershell>\n$ErrorActionPreference", "\n</powershell>\n"},
                {"azure", "$ErrorActionPreference", "\n}\n"},
                {"gcp", "$ErrorActionPreference", "\n}\n"},
                {"openstack", "#ps1_sysnative\n$ErrorActionPreference", "\n}\n"},
                {"oracle", "#ps1_sysnative\n$ErrorActionPreference", "\n}\n"}};
    AUTO_SECRET struct secret *jit = secret_new("x", 1);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bootstrap_params p = params(jit);
        AUTO_FREE char *text = NULL, *bare = NULL;

        p.cloud = rows[i].cloud;
        text = render(&p);
        assert_memory_equal(text, rows[i].begins, strlen(rows[i].begins));
        assert_string_equal(text + strlen(text) - strlen(rows[i].ends), rows[i].ends);
        p.as_file = true;
        bare = render(&p);
        assert_memory_equal(bare, "$ErrorActionPreference", 22);
        assert_null(strstr(bare, "powershell>"));
    }
}

static void test_bootstrap_windows__clouds_without_windows_say_which_have_it(void **state)
{
    static const char *const clouds[] = {"digitalocean", "vast_ai", "on_prem"};
    AUTO_SECRET struct secret *jit = secret_new("x", 1);
    struct secret *s = NULL;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(clouds); i++) {
        struct bootstrap_params p = params(jit);

        p.cloud = clouds[i];
        assert_fails(bootstrap_render(&p, MAX, &s, &e), ERR_INVALID,
                     "boots no Windows machines; aws, azure, gcp, openstack and oracle do", e);
    }
}

static void test_bootstrap_windows__its_account_folder_and_desktop_are_chosen_and_checked(void **state)
{
    static const struct {
        const char *json, *because;
    } bad[] = {
        {"{\"runner_user\":\"a b\"}", "runner_user"},
        {"{\"runner_user\":\"\"}", "runner_user"},
        {"{\"runner_user\":\"SYSTEM\"}", "not SYSTEM"},
        {"{\"runner_user\":\"ends.\"}", "runner_user"},
        {"{\"runner_user\":\"a-name-of-21-letters-x\"}", "runner_user"},
        {"{\"runner_user\":\"x';y\"}", "runner_user"},
        {"{\"runner_user\":5}", "extra_config"},
        {"{\"runner_path\":\"r\"}", "runner_path"},
        {"{\"runner_path\":\"C:/r\"}", "runner_path"},
        {"{\"runner_path\":\"C:\\\\\"}", "runner_path"},
        {"{\"runner_path\":\"C:\\\\a\\\\\"}", "runner_path"},
        {"{\"runner_path\":\"C:\\\\a\\\\..\\\\Windows\"}", "runner_path"},
        {"{\"runner_path\":\"\\\\\\\\host\\\\share\"}", "runner_path"},
        {"{\"runner_path\":\"C:\\\\a'b\"}", "runner_path"},
        {"{\"runner_path\":\"C:\\\\a b\"}", "runner_path"},
        {"{\"run_as\":\"desktop\"}", "it can be interactive or service"},
    };
    AUTO_SECRET struct secret *jit = secret_new("x", 1);
    AUTO_JSON json_t *good = json_pack("{s:s, s:s, s:s}", "run_as", "interactive", "runner_user", "build.er-1",
                                       "runner_path", "D:\\work\\r");
    struct bootstrap_params p = params(jit);
    AUTO_FREE char *text = NULL;
    struct secret *s = NULL;
    struct err e;

    (void)state;
    p.extra = good;
    text = render(&p);
    assert_variable(text, "MusterUser", "build.er-1");
    assert_variable(text, "MusterPath", "D:\\work\\r");
    assert_non_null(strstr(text, "\n$MusterInteractive = 1\n"));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_JSON json_t *extra = NULL;

        assert_ok(js_parse(bad[i].json, strlen(bad[i].json), &extra, &e), e);
        p.extra = extra;
        assert_fails(bootstrap_render(&p, MAX, &s, &e), ERR_INVALID, bad[i].because, e);
    }
}

static void test_bootstrap_windows__gpus_are_asked_for_as_on_linux(void **state)
{
    AUTO_SECRET struct secret *jit = secret_new("x", 1);
    struct bootstrap_params p = params(jit);
    AUTO_FREE char *text = NULL;

    (void)state;
    p.gpu = "t4";
    p.gpu_memory_gb = 16;
    text = render(&p);
    assert_non_null(strstr(text, "\n$MusterGpus = 1\n$MusterGpuMemory = 16\n"));
}

static void test_bootstrap_windows__a_configuration_as_large_as_githubs_fits_into_the_smallest_limit(void **state)
{
    char text[5 * 1024];
    AUTO_SECRET struct secret *jit = NULL, *script = NULL;
    struct bootstrap_params p = params(NULL);
    struct err e = {0};

    (void)state;
    memset(text, 'Q', sizeof(text));
    jit = secret_new(text, sizeof(text));
    p.jit = jit;
    p.cloud = "aws";
    assert_ok(bootstrap_render(&p, 16384, &script, &e), e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bootstrap_windows__every_parameter_is_a_literal_of_its_own),
        cmocka_unit_test(test_bootstrap_windows__variables_of_the_repository_are_data),
        cmocka_unit_test(test_bootstrap_windows__what_set_up_job_shows_is_data),
        cmocka_unit_test(test_bootstrap_windows__each_cloud_gets_what_it_runs),
        cmocka_unit_test(test_bootstrap_windows__clouds_without_windows_say_which_have_it),
        cmocka_unit_test(test_bootstrap_windows__its_account_folder_and_desktop_are_chosen_and_checked),
        cmocka_unit_test(test_bootstrap_windows__gpus_are_asked_for_as_on_linux),
        cmocka_unit_test(test_bootstrap_windows__a_configuration_as_large_as_githubs_fits_into_the_smallest_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
