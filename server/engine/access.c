#include "server/engine/access.h"

#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

void access_subject_set(struct access_subject *s, const struct access_person *triggering,
                        const struct access_person *actor)
{
    bool same = triggering->id == actor->id && text_ieq(triggering->login, actor->login);

    s->who[0] = *triggering;
    s->who[1] = *actor;
    s->n = same ? 1 : 2;
}

bool access_team_slug(const char *team, const char *repo, char out[ACCESS_SLUG_MAX])
{
    size_t owner = strcspn(repo, "/"), n = 0;
    const char *slash;

    team += *team == '@' ? 1 : 0;
    slash = strchr(team, '/');
    if (slash != NULL) {
        if ((size_t)(slash - team) != owner || strncasecmp(team, repo, owner) != 0)
            return false;
        team = slash + 1;
    }
    for (; *team != '\0'; team++) {
        char c = *team == ' ' ? '-' : text_lower(*team);

        if (n + 1 >= ACCESS_SLUG_MAX || !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return n > 0;
}

/* --- one decision under way -------------------------------------------------------------------------------------- */

#define FOUND_MAX ((size_t)260)

struct deciding {
    const struct access_subject *s;
    const struct access_ask *ask;
    const struct access_person *who; /* the one in question */
    char found[FOUND_MAX];           /* what was found about him, for the reason */
    struct err passing;              /* kind != NONE: a question has no answer now */
};

static const char *name_of(const struct access_person *p)
{
    return p->login[0] != '\0' ? p->login : "somebody whom GitHub does not name";
}

static int owner_len(const struct access_subject *s)
{
    return (int)strcspn(s->repo, "/");
}

/* One more thing that was found; said once, however many policies ask for it. */
static void note(struct deciding *d, const char *fmt, ...) PRINTF(2, 3);

static void note(struct deciding *d, const char *fmt, ...)
{
    char text[FOUND_MAX];
    size_t len = strlen(d->found);
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (strstr(d->found, text) == NULL)
        (void)snprintf(d->found + len, sizeof(d->found) - len, "; %s", text);
}

/* A question failed: for the moment, or for good. */
static bool no_answer(struct deciding *d, const struct err *e)
{
    if (!err_is_passing(e))
        note(d, "%s", e->msg);
    else if (d->passing.kind == ERR_NONE)
        d->passing = *e;
    return false;
}

static bool in_team(struct deciding *d, const char *team)
{
    char slug[ACCESS_SLUG_MAX];
    bool yes = false;
    struct err e;

    if (d->who->login[0] == '\0')
        return false;
    if (d->s->owner_is_user) {
        note(d, "%.*s is no organisation and has no teams", owner_len(d->s), d->s->repo);
        return false;
    }
    if (!access_team_slug(team, d->s->repo, slug)) {
        note(d, "\"%.60s\" is no team of %.*s: write it as it stands in the address of the team's page", team,
             owner_len(d->s), d->s->repo);
        return false;
    }
    if (d->ask->in_team(d->ask->arg, slug, d->who, &yes, &e))
        return no_answer(d, &e);
    if (!yes)
        note(d, "no active member of the team %.60s, if there is one", slug);
    return yes;
}

/* --- the ways into a policy, from the cheapest question to the dearest ------------------------------------------- */

static bool by_openness(struct deciding *d, const struct access_policy *p)
{
    (void)d;
    return !p->restricted;
}

static bool by_user(struct deciding *d, const struct access_policy *p)
{
    for (size_t i = 0; i < p->users.n && d->who->login[0] != '\0'; i++) {
        if (text_ieq(p->users.items[i], d->who->login))
            return true;
    }
    if (p->users.n > 0)
        note(d, "not one of the users");
    return false;
}

static bool by_users_from_json(struct deciding *d, const struct access_policy *p)
{
    bool yes = false;
    struct err e;

    if (p->users_from_json == NULL || (d->who->id == 0 && d->who->login[0] == '\0'))
        return false;
    if (d->ask->in_users(d->ask->arg, p->users_from_json, d->who, &yes, &e))
        return no_answer(d, &e);
    if (!yes)
        note(d, "not in users_from_json");
    return yes;
}

static bool by_role(struct deciding *d, const struct access_policy *p)
{
    char role[ACCESS_ROLE_MAX] = "";
    struct err e;

    if (p->roles.n == 0 || d->who->login[0] == '\0')
        return false;
    if (d->ask->role(d->ask->arg, d->who, role, &e))
        return no_answer(d, &e);
    if (role[0] == '\0' || strcmp(role, "none") == 0) {
        note(d, "no role in the repository");
        return false;
    }
    for (size_t i = 0; i < p->roles.n; i++) {
        if (strcmp(p->roles.items[i], role) == 0)
            return true;
    }
    note(d, "the role in the repository is \"%.40s\"", role);
    return false;
}

static bool by_team(struct deciding *d, const struct access_policy *p)
{
    for (size_t i = 0; i < p->teams.n; i++) {
        if (in_team(d, p->teams.items[i]))
            return true;
    }
    return false;
}

typedef bool way_fn(struct deciding *d, const struct access_policy *p);
static way_fn *const ways[] = {by_openness, by_user, by_users_from_json, by_role, by_team};

/* --- which policies count ---------------------------------------------------------------------------------------- */

/* What is asked for, and where the walk through the policies that could grant it stands. */
struct walk {
    const struct access_yml *a;
    const struct access_subject *s;
    const char *runner;
    size_t rule, policy;
    bool named, closed, no_pull_request; /* met on the way, and no grant */
};

static bool is_for_repo(const struct access_policy *p, const char *repo)
{
    const char *slash = strchr(repo, '/');

    if (strchr(p->repo, '/') != NULL)
        return text_ieq(p->repo, repo);
    return slash != NULL && text_ieq(p->repo, slash + 1);
}

static bool counts(struct walk *w, const struct access_rule *rule, const struct access_policy *p)
{
    if (!is_for_repo(p, w->s->repo))
        return false;
    if (rule->closed || p->closed)
        w->closed = true;
    else if (text_has_prefix(w->s->event, "pull_request") && !p->pull_request)
        w->no_pull_request = true;
    else
        return true;
    return false;
}

static const struct access_policy *walk_next(struct walk *w)
{
    for (; w->rule < w->a->n_rules; w->rule++, w->policy = 0) {
        const struct access_rule *rule = &w->a->rules[w->rule];

        if (strcmp(rule->resource, w->runner) != 0)
            continue;
        w->named = true;
        while (w->policy < rule->n_policies) {
            const struct access_policy *p = rule->policies[w->policy++];

            if (counts(w, rule, p))
                return p;
        }
    }
    return NULL;
}

/* --- the verdict ------------------------------------------------------------------------------------------------- */

static void say(struct access_verdict *out, bool allowed, const char *fmt, ...) PRINTF(3, 4);

static void say(struct access_verdict *out, bool allowed, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(out->reason, sizeof(out->reason), fmt, ap);
    va_end(ap);
    text_tidy(out->reason);
    out->allowed = allowed;
}

static void say_no_policy(const struct walk *w, struct access_verdict *out)
{
    if (w->runner[0] == '\0')
        say(out, false, "the runner has no name by which .access.yml could allow it");
    else if (!w->named)
        say(out, false, ".access.yml has no entry in access_control for this runner");
    else if (w->no_pull_request)
        say(out, false,
            "its policy for %.100s in .access.yml does not say pull_request: true, and this is a %.40s event",
            w->s->repo, w->s->event);
    else if (w->closed)
        say(out, false,
            "its policy for %.100s in .access.yml holds a key that is not understood and may be a restriction, so it "
            "grants nothing",
            w->s->repo);
    else
        say(out, false, "no policy of this runner in .access.yml is for %.100s", w->s->repo);
}

static int not_allowed(const struct deciding *d, const char *by, struct access_verdict *out, struct err *e)
{
    if (d->passing.kind != ERR_NONE) {
        *e = d->passing;
        return err_wrap(e, "may %s use this runner?", name_of(d->who));
    }
    say(out, false, "%s does not let %s use it%s%s", by, name_of(d->who), d->found,
        d->s->n > 1 ? " (who re-runs a job and who caused the run must both be allowed)" : "");
    return 0;
}

static const struct access_policy *policy_for(struct deciding *d, const struct walk *start)
{
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct walk w = *start;
        const struct access_policy *p;

        while ((p = walk_next(&w)) != NULL) {
            if (ways[i](d, p))
                return p;
        }
    }
    return NULL;
}

int access_decide(const struct access_yml *a, const struct access_subject *s, const char *runner,
                  const struct access_ask *ask, struct access_verdict *out, struct err *e)
{
    const struct walk start = {.a = a, .s = s, .runner = runner};
    struct walk w = start;
    char by[300] = "";
    struct err why;

    if (a->n_errors > 0 && access_yml_error(a, ACCESS_YML_FILE, &why)) {
        say(out, false, "nobody may use the organisation's runners until this is mended: %s", why.msg);
        return 0;
    }
    if (walk_next(&w) == NULL) {
        say_no_policy(&w, out);
        return 0;
    }
    for (size_t i = 0; i < s->n; i++) {
        struct deciding d = {.s = s, .ask = ask, .who = &s->who[i]};
        const struct access_policy *p = policy_for(&d, &start);
        size_t len = strlen(by);

        if (p == NULL)
            return not_allowed(&d, ".access.yml", out, e);
        (void)snprintf(by + len, sizeof(by) - len, "%s%s by the policy \"%.60s\"", i > 0 ? ", " : "", name_of(d.who),
                       p->id);
    }
    say(out, true, "%s", by);
    return 0;
}

int access_of_team(const char *team, const struct access_subject *s, const struct access_ask *ask,
                   struct access_verdict *out, struct err *e)
{
    char by[120];

    (void)snprintf(by, sizeof(by), "run_only_when_triggered_by: %.80s", team);
    for (size_t i = 0; i < s->n; i++) {
        struct deciding d = {.s = s, .ask = ask, .who = &s->who[i]};

        if (!in_team(&d, team))
            return not_allowed(&d, by, out, e);
    }
    say(out, true, "%s is in the team %.80s, to which it is limited", name_of(&s->who[0]), team);
    return 0;
}
