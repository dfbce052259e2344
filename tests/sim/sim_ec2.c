/* Life of the simulated EC2, what exists in it, and what it refuses for want of room. */
#include "tests/sim/sim_ec2_priv.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void e2_lock(struct sim_ec2 *s)
{
    (void)pthread_mutex_lock(&s->lock);
}

void e2_unlock(struct sim_ec2 *s)
{
    (void)pthread_mutex_unlock(&s->lock);
}

void e2_story(struct sim_ec2 *s, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    if (s->conf.story == NULL)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    s->conf.story(s->conf.story_arg, line);
}

void e2_violation(struct sim_ec2 *s, const struct sim_req *rq, const char *fmt, ...)
{
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    sim_http_violation(s->http, "%s: %s", rq->op, text);
}

/* ---- looking up ---- */

struct e2_key *e2_key(struct sim_ec2 *s, const char *access)
{
    for (size_t i = 0; i < s->n_keys; i++)
        if (strcmp(s->keys[i].access, access) == 0)
            return &s->keys[i];
    return NULL;
}

const struct e2_image *e2_image(const struct sim_ec2 *s, const char *id)
{
    for (size_t i = 0; i < s->n_images; i++)
        if (strcmp(s->images[i].id, id) == 0)
            return &s->images[i];
    return NULL;
}

struct e2_subnet *e2_subnet(struct sim_ec2 *s, const char *id)
{
    for (size_t i = 0; i < s->n_subnets; i++)
        if (strcmp(s->subnets[i].id, id) == 0)
            return &s->subnets[i];
    return NULL;
}

/* By the size in the type's name, as EC2 counts most families: xlarge is 4, 8xlarge is 32. */
int e2_vcpus(const char *type)
{
    const char *size = strchr(type, '.');
    char *end;
    long n;

    if (size == NULL)
        return 2;
    size++;
    if (strncmp(size, "metal", 5) == 0)
        return 96;
    if (strcmp(size, "xlarge") == 0)
        return 4;
    n = strtol(size, &end, 10);
    return n > 0 && strcmp(end, "xlarge") == 0 ? (int)n * 4 : 2;
}

bool e2_type_exists(const char *type)
{
    static const char *const families[] = {
        "t2",  "t3",  "t3a", "t4g", "m4",  "m5",  "m5a", "m6a",  "m6i", "m6g", "m7a",  "m7i",  "m7g",  "c5",
        "c5a", "c6a", "c6i", "c6g", "c7a", "c7i", "c7g", "r5",   "r6i", "r7i", "g3",   "g3s",  "g4dn", "g4ad",
        "g5",  "g5g", "g6",  "g6e", "p2",  "p3",  "p4d", "p4de", "p5",  "p5e", "inf1", "inf2", "trn1"};
    static const char *const sizes[] = {"nano",     "micro",    "small",    "medium",   "large",
                                        "xlarge",   "2xlarge",  "3xlarge",  "4xlarge",  "6xlarge",
                                        "8xlarge",  "9xlarge",  "12xlarge", "16xlarge", "18xlarge",
                                        "24xlarge", "32xlarge", "48xlarge", "metal"};
    const char *dot = strchr(type, '.');
    bool family = false;

    for (size_t i = 0; dot != NULL && i < ARRAY_LEN(families); i++)
        family = family ||
                 (strlen(families[i]) == (size_t)(dot - type) && memcmp(families[i], type, (size_t)(dot - type)) == 0);
    for (size_t i = 0; family && i < ARRAY_LEN(sizes); i++)
        if (strcmp(sizes[i], dot + 1) == 0)
            return true;
    return false;
}

/* ---- what exists ---- */

void e2_key_add(struct sim_ec2 *s, const char *access, const char *secret, const char *token)
{
    s->keys = mem_realloc_array(s->keys, s->n_keys + 1, sizeof(*s->keys));
    s->keys[s->n_keys++] = (struct e2_key){mem_strdup(access), mem_strdup(secret), mem_strdup(token), false};
}

void sim_ec2_add_key(struct sim_ec2 *s, const char *access_key, const char *secret, const char *token)
{
    e2_lock(s);
    e2_key_add(s, access_key, secret, token);
    e2_unlock(s);
}

void sim_ec2_expire_key(struct sim_ec2 *s, const char *access_key)
{
    struct e2_key *k;

    e2_lock(s);
    k = e2_key(s, access_key);
    if (k != NULL)
        k->expired = true;
    e2_unlock(s);
}

