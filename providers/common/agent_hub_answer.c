/* The agents' side of a hub. */
#include "providers/common/agent_hub_int.h"
#include "providers/common/mask.h"
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define WHY_MAX 4096
#define MISSING_MS                                                                                                     \
    10000 /* a VM that its agent made away with before it says so is missing for one turn of the agent                 \
           */

void agent_answer_clear(struct agent_answer *a)
{
    for (size_t i = 0; i < a->n_orders; i++) {
        struct agent_order *o = &a->orders[i];

        secret_free(o->script);
        secret_free(o->login_password);
        free(o->image);
        free(o->guest_os);
        free(o->login_user);
    }
    free(a->orders);
    free(a->deletes);
    memset(a, 0, sizeof(*a));
}

static void add_order(struct agent_answer *a, const struct vm *v)
{
    struct agent_order *o = &a->orders[a->n_orders++];

    *o = v->order;
    o->script = secret_dup(v->order.script);
    o->login_password = secret_dup(v->order.login_password);
    o->image = mem_strdup(v->order.image);
    o->guest_os = mem_strdup(v->order.guest_os);
    o->login_user = mem_strdup(v->order.login_user);
}

/* Its VMs whose machines are over. */
static void add_deletes(const struct agent_hub *h, const struct agent *agent, struct agent_answer *a)
{
    a->deletes = mem_calloc(AGENT_DELETES_MAX, sizeof(*a->deletes));
    for (const struct vm *v = h->first; v != NULL && a->n_deletes < AGENT_DELETES_MAX; v = v->next) {
        if (v->here && v->agent == agent && (v->stage == VM_ENDED || v->stage == VM_FAILED))
            (void)snprintf(a->deletes[a->n_deletes++], sizeof(*a->deletes), "%s%s", h->prefix, v->machine);
    }
}

/* --- polling ----------------------------------------------------------------------------------------------------- */

static void add_orders(struct agent_hub *h, const struct agent *agent, int64_t now_ms, struct agent_answer *a)
{
    a->orders = mem_calloc(AGENT_ORDERS_MAX, sizeof(*a->orders));
    for (struct vm *v = h->first; v != NULL && a->n_orders < AGENT_ORDERS_MAX; v = v->next) {
        if (v->agent != agent || (v->stage != VM_WAITING && v->stage != VM_HANDED))
            continue;
        if (v->stage == VM_WAITING)
            vm_stage_set(v, VM_HANDED, now_ms);
        add_order(a, v);
    }
}

int agent_hub_poll(struct agent_hub *h, const struct agent_name *n, struct agent_answer *out, struct err *e)
{
    int64_t now_ms = clock_mono_ms();
    struct agent_answer a = {0};
    struct agent *agent;
    int rc;

    pthread_mutex_lock(&h->lock);
    rc = agents_hear(h, n, now_ms, &agent, &a.is_new, e);
    if (rc == 0) {
        hub_settle(h, now_ms);
        add_orders(h, agent, now_ms, &a);
        add_deletes(h, agent, &a);
        *out = a;
    }
    pthread_mutex_unlock(&h->lock);
    return rc;
}

/* --- reporting --------------------------------------------------------------------------------------------------- */

static void see(struct vm *v, struct agent *agent, uint64_t mark, int64_t now_ms)
{
    v->mark = mark;
    v->missing = false;
    v->here = true;
    v->agent = agent;
    switch (v->stage) {
    case VM_WAITING:
    case VM_HANDED:
    case VM_GONE: /* it is back: a job may run on it */
        v->detail[0] = '\0';
        vm_stage_set(v, VM_HERE, now_ms);
        return;
    case VM_HERE:
    case VM_FAILED:
    case VM_ENDED:
        return;
    }
}

static int see_all(struct agent_hub *h, struct agent *agent, const char *const *vms, size_t n, int64_t now_ms,
                   struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const char *machine = agent_hub_machine_of(h, vms[i]);
        struct vm *v;

        if (machine == NULL)
            continue;
        v = vms_find(h, machine);
        if (v == NULL)
            v = vms_add(h, machine, VM_HERE, now_ms);
        if (v == NULL)
            return err_set(e, ERR_CAPACITY, "the agents have %d machines; no more are kept count of", MACHINES_MAX);
        see(v, agent, h->marks, now_ms);
    }
    return 0;
}

