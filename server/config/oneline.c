#include "server/config/oneline.h"

#include "providers/common/gpu_catalog.h"
#include "server/base/json.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define STEM_MAX 200 /* a label has at most 256 characters */

/* How a cloud's instance types come back from a label. */
enum spelling { AS_WRITTEN, AWS, ORACLE };

static const struct cloud {
    const char *spelling, *name;
    enum spelling types;
} clouds[] = {
    {"aws", "aws", AWS},
    {"gcp", "gcp", AS_WRITTEN},
    {"azure", "azure", AS_WRITTEN},
    {"digitalocean", "digitalocean", AS_WRITTEN},
    {"do", "digitalocean", AS_WRITTEN},
    {"openstack", "openstack", AS_WRITTEN},
    {"oracle", "oracle", ORACLE},
    {"vast_ai", "vast_ai", AS_WRITTEN},
    {"on_prem", "on_prem", AS_WRITTEN},
};

/* Aliases and the clouds whose catalogue has them; on one's own host they are images of a Docker registry. */
static const struct alias {
    const char *name, *clouds, *docker;
} aliases[] = {
    {"ubuntu2004", "aws gcp azure digitalocean openstack oracle vast_ai on_prem", "ubuntu:20.04"},
    {"ubuntu2204", "aws gcp azure digitalocean openstack oracle vast_ai on_prem", "ubuntu:22.04"},
    {"ubuntu2404", "aws gcp azure digitalocean openstack oracle vast_ai on_prem", "ubuntu:24.04"},
    {"debian12", "aws gcp azure digitalocean openstack vast_ai on_prem", "debian:12"},
    {"windows2022", "aws gcp azure oracle openstack", NULL},
    {"ubuntu2204-gpu", "aws gcp azure digitalocean openstack vast_ai on_prem", "nvidia/cuda:12.4.1-base-ubuntu22.04"},
    {"ubuntu2404-gpu", "aws gcp openstack vast_ai on_prem", "nvidia/cuda:12.6.3-base-ubuntu24.04"},
};

#define ALIASES "ubuntu2004, ubuntu2204, ubuntu2404, debian12, windows2022, ubuntu2204-gpu and ubuntu2404-gpu"

struct reading {
    char stem[STEM_MAX + 1];
    const struct cloud *cloud;
    const struct alias *alias;
    char type[STEM_MAX + 1];
};

static bool has_prefix(const char *s, const char *prefix)
{
    for (; *prefix != '\0'; s++, prefix++) {
        if (text_lower(*s) != *prefix)
            return false;
    }
    return true;
}

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = list; (at = strstr(at, word)) != NULL; at += n) {
        if ((at == list || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' '))
            return true;
    }
    return false;
}

/* ---- types ---- */

static bool is_aws_size(const char *s)
{
    static const char *const sizes[] = {"nano", "micro", "small", "medium", "large", "metal"};
    size_t digits = strspn(s, "0123456789");

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        if (strcmp(s, sizes[i]) == 0)
            return true;
    }
    return strcmp(s + digits, "xlarge") == 0;
}

/* "24xl", the second half of metal-24xl. */
static bool is_metal_size(const char *s)
{
    size_t digits = strspn(s, "0123456789");

    return digits > 0 && strcmp(s + digits, "xl") == 0;
}

/* The last dash before a size becomes the dot: https://docs.aws.amazon.com/ec2/latest/instancetypes/ */
static int aws_type(char *type, struct err *e)
{
    char *last;

    for (char *s = type; *s != '\0'; s++)
        *s = text_lower(*s);
    if (strchr(type, '.') != NULL)
        return 0;
    last = strrchr(type, '-');
    if (last != NULL && is_metal_size(last + 1) && last - type > 6 && strncmp(last - 6, "-metal", 6) == 0)
        last -= 6;
    else if (last == NULL || !is_aws_size(last + 1))
        return err_set(e, ERR_INVALID,
                       "\"%.60s\" is no instance type of EC2: write g4dn.xlarge as g4dn-xlarge, m7i.metal-24xl as "
                       "m7i-metal-24xl",
                       type);
    *last = '.';
    return 0;
}

static bool same_start(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text_lower(a[i]) != text_lower(b[i]))
            return false;
    }
    return true;
}

/* A shape's words as Oracle writes them, when the label has them without capitals. */
static void oracle_word(char *word, size_t n)
{
    static const char *const words[] = {"Standard", "DenseIO", "Optimized", "Flex", "Micro", "HPC", "GPU", "Generic"};

    for (size_t i = 0; i < n; i++) {
        if (word[i] >= 'A' && word[i] <= 'Z')
            return; /* it is as its writer wants it */
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t len = strcspn(word, "0123456789.");

        if (strlen(words[i]) == len && same_start(words[i], word, len)) {
            memcpy(word, words[i], len);
            return;
        }
    }
    for (size_t i = 0; i < n; i++)
        word[i] = (char)(word[i] >= 'a' && word[i] <= 'z' ? word[i] - 32 : word[i]);
}