void sim_ec2_add_image(struct sim_ec2 *s, const struct sim_image *i)
{
    struct e2_image n = {.snapshot_gb = i->snapshot_gb > 0 ? i->snapshot_gb : 8};

    n.id = mem_strdup(i->id);
    n.name = mem_strdup(i->name);
    n.owner_id = mem_strdup(i->owner_id);
    n.owner_alias = mem_strdup(i->owner_alias);
    n.architecture = mem_strdup(i->architecture);
    n.created = mem_strdup(i->created);
    n.root_device = mem_strdup(i->root_device != NULL ? i->root_device : "/dev/sda1");
    n.data_device = i->data_device != NULL ? mem_strdup(i->data_device) : NULL;
    e2_lock(s);
    s->images = mem_realloc_array(s->images, s->n_images + 1, sizeof(*s->images));
    s->images[s->n_images++] = n;
    e2_unlock(s);
}

void sim_ec2_add_subnet(struct sim_ec2 *s, const char *id, const char *zone, int free_addresses)
{
    e2_lock(s);
    s->subnets = mem_realloc_array(s->subnets, s->n_subnets + 1, sizeof(*s->subnets));
    s->subnets[s->n_subnets++] = (struct e2_subnet){mem_strdup(id), mem_strdup(zone), free_addresses};
    e2_unlock(s);
}

void sim_ec2_add_parameter(struct sim_ec2 *s, const char *name, const char *value)
{
    e2_lock(s);
    s->parameters = mem_realloc_array(s->parameters, s->n_parameters + 1, sizeof(*s->parameters));
    s->parameters[s->n_parameters++] = (struct e2_tag){mem_strdup(name), mem_strdup(value)};
    e2_unlock(s);
}

/* ---- refusals ---- */

static void add_rule(struct sim_ec2 *s, const char *type, const char *zone, enum sim_market m, int left)
{
    e2_lock(s);
    s->rules = mem_realloc_array(s->rules, s->n_rules + 1, sizeof(*s->rules));
    s->rules[s->n_rules++] = (struct e2_rule){mem_strdup(type), mem_strdup(zone), m, left};
    e2_unlock(s);
}

void sim_ec2_capacity(struct sim_ec2 *s, const char *type, const char *zone, enum sim_market m, int left)
{
    add_rule(s, type, zone, m, left);
}

void sim_ec2_unsupported(struct sim_ec2 *s, const char *type, const char *zone)
{
    add_rule(s, type, zone, SIM_MARKET_ANY, -2);
}

void sim_ec2_vcpu_limit(struct sim_ec2 *s, int on_demand, int spot)
{
    e2_lock(s);
    s->vcpu_limit[SIM_MARKET_ON_DEMAND] = on_demand;
    s->vcpu_limit[SIM_MARKET_SPOT] = spot;
    e2_unlock(s);
}

void sim_ec2_spot_price(struct sim_ec2 *s, const char *price)
{
    e2_lock(s);
    s->spot_price = strtod(price, NULL);
    e2_unlock(s);
}

void sim_ec2_fail_start(struct sim_ec2 *s, int next, const char *reason)
{
    e2_lock(s);
    s->fail_next = next;
    (void)snprintf(s->fail_reason, sizeof(s->fail_reason), "%s", reason);
    e2_unlock(s);
}

void sim_ec2_fault(struct sim_ec2 *s, const char *action, int status, const char *code, const char *message, int next,
                   double probability)
{
    struct sim_res rs = {.body = BUF_INIT(4096)};
    struct sim_fault f = {.op = action, .kind = SIM_FAULT_STATUS, .status = status, .content_type = "text/xml"};

    (void)e2_refuse(&rs, status, code, "%s", message);
    f.body = rs.body.p;
    f.next = next;
    f.probability = probability;
    sim_http_fault(s->http, &f);
    buf_clear(&rs.body);
}

/* ---- life ---- */

static const char *subnet_name(size_t i)
{
    static const char *const ids[] = {SIM_EC2_SUBNET_A, SIM_EC2_SUBNET_B, SIM_EC2_SUBNET_C};

    return ids[i];
}

static void furnish(struct sim_ec2 *s)
{
    static const struct sim_image images[] = {
        {.id = SIM_EC2_IMAGE_OLD,
         .name = "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20240301",
         .owner_id = "099720109477",
         .architecture = "x86_64",
         .created = "2024-03-01T12:00:00.000Z"},
        {.id = SIM_EC2_IMAGE,
         .name = "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-20240514",
         .owner_id = "099720109477",
         .architecture = "x86_64",
         .created = "2024-05-14T12:00:00.000Z"},
        {.id = SIM_EC2_IMAGE_ARM,
         .name = "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-arm64-server-20240514",
         .owner_id = "099720109477",
         .architecture = "arm64",
         .created = "2024-05-14T12:00:00.000Z"},
        {.id = SIM_EC2_IMAGE_GPU,
         .name = "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 22.04) 20240516",
         .owner_id = "898082745236",
         .owner_alias = "amazon",
         .architecture = "x86_64",
         .created = "2024-05-16T12:00:00.000Z",
         .snapshot_gb = 45}};
    char zone[64];

    sim_ec2_add_key(s, SIM_EC2_KEY, SIM_EC2_SECRET, NULL);
    for (size_t i = 0; i < ARRAY_LEN(images); i++)
        sim_ec2_add_image(s, &images[i]);
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(zone, sizeof(zone), "%s%c", s->conf.region, (char)('a' + (int)i));
        sim_ec2_add_subnet(s, subnet_name(i), zone, 4091);
    }
    sim_ec2_add_parameter(s, "/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id",
                          SIM_EC2_IMAGE);
    sim_ec2_add_parameter(s,
                          "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id",
                          SIM_EC2_IMAGE_GPU);
}

