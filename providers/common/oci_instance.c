#include "providers/common/oci_instance.h"

#include "providers/common/oci_region.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

static const char *tag_of(const json_t *instance, const char *key)
{
    return json_string_value(json_object_get(json_object_get(instance, "freeformTags"), key));
}

bool oracle_tag_is(const json_t *instance, const char *key, const char *value)
{
    const char *found = tag_of(instance, key);

    return found != NULL && strcmp(found, value) == 0;
}

static int read_state(const char *text, enum instance_state *out, struct err *e)
{
    static const struct instance_word words[] = {
        {"PROVISIONING", INSTANCE_PENDING},   {"STARTING", INSTANCE_PENDING},   {"RUNNING", INSTANCE_RUNNING},
        {"CREATING_IMAGE", INSTANCE_RUNNING}, {"MOVING", INSTANCE_RUNNING},     {"STOPPING", INSTANCE_STOPPED},
        {"STOPPED", INSTANCE_STOPPED},        {"TERMINATING", INSTANCE_ENDING}, {"TERMINATED", INSTANCE_GONE}};

    return instance_read_state(words, ARRAY_LEN(words), text, "Oracle's", out, e);
}

/* Nobody but Oracle ends a preemptible machine that we did not destroy. */
static void read_why(const json_t *doc, struct instance *i)
{
    if (i->state >= INSTANCE_ENDING && json_is_object(json_object_get(doc, "preemptibleInstanceConfig"))) {
        i->why = ERR_CAPACITY;
        (void)snprintf(i->detail, sizeof(i->detail), "preemptible, and terminated");
    }
}

int oracle_instance_read(const json_t *doc, const char *region, struct instance *out, struct err *e)
{
    struct instance i = {.why = ERR_NONE};
    const char *id, *state, *created = NULL, *name = tag_of(doc, TAG_MACHINE), *expires = tag_of(doc, TAG_EXPIRES);

    if (js_str(doc, "id", &id, e) || js_str(doc, "lifecycleState", &state, e) ||
        js_opt_str(doc, "timeCreated", &created, e) || read_state(state, &i.state, e))
        return -1;
    if (!oci_is_ocid(id, "instance"))
        return err_set(e, ERR_RETRY, "id: not an OCID of an instance");
    (void)snprintf(i.id, sizeof(i.id), "%s", id);
    (void)snprintf(i.region, sizeof(i.region), "%s", region);
    (void)snprintf(i.name, sizeof(i.name), "%s", name != NULL ? name : "");
    instance_set_times(&i, created, expires);
    instance_set_owner(&i, tag_of(doc, TAG_REPOSITORY), tag_of(doc, TAG_JOB));
    read_why(doc, &i);
    *out = i;
    return 0;
}

int oracle_facts_make(const char *region, const char *domain, const struct oci_shape *shape, const char *image,
                      struct machine_facts *out, struct err *e)
{
    memset(out, 0, sizeof(*out));
    if ((*region != '<' && fact_add(&out->region, e, "%s", region)) ||
        (domain != NULL && fact_add(&out->region, e, "%s", domain)) || fact_add(&out->type, e, "%s", shape->name) ||
        fact_add(&out->image, e, "%s", image))
        return -1;
    if (!shape->flexible)
        return 0;
    return shape->memory_gb > 0 ? fact_add(&out->type, e, "%s:%lld:%lld", shape->name, (long long)shape->ocpus,
                                           (long long)shape->memory_gb)
                                : fact_add(&out->type, e, "%s:%lld", shape->name, (long long)shape->ocpus);
}
