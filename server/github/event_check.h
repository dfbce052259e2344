/*
 * "Re-run" in a pull request: the events check_run (rerequested, or requested_action of our button) and check_suite
 * (rerequested: all of a commit's). GitHub sends them to the App whose checks they are. Source: GitHub's webhook
 * schemas check_run and check_suite.
 */
#ifndef MUSTER_GITHUB_EVENT_CHECK_H
#define MUSTER_GITHUB_EVENT_CHECK_H

#include "server/github/event.h"

/* event: "check_run" or "check_suite". EVENT_PRESS: *out says repo_id, repo, head_sha, installation_id, id = the check
 * run's (0: all of the commit), run_id = its external_id (0: no number) and name = the login of who pressed. Other
 * actions, among them the echoes of our own writes, are EVENT_IGNORED. ERR_INVALID: not JSON, or a press without what
 * the schema requires. */
int event_check_parse(const char *event, const char *body, size_t len, enum event_verdict *verdict, struct job *out,
                      struct err *e) MUST_USE;

#endif
