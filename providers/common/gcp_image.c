#include "providers/common/gcp_image.h"

#include "providers/common/gcp_spec.h"
#include "providers/common/rest.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN 63
#define PROJECT_MAX_LEN 63

/* Families that Google and Canonical publish; NULL: none for that architecture. */
static const struct {
    const char *alias, *project, *x64, *arm64;
} aliases[] = {
    {"ubuntu2004", "ubuntu-os-cloud", "ubuntu-2004-lts", "ubuntu-2004-lts-arm64"},
    {"ubuntu2204", "ubuntu-os-cloud", "ubuntu-2204-lts", "ubuntu-2204-lts-arm64"},
    {"ubuntu2404", "ubuntu-os-cloud", "ubuntu-2404-lts-amd64", "ubuntu-2404-lts-arm64"},
    {"debian12", "debian-cloud", "debian-12", "debian-12-arm64"},
    {"windows2022", "windows-cloud", "windows-2022", NULL},
    {"ubuntu2204-gpu", "ubuntu-os-accelerator-images", "ubuntu-accelerator-2204-amd64-with-nvidia-580", NULL},
    {"ubuntu2404-gpu", "ubuntu-os-accelerator-images", "ubuntu-accelerator-2404-amd64-with-nvidia-580",
     "ubuntu-accelerator-2404-arm64-with-nvidia-580"},
};

static int refuse(const char *image, struct err *e)
{
    return err_set(
        e, ERR_INVALID,
        "machine_image \"%.80s\" is not one of Google Cloud's: write NAME (of ubuntu-os-cloud), PROJECT:NAME, "
        "projects/P/global/images/N, .../images/family/F or .../machineImages/N",
        image);
}

/* In angle brackets: not known yet, for a request that is only shown. */
static bool is_project(const char *s)
{
    struct err ignored;

    return gcp_project_check(s, &ignored) == 0 || strcmp(s, "<project>") == 0;
}

/* Of images and families: "[a-z]([-a-z0-9]*[a-z0-9])?" is the API's own expression. */
static bool is_name(const char *s)
{
    size_t n = strlen(s);

    return n >= 1 && n <= NAME_MAX_LEN && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n && s[0] >= 'a' &&
           s[0] <= 'z' && s[n - 1] != '-';
}

static int put(const char *image, const char *project, const char *kind, const char *name, struct gcp_image *out,
               struct err *e)
{
    struct gcp_image made = {.machine = strcmp(kind, "machineImages") == 0};

    if (!is_project(project) || !is_name(name))
        return refuse(image, e);
    (void)snprintf(made.path, sizeof(made.path), "projects/%.63s/global/%s/%.63s", project, kind, name);
    *out = made;
    return 0;
}

/* Does every image of this project carry its date in its name? */
static bool is_dated(const char *project)
{
    static const char *const projects[] = {"ubuntu-os-cloud", "ubuntu-os-pro-cloud", "ubuntu-os-accelerator-images",
                                           "debian-cloud",    "windows-cloud",       "windows-sql-cloud",
                                           "rhel-cloud",      "rhel-sap-cloud",      "rocky-linux-cloud",
                                           "centos-cloud",    "suse-cloud",          "deeplearning-platform-release"};

    for (size_t i = 0; i < ARRAY_LEN(projects); i++) {
        if (strcmp(projects[i], project) == 0)
            return true;
    }
    return false;
}

static int put_named(const char *image, const char *project, const char *name, struct gcp_image *out, struct err *e)
{
    bool family = is_dated(project) && !text_glob("*-v20????*", name);

    return put(image, project, family ? "images/family" : "images", name, out, e);
}

/* rest: what stands behind "global/". */
static int put_global(const char *image, const char *project, const char *rest, struct gcp_image *out, struct err *e)
{
    static const char *const kinds[] = {"images/family", "images", "machineImages"};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t n = strlen(kinds[i]);

        if (strncmp(rest, kinds[i], n) == 0 && rest[n] == '/')
            return put(image, project, kinds[i], rest + n + 1, out, e);
    }
    return refuse(image, e);
}

