/*
 * Warm runners: machines that wait for jobs, as the files of default branches ask (config/idle.h).
 *
 *   idle.c       the task of a source: how many machines each pool wants, how many there are, and what follows
 *   idle_file.c  what GitHub says: the file at the default branch, and who would be given its runners
 *   idle_pool.c  what happens to a pool's machine: claimed for a waiting job, given back, taken, lost
 *   idle_make.c  what the machines of a runner are made of
 *
 * A pool's machine has a label key that no job's labels give, so that it is nobody's supply. A job whose labels it
 * carries claims it: in one transaction it gets the job's label key, counts as ordinary supply from then on, and the
 * pool is one short and replaces it. To whom GitHub gives it is GitHub's affair, as with all runners.
 *
 * Machines that are too many end idle-only: their runner is removed at GitHub first, which refuses that while it runs a
 * job.
 */
#ifndef MUSTER_ENGINE_IDLE_H
#define MUSTER_ENGINE_IDLE_H

#include "server/engine/engine_int.h"
#include "server/store/store_idle.h"

#define IDLE_FILE ".cirun.yml"
#define IDLE_ORG_REPO ".cirun"
#define IDLE_ORG_FILE ".cirun.global.yml"
#define IDLE_ACCESS_FILE ".access.yml"

/* --- idle.c: TASK_IDLE; its subject is a source's id */
int idle_task(struct engine *g, const struct task *task, struct task_next *next, struct err *e) MUST_USE;
/* Jobs wait for room, in all or in this repository (0 = in all): one warm machine gives its own up. */
int idle_yield(struct store_tx *t, const struct engine *g, int64_t repo_id, int64_t now_ms, struct err *e) MUST_USE;

/* --- idle_file.c: a source's file, read anew; judged: the last good version stays, what must not be kept warm is
 * refused. Fails only when nothing could be learned (ERR_RETRY and the like). */
bool idle_is_org(const struct idle_source *s);
int idle_read(struct engine *g, struct idle_source *s, struct err *e) MUST_USE;
/* Before a job is admitted: may it be given its organisation's machines, if there are any? Asked at GitHub now and
 * then; what cannot be learned is no. */
void idle_learn_reach(struct engine *g, const struct job *j);

/* --- idle_make.c */
struct idle_recipe {
    char spec[65]; /* of the plan: two plans for the same machines have the same */
    char *plan_json, *labels_json;
};
void idle_recipe_clear(struct idle_recipe *r);
#define AUTO_IDLE_RECIPE AUTO(idle_recipe_clear)
/* ERR_INVALID: this runner cannot be kept warm, and why. system_labels: it carries self-hosted and its like too. */
int idle_recipe_make(struct engine *g, const struct cirun_runner *runner, bool system_labels, struct idle_recipe *out,
                     struct err *e) MUST_USE;
/* The runner that a plan names first, and the hash of its candidates; the caller frees *runner. */
int idle_plan_spec(const char *plan_json, char spec[65], char **runner, struct err *e) MUST_USE;
/* Does a runner with these labels fit a job with those? As GitHub says: each one, without case, suffix and all. */
bool idle_labels_fit(const char *runner_labels_json, const char *job_labels_json);

/* --- idle_pool.c: inside transactions */
/* SOURCE/NAME; false: the name is too long for it. */
bool idle_pool_id(const char *source, const char *runner, char out[IDLE_POOL_MAX]);
void idle_label_key(const char *pool, char out[IDLE_POOL_MAX + 16]);
/* A job was admitted: pools of its runner are in use. Which of the files that were read for it ask for warm runners:
 * they are sources from now on. */
struct idle_asks {
    bool repo, org;
};
int idle_admitted(struct store_tx *t, const struct job *j, const char *plan_json, struct idle_asks asks, int64_t now_ms,
                  struct err *e) MUST_USE;
/* Something was pushed to a default branch (EVENT_PUSH of github/event.h). */
int idle_pushed(struct store_tx *t, const struct job *where, int64_t now_ms, struct err *e) MUST_USE;
/* A warm machine for a job that waits, if there is one that fits. */
int idle_claim(struct store_tx *t, const struct job *j, int64_t now_ms, bool *claimed, struct err *e) MUST_USE;
/* Nobody waits for a claimed machine any more. *returned = false: it was never a pool's. */
int idle_return(struct store_tx *t, const struct machine *m, int64_t now_ms, bool *returned, struct err *e) MUST_USE;
/* Its runner is on line: what failed before is forgotten. */
int idle_is_up(struct store_tx *t, const char *name, struct err *e) MUST_USE;
/* A machine is no supply any more, as the change says. *pooled: it was a pool's and no job's. */
int idle_left(struct store_tx *t, const struct machine_change *c, const struct machine *m, bool *pooled,
              struct err *e) MUST_USE;

#endif
