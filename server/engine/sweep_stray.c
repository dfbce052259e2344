/* What a list showed and no record explains: judged, condemned, ended. sweep.h has the rules. */
#include "server/engine/sweep.h"
#include "server/engine/sweep_ask.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/metric.h"
#include "server/engine/pace.h"

#include <stdio.h>
#include <string.h>

#define LOOK_MS 5000                           /* from an accepted end to the first look */
#define BUSY_MS ((int64_t)5 * 60 * 1000)       /* between two questions about its runner */
#define UNHEARD_MS ((int64_t)60 * 60 * 1000)   /* over its lifetime, while GitHub cannot be asked */
#define JOB_MAX_MS ((int64_t)5 * 24 * 3600000) /* GitHub ends a job after so long */
#define RETRY_MAX_MS ((int64_t)10 * 60 * 1000)

static const struct metric_desc swept = {METRIC_COUNTER, "muster_swept_total",
                                         "Machines and parts that no record explained and that were destroyed, by why "
                                         "(unknown, ended, double, leftover), and runners removed (runner)",
                                         "what", NULL};
static const struct metric_desc refused = {METRIC_COUNTER, "muster_sweep_refused_total",
                                           "Ends of such machines that a cloud refused, by the kind of the failure "
                                           "(no_account: the settings have it no more)",
                                           "kind", NULL};

const char *sweep_what_name(enum sweep_what w)
{
    switch (w) {
    case SWEEP_EXPLAINED:
        return "explained";
    case SWEEP_UNKNOWN:
        return "unknown";
    case SWEEP_ENDED:
        return "ended";
    case SWEEP_DOUBLE:
        return "double";
    case SWEEP_LEFT:
        return "leftover";
    }
    return "?";
}

static const char *sentence(enum sweep_what w)
{
    switch (w) {
    case SWEEP_EXPLAINED:
    case SWEEP_UNKNOWN:
        return "carries our tag, and no record of ours knows its name";
    case SWEEP_ENDED:
        return "was gone by its record, and is there all the same";
    case SWEEP_DOUBLE:
        return "is another machine than the one that its record knows";
    case SWEEP_LEFT:
        return "was left behind by a machine that is gone";
    }
    return "?";
}

enum sweep_what sweep_judge(const struct store_trace *record, const char *instance_id, bool part)
{
    if (record == NULL)
        return part ? SWEEP_LEFT : SWEEP_UNKNOWN;
    if (record->state == M_GONE)
        return part ? SWEEP_LEFT : SWEEP_ENDED;
    /* its machine is still to be found by its name, or its parts go when it does */
    if (part || record->instance_id[0] == '\0' || strcmp(record->instance_id, instance_id) == 0)
        return SWEEP_EXPLAINED;
    return SWEEP_DOUBLE;
}

int sweep_condemn(struct store_tx *t, const struct store_stray *s, int64_t now_ms, struct err *e)
{
    char subject[32];

    (void)snprintf(subject, sizeof(subject), "end %lld", (long long)s->id);
    return store_stray_condemn(t, s->id, now_ms, e) || store_task_put(t, TASK_SWEEP, subject, TASK_TEARDOWN, now_ms, e)
               ? -1
               : 0;
}

/* --- one stray under way -------------------------------------------------------------------------------------------
 */

struct ending {
    struct engine *g;
    const struct task *task;
    struct task_next *next;
    int64_t id, now_ms;
    struct store_stray s;
    bool found, recorded;
    enum sweep_what what;
    struct machine m; /* its record, when there is one; only whose runner it has is of interest */
    const char *why;  /* what GitHub said */
};

static void ending_clear(struct ending *d)
{
    machine_clear(&d->m);
}

static int read_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct ending *d = arg;
    struct store_trace record = {.state = M_GONE};

    machine_clear(&d->m);
    if (store_stray_get(t, d->id, &d->s, &d->found, e))
        return -1;
    if (!d->found)
        return 0;
    if (store_machine_get(t, d->s.name, &d->m, &d->recorded, e))
        return -1;
    record.state = d->m.state;
    (void)snprintf(record.instance_id, sizeof(record.instance_id), "%s", d->m.instance_id);
    d->what = sweep_judge(d->recorded ? &record : NULL, d->s.instance_id, d->s.part);
    return 0;
}

static int drop_tx(struct store_tx *t, void *arg, struct err *e)
{
    return store_stray_drop(t, *(const int64_t *)arg, e);
}

