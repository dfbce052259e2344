/*
 * Regions and zones against what the clouds publish. A table grows old, hence warnings only; of November 2025:
 *   aws           botocore/data/endpoints.json
 *   gcp           https://cloud.google.com/compute/docs/regions-zones
 *   azure         `az account list-locations`, physical locations
 *   digitalocean  https://docs.digitalocean.com/platform/regional-availability/
 *   oracle        https://docs.oracle.com/en-us/iaas/Content/General/Concepts/regions.htm, and the SDK's
 *                 regions_definitions.py (also the two short keys that OCIDs have)
 * Form alone is the clouds' own check's (cirun_lint_cloud.c).
 */
#include "server/base/buf.h"
#include "server/base/text.h"
#include "server/config/cirun_lint_int.h"

#include <stdio.h>
#include <string.h>

#define PLACE_MAX 64

/* Names between blanks; for gcp with the letters of the zones behind the colon. */
static const struct {
    const char *cloud, *places;
} tables[] = {
    {"aws",
     "af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 "
     "ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 "
     "eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 il-central-1 "
     "me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2 cn-north-1 cn-northwest-1 "
     "us-gov-east-1 us-gov-west-1 us-iso-east-1 us-iso-west-1 us-isob-east-1 us-isob-west-1 eu-isoe-west-1 "
     "us-isof-east-1 us-isof-south-1 eusc-de-east-1"},
    {"gcp",
     "africa-south1:abc asia-east1:abc asia-east2:abc asia-northeast1:abc asia-northeast2:abc asia-northeast3:abc "
     "asia-south1:abc asia-south2:abc asia-southeast1:abc asia-southeast2:abc australia-southeast1:abc "
     "australia-southeast2:abc europe-central2:abc europe-north1:abc europe-north2:abc europe-southwest1:abc "
     "europe-west1:bcd europe-west2:abc europe-west3:abc europe-west4:abc europe-west6:abc europe-west8:abc "
     "europe-west9:abc europe-west10:abc europe-west12:abc me-central1:abc me-central2:abc me-west1:abc "
     "northamerica-northeast1:abc northamerica-northeast2:abc northamerica-south1:abc southamerica-east1:abc "
     "southamerica-west1:abc us-central1:abcf us-east1:bcd us-east4:abc us-east5:abc us-south1:abc us-west1:abc "
     "us-west2:abc us-west3:abc us-west4:abc"},
    {"azure",
     "australiacentral australiacentral2 australiaeast australiasoutheast austriaeast belgiumcentral brazilsouth "
     "brazilsoutheast canadacentral canadaeast centralindia centralus chilecentral chinaeast chinaeast2 chinaeast3 "
     "chinanorth chinanorth2 chinanorth3 denmarkeast eastasia eastus eastus2 francecentral francesouth germanynorth "
     "germanywestcentral indonesiacentral israelcentral italynorth japaneast japanwest jioindiacentral jioindiawest "
     "koreacentral koreasouth malaysiawest mexicocentral newzealandnorth northcentralus northeurope norwayeast "
     "norwaywest polandcentral qatarcentral southafricanorth southafricawest southcentralus southeastasia southindia "
     "spaincentral swedencentral swedensouth switzerlandnorth switzerlandwest taiwannorth uaecentral uaenorth uksouth "
     "ukwest usdodcentral usdodeast usgovarizona usgovtexas usgovvirginia westcentralus westeurope westindia westus "
     "westus2 westus3 centraluseuap eastus2euap"},
    {"digitalocean", "ams1 ams2 ams3 atl1 blr1 fra1 lon1 nyc1 nyc2 nyc3 sfo1 sfo2 sfo3 sgp1 syd1 tor1"},
    {"oracle",
     "af-johannesburg-1 ap-batam-1 ap-chuncheon-1 ap-hyderabad-1 ap-melbourne-1 ap-mumbai-1 ap-osaka-1 ap-seoul-1 "
     "ap-singapore-1 ap-singapore-2 ap-sydney-1 ap-tokyo-1 ca-montreal-1 ca-toronto-1 eu-amsterdam-1 eu-frankfurt-1 "
     "eu-madrid-1 eu-madrid-3 eu-marseille-1 eu-milan-1 eu-paris-1 eu-stockholm-1 eu-turin-1 eu-zurich-1 "
     "il-jerusalem-1 me-abudhabi-1 me-dubai-1 me-jeddah-1 me-riyadh-1 mx-monterrey-1 mx-queretaro-1 sa-bogota-1 "
     "sa-santiago-1 sa-saopaulo-1 sa-valparaiso-1 sa-vinhedo-1 uk-cardiff-1 uk-london-1 us-ashburn-1 us-chicago-1 "
     "us-phoenix-1 us-saltlake-2 us-sanjose-1 us-langley-1 us-luke-1 us-gov-ashburn-1 us-gov-chicago-1 "
     "us-gov-phoenix-1 uk-gov-london-1 uk-gov-cardiff-1 ap-chiyoda-1 ap-ibaraki-1 eu-madrid-2 eu-frankfurt-2 "
     "eu-jovanovac-1"}};