/* https://docs.oracle.com/en-us/iaas/Content/Compute/References/computeshapes.htm */
static int oracle_type(char *type, struct err *e)
{
    for (char *s = type; *s != '\0'; s++)
        *s = *s == '-' ? '.' : *s;
    for (char *s = type; *s != '\0';) {
        size_t n = strcspn(s, ".");

        oracle_word(s, n);
        s += n + (s[n] == '.' ? 1 : 0);
    }
    if (!text_has_prefix(type, "VM.") && !text_has_prefix(type, "BM."))
        return err_set(e, ERR_INVALID,
                       "\"%.60s\" is no shape of Oracle: write VM.Standard.E4.Flex as VM-Standard-E4-Flex", type);
    return 0;
}

/* The label's spelling of this type? A dot may have stayed a dot. */
static bool same_dashed(const char *written, const char *type)
{
    for (; *written != '\0' && *type != '\0'; written++, type++) {
        char c = text_lower(*type);

        if (text_lower(*written) != c && !(c == '.' && *written == '-'))
            return false;
    }
    return *written == *type;
}

/* A type of the GPU catalogue, dots and dashes and capitals as there (BM.GPU.A100-v2.8). */
static const struct gpu_type *catalogued(const char *cloud, const char *written)
{
    for (size_t i = 0; i < gpu_catalog_n; i++) {
        if (strcmp(gpu_catalog[i].cloud, cloud) == 0 && same_dashed(written, gpu_catalog[i].instance_type))
            return &gpu_catalog[i];
    }
    return NULL;
}

static int spell_type(struct reading *r, struct err *e)
{
    const struct gpu_type *known = catalogued(r->cloud->name, r->type);

    if (r->type[0] == '\0')
        return err_set(e, ERR_INVALID, "the label %.100s names no instance type between cloud and image", r->stem);
    if (known != NULL) {
        (void)snprintf(r->type, sizeof(r->type), "%s", known->instance_type);
        return 0;
    }
    switch (r->cloud->types) {
    case AS_WRITTEN:
        return 0;
    case AWS:
        return aws_type(r->type, e);
    case ORACLE:
        return oracle_type(r->type, e);
    }
    return 0;
}

/* ---- the label's parts ---- */

static const struct alias *find_alias(const char *s)
{
    const struct alias *found = NULL;
    size_t len = strlen(s);

    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        size_t n = strlen(aliases[i].name);

        if (len >= n && (len == n || s[len - n - 1] == '-') && text_ieq(s + len - n, aliases[i].name) &&
            (found == NULL || n > strlen(found->name)))
            found = &aliases[i];
    }
    return found;
}

static const struct cloud *find_cloud(const char *s)
{
    for (size_t i = 0; i < ARRAY_LEN(clouds); i++) {
        if (has_prefix(s, clouds[i].spelling) && s[strlen(clouds[i].spelling)] == '-')
            return &clouds[i];
    }
    return NULL;
}

/* No cloud, but the image says what is meant. */
static enum oneline_verdict unknown_cloud(const char *rest, struct err *e)
{
    const char *names[ARRAY_LEN(clouds)], *near;
    char word[40];

    if (strchr(rest, '-') == strrchr(rest, '-') || find_alias(rest) == NULL)
        return ONELINE_NONE;
    for (size_t i = 0; i < ARRAY_LEN(clouds); i++)
        names[i] = clouds[i].spelling;
    (void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(rest, "-"), rest);
    near = text_nearest(word, names, ARRAY_LEN(names));
    return err_set(e, ERR_INVALID,
                   "unknown cloud \"%s\" in a one-line label%s%s%s; the clouds are aws, gcp, azure, digitalocean (do), "
                   "openstack, oracle, vast_ai and on_prem",
                   word, near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                   near != NULL ? "\"?" : "") != 0
               ? ONELINE_WRONG
               : ONELINE_NONE;
}

/* The last word, and the one before "-gpu". */
static const char *last_words(const char *s)
{
    const char *last = strrchr(s, '-');

    if (last == NULL || last == s || !text_ieq(last, "-gpu"))
        return last != NULL ? last + 1 : s;
    while (last > s && last[-1] != '-')
        last--;
    return last;
}

/* A cloud, but no image that we know. */
static enum oneline_verdict unknown_alias(struct reading *r, const char *rest, struct err *e)
{
    const char *names[ARRAY_LEN(aliases)], *word = last_words(rest), *near;
    struct err ignored;

    for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
        names[i] = aliases[i].name;
    near = text_nearest(word, names, ARRAY_LEN(names));
    if (near == NULL && (word == rest || find_alias(rest) != NULL))
        return ONELINE_NONE;
    if (near == NULL) { /* cirun-aws-my-pool is a name; cirun-aws-t3-large-centos7 means this form */
        (void)snprintf(r->type, sizeof(r->type), "%.*s", (int)(word - rest - 1), rest);
        if (r->cloud->types == AS_WRITTEN || spell_type(r, &ignored))
            return ONELINE_NONE;
    }
    return err_set(e, ERR_INVALID, "unknown image \"%.40s\" at the end of a one-line label%s%s%s; there are " ALIASES,
                   word, near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                   near != NULL ? "\"?" : "") != 0
               ? ONELINE_WRONG
               : ONELINE_NONE;
}

