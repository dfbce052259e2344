/* The provider's side of a hub, and its life. */
#include "providers/common/agent_hub_int.h"
#include "server/base/clock.h"
#include "server/base/crypto.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define START_GRACE_MS 30000 /* agents ask every few seconds: so long after our start none of them is no news */
#define HOLD_MS ((int64_t)10 * 60 * 1000) /* ended while its agent may be making it */
#define TEXT_MAX 512
#define NUMBER_MAX 1000000

static void write_prefix(const char *deployment, char out[AGENT_PREFIX_MAX + 1])
{
    unsigned char sum[CRYPTO_SHA256_LEN];
    char digits[2 * 4 + 1];

    crypto_sha256(deployment, strlen(deployment), sum);
    text_hex(sum, 4, digits);
    (void)snprintf(out, AGENT_PREFIX_MAX + 1, "cirun-%s-", digits);
}

void agent_vm_name(const char *deployment, const char *machine, char out[AGENT_VM_NAME_MAX + 1])
{
    char prefix[AGENT_PREFIX_MAX + 1];

    write_prefix(deployment, prefix);
    (void)snprintf(out, AGENT_VM_NAME_MAX + 1, "%s%.*s", prefix, AGENT_MACHINE_MAX, machine);
}

struct agent_hub *agent_hub_new(const char *deployment)
{
    struct agent_hub *h = mem_zalloc(sizeof(*h));

    write_prefix(deployment, h->prefix);
    h->began_ms = clock_mono_ms();
    pthread_mutex_init(&h->lock, NULL);
    return h;
}

void agent_hub_free(struct agent_hub *h)
{
    if (h == NULL)
        return;
    vms_clear(h);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

size_t agent_hub_live(struct agent_hub *h)
{
    int64_t now_ms = clock_mono_ms();
    size_t n = 0;

    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < AGENTS_MAX; i++)
        n += agent_is_live(&h->agents[i], now_ms);
    pthread_mutex_unlock(&h->lock);
    return n;
}

bool hub_is_unsure(const struct agent_hub *h, int64_t now_ms)
{
    return now_ms - h->began_ms < AGENT_SETTLE_MS;
}

bool hub_is_machine(const char *s)
{
    size_t len = strnlen(s, AGENT_MACHINE_MAX + 1);

    return len > 0 && len <= AGENT_MACHINE_MAX && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

const char *agent_hub_machine_of(const struct agent_hub *h, const char *vm)
{
    if (!text_has_prefix(vm, h->prefix))
        return NULL;
    vm += strlen(h->prefix);
    return hub_is_machine(vm) ? vm : NULL;
}

/* --- wanting one ------------------------------------------------------------------------------------------------- */

static int check_text(const char *what, const char *s, struct err *e)
{
    size_t len = s != NULL ? strnlen(s, TEXT_MAX + 1) : 0;

    if (len == 0 || len > TEXT_MAX)
        return err_set(e, ERR_INVALID, "%s: 1 to %d bytes are allowed", what, TEXT_MAX);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return err_set(e, ERR_INVALID, "%s: holds a control character", what);
    }
    return text_utf8_valid(s, len) ? 0 : err_set(e, ERR_INVALID, "%s: is not UTF-8", what);
}

static int check_number(const char *what, int64_t n, struct err *e)
{
    if (n < 1 || n > NUMBER_MAX)
        return err_set(e, ERR_INVALID, "%s: 1 to %d are allowed", what, NUMBER_MAX);
    return 0;
}

static int check_want(const struct agent_want *w, struct err *e)
{
    if (!hub_is_machine(w->machine))
        return err_set(e, ERR_INVALID, "the machine's name must be 1 to %d of a-z, 0-9 and -", AGENT_MACHINE_MAX);
    if (!text_utf8_valid(secret_reveal(w->script), secret_len(w->script)))
        return err_set(e, ERR_INVALID, "the bootstrap is not UTF-8, which an agent needs");
    if (check_text("machine_image", w->image, e) || check_text("the guest's system", w->guest_os, e) ||
        check_text("agent_login_user", w->login_user, e) ||
        check_text("agent_login_password", secret_reveal(w->login_password), e) || check_number("vcpu", w->cpus, e) ||
        check_number("memory in GB", w->memory_gb, e) || check_number("disk in GB", w->disk_gb, e))
        return -1;
    return 0;
}

