/*
 * One open account of one cloud, and the scripted server it speaks to. What cannot be set up ends the program.
 */
#ifndef MUSTER_TESTS_CLOUD_BED_H
#define MUSTER_TESTS_CLOUD_BED_H

#include "tests/support/fake_cloud.h"

#include <stdatomic.h>

#define BED_DEPLOYMENT "muster"

struct bed_setting {
    const char *name, *value;
};

struct bed {
    const struct fake_dialect *d;
    const struct provider_ops *ops;
    struct fake_cloud cloud;
    struct rawserver *server;
    struct httpc *http;
    struct conf *acct;
    struct provider_env env;
    struct provider *p;
    _Atomic int64_t paused_ms;         /* what the provider waited for in all; no time passes */
    _Atomic size_t pauses, max_pauses; /* after so many pauses the daemon "ends" */
    char env_text[16][300];
};

/* Settings beyond the dialect's own. */
struct bed *bed_open(const struct fake_dialect *d, const struct bed_setting *more, size_t n_more);
void bed_close(struct bed *b); /* accepts NULL */
void bed_close_ptr(struct bed **b);
#define AUTO_BED AUTO(bed_close_ptr)

/* The account anew, with another deadline for each request. */
void bed_reopen(struct bed *b, int timeout_ms);

/* A launch of a sound spec, to be changed at will. */
struct order {
    struct machine_spec spec;
    struct tag tags[5];
    struct launch_request r;
    struct secret *data;
    json_t *extra; /* room for an extra_config; NULL */
};
void order_init(struct order *o, const struct bed *b, const char *name, const char *token);
void order_clear(struct order *o);
#define AUTO_ORDER AUTO(order_clear)
extern const char bed_user_data[];

int bed_launch(struct bed *b, const char *name, const char *token, struct instance *out, struct err *e);
struct instance bed_ref(const struct bed *b, const char *id, const char *name);

/* What a list saw; it stops with ERR_BUG after so many, unless that is 0. */
struct bed_seen {
    size_t n, stop_after;
    char ids[FAKE_MAX_MACHINES][256];
    char names[FAKE_MAX_MACHINES][64];
};
int bed_see(void *seen, const struct instance *i, struct err *e);

#endif
