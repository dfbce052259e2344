#include "server/engine/report.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/metric.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define UPDATE_FIRST_MS (60 * 1000) /* between two words about the same wait, growing */
#define UPDATE_SELDOM_MS (30 * 60 * 1000)
#define SEND_TRIES 30 /* refusals in a row after which the next change has to come */

static const struct metric_desc reports = {METRIC_COUNTER, "muster_reports_total",
                                           "Reports in pull requests by outcome (said, status, silent, unchanged, "
                                           "or the kind of the failure)",
                                           "outcome", NULL};

/* --- which report ------------------------------------------------------------------------------------------------- */

/* What is wrong with the file or the run is one topic for all of the commit's jobs. */
static bool is_about_commit(enum job_cause c)
{
    return c == CAUSE_NO_FILE || c == CAUSE_BAD_FILE || c == CAUSE_FORK || c == CAUSE_UNDECIDED;
}

/* The labels, each without what stands behind "--", as in label_key; "\," is no border. */
static void topic_of_labels(const char *label_key, char out[160])
{
    size_t n = 0;
    bool suffix = false;

    for (const char *p = label_key; *p != '\0' && n + 2 < 160; p++) {
        bool border = *p == ',' && (p == label_key || p[-1] != '\\');

        if (p[0] == '-' && p[1] == '-')
            suffix = true;
        if (border)
            suffix = false;
        if (!suffix)
            out[n++] = *p;
        if (border)
            out[n++] = ' ';
    }
    out[n] = '\0';
}

static int choose_topic(struct store_tx *t, const struct job *j, enum job_cause cause, char topic[160], struct err *e)
{
    int64_t others;

    if (is_about_commit(cause))
        topic[0] = '\0';
    else
        topic_of_labels(j->label_key != NULL ? j->label_key : "", topic);
    if (store_report_topics(t, j->repo_id, j->head_sha, topic, &others, e))
        return -1;
    if (others >= REPORT_TOPICS_MAX)
        (void)snprintf(topic, 160, "*");
    return 0;
}

int report_due(struct store_tx *t, int64_t report_id, int64_t due_ms, struct err *e)
{
    char subject[24];

    (void)snprintf(subject, sizeof(subject), "%lld", (long long)report_id);
    return store_task_put(t, TASK_SAY, subject, TASK_REPORT, due_ms, e);
}

/* The job joins the report of its topic; the one it leaves hears of that too. */
static int join(struct store_tx *t, const struct job *j, enum job_cause cause, int64_t now_ms, struct err *e)
{
    char topic[160];
    struct store_report r = {.repo_id = j->repo_id,
                             .installation_id = j->installation_id,
                             .repo = j->repo,
                             .head_sha = j->head_sha,
                             .topic = topic,
                             .external_id = j->id,
                             .opened_ms = now_ms};
    int64_t id, before;

    if (j->repo == NULL || j->head_sha == NULL || j->installation_id == 0)
        return 0; /* nowhere to say it */
    if (store_report_of_job(t, j->id, &before, e) || choose_topic(t, j, cause, topic, e) ||
        store_report_open(t, &r, &id, e) || store_report_join(t, j->id, id, e))
        return -1;
    if (before != 0 && before != id && report_due(t, before, now_ms + REPORT_SETTLE_MS, e))
        return -1;
    return report_due(t, id, now_ms + REPORT_SETTLE_MS, e);
}

/* --- in the transactions of others -------------------------------------------------------------------------------- */

static int64_t slow_start_ms(const struct engine *g)
{
    return g->c.slow_start_ms > 0 ? g->c.slow_start_ms : REPORT_SLOW_START_MS;
}

int report_note(struct store_tx *t, const struct engine *g, const struct job *j, const struct store_cause *c,
                int64_t now_ms, struct err *e)
{
    char subject[24];
    int64_t id, slow_ms;

    if (g->c.no_check_runs)
        return 0;
    if (j->want == WANT_REFUSED || c->cause == CAUSE_OVERTIME || c->cause == CAUSE_ENDED)
        return join(t, j, c->cause, now_ms, e);
    if (store_report_of_job(t, j->id, &id, e))
        return -1;
    if (id != 0)
        return report_due(t, id, now_ms + REPORT_SETTLE_MS, e);
    if (j->want == WANT_NOTHING || j->state != JOB_QUEUED)
        return 0;
    slow_ms = j->queued_ms + slow_start_ms(g);
    (void)snprintf(subject, sizeof(subject), "%lld", (long long)j->id);
    return store_task_put(t, TASK_SLOW, subject, TASK_REPORT, slow_ms > now_ms ? slow_ms : now_ms + REPORT_SETTLE_MS,
                          e);
}

