/*
 * What an agent says: {"agent": {id, hostname, os, arch}} and, when it posts, "vms": [{name, ...}] or
 * "provision_failure": {runner_name, error, attempt}. Other members are passed over. A pure function of the text.
 */
#ifndef MUSTER_API_AGENT_MESSAGE_H
#define MUSTER_API_AGENT_MESSAGE_H

#include "providers/common/agent_hub.h"
#include "server/base/json.h"

enum agent_message_kind { AGENT_POLL, AGENT_REPORT, AGENT_FAILURE };

struct agent_message { /* strings live in json */
    enum agent_message_kind kind;
    struct agent_name agent;
    const char **vms; /* REPORT */
    size_t n_vms;
    const char *failed_vm, *why; /* FAILURE */
    int64_t attempt;
    json_t *json;
};
void agent_message_clear(struct agent_message *m);
#define AUTO_AGENT_MESSAGE AUTO(agent_message_clear)

/* posted: it must say one of the two. ERR_INVALID with the JSON path. */
int agent_message_parse(const char *text, size_t len, bool posted, struct agent_message *out, struct err *e) MUST_USE;

#endif
