/* The machines of a hub by name, and its agents. */
#include "providers/common/agent_hub_int.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

/* --- machines --------------------------------------------------------------------------------------------------- */

static size_t bucket_of(const struct agent_hub *h, const char *machine)
{
    uint32_t sum = 2166136261U; /* FNV-1a */

    for (; *machine != '\0'; machine++)
        sum = (sum ^ (unsigned char)*machine) * 16777619U;
    return sum % ARRAY_LEN(h->buckets);
}

struct vm *vms_find(const struct agent_hub *h, const char *machine)
{
    struct vm *v = h->buckets[bucket_of(h, machine)];

    while (v != NULL && strcmp(v->machine, machine) != 0)
        v = v->chain;
    return v;
}

void vm_forget_order(struct vm *v)
{
    secret_free(v->order.script);
    secret_free(v->order.login_password);
    free(v->order.image);
    free(v->order.guest_os);
    free(v->order.login_user);
    free(v->host_os);
    free(v->host_arch);
    memset(&v->order, 0, sizeof(v->order));
    v->host_os = v->host_arch = NULL;
}

static void unlink_vm(struct agent_hub *h, struct vm *v)
{
    struct vm **at = &h->buckets[bucket_of(h, v->machine)];

    while (*at != v)
        at = &(*at)->chain;
    *at = v->chain;
    if (v->prev != NULL)
        v->prev->next = v->next;
    else
        h->first = v->next;
    if (v->next != NULL)
        v->next->prev = v->prev;
    else
        h->last = v->prev;
    h->n_vms--;
}

static void drop(struct agent_hub *h, struct vm *v)
{
    unlink_vm(h, v);
    vm_forget_order(v);
    free(v);
}

void vms_clear(struct agent_hub *h)
{
    while (h->first != NULL)
        drop(h, h->first);
}

static bool is_over(const struct vm *v)
{
    return !v->here && (v->stage == VM_ENDED || v->stage == VM_FAILED || v->stage == VM_GONE);
}

static bool make_room(struct agent_hub *h)
{
    struct vm *v = h->first;

    if (h->n_vms < MACHINES_MAX)
        return true;
    while (v != NULL && !is_over(v))
        v = v->next;
    if (v == NULL)
        return false;
    drop(h, v);
    return true;
}

struct vm *vms_add(struct agent_hub *h, const char *machine, enum vm_stage stage, int64_t now_ms)
{
    size_t bucket = bucket_of(h, machine);
    struct vm *v;

    if (!make_room(h))
        return NULL;
    v = mem_zalloc(sizeof(*v));
    memcpy(v->machine, machine, strlen(machine) + 1);
    v->stage = stage;
    v->since_ms = now_ms;
    v->chain = h->buckets[bucket];
    h->buckets[bucket] = v;
    v->prev = h->last;
    if (h->last != NULL)
        h->last->next = v;
    else
        h->first = v;
    h->last = v;
    h->n_vms++;
    return v;
}

void vm_stage_set(struct vm *v, enum vm_stage stage, int64_t now_ms)
{
    v->stage = stage;
    v->since_ms = now_ms;
    if (stage == VM_FAILED || stage == VM_ENDED || stage == VM_GONE)
        vm_forget_order(v);
}

/* --- agents ----------------------------------------------------------------------------------------------------- */

bool agent_is_live(const struct agent *a, int64_t now_ms)
{
    return a != NULL && a->used && now_ms - a->heard_ms < AGENT_DEAD_MS;
}

static bool is_word(const char *s)
{
    for (; *s != '\0'; s++) {
        char c = text_lower(*s);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && strchr("._-", c) == NULL)
            return false;
    }
    return true;
}

static int check_word(const char *path, const char *s, size_t max, struct err *e)
{
    size_t len = strlen(s);

    if (len == 0 || len > max)
        return err_set(e, ERR_INVALID, "%s: %zu bytes; 1 to %zu are allowed", path, len, max);
    if (!is_word(s))
        return err_set(e, ERR_INVALID, "%s: holds more than letters, digits, dots, dashes and underscores", path);
    return 0;
}

