#include "server/github/event.h"

#include "server/base/mem.h"
#include "tests/support/payload.h"
#include "tests/support/unit.h"

#include <stdio.h>

#define NOW 1700000000000

/* The least payload that is a job; each %s is one value as JSON. */
#define FORM                                                                                                           \
    "{\"action\":%s,\"workflow_job\":{\"id\":%s,\"run_id\":7,\"head_sha\":%s,\"labels\":%s%s},"                        \
    "\"repository\":{\"id\":5,\"full_name\":%s}}"

struct parts {
    const char *action, *id, *sha, *labels, *more, *repo;
};

#define SHA "\"0123456789abcdef0123456789abcdef01234567\""

static const char *or_default(const char *s, const char *def)
{
    return s != NULL ? s : def;
}

static int parse(const struct parts *p, enum event_verdict *verdict, struct job *j, struct err *e)
{
    AUTO_BUF struct buf text = BUF_INIT(256 * 1024);

    buf_addf(&text, FORM, or_default(p->action, "\"queued\""), or_default(p->id, "9"), or_default(p->sha, SHA),
             or_default(p->labels, "[\"cirun-gpu\"]"), or_default(p->more, ""), or_default(p->repo, "\"acme/model\""));
    return event_parse("workflow_job", text.p, text.len, NOW, verdict, j, e);
}

static void expect_job(const struct parts *p, struct job *j)
{
    enum event_verdict verdict;
    struct err e;

    assert_ok(parse(p, &verdict, j, &e), e);
    assert_int_equal(verdict, EVENT_JOB);
}

static void expect_invalid(const struct parts *p, const char *piece)
{
    enum event_verdict verdict = EVENT_JOB;
    struct job j = {.id = 77};
    struct err e;

    assert_fails(parse(p, &verdict, &j, &e), ERR_INVALID, piece, e);
    assert_int_equal(j.id, 77); /* untouched */
    assert_null(j.repo);
}

static void expect_ignored(const struct parts *p)
{
    enum event_verdict verdict = EVENT_JOB;
    struct job j = {0};
    struct err e;

    assert_ok(parse(p, &verdict, &j, &e), e);
    assert_int_equal(verdict, EVENT_IGNORED);
    assert_null(j.repo);
}

static void test_event__every_field_of_a_full_payload_is_read(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(64 * 1024);
    const struct payload p = {.action = "completed", .runner = "muster-01", .job_id = PAYLOAD_FIRST_ID, .run_id = 42};
    enum event_verdict verdict;
    AUTO_JOB struct job j = {0};
    struct err e;

    (void)state;
    payload_write(&text, &p);
    assert_ok(event_parse("workflow_job", text.p, text.len, NOW, &verdict, &j, &e), e);
    assert_int_equal(verdict, EVENT_JOB);
    assert_int_equal(j.id, PAYLOAD_FIRST_ID);
    assert_int_equal(j.run_id, 42);
    assert_int_equal(j.run_attempt, 1);
    assert_int_equal(j.repo_id, 186853002);
    assert_int_equal(j.installation_id, 3456996);
    assert_int_equal(j.state, JOB_DONE);
    assert_int_equal(j.want, WANT_UNDECIDED);
    assert_int_equal(j.queued_ms, 1714558830000);
    assert_int_equal(j.updated_ms, NOW);
    assert_string_equal(j.repo, "acme/model");
    assert_string_equal(j.default_branch, "main");
    assert_string_equal(j.head_sha, "0123456789abcdef0123456789abcdef01234567");
    assert_string_equal(j.name, "train (gpu)");
    assert_string_equal(j.workflow_name, "Train");
    assert_string_equal(j.labels_json, "[\"self-hosted\",\"cirun-gpu\"]");
    assert_string_equal(j.label_key, "cirun-gpu,self-hosted");
    assert_string_equal(j.runner_name, "muster-01");
    assert_string_equal(j.conclusion, "success");
}

