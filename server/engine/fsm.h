/* The life of a machine as a pure table. All changes of state go through here and one compare-and-set in the store. */
#ifndef MUSTER_ENGINE_FSM_H
#define MUSTER_ENGINE_FSM_H

#include "server/model.h"

#include <stdbool.h>

enum fsm_event {
    FSM_START,      /* a worker is about to call the cloud */
    FSM_BACKOFF,    /* every candidate was refused for now: wait, then the chain again */
    FSM_LAUNCHED,   /* the cloud accepted it */
    FSM_REGISTERED, /* its runner is online and has no job */
    FSM_TAKEN,      /* GitHub gave its runner a job */
    FSM_FINISHED,   /* the job it ran is completed */
    FSM_DROP,       /* nobody needs it, or it cannot be launched */
    FSM_LOST,       /* the cloud says it is gone */
    FSM_EXPIRED,    /* boot deadline or lifetime passed */
    FSM_DESTROYED   /* the cloud says gone, and we asked for it */
};

/* Where the event leads. False: it changes nothing in this state (late, repeated, or impossible). */
bool fsm_next(enum machine_state state, enum fsm_event event, enum machine_state *next);

const char *fsm_event_name(enum fsm_event event); /* "launched" */

#endif
