#include "tests/support/intake.h"

#include "server/base/log.h"
#include "server/base/mem.h"

#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct waiting {
    struct waiting *next;
    char *guid;
    engine_delivered_fn *done;
    void *arg;
};

struct intake {
    struct api_server *server;
    struct secret *secret;
    const struct secret *secrets[1];
    bool at_once, failing;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct waiting *first, **end;
    size_t n_waiting, stored;
    void *known; /* tsearch tree of delivery ids */
    int64_t last_id;
    enum job_state last_state;
    bool held, ending;
    pthread_t thread;
};

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Is it new? Takes the text. */
static bool remember(struct intake *t, char *guid)
{
    bool is_new;

    pthread_mutex_lock(&t->lock);
    is_new = *(char **)tsearch(guid, &t->known, compare) == guid;
    t->stored += is_new;
    pthread_mutex_unlock(&t->lock);
    if (!is_new)
        free(guid);
    return is_new;
}

static void finish(struct intake *t, struct waiting *w)
{
    struct err e;

    if (t->failing) {
        free(w->guid);
        (void)!err_set(&e, ERR_QUOTA, "the disk is full");
        w->done(w->arg, DELIVERY_STORED, -1, &e);
    } else {
        w->done(w->arg, remember(t, w->guid) ? DELIVERY_STORED : DELIVERY_KNOWN, 0, NULL);
    }
    free(w);
}

static void deliver(void *arg, const char *guid, struct job *job, engine_delivered_fn *done, void *done_arg)
{
    struct intake *t = arg;
    struct waiting *w = mem_zalloc(sizeof(*w));

    *w = (struct waiting){NULL, mem_strdup(guid), done, done_arg};
    pthread_mutex_lock(&t->lock);
    t->last_id = job->id;
    t->last_state = job->state;
    if (!t->at_once) {
        *t->end = w;
        t->end = &w->next;
        t->n_waiting++;
        pthread_cond_broadcast(&t->changed);
    }
    pthread_mutex_unlock(&t->lock);
    job_clear(job);
    if (t->at_once)
        finish(t, w);
}

/* The committer: all that wait, at once. */
static void *commit(void *arg)
{
    struct intake *t = arg;
    struct waiting *w, *next;

    pthread_mutex_lock(&t->lock);
    while (!t->ending || t->first != NULL) {
        if (t->first == NULL || (t->held && !t->ending)) {
            pthread_cond_wait(&t->changed, &t->lock);
            continue;
        }
        w = t->first;
        t->first = NULL;
        t->end = &t->first;
        t->n_waiting = 0;
        pthread_mutex_unlock(&t->lock);
        for (; w != NULL; w = next) {
            next = w->next;
            finish(t, w);
        }
        pthread_mutex_lock(&t->lock);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static void die(const char *what)
{
    fprintf(stderr, "intake: %s\n", what);
    abort();
}

struct intake *intake_start(enum intake_mode mode, const struct api_conf *c)
{
    struct intake *t = mem_zalloc(sizeof(*t));
    struct api_conf conf = *c;
    struct err e;

    if (getenv("INTAKE_LOG") == NULL)
        log_set_level(LOG_NONE);
    t->failing = mode == INTAKE_FAILING;
    t->at_once = mode == INTAKE_AT_ONCE || t->failing;
    t->held = mode == INTAKE_HELD;
    t->end = &t->first;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    t->secret = secret_new(INTAKE_SECRET, strlen(INTAKE_SECRET));
    t->secrets[0] = t->secret;
    if (conf.webhook_secrets == NULL) {
        conf.webhook_secrets = t->secrets;
        conf.n_webhook_secrets = 1;
    }
    if (conf.listen == NULL)
        conf.listen = "127.0.0.1:0";
    conf.deliver = deliver;
    conf.deliver_arg = t;
    if (api_server_open(&conf, &t->server, &e) || api_server_start(t->server, &e))
        die(e.msg);
    if (pthread_create(&t->thread, NULL, commit, t) != 0)
        die("no thread");
    return t;
}

void intake_stop(struct intake *t, int64_t grace_ms)
{
    api_server_stop(t->server, grace_ms);
}

void intake_free(struct intake *t)
{
    api_server_stop(t->server, 0);
    api_server_free(t->server);
    pthread_mutex_lock(&t->lock);
    t->ending = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    tdestroy(t->known, free);
    secret_free(t->secret);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

int intake_port(const struct intake *t)
{
    return api_server_port(t->server);
}

int intake_admin_port(const struct intake *t)
{
    return api_server_admin_port(t->server);
}

const struct secret *intake_secret(const struct intake *t)
{
    return t->secret;
}

size_t intake_stored(struct intake *t)
{
    size_t n;

    pthread_mutex_lock(&t->lock);
    n = t->stored;
    pthread_mutex_unlock(&t->lock);
    return n;
}

void intake_wait_held(struct intake *t, size_t n)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&t->lock);
    while (t->n_waiting < n) {
        if (pthread_cond_timedwait(&t->changed, &t->lock, &until) != 0)
            die("the deliveries waited for did not come");
    }
    pthread_mutex_unlock(&t->lock);
}

void intake_release(struct intake *t)
{
    pthread_mutex_lock(&t->lock);
    t->held = false;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void intake_last_job(struct intake *t, int64_t *id, enum job_state *state)
{
    pthread_mutex_lock(&t->lock);
    *id = t->last_id;
    *state = t->last_state;
    pthread_mutex_unlock(&t->lock);
}
