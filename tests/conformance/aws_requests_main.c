/*
 * The requests that the EC2 provider makes for a set of specs, one JSON object per line, for aws_botocore.py to judge:
 * {"scenario", "method", "url", "headers": {...}, "body", "key", "secret", "token" unless there is none}.
 */
#include "server/base/json.h"
#include "tests/support/cloud_bed.h"

#include <stdio.h>
#include <string.h>

#define KEY "AKIAEXAMPLE"
#define SECRET "kvJ8wZq+Secret/OfTheAccount0123456789abc"
#define TOKEN "FwoGZXIvYXdzEJr//////////wEaDHN0b3JlZC+toke/n=="

static const char *const with_token[][2] = {{"region", "eu-west-1"},       {"access_key_id", KEY},
                                            {"secret_access_key", SECRET}, {"session_token", TOKEN},
                                            {"endpoint_url", "URL"},       {NULL, NULL}};
static const char *const without_token[][2] = {{"region", "eu-west-1"},
                                               {"access_key_id", KEY},
                                               {"secret_access_key", SECRET},
                                               {"endpoint_url", "URL"},
                                               {NULL, NULL}};

static void must(int rc, const char *what, const struct err *e)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, e->msg);
    abort();
}

static json_t *headers_of(const struct raw_request *r)
{
    json_t *h = json_object();

    for (size_t i = 0; i < r->n_headers; i++)
        (void)json_object_set_new(h, r->names[i], json_string(r->values[i]));
    return h;
}

/* Which credentials it was signed with, the account's or the role's, shows in its token. */
static void print_request(const char *scenario, const struct bed *b, const struct raw_request *r)
{
    AUTO_BUF struct buf url = BUF_INIT(4096);
    AUTO_JSON json_t *line = NULL;
    AUTO_FREE char *text = NULL;
    const char *session = raw_header(r, "X-Amz-Security-Token");
    bool role = session != NULL && strcmp(session, "role-token-0123456789") == 0;
    struct err e;

    buf_addf(&url, "%s%s", raw_url(b->server), r->path);
    must(js_pack(&e, &line, "{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:s*}", "scenario", scenario, "method", r->method,
                 "url", url.p, "headers", headers_of(r), "body", r->body, "key", role ? "ASIAROLE" : KEY, "secret",
                 role ? "role-secret-0123456789" : SECRET, "token", session),
         scenario, &e);
    must(js_dump(line, &text, &e), scenario, &e);
    (void)printf("%s\n", text);
}

static void print_all(const char *scenario, struct bed *b)
{
    for (size_t i = 0; i < raw_count(b->server); i++)
        print_request(scenario, b, raw_get(b->server, i));
}

/* One launch with temporary and one with lasting keys; edit may be NULL. */
static void launch(const char *scenario, const struct bed_setting *more, size_t n_more, void (*edit)(struct order *o))
{
    struct fake_dialect d = fake_aws;
    struct instance got;
    struct err e;

    for (int i = 0; i < 2; i++) {
        AUTO_ORDER struct order o;
        AUTO_BED struct bed *b = NULL;

        d.settings = i == 0 ? with_token : without_token;
        b = bed_open(&d, more, n_more);
        order_init(&o, b, "muster-a", "muster-a-0-0");
        if (edit != NULL)
            edit(&o);
        must(b->ops->launch(b->p, &o.r, &got, &e), scenario, &e);
        print_all(scenario, b);
    }
}

static void be_spot(struct order *o)
{
    o->spec.spot = true;
}

static void have_awkward_tags(struct order *o)
{
    o->tags[2] = (struct tag){"muster job & co", "a+b/c=d e~f*\"\xc3\xa9\xe2\x82\xac'"};
    o->tags[3] = (struct tag){TAG_REPOSITORY, "octo-org/hello.world_2"};
}

