/*
 * A GitHub App: RS256 JWTs with clock-skew repair, and installation tokens that are narrow, cached and refreshed by one
 * thread while the others wait. Source: GitHub docs, "Authenticating as a GitHub App", "Generating an installation
 * access token". Safe from any thread.
 *
 * A request refused with 401 for its iat/exp is repeated once with the offset taken from the answer's Date header; a
 * 401 right after minting (replication) after 1 and 2 seconds by rescheduling (ERR_RETRY with retry_after_s), never by
 * sleeping. A 403 or 429 that limits rates closes the installation's gate: until it opens, calls fail at once with
 * ERR_THROTTLED and the time left, without going out. So do calls that would exceed what GitHub allows (app_pace.c):
 * they are told when their turn is, and keep it by asking again with the same method, path and body.
 *
 * A repository that was renamed or moved is answered with a redirection to its number (docs, "Best practices for using
 * the REST API": follow redirects). It is followed with the same method and body, below api_url and for the repository
 * that the call is for alone; any other is ERR_INVALID.
 */
#ifndef MUSTER_GITHUB_APP_H
#define MUSTER_GITHUB_APP_H

#include "server/base/crypto.h"
#include "server/base/httpc.h"

struct github;

struct github_conf {
    const char *api_url;          /* "https://api.github.com", "https://HOST/api/v3"; no trailing slash */
    const char *app_id;           /* App id or client id */
    const struct crypto_key *key; /* borrowed, outlives */
    struct httpc *http;           /* borrowed, outlives */
};

struct github *github_new(const struct github_conf *c);
void github_free(struct github *g); /* accepts NULL */

/* What a token may do; each is minted for one repository, but for the organisation's. */
enum github_scope {
    GITHUB_SCOPE_READ,        /* contents: read, actions: read */
    GITHUB_SCOPE_RUNNERS,     /* administration: write */
    GITHUB_SCOPE_FILES,       /* contents: read */
    GITHUB_SCOPE_MEMBERS,     /* members: read, of the organisation */
    GITHUB_SCOPE_ORG_RUNNERS, /* organization_self_hosted_runners: write; repo_id 0 */
    GITHUB_SCOPE_CHECKS,      /* checks: write */
    GITHUB_SCOPE_STATUSES,    /* statuses: write */
    GITHUB_SCOPE_RERUN        /* actions: write */
};

/* What a call is for: who goes first when GitHub allows us few. Ends before starts; reports, and whatever else can
 * wait, come last. */
enum github_use { GITHUB_FOR_STARTS, GITHUB_FOR_ENDS, GITHUB_FOR_REPORTS };

/* For api.c: perform one call with the right authorization and the rules above. path begins with '/' and is escaped by
 * the caller. body_json NULL = none. Any 2xx, 304, and the listed statuses of `accept` (ended by 0) return 0 with
 * res->status; others become an error:
 * 401/403 ERR_AUTH (naming the permission when GitHub does), 404 ERR_GONE, 409 ERR_CONFLICT, 422 and other 4xx
 * ERR_INVALID with GitHub's message, 429 and limiting 403 ERR_THROTTLED, 5xx ERR_RETRY. */
struct github_call {
    int64_t installation_id, repo_id; /* both > 0, or 0/0 for a call with the App's JWT */
    const char *repo_name;            /* without owner, where repo_id is not known (0): one of the installation's */
    enum github_scope scope;
    enum github_use use;
    const char *method, *path;
    const char *body_json;
    const char *accept_header; /* NULL = application/vnd.github+json */
    const char *if_none_match; /* NULL = none */
    const int *accept;         /* more statuses that are no error; NULL = none */
    size_t max_answer;         /* bytes; 0 = 1 MiB */
    bool once;                 /* must not arrive twice: see httpc_req */
};
int github_call(struct github *g, const struct github_call *c, struct httpc_res *res, struct err *e) MUST_USE;

#endif
