/* What the files of the engine share. Not for others. */
#ifndef MUSTER_ENGINE_ENGINE_INT_H
#define MUSTER_ENGINE_ENGINE_INT_H

#include "server/base/cache.h"
#include "server/config/org_team.h"
#include "server/config/plan.h"
#include "server/engine/engine.h"
#include "server/engine/fsm.h"
#include "server/engine/lookup.h"
#include "server/engine/people.h"
#include "server/engine/price.h"

#include <stdatomic.h>

struct workers; /* worker.c: scheduler, threads, the queue between them */

struct engine {
    struct engine_conf c;
    /* The wall clock less the monotonic one, as of the last leap that the store knows of: a newer one shows. */
    _Atomic int64_t steady_ms;
    int64_t began_ms; /* the second of the start, as GitHub tells times: what was before may have happened unheard */
    unsigned char seal_key[32];
    struct cache *runs, *files, *etags, *orgs, *told; /* lookup.c */
    struct people *people;
    struct cache *report_files;      /* report.c: .cirun.yml as text, for the lines that are quoted */
    _Atomic int64_t reports_refused; /* the installation that was last said to lack the permission */
    struct release *release;         /* release.c */
    struct prices *prices;           /* price.h */
    struct paced_clouds *paced;      /* pace.h */
    struct workers *workers;
};

/* engine_start but for its threads. */
int engine_prepare(struct engine *g, struct err *e) MUST_USE;

/* What a task's function says about the time after it. */
struct task_next {
    int64_t due_ms; /* < 0: nothing more to do */
    enum task_priority priority;
    bool retry; /* count this as another attempt at the same thing */
};

/* From an accepted launch to the first look at the machine. */
#define CHECK_FIRST_MS (30 * 1000)

/* How long a machine may stay unfound after the request that made it: what was not seen by then is not there. */
#define SETTLE_MS (2 * 60 * 1000)

/* How long a worker may be at a task before another takes it over; renewed before each launch call. */
#define LEASE_MS (15 * 60 * 1000)

/* Machines that were launched for one job and never took one, after which it is given up. */
#define ENGINE_MAX_FAILURES 6

#define TASK_NEXT_NONE ((struct task_next){-1, TASK_CHECK, false})

/* --- task.c: what a worker does with a task */
typedef int task_run_fn(struct engine *g, const struct task *task, struct task_next *next, struct err *e);
int task_run(struct engine *g, const struct task *task, struct task_next *next, struct err *e) MUST_USE;

/* --- sweep.c: before a launch: where it goes will be looked for what it leaves */
int sweep_note(struct store_tx *t, const struct engine *g, const struct machine *m, struct err *e) MUST_USE;

/* --- retain.c: TASK_RETAIN */
int64_t retain_age_ms(const struct engine *g); /* how long what ended is remembered */
int retain_task(struct engine *g, const struct task *task, struct task_next *next, struct err *e) MUST_USE;

/* --- worker.c */
struct workers *workers_new(struct engine *g, task_run_fn *run);
int workers_start(struct workers *w, struct err *e) MUST_USE;
void workers_drain(struct workers *w, int64_t grace_ms);
void workers_free(struct workers *w);
/* Without threads, for simulations: the most urgent due task is claimed and run here. False: there is none. After
 * engine_prepare, instead of engine_start. */
bool workers_step(struct workers *w);
int64_t workers_due_ms(struct workers *w); /* when there will be one; -1 = never */
/* store_write that outlasts passing faults (a full disk, a busy database): tries until it is done or the engine drains.
 * Only for work whose result must not be lost. */
int workers_write(struct engine *g, store_fn *fn, void *arg, struct err *e) MUST_USE;
/* How long to wait after attempt n (from 1): first, doubling, at most max, with up to a quarter of jitter on top. */
int64_t workers_backoff_ms(int attempt, int64_t first_ms, int64_t max_ms);

/* --- verdict.c: the one way to a job's decision and its reason. In one transaction: the decision, its cause, a word in
 * the timeline when something changed, and what pull requests have to be told. */
