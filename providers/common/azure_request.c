#include "providers/common/azure_request.h"

#include "server/base/crypto.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_TAGS 50
#define TAG_KEY_MAX 512
#define TAG_VALUE_MAX 256
#define DISK_MAX_GB 4095
#define USER "muster"
#define NO_KEY "<public key whose private half is thrown away>"
#define REGION_MARK "{region}"

/* ---- what a machine shall be ---- */

const char *azure_region_of(const struct azure_place *p, const struct machine_spec *s)
{
    return s->region != NULL ? s->region : p->region;
}

int azure_region_check(const char *region, struct err *e)
{
    if (rest_is_id(region, "", 40))
        return 0;
    return err_set(e, ERR_INVALID, "region \"%.40s\" is not a location of Azure: write it like eastus", region);
}

bool azure_is_windows(const struct machine_spec *s)
{
    return s->os != NULL && strcmp(s->os, "windows") == 0;
}

/* What extra_config may say. */
struct options {
    int64_t disk_gb; /* 0 = as large as the image's */
    bool public_ip;
    const char *license; /* NULL = none */
};

static int read_options(const json_t *extra, struct options *out, struct err *e)
{
    const json_t *disk =
        json_object_get(json_object_get(json_object_get(extra, "storageProfile"), "osDisk"), "diskSizeGB");
    const json_t *ip = json_object_get(extra, "enable_public_ip"), *license = json_object_get(extra, "licenseType");
    struct err ignored;

    *out = (struct options){.disk_gb = json_integer_value(disk), .public_ip = json_is_true(ip)};
    if (json_is_string(disk) && text_i64(json_string_value(disk), 1, DISK_MAX_GB, &out->disk_gb, &ignored))
        out->disk_gb = -1;
    if (disk != NULL && (out->disk_gb < 1 || out->disk_gb > DISK_MAX_GB))
        return err_set(e, ERR_INVALID, "extra_config.storageProfile.osDisk.diskSizeGB: a whole number from 1 to %d",
                       DISK_MAX_GB);
    if (ip != NULL && !json_is_boolean(ip) &&
        (!json_is_string(ip) || text_bool(json_string_value(ip), &out->public_ip, &ignored)))
        return err_set(e, ERR_INVALID, "extra_config.enable_public_ip: true or false");
    out->license = json_string_value(license);
    if (license != NULL && (out->license == NULL || !rest_is_id(out->license, "_", 64)))
        return err_set(e, ERR_INVALID, "extra_config.licenseType: a word such as Windows_Server or RHEL_BYOS");
    return 0;
}

int azure_check_spec(const struct azure_place *p, const struct machine_spec *s, struct err *e)
{
    const char *region = azure_region_of(p, s);
    struct options options;

    if (s->instance_type == NULL)
        return err_set(e, ERR_INVALID, "instance_type is missing: name a size such as Standard_NC4as_T4_v3");
    if (!rest_is_id(s->instance_type, "-_", 64))
        return err_set(e, ERR_INVALID, "instance_type \"%.40s\" is not a size of Azure: write it like Standard_D4s_v5",
                       s->instance_type);
    if (region == NULL)
        return err_set(e, ERR_INVALID, "no region: name one in .cirun.yml, clouds.azure.region or AZURE_LOCATION");
    if (azure_region_check(region, e))
        return -1;
    if (p->region != NULL && strcasecmp(region, p->region) != 0 && strstr(p->subnet, REGION_MARK) == NULL)
        return err_set(e, ERR_INVALID,
                       "region %s: clouds.azure.subnet_id lies in %s; with subnets named alike in each region, write "
                       "{region} into it",
                       region, p->region);
    if (s->image == NULL)
        return err_set(e, ERR_INVALID,
                       "machine_image is missing: name publisher:offer:sku:version or an alias such as ubuntu2204");
    return azure_image_check(s->image, azure_size_arch(s->instance_type), e) || read_options(s->extra, &options, e) ? -1
                                                                                                                    : 0;
}

int azure_facts(const struct azure_place *p, const struct machine_spec *s, struct machine_facts *out, struct err *e)
{
    AUTO_BUF struct buf image = BUF_INIT(FACT_SIZE);
    const char *text;

    memset(out, 0, sizeof(*out));
    out->region.any_case = out->type.any_case = out->image.any_case = true;
    if (azure_check_spec(p, s, e))
        return -1;
    azure_image_name(s->image, azure_size_arch(s->instance_type), &image);
    return buf_str(&image, &text, e) || fact_add(&out->region, e, "%s", azure_region_of(p, s)) ||
                   fact_add(&out->type, e, "%s", s->instance_type) || fact_add(&out->image, e, "%s", s->image) ||
                   fact_add(&out->image, e, "%s", text)
               ? -1
               : 0;
}

