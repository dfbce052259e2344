/*
 * Inside the simulated EC2. Files: sim_ec2.c (life, what exists), _sign.c (Signature Version 4), _params.c (the form
 * against its shape), _query.c (the way in, errors, small describes), _run.c (RunInstances), _instances.c (states,
 * DescribeInstances, TerminateInstances), _control.c (/_sim/). Functions named e2_… expect s->lock to be held.
 */
#ifndef MUSTER_TESTS_SIM_EC2_PRIV_H
#define MUSTER_TESTS_SIM_EC2_PRIV_H

#include "tests/sim/ec2_shapes.h"
#include "tests/sim/sim_ec2.h"
#include "tests/sim/sim_timer.h"

#include <pthread.h>

#define E2_ACCOUNT "123456789012"

struct e2_key {
    char *access, *secret, *token;
    bool expired;
};

struct e2_image {
    char *id, *name, *owner_id, *owner_alias, *architecture, *created, *root_device, *data_device;
    int snapshot_gb;
};

struct e2_subnet {
    char *id, *zone;
    int free_addresses;
};

struct e2_rule { /* capacity; unsupported: left = -2 */
    char *type, *zone;
    enum sim_market market;
    int left;
};

struct e2_tag {
    char *key, *value;
};

struct e2_instance {
    struct sim_instance i; /* state is computed on read */
    struct e2_tag *tags;
    size_t n_tags;
    char *user_data, *architecture, *root_device;
    size_t user_data_len;
    char fingerprint[65]; /* of the launch's parameters */
    char reservation[24];
    bool dies_with_power, stopped, started, fails_start;
    bool keeps_volume; /* when it ends */
    int pending_ms;
};

struct e2_param {
    char *key, *value;
};

struct e2_form {
    struct e2_param *p;
    size_t n;
};

struct sim_ec2 {
    struct sim_http *http;
    struct sim_timer *timer;
    struct sim_ec2_conf conf; /* strings owned */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t rng;
    struct e2_key *keys;
    size_t n_keys;
    struct e2_image *images;
    size_t n_images;
    struct e2_subnet *subnets;
    size_t n_subnets;
    struct e2_rule *rules;
    size_t n_rules;
    struct e2_tag *parameters;
    size_t n_parameters;
    int vcpu_limit[2]; /* by market */
    double spot_price;
    int fail_next;
    char fail_reason[64];
    struct e2_instance **instances;
    size_t n_instances;
};

void e2_lock(struct sim_ec2 *s);
void e2_unlock(struct sim_ec2 *s);
void e2_story(struct sim_ec2 *s, const char *fmt, ...) PRINTF(2, 3);
void e2_violation(struct sim_ec2 *s, const struct sim_req *rq, const char *fmt, ...) PRINTF(3, 4);

/* Make the error's answer. Always false, for `return e2_refuse(…)`. */
bool e2_refuse(struct sim_res *rs, int status, const char *code, const char *fmt, ...) PRINTF(4, 5);
void e2_xml(struct buf *b, const char *name, const char *text); /* <name>text</name>, escaped */
void e2_xmlf(struct buf *b, const char *name, const char *fmt, ...) PRINTF(3, 4);
void e2_open(struct sim_ec2 *s, struct sim_res *rs, const char *action); /* <ActionResponse …><requestId> */
void e2_close(struct sim_res *rs, const char *action);

/* _sign.c: false = refused. On success *region and *service are the scope's. */
bool e2_signed(struct sim_ec2 *s, const struct sim_req *rq, struct sim_res *rs, char region[32], char service[16]);

/* _params.c */
bool e2_form_parse(struct sim_ec2 *s, const struct sim_req *rq, struct e2_form *f, struct sim_res *rs);
void e2_form_free(struct e2_form *f);
bool e2_form_check(struct sim_ec2 *s, const struct sim_req *rq, const struct ec2_action *a, const struct e2_form *f,
                   struct sim_res *rs);
const char *e2_get(const struct e2_form *f, const char *key); /* NULL = absent */
const char *e2_getf(const struct e2_form *f, const char *fmt, ...) PRINTF(2, 3);
int e2_get_int(const struct e2_form *f, const char *key, int fallback);
bool e2_get_bool(const struct e2_form *f, const char *key, bool fallback);
bool e2_has_prefix(const struct e2_form *f, const char *prefix);

/* The values of one filter, for _instances.c and _query.c: does any value's pattern match? */
bool e2_filter_matches(const struct e2_form *f, int filter, const char *actual);

/* _instances.c */
typedef void e2_action_fn(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_form *f, struct sim_res *rs);
e2_action_fn e2_describe_instances, e2_terminate_instances, e2_run_instances;
enum sim_instance_state e2_state(const struct e2_instance *i);
const char *e2_state_name(enum sim_instance_state st);
struct e2_instance *e2_instance(struct sim_ec2 *s, const char *id);
void e2_instance_xml(const struct e2_instance *i, struct buf *b);
void e2_end(struct sim_ec2 *s, struct e2_instance *i, const char *reason);
void e2_instance_free(struct e2_instance *i);
void e2_started(void *arg, int64_t index); /* timer: takes the lock itself */

/* sim_ec2.c */
const struct e2_image *e2_image(const struct sim_ec2 *s, const char *id);
struct e2_subnet *e2_subnet(struct sim_ec2 *s, const char *id);
struct e2_key *e2_key(struct sim_ec2 *s, const char *access);
void e2_key_add(struct sim_ec2 *s, const char *access, const char *secret, const char *token);
int e2_vcpus(const char *type);
bool e2_type_exists(const char *type);

/* _query.c */
sim_handler e2_dispatch;
const char *e2_op(void *arg, const struct sim_req *rq);
/* _aws.c: ssm and sts */
void e2_other_service(struct sim_ec2 *s, const char *service, const struct sim_req *rq, struct sim_res *rs);
/* _control.c; takes the lock itself */
sim_handler e2_ctl_state, e2_ctl_capacity, e2_ctl_power_off, e2_ctl_interrupt;

#endif
