/* RunInstances: is it sound, is there room, and then one more instance. Refusals in the order EC2 makes them. */
#include "tests/sim/sim_ec2_priv.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdio.h>
#include <string.h>

#define MAX_USER_DATA 16384
#define MAX_TAGS 50

struct wish { /* what the form asks for, read once */
    const struct sim_req *rq;
    const struct e2_form *f;
    const char *type, *token, *zone;
    const struct e2_image *image;
    struct e2_subnet *subnet; /* NULL = any */
    bool spot;
    struct buf user_data;
};

/* A mistake that no correct client makes. */
static bool wrong(struct sim_ec2 *s, const struct wish *w, struct sim_res *rs, const char *code, const char *message)
{
    e2_violation(s, w->rq, "%s", message);
    return e2_refuse(rs, 400, code, "%s", message);
}

/* ---- is it sound ---- */

static bool check_counts(struct sim_ec2 *s, const struct wish *w, struct sim_res *rs)
{
    int min = e2_get_int(w->f, "MinCount", 0), max = e2_get_int(w->f, "MaxCount", 0);

    if (min < 1 || max < min)
        return wrong(s, w, rs, "InvalidParameterValue", "MinCount and MaxCount must be positive, and in order");
    if (max != 1)
        return wrong(s, w, rs, "InvalidParameterValue", "This simulator launches one instance a request");
    if (w->token != NULL && (strlen(w->token) > 64 || *w->token == '\0'))
        return wrong(s, w, rs, "InvalidParameterValue", "ClientToken must have 1 to 64 characters");
    return true;
}

static bool check_user_data(struct sim_ec2 *s, struct wish *w, struct sim_res *rs)
{
    const char *v = e2_get(w->f, "UserData");

    if (v == NULL)
        return true;
    if (!sim_unbase64(v, strlen(v), false, &w->user_data))
        return wrong(s, w, rs, "InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.");
    if (w->user_data.len > MAX_USER_DATA)
        return wrong(s, w, rs, "InvalidParameterValue", "User data is limited to 16384 bytes");
    return true;
}

static bool check_network(struct sim_ec2 *s, struct wish *w, struct sim_res *rs)
{
    const char *ni = e2_get(w->f, "NetworkInterface.1.SubnetId"), *top = e2_get(w->f, "SubnetId");
    const char *id = ni != NULL ? ni : top, *group;
    bool has_ni = e2_has_prefix(w->f, "NetworkInterface.");

    if (has_ni && (top != NULL || e2_has_prefix(w->f, "SecurityGroup")))
        return wrong(
            s, w, rs, "InvalidParameterCombination",
            "Network interfaces and an instance-level subnet ID or security groups may not be specified on the "
            "same request");
    if (has_ni && e2_get(w->f, "NetworkInterface.1.DeviceIndex") == NULL)
        return wrong(s, w, rs, "InvalidParameterValue", "Each network interface requires a device index.");
    for (int k = 1; (group = e2_getf(w->f, "%sSecurityGroupId.%d", has_ni ? "NetworkInterface.1." : "", k)) != NULL;
         k++)
        if (strcmp(group, SIM_EC2_GROUP) != 0)
            return e2_refuse(rs, 400, "InvalidGroup.NotFound", "The security group '%.40s' does not exist", group);
    w->subnet = id != NULL ? e2_subnet(s, id) : NULL;
    if (id != NULL && w->subnet == NULL)
        return e2_refuse(rs, 400, "InvalidSubnetID.NotFound", "The subnet ID '%.40s' does not exist", id);
    w->zone = e2_get(w->f, "Placement.AvailabilityZone");
    if (w->zone != NULL && w->subnet != NULL && strcmp(w->zone, w->subnet->zone) != 0)
        return wrong(s, w, rs, "InvalidParameterValue", "The subnet is not in the availability zone asked for");
    return true;
}

static bool check_names(struct sim_ec2 *s, const struct wish *w, struct sim_res *rs)
{
    const char *key = e2_get(w->f, "KeyName"), *profile = e2_get(w->f, "IamInstanceProfile.Name");

    (void)s;
    if (key != NULL && strcmp(key, SIM_EC2_KEY_PAIR) != 0)
        return e2_refuse(rs, 400, "InvalidKeyPair.NotFound", "The key pair '%.60s' does not exist", key);
    if (profile != NULL && strcmp(profile, SIM_EC2_PROFILE) != 0)
        return e2_refuse(rs, 400, "InvalidParameterValue",
                         "Value (%.60s) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile "
                         "name",
                         profile);
    return true;
}

