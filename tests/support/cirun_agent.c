#include "tests/support/cirun_agent.h"

#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define TASKS 64

enum step { STEP_CREATE, STEP_LOGIN, STEP_DONE };

struct task { /* provisioning of one VM, beside the loop */
    bool used;
    enum step step;
    int wait;
    char failure[100]; /* at the end */
    struct cirun_vm vm;
};

struct count {
    char name[128];
    int n;
};

struct cirun_agent {
    struct cirun_agent_conf c;
    struct task tasks[TASKS];
    struct count tries[TASKS];
    int lose_polls, lose_reports, refused;
    unsigned requests;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "cirun_agent: %s: %s\n", what, why);
    abort();
}

/* --- the VM manager ----------------------------------------------------------------------------------------------- */

void cirun_host_clear(struct cirun_host *h)
{
    for (size_t i = 0; i < h->n; i++)
        free(h->vms[i].script);
    memset(h, 0, sizeof(*h));
}

struct cirun_vm *cirun_host_find(struct cirun_host *h, const char *name)
{
    for (size_t i = 0; i < h->n; i++) {
        if (strcmp(h->vms[i].name, name) == 0)
            return &h->vms[i];
    }
    return NULL;
}

static struct cirun_vm *create(struct cirun_host *h, const struct cirun_vm *as)
{
    struct cirun_vm *vm = &h->vms[h->n];

    if (h->n >= CIRUN_VMS)
        die(as->name, "no room for it");
    h->n++;
    h->created++;
    *vm = *as;
    vm->script = NULL;
    vm->runs = 0;
    return vm;
}

void cirun_host_add(struct cirun_host *h, const char *name)
{
    struct cirun_vm vm = {0};

    (void)snprintf(vm.name, sizeof(vm.name), "%s", name);
    (void)create(h, &vm);
}

void cirun_host_lose(struct cirun_host *h, const char *name)
{
    struct cirun_vm *vm = cirun_host_find(h, name);

    if (vm == NULL)
        return;
    free(vm->script);
    *vm = h->vms[--h->n];
}

/* --- tasks -------------------------------------------------------------------------------------------------------- */

static void run_script(struct cirun_vm *vm, const char *script)
{
    vm->runs++;
    free(vm->script);
    vm->script = mem_strdup(script);
}

static void fail(struct cirun_agent *a, struct task *t, const char *why)
{
    cirun_host_lose(a->c.host, t->vm.name);
    (void)snprintf(t->failure, sizeof(t->failure), "%s", why);
    t->step = STEP_DONE;
}

static void step_create(struct cirun_agent *a, struct task *t)
{
    struct cirun_host *h = a->c.host;

    if (t->wait-- > 0)
        return;
    t->step = STEP_LOGIN;
    if (cirun_host_find(h, t->vm.name) != NULL) {
        if (strcmp(a->c.os, "macos") == 0)
            t->step = STEP_DONE; /* lume: not stopped, so it is left alone */
        return;
    }
    if (h->fail_creates > 0) {
        h->fail_creates--;
        fail(a, t, "Failed to create and run VM from image");
        return;
    }
    (void)create(h, &t->vm);
}

static void step_login(struct cirun_agent *a, struct task *t)
{
    struct cirun_vm *vm = cirun_host_find(a->c.host, t->vm.name);

    if (vm == NULL || a->c.host->fail_ssh > 0) {
        a->c.host->fail_ssh -= vm != NULL;
        fail(a, t, "Failed to provision runner: SSH connection failed");
        return;
    }
    run_script(vm, t->vm.script);
    t->step = STEP_DONE;
}

static void work(struct cirun_agent *a)
{
    for (size_t i = 0; i < TASKS; i++) {
        struct task *t = &a->tasks[i];

        if (!t->used)
            continue;
        if (t->step == STEP_CREATE)
            step_create(a, t);
        else if (t->step == STEP_LOGIN)
            step_login(a, t);
    }
}

static void task_clear(struct task *t)
{
    free(t->vm.script);
    memset(t, 0, sizeof(*t));
}

static bool in_flight(const struct cirun_agent *a, const char *name)
{
    for (size_t i = 0; i < TASKS; i++) {
        if (a->tasks[i].used && strcmp(a->tasks[i].vm.name, name) == 0)
            return true;
    }
    return false;
}

