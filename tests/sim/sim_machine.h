/*
 * Machines that live in this process, for load tests: what a real one does between launch and power-off, as far as
 * GitHub and the cloud can see it. One timer thread drives them all, so a thousand at once cost nothing.
 *
 *     struct sim_machines *ms = sim_machines_new(&(struct sim_machines_conf){.github = gh, .boot_ms = 50, .work_ms =
 * 20}); struct sim_ec2_conf c = {.on_start = sim_machines_on_start, .on_end = sim_machines_on_end, .arg = ms};
 *     sim_ec2_start(&c, &ec2, &e);
 *     sim_machines_in(ms, ec2);
 *     ...
 *     sim_machines_stop(ms); sim_ec2_stop(ec2); sim_github_stop(gh);       they call each other: stop all three ...
 *     sim_machines_free(ms); sim_ec2_free(ec2); sim_github_free(gh);       ... before the first is freed
 *
 * A machine boots, takes its JIT configuration from the line MUSTER_JIT='…' of its user-data, goes on line, takes one
 * job, works, finishes it and powers off. Its end in the cloud while it works fails the job, as at GitHub.
 */
#ifndef MUSTER_TESTS_SIM_MACHINE_H
#define MUSTER_TESTS_SIM_MACHINE_H

#include "tests/sim/sim_ec2.h"
#include "tests/sim/sim_github.h"

struct sim_machines;

struct sim_machines_conf {
    struct sim_github *github;
    int boot_ms, work_ms; /* default 10 and 10 */
    int jitter_ms;        /* both are longer by a random time up to this */
    int idle_ms;          /* powers off when no job came within this time after going on line; 0 = never */
    uint64_t seed;
    bool keeps_power; /* does not power off after its job: the controller alone ends it */
};

enum sim_machine_kind {
    SIM_MACHINE_HONEST,
    SIM_MACHINE_NEVER_BOOTS,     /* runs, costs, says nothing */
    SIM_MACHINE_NEVER_REGISTERS, /* boots and powers off without going on line: a broken GPU */
    SIM_MACHINE_VANISHES,        /* breaks off in the middle of its job: power gone */
    SIM_MACHINE_FAILS_JOB        /* honest, but the job ends with failure */
};

struct sim_machines *sim_machines_new(const struct sim_machines_conf *c);
void sim_machines_in(struct sim_machines *m, struct sim_ec2 *cloud); /* borrowed; before the first launch */
void sim_machines_stop(struct sim_machines *m);                      /* nothing happens by itself any more */
void sim_machines_free(struct sim_machines *m);                      /* stops; accepts NULL */

sim_ec2_start_fn sim_machines_on_start; /* arg: the struct sim_machines */
sim_ec2_end_fn sim_machines_on_end;

void sim_machines_next(struct sim_machines *m, enum sim_machine_kind kind, int n); /* the next n that start */
void sim_machines_share(struct sim_machines *m, enum sim_machine_kind kind, double probability);

struct sim_machines_stats {
    size_t started, online, worked, powered_off;
    size_t unreadable;     /* user-data without a JIT configuration */
    size_t refused;        /* GitHub did not let the runner on line */
    size_t killed_at_work; /* ended by the cloud while a job ran */
    size_t killed_on_line; /* ended by the cloud while waiting for a job */
};
void sim_machines_stats(struct sim_machines *m, struct sim_machines_stats *out);

#endif
