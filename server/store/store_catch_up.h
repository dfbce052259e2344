/*
 * What GitHub knows and we perhaps do not: how far its delivery log was read, deliveries that never reached us,
 * repositories and jobs that are looked at now and then, and installations that are closed to us.
 */
#ifndef MUSTER_STORE_STORE_CATCH_UP_H
#define MUSTER_STORE_STORE_CATCH_UP_H

#include "server/store/store.h"

/* --- the delivery log: one record. All times are of GitHub's clock. */
struct store_log {
    int64_t mark_ms;     /* whatever was delivered up to then is settled; 0 = nothing is */
    int64_t top_ms;      /* the newest delivery of the reading under way; 0 = none is under way */
    int64_t lowest_id;   /* the oldest delivery of that reading so far; 0 = none yet */
    int64_t pages;       /* that it took so far */
    int64_t ours, alien; /* deliveries of jobs in it that were answered: known here, and not */
    char cursor[256];    /* its next page; "" = the first */
    char problem[16];    /* why the log could not be read at last: err_kind_name's word; "" = it could */
};
/* All zero when there is none yet. */
int store_log_get(struct store_tx *t, struct store_log *out, struct err *e) MUST_USE;
int store_log_put(struct store_tx *t, const struct store_log *l, struct err *e) MUST_USE;

/* Was this delivery stored (within the last seven days)? In a writing transaction only. */
int store_delivery_known(struct store_tx *t, const char *guid, bool *known, struct err *e) MUST_USE;

/* --- deliveries without a successful attempt, by GUID */
struct store_missed {
    char guid[65], event[32], action[40];
    int64_t delivery_id;  /* its newest attempt */
    int64_t delivered_ms; /* its oldest one that was seen */
    int64_t tries;        /* how often we asked for it again */
    int64_t due_ms;       /* when to ask (again); our clock */
};
/* Remember it; of one that is known only the newest attempt's id and the oldest time. *added: it was not, and no
 * attempt of it was answered in the reading under way. A newer attempt than the one we asked to repeat means that what
 * we asked for was sent and failed: the first three times it is due a minute after m->due_ms, not only when we would
 * have given up waiting for it. */
int store_missed_note(struct store_tx *t, const struct store_missed *m, bool *added, struct err *e) MUST_USE;
/* An attempt of it was answered. keep: older ones that failed may still come in this reading. */
int store_missed_answered(struct store_tx *t, const char *guid, bool keep, struct err *e) MUST_USE;
/* The reading is complete: what was kept for it goes. */
int store_missed_read(struct store_tx *t, struct err *e) MUST_USE;
/* Those to be asked for by now, oldest delivery first. */
int store_missed_due(struct store_tx *t, int64_t now_ms, struct store_missed *out, size_t max, size_t *n,
                     struct err *e) MUST_USE;
/* tries and due_ms, if it is there. */
int store_missed_put(struct store_tx *t, const char *guid, int64_t tries, int64_t due_ms, struct err *e) MUST_USE;
int store_missed_drop(struct store_tx *t, const char *guid, struct err *e) MUST_USE;
/* When the next one is due; -1 = none. */
int store_missed_next(struct store_tx *t, int64_t *due_ms, struct err *e) MUST_USE;

/* --- repositories from which jobs came lately */
struct store_active { /* owns its strings */
    int64_t repo_id, installation_id;
    int64_t last_ms; /* when a job of it was last admitted */
    int64_t due_ms;  /* when to look next */
    int64_t after;   /* the run that was looked into last, when there was no time for all; 0 = begin anew */
    char *repo, *default_branch;
};
void store_active_clear(struct store_active *a);
#define AUTO_ACTIVE __attribute__((cleanup(store_active_clear)))
/* A job of it was admitted: looked at by due_ms at the latest. */
int store_active_note(struct store_tx *t, const struct job *j, int64_t now_ms, int64_t due_ms, struct err *e) MUST_USE;
/* The one that is due for the longest; found = false: none by now. */
int store_active_due(struct store_tx *t, int64_t now_ms, struct store_active *out, bool *found, struct err *e) MUST_USE;
int store_active_get(struct store_tx *t, int64_t repo_id, struct store_active *out, bool *found,
                     struct err *e) MUST_USE;
int store_active_looked(struct store_tx *t, int64_t repo_id, int64_t due_ms, int64_t after, struct err *e) MUST_USE;
int store_active_drop(struct store_tx *t, int64_t repo_id, struct err *e) MUST_USE;
/* Its machines that are not GONE. */
int store_active_machines(struct store_tx *t, int64_t repo_id, int64_t *n, struct err *e) MUST_USE;
/* The ids of an installation's above `after`, at most max, in order. */
int store_active_of(struct store_tx *t, int64_t installation_id, int64_t after, int64_t *repo_ids, size_t max,
                    size_t *n, struct err *e) MUST_USE;

/* --- jobs of ours at which GitHub is asked to look, until they are done */
struct store_look {
    int64_t job_id, due_ms;
    int64_t misses; /* how often in a row GitHub knew no such job */
};
/* One that is there stays as it is. */
int store_look_note(struct store_tx *t, int64_t job_id, int64_t due_ms, struct err *e) MUST_USE;
int store_look_due(struct store_tx *t, int64_t now_ms, struct store_look *out, size_t max, size_t *n,
                   struct err *e) MUST_USE;
/* due_ms and misses, if it is there. */
int store_look_put(struct store_tx *t, const struct store_look *l, struct err *e) MUST_USE;
int store_look_drop(struct store_tx *t, int64_t job_id, struct err *e) MUST_USE;
/* When the next repository or job is due; -1 = none. */
int store_look_next(struct store_tx *t, int64_t *due_ms, struct err *e) MUST_USE;

/* --- what is closed to us: "i" + installation id, "r" + repository id */
struct store_reach {
    bool closed;
    int64_t asked_ms;    /* when GitHub was last asked, or was to be */
    char reason[256];    /* for a person; "" while it is open */
    int64_t misses;      /* how often in a row GitHub did not know it */
    int64_t answered_ms; /* when GitHub last said what holds; 0 = never */
};
/* All zero (open, never asked) when nothing is known. */
int store_reach_get(struct store_tx *t, const char *id, struct store_reach *out, struct err *e) MUST_USE;
int store_reach_put(struct store_tx *t, const char *id, const struct store_reach *r, struct err *e) MUST_USE;
int store_reach_drop(struct store_tx *t, const char *id, struct err *e) MUST_USE;
/* At most max, by id (name), those above `after`; repo_id 0 = of all its repositories. Jobs that want a machine and
 * have none; jobs that are yet to be decided (their tasks wait); machines that are not launched yet. */
int store_reach_wanting(struct store_tx *t, int64_t installation_id, int64_t repo_id, int64_t *jobs, size_t max,
                        size_t *n, struct err *e) MUST_USE;
int store_reach_undecided(struct store_tx *t, int64_t installation_id, int64_t repo_id, int64_t after, int64_t *jobs,
                          size_t max, size_t *n, struct err *e) MUST_USE;
typedef char store_machine_name[64];
int store_reach_unlaunched(struct store_tx *t, int64_t installation_id, int64_t repo_id, const char *after,
                           store_machine_name *names, size_t max, size_t *n, struct err *e) MUST_USE;

#endif
