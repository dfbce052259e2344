/*
 * What applies to a job: what GitHub says about its run, the files that name runners, and which of those it may have.
 * Private to the engine.
 */
#ifndef MUSTER_ENGINE_LOOKUP_H
#define MUSTER_ENGINE_LOOKUP_H

#include "server/base/cache.h"
#include "server/engine/engine.h"
#include "server/engine/people.h"

/* --- lookup.c: what GitHub says about a run, and the configuration that applies to it */
struct lookup {
    bool fork;                     /* the run's head is not the repository itself, or cannot be told */
    char workflow_path[256];       /* "" = unknown */
    struct access_subject subject; /* who is behind it; borrows from the job and this lookup */
    const struct cirun_yml *file;  /* NULL: there is none; valid until lookup_clear */
    const struct org_files *org;   /* NULL: not looked at; valid until lookup_clear */
    struct cache_ref *run_ref, *file_ref, *org_ref;
};
void lookup_open(struct engine *g);
void lookup_close(struct engine *g);
int lookup_run(struct engine *g, const struct job *j, struct lookup *out, struct err *e) MUST_USE;
/* ref NULL = the default branch. */
int lookup_file(struct engine *g, const struct job *j, const char *ref, struct lookup *out, struct err *e) MUST_USE;
/* What is kept about the job's run and its files is asked for again. */
void lookup_forget(struct engine *g, const struct job *j);
void lookup_clear(struct lookup *l);
#define AUTO_LOOKUP AUTO(lookup_clear)

/* The files of the organisation (or user) that owns a repository, from the default branch of its repository .cirun. */
#define ORG_GLOBAL_FILE ".cirun.global.yml"
struct org_files {
    struct cirun_yml *global; /* NULL: there is none */
    enum org_team limit;      /* who gets machines at all, in every repository */
    char team[ORG_TEAM_MAX];
    struct access_yml *access; /* NULL: there is none, so that all of its repositories may use all runners */
    char problem[300];         /* why .cirun.global.yml cannot be read, for good; "" = it can */
    char access_problem[300];  /* the same of .access.yml: then nobody may */
    char no_access[160];       /* the repository that is not there or that the App may not read; "" = it can */
};
/* repo: any of the organisation's, owner/name. *out lives until *ref is released. */
int lookup_org(struct engine *g, int64_t installation_id, const char *repo, struct cache_ref **ref,
               const struct org_files **out, struct err *e) MUST_USE;

/* --- choose.c: which runners a job may have */
#define CHOICE_MAX_VERDICTS 16
struct choice {
    enum job_want want;                  /* MACHINE: runners[0..n) in order, NOTHING or REFUSED: reason says why */
    const struct cirun_runner **runners; /* they borrow from the lookup */
    size_t n;
    struct cirun_yml *oneline; /* owns the runner of a one-line label; NULL = none */
    bool is_own;               /* they are of the repository's own file */
    char reason[1040];
    struct store_cause cause; /* of a refusal */
    struct choice_verdict {   /* who may use what, as it was decided: for the log and the timeline */
        bool allowed;
        char runner[100], reason[620];
    } verdicts[CHOICE_MAX_VERDICTS];
    size_t n_verdicts;
};
/* The run and the repository's own file have been looked up. last_try: what cannot be told now is denied. */
int choose_runners(struct engine *g, const struct job *j, struct lookup *l, bool last_try, struct choice *out,
                   struct err *e) MUST_USE;
void choice_clear(struct choice *c);
#define AUTO_CHOICE AUTO(choice_clear)

#endif
