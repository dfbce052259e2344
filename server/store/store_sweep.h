/*
 * What the sweep remembers: where machines may be, and tagged ones that no record explains. Part of the store, for the
 * engine.
 *
 * A place is a region of a cloud ("" = the account's default, or a cloud without regions). It is put before the first
 * launch there, so that nothing is launched where nobody will look.
 *
 * A stray is what a list showed and no record explains. It counts from the first list on that ended well
 * (store_strays_settle); what a list showed that failed later is forgotten (store_strays_abandon).
 */
#ifndef MUSTER_STORE_SWEEP_H
#define MUSTER_STORE_SWEEP_H

#include "server/store/store.h"

struct store_place {
    int64_t id;
    char cloud[32], region[64];
    int64_t used_ms;  /* about when something was launched there last; 0 = never by this store's knowledge */
    int64_t swept_ms; /* when its list was complete last; 0 = never */
};
/* Adds it; used_ms only grows, and only by steps that are worth a write. */
int store_place_put(struct store_tx *t, const char *cloud, const char *region, int64_t used_ms, struct err *e) MUST_USE;
int store_place_get(struct store_tx *t, int64_t id, struct store_place *out, bool *found, struct err *e) MUST_USE;
int store_place_swept(struct store_tx *t, int64_t id, int64_t now_ms, struct err *e) MUST_USE;
typedef int store_place_fn(void *arg, const struct store_place *p, struct err *e);
int store_places(struct store_tx *t, store_place_fn *each, void *arg, struct err *e) MUST_USE; /* by id */

struct store_stray {
    int64_t id, place_id;
    char cloud[32], region[64], instance_id[256]; /* what it is: one row for each such three */
    char name[64], repo[160];                     /* its tags */
    int64_t job_id, created_ms, expires_ms;       /* 0 = not told */
    bool part;                                    /* what a machine left behind */
    int64_t mark;                                 /* of the list that showed it last */
    int64_t first_ms;                             /* since when it is known; 0 = its list has not ended yet */
    int64_t condemned_ms;                         /* since when its own task ends it; 0 = only watched */
    int64_t asked_ms;                             /* when the cloud accepted its end; 0 = not yet */
    bool told;                                    /* since it was seen last, that its account is not there any more */
};
/* Adds it or notes that it was seen again; first_ms, condemned_ms and asked_ms stay. */
int store_stray_see(struct store_tx *t, const struct store_stray *s, struct err *e) MUST_USE;
/* A list of the place ended well: what has its mark counts, what has not is forgotten unless it is condemned. */
int store_strays_settle(struct store_tx *t, int64_t place_id, int64_t mark, int64_t now_ms, struct err *e) MUST_USE;
/* It failed: what no earlier list showed is forgotten. */
int store_strays_abandon(struct store_tx *t, int64_t place_id, struct err *e) MUST_USE;
/* At most n that are known since before_ms or longer and not condemned, the longest known first. */
typedef int store_stray_fn(void *arg, const struct store_stray *s, struct err *e);
int store_strays_due(struct store_tx *t, int64_t place_id, int64_t before_ms, int64_t n, store_stray_fn *each,
                     void *arg, struct err *e) MUST_USE;
int store_stray_get(struct store_tx *t, int64_t id, struct store_stray *out, bool *found, struct err *e) MUST_USE;
int store_stray_condemn(struct store_tx *t, int64_t id, int64_t now_ms, struct err *e) MUST_USE;
int store_stray_asked(struct store_tx *t, int64_t id, int64_t now_ms, struct err *e) MUST_USE;
int store_stray_told(struct store_tx *t, int64_t id, struct err *e) MUST_USE;
int store_stray_drop(struct store_tx *t, int64_t id, struct err *e) MUST_USE;
/* How many there are of a cloud, those included that only one list showed. */
int store_strays_count(struct store_tx *t, const char *cloud, int64_t *out, struct err *e) MUST_USE;

/* What a record says, as far as a sweep needs it. */
struct store_trace {
    char name[64], region[64], instance_id[256];
    enum machine_state state;
    int64_t launched_ms;
};
int store_trace_get(struct store_tx *t, const char *name, struct store_trace *out, bool *found, struct err *e) MUST_USE;
/* At most n of a cloud that are launched and not GONE, by name, those behind `after`. */
typedef int store_trace_fn(void *arg, const struct store_trace *m, struct err *e);
int store_traces(struct store_tx *t, const char *cloud, const char *after, int64_t n, store_trace_fn *each, void *arg,
                 struct err *e) MUST_USE;

/* Whose runners may be left at GitHub: repositories and organisations (repo without '/') of machines made since then,
 * at most n, by name, those behind `after`. installation_id and repo_id: of the newest machine. */
struct store_owner {
    char repo[160];
    int64_t installation_id, repo_id;
};
typedef int store_owner_fn(void *arg, const struct store_owner *o, struct err *e);
int store_owners(struct store_tx *t, int64_t since_ms, const char *after, int64_t n, store_owner_fn *each, void *arg,
                 struct err *e) MUST_USE;

#endif
