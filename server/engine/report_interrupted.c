/* What is said of a job whose machine was taken back, and of its being run again. */
#include "server/engine/report_writing.h"

#include <string.h>

bool report_is_pending(const struct store_interruption *i)
{
    return i->state == RERUN_WAITS || i->state == RERUN_ASKED;
}

void report_title_interrupted(const struct writing *x, struct buf *b)
{
    const struct store_interruption *i = &x->v->interruption;

    buf_addf(b, "The machine was taken back by %s: ", i->cloud);
    if (i->state == RERUN_DONE)
        buf_addf(b, "the job runs again, %d of %d", i->nth, i->most);
    else if (report_is_pending(i))
        buf_addf(b, "the job will run again, %d of %d", i->nth, i->most);
    else
        buf_adds(b, "the job is not run again");
}

/* What a person can do where we do nothing more. */
static const char *advice(const char *outcome)
{
    static const struct {
        const char *outcome, *words;
    } known[] = {
        {"off",
         "With `muster: {rerun_interrupted: 2}` at its runner in `.cirun.yml`, such a job is run again by itself, "
         "the second time not on spot. Until then: *Re-run failed jobs*."},
        {"limit", "*Re-run failed jobs* runs it once more, not on spot any more. When it happens often, take the spot "
                  "candidates out of `.cirun.yml`, or name more types and regions."},
        {"forbidden", "Somebody who administers the GitHub App gives it the repository permission *Actions: read and "
                      "write*, and an owner accepts it for this organisation. Until then: *Re-run failed jobs*."},
        {"refused", "*Re-run failed jobs* tells why GitHub refuses."},
        {"expired", "*Re-run failed jobs*, if it is still wanted."},
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(known[i].outcome, outcome) == 0)
            return known[i].words;
    }
    return NULL; /* cancelled, run again by somebody, gone: nothing is missing */
}

void report_write_interrupted(const struct writing *x, struct buf *b)
{
    const struct store_interruption *i = &x->v->interruption;
    const char *words = advice(i->outcome);

    buf_adds(b, "A spot machine can be taken back by its cloud at any time; the job that ran on it failed by that, and "
                "not by itself.\n\n> ");
    report_code(x, b, i->detail, sizeof(i->detail));
    buf_adds(b, "\n\n");
    if (i->state == RERUN_WAITS)
        buf_adds(b, "GitHub runs jobs again only when their run has ended: that is waited for.\n\n");
    if (words != NULL)
        buf_addf(b, "### What to do\n\n%s\n\n", words);
}
