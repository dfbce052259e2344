#include "server/github/event.h"

#include "server/base/jscan.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/github/label.h"

#include <string.h>

#define NAME_MAX_BYTES 1024 /* names that people chose: longer ones are cut */
#define REF_MAX_BYTES 1024  /* a branch: longer ones are refused, a cut one would be another branch */
#define REPO_MAX_BYTES 200
#define LABELS_MAX_BYTES (32 * 1024)

enum field {
    F_ACTION,
    F_ID,
    F_RUN_ID,
    F_RUN_ATTEMPT,
    F_HEAD_SHA,
    F_NAME,
    F_WORKFLOW_NAME,
    F_LABELS,
    F_RUNNER_NAME,
    F_CONCLUSION,
    F_CREATED_AT,
    F_STARTED_AT,
    F_REPO_ID,
    F_REPO,
    F_DEFAULT_BRANCH,
    F_INSTALLATION_ID,
    F_JOB,
    N_FIELDS,
    F_REF = N_FIELDS, /* of push alone */
    F_COMMITS,
    N_PUSH_FIELDS
};

static const char *const event_paths[N_PUSH_FIELDS] = {
    [F_ACTION] = "action",
    [F_ID] = "workflow_job.id",
    [F_RUN_ID] = "workflow_job.run_id",
    [F_RUN_ATTEMPT] = "workflow_job.run_attempt",
    [F_HEAD_SHA] = "workflow_job.head_sha",
    [F_NAME] = "workflow_job.name",
    [F_WORKFLOW_NAME] = "workflow_job.workflow_name",
    [F_LABELS] = "workflow_job.labels",
    [F_RUNNER_NAME] = "workflow_job.runner_name",
    [F_CONCLUSION] = "workflow_job.conclusion",
    [F_CREATED_AT] = "workflow_job.created_at",
    [F_STARTED_AT] = "workflow_job.started_at",
    [F_REPO_ID] = "repository.id",
    [F_REPO] = "repository.full_name",
    [F_DEFAULT_BRANCH] = "repository.default_branch",
    [F_INSTALLATION_ID] = "installation.id",
    [F_JOB] = "workflow_job",
    [F_REF] = "ref",
    [F_COMMITS] = "commits",
};

/* A job as the API shows it: the same, without what is around it. */
static const char *const api_paths[] = {
    [F_ACTION] = "status",
    [F_ID] = "id",
    [F_RUN_ID] = "run_id",
    [F_RUN_ATTEMPT] = "run_attempt",
    [F_HEAD_SHA] = "head_sha",
    [F_NAME] = "name",
    [F_WORKFLOW_NAME] = "workflow_name",
    [F_LABELS] = "labels",
    [F_RUNNER_NAME] = "runner_name",
    [F_CONCLUSION] = "conclusion",
    [F_CREATED_AT] = "created_at",
    [F_STARTED_AT] = "started_at",
};

/* What one call works on. */
struct reader {
    const char *const *paths;
    struct jscan_value v[N_PUSH_FIELDS];
    struct err *e;
};

static int wrong_type(const struct reader *r, enum field f, const char *expected)
{
    if (r->v[f].type == JSCAN_ABSENT)
        return err_set(r->e, ERR_INVALID, "%s: missing", r->paths[f]);
    return err_set(r->e, ERR_INVALID, "%s: expected %s, found %s", r->paths[f], expected,
                   jscan_type_name(r->v[f].type));
}

static bool is_unset(const struct reader *r, enum field f)
{
    return r->v[f].type == JSCAN_ABSENT || r->v[f].type == JSCAN_NULL;
}

/* GitHub's ids: positive. Unset keeps *out when that is allowed. */
static int read_id(const struct reader *r, enum field f, bool required, int64_t *out)
{
    int64_t id;

    if (!required && is_unset(r, f))
        return 0;
    if (r->v[f].type != JSCAN_NUMBER)
        return wrong_type(r, f, "a whole number");
    if (jscan_i64(&r->v[f], &id, r->e))
        return err_wrap(r->e, "%s", r->paths[f]);
    if (id <= 0)
        return err_set(r->e, ERR_INVALID, "%s: expected a positive number", r->paths[f]);
    *out = id;
    return 0;
}

/* The longest beginning of at most `max` bytes that ends between two characters. */
static size_t utf8_cut(const char *s, size_t len, size_t max)
{
    if (len <= max)
        return len;
    while (max > 0 && ((unsigned char)s[max] & 0xC0) == 0x80)
        max--;
    return max;
}

