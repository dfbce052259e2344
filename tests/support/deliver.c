#include "tests/support/deliver.h"

#include "server/base/clock.h"
#include "server/base/id.h"
#include "server/base/json.h"
#include "server/base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define INSTALLATION 7
#define SHA "0123456789012345678901234567890123456789"

struct answer {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool over;
    int rc;
    enum delivery_outcome outcome;
};

static void answered(void *arg, enum delivery_outcome outcome, int rc, const struct err *e)
{
    struct answer *a = arg;

    (void)e;
    (void)pthread_mutex_lock(&a->lock);
    a->rc = rc;
    a->outcome = outcome;
    a->over = true;
    (void)pthread_cond_signal(&a->cond);
    (void)pthread_mutex_unlock(&a->lock);
}

static void fill_job(struct job *j, const struct deliver_event *ev)
{
    json_t *labels;
    struct err e;

    *j = (struct job){.id = ev->job_id,
                      .run_id = ev->run_id,
                      .run_attempt = ev->attempt > 0 ? ev->attempt : 1,
                      .repo_id = ev->repo_id,
                      .installation_id = ev->installation_id != 0 ? ev->installation_id : INSTALLATION,
                      .state = ev->state,
                      .queued_ms = clock_now_ms() - ev->late_ms,
                      .updated_ms = clock_now_ms()};
    assert_int_equal(js_pack(&e, &labels, "[s]", ev->label), 0);
    assert_int_equal(js_dump(labels, &j->labels_json, &e), 0);
    json_decref(labels);
    j->repo = mem_strdup(ev->repo);
    j->head_sha = mem_strdup(SHA);
    j->name = mem_strdup(ev->name != NULL ? ev->name : "train");
    j->conclusion = mem_strdup(ev->conclusion);
    j->label_key = mem_strdup(ev->label);
    j->runner_name = mem_strdup(ev->runner);
}

typedef void hand_in_fn(struct engine *g, const char *guid, struct job *job, engine_delivered_fn *done, void *arg);

static enum delivery_outcome hand_in(struct engine *g, hand_in_fn *fn, struct job *j)
{
    struct answer a = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, -1, DELIVERY_STORED};
    char guid[ID_ULID_LEN + 1];

    id_ulid(guid);
    fn(g, guid, j, answered, &a);
    engine_flush(g);
    (void)pthread_mutex_lock(&a.lock);
    while (!a.over)
        (void)pthread_cond_wait(&a.cond, &a.lock);
    (void)pthread_mutex_unlock(&a.lock);
    assert_int_equal(a.rc, 0);
    return a.outcome;
}

void deliver(struct engine *g, const struct deliver_event *ev)
{
    struct job j;

    fill_job(&j, ev);
    (void)hand_in(g, engine_deliver, &j);
}

void deliver_push(struct engine *g, const struct deliver_event *ev)
{
    struct job j = {.repo_id = ev->repo_id,
                    .installation_id = ev->installation_id != 0 ? ev->installation_id : INSTALLATION,
                    .updated_ms = clock_now_ms(),
                    .repo = mem_strdup(ev->repo),
                    .name = mem_strdup(ev->label)};

    (void)hand_in(g, engine_pushed, &j);
}

void deliver_installed(struct engine *g, int64_t installation_id, const char *action)
{
    struct job j = {.installation_id = installation_id, .updated_ms = clock_now_ms()};

    j.repo = mem_strdup("");
    j.name = mem_strdup(action);
    (void)hand_in(g, engine_installed, &j);
}

enum delivery_outcome deliver_press(struct engine *g, int64_t repo_id, int64_t check_run_id)
{
    struct job j = {.id = check_run_id, .repo_id = repo_id, .installation_id = INSTALLATION};

    j.repo = mem_strdup("octo/train");
    j.head_sha = mem_strdup(SHA);
    j.name = mem_strdup("octocat");
    return hand_in(g, engine_pressed, &j);
}
