/*
 * A store in a directory of its own, and its transactions in the test's own hands: hand_begin lends the committer's
 * open transaction to the test's thread until hand_commit or hand_abort.
 */
#ifndef TESTS_SUPPORT_STORE_HAND_H
#define TESTS_SUPPORT_STORE_HAND_H

#include "server/store/store.h"

#include <pthread.h>

struct hand {
    char dir[64], path[96], url[128];
    struct store *s;

    pthread_mutex_t mu;
    pthread_cond_t cond;
    struct store_tx *t; /* while lent */
    bool asked, given_back, over, abort;
    int rc;
    struct err e;
};

void hand_open(struct hand *h); /* a new directory, a new store; fails the test when it cannot */
void hand_reopen(struct hand *h);
void hand_close(struct hand *h); /* and remove the directory with all in it */

int hand_setup(void **state); /* of cmocka: *state is a new open one */
int hand_teardown(void **state);

/* The same again until hand_commit or hand_abort. */
struct store_tx *hand_begin(struct hand *h);
void hand_commit(struct hand *h); /* fails the test when it is refused */
void hand_abort(struct hand *h);

/* Remove a flat directory and its files. */
void hand_remove_dir(const char *dir);

#endif
