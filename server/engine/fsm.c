#include "server/engine/fsm.h"

/* Where each event leads from each state; what is not listed changes nothing. A LAUNCHED that comes late (the job ran
 * or ended while the answer was on its way) keeps the state: the caller records the instance all the same. */
#define TO(state) ((unsigned char)((state) + 1))

static const unsigned char table[M_GONE + 1][FSM_DESTROYED + 1] = {
    [M_WANTED] = {[FSM_START] = TO(M_LAUNCHING),
                  [FSM_BACKOFF] = TO(M_WANTED),
                  [FSM_TAKEN] = TO(M_BUSY),
                  [FSM_FINISHED] = TO(M_ENDING),
                  [FSM_DROP] = TO(M_ENDING),
                  [FSM_EXPIRED] = TO(M_ENDING)},
    [M_LAUNCHING] = {[FSM_START] = TO(M_LAUNCHING),
                     [FSM_BACKOFF] = TO(M_WANTED),
                     [FSM_LAUNCHED] = TO(M_BOOTING),
                     [FSM_TAKEN] = TO(M_BUSY),
                     [FSM_FINISHED] = TO(M_ENDING),
                     [FSM_DROP] = TO(M_ENDING),
                     [FSM_EXPIRED] = TO(M_ENDING)},
    [M_BOOTING] = {[FSM_REGISTERED] = TO(M_IDLE),
                   [FSM_TAKEN] = TO(M_BUSY),
                   [FSM_FINISHED] = TO(M_ENDING),
                   [FSM_DROP] = TO(M_ENDING),
                   [FSM_LOST] = TO(M_ENDING),
                   [FSM_EXPIRED] = TO(M_ENDING)},
    [M_IDLE] = {[FSM_TAKEN] = TO(M_BUSY),
                [FSM_FINISHED] = TO(M_ENDING),
                [FSM_DROP] = TO(M_ENDING),
                [FSM_LOST] = TO(M_ENDING),
                [FSM_EXPIRED] = TO(M_ENDING)},
    [M_BUSY] = {[FSM_LAUNCHED] = TO(M_BUSY),
                [FSM_TAKEN] = TO(M_BUSY), /* GitHub said before that its runner is busy, and now with which job */
                [FSM_FINISHED] = TO(M_ENDING),
                [FSM_LOST] = TO(M_ENDING),
                [FSM_EXPIRED] = TO(M_ENDING)},
    [M_ENDING] = {[FSM_LAUNCHED] = TO(M_ENDING), [FSM_DESTROYED] = TO(M_GONE)},
};

bool fsm_next(enum machine_state state, enum fsm_event event, enum machine_state *next)
{
    unsigned char to = table[state][event];

    if (to == 0)
        return false;
    *next = (enum machine_state)(to - 1);
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
