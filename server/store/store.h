/*
 * Everything that must survive: jobs, machines, deliveries, tasks with leases, timeline events.
 *
 * Group commit. One committer thread owns the writing connection. Work is handed to it as a function over an open
 * transaction; it runs all that are waiting inside one transaction (a savepoint each, so that one failure undoes only
 * its own), commits once, and only then tells each caller. One fsync serves everybody who waited for it.
 *
 *     store_write(s, fn, arg, e)             block until it is on disk
 *     store_submit(s, fn, arg, done, arg)    return at once; done() runs on the committer thread after the commit
 *     store_read(s, fn, arg, e)              on a reading connection, never waits for a writer
 *
 * fn may run again (a neighbour in the batch failed, a database fault passed), so it must start by resetting what it
 * fills. It must not block, nor call store_write: it is on the committer's thread, as done is.
 * Each statement of a read sees what was committed when it began.
 * After ERR_QUOTA (disk full) the store goes on serving reads, and writes again once there is room.
 *
 * Every query stands in one of store_*.c, once. Callbacks per row may change what they are shown, but for events.
 */
#ifndef MUSTER_STORE_STORE_H
#define MUSTER_STORE_STORE_H

#include "server/base/err.h"
#include "server/model.h"

#include <stdbool.h>
#include <stddef.h>

struct store;
struct store_tx; /* an open transaction, or a reading connection: valid inside fn only */

typedef int store_fn(struct store_tx *t, void *arg, struct err *e);
typedef void store_done_fn(void *arg, int rc, const struct err *e);

/* url: "sqlite:/path/file.db". Creates the file (mode 0600) and its tables, or migrates them forward. A database of a
 * newer version, an unwritable path, a full disk: ERR_INVALID / ERR_QUOTA with one clear sentence, nothing changed. */
int store_open(const char *url, struct store **out, struct err *e) MUST_USE;
/* Finishes what was submitted, then closes. Accepts NULL. */
void store_close(struct store *s);

int store_write(struct store *s, store_fn *fn, void *arg, struct err *e) MUST_USE;
void store_submit(struct store *s, store_fn *fn, void *arg, store_done_fn *done, void *done_arg);
/* As store_submit, but the committer is woken only by store_kick: whoever has several at once saves commits. */
void store_enqueue(struct store *s, store_fn *fn, void *arg, store_done_fn *done, void *done_arg);
void store_kick(struct store *s);
int store_read(struct store *s, store_fn *fn, void *arg, struct err *e) MUST_USE;

/* Called on the committer thread after each commit in which a task became due earlier than store_task_next_due last
 * told (after a claim: in which any was put); must not block. When this returns, the one before runs no more. */
void store_on_task(struct store *s, void (*wake)(void *arg), void *arg);

/* Can it be written? 0, or why not: for readiness. Never waits: it tells how the last commit went, and when that was
 * some time ago or failed, sends a small write, whose outcome the next call tells. What was found damaged stays so. */
int store_health(struct store *s, struct err *e) MUST_USE;

/* --- deliveries ----------------------------------------------------------------------------------------------- */

/* Remember a delivery id (GUID text, at most 64 bytes). *known = it was there already (then nothing is changed).
 * Known ids are also held in memory, loaded at open, so that this costs no look-up on disk. */
int store_delivery_put(struct store_tx *t, const char *guid, int64_t now_ms, bool *known, struct err *e) MUST_USE;

/* --- jobs ----------------------------------------------------------------------------------------------------- */

/* Merge what an event says. Inserts, or moves state forward (never back) and fills in what was unknown; our own fields
 * (want, plan_json, reason) of an existing row stay, except that a new row takes them from j.
 * *before: state before (-1 = new); *moved: did the state move forward (or is it new)? */
int store_job_merge(struct store_tx *t, const struct job *j, int *before, bool *moved, struct err *e) MUST_USE;
int store_job_get(struct store_tx *t, int64_t id, struct job *out, bool *found, struct err *e) MUST_USE;
/* Our decision. NULL plan or reason leaves the column as it is; "" clears the reason. */
int store_job_decide(struct store_tx *t, int64_t id, enum job_want want, const char *plan_json, const char *reason,
                     struct err *e) MUST_USE;

