/* One look at a machine that is up: what its cloud says, what GitHub says where that is asked, and when to look again.
 */
#include "server/engine/check.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/text.h"
#include "server/engine/pace.h"

#include <stdio.h>

#define CHECK_BOOTING_MS (60 * 1000)
#define CHECK_SELDOM_MS (5 * 60 * 1000)
#define CONFIRM_MS (60 * 1000)          /* a machine that is not found is looked for again before it is lost */
#define BLIND_MS ((int64_t)3600 * 1000) /* so long GitHub may not answer about one that is not found */

/* --- the cloud's word --------------------------------------------------------------------------------------------- */

/* Its runner took a job before the cloud's answer told which machine it is. */
static int note_instance(struct check *c, struct instance *got, struct err *e)
{
    const struct check_verdict v = {.event = FSM_LAUNCHED, .edit = machine_note_instance, .edit_arg = got};

    if (c->w.gone_ms != 0) {
        c->w.gone_ms = 0;
        c->w_changed = true;
    }
    return c->m->instance_id[0] == '\0' && got->id[0] != '\0' ? check_decide(c, &v, e) : 0;
}

static int lost(struct check *c, const struct instance *got, struct err *e)
{
    bool reclaimed = got->why == ERR_CAPACITY, busy = c->m->state == M_BUSY;
    char reason[480];

    (void)snprintf(reason, sizeof(reason), "%s%s%.200s%s",
                   reclaimed                        ? "the cloud took it back"
                   : got->state == INSTANCE_STOPPED ? "the cloud says it is stopped"
                                                    : "the cloud says it is gone",
                   got->detail[0] != '\0' ? ": " : "", got->detail,
                   busy ? "; the job on it is lost with it: GitHub ends it as failed after some minutes without a word "
                          "of its runner"
                        : "");
    text_tidy(reason);
    return check_decide(c,
                        &(struct check_verdict){.event = FSM_LOST,
                                                .kind = reclaimed ? "machine.reclaimed" : NULL,
                                                .fault = reclaimed                        ? "reclaimed"
                                                         : got->state == INSTANCE_STOPPED ? "stopped"
                                                                                          : "vanished",
                                                .reason = reason,
                                                .loss = reclaimed ? LOSS_RECLAIMED
                                                        : got->state == INSTANCE_GONE && got->detail[0] == '\0'
                                                            ? LOSS_VANISHED
                                                            : LOSS_SAID},
                        e);
}

/* GitHub says that its runner is there and works: the list of a cloud may be old, a runner's job is not. */
static int disbelieve(struct check *c, struct err *e)
{
    if ((c->w.told & TOLD_DISBELIEVED) != 0)
        return 0;
    c->w.told |= TOLD_DISBELIEVED;
    c->w_changed = true;
    return check_say(c,
                     &(struct check_verdict){.kind = "machine.disbelieved",
                                             .fault = "disbelieved",
                                             .reason = "the cloud says that it is gone, and GitHub that its runner is "
                                                       "at work: it is left alone while GitHub says so"},
                     e);
}

/* Does GitHub agree that nothing runs there? A runner that has no job goes first, so that it is given none. */
static int github_agrees(struct check *c, bool *yes, struct err *e)
{
    struct check_runner r;
    bool busy = false, done = true;

    *yes = false;
    check_ask(c, &r);
    if (!r.known) {
        *yes = c->now_ms >= c->w.gone_ms + BLIND_MS;
        return 0;
    }
    if (r.busy && r.online)
        return disbelieve(c, e);
    if (!r.busy && r.exists && c->m->state != M_BUSY)
        check_remove(c, &r, &busy, &done);
    if (busy)
        return check_decide(c, &(struct check_verdict){.event = FSM_TAKEN, .reason = "GitHub says its runner is busy"},
                            e);
    *yes = done || c->now_ms >= c->w.gone_ms + BLIND_MS;
    return 0;
}

/* Not among the living, by its cloud's word: which may be old, of one just made or of any. */
static int not_there(struct check *c, const struct instance *got, struct err *e)
{
    bool found = got->state != INSTANCE_GONE, settled = c->now_ms >= c->m->launched_ms + SETTLE_MS, yes = true;

    if (c->m->instance_id[0] == '\0' && c->now_ms < c->m->doubt_ms + SETTLE_MS)
        return 0; /* not found by its name yet */
    if (got->why == ERR_CAPACITY || (found && c->m->state != M_BUSY))
        return lost(c, got, e);
    if (c->w.gone_ms == 0) {
        c->w.gone_ms = c->now_ms;
        c->w_changed = true;
    }
    if (!found && (!settled || c->now_ms < c->w.gone_ms + CONFIRM_MS))
        return 0;
    if (github_agrees(c, &yes, e))
        return -1;
    return yes && !c->moved ? lost(c, got, e) : 0;
}

