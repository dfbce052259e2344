/*
 * What the parts of the App client share; nobody outside this folder's app*.c includes it.
 *
 *   app.c        one call: gate, authorization, the answer's kind
 *   app_jwt.c    the App's own token
 *   app_token.c  installation tokens
 *   app_gate.c   waiting out rate limits
 *   app_pace.c   keeping within them beforehand
 */
#ifndef MUSTER_GITHUB_APP_INT_H
#define MUSTER_GITHUB_APP_INT_H

#include "server/base/cache.h"
#include "server/github/app.h"

#include <stdatomic.h>

struct gates;
struct paces;

struct github {
    char *api_url, *app_id;
    const struct crypto_key *key;
    struct httpc *http;
    struct cache *tokens; /* struct token by installation, repository and scope */
    struct gates *gates;
    struct paces *paces;
    _Atomic int64_t skew_ms; /* GitHub's clock minus ours, as far as it mattered */
};

/* Now on GitHub's clock: by the answer's Date where there is one, else by what we know of the difference. */
int64_t github_now_ms(struct github *g, const struct httpc_res *res);

/* ---- app.c ---- */

struct pace_call;
/* One request with the given bearer, when it is its turn; any answer is success. */
int github_send(struct github *g, const struct github_call *c, const struct pace_call *turn,
                const struct secret *bearer, struct httpc_res *res, struct err *e) MUST_USE;
/* One call by JWT, repeated once when GitHub's clock differs from ours. Limits close the gate of `gate_id`, and it
 * counts as that installation's. As github_call with the answer's kind. */
int github_call_by_jwt(struct github *g, const struct github_call *c, int64_t gate_id, struct httpc_res *res,
                       struct err *e) MUST_USE;
/* The words for a scope's permissions: "contents: read and actions: read". */
const char *github_scope_name(enum github_scope scope);

/* ---- app_jwt.c ---- */

int github_jwt(const struct github *g, struct secret **out, struct err *e) MUST_USE;

/* ---- app_token.c ---- */

struct token {
    struct secret *value;
    int64_t minted_ms; /* monotonic */
};
void token_free(void *token);
/* The token for a call, from the cache or minted. */
int github_token(struct github *g, const struct github_call *c, struct cache_ref **out, struct err *e) MUST_USE;
void github_token_drop(struct github *g, const struct github_call *c, const struct token *refused);

/* ---- app_gate.c ---- */

struct gates *gates_new(void);
void gates_free(struct gates *g); /* accepts NULL */
/* 0 = open; else ERR_THROTTLED with the seconds left. */
int gate_check(struct gates *g, int64_t id, struct err *e) MUST_USE;
/* Does this answer say that we ask too often? */
bool gate_is_limit(const struct httpc_res *res);
/* It does: close the gate and return for how many seconds. server_now_ms: for x-ratelimit-reset. */
int gate_close(struct gates *g, int64_t id, const struct httpc_res *res, int64_t server_now_ms);
/* A call went through. */
void gate_passed(struct gates *g, int64_t id);

/* ---- app_pace.c ---- */

struct pace_call {
    int64_t id;     /* the installation; 0 = the App itself */
    int64_t repo;   /* whose turn is taken */
    uint64_t who;   /* the same for the same call */
    bool writes;    /* not GET */
    bool contents;  /* writes a check run or a status: what people see */
    bool registers; /* makes a runner: perhaps of a budget of its own */
    bool as_app;    /* by JWT, for an installation: its answer tells nothing of that one's budget */
    enum github_use use;
};
struct paces *paces_new(void);
void paces_free(struct paces *p); /* accepts NULL */
/* 0 = it may go out, and ends with pace_leave; else ERR_THROTTLED with the seconds until its turn. */
int pace_enter(struct paces *p, const struct pace_call *c, struct err *e) MUST_USE;
/* res: the answer, NULL = none came. */
void pace_leave(struct paces *p, const struct pace_call *c, const struct httpc_res *res, int64_t server_now_ms);
/* GitHub said "too often" all the same. */
void pace_refused(struct paces *p, const struct pace_call *c, int wait_s);

#endif