int azure_check_request(const struct launch_request *r, struct err *e)
{
    if (secret_len(r->user_data) > AZURE_USER_DATA_MAX)
        return err_set(e, ERR_INVALID, "user-data of %zu bytes: Azure takes at most %zu", secret_len(r->user_data),
                       AZURE_USER_DATA_MAX);
    if (r->n_tags > MAX_TAGS)
        return err_set(e, ERR_INVALID, "tag number %d is one too many for Azure", MAX_TAGS + 1);
    for (size_t i = 0; i < r->n_tags; i++) {
        const char *key = r->tags[i].key;

        if (strlen(key) > TAG_KEY_MAX || strpbrk(key, "<>%&\\?/") != NULL || strlen(r->tags[i].value) > TAG_VALUE_MAX)
            return err_set(e, ERR_INVALID, "tag %.40s: Azure takes %d characters without <>%%&\\?/ and a value of %d",
                           key, TAG_KEY_MAX, TAG_VALUE_MAX);
    }
    return 0;
}

/* ---- the request ---- */

static void free_key(void *value)
{
    free(value);
}

struct cache *azure_keys_new(void)
{
    return cache_new(1, free_key);
}

static int fill_key(void *arg, const char *name, struct cache_fill *out, struct err *e)
{
    AUTO_BUF struct buf text = BUF_INIT(2048);
    char *key;

    (void)arg;
    (void)name;
    crypto_orphan_ssh_key(&text);
    if (buf_take(&text, &key, e))
        return -1;
    out->value = key;
    out->expires_ms = INT64_MAX;
    return 0;
}

/* Azure wants a way in although nobody shall use it: one public key for all, made at the first launch. */
static int linux_profile(const struct azure_place *p, bool shown, json_t **out, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *key = NULL;

    if (!shown && cache_get(p->keys, "key", fill_key, NULL, &key, e))
        return -1;
    return js_pack(e, out, "{s:b, s:{s:[{s:s, s:s}]}}", "disablePasswordAuthentication", 1, "ssh", "publicKeys", "path",
                   "/home/" USER "/.ssh/authorized_keys", "keyData", shown ? NO_KEY : cache_value(key));
}

/* Of Windows: a password that nobody knows, long enough to be masked wherever it may show (mask.h). */
static void add_password(bool shown, struct buf *out)
{
    unsigned char bytes[57];

    if (shown) {
        buf_adds(out, "***");
        return;
    }
    crypto_random(bytes, sizeof(bytes));
    buf_adds(out, "Aa1-");
    text_base64url(out, bytes, sizeof(bytes));
}

/* Windows takes 15 characters, so part of the name's hash. */
static void computer_name(const struct launch_request *r, char out[65])
{
    unsigned char hash[CRYPTO_SHA256_LEN];

    (void)snprintf(out, 65, "%.63s", r->name);
    if (!azure_is_windows(r->spec))
        return;
    crypto_sha256(r->name, strlen(r->name), hash);
    out[0] = 'm';
    text_hex(hash, 7, out + 1);
}

static int os_profile(const struct azure_place *p, const struct launch_request *r, const char *data, json_t **out,
                      struct err *e)
{
    AUTO(buf_wipe) struct buf password = BUF_INIT(128);
    AUTO_JSON json_t *linux = NULL;
    bool shown = r->user_data == NULL;
    char name[65];

    computer_name(r, name);
    if (!azure_is_windows(r->spec))
        return linux_profile(p, shown, &linux, e) ||
                       js_pack(e, out, "{s:s, s:s, s:s*, s:O}", "computerName", name, "adminUsername", USER,
                               "customData", *data != '\0' ? data : NULL, "linuxConfiguration", linux)
                   ? -1
                   : 0;
    add_password(shown, &password);
    return js_pack(e, out, "{s:s, s:s, s:s, s:s*, s:{s:b, s:b}}", "computerName", name, "adminUsername", USER,
                   "adminPassword", password.p, "customData", *data != '\0' ? data : NULL, "windowsConfiguration",
                   "provisionVMAgent", 1, "enableAutomaticUpdates", 0);
}

static json_t *tags_of(const struct launch_request *r)
{
    json_t *tags = json_object();

    for (size_t i = 0; i < r->n_tags; i++)
        (void)json_object_set_new(tags, r->tags[i].key, json_string(r->tags[i].value));
    return tags;
}

/* The subnet's path, {region} replaced. */
static void add_subnet(const struct azure_place *p, const struct launch_request *r, struct buf *out)
{
    const char *mark = strstr(p->subnet, REGION_MARK);
    size_t n = mark != NULL ? (size_t)(mark - p->subnet) : strlen(p->subnet);

    buf_add(out, p->subnet, n);
    if (mark != NULL)
        buf_addf(out, "%s%s", azure_region_of(p, r->spec), mark + strlen(REGION_MARK));
}