static void test_event__what_old_payloads_lack_has_its_default(void **state)
{
    AUTO_JOB struct job j = {0};

    (void)state;
    expect_job(&(struct parts){0}, &j);
    assert_int_equal(j.run_attempt, 1);
    assert_int_equal(j.installation_id, 0);
    assert_int_equal(j.queued_ms, NOW);
    assert_null(j.default_branch);
    assert_null(j.name);
    assert_null(j.runner_name);
    assert_null(j.conclusion);
}

static void test_event__the_action_decides_the_state_and_nothing_else(void **state)
{
    static const struct {
        const char *action;
        enum job_state state;
    } cases[] = {{"\"waiting\"", JOB_WAITING},
                 {"\"queued\"", JOB_QUEUED},
                 {"\"in_progress\"", JOB_RUNNING},
                 {"\"completed\"", JOB_DONE}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_JOB struct job j = {0};

        expect_job(&(struct parts){.action = cases[i].action, .more = ",\"status\":\"completed\""}, &j);
        assert_int_equal(j.state, cases[i].state);
    }
    expect_ignored(&(struct parts){.action = "\"requested\""});
    expect_ignored(&(struct parts){.action = "\"QUEUED\""});
    expect_ignored(&(struct parts){.action = "\"\""});
}

static void test_event__a_queued_job_has_no_runner_whatever_the_payload_says(void **state)
{
    AUTO_JOB struct job queued = {0};
    AUTO_JOB struct job running = {0};
    AUTO_JOB struct job cancelled = {0};

    (void)state;
    expect_job(&(struct parts){.more = ",\"runner_name\":\"left over\""}, &queued);
    assert_null(queued.runner_name);
    expect_job(&(struct parts){.action = "\"in_progress\"", .more = ",\"runner_name\":\"muster-7\""}, &running);
    assert_string_equal(running.runner_name, "muster-7");
    expect_job(&(struct parts){.action = "\"completed\"", .more = ",\"runner_name\":\"\",\"conclusion\":\"cancelled\""},
               &cancelled);
    assert_null(cancelled.runner_name);
    assert_string_equal(cancelled.conclusion, "cancelled");
}

static void test_event__other_events_are_ignored_once_they_are_json(void **state)
{
    static const char *const names[] = {"ping", "push", "installation", "workflow_jobs", ""};
    enum event_verdict verdict = EVENT_JOB;
    struct job j = {0};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_ok(event_parse(names[i], "{\"zen\":1}", 9, NOW, &verdict, &j, &e), e);
        assert_int_equal(verdict, EVENT_IGNORED);
        assert_fails(event_parse(names[i], "{\"zen\":1", 8, NOW, &verdict, &j, &e), ERR_INVALID, "not JSON", e);
    }
}

static void test_event__what_is_not_json_is_refused(void **state)
{
    static const char *const texts[] = {"", "Hello, World!", "{\"x\":\"a\x01\"}", "{} {}", "{\"a\":01}", "\xff"};
    enum event_verdict verdict;
    struct job j = {0};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_fails(event_parse("workflow_job", texts[i], strlen(texts[i]), NOW, &verdict, &j, &e), ERR_INVALID,
                     "not JSON", e);
    assert_fails(event_parse("workflow_job", "[]", 2, NOW, &verdict, &j, &e), ERR_INVALID, "action: missing", e);
}

static void test_event__missing_and_ill_typed_fields_are_named(void **state)
{
    (void)state;
    expect_invalid(&(struct parts){.action = "null"}, "action: expected a string");
    expect_invalid(&(struct parts){.id = "\"9\""}, "workflow_job.id: expected a whole number, found a string");
    expect_invalid(&(struct parts){.id = "null"}, "workflow_job.id");
    expect_invalid(&(struct parts){.id = "9.5"}, "workflow_job.id");
    expect_invalid(&(struct parts){.id = "0"}, "workflow_job.id: expected a positive number");
    expect_invalid(&(struct parts){.id = "-9"}, "workflow_job.id");
    expect_invalid(&(struct parts){.id = "9223372036854775808"}, "workflow_job.id");
    expect_invalid(&(struct parts){.labels = "\"gpu\""}, "workflow_job.labels: expected a list");
    expect_invalid(&(struct parts){.labels = "[1]"}, "workflow_job.labels: item 0: expected a string");
    expect_invalid(&(struct parts){.more = ",\"run_attempt\":\"1\""}, "workflow_job.run_attempt");
    expect_invalid(&(struct parts){.more = ",\"name\":1"}, "workflow_job.name: expected a string");
    expect_invalid(&(struct parts){.more = ",\"created_at\":\"yesterday\""}, "workflow_job.created_at");
    expect_invalid(&(struct parts){.repo = "null"}, "repository.full_name: expected a string");
}

