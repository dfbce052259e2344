/* Instances: their states by the clock, and the calls that show and end them. */
#include "tests/sim/sim_ec2_priv.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define GONE_AFTER_MS (60 * 60 * 1000) /* a terminated instance stays listed for about an hour */
#define DEFAULT_PAGE 1000

/* ---- states ---- */

enum sim_instance_state e2_state(const struct e2_instance *i)
{
    int64_t now = clock_now_ms();

    if (i->stopped)
        return SIM_STOPPED;
    if (i->i.state == SIM_TERMINATED)
        return SIM_TERMINATED;
    if (i->i.ended_ms != 0)
        return SIM_SHUTTING_DOWN;
    return now < i->i.launched_ms + i->pending_ms ? SIM_PENDING : SIM_RUNNING;
}

static int state_code(enum sim_instance_state st)
{
    switch (st) {
    case SIM_PENDING:
        return 0;
    case SIM_RUNNING:
        return 16;
    case SIM_SHUTTING_DOWN:
        return 32;
    case SIM_TERMINATED:
        return 48;
    case SIM_STOPPED:
        break;
    }
    return 80;
}

const char *e2_state_name(enum sim_instance_state st)
{
    switch (st) {
    case SIM_PENDING:
        return "pending";
    case SIM_RUNNING:
        return "running";
    case SIM_SHUTTING_DOWN:
        return "shutting-down";
    case SIM_TERMINATED:
        return "terminated";
    case SIM_STOPPED:
        break;
    }
    return "stopped";
}

/* Once shutting-down has lasted long enough, by the clock, it is terminated. */
static void settle(const struct sim_ec2 *s, struct e2_instance *i)
{
    if (i->i.ended_ms != 0 && !i->stopped && clock_now_ms() >= i->i.ended_ms + s->conf.shutting_down_ms)
        i->i.state = SIM_TERMINATED;
}

struct e2_instance *e2_instance(struct sim_ec2 *s, const char *id)
{
    for (size_t k = 0; k < s->n_instances; k++) {
        if (strcmp(s->instances[k]->i.id, id) == 0) {
            settle(s, s->instances[k]);
            return s->instances[k];
        }
    }
    return NULL;
}

void e2_instance_free(struct e2_instance *i)
{
    for (size_t k = 0; k < i->n_tags; k++) {
        free(i->tags[k].key);
        free(i->tags[k].value);
    }
    free(i->tags);
    free(i->user_data);
    free(i->architecture);
    free(i->root_device);
    free(i);
}

static void tell_end(void *arg, int64_t index)
{
    struct sim_ec2 *s = arg;
    char id[24];

    e2_lock(s);
    (void)snprintf(id, sizeof(id), "%s", s->instances[index]->i.id);
    e2_unlock(s);
    s->conf.on_end(s->conf.arg, id);
}

static void schedule_end(struct sim_ec2 *s, const struct e2_instance *i)
{
    for (size_t k = s->n_instances; s->conf.on_end != NULL && k > 0; k--)
        if (s->instances[k - 1] == i) {
            sim_timer_after(s->timer, 0, tell_end, s, (int64_t)k - 1);
            return;
        }
}

void e2_end(struct sim_ec2 *s, struct e2_instance *i, const char *reason)
{
    if (i->i.ended_ms != 0 && !i->stopped)
        return;
    i->stopped = false;
    if (i->i.ended_ms == 0)
        i->i.ended_ms = clock_now_ms();
    (void)snprintf(i->i.reason, sizeof(i->i.reason), "%s", reason);
    e2_story(s, "%s (%s) is shutting down (%s)", i->i.id, i->i.name, reason);
    schedule_end(s, i);
    (void)pthread_cond_broadcast(&s->changed);
}

