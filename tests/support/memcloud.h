/*
 * A cloud in memory behind the provider table, for tests of the engine: it keeps its promises (same token = same
 * machine, tags, describe by name) and refuses, loses answers and loses machines on demand. Safe from any thread.
 */
#ifndef MUSTER_TESTS_SUPPORT_MEMCLOUD_H
#define MUSTER_TESTS_SUPPORT_MEMCLOUD_H

#include "providers/provider.h"

#define MEMCLOUD_MAX 2560

struct memcloud;

/* name: the value of `cloud:` it stands for. */
struct memcloud *memcloud_new(const char *name);
void memcloud_free(struct memcloud *f);
const struct provider_ops *memcloud_ops(const struct memcloud *f);
struct provider *memcloud_provider(struct memcloud *f);

/* The next `times` launches of this instance type (NULL = any) fail with this kind; 0 = for ever. */
void memcloud_refuse(struct memcloud *f, const char *instance_type, enum err_kind kind, int times);
/* What an hour of this type costs; of types without a price the cloud does not tell. */
void memcloud_price(struct memcloud *f, const char *instance_type, double usd);
/* The next launches happen, but their answer is lost (ERR_RETRY). */
void memcloud_lose_answers(struct memcloud *f, int times);
/* destroy fails with this kind so many times. */
void memcloud_refuse_destroy(struct memcloud *f, enum err_kind kind, int times);
/* From now on by chance, each by its probability; {0} = none any more. */
struct memcloud_chance {
    double refuse;        /* a launch, with a kind drawn at random */
    double lose;          /* a launch's answer: it happens all the same */
    double fail;          /* destroy and describe, with ERR_RETRY, ERR_THROTTLED or ERR_AUTH */
    int64_t invisible_ms; /* a new machine is not found by its name for so long */
    uint64_t seed;
};
void memcloud_chance(struct memcloud *f, const struct memcloud_chance *c);
/* The machine is gone, as a reclaimed spot instance is. */
void memcloud_lose(struct memcloud *f, const char *name);
/* The same with the cloud's own word for it: it took the machine back. */
void memcloud_reclaim(struct memcloud *f, const char *name, const char *detail);
/* It lives, but describe says that it is gone: the cloud's view is old. */
void memcloud_hide(struct memcloud *f, const char *name, bool hidden);
/* The next destroys are accepted, and nothing happens. */
void memcloud_ignore_destroys(struct memcloud *f, int times);
/* The same, and describe says from then on that it is being ended. */
void memcloud_linger(struct memcloud *f, int times);
/* It powered itself off on a cloud where that does not end it: it lives on, stopped. */
void memcloud_stop(struct memcloud *f, const char *name);

/* What list gives: by default everything that lives and carries MEMCLOUD_DEPLOYMENT, wherever it is. */
#define MEMCLOUD_DEPLOYMENT "test"
struct memcloud_list {
    size_t page;        /* instances on each; 0 = 100 */
    size_t fail_page;   /* the one that fails, from 1; 0 = none */
    enum err_kind kind; /* ... with this */
    bool endless;       /* the same machines again and again */
    int64_t stale_ms;   /* as it was so long ago: without what was made since, with what ended since */
};
void memcloud_list(struct memcloud *f, const struct memcloud_list *how);
size_t memcloud_lists(struct memcloud *f); /* calls so far */
/* From the first one on lists are of one region each (none named: the first). Before the engine starts. */
void memcloud_region(struct memcloud *f, const char *region);
/* A machine that nobody launched here; it runs unless its state is STOPPED. */
void memcloud_put(struct memcloud *f, const struct instance *i, const char *deployment);
bool memcloud_is_live(struct memcloud *f, const char *id);

/* One launch call, as it came in. */
struct memcloud_call {
    char name[64], token[96], instance_type[64], region[64];
    bool spot;
    int64_t lifetime_s, expires_s; /* expires_s: of its tag */
    unsigned char user_data[32];   /* its SHA-256 */
    char *text;                    /* the user-data itself */
};
size_t memcloud_calls(struct memcloud *f, struct memcloud_call out[MEMCLOUD_MAX]); /* text is borrowed */

/* A machine that was made. */
struct memcloud_box {
    char name[64];
    bool live;
    const char *user_data; /* borrowed */
};
size_t memcloud_boxes(struct memcloud *f, struct memcloud_box out[MEMCLOUD_MAX]); /* in order of creation */
void memcloud_end(struct memcloud *f, size_t box); /* it powers itself off, or is taken away */

/* Machines that live now, and machines ever made. */
size_t memcloud_live(struct memcloud *f);
size_t memcloud_made(struct memcloud *f);
size_t memcloud_destroys(struct memcloud *f);
/* Wait for so many launch calls / live machines; false after timeout_ms of real time. */
bool memcloud_wait_calls(struct memcloud *f, size_t n, int timeout_ms);
bool memcloud_wait_live(struct memcloud *f, size_t n, int timeout_ms);

#endif