int report_moved(struct store_tx *t, int64_t job_id, int64_t now_ms, struct err *e)
{
    int64_t id;

    if (store_report_of_job(t, job_id, &id, e))
        return -1;
    return id != 0 ? report_due(t, id, now_ms + REPORT_SETTLE_MS, e) : 0;
}

int report_interrupted(struct store_tx *t, const struct engine *g, const struct job *j, int64_t now_ms, struct err *e)
{
    int64_t id;

    if (g->c.no_check_runs)
        return 0;
    if (store_report_of_job(t, j->id, &id, e))
        return -1;
    return id != 0 ? report_due(t, id, now_ms + REPORT_SETTLE_MS, e) : join(t, j, CAUSE_NONE, now_ms, e);
}

/* --- TASK_SLOW: a job that waits for long ------------------------------------------------------------------------- */

struct slow {
    const struct engine *g;
    int64_t job_id, now_ms;
    int64_t again_ms; /* out: look again then; 0 = no more */
};

/* A machine that boots is no fault yet: GPU drivers take their time. */
static bool is_booting(const struct machine *m)
{
    return m->name[0] != '\0' && (m->state == M_BOOTING || m->state == M_IDLE);
}

static int slow_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct slow *s = arg;
    AUTO_JOB struct job j = {0};
    AUTO_MACHINE struct machine m = {0};
    struct store_cause c;
    int64_t patience_ms = slow_start_ms(s->g);
    bool found;

    s->again_ms = 0;
    if (store_job_get(t, s->job_id, &j, &found, e))
        return -1;
    if (!found || j.state != JOB_QUEUED || (j.want != WANT_MACHINE && j.want != WANT_UNDECIDED))
        return 0;
    if (store_machine_of_job(t, s->job_id, &m, &found, e) || store_cause_get(t, s->job_id, &c, e))
        return -1;
    if (is_booting(&m) && c.cause == CAUSE_NONE)
        patience_ms *= 3;
    if (s->now_ms < j.queued_ms + patience_ms) {
        s->again_ms = j.queued_ms + patience_ms;
        return 0;
    }
    return join(t, &j, c.cause, s->now_ms, e);
}

int report_job(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    struct slow s = {.g = g, .now_ms = clock_now_ms()};

    *next = TASK_NEXT_NONE;
    if (text_i64(task->subject, 1, INT64_MAX, &s.job_id, e) || workers_write(g, slow_tx, &s, e))
        return -1;
    if (s.again_ms > 0) {
        next->due_ms = s.again_ms;
        next->priority = TASK_REPORT;
    }
    return 0;
}

/* --- TASK_SAY ----------------------------------------------------------------------------------------------------- */

void report_file_free(void *file)
{
    struct report_file *f = file;

    if (f == NULL)
        return;
    cirun_yml_free(f->yml);
    free(f->text);
    free(f);
}

struct file_fill {
    struct engine *g;
    const struct job *j;
    bool fork;
};

static int fill_file(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct file_fill *f = arg;
    const struct github_repo repo = {f->j->installation_id, f->j->repo_id, f->j->repo};
    struct report_file *file;
    char etag[128] = "";
    char *text = NULL;

    (void)key;
    if (github_file_get(f->g->c.github, &repo, ".cirun.yml", f->fork ? NULL : f->j->head_sha, CIRUN_YML_MAX, etag,
                        &text, e))
        return -1;
    file = mem_zalloc(sizeof(*file));
    file->text = text != NULL ? text : mem_strdup("");
    file->yml = cirun_yml_parse(file->text, strlen(file->text), ".cirun.yml");
    file->at_head = !f->fork;
    out->value = file;
    out->expires_ms = clock_now_ms() + 60 * 1000;
    return 0;
}

/* The file that the decision read. Not to have it only makes the words poorer. */
static void get_file(struct engine *g, const struct report_view *v, struct cache_ref **out)
{
    AUTO_LOOKUP struct lookup l = {0};
    struct file_fill f = {g, &v->lead_job, false};
    enum job_cause c = v->lead->cause.cause;
    struct err e;
    char key[128];

    if (v->phase > REPORT_WAITING || c == CAUSE_NO_FILE || c == CAUSE_FORK || c == CAUSE_UNDECIDED ||
        lookup_run(g, &v->lead_job, &l, &e))
        return;
    f.fork = l.fork;
    (void)snprintf(key, sizeof(key), "%lld@%s", (long long)v->r.repo_id, f.fork ? "" : v->r.head_sha);
    if (cache_get(g->report_files, key, fill_file, &f, out, &e) && e.kind != ERR_GONE)
        log_debug(EV("report.unread"), FI("job", v->lead->id), FE(&e));
}