static void test_event__only_owner_and_name_in_githubs_alphabet_become_part_of_urls(void **state)
{
    static const char *const bad[] = {"\"acme\"",          "\"acme/\"",      "\"/model\"",      "\"acme/mo/del\"",
                                      "\"acme/..\"",       "\"acme/.\"",     "\"acme/a b\"",    "\"acme/a?b\"",
                                      "\"acme/a#b\"",      "\"acme/a%2fb\"", "\"ac.me/model\"", "\"\"",
                                      "\"acme/m\\u00f6\"", "\"acme/a\\nb\"", "\"../model\"",    "\"acme/a\\\\b\""};
    static const char *const good[] = {"\"a/b\"", "\"Acme-1/Model_2.x\"", "\"user_corp/.github\"", "\"a/...\""};
    char longest[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect_invalid(&(struct parts){.repo = bad[i]}, "repository.full_name: expected owner/name");
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        AUTO_JOB struct job j = {0};

        expect_job(&(struct parts){.repo = good[i]}, &j);
        assert_memory_equal(j.repo, good[i] + 1, strlen(j.repo));
    }
    (void)snprintf(longest, sizeof(longest), "\"a/%0*d\"", 199, 1);
    expect_invalid(&(struct parts){.repo = longest}, "repository.full_name");
}

static void test_event__a_commit_is_40_or_64_hexadecimal_digits(void **state)
{
    AUTO_JOB struct job j = {0};
    char sha256[72];

    (void)state;
    (void)snprintf(sha256, sizeof(sha256), "\"%064d\"", 7);
    expect_job(&(struct parts){.sha = sha256}, &j);
    expect_invalid(&(struct parts){.sha = "\"main\""}, "workflow_job.head_sha: expected 40 or 64");
    expect_invalid(&(struct parts){.sha = "\"0123456789abcdef0123456789abcdef0123456\""}, "workflow_job.head_sha");
    expect_invalid(&(struct parts){.sha = "\"0123456789abcdef0123456789abcdef0123456g\""}, "workflow_job.head_sha");
    expect_invalid(&(struct parts){.sha = "null"}, "workflow_job.head_sha");
}

static void test_event__names_are_cut_between_two_characters(void **state)
{
    AUTO_BUF struct buf more = BUF_INIT(4096);
    AUTO_JOB struct job j = {0};

    (void)state;
    buf_adds(&more, ",\"name\":\"x");
    for (int i = 0; i < 600; i++)
        buf_adds(&more, "\xc3\xa9");
    buf_addc(&more, '"');
    expect_job(&(struct parts){.more = more.p}, &j);
    assert_int_equal(strlen(j.name), 1023); /* 1 + 2 * 511: the 512th would end at 1,025 */
}

static void expect_key(const char *labels, const char *key)
{
    AUTO_JOB struct job j = {0};

    expect_job(&(struct parts){.labels = labels}, &j);
    assert_string_equal(j.label_key, key);
}

static void test_event__equal_label_sets_have_equal_keys(void **state)
{
    (void)state;
    expect_key("[\"self-hosted\",\"Linux\",\"GPU\"]", "gpu,linux,self-hosted");
    expect_key("[\"GPU\", \"self-hosted\",\n\"linux\",\"gpu\"]", "gpu,linux,self-hosted");
    expect_key("[\"cirun-gpu--123\"]", "cirun-gpu--123");
    expect_key("[\"a\\u002db\"]", "a-b");
}

static void test_event__different_label_sets_never_share_a_key(void **state)
{
    (void)state;
    expect_key("[\"a,b\"]", "a\\,b");
    expect_key("[\"a\",\"b\"]", "a,b");
    expect_key("[\"a\\\\\",\"b\"]", "a\\\\,b");
    expect_key("[\"a\\n\"]", "a\\x0a");
    expect_key("[\"a\\\\x0a\"]", "a\\\\x0a");
}