static const char *table_of(const char *cloud)
{
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        if (strcmp(tables[i].cloud, cloud) == 0)
            return tables[i].places;
    }
    return NULL;
}

/* The zones' letters of a region ("" where a cloud has none in its table); NULL: not in the table. */
static const char *zones_of(const char *table, const char *region, size_t len)
{
    for (const char *at = table; at != NULL && *at != '\0'; at += strspn(at, " ")) {
        size_t name = strcspn(at, ": ");

        if (name == len && strncmp(at, region, len) == 0)
            return at[name] == ':' ? at + name + 1 : "";
        at += strcspn(at, " ");
    }
    return NULL;
}

/* The region of the table that is nearest to a slip of the pen; false: none. */
static bool nearest(const char *table, const char *region, char out[PLACE_MAX])
{
    const char *best = NULL, *near;
    size_t best_len = 0;
    char name[2][PLACE_MAX];
    int taken = 0;

    for (const char *at = table; *at != '\0'; at += strspn(at, " ")) {
        const char *pair[2] = {best != NULL ? name[taken] : NULL, NULL};
        size_t n = strcspn(at, ": ");

        (void)snprintf(name[1 - taken], PLACE_MAX, "%.*s", (int)n, at);
        pair[best != NULL ? 1 : 0] = name[1 - taken];
        near = text_nearest(region, pair, best != NULL ? 2 : 1);
        if (near == name[1 - taken]) {
            best = at;
            best_len = n;
            taken = 1 - taken;
        }
        at += strcspn(at, " ");
    }
    if (best != NULL)
        (void)snprintf(out, PLACE_MAX, "%.*s", (int)best_len, best);
    return best != NULL;
}

static const char *cloud_name(const char *cloud)
{
    return strcmp(cloud, "aws") == 0      ? "AWS"
           : strcmp(cloud, "gcp") == 0    ? "Google Cloud"
           : strcmp(cloud, "azure") == 0  ? "Azure"
           : strcmp(cloud, "oracle") == 0 ? "Oracle Cloud"
                                          : "DigitalOcean";
}

/* ---- one region ---- */

struct spot {
    struct lint *l;
    const struct yaml_node *at;
    const char *cloud, *table;
};

/* Is it a place of another cloud: its name as it is, or without a zone's letter? */
static const char *other_cloud(const char *cloud, const char *region)
{
    size_t n = strlen(region);

    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        if (strcmp(tables[i].cloud, cloud) == 0)
            continue;
        if (zones_of(tables[i].places, region, n) != NULL ||
            (n > 2 && region[n - 2] == '-' && zones_of(tables[i].places, region, n - 2) != NULL))
            return tables[i].cloud;
    }
    return NULL;
}

static void say_unknown(const struct spot *s, const char *region, const char *end)
{
    char near[PLACE_MAX], whole[PLACE_MAX + 8];

    if (nearest(s->table, region, near)) {
        (void)snprintf(whole, sizeof(whole), "%s%s", near, end);
        lint_propose(s->l, s->at, "unknown-region", whole,
                     "\"%.60s\" is no region of %s that is known; did you mean %s?", region, cloud_name(s->cloud),
                     whole);
    } else {
        lint_say(
            s->l, s->at, "unknown-region",
            "\"%.60s\" is no region of %s that is known (the list is of November 2025); machines are tried there all "
            "the same",
            region, cloud_name(s->cloud));
    }
}

