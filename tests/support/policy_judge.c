#include "tests/support/policy_judge.h"

#include "providers/registry.h"
#include "server/base/conf.h"
#include "server/base/json.h"
#include "tests/support/unit.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

static bool fits(const struct policy_list *list, const char *text, bool any_case)
{
    for (size_t i = 0; i < list->n; i++) {
        if (fnmatch(list->patterns[i], text, FNM_NOESCAPE | (any_case ? FNM_CASEFOLD : 0)) == 0)
            return true;
    }
    return false;
}

static bool is_allowed(const struct policy_list *list, const char *text, size_t n, size_t size, bool all, bool any_case)
{
    size_t seen = 0, good = 0;

    for (size_t i = 0; i < n; i++) {
        if (text[i * size] == '\0')
            continue;
        seen++;
        good += fits(list, text + i * size, any_case) ? 1 : 0;
    }
    return !list->set || (all ? seen > 0 && good == seen : good > 0);
}

const char *judge_asked(const struct policy *p, const struct asked *a)
{
    bool fold = strcmp(a->cloud, "azure") == 0;

    if (a->rights != NULL && !(p->images.set && strcmp(a->rights, "a machine image") == 0))
        return a->rights;
    if (p->clouds.set && !fits(&p->clouds, a->cloud, false))
        return "the cloud";
    if (!is_allowed(&p->types, a->type[0], 3, sizeof(a->type[0]), a->all_types, fold))
        return "the type";
    if (!a->no_region && !is_allowed(&p->regions, a->region[0], 2, sizeof(a->region[0]), false, fold))
        return "the region";
    if (!is_allowed(&p->images, a->image[0], 4, sizeof(a->image[0]), false, fold))
        return "the image";
    return NULL;
}

static const char *str(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s != NULL ? s : "";
}

/* What stands in text between two pieces; "" when they do not stand there. */
static void between(const char *text, const char *before, const char *after, char *out, size_t size)
{
    const char *from = strstr(text, before), *to = from != NULL ? strstr(from + strlen(before), after) : NULL;

    out[0] = '\0';
    if (to != NULL)
        (void)snprintf(out, size, "%.*s", (int)(to - from - (long)strlen(before)), from + strlen(before));
}

/* Is one of its parts empty, or "." or ".."? A path begins with an empty one. */
static bool leads_elsewhere(const char *path)
{
    for (const char *s = path + (*path == '/' ? 1 : 0);; s++) {
        size_t n = strcspn(s, "/:");

        if (n == 0 || strspn(s, ".") >= n)
            return *path != '\0';
        s += n;
        if (*s == '\0')
            return false;
    }
}

static void read_aws(const json_t *r, struct asked *a)
{
    const json_t *form = json_object_get(r, "form");
    const char *key;
    json_t *value;

    (void)snprintf(a->type[0], sizeof(a->type[0]), "%s", str(form, "InstanceType"));
    between(str(r, "url"), "https://ec2.", ".amazonaws.com", a->region[0], sizeof(a->region[0]));
    if (strncmp(str(form, "ImageId"), "<image ", 7) == 0)
        between(str(form, "ImageId"), "<image ", ">", a->image[0], sizeof(a->image[0]));
    else
        (void)snprintf(a->image[0], sizeof(a->image[0]), "%s", str(form, "ImageId"));
    /* "self/v*" is a pattern that EC2 fills in: "self/v?" does not cover it */
    if (strpbrk(a->image[0], "*?") != NULL && strcmp(a->image[0], "self/v?") != 0 &&
        strncmp(a->image[0], "self/ci-", 8) != 0)
        (void)snprintf(a->image[0], sizeof(a->image[0]), "too wide a pattern");
    json_object_foreach((json_t *)(uintptr_t)form, key, value)
    {
        if ((strncmp(key, "IamInstanceProfile", 18) == 0 && strcmp(json_string_value(value), "ci") != 0) ||
            strncmp(key, "SubnetId", 8) == 0 || strstr(key, "SnapshotId") != NULL ||
            strncmp(key, "NetworkInterface", 16) == 0)
            a->rights = "what the account has";
    }
}

