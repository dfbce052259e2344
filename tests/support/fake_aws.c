/* EC2 for the contract suite: RunInstances with ClientToken, DescribeInstances with filters and pages,
 * TerminateInstances. */
#include "tests/support/fake_cloud.h"

#include "server/base/clock.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

static void add_text(struct buf *b, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            buf_adds(b, "&lt;");
        else if (*text == '&')
            buf_adds(b, "&amp;");
        else
            buf_addc(b, *text);
    }
}

static void refuse_with(const char *code, const char *text, struct buf *answer)
{
    AUTO_BUF struct buf body = BUF_INIT((size_t)1024 * 1024);

    buf_addf(&body, "<Response><Errors><Error><Code>%s</Code><Message>", code);
    add_text(&body, text);
    buf_adds(&body, "</Message></Error></Errors><RequestID>r-1</RequestID></Response>");
    raw_answer(answer, 400, "", body.p);
}

static void refuse(const char *text, struct buf *answer)
{
    refuse_with("InvalidParameterValue", text, answer);
}

static void add_machine(struct buf *b, const struct fake_machine *m)
{
    buf_addf(b,
             "<item><instanceId>%s</instanceId><imageId>ami-0123456789abcdef0</imageId><instanceState>"
             "<code>%d</code><name>%s</name></instanceState><launchTime>2024-05-01T12:00:00.000Z</launchTime><tagSet>",
             m->id, m->gone ? 48 : 16, m->gone ? "terminated" : "running");
    buf_addf(b, "<item><key>muster-machine</key><value>%s</value></item>", m->name);
    buf_addf(b, "<item><key>muster-deployment</key><value>%s</value></item>", m->deployment);
    buf_adds(b, "<item><key>muster-job</key><value>42</value></item>"
                "<item><key>muster-repository</key><value>octo/hello</value></item>"
                "<item><key>muster-expires</key><value>1714572000</value></item></tagSet></item>");
}

/* A tag of the first TagSpecification. */
static void tag_of(const char *body, const char *key, char *out, size_t size)
{
    out[0] = '\0';
    for (int i = 1; i <= 50; i++) {
        char name[64], found[512];

        (void)snprintf(name, sizeof(name), "TagSpecification.1.Tag.%d.Key", i);
        if (!fake_form(body, name, found, sizeof(found)))
            return;
        (void)snprintf(name, sizeof(name), "TagSpecification.1.Tag.%d.Value", i);
        if (strcmp(found, key) == 0 && fake_form(body, name, out, size))
            return;
    }
}

static void run_instances(struct fake_cloud *c, const char *body, struct buf *answer)
{
    AUTO_BUF struct buf xml = BUF_INIT((size_t)64 * 1024);
    char token[80] = "", name[64], deployment[64];
    struct fake_machine *m;

    (void)fake_form(body, "ClientToken", token, sizeof(token));
    tag_of(body, TAG_MACHINE, name, sizeof(name));
    tag_of(body, TAG_DEPLOYMENT, deployment, sizeof(deployment));
    m = fake_by_token(c, token);
    if (m == NULL)
        m = fake_add(c, name, token, deployment);
    buf_adds(&xml, "<RunInstancesResponse><instancesSet>");
    add_machine(&xml, m);
    buf_adds(&xml, "</instancesSet></RunInstancesResponse>");
    raw_answer(answer, 200, "", xml.p);
}

static const char *field_of(const struct fake_machine *m, const char *filter)
{
    if (strcmp(filter, "tag:muster-machine") == 0)
        return m->name;
    if (strcmp(filter, "tag:muster-deployment") == 0)
        return m->deployment;
    if (strcmp(filter, "client-token") == 0)
        return m->token;
    return strcmp(filter, "instance-state-name") == 0 ? (m->gone ? "terminated" : "running") : "";
}

