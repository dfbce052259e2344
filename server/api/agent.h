/*
 * GET and POST /api/v1/agent: Cirun's agent protocol, for agents of the owner's hosts that run with
 * CIRUN_API_URL=https://OUR-HOST/api/v1 and clouds.on_prem.agent_token. Written from what the published agent does
 * (github.com/cirunlabs/cirun-agent, 0.4.0): its GET has a body too. The loop's thread only.
 */
#ifndef MUSTER_API_AGENT_H
#define MUSTER_API_AGENT_H

#include "server/api/request.h"

#define AGENT_BODY_MAX ((size_t)256 * 1024)

void agent_begin(struct request *r); /* the headers are in: without the token no body is kept */
void agent_body(struct request *r, const void *data, size_t len);
enum MHD_Result agent_end(struct request *r);

/* A request that was refused before or while its body arrived: count and log it. */
void agent_refused(struct request *r, unsigned code, const char *reason);

/* The gauge that is read only when somebody looks. */
void agent_measure(const struct api_context *x);

#endif
