/*
 * GET /api/runner-provision?runner_name=NAME: Cirun's pull form (docs.cirun.io/reference/yaml, "Custom Provisioning"):
 * the start-up script of an image fetches what its machine runs, with a value of server.api_token as bearer token. Once
 * per machine, from its launch until its boot deadline. The loop's thread only.
 *
 *     200 the script   400 no name   401 token   404 no such machine   409 not launched yet   410 fetched, or too late
 *     429 more than fifty such requests a second
 */
#ifndef MUSTER_API_PROVISION_H
#define MUSTER_API_PROVISION_H

#include "server/api/request.h"

void provision_begin(struct request *r);
enum MHD_Result provision_end(struct request *r);
void provision_refused(struct request *r, unsigned code, const char *reason);

/* Back from the store; or the store did not answer in time. */
void provision_came_back(struct request *r, const struct handover_result *got);
void provision_give_up(struct request *r);

#endif
