/* What the two files of the cloud in memory share. Not for others. */
#ifndef MUSTER_TESTS_SUPPORT_MEMCLOUD_INT_H
#define MUSTER_TESTS_SUPPORT_MEMCLOUD_INT_H

#include "tests/support/memcloud.h"

#include <pthread.h>

struct box {
    struct instance i; /* without its state, and so are its tags */
    char token[96], deployment[64];
    bool live, stopped, ending, reclaimed, hidden;
    int64_t found_from_ms; /* by its name */
    int64_t ended_ms;
    char *user_data;
};

struct refusal {
    char type[64];
    enum err_kind kind;
    int times; /* < 0: for ever */
};

struct memcloud {
    struct provider_ops ops;
    char name[32];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct box *boxes;
    size_t n_boxes, cap_boxes, n_lists;
    char regions[8][64];
    size_t n_regions;
    struct memcloud_list list;
    struct memcloud_call calls[MEMCLOUD_MAX];
    size_t n_calls, n_destroys;
    struct refusal refusals[8];
    size_t n_refusals;
    struct {
        char type[64];
        double usd;
    } prices[8];
    size_t n_prices;
    int lost_answers, refused_destroys, ignored_destroys;
    bool lingers;
    enum err_kind destroy_kind;
    struct memcloud_chance chance;
    uint64_t rng;
};

#endif
