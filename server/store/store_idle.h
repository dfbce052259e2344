/*
 * Warm runners: which files ask for them, which pools they make, and which machines belong to these.
 *
 * A source is a file at a default branch: "r" + repository id, or "o" + installation id for an organisation's. It keeps
 * the last version that could be read. A pool is one runner of a source: SOURCE/NAME. A machine of a pool has a row
 * until a job runs on it or it ends; while it is claimed for a waiting job it counts for that job and not for the pool.
 */
#ifndef MUSTER_STORE_STORE_IDLE_H
#define MUSTER_STORE_STORE_IDLE_H

#include "server/store/store.h"

#define IDLE_SOURCE_MAX 32
#define IDLE_POOL_MAX 400

struct idle_source {
    char id[IDLE_SOURCE_MAX];
    int64_t installation_id, repo_id;
    int64_t read_ms; /* when its file was last read; 0 or less = it has to be read anew */
    char etag[128];
    char *repo;    /* owner/name that the file is in */
    char *text;    /* its last good version; NULL = there is none */
    char *refused; /* why it gets no warm runners, for a person; NULL = it may have them */
};
void idle_source_clear(struct idle_source *s);
#define AUTO_IDLE_SOURCE AUTO(idle_source_clear)

/* Insert it, or note where it is now. *stale: it was not read since not_before_ms. */
int store_idle_source_know(struct store_tx *t, const struct idle_source *s, int64_t not_before_ms, bool *stale,
                           struct err *e) MUST_USE;
int store_idle_source_get(struct store_tx *t, const char *id, struct idle_source *out, bool *found,
                          struct err *e) MUST_USE;
/* etag, text and refused as they are now, and read_ms if it is still as it was: if nobody asked for another reading. */
int store_idle_source_put(struct store_tx *t, const struct idle_source *s, int64_t was_read_ms, struct err *e) MUST_USE;
/* To be read anew. *known = it is there. */
int store_idle_source_touch(struct store_tx *t, const char *id, int64_t now_ms, bool *known, struct err *e) MUST_USE;

struct idle_pool {
    char id[IDLE_POOL_MAX], source[IDLE_SOURCE_MAX];
    char spec[65];     /* the hash of what its machines are made of */
    int64_t used_ms;   /* when a job last got a machine of this runner */
    int64_t retry_ms;  /* no launch before */
    int64_t failures;  /* machines in a row that came to nothing */
    int64_t candidate; /* where the next one begins in the chain */
};
/* Insert it; another spec than before forgets failures. *out as it is then. */
int store_idle_pool_know(struct store_tx *t, const char *id, const char *source, const char *spec,
                         struct idle_pool *out, struct err *e) MUST_USE;
int store_idle_pool_get(struct store_tx *t, const char *id, struct idle_pool *out, bool *found, struct err *e) MUST_USE;
int store_idle_pool_put(struct store_tx *t, const struct idle_pool *p, struct err *e) MUST_USE;
/* A job got a machine of this runner. *known = there is such a pool. */
int store_idle_pool_use(struct store_tx *t, const char *id, int64_t now_ms, bool *known, struct err *e) MUST_USE;
struct idle_machine {
    char name[64], pool[IDLE_POOL_MAX], source[IDLE_SOURCE_MAX], spec[65];
    bool claimed;
};
int store_idle_machine_add(struct store_tx *t, const struct idle_machine *m, struct err *e) MUST_USE;
int store_idle_machine_get(struct store_tx *t, const char *name, struct idle_machine *out, bool *found,
                           struct err *e) MUST_USE;
int store_idle_machine_drop(struct store_tx *t, const char *name, struct err *e) MUST_USE;

/* The unclaimed machines before BUSY of a source, the least useful first: not launched, launching, booting, idle, and
 * of these the newest. */
typedef int store_idle_fn(void *arg, const struct idle_machine *i, const struct machine *m, struct err *e);
int store_idle_machines(struct store_tx *t, const char *source, store_idle_fn *each, void *arg, struct err *e) MUST_USE;

/* An unmarked machine, BOOTING or IDLE, of one of two sources (NULL = none) and this spec: the oldest whose row `fits`
 * says yes to. found = false: none. */
typedef bool store_idle_fits_fn(void *arg, const struct machine *m);
int store_idle_find(struct store_tx *t, const char *source, const char *or_source, const char *spec,
                    store_idle_fits_fn *fits, void *arg, struct machine *out, bool *found, struct err *e) MUST_USE;
/* The unclaimed and unmarked machine before BUSY that is the least useful; repo_id 0 = of any repository. */
int store_idle_spare(struct store_tx *t, int64_t repo_id, char name[64], bool *found, struct err *e) MUST_USE;
/* Machines, whoever's, that are about to give their room up: ENDING, or before BUSY and marked. */
int store_idle_leaving(struct store_tx *t, int64_t repo_id, int64_t *out, struct err *e) MUST_USE;
/* Are jobs of this repository given its organisation's runners? *asked_ms: when GitHub said so; 0 = never. */
int store_idle_reach_get(struct store_tx *t, int64_t repo_id, bool *reaches, int64_t *asked_ms, struct err *e) MUST_USE;
int store_idle_reach_put(struct store_tx *t, int64_t repo_id, bool reaches, int64_t asked_ms, struct err *e) MUST_USE;
/* It counts for this job's repository and labels from now on / it is back in its pool. */
int store_idle_claim(struct store_tx *t, const char *name, const struct job *j, struct err *e) MUST_USE;
int store_idle_release(struct store_tx *t, const char *name, int64_t repo_id, const char *label_key,
                       struct err *e) MUST_USE;

#endif