void e2_started(void *arg, int64_t index)
{
    struct sim_ec2 *s = arg;
    struct e2_instance *i;
    char id[24] = "", name[80] = "", *data = NULL;
    size_t len = 0;

    e2_lock(s);
    i = s->instances[index];
    if (i->fails_start) {
        e2_end(s, i, s->fail_reason);
    } else if (i->i.ended_ms == 0 && !i->started) {
        i->started = true;
        e2_story(s, "%s (%s) is running", i->i.id, i->i.name);
        memcpy(id, i->i.id, sizeof(id));
        memcpy(name, i->i.name, sizeof(name));
        len = i->user_data_len;
        data = mem_strndup(i->user_data != NULL ? i->user_data : "", len);
        (void)pthread_cond_broadcast(&s->changed);
    }
    e2_unlock(s);
    if (data != NULL && s->conf.on_start != NULL)
        s->conf.on_start(s->conf.arg, id, name, data, len);
    free(data);
}

/* ---- XML ---- */

static void tags_xml(const struct e2_instance *i, struct buf *b)
{
    buf_adds(b, "<tagSet>");
    for (size_t k = 0; k < i->n_tags; k++) {
        buf_adds(b, "<item>");
        e2_xml(b, "key", i->tags[k].key);
        e2_xml(b, "value", i->tags[k].value);
        buf_adds(b, "</item>");
    }
    buf_adds(b, "</tagSet>");
}

static void state_xml(struct buf *b, const char *name, enum sim_instance_state st)
{
    buf_addf(b, "<%s>", name);
    e2_xmlf(b, "code", "%d", state_code(st));
    e2_xml(b, "name", e2_state_name(st));
    buf_addf(b, "</%s>", name);
}

static void reason_xml(const struct e2_instance *i, struct buf *b)
{
    if (i->i.reason[0] == '\0')
        return;
    buf_adds(b, "<stateReason>");
    e2_xml(b, "code", i->i.reason);
    e2_xmlf(b, "message", "%s: the instance was ended", i->i.reason);
    buf_adds(b, "</stateReason>");
}

void e2_instance_xml(const struct e2_instance *i, struct buf *b)
{
    char launched[32];

    sim_time_iso_ms(i->i.launched_ms, launched);
    buf_adds(b, "                <item>");
    e2_xml(b, "instanceId", i->i.id);
    e2_xml(b, "imageId", i->i.image);
    state_xml(b, "instanceState", e2_state(i));
    e2_xmlf(b, "privateDnsName", "ip-10-0-0-1.ec2.internal");
    buf_adds(b, "<dnsName/><reason/><amiLaunchIndex>0</amiLaunchIndex><productCodes/>");
    e2_xml(b, "instanceType", i->i.type);
    e2_xml(b, "launchTime", launched);
    buf_adds(b, "<placement>");
    e2_xml(b, "availabilityZone", i->i.zone);
    buf_adds(b, "<groupName/><tenancy>default</tenancy></placement><monitoring><state>disabled</state></monitoring>");
    e2_xml(b, "subnetId", i->i.subnet);
    buf_adds(b, "<vpcId>vpc-0123456789abcdef0</vpcId><privateIpAddress>10.0.0.1</privateIpAddress>"
                "<sourceDestCheck>true</sourceDestCheck><groupSet/>");
    reason_xml(i, b);
    e2_xml(b, "architecture", i->architecture);
    e2_xml(b, "rootDeviceType", "ebs");
    e2_xml(b, "rootDeviceName", i->root_device);
    buf_adds(b, "<blockDeviceMapping/><virtualizationType>hvm</virtualizationType>");
    if (i->i.token[0] != '\0')
        e2_xml(b, "clientToken", i->i.token);
    tags_xml(i, b);
    if (i->i.spot)
        buf_adds(b, "<instanceLifecycle>spot</instanceLifecycle>"
                    "<spotInstanceRequestId>sir-abcd1234</spotInstanceRequestId>");
    buf_adds(b, "<hypervisor>xen</hypervisor><networkInterfaceSet/><ebsOptimized>false</ebsOptimized></item>\n");
}

/* ---- DescribeInstances ---- */

static const char *tag_value(const struct e2_instance *i, const char *key)
{
    for (size_t k = 0; k < i->n_tags; k++)
        if (strcmp(i->tags[k].key, key) == 0)
            return i->tags[k].value;
    return NULL;
}