static bool check_disks(struct sim_ec2 *s, const struct wish *w, struct sim_res *rs)
{
    const char *device;

    for (int k = 1; e2_getf(w->f, "BlockDeviceMapping.%d.DeviceName", k) != NULL; k++) {
        const char *size = e2_getf(w->f, "BlockDeviceMapping.%d.Ebs.VolumeSize", k);
        const char *type = e2_getf(w->f, "BlockDeviceMapping.%d.Ebs.VolumeType", k);

        device = e2_getf(w->f, "BlockDeviceMapping.%d.DeviceName", k);
        if (k == 1 && strcmp(device, w->image->root_device) != 0 &&
            (w->image->data_device == NULL || strcmp(device, w->image->data_device) != 0))
            e2_violation(s, w->rq, "the first disk %s is not the image's root device %s: it would be one more disk",
                         device, w->image->root_device);
        if (k == 1 && size != NULL && strtol(size, NULL, 10) < w->image->snapshot_gb)
            return e2_refuse(
                rs, 400, "InvalidBlockDeviceMapping",
                "Volume of size %sGB is smaller than snapshot 'snap-0123456789abcdef0', expect size >= %dGB", size,
                w->image->snapshot_gb);
        if (type != NULL && strcmp(type, "gp2") == 0 && e2_getf(w->f, "BlockDeviceMapping.%d.Ebs.Iops", k) != NULL)
            return wrong(s, w, rs, "InvalidParameterCombination",
                         "The parameter iops is not supported for gp2 volumes.");
    }
    return true;
}

static bool check_tag(struct sim_ec2 *s, const struct wish *w, int spec, int k, struct sim_res *rs)
{
    const char *key = e2_getf(w->f, "TagSpecification.%d.Tag.%d.Key", spec, k), *other;
    const char *value = e2_getf(w->f, "TagSpecification.%d.Tag.%d.Value", spec, k);

    if (key == NULL || *key == '\0' || strlen(key) > 128 || (value != NULL && strlen(value) > 256))
        return wrong(s, w, rs, "InvalidParameterValue", "Tag keys have 1 to 128 characters, values at most 256");
    if (strncmp(key, "aws:", 4) == 0)
        return wrong(s, w, rs, "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use");
    for (int j = 1; j < k; j++) {
        other = e2_getf(w->f, "TagSpecification.%d.Tag.%d.Key", spec, j);
        if (other != NULL && strcmp(other, key) == 0)
            return wrong(s, w, rs, "InvalidParameterValue", "Duplicate tag key specified.");
    }
    return true;
}

static bool has_tag(const struct wish *w, int spec, int k)
{
    return e2_getf(w->f, "TagSpecification.%d.Tag.%d.Key", spec, k) != NULL ||
           e2_getf(w->f, "TagSpecification.%d.Tag.%d.Value", spec, k) != NULL;
}

static bool check_tags(struct sim_ec2 *s, const struct wish *w, struct sim_res *rs)
{
    static const char *const taggable[] = {"instance", "volume", "network-interface", "spot-instances-request"};
    const char *type;

    for (int spec = 1; (type = e2_getf(w->f, "TagSpecification.%d.ResourceType", spec)) != NULL; spec++) {
        bool fits = false;
        int k = 1;

        for (size_t i = 0; i < ARRAY_LEN(taggable); i++)
            fits = fits || (strcmp(taggable[i], type) == 0 && (i < 3 || w->spot));
        if (!fits)
            return wrong(s, w, rs, "InvalidParameterValue",
                         "The resource type of a tag specification is not one that this request creates");
        for (; has_tag(w, spec, k); k++)
            if (!check_tag(s, w, spec, k, rs))
                return false;
        if (k == 1 || k > MAX_TAGS + 1)
            return wrong(s, w, rs, "InvalidParameterValue", "A tag specification holds 1 to 50 tags");
    }
    return true;
}

