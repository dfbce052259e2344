/* What /api/v1/agent refuses, over real sockets, and what never reaches the log. */
#include "providers/common/agent_hub.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "tests/support/intake.h"
#include "tests/support/unit.h"
#include "tests/support/webclient.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATH "/api/v1/agent"
#define TOKEN "a token of agents"
#define BEARER "Authorization: Bearer " TOKEN "\r\n"
#define ME "\"agent\":{\"id\":\"id-1\",\"hostname\":\"host-1\",\"os\":\"linux\",\"arch\":\"x86_64\"}"
#define POLL "{" ME "}"
#define NOTHING "{\"runners_to_provision\":[],\"runners_to_delete\":[]}"

struct bed {
    struct secret *token;
    struct agent_hub *hub;
    struct intake *intake;
};

static int setup(void **state)
{
    static struct bed b; /* one group, one bed */

    b.token = secret_new(TOKEN, strlen(TOKEN));
    b.hub = agent_hub_new("muster");
    b.intake = intake_start(INTAKE_AT_ONCE, &(struct api_conf){.agents = b.hub,
                                                               .agent_token = b.token,
                                                               .admin_listen = "127.0.0.1:0",
                                                               .max_body = 1024 * 1024,
                                                               .max_bodies = 2 * 1024 * 1024});
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;

    intake_free(b->intake);
    agent_hub_free(b->hub);
    secret_free(b->token);
    return 0;
}

static int ask(struct bed *b, const char *method, const char *headers, const char *body, struct web_answer *a)
{
    const struct web_request r = {.method = method,
                                  .path = PATH,
                                  .headers = headers,
                                  .type = "application/json",
                                  .body = body,
                                  .len = strlen(body)};

    return web_ask(intake_port(b->intake), &r, a);
}

static void expect(struct bed *b, const char *method, const char *body, int code, const char *piece)
{
    struct web_answer a = {0};

    assert_int_equal(ask(b, method, BEARER, body, &a), code);
    if (strstr(a.body, piece) == NULL)
        fail_msg("expected \"%s\" in the answer %s", piece, a.body);
    assert_true(web_has_header(&a, "Content-Type: application/json"));
}

static void test_agent_refusals__get_and_post_with_the_token_are_answered(void **state)
{
    expect(*state, "GET", POLL, 200, NOTHING);
    expect(*state, "POST", "{" ME ",\"vms\":[]}", 200, NOTHING);
    expect(*state, "POST", "{" ME ",\"vms\":[{\"name\":\"cirun-x\",\"cpu\":2.5,\"new\":{}}],\"more\":1}", 200, NOTHING);
    expect(*state, "POST", "{" ME ",\"provision_failure\":{\"runner_name\":\"r\",\"error\":\"\",\"attempt\":1}}", 200,
           NOTHING);
}

static void test_agent_refusals__several_polls_go_over_one_connection(void **state)
{
    struct bed *b = *state;
    const struct web_request r = {.method = "GET", .path = PATH, .headers = BEARER, .body = POLL, .len = strlen(POLL)};
    AUTO_BUF struct buf text = BUF_INIT(4096);
    struct web_answer a;
    struct web w;

    web_write_request(&text, &r);
    web_open(&w, intake_port(b->intake));
    for (int i = 0; i < 3; i++) {
        web_send(&w, text.p, text.len);
        assert_int_equal(web_read(&w, &a), 0);
        assert_int_equal(a.code, 200);
    }
    web_close(&w);
}

static void test_agent_refusals__without_the_token_nothing_is_said(void **state)
{
    static const char *const wrong[] = {"",
                                        "Authorization: Bearer a token of agent\r\n",
                                        "Authorization: Bearer a token of agents2\r\n",
                                        "Authorization: Bearer \r\n",
                                        "Authorization: a token of agents\r\n",
                                        "Authorization: Basic YTpi\r\n"};
    struct bed *b = *state;
    struct web_answer a;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(ask(b, "GET", wrong[i], POLL, &a), 401);
        assert_true(web_has_header(&a, "WWW-Authenticate: Bearer"));
        assert_non_null(strstr(a.body, "the agent token is missing or wrong"));
        assert_null(strstr(a.body, TOKEN));
        assert_int_equal(ask(b, "POST", wrong[i], "{" ME ",\"vms\":[]}", &a), 401);
    }
}

static void test_agent_refusals__without_a_token_in_the_settings_there_is_nothing_here(void **state)
{
    struct bed none = {.intake = intake_start(INTAKE_AT_ONCE, &(struct api_conf){0})};
    struct web_answer a;

    (void)state;
    assert_int_equal(ask(&none, "GET", BEARER, POLL, &a), 404);
    assert_int_equal(ask(&none, "POST", BEARER, POLL, &a), 404);
    intake_free(none.intake);
}