static int network_profile(const struct azure_place *p, const struct launch_request *r, const struct options *o,
                           json_t **out, struct err *e)
{
    AUTO_JSON json_t *tags = tags_of(r), *address = NULL;
    AUTO_BUF struct buf subnet = BUF_INIT(AZURE_PATH_MAX);

    add_subnet(p, r, &subnet);
    if (o->public_ip && js_pack(e, &address, "{s:s, s:O, s:{s:s, s:s}, s:{s:s, s:s}}", "name", r->name, "tags", tags,
                                "sku", "name", "Standard", "tier", "Regional", "properties", "deleteOption", "Delete",
                                "publicIPAllocationMethod", "Static"))
        return -1;
    return js_pack(e, out, "{s:s, s:[{s:s, s:O, s:{s:b, s:s, s:[{s:s, s:{s:b, s:{s:s}, s:O*}}]}}]}",
                   "networkApiVersion", "2020-11-01", "networkInterfaceConfigurations", "name", r->name, "tags", tags,
                   "properties", "primary", 1, "deleteOption", "Delete", "ipConfigurations", "name", "ip", "properties",
                   "primary", 1, "subnet", "id", subnet.p, "publicIPAddressConfiguration", address);
}

static int storage_profile(const struct launch_request *r, const struct options *o, json_t **out, struct err *e)
{
    AUTO_JSON json_t *image = NULL;

    if (azure_image_reference(r->spec->image, azure_size_arch(r->spec->instance_type), &image, e))
        return -1;
    return js_pack(e, out, "{s:O, s:{s:s, s:s, s:s, s:s, s:o*, s:{s:s}}}", "imageReference", image, "osDisk", "name",
                   r->name, "createOption", "FromImage", "deleteOption", "Delete", "caching", "ReadWrite", "diskSizeGB",
                   o->disk_gb > 0 ? json_integer(o->disk_gb) : NULL, "managedDisk", "storageAccountType",
                   "StandardSSD_LRS");
}

/* A specialised image brings its accounts: no osProfile, and user-data where its own start-up script looks for it. */
int azure_make_body(const struct azure_place *p, const struct launch_request *r, const struct azure_image_facts *facts,
                    json_t **out, struct err *e)
{
    AUTO_JSON json_t *tags = tags_of(r), *os = NULL, *network = NULL, *storage = NULL, *spot = NULL;
    AUTO(buf_wipe) struct buf data = BUF_INIT(2 * AZURE_USER_DATA_MAX);
    const struct machine_spec *s = r->spec;
    struct options o;

    if (!spec_pulls(s))
        rest_user_data_base64(r->user_data, &data);
    buf_adds(&data, "");
    if (read_options(s->extra, &o, e) || (!facts->specialised && os_profile(p, r, data.p, &os, e)) ||
        network_profile(p, r, &o, &network, e) || storage_profile(r, &o, &storage, e) ||
        (s->spot && js_pack(e, &spot, "{s:i}", "maxPrice", -1)))
        return -1;
    return js_pack(e, out, "{s:s, s:O, s:O*, s:{s:{s:s}, s:s*, s:s*, s:O*, s:s*, s:O, s:O*, s:s*, s:O}}", "location",
                   azure_region_of(p, s), "tags", tags, "plan", facts->plan, "properties", "hardwareProfile", "vmSize",
                   s->instance_type, "priority", s->spot ? "Spot" : NULL, "evictionPolicy", s->spot ? "Delete" : NULL,
                   "billingProfile", spot, "licenseType", o.license, "storageProfile", storage, "osProfile", os,
                   "userData", facts->specialised && data.len > 0 ? data.p : NULL, "networkProfile", network);
}

bool azure_has_script(const struct launch_request *r)
{
    return azure_is_windows(r->spec) && !spec_pulls(r->spec);
}

/* Windows runs nothing of its custom data by itself: an extension does, once the machine is up. */
int azure_make_script(const struct azure_place *p, const struct launch_request *r,
                      const struct azure_image_facts *facts, json_t **out, struct err *e)
{
    /* A specialised image has no custom data, but user-data, which the metadata service tells. */
    static const char from_service[] =
        "powershell -NoProfile -ExecutionPolicy Bypass -Command \"$d = Invoke-RestMethod -UseBasicParsing -Headers "
        "@{Metadata='true'} -Uri 'http://169.254.169.254/metadata/instance/compute/userData?api-version=2021-01-01"
        "&format=text'; [IO.File]::WriteAllBytes('C:\\muster.ps1', [Convert]::FromBase64String($d)); & "
        "C:\\muster.ps1\"";
    static const char from_file[] =
        "powershell -NoProfile -ExecutionPolicy Bypass -Command \"Copy-Item "
        "C:\\AzureData\\CustomData.bin C:\\AzureData\\muster.ps1; & C:\\AzureData\\muster.ps1\"";
    const char *command = facts->specialised ? from_service : from_file;

    return js_pack(e, out, "{s:s, s:o, s:{s:s, s:s, s:s, s:b, s:{s:s}}}", "location", azure_region_of(p, r->spec),
                   "tags", tags_of(r), "properties", "publisher", "Microsoft.Compute", "type", "CustomScriptExtension",
                   "typeHandlerVersion", "1.10", "autoUpgradeMinorVersion", 1, "protectedSettings", "commandToExecute",
                   command);
}