static bool passes(const struct e2_instance *i, const struct e2_form *f, int k, const char *name)
{
    if (strncmp(name, "tag:", 4) == 0)
        return tag_value(i, name + 4) != NULL && e2_filter_matches(f, k, tag_value(i, name + 4));
    if (strcmp(name, "tag-key") == 0) {
        for (size_t t = 0; t < i->n_tags; t++)
            if (e2_filter_matches(f, k, i->tags[t].key))
                return true;
        return false;
    }
    if (strcmp(name, "instance-state-name") == 0)
        return e2_filter_matches(f, k, e2_state_name(e2_state(i)));
    if (strcmp(name, "client-token") == 0)
        return e2_filter_matches(f, k, i->i.token);
    if (strcmp(name, "instance-id") == 0)
        return e2_filter_matches(f, k, i->i.id);
    return strcmp(name, "instance-type") == 0 && e2_filter_matches(f, k, i->i.type);
}

static bool filters_known(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_form *f, struct sim_res *rs)
{
    static const char *const known[] = {"tag-key", "instance-state-name", "client-token", "instance-id",
                                        "instance-type"};
    const char *name;

    for (int k = 1; e2_getf(f, "Filter.%d.Name", k) != NULL || e2_getf(f, "Filter.%d.Value.1", k) != NULL; k++) {
        bool found = false;

        name = e2_getf(f, "Filter.%d.Name", k);
        for (size_t i = 0; name != NULL && i < ARRAY_LEN(known); i++)
            found = found || strcmp(known[i], name) == 0;
        if (name != NULL && e2_getf(f, "Filter.%d.Value.1", k) != NULL && (found || strncmp(name, "tag:", 4) == 0))
            continue;
        e2_violation(s, rq, "unknown or empty filter %s", name != NULL ? name : "(no name)");
        return e2_refuse(rs, 400, "InvalidParameterValue", "The filter '%.60s' is invalid",
                         name != NULL ? name : "null");
    }
    return true;
}

static bool visible(const struct sim_ec2 *s, const struct e2_instance *i)
{
    int64_t now = clock_now_ms();

    if (i->i.state == SIM_TERMINATED && now > i->i.ended_ms + GONE_AFTER_MS)
        return false;
    return now >= i->i.launched_ms + s->conf.visible_after_ms;
}

static bool ids_exist(struct sim_ec2 *s, const struct e2_form *f, struct sim_res *rs)
{
    const char *id;

    for (int k = 1; (id = e2_getf(f, "InstanceId.%d", k)) != NULL; k++) {
        const struct e2_instance *i = e2_instance(s, id);

        if (strncmp(id, "i-", 2) != 0)
            return e2_refuse(rs, 400, "InvalidInstanceID.Malformed", "Invalid id: \"%.40s\"", id);
        if (i == NULL || !visible(s, i))
            return e2_refuse(rs, 400, "InvalidInstanceID.NotFound", "The instance ID '%.40s' does not exist", id);
    }
    return true;
}

static bool wanted(const struct sim_ec2 *s, const struct e2_instance *i, const struct e2_form *f)
{
    bool by_id = e2_get(f, "InstanceId.1") != NULL, listed = !by_id;
    const char *v;

    for (int k = 1; by_id && (v = e2_getf(f, "InstanceId.%d", k)) != NULL; k++)
        listed = listed || strcmp(v, i->i.id) == 0;
    if (!listed || !visible(s, i))
        return false;
    for (int k = 1; (v = e2_getf(f, "Filter.%d.Name", k)) != NULL; k++)
        if (!passes(i, f, k, v))
            return false;
    return true;
}

/* A page's token is bound to its question: base64 of "index/hash of the parameters but NextToken and MaxResults". */
static void question_hash(const struct e2_form *f, char out[65])
{
    struct buf b = BUF_INIT(256 * 1024);

    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->p[i].key, "NextToken") != 0 && strcmp(f->p[i].key, "MaxResults") != 0)
            buf_addf(&b, "%s=%s\n", f->p[i].key, f->p[i].value);
    sim_sha256_hex(b.p, b.len, out);
    buf_clear(&b);
}

static bool page_start(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_form *f, size_t *start,
                       struct sim_res *rs)
{
    const char *token = e2_get(f, "NextToken");
    struct buf b = BUF_INIT(512);
    char hash[65];
    bool ok;

