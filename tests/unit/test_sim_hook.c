/* Webhooks of the simulated GitHub, received by another simulated server. */
#include "server/base/mem.h"
#include "tests/sim/sim_github.h"
#include "tests/sim/sim_timer.h"
#include "tests/sim/sim_util.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "It's a Secret to Everybody"

struct got {
    char guid[40], action[16], name[32];
    size_t len;
};

struct world {
    struct sim_github *g;
    struct sim_http *inbox;
    pthread_mutex_t lock;
    struct got got[4000];
    size_t n, bad;
    bool form;
};

static bool signature_holds(const struct sim_req *rq)
{
    const char *have = sim_req_header(rq, "X-Hub-Signature-256");
    unsigned char mac[32];
    char want[80] = "sha256=";

    sim_hmac_sha256(SECRET, strlen(SECRET), rq->body, rq->body_len, mac);
    sim_hex(mac, 32, want + 7);
    return have != NULL && strcmp(have, want) == 0;
}

static json_t *payload_of(const struct world *w, const struct sim_req *rq)
{
    struct buf b = BUF_INIT(1024 * 1024);
    json_t *j = NULL;

    if (!w->form)
        return json_loadb(rq->body, rq->body_len, JSON_REJECT_DUPLICATES, NULL);
    if (strncmp(rq->body, "payload=", 8) == 0 && sim_url_decode(rq->body + 8, rq->body_len - 8, true, &b))
        j = json_loadb(b.p, b.len, JSON_REJECT_DUPLICATES, NULL);
    buf_clear(&b);
    return j;
}

static void take(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct world *w = arg;
    json_t *j = payload_of(w, rq), *job = json_object_get(j, "workflow_job");
    const char *event = sim_req_header(rq, "X-GitHub-Event");

    (void)pthread_mutex_lock(&w->lock);
    if (!signature_holds(rq) || job == NULL || event == NULL || strcmp(event, "workflow_job") != 0) {
        w->bad++;
    } else if (w->n < ARRAY_LEN(w->got)) {
        struct got *g = &w->got[w->n++];

        (void)snprintf(g->guid, sizeof(g->guid), "%s", sim_req_header(rq, "X-GitHub-Delivery"));
        (void)snprintf(g->action, sizeof(g->action), "%s", json_string_value(json_object_get(j, "action")));
        (void)snprintf(g->name, sizeof(g->name), "%s", json_string_value(json_object_get(job, "name")));
        g->len = rq->body_len;
    }
    (void)pthread_mutex_unlock(&w->lock);
    json_decref(j);
    sim_res_json(rs, 202, NULL);
}

static const struct sim_route routes[] = {{"POST", "/webhook", take}, {NULL, NULL, NULL}};

static int set_up(void **state)
{
    struct world *w = mem_zalloc(sizeof(*w));
    struct sim_github_conf c = {.webhook_secret = SECRET, .seed = 3};
    struct sim_service s = {.routes = routes, .arg = w};
    char url[128];
    struct err e;

    (void)pthread_mutex_init(&w->lock, NULL);
    if (sim_http_start(&s, 0, &w->inbox, &e) != 0 || sim_github_start(&c, &w->g, &e) != 0)
        return -1;
    sim_github_add_installation(w->g, 7, "octo", NULL);
    sim_github_add_repo(w->g, &(struct sim_repo){.id = 11, .installation_id = 7, .full_name = "octo/train"});
    (void)snprintf(url, sizeof(url), "%s/webhook", sim_http_url(w->inbox));
    sim_github_webhook(w->g, url);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    sim_github_free(w->g);
    sim_http_free(w->inbox);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
    return 0;
}

static int64_t hosted_job(struct world *w, const char *name)
{
    return sim_github_job_create(
        w->g,
        &(struct sim_job_spec){.repo = "octo/train", .labels = "[\"ubuntu-latest\"]", .name = name, .hosted_ms = 5});
}