/* What the owner called his host. */
static int check_hostname(const char *s, struct err *e)
{
    size_t len = strlen(s);

    if (len == 0 || len > HOSTNAME_MAX)
        return err_set(e, ERR_INVALID, "agent.hostname: %zu bytes; 1 to %d are allowed", len, HOSTNAME_MAX);
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return err_set(e, ERR_INVALID, "agent.hostname: holds a control character");
    }
    return 0;
}

static int check_name(const struct agent_name *n, struct err *e)
{
    if (check_word("agent.id", n->id, sizeof(((struct agent *)0)->id) - 1, e) || check_hostname(n->hostname, e) ||
        check_word("agent.os", n->os, sizeof(((struct agent *)0)->os) - 1, e) ||
        check_word("agent.arch", n->arch, sizeof(((struct agent *)0)->arch) - 1, e))
        return -1;
    return 0;
}

static bool has_machines(const struct agent_hub *h, const struct agent *a)
{
    for (const struct vm *v = h->first; v != NULL; v = v->next) {
        if (v->agent == a)
            return true;
    }
    return false;
}

/* An unused entry, or that of the agent which has been silent longest and has nothing. */
static struct agent *vacant(struct agent_hub *h, int64_t now_ms)
{
    struct agent *best = NULL;

    for (size_t i = 0; i < AGENTS_MAX; i++) {
        struct agent *a = &h->agents[i];

        if (!a->used)
            return a;
        if (!agent_is_live(a, now_ms) && !has_machines(h, a) && (best == NULL || a->heard_ms < best->heard_ms))
            best = a;
    }
    return best;
}

/* A copied disk makes two hosts of one id: they are told apart by their names. */
static struct agent *find_agent(struct agent_hub *h, const struct agent_name *n)
{
    for (size_t i = 0; i < AGENTS_MAX; i++) {
        struct agent *a = &h->agents[i];

        if (a->used && strcmp(a->id, n->id) == 0 && strcmp(a->hostname, n->hostname) == 0)
            return a;
    }
    return NULL;
}

int agents_hear(struct agent_hub *h, const struct agent_name *n, int64_t now_ms, struct agent **out, bool *is_new,
                struct err *e)
{
    struct agent *a;

    if (check_name(n, e))
        return -1;
    a = find_agent(h, n);
    *is_new = a == NULL;
    if (a == NULL)
        a = vacant(h, now_ms);
    if (a == NULL)
        return err_set(e, ERR_CAPACITY, "%d agents are connected; no more are taken", AGENTS_MAX);
    a->used = true;
    (void)snprintf(a->id, sizeof(a->id), "%s", n->id);
    (void)snprintf(a->hostname, sizeof(a->hostname), "%s", n->hostname);
    (void)snprintf(a->os, sizeof(a->os), "%s", n->os);
    (void)snprintf(a->arch, sizeof(a->arch), "%s", n->arch);
    a->heard_ms = now_ms;
    *out = a;
    return 0;
}

/* Agents name their architecture as Rust's compiler does. */
static const char *arch_of(const struct agent *a)
{
    if (strcmp(a->arch, "x86_64") == 0)
        return "x64";
    return strcmp(a->arch, "aarch64") == 0 ? "arm64" : a->arch;
}

static bool suits(const struct agent *a, const struct vm *v)
{
    return strcmp(a->os, v->host_os) == 0 && (v->host_arch == NULL || strcmp(arch_of(a), v->host_arch) == 0);
}

static size_t limit_of(const struct agent *a, const struct vm *v)
{
    size_t most = strcmp(a->os, "macos") == 0 ? 2 : MACHINES_MAX; /* Apple's limit, and the agent's own default */

    return v->max_machines > 0 && (size_t)v->max_machines < most ? (size_t)v->max_machines : most;
}

static void count_loads(struct agent_hub *h, const struct vm *except)
{
    for (size_t i = 0; i < AGENTS_MAX; i++)
        h->agents[i].load = 0;
    for (struct vm *v = h->first; v != NULL; v = v->next) {
        if (v->agent != NULL && v != except && !is_over(v))
            v->agent->load++;
    }
}