struct verdict {
    int64_t job_id;
    enum job_want want;
    const char *plan_json, *reason; /* as store_job_decide takes them */
    struct store_cause cause;       /* ignored while there is no reason */
    bool progress;                  /* not for the timeline: a word of a launch under way */
    int64_t now_ms;
};
int verdict_put(struct store_tx *t, const struct engine *g, const struct verdict *v, struct err *e) MUST_USE;
/* What a candidate answered, for the table in the pull request: kind is "boot", or err_kind_name's word. Lost when the
 * store refuses it: the launch does not wait for it. */
void verdict_attempt(struct engine *g, const struct machine *m, const struct machine_spec *s, const char *kind,
                     const char *message);
/* It was passed over without asking; on the timeline once for each machine. */
void verdict_skipped(struct engine *g, const struct machine *m, const struct machine_spec *s, const char *words);
/* The same for a machine that was lost before it took a job, inside the transaction that ends it. */
int verdict_lost(struct store_tx *t, const struct machine *m, int64_t now_ms, struct err *e) MUST_USE;

/* --- decide.c: TASK_JOB */
int decide_job(struct engine *g, const struct task *task, struct task_next *next, struct err *e) MUST_USE;

/* The chain of these runners, in order, as far as this build can boot them; ERR_INVALID with the reason when there is
 * none. Changes the list. The caller frees *plan. */
int decide_plan(struct engine *g, const struct cirun_runner **runners, size_t n, char **plan, struct err *e) MUST_USE;

/* --- machine.c: what launch.c, check.c and end.c share */
const struct engine_cloud *machine_cloud(const struct engine *g, const char *cloud);
/* Credentials that work otherwise are refused for this one thing (an image, a network), round after round: nothing will
 * change by itself. Asks the cloud. */
bool machine_is_denied(struct engine *g, const struct machine_spec *s, const struct err *refusal, int round);
void machine_ref(const struct machine *m, struct instance *ref);
/* Its runner is an organisation's, not a repository's: `repo` is the organisation's name. */
bool machine_is_org(const struct machine *m);
struct github_repo machine_repo(const struct machine *m); /* whose its runner is */
/* The job that it was made for while that waits, else the one of its labels that has waited longest; clears *j. */
int machine_job(struct store_tx *t, const struct machine *m, struct job *j, bool *found, struct err *e) MUST_USE;
bool job_waits(const struct job *j); /* for a machine of ours */
/* Count it: muster_machine_faults_total. fault: of a fixed set. */
void machine_fault(const char *fault);
/* Its runner at GitHub, if it has one or may have. ERR_CONFLICT: it is running a job. */
int machine_remove_runner(struct engine *g, const struct machine *m, struct err *e) MUST_USE;
/* As `edit`: what the cloud calls it; arg is the struct instance. */
void machine_note_instance(struct machine *m, void *instance);

/* How a machine was lost: by what the cloud says of it, gone without a word, or taken back by the cloud. */
enum machine_loss { LOSS_SAID, LOSS_VANISHED, LOSS_RECLAIMED };

/* One change of a machine's state: reads it anew, asks fsm_next, lets `edit` fill in fields, writes it, adds a timeline
 * event and, when it stopped being supply, strikes the balance again. */
struct machine_change {
    const char *name;
    enum fsm_event event;
    int64_t repo_id;                            /* 0 = any; else a machine of another one is left alone, */
    const char *repo;                           /* and an organisation's unless this owner/name is its own */
    const char *reason;                         /* stored and shown; NULL = keep */
    void (*edit)(struct machine *m, void *arg); /* NULL = none */
    void *edit_arg;
    int64_t now_ms;
    int64_t job_id;                   /* FINISHED: of this job; another than it runs ends nothing. 0 = any */
    const char *kind;                 /* of the timeline event; NULL = the event's own name */
    int first_candidate;              /* for a replacement, when the balance needs one */
    enum machine_loss loss;           /* of FSM_LOST */
    bool applied;                     /* out: the state machine took the event */
    enum machine_state before, after; /* out, when applied */
    struct engine *g;
};
int machine_change_tx(struct store_tx *t, void *change, struct err *e) MUST_USE;
int machine_change(struct engine *g, struct machine_change *c, struct err *e) MUST_USE;

