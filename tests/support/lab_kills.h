/* Kills at random moments under load, world after world: every second one rough, every third with warm machines. */
#ifndef MUSTER_TESTS_SUPPORT_LAB_KILLS_H
#define MUSTER_TESTS_SUPPORT_LAB_KILLS_H

#include "tests/support/lab.h"

struct kills_conf {
    uint64_t seed; /* of the first world; the next one has the next */
    size_t kills, per_world;
    bool plain; /* without the shim */
};

/* Adds to *total; prints a line for each world. Returns the number of findings. */
size_t lab_kills(const struct kills_conf *c, struct lab_count *total);

#endif
