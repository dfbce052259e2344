/* Oracle Cloud for the contract suite: instances by retry token, three availability domains, pages by header. */
#include "tests/support/fake_cloud.h"

#include "server/base/json.h"

#include <stdio.h>
#include <string.h>

#define VERSION "/20160918"

static void refuse(const char *text, struct buf *answer)
{
    fake_json(answer, 400, "", json_pack("{s:s, s:s}", "code", "InvalidParameter", "message", text));
}

static void not_found(struct buf *answer)
{
    fake_json(answer, 404, "",
              json_pack("{s:s, s:s}", "code", "NotAuthorizedOrNotFound", "message",
                        "Authorization failed or requested resource not found."));
}

static json_t *instance(const struct fake_machine *m)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s, s:s}}", "id", m->id, "displayName",
                     m->name, "compartmentId", "ocid1.compartment.oc1..aaaac", "availabilityDomain",
                     "Uocm:EU-FRANKFURT-1-AD-1", "lifecycleState", m->gone ? "TERMINATED" : "RUNNING", "region",
                     "eu-frankfurt-1", "timeCreated", "2024-05-01T14:00:00.123Z", "freeformTags", "muster-machine",
                     m->name, "muster-deployment", m->deployment, "muster-expires", "1714572000", "muster-job", "42",
                     "muster-repository", "octo/hello");
}

static void create(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_JSON json_t *body = fake_body(r);
    const json_t *tags = json_object_get(body, "freeformTags");
    const char *token = raw_header(r, "opc-retry-token");
    struct fake_machine *m = fake_by_token(c, token);

    if (m == NULL)
        m = fake_add(c, json_string_value(json_object_get(tags, TAG_MACHINE)), token,
                     json_string_value(json_object_get(tags, TAG_DEPLOYMENT)));
    fake_json(answer, 200, "", instance(m));
}

static bool fits(const struct fake_cloud *c, const struct raw_request *r, const struct fake_machine *m)
{
    char name[64];

    return c->lies || !fake_query(r, "displayName", name, sizeof(name)) || strcmp(name, m->name) == 0;
}

/* A page's token is opaque; this one holds what must be escaped. */
static void list(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    json_t *found = json_array();
    char page[64] = "", next[100] = "";
    size_t from, seen = 0, shown = 0;

    from = fake_query(r, "page", page, sizeof(page)) ? (size_t)strtoul(page + strlen("a/b+c=="), NULL, 10) : 0;
    for (size_t i = 0; i < c->n; i++) {
        if (!fits(c, r, &c->machines[i]))
            continue;
        if (seen >= from && shown < c->page_size) {
            shown++;
            (void)json_array_append_new(found, instance(&c->machines[i]));
        }
        seen++;
    }
    if (from + shown < seen)
        (void)snprintf(next, sizeof(next), "opc-next-page: a/b+c==%zu\r\n", from + shown);
    fake_json(answer, 200, next, found);
}

static json_t *image(const char *id, const char *created, const char *compartment)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s?}", "id", id, "operatingSystem", "Canonical Ubuntu",
                     "operatingSystemVersion", "22.04", "lifecycleState", "AVAILABLE", "timeCreated", created,
                     "compartmentId", compartment);
}

static void one(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    char id[64];
    struct fake_machine *m;

    fake_last_part(r, id, sizeof(id));
    m = fake_by_id(c, id);
    if (m == NULL || (m->gone && strcmp(r->method, "DELETE") == 0)) {
        not_found(answer);
    } else if (strcmp(r->method, "GET") == 0) {
        fake_json(answer, 200, "", instance(m));
    } else {
        m->gone = true;
        buf_adds(answer, "HTTP/1.1 204 No Content\r\n\r\n");
    }
}

