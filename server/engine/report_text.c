/*
 * What is known about a report's jobs, in words. Markdown is ours alone: what clouds and strangers wrote is scrubbed
 * and stands in code spans. Texts stay far below GitHub's ceilings: 20 jobs, 64 candidates, 20 events.
 */
#include "server/engine/report_writing.h"

#include "server/base/crypto.h"
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/scrub.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define TITLE_MAX 80 /* bytes: longer ones are cut by GitHub's own page */
#define CELL_MAX 160
#define TEXT_MAX ((size_t)60 * 1024)

/* --- foreign text ------------------------------------------------------------------------------------------------- */

/* Without secrets and account ids, from the arena. */
static const char *safe(const struct writing *x, const char *text)
{
    AUTO_BUF struct buf b = BUF_INIT(TEXT_MAX);
    AUTO_FREE char *copy = mem_strdup(text);

    for (size_t i = 0; i < x->v->n_secrets; i++)
        secret_mask(x->v->secrets[i], copy);
    scrub_add(&b, copy);
    return arena_strdup(x->w->arena, b.p != NULL ? b.p : "");
}

void report_code(const struct writing *x, struct buf *out, const char *text, size_t max)
{
    markdown_code(out, safe(x, text), max);
}

/* What a member of the repository wrote and may read (labels, names, types): it needs no scrubbing. */
static void own_code(struct buf *out, const char *text)
{
    markdown_code(out, text, 80);
}

/* --- titles ------------------------------------------------------------------------------------------------------- */

static void title_no_runner(const struct writing *x, struct buf *b)
{
    if (x->missing == NULL)
        buf_adds(b, x->v->file != NULL ? "No runner of .cirun.yml has all labels of the job"
                                       : "No runner has the labels of the job");
    else if (x->near != NULL)
        buf_addf(b, "No runner has the label %.40s: did you mean %.40s?", x->missing, x->near);
    else
        buf_addf(b, "No runner has the label %.60s", x->missing);
}

static void add_candidate(const struct writing *x, struct buf *b, int candidate, const char *cloud, const char *region,
                          const char *type)
{
    buf_addf(b, "candidate %d", candidate + 1);
    if (x->n_candidates > 0)
        buf_addf(b, " of %d", x->n_candidates);
    buf_addf(b, " (%s%s%s%s%s)", cloud, region[0] != '\0' ? " " : "", region, type[0] != '\0' ? " " : "", type);
}

static void title_refused(const struct writing *x, struct buf *b)
{
    const char *reason = safe(x, x->lead->reason);

    switch (x->lead->cause.cause) {
    case CAUSE_NO_FILE:
        buf_adds(b, "There is no .cirun.yml at this commit");
        return;
    case CAUSE_BAD_FILE:
        buf_addf(b, ".cirun.yml, line %d: %s", x->line,
                 text_has_prefix(reason, ".cirun.yml:") ? strchr(reason, ' ') + 1 : reason);
        return;
    case CAUSE_NO_RUNNER:
        title_no_runner(x, b);
        return;
    case CAUSE_FORK:
        buf_adds(b, "Denied: runs from a fork get no machine here");
        return;
    case CAUSE_ACCESS:
    case CAUSE_POLICY:
        buf_addf(b, "Denied: %s", reason);
        return;
    case CAUSE_BOOT:
        buf_adds(b, "Machines were launched, and none took the job");
        return;
    case CAUSE_UNASSIGNED:
        buf_adds(b, "Machines were ready, and GitHub gave them no job");
        return;
    case CAUSE_ENDED:
        buf_adds(b, "Its machine was ended: its lifetime and overtime were over");
        return;
    case CAUSE_CANDIDATES:
        if (x->last != NULL) {
            buf_addf(b, "%s refuses: %s", x->last->cloud, safe(x, x->last->message));
            return;
        }
        break;
    case CAUSE_NONE:
    case CAUSE_LIMIT:
    case CAUSE_UNSUPPORTED:
    case CAUSE_UNDECIDED:
    case CAUSE_RUNNER:
    case CAUSE_OVERTIME:
        break;
    }
    buf_addf(b, "No machine: %s", reason[0] != '\0' ? reason : "the job was refused");
}

