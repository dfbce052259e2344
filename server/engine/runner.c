/*
 * The single-use runner of a machine: its just-in-time configuration, made once and kept sealed in the record until the
 * launch is recorded, so that every repeat of a launch carries the same one.
 */
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/engine/catch_up.h"

#define RUNNER_UNKNOWN (-1)
#define SEALED_MAX ((size_t)256 * 1024)

static int ask(struct engine *g, struct machine *m, struct secret **jit, struct err *e)
{
    struct github_repo repo = machine_repo(m);

    return github_jitconfig(g->c.github, &repo, m->name, m->labels_json, &m->runner_id, jit, e);
}

/* The name is ours alone, so a runner of that name is what an earlier try left before it could note it down. */
static int make(struct engine *g, struct machine *m, struct secret **jit, struct err *e)
{
    if (ask(g, m, jit, e) == 0)
        return 0;
    m->runner_id = RUNNER_UNKNOWN;
    if (e->kind != ERR_CONFLICT || machine_remove_runner(g, m, e))
        return -1;
    return ask(g, m, jit, e);
}

static int seal(const struct engine *g, struct machine *m, const struct secret *jit, struct err *e)
{
    AUTO_BUF struct buf sealed = BUF_INIT(SEALED_MAX);

    if (crypto_seal(g->seal_key, m->name, jit, &sealed, e))
        return -1;
    free(m->sealed_jit);
    m->sealed_jit = NULL;
    return buf_take(&sealed, &m->sealed_jit, e);
}

/* --- before the first call ---------------------------------------------------------------------------------------- */

struct intent {
    const char *name;
    bool wanted; /* out */
};

static int intend_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct intent *i = arg;
    AUTO_MACHINE struct machine now = {0};

    if (store_machine_get(t, i->name, &now, &i->wanted, e))
        return -1;
    i->wanted = i->wanted && (now.state == M_WANTED || now.state == M_LAUNCHING);
    if (!i->wanted)
        return 0;
    now.runner_id = RUNNER_UNKNOWN;
    return store_machine_update(t, &now, now.state, &i->wanted, e);
}

/* From now on there may be a runner of this name: whoever ends the machine looks for it, whatever becomes of us. */
static int intend(struct engine *g, struct machine *m, bool *wanted, struct err *e)
{
    struct intent i = {m->name, false};

    if (workers_write(g, intend_tx, &i, e))
        return -1;
    *wanted = i.wanted;
    m->runner_id = i.wanted ? RUNNER_UNKNOWN : m->runner_id;
    return 0;
}

int runner_config(struct engine *g, struct machine *m, struct secret **jit, bool *wanted, struct err *e)
{
    struct err why;

    *wanted = true;
    if (m->sealed_jit != NULL) {
        if (crypto_open(g->seal_key, m->name, m->sealed_jit, jit, &why) == 0)
            return 0;
        log_warn(EV("runner.reissued"), FS("machine", m->name), FE(&why));
    }
    if (m->runner_id == 0 && intend(g, m, wanted, e))
        return -1;
    if (!*wanted)
        return 0;
    if (make(g, m, jit, e)) {
        reach_doubt_repo(g, m->installation_id, machine_is_org(m) ? 0 : m->repo_id, e);
        return err_wrap(e, "runner configuration for %s", m->name);
    }
    return seal(g, m, *jit, e);
}
