/*
 * A simulated Amazon EC2 endpoint: the Query API by POST. Strict: every signature is verified from the raw request,
 * every parameter is checked against the action's shape (ec2_shapes.h, made from AWS's own model), and refusals come
 * with EC2's codes, statuses and XML. Facts: AWS's documentation and botocore's model; nothing here is taken from our
 * provider.
 *
 *     struct sim_ec2 *ec2 = NULL;
 *     struct sim_ec2_conf c = {.on_start = machine_starts, .arg = machines};
 *     sim_ec2_start(&c, &ec2, &e);                          clouds.aws.endpoint_url = sim_ec2_url(ec2)
 *     ... access_key_id SIM_EC2_KEY, secret_access_key SIM_EC2_SECRET, region us-east-1 ...
 *     sim_ec2_capacity(ec2, "g4dn.xlarge", "us-east-1a", SIM_MARKET_SPOT, 0);      refuses from now on
 *     sim_ec2_wait_live(ec2, 0, 5000);
 *     assert(sim_http_violations(sim_ec2_http(ec2)) == 0);
 *
 * Ops for faults and counts are the actions: "RunInstances". Besides EC2 it answers ssm GetParameter, sts AssumeRole
 * and GetCallerIdentity on the same address, as "GetParameter", "AssumeRole", "GetCallerIdentity".
 *
 * An instance's state is a function of base/clock.h; callbacks come from a thread of its own, with no lock held, in
 * real time. Safe from any thread.
 */
#ifndef MUSTER_TESTS_SIM_EC2_H
#define MUSTER_TESTS_SIM_EC2_H

#include "tests/sim/sim_github.h"
#include "tests/sim/sim_http.h"

#define SIM_EC2_KEY "AKIDEXAMPLE0SIMULATE"
#define SIM_EC2_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define SIM_EC2_ROLE_ARN "arn:aws:iam::123456789012:role/muster" /* sts AssumeRole knows this one */

/* What is there without any call: region us-east-1 with zones a, b, c, one subnet in each, one security group, one
 * instance profile, one key pair, and these images. */
#define SIM_EC2_IMAGE "ami-0aaaaaaaaaaaa2204"     /* Ubuntu 22.04 amd64, the newest */
#define SIM_EC2_IMAGE_ARM "ami-0bbbbbbbbbbbb2204" /* arm64 */
#define SIM_EC2_IMAGE_OLD "ami-0aaaaaaaaaaaa2203" /* amd64, older */
#define SIM_EC2_IMAGE_GPU "ami-0cccccccccccc0d1a" /* Deep Learning AMI, owner amazon */
#define SIM_EC2_SUBNET_A "subnet-0a0a0a0a0a0a0a0aa"
#define SIM_EC2_SUBNET_B "subnet-0b0b0b0b0b0b0b0bb"
#define SIM_EC2_SUBNET_C "subnet-0c0c0c0c0c0c0c0cc"
#define SIM_EC2_GROUP "sg-0123456789abcdef0"
#define SIM_EC2_PROFILE "runner"
#define SIM_EC2_KEY_PAIR "operator"

struct sim_ec2;

/* user_data: decoded, NUL-ended. name: the tag muster-machine, else Name, else "". */
typedef void sim_ec2_start_fn(void *arg, const char *id, const char *name, const char *user_data, size_t len);
typedef void sim_ec2_end_fn(void *arg, const char *id); /* it is being terminated, whoever asked */

struct sim_ec2_conf {
    uint16_t port;        /* 0 = any free one */
    const char *region;   /* default us-east-1 */
    int pending_ms;       /* pending to running; default 20 */
    int shutting_down_ms; /* shutting-down to terminated; default 20 */
    int visible_after_ms; /* DescribeInstances does not show it before (eventual consistency); default 0 */
    uint64_t seed;
    sim_ec2_start_fn *on_start; /* once, when it becomes running */
    sim_ec2_end_fn *on_end;
    void *arg;
    sim_story_fn *story;
    void *story_arg;
};

int sim_ec2_start(const struct sim_ec2_conf *c, struct sim_ec2 **out, struct err *e) MUST_USE;
void sim_ec2_stop(struct sim_ec2 *s); /* no callback after it */
void sim_ec2_free(struct sim_ec2 *s); /* stops; accepts NULL */
const char *sim_ec2_url(const struct sim_ec2 *s);
struct sim_http *sim_ec2_http(struct sim_ec2 *s); /* faults, counts, violations */

