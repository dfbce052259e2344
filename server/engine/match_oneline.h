/*
 * A job against the one-line form (config/oneline.h): asked when no file's runner serves it. Pure.
 */
#ifndef MUSTER_ENGINE_MATCH_ONELINE_H
#define MUSTER_ENGINE_MATCH_ONELINE_H

#include "server/engine/match.h"

/* FOUND: *yml has one runner, which serves the job; cirun_yml_free. NOT_OURS: none of the labels is of that form,
 * reason is left as it was. REFUSED: reason says what is wrong. */
enum match_verdict match_oneline(const struct match_job *job, struct cirun_yml **yml, char *reason, size_t reason_size);

#endif
