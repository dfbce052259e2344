/*
 * A delivery on its way into the store and back (or a machine's question): handed to api_conf.deliver on the loop's
 * thread, finished on the store's, taken up by the loop in batches. The loop may give one up at any time; what comes
 * back late is dropped.
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

/* What came back. */
struct handover_result {
    int rc; /* -1: err says why, and nothing else holds */
    struct err err;
    enum delivery_outcome outcome;    /* of a delivery */
    enum provision_outcome provision; /* of a machine that asks for its bootstrap */
    struct secret *script;            /* the same; freed afterwards */
};

/* One delivery of a request, or its question; one of these two gets it as arg, on any thread. */
struct handover *handover_new(struct handover_queue *q, struct request *r);
void handover_done(void *arg, enum delivery_outcome outcome, int rc, const struct err *e);
void handover_provisioned(void *arg, enum provision_outcome outcome, struct secret *script, int rc,
                          const struct err *e);

/* The loop: nobody waits for it any more. */
void handover_abandon(struct handover *h);
/* The loop: call fn for each that came back, then free them. */
void handover_take(struct handover_queue *q, void (*fn)(struct request *r, const struct handover_result *got));

#endif
