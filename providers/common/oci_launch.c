#include "providers/common/oci_launch.h"

#include "providers/common/rest.h"

#define BASE64_MAX (OCI_USER_DATA_MAX / 3 * 4)

static int make_vnic(const struct oci_launch *l, json_t **out, struct err *e)
{
    AUTO_JSON json_t *groups = l->n_groups > 0 ? json_array() : NULL, *address = NULL;

    for (size_t i = 0; i < l->n_groups; i++)
        (void)json_array_append_new(groups, json_string(l->groups[i]));
    if (l->public_ip != OCI_IP_AS_SUBNET)
        address = json_boolean(l->public_ip == OCI_IP_PUBLIC);
    return js_pack(e, out, "{s:s, s:O*, s:O*, s:O}", "subnetId", l->subnet, "assignPublicIp", address, "nsgIds", groups,
                   "freeformTags", l->tags);
}

static json_t *make_source(const struct oci_launch *l)
{
    json_t *source = json_pack("{s:s, s:s}", "sourceType", "image", "imageId", l->image);

    if (l->shape->boot_gb > 0)
        (void)json_object_set_new(source, "bootVolumeSizeInGBs", json_integer(l->shape->boot_gb));
    return source;
}

/* NULL for a shape of fixed size. */
static json_t *make_size(const struct oci_shape *s)
{
    json_t *size = s->flexible ? json_pack("{s:I}", "ocpus", (json_int_t)s->ocpus) : NULL;

    if (size != NULL && s->memory_gb > 0)
        (void)json_object_set_new(size, "memoryInGBs", json_integer(s->memory_gb));
    return size;
}

static json_t *make_preemption(bool spot)
{
    return spot ? json_pack("{s:{s:s, s:b}}", "preemptionAction", "type", "TERMINATE", "preserveBootVolume", 0) : NULL;
}

int oci_launch_body(const struct oci_launch *l, json_t **out, struct err *e)
{
    AUTO(buf_wipe) struct buf user_data = BUF_INIT(BASE64_MAX);
    AUTO_JSON json_t *source = make_source(l), *size = make_size(l->shape), *preemption = make_preemption(l->spot);
    AUTO_JSON json_t *vnic = NULL;
    const char *text;

    rest_user_data_base64(l->user_data, &user_data);
    if (buf_str(&user_data, &text, e) || make_vnic(l, &vnic, e))
        return -1;
    return js_pack(e, out, "{s:s, s:s, s:s, s:s, s:O*, s:O, s:O, s:{s:s*}, s:O, s:O*, s:{s:b}}", "availabilityDomain",
                   l->domain, "compartmentId", l->compartment, "displayName", l->name, "shape", l->shape->name,
                   "shapeConfig", size, "sourceDetails", source, "createVnicDetails", vnic, "metadata", "user_data",
                   l->pulls ? NULL : text, "freeformTags", l->tags, "preemptibleInstanceConfig", preemption,
                   "instanceOptions", "areLegacyImdsEndpointsDisabled", 1);
}
