/*
 * Circuit breakers: a candidate (cloud, region, type, spot or not, and whatever else makes it another thing to ask for)
 * that was refused three times in a row, or whose machines did not come up so often, is left alone for half a minute,
 * then for twice as long each time, for five minutes at most (at once where machines did not come up): no longer than a
 * job without any other candidate waits between two rounds anyway. Then one launch goes out as a probe; when it is
 * taken (or, where machines did not come up, when one does) all may go again.
 *
 * It never changes the order of a chain: a job passes over what is open, and what is behind it is what it would have
 * got after the refusal. A job whose candidates are all open waits for the first that opens.
 *
 * Refusals count for everybody; machines that did not come up for their repository only: its image may be the reason.
 */
#ifndef MUSTER_ENGINE_BREAKER_H
#define MUSTER_ENGINE_BREAKER_H

#include "server/engine/engine_int.h"

struct breaker_found {
    int64_t again_ms; /* wall clock; 0 = it may be tried */
    char kind[16];    /* why it is left alone */
    char words[176];  /* "skipped: no capacity 3 minutes ago, again at 2026-01-02T15:04:05Z" */
};

/* May this candidate of m's plan be tried? With `enter` it is tried now, and m's is the probe where one is due. */
int breaker_look_tx(struct store_tx *t, const struct engine *g, const struct machine *m, const struct plan *p,
                    bool enter, int64_t now_ms, struct breaker_found *out, struct err *e) MUST_USE;
/* It was refused: of kinds other than ERR_CAPACITY and ERR_QUOTA nothing is kept. */
int breaker_refused_tx(struct store_tx *t, const struct engine *g, const struct machine *m, const struct plan *p,
                       enum err_kind kind, int64_t now_ms, struct err *e) MUST_USE;
/* It was taken; its machine came up; it did not. */
int breaker_taken_tx(struct store_tx *t, const struct engine *g, const struct machine *m, const struct plan *p,
                     struct err *e) MUST_USE;
int breaker_booted_tx(struct store_tx *t, const struct engine *g, const struct machine *m, const struct plan *p,
                      struct err *e) MUST_USE;
int breaker_lost_tx(struct store_tx *t, const struct engine *g, const struct machine *m, int64_t now_ms,
                    struct err *e) MUST_USE;
/* What m was to prove stays unproved: it was refused for another reason, or ended before it came up. */
int breaker_release_tx(struct store_tx *t, const struct engine *g, const struct machine *m, struct err *e) MUST_USE;
/* A machine ended: where a quota was the reason there may be room now. */
int breaker_ended_tx(struct store_tx *t, const struct machine *m, int64_t now_ms, struct err *e) MUST_USE;
/* A person asked for m's candidates to be tried now: each is probed at once. */
int breaker_asked_tx(struct store_tx *t, const struct engine *g, const struct machine *m, int64_t now_ms,
                     struct err *e) MUST_USE;
/* At the start: what is remembered is measured. */
int breaker_start_tx(struct store_tx *t, void *engine, struct err *e) MUST_USE;

#endif