/* --- machines ------------------------------------------------------------------------------------------------- */

int store_machine_insert(struct store_tx *t, const struct machine *m, struct err *e) MUST_USE;
int store_machine_get(struct store_tx *t, const char *name, struct machine *out, bool *found, struct err *e) MUST_USE;
/* Writes every field but name, repo, labels, created_ms and job_id, if the stored state is still `expected`;
 * *changed = it was. */
int store_machine_update(struct store_tx *t, const struct machine *m, enum machine_state expected, bool *changed,
                         struct err *e) MUST_USE;

/* Jobs and machines of one repository and label set, for demand and supply. */
struct store_balance {
    int64_t demand;  /* jobs QUEUED with WANT_MACHINE */
    int64_t supply;  /* machines WANTED, LAUNCHING, BOOTING, IDLE; surplus ones too */
    int64_t surplus; /* of these, marked as surplus */
};
int store_balance(struct store_tx *t, int64_t repo_id, const char *label_key, struct store_balance *out,
                  struct err *e) MUST_USE;
/* Machines that were launched for a job since it was last tried anew, ended, and never took one. */
int store_machine_failures(struct store_tx *t, int64_t job_id, int64_t *out, struct err *e) MUST_USE;
/* The oldest job that waits without a machine before BUSY made for it (the oldest waiting one if all have); found =
 * false: none. */
int store_job_next_unserved(struct store_tx *t, int64_t repo_id, const char *label_key, struct job *out, bool *found,
                            struct err *e) MUST_USE;
/* The n newest machines before BUSY that are not marked (mark) / the n oldest marked ones (unmark): calls each. */
typedef int store_machine_fn(void *arg, const struct machine *m, struct err *e);
int store_machines_unmarked(struct store_tx *t, int64_t repo_id, const char *label_key, int64_t n,
                            store_machine_fn *each, void *arg, struct err *e) MUST_USE;
int store_machines_marked(struct store_tx *t, int64_t repo_id, const char *label_key, int64_t n, store_machine_fn *each,
                          void *arg, struct err *e) MUST_USE;
/* All machines not GONE, and numbers by state (counts has M_GONE + 1 entries; GONE is not counted). */
int store_machines_live(struct store_tx *t, store_machine_fn *each, void *arg, struct err *e) MUST_USE;
int store_machine_counts(struct store_tx *t, int64_t *counts, struct err *e) MUST_USE;

/* --- machines that fetch their bootstrap ---------------------------------------------------------------------- */

/* Before a launch: what the machine may fetch. The same token again changes nothing (a repeated launch finds it fetched
 * or not); another one is another machine of the same name, after the first proved not to be. */
int store_pull_arm(struct store_tx *t, const char *machine, const char *token, const char *sealed,
                   struct err *e) MUST_USE;
struct store_pull { /* owns its text */
    bool armed;
    char *sealed;       /* "" once fetched */
    int64_t fetched_ms; /* 0 = not yet */
};
void store_pull_clear(struct store_pull *p);
#define AUTO_PULL __attribute__((cleanup(store_pull_clear)))
int store_pull_get(struct store_tx *t, const char *machine, struct store_pull *out, struct err *e) MUST_USE;
/* It has been told: the secret goes from the store. */
int store_pull_fetched(struct store_tx *t, const char *machine, int64_t now_ms, struct err *e) MUST_USE;
/* The machine ends. */
int store_pull_drop(struct store_tx *t, const char *machine, struct err *e) MUST_USE;

/* --- tasks ---------------------------------------------------------------------------------------------------- */

/* SLOW, of a job: has it waited for long? SAY, of a report: tell the pull request. ROOM: who may have a machine now?
 * CATCH_UP: what does GitHub know that we do not? RERUN, of a run: its interrupted jobs, once it ended.
 * SWEEP: what is there that no record explains? */
