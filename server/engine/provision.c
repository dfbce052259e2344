/*
 * A machine's bootstrap: rendered for its launch, or fetched by its image's own start-up script (provision_via:
 * pull_from_api), as Cirun documents it: docs.cirun.io/reference/yaml, "Custom Provisioning".
 *
 * What may be fetched is in the store before the launch is asked for, since a machine may ask before the launch is
 * answered. It is the sealed runner configuration; the script around it is made when it is asked for, from the frozen
 * plan. The store forgets the configuration in the transaction whose commit the answer waits for, so that nobody is
 * given it twice; an answer that is lost on its way costs the machine, which misses its boot deadline and is replaced.
 */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/bootstrap/bootstrap.h"
#include "server/engine/rank.h"

#include <stdio.h>
#include <string.h>

#define PULL "pull_from_api"

/* After this the machine powers itself off when no job has begun on it. A warm one waits for as long as it lives. */
static int64_t take_job_within_ms(const struct engine *g, const struct machine *m, const struct plan *plan)
{
    return m->job_id == 0 ? m->expires_ms - m->launched_ms : terms_boot_deadline_ms(g, plan, (size_t)m->candidate);
}

static struct bootstrap_params params_of(const struct engine *g, const struct machine *m, const struct plan *plan,
                                         const struct secret *jit)
{
    const struct machine_spec *s = &plan->specs[m->candidate];
    const struct plan_release *boots = &plan->releases[m->candidate];

    return (struct bootstrap_params){.name = m->name,
                                     .cloud = s->cloud,
                                     .instance_type = s->instance_type != NULL ? s->instance_type : "",
                                     .region = s->region,
                                     .spot = s->spot,
                                     .os = boots->os,
                                     .arch = boots->arch,
                                     .gpu = s->gpu,
                                     .gpus = s->gpus,
                                     .gpu_memory_gb = s->gpu_memory_gb,
                                     .runner_url = boots->url,
                                     .runner_sha256 = boots->sha256,
                                     .expires_s = (m->expires_ms + g->c.overtime_ms) / 1000,
                                     .boot_deadline_s = take_job_within_ms(g, m, plan) / 1000,
                                     .jit = jit,
                                     .env_vars = plan->env_vars[m->candidate],
                                     .setup_info = plan->setup_info,
                                     .extra = s->extra};
}

int provision_render(struct engine *g, const struct machine *m, const struct plan *plan, const struct secret *jit,
                     size_t max, struct secret **out, struct err *e)
{
    const struct machine_spec *s = &plan->specs[m->candidate];
    const struct bootstrap_params p = params_of(g, m, plan, jit);
    const json_t *via = json_object_get(s->extra, "provision_via");

    if (via != NULL && !json_is_null(via))
        return err_set(e, ERR_INVALID,
                       "extra_config.provision_via can be " PULL "; without it the bootstrap is pushed");
    return bootstrap_render(&p, max, out, e);
}

static int render_file(const struct engine *g, const struct machine *m, const struct plan *plan,
                       const struct secret *jit, struct secret **out, struct err *e)
{
    struct bootstrap_params p = params_of(g, m, plan, jit);

    p.as_file = true;
    return bootstrap_render(&p, 0, out, e);
}

int provision_check(struct engine *g, const struct machine *m, const struct plan *plan, const struct secret *jit,
                    struct secret **out, struct err *e)
{
    AUTO_SECRET struct secret *script = NULL;
    const char *cloud = plan->specs[m->candidate].cloud;

    if (!g->c.pull)
        return err_set(e, ERR_INVALID,
                       "extra_config.provision_via: " PULL " needs server.api_token in muster's settings "
                       "($MUSTER_API_TOKEN), which is not set");
    if (strcmp(cloud, "vast_ai") == 0 || strcmp(cloud, "on_prem") == 0)
        return err_set(e, ERR_INVALID,
                       "extra_config.provision_via: cloud %s starts our bootstrap instead of what the image starts by "
                       "itself, so nothing would fetch it: remove provision_via",
                       cloud);
    if (render_file(g, m, plan, jit, &script, e))
        return -1;
    *out = secret_new("", 0);
    return 0;
}

/* --- the machine asks ------------------------------------------------------------------------------------------- */

struct asking {
    struct engine *g;
    char name[64];
    engine_provisioned_fn *done;
    void *arg;
    enum provision_outcome outcome;
    struct secret *script;
    int64_t job_id;
};

/* Its candidate and its secret are known: the script. */
static int make_script(struct asking *a, const struct machine *m, const struct store_pull *p, struct err *e)
{
    AUTO_SECRET struct secret *jit = NULL;
    AUTO_PLAN struct plan plan = {0};

    if (plan_parse(m->plan_json, &plan, e) || crypto_open(a->g->seal_key, m->name, p->sealed, &jit, e))
        return -1;
    if (m->candidate < 0 || m->candidate >= (int)plan.n)
        return err_set(e, ERR_BUG, "machine %s has no candidate %d", m->name, m->candidate);
    if (!spec_pulls(&plan.specs[m->candidate]))
        return 0; /* the one before was to fetch it; this one has it in its user-data */
    if (render_file(a->g, m, &plan, jit, &a->script, e))
        return -1;
    a->outcome = PROVISION_GIVEN;
    return 0;
}

static int give(struct store_tx *t, struct asking *a, const struct machine *m, struct err *e)
{
    AUTO_PULL struct store_pull p = {.armed = false};
    int64_t now = clock_now_ms();

    if (store_pull_get(t, m->name, &p, e))
        return -1;
    if (!p.armed)
        return 0;
    a->outcome = PROVISION_OVER;
    if (p.fetched_ms != 0)
        return 0;
    a->outcome = PROVISION_UNKNOWN;
    if (make_script(a, m, &p, e))
        return -1;
    if (a->outcome != PROVISION_GIVEN)
        return 0;
    a->job_id = m->job_id;
    return store_pull_fetched(t, m->name, now, e) ||
                   store_event_add(t, now, m->job_id, m->name, "machine.fetched", "it has fetched its bootstrap", e)
               ? -1
               : 0;
}

static int asking_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct asking *a = arg;
    AUTO_MACHINE struct machine m = {0};
    bool found;

    secret_free(a->script);
    a->script = NULL;
    a->outcome = PROVISION_UNKNOWN;
    if (store_machine_get(t, a->name, &m, &found, e))
        return -1;
    if (!found)
        return 0;
    if (m.state == M_LAUNCHING || m.state == M_BOOTING)
        return give(t, a, &m, e);
    a->outcome = m.state == M_WANTED ? PROVISION_EARLY : PROVISION_OVER;
    return 0;
}

static void answered(void *arg, int rc, const struct err *e)
{
    struct asking *a = arg;
    bool given = rc == 0 && a->outcome == PROVISION_GIVEN;

    if (given)
        log_info(EV("machine.fetched"), FS("machine", a->name), FI("job", a->job_id));
    if (!given) {
        secret_free(a->script);
        a->script = NULL;
    }
    a->done(a->arg, a->outcome, a->script, rc, e);
    free(a);
}

void engine_provision(struct engine *g, const char *name, engine_provisioned_fn *done, void *arg)
{
    struct asking *a = mem_zalloc(sizeof(*a));

    a->g = g;
    (void)snprintf(a->name, sizeof(a->name), "%.63s", name);
    a->done = done;
    a->arg = arg;
    store_submit(g->c.store, asking_tx, a, answered, a);
}
