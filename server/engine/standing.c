/* Tasks that are always there: each says itself when it is due again. One that is there already keeps its time, unless
 * that is later than it would be now. What finds jobs that no event told of has its turn among those that are to be
 * decided: else they would wait until no other does. */
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/engine/catch_up.h"
#include "server/engine/sweep.h"

static const struct {
    enum task_kind kind;
    const char *subject;
    enum task_priority priority;
    int64_t after_ms; /* the start */
} standing[] = {
    {TASK_CATCH_UP, CATCH_UP_DELIVERIES, TASK_DECIDE, 0},
    {TASK_CATCH_UP, CATCH_UP_JOBS, TASK_DECIDE, 0},
    {TASK_SWEEP, SWEEP_CLOUDS, TASK_CHECK, SWEEP_FIRST_MS},
    {TASK_SWEEP, SWEEP_RUNNERS, TASK_REPORT, 2 * SWEEP_FIRST_MS},
    {TASK_RETAIN, "store", TASK_CHECK, 5 * 60 * 1000},
};

int standing_tx(struct store_tx *t, void *engine, struct err *e)
{
    int64_t now_ms = clock_now_ms();

    (void)engine;
    for (size_t i = 0; i < ARRAY_LEN(standing); i++) {
        if (store_task_put(t, standing[i].kind, standing[i].subject, standing[i].priority,
                           now_ms + standing[i].after_ms, e))
            return -1;
    }
    return 0;
}