static struct count *tries_of(struct cirun_agent *a, const char *name)
{
    for (size_t i = 0; i < TASKS; i++) {
        struct count *c = &a->tries[i];

        if (c->name[0] == '\0')
            (void)snprintf(c->name, sizeof(c->name), "%s", name);
        if (strcmp(c->name, name) == 0)
            return c;
    }
    die(name, "too many to count");
    return NULL;
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

/* Answered with a JSON text; NULL when none arrives. */
static json_t *ask(struct cirun_agent *a, const char *method, const json_t *body, bool lost, int *status)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    AUTO_FREE char *text = NULL;
    char url[200], bearer[200], id[64];
    const struct httpc_header headers[] = {
        {"Authorization", bearer}, {"X-Request-ID", id}, {"X-Agent-ID", a->c.id}, {"Content-Type", "application/json"}};
    struct httpc_req req = {.method = method, .url = url, .headers = headers, .n_headers = 4, .timeout_ms = 15000};
    json_t *answer = NULL;
    struct err e;

    (void)snprintf(url, sizeof(url), "%s/agent", a->c.url);
    (void)snprintf(bearer, sizeof(bearer), "Bearer %s", a->c.token);
    (void)snprintf(id, sizeof(id), "00000000-0000-4000-8000-%012u", ++a->requests);
    if (js_dump(body, &text, &e))
        die(method, e.msg);
    req.body = text;
    req.body_len = strlen(text);
    req.max_answer = (size_t)8 * 1024 * 1024;
    *status = 0;
    if (httpc_do(a->c.http, &req, &res, &e) || lost)
        return NULL;
    *status = res.status;
    a->refused += res.status >= 400;
    return js_parse(res.body.p != NULL ? res.body.p : "", res.body.len, &answer, &e) == 0 ? answer : NULL;
}

static json_t *me(const struct cirun_agent *a)
{
    json_t *j;
    struct err e;

    if (js_pack(&e, &j, "{s:{s:s, s:s, s:s, s:s}}", "agent", "id", a->c.id, "hostname", a->c.hostname, "os", a->c.os,
                "arch", a->c.arch))
        die("agent", e.msg);
    return j;
}

static void delete_all(struct cirun_agent *a, const json_t *answer, void (*after)(struct cirun_agent *a))
{
    json_t *list = json_object_get(answer, "runners_to_delete");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name;
        struct err e;

        if (js_str(json_array_get(list, i), "name", &name, &e))
            die("runners_to_delete", e.msg);
        cirun_host_lose(a->c.host, name);
        if (after != NULL)
            after(a);
    }
}

static void report(struct cirun_agent *a)
{
    AUTO_JSON json_t *body = me(a);
    AUTO_JSON json_t *answer = NULL;
    json_t *vms = json_array();
    int status;

    json_object_set_new(body, "vms", vms);
    if (a->c.host->blind)
        return;
    for (size_t i = 0; i < a->c.host->n; i++) {
        const struct cirun_vm *vm = &a->c.host->vms[i];
        json_t *j;
        struct err e;

        if (!text_has_prefix(vm->name, "cirun-"))
            continue;
        if (js_pack(&e, &j, "{s:s, s:s, s:I, s:I, s:i}", "name", vm->name, "os", "linux", "cpu", (json_int_t)vm->cpu,
                    "memory", (json_int_t)vm->memory, "disk_size", 0))
            die("vms", e.msg);
        json_array_append_new(vms, j);
    }
    if (a->lose_reports > 0) {
        a->lose_reports--;
        return;
    }
    answer = ask(a, "POST", body, false, &status);
    if (answer != NULL)
        delete_all(a, answer, NULL);
}