enum task_kind {
    TASK_JOB = 1,
    TASK_MACHINE = 2,
    TASK_IDLE = 3,
    TASK_SLOW = 4,
    TASK_SAY = 5,
    TASK_ROOM = 6,
    TASK_CATCH_UP = 7,
    TASK_SWEEP = 8,
    TASK_RERUN = 9,
    TASK_RETAIN = 10
};

/* Smaller is more urgent. */
enum task_priority { TASK_TEARDOWN = 0, TASK_LAUNCH = 1, TASK_DECIDE = 2, TASK_CHECK = 3, TASK_REPORT = 4 };

struct task {
    int64_t id, generation;
    enum task_kind kind;
    char subject[64];            /* job or run id in decimal, machine name, or source of warm runners (store_idle.h) */
    int attempts;                /* claims since it was put or last finished without retry */
    enum task_priority priority; /* that it was claimed at */
};

/* One task per (kind, subject). Puts it or makes it due at due_ms if that is earlier than now planned; more urgent
 * priority wins. Puts on a task under way are not lost: its finish leaves it due. */
int store_task_put(struct store_tx *t, enum task_kind kind, const char *subject, enum task_priority priority,
                   int64_t due_ms, struct err *e) MUST_USE;
/* Claim up to n due tasks under a lease, most urgent first, then longest due; none less urgent than `least`. Where more
 * launches and decisions are due than may be claimed, the repositories whose they are take turns; one task in four is a
 * TASK_CHECK that has been due for a minute, if there is one. */
int store_task_claim(struct store_tx *t, enum task_priority least, int64_t now_ms, int64_t lease_until_ms, size_t n,
                     struct task *out, size_t *got, struct err *e) MUST_USE;
/* Done with a claimed task. next_due_ms < 0: remove it (unless it was put again meanwhile: then it is due as put).
 * Else it becomes due again then, at the given priority. retry keeps counting attempts; otherwise they start at 0.
 * Who lost his lease to another changes nothing here (0), so that what he records in the same transaction is kept. */
int store_task_finish(struct store_tx *t, const struct task *task, int64_t next_due_ms, enum task_priority priority,
                      bool retry, struct err *e) MUST_USE;
/* This claim of it was no attempt: it only had no turn. */
int store_task_uncount(struct store_tx *t, const struct task *task, struct err *e) MUST_USE;
/* ERR_CONFLICT: the lease was lost. */
int store_task_renew(struct store_tx *t, const struct task *task, int64_t lease_until_ms, struct err *e) MUST_USE;
/* When the next unclaimed task is due or the next lease ends, of those not less urgent than `least`; -1 = none. */
int store_task_next_due(struct store_tx *t, enum task_priority least, int64_t *out, struct err *e) MUST_USE;
/* At the start of an embedded store: leases of the process that died are void. */
int store_task_release_all(struct store_tx *t, struct err *e) MUST_USE;

/* --- reports -------------------------------------------------------------------------------------------------- */

/* Why a job waits or was refused: its cause, and the place in .cirun.yml (0 = none). */
struct store_cause {
    enum job_cause cause;
    int line, column;
};
int store_cause_put(struct store_tx *t, int64_t job_id, const struct store_cause *c, struct err *e) MUST_USE;
/* CAUSE_NONE when nothing was put. */
int store_cause_get(struct store_tx *t, int64_t job_id, struct store_cause *out, struct err *e) MUST_USE;

/* What a candidate of a job's chain answered. One row per (job, candidate): a later answer takes the earlier one's
 * place, and counts. kind: a word as err_kind_name's ("capacity"), or "boot". */
struct store_attempt {
    int64_t job_id;
    int candidate;
    const char *machine, *cloud, *region, *instance_type; /* never NULL */
    bool spot;
    const char *kind, *message;
    int64_t first_ms, last_ms, times; /* put: last_ms alone */
};
int store_attempt_put(struct store_tx *t, const struct store_attempt *a, struct err *e) MUST_USE;
int store_attempts_forget(struct store_tx *t, int64_t job_id, struct err *e) MUST_USE;
/* By candidate; strings are borrowed for the call. */
typedef int store_attempt_fn(void *arg, const struct store_attempt *a, struct err *e);
int store_attempts_of_job(struct store_tx *t, int64_t job_id, store_attempt_fn *each, void *arg,
                          struct err *e) MUST_USE;

