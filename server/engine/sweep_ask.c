#include "server/engine/sweep_ask.h"

#include "server/base/id.h"

#include <string.h>

static int find_owner(const struct sweep_question *q, struct github_repo *out, struct err *e)
{
    if (q->github == NULL)
        return err_set(e, ERR_AUTH, "there are no credentials of the GitHub App here");
    if (q->owner != NULL) {
        *out = *q->owner;
        return 0;
    }
    if (!id_is_machine_name(q->name))
        return err_set(e, ERR_INVALID, "\"%.60s\" is no name of a runner of ours", q->name);
    if (q->repo[0] == '\0' || (strchr(q->repo, '/') == NULL && strchr(q->repo, '_') != NULL))
        return err_set(e, ERR_INVALID, "its tags do not tell exactly whose it is");
    *out = (struct github_repo){.repo = q->repo};
    return github_installation_of(q->github, q->repo, &out->installation_id, e);
}

enum sweep_use sweep_ask(const struct sweep_question *q, const char **why, struct err *e)
{
    struct github_repo owner;
    struct github_runner r = {0};

    if (find_owner(q, &owner, e))
        return SWEEP_UNHEARD;
    if (github_runner_find(q->github, &owner, q->name, &r, e)) {
        *why = "GitHub knows no runner of its name";
        return e->kind == ERR_GONE ? SWEEP_IDLE : SWEEP_UNHEARD;
    }
    if (r.busy)
        return SWEEP_BUSY;
    *why = q->remove ? "its runner had no job and was removed" : "its runner has no job";
    if (!q->remove || github_runner_remove(q->github, &owner, r.id, e) == 0)
        return SWEEP_IDLE;
    return e->kind == ERR_CONFLICT ? SWEEP_BUSY : SWEEP_UNHEARD; /* refused while it runs one */
}