/* Not in this report of its agent, though in an earlier one. */
static void miss(struct vm *v, int64_t now_ms)
{
    if (!v->missing)
        v->missing_ms = now_ms;
    v->missing = true;
    if (now_ms - v->missing_ms < MISSING_MS) /* so a first one is never enough */
        return;
    v->here = false;
    v->hold_ms = 0;
    if (v->stage == VM_ENDED)
        v->since_ms = now_ms;
    if (v->stage != VM_HERE)
        return;
    (void)snprintf(v->detail, sizeof(v->detail), "agent %.60s has its VM no more", v->agent->hostname);
    vm_stage_set(v, VM_GONE, now_ms);
}

static void miss_others(struct agent_hub *h, const struct agent *agent, int64_t now_ms)
{
    for (struct vm *v = h->first; v != NULL; v = v->next) {
        if (v->agent == agent && v->here && v->mark != h->marks)
            miss(v, now_ms);
    }
}

static int report(struct agent_hub *h, struct agent *agent, const char *const *vms, size_t n, int64_t now_ms,
                  struct err *e)
{
    h->marks++;
    if (see_all(h, agent, vms, n, now_ms, e))
        return -1;
    miss_others(h, agent, now_ms);
    return 0;
}

int agent_hub_report(struct agent_hub *h, const struct agent_name *n, const char *const *vms, size_t n_vms,
                     struct agent_answer *out, struct err *e)
{
    int64_t now_ms = clock_mono_ms();
    struct agent_answer a = {0};
    struct agent *agent;
    int rc;

    if (n_vms > AGENT_VMS_MAX)
        return err_set(e, ERR_INVALID, "vms: %zu entries; at most %d are allowed", n_vms, AGENT_VMS_MAX);
    pthread_mutex_lock(&h->lock);
    rc = agents_hear(h, n, now_ms, &agent, &a.is_new, e);
    if (rc == 0) {
        hub_settle(h, now_ms);
        rc = report(h, agent, vms, n_vms, now_ms, e);
    }
    if (rc == 0) {
        add_deletes(h, agent, &a);
        *out = a;
    }
    pthread_mutex_unlock(&h->lock);
    return rc;
}

/* --- failing ----------------------------------------------------------------------------------------------------- */

/* The agent's own words, with nothing in them that we gave it in confidence. */
static void note_failure(struct vm *v, const struct agent *agent, const char *why)
{
    AUTO_FREE char *text = mem_strndup(why, strnlen(why, WHY_MAX));

    secret_mask(v->order.login_password, text); /* before it is cut: half a secret is not found */
    mask_runs(text);
    (void)snprintf(v->detail, sizeof(v->detail), "agent %.30s: %.150s", agent->hostname, text);
    text_tidy(v->detail);
}

/* Will no further try be made? */
static bool fail(struct vm *v, const struct agent *agent, const char *why, int64_t attempt, int64_t now_ms)
{
    if (v->agent != agent || (v->stage != VM_HANDED && v->stage != VM_HERE)) {
        if (v->agent == agent)
            v->hold_ms = 0; /* ended meanwhile: nothing will come any more */
        return false;
    }
    v->failures++;
    v->here = false;
    note_failure(v, agent, why);
    if (v->failures < AGENT_TRIES && attempt < AGENT_TRIES && v->order.script != NULL) {
        vm_stage_set(v, VM_HANDED, now_ms);
        return false;
    }
    vm_stage_set(v, VM_FAILED, now_ms);
    return true;
}

int agent_hub_failed(struct agent_hub *h, const struct agent_name *n, const char *vm, const char *why, int64_t attempt,
                     struct agent_answer *out, bool *last, struct err *e)
{
    const char *machine = agent_hub_machine_of(h, vm);
    int64_t now_ms = clock_mono_ms();
    struct agent_answer a = {0};
    struct agent *agent;
    struct vm *v;
    int rc;

    pthread_mutex_lock(&h->lock);
    rc = agents_hear(h, n, now_ms, &agent, &a.is_new, e);
    if (rc == 0) {
        hub_settle(h, now_ms);
        v = machine != NULL ? vms_find(h, machine) : NULL;
        *last = v != NULL && fail(v, agent, why, attempt, now_ms);
        add_deletes(h, agent, &a);
        *out = a;
    }
    pthread_mutex_unlock(&h->lock);
    return rc;
}
