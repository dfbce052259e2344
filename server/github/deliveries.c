#include "server/github/deliveries.h"

#include "server/base/json.h"
#include "server/base/text.h"
#include "server/github/app_int.h"

#include <stdio.h>
#include <string.h>

#define PATH_MAX_LEN ((size_t)1024)
#define PAGE_MAX ((size_t)2 * 1024 * 1024)

/* ---- the page ---- */

/* A name of ours or none: what does not fit is cut. */
static int copy_name(const json_t *item, const char *key, bool required, char *out, size_t size, struct err *e)
{
    const char *s = "";

    if (required ? js_str(item, key, &s, e) : js_opt_str(item, key, &s, e))
        return -1;
    (void)snprintf(out, size, "%s", s);
    text_tidy(out);
    return 0;
}

static int copy_guid(const json_t *item, struct github_delivery *d, struct err *e)
{
    const char *s;

    if (js_str(item, "guid", &s, e))
        return -1;
    if (strlen(s) == 0 || strlen(s) >= sizeof(d->guid))
        return err_set(e, ERR_INVALID, "guid: expected 1 to %zu characters", sizeof(d->guid) - 1);
    (void)snprintf(d->guid, sizeof(d->guid), "%s", s);
    return 0;
}

static int read_delivery(const json_t *item, struct github_delivery *out, struct err *e)
{
    struct github_delivery d = {0};
    const char *at, *throttled = "";
    int64_t code;

    if (js_i64(item, "id", &d.id, e) || copy_guid(item, &d, e) || js_str(item, "delivered_at", &at, e) ||
        text_rfc3339_ms(at, strlen(at), &d.delivered_ms, e) || js_i64(item, "status_code", &code, e) ||
        copy_name(item, "event", true, d.event, sizeof(d.event), e) ||
        copy_name(item, "action", false, d.action, sizeof(d.action), e) ||
        js_opt_bool(item, "redelivery", &d.redelivery, e) || js_opt_str(item, "throttled_at", &throttled, e) ||
        js_opt_i64(item, "installation_id", &d.installation_id, e) || js_opt_i64(item, "repository_id", &d.repo_id, e))
        return -1;
    if (d.id <= 0)
        return err_set(e, ERR_INVALID, "id: expected a positive integer");
    d.status_code = code < 0 || code > 999 ? 0 : (int)code;
    d.throttled = throttled[0] != '\0';
    *out = d;
    return 0;
}

/* ---- the next page: <https://api.github.com/app/hook/deliveries?per_page=100&cursor=v1_17>; rel="next" ---- */

/* Only the cursor is taken from it: no address of an answer is ever called. */
static bool is_cursor(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text_lower(s[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && strchr("-_.~%=+/:,", c) == NULL)
            return false;
    }
    return len > 0;
}

static bool cursor_of_url(const char *url, size_t len, char out[GITHUB_CURSOR_MAX])
{
    static const char key[] = "cursor=";
    const char *end = url + len, *p = memchr(url, '?', len);

    while (p != NULL && p + sizeof(key) <= end) {
        const char *next = memchr(p + 1, '&', (size_t)(end - p - 1));
        size_t n = (size_t)((next != NULL ? next : end) - p - 1);
        AUTO_BUF struct buf text = BUF_INIT(GITHUB_CURSOR_MAX - 1);
        struct err ignored;

        if (n > sizeof(key) - 1 && memcmp(p + 1, key, sizeof(key) - 1) == 0) {
            if (!is_cursor(p + sizeof(key), n - (sizeof(key) - 1)) ||
                text_url_unescape(p + sizeof(key), n - (sizeof(key) - 1), false, &text, &ignored) || text.over ||
                text.len == 0 || strlen(text.p) != text.len)
                return false;
            (void)snprintf(out, GITHUB_CURSOR_MAX, "%s", text.p);
            return true;
        }
        p = next;
    }
    return false;
}

static void next_cursor(const char *link, char out[GITHUB_CURSOR_MAX])
{
    out[0] = '\0';
    for (const char *p = strchr(link, '<'); p != NULL; p = strchr(p + 1, '<')) {
        const char *close = strchr(p, '>');
        size_t rest = close != NULL ? strcspn(close, ",") : 0;

        if (close == NULL)
            return;
        if (memmem(close, rest, "rel=\"next\"", 10) == NULL && memmem(close, rest, "rel=next", 8) == NULL)
            continue;
        (void)cursor_of_url(p + 1, (size_t)(close - p - 1), out);
        return;
    }
}

int github_deliveries_parse(const char *body, size_t len, const char *link, struct github_deliveries *out,
                            struct err *e)
{
    AUTO_JSON json_t *list = NULL;
    struct err ignored;

    if (js_parse(body, len, &list, e))
        return -1;
    if (!json_is_array(list))
        return err_set(e, ERR_INVALID, "expected a list of deliveries");
    out->n = 0;
    for (size_t i = 0; i < json_array_size(list) && out->n < GITHUB_DELIVERIES_PAGE; i++) {
        if (read_delivery(json_array_get(list, i), &out->items[out->n], &ignored) == 0)
            out->n++;
    }
    next_cursor(link, out->cursor);
    return 0;
}

/* ---- calls ---- */

static int nonsense(const struct github_call *c, struct err *e)
{
    e->kind = ERR_RETRY;
    return err_wrap(e, "%s %.*s: unexpected answer", c->method, (int)strcspn(c->path, "?"), c->path);
}

int github_deliveries_get(struct github *g, const char *cursor, struct github_deliveries *out, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct github_call c = {.use = GITHUB_FOR_REPORTS, .method = "GET", .max_answer = PAGE_MAX};
    char link[2048] = "";

    buf_addf(&path, "/app/hook/deliveries?per_page=%d", GITHUB_DELIVERIES_PAGE);
    if (cursor[0] != '\0') {
        buf_adds(&path, "&cursor=");
        text_url_escape(&path, cursor, strlen(cursor));
    }
    if (buf_str(&path, &c.path, e) || github_call(g, &c, &res, e))
        return -1;
    (void)httpc_header(&res, "Link", link, sizeof(link));
    if (github_deliveries_parse(res.body.p != NULL ? res.body.p : "", res.body.len, link, out, e))
        return nonsense(&c, e);
    out->now_ms = github_now_ms(g, &res);
    return 0;
}

int github_redeliver(struct github *g, int64_t delivery_id, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct github_call c = {.use = GITHUB_FOR_REPORTS, .method = "POST"};

    buf_addf(&path, "/app/hook/deliveries/%lld/attempts", (long long)delivery_id);
    return buf_str(&path, &c.path, e) || github_call(g, &c, &res, e) ? -1 : 0;
}

int github_installation_look(struct github *g, int64_t installation_id, enum github_installed *out, struct err *e)
{
    static const int gone[] = {404, 0};
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    AUTO_JSON json_t *body = NULL;
    struct github_call c = {.method = "GET", .accept = gone};
    const char *suspended = "";
    int64_t id;

    buf_addf(&path, "/app/installations/%lld", (long long)installation_id);
    if (buf_str(&path, &c.path, e) || github_call(g, &c, &res, e))
        return -1;
    if (res.status == 404) {
        *out = GITHUB_UNINSTALLED;
        return 0;
    }
    if (js_parse(res.body.p != NULL ? res.body.p : "", res.body.len, &body, e) || js_i64(body, "id", &id, e) ||
        js_opt_str(body, "suspended_at", &suspended, e))
        return nonsense(&c, e);
    *out = suspended[0] != '\0' ? GITHUB_SUSPENDED : GITHUB_INSTALLED;
    return 0;
}
