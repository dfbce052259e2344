#include "providers/common/aws_image.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define KEEP_MS ((int64_t)60 * 60 * 1000)
#define UNREAD_MS ((int64_t)60 * 1000) /* not allowed now, or too young to be seen */
#define CANONICAL                                                                                                      \
    "099720109477" /* https://documentation.ubuntu.com/aws/en/latest/aws-how-to/instances/find-ubuntu-images/ */
#define DEBIAN "136693071363" /* https://wiki.debian.org/Cloud/AmazonEC2Image */

/*
 * Publishers' accounts and naming. A NULL pattern: not published for that architecture. The -gpu images carry driver,
 * Docker and container toolkit: https://docs.aws.amazon.com/dlami/latest/devguide/appendix-ami-release-notes.html
 */
static const struct alias {
    const char *name, *owner, *x86_64, *arm64;
} aliases[] = {
    {"ubuntu2004", CANONICAL, "ubuntu/images/hvm-ssd*/ubuntu-focal-20.04-amd64-server-*",
     "ubuntu/images/hvm-ssd*/ubuntu-focal-20.04-arm64-server-*"},
    {"ubuntu2204", CANONICAL, "ubuntu/images/hvm-ssd*/ubuntu-jammy-22.04-amd64-server-*",
     "ubuntu/images/hvm-ssd*/ubuntu-jammy-22.04-arm64-server-*"},
    {"ubuntu2404", CANONICAL, "ubuntu/images/hvm-ssd*/ubuntu-noble-24.04-amd64-server-*",
     "ubuntu/images/hvm-ssd*/ubuntu-noble-24.04-arm64-server-*"},
    {"debian12", DEBIAN, "debian-12-amd64-*", "debian-12-arm64-*"},
    {"windows2022", "amazon", "Windows_Server-2022-English-Full-Base-*", NULL},
    {"ubuntu2204-gpu", "amazon", "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 22.04)*", NULL},
    {"ubuntu2404-gpu", "amazon", "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04)*", NULL},
};

/* Where an image is to be found: exactly one of ami, parameter, owner + pattern. */
struct source {
    const char *ami, *parameter, *pattern;
    char owner[24];
};

int aws_type_check(const char *type, struct err *e)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t family, size;

    if (type == NULL)
        return err_set(e, ERR_INVALID, "instance_type is missing: name one, such as g4dn.xlarge");
    family = strspn(type, alphabet);
    size = type[family] == '.' ? strspn(type + family + 1, alphabet) : 0;
    if (family == 0 || size == 0 || type[family + 1 + size] != '\0' || strlen(type) > 60)
        return err_set(e, ERR_INVALID, "instance_type \"%.60s\" is not written like g4dn.xlarge", type);
    return 0;
}

/* Graviton families have a 'g' behind the generation's digit: c6g, t4g, m7gd, im4gn, g5g; not g4dn, g6, gr6. */
const char *aws_type_arch(const char *instance_type)
{
    size_t letters = strcspn(instance_type, "0123456789.");
    const char *options = instance_type + letters + strspn(instance_type + letters, "0123456789");
    const char *g = memchr(options, 'g', strcspn(options, ".-"));

    if (text_has_prefix(instance_type, "a1.") || g != NULL || strstr(instance_type, "-gb") != NULL)
        return "arm64";
    return "x86_64";
}

static bool is_ami(const char *s)
{
    size_t n = text_has_prefix(s, "ami-") ? strlen(s) - 4 : 0;

    return (n == 8 || n == 17) && strspn(s + 4, "0123456789abcdef") == n;
}

static int unknown_form(const char *image, struct err *e)
{
    const char *names[ARRAY_LEN(aliases)];
    const char *near;

    for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
        names[i] = aliases[i].name;
    near = text_nearest(image, names, ARRAY_LEN(names));
    return err_set(e, ERR_INVALID,
                   "machine_image \"%.100s\" is no AMI id (ami-...), alias (%s%s), OWNER/NAME-PATTERN or "
                   "ssm:/aws/service/...",
                   image, near != NULL ? "did you mean " : "ubuntu2204, debian12, ... ", near != NULL ? near : "");
}

static int from_alias(const struct alias *a, bool wants_arm, const char *arch, struct source *out, struct err *e)
{
    bool arm = strcmp(arch, "arm64") == 0;

    if (wants_arm && !arm)
        return err_set(e, ERR_INVALID, "machine_image %s-arm64 does not run on an x86_64 instance_type", a->name);
    out->pattern = arm ? a->arm64 : a->x86_64;
    if (out->pattern == NULL)
        return err_set(e, ERR_INVALID, "machine_image %s is not published for %s, which this instance_type is", a->name,
                       arch);
    (void)snprintf(out->owner, sizeof(out->owner), "%s", a->owner);
    return 0;
}