static int decode(const struct reader *r, enum field f, struct buf *out)
{
    if (r->v[f].type != JSCAN_STRING)
        return wrong_type(r, f, "a string");
    if (jscan_str(&r->v[f], out, r->e))
        return err_wrap(r->e, "%s", r->paths[f]);
    return 0;
}

/* A name somebody chose: unset or empty leaves *out as it is, a long one is cut. */
static int read_name(const struct reader *r, enum field f, char **out)
{
    AUTO_BUF struct buf text = BUF_INIT(r->v[f].len);

    if (is_unset(r, f))
        return 0;
    if (decode(r, f, &text))
        return -1;
    if (text.len > 0)
        *out = mem_strndup(text.p, utf8_cut(text.p, text.len, NAME_MAX_BYTES));
    return 0;
}

static int read_branch(const struct reader *r, char **out)
{
    AUTO_BUF struct buf text = BUF_INIT(r->v[F_DEFAULT_BRANCH].len);

    if (is_unset(r, F_DEFAULT_BRANCH))
        return 0;
    if (decode(r, F_DEFAULT_BRANCH, &text))
        return -1;
    if (text.len == 0)
        return 0;
    if (text.len > REF_MAX_BYTES)
        return err_set(r->e, ERR_INVALID, "%s: longer than %d bytes", r->paths[F_DEFAULT_BRANCH], REF_MAX_BYTES);
    return buf_take(&text, out, r->e);
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* owner/name in GitHub's alphabet: it becomes part of URLs, so nothing else may pass. */
static bool is_repo_name(const char *s, size_t len)
{
    const char *slash = memchr(s, '/', len);
    const char *name;
    size_t owner_len, name_len;

    if (len > REPO_MAX_BYTES || slash == NULL)
        return false;
    owner_len = (size_t)(slash - s);
    name = slash + 1;
    name_len = len - owner_len - 1;
    if (owner_len == 0 || name_len == 0 || (name_len <= 2 && memcmp(name, "..", name_len) == 0))
        return false;
    for (size_t i = 0; i < owner_len; i++) {
        if (!is_alnum(s[i]) && s[i] != '-' && s[i] != '_')
            return false;
    }
    for (size_t i = 0; i < name_len; i++) {
        if (!is_alnum(name[i]) && name[i] != '-' && name[i] != '_' && name[i] != '.')
            return false;
    }
    return true;
}

static int read_repo(const struct reader *r, char **out)
{
    AUTO_BUF struct buf text = BUF_INIT(r->v[F_REPO].len);

    if (decode(r, F_REPO, &text))
        return -1;
    if (text.len == 0 || !is_repo_name(text.p, text.len))
        return err_set(r->e, ERR_INVALID, "%s: expected owner/name in GitHub's alphabet, at most %d bytes",
                       r->paths[F_REPO], REPO_MAX_BYTES);
    return buf_take(&text, out, r->e);
}

static int read_sha(const struct reader *r, char **out)
{
    AUTO_BUF struct buf text = BUF_INIT(r->v[F_HEAD_SHA].len);
    bool ok;

    if (decode(r, F_HEAD_SHA, &text))
        return -1;
    ok = text.len == 40 || text.len == 64;
    for (size_t i = 0; ok && i < text.len; i++)
        ok = is_hex(text.p[i]);
    if (!ok)
        return err_set(r->e, ERR_INVALID, "%s: expected 40 or 64 hexadecimal digits", r->paths[F_HEAD_SHA]);
    return buf_take(&text, out, r->e);
}

/* When it was queued: old payloads lack created_at. */
static int read_queued_ms(const struct reader *r, int64_t now_ms, int64_t *out)
{
    enum field f = is_unset(r, F_CREATED_AT) ? F_STARTED_AT : F_CREATED_AT;

    *out = now_ms;
    if (is_unset(r, f))
        return 0;
    if (r->v[f].type != JSCAN_STRING)
        return wrong_type(r, f, "a string");
    if (text_rfc3339_ms(r->v[f].p, r->v[f].len, out, r->e))
        return err_wrap(r->e, "%s", r->paths[f]);
    return 0;
}

/* The label set. *skip: a null among them, which the schema permits and no runner can match. */
static int read_labels(const struct reader *r, struct job *j, bool *skip)
{
    const struct jscan_value *v = &r->v[F_LABELS];
    bool all_hosted;

    if (v->type != JSCAN_ARRAY)
        return wrong_type(r, F_LABELS, "a list");
    if (v->len > LABELS_MAX_BYTES)
        return err_set(r->e, ERR_INVALID, "%s: longer than %d bytes", r->paths[F_LABELS], LABELS_MAX_BYTES);
    if (label_key(v, &j->label_key, &all_hosted, skip, r->e))
        return err_wrap(r->e, "%s", r->paths[F_LABELS]);
    if (*skip)
        return 0;
    j->labels_json = mem_strndup(v->p, v->len);
    j->want = all_hosted ? WANT_NOTHING : WANT_UNDECIDED;
    return 0;
}

/* By `action`, never by workflow_job.status. false: an action we do not know. */
static bool state_of_action(const struct jscan_value *action, enum job_state *out)
{
    static const enum job_state all[] = {JOB_WAITING, JOB_QUEUED, JOB_RUNNING, JOB_DONE};

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        const char *name = job_state_name(all[i]);

        if (strlen(name) == action->len && memcmp(name, action->p, action->len) == 0) {
            *out = all[i];
            return true;
        }
    }
    return false;
}

