/*
 * What the files of `muster sweep` share. Private to sweep*.c.
 *
 *   sweep.c        the command line; the order of things
 *   sweep_find.c   every account, every region: what carries our tag
 *   sweep_end.c    what may end: GitHub asked, destroyed, waited for
 *   sweep_print.c  the table, the document
 */
#ifndef MUSTER_CLI_SWEEP_INT_H
#define MUSTER_CLI_SWEEP_INT_H

#include "server/base/pause.h"
#include "server/cli/cli.h"
#include "server/config/server_conf.h"
#include "server/github/api.h"

#define SWEEP_REGIONS_MAX 32

enum sweep_fate {
    FATE_KEPT,      /* left alone */
    FATE_MARKED,    /* may end: would be destroyed, or is about to be */
    FATE_ENDING,    /* the cloud accepted its end */
    FATE_DESTROYED, /* the cloud says that it is gone */
    FATE_FAILED     /* its end was refused, or is not there in time */
};

struct sweep_found {
    const struct cloud_account *account;
    struct provider *provider;
    struct instance i;
    enum sweep_fate fate;
    char why[300]; /* a sentence */
};

struct sweep_error {
    const char *cloud;
    char region[64]; /* "" = of the account as a whole */
    char text[256];
};

struct sweeping {
    /* the command line */
    const char *config, *all, *cloud; /* all: the deployment, as a confirmation */
    const char *regions[SWEEP_REGIONS_MAX];
    size_t n_regions;
    bool dry_run, json, no_github;
    int64_t wait_ms;
    /* what was opened */
    struct server_conf *conf;
    const char *deployment;
    struct httpc *http;
    struct crypto_key *key;
    struct github *github; /* NULL = it cannot be asked */
    struct pause *pause;
    struct provider_env env;
    struct provider *providers[SERVER_CONF_MAX_CLOUDS];
    bool talk; /* progress on standard error */
    int64_t now_ms;
    /* what came out */
    struct sweep_found *found;
    size_t n_found;
    struct sweep_error *errors;
    size_t n_errors;
};

/* An account, a region, or GitHub could not be asked: the others are. */
void sweep_error(struct sweeping *s, const char *cloud, const char *region, const char *text);

void sweep_find_all(struct sweeping *s);
void sweep_end_all(struct sweeping *s);

const char *sweep_fate_name(enum sweep_fate f, bool dry_run); /* "destroyed", "would be destroyed" */
void sweep_print_table(const struct sweeping *s);
int sweep_print_json(const struct sweeping *s, struct err *e) MUST_USE;

#endif