static void act(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    if (fake_is(r, "POST", VERSION "/instances"))
        create(c, r, answer);
    else if (fake_is(r, "GET", VERSION "/instances"))
        list(c, r, answer);
    else if (fake_is(r, "GET", VERSION "/instances/*") || fake_is(r, "DELETE", VERSION "/instances/*"))
        one(c, r, answer);
    else if (fake_is(r, "GET", VERSION "/availabilityDomains"))
        fake_json(answer, 200, "",
                  json_pack("[{s:s}, {s:s}, {s:s}]", "name", "Uocm:EU-FRANKFURT-1-AD-1", "name",
                            "Uocm:EU-FRANKFURT-1-AD-2", "name", "Uocm:EU-FRANKFURT-1-AD-3"));
    else if (fake_is(r, "GET", VERSION "/tenancies/*/regionSubscriptions"))
        fake_json(answer, 200, "",
                  json_pack("[{s:s, s:s, s:s, s:b}, {s:s, s:s, s:s, s:b}, {s:s, s:s, s:s, s:b}]", "regionKey", "FRA",
                            "regionName", "eu-frankfurt-1", "status", "READY", "isHomeRegion", 1, "regionKey", "IAD",
                            "regionName", "us-ashburn-1", "status", "READY", "isHomeRegion", 0, "regionKey", "LHR",
                            "regionName", "uk-london-1", "status", "IN_PROGRESS", "isHomeRegion", 0));
    else if (fake_is(r, "GET", VERSION "/images"))
        fake_json(answer, 200, "",
                  json_pack("[o, o, o]",
                            image("ocid1.image.oc1..own", "2024-09-01T00:00:00Z", "ocid1.compartment.oc1..aaaac"),
                            image("ocid1.image.oc1..older", "2024-03-01T00:00:00Z", NULL),
                            image("ocid1.image.oc1..newest", "2024-06-01T00:00:00Z", NULL)));
    else
        not_found(answer);
}

static bool is_create(const struct raw_request *r)
{
    return fake_is(r, "POST", VERSION "/instances");
}

/* Made for these tests and used nowhere else. */
#define KEY                                                                                                            \
    "-----BEGIN PRIVATE KEY-----\n"                                                                                    \
    "MIIEugIBADANBgkqhkiG9w0BAQEFAASCBKQwggSgAgEAAoIBAQDRJ/ZFoo3/tY2C\n"                                               \
    "zx+pOr2AnMe5/OI/FXtWc+Oz6LtaZGEA3Qr2LqQLhX8bjb2Grz7AKp5nQCn+E2nT\n"                                               \
    "Zf+LsyV2wOYQ1P4QVmPOtVsbmBP1GXIFx5i47YYy5Lug8vJDOPUqEWlqzySSzVv2\n"                                               \
    "Swf82TCPJ9bO1IXJKWdAJ3BZapu6OMUuxT4RaqFTUiybI2LclsZXwka9TIzAOusm\n"                                               \
    "4/h0PrhWcKqEKshz/M1jZbNdnJgxW/X8x7pTI9D70QLC4PjcgJaQZ809x6BmUclR\n"                                               \
    "ej+ZzLaCvBkv3reKMXRT1fdp18rCmH8BUhRRPvs3H2Dq8/4IMD+W2qviNR1+S33U\n"                                               \
    "oNzMixSNAgMBAAECgf9a9bDPQo0pUnY4bTCtEt6sZYJ2tYOvQP238K5rj3XrLxGr\n"                                               \
    "TnYgmigS2qZsqo0XWx9Ec0RwTXdLB9D+HrMEDjo8wFH4VVN9x2mge+kjbFVBl89U\n"                                               \
    "CXm28uq/N2UMmfDB9gNTnZQ63zBd/PFW1fVOASZycOD6Z3JyCY+IVvPamdfKeXH/\n"                                               \
    "00a5v4jbyalHoo2JH/tUun0Bni8diPMHRJW60PNYw3oOiJEFH6a3YDdLGAzHrDVn\n"                                               \
    "yYw4FJpWWEm4AjL9+wz5/K/AIiYUulIar0+YfgHC9E5vgcz2hmIrdqJnEnh1+fbu\n"                                               \
    "mAQ1Lom0k6gKAvzs664xK51yEO4EsUaMZHeORtkCgYEA6ii+Yz00rxDPCc460Wy1\n"                                               \
    "bhSzt+LmbojaIEC7qAkfrs/xTpPkUJYAcQpjwjwMTi0IC2DhhE37nb5bY6isvgWs\n"                                               \
    "uvoZYklBSTPYVuzYW7DY/i2pifjcPbZ0/jM/y8PhNhTCivRXnxZT0p7hWGbXCv/a\n"                                               \
    "0xLa4vrmAhHSt9YYZanZcT8CgYEA5Kox6ORAFB9HsHEEi63wQDg55U6oXOnYNnEn\n"                                               \
    "q6Imq6RH0BaTNvpKh6NK6XXtxnl393WV1vauvcbG9lVOenROZOIZijefGWMLr1SG\n"                                               \
    "G/vMxxQDEurKv0LkSZuSydk5jhaUl4TL0m3Q6sUzPMCpJofHAC9DrW1oTdD7Kdj5\n"                                               \
    "Gb7gOzMCgYBZPqIhjKhRuORP5mwAeaBEjltY0H/mzP3loQZkquWKaPKdcjxogmM0\n"                                               \
    "sjMHSn+eJAeW3pvVIyutGWoXd6gu3FbTBJM8JJNfZQUlTCvB9osdhSXC0jiOxMWe\n"                                               \
    "RMYh0Uw6onrrHuluVsIn2iok2T1Ike9C10LZk6qqS0S2kEDILo4TXQKBgGI8R+LQ\n"                                               \
    "pELAyXCgrR5A5JUCUsUTjLsV70A8TpmquMhGdF+OQ0J8Nqac3WL8ueDpcEOMbYoD\n"                                               \
    "QkDfc7yCG4v6CW/HvsclbCFg7rUtL8w32dqw2z02R1Hxr9d7kY1L2DEVvFJ3x4So\n"                                               \
    "jvc9Luzrq/+Ul0aaB44rEYNUw4JP53xLB1QHAoGAVEPKnOY98Yv2GAj3vPDhrudL\n"                                               \
    "Nn89XKX/7DmUsJetzjnlE1ceMXHc1tMA+Ar5eqa7jNSOW1ieQBi3Vnd8xlBNFUdW\n"                                               \
    "Ne6N2FSz+362uB8RW+HSdl/HC8Ik64Bg/tIx4OvUp3li/baNL4Xy/jcXOYaOxsLb\n"                                               \
    "OPjphCkWfOWzR+6bHIA=\n"                                                                                           \
    "-----END PRIVATE KEY-----\n"

