#include "server/engine/fsm.h"

#include <stddef.h>

/* Where each event leads from each state; NO where it changes nothing. A LAUNCHED that comes late (the job ran or ended
 * while the answer was on its way) keeps the state: the caller records the instance all the same. */
#define NO (-1)

static const signed char table[M_GONE + 1][FSM_DESTROYED + 1] = {
    [M_WANTED] = {[FSM_START] = M_LAUNCHING,
                  [FSM_BACKOFF] = NO,
                  [FSM_LAUNCHED] = NO,
                  [FSM_REGISTERED] = NO,
                  [FSM_TAKEN] = M_BUSY,
                  [FSM_FINISHED] = M_ENDING,
                  [FSM_DROP] = M_ENDING,
                  [FSM_LOST] = NO,
                  [FSM_EXPIRED] = M_ENDING,
                  [FSM_DESTROYED] = NO},
    [M_LAUNCHING] = {[FSM_START] = M_LAUNCHING,
                     [FSM_BACKOFF] = M_WANTED,
                     [FSM_LAUNCHED] = M_BOOTING,
                     [FSM_REGISTERED] = NO,
                     [FSM_TAKEN] = M_BUSY,
                     [FSM_FINISHED] = M_ENDING,
                     [FSM_DROP] = M_ENDING,
                     [FSM_LOST] = NO,
                     [FSM_EXPIRED] = M_ENDING,
                     [FSM_DESTROYED] = NO},
    [M_BOOTING] = {[FSM_START] = NO,
                   [FSM_BACKOFF] = NO,
                   [FSM_LAUNCHED] = NO,
                   [FSM_REGISTERED] = M_IDLE,
                   [FSM_TAKEN] = M_BUSY,
                   [FSM_FINISHED] = M_ENDING,
                   [FSM_DROP] = M_ENDING,
                   [FSM_LOST] = M_ENDING,
                   [FSM_EXPIRED] = M_ENDING,
                   [FSM_DESTROYED] = NO},
    [M_IDLE] = {[FSM_START] = NO,
                [FSM_BACKOFF] = NO,
                [FSM_LAUNCHED] = NO,
                [FSM_REGISTERED] = NO,
                [FSM_TAKEN] = M_BUSY,
                [FSM_FINISHED] = M_ENDING,
                [FSM_DROP] = M_ENDING,
                [FSM_LOST] = M_ENDING,
                [FSM_EXPIRED] = M_ENDING,
                [FSM_DESTROYED] = NO},
    [M_BUSY] = {[FSM_START] = NO,
                [FSM_BACKOFF] = NO,
                [FSM_LAUNCHED] = M_BUSY,
                [FSM_REGISTERED] = NO,
                [FSM_TAKEN] = NO,
                [FSM_FINISHED] = M_ENDING,
                [FSM_DROP] = NO,
                [FSM_LOST] = M_ENDING,
                [FSM_EXPIRED] = M_ENDING,
                [FSM_DESTROYED] = NO},
    [M_ENDING] = {[FSM_START] = NO,
                  [FSM_BACKOFF] = NO,
                  [FSM_LAUNCHED] = M_ENDING,
                  [FSM_REGISTERED] = NO,
                  [FSM_TAKEN] = NO,
                  [FSM_FINISHED] = NO,
                  [FSM_DROP] = NO,
                  [FSM_LOST] = NO,
                  [FSM_EXPIRED] = NO,
                  [FSM_DESTROYED] = M_GONE},
    [M_GONE] = {[FSM_START] = NO,
                [FSM_BACKOFF] = NO,
                [FSM_LAUNCHED] = NO,
                [FSM_REGISTERED] = NO,
                [FSM_TAKEN] = NO,
                [FSM_FINISHED] = NO,
                [FSM_DROP] = NO,
                [FSM_LOST] = NO,
                [FSM_EXPIRED] = NO,
                [FSM_DESTROYED] = NO},
};

bool fsm_next(enum machine_state state, enum fsm_event event, enum machine_state *next)
{
    signed char to = table[state][event];

    if (to == NO)
        return false;
    *next = (enum machine_state)to;
    return true;
}

const char *fsm_event_name(enum fsm_event event)
{
    switch (event) {
    case FSM_START:
        return "started";
    case FSM_BACKOFF:
        return "backed_off";
    case FSM_LAUNCHED:
        return "launched";
    case FSM_REGISTERED:
        return "registered";
    case FSM_TAKEN:
        return "taken";
    case FSM_FINISHED:
        return "finished";
    case FSM_DROP:
        return "dropped";
    case FSM_LOST:
        return "lost";
    case FSM_EXPIRED:
        return "expired";
    case FSM_DESTROYED:
        return "destroyed";
    }
    return "unknown";
}
