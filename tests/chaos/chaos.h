/*
 * A deterministic simulation: engine, store and GitHub client in one process, on one thread and a virtual clock,
 * against a GitHub and two clouds without sockets. Everything that happens follows from the seed, so that a failing
 * seed replays exactly: chance, latencies, faults, and where the daemon dies.
 *
 *   agenda.c    what will happen, in order of time
 *   daemon.c    the daemon's life: up, killed, up again; webhooks come in
 *   calls.c     every call that leaves the daemon: time passes in it, others come in between, and it may die there
 *   cloud.c     a cloud behind the provider table, with faults
 *   machines.c  machines as they really are: honest ones and liars
 *   story.c     what a seed is about
 *   judge.c     what must hold always, and in the end
 *   main.c      many seeds
 *
 * The daemon dies by becoming `dead`: from then on no call of it reaches anything and no statement of it the database,
 * while its code unwinds. What was committed and what was asked stays, as after SIGKILL.
 */
#ifndef MUSTER_TESTS_CHAOS_H
#define MUSTER_TESTS_CHAOS_H

#include "server/engine/engine_int.h"
#include "server/store/db.h"
#include "tests/sim/sim_github.h"

#define CHAOS_BEGIN ((int64_t)1700000000000)
#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

#define CHAOS_CLOUDS 2
#define CHAOS_BOXES 400
#define CHAOS_JOBS 64
#define CHAOS_LIFETIME (6 * HOUR)

struct chaos;
typedef void chaos_fn(struct chaos *c, int64_t n);

/* --- agenda.c */
struct agenda_entry {
    int64_t at_ms, seq; /* at_ms: monotonic */
    chaos_fn *fn;
    int64_t n;
};
struct agenda {
    struct agenda_entry *list; /* by time, the next one last */
    size_t n, cap;
    int64_t seq;
};

/* --- cloud.c, machines.c: a machine as it really is */
enum box_state { BOX_RUNNING, BOX_STOPPED, BOX_ENDING, BOX_GONE };
enum box_kind {
    BOX_HONEST,
    BOX_NEVER_BOOTS,     /* runs, costs, says nothing */
    BOX_NEVER_REGISTERS, /* boots, and powers off without a runner */
    BOX_BREAKS,          /* power gone in the middle of its job */
    BOX_RECLAIMED,       /* the cloud takes it back in the middle of its job */
    BOX_HANGS            /* honest, but stays up after its job */
};
struct box {
    struct chaos *c;
    char id[32], name[64], token[96], region[32], type[32];
    bool spot, reclaimed;
    enum box_state state;
    enum box_kind kind;
    char *jit;
    int64_t created_ms, seen_from_ms, gone_ms, expires_ms;
    int64_t runner_id; /* 0 = it was never on line */
    bool on_line, working;
};
struct cloud {
    struct provider_ops ops;
    struct chaos *c;
    char name[16];
    struct box *boxes;
    size_t n;
    int64_t down_until_ms, throttled_until_ms, sold_out_until_ms, stale_until_ms;
};

/* --- story.c: how bad it is; everything is 0 once all is calm */
struct mood {
    double crash; /* at each point: before and after every commit and call */
    double refuse, lose, fail, hang;
    double liars;
    double github;       /* a call to GitHub fails, in any way */
    double between;      /* others come in while a call is under way */
    int64_t down_most;   /* how long the daemon stays dead, at most */
    int64_t settle_most; /* how long a new machine cannot be found, at most */
    int64_t latency_most;
};

struct chaos_job {
    int64_t id;
    bool cancelled; /* by a person */
    bool harmed;    /* its machine broke or was taken back under it */
};

enum chaos_fault { CHAOS_LOST, CHAOS_DOUBLED, CHAOS_LEFT, CHAOS_KILLED_AT_WORK, CHAOS_BROKEN, CHAOS_FAULTS };

struct chaos_counts {
    size_t faults[CHAOS_FAULTS]; /* seeds in which this was the first thing that did not hold */
    size_t jobs, served, cancelled, harmed, refused, machines, crashes, restarts, calls, deliveries, steps;
};

struct chaos {
    uint64_t seed, rng;
    bool trace;
    struct agenda agenda;
    struct mood mood;
    bool calm;

    struct sim_github *gh;
    struct cloud clouds[CHAOS_CLOUDS];
    struct chaos_job jobs[CHAOS_JOBS];
    size_t n_jobs;
    int64_t github_down_until_ms;
    char **acked; /* delivery ids that were answered 2xx */
    size_t n_acked;

    char dir[64], url[128];
    bool up, dead;
    int depth; /* calls within calls */
    struct engine_cloud engine_clouds[CHAOS_CLOUDS];
    struct engine_limits limits;
    struct httpc *http;
    struct github *github;
    struct store *store;
    struct engine *engine;
    struct db *look; /* the judge's own connection */

    struct chaos_counts counts;
    char failure[512]; /* "" = it holds */
    uint64_t digest;   /* of all that was traced: two runs of a seed have the same */
};

/* Chance; n > 0. */
uint64_t chaos_draw(struct chaos *c, uint64_t n);
bool chaos_by(struct chaos *c, double probability);
/* Part of the digest, and printed when asked for. */
void chaos_say(struct chaos *c, const char *fmt, ...) PRINTF(2, 3);
/* Something does not hold. The first one counts; the seed ends. */
void chaos_fail(struct chaos *c, enum chaos_fault what, const char *fmt, ...) PRINTF(3, 4);

void agenda_add(struct chaos *c, int64_t in_ms, chaos_fn *fn, int64_t n);
int64_t agenda_due_ms(const struct chaos *c); /* -1 = nothing */
void agenda_run(struct chaos *c);             /* what is due */
void agenda_clear(struct chaos *c);

/* calls.c. A point at which the daemon may die; true: it is dead. */
bool chaos_point(struct chaos *c, const char *what);
void chaos_yield(struct chaos *c); /* time passes inside a call, and others come in between */
struct chaos *chaos_current(void);
void chaos_set_current(struct chaos *c);
const struct db_driver *chaos_db(void); /* SQLite, until the daemon is dead */

/* daemon.c */
void daemon_up(struct chaos *c);
void daemon_down(struct chaos *c);   /* ends, dead or in order */
void daemon_killed(struct chaos *c); /* dead: buried, and started again later */
void chaos_tick(struct chaos *c);    /* all that is due now, but for the daemon's tasks */
bool chaos_step(struct chaos *c);    /* one more thing; false: nothing will ever happen again */

/* cloud.c */
void cloud_open(struct chaos *c, size_t index, const char *name);
void cloud_close(struct cloud *p);

/* machines.c */
void box_born(struct box *b);
void box_end(struct box *b, bool by_engine); /* it is over, whoever ended it */

/* story.c */
void story_begin(struct chaos *c);
void story_calm(struct chaos *c);
void story_see_jobs(struct chaos *c); /* those that are new at GitHub, whoever made them */

/* judge.c */
void judge_now(struct chaos *c);
bool judge_all_told(struct chaos *c); /* every job ran, or was refused with a reason */
bool judge_nothing_left(struct chaos *c);
void judge_end(struct chaos *c);
/* May a machine end under this job? Only when it was found that the job may not have one (engine/guard.c). */
bool judge_may_end(struct chaos *c, int64_t job);
void judge_dump(struct chaos *c); /* what the store holds, on standard error */

#endif
