/* Who is in which team, and who has which role in a repository. */
#include "tests/sim/sim_github_priv.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static struct gh_member *find(struct gh_member *list, size_t n, const char *where, const char *login)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(list[i].where, where) == 0 && strcasecmp(list[i].login, login) == 0)
            return &list[i];
    return NULL;
}

static void put(struct gh_member **list, size_t *n, const char *where, const char *login, const char *what)
{
    struct gh_member *m = find(*list, *n, where, login);

    if (m == NULL) {
        *list = mem_realloc_array(*list, *n + 1, sizeof(**list));
        m = &(*list)[(*n)++];
        *m = (struct gh_member){.where = mem_strdup(where), .login = mem_strdup(login)};
    }
    free(m->what);
    m->what = what != NULL ? mem_strdup(what) : NULL;
}

void sim_github_team_member(struct sim_github *g, const char *org, const char *team_slug, const char *login,
                            const char *state)
{
    char where[256];

    (void)snprintf(where, sizeof(where), "%s/%s", org, team_slug);
    gh_lock(g);
    put(&g->members, &g->n_members, where, login, state);
    gh_unlock(g);
}

void sim_github_role(struct sim_github *g, const char *repo, const char *login, const char *role_name)
{
    gh_lock(g);
    put(&g->roles, &g->n_roles, repo, login, role_name);
    gh_unlock(g);
}

void sim_github_permissions(struct sim_github *g, int64_t installation_id, const char *permissions)
{
    struct gh_installation *in;

    gh_lock(g);
    in = gh_installation(g, installation_id);
    if (in != NULL) {
        json_decref(in->permissions);
        in->permissions = json_loads(permissions, 0, NULL);
    }
    gh_unlock(g);
}

static void free_list(struct gh_member *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].where);
        free(list[i].login);
        free(list[i].what);
    }
    free(list);
}

void gh_members_free(struct sim_github *g)
{
    free_list(g->members, g->n_members);
    free_list(g->roles, g->n_roles);
}

/* ---- the answers ---- */

void gh_api_get_team_member(struct sim_github *g, struct gh_repo *unused, const struct sim_req *rq, struct sim_res *rs)
{
    const struct gh_member *m;
    char where[256];

    (void)unused;
    (void)snprintf(where, sizeof(where), "%s/%s", rq->arg[0], rq->arg[1]);
    m = find(g->members, g->n_members, where, rq->arg[2]);
    if (m == NULL || m->what == NULL) {
        gh_refuse(rs, 404, "Not Found");
        return;
    }
    sim_res_json(rs, 200,
                 json_pack("{s:s, s:s, s:s}", "url", "https://api.github.com/teams/1/memberships/x", "role", "member",
                           "state", m->what));
}

/* What a role amounts to, as the old field `permission` has it. */
static const char *permission_of(const char *role)
{
    if (strcmp(role, "admin") == 0 || strcmp(role, "read") == 0 || strcmp(role, "none") == 0)
        return role;
    return strcmp(role, "triage") == 0 ? "read" : "write";
}

void gh_api_get_permission(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    const struct gh_member *m = find(g->roles, g->n_roles, repo->full_name, rq->arg[2]);
    const char *role = m != NULL && m->what != NULL ? m->what : repo->is_private ? "none" : "read";

    sim_res_json(rs, 200,
                 json_pack("{s:s, s:s, s:o}", "permission", permission_of(role), "role_name", role, "user",
                           gh_user_json(rq->arg[2], false)));
}
