/*
 * Our own settings: /etc/muster/muster.yml and the environment, one option table per section.
 * A setting that is unknown or of the wrong type: ERR_INVALID with FILE:LINE:COLUMN and the nearest known key.
 */
#ifndef MUSTER_CONFIG_SERVER_CONF_H
#define MUSTER_CONFIG_SERVER_CONF_H

#include "providers/provider.h"
#include "server/base/conf.h"

#define SERVER_CONF_DEFAULT_FILE "/etc/muster/muster.yml"
#define SERVER_CONF_MAX_CLOUDS 16

struct cloud_account {
    const struct provider_ops *ops;
    struct conf *conf;
    bool in_file; /* it has a section */
};

struct server_conf {
    struct conf *server, *github, *limits, *policy; /* sections; read with conf_str(c->server, "listen") ... */
    struct conf *top;                               /* store, log_level */
    struct cloud_account clouds[SERVER_CONF_MAX_CLOUDS];
    size_t n_clouds; /* those that are on */
};

/* file: -c, or NULL = $MUSTER_CONFIG, else the default file if it is there. Clouds that have neither a section nor
 * credentials in the environment are off. Checks what can be checked without network: required settings, files
 * readable, admin_token unless loopback. */
int server_conf_load(const char *file, conf_getenv_fn *getenv_fn, void *getenv_arg, struct server_conf **out,
                     struct err *e) MUST_USE;
/* The same for looking only, on any machine: every cloud of this build is there, with or without its account, and
 * nothing is required. */
int server_conf_load_offline(const char *file, conf_getenv_fn *getenv_fn, void *getenv_arg, struct server_conf **out,
                             struct err *e) MUST_USE;
/* The clouds that are on, as server_conf_load has them, where nothing else is required: GitHub's App may be missing. */
int server_conf_load_clouds(const char *file, conf_getenv_fn *getenv_fn, void *getenv_arg, struct server_conf **out,
                            struct err *e) MUST_USE;
void server_conf_free(struct server_conf *c); /* accepts NULL */

/* The tables, for help texts and the example settings' check. Fills at most max entries; returns how many there are. */
struct server_conf_section {
    const char *section; /* "" for the top, "server", "clouds.aws" */
    const struct conf_key *keys;
};
size_t server_conf_sections(struct server_conf_section *out, size_t max);

#endif