/* Is it still there? A cloud that cannot be asked proves nothing. */
static int check_cloud(struct check *c, struct err *e)
{
    const struct engine_cloud *cloud = machine_cloud(c->g, c->m->cloud);
    struct instance ref, got;
    struct err cause;

    if (cloud == NULL)
        return 0;
    machine_ref(c->m, &ref);
    if (pace_describe(c->g, cloud, &ref, &got, &cause)) {
        log_warn(EV("machine.unchecked"), FS("machine", c->m->name), FE(&cause));
        return 0;
    }
    if (got.state == INSTANCE_PENDING || got.state == INSTANCE_RUNNING)
        return note_instance(c, &got, e);
    return not_there(c, &got, e);
}

/* --- what looks know of each other -------------------------------------------------------------------------------- */

static int begin_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct check *c = arg;

    return store_watch_get(t, c->m->name, &c->w, e);
}

/* Of one that boots nothing depends on since when. */
static void note_state(struct check *c)
{
    if (c->w.since_ms != 0 && c->w.state == c->m->state && c->w.since_ms <= c->now_ms)
        return;
    c->w.state = c->m->state;
    c->w.since_ms = c->now_ms;
    c->w.asked_ms = 0;
    c->w_changed = c->w_changed || c->m->state >= M_IDLE;
}

static int begin(struct check *c, struct err *e)
{
    if (store_read(c->g->c.store, begin_tx, c, e))
        return -1;
    c->asked_for = c->w.ask;
    note_state(c);
    return 0;
}

/* An event that came during the look may ask for another one: that is not lost. */
static int keep_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct check *c = arg;
    struct store_watch now, w = c->w;

    if (store_watch_get(t, c->m->name, &now, e))
        return -1;
    w.ask = w.ask || (now.ask && !c->asked_for);
    return store_watch_put(t, c->m->name, &w, e);
}

/* --- when next ---------------------------------------------------------------------------------------------------- */

static void sooner(int64_t *due_ms, int64_t than_ms, int64_t now_ms)
{
    if (than_ms > now_ms && than_ms < *due_ms)
        *due_ms = than_ms;
}

static int64_t next_look_ms(const struct check *c)
{
    const struct machine *m = c->m;
    bool seldom = (m->state == M_BUSY || m->state == M_IDLE) && !c->unasked;
    int64_t due = c->now_ms + (seldom ? CHECK_SELDOM_MS : CHECK_BOOTING_MS);

    if (m->state == M_BOOTING)
        sooner(&due, m->boot_deadline_ms, c->now_ms);
    if (m->surplus_ms != 0)
        sooner(&due, m->surplus_ms + c->g->c.idle_grace_ms, c->now_ms);
    sooner(&due, m->expires_ms, c->now_ms);
    sooner(&due, check_hard_end_ms(c), c->now_ms);
    if (c->w.gone_ms != 0)
        sooner(&due, c->now_ms + CONFIRM_MS, c->now_ms);
    return c->moved ? c->now_ms + 1000 : due;
}

static int finish(struct check *c, struct task_next *next, struct err *e)
{
    note_state(c);
    if (c->w_changed && !c->ended && workers_write(c->g, keep_tx, c, e))
        return -1;
    next->due_ms = c->ended ? c->now_ms : next_look_ms(c);
    next->priority = c->ended ? TASK_TEARDOWN : TASK_CHECK;
    return 0;
}

/* --- one look ----------------------------------------------------------------------------------------------------- */

static bool goes_on(const struct check *c)
{
    return !c->ended && !c->moved;
}

static int look(struct check *c, struct err *e)
{
    const struct machine *m = c->m;
    bool is_over = c->now_ms >= m->expires_ms;

    if (is_over) {
        if (check_lifetime(c, e))
            return -1;
    } else if (m->state != M_BUSY && m->surplus_ms != 0 && c->now_ms >= m->surplus_ms + c->g->c.idle_grace_ms &&
               check_surplus(c, e)) {
        return -1;
    }
    if (goes_on(c) && check_cloud(c, e))
        return -1;
    if (goes_on(c) && !is_over && (m->state == M_BOOTING || m->state == M_IDLE) && c->now_ms >= m->boot_deadline_ms &&
        check_registration(c, e))
        return -1;
    if (goes_on(c) && m->state == M_BUSY && check_busy(c, e))
        return -1;
    return goes_on(c) && m->state == M_IDLE && m->surplus_ms == 0 ? check_unassigned(c, e) : 0;
}

int check_retire(struct engine *g, struct machine *m, struct task_next *next, struct err *e)
{
    struct check c = {.g = g, .m = m, .now_ms = clock_now_ms()};
    /* one whose launch was never cleared up is looked at here alone: it has no more time than others */
    bool is_over = m->launched_ms != 0 && c.now_ms >= m->expires_ms;

    return begin(&c, e) || (is_over ? check_lifetime(&c, e) : check_surplus(&c, e)) || finish(&c, next, e) ? -1 : 0;
}

int check_machine(struct engine *g, struct machine *m, const struct task *task, struct task_next *next, struct err *e)
{
    struct check c = {.g = g, .m = m, .now_ms = clock_now_ms()};

    (void)task;
    return begin(&c, e) || look(&c, e) || finish(&c, next, e) ? -1 : 0;
}