/* "projects/P/global/images/N" is also P:N, and what an alias stands for is also the alias. */
static void read_gcp_image(const char *path, struct asked *a)
{
    char project[300], name[300];

    (void)snprintf(a->image[0], sizeof(a->image[0]), "%s", path);
    between(path, "projects/", "/global/images/", project, sizeof(project));
    (void)snprintf(name, sizeof(name), "%.299s", strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : "");
    if (project[0] != '\0')
        (void)snprintf(a->image[1], sizeof(a->image[1]), "%s:%s", project, name);
    if (strcmp(project, "ubuntu-os-cloud") == 0) /* the project of names without one */
        (void)snprintf(a->image[3], sizeof(a->image[3]), "%s", name);
    if (fnmatch("projects/ubuntu-os-cloud/global/images/family/ubuntu-2204-lts*", path, 0) == 0)
        (void)snprintf(a->image[2], sizeof(a->image[2]), "ubuntu2204");
    if (leads_elsewhere(path))
        a->rights = "a path that leads elsewhere";
}

static void read_gcp(const json_t *r, struct asked *a)
{
    const json_t *body = json_object_get(r, "body"), *disks = json_object_get(body, "disks"), *one;
    const char *url = str(r, "url"), *type = strrchr(str(body, "machineType"), '/');
    const json_t *network = json_array_get(json_object_get(body, "networkInterfaces"), 0);
    char zone[300];
    size_t i;

    between(url, "/zones/", "/instances", zone, sizeof(zone));
    (void)snprintf(a->region[0], sizeof(a->region[0]), "%s", zone);
    if (strrchr(zone, '-') != NULL)
        (void)snprintf(a->region[1], sizeof(a->region[1]), "%.*s", (int)(strrchr(zone, '-') - zone), zone);
    (void)snprintf(a->type[0], sizeof(a->type[0]), "%s", type != NULL ? type + 1 : "");
    read_gcp_image(str(json_object_get(json_array_get(disks, 0), "initializeParams"), "sourceImage"), a);
    json_array_foreach(disks, i, one)
    {
        if (json_object_get(one, "source") != NULL)
            a->rights = "a disk of the account";
    }
    if (strstr(url, "/projects/my-project/zones/") == NULL && strstr(url, "/projects/another-of-ours/zones/") == NULL)
        a->rights = "another project";
    if (json_object_get(body, "serviceAccounts") != NULL)
        a->rights = "an identity";
    if (strcmp(str(network, "network"), "global/networks/default") != 0 || json_object_size(network) != 2)
        a->rights = "another network";
    if (strstr(url, "sourceMachineImage=") != NULL) {
        between(url, "sourceMachineImage=", "&", a->image[0], sizeof(a->image[0]));
        a->rights = a->rights == NULL ? "a machine image" : a->rights;
    }
}

static void read_azure_vm(const json_t *r, struct asked *a)
{
    const json_t *body = json_object_get(r, "body"), *p = json_object_get(body, "properties");
    const json_t *image = json_object_get(json_object_get(p, "storageProfile"), "imageReference");

    (void)snprintf(a->region[0], sizeof(a->region[0]), "%s", str(body, "location"));
    (void)snprintf(a->type[0], sizeof(a->type[0]), "%s", str(json_object_get(p, "hardwareProfile"), "vmSize"));
    (void)snprintf(a->image[0], sizeof(a->image[0]), "%s%s%s", str(image, "id"), str(image, "communityGalleryImageId"),
                   str(image, "sharedGalleryImageId"));
    if (json_object_get(image, "publisher") != NULL)
        (void)snprintf(a->image[0], sizeof(a->image[0]), "%.150s:%.150s:%.150s:%.150s", str(image, "publisher"),
                       str(image, "offer"), str(image, "sku"), str(image, "version"));
    if (fnmatch("Canonical:0001-com-ubuntu-server-jammy:22_04-lts-*:latest", a->image[0], FNM_CASEFOLD) == 0)
        (void)snprintf(a->image[1], sizeof(a->image[1]), "ubuntu2204");
    if (leads_elsewhere(a->image[0]))
        a->rights = "a path that leads elsewhere";
}

static void read_azure(const json_t *list, struct asked *a)
{
    const json_t *r = list, *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (json_object_get(json_object_get(json_object_get(one, "body"), "properties"), "hardwareProfile") != NULL)
            r = one;
    }
    read_azure_vm(r, a);
}