static void title_waiting(const struct writing *x, struct buf *b)
{
    const struct machine *m = &x->v->machine;

    enum job_cause cause = x->lead->cause.cause;

    if (cause == CAUSE_LIMIT)
        buf_addf(b, "Waiting for its turn: %s", safe(x, x->lead->reason));
    else if (cause == CAUSE_RUNNER)
        buf_adds(b, "Waiting for GitHub to register a runner");
    else if (cause == CAUSE_UNASSIGNED)
        buf_adds(b, "Its machine is ready, and GitHub gives it no job");
    else if (cause == CAUSE_UNDECIDED)
        buf_adds(b, "Waiting for GitHub to tell what applies to this job");
    else if (x->lead->want == WANT_UNDECIDED)
        buf_adds(b, "Being decided anew");
    else if (m->name[0] != '\0' && m->state >= M_BOOTING && m->state < M_ENDING)
        buf_addf(b, "Waiting for its machine to boot: %s %s", m->cloud, m->region);
    else if (x->last != NULL) {
        buf_addf(b, "Waiting for %s: ", report_kind_word(x->last->kind));
        add_candidate(x, b, x->last->candidate, x->last->cloud, x->last->region, x->last->instance_type);
    } else
        buf_adds(b, "Waiting for its machine");
}

static void duration(struct buf *b, int64_t ms)
{
    int64_t s = ms > 0 ? ms / 1000 : 0;

    if (s < 120)
        buf_addf(b, "%lld s", (long long)s);
    else if (s < 120 * 60)
        buf_addf(b, "%lld min", (long long)s / 60);
    else
        buf_addf(b, "%lld h %lld min", (long long)s / 3600, (long long)s / 60 % 60);
}

static void title_over(const struct writing *x, struct buf *b)
{
    if (x->v->phase == REPORT_ENDED) {
        buf_adds(b, "The job ended before it got a machine");
    } else if (x->lead->state == JOB_RUNNING) {
        buf_adds(b, "Started after ");
        duration(b, x->lead->updated_ms - x->lead->queued_ms);
    } else {
        buf_adds(b, "Started, after all");
    }
}

static void write_title(struct writing *x)
{
    AUTO_BUF struct buf raw = BUF_INIT(4096), fine = BUF_INIT(4096);

    switch (x->v->phase) {
    case REPORT_FAILING:
        title_refused(x, &raw);
        break;
    case REPORT_WAITING:
        title_waiting(x, &raw);
        break;
    case REPORT_OVERTIME:
        buf_adds(&raw, "The lifetime of its machine is over, and the job still runs");
        break;
    case REPORT_INTERRUPTED:
        report_title_interrupted(x, &raw);
        break;
    case REPORT_STARTED:
    case REPORT_ENDED:
        title_over(x, &raw);
        break;
    }
    markdown_plain(&fine, raw.p != NULL ? raw.p : "", TITLE_MAX);
    (void)snprintf(x->w->title, sizeof(x->w->title), "%s", fine.p != NULL ? fine.p : "");
}

/* --- summary ------------------------------------------------------------------------------------------------------ */