/* runner.c: the runner's configuration, from the record when an earlier try left it there, else made at GitHub and put
 * into the record (which the caller stores). Also sets m->runner_id. The caller frees *jit, also on failure. *wanted =
 * false: the machine was ended meanwhile, and nothing was made. */
int runner_config(struct engine *g, struct machine *m, struct secret **jit, bool *wanted, struct err *e) MUST_USE;

int launch_machine(struct engine *g, struct machine *m, const struct task *task, struct task_next *next,
                   struct err *e) MUST_USE;
/* check.h */
int check_machine(struct engine *g, struct machine *m, const struct task *task, struct task_next *next,
                  struct err *e) MUST_USE;
/* Nobody needs it: its runner first, which GitHub refuses while it has a job; then its end. */
int check_retire(struct engine *g, struct machine *m, struct task_next *next, struct err *e) MUST_USE;
int end_machine(struct engine *g, struct machine *m, const struct task *task, struct task_next *next,
                struct err *e) MUST_USE;

/* --- deliver.c: what is known of a job now, by an event or because GitHub was asked: merged, with all that follows.
 * Inside a transaction. *moved = false: it was known already. */
int deliver_job_tx(struct store_tx *t, struct engine *g, const struct job *j, int64_t now_ms, bool *moved,
                   struct err *e) MUST_USE;

/* --- standing.c: tasks that are always there, put when the engine starts */
int standing_tx(struct store_tx *t, void *engine, struct err *e) MUST_USE;

/* While the store cannot be written: the cloud is told all the same. Changes no record. */
void end_unrecorded(struct engine *g, const char *name);

/* --- provision.c: a machine's bootstrap, and machines that fetch it themselves */
/* The user-data of the candidate under way. */
int provision_render(struct engine *g, const struct machine *m, const struct plan *plan, const struct secret *jit,
                     size_t max, struct secret **out, struct err *e) MUST_USE;
/* For a candidate that pulls: can it, here? *out = empty user-data. */
int provision_check(struct engine *g, const struct machine *m, const struct plan *plan, const struct secret *jit,
                    struct secret **out, struct err *e) MUST_USE;

/* --- guard.c: a job that runs on a machine of ours: is it one that may? Else the machine ends; while that is not
 * decided, it is decided now. Inside a transaction. */
int guard_job(struct store_tx *t, struct engine *g, int64_t job_id, int64_t now_ms, struct err *e) MUST_USE;

/* --- balance.c: demand and supply of one repository and label set, inside a transaction */
struct balance {
    struct engine *g;
    int64_t repo_id;
    const char *label_key;
    int64_t now_ms;
    int first_candidate; /* where new machines begin in their chain */
};
int balance_strike(struct store_tx *t, const struct balance *b, struct err *e) MUST_USE;

/* --- pace.c */
struct paced_clouds *paced_clouds_new(void);
void paced_clouds_free(struct paced_clouds *p); /* accepts NULL */

/* --- release.c: which runner a machine downloads */
struct release *release_new(void);
void release_free(struct release *r);
#define RELEASES 4
struct release_found {
    const char *os, *arch;     /* "linux", "windows"; "x64", "arm64" */
    char url[512], sha256[65]; /* "": not known yet */
};
void release_all(struct engine *g, struct release_found out[RELEASES]);
/* Ask GitHub now where none is known for this system and architecture. */
int release_ensure(struct engine *g, const struct job *j, const char *os, const char *arch, struct err *e) MUST_USE;
/* Ask GitHub for newer ones, at most once a day and never in the first minutes; failures are kept quiet. */
void release_refresh(struct engine *g, const struct job *j);

#endif