static bool is_arm(const char *type)
{
    size_t family = strcspn(type, ".");

    return family > 2 && type[family - 1] == 'g' && type[family - 2] >= '0' && type[family - 2] <= '9';
}

static bool check_machine(struct sim_ec2 *s, struct wish *w, struct sim_res *rs)
{
    const char *image = e2_get(w->f, "ImageId");

    w->type = e2_get(w->f, "InstanceType");
    if (image == NULL)
        return wrong(s, w, rs, "MissingParameter", "The request must contain the parameter ImageId");
    if (strncmp(image, "ami-", 4) != 0)
        return e2_refuse(rs, 400, "InvalidAMIID.Malformed", "Invalid id: \"%.40s\" (expecting \"ami-...\")", image);
    w->image = e2_image(s, image);
    if (w->image == NULL)
        return e2_refuse(rs, 400, "InvalidAMIID.NotFound", "The image id '[%.40s]' does not exist", image);
    if (w->type == NULL)
        w->type = "m1.small";
    if (!e2_type_exists(w->type))
        return e2_refuse(rs, 400, "InvalidParameterValue", "Invalid value '%.40s' for InstanceType.", w->type);
    if (is_arm(w->type) != (strcmp(w->image->architecture, "arm64") == 0))
        return e2_refuse(rs, 400, "InvalidParameterValue",
                         "The architecture of the specified instance type does not match the architecture '%s' of the "
                         "specified AMI. Specify an instance type and an AMI that have matching architectures.",
                         w->image->architecture);
    return true;
}

/* ---- is there room ---- */

static struct e2_rule *rule_for(struct sim_ec2 *s, const struct wish *w, const char *zone)
{
    for (size_t i = s->n_rules; i > 0; i--) {
        struct e2_rule *r = &s->rules[i - 1];
        bool market = r->market == SIM_MARKET_ANY || (r->market == SIM_MARKET_SPOT) == w->spot;

        if (market && (r->type == NULL || strcmp(r->type, w->type) == 0) &&
            (r->zone == NULL || strcmp(r->zone, zone) == 0))
            return r;
    }
    return NULL;
}

static bool check_quota(struct sim_ec2 *s, const struct wish *w, struct sim_res *rs)
{
    int limit = s->vcpu_limit[w->spot ? SIM_MARKET_SPOT : SIM_MARKET_ON_DEMAND], used = e2_vcpus(w->type);

    for (size_t k = 0; k < s->n_instances; k++) {
        const struct sim_instance *i = &s->instances[k]->i;

        if (i->ended_ms == 0 && i->spot == w->spot)
            used += e2_vcpus(i->type);
    }
    if (limit < 0 || used <= limit)
        return true;
    if (w->spot)
        return e2_refuse(rs, 400, "MaxSpotInstanceCountExceeded", "Max spot instance count exceeded");
    return e2_refuse(rs, 400, "VcpuLimitExceeded",
                     "You have requested more vCPU capacity than your current vCPU limit of %d allows for the instance "
                     "bucket that the specified instance type belongs to. Please visit "
                     "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
                     limit);
}

static bool no_room(const struct wish *w, const struct e2_rule *r, const char *zone, struct sim_res *rs)
{
    if (r->left == -2)
        return e2_refuse(rs, 400, "Unsupported",
                         "Your requested instance type (%s) is not supported in your requested Availability Zone (%s). "
                         "Please retry your request by not specifying an Availability Zone.",
                         w->type, zone);
    if (w->spot)
        return e2_refuse(rs, 500, "InsufficientInstanceCapacity",
                         "There is no Spot capacity available that matches your request.");
    return e2_refuse(rs, 500, "InsufficientInstanceCapacity",
                     "We currently do not have sufficient %s capacity in the Availability Zone you requested (%s). Our "
                     "system will be working on provisioning additional capacity.",
                     w->type, zone);
}