/* ---- the runner ---- */

/* "t4" for a type that has one; NULL: none that nvidia-smi would show. */
static const char *gpu_of(const struct reading *r, char name[GPU_MODEL_MAX])
{
    const struct gpu_type *t = gpu_catalog_find(r->cloud->name, r->type);
    struct err ignored;
    int count;

    if (strcmp(r->cloud->name, "vast_ai") == 0 && gpu_vast_type(r->type, &count, name, &ignored) == 0)
        return name;
    return t != NULL && !t->attached && !gpu_model_is_foreign(t->gpu) ? t->gpu : NULL;
}

/* The type with these of its dashes as dots, unless the list has it. */
static void add_dotted(json_t *types, const char *type, const char *from, const char *to)
{
    char text[STEM_MAX + 1];
    json_t *one;
    size_t i;

    (void)snprintf(text, sizeof(text), "%s", type);
    for (const char *s = from; s != NULL && s <= to; s++)
        text[s - type] = *s == '-' ? '.' : *s;
    json_array_foreach(types, i, one)
    {
        if (strcmp(json_string_value(one), text) == 0)
            return;
    }
    (void)json_array_append_new(types, json_string(text));
}

/* One type; of OpenStack, whose flavors have names of any kind, what may be meant: each is a candidate. */
static json_t *types_of(const struct reading *r)
{
    const char *first = strchr(r->type, '-'), *last = strrchr(r->type, '-');
    json_t *types;

    if (strcmp(r->cloud->name, "openstack") != 0 || first == NULL)
        return json_string(r->type);
    types = json_pack("[s]", r->type);
    add_dotted(types, r->type, first, last);
    add_dotted(types, r->type, first, first);
    add_dotted(types, r->type, last, last);
    return types;
}

static int runner_of(const struct reading *r, struct cirun_yml **out, struct err *e)
{
    char name[GPU_MODEL_MAX];
    bool own_host = strcmp(r->cloud->name, "on_prem") == 0;
    AUTO_JSON json_t *doc = NULL;
    AUTO_FREE char *text = NULL;
    struct cirun_yml *yml;

    if (js_pack(e, &doc, "{s:[{s:s, s:s, s:o, s:s, s:s*, s:[s]}]}", "runners", "name", r->stem, "cloud", r->cloud->name,
                "instance_type", types_of(r), "machine_image", own_host ? r->alias->docker : r->alias->name, "gpu",
                gpu_of(r, name), "labels", r->stem) ||
        js_dump(doc, &text, e))
        return -1;
    yml = cirun_yml_parse(text, strlen(text), r->stem);
    if (yml->n_errors > 0) {
        int rc = cirun_yml_error(yml, r->stem, e);

        cirun_yml_free(yml);
        return rc;
    }
    *out = yml;
    return 0;
}

static int read_rest(struct reading *r, const char *rest, struct cirun_yml **out, struct err *e)
{
    size_t n = strlen(rest) - strlen(r->alias->name);

    (void)snprintf(r->type, sizeof(r->type), "%.*s", (int)(n > 0 ? n - 1 : 0), rest);
    if (r->type[strspn(r->type, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] != '\0')
        return err_set(e, ERR_INVALID, "the label %.100s holds characters that no instance type has", r->stem);
    if (!has_word(r->alias->clouds, r->cloud->name))
        return err_set(e, ERR_INVALID, "%s has no image %s; it has%s%s%s%s", r->cloud->name, r->alias->name,
                       " ubuntu2004, ubuntu2204, ubuntu2404",
                       has_word(aliases[3].clouds, r->cloud->name) ? ", debian12" : "",
                       has_word(aliases[4].clouds, r->cloud->name) ? ", windows2022" : "",
                       has_word(aliases[5].clouds, r->cloud->name) ? ", ubuntu2204-gpu" : "");
    return spell_type(r, e) || runner_of(r, out, e) ? -1 : 0;
}

enum oneline_verdict oneline_parse(const char *label, struct cirun_yml **out, struct err *e)
{
    const char *suffix = strstr(label, "--"), *rest;
    size_t n = suffix != NULL ? (size_t)(suffix - label) : strlen(label);
    struct reading r = {.alias = NULL};

    if (n > STEM_MAX || !has_prefix(label, "cirun-"))
        return ONELINE_NONE;
    (void)snprintf(r.stem, sizeof(r.stem), "%.*s", (int)n, label);
    rest = r.stem + strlen("cirun-");
    r.cloud = find_cloud(rest);
    if (r.cloud == NULL)
        return unknown_cloud(rest, e);
    rest += strlen(r.cloud->spelling) + 1;
    r.alias = find_alias(rest);
    if (r.alias == NULL)
        return unknown_alias(&r, rest, e);
    return read_rest(&r, rest, out, e) ? ONELINE_WRONG : ONELINE_FOUND;
}
