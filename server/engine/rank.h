/*
 * What `muster` of a runner says of its candidates: their order, and how long a machine may live and boot.
 */
#ifndef MUSTER_ENGINE_RANK_H
#define MUSTER_ENGINE_RANK_H

#include "server/engine/engine_int.h"

/* The candidates of each runner in the order that it asks for; what has no price or was never launched comes last. */
int rank_plan(struct engine *g, char **plan, struct err *e) MUST_USE;
/* What stands for a candidate in store_speed_*. */
void rank_key(const struct machine_spec *s, char out[400]);
/* Its machine came up, or was refused for want of room. */
int rank_booted_tx(struct store_tx *t, const struct engine *g, const struct machine *m, int64_t now_ms,
                   struct err *e) MUST_USE;
bool refusal_is_unclear(enum err_kind kind); /* nobody knows whether the launch was taken after all */
void rank_refused(struct engine *g, const struct machine *m, const struct plan *p, const struct err *refusal);

/* What a candidate's machine may take: its runner's own word, at most the operator's. */
int64_t terms_lifetime_ms(const struct engine *g, const struct plan *p, size_t i);
int64_t terms_boot_deadline_ms(const struct engine *g, const struct plan *p, size_t i);

#endif