/* ---- what exists ---- */
/* token NULL: permanent credentials; else the token must come along, signed. SIM_EC2_KEY is there from the start. */
void sim_ec2_add_key(struct sim_ec2 *s, const char *access_key, const char *secret, const char *token);
void sim_ec2_expire_key(struct sim_ec2 *s, const char *access_key); /* RequestExpired from now on */
struct sim_image {
    const char *id, *name, *owner_id, *owner_alias, *architecture, *created; /* created: 2024-05-14T00:00:00.000Z */
    const char *root_device;                                                 /* default /dev/sda1 */
    int snapshot_gb;                                                         /* default 8 */
    const char *data_device; /* of a second volume, which outlives its machine unless the launch says otherwise; NULL */
};
void sim_ec2_add_image(struct sim_ec2 *s, const struct sim_image *i);
void sim_ec2_add_subnet(struct sim_ec2 *s, const char *id, const char *zone, int free_addresses);
void sim_ec2_add_parameter(struct sim_ec2 *s, const char *name, const char *value); /* ssm */

/* ---- refusals ---- */
enum sim_market { SIM_MARKET_ON_DEMAND, SIM_MARKET_SPOT, SIM_MARKET_ANY };
/* So many more can be had, -1 = any number (as without a rule). type and zone NULL = every one. The last rule that fits
 * counts; each launch uses it up. */
void sim_ec2_capacity(struct sim_ec2 *s, const char *type, const char *zone, enum sim_market m, int left);
void sim_ec2_unsupported(struct sim_ec2 *s, const char *type, const char *zone); /* not offered there: Unsupported */
void sim_ec2_vcpu_limit(struct sim_ec2 *s, int on_demand, int spot);             /* -1 = none */
void sim_ec2_spot_price(struct sim_ec2 *s, const char *price); /* MaxPrice below it: SpotMaxPriceTooLow */
/* EC2's error in EC2's form, for the next n requests of the action or with a probability. NULL action = all. */
void sim_ec2_fault(struct sim_ec2 *s, const char *action, int status, const char *code, const char *message, int next,
                   double probability);
/* The next n launches are accepted, then end by themselves with this state reason ("Server.InternalError"). */
void sim_ec2_fail_start(struct sim_ec2 *s, int next, const char *reason);

/* ---- instances ---- */
enum sim_instance_state { SIM_PENDING, SIM_RUNNING, SIM_SHUTTING_DOWN, SIM_TERMINATED, SIM_STOPPED };
struct sim_instance {
    char id[24], name[80], type[32], zone[32], subnet[32], image[24], token[72], reason[64];
    enum sim_instance_state state;
    bool spot;
    int64_t launched_ms, ended_ms; /* ended_ms: when its end began, i.e. billing stops; 0 = lives */
};
size_t sim_ec2_count(struct sim_ec2 *s);                                    /* ever launched */
size_t sim_ec2_volumes_left(struct sim_ec2 *s);                             /* of machines that are gone: paid for */
bool sim_ec2_at(struct sim_ec2 *s, size_t index, struct sim_instance *out); /* in order of launch */
bool sim_ec2_find(struct sim_ec2 *s, const char *id_or_name, struct sim_instance *out);
bool sim_ec2_tag(struct sim_ec2 *s, const char *id, const char *key, char *out, size_t size);
char *sim_ec2_user_data(struct sim_ec2 *s, const char *id);              /* decoded; NULL = none; the caller frees */
size_t sim_ec2_live(struct sim_ec2 *s);                                  /* neither terminated nor shutting down */
bool sim_ec2_wait_live(struct sim_ec2 *s, size_t n, int timeout_ms);     /* exactly n */
bool sim_ec2_wait_launched(struct sim_ec2 *s, size_t n, int timeout_ms); /* at least n ever */

void sim_ec2_power_off(struct sim_ec2 *s, const char *id); /* from inside: terminates or stops, as was asked for */
void sim_ec2_interrupt(struct sim_ec2 *s, const char *id); /* spot: taken back */

#endif