static bool find_alias(const char *image, const struct alias **out, bool *wants_arm)
{
    *wants_arm = text_has_suffix(image, "-arm64");
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        size_t n = strlen(aliases[i].name);

        if (strncmp(image, aliases[i].name, n) == 0 && strcmp(image + n, *wants_arm ? "-arm64" : "") == 0) {
            *out = &aliases[i];
            return true;
        }
    }
    return false;
}

static int from_pattern(const char *image, struct source *out, struct err *e)
{
    size_t n = strcspn(image, "/");
    bool account = n == 12 && strspn(image, "0123456789") == 12;

    if (n >= sizeof(out->owner) || image[n] == '\0' || image[n + 1] == '\0' || strlen(image) > 250)
        return unknown_form(image, e);
    (void)snprintf(out->owner, sizeof(out->owner), "%.*s", (int)n, image);
    if (!account && strcmp(out->owner, "self") != 0 && strcmp(out->owner, "amazon") != 0 &&
        strcmp(out->owner, "aws-marketplace") != 0)
        return err_set(
            e, ERR_INVALID,
            "machine_image \"%.100s\": the owner before the first / is an account of 12 digits, self, amazon "
            "or aws-marketplace",
            image);
    out->pattern = image + n + 1;
    return 0;
}

static int from_parameter(const char *image, struct source *out, struct err *e)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-/";
    const char *name = image + strlen("ssm:");

    /* only AWS's own: a private parameter may hold anything, and whoever writes .cirun.yml may not read it */
    if (!text_has_prefix(name, "/aws/service/") || strspn(name, alphabet) != strlen(name) || strlen(name) > 500 ||
        strstr(name, "..") != NULL || strstr(name, "//") != NULL)
        return err_set(e, ERR_INVALID,
                       "machine_image \"%.100s\": expected ssm:/aws/service/... with a public "
                       "parameter's name",
                       image);
    out->parameter = name;
    return 0;
}

static int classify(const char *image, const char *arch, struct source *out, struct err *e)
{
    const struct alias *alias;
    bool wants_arm;

    *out = (struct source){0};
    if (is_ami(image)) {
        out->ami = image;
        return 0;
    }
    if (find_alias(image, &alias, &wants_arm))
        return from_alias(alias, wants_arm, arch, out, e);
    if (text_has_prefix(image, "ssm:"))
        return from_parameter(image, out, e);
    return from_pattern(image, out, e);
}

int aws_image_check(const char *image, const char *arch, struct err *e)
{
    struct source ignored;

    return classify(image, arch, &ignored, e);
}

void aws_image_owned(const char *image, const char *arch, char out[300])
{
    struct source s;
    struct err ignored;

    out[0] = '\0';
    if (classify(image, arch, &s, &ignored) == 0 && s.pattern != NULL)
        (void)snprintf(out, 300, "%s/%s", s.owner, s.pattern);
}

static void add_filter(struct buf *form, int n, const char *name, const char *value)
{
    aws_form_add(form, name, "Filter.%d.Name", n);
    aws_form_add(form, value, "Filter.%d.Value.1", n);
}

/* The newest by creationDate, which sorts as text. NULL = none. */
static const struct xml_node *newest(const struct xml_doc *doc)
{
    const struct xml_node *found = NULL;
    const char *date = "";

    for (const struct xml_node *i = xml_find(xml_root(doc), "imagesSet/item"); i != NULL; i = xml_next(i)) {
        const char *this_id = xml_text(i, "imageId"), *this_date = xml_text(i, "creationDate");

        if (this_id != NULL && is_ami(this_id) && this_date != NULL && strcmp(this_date, date) > 0) {
            found = i;
            date = this_date;
        }
    }
    return found;
}

/* A device of the image is a volume, or an instance store (without "ebs"), which ends with the machine anyway. */
static void read_image(const struct xml_node *item, struct aws_image *out)
{
    (void)snprintf(out->id, sizeof(out->id), "%s", xml_text(item, "imageId"));
    for (const struct xml_node *d = xml_find(item, "blockDeviceMapping/item");
         d != NULL && out->n_kept < ARRAY_LEN(out->kept); d = xml_next(d)) {
        const char *name = xml_text(d, "deviceName"), *ends = xml_text(d, "ebs/deleteOnTermination");

        if (name != NULL && strlen(name) < sizeof(out->kept[0]) && ends != NULL && strcmp(ends, "false") == 0)
            (void)snprintf(out->kept[out->n_kept++], sizeof(out->kept[0]), "%s", name);
    }
}