/* Take the first subnet that may be taken and has room, or refuse for the last one's reason. */
static bool find_room(struct sim_ec2 *s, struct wish *w, struct sim_res *rs)
{
    for (size_t i = 0; i < s->n_subnets; i++) {
        struct e2_subnet *n = &s->subnets[i];
        struct e2_rule *r;

        if ((w->subnet != NULL && n != w->subnet) || (w->zone != NULL && strcmp(w->zone, n->zone) != 0))
            continue;
        r = rule_for(s, w, n->zone);
        if (r != NULL && (r->left == 0 || r->left == -2)) {
            (void)no_room(w, r, n->zone, rs);
        } else if (n->free_addresses <= 0) {
            (void)e2_refuse(rs, 400, "InsufficientFreeAddressesInSubnet",
                            "There are not enough free addresses in subnet '%s' to satisfy the requested number of "
                            "instances.",
                            n->id);
        } else {
            if (r != NULL && r->left > 0)
                r->left--;
            n->free_addresses--;
            w->subnet = n;
            return true;
        }
    }
    if (rs->body.len == 0)
        return wrong(s, w, rs, "InvalidParameterValue", "Invalid availability zone");
    return false;
}

static bool check_spot(struct sim_ec2 *s, struct wish *w, struct sim_res *rs)
{
    const char *price = e2_get(w->f, "InstanceMarketOptions.SpotOptions.MaxPrice");

    w->spot = e2_get(w->f, "InstanceMarketOptions.MarketType") != NULL;
    if (!w->spot && e2_has_prefix(w->f, "InstanceMarketOptions.SpotOptions."))
        return wrong(s, w, rs, "InvalidParameterCombination", "SpotOptions need MarketType=spot");
    if (price != NULL && strtod(price, NULL) < s->spot_price)
        return e2_refuse(
            rs, 400, "SpotMaxPriceTooLow",
            "Your Spot request price of %s is lower than the minimum required Spot request fulfillment price "
            "of %.4f.",
            price, s->spot_price);
    return true;
}

/* ---- launching ---- */

static int by_key(const void *a, const void *b)
{
    const struct e2_param *x = a, *y = b;

    return strcmp(x->key, y->key);
}

static void fingerprint(const struct e2_form *f, char out[65])
{
    struct e2_param *sorted = mem_calloc(f->n + 1, sizeof(*sorted));
    struct buf b = BUF_INIT(512 * 1024);

    memcpy(sorted, f->p, f->n * sizeof(*sorted));
    qsort(sorted, f->n, sizeof(*sorted), by_key);
    for (size_t i = 0; i < f->n; i++)
        buf_addf(&b, "%s=%s\n", sorted[i].key, sorted[i].value);
    sim_sha256_hex(b.p, b.len, out);
    buf_clear(&b);
    free(sorted);
}

static void take_tags(struct e2_instance *i, const struct wish *w)
{
    const char *type;

    for (int spec = 1; (type = e2_getf(w->f, "TagSpecification.%d.ResourceType", spec)) != NULL; spec++) {
        for (int k = 1; strcmp(type, "instance") == 0 && has_tag(w, spec, k); k++) {
            const char *key = e2_getf(w->f, "TagSpecification.%d.Tag.%d.Key", spec, k);
            const char *value = e2_getf(w->f, "TagSpecification.%d.Tag.%d.Value", spec, k);

            i->tags = mem_realloc_array(i->tags, i->n_tags + 1, sizeof(*i->tags));
            i->tags[i->n_tags++] = (struct e2_tag){mem_strdup(key), mem_strdup(value != NULL ? value : "")};
            if (strcmp(key, "muster-machine") == 0 || (strcmp(key, "Name") == 0 && i->i.name[0] == '\0'))
                (void)snprintf(i->i.name, sizeof(i->i.name), "%s", value != NULL ? value : "");
        }
    }
}

/* The image's second volume outlives the machine unless the launch says otherwise. */
static bool keeps_volume(const struct wish *w)
{
    const char *device, *ends;

    for (int k = 1; (device = e2_getf(w->f, "BlockDeviceMapping.%d.DeviceName", k)) != NULL; k++) {
        ends = e2_getf(w->f, "BlockDeviceMapping.%d.Ebs.DeleteOnTermination", k);
        if (w->image->data_device != NULL && strcmp(device, w->image->data_device) == 0 && ends != NULL)
            return strcmp(ends, "true") != 0;
    }
    return w->image->data_device != NULL;
}

static struct e2_instance *launch(struct sim_ec2 *s, const struct wish *w)
{
    struct e2_instance *i = mem_zalloc(sizeof(*i));
    const char *behaviour = e2_get(w->f, "InstanceInitiatedShutdownBehavior");

