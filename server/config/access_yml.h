/*
 * .access.yml: who may use which runner of .cirun.global.yml. Pure; the question whether somebody is a member of a team
 * is asked elsewhere (server/engine/access.h).
 * Source: Cirun's documentation, "Access Control" (docs.cirun.io/reference/access-control), and files in use.
 *
 * What is not understood grants nothing. A file that cannot be read, of another version or another shape (a key or a
 * type that nobody documented, an id twice, a policy that is named and not there) grants nothing at all: it has errors
 * and no rules. A policy or an entry of access_control with an unknown key grants nothing itself, because the key may
 * be a restriction: `closed` is set, and a warning says so. A list of nobody (`teams: []`) is a restriction as well.
 */
#ifndef MUSTER_CONFIG_ACCESS_YML_H
#define MUSTER_CONFIG_ACCESS_YML_H

#include "server/config/cirun_yml.h"

#define ACCESS_YML_FILE ".access.yml"

/* Strings are borrowed from the file. */
struct access_list {
    size_t n;
    const char *const *items;
};

struct access_policy {
    const char *id;
    const char *repo; /* "name", or "owner/name" */
    struct access_list teams, roles, users;
    const char *users_from_json; /* https:// URL; NULL = none */
    bool restricted;             /* it says who: else everybody who can start a run in that repository */
    bool pull_request;           /* pull_request* events too */
    bool closed;                 /* grants nothing: it holds what we do not understand */
    int line;
};

/* One entry of access_control; a resource may have several, which then all count. */
struct access_rule {
    const char *resource; /* a runner's name */
    size_t n_policies;
    const struct access_policy *const *policies;
    bool closed;
    int line;
};

struct access_yml {
    size_t n_policies;
    const struct access_policy *policies;
    size_t n_rules;
    const struct access_rule *rules; /* none when there are errors */
    size_t n_diags;
    const struct cirun_diag *diags; /* in file order */
    size_t n_errors;                /* of these; > 0: everything is denied */
};

/* Never fails: what is wrong is in diags. At most CIRUN_YML_MAX bytes. `file` names it in messages. */
struct access_yml *access_yml_parse(const char *text, size_t len, const char *file);
void access_yml_free(struct access_yml *a); /* accepts NULL */

/* The first error as "FILE:LINE:COLUMN: message" (ERR_INVALID); only when n_errors > 0. */
int access_yml_error(const struct access_yml *a, const char *file, struct err *e) MUST_USE;

#endif