static void test_sim_hook__a_hosted_job_tells_its_three_states_in_signed_real_sized_payloads(void **state)
{
    struct world *w = *state;
    static const char *const actions[] = {"queued", "in_progress", "completed"};
    int64_t id = hosted_job(w, "cpu");

    assert_true(sim_github_wait_job(w->g, id, SIM_JOB_COMPLETED, 5000));
    assert_true(sim_github_wait_deliveries(w->g, 5000));
    assert_int_equal(w->bad, 0);
    assert_int_equal(w->n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(w->got[i].action, actions[i]);
        assert_in_range(w->got[i].len, 6500, 12000);
    }
}

static void test_sim_hook__forms_are_signed_as_sent(void **state)
{
    struct world *w = *state;

    w->form = true;
    sim_github_hook_options(w->g, &(struct sim_hook_options){.form = true});
    (void)sim_github_job_create(w->g, &(struct sim_job_spec){.repo = "octo/train", .labels = "[\"x\"]"});
    assert_true(sim_github_wait_deliveries(w->g, 5000));
    assert_int_equal(w->bad, 0);
    assert_int_equal(w->n, 1);
}

static void test_sim_hook__duplicates_keep_their_guid_and_lost_ones_come_by_redelivery(void **state)
{
    struct world *w = *state;
    struct sim_github_stats s;

    sim_github_hook_options(w->g, &(struct sim_hook_options){.duplicate = 1});
    (void)sim_github_job_create(w->g, &(struct sim_job_spec){.repo = "octo/train", .labels = "[\"x\"]"});
    assert_true(sim_github_wait_deliveries(w->g, 5000));
    assert_int_equal(w->n, 2);
    assert_string_equal(w->got[0].guid, w->got[1].guid);
    sim_github_hook_options(w->g, &(struct sim_hook_options){.drop = 1});
    (void)sim_github_job_create(w->g,
                                &(struct sim_job_spec){.repo = "octo/train", .labels = "[\"x\"]", .name = "lost"});
    assert_true(sim_github_wait_deliveries(w->g, 5000));
    assert_int_equal(w->n, 2);
    sim_github_stats(w->g, &s);
    assert_int_equal(s.deliveries_failed, 1);
    sim_github_redeliver_failed(w->g);
    assert_true(sim_github_wait_deliveries(w->g, 5000));
    assert_int_equal(w->n, 3);
    assert_string_equal(w->got[2].name, "lost");
}

static void test_sim_hook__a_thousand_jobs_at_once_lose_nothing_while_order_is_shuffled(void **state)
{
    struct world *w = *state;
    struct sim_github_stats s;

    sim_github_hook_options(w->g, &(struct sim_hook_options){.reorder_ms = 100, .parallel = 64});
    for (int i = 0; i < 1000; i++)
        assert_true(hosted_job(w, "cpu") != 0);
    assert_true(sim_github_wait_completed(w->g, 1000, 30000));
    assert_true(sim_github_wait_deliveries(w->g, 30000));
    assert_int_equal(w->bad, 0);
    assert_int_equal(w->n, 3000);
    sim_github_stats(w->g, &s);
    assert_int_equal(s.deliveries_failed, 0);
}

static void test_sim_hook__a_deaf_receiver_is_a_failed_delivery(void **state)
{
    struct world *w = *state;
    struct sim_github_stats s;

    sim_http_fault(w->inbox, &(struct sim_fault){.kind = SIM_FAULT_STATUS, .status = 503, .next = 1});
    (void)sim_github_job_create(w->g, &(struct sim_job_spec){.repo = "octo/train", .labels = "[\"x\"]"});
    assert_true(sim_github_wait_deliveries(w->g, 5000));
    sim_http_stop(w->inbox);
    (void)sim_github_job_create(w->g, &(struct sim_job_spec){.repo = "octo/train", .labels = "[\"x\"]"});
    assert_true(sim_github_wait_deliveries(w->g, 5000));
    sim_github_stats(w->g, &s);
    assert_int_equal(s.deliveries_failed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_sim_hook__a_hosted_job_tells_its_three_states_in_signed_real_sized_payloads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sim_hook__forms_are_signed_as_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sim_hook__duplicates_keep_their_guid_and_lost_ones_come_by_redelivery,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sim_hook__a_thousand_jobs_at_once_lose_nothing_while_order_is_shuffled,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sim_hook__a_deaf_receiver_is_a_failed_delivery, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("sim_hook", tests, NULL, NULL);
}
