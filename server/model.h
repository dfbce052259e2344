/*
 * Job and machine: the plain records that store, engine and api share.
 *
 * A struct job is what GitHub last said of one job plus what we decided about it; it owns its strings.
 * A struct machine is our record of one machine; it owns its strings too. x_clear frees them and zeroes the record.
 */
#ifndef MUSTER_MODEL_H
#define MUSTER_MODEL_H

#include <stdint.h>

/* GitHub's view, monotonic: an event that would move it back changes nothing. */
enum job_state { JOB_WAITING, JOB_QUEUED, JOB_RUNNING, JOB_DONE };

/* Our decision about a job. */
enum job_want {
    WANT_UNDECIDED, /* not looked at yet */
    WANT_MACHINE,   /* ours: wants one machine of its label set */
    WANT_NOTHING,   /* not ours: hosted labels, or no configuration names it */
    WANT_REFUSED    /* ours, but denied or impossible: `reason` says why */
};

/* Why a job waits or was refused, as far as it is known without reading `reason`. Numbers are stored: only add. */
enum job_cause {
    CAUSE_NONE,
    CAUSE_NO_FILE,     /* there is no .cirun.yml at this commit */
    CAUSE_BAD_FILE,    /* it has errors */
    CAUSE_NO_RUNNER,   /* none of its runners has the job's labels */
    CAUSE_FORK,        /* policy.fork_jobs */
    CAUSE_ACCESS,      /* .access.yml or run_only_when_triggered_by */
    CAUSE_POLICY,      /* the operator's policy leaves no candidate */
    CAUSE_LIMIT,       /* the operator's limits: it waits for its turn */
    CAUSE_UNSUPPORTED, /* a machine that this build cannot boot */
    CAUSE_CANDIDATES,  /* what the clouds answered: the attempts tell (store_attempts_of_job) */
    CAUSE_BOOT,        /* machines were launched for it and none took it */
    CAUSE_UNDECIDED,   /* GitHub could not be asked what applies */
    CAUSE_RUNNER,      /* GitHub gives no runner configuration */
    CAUSE_UNASSIGNED,  /* its machine is online, and GitHub gives it no job */
    CAUSE_OVERTIME,    /* it runs on although its machine's lifetime is over */
    CAUSE_ENDED        /* its machine was ended under it, for its lifetime and overtime are over */
};

struct job {
    int64_t id, run_id, run_attempt, repo_id;
    int64_t installation_id; /* 0 = the payload did not say */
    int64_t queued_ms, updated_ms;
    enum job_state state;
    enum job_want want;
    char *repo;           /* owner/name */
    char *default_branch; /* NULL when the payload did not say */
    char *head_sha;
    char *name, *workflow_name;
    char *labels_json; /* as GitHub sent them */
    char *label_key;   /* lower case, sorted, joined by ',': equal for equal label sets */
    char *runner_name; /* NULL until taken */
    char *conclusion;  /* NULL until done */
    char *plan_json;   /* the candidate chain, once WANT_MACHINE (config/plan.h) */
    char *reason;      /* why it waits or was refused, for a person */
};

enum machine_state { M_WANTED, M_LAUNCHING, M_BOOTING, M_IDLE, M_BUSY, M_ENDING, M_GONE };

struct machine {
    char name[64]; /* unique: machine name, runner name, idempotency key */
    enum machine_state state;
    int64_t job_id;       /* the job that caused it */
    int64_t taken_job_id; /* the job that runs or ran on it; 0 = none yet */
    int64_t installation_id, repo_id;
    int64_t runner_id; /* GitHub's; 0 = none registered; < 0 = one of our name may be: the answer was lost */
    int64_t created_ms, launched_ms, ended_ms;
    int64_t boot_deadline_ms; /* must have taken a job or be online by then */
    int64_t expires_ms;       /* lifetime: the muster-expires tag, in ms */
    int64_t doubt_ms;         /* the launch request sent then may have made a machine; 0 = none is unaccounted for */
    int64_t surplus_ms;       /* since when nobody waits for it; 0 = somebody does */
    int candidate;            /* index in the plan of the try under way or won */
    int round;                /* how often the whole chain was tried before */
    char cloud[32], region[64], instance_id[256];
    char *repo, *labels_json, *label_key;
    char *plan_json;  /* the candidate chain */
    char *sealed_jit; /* until the launch is recorded; sealed with the App key's derived key */
    char *reason;     /* why it ended or waits, for a person */
};

void job_clear(struct job *j);
void machine_clear(struct machine *m);
#define AUTO_JOB __attribute__((cleanup(job_clear)))
#define AUTO_MACHINE __attribute__((cleanup(machine_clear)))

const char *job_state_name(enum job_state s);         /* "queued" */
const char *job_want_name(enum job_want w);           /* "machine" */
const char *job_cause_name(enum job_cause c);         /* "no_runner" */
const char *machine_state_name(enum machine_state s); /* "booting" */

#endif
