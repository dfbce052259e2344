/*
 * TASK_RETAIN: what is old is forgotten, table after table, in transactions so small that no delivery waits for them
 * noticeably. After some of them the task ends and comes again at once, so that whatever is due meanwhile has its turn;
 * when nothing is left it comes in an hour.
 *
 * A clock that was set must not empty the store. Ahead by more than a day, or the same to look at: not running for so
 * long, or never before, nothing is forgotten for a day, in which whoever set it wrong may find out. Set back, this
 * pass only notes the time: what is old by an earlier clock is old by any.
 */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/metric.h"
#include "server/engine/engine_int.h"
#include "server/store/store_retain.h"

#include <stdio.h>
#include <stdlib.h>

#define EVERY_MS (60 * 60 * 1000)
#define AGAIN_MS 100
#define PIECES 40 /* transactions of one run of the task */
#define KEYS 100  /* of one transaction */
#define LEAP_MS ((int64_t)24 * 60 * 60 * 1000)
#define DEFAULT_MS ((int64_t)30 * 24 * 60 * 60 * 1000)
#define HOLD_MS ((int64_t)24 * 60 * 60 * 1000)
#define SEEN_KEY "retain.at"     /* in meta: when the last pass was, */
#define LEAPT_KEY "retain.leapt" /* and the first one after the last leap ahead; 0 = it is long ago */

static const struct metric_desc forgotten = {METRIC_COUNTER, "muster_retained_rows_total",
                                             "Rows that were forgotten because they were old, by table", "table", NULL};

struct pass {
    int64_t now_ms, before_ms;
    const struct retain_rule *rule;
    int64_t rows;
    bool more, held, leapt; /* held: nothing goes in this pass; leapt: because of what it found */
};

static int piece_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct pass *p = arg;

    return store_retain(t, p->rule, p->now_ms, p->before_ms, KEYS, &p->rows, &p->more, e);
}

static int read_time(struct store_tx *t, const char *key, int64_t *out, struct err *e)
{
    AUTO_FREE char *text = NULL;

    if (store_meta_get(t, key, &text, e))
        return -1;
    *out = text != NULL ? strtoll(text, NULL, 10) : 0;
    return 0;
}

static int write_time(struct store_tx *t, const char *key, int64_t ms, struct err *e)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%lld", (long long)ms);
    return store_meta_put(t, key, text, e);
}

static int watch_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct pass *p = arg;
    int64_t at, leapt_ms, was_ms;

    if (read_time(t, SEEN_KEY, &at, e) || read_time(t, LEAPT_KEY, &was_ms, e))
        return -1;
    p->leapt = p->now_ms - at > LEAP_MS;
    leapt_ms = p->leapt ? p->now_ms : p->now_ms < at || p->now_ms - was_ms >= HOLD_MS ? 0 : was_ms;
    p->held = leapt_ms != 0 || p->now_ms < at;
    if (leapt_ms != was_ms && write_time(t, LEAPT_KEY, leapt_ms, e))
        return -1;
    return write_time(t, SEEN_KEY, p->now_ms, e);
}

/* One table, as far as `pieces` go. */
static int forget(struct engine *g, struct pass *p, int *pieces, struct err *e)
{
    int64_t rows = 0;

    do {
        if (store_write(g->c.store, piece_tx, p, e))
            return -1;
        rows += p->rows;
        metric_add(&forgotten, p->rule->table, (double)p->rows);
        (*pieces)--;
    } while (p->more && *pieces > 0);
    if (rows > 0)
        log_info(EV("store.retained"), FS("table", p->rule->table), FI("count", rows));
    return 0;
}

int64_t retain_age_ms(const struct engine *g)
{
    return g->c.retention_ms > 0 ? g->c.retention_ms : DEFAULT_MS;
}

int retain_task(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    struct pass p = {.now_ms = clock_now_ms()};
    int pieces = PIECES;
    size_t n;
    const struct retain_rule *rules = store_retain_rules(&n);

    (void)task;
    p.before_ms = p.now_ms - retain_age_ms(g);
    if (store_write(g->c.store, watch_tx, &p, e))
        return -1;
    if (p.leapt)
        log_info(
            EV("store.retention_held"), FI("seconds", HOLD_MS / 1000),
            FS("reason", "the clock is more than a day ahead of the last pass: it was set, or muster did not run"));
    for (size_t i = 0; i < n && pieces > 0 && !p.held; i++) {
        p.rule = &rules[i];
        if (p.rule->pick != NULL && forget(g, &p, &pieces, e))
            return -1;
    }
    *next = (struct task_next){p.now_ms + (pieces > 0 ? EVERY_MS : AGAIN_MS), TASK_CHECK, false};
    return 0;
}