/* One check run, or what stands for it: for the jobs of a commit that share a topic. Owns its strings. */
enum store_report_form { REPORT_CHECK_RUN, REPORT_STATUS, REPORT_SILENT }; /* SILENT: nothing may be written there */
struct store_report {
    int64_t id, repo_id, installation_id;
    char *repo, *head_sha, *topic;
    int64_t external_id;  /* the job that opened it */
    int64_t check_run_id; /* 0 = none yet; < 0 = perhaps: the answer was lost */
    enum store_report_form form;
    char said[72], annotated[72]; /* digests of what was said last */
    int64_t updates, opened_ms, said_ms;
};
void store_report_clear(struct store_report *r);
/* The one of (repo_id, head_sha, topic), made if it is not there. */
int store_report_open(struct store_tx *t, const struct store_report *r, int64_t *id, struct err *e) MUST_USE;
/* How many reports of the commit have another topic. */
int store_report_topics(struct store_tx *t, int64_t repo_id, const char *head_sha, const char *topic, int64_t *others,
                        struct err *e) MUST_USE;
int store_report_join(struct store_tx *t, int64_t job_id, int64_t report_id, struct err *e) MUST_USE;
/* Those of one commit, at most max. */
int store_reports_of_commit(struct store_tx *t, int64_t repo_id, const char *head_sha, int64_t *ids, size_t max,
                            size_t *n, struct err *e) MUST_USE;
/* 0 = none. */
int store_report_of_job(struct store_tx *t, int64_t job_id, int64_t *report_id, struct err *e) MUST_USE;
int store_report_by_check_run(struct store_tx *t, int64_t repo_id, int64_t check_run_id, int64_t *id,
                              struct err *e) MUST_USE;
int store_report_get(struct store_tx *t, int64_t id, struct store_report *out, bool *found, struct err *e) MUST_USE;
/* What was said: check_run_id, form, said, annotated, updates, said_ms. */
int store_report_update(struct store_tx *t, const struct store_report *r, struct err *e) MUST_USE;

struct store_report_job { /* strings are never NULL, and borrowed for the call */
    int64_t id, run_id, queued_ms, updated_ms;
    enum job_state state;
    enum job_want want;
    const char *name, *runner_name, *reason;
    struct store_cause cause;
};
typedef int store_report_job_fn(void *arg, const struct store_report_job *j, struct err *e);
int store_report_jobs(struct store_tx *t, int64_t report_id, store_report_job_fn *each, void *arg,
                      struct err *e) MUST_USE; /* by id, at most 1,000 */
/* As store_attempts_of_job for all its jobs: by candidate, the newest first. */
int store_attempts_of_report(struct store_tx *t, int64_t report_id, store_attempt_fn *each, void *arg,
                             struct err *e) MUST_USE;
/* The machine on its way for a job, or its newest. found = false: none. */
int store_machine_of_job(struct store_tx *t, int64_t job_id, struct machine *out, bool *found, struct err *e) MUST_USE;

/* --- timeline ------------------------------------------------------------------------------------------------- */

/* job_id 0 or machine NULL = not about one. kind: noun.past_tense. */
int store_event_add(struct store_tx *t, int64_t at_ms, int64_t job_id, const char *machine, const char *kind,
                    const char *detail, struct err *e) MUST_USE;
typedef int store_event_fn(void *arg, int64_t at_ms, int64_t job_id, const char *machine, const char *kind,
                           const char *detail, struct err *e);
int store_events_of_job(struct store_tx *t, int64_t job_id, store_event_fn *each, void *arg, struct err *e) MUST_USE;

/* --- small values --------------------------------------------------------------------------------------------- */

int store_meta_get(struct store_tx *t, const char *key, char **out, struct err *e) MUST_USE; /* NULL = absent; free */
int store_meta_put(struct store_tx *t, const char *key, const char *value, struct err *e) MUST_USE;

#endif