static void write_what(const struct writing *x, struct buf *b)
{
    size_t n = x->v->n_jobs;

    switch (x->v->phase) {
    case REPORT_FAILING:
        if (x->lead->cause.cause == CAUSE_ENDED)
            buf_adds(b, "The job ran longer than its machine may live.\n\n");
        else
            buf_addf(b, "%s for a machine of ours and cannot be served.\n\n",
                     n == 1 ? "This job asks" : "Jobs of this commit ask");
        break;
    case REPORT_OVERTIME:
        buf_adds(b, "The job runs longer than its machine may live. It is left alone for a while.\n\n");
        break;
    case REPORT_WAITING:
        buf_addf(b, "%s longer than usual for a machine. Nothing is lost: it is tried until GitHub ends the job.\n\n",
                 n == 1 ? "This job waits" : "Jobs of this commit wait");
        break;
    case REPORT_INTERRUPTED:
        report_write_interrupted(x, b);
        return;
    case REPORT_STARTED:
        buf_addf(b, "%s what was missing before.\n\n", n == 1 ? "The job has" : "The jobs have");
        return;
    case REPORT_ENDED:
        buf_adds(b, "GitHub ended it before there was a machine for it: cancelled, or after a day in the queue.\n\n");
        break;
    }
    if (x->lead->reason[0] != '\0' && x->lead->cause.cause != CAUSE_CANDIDATES) {
        buf_adds(b, "> ");
        report_code(x, b, x->lead->reason, 1500);
        buf_adds(b, "\n\n");
    }
}

static void write_remedy(const struct writing *x, struct buf *b)
{
    const struct report_attempt *a = x->last;
    const char *quota;

    if (x->v->phase >= REPORT_INTERRUPTED)
        return;
    buf_addf(b, "### What to do\n\n%s\n\n",
             report_remedy(x->lead->cause.cause, a != NULL ? a->kind : NULL, a != NULL ? a->message : NULL));
    if (a == NULL || strcmp(a->kind, "quota") != 0 || strcmp(a->cloud, "aws") != 0)
        return;
    quota = report_aws_quota(a->instance_type, a->spot);
    if (quota != NULL)
        buf_addf(b, "The quota, counted in vCPUs: *%s* in %s.\n\n", quota,
                 a->region[0] != '\0' ? a->region : "its region");
}

/* The line with its neighbours, in a block that nothing in it can end. */
static void write_lines(const struct writing *x, struct buf *b)
{
    const char *p = x->v->file->text;

    buf_adds(b, "~~~~~~~~yaml\n");
    for (int line = 1; *p != '\0' && line <= x->line + 1; line++) {
        size_t n = strcspn(p, "\r\n");

        if (line >= x->line - 1) {
            buf_addf(b, "%s%5d | ", line == x->line ? ">" : " ", line);
            buf_add(b, p, n < CELL_MAX ? n : CELL_MAX);
            buf_addc(b, '\n');
        }
        p += n;
        p += *p == '\r' ? 1 : 0;
        p += *p == '\n' ? 1 : 0;
    }
    buf_adds(b, "~~~~~~~~\n\n");
}

static void write_place(const struct writing *x, struct buf *b)
{
    AUTO_BUF struct buf lines = BUF_INIT(4096);
    const char *text;
    struct err ignored;

    if (x->v->file == NULL || x->line <= 0 || x->v->phase >= REPORT_INTERRUPTED)
        return;
    buf_addf(b, "### `.cirun.yml`, line %d%s\n\n", x->line, x->v->file->at_head ? "" : " of the default branch");
    write_lines(x, &lines);
    /* a cut may leave half a character */
    if (buf_str(&lines, &text, &ignored) == 0 && text_utf8_valid(text, lines.len))
        buf_add(b, text, lines.len);
}

static const char *state_words(const struct store_report_job *j)
{
    if (j->state == JOB_RUNNING)
        return "runs";
    if (j->state == JOB_DONE)
        return j->runner_name[0] != '\0' ? "has run" : "ended without a machine";
    return j->want == WANT_REFUSED ? "refused" : "waits";
}

static void write_jobs(const struct writing *x, struct buf *b)
{
    buf_adds(b, "| job | id | now |\n|---|---|---|\n");
    for (size_t i = 0; i < x->v->n_jobs && i < REPORT_JOBS_SHOWN; i++) {
        const struct store_report_job *j = &x->v->jobs[i];

        buf_adds(b, "| ");
        own_code(b, j->name);
        buf_addf(b, " | %lld | %s", (long long)j->id, state_words(j));
        if (j->want == WANT_REFUSED && strcmp(j->reason, x->lead->reason) != 0) {
            buf_adds(b, ": ");
            report_code(x, b, j->reason, CELL_MAX);
        }
        buf_adds(b, " |\n");
    }
    if (x->v->n_jobs > REPORT_JOBS_SHOWN)
        buf_addf(b, "\n… and %zu more.\n", x->v->n_jobs - REPORT_JOBS_SHOWN);
    buf_addc(b, '\n');
}