static void say_no_such_zone(const struct spot *s, const char *region, char letter, const char *letters)
{
    AUTO_BUF struct buf names = BUF_INIT(200);

    for (const char *c = letters; *c != ' ' && *c != '\0'; c++)
        buf_addf(&names, "%s%s-%c", c > letters ? ", " : "", region, *c);
    lint_say(s->l, s->at, "unknown-region", "%.40s has no zone %c that is known, but %s", region, letter, names.p);
}

/* us-central1-a: a region and a letter that it has. */
static void check_zone(const struct spot *s, const char *zone)
{
    size_t n = strlen(zone);
    const char *letters;
    char region[PLACE_MAX];

    if (n < 4 || n >= PLACE_MAX || zone[n - 2] != '-' || zone[n - 1] < 'a' || zone[n - 1] > 'z') {
        char near[PLACE_MAX];

        if (zones_of(s->table, zone, n) == NULL && nearest(s->table, zone, near))
            lint_say(s->l, s->at, "unknown-region",
                     "\"%.60s\" is no zone of %s; did you mean one of %s, such as %s-%c?", zone, cloud_name(s->cloud),
                     near, near, *zones_of(s->table, near, strlen(near)));
        return;
    }
    letters = zones_of(s->table, zone, n - 2);
    (void)snprintf(region, sizeof(region), "%.*s", (int)(n - 2), zone);
    if (letters == NULL)
        say_unknown(s, region, zone + n - 2);
    else if (memchr(letters, zone[n - 1], strcspn(letters, " ")) == NULL)
        say_no_such_zone(s, region, zone[n - 1], letters);
}

/* "East US 2" is eastus2. */
static void check_azure(const struct spot *s, const char *region)
{
    char plain[PLACE_MAX];
    size_t n = 0;

    for (const char *c = region; *c != '\0' && n + 1 < sizeof(plain); c++) {
        if (*c != ' ')
            plain[n++] = text_lower(*c);
    }
    plain[n] = '\0';
    if (zones_of(s->table, plain, n) == NULL)
        say_unknown(s, plain, "");
    else if (strchr(region, ' ') != NULL)
        lint_propose(s->l, s->at, "candidate-refused", plain, "Azure writes the region \"%.60s\" as %s", region, plain);
}

/* us-east-1a is a zone, and EC2 takes regions here. */
static bool check_aws_zone(const struct spot *s, const char *region)
{
    size_t n = strlen(region);
    char whole[PLACE_MAX];

    if (strcmp(s->cloud, "aws") != 0 || n < 2 || zones_of(s->table, region, n - 1) == NULL)
        return false;
    (void)snprintf(whole, sizeof(whole), "%.*s", (int)(n - 1), region);
    lint_propose(s->l, s->at, "candidate-refused", whole, "%.60s is a zone: name its region, %s", region, whole);
    return true;
}

static void check_region(const struct spot *s, const char *region)
{
    const char *other = strcmp(s->cloud, "azure") != 0 ? other_cloud(s->cloud, region) : NULL;
    size_t n = strlen(region);

    if (n >= PLACE_MAX)
        return;
    if (strcmp(s->cloud, "gcp") != 0 && zones_of(s->table, region, n) != NULL)
        return;
    if (check_aws_zone(s, region))
        return;
    if (other != NULL)
        lint_say(s->l, s->at, "foreign-region", "\"%.60s\" is a place of %s, but this runner's cloud is %s", region,
                 cloud_name(other), s->cloud);
    else if (strcmp(s->cloud, "gcp") == 0)
        check_zone(s, region);
    else if (strcmp(s->cloud, "azure") == 0)
        check_azure(s, region);
    else if (strcmp(s->cloud, "digitalocean") == 0 ||
             (region[n - 1] >= '0' && region[n - 1] <= '9' && strchr(region, ':') == NULL))
        say_unknown(s, region, "");
}