static void test_event__labels_over_any_sensible_size_are_kept_or_refused(void **state)
{
    AUTO_BUF struct buf many = BUF_INIT(64 * 1024);
    AUTO_BUF struct buf one = BUF_INIT(64 * 1024);
    AUTO_JOB struct job j = {0};

    (void)state;
    buf_adds(&one, "[\"");
    for (int i = 0; i < 300; i++)
        buf_addc(&one, 'L');
    buf_adds(&one, "\"]");
    expect_job(&(struct parts){.labels = one.p}, &j);
    assert_int_equal(strlen(j.label_key), 300);
    buf_adds(&many, "[\"l\"");
    for (int i = 0; i < 100; i++)
        buf_addf(&many, ",\"l%d\"", i);
    buf_addc(&many, ']');
    expect_invalid(&(struct parts){.labels = many.p}, "workflow_job.labels: more than 100 labels");
    buf_reset(&many);
    buf_addf(&many, "[\"%040000d\"]", 1);
    expect_invalid(&(struct parts){.labels = many.p}, "workflow_job.labels: longer than");
}

static void test_event__jobs_for_githubs_own_runners_want_nothing(void **state)
{
    static const char *const none[] = {"[]", "[\"ubuntu-latest\"]", "[\"UBUNTU-22.04\"]",
                                       "[\"macos-14\",\"macos-15\"]"};
    static const char *const ours[] = {"[\"ubuntu-latest\",\"gpu\"]", "[\"self-hosted\"]", "[\"ubuntu-latest-8\"]"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        AUTO_JOB struct job j = {0};

        expect_job(&(struct parts){.labels = none[i]}, &j);
        assert_int_equal(j.want, WANT_NOTHING);
    }
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        AUTO_JOB struct job j = {0};

        expect_job(&(struct parts){.labels = ours[i]}, &j);
        assert_int_equal(j.want, WANT_UNDECIDED);
    }
    expect_ignored(&(struct parts){.labels = "[\"gpu\",null]"});
    expect_ignored(&(struct parts){.labels = "[null]"});
}