static void have_disks(struct order *o)
{
    struct err e;

    must(js_pack(&e, &o->extra, "{s:[{s:s,s:i,s:s,s:i,s:i},{s:s,s:i,s:s,s:i},{s:s,s:i}]}", "BlockDeviceMappings",
                 "DeviceName", "/dev/sda1", "VolumeSize", 75, "VolumeType", "gp3", "Iops", 4000, "Throughput", 1000,
                 "DeviceName", "/dev/sdb", "VolumeSize", 10, "VolumeType", "io2", "Iops", 100, "DeviceName", "/dev/sdc",
                 "VolumeSize", 5),
         "disks", &e);
    o->spec.extra = o->extra;
}

static void have_image_alias(struct order *o)
{
    o->spec.image = "ubuntu2204";
}

static void have_arm_image(struct order *o)
{
    o->spec.image = "debian12-arm64";
    o->spec.instance_type = "t4g.small";
}

static void have_image_pattern(struct order *o)
{
    o->spec.image = "123456789012/my image v?-*";
}

static void have_image_parameter(struct order *o)
{
    o->spec.image = "ssm:/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id";
}

static void be_elsewhere(struct order *o)
{
    o->spec.region = "us-east-2";
}

static int ignore(void *arg, const struct instance *i, struct err *e)
{
    (void)arg;
    (void)i;
    (void)e;
    return 0;
}

/* Everything but launching. */
static void other_calls(void)
{
    struct fake_dialect d = fake_aws;
    AUTO_BED struct bed *b = NULL;
    struct instance by_id, by_name, got;
    struct err e;

    d.settings = with_token;
    b = bed_open(&d, NULL, 0);
    for (int i = 0; i < 3; i++)
        (void)fake_add(&b->cloud, "muster-a", "t", BED_DEPLOYMENT);
    b->cloud.page_size = 2;
    by_name = bed_ref(b, "", "muster-a");
    by_id = bed_ref(b, b->cloud.machines[0].id, "muster-a");
    must(b->ops->list(b->p, NULL, ignore, NULL, &e), "list", &e);
    must(b->ops->describe(b->p, &by_id, &got, &e), "describe", &e);
    must(b->ops->describe(b->p, &by_name, &got, &e), "describe by name", &e);
    must(b->ops->destroy(b->p, &by_id, &e), "destroy", &e);
    must(b->ops->destroy(b->p, &by_name, &e), "destroy by name", &e);
    print_all("list, describe, destroy", b);
}

static void prices(void)
{
    struct fake_dialect d = fake_aws;
    AUTO_ORDER struct order o;
    AUTO_BED struct bed *b = NULL;
    struct err e;
    double usd;

    d.settings = with_token;
    b = bed_open(&d, NULL, 0);
    order_init(&o, b, "muster-a", "muster-a-0-0");
    must(b->ops->price(b->p, &o.spec, &usd, &e), "price", &e);
    o.spec.spot = true;
    must(b->ops->price(b->p, &o.spec, &usd, &e), "spot price", &e);
    print_all("prices", b);
}

int main(void)
{
    static const struct bed_setting network[] = {{"subnet_ids", "subnet-0aaa,subnet-0bbb"},
                                                 {"security_group_ids", "sg-0aaa,sg-0bbb"},
                                                 {"instance_profile", "muster-machine"}};
    static const struct bed_setting profile_arn[] = {
        {"instance_profile", "arn:aws:iam::123456789012:instance-profile/muster-machine"}};
    static const struct bed_setting role[] = {{"role_arn", "arn:aws:iam::123456789012:role/ci"}};

    launch("on demand", NULL, 0, NULL);
    launch("spot", NULL, 0, be_spot);
    launch("awkward tags", NULL, 0, have_awkward_tags);
    launch("disks", NULL, 0, have_disks);
    launch("network", network, ARRAY_LEN(network), NULL);
    launch("profile by ARN", profile_arn, ARRAY_LEN(profile_arn), NULL);
    launch("network, but another region", network, ARRAY_LEN(network), be_elsewhere);
    launch("role", role, ARRAY_LEN(role), NULL);
    launch("image alias", NULL, 0, have_image_alias);
    launch("image alias for arm64", NULL, 0, have_arm_image);
    launch("image pattern", NULL, 0, have_image_pattern);
    launch("image parameter", NULL, 0, have_image_parameter);
    other_calls();
    prices();
    return 0;
}
