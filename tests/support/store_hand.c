#include "tests/support/store_hand.h"

#include "server/base/mem.h"
#include "tests/support/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void hand_remove_dir(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;
    char path[512];

    if (d == NULL)
        return;
    while ((entry = readdir(d)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        (void)unlink(path);
    }
    (void)closedir(d);
    (void)rmdir(dir);
}

void hand_open(struct hand *h)
{
    memset(h, 0, sizeof(*h));
    (void)snprintf(h->dir, sizeof(h->dir), "/tmp/muster-store-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    (void)snprintf(h->path, sizeof(h->path), "%s/muster.db", h->dir);
    (void)snprintf(h->url, sizeof(h->url), "sqlite:%s", h->path);
    (void)pthread_mutex_init(&h->mu, NULL);
    (void)pthread_cond_init(&h->cond, NULL);
    assert_ok(store_open(h->url, &h->s, &h->e), h->e);
}

void hand_reopen(struct hand *h)
{
    store_close(h->s);
    h->s = NULL;
    assert_ok(store_open(h->url, &h->s, &h->e), h->e);
}

static int give_back(struct hand *h, bool abort)
{
    int rc;

    pthread_mutex_lock(&h->mu);
    h->abort = abort;
    h->given_back = true;
    pthread_cond_broadcast(&h->cond);
    while (!h->over)
        pthread_cond_wait(&h->cond, &h->mu);
    rc = h->rc;
    pthread_mutex_unlock(&h->mu);
    return rc;
}

void hand_close(struct hand *h)
{
    if (h->t != NULL) /* the test failed in the middle of a transaction */
        (void)give_back(h, true);
    store_close(h->s);
    (void)pthread_cond_destroy(&h->cond);
    (void)pthread_mutex_destroy(&h->mu);
    hand_remove_dir(h->dir);
}

int hand_setup(void **state)
{
    struct hand *h = mem_zalloc(sizeof(*h));

    hand_open(h);
    *state = h;
    return 0;
}

int hand_teardown(void **state)
{
    hand_close(*state);
    free(*state);
    return 0;
}

/* On the committer's thread. A failing function is run again with a savepoint: then it fails at once. */
static int lend(struct store_tx *t, void *arg, struct err *e)
{
    struct hand *h = arg;
    bool abort;

    pthread_mutex_lock(&h->mu);
    if (!h->given_back) {
        h->t = t;
        pthread_cond_broadcast(&h->cond);
        while (!h->given_back)
            pthread_cond_wait(&h->cond, &h->mu);
        h->t = NULL;
    }
    abort = h->abort;
    pthread_mutex_unlock(&h->mu);
    return abort ? err_set(e, ERR_INVALID, "the test wants it undone") : 0;
}

static void committed(void *arg, int rc, const struct err *e)
{
    struct hand *h = arg;

    pthread_mutex_lock(&h->mu);
    h->rc = rc;
    if (rc != 0)
        h->e = *e;
    h->over = true;
    pthread_cond_broadcast(&h->cond);
    pthread_mutex_unlock(&h->mu);
}

struct store_tx *hand_begin(struct hand *h)
{
    struct store_tx *t;

    pthread_mutex_lock(&h->mu);
    t = h->t;
    pthread_mutex_unlock(&h->mu);
    if (t != NULL)
        return t; /* it has begun */
    h->given_back = h->over = h->abort = false;
    store_submit(h->s, lend, h, committed, h);
    pthread_mutex_lock(&h->mu);
    while (h->t == NULL && !h->over)
        pthread_cond_wait(&h->cond, &h->mu);
    t = h->t;
    pthread_mutex_unlock(&h->mu);
    assert_non_null(t);
    return t;
}

void hand_commit(struct hand *h)
{
    assert_ok(give_back(h, false), h->e);
}

void hand_abort(struct hand *h)
{
    assert_int_not_equal(give_back(h, true), 0);
    assert_string_equal(h->e.msg, "the test wants it undone");
}
