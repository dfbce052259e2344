#include "providers/common/os_disks.h"

#include "server/base/text.h"

#include <string.h>

#define KEY "block_device_mapping_v2"
#define WHERE "extra_config." KEY
#define MAX_DISKS 26
#define MAX_WORD 255

static const json_t *asked(const json_t *extra)
{
    return json_object_get(extra, KEY);
}

/* A whole number, or a string that is one: YAML authors quote. */
static int read_number(const json_t *v, int64_t min, int64_t max, int64_t *out, struct err *e)
{
    if (json_is_string(v))
        return text_i64(json_string_value(v), min, max, out, e);
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
        return err_set(e, ERR_INVALID, "expected a whole number from %lld to %lld", (long long)min, (long long)max);
    *out = json_integer_value(v);
    return 0;
}

static int one_of(const json_t *v, const char *const *words, size_t n, struct err *e)
{
    const char *s = json_string_value(v);

    for (size_t i = 0; s != NULL && i < n; i++) {
        if (strcmp(s, words[i]) == 0)
            return 0;
    }
    return err_set(e, ERR_INVALID, "expected one of %s, %s, ...", words[0], words[1]);
}

static int check_member(const char *name, const json_t *v, struct err *e)
{
    static const char *const sources[] = {"image", "blank", "volume", "snapshot"};
    static const char *const destinations[] = {"volume", "local"};
    static const char *const words[] = {"uuid",     "volume_type",  "device_name", "device_type",
                                        "disk_bus", "guest_format", "tag"};
    int64_t ignored;

    if (strcmp(name, "boot_index") == 0)
        return read_number(v, -1, MAX_DISKS, &ignored, e);
    if (strcmp(name, "volume_size") == 0)
        return read_number(v, 1, 1000000, &ignored, e);
    if (strcmp(name, "source_type") == 0)
        return one_of(v, sources, ARRAY_LEN(sources), e);
    if (strcmp(name, "destination_type") == 0)
        return one_of(v, destinations, ARRAY_LEN(destinations), e);
    if (strcmp(name, "delete_on_termination") == 0)
        return json_is_boolean(v) ? 0 : err_set(e, ERR_INVALID, "expected true or false");
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(name, words[i]) == 0)
            return json_is_string(v) && json_string_length(v) >= 1 && json_string_length(v) <= MAX_WORD
                       ? 0
                       : err_set(e, ERR_INVALID, "expected a word");
    }
    return err_set(e, ERR_INVALID, "unknown member");
}

int os_disks_check(const json_t *extra, struct err *e)
{
    const json_t *list = asked(extra);
    json_t *disk, *v;
    const char *name;
    size_t i;

    if (list == NULL)
        return 0;
    if (!json_is_array(list) || json_array_size(list) > MAX_DISKS)
        return err_set(e, ERR_INVALID, WHERE ": expected a list of at most %d disks", MAX_DISKS);
    json_array_foreach(list, i, disk)
    {
        if (!json_is_object(disk))
            return err_set(e, ERR_INVALID, WHERE "[%zu]: expected a mapping", i);
        json_object_foreach(disk, name, v)
        {
            if (check_member(name, v, e))
                return err_wrap(e, WHERE "[%zu].%.40s", i, name);
        }
    }
    return 0;
}

static const char *word(const json_t *disk, const char *name)
{
    return json_string_value(json_object_get(disk, name));
}

int os_disks_rights_check(const json_t *extra, struct err *e)
{
    json_t *disk;
    size_t i;

    json_array_foreach(asked(extra), i, disk)
    {
        const char *source = word(disk, "source_type");

        if (word(disk, "uuid") != NULL ||
            (source != NULL && strcmp(source, "image") != 0 && strcmp(source, "blank") != 0))
            return err_set(e, ERR_INVALID,
                           WHERE "[%zu] gives the job a %s of the account: policy.allow_privileged does not allow it",
                           i, source != NULL ? source : "disk");
    }
    return 0;
}

/* Numbers as Nova wants them, what the boot device leaves out, and that it ends with the machine. */
static int complete(json_t *disk, const char *image, bool *boots, struct err *e)
{
    int64_t boot_index = -1, size = 0;
    const json_t *index = json_object_get(disk, "boot_index"), *gb = json_object_get(disk, "volume_size");

    if ((index != NULL && read_number(index, -1, MAX_DISKS, &boot_index, e)) ||
        (gb != NULL && read_number(gb, 1, 1000000, &size, e)))
        return -1;
    if (index != NULL)
        (void)json_object_set_new(disk, "boot_index", json_integer(boot_index));
    if (gb != NULL)
        (void)json_object_set_new(disk, "volume_size", json_integer(size));
    *boots = boot_index == 0;
    if (word(disk, "source_type") == NULL)
        (void)json_object_set_new(disk, "source_type", json_string(*boots ? "image" : "blank"));
    if (word(disk, "destination_type") == NULL)
        (void)json_object_set_new(disk, "destination_type", json_string("volume"));
    if (*boots && word(disk, "uuid") == NULL && strcmp(word(disk, "source_type"), "image") == 0)
        (void)json_object_set_new(disk, "uuid", json_string(image));
    if (strcmp(word(disk, "source_type"), "volume") != 0)
        (void)json_object_set_new(disk, "delete_on_termination", json_true());
    return 0;
}

static int add_boot_volume(const char *image, json_t *list, struct err *e)
{
    json_t *disk = NULL;

    if (js_pack(e, &disk, "{s:i, s:s, s:s, s:s, s:i, s:b}", "boot_index", 0, "uuid", image, "source_type", "image",
                "destination_type", "volume", "volume_size", OS_VOLUME_GB, "delete_on_termination", 1))
        return -1;
    return json_array_insert_new(list, 0, disk) == 0 ? 0 : err_set(e, ERR_BUG, "a disk could not be added");
}

int os_disks_make(const json_t *extra, const char *image, int64_t flavor_disk_gb, json_t **out, bool *from_volume,
                  struct err *e)
{
    AUTO_JSON json_t *list = asked(extra) != NULL ? json_deep_copy(asked(extra)) : json_array();
    bool boots = false, any = false, volume = false;
    json_t *disk;
    size_t i;

    if (os_disks_check(extra, e))
        return -1;
    json_array_foreach(list, i, disk)
    {
        if (complete(disk, image, &boots, e))
            return -1;
        any = any || boots;
        volume = volume || (boots && strcmp(word(disk, "destination_type"), "volume") == 0);
    }
    if (!any && flavor_disk_gb == 0) {
        if (add_boot_volume(image, list, e))
            return -1;
        volume = true;
    }
    *from_volume = volume;
    *out = json_array_size(list) > 0 ? json_incref(list) : NULL;
    return 0;
}