    *start = 0;
    if (token == NULL)
        return true;
    question_hash(f, hash);
    ok = sim_unbase64(token, strlen(token), false, &b) && b.p != NULL && strchr(b.p, '/') != NULL &&
         strcmp(strchr(b.p, '/') + 1, hash) == 0;
    if (ok)
        *start = (size_t)strtoul(b.p, NULL, 10);
    buf_clear(&b);
    if (!ok) {
        e2_violation(s, rq, "NextToken is none of ours, or of another question");
        return e2_refuse(rs, 400, "InvalidPaginationToken", "The specified pagination token is not valid.");
    }
    return true;
}

static void next_token(const struct e2_form *f, size_t next, struct buf *b)
{
    struct buf text = BUF_INIT(256), token = BUF_INIT(512);
    char hash[65];

    question_hash(f, hash);
    buf_addf(&text, "%zu/%s", next, hash);
    sim_base64(&token, text.p, text.len);
    e2_xml(b, "nextToken", token.p);
    buf_clear(&text);
    buf_clear(&token);
}

static void reservation_xml(const struct e2_instance *i, struct buf *b)
{
    buf_adds(b, "        <item>");
    e2_xml(b, "reservationId", i->reservation);
    e2_xml(b, "ownerId", E2_ACCOUNT);
    buf_adds(b, "<groupSet/><instancesSet>\n");
    e2_instance_xml(i, b);
    buf_adds(b, "            </instancesSet></item>\n");
}

static bool page_size(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_form *f, int *max,
                      struct sim_res *rs)
{
    *max = e2_get_int(f, "MaxResults", DEFAULT_PAGE);
    if (e2_get(f, "MaxResults") != NULL && e2_get(f, "InstanceId.1") != NULL) {
        e2_violation(s, rq, "MaxResults together with InstanceId");
        return e2_refuse(rs, 400, "InvalidParameterCombination",
                         "The parameter instancesSet cannot be used with the parameter maxResults");
    }
    if (*max < 5 || *max > 1000) {
        e2_violation(s, rq, "MaxResults %d", *max);
        return e2_refuse(rs, 400, "InvalidParameterValue",
                         "Value ( %d ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.",
                         *max);
    }
    return true;
}

void e2_describe_instances(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_form *f, struct sim_res *rs)
{
    size_t k = 0;
    int max, shown = 0;

    if (!page_size(s, rq, f, &max, rs) || !filters_known(s, rq, f, rs) || !ids_exist(s, f, rs) ||
        !page_start(s, rq, f, &k, rs))
        return;
    e2_open(s, rs, "DescribeInstances");
    buf_adds(&rs->body, "    <reservationSet>\n");
    for (; k < s->n_instances && shown < max; k++) {
        settle(s, s->instances[k]);
        if (!wanted(s, s->instances[k], f))
            continue;
        reservation_xml(s->instances[k], &rs->body);
        shown++;
    }
    buf_adds(&rs->body, "    </reservationSet>\n");
    if (k < s->n_instances)
        next_token(f, k, &rs->body);
    e2_close(rs, "DescribeInstances");
}

/* ---- TerminateInstances ---- */

void e2_terminate_instances(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_form *f, struct sim_res *rs)
{
    const char *id;

    (void)rq;
    if (!ids_exist(s, f, rs)) /* one unknown id fails the whole batch */
        return;
    e2_open(s, rs, "TerminateInstances");
    buf_adds(&rs->body, "    <instancesSet>");
    for (int k = 1; (id = e2_getf(f, "InstanceId.%d", k)) != NULL; k++) {
        struct e2_instance *i = e2_instance(s, id);
        enum sim_instance_state before = e2_state(i);

        if (i->i.ended_ms == 0)
            e2_story(s, "is told to terminate %s", id);
        e2_end(s, i, "Client.UserInitiatedShutdown");
        buf_adds(&rs->body, "<item>");
        e2_xml(&rs->body, "instanceId", id);
        state_xml(&rs->body, "currentState", e2_state(i));
        state_xml(&rs->body, "previousState", before);
        buf_adds(&rs->body, "</item>");
    }
    buf_adds(&rs->body, "</instancesSet>\n");
    e2_close(rs, "TerminateInstances");
}

/* ---- public ---- */