/* What a self-link points to, or NULL when it is none of Compute Engine. */
static const char *behind_link(const char *link)
{
    static const char *const hosts[] = {"https://www.googleapis.com/compute/",
                                        "https://compute.googleapis.com/compute/"};

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        if (text_has_prefix(link, hosts[i])) {
            const char *version = link + strlen(hosts[i]), *end = strchr(version, '/');

            return end != NULL ? end + 1 : NULL;
        }
    }
    return NULL;
}

static int put_path(const char *image, const char *path, const char *project, struct gcp_image *out, struct err *e)
{
    char owner[PROJECT_MAX_LEN + 1];
    const char *end;

    if (text_has_prefix(path, "global/"))
        return put_global(image, project, path + strlen("global/"), out, e);
    if (!text_has_prefix(path, "projects/"))
        return refuse(image, e);
    path += strlen("projects/");
    end = strchr(path, '/');
    if (end == NULL || (size_t)(end - path) > PROJECT_MAX_LEN || !text_has_prefix(end, "/global/"))
        return refuse(image, e);
    (void)snprintf(owner, sizeof(owner), "%.*s", (int)(end - path), path);
    return put_global(image, owner, end + strlen("/global/"), out, e);
}

static int put_alias(size_t i, const char *arch, struct gcp_image *out, struct err *e)
{
    bool arm = strcmp(arch, "arm64") == 0;
    const char *family = arm ? aliases[i].arm64 : aliases[i].x64;

    if (family == NULL)
        return err_set(e, ERR_INVALID, "machine_image %s: Google Cloud has none for %s", aliases[i].alias, arch);
    return put(aliases[i].alias, aliases[i].project, "images/family", family, out, e);
}

int gcp_image_find(const char *image, const char *project, const char *arch, struct gcp_image *out, struct err *e)
{
    const char *colon = strrchr(image, ':'), *path = image;
    char owner[PROJECT_MAX_LEN + 1];

    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        if (strcmp(aliases[i].alias, image) == 0)
            return put_alias(i, arch, out, e);
    }
    if (text_has_prefix(image, "https://")) {
        path = behind_link(image);
        return path != NULL ? put_path(image, path, project, out, e) : refuse(image, e);
    }
    if (strchr(image, '/') != NULL)
        return put_path(image, path, project, out, e);
    if (colon == NULL)
        return put_named(image, "ubuntu-os-cloud", image, out, e);
    if ((size_t)(colon - image) > PROJECT_MAX_LEN)
        return refuse(image, e);
    (void)snprintf(owner, sizeof(owner), "%.*s", (int)(colon - image), image);
    return put_named(image, owner, colon + 1, out, e);
}

/* In short, where that means the same path. */
static int add_short(const char *project, const char *name, const struct gcp_image *image, struct fact *out,
                     struct err *e)
{
    struct gcp_image same;

    if (put_named(name, project, name, &same, e) || strcmp(same.path, image->path) != 0)
        return 0;
    if (strcmp(project, "ubuntu-os-cloud") == 0 && fact_add(out, e, "%s", name))
        return -1;
    return fact_add(out, e, "%s:%s", project, name);
}

int gcp_image_spellings(const char *image, const char *project, const char *arch, struct fact *out, struct err *e)
{
    struct gcp_image found;
    char owner[PROJECT_MAX_LEN + 1];
    const char *end;

    if (gcp_image_find(image, project, arch, &found, e) || fact_add(out, e, "%s", found.path))
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        if (strcmp(aliases[i].alias, image) == 0 && fact_add(out, e, "%s", image))
            return -1;
    }
    end = strchr(found.path + strlen("projects/"), '/');
    (void)snprintf(owner, sizeof(owner), "%.*s", (int)(end - found.path - (int)strlen("projects/")),
                   found.path + strlen("projects/"));
    if (strcmp(owner, project) == 0 && fact_add(out, e, "%s", end + 1))
        return -1;
    return add_short(owner, strrchr(found.path, '/') + 1, &found, out, e);
}
