/*
 * An intake server for tests on a free port, with a store that does as it is told: the double of engine_deliver.
 */
#ifndef MUSTER_TESTS_INTAKE_H
#define MUSTER_TESTS_INTAKE_H

#include "server/api/server.h"

#define INTAKE_SECRET "It's a Secret to Everybody"

enum intake_mode {
    INTAKE_AT_ONCE, /* stored before deliver returns */
    INTAKE_GROUPED, /* by a thread, all that wait together */
    INTAKE_HELD,    /* not before intake_release */
    INTAKE_FAILING  /* the disk is full */
};

struct intake;

/* c: what differs from the defaults; listen, secrets and deliver are filled in (listen only when NULL). Fails the
 * program when the server cannot be started. */
struct intake *intake_start(enum intake_mode mode, const struct api_conf *c);
void intake_stop(struct intake *t, int64_t grace_ms); /* the server; may be called from several threads */
void intake_free(struct intake *t);                   /* after intake_stop or without */

int intake_port(const struct intake *t);
int intake_admin_port(const struct intake *t);
const struct secret *intake_secret(const struct intake *t);

size_t intake_stored(struct intake *t);            /* different deliveries stored so far */
void intake_wait_held(struct intake *t, size_t n); /* until so many are held; ends the program after 20 s */
void intake_release(struct intake *t);             /* finish what is held, and hold no more */
void intake_last_job(struct intake *t, int64_t *id, enum job_state *state);

#endif