static void not_found(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    (void)arg;
    (void)rq;
    (void)e2_refuse(rs, 404, "InvalidAction", "There is nothing at this path.");
}

static void finish(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    char date[40];

    (void)arg;
    (void)rq;
    sim_time_http(clock_now_ms(), date);
    sim_res_header(rs, "Date", "%s", date);
    sim_res_header(rs, "Server", "AmazonEC2");
    sim_res_header(rs, "Cache-Control", "no-cache, no-store");
}

static struct sim_ec2 *ec2_new(const struct sim_ec2_conf *c)
{
    struct sim_ec2 *s = mem_zalloc(sizeof(*s));
    pthread_condattr_t attr;

    s->conf = *c;
    s->conf.region = mem_strdup(c->region != NULL ? c->region : "us-east-1");
    if (s->conf.pending_ms == 0)
        s->conf.pending_ms = 20;
    if (s->conf.shutting_down_ms == 0)
        s->conf.shutting_down_ms = 20;
    s->rng = c->seed + 23;
    s->vcpu_limit[0] = -1;
    s->vcpu_limit[1] = -1;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    s->timer = sim_timer_new();
    return s;
}

int sim_ec2_start(const struct sim_ec2_conf *c, struct sim_ec2 **out, struct err *e)
{
    static const struct sim_route routes[] = {{"POST", "/", e2_dispatch},
                                              {"GET", "/_sim/state", e2_ctl_state},
                                              {"POST", "/_sim/capacity", e2_ctl_capacity},
                                              {"POST", "/_sim/instances/{id}/power_off", e2_ctl_power_off},
                                              {"POST", "/_sim/instances/{id}/interrupt", e2_ctl_interrupt},
                                              SIM_HTTP_CONTROL_ROUTES,
                                              {NULL, NULL, NULL}};
    struct sim_ec2 *s = ec2_new(c);
    const struct sim_service service = {
        .routes = routes, .arg = s, .op = e2_op, .not_found = not_found, .finish = finish};

    if (sim_http_start(&service, c->port, &s->http, e) != 0) {
        sim_ec2_free(s);
        return err_wrap(e, "simulated EC2");
    }
    furnish(s);
    *out = s;
    return 0;
}

void sim_ec2_stop(struct sim_ec2 *s)
{
    if (s->http != NULL)
        sim_http_stop(s->http);
    sim_timer_stop(s->timer);
}

static void free_catalog(struct sim_ec2 *s)
{
    for (size_t i = 0; i < s->n_keys; i++) {
        free(s->keys[i].access);
        free(s->keys[i].secret);
        free(s->keys[i].token);
    }
    for (size_t i = 0; i < s->n_images; i++) {
        struct e2_image *m = &s->images[i];
        char *const parts[] = {m->id,           m->name,    m->owner_id,    m->owner_alias,
                               m->architecture, m->created, m->root_device, m->data_device};

        for (size_t k = 0; k < ARRAY_LEN(parts); k++)
            free(parts[k]);
    }
    for (size_t i = 0; i < s->n_subnets; i++) {
        free(s->subnets[i].id);
        free(s->subnets[i].zone);
    }
    for (size_t i = 0; i < s->n_rules; i++) {
        free(s->rules[i].type);
        free(s->rules[i].zone);
    }
    for (size_t i = 0; i < s->n_parameters; i++) {
        free(s->parameters[i].key);
        free(s->parameters[i].value);
    }
    free(s->keys);
    free(s->images);
    free(s->subnets);
    free(s->rules);
    free(s->parameters);
}

void sim_ec2_free(struct sim_ec2 *s)
{
    if (s == NULL)
        return;
    sim_ec2_stop(s);
    sim_http_free(s->http);
    sim_timer_free(s->timer);
    free_catalog(s);
    for (size_t i = 0; i < s->n_instances; i++)
        e2_instance_free(s->instances[i]);
    free(s->instances);
    free((void *)(uintptr_t)s->conf.region);
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

const char *sim_ec2_url(const struct sim_ec2 *s)
{
    return sim_http_url(s->http);
}

struct sim_http *sim_ec2_http(struct sim_ec2 *s)
{
    return s->http;
}
