/*
 * The workflow_job event to a struct job: strict, one pass, no allocation but the job's own strings.
 * Source: GitHub's webhook schema `workflow_job` (queued, waiting, in_progress, completed), and the REST schema `job`,
 * which is the same without what is around it.
 */
#ifndef MUSTER_GITHUB_EVENT_H
#define MUSTER_GITHUB_EVENT_H

#include "server/base/buf.h"
#include "server/model.h"

enum event_verdict {
    EVENT_PRESS, /* somebody asks for a check run anew (event_check.h) */
    EVENT_JOB,   /* *out is filled: state from `action`, never from workflow_job.status */
    EVENT_PUSH,  /* to a default branch: *out has its repository, and as name a file of ours that a commit names */
    EVENT_INSTALLATION, /* what an installation may see has changed: *out says installation_id, and the action as name
                         */
    EVENT_IGNORED       /* valid JSON that we do not need: another event, an unknown action, labels with a null item */
};

/* event: X-GitHub-Event. The whole body is checked to be JSON whatever the event. ERR_INVALID: not JSON, or a
 * workflow_job without what the schema requires (null as a whole is EVENT_IGNORED); names the byte or the path. out:
 * cleared by the caller's AUTO_JOB. Fills label_key, and want = WANT_NOTHING when all labels are GitHub-hosted or there
 * are none (event_labels_hosted).
 */
int event_parse(const char *event, const char *body, size_t len, int64_t now_ms, enum event_verdict *verdict,
                struct job *out, struct err *e) MUST_USE;

/* A job in an answer of the API, whose repository and installation `where` names. By its status; *known = false: one
 * that no event has ("requested", "pending"), or labels with a null item; then *out is untouched. */
int event_api_job(const char *text, size_t len, const struct job *where, int64_t now_ms, bool *known, struct job *out,
                  struct err *e) MUST_USE;

/* application/x-www-form-urlencoded with one field `payload`: the decoded JSON, appended to out. ERR_INVALID else. */
int event_form_payload(const char *body, size_t len, struct buf *out, struct err *e) MUST_USE;

/* Is the label one of GitHub's own runners (ubuntu-latest, ubuntu-24.04-arm, windows-2022, macos-14-xlarge, ...)? */
bool event_label_is_hosted(const char *label);

#endif
