/* What an agent says: what is taken is whole, and the hub survives it and says nothing of others' VMs. */
#include "tests/fuzz/fuzz.h"

#include "server/api/agent_message.h"
#include "server/base/text.h"

static void check(const struct agent_message *m, bool posted)
{
    NEED(m->agent.id != NULL && m->agent.hostname != NULL && m->agent.os != NULL && m->agent.arch != NULL);
    NEED(m->n_vms <= AGENT_VMS_MAX);
    NEED((m->kind == AGENT_POLL) == !posted);
    NEED(m->kind != AGENT_FAILURE || (m->failed_vm != NULL && m->why != NULL));
    for (size_t i = 0; i < m->n_vms; i++)
        NEED(m->vms[i] != NULL && text_utf8_valid(m->vms[i], strlen(m->vms[i])));
}

/* m1 was ended before: nothing else may be deleted. */
static void say(struct agent_hub *h, const struct agent_message *m)
{
    AUTO_AGENT_ANSWER struct agent_answer a = {0};
    bool last = false;
    struct err e;
    int rc;

    if (m->kind == AGENT_POLL)
        rc = agent_hub_poll(h, &m->agent, &a, &e);
    else if (m->kind == AGENT_REPORT)
        rc = agent_hub_report(h, &m->agent, m->vms, m->n_vms, &a, &e);
    else
        rc = agent_hub_failed(h, &m->agent, m->failed_vm, m->why, m->attempt, &a, &last, &e);
    NEED(rc == 0 || e.kind == ERR_INVALID);
    NEED(!last && a.n_orders == 0 && a.n_deletes <= 1);
    for (size_t i = 0; i < a.n_deletes; i++)
        NEED(strcmp(a.deletes[i], "cirun-74cd18c0-m1") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent_hub *h = agent_hub_new("muster");
    struct err e;

    NEED(agent_hub_end(h, "m1", &e) == 0);
    for (int posted = 0; posted < 2; posted++) {
        AUTO_AGENT_MESSAGE struct agent_message m = {0};

        if (agent_message_parse((const char *)data, size, posted, &m, &e)) {
            NEED(m.json == NULL && m.vms == NULL && e.kind == ERR_INVALID);
            continue;
        }
        check(&m, posted);
        say(h, &m);
        say(h, &m);
    }
    agent_hub_free(h);
    return 0;
}
