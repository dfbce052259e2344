#include "server/base/clock.h"
#include "server/base/jwt.h"
#include "server/github/app_int.h"

/* https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app: the life between iat and exp
 * must not exceed ten minutes, and iat is set a minute back against drift. */
#define BACK_S 60
#define AHEAD_S 540

int github_jwt(const struct github *g, struct secret **out, struct err *e)
{
    AUTO_JSON json_t *claims = NULL;
    int64_t now_s = (clock_now_ms() + atomic_load(&g->skew_ms)) / 1000;

    if (js_pack(e, &claims, "{s:I, s:I, s:s}", "iat", (json_int_t)(now_s - BACK_S), "exp",
                (json_int_t)(now_s + AHEAD_S), "iss", g->app_id) ||
        jwt_rs256(g->key, NULL, claims, out, e))
        return err_wrap(e, "the App's JWT");
    return 0;
}
