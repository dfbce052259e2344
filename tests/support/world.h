/*
 * Everything at once, for end-to-end tests: the simulated GitHub and EC2, simulated machines, and the real `muster
 * serve` as a process between them, with an installation, one repository and its .cirun.yml.
 */
#ifndef MUSTER_TESTS_SUPPORT_WORLD_H
#define MUSTER_TESTS_SUPPORT_WORLD_H

#include "tests/sim/sim_ec2.h"
#include "tests/sim/sim_github.h"
#include "tests/sim/sim_machine.h"
#include "tests/support/daemon.h"
#include "tests/support/env.h"

#define WORLD_REPO "octo/train"
#define WORLD_REPO_ID 4711
#define WORLD_INSTALLATION 77
#define WORLD_SECRET "webhook-secret-nobody-sees"

struct world {
    char dir[64];
    struct sim_github *gh;
    struct sim_ec2 *ec2;
    struct sim_machines *machines;
    struct daemon_child *daemon;
    struct env env; /* the daemon's; change it before world_daemon_up */
};

struct world_conf {
    const char *cirun_yml;    /* NULL = world_gpu_file */
    int boot_ms, work_ms;     /* of its machines; 0 = 20 and 50 */
    bool private_repo;        /* warm runners are kept for */
    bool machines_keep_power; /* they do not power off after their job: the daemon alone ends them */
    uint64_t seed;
};

/* The founding example: [self-hosted, cirun.gpu] on g4dn.xlarge, spot, then on demand. */
extern const char world_gpu_file[];

struct world *world_new(const struct world_conf *c); /* no daemon yet */
/* Start the daemon and point GitHub's webhook at it. False: it ended, its log was printed. */
bool world_daemon_up(struct world *w);
/* End it by a signal; the exit status. The store stays for the next world_daemon_up. */
int world_daemon_down(struct world *w, int sig);
/* Prints and counts what was asked of GitHub and EC2 that they would not expect. */
size_t world_violations(struct world *w);
void world_free(struct world *w);

#endif