size_t sim_ec2_volumes_left(struct sim_ec2 *s)
{
    size_t n = 0;

    e2_lock(s);
    for (size_t k = 0; k < s->n_instances; k++)
        n += s->instances[k]->keeps_volume && s->instances[k]->i.ended_ms != 0 ? 1 : 0;
    e2_unlock(s);
    return n;
}

size_t sim_ec2_count(struct sim_ec2 *s)
{
    size_t n;

    e2_lock(s);
    n = s->n_instances;
    e2_unlock(s);
    return n;
}

static void copy_out(const struct sim_ec2 *s, struct e2_instance *i, struct sim_instance *out)
{
    settle(s, i);
    *out = i->i;
    out->state = e2_state(i);
}

bool sim_ec2_at(struct sim_ec2 *s, size_t index, struct sim_instance *out)
{
    bool found;

    e2_lock(s);
    found = index < s->n_instances;
    if (found)
        copy_out(s, s->instances[index], out);
    e2_unlock(s);
    return found;
}

bool sim_ec2_find(struct sim_ec2 *s, const char *id_or_name, struct sim_instance *out)
{
    bool found = false;

    e2_lock(s);
    for (size_t k = 0; k < s->n_instances && !found; k++) {
        found = strcmp(s->instances[k]->i.id, id_or_name) == 0 || strcmp(s->instances[k]->i.name, id_or_name) == 0;
        if (found)
            copy_out(s, s->instances[k], out);
    }
    e2_unlock(s);
    return found;
}

bool sim_ec2_tag(struct sim_ec2 *s, const char *id, const char *key, char *out, size_t size)
{
    const struct e2_instance *i;
    const char *v = NULL;

    e2_lock(s);
    i = e2_instance(s, id);
    if (i != NULL)
        v = tag_value(i, key);
    if (v != NULL)
        (void)snprintf(out, size, "%s", v);
    e2_unlock(s);
    return v != NULL;
}

char *sim_ec2_user_data(struct sim_ec2 *s, const char *id)
{
    const struct e2_instance *i;
    char *out = NULL;

    e2_lock(s);
    i = e2_instance(s, id);
    if (i != NULL && i->user_data != NULL)
        out = mem_strndup(i->user_data, i->user_data_len);
    e2_unlock(s);
    return out;
}

static size_t live(const struct sim_ec2 *s)
{
    size_t n = 0;

    for (size_t k = 0; k < s->n_instances; k++)
        n += s->instances[k]->i.ended_ms == 0 || s->instances[k]->stopped ? 1 : 0;
    return n;
}

size_t sim_ec2_live(struct sim_ec2 *s)
{
    size_t n;

    e2_lock(s);
    n = live(s);
    e2_unlock(s);
    return n;
}

static bool wait_for(struct sim_ec2 *s, bool count_live, size_t n, int timeout_ms)
{
    int64_t until = sim_mono_ms() + timeout_ms;
    struct timespec at = {.tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000};
    bool ok;

    e2_lock(s);
    while (!(ok = count_live ? live(s) == n : s->n_instances >= n) && sim_mono_ms() < until)
        (void)pthread_cond_timedwait(&s->changed, &s->lock, &at);
    e2_unlock(s);
    return ok;
}

bool sim_ec2_wait_live(struct sim_ec2 *s, size_t n, int timeout_ms)
{
    return wait_for(s, true, n, timeout_ms);
}

bool sim_ec2_wait_launched(struct sim_ec2 *s, size_t n, int timeout_ms)
{
    return wait_for(s, false, n, timeout_ms);
}

void sim_ec2_power_off(struct sim_ec2 *s, const char *id)
{
    struct e2_instance *i;

    e2_lock(s);
    i = e2_instance(s, id);
    if (i != NULL && i->i.ended_ms == 0) {
        e2_end(s, i, "Client.InstanceInitiatedShutdown");
        i->stopped = !i->dies_with_power;
    }
    e2_unlock(s);
}

void sim_ec2_interrupt(struct sim_ec2 *s, const char *id)
{
    struct e2_instance *i;

    e2_lock(s);
    i = e2_instance(s, id);
    if (i != NULL && i->i.ended_ms == 0)
        e2_end(s, i, "Server.SpotInstanceTermination");
    e2_unlock(s);
}
