/*
 * Interrupted jobs on the engine's bed: GitHub runs them on the machine's own runner, the cloud takes the machine back.
 * File: one runner "spot" (all spot, run again twice), "mixed" (spot, then on demand, three times), "never".
 */
#ifndef MUSTER_TESTS_SUPPORT_RERUN_BED_H
#define MUSTER_TESTS_SUPPORT_RERUN_BED_H

#include "server/store/store_rerun.h"
#include "tests/sim/sim_github_rerun.h"
#include "tests/support/engine_bed.h"

#define MINUTE ((int64_t)60 * 1000)
#define HOUR (60 * MINUTE)
#define LABEL "spot"
#define PERMISSIONS(actions)                                                                                           \
    "{\"administration\":\"write\",\"contents\":\"read\",\"actions\":\"" actions                                       \
    "\",\"metadata\":\"read\",\"checks\":\"write\"}"
#define EVENTS(kind) "SELECT count(*) FROM event WHERE job_id = $1 AND kind = '" kind "'"

/* The newest machine's runner comes on line and takes a job; the job it took. */
struct rerun_taken {
    int64_t job_id, runner_id;
    char machine[64];
};

struct rerun_seen {
    int64_t job_id;
    enum rerun_state state;
    char outcome[16], detail[400];
};

struct bed *rerun_ready(void **state);
void rerun_tell(struct bed *w, int64_t id, const char *label, const char *name);
int64_t rerun_queue(struct bed *w, const char *name, int64_t run_id, const char *label);
struct rerun_taken rerun_take(struct bed *w, const char *label, const char *name);
void rerun_fails(struct bed *w, const struct rerun_taken *t, const char *label, const char *name);
void rerun_interrupt(struct bed *w, const struct rerun_taken *t, const char *label, const char *name);
int64_t rerun_run_of(struct bed *w, int64_t job_id);
int rerun_attempt_of(struct bed *w, int64_t job_id);
int64_t rerun_again(struct bed *w, int64_t job_id, size_t at, const char *label, const char *name);
struct rerun_seen rerun_row(struct bed *w, int64_t job_id);
void rerun_assert(struct bed *w, int64_t job_id, enum rerun_state state, const char *outcome);

#endif