static int known_already(const struct vm *v, struct err *e)
{
    switch (v->stage) {
    case VM_WAITING:
    case VM_HANDED:
    case VM_HERE:
        return 0;
    case VM_FAILED:
        return err_set(e, ERR_CAPACITY, "%s", v->detail);
    case VM_ENDED:
    case VM_GONE:
        break;
    }
    return err_set(e, ERR_CONFLICT, "machine %s was there already and has ended", v->machine);
}

static int throttled(struct err *e, int64_t wait_ms, const char *sentence)
{
    int rc = err_set(e, ERR_THROTTLED, "%s", sentence);

    e->retry_after_s = (int)(wait_ms / 1000) + 1;
    return rc;
}

static int choose(struct agent_hub *h, const struct agent_want *w, int64_t now_ms, struct agent **out, struct err *e)
{
    AUTO_FREE char *os = mem_strdup(w->host_os);
    AUTO_FREE char *arch = mem_strdup(w->host_arch);
    struct vm probe = {.host_os = os, .host_arch = arch, .max_machines = w->max_machines};

    if (!w->first_try && hub_is_unsure(h, now_ms))
        return throttled(e, h->began_ms + AGENT_SETTLE_MS - now_ms,
                         "muster has just started: an agent may have this machine already and has not said so yet");
    if (agents_choose(h, &probe, now_ms, out, e) == 0)
        return 0;
    if (now_ms - h->began_ms < START_GRACE_MS)
        return throttled(e, 4000, "muster has just started: agents have yet to ask for work");
    return -1;
}

static void fill_order(struct agent_hub *h, struct vm *v, const struct agent_want *w)
{
    (void)snprintf(v->order.vm, sizeof(v->order.vm), "%s%s", h->prefix, w->machine);
    v->order.script = secret_dup(w->script);
    v->order.login_password = secret_dup(w->login_password);
    v->order.image = mem_strdup(w->image);
    v->order.guest_os = mem_strdup(w->guest_os);
    v->order.login_user = mem_strdup(w->login_user);
    v->order.cpus = w->cpus;
    v->order.memory_gb = w->memory_gb;
    v->order.disk_gb = w->disk_gb;
    v->host_os = mem_strdup(w->host_os);
    v->host_arch = mem_strdup(w->host_arch);
    v->max_machines = w->max_machines;
}

static int want(struct agent_hub *h, const struct agent_want *w, int64_t now_ms, struct err *e)
{
    struct vm *v = vms_find(h, w->machine);
    struct agent *agent = NULL;

    if (v != NULL)
        return known_already(v, e);
    if (choose(h, w, now_ms, &agent, e))
        return -1;
    v = vms_add(h, w->machine, VM_WAITING, now_ms);
    if (v == NULL)
        return err_set(e, ERR_CAPACITY, "the agents have %d machines; no more are kept count of", MACHINES_MAX);
    v->agent = agent;
    fill_order(h, v, w);
    return 0;
}