/* Where the job is, which an event says. */
static int read_place(const struct reader *r, struct job *j)
{
    return read_id(r, F_REPO_ID, true, &j->repo_id) || read_id(r, F_INSTALLATION_ID, false, &j->installation_id) ||
                   read_repo(r, &j->repo) || read_branch(r, &j->default_branch)
               ? -1
               : 0;
}

static int read_ids(const struct reader *r, struct job *j)
{
    j->run_attempt = 1;
    return read_id(r, F_ID, true, &j->id) || read_id(r, F_RUN_ID, true, &j->run_id) ||
                   read_id(r, F_RUN_ATTEMPT, false, &j->run_attempt)
               ? -1
               : 0;
}

static int read_texts(const struct reader *r, struct job *j)
{
    if (read_sha(r, &j->head_sha) || read_name(r, F_NAME, &j->name) || read_name(r, F_WORKFLOW_NAME, &j->workflow_name))
        return -1;
    /* Queued payloads may name a runner of an earlier attempt: before it runs, nobody has taken the job. */
    if (j->state >= JOB_RUNNING && read_name(r, F_RUNNER_NAME, &j->runner_name))
        return -1;
    if (j->state == JOB_DONE && read_name(r, F_CONCLUSION, &j->conclusion))
        return -1;
    return 0;
}

/* *known = false: a state that we do not know, or no label set. */
static int read_state(const struct reader *r, int64_t now_ms, bool *known, struct job *j)
{
    bool skip = false;

    *known = false;
    if (r->v[F_ACTION].type != JSCAN_STRING)
        return wrong_type(r, F_ACTION, "a string");
    if (!state_of_action(&r->v[F_ACTION], &j->state))
        return 0;
    j->updated_ms = now_ms;
    if (read_ids(r, j) || read_labels(r, j, &skip))
        return -1;
    if (skip)
        return 0;
    *known = true;
    return read_texts(r, j) || read_queued_ms(r, now_ms, &j->queued_ms) ? -1 : 0;
}

/* An event about no job at all (of a run that never started, say) is nothing to us. */
static int read_job(struct reader *r, int64_t now_ms, enum event_verdict *verdict, struct job *j)
{
    bool known;

    *verdict = EVENT_IGNORED;
    if (r->v[F_ACTION].type == JSCAN_STRING && r->v[F_JOB].type == JSCAN_NULL)
        return 0;
    if (read_state(r, now_ms, &known, j))
        return -1;
    if (!known)
        return 0;
    *verdict = EVENT_JOB;
    return read_place(r, j);
}

/* "refs/heads/BRANCH" of the default branch? */
static bool is_default_branch(const struct reader *r)
{
    static const char heads[] = "refs/heads/";
    const struct jscan_value *ref = &r->v[F_REF], *branch = &r->v[F_DEFAULT_BRANCH];
    const size_t skip = sizeof(heads) - 1;

    return ref->type == JSCAN_STRING && branch->type == JSCAN_STRING && ref->len == skip + branch->len &&
           memcmp(ref->p, heads, skip) == 0 && memcmp(ref->p + skip, branch->p, branch->len) == 0;
}

