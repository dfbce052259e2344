#include "providers/common/agent_order.h"

static const char *shown(const struct secret *s)
{
    return s != NULL ? secret_reveal(s) : "***";
}

int agent_order_pack(const struct agent_order *o, json_t **out, struct err *e)
{
    return js_pack(e, out, "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:{s:s, s:s}, s:i}", "name", o->vm, "provision_script",
                   shown(o->script), "image", o->image, "os", o->guest_os, "cpu", (json_int_t)o->cpus, "memory",
                   (json_int_t)o->memory_gb, "disk", (json_int_t)o->disk_gb, "login", "username", o->login_user,
                   "password", shown(o->login_password), "max_retries", AGENT_TRIES);
}
