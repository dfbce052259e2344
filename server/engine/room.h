/* The limits, inside a transaction but for room_ask and room_pass. Not for others than the engine. */
#ifndef MUSTER_ENGINE_ROOM_H
#define MUSTER_ENGINE_ROOM_H

#include "server/engine/engine_int.h"

/* The halves of balance_strike: marks and unmarks what is there, and tells how many machines are missing; a new machine
 * for the job that waits longest (*made = false: nobody waits who could have one). */
int balance_missing(struct store_tx *t, const struct balance *b, int64_t *missing, struct err *e) MUST_USE;
int balance_want(struct store_tx *t, const struct balance *b, bool *made, struct err *e) MUST_USE;

/* So many machines are missing: they are made where there is room, and the rest waits for it. */
int room_fill(struct store_tx *t, const struct balance *b, int64_t missing, struct err *e) MUST_USE;
/* Room may have come. */
int room_admit(struct store_tx *t, struct engine *g, int64_t now_ms, struct err *e) MUST_USE;
/* A machine that nothing was made for yet will wait for long: others may have its place meanwhile. Changes *m. */
int room_leave(struct store_tx *t, struct engine *g, struct machine *m, int64_t now_ms, struct err *e) MUST_USE;
/* May a warm machine be made that no job asked for? Only where there is room and nobody waits for any. */
int room_spare(struct store_tx *t, const struct engine *g, int64_t repo_id, int64_t now_ms, bool *spare,
               struct err *e) MUST_USE;
/* After so long it may be otherwise. */
#define ROOM_AGAIN_MS (60 * 1000)
/* May a machine that found no capacity begin its next round? Its room went to others meanwhile. */
int room_for(struct store_tx *t, const struct engine *g, int64_t repo_id, int64_t now_ms, bool *open,
             struct err *e) MUST_USE;
/* The same, outside of a transaction; *next says when to ask again. */
int room_ask(struct engine *g, const struct machine *m, struct task_next *next, bool *open, struct err *e) MUST_USE;
bool room_is_waiting(const char *reason); /* is that what a job is told that waits for room? */
/* At the start, whatever the limits were before. */
int room_start_tx(struct store_tx *t, void *engine, struct err *e) MUST_USE;
/* TASK_ROOM: a minute has passed, and those who wait are told their place. */
int room_pass(struct engine *g, struct task_next *next, struct err *e) MUST_USE;

#endif
