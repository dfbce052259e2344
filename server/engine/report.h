/*
 * Reports: what a pull request is told about jobs that mean us and cannot be served. Private to report*.c, for their
 * tests, and for verdict.c, deliver.c and task.c.
 *
 * One report is one check run: for all jobs of a commit that share a topic. The topic of what is wrong with the file or
 * the run is "", else it is the jobs' labels without what stands behind "--": a matrix of 256 jobs is one check run
 * that lists them. The external_id is the id of the job that opened it. A commit gets at most REPORT_TOPICS_MAX of
 * them; what comes then shares one topic "*".
 *
 * A refusal opens a report at once; a wait when it has lasted for slow_start. What is said is said by tasks of the
 * lowest priority, put in the transaction that changes a job, so that a crash loses none; one task per report, so that
 * nobody speaks twice. The intent to make a check run is stored before the request, so that after a lost answer it is
 * looked for before another one is made.
 */
#ifndef MUSTER_ENGINE_REPORT_H
#define MUSTER_ENGINE_REPORT_H

#include "server/base/arena.h"
#include "server/engine/engine_int.h"
#include "server/github/check.h"
#include "server/store/store_rerun.h"

#define REPORT_SLOW_START_MS (3 * 60 * 1000) /* unless the settings say otherwise */
#define REPORT_SETTLE_MS (2 * 1000)          /* changes that come together are told together */
#define REPORT_TOPICS_MAX 10
#define REPORT_FILES_MAX 16   /* kept with their text */
#define REPORT_UPDATES_MAX 40 /* words about a wait; how it ends is always said */
#define REPORT_JOBS_SHOWN 20
#define REPORT_EVENTS_SHOWN 20

/* --- what is known */

enum report_phase {
    REPORT_FAILING,     /* a job is refused, or its machine was ended under it */
    REPORT_WAITING,     /* a job waits for its machine */
    REPORT_OVERTIME,    /* a job runs on, beyond the lifetime of its machine */
    REPORT_INTERRUPTED, /* none of these, and a job's machine was taken back */
    REPORT_STARTED,     /* all run, or have run */
    REPORT_ENDED        /* none waits any more and none ran */
};

struct report_attempt {
    int candidate;
    const char *cloud, *region, *instance_type, *kind, *message;
    bool spot;
    int64_t last_ms, times;
};

struct report_event {
    int64_t at_ms;
    const char *kind, *detail;
};

/* .cirun.yml as the job's decision read it. */
struct report_file {
    char *text;
    struct cirun_yml *yml;
    bool at_head; /* it is the file of the report's commit: annotations may point into it */
};
void report_file_free(void *file);

struct report_view {
    struct arena *arena; /* of its strings */
    struct store_report r;
    struct store_report_job *jobs; /* by id */
    size_t n_jobs;
    enum report_phase phase;
    size_t failing, waiting, started;
    const struct store_report_job *lead; /* whose cause is told */
    struct job lead_job;                 /* the whole record */
    struct report_attempt *attempts;     /* by candidate */
    size_t n_attempts;
    struct report_event *events; /* of lead, the newest ones */
    size_t n_events;
    struct machine machine;                 /* the one on its way for lead; name "" = none */
    struct store_interruption interruption; /* the newest of its jobs; job_id 0 = none */
    const struct report_file *file;         /* NULL = none, or not needed */
    int64_t now_ms;
    /* Values that no text may hold. */
    const struct secret *const *secrets;
    size_t n_secrets;
};
/* Reads all but the file. *found = false: there is no such report, or no job of it. */
struct report_reading {
    int64_t id;
    struct report_view *v;
    bool found;
};
int report_read_tx(struct store_tx *t, void *reading, struct err *e) MUST_USE;
void report_view_clear(struct report_view *v);

/* --- what is said (report_text.c; pure) */

struct report_words {
    const char *status, *conclusion; /* GitHub's; conclusion NULL while in_progress */
    char title[256];
    char *summary, *text;
    struct github_annotation annotations[GITHUB_CHECK_ANNOTATIONS];
    size_t n_annotations;
    char said[72]; /* digest of what is worth an update: not of counts and times */
    char annotated[72];
    struct arena *arena;
};
int report_compose(const struct report_view *v, struct report_words *out, struct err *e) MUST_USE;
void report_words_clear(struct report_words *w);
/* What stands for the jobs in GitHub's list of checks: "muster", "muster / cirun-gpu". */
void report_name(const char *topic, char out[96]);
/* What to do about it; kind NULL = none known. Never NULL. (report_remedy.c) */
const char *report_remedy(enum job_cause cause, const char *kind, const char *message);
/* In a few words, for titles: "capacity", "quota". */
const char *report_kind_word(const char *kind);
/* Which of AWS's vCPU quotas counts for this type: "Running On-Demand G and VT instances"; NULL = not known. */
const char *report_aws_quota(const char *instance_type, bool spot);

/* --- when (report.c) */

/* The job's decision changed, or GitHub moved it: what follows for its report. In the same transaction. */
int report_note(struct store_tx *t, const struct engine *g, const struct job *j, const struct store_cause *c,
                int64_t now_ms, struct err *e) MUST_USE;
int report_moved(struct store_tx *t, int64_t job_id, int64_t now_ms, struct err *e) MUST_USE;
/* Its machine was taken back while it ran: that is told, with what becomes of it. */
int report_interrupted(struct store_tx *t, const struct engine *g, const struct job *j, int64_t now_ms,
                       struct err *e) MUST_USE;
int report_job(struct engine *g, const struct task *task, struct task_next *next, struct err *e) MUST_USE;
int report_say(struct engine *g, const struct task *task, struct task_next *next, struct err *e) MUST_USE;

/* Say it then. */
int report_due(struct store_tx *t, int64_t report_id, int64_t due_ms, struct err *e) MUST_USE;

/* --- saying it to GitHub (report_send.c). ERR_THROTTLED, ERR_RETRY: again later. Changes what it knows of the check
 * run in v->r and in the store. */
int report_send(struct engine *g, struct report_view *v, const struct report_words *w, struct err *e) MUST_USE;

#endif