static void test_agent_refusals__other_methods_and_the_admin_listener_are_refused(void **state)
{
    struct bed *b = *state;
    const struct web_request r = {.method = "GET", .path = PATH, .headers = BEARER, .body = POLL, .len = strlen(POLL)};
    struct web_answer a;

    assert_int_equal(ask(b, "PUT", BEARER, POLL, &a), 405);
    assert_true(web_has_header(&a, "Allow: GET, POST"));
    assert_int_equal(ask(b, "DELETE", BEARER, POLL, &a), 405);
    assert_int_equal(web_ask(intake_admin_port(b->intake), &r, &a), 404);
}

static void test_agent_refusals__what_is_wrong_is_named_by_its_path(void **state)
{
    static const struct {
        const char *method, *body, *piece;
    } bad[] = {
        {"GET", "", "the body is empty"},
        {"GET", "Hello", "line 1"},
        {"GET", "{}", "agent"},
        {"GET", "[]", "agent"},
        {"GET", "{" ME "} ,", "line 1"},
        {"GET", "{" ME "," ME "}", "duplicate"},
        {"GET", "{\"agent\":{\"id\":\"a\",\"hostname\":\"b\",\"os\":\"c\"}}", "agent.arch"},
        {"GET", "{\"agent\":{\"id\":1,\"hostname\":\"b\",\"os\":\"c\",\"arch\":\"d\"}}", "agent.id"},
        {"GET", "{\"agent\":{\"id\":\"a b\",\"hostname\":\"b\",\"os\":\"c\",\"arch\":\"d\"}}", "agent.id: holds"},
        {"GET", "{\"agent\":{\"id\":\"a\\u0000b\",\"hostname\":\"b\",\"os\":\"c\",\"arch\":\"d\"}}", "line 1"},
        {"POST", "{" ME "}", "vms"},
        {"POST", "{" ME ",\"vms\":{}}", "vms"},
        {"POST", "{" ME ",\"vms\":[{}]}", "vms.0: name"},
        {"POST", "{" ME ",\"vms\":[{\"name\":\"a\"},{\"name\":null}]}", "vms.1: name"},
        {"POST", "{" ME ",\"vms\":[\"a\"]}", "vms.0"},
        {"POST", "{" ME ",\"provision_failure\":[]}", "provision_failure"},
        {"POST", "{" ME ",\"provision_failure\":{\"runner_name\":\"a\",\"error\":\"b\",\"attempt\":\"1\"}}",
         "provision_failure: attempt"},
        {"POST", "{" ME ",\"provision_failure\":{\"runner_name\":\"a\",\"attempt\":1}}", "provision_failure: error"},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect(*state, bad[i].method, bad[i].body, 400, bad[i].piece);
}

static void test_agent_refusals__a_report_of_too_many_vms_is_refused(void **state)
{
    AUTO_BUF struct buf body = BUF_INIT(200 * 1024);

    buf_adds(&body, "{" ME ",\"vms\":[");
    for (int i = 0; i <= AGENT_VMS_MAX; i++)
        buf_addf(&body, "%s{\"name\":\"cirun-%d\"}", i > 0 ? "," : "", i);
    buf_adds(&body, "]}");
    expect(*state, "POST", body.p, 400, "vms: 1025 entries; at most 1024 are allowed");
}

/* A body of so many bytes, in one of two ways. */
static int ask_large(struct bed *b, const char *method, size_t len, bool chunked, struct web_answer *a)
{
    AUTO_FREE char *body = mem_zalloc(len + 1);
    struct web_request r = {.method = method, .path = PATH, .headers = BEARER, .chunked = chunked};

    memset(body, ' ', len);
    memcpy(body, POLL, strlen(POLL));
    r.body = body;
    r.len = len;
    return web_ask(intake_port(b->intake), &r, a);
}

static void test_agent_refusals__a_body_over_the_ceiling_is_refused(void **state)
{
    struct web_answer a;

    assert_int_equal(ask_large(*state, "GET", 256 * 1024, false, &a), 200);
    assert_int_equal(ask_large(*state, "GET", 256 * 1024, true, &a), 200);
    assert_int_equal(ask_large(*state, "GET", 256 * 1024 + 1, false, &a), 413);
    assert_int_equal(ask_large(*state, "POST", 256 * 1024 + 1, true, &a), 413);
    assert_int_equal(ask_large(*state, "GET", 400 * 1024, true, &a), 413);
}

static void test_agent_refusals__a_body_that_says_it_is_too_large_is_not_waited_for(void **state)
{
    struct bed *b = *state;
    struct web_answer a;
    struct web w;

    web_open(&w, intake_port(b->intake));
    web_sends(&w, "GET " PATH " HTTP/1.1\r\nHost: x\r\n" BEARER "Content-Length: 262145\r\n\r\n");
    assert_int_equal(web_read(&w, &a), 0);
    assert_int_equal(a.code, 413);
    web_close(&w);
}

static void test_agent_refusals__bodies_are_counted_and_given_back(void **state)
{
    struct bed *b = *state;
    const struct web_request metrics = {.method = "GET", .path = "/metrics"};
    struct web_answer a;

    assert_int_equal(ask_large(b, "GET", 200 * 1024, false, &a), 200);
    assert_int_equal(web_ask(intake_admin_port(b->intake), &metrics, &a), 200);
    assert_non_null(strstr(a.body, "muster_body_bytes 0\n"));
    assert_non_null(strstr(a.body, "muster_agents 1\n"));
    assert_non_null(strstr(a.body, "muster_agent_requests_total{code=\"200\"} "));
}

/* What the server writes while `act` is done, under a bed of its own. */
static char *log_of(void (*act)(struct bed *b))
{
    char path[] = "/tmp/muster-agent-log-XXXXXX";
    struct bed b = {.token = secret_new(TOKEN, strlen(TOKEN)), .hub = agent_hub_new("muster")};
    int fd = mkstemp(path);
    char *text = mem_zalloc(64 * 1024);

    assert_true(fd >= 0);
    (void)unlink(path);
    log_set_fd(fd);
    b.intake = intake_start(INTAKE_AT_ONCE, &(struct api_conf){.agents = b.hub, .agent_token = b.token});
    log_set_level(LOG_DEBUG);
    act(&b);
    intake_free(b.intake);
    log_set_level(LOG_NONE);
    log_set_fd(STDERR_FILENO);
    assert_true(pread(fd, text, 64 * 1024 - 1, 0) > 0);
    close(fd);
    agent_hub_free(b.hub);
    secret_free(b.token);
    return text;
}

static void say_everything(struct bed *b)
{
    AUTO_SECRET struct secret *script = secret_new("one-time credential", 19);
    AUTO_SECRET struct secret *password = secret_new("hunter22", 8);
    struct web_answer a;
    const struct agent_want w = {.machine = "muster-1",
                                 .script = script,
                                 .host_os = "linux",
                                 .image = "ubuntu",
                                 .guest_os = "linux",
                                 .cpus = 1,
                                 .memory_gb = 1,
                                 .disk_gb = 1,
                                 .login_user = "cirun",
                                 .login_password = password,
                                 .first_try = true};
    struct err e;

    expect(b, "GET", POLL, 200, NOTHING);
    assert_ok(agent_hub_want(b->hub, &w, &e), e);
    expect(b, "GET", POLL, 200, "one-time credential");
    expect(b, "POST",
           "{" ME ",\"provision_failure\":{\"runner_name\":\"cirun-74cd18c0-muster-1\",\"error\":\"ssh hunter22 "
           "refused\",\"attempt\":1}}",
           200, "[]");
    expect(b, "POST", "{" ME ",\"vms\":[{\"name\":\"hunter22\"}, 1]}", 400, "vms.1");
    assert_int_equal(ask(b, "GET", "Authorization: Bearer almost " TOKEN "\r\n", POLL, &a), 401);
}

static void test_agent_refusals__the_log_tells_of_agents_and_of_no_secret(void **state)
{
    AUTO_FREE char *text = log_of(say_everything);

    (void)state;
    assert_non_null(strstr(text, "\"agent.connected\""));
    assert_non_null(strstr(text, "\"agent\":\"host-1\""));
    assert_non_null(strstr(text, "\"agent.failed\""));
    assert_non_null(strstr(text, "\"machine\":\"muster-1\""));
    assert_non_null(strstr(text, "\"agent.refused\""));
    assert_null(strstr(text, "credential"));
    assert_null(strstr(text, "hunter22"));
    assert_null(strstr(text, TOKEN));
}

static void flood(struct bed *b)
{
    struct web_answer a;

    for (int i = 0; i < 60; i++)
        assert_int_equal(ask(b, "GET", "", POLL, &a), 401);
}

static void test_agent_refusals__a_flood_of_them_is_no_flood_of_lines(void **state)
{
    AUTO_FREE char *text = log_of(flood);
    size_t lines = 0;

    (void)state;
    for (const char *p = text; (p = strstr(p, "agent.refused")) != NULL; p++)
        lines++;
    assert_true(lines >= 1 && lines <= 40); /* ten a second, over at most a few seconds */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agent_refusals__get_and_post_with_the_token_are_answered),
        cmocka_unit_test(test_agent_refusals__several_polls_go_over_one_connection),
        cmocka_unit_test(test_agent_refusals__without_the_token_nothing_is_said),
        cmocka_unit_test(test_agent_refusals__without_a_token_in_the_settings_there_is_nothing_here),
        cmocka_unit_test(test_agent_refusals__other_methods_and_the_admin_listener_are_refused),
        cmocka_unit_test(test_agent_refusals__what_is_wrong_is_named_by_its_path),
        cmocka_unit_test(test_agent_refusals__a_report_of_too_many_vms_is_refused),
        cmocka_unit_test(test_agent_refusals__a_body_over_the_ceiling_is_refused),
        cmocka_unit_test(test_agent_refusals__a_body_that_says_it_is_too_large_is_not_waited_for),
        cmocka_unit_test(test_agent_refusals__bodies_are_counted_and_given_back),
        cmocka_unit_test(test_agent_refusals__the_log_tells_of_agents_and_of_no_secret),
        cmocka_unit_test(test_agent_refusals__a_flood_of_them_is_no_flood_of_lines),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