static void read_digitalocean(const json_t *r, struct asked *a)
{
    const json_t *body = json_object_get(r, "body");

    (void)snprintf(a->region[0], sizeof(a->region[0]), "%s", str(body, "region"));
    (void)snprintf(a->type[0], sizeof(a->type[0]), "%s", str(body, "size"));
    (void)snprintf(a->image[0], sizeof(a->image[0]), "%s", str(body, "image"));
    if (json_is_integer(json_object_get(body, "image")))
        (void)snprintf(a->image[0], sizeof(a->image[0]), "%lld",
                       (long long)json_integer_value(json_object_get(body, "image")));
    if (strcmp(a->image[0], "ubuntu-22-04-x64") == 0)
        (void)snprintf(a->image[1], sizeof(a->image[1]), "ubuntu2204");
}

/* "<id of flavor m1.small>", or an id. */
static void named(const char *text, const char *what, char *out, size_t size)
{
    if (strncmp(text, what, strlen(what)) == 0 && text[strlen(text) - 1] == '>')
        (void)snprintf(out, size, "%.*s", (int)(strlen(text) - strlen(what) - 1), text + strlen(what));
    else
        (void)snprintf(out, size, "%s", text);
}

static void read_openstack(const json_t *r, struct asked *a)
{
    const json_t *server = json_object_get(json_object_get(r, "body"), "server"), *one;
    const char *image = str(server, "imageRef");
    size_t i;

    json_array_foreach(json_object_get(server, "block_device_mapping_v2"), i, one)
    {
        const char *uuid = str(one, "uuid");

        if (strcmp(str(one, "source_type"), "image") != 0 && strcmp(str(one, "source_type"), "blank") != 0)
            a->rights = "a disk of the account";
        if (*image == '\0')
            image = uuid;
        if (*uuid != '\0' && strcmp(uuid, image) != 0)
            a->rights = "another image";
    }
    between(str(r, "url"), "<compute endpoint of ", ">", a->region[0], sizeof(a->region[0]));
    named(str(server, "flavorRef"), "<id of flavor ", a->type[0], sizeof(a->type[0]));
    named(image, "<id of image ", a->image[0], sizeof(a->image[0]));
}

static void read_oracle(const json_t *r, struct asked *a)
{
    const json_t *body = json_object_get(r, "body"), *size = json_object_get(body, "shapeConfig");
    const char *image = str(json_object_get(body, "sourceDetails"), "imageId");

    between(str(r, "url"), "https://iaas.", ".", a->region[0], sizeof(a->region[0]));
    (void)snprintf(a->type[0], sizeof(a->type[0]), "%s", str(body, "shape"));
    if (size != NULL)
        (void)snprintf(a->type[1], sizeof(a->type[1]), "%.200s:%g:%g", str(body, "shape"),
                       json_number_value(json_object_get(size, "ocpus")),
                       json_number_value(json_object_get(size, "memoryInGBs")));
    named(image, "<newest image ", a->image[0], sizeof(a->image[0]));
}

/* Without docker.io, library and latest; of a tag with a digest the digest. */
static void read_container(const char *image, struct asked *a)
{
    const char *at = strchr(image, '@'), *bare = image, *tag;

    bare += strncmp(bare, "docker.io/", 10) == 0 ? 10 : 0;
    bare += strncmp(bare, "library/", 8) == 0 ? 8 : 0;
    tag = strchr(strrchr(bare, '/') != NULL ? strrchr(bare, '/') : bare, ':');
    if (at != NULL) {
        size_t n = tag != NULL && tag < at ? (size_t)(tag - bare) : (size_t)(at - bare);

        (void)snprintf(a->image[0], sizeof(a->image[0]), "%.*s%s", (int)n, bare, at);
        return;
    }
    (void)snprintf(a->image[0], sizeof(a->image[0]), "%s", bare);
    if (tag == NULL)
        (void)snprintf(a->image[1], sizeof(a->image[1]), "%.600s:latest", bare);
    else if (strcmp(tag, ":latest") == 0)
        (void)snprintf(a->image[1], sizeof(a->image[1]), "%.*s", (int)(tag - bare), bare);
}

static void read_vast(const json_t *list, struct asked *a)
{
    const json_t *search = json_object_get(json_array_get(list, 0), "body"), *one;
    const json_t *rent = json_object_get(json_array_get(list, json_array_size(list) - 1), "body");
    size_t i;

    json_array_foreach(json_object_get(json_object_get(search, "gpu_name"), "in"), i, one)
    {
        (void)snprintf(a->type[i % 3], sizeof(a->type[0]), "%lldx%s",
                       (long long)json_integer_value(json_object_get(json_object_get(search, "num_gpus"), "eq")),
                       json_string_value(one));
        for (char *c = a->type[i % 3]; *c != '\0'; c++)
            *c = *c == ' ' ? '_' : *c;
    }
    a->all_types = true;
    one = json_array_get(json_object_get(json_object_get(search, "geolocation"), "in"), 0);
    (void)snprintf(a->region[0], sizeof(a->region[0]), "%s", one != NULL ? json_string_value(one) : "");
    read_container(str(rent, "image"), a);
    if (strcmp(a->image[0], "ubuntu:22.04") == 0)
        (void)snprintf(a->image[2], sizeof(a->image[2]), "ubuntu2204");
}