static void check_regions(struct lint *l, const struct cirun_runner *r)
{
    const struct yaml_node *n = yaml_get(r->node, "region");
    const char *table = table_of(r->cloud);

    for (size_t i = 0; table != NULL && n != NULL && i < (n->kind == YAML_LIST ? n->n : 1); i++) {
        const struct yaml_node *one = n->kind == YAML_LIST ? n->items[i] : n;
        struct spot s = {l, one, r->cloud, table};

        if (one->kind == YAML_SCALAR && *one->text != '\0')
            check_region(&s, one->text);
    }
}

/* ---- what lies in a place of its own ---- */

/* The region in an OCID: ocid1.image.oc1.iad.aaaa; "" when there is none. */
static void region_of_ocid(const char *ocid, char out[PLACE_MAX])
{
    const char *at = ocid;
    size_t n;

    out[0] = '\0';
    if (!text_has_prefix(ocid, "ocid1."))
        return;
    for (int i = 0; i < 3; i++) {
        at += strcspn(at, ".");
        at += *at == '.' ? 1 : 0;
    }
    n = strcspn(at, ".");
    if (n == 0 || at[n] != '.' || n >= PLACE_MAX)
        return;
    (void)snprintf(out, PLACE_MAX, "%.*s", (int)n, at);
    if (strcmp(out, "iad") == 0)
        (void)snprintf(out, PLACE_MAX, "us-ashburn-1");
    if (strcmp(out, "phx") == 0)
        (void)snprintf(out, PLACE_MAX, "us-phoenix-1");
}

static void check_oracle_image(struct lint *l, const struct cirun_runner *r, const struct cirun_candidate *c)
{
    const char *table = table_of("oracle");
    char region[PLACE_MAX];

    if (c->image == NULL || c->region == NULL || zones_of(table, c->region, strlen(c->region)) == NULL)
        return;
    region_of_ocid(c->image, region);
    if (zones_of(table, region, strlen(region)) != NULL && strcmp(region, c->region) != 0)
        lint_say(l, lint_place(r, "machine_image", c->image), "image-region",
                 "this image lies in %s, but the machine shall be in %.60s: an image serves its own region only",
                 region, c->region);
}

/* A path of extra_config with "zones/Z" or "regions/R" in it, against the zone of a machine. */
static void check_link(struct lint *l, const struct yaml_node *n, const char *zone)
{
    static const char *const words[] = {"zones/", "regions/"};
    size_t region = strlen(zone) > 2 ? strlen(zone) - 2 : 0;

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        const char *at = strstr(n->text, words[i]), *place = at != NULL ? at + strlen(words[i]) : NULL;
        size_t len = place != NULL ? strcspn(place, "/") : 0, want = i == 0 ? strlen(zone) : region;

        if (len == 0 || (at > n->text && at[-1] != '/') || (len == want && strncmp(place, zone, len) == 0))
            continue;
        lint_say(l, n, "zone-mismatch", "this lies in %.*s, but the machine shall be in %.40s: they cannot be joined",
                 (int)(len < 60 ? len : 60), place, zone);
        return;
    }
}

static void check_links(struct lint *l, const struct yaml_node *n, const char *zone)
{
    if (n->kind == YAML_SCALAR)
        check_link(l, n, zone);
    for (size_t i = 0; n->kind == YAML_LIST && i < n->n; i++)
        check_links(l, n->items[i], zone);
    for (size_t i = 0; n->kind == YAML_MAP && i < n->n; i++)
        check_links(l, n->pairs[i].value, zone);
}

void lint_places(struct lint *l)
{
    for (size_t i = 0; i < l->file->n_read; i++) {
        const struct cirun_runner *r = &l->file->runners[i];

        if (r->cloud == NULL)
            continue;
        check_regions(l, r);
        for (size_t k = 0; strcmp(r->cloud, "oracle") == 0 && k < r->n_candidates; k++)
            check_oracle_image(l, r, &r->candidates[k]);
        if (strcmp(r->cloud, "gcp") == 0 && r->extra != NULL && r->n_candidates > 0 && r->candidates[0].region != NULL)
            check_links(l, r->extra, r->candidates[0].region);
    }
}
