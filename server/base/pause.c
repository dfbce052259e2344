#include "server/base/pause.h"

#include "server/base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct pause {
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool ended;
};

struct pause *pause_new(void)
{
    struct pause *p = mem_zalloc(sizeof(*p));
    pthread_condattr_t attr;

    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&p->over, &attr);
    (void)pthread_condattr_destroy(&attr);
    return p;
}

void pause_free(struct pause *p)
{
    if (p == NULL)
        return;
    (void)pthread_cond_destroy(&p->over);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

bool pause_for(void *arg, int64_t ms)
{
    struct pause *p = arg;
    struct timespec until;
    bool ended;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&p->lock);
    while (!p->ended && pthread_cond_timedwait(&p->over, &p->lock, &until) == 0)
        ;
    ended = p->ended;
    (void)pthread_mutex_unlock(&p->lock);
    return ended;
}

void pause_end(struct pause *p)
{
    if (p == NULL)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->ended = true;
    (void)pthread_cond_broadcast(&p->over);
    (void)pthread_mutex_unlock(&p->lock);
}