int agent_hub_want(struct agent_hub *h, const struct agent_want *w, struct err *e)
{
    int64_t now_ms = clock_mono_ms();
    int rc;

    if (check_want(w, e))
        return -1;
    pthread_mutex_lock(&h->lock);
    hub_settle(h, now_ms);
    rc = want(h, w, now_ms, e);
    pthread_mutex_unlock(&h->lock);
    return rc;
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

static enum agent_stage stage_of(const struct vm *v, int64_t now_ms)
{
    switch (v->stage) {
    case VM_WAITING:
        return AGENT_WAITING;
    case VM_HANDED:
        return AGENT_HANDED;
    case VM_HERE:
        return AGENT_HERE;
    case VM_FAILED:
        return AGENT_FAILED;
    case VM_GONE:
        return AGENT_GONE;
    case VM_ENDED:
        break;
    }
    return v->here || now_ms < v->hold_ms ? AGENT_ENDING : AGENT_GONE;
}

/* Who has it, and for how long nothing was heard of him: for those that say nothing else. */
static void tell(const struct vm *v, struct agent_look *out)
{
    static const char *const words[] = {
        [VM_WAITING] = "waits for", [VM_HANDED] = "is being made by", [VM_HERE] = "is with",
        [VM_FAILED] = "failed at",  [VM_ENDED] = "ends at",           [VM_GONE] = "was with"};

    if (v->detail[0] != '\0')
        (void)snprintf(out->detail, sizeof(out->detail), "%s", v->detail);
    else if (v->agent != NULL && out->silent_ms >= AGENT_DEAD_MS)
        (void)snprintf(out->detail, sizeof(out->detail), "%s agent %.60s, which has been silent for %lld s",
                       words[v->stage], v->agent->hostname, (long long)(out->silent_ms / 1000));
    else if (v->agent != NULL)
        (void)snprintf(out->detail, sizeof(out->detail), "%s agent %.60s", words[v->stage], v->agent->hostname);
    text_tidy(out->detail);
}

static struct agent_look look(const struct agent_hub *h, const struct vm *v, int64_t now_ms)
{
    struct agent_look l = {.stage = hub_is_unsure(h, now_ms) ? AGENT_UNSURE : AGENT_GONE};

    if (v == NULL)
        return l;
    l.stage = stage_of(v, now_ms);
    l.failures = v->failures;
    l.silent_ms = v->agent != NULL ? now_ms - v->agent->heard_ms : 0;
    tell(v, &l);
    return l;
}

void agent_hub_look(struct agent_hub *h, const char *machine, struct agent_look *out)
{
    int64_t now_ms = clock_mono_ms();

    pthread_mutex_lock(&h->lock);
    hub_settle(h, now_ms);
    *out = look(h, vms_find(h, machine), now_ms);
    pthread_mutex_unlock(&h->lock);
}

/* --- ending ------------------------------------------------------------------------------------------------------- */

static int end(struct agent_hub *h, const char *machine, int64_t now_ms, struct err *e)
{
    struct vm *v = vms_find(h, machine);

    if (v == NULL) {
        v = vms_add(h, machine, VM_ENDED, now_ms);
        if (v == NULL)
            return err_set(e, ERR_CAPACITY, "the agents have %d machines; no more are kept count of", MACHINES_MAX);
        v->hold_ms = h->began_ms + HOLD_MS; /* it may have been handed out before we began */
        return 0;
    }
    if (v->stage == VM_ENDED)
        return 0;
    v->hold_ms = v->stage == VM_HANDED ? now_ms + HOLD_MS : 0;
    v->detail[0] = '\0';
    vm_stage_set(v, VM_ENDED, now_ms);
    return 0;
}

int agent_hub_end(struct agent_hub *h, const char *machine, struct err *e)
{
    int64_t now_ms = clock_mono_ms();
    int rc;

    if (!hub_is_machine(machine))
        return err_set(e, ERR_INVALID, "the machine's name must be 1 to %d of a-z, 0-9 and -", AGENT_MACHINE_MAX);
    pthread_mutex_lock(&h->lock);
    hub_settle(h, now_ms);
    rc = end(h, machine, now_ms, e);
    pthread_mutex_unlock(&h->lock);
    return rc;
}

/* --- listing ------------------------------------------------------------------------------------------------------ */

struct listed {
    char machine[AGENT_MACHINE_MAX + 1];
    struct agent_look look;
};

static struct listed *copy_all(const struct agent_hub *h, int64_t now_ms, size_t *n)
{
    struct listed *all = mem_calloc(h->n_vms + 1, sizeof(*all));

    *n = 0;
    for (const struct vm *v = h->first; v != NULL; v = v->next) {
        enum agent_stage stage = stage_of(v, now_ms);

        if (stage == AGENT_GONE || (stage == AGENT_FAILED && !v->here))
            continue;
        memcpy(all[*n].machine, v->machine, sizeof(v->machine));
        all[(*n)++].look = look(h, v, now_ms);
    }
    return all;
}

int agent_hub_each(struct agent_hub *h,
                   int (*each)(void *arg, const char *machine, const struct agent_look *look, struct err *e), void *arg,
                   struct err *e)
{
    AUTO_FREE struct listed *all = NULL;
    int64_t now_ms = clock_mono_ms();
    size_t n;

    if (hub_is_unsure(h, now_ms))
        return err_set(e, ERR_RETRY, "muster has just started: agents have yet to say which machines they have");
    pthread_mutex_lock(&h->lock);
    hub_settle(h, now_ms);
    all = copy_all(h, now_ms, &n);
    pthread_mutex_unlock(&h->lock);
    for (size_t i = 0; i < n; i++) {
        if (each(arg, all[i].machine, &all[i].look, e))
            return -1;
    }
    return 0;
}
