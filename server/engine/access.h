/*
 * Who may use which runner: .access.yml and run_only_when_triggered_by against the people behind a run. Pure but for
 * the questions about people, which the caller answers (server/engine/people.h asks GitHub).
 *
 * The subject is who triggered the run and, where that is somebody else (a re-run), who caused it in the first place:
 * both must be allowed, else a maintainer's re-run would lend his rights to a stranger's code. Sources: GitHub's
 * documentation of the contexts github.actor and github.triggering_actor, and of a run in its REST description.
 *
 * What is not known denies. A question that fails for the moment fails the whole decision (-1: ask again later) unless
 * somebody is allowed without it; one that fails for good counts as "no", and its text stands in the reason.
 */
#ifndef MUSTER_ENGINE_ACCESS_H
#define MUSTER_ENGINE_ACCESS_H

#include "server/config/access_yml.h"

#define ACCESS_LOGIN_MAX 104 /* a login has at most 39 characters, an App's has "[bot]" behind it */
#define ACCESS_ROLE_MAX 128
#define ACCESS_SLUG_MAX 264

struct access_person {
    char login[ACCESS_LOGIN_MAX]; /* "" = GitHub does not say: a deleted user */
    int64_t id;                   /* 0 = not known */
};

struct access_subject {
    const char *repo;   /* owner/name */
    const char *event;  /* the run's: "push", "pull_request", ... */
    bool owner_is_user; /* no organisation: there are no teams */
    size_t n;           /* 1 or 2 */
    struct access_person who[2];
};

/* The people of a run: who triggered it, and its actor where that is not the same one. */
void access_subject_set(struct access_subject *s, const struct access_person *triggering,
                        const struct access_person *actor);

struct access_ask {
    void *arg;
    /* slug: as access_team_slug makes it. */
    int (*in_team)(void *arg, const char *slug, const struct access_person *who, bool *yes, struct err *e);
    /* The role in the repository of the subject; "" = none. */
    int (*role)(void *arg, const struct access_person *who, char out[ACCESS_ROLE_MAX], struct err *e);
    int (*in_users)(void *arg, const char *url, const struct access_person *who, bool *yes, struct err *e);
};

struct access_verdict {
    bool allowed;
    char reason[480]; /* by what it is allowed, or why not and what to do; it = the runner */
};

/* May this run use the organisation's runner of that name? */
int access_decide(const struct access_yml *a, const struct access_subject *s, const char *runner,
                  const struct access_ask *ask, struct access_verdict *out, struct err *e) MUST_USE;

/* May it use a runner that is limited to a team (run_only_when_triggered_by)? */
int access_of_team(const char *team, const struct access_subject *s, const struct access_ask *ask,
                   struct access_verdict *out, struct err *e) MUST_USE;

/* A team as people write it, to the slug by which GitHub knows it: "core", "Night Shift" -> "night-shift", "@octo/ml"
 * and "octo/ml" within the organisation octo. false: no slug can be told (another organisation's, other characters). */
bool access_team_slug(const char *team, const char *repo, char out[ACCESS_SLUG_MAX]);

#endif