/* The numbers that say why nobody was chosen. */
static int nobody(const struct vm *v, size_t live, size_t suitable, struct err *e)
{
    const char *arch = v->host_arch != NULL ? v->host_arch : "";
    const char *dash = v->host_arch != NULL ? " " : "";

    if (live == 0)
        return err_set(e, ERR_CAPACITY,
                       "no cirun-agent is connected: start one with CIRUN_API_URL and the agent token");
    if (suitable == 0)
        return err_set(e, ERR_CAPACITY, "none of the %zu connected agents runs on %s%s%s", live, v->host_os, dash,
                       arch);
    return err_set(e, ERR_CAPACITY, "the %zu agents on %s%s%s have as many machines as they may", suitable, v->host_os,
                   dash, arch);
}

int agents_choose(struct agent_hub *h, const struct vm *v, int64_t now_ms, struct agent **out, struct err *e)
{
    struct agent *best = NULL;
    size_t live = 0, suitable = 0;

    count_loads(h, v);
    for (size_t i = 0; i < AGENTS_MAX; i++) {
        struct agent *a = &h->agents[i];

        if (!agent_is_live(a, now_ms))
            continue;
        live++;
        if (!suits(a, v))
            continue;
        suitable++;
        if (a->load < limit_of(a, v) && (best == NULL || a->load < best->load))
            best = a;
    }
    if (best == NULL)
        return nobody(v, live, suitable, e);
    *out = best;
    return 0;
}

/* --- time ------------------------------------------------------------------------------------------------------- */

#define FORGET_MS ((int64_t)24 * 60 * 60 * 1000) /* a silent agent, and what is over but was never ended */
#define ENDED_KEPT_MS ((int64_t)60 * 60 * 1000)  /* pulling an image takes long: the VM may come late */

static void forget_agents(struct agent_hub *h, int64_t now_ms)
{
    for (size_t i = 0; i < AGENTS_MAX; i++) {
        if (h->agents[i].used && now_ms - h->agents[i].heard_ms >= FORGET_MS)
            h->agents[i].used = false;
    }
}

/* Its agent fell silent before the VM was seen. */
static void settle_unseen(struct agent_hub *h, struct vm *v, int64_t now_ms)
{
    struct err why;

    if (agent_is_live(v->agent, now_ms))
        return;
    if (v->stage == VM_WAITING && agents_choose(h, v, now_ms, &v->agent, &why) == 0)
        return;
    (void)snprintf(v->detail, sizeof(v->detail), "agent %.60s fell silent before %s", v->agent->hostname,
                   v->stage == VM_WAITING ? "it was given the machine" : "the VM was seen");
    vm_stage_set(v, VM_FAILED, now_ms);
}

static bool has_expired(const struct vm *v, int64_t now_ms)
{
    if (!is_over(v))
        return false;
    if (v->stage == VM_ENDED && (v->agent == NULL || agent_is_live(v->agent, now_ms)))
        return now_ms >= v->since_ms + ENDED_KEPT_MS && now_ms >= v->hold_ms;
    return now_ms >= v->since_ms + FORGET_MS;
}

static void lose_agent(struct vm *v, int64_t now_ms)
{
    v->here = false;
    if (v->stage == VM_HERE) {
        (void)snprintf(v->detail, sizeof(v->detail), "agent %.60s has been silent for a day", v->agent->hostname);
        vm_stage_set(v, VM_GONE, now_ms);
    }
    v->agent = NULL;
}

void hub_settle(struct agent_hub *h, int64_t now_ms)
{
    struct vm *v, *next;

    forget_agents(h, now_ms);
    for (v = h->first; v != NULL; v = next) {
        next = v->next;
        if (v->stage == VM_WAITING || v->stage == VM_HANDED)
            settle_unseen(h, v, now_ms);
        if (v->agent != NULL && !v->agent->used)
            lose_agent(v, now_ms);
        if (has_expired(v, now_ms))
            drop(h, v);
    }
}
