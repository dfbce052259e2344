#include "tests/support/hub_bed.h"

#include "server/base/clock.h"

#include <stdio.h>
#include <stdlib.h>

const struct agent_name tux = {"id-tux", "tux.example", "linux", "x86_64"};
const struct agent_name gnu = {"id-gnu", "gnu.example", "linux", "x86_64"};
const struct agent_name arm = {"id-arm", "arm.example", "linux", "aarch64"};
const struct agent_name mac = {"id-mac", "mac mini's", "macos", "aarch64"};

int hub_bed_begun(void **state)
{
    static struct fixture f;

    clock_test_set(1700000000000);
    f.hub = agent_hub_new("muster");
    f.script = secret_new(SECRET_SCRIPT, sizeof(SECRET_SCRIPT) - 1);
    f.password = secret_new("hunter22", 8);
    *state = &f;
    return 0;
}

int hub_bed_end(void **state)
{
    struct fixture *f = *state;

    agent_hub_free(f->hub);
    secret_free(f->script);
    secret_free(f->password);
    clock_test_release();
    return 0;
}

int hub_bed_settled(void **state)
{
    (void)hub_bed_begun(state);
    clock_test_advance(AGENT_SETTLE_MS);
    return 0;
}

struct agent_want want_of(const struct fixture *f, const char *machine)
{
    return (struct agent_want){.machine = machine,
                               .script = f->script,
                               .host_os = "linux",
                               .host_arch = "x64",
                               .image = "ghcr.io/cirunlabs/ubuntu:24.04",
                               .guest_os = "linux",
                               .cpus = 4,
                               .memory_gb = 8,
                               .disk_gb = 50,
                               .login_user = "cirun",
                               .login_password = f->password,
                               .first_try = true};
}

void want(struct fixture *f, const char *machine)
{
    struct agent_want w = want_of(f, machine);
    struct err e;

    assert_ok(agent_hub_want(f->hub, &w, &e), e);
}

struct agent_answer poll_of(struct fixture *f, const struct agent_name *n)
{
    struct agent_answer a = {0};
    struct err e;

    assert_ok(agent_hub_poll(f->hub, n, &a, &e), e);
    return a;
}

const char *orders(struct fixture *f, const struct agent_name *n, const char **deletes)
{
    static char text[2][4096];
    struct agent_answer a = poll_of(f, n);

    text[0][0] = text[1][0] = '\0';
    for (size_t i = 0; i < a.n_orders; i++) {
        (void)snprintf(text[0] + strlen(text[0]), 100, "%s%s", i > 0 ? " " : "",
                       agent_hub_machine_of(f->hub, a.orders[i].vm));
        assert_string_equal(secret_reveal(a.orders[i].script), SECRET_SCRIPT);
    }
    for (size_t i = 0; i < a.n_deletes; i++)
        (void)snprintf(text[1] + strlen(text[1]), 100, "%s%s", i > 0 ? " " : "",
                       agent_hub_machine_of(f->hub, a.deletes[i]));
    agent_answer_clear(&a);
    if (deletes != NULL)
        *deletes = text[1];
    return text[0];
}

void vm_name(const char *machine, char out[AGENT_VM_NAME_MAX + 1])
{
    (void)snprintf(out, AGENT_VM_NAME_MAX + 1, "cirun-74cd18c0-%s", machine);
}

const char *report(struct fixture *f, const struct agent_name *n, const char *first, const char *second)
{
    static char text[4096];
    char names[2][AGENT_VM_NAME_MAX + 1];
    const char *vms[] = {names[0], names[1]};
    size_t count = first == NULL ? 0 : second == NULL ? 1 : 2;
    struct agent_answer a = {0};
    struct err e;

    if (first != NULL)
        vm_name(first, names[0]);
    if (second != NULL)
        vm_name(second, names[1]);
    assert_ok(agent_hub_report(f->hub, n, vms, count, &a, &e), e);
    assert_int_equal(a.n_orders, 0);
    text[0] = '\0';
    for (size_t i = 0; i < a.n_deletes; i++)
        (void)snprintf(text + strlen(text), 100, "%s%s", i > 0 ? " " : "", agent_hub_machine_of(f->hub, a.deletes[i]));
    agent_answer_clear(&a);
    return text;
}

bool fail_once(struct fixture *f, const struct agent_name *n, const char *machine, const char *why, int attempt)
{
    struct agent_answer a = {0};
    char name[AGENT_VM_NAME_MAX + 1];
    bool last = false;
    struct err e;

    vm_name(machine, name);
    assert_ok(agent_hub_failed(f->hub, n, name, why, attempt, &a, &last, &e), e);
    agent_answer_clear(&a);
    return last;
}

struct agent_look look(struct fixture *f, const char *machine)
{
    struct agent_look l;

    agent_hub_look(f->hub, machine, &l);
    return l;
}

enum agent_stage stage(struct fixture *f, const char *machine)
{
    return look(f, machine).stage;
}

void end(struct fixture *f, const char *machine)
{
    struct err e;

    assert_ok(agent_hub_end(f->hub, machine, &e), e);
}

void pass(struct fixture *f, const struct agent_name *n, int64_t ms)
{
    for (; ms > 0; ms -= 60000) {
        clock_test_advance(ms < 60000 ? ms : 60000);
        (void)orders(f, n, NULL);
    }
}