static void write_attempts(const struct writing *x, struct buf *b)
{
    if (x->v->n_attempts == 0)
        return;
    buf_adds(b, "### What was tried\n\n| candidate | cloud | region | type | market | answer | times | last (UTC) |\n"
                "|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < x->v->n_attempts; i++) {
        const struct report_attempt *a = &x->v->attempts[i];
        char at[21];

        text_format_rfc3339(a->last_ms, at);
        buf_addf(b, "| %d | ", a->candidate + 1);
        own_code(b, a->cloud);
        buf_adds(b, " | ");
        own_code(b, a->region);
        buf_adds(b, " | ");
        own_code(b, a->instance_type);
        buf_addf(b, " | %s | %s: ", a->spot ? "spot" : "on demand", a->kind);
        report_code(x, b, a->message, 400);
        buf_addf(b, " | %lld | %.19s |\n", (long long)a->times, at);
    }
    buf_addc(b, '\n');
}

static void write_summary(struct writing *x, struct buf *b)
{
    write_what(x, b);
    write_remedy(x, b);
    write_place(x, b);
    write_attempts(x, b);
    write_jobs(x, b);
    if (x->v->phase == REPORT_FAILING && x->lead->cause.cause != CAUSE_ENDED)
        buf_adds(b,
                 "While the job waits at GitHub, *Re-run* (or the button *Try again*) has it decided anew. A change of "
                 "`.cirun.yml` counts for the runs of the commit that brings it.\n");
}

static void write_timeline(const struct writing *x, struct buf *b)
{
    if (x->v->n_events == 0)
        return;
    buf_addf(b, "### Timeline of job %lld (UTC)\n\n", (long long)x->lead->id);
    for (size_t i = 0; i < x->v->n_events; i++) {
        const struct report_event *ev = &x->v->events[i];
        char at[21];

        text_format_rfc3339(ev->at_ms, at);
        buf_addf(b, "- %.19s %s", at, ev->kind);
        if (ev->detail[0] != '\0') {
            buf_addc(b, ' ');
            report_code(x, b, ev->detail, 300);
        }
        buf_addc(b, '\n');
    }
}

/* --- annotations -------------------------------------------------------------------------------------------------- */

static const char *plain(const struct writing *x, const char *text, size_t max)
{
    AUTO_BUF struct buf b = BUF_INIT(TEXT_MAX);

    markdown_plain(&b, safe(x, text), max);
    return arena_strdup(x->w->arena, b.p != NULL ? b.p : "");
}

static void annotate(struct writing *x, int line, int column, const char *level, const char *title, const char *message)
{
    if (x->w->n_annotations < GITHUB_CHECK_ANNOTATIONS)
        x->w->annotations[x->w->n_annotations++] =
            (struct github_annotation){".cirun.yml", line, column, level, title, message};
}

/* Errors first: there is room for 50. */
static void annotate_diags(struct writing *x, const struct cirun_yml *yml)
{
    for (int severity = CIRUN_ERROR; severity >= CIRUN_WARNING; severity--) {
        for (size_t i = 0; i < yml->n_diags; i++) {
            const struct cirun_diag *d = &yml->diags[i];

            if ((int)d->severity == severity)
                annotate(x, d->line, d->column, severity == CIRUN_ERROR ? "failure" : "warning",
                         severity == CIRUN_ERROR ? "Error in .cirun.yml" : "Warning", plain(x, d->message, 1000));
        }
    }
}