static const char *const settings[][2] = {{"region", "eu-frankfurt-1"},
                                          {"tenancy", "ocid1.tenancy.oc1..aaaat"},
                                          {"user", "ocid1.user.oc1..aaaau"},
                                          {"fingerprint", "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34"},
                                          {"private_key", KEY},
                                          {"compartment_id", "ocid1.compartment.oc1..aaaac"},
                                          {"subnet_id", "ocid1.subnet.oc1.eu-frankfurt-1.aaaas"},
                                          {"endpoint_url", "URL"},
                                          {NULL, NULL}};
static const char *const secrets[] = {KEY, NULL};
static const struct fake_refusal refusals[] = {{"no-capacity.json", 500, ERR_CAPACITY},
                                               {"no-capacity-code.json", 400, ERR_CAPACITY},
                                               {"no-such-shape.json", 404, ERR_CAPACITY},
                                               {"limit.json", 400, ERR_QUOTA},
                                               {"quota.json", 400, ERR_QUOTA},
                                               {"throttled.json", 429, ERR_THROTTLED},
                                               {"bad-credentials.json", 401, ERR_AUTH},
                                               {"not-permitted.json", 404, ERR_AUTH},
                                               {"not-allowed.json", 403, ERR_AUTH},
                                               {"bad-request.json", 400, ERR_INVALID},
                                               {"related-not-found.json", 400, ERR_INVALID},
                                               {"busy.json", 409, ERR_RETRY},
                                               {"old-token.json", 409, ERR_CONFLICT},
                                               {"server-error.json", 500, ERR_RETRY},
                                               {NULL, 0, ERR_NONE}};
static const char *const nonsense[] = {"",
                                       "<html><body>Welcome to nginx!</body></html>",
                                       "{\"id\":\"ocid1.instance.oc1..x\"",
                                       "{}",
                                       "null",
                                       "[7]",
                                       "[{\"name\":7}]",
                                       "{\"id\":7,\"lifecycleState\":\"RUNNING\"}",
                                       "{\"id\":\"x\",\"lifecycleState\":\"RUNNING\"}",
                                       "{\"id\":\"ocid1.instance.oc1..x\",\"lifecycleState\":\"HAPPY\"}",
                                       NULL};

const struct fake_dialect fake_oracle = {.name = "oracle",
                                         .settings = settings,
                                         .secrets = secrets,
                                         .refusals = refusals,
                                         .nonsense = nonsense,
                                         .region = "eu-frankfurt-1",
                                         .type = "VM.Standard.E4.Flex:4:16",
                                         .image = "ocid1.image.oc1.eu-frankfurt-1.aaaai",
                                         .unknown_id = "ocid1.instance.oc1.eu-frankfurt-1.unknown",
                                         .tag_key_max = 100,
                                         .tag_value_max = 256,
                                         .id_format = "ocid1.instance.oc1.eu-frankfurt-1.aaaa%",
                                         .is_create = is_create,
                                         .act = act,
                                         .refuse = refuse};