static int again(struct ending *d, int64_t wait_ms, bool retry)
{
    *d->next = (struct task_next){clock_now_ms() + wait_ms, TASK_TEARDOWN, retry};
    return 0;
}

static int again_after(struct ending *d, const struct err *cause)
{
    return again(d,
                 cause->retry_after_s > 0 ? (int64_t)cause->retry_after_s * 1000
                                          : workers_backoff_ms(d->task->attempts, 5000, RETRY_MAX_MS),
                 true);
}

/* --- may it end? ---------------------------------------------------------------------------------------------------
 */

/* When its life is over whatever it does. Without a tag that says so: by what machines of ours may take. */
static int64_t deadline_ms(const struct ending *d)
{
    int64_t life = d->g->c.lifetime_ms > 24 * 3600000 ? d->g->c.lifetime_ms : 24 * 3600000;

    if (d->s.expires_ms > 0)
        return d->s.expires_ms;
    return (d->s.created_ms > 0 ? d->s.created_ms : d->s.first_ms) + life;
}

/* Has its runner a job? One that has none goes first: from then on it can be given none. */
static enum sweep_use ask_github(struct ending *d)
{
    struct github_repo owner = d->recorded ? machine_repo(&d->m) : (struct github_repo){0};
    struct sweep_question q = {.github = d->g->c.github,
                               .name = d->s.name,
                               .owner = d->recorded ? &owner : NULL,
                               .repo = d->s.repo,
                               .remove = true};
    struct err cause;
    enum sweep_use use = sweep_ask(&q, &d->why, &cause);

    if (use == SWEEP_UNHEARD)
        log_info(EV("sweep.unheard"), FS("machine", d->s.name), FS("instance", d->s.instance_id), FE(&cause));
    return use;
}

/* *wait_ms: when to ask again. */
static bool may_end(struct ending *d, const struct instance *seen, int64_t *wait_ms)
{
    int64_t over_ms = deadline_ms(d);

    d->why = "nothing runs on it";
    if (d->s.part || seen->state == INSTANCE_STOPPED)
        return true;
    *wait_ms = BUSY_MS;
    switch (ask_github(d)) {
    case SWEEP_IDLE:
        return true;
    case SWEEP_BUSY:
        d->why = "its lifetime is long over, and no job of GitHub's lasts so long";
        if (d->now_ms >= over_ms + JOB_MAX_MS)
            return true;
        log_warn(EV("sweep.busy"), FS("machine", d->s.name), FS("cloud", d->s.cloud), FS("instance", d->s.instance_id),
                 FS("reason", "no record explains it, but GitHub says that its runner has a job: it is left alone"));
        return false;
    case SWEEP_UNHEARD:
        break;
    }
    d->why = d->what == SWEEP_ENDED ? "its end was decided before" : "its lifetime is over";
    if (d->what == SWEEP_ENDED || d->now_ms >= over_ms + UNHEARD_MS)
        return true;
    if (over_ms - d->now_ms > *wait_ms)
        *wait_ms = over_ms - d->now_ms < RETRY_MAX_MS ? over_ms - d->now_ms : RETRY_MAX_MS;
    return false;
}

/* --- its end -------------------------------------------------------------------------------------------------------
 */

static int asked_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct ending *d = arg;
    char text[900];

    (void)snprintf(text, sizeof(text), "%s (%s%s%s) %s; %s: destroyed", d->s.instance_id, d->s.cloud,
                   d->s.region[0] != '\0' ? " " : "", d->s.region, sentence(d->what), d->why);
    if (store_stray_asked(t, d->id, d->now_ms, e))
        return -1;
    return d->s.asked_ms != 0 ? 0
                              : store_event_add(t, d->now_ms, d->recorded ? d->m.job_id : d->s.job_id, d->s.name,
                                                "machine.swept", text, e);
}

