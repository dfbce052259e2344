/*
 * A world in which the daemon is killed: tests/support/world.h with traffic, faults, faster clocks (everybody's alike)
 * and the shim of tests/preload before the daemon, then calm, and a judgement against what GitHub and EC2 saw.
 *
 *     struct lab *l = lab_new(&(struct lab_conf){.seed = 1, .rate = 10});
 *     lab_up(l);
 *     lab_traffic(l, 5);
 *     lab_kill(l);                      as often as wanted
 *     lab_up(l);
 *     assert(lab_calm(l) && lab_judge(l) == 0);
 *     lab_free(l);
 *
 * Findings are printed as they are made, with the seed. One thread drives a lab.
 */
#ifndef MUSTER_TESTS_SUPPORT_LAB_H
#define MUSTER_TESTS_SUPPORT_LAB_H

#include "tests/preload/shim.h"
#include "tests/support/world.h"

#include <sqlite3.h>

#define LAB_WARM_REPO "octo/warm"
#define LAB_WARM 2 /* machines kept ready in it */

enum lab_kind {
    LAB_PLAIN,  /* a label that a runner of .cirun.yml has, or with a suffix of its own */
    LAB_HOSTED, /* GitHub's own machines */
    LAB_NOBODY, /* self-hosted, and no runner has its labels: refused with a reason */
    LAB_CANCELLED
};

struct lab_job {
    int64_t id;
    enum lab_kind kind;
};

struct lab_conf {
    uint64_t seed;
    int rate;             /* seconds of the daemon in a real one; 0 = 1 */
    bool warm;            /* a repository that keeps machines ready */
    bool rough;           /* clouds and GitHub refuse and lose answers, machines vanish, people cancel, hooks drop */
    bool plain;           /* without the shim, as on a machine of its own */
    bool by_hand;         /* redeliveries are asked for by hand until the daemon asks itself */
    bool keep_synced;     /* for lab_lose_power */
    int boot_ms, work_ms; /* real time; 0 = 20 and 30 */
    const char *cirun_yml;
};

struct lab_count {
    size_t kills, jobs, served, refused, cancelled, launches, deliveries, acknowledged;
    size_t lost, doubled, left, wrong; /* findings; wrong: whatever is none of the others */
};

struct lab {
    struct world *w;
    struct lab_conf conf;
    bool was_warm;     /* before lab_cool */
    struct shim *shim; /* NULL when plain */
    char shim_path[96], store_path[96];
    uint64_t rng;
    struct lab_job *jobs;
    size_t n_jobs;
    size_t n_over;   /* so many machines, in order of launch, are gone */
    size_t n_before; /* so many deliveries, in order, went into a store that was thrown away */
    struct lab_count count;
    char point[200]; /* where it was killed last: for the words of a finding */
    struct lab_clock *clock;
};

/* Sanitizers want to come first themselves; then a lab is plain. Prints "SKIP name: why" when it cannot. */
bool lab_can_preload(const char *name);
struct lab *lab_new(const struct lab_conf *c);
void lab_free(struct lab *l);
void lab_keep_warm(struct lab *l, int replicas);
void lab_skip(struct lab *l, int64_t ms); /* everybody's clock jumps ahead by this */
int64_t lab_real_ms(void);                /* the clock that no rate changes */
uint64_t lab_draw(struct lab *l, uint64_t n);
void lab_pause(int ms);

/* --- the daemon ------------------------------------------------------------------------------------------------- */
bool lab_up(struct lab *l); /* false: it ended instead; its log was printed */
/* Start it so that it ends at its k-th call; false: it ended before it listened, which is no mistake here. */
bool lab_up_until(struct lab *l, int64_t k, enum shim_how how);
void lab_kill(struct lab *l);                  /* SIGKILL now */
bool lab_ended(struct lab *l, int timeout_ms); /* the shim has ended it: reaped */
int lab_down(struct lab *l, int sig);          /* another signal, and wait; the exit status */

/* After a kill, with conf.keep_synced: the store's files become what a loss of power may leave of them. */
enum lab_loss {
    LAB_LOSE_ALL,  /* that was not synced */
    LAB_LOSE_SOME, /* any sectors of it */
    LAB_TEAR,      /* sectors half written */
    LAB_SCRIBBLE   /* rubbish in any of its sectors */
};
void lab_lose_power(struct lab *l, enum lab_loss loss);

/* --- what happens ----------------------------------------------------------------------------------------------- */
int64_t lab_job(struct lab *l, enum lab_kind kind);
int64_t lab_job_of(struct lab *l, enum lab_kind kind, const char *repo, const char *labels);
void lab_traffic(struct lab *l, size_t jobs); /* mixed; when rough, with trouble */

/* --- the end ---------------------------------------------------------------------------------------------------- */
/* Everybody behaves; waits until each job is over or refused and no machine lives but warm ones. False: it did not
 * come to that, and why was printed. */
bool lab_calm(struct lab *l);
bool lab_cool(struct lab *l); /* no warm machines any more, and records, runners and machines are gone */
bool lab_settled(struct lab *l);
/* Everything that must hold, once calm. Counts into l->count; returns the number of new findings. */
size_t lab_judge(struct lab *l);
size_t lab_judge_deliveries(struct lab *l); /* that alone */
void lab_remove_store(struct lab *l);       /* and what was delivered into it; the daemon is down */
void lab_tell_live(struct lab *l);          /* the story of each machine that lives, on stderr */
void lab_print(const struct lab *l, const char *title);

/* --- what it holds ------------------------------------------------------------------------------------------------ */
struct lab_sample {
    long rss_kib, descriptors, threads, store_kib, log_kib;
};
struct lab_sample lab_sample(struct lab *l);
long lab_status(struct lab *l, const char *key); /* of /proc/PID/status, as "VmSize:"; -1 = not there */

/* --- the store, seen from outside -----------------------------------------------------------------------------------
 */
int64_t lab_number(struct lab *l, const char *sql, const char *text); /* $1 = text, may be NULL; -1 = cannot be read */
bool lab_wait_number(struct lab *l, const char *sql, int64_t at_least, int timeout_ms);
void lab_finding(struct lab *l, size_t *count, const char *fmt, ...) PRINTF(3, 4);

#endif