static void test_event__hosted_labels_are_told_from_others(void **state)
{
    static const char *const hosted[] = {
        "ubuntu-latest",  "ubuntu-slim",    "ubuntu-22.04",        "ubuntu-24.04-arm",    "windows-latest",
        "windows-2022",   "windows-2025",   "windows-2025-vs2026", "windows-11-arm",      "macos-latest",
        "macos-13",       "macos-14-large", "macos-latest-large",  "macos-latest-xlarge", "macos-15-xlarge",
        "macos-15-intel", "Ubuntu-Latest"};
    static const char *const others[] = {"ubuntu",
                                         "ubuntu-",
                                         "ubuntu-2204",
                                         "ubuntu-22.04-gpu",
                                         "ubuntu-24.04-arm64",
                                         "ubuntu-latest-4",
                                         "windows-11",
                                         "windows-20222",
                                         "windows-2025-vs",
                                         "macos",
                                         "macos-1",
                                         "macos-latest-intel",
                                         "macos-14-huge",
                                         "linux",
                                         "self-hosted",
                                         "",
                                         "cirun-ubuntu-latest",
                                         "ubuntu-latest--1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hosted); i++) {
        if (!event_label_is_hosted(hosted[i]))
            fail_msg("%s is GitHub's", hosted[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (event_label_is_hosted(others[i]))
            fail_msg("%s is not GitHub's", others[i]);
    }
}

static void test_event__a_form_gives_the_json_of_its_payload(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(1024);
    static const char body[] = "payload=%7B%22n%22%3A%22a%2Bb+c%22%7D";
    struct err e;

    (void)state;
    assert_ok(event_form_payload(body, strlen(body), &out, &e), e);
    assert_string_equal(out.p, "{\"n\":\"a+b c\"}");
}

static void test_event__any_other_form_is_refused(void **state)
{
    static const char *const bad[] = {
        "", "payload", "Payload=%7B%7D", "x=1&payload=%7B%7D", "payload=%7B%7D&x=1", "payload=%7", "payload=%zz"};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_BUF struct buf out = BUF_INIT(1024);

        assert_fails(event_form_payload(bad[i], strlen(bad[i]), &out, &e), ERR_INVALID, "payload", e);
    }
}

/* Cut and damaged texts must be refused or ignored without reading past the end (sanitizers watch). */
static void test_event__damaged_payloads_never_pass_for_another_job(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(64 * 1024);
    uint64_t seed = 7;
    size_t refused = 0;

    (void)state;
    payload_write(&text, &(struct payload){.job_id = PAYLOAD_FIRST_ID, .run_id = 42});
    for (int i = 0; i < 4000; i++) {
        AUTO_FREE char *copy = malloc(text.len);
        size_t len = i % 2 == 0 ? unit_random(&seed) % text.len : text.len;
        enum event_verdict verdict;
        AUTO_JOB struct job j = {0};
        struct err e;

        memcpy(copy, text.p, text.len);
        copy[unit_random(&seed) % text.len] = (char)unit_random(&seed);
        if (event_parse("workflow_job", copy, len, NOW, &verdict, &j, &e) != 0)
            refused++;
        else
            assert_int_equal(len, text.len); /* nothing cut short is whole */
    }
    assert_true(refused >= 2000);
}

/* --- push -------------------------------------------------------------------------------------------------------- */

static int parse_push(const char *ref, const char *files, enum event_verdict *verdict, struct job *j, struct err *e)
{
    AUTO_BUF struct buf text = BUF_INIT(4096);

    buf_addf(&text,
             "{\"ref\":\"%s\",\"commits\":[{\"added\":[],\"modified\":[%s],\"removed\":[]}],\"repository\":{\"id\":5,"
             "\"full_name\":\"acme/model\",\"default_branch\":\"main\"},\"installation\":{\"id\":3}}",
             ref, files);
    return event_parse("push", text.p, text.len, NOW, verdict, j, e);
}

static void test_event__a_push_to_the_default_branch_names_its_repository_and_our_file(void **state)
{
    enum event_verdict verdict = EVENT_IGNORED;
    AUTO_JOB struct job j = {0};
    struct err e;

    (void)state;
    assert_ok(parse_push("refs/heads/main", "\"a.c\",\".cirun.yml\"", &verdict, &j, &e), e);
    assert_int_equal(verdict, EVENT_PUSH);
    assert_true(j.id == 0 && j.repo_id == 5 && j.installation_id == 3);
    assert_string_equal(j.repo, "acme/model");
    assert_string_equal(j.name, ".cirun.yml");
    job_clear(&j);
    assert_ok(parse_push("refs/heads/main", "\"docs/x.cirun.yml\"", &verdict, &j, &e), e);
    assert_int_equal(verdict, EVENT_PUSH);
    assert_null(j.name);
}

static void test_event__a_push_elsewhere_is_nothing_to_us(void **state)
{
    static const char *const refs[] = {"refs/heads/mains", "refs/heads/mai", "refs/tags/main", "main",
                                       "refs/heads/feature/main"};
    AUTO_JOB struct job j = {0};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refs); i++) {
        enum event_verdict verdict = EVENT_PUSH;

        assert_ok(parse_push(refs[i], "\".cirun.yml\"", &verdict, &j, &e), e);
        assert_int_equal(verdict, EVENT_IGNORED);
        assert_null(j.repo);
    }
}

/* Exact forms that were seen or that the schemas allow: none is refused, since GitHub would then send it again. */
static void test_event__an_event_about_no_job_at_all_is_ignored(void **state)
{
    static const char *const bodies[] = {
        "{\"action\":\"completed\",\"workflow_job\":null,\"repository\":{\"id\":5,\"full_name\":\"acme/model\"}}",
        "{\"action\":\"queued\",\"workflow_job\":null}",
        "{\"action\":\"startup_failure\",\"workflow_job\":null,\"repository\":null,\"installation\":null}",
    };
    enum event_verdict verdict;
    struct job j = {0};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        verdict = EVENT_JOB;
        assert_ok(event_parse("workflow_job", bodies[i], strlen(bodies[i]), NOW, &verdict, &j, &e), e);
        assert_int_equal(verdict, EVENT_IGNORED);
        assert_null(j.repo);
    }
}

