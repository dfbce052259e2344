/*
 * The engine whole, in one process: real store, real GitHub client against the simulated GitHub, and two clouds in
 * memory that refuse and lose what the test asks. Time is the test's. Deliveries are handed in as the webhook would.
 */
#ifndef MUSTER_TESTS_SUPPORT_ENGINE_BED_H
#define MUSTER_TESTS_SUPPORT_ENGINE_BED_H

#include "server/engine/engine_int.h"
#include "server/store/db.h"
#include "tests/sim/sim_github.h"
#include "tests/support/memcloud.h"

#define BED_NOW ((int64_t)1700000000000)
#define BED_REPO "octo/train"
#define BED_REPO_ID 11
#define BED_WAIT_MS 20000

struct bed {
    char dir[64], url[160];
    struct sim_github *gh;
    struct crypto_key *key;
    struct httpc *http;
    struct github *github;
    struct memcloud *aws, *gcp;
    struct engine_cloud clouds[2];
    struct store *store;
    struct db *db; /* a second look at its tables */
    struct engine *g;
    bool fork_jobs, no_one_line;
    int64_t overtime_ms;         /* from the next bed_up on */
    struct engine_limits limits; /* from the next bed_up on; 0 = none */
    const char *documented[2];   /* from the next bed_up on: clouds whose documented limits hold; NULL = neither */
    const struct policy *policy; /* from the next bed_up on; NULL = everything is allowed */
};

/* For cmocka: clock set, everything up / everything down, failing when GitHub was asked what it would not expect. */
int bed_setup(void **state);
int bed_teardown(void **state);
void bed_up(struct bed *w);
void bed_down(struct bed *w);

/* Returns when it is on disk. runner NULL = the event names none. */
void bed_deliver(struct bed *w, int64_t id, enum job_state job_state, const char *label, const char *runner);
/* A job at GitHub, without telling the engine, and with. */
int64_t bed_create_job(struct bed *w, const struct sim_job_spec *spec, const char *label);
int64_t bed_queue_job(struct bed *w, const struct sim_job_spec *spec, const char *label);
/* The same; and on aws there are so many machines now. */
int64_t bed_served(struct bed *w, const char *label, size_t live);
/* Time passes, and the scheduler is told to look at its watch; bed_pass also waits until nothing is due any more. */
void bed_advance(struct bed *w, int64_t ms);
void bed_pass(struct bed *w, int64_t ms);
void bed_pass_by(struct bed *w, int64_t ms,
                 int64_t step); /* so long, in steps, so that what is due comes in its time */
bool bed_settle(struct bed *w); /* until no task is due or under way; false: that did not come */
/* The one number that this query over the store gives; v is its $1. */
int64_t bed_number(struct bed *w, const char *sql, int64_t v);
/* Statements are kept by their text's address: kind is a literal. */
#define BED_EVENTS(w, kind, job_id)                                                                                    \
    bed_number((w), "SELECT count(*) FROM event WHERE kind = '" kind "' AND job_id = $1", (job_id))
int64_t bed_job_state(struct bed *w, int64_t id);
/* Wait, by poking, until the job's decision is as said. */
void bed_wait_want(struct bed *w, int64_t id, enum job_want want, struct job *j);
struct memcloud_call bed_call(struct memcloud *f, size_t i);
/* The i-th machine of a cloud boots: its runner comes on line, and GitHub gives it what waits. */
int64_t bed_boot(struct bed *w, struct memcloud *f, size_t i);
/* The runner configuration in a machine's user-data; the caller frees it. */
char *bed_jit_of(const char *user_data);
size_t bed_asked(struct bed *w, const char *op);
/* All calls but those for the delivery log, which are made whatever happens. */
size_t bed_asked_for_jobs(struct bed *w);

#endif
