#include "providers/common/azure_instance.h"

#include "server/base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool azure_is_ours(const json_t *resource, const char *deployment, const char *name)
{
    const char *owner = azure_tag(resource, TAG_DEPLOYMENT), *machine = azure_tag(resource, TAG_MACHINE);

    return owner != NULL && strcmp(owner, deployment) == 0 && machine != NULL &&
           (name == NULL || strcmp(machine, name) == 0);
}

/* "running", "stopped", ... of the instance view; NULL = not told. */
static const char *power_of(const json_t *vm)
{
    static const char head[] = "PowerState/";
    const json_t *view = json_object_get(json_object_get(vm, "properties"), "instanceView"), *one;
    size_t i;

    json_array_foreach(json_object_get(view, "statuses"), i, one)
    {
        const char *code = json_string_value(json_object_get(one, "code"));

        if (code != NULL && strncasecmp(code, head, strlen(head)) == 0)
            return code + strlen(head);
    }
    return NULL;
}

int azure_vm_refuse(const struct azure_api *a, const json_t *vm, struct err *e)
{
    const struct rest_call call = {.what = "virtualMachines.createOrUpdate"};
    struct rest_said said = {"Failed", "the machine failed while it was made"};

    (void)azure_failure(vm, &said);
    return rest_refuse(&a->rest, &call, 0, said.code, said.message, e);
}

static bool is_off(const char *power)
{
    static const char *const off[] = {"stopping", "stopped", "deallocating", "deallocated"};

    for (size_t i = 0; power != NULL && i < ARRAY_LEN(off); i++) {
        if (text_ieq(off[i], power))
            return true;
    }
    return false;
}

/* What failed while it was made: it never ran, and is there until it is destroyed. */
static void read_failure(const struct azure_api *a, const json_t *vm, struct instance *out)
{
    struct err cause;

    (void)azure_vm_refuse(a, vm, &cause);
    out->state = INSTANCE_STOPPED;
    out->why = cause.kind == ERR_CAPACITY ? ERR_CAPACITY : ERR_NONE;
    (void)snprintf(out->detail, sizeof(out->detail), "%.190s", cause.msg);
    text_tidy(out->detail);
}

/* An image without Azure's agent never says that it is up: what runs has not failed. */
static int read_state(const struct azure_api *a, const json_t *vm, struct instance *out, struct err *e)
{
    const char *state, *power = power_of(vm);

    if (js_str(vm, "properties.provisioningState", &state, e))
        return -1;
    if (text_ieq(state, "Deleting"))
        out->state = INSTANCE_ENDING;
    else if (is_off(power))
        out->state = INSTANCE_STOPPED;
    else if (text_ieq(state, "Creating"))
        out->state = INSTANCE_PENDING;
    else if (text_ieq(state, "Succeeded") || text_ieq(state, "Updating") || text_ieq(state, "Migrating") ||
             (power != NULL && text_ieq(power, "running")))
        out->state = INSTANCE_RUNNING;
    else if (text_ieq(state, "Failed") || text_ieq(state, "Canceled"))
        read_failure(a, vm, out);
    else
        return err_set(e, ERR_RETRY, "the provisioningState of a machine is none of Azure's");
    return 0;
}

int azure_read_common(const json_t *doc, const char *name, struct instance *out, struct err *e)
{
    const char *location;

    if (js_str(doc, "location", &location, e))
        return -1;
    if (name == NULL || !rest_is_id(name, "-_.", sizeof(out->name) - 1))
        return err_set(e, ERR_RETRY, "name: not one of a machine");
    (void)snprintf(out->id, sizeof(out->id), "%s", name);
    (void)snprintf(out->name, sizeof(out->name), "%s", name);
    (void)snprintf(out->region, sizeof(out->region), "%s", location);
    instance_set_times(out, NULL, azure_tag(doc, TAG_EXPIRES));
    instance_set_owner(out, azure_tag(doc, TAG_REPOSITORY), azure_tag(doc, TAG_JOB));
    return 0;
}

int azure_read_vm(const struct azure_api *a, const json_t *vm, struct instance *out, struct err *e)
{
    struct instance i = {.why = ERR_NONE};
    const char *name, *created = NULL;

    if (js_str(vm, "name", &name, e) || js_opt_str(vm, "properties.timeCreated", &created, e) ||
        azure_read_common(vm, name, &i, e) || read_state(a, vm, &i, e))
        return -1;
    instance_set_times(&i, created, azure_tag(vm, TAG_EXPIRES));
    *out = i;
    return 0;
}