static void read_on_prem(const json_t *r, struct asked *a)
{
    const json_t *body = json_object_get(r, "body"), *host = json_object_get(body, "HostConfig");
    const json_t *vm = json_array_get(json_object_get(body, "runners_to_provision"), 0);
    const char *disk = str(json_object_get(host, "StorageOpt"), "size");

    a->no_region = true;
    if (vm != NULL) {
        (void)snprintf(a->image[0], sizeof(a->image[0]), "%s", str(vm, "image"));
        (void)snprintf(a->type[0], sizeof(a->type[0]), "%lldvcpu-%lldgb",
                       (long long)json_integer_value(json_object_get(vm, "cpu")),
                       (long long)json_integer_value(json_object_get(vm, "memory")));
        return;
    }
    (void)snprintf(a->type[0], sizeof(a->type[0]), "%lldvcpu-%lldgb%s%s",
                   (long long)json_integer_value(json_object_get(host, "NanoCpus")) / 1000000000,
                   (long long)json_integer_value(json_object_get(host, "Memory")) / 1073741824,
                   *disk != '\0' ? "-" : "", disk);
    read_container(str(body, "Image"), a);
    if (json_is_true(json_object_get(host, "Privileged")) || json_object_get(host, "Binds") != NULL)
        a->rights = "the host";
}

void judge_read(const char *cloud, const json_t *list, struct asked *a)
{
    static const struct {
        const char *cloud;
        void (*read)(const json_t *r, struct asked *a);
    } readers[] = {{"aws", read_aws},
                   {"gcp", read_gcp},
                   {"digitalocean", read_digitalocean},
                   {"openstack", read_openstack},
                   {"oracle", read_oracle},
                   {"on_prem", read_on_prem}};

    *a = (struct asked){.cloud = cloud};
    if (strcmp(cloud, "vast_ai") == 0)
        read_vast(list, a);
    if (strcmp(cloud, "azure") == 0)
        read_azure(list, a);
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        if (strcmp(readers[i].cloud, cloud) == 0)
            readers[i].read(json_array_get(list, json_array_size(list) - 1), a);
    }
}

/* --- the accounts: their own regions are such that no policy here allows -------------------------------------- */

static const char *no_env(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

static const struct provider_env env = {.deployment = "test", .getenv_fn = no_env};

static const char *const settings[][3] = {
    {"aws", "region", "us-east-1"},
    {"aws", "instance_profile", "ci"}, /* the operator's own word: every machine has it */
    {"gcp", "zone", "us-east1-b"},
    {"gcp", "project", "my-project"},
    {"gcp", "projects", "another-of-ours"},
    {"azure", "region", "westus"},
    {"azure", "subscription_id", "0b1f6471-1bf0-4dda-aec3-cb9272f09590"},
    {"azure", "resource_group", "ci"},
    {"azure", "subnet_id", "/subscriptions/s/resourceGroups/n/providers/Microsoft.Network/virtualNetworks/{region}"},
    {"openstack", "region", "RegionTwo"},
    {"oracle", "region", "us-phoenix-1"},
};

void judge_accounts_open(struct judge_accounts *a)
{
    struct err e;

    for (const struct provider_ops *const *p = registry_all(); *p != NULL; p++, a->n++) {
        a->confs[a->n] = conf_new((*p)->name, (*p)->account_keys);
        for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
            if (strcmp(settings[i][0], (*p)->name) == 0)
                assert_ok(conf_set(a->confs[a->n], settings[i][1], settings[i][2], "test", &e), e);
        }
        a->clouds[a->n].ops = *p;
        assert_ok((*p)->open(a->confs[a->n], &env, &a->clouds[a->n].provider, &e), e);
    }
}

void judge_accounts_close(struct judge_accounts *a)
{
    for (size_t i = 0; i < a->n; i++) {
        a->clouds[i].ops->close(a->clouds[i].provider);
        conf_free(a->confs[i]);
    }
}
