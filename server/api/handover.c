#include "server/api/handover.h"

#include "server/base/mem.h"
#include "server/base/secret.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct handover {
    struct handover *next;
    struct handover_queue *queue;
    struct request *request; /* NULL: abandoned */
    struct handover_result got;
};

struct handover_queue {
    pthread_mutex_t lock;
    struct handover *first, **end; /* came back */
    size_t refs;                   /* the owner, and every handover */
    int fd;
};

struct handover_queue *handover_queue_new(void)
{
    struct handover_queue *q = mem_zalloc(sizeof(*q));

    pthread_mutex_init(&q->lock, NULL);
    q->end = &q->first;
    q->refs = 1;
    q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return q;
}

int handover_queue_fd(const struct handover_queue *q)
{
    return q->fd;
}

static void unref(struct handover_queue *q)
{
    bool last;

    pthread_mutex_lock(&q->lock);
    last = --q->refs == 0;
    pthread_mutex_unlock(&q->lock);
    if (!last)
        return;
    close(q->fd);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static void release(struct handover *h)
{
    struct handover_queue *q = h->queue;

    secret_free(h->got.script);
    free(h);
    unref(q);
}

struct handover *handover_new(struct handover_queue *q, struct request *r)
{
    struct handover *h = mem_zalloc(sizeof(*h));

    h->queue = q;
    h->request = r;
    pthread_mutex_lock(&q->lock);
    q->refs++;
    pthread_mutex_unlock(&q->lock);
    return h;
}

static void come_back(struct handover *h, int rc, const struct err *e)
{
    struct handover_queue *q = h->queue;
    bool wanted, wake;

    h->got.rc = rc;
    if (rc != 0)
        h->got.err = *e;
    pthread_mutex_lock(&q->lock);
    wanted = h->request != NULL;
    wake = wanted && q->first == NULL;
    if (wanted) {
        *q->end = h;
        q->end = &h->next;
    }
    if (wake)
        (void)eventfd_write(q->fd, 1);
    pthread_mutex_unlock(&q->lock);
    if (!wanted)
        release(h);
}

void handover_done(void *arg, enum delivery_outcome outcome, int rc, const struct err *e)
{
    struct handover *h = arg;

    h->got.outcome = outcome;
    come_back(h, rc, e);
}

void handover_provisioned(void *arg, enum provision_outcome outcome, struct secret *script, int rc, const struct err *e)
{
    struct handover *h = arg;

    h->got.provision = outcome;
    h->got.script = script;
    come_back(h, rc, e);
}

void handover_abandon(struct handover *h)
{
    struct handover_queue *q = h->queue;

    pthread_mutex_lock(&q->lock);
    h->request = NULL; /* if it came back already, handover_take drops it */
    pthread_mutex_unlock(&q->lock);
}

static struct handover *take_all(struct handover_queue *q)
{
    eventfd_t ignored;
    struct handover *all;

    pthread_mutex_lock(&q->lock);
    all = q->first;
    q->first = NULL;
    q->end = &q->first;
    (void)eventfd_read(q->fd, &ignored);
    pthread_mutex_unlock(&q->lock);
    return all;
}

void handover_take(struct handover_queue *q, void (*fn)(struct request *r, const struct handover_result *got))
{
    struct handover *h, *next;

    for (h = take_all(q); h != NULL; h = next) {
        next = h->next;
        if (h->request != NULL)
            fn(h->request, &h->got);
        release(h);
    }
}

void handover_queue_free(struct handover_queue *q)
{
    struct handover *h, *next;

    if (q == NULL)
        return;
    for (h = take_all(q); h != NULL; h = next) {
        next = h->next;
        release(h);
    }
    unref(q);
}
