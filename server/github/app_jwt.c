#include "server/base/clock.h"
#include "server/base/json.h"
#include "server/base/text.h"
#include "server/github/app_int.h"

/* https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app: the life between iat and exp
 * must not exceed ten minutes, and iat is set a minute back against drift. */
#define BACK_S 60
#define AHEAD_S 540
#define JWT_MAX ((size_t)8 * 1024)

static int add_part(const json_t *part, struct buf *out, struct err *e)
{
    AUTO_BUF struct buf text = BUF_INIT(JWT_MAX);

    if (js_dump_buf(part, &text, e))
        return -1;
    text_base64url(out, text.p, text.len);
    return 0;
}

static int sign(const struct github *g, const json_t *head, const json_t *claims, struct buf *out, struct err *e)
{
    AUTO_BUF struct buf signature = BUF_INIT(JWT_MAX);
    const char *text;

    if (add_part(head, out, e))
        return -1;
    buf_addc(out, '.');
    if (add_part(claims, out, e) || buf_str(out, &text, e) || crypto_rs256(g->key, text, out->len, &signature, e))
        return -1;
    buf_addc(out, '.');
    text_base64url(out, signature.p, signature.len);
    return 0;
}

int github_jwt(const struct github *g, struct secret **out, struct err *e)
{
    AUTO_JSON json_t *head = NULL, *claims = NULL;
    struct buf text = BUF_INIT(JWT_MAX);
    int64_t now_s = (clock_now_ms() + atomic_load(&g->skew_ms)) / 1000;
    int rc = -1;

    if (js_pack(e, &head, "{s:s, s:s}", "alg", "RS256", "typ", "JWT") == 0 &&
        js_pack(e, &claims, "{s:I, s:I, s:s}", "iat", (json_int_t)(now_s - BACK_S), "exp",
                (json_int_t)(now_s + AHEAD_S), "iss", g->app_id) == 0 &&
        sign(g, head, claims, &text, e) == 0)
        rc = secret_from_buf(&text, out, e);
    buf_wipe(&text);
    return rc ? err_wrap(e, "the App's JWT") : 0;
}
