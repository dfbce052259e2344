/*
 * What is known about people: membership of teams and roles, as GitHub says, and the lists that users_from_json names.
 * Answers are kept for at most five minutes, so that who is taken out of a team is out by then; failures for good half
 * a minute. Safe from any thread; blocks.
 *
 * A list is fetched over https from a host of the operator's list only (policy.users_json_hosts), without credentials
 * or redirects, in ten seconds and one megabyte at most, and (unless the operator says that these hosts are his own,
 * policy.users_json_private) from a public address: whoever writes .access.yml must not make us ask what only we reach.
 */
#ifndef MUSTER_ENGINE_PEOPLE_H
#define MUSTER_ENGINE_PEOPLE_H

#include "server/engine/access.h"
#include "server/github/api.h"

struct people_conf { /* borrowed, outlives */
    struct github *github;
    struct httpc *http;       /* NULL: no lists are fetched */
    const char *const *hosts; /* "raw.githubusercontent.com", or "host:port" */
    size_t n_hosts;
    bool private_hosts;
};

struct people;
struct people *people_new(const struct people_conf *c);
void people_free(struct people *p); /* accepts NULL */

/* The questions of access.h about people of one repository. *q must outlive *out. */
struct people_of {
    struct people *people;
    struct github_repo repo;
};
void people_ask(struct people_of *q, struct access_ask *out);

/* Is the URL one that may be fetched? ERR_INVALID says why not. */
int people_check_url(const struct people_conf *c, const char *url, struct err *e) MUST_USE;

#endif