static void test_event__a_run_that_never_started_ends_its_job_with_no_runner(void **state)
{
    AUTO_JOB struct job j = {0};

    (void)state;
    expect_job(&(struct parts){.action = "\"completed\"",
                               .more = ",\"conclusion\":\"startup_failure\",\"runner_id\":0,\"runner_name\":\"\","
                                       "\"steps\":[],\"started_at\":null",
                               .labels = "[]"},
               &j);
    assert_int_equal(j.state, JOB_DONE);
    assert_string_equal(j.conclusion, "startup_failure");
    assert_null(j.runner_name);
    assert_int_equal(j.want, WANT_NOTHING);
}

static void test_event__what_an_installation_may_see_is_told_by_its_id_alone(void **state)
{
    static const struct {
        const char *event, *action, *id;
        enum event_verdict verdict;
    } cases[] = {
        {"installation", "\"suspend\"", "77", EVENT_INSTALLATION},
        {"installation", "\"deleted\"", "77", EVENT_INSTALLATION},
        {"installation", "\"new_permissions_accepted\"", "77", EVENT_INSTALLATION},
        {"installation_repositories", "\"removed\"", "77", EVENT_INSTALLATION},
        {"installation", "\"suspend\"", "null", EVENT_IGNORED},
        {"installation", "null", "77", EVENT_IGNORED},
        {"installations", "\"suspend\"", "77", EVENT_IGNORED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf text = BUF_INIT(1024);
        AUTO_JOB struct job j = {0};
        enum event_verdict verdict = EVENT_JOB;
        struct err e;

        buf_addf(&text, "{\"action\":%s,\"installation\":{\"id\":%s,\"account\":null},\"sender\":null}",
                 cases[i].action, cases[i].id);
        assert_ok(event_parse(cases[i].event, text.p, text.len, NOW, &verdict, &j, &e), e);
        assert_int_equal(verdict, cases[i].verdict);
        assert_int_equal(j.installation_id, verdict == EVENT_INSTALLATION ? 77 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event__every_field_of_a_full_payload_is_read),
        cmocka_unit_test(test_event__what_old_payloads_lack_has_its_default),
        cmocka_unit_test(test_event__the_action_decides_the_state_and_nothing_else),
        cmocka_unit_test(test_event__a_queued_job_has_no_runner_whatever_the_payload_says),
        cmocka_unit_test(test_event__other_events_are_ignored_once_they_are_json),
        cmocka_unit_test(test_event__what_is_not_json_is_refused),
        cmocka_unit_test(test_event__an_event_about_no_job_at_all_is_ignored),
        cmocka_unit_test(test_event__a_run_that_never_started_ends_its_job_with_no_runner),
        cmocka_unit_test(test_event__what_an_installation_may_see_is_told_by_its_id_alone),
        cmocka_unit_test(test_event__missing_and_ill_typed_fields_are_named),
        cmocka_unit_test(test_event__only_owner_and_name_in_githubs_alphabet_become_part_of_urls),
        cmocka_unit_test(test_event__a_commit_is_40_or_64_hexadecimal_digits),
        cmocka_unit_test(test_event__names_are_cut_between_two_characters),
        cmocka_unit_test(test_event__equal_label_sets_have_equal_keys),
        cmocka_unit_test(test_event__different_label_sets_never_share_a_key),
        cmocka_unit_test(test_event__labels_over_any_sensible_size_are_kept_or_refused),
        cmocka_unit_test(test_event__jobs_for_githubs_own_runners_want_nothing),
        cmocka_unit_test(test_event__hosted_labels_are_told_from_others),
        cmocka_unit_test(test_event__a_form_gives_the_json_of_its_payload),
        cmocka_unit_test(test_event__any_other_form_is_refused),
        cmocka_unit_test(test_event__damaged_payloads_never_pass_for_another_job),
        cmocka_unit_test(test_event__a_push_to_the_default_branch_names_its_repository_and_our_file),
        cmocka_unit_test(test_event__a_push_elsewhere_is_nothing_to_us),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
