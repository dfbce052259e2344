/*
 * The clouds' limits, kept to beforehand: a token bucket (base/budget.h) for each account, region and class of call, so
 * that neither another region nor another class waits for one that is used up. Machines end by a bucket of their own:
 * no number of launches delays that.
 *
 * Where an account talks to the cloud's own address, the numbers that the cloud documents are where it starts
 * (pace.c); elsewhere there is no limit until the other side speaks of one. When a cloud answers ERR_THROTTLED the
 * bucket rests as long as it says, and goes at half the rate from then on, slowly recovering.
 *
 * A launch that has no turn keeps its place in the queue, its candidate and its token; no other candidate is tried for
 * that: the chain's order is its owner's, and the wait is known. Only a cloud that goes on refusing to listen is left
 * for the next candidate elsewhere (launch.c). In the queue, repositories take turns.
 *
 * Nothing of it is stored: after a restart it begins anew. Safe from any thread.
 */
#ifndef MUSTER_ENGINE_PACE_H
#define MUSTER_ENGINE_PACE_H

#include "server/engine/engine_int.h"

enum pace_class { PACE_LAUNCH, PACE_ASK, PACE_DESTROY, PACE_CLASSES };

/* 0 = m may be launched there now; else in how many ms to ask again. */
int64_t pace_launch_ms(struct engine *g, const struct engine_cloud *cloud, const char *region, const struct machine *m);
/* What the cloud answered to it. */
void pace_launched(struct engine *g, const struct engine_cloud *cloud, const char *region, const struct err *refusal);

/* The cloud's own calls; ERR_THROTTLED when it is not their turn. */
int pace_describe(struct engine *g, const struct engine_cloud *cloud, const struct instance *ref, struct instance *out,
                  struct err *e) MUST_USE;
/* *asked: it was the cloud that refused. May be NULL. */
int pace_destroy(struct engine *g, const struct engine_cloud *cloud, const struct instance *ref, bool *asked,
                 struct err *e) MUST_USE;
int pace_list(struct engine *g, const struct engine_cloud *cloud, const char *region,
              int (*each)(void *arg, const struct instance *i, struct err *e), void *arg, struct err *e) MUST_USE;

#endif
