#include "server/api/agent_message.h"

#include "server/base/mem.h"

#include <stdio.h>
#include <string.h>

void agent_message_clear(struct agent_message *m)
{
    free(m->vms);
    json_decref(m->json);
    memset(m, 0, sizeof(*m));
}

static int parse_agent(struct agent_message *m, struct err *e)
{
    if (js_str(m->json, "agent.id", &m->agent.id, e) || js_str(m->json, "agent.hostname", &m->agent.hostname, e) ||
        js_str(m->json, "agent.os", &m->agent.os, e) || js_str(m->json, "agent.arch", &m->agent.arch, e))
        return -1;
    return 0;
}

static int parse_vms(struct agent_message *m, const json_t *vms, struct err *e)
{
    m->kind = AGENT_REPORT;
    m->n_vms = json_array_size(vms);
    if (m->n_vms > AGENT_VMS_MAX)
        return err_set(e, ERR_INVALID, "vms: %zu entries; at most %d are allowed", m->n_vms, AGENT_VMS_MAX);
    m->vms = mem_calloc(m->n_vms, sizeof(*m->vms));
    for (size_t i = 0; i < m->n_vms; i++) {
        if (js_str(json_array_get(vms, i), "name", &m->vms[i], e))
            return err_wrap(e, "vms.%zu", i);
    }
    return 0;
}

static int parse_failure(struct agent_message *m, const json_t *failure, struct err *e)
{
    m->kind = AGENT_FAILURE;
    if (js_str(failure, "runner_name", &m->failed_vm, e) || js_str(failure, "error", &m->why, e) ||
        js_i64(failure, "attempt", &m->attempt, e))
        return err_wrap(e, "provision_failure");
    return 0;
}

static int parse(struct agent_message *m, bool posted, struct err *e)
{
    json_t *vms = NULL, *failure = NULL;

    if (parse_agent(m, e))
        return -1;
    if (!posted)
        return 0;
    if (json_object_get(m->json, "provision_failure") != NULL) {
        if (js_obj(m->json, "provision_failure", &failure, e))
            return -1;
        return parse_failure(m, failure, e);
    }
    return js_arr(m->json, "vms", &vms, e) ? -1 : parse_vms(m, vms, e);
}

int agent_message_parse(const char *text, size_t len, bool posted, struct agent_message *out, struct err *e)
{
    struct agent_message m = {.kind = AGENT_POLL};

    if (js_parse(text, len, &m.json, e))
        return -1;
    if (parse(&m, posted, e)) {
        agent_message_clear(&m);
        return -1;
    }
    *out = m;
    return 0;
}