/* A file of ours that a commit adds, changes or removes. Found by its name in quotes: what else is called so does no
 * harm. */
static const char *named_file(const struct jscan_value *commits)
{
    static const char *const files[] = {"\".cirun.yml\"", "\".cirun.global.yml\"", "\".access.yml\""};
    static const char *const names[] = {".cirun.yml", ".cirun.global.yml", ".access.yml"};

    for (size_t i = 0; i < ARRAY_LEN(files) && commits->type == JSCAN_ARRAY; i++) {
        if (memmem(commits->p, commits->len, files[i], strlen(files[i])) != NULL)
            return names[i];
    }
    return NULL;
}

static int read_push(const struct reader *r, int64_t now_ms, enum event_verdict *verdict, struct job *j)
{
    *verdict = EVENT_IGNORED;
    if (!is_default_branch(r))
        return 0;
    if (read_id(r, F_REPO_ID, true, &j->repo_id) || read_id(r, F_INSTALLATION_ID, false, &j->installation_id) ||
        read_repo(r, &j->repo))
        return -1;
    j->updated_ms = now_ms;
    j->name = mem_strdup(named_file(&r->v[F_COMMITS]));
    *verdict = EVENT_PUSH;
    return 0;
}

/* Somebody changed what the App may see: GitHub is asked what holds now, whatever the event says, which may be late. */
static int read_installation(const struct reader *r, int64_t now_ms, enum event_verdict *verdict, struct job *j)
{
    *verdict = EVENT_IGNORED;
    if (is_unset(r, F_ACTION) || is_unset(r, F_INSTALLATION_ID))
        return 0;
    if (read_id(r, F_INSTALLATION_ID, true, &j->installation_id) || read_name(r, F_ACTION, &j->name))
        return -1;
    j->updated_ms = now_ms;
    j->repo = mem_strdup("");
    *verdict = EVENT_INSTALLATION;
    return 0;
}

static int read_event(struct reader *r, const char *event, int64_t now_ms, enum event_verdict *verdict, struct job *j)
{
    if (strcmp(event, "workflow_job") == 0)
        return read_job(r, now_ms, verdict, j);
    if (strcmp(event, "push") == 0)
        return read_push(r, now_ms, verdict, j);
    if (strcmp(event, "installation") == 0 || strcmp(event, "installation_repositories") == 0)
        return read_installation(r, now_ms, verdict, j);
    *verdict = EVENT_IGNORED;
    return 0;
}

int event_parse(const char *event, const char *body, size_t len, int64_t now_ms, enum event_verdict *verdict,
                struct job *out, struct err *e)
{
    struct reader r = {.paths = event_paths, .e = e};
    AUTO_JOB struct job j = {0};
    enum event_verdict found = EVENT_IGNORED;

    if (jscan(body, len, event_paths, strcmp(event, "push") == 0 ? N_PUSH_FIELDS : N_FIELDS, r.v, e) ||
        read_event(&r, event, now_ms, &found, &j))
        return -1;
    *verdict = found;
    if (found != EVENT_IGNORED) {
        *out = j;
        memset(&j, 0, sizeof(j)); /* its strings belong to *out now */
    }
    return 0;
}

int event_api_job(const char *text, size_t len, const struct job *where, int64_t now_ms, bool *known, struct job *out,
                  struct err *e)
{
    struct reader r = {.paths = api_paths, .e = e};
    AUTO_JOB struct job j = {0};
    bool found;

    if (jscan(text, len, api_paths, ARRAY_LEN(api_paths), r.v, e) || read_state(&r, now_ms, &found, &j))
        return -1;
    *known = found;
    if (!found)
        return 0;
    j.repo_id = where->repo_id;
    j.installation_id = where->installation_id;
    j.repo = mem_strdup(where->repo);
    j.default_branch = mem_strdup(where->default_branch);
    *out = j;
    memset(&j, 0, sizeof(j)); /* its strings belong to *out now */
    return 0;
}

int event_form_payload(const char *body, size_t len, struct buf *out, struct err *e)
{
    static const char field[] = "payload=";
    const size_t skip = sizeof(field) - 1;

    if (len < skip || memcmp(body, field, skip) != 0 || memchr(body, '&', len) != NULL)
        return err_set(e, ERR_INVALID, "the form must have one field, payload");
    if (text_url_unescape(body + skip, len - skip, true, out, e))
        return err_wrap(e, "form field payload");
    return 0;
}
