/*
 * The requests that the Oracle provider makes for a set of specs, one JSON object per line, for oci_signer.py to judge:
 * {"scenario", "method", "url", "headers": {...}, "body", "key"}.
 */
#include "server/base/json.h"
#include "tests/support/cloud_bed.h"

#include <stdio.h>
#include <string.h>

static void must(int rc, const char *what, const struct err *e)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, e->msg);
    abort();
}

static void print_request(const char *scenario, const struct bed *b, const struct raw_request *r)
{
    AUTO_BUF struct buf url = BUF_INIT(8192);
    AUTO_JSON json_t *line = NULL, *headers = json_object();
    AUTO_FREE char *text = NULL;
    struct err e;

    for (size_t i = 0; i < r->n_headers; i++)
        (void)json_object_set_new(headers, r->names[i], json_string(r->values[i]));
    buf_addf(&url, "%s%s", raw_url(b->server), r->path);
    must(js_pack(&e, &line, "{s:s, s:s, s:s, s:O, s:s, s:s}", "scenario", scenario, "method", r->method, "url", url.p,
                 "headers", headers, "body", r->body, "key", b->d->secrets[0]),
         scenario, &e);
    must(js_dump(line, &text, &e), scenario, &e);
    (void)printf("%s\n", text);
}

static void print_all(const char *scenario, struct bed *b)
{
    for (size_t i = 0; i < raw_count(b->server); i++)
        print_request(scenario, b, raw_get(b->server, i));
}

/* edit may be NULL. */
static void launch(const char *scenario, const struct bed_setting *more, size_t n_more, void (*edit)(struct order *o))
{
    AUTO_BED struct bed *b = bed_open(&fake_oracle, more, n_more);
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    order_init(&o, b, "muster-a", "muster-01hx3vb9qzk8m4n5p6r7s8t9vw-63-9999-abcdef");
    if (edit != NULL)
        edit(&o);
    must(b->ops->launch(b->p, &o.r, &got, &e), scenario, &e);
    print_all(scenario, b);
}

static void have_gpu(struct order *o)
{
    o->spec.instance_type = "VM.GPU.A10.1";
    o->spec.spot = true;
}

static void have_sizes(struct order *o)
{
    struct err e;

    must(js_pack(&e, &o->extra, "{s:i, s:s, s:i}", "ocpus", 3, "memory", "24", "bootVolumeSizeInGBs", 100), "sizes",
         &e);
    o->spec.instance_type = "VM.Standard.E4.Flex";
    o->spec.extra = o->extra;
}

static void have_cores_only(struct order *o)
{
    o->spec.instance_type = "VM.Standard.A1.Flex:4";
}

static void have_alias(struct order *o)
{
    o->spec.image = "ubuntu2204";
}

static void have_domain(struct order *o)
{
    o->spec.region = "Uocm:EU-FRANKFURT-1-AD-3";
}

static void have_awkward_tags(struct order *o)
{
    o->tags[2] = (struct tag){"muster job & co", "a+b/c=d e~f*\"\xc3\xa9\xe2\x82\xac'\\"};
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
    AUTO_BED struct bed *b = bed_open(&fake_oracle, NULL, 0);
    struct instance by_id, by_name, unknown, got;
    struct err e;

    for (int i = 0; i < 3; i++)
        (void)fake_add(&b->cloud, "muster-a", "t", BED_DEPLOYMENT);
    b->cloud.page_size = 2;
    by_name = bed_ref(b, "", "muster-a");
    by_id = bed_ref(b, b->cloud.machines[0].id, "muster-a");
    unknown = bed_ref(b, b->d->unknown_id, "muster-a");
    must(b->ops->list(b->p, NULL, ignore, NULL, &e), "list", &e);
    must(b->ops->describe(b->p, &by_id, &got, &e), "describe", &e);
    must(b->ops->describe(b->p, &unknown, &got, &e), "describe what is gone", &e);
    must(b->ops->describe(b->p, &by_name, &got, &e), "describe by name", &e);
    must(b->ops->destroy(b->p, &by_id, &e), "destroy", &e);
    must(b->ops->destroy(b->p, &by_name, &e), "destroy by name", &e);
    print_all("list, describe, destroy", b);
}

int main(void)
{
    static const struct bed_setting network[] = {{"nsg_ids", "ocid1.networksecuritygroup.oc1..a"},
                                                 {"assign_public_ip", "true"}};

    launch("flexible shape", NULL, 0, NULL);
    launch("preemptible GPU", NULL, 0, have_gpu);
    launch("sizes beside the shape", NULL, 0, have_sizes);
    launch("cores only", NULL, 0, have_cores_only);
    launch("image alias", NULL, 0, have_alias);
    launch("one availability domain", NULL, 0, have_domain);
    launch("awkward tags", NULL, 0, have_awkward_tags);
    launch("network", network, ARRAY_LEN(network), NULL);
    other_calls();
    return 0;
}
