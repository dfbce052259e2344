#include "providers/common/aws_disks.h"

#include "providers/common/extra.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define WHERE "extra_config.BlockDeviceMappings"
#define MAX_DISKS 26
#define GP3_DEFAULT_IOPS 3000

struct disk {
    const char *device, *type;               /* type NULL = the cloud's default */
    int64_t size_gb, iops, throughput, rate; /* 0 = not given */
};

static int read_word(const json_t *v, const char **out, struct err *e)
{
    const char *s = json_string_value(v);

    if (s == NULL || *s == '\0' || strlen(s) > 64)
        return err_set(e, ERR_INVALID, "expected a word");
    *out = s;
    return 0;
}

static int read_member(const char *name, const json_t *v, struct disk *d, struct err *e)
{
    static const char *const known[] = {"DeviceName", "VolumeSize", "VolumeType",
                                        "Iops",       "Throughput", "VolumeInitializationRate"};
    const char *near;

    if (strcmp(name, "DeviceName") == 0)
        return read_word(v, &d->device, e);
    if (strcmp(name, "VolumeType") == 0)
        return read_word(v, &d->type, e);
    if (strcmp(name, "VolumeSize") == 0)
        return extra_whole(v, 1, 65536, &d->size_gb, e);
    if (strcmp(name, "Iops") == 0)
        return extra_whole(v, 1, 1000000, &d->iops, e);
    if (strcmp(name, "Throughput") == 0)
        return extra_whole(v, 1, 100000, &d->throughput, e);
    if (strcmp(name, "VolumeInitializationRate") == 0)
        return extra_whole(v, 1, 300, &d->rate, e);
    near = text_nearest(name, known, ARRAY_LEN(known));
    return err_set(e, ERR_INVALID, "unknown member%s%s", near != NULL ? "; did you mean " : "",
                   near != NULL ? near : "");
}

static bool type_is_one_of(const struct disk *d, const char *const *types, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (d->type != NULL && strcmp(d->type, types[i]) == 0)
            return true;
    }
    return false;
}

/* https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html */
static int rules(const struct disk *d, struct err *e)
{
    static const char *const all[] = {"gp3", "io1", "io2", "gp2", "st1", "sc1", "standard"};
    int64_t iops = d->iops > 0 ? d->iops : GP3_DEFAULT_IOPS;

    if (d->device == NULL)
        return err_set(e, ERR_INVALID,
                       "DeviceName is missing (the image's root device is often /dev/sda1 or "
                       "/dev/xvda)");
    if (d->type != NULL && !type_is_one_of(d, all, ARRAY_LEN(all)))
        return err_set(e, ERR_INVALID, "VolumeType %.64s is none of gp2 gp3 io1 io2 st1 sc1 standard", d->type);
    if (d->iops > 0 && !type_is_one_of(d, all, 3))
        return err_set(e, ERR_INVALID, "Iops needs VolumeType gp3, io1 or io2");
    if (d->iops == 0 && type_is_one_of(d, all + 1, 2))
        return err_set(e, ERR_INVALID, "VolumeType %s needs Iops", d->type);
    if (d->throughput > 0 && !type_is_one_of(d, all, 1))
        return err_set(e, ERR_INVALID, "Throughput needs VolumeType gp3");
    if (d->throughput > iops / 4)
        return err_set(e, ERR_INVALID, "Throughput %lld is more than a quarter of Iops %lld: raise Iops to %lld",
                       (long long)d->throughput, (long long)iops, (long long)d->throughput * 4);
    if (d->rate > 0 && d->rate < 100)
        return err_set(e, ERR_INVALID, "VolumeInitializationRate is 100 to 300");
    return 0;
}

static int read_disk(json_t *entry, size_t i, struct disk *out, struct err *e)
{
    struct disk d = {0};
    const char *name;
    json_t *value;

    if (!json_is_object(entry))
        return err_set(e, ERR_INVALID, WHERE ".%zu: expected a mapping with DeviceName", i);
    json_object_foreach(entry, name, value)
    {
        if (read_member(name, value, &d, e))
            return err_wrap(e, WHERE ".%zu.%.60s", i, name);
    }
    if (rules(&d, e))
        return err_wrap(e, WHERE ".%zu", i);
    *out = d;
    return 0;
}

static void add_disk(struct buf *form, size_t n, const struct disk *d)
{
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"VolumeSize", d->size_gb},
                   {"Iops", d->iops},
                   {"Throughput", d->throughput},
                   {"VolumeInitializationRate", d->rate}};
    char text[24];

    aws_form_add(form, d->device, "BlockDeviceMapping.%zu.DeviceName", n);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (numbers[i].value == 0)
            continue;
        (void)snprintf(text, sizeof(text), "%lld", (long long)numbers[i].value);
        aws_form_add(form, text, "BlockDeviceMapping.%zu.Ebs.%s", n, numbers[i].name);
    }
    if (d->type != NULL)
        aws_form_add(form, d->type, "BlockDeviceMapping.%zu.Ebs.VolumeType", n);
    aws_form_add(form, "true", "BlockDeviceMapping.%zu.Ebs.DeleteOnTermination", n);
}

/* form NULL: only check. */
static int walk(struct buf *form, const json_t *extra, struct err *e)
{
    json_t *list = json_object_get(extra, "BlockDeviceMappings");

    if (list == NULL || json_is_null(list))
        return 0;
    if (!json_is_array(list) || json_array_size(list) > MAX_DISKS)
        return err_set(e, ERR_INVALID, WHERE ": expected a list of at most %d mappings", MAX_DISKS);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct disk d = {0};

        if (read_disk(json_array_get(list, i), i, &d, e))
            return -1;
        if (form != NULL)
            add_disk(form, i + 1, &d);
    }
    return 0;
}

int aws_disks_check(const json_t *extra, struct err *e)
{
    return walk(NULL, extra, e);
}

static bool names_device(const json_t *list, const char *device)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(list, i), "DeviceName"));

        if (name != NULL && strcmp(name, device) == 0)
            return true;
    }
    return false;
}

int aws_disks_add(struct buf *form, const json_t *extra, const struct aws_image *image, struct err *e)
{
    const json_t *list = json_object_get(extra, "BlockDeviceMappings");
    size_t n = json_array_size(list);

    if (walk(form, extra, e))
        return -1;
    for (size_t i = 0; i < image->n_kept; i++) {
        if (!names_device(list, image->kept[i]))
            add_disk(form, ++n, &(struct disk){.device = image->kept[i]});
    }
    return 0;
}