static void tell_failure(struct cirun_agent *a, const char *name, const char *why, int attempt)
{
    AUTO_JSON json_t *body = me(a);
    AUTO_JSON json_t *answer = NULL;
    json_t *failure;
    int status;
    struct err e;

    if (js_pack(&e, &failure, "{s:s, s:s, s:i}", "runner_name", name, "error", why, "attempt", attempt))
        die(name, e.msg);
    json_object_set_new(body, "provision_failure", failure);
    answer = ask(a, "POST", body, false, &status);
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

static bool drain(struct cirun_agent *a)
{
    bool any = false;

    for (size_t i = 0; i < TASKS; i++) {
        struct task *t = &a->tasks[i];
        struct count *c;

        if (!t->used || t->step != STEP_DONE)
            continue;
        c = tries_of(a, t->vm.name);
        if (t->failure[0] != '\0')
            tell_failure(a, t->vm.name, t->failure, ++c->n);
        else
            c->n = 0;
        any = any || t->failure[0] == '\0';
        task_clear(t);
    }
    return any;
}

/* As strictly as serde reads it: everything required, of its type. */
static int read_runner(const json_t *j, struct cirun_vm *vm, int64_t *max_retries)
{
    const char *name, *script, *image, *os, *user, *password;
    struct err e;

    if (js_str(j, "name", &name, &e) || js_str(j, "provision_script", &script, &e) || js_str(j, "image", &image, &e) ||
        js_str(j, "os", &os, &e) || js_i64(j, "cpu", &vm->cpu, &e) || js_i64(j, "memory", &vm->memory, &e) ||
        js_i64(j, "disk", &vm->disk, &e) || js_str(j, "login.username", &user, &e) ||
        js_str(j, "login.password", &password, &e) || js_i64(j, "max_retries", max_retries, &e))
        return -1;
    (void)snprintf(vm->name, sizeof(vm->name), "%s", name);
    (void)snprintf(vm->image, sizeof(vm->image), "%s", image);
    (void)snprintf(vm->os, sizeof(vm->os), "%s", os);
    (void)snprintf(vm->user, sizeof(vm->user), "%s", user);
    (void)snprintf(vm->password, sizeof(vm->password), "%s", password);
    vm->script = mem_strdup(script);
    return 0;
}

static void spawn(struct cirun_agent *a, struct cirun_vm *vm)
{
    for (size_t i = 0; i < TASKS; i++) {
        struct task *t = &a->tasks[i];

        if (t->used)
            continue;
        *t = (struct task){.used = true, .step = STEP_CREATE, .wait = a->c.host->slow, .vm = *vm};
        vm->script = NULL; /* the task's now */
        return;
    }
    die(vm->name, "too many tasks");
}

static int provision_all(struct cirun_agent *a, const json_t *list)
{
    size_t most = a->c.max_vms > 0 ? (size_t)a->c.max_vms : CIRUN_VMS;
    size_t slots = most > a->c.host->n ? most - a->c.host->n : 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        struct cirun_vm vm = {0};
        int64_t max_retries;

        if (read_runner(json_array_get(list, i), &vm, &max_retries))
            return -1;
        if (tries_of(a, vm.name)->n >= max_retries) {
            tell_failure(a, vm.name, "Exceeded max retries", tries_of(a, vm.name)->n);
        } else if (!in_flight(a, vm.name) && slots > 0) {
            slots--;
            spawn(a, &vm);
        }
        free(vm.script);
    }
    return 0;
}

static int poll_once(struct cirun_agent *a)
{
    AUTO_JSON json_t *body = me(a);
    AUTO_JSON json_t *answer = NULL;
    bool lost = a->lose_polls > 0;
    int status;

    a->lose_polls -= lost;
    answer = ask(a, "GET", body, lost, &status);
    if (answer == NULL || status != 200)
        return status;
    if (!json_is_array(json_object_get(answer, "runners_to_delete")))
        return -1;
    delete_all(a, answer, report);
    return provision_all(a, json_object_get(answer, "runners_to_provision")) == 0 ? status : -1;
}

int cirun_agent_turn(struct cirun_agent *a)
{
    int status;

    if (drain(a))
        report(a);
    status = poll_once(a);
    report(a);
    work(a);
    return status;
}

struct cirun_agent *cirun_agent_start(const struct cirun_agent_conf *c)
{
    struct cirun_agent *a = mem_zalloc(sizeof(*a));

    a->c = *c;
    a->c.id = c->id != NULL ? c->id : "id-1";
    a->c.hostname = c->hostname != NULL ? c->hostname : "host-1";
    a->c.os = c->os != NULL ? c->os : "linux";
    a->c.arch = c->arch != NULL ? c->arch : "x86_64";
    return a;
}

void cirun_agent_kill(struct cirun_agent *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < TASKS; i++)
        task_clear(&a->tasks[i]);
    free(a);
}

void cirun_agent_lose(struct cirun_agent *a, int polls, int reports)
{
    a->lose_polls = polls;
    a->lose_reports = reports;
}

int cirun_agent_tries(const struct cirun_agent *a, const char *name)
{
    for (size_t i = 0; i < TASKS; i++) {
        if (strcmp(a->tries[i].name, name) == 0)
            return a->tries[i].n;
    }
    return 0;
}

int cirun_agent_refused(const struct cirun_agent *a)
{
    return a->refused;
}