static bool fits(const char *body, const struct fake_machine *m)
{
    for (int f = 1; f <= 5; f++) {
        char param[64], filter[64], value[256];
        bool any = false;

        (void)snprintf(param, sizeof(param), "Filter.%d.Name", f);
        if (!fake_form(body, param, filter, sizeof(filter)))
            break;
        for (int v = 1; v <= 20 && !any; v++) {
            (void)snprintf(param, sizeof(param), "Filter.%d.Value.%d", f, v);
            any = fake_form(body, param, value, sizeof(value)) && strcmp(value, field_of(m, filter)) == 0;
        }
        if (!any)
            return false;
    }
    return true;
}

static void describe(struct fake_cloud *c, const char *body, struct buf *answer)
{
    AUTO_BUF struct buf xml = BUF_INIT((size_t)1024 * 1024);
    char id[64] = "", from[32] = "0";
    size_t i = 0, shown = 0;
    bool by_id = fake_form(body, "InstanceId.1", id, sizeof(id)), found = false;

    (void)fake_form(body, "NextToken", from, sizeof(from));
    buf_adds(&xml, "<DescribeInstancesResponse><reservationSet>");
    for (i = (size_t)strtoul(from, NULL, 10); i < c->n && shown < c->page_size; i++) {
        const struct fake_machine *m = &c->machines[i];

        if (by_id ? strcmp(m->id, id) != 0 : !c->lies && !fits(body, m))
            continue;
        found = true;
        shown++;
        buf_adds(&xml, "<item><instancesSet>");
        add_machine(&xml, m);
        buf_adds(&xml, "</instancesSet></item>");
    }
    buf_adds(&xml, "</reservationSet>");
    if (i < c->n)
        buf_addf(&xml, "<nextToken>%zu</nextToken>", i);
    buf_adds(&xml, "</DescribeInstancesResponse>");
    if (by_id && !found)
        refuse_with("InvalidInstanceID.NotFound", "The instance ID does not exist", answer);
    else
        raw_answer(answer, 200, "", xml.p);
}

static void terminate(struct fake_cloud *c, const char *body, struct buf *answer)
{
    AUTO_BUF struct buf xml = BUF_INIT((size_t)64 * 1024);
    char id[64] = "";

    (void)fake_form(body, "InstanceId.1", id, sizeof(id));
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->machines[i].id, id) != 0)
            continue;
        c->machines[i].gone = true;
        buf_addf(&xml,
                 "<TerminateInstancesResponse><instancesSet><item><instanceId>%s</instanceId></item></instancesSet>"
                 "</TerminateInstancesResponse>",
                 id);
        raw_answer(answer, 200, "", xml.p);
        return;
    }
    refuse_with("InvalidInstanceID.NotFound", "The instance ID does not exist", answer);
}

/* STS: keys for an hour. */
static void assume_role(struct buf *answer)
{
    AUTO_BUF struct buf xml = BUF_INIT((size_t)64 * 1024);
    char until[21];

    text_format_rfc3339(clock_now_ms() + 3600 * 1000, until);
    buf_addf(&xml,
             "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>"
             "role-secret-0123456789</SecretAccessKey><SessionToken>role-token-0123456789</SessionToken><Expiration>%s"
             "</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
             until);
    raw_answer(answer, 200, "", xml.p);
}

static void describe_images(struct buf *answer)
{
    AUTO_FREE char *body = fake_fixture("aws", "images.xml");

    raw_answer(answer, 200, "", body);
}

static void act(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    char action[64] = "";

    (void)fake_form(r->body, "Action", action, sizeof(action));
    if (raw_header(r, "X-Amz-Target") != NULL && strstr(raw_header(r, "X-Amz-Target"), "GetProducts") != NULL)
        raw_answer(answer, 200, "", "{\"PriceList\":[]}");
    else if (raw_header(r, "X-Amz-Target") != NULL)
        raw_answer(answer, 200, "", "{\"Parameter\":{\"Value\":\"ami-0000000000000000d\"}}");
    else if (strcmp(action, "AssumeRole") == 0)
        assume_role(answer);
    else if (strcmp(action, "DescribeImages") == 0)
        describe_images(answer);
    else if (strcmp(action, "DescribeSpotPriceHistory") == 0)
        raw_answer(answer, 200, "", "<DescribeSpotPriceHistoryResponse/>");
    else if (strcmp(action, "RunInstances") == 0)
        run_instances(c, r->body, answer);
    else if (strcmp(action, "DescribeRegions") == 0)
        raw_answer(answer, 200, "",
                   "<DescribeRegionsResponse><regionInfo><item><regionName>us-east-1</regionName></item><item>"
                   "<regionName>eu-west-1</regionName></item></regionInfo></DescribeRegionsResponse>");
    else if (strcmp(action, "DescribeInstances") == 0)
        describe(c, r->body, answer);
    else if (strcmp(action, "TerminateInstances") == 0)
        terminate(c, r->body, answer);
    else
        refuse_with("InvalidAction", action, answer);
}