static void write_annotations(struct writing *x)
{
    const struct report_file *f = x->v->file;

    if (f == NULL || !f->at_head || f->yml == NULL || x->v->phase != REPORT_FAILING)
        return;
    if (x->lead->cause.cause == CAUSE_BAD_FILE)
        annotate_diags(x, f->yml);
    else if (x->line > 0)
        annotate(x, x->line, x->column, "failure", arena_strdup(x->w->arena, x->w->title),
                 plain(x, x->lead->reason, 1500));
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static void digest(const struct buf *b, char out[72])
{
    unsigned char hash[CRYPTO_SHA256_LEN];

    crypto_sha256(b->p != NULL ? b->p : "", b->len, hash);
    text_hex(hash, sizeof(hash), out);
}

/* What a reader would want to hear of: not how often, nor when last. */
static void write_digests(struct writing *x)
{
    AUTO_BUF struct buf b = BUF_INIT(TEXT_MAX), places = BUF_INIT(TEXT_MAX);

    buf_addf(&b, "%d %s\n", (int)x->v->phase, x->w->title);
    for (size_t i = 0; i < x->v->n_jobs && i < REPORT_JOBS_SHOWN; i++)
        buf_addf(&b, "%lld %s\n", (long long)x->v->jobs[i].id, state_words(&x->v->jobs[i]));
    buf_addf(&b, "%zu\n", x->v->n_jobs);
    for (size_t i = 0; i < x->v->n_attempts; i++)
        buf_addf(&b, "%d %s\n", x->v->attempts[i].candidate, x->v->attempts[i].kind);
    digest(&b, x->w->said);
    for (size_t i = 0; i < x->w->n_annotations; i++)
        buf_addf(&places, "%d:%d %s\n", x->w->annotations[i].line, x->w->annotations[i].column,
                 x->w->annotations[i].message);
    if (x->w->n_annotations > 0)
        digest(&places, x->w->annotated);
}

static void find_last(struct writing *x)
{
    for (size_t i = 0; i < x->v->n_attempts; i++) {
        if (x->last == NULL || x->v->attempts[i].last_ms >= x->last->last_ms)
            x->last = &x->v->attempts[i];
    }
}

static void set_status(struct report_words *w, const struct report_view *v)
{
    bool open = v->phase == REPORT_WAITING || v->phase == REPORT_OVERTIME ||
                (v->phase == REPORT_INTERRUPTED && report_is_pending(&v->interruption));

    w->status = open ? "in_progress" : "completed";
    w->conclusion = open ? NULL : v->phase == REPORT_FAILING ? "failure" : "neutral";
}

int report_compose(const struct report_view *v, struct report_words *out, struct err *e)
{
    struct writing x = {.v = v, .w = out, .lead = v->lead};
    AUTO_BUF struct buf summary = BUF_INIT(TEXT_MAX), text = BUF_INIT(TEXT_MAX);

    memset(out, 0, sizeof(*out));
    out->arena = arena_new();
    set_status(out, v);
    find_last(&x);
    report_find_place(&x);
    write_title(&x);
    write_summary(&x, &summary);
    write_timeline(&x, &text);
    write_annotations(&x);
    write_digests(&x);
    if (buf_take(&summary, &out->summary, e) || (text.len > 0 && buf_take(&text, &out->text, e))) {
        report_words_clear(out);
        return -1;
    }
    text_tidy(out->title);
    return 0;
}

void report_words_clear(struct report_words *w)
{
    free(w->summary);
    free(w->text);
    arena_free(w->arena);
    memset(w, 0, sizeof(*w));
}

void report_name(const char *topic, char out[96])
{
    char text[72];
    size_t n = 0;

    for (const char *p = topic; *p != '\0' && n + 1 < sizeof(text); p++)
        text[n++] = *p;
    text[n] = '\0';
    text_tidy(text);
    if (topic[0] == '\0')
        (void)snprintf(out, 96, "muster");
    else
        (void)snprintf(out, 96, "muster / %s", strcmp(topic, "*") == 0 ? "more jobs" : text);
}