/* 0 = now; else not before then: words about the same wait come seldom, and end. */
static int64_t not_before_ms(const struct report_view *v)
{
    int64_t wait_ms = UPDATE_FIRST_MS * (v->r.updates > 0 ? v->r.updates : 1);

    if (v->phase != REPORT_WAITING || v->r.said[0] == '\0')
        return 0;
    if (v->r.updates >= REPORT_UPDATES_MAX)
        return INT64_MAX;
    if (wait_ms > UPDATE_SELDOM_MS)
        wait_ms = UPDATE_SELDOM_MS;
    /* from "refused" to "waits": at once */
    return v->r.said[0] == 'w' && v->r.said_ms + wait_ms > v->now_ms ? v->r.said_ms + wait_ms : 0;
}

/* Said already: to the letter, or that it is over, which is said once. The first letter is the phase's. */
static bool is_said(const struct report_view *v, const char *said)
{
    static const char over[] = {'s', 'e'};

    if (strcmp(v->r.said, said) == 0)
        return true;
    return v->phase >= REPORT_STARTED && (memchr(over, v->r.said[0], sizeof(over)) != NULL) && v->r.said[0] != '\0';
}

static void plan_again(const struct task *task, const struct err *cause, struct task_next *next)
{
    int64_t wait_ms = workers_backoff_ms(task->attempts, 5 * 1000, 10 * 60 * 1000);

    if (cause->retry_after_s > 0)
        wait_ms = (int64_t)cause->retry_after_s * 1000;
    next->due_ms = clock_now_ms() + wait_ms;
    next->priority = TASK_REPORT;
    next->retry = true;
}

static int say(struct engine *g, struct report_view *v, const struct task *task, struct task_next *next, struct err *e)
{
    static const char phases[] = {'f', 'w', 'o', 'i', 's', 'e'};
    AUTO(report_words_clear) struct report_words w = {.arena = NULL};
    char said[72];
    struct err cause;

    if (report_compose(v, &w, e))
        return -1;
    (void)snprintf(said, sizeof(said), "%c%.64s", phases[v->phase], w.said);
    if (is_said(v, said) || (v->r.said[0] == '\0' && v->phase == REPORT_ENDED)) {
        metric_add(&reports, "unchanged", 1);
        return 0;
    }
    memcpy(w.said, said, sizeof(said));
    if (report_send(g, v, &w, &cause) == 0) {
        metric_add(&reports,
                   v->r.form == REPORT_CHECK_RUN ? "said"
                   : v->r.form == REPORT_STATUS  ? "status"
                                                 : "silent",
                   1);
        return 0;
    }
    metric_add(&reports, err_kind_name(cause.kind), 1);
    log_warn(EV("report.unsaid"), FI("job", v->r.external_id), FS("repo", v->r.repo), FE(&cause));
    if (err_is_passing(&cause) && task->attempts < SEND_TRIES)
        plan_again(task, &cause, next);
    return 0;
}

int report_say(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    AUTO(report_view_clear) struct report_view v = {.arena = NULL};
    AUTO_CACHE_REF struct cache_ref *file = NULL;
    struct report_reading r = {.v = &v};
    int64_t due_ms;

    *next = TASK_NEXT_NONE;
    if (text_i64(task->subject, 1, INT64_MAX, &r.id, e) || store_read(g->c.store, report_read_tx, &r, e))
        return -1;
    if (!r.found || g->c.no_check_runs || v.r.form == REPORT_SILENT)
        return 0;
    v.now_ms = clock_now_ms();
    v.secrets = g->c.secrets;
    v.n_secrets = g->c.n_secrets;
    due_ms = not_before_ms(&v);
    if (due_ms > 0) {
        next->due_ms = due_ms == INT64_MAX ? -1 : due_ms;
        next->priority = TASK_REPORT;
        return 0;
    }
    get_file(g, &v, &file);
    v.file = file != NULL ? cache_value(file) : NULL;
    return say(g, &v, task, next, e);
}