static int destroy(struct ending *d, const struct engine_cloud *cloud, const struct instance *ref, struct err *e)
{
    struct err cause;
    bool asked;

    if (pace_destroy(d->g, cloud, ref, &asked, &cause)) {
        if (!asked)
            return again_after(d, &cause);
        metric_add(&refused, err_kind_name(cause.kind), 1);
        log_error(EV("sweep.refused"), FS("machine", d->s.name), FS("cloud", d->s.cloud), FS("region", d->s.region),
                  FS("instance", d->s.instance_id), FS("reason", sentence(d->what)), FE(&cause));
        return again_after(d, &cause);
    }
    if (d->s.asked_ms == 0) {
        metric_add(&swept, sweep_what_name(d->what), 1);
        log_warn(EV("machine.swept"), FS("machine", d->s.name), FS("cloud", d->s.cloud), FS("region", d->s.region),
                 FS("instance", d->s.instance_id), FI("job", d->s.job_id), FS("repo", d->s.repo),
                 FS("reason", sentence(d->what)), FS("detail", d->why));
    }
    (void)again(d, LOOK_MS, false);
    return workers_write(d->g, asked_tx, d, e);
}

static int step(struct ending *d, const struct engine_cloud *cloud, struct err *e)
{
    struct instance ref = {.name = ""}, seen;
    struct err cause;
    int64_t wait_ms;

    (void)snprintf(ref.id, sizeof(ref.id), "%s", d->s.instance_id);
    (void)snprintf(ref.region, sizeof(ref.region), "%s", d->s.region);
    (void)snprintf(ref.name, sizeof(ref.name), "%s", d->s.name);
    if (pace_describe(d->g, cloud, &ref, &seen, &cause)) {
        log_warn(EV("sweep.unchecked"), FS("machine", d->s.name), FS("cloud", d->s.cloud),
                 FS("instance", d->s.instance_id), FE(&cause));
        return again_after(d, &cause);
    }
    switch (seen.state) {
    case INSTANCE_PENDING:
    case INSTANCE_RUNNING:
    case INSTANCE_STOPPED:
        return may_end(d, &seen, &wait_ms) ? destroy(d, cloud, &ref, e) : again(d, wait_ms, false);
    case INSTANCE_ENDING:
        return again(d, workers_backoff_ms(d->task->attempts, LOOK_MS, RETRY_MAX_MS), true);
    case INSTANCE_GONE:
        break;
    }
    return workers_write(d->g, drop_tx, &d->id, e);
}

/* --- of an account that is not set up any more ------------------------------------------------------------------- */

struct orphan {
    const struct ending *d;
    bool over;
};

static int orphan_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct orphan *o = arg;
    const struct ending *d = o->d;
    char text[700];

    (void)snprintf(text, sizeof(text), "%s (%s%s%s) %s, and its account is not set up any more: %s", d->s.instance_id,
                   d->s.cloud, d->s.region[0] != '\0' ? " " : "", d->s.region, sentence(d->what),
                   o->over ? "it is forgotten as it is; look whether it still costs money, and end it there by hand"
                           : "set it up again, or end it by hand");
    if (o->over ? store_stray_drop(t, d->id, e) : store_stray_told(t, d->id, e))
        return -1;
    return store_event_add(t, d->now_ms, d->recorded ? d->m.job_id : d->s.job_id, d->s.name,
                           o->over ? "machine.forgotten" : "machine.unswept", text, e);
}

/* Said once, and kept for as long as ended jobs are: perhaps the account comes back. Then it is forgotten; a list of
 * that account would show it again. */
static int without_account(struct ending *d, struct err *e)
{
    struct orphan o = {d, d->now_ms >= d->s.condemned_ms + retain_age_ms(d->g)};

    if (!o.over)
        (void)again(d, RETRY_MAX_MS, true);
    if (!o.over && d->s.told)
        return 0;
    metric_add(&refused, "no_account", 1);
    log_error(EV("sweep.refused"), FS("machine", d->s.name), FS("cloud", d->s.cloud), FS("region", d->s.region),
              FS("instance", d->s.instance_id), FB("forgotten", o.over),
              FS("error", "this cloud is not set up any more: its machines cannot be destroyed from here; set it up "
                          "again, or end them by hand"));
    return workers_write(d->g, orphan_tx, &o, e);
}

int sweep_end(struct engine *g, int64_t id, const struct task *task, struct task_next *next, struct err *e)
{
    AUTO(ending_clear) struct ending d = {.g = g, .task = task, .next = next, .id = id, .now_ms = clock_now_ms()};
    const struct engine_cloud *cloud;

    if (store_read(g->c.store, read_tx, &d, e))
        return -1;
    if (!d.found)
        return 0;
    if (d.what == SWEEP_EXPLAINED)
        return workers_write(g, drop_tx, &id, e);
    cloud = machine_cloud(g, d.s.cloud);
    if (cloud == NULL)
        return without_account(&d, e);
    return step(&d, cloud, e);
}