    (void)snprintf(i->i.id, sizeof(i->i.id), "i-0%016llx", (unsigned long long)sim_rng(&s->rng));
    (void)snprintf(i->reservation, sizeof(i->reservation), "r-0%016llx", (unsigned long long)sim_rng(&s->rng));
    (void)snprintf(i->i.type, sizeof(i->i.type), "%s", w->type);
    (void)snprintf(i->i.zone, sizeof(i->i.zone), "%s", w->subnet->zone);
    (void)snprintf(i->i.subnet, sizeof(i->i.subnet), "%s", w->subnet->id);
    (void)snprintf(i->i.image, sizeof(i->i.image), "%s", w->image->id);
    (void)snprintf(i->i.token, sizeof(i->i.token), "%s", w->token != NULL ? w->token : "");
    i->i.spot = w->spot;
    i->i.launched_ms = clock_now_ms();
    i->pending_ms = s->conf.pending_ms;
    i->dies_with_power = w->spot || (behaviour != NULL && strcmp(behaviour, "terminate") == 0);
    i->fails_start = s->fail_next > 0;
    s->fail_next -= i->fails_start ? 1 : 0;
    i->architecture = mem_strdup(w->image->architecture);
    i->root_device = mem_strdup(w->image->root_device);
    i->keeps_volume = keeps_volume(w);
    i->user_data = w->user_data.p != NULL ? mem_strndup(w->user_data.p, w->user_data.len) : NULL;
    i->user_data_len = w->user_data.len;
    fingerprint(w->f, i->fingerprint);
    take_tags(i, w);
    s->instances = mem_realloc_array(s->instances, s->n_instances + 1, sizeof(struct e2_instance *));
    s->instances[s->n_instances++] = i;
    e2_story(s, "launches %s, %s %s in %s, as %s", i->i.id, i->i.type, w->spot ? "spot" : "on demand", i->i.zone,
             i->i.name);
    sim_timer_after(s->timer, i->pending_ms, e2_started, s, (int64_t)s->n_instances - 1);
    (void)pthread_cond_broadcast(&s->changed);
    return i;
}

/* NULL: no launch with this token yet. */
static struct e2_instance *earlier(struct sim_ec2 *s, const char *token)
{
    for (size_t k = s->n_instances; token != NULL && k > 0; k--)
        if (strcmp(s->instances[k - 1]->i.token, token) == 0)
            return s->instances[k - 1];
    return NULL;
}

static void answer(struct sim_ec2 *s, const struct e2_instance *i, struct sim_res *rs)
{
    e2_open(s, rs, "RunInstances");
    e2_xml(&rs->body, "reservationId", i->reservation);
    e2_xml(&rs->body, "ownerId", E2_ACCOUNT);
    buf_adds(&rs->body, "<groupSet/><instancesSet>\n");
    e2_instance_xml(i, &rs->body);
    buf_adds(&rs->body, "    </instancesSet>\n");
    e2_close(rs, "RunInstances");
}

void e2_run_instances(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_form *f, struct sim_res *rs)
{
    struct wish w = {.rq = rq, .f = f, .token = e2_get(f, "ClientToken"), .user_data = BUF_INIT(512 * 1024)};
    const struct e2_instance *i = earlier(s, w.token);
    char print[65];

    fingerprint(f, print);
    if (i != NULL && strcmp(print, i->fingerprint) != 0) {
        e2_violation(s, rq, "the same ClientToken with other parameters");
        (void)e2_refuse(
            rs, 400, "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).");
    } else if (i != NULL) {
        answer(s, e2_instance(s, i->i.id), rs);
    } else if (check_counts(s, &w, rs) && check_user_data(s, &w, rs) && check_machine(s, &w, rs) &&
               check_spot(s, &w, rs) && check_network(s, &w, rs) && check_names(s, &w, rs) && check_disks(s, &w, rs) &&
               check_tags(s, &w, rs) && check_quota(s, &w, rs) && find_room(s, &w, rs)) {
        answer(s, launch(s, &w), rs);
    } else if (rs->status != 400) {
        e2_story(s, "refuses %s: no capacity", w.spot ? "a spot instance" : "an instance");
    }
    buf_clear(&w.user_data);
}