static bool is_create(const struct raw_request *r)
{
    return strstr(r->body, "Action=RunInstances") != NULL;
}

static const char *const settings[][2] = {{"region", "eu-west-1"},
                                          {"access_key_id", "AKIAEXAMPLE"},
                                          {"secret_access_key", "kvJ8wZqSecretOfTheAccount0123456789abcdE"},
                                          {"session_token", "FwoGZXIvYXdzEJr/TokenOfTheSession//////////wEaDH"},
                                          {"endpoint_url", "URL"},
                                          {NULL, NULL}};
static const char *const env[][2] = {{"AWS_ENDPOINT_URL", "URL"}, {"AWS_EC2_METADATA_DISABLED", "true"}, {NULL, NULL}};
static const char *const secrets[] = {"kvJ8wZqSecretOfTheAccount0123456789abcdE",
                                      "FwoGZXIvYXdzEJr/TokenOfTheSession//////////wEaDH", NULL};
static const struct fake_refusal refusals[] = {{"no-capacity.xml", 500, ERR_CAPACITY},
                                               {"no-spot-capacity.xml", 500, ERR_CAPACITY},
                                               {"not-offered-here.xml", 400, ERR_CAPACITY},
                                               {"quota.xml", 400, ERR_QUOTA},
                                               {"throttled.xml", 503, ERR_THROTTLED},
                                               {"bad-credentials.xml", 401, ERR_AUTH},
                                               {"not-permitted.xml", 403, ERR_AUTH},
                                               {"bad-request.xml", 400, ERR_INVALID},
                                               {"token-mismatch.xml", 400, ERR_CONFLICT},
                                               {"server-error.xml", 500, ERR_RETRY},
                                               {NULL, 0, ERR_NONE}};
static const char *const nonsense[] = {
    "",
    "{\"instances\":[]}",
    "<html><body>Welcome to nginx!</body></html>",
    "<RunInstancesResponse><instancesSet><item><instanceId>i-0123",
    "<RunInstancesResponse/>",
    "<DescribeInstancesResponse/>",
    "<TerminateInstancesResponse/>",
    "<RunInstancesResponse><instancesSet><item/></instancesSet></RunInstancesResponse>",
    "<RunInstancesResponse><instancesSet><item><instanceId><b/></instanceId></item></instancesSet></"
    "RunInstancesResponse>",
    "<RunInstancesResponse><instancesSet><item><instanceId>../../etc</instanceId><instanceState><name>running</name>"
    "</instanceState></item></instancesSet></RunInstancesResponse>",
    "<RunInstancesResponse><instancesSet><item><instanceId>i-0123456789abcdef0</instanceId><instanceState><name>happy"
    "</name></instanceState></item></instancesSet></RunInstancesResponse>",
    "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><RunInstancesResponse>&x;</RunInstancesResponse>",
    NULL};

const struct fake_dialect fake_aws = {.name = "aws",
                                      .settings = settings,
                                      .env = env,
                                      .secrets = secrets,
                                      .refusals = refusals,
                                      .nonsense = nonsense,
                                      .region = "eu-west-1",
                                      .type = "g4dn.xlarge",
                                      .image = "ami-0123456789abcdef0",
                                      .unknown_id = "i-00000000000000fff",
                                      .tag_key_max = 128,
                                      .tag_value_max = 256,
                                      .is_create = is_create,
                                      .act = act,
                                      .refuse = refuse};
