#include "providers/common/aws_find.h"

#include "server/base/mem.h"
#include "server/base/text.h"

#include <string.h>

#define ACTION "DescribeInstances"
#define PAGE_SIZE "500" /* a page of 500 instances is about 4 MB of XML */
#define MAX_PAGES 200

void aws_find_clear(struct aws_find *f)
{
    buf_clear(&f->filters);
}

void aws_find_filter(struct aws_find *f, const char *name, const char *const *values, size_t n)
{
    f->n++;
    aws_form_add(&f->filters, name, "Filter.%d.Name", f->n);
    for (size_t i = 0; i < n; i++)
        aws_form_add(&f->filters, values[i], "Filter.%d.Value.%zu", f->n, i + 1);
}

void aws_find_alive(struct aws_find *f)
{
    static const char *const alive[] = {"pending", "running", "stopping", "stopped", "shutting-down"};

    aws_find_filter(f, "instance-state-name", alive, ARRAY_LEN(alive));
}

const char *aws_item_tag(const struct xml_node *item, const char *key)
{
    for (const struct xml_node *t = xml_find(item, "tagSet/item"); t != NULL; t = xml_next(t)) {
        const char *k = xml_text(t, "key");

        if (k != NULL && strcmp(k, key) == 0)
            return xml_text(t, "value");
    }
    return NULL;
}

bool aws_is_instance_id(const char *id)
{
    size_t n = strlen(id);

    return n > 2 && n < 40 && text_has_prefix(id, "i-") && strspn(id + 2, "0123456789abcdef") == n - 2;
}

/* No reservationSet is nonsense; an empty one is an answer. */
static int visit_items(const struct xml_doc *doc, aws_find_fn *visit, void *arg, struct err *e)
{
    const struct xml_node *set = xml_find(xml_root(doc), "reservationSet");

    if (set == NULL)
        return err_set(e, ERR_RETRY, "ec2 " ACTION ": the answer makes no sense: no reservationSet");
    for (const struct xml_node *r = xml_find(set, "item"); r != NULL; r = xml_next(r)) {
        for (const struct xml_node *i = xml_find(r, "instancesSet/item"); i != NULL; i = xml_next(i)) {
            if (visit(arg, i, e))
                return -1;
        }
    }
    return 0;
}

static int ask_page(const struct aws_client *c, const char *region, const struct aws_find *f, const char *from,
                    struct xml_doc **out, struct err *e)
{
    AUTO_BUF struct buf form = BUF_INIT(2 * AWS_FORM_MAX);
    struct aws_fault fault;
    const char *filters = NULL;

    if (buf_str(&f->filters, &filters, e))
        return -1;
    aws_form_begin(&form, ACTION, AWS_EC2_VERSION);
    buf_adds(&form, filters);
    aws_form_add(&form, PAGE_SIZE, "MaxResults");
    if (from != NULL)
        aws_form_add(&form, from, "NextToken");
    return aws_client_ec2(c, region, ACTION, &form, NULL, out, &fault, e);
}

int aws_find_each(const struct aws_client *c, const char *region, const struct aws_find *f, aws_find_fn *visit,
                  void *arg, struct err *e)
{
    AUTO_FREE char *here = NULL;

    for (int page = 1; page <= MAX_PAGES; page++) {
        AUTO_XML struct xml_doc *doc = NULL;
        const char *next;

        if (ask_page(c, region, f, here, &doc, e) || visit_items(doc, visit, arg, e))
            return page == 1 ? -1 : err_wrap(e, "page %d", page);
        next = xml_text(xml_root(doc), "nextToken");
        if (next == NULL || *next == '\0')
            return 0;
        if (here != NULL && strcmp(here, next) == 0)
            return err_set(e, ERR_RETRY, "ec2 " ACTION ": page %d names itself as the next one", page);
        free(here);
        here = mem_strdup(next);
    }
    return err_set(e, ERR_RETRY, "ec2 " ACTION ": more than %d pages", MAX_PAGES);
}

int aws_find_id(const struct aws_client *c, const char *region, const char *id, aws_find_fn *visit, void *arg,
                struct err *e)
{
    AUTO_BUF struct buf form = BUF_INIT(AWS_FORM_MAX);
    AUTO_XML struct xml_doc *doc = NULL;
    struct aws_fault fault;

    aws_form_begin(&form, ACTION, AWS_EC2_VERSION);
    aws_form_add(&form, id, "InstanceId.1");
    if (aws_client_ec2(c, region, ACTION, &form, NULL, &doc, &fault, e))
        return strcmp(fault.code, "InvalidInstanceID.NotFound") == 0 ? 0 : -1;
    return visit_items(doc, visit, arg, e);
}

int aws_find_regions(const struct aws_client *c, const char *region,
                     int (*each)(void *arg, const char *region, struct err *e), void *arg, struct err *e)
{
    AUTO_BUF struct buf form = BUF_INIT(AWS_FORM_MAX);
    AUTO_XML struct xml_doc *doc = NULL;
    const struct xml_node *first;
    struct aws_fault fault;

    aws_form_begin(&form, "DescribeRegions", AWS_EC2_VERSION);
    if (aws_client_ec2(c, region, "DescribeRegions", &form, NULL, &doc, &fault, e))
        return -1;
    first = xml_find(xml_root(doc), "regionInfo/item");
    if (first == NULL)
        return err_set(e, ERR_RETRY, "ec2 DescribeRegions: the answer makes no sense: no region in it");
    for (const struct xml_node *i = first; i != NULL; i = xml_next(i)) {
        const char *name = xml_text(i, "regionName");

        if (name == NULL || aws_region_check(name, e))
            return err_set(e, ERR_RETRY, "ec2 DescribeRegions: the answer makes no sense: a region without a name");
        if (each(arg, name, e))
            return -1;
    }
    return 0;
}
