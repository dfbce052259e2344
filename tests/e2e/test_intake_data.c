/*
 * Real payloads and signature vectors, where they are at hand: ../shared/data beside the repository, or the directory
 * that MUSTER_TEST_DATA names. They are not part of the repository.
 */
#include "server/base/json.h"
#include "tests/support/intake.h"
#include "tests/support/unit.h"
#include "tests/support/webclient.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static const char *data_dir(void)
{
    const char *named = getenv("MUSTER_TEST_DATA");

    return named != NULL ? named : "../shared/data";
}

/* false: there is no such file. */
static bool read_file(const char *folder, const char *name, struct buf *out)
{
    AUTO_BUF struct buf path = BUF_INIT(4096);
    char chunk[8192];
    FILE *f;
    size_t n;

    buf_addf(&path, "%s/%s/%s", data_dir(), folder, name);
    f = fopen(path.p, "rb");
    if (f == NULL)
        return false;
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_add(out, chunk, n);
    (void)fclose(f);
    return true;
}

/* "workflow_job.queued.2.json" is the event workflow_job. */
static void event_of(const char *file, char event[64])
{
    size_t n = strcspn(file, ".");

    assert_in_range(n, 1, 63);
    memcpy(event, file, n);
    event[n] = '\0';
}

static void send_payload(struct intake *t, const char *file, unsigned number, bool as_form)
{
    AUTO_BUF struct buf body = BUF_INIT(1024 * 1024);
    AUTO_BUF struct buf form = BUF_INIT(4 * 1024 * 1024);
    char event[64], guid[32];
    struct web_request r = {.event = event, .guid = guid, .secret = intake_secret(t)};
    int code;

    assert_true(read_file("webhooks", file, &body));
    event_of(file, event);
    (void)snprintf(guid, sizeof(guid), "payload-%u-%d", number, as_form);
    buf_adds(&form, "payload=");
    for (size_t i = 0; i < body.len; i++)
        buf_addf(&form, "%%%02x", (unsigned char)body.p[i]);
    r.type = as_form ? "application/x-www-form-urlencoded" : "application/json";
    r.body = as_form ? form.p : body.p;
    r.len = as_form ? form.len : body.len;
    code = web_ask(intake_port(t), &r, NULL);
    if (code != (strcmp(event, "workflow_job") == 0 ? 202 : 200))
        fail_msg("%s was answered %d", file, code);
}

static void test_intake__real_payloads_get_the_answer_their_event_deserves(void **state)
{
    struct intake *t = intake_start(INTAKE_GROUPED, &(struct api_conf){0});
    AUTO_BUF struct buf path = BUF_INIT(4096);
    const struct dirent *f;
    unsigned n = 0;
    DIR *d;

    (void)state;
    buf_addf(&path, "%s/webhooks", data_dir());
    d = opendir(path.p);
    assert_non_null(d);
    while ((f = readdir(d)) != NULL) {
        if (f->d_name[0] == '.')
            continue;
        send_payload(t, f->d_name, ++n, false);
        send_payload(t, f->d_name, n, true);
    }
    closedir(d);
    print_message("%u payloads\n", n);
    assert_true(n > 0);
    intake_free(t);
}

/* What the body deserves once its signature holds: a form is marked as such, and the compact payload is a job. */
static int wanted_code(const char *id, const struct buf *body)
{
    AUTO_JSON json_t *parsed = NULL;
    struct err e;

    if (strstr(id, "workflow_job") != NULL)
        return 202;
    if (strstr(id, "form") != NULL)
        return 200;
    return js_parse(body->p != NULL ? body->p : "", body->len, &parsed, &e) == 0 ? 200 : 400;
}

static void check_vector(json_t *v)
{
    const char *id, *secret_text, *file, *signature;
    AUTO_BUF struct buf body = BUF_INIT((size_t)4 * 1024 * 1024);
    struct web_request r = {.guid = "vector-1", .type = "application/json"};
    const struct secret *list[1];
    struct secret *secret;
    struct intake *t;
    struct err e;
    char wrong[72];

    if (js_str(v, "id", &id, &e) || js_str(v, "secret", &secret_text, &e) || js_str(v, "body_file", &file, &e) ||
        js_str(v, "signature", &signature, &e))
        fail_msg("%s", e.msg);
    if (!read_file("signatures", file, &body)) {
        print_message("%s is not there\n", file);
        return;
    }
    list[0] = secret = secret_new(secret_text, strlen(secret_text));
    t = intake_start(INTAKE_GROUPED, &(struct api_conf){.webhook_secrets = list, .n_webhook_secrets = 1});
    r.event = strstr(id, "workflow_job") != NULL ? "workflow_job" : "push";
    r.body = body.p != NULL ? body.p : "";
    r.len = body.len;
    r.signature = signature;
    if (strstr(id, "form") != NULL)
        r.type = "application/x-www-form-urlencoded";
    assert_int_equal(web_ask(intake_port(t), &r, NULL), wanted_code(id, &body));
    memcpy(wrong, signature, sizeof(wrong));
    wrong[70] = wrong[70] == '0' ? '1' : '0';
    r.signature = wrong;
    assert_int_equal(web_ask(intake_port(t), &r, NULL), 401);
    intake_free(t);
    secret_free(secret);
}

static void test_intake__signature_vectors_are_accepted_as_they_are_and_refused_when_changed(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(1024 * 1024);
    AUTO_JSON json_t *vectors = NULL;

    (void)state;
    assert_true(read_file("signatures", "vectors.json", &text));
    vectors = json_loadb(text.p, text.len, JSON_ALLOW_NUL, NULL); /* one of the bodies holds a NUL */
    assert_true(json_array_size(vectors) > 0);
    for (size_t i = 0; i < json_array_size(vectors); i++)
        check_vector(json_array_get(vectors, i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intake__real_payloads_get_the_answer_their_event_deserves),
        cmocka_unit_test(test_intake__signature_vectors_are_accepted_as_they_are_and_refused_when_changed),
    };
    AUTO_BUF struct buf text = BUF_INIT(1024 * 1024);

    if (!read_file("signatures", "vectors.json", &text)) {
        printf("SKIP test_intake_data: no recorded payloads in %s\n", data_dir());
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
