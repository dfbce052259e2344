#include "server/github/event_check.h"

#include "server/base/jscan.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/github/check.h"

#include <string.h>

#define LOGIN_MAX 64 /* GitHub's are at most 39; longer ones are not shown */

enum field {
    F_ACTION,
    F_BUTTON,
    F_RUN_ID,
    F_RUN_SHA,
    F_EXTERNAL_ID,
    F_SUITE_SHA,
    F_REPO_ID,
    F_REPO,
    F_INSTALLATION_ID,
    F_SENDER,
    N_FIELDS
};

static const char *const paths[N_FIELDS] = {
    [F_ACTION] = "action",
    [F_BUTTON] = "requested_action.identifier",
    [F_RUN_ID] = "check_run.id",
    [F_RUN_SHA] = "check_run.head_sha",
    [F_EXTERNAL_ID] = "check_run.external_id",
    [F_SUITE_SHA] = "check_suite.head_sha",
    [F_REPO_ID] = "repository.id",
    [F_REPO] = "repository.full_name",
    [F_INSTALLATION_ID] = "installation.id",
    [F_SENDER] = "sender.login",
};

static bool is_text(const struct jscan_value *v, const char *text)
{
    return v->type == JSCAN_STRING && v->len == strlen(text) && memcmp(v->p, text, v->len) == 0;
}

static int read_id(const struct jscan_value *v, enum field f, int64_t *out, struct err *e)
{
    int64_t id;

    if (v[f].type != JSCAN_NUMBER)
        return err_set(e, ERR_INVALID, "%s: expected a whole number, found %s", paths[f], jscan_type_name(v[f].type));
    if (jscan_i64(&v[f], &id, e))
        return err_wrap(e, "%s", paths[f]);
    if (id <= 0)
        return err_set(e, ERR_INVALID, "%s: expected a positive number", paths[f]);
    *out = id;
    return 0;
}

static int read_text(const struct jscan_value *v, enum field f, size_t max, char **out, struct err *e)
{
    AUTO_BUF struct buf text = BUF_INIT(max);

    if (v[f].type != JSCAN_STRING)
        return err_set(e, ERR_INVALID, "%s: expected a string, found %s", paths[f], jscan_type_name(v[f].type));
    if (jscan_str(&v[f], &text, e))
        return err_wrap(e, "%s", paths[f]);
    return buf_take(&text, out, e) ? err_wrap(e, "%s", paths[f]) : 0;
}

static bool is_hash(const char *s)
{
    size_t n = strlen(s);

    return (n == 40 || n == 64) && s[strspn(s, "0123456789abcdefABCDEF")] == '\0';
}

static int read_press(const struct jscan_value *v, bool suite, struct job *j, struct err *e)
{
    enum field sha = suite ? F_SUITE_SHA : F_RUN_SHA;
    AUTO_FREE char *external = NULL;
    struct err ignored;

    if ((!suite && read_id(v, F_RUN_ID, &j->id, e)) || read_id(v, F_REPO_ID, &j->repo_id, e) ||
        read_text(v, sha, 64, &j->head_sha, e) || read_text(v, F_REPO, 200, &j->repo, e))
        return -1;
    if (!is_hash(j->head_sha))
        return err_set(e, ERR_INVALID, "%s: expected 40 or 64 hexadecimal digits", paths[sha]);
    if (v[F_INSTALLATION_ID].type == JSCAN_NUMBER && read_id(v, F_INSTALLATION_ID, &j->installation_id, e))
        return -1;
    if (!suite && read_text(v, F_EXTERNAL_ID, 24, &external, &ignored) == 0 &&
        text_i64(external, 1, INT64_MAX, &j->run_id, &ignored))
        j->run_id = 0; /* another App's, or none */
    if (read_text(v, F_SENDER, LOGIN_MAX, &j->name, &ignored))
        j->name = mem_strdup("somebody");
    return 0;
}

int event_check_parse(const char *event, const char *body, size_t len, enum event_verdict *verdict, struct job *out,
                      struct err *e)
{
    bool suite = strcmp(event, "check_suite") == 0;
    struct jscan_value v[N_FIELDS];
    AUTO_JOB struct job j = {0};

    if (jscan(body, len, paths, N_FIELDS, v, e))
        return -1;
    *verdict = EVENT_IGNORED;
    if (!is_text(&v[F_ACTION], "rerequested") &&
        !(is_text(&v[F_ACTION], "requested_action") && is_text(&v[F_BUTTON], GITHUB_RETRY_ACTION)))
        return 0;
    if (read_press(v, suite, &j, e))
        return -1;
    *verdict = EVENT_PRESS;
    *out = j;
    memset(&j, 0, sizeof(j)); /* its strings belong to *out now */
    return 0;
}
