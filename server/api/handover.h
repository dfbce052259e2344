/*
 * A delivery on its way into the store and back: handed to api_conf.deliver on the loop's thread, finished on the
 * store's, taken up by the loop in batches. The loop may give one up at any time; what comes back late is dropped.
 */
#ifndef MUSTER_API_HANDOVER_H
#define MUSTER_API_HANDOVER_H

#include "server/engine/engine.h"

struct request;
struct handover;
struct handover_queue;

struct handover_queue *handover_queue_new(void);
void handover_queue_free(struct handover_queue *q);    /* accepts NULL; those still away end harmlessly */
int handover_queue_fd(const struct handover_queue *q); /* readable when something came back */

/* One delivery of a request; handover_done gets it as arg. */
struct handover *handover_new(struct handover_queue *q, struct request *r);
void handover_done(void *arg, enum delivery_outcome outcome, int rc, const struct err *e); /* any thread */

/* The loop: nobody waits for it any more. */
void handover_abandon(struct handover *h);
/* The loop: call fn for each that came back, then free them. */
void handover_take(struct handover_queue *q,
                   void (*fn)(struct request *r, enum delivery_outcome outcome, int rc, const struct err *e));

#endif
