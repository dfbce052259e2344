/* The way in of the Query API: signature, form, action; EC2's errors; the small describes. */
#include "tests/sim/sim_ec2_priv.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define API_VERSION "2016-11-15"

/* ---- XML ---- */

static void add_escaped(struct buf *b, const char *s)
{
    for (; *s != '\0'; s++) {
        switch (*s) {
        case '<':
            buf_adds(b, "&lt;");
            break;
        case '>':
            buf_adds(b, "&gt;");
            break;
        case '&':
            buf_adds(b, "&amp;");
            break;
        case '"':
            buf_adds(b, "&quot;");
            break;
        default:
            buf_addc(b, *s);
        }
    }
}

void e2_xml(struct buf *b, const char *name, const char *text)
{
    buf_addf(b, "<%s>", name);
    add_escaped(b, text);
    buf_addf(b, "</%s>", name);
}

void e2_xmlf(struct buf *b, const char *name, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    e2_xml(b, name, text);
}

bool e2_refuse(struct sim_res *rs, int status, const char *code, const char *fmt, ...)
{
    char text[600];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    rs->status = status;
    rs->content_type = "text/xml;charset=UTF-8";
    buf_reset(&rs->body);
    buf_adds(&rs->body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error>");
    e2_xml(&rs->body, "Code", code);
    e2_xml(&rs->body, "Message", text);
    buf_adds(&rs->body, "</Error></Errors><RequestID>ea966190-f9aa-478e-9ede-example0000</RequestID></Response>");
    return false;
}

void e2_open(struct sim_ec2 *s, struct sim_res *rs, const char *action)
{
    char id[37];

    sim_rng_guid(&s->rng, id);
    rs->status = 200;
    rs->content_type = "text/xml;charset=UTF-8";
    buf_reset(&rs->body);
    buf_addf(&rs->body,
             "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%sResponse xmlns=\"http://ec2.amazonaws.com/doc/" API_VERSION
             "/\">\n    <requestId>%s</requestId>\n",
             action, id);
}

void e2_close(struct sim_res *rs, const char *action)
{
    buf_addf(&rs->body, "</%sResponse>", action);
}

/* ---- small describes ---- */

static bool image_passes(const struct e2_image *m, const struct e2_form *f, int k, const char *name)
{
    if (strcmp(name, "name") == 0)
        return e2_filter_matches(f, k, m->name);
    if (strcmp(name, "architecture") == 0)
        return e2_filter_matches(f, k, m->architecture);
    if (strcmp(name, "state") == 0)
        return e2_filter_matches(f, k, "available");
    if (strcmp(name, "root-device-type") == 0)
        return e2_filter_matches(f, k, "ebs");
    if (strcmp(name, "virtualization-type") == 0)
        return e2_filter_matches(f, k, "hvm");
    if (strcmp(name, "is-public") == 0)
        return e2_filter_matches(f, k, "true");
    if (strcmp(name, "image-type") == 0)
        return e2_filter_matches(f, k, "machine");
    if (strcmp(name, "image-id") == 0)
        return e2_filter_matches(f, k, m->id);
    return strcmp(name, "owner-alias") == 0 && m->owner_alias != NULL && e2_filter_matches(f, k, m->owner_alias);
}

static bool image_filters_known(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_form *f,
                                struct sim_res *rs)
{
    static const char *const known[] = {
        "name",      "architecture", "state",    "root-device-type", "virtualization-type",
        "is-public", "image-type",   "image-id", "owner-alias"};
    const char *name;

    for (int k = 1; (name = e2_getf(f, "Filter.%d.Name", k)) != NULL; k++) {
        bool found = false;

        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            found = found || strcmp(known[i], name) == 0;
        if (found)
            continue;
        e2_violation(s, rq, "unknown filter %s", name);
        return e2_refuse(rs, 400, "InvalidParameterValue", "The filter '%s' is invalid", name);
    }
    return true;
}

static bool in_list(const struct e2_form *f, const char *list, const char *a, const char *b)
{
    const char *v;
    int k;

    for (k = 1; (v = e2_getf(f, "%s.%d", list, k)) != NULL; k++)
        if ((a != NULL && strcmp(v, a) == 0) || (b != NULL && strcmp(v, b) == 0))
            return true;
    return k == 1; /* no list at all */
}

static bool image_wanted(const struct e2_image *m, const struct e2_form *f)
{
    const char *name;

    if (!in_list(f, "ImageId", m->id, NULL) || !in_list(f, "Owner", m->owner_id, m->owner_alias))
        return false;
    for (int k = 1; (name = e2_getf(f, "Filter.%d.Name", k)) != NULL; k++)
        if (!image_passes(m, f, k, name))
            return false;
    return true;
}

static void image_xml(const struct e2_image *m, struct buf *b)
{
    buf_adds(b, "        <item>");
    e2_xml(b, "imageId", m->id);
    e2_xmlf(b, "imageLocation", "%s/%s", m->owner_id, m->name);
    e2_xml(b, "imageState", "available");
    e2_xml(b, "imageOwnerId", m->owner_id);
    e2_xml(b, "creationDate", m->created);
    e2_xml(b, "isPublic", "true");
    e2_xml(b, "architecture", m->architecture);
    e2_xml(b, "imageType", "machine");
    if (m->owner_alias != NULL)
        e2_xml(b, "imageOwnerAlias", m->owner_alias);
    e2_xml(b, "name", m->name);
    e2_xml(b, "rootDeviceType", "ebs");
    e2_xml(b, "rootDeviceName", m->root_device);
    buf_adds(b, "<blockDeviceMapping><item>");
    e2_xml(b, "deviceName", m->root_device);
    buf_addf(b,
             "<ebs><snapshotId>snap-0123456789abcdef0</snapshotId><volumeSize>%d</volumeSize><deleteOnTermination>true"
             "</deleteOnTermination><volumeType>gp2</volumeType><encrypted>false</encrypted></ebs></item>",
             m->snapshot_gb);
    if (m->data_device != NULL) {
        buf_adds(b, "<item>");
        e2_xml(b, "deviceName", m->data_device);
        buf_adds(b, "<ebs><snapshotId>snap-0123456789abcdef1</snapshotId><volumeSize>100</volumeSize>"
                    "<deleteOnTermination>false</deleteOnTermination><volumeType>gp3</volumeType><encrypted>false"
                    "</encrypted></ebs></item><item>");
        e2_xml(b, "deviceName", "/dev/sdz");
        buf_adds(b, "<virtualName>ephemeral0</virtualName></item>");
    }
    buf_adds(b, "</blockDeviceMapping><virtualizationType>hvm</virtualizationType><hypervisor>xen</hypervisor>"
                "<enaSupport>true</enaSupport></item>\n");
}

static void describe_images(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_form *f, struct sim_res *rs)
{
    const char *id;

    if (!image_filters_known(s, rq, f, rs))
        return;
    for (int k = 1; (id = e2_getf(f, "ImageId.%d", k)) != NULL; k++) {
        if (e2_image(s, id) == NULL) {
            (void)e2_refuse(rs, 400, "InvalidAMIID.NotFound", "The image id '[%s]' does not exist", id);
            return;
        }
    }
    e2_open(s, rs, "DescribeImages");
    buf_adds(&rs->body, "    <imagesSet>\n");
    for (size_t i = 0; i < s->n_images; i++)
        if (image_wanted(&s->images[i], f))
            image_xml(&s->images[i], &rs->body);
    buf_adds(&rs->body, "    </imagesSet>\n");
    e2_close(rs, "DescribeImages");
}

static void describe_subnets(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_form *f, struct sim_res *rs)
{
    const char *id;

    (void)rq;
    for (int k = 1; (id = e2_getf(f, "SubnetId.%d", k)) != NULL; k++) {
        if (e2_subnet(s, id) == NULL) {
            (void)e2_refuse(rs, 400, "InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id);
            return;
        }
    }
    e2_open(s, rs, "DescribeSubnets");
    buf_adds(&rs->body, "    <subnetSet>");
    for (size_t i = 0; i < s->n_subnets; i++) {
        if (!in_list(f, "SubnetId", s->subnets[i].id, NULL))
            continue;
        buf_adds(&rs->body, "<item>");
        e2_xml(&rs->body, "subnetId", s->subnets[i].id);
        e2_xml(&rs->body, "state", "available");
        e2_xml(&rs->body, "vpcId", "vpc-0123456789abcdef0");
        e2_xmlf(&rs->body, "availableIpAddressCount", "%d", s->subnets[i].free_addresses);
        e2_xml(&rs->body, "availabilityZone", s->subnets[i].zone);
        e2_xml(&rs->body, "defaultForAz", "true");
        buf_adds(&rs->body, "</item>");
    }
    buf_adds(&rs->body, "</subnetSet>\n");
    e2_close(rs, "DescribeSubnets");
}

static void describe_regions(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_form *f, struct sim_res *rs)
{
    (void)rq;
    (void)f;
    e2_open(s, rs, "DescribeRegions");
    buf_adds(&rs->body, "    <regionInfo><item>");
    e2_xml(&rs->body, "regionName", s->conf.region);
    e2_xmlf(&rs->body, "regionEndpoint", "ec2.%s.amazonaws.com", s->conf.region);
    e2_xml(&rs->body, "optInStatus", "opt-in-not-required");
    buf_adds(&rs->body, "</item></regionInfo>\n");
    e2_close(rs, "DescribeRegions");
}

static void describe_zones(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_form *f, struct sim_res *rs)
{
    (void)rq;
    (void)f;
    e2_open(s, rs, "DescribeAvailabilityZones");
    buf_adds(&rs->body, "    <availabilityZoneInfo>");
    for (size_t i = 0; i < s->n_subnets; i++) {
        buf_adds(&rs->body, "<item>");
        e2_xml(&rs->body, "zoneName", s->subnets[i].zone);
        e2_xml(&rs->body, "zoneState", "available");
        e2_xml(&rs->body, "regionName", s->conf.region);
        buf_adds(&rs->body, "</item>");
    }
    buf_adds(&rs->body, "</availabilityZoneInfo>\n");
    e2_close(rs, "DescribeAvailabilityZones");
}

/* ---- the way in ---- */

static const struct {
    const char *name;
    e2_action_fn *fn;
} actions[] = {
    {"DescribeAvailabilityZones", describe_zones},  {"DescribeImages", describe_images},
    {"DescribeInstances", e2_describe_instances},   {"DescribeRegions", describe_regions},
    {"DescribeSubnets", describe_subnets},          {"RunInstances", e2_run_instances},
    {"TerminateInstances", e2_terminate_instances},
};

/* The name under which a request is counted: its action, even when it is refused. */
const char *e2_op(void *arg, const struct sim_req *rq)
{
    static const char *const others[] = {"GetParameter", "AssumeRoleWithWebIdentity", "AssumeRole",
                                         "GetCallerIdentity"};
    const char *target = sim_req_header(rq, "X-Amz-Target"), *action = strstr(rq->body, "Action=");
    size_t len;

    (void)arg;
    if (target != NULL)
        return strcmp(target, "AmazonSSM.GetParameter") == 0 ? "GetParameter" : "(unknown target)";
    if (action == NULL || (action != rq->body && action[-1] != '&'))
        return "(no action)";
    action += 7;
    len = strcspn(action, "&");
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (strlen(actions[i].name) == len && strncmp(actions[i].name, action, len) == 0)
            return actions[i].name;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (strlen(others[i]) == len && strncmp(others[i], action, len) == 0)
            return others[i];
    return "(unknown action)";
}

static const struct ec2_action *shape(const char *name)
{
    for (const struct ec2_action *a = ec2_actions; a->name != NULL; a++)
        if (strcmp(a->name, name) == 0)
            return a;
    return NULL;
}

static void act(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_form *f, struct sim_res *rs)
{
    const char *name = e2_get(f, "Action"), *version = e2_get(f, "Version");

    if (name == NULL || version == NULL) {
        e2_violation(s, rq, "no Action or no Version");
        (void)e2_refuse(rs, 400, name == NULL ? "MissingAction" : "MissingParameter",
                        "The request must contain the parameter %s", name == NULL ? "Action" : "Version");
        return;
    }
    if (strcmp(version, API_VERSION) != 0) {
        e2_violation(s, rq, "version %s", version);
        (void)e2_refuse(rs, 400, "NoSuchVersion", "The requested version (%.20s) of service AmazonEC2 does not exist",
                        version);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (strcmp(actions[i].name, name) != 0)
            continue;
        if (!e2_form_check(s, rq, shape(name), f, rs))
            return;
        if (e2_get_bool(f, "DryRun", false))
            (void)e2_refuse(rs, 412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.");
        else
            actions[i].fn(s, rq, f, rs);
        return;
    }
    e2_violation(s, rq, "unknown action %s", name);
    (void)e2_refuse(rs, 400, "InvalidAction", "The action %.60s is not valid for this web service.", name);
}

static bool is_form(const struct sim_req *rq)
{
    const char *type = sim_req_header(rq, "Content-Type");

    return type != NULL && strncmp(type, "application/x-www-form-urlencoded", 33) == 0;
}

void e2_dispatch(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct sim_ec2 *s = arg;
    struct e2_form f = {0};
    char region[32], service[16];

    e2_lock(s);
    if (strcmp(rq->op, "AssumeRoleWithWebIdentity") == 0) {
        e2_other_service(s, "sts", rq, rs); /* the one call that is not signed */
    } else if (!e2_signed(s, rq, rs, region, service)) {
        /* refused */
    } else if (strcmp(region, s->conf.region) != 0) {
        e2_violation(s, rq, "signed for region %s", region);
        (void)e2_refuse(rs, 400, "AuthFailure", "Credential should be scoped to a valid region.");
    } else if (strcmp(service, "ec2") != 0) {
        e2_other_service(s, service, rq, rs);
    } else if (!is_form(rq) || *rq->raw_query != '\0') {
        e2_violation(s, rq, "not a form, or with a query string");
        (void)e2_refuse(rs, 400, "MalformedQueryString", "The query string is malformed.");
    } else if (e2_form_parse(s, rq, &f, rs)) {
        act(s, rq, &f, rs);
    }
    e2_unlock(s);
    e2_form_free(&f);
}
