/*
 * POST /webhook: hash while the body arrives, verify before anything is parsed, hand the job to the store, answer 202
 * once it is on disk. The loop's thread only.
 */
#ifndef MUSTER_API_WEBHOOK_H
#define MUSTER_API_WEBHOOK_H

#include "server/api/request.h"

void webhook_begin(struct request *r); /* the headers are in */
void webhook_body(struct request *r, const void *data, size_t len);
enum MHD_Result webhook_end(struct request *r); /* the body is in, or the store has answered */

/* The store has answered: fit for handover_take. */
void webhook_delivered(struct request *r, const struct handover_result *got);
/* The store has not answered in time: answer 503; what it still does is harmless, a redelivery finds it known. */
void webhook_give_up(struct conn *c);

/* A delivery that was refused before or while its body arrived: count and log it. */
void webhook_refused(struct request *r, unsigned code, const char *reason);

/* The gauges that are read only when somebody looks. */
void webhook_measure(const struct api_context *x);

#endif
