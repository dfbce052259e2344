#include "providers/common/poll.h"

#include "server/base/clock.h"

#include <stddef.h>

#define FIRST_MS 500
#define MOST_MS 10000

struct poll poll_begin(poll_pause_fn *pause, void *arg, int64_t at_most_ms)
{
    return (struct poll){
        .pause = pause, .arg = arg, .until_mono_ms = clock_mono_ms() + at_most_ms, .next_ms = FIRST_MS};
}

int poll_pause(struct poll *w, int asked_s, struct err *e)
{
    int64_t left_ms = w->until_mono_ms - clock_mono_ms();
    int64_t ms = asked_s > 0 ? (int64_t)asked_s * 1000 : w->next_ms;

    if (w->pause == NULL || left_ms <= 0)
        return err_set(e, ERR_RETRY, "not finished in time");
    if (w->pause(w->arg, ms < left_ms ? ms : left_ms))
        return err_set(e, ERR_RETRY, "not finished before the daemon ended");
    w->next_ms = w->next_ms * 3 / 2 < MOST_MS ? w->next_ms * 3 / 2 : MOST_MS;
    return 0;
}