struct lookup {
    const struct aws_client *client;
    const char *region, *image, *arch;
    const struct source *source;
};

static int ask_images(const struct lookup *l, struct aws_image *out, struct err *e)
{
    AUTO_BUF struct buf form = BUF_INIT(AWS_FORM_MAX);
    AUTO_XML struct xml_doc *doc = NULL;
    const struct xml_node *item;
    struct aws_fault fault;

    aws_form_begin(&form, "DescribeImages", AWS_EC2_VERSION);
    aws_form_add(&form, l->source->owner, "Owner.1");
    add_filter(&form, 1, "name", l->source->pattern);
    add_filter(&form, 2, "state", "available");
    add_filter(&form, 3, "architecture", l->arch);
    if (aws_client_ec2(l->client, l->region, "DescribeImages", &form, NULL, &doc, &fault, e))
        return -1;
    item = newest(doc);
    if (item == NULL)
        return err_set(e, ERR_INVALID, "no image in %s for machine_image %.120s (owner %s, name %.120s, %s)", l->region,
                       l->image, l->source->owner, l->source->pattern, l->arch);
    read_image(item, out);
    return 0;
}

/* Whether there is such an image, and whether it may be used, is for the launch to say. */
static int ask_devices(const struct lookup *l, struct aws_image *out, struct err *e)
{
    AUTO_BUF struct buf form = BUF_INIT(AWS_FORM_MAX);
    AUTO_XML struct xml_doc *doc = NULL;
    const struct xml_node *item;
    struct aws_fault fault;

    aws_form_begin(&form, "DescribeImages", AWS_EC2_VERSION);
    aws_form_add(&form, out->id, "ImageId.1");
    out->unread = true;
    if (aws_client_ec2(l->client, l->region, "DescribeImages", &form, NULL, &doc, &fault, e))
        return e->kind == ERR_RETRY || e->kind == ERR_THROTTLED ? -1 : 0;
    item = xml_find(xml_root(doc), "imagesSet/item");
    if (item != NULL && xml_text(item, "imageId") != NULL && strcmp(xml_text(item, "imageId"), out->id) == 0) {
        read_image(item, out);
        out->unread = false;
    }
    return 0;
}

static int ask_parameter(const struct lookup *l, struct aws_image *out, struct err *e)
{
    AUTO_FREE char *value = NULL;

    if (aws_client_ssm_parameter(l->client, l->region, l->source->parameter, &value, e))
        return -1;
    if (!is_ami(value))
        return err_set(e, ERR_INVALID, "parameter %.120s does not hold an AMI id", l->source->parameter);
    (void)snprintf(out->id, sizeof(out->id), "%s", value);
    return ask_devices(l, out, e);
}

static int ask_ami(const struct lookup *l, struct aws_image *out, struct err *e)
{
    (void)snprintf(out->id, sizeof(out->id), "%s", l->source->ami);
    return ask_devices(l, out, e);
}

static int fill(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct lookup *l = arg;
    struct aws_image *image = mem_zalloc(sizeof(*image));
    int rc;

    (void)key;
    rc = l->source->ami != NULL         ? ask_ami(l, image, e)
         : l->source->parameter != NULL ? ask_parameter(l, image, e)
                                        : ask_images(l, image, e);
    if (rc)
        free(image);
    else
        *out =
            (struct cache_fill){.value = image, .expires_ms = clock_now_ms() + (image->unread ? UNREAD_MS : KEEP_MS)};
    return rc;
}

struct cache *aws_image_cache_new(void)
{
    return cache_new(256, free);
}

int aws_image_resolve(const struct aws_client *c, struct cache *images, const char *region, const char *image,
                      const char *arch, struct aws_image *out, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    AUTO_BUF struct buf key = BUF_INIT(1024);
    struct source source;
    struct lookup l = {.client = c, .region = region, .image = image, .arch = arch, .source = &source};
    const char *text;

    buf_addf(&key, "%s %s %s", region, arch, image);
    if (classify(image, arch, &source, e) || buf_str(&key, &text, e) || cache_get(images, text, fill, &l, &ref, e))
        return -1;
    *out = *(const struct aws_image *)cache_value(ref);
    return 0;
}
