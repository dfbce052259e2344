/*
 * What pull requests are told: check runs, and commit statuses where the App may write no checks. Facts: GitHub REST
 * description (operation ids named at each function) and docs, "Using the REST API to interact with checks".
 * Safe from any thread; all block. Texts are made fit by the caller (base/scrub.h); what is longer than GitHub takes is
 * cut here.
 */
#ifndef MUSTER_GITHUB_CHECK_H
#define MUSTER_GITHUB_CHECK_H

#include "server/github/api.h"

#define GITHUB_CHECK_TEXT_MAX 65535 /* bytes of summary and of text: GitHub counts characters */
#define GITHUB_CHECK_TITLE_MAX 255  /* of an annotation; a check run's own title has no documented limit */
#define GITHUB_CHECK_ANNOTATIONS 50 /* a request */
#define GITHUB_STATUS_DESCRIPTION_MAX 140
#define GITHUB_RETRY_ACTION "retry" /* identifier of the button "Try again" */

struct github_annotation {
    const char *path;
    int line, column;  /* column 0 = the whole line */
    const char *level; /* "notice", "warning", "failure" */
    const char *title; /* NULL = none */
    const char *message;
};

/* All strings borrowed. */
struct github_check {
    const char *name, *head_sha;
    int64_t external_id;
    const char *status;     /* "queued", "in_progress", "completed" */
    const char *conclusion; /* "failure", "neutral", "success", "cancelled", ...; NULL unless completed */
    const char *title, *summary;
    const char *text;                            /* NULL = none */
    const struct github_annotation *annotations; /* appended to those GitHub has already */
    size_t n_annotations;                        /* those over GITHUB_CHECK_ANNOTATIONS are left out */
    int64_t started_ms, completed_ms;            /* 0 = not said */
    bool retry_button;                           /* a button that sends check_run requested_action */
};

/* checks/create. ERR_AUTH: the App may write no checks here, or no such repository is his. ERR_RETRY: it may have been
 * made all the same (github_check_find tells). */
int github_check_create(struct github *g, const struct github_repo *r, const struct github_check *c, int64_t *id,
                        struct err *e) MUST_USE;
/* checks/update. ERR_GONE: there is none of that id. */
int github_check_update(struct github *g, const struct github_repo *r, int64_t id, const struct github_check *c,
                        struct err *e) MUST_USE;
/* checks/list-for-ref with check_name: the one of this name and external_id on c->head_sha. ERR_GONE: none. */
int github_check_find(struct github *g, const struct github_repo *r, const struct github_check *c, int64_t *id,
                      struct err *e) MUST_USE;

/* repos/create-commit-status. state: "error", "failure", "pending", "success". */
struct github_status {
    const char *context, *head_sha, *state, *description;
};
int github_status_put(struct github *g, const struct github_repo *r, const struct github_status *s,
                      struct err *e) MUST_USE;

#endif
