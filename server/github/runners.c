/* All runners of a repository or an organisation, page by page. */
#include "server/base/json.h"
#include "server/base/text.h"
#include "server/github/api.h"

#include <string.h>

#define PATH_MAX_LEN ((size_t)6 * 1024)
#define PER_PAGE 100
#define PAGES_MAX 200 /* an organisation has 10,000 at most */

typedef int see_fn(void *arg, const char *name, const struct github_runner *runner, struct err *e);

static int make_path(const struct github_repo *r, int page, struct buf *out, struct err *e)
{
    buf_adds(out, strchr(r->repo, '/') == NULL ? "/orgs" : "/repos");
    for (const char *at = r->repo; at != NULL; at = strchr(at, '/') != NULL ? strchr(at, '/') + 1 : NULL) {
        size_t n = strcspn(at, "/");

        if (n == 0 || (n <= 2 && strspn(at, ".") == n))
            return err_set(e, ERR_INVALID, "\"%.100s\" is no repository and no organisation", r->repo);
        buf_addc(out, '/');
        text_url_escape(out, at, n);
    }
    buf_addf(out, "/actions/runners?per_page=%d&page=%d", PER_PAGE, page);
    return 0;
}

static int read_runner(const json_t *item, const char **name, struct github_runner *out, struct err *e)
{
    const char *status;

    if (js_str(item, "name", name, e) || js_i64(item, "id", &out->id, e) || js_str(item, "status", &status, e) ||
        js_bool(item, "busy", &out->busy, e))
        return -1;
    out->online = strcmp(status, "online") == 0;
    return 0;
}

/* What is not as GitHub documents is perhaps a proxy's or a moment's: worth another try. */
static int nonsense(const struct github_repo *r, struct err *e)
{
    e->kind = ERR_RETRY;
    return err_wrap(e, "the runners of %.150s: unexpected answer", r->repo);
}

/* *n: how many the page had. */
static int read_page(struct github *g, const struct github_repo *r, int page, see_fn *each, void *arg, size_t *n,
                     struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    AUTO_JSON json_t *body = NULL;
    const char *slash = strchr(r->repo, '/');
    struct github_call c = {.installation_id = r->installation_id,
                            .repo_id = r->repo_id,
                            .repo_name = slash != NULL ? slash + 1 : r->repo,
                            .scope = slash != NULL ? GITHUB_SCOPE_RUNNERS : GITHUB_SCOPE_ORG_RUNNERS,
                            .method = "GET"};
    json_t *runners, *item;
    size_t i;

    if (make_path(r, page, &path, e) || buf_str(&path, &c.path, e) || github_call(g, &c, &res, e))
        return -1;
    if (js_parse(res.body.p, res.body.len, &body, e) || js_arr(body, "runners", &runners, e))
        return nonsense(r, e);
    json_array_foreach(runners, i, item)
    {
        struct github_runner one = {.id = 0};
        const char *name;

        if (read_runner(item, &name, &one, e))
            return nonsense(r, e);
        if (each(arg, name, &one, e))
            return -1;
    }
    *n = json_array_size(runners);
    return 0;
}

int github_runners_each(struct github *g, const struct github_repo *r, see_fn *each, void *arg, struct err *e)
{
    size_t n = PER_PAGE;

    for (int page = 1; n == PER_PAGE; page++) {
        if (page > PAGES_MAX)
            return err_set(e, ERR_RETRY, "%.150s: runners without end", r->repo);
        if (read_page(g, r, page, each, arg, &n, e))
            return -1;
    }
    return 0;
}
