#include "server/base/clock.h"
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/github/app_int.h"

#include <pthread.h>
#include <string.h>

/* https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit:
 * Retry-After, else the reset when nothing remains, else a minute and longer each time. */
#define FIRST_S 60
#define LONGEST_S (15 * 60)
#define RESET_LONGEST_S (65 * 60)

/* Exists from the first limit until a call goes through again. */
struct gate {
    int64_t id, opens_ms; /* monotonic */
    int next_s;           /* the wait when GitHub does not say how long */
};

struct gates {
    pthread_mutex_t lock;
    struct gate *all;
    size_t n;
};

struct gates *gates_new(void)
{
    struct gates *g = mem_zalloc(sizeof(*g));

    (void)pthread_mutex_init(&g->lock, NULL);
    return g;
}

void gates_free(struct gates *g)
{
    if (g == NULL)
        return;
    (void)pthread_mutex_destroy(&g->lock);
    free(g->all);
    free(g);
}

static struct gate *find(const struct gates *g, int64_t id)
{
    for (size_t i = 0; i < g->n; i++) {
        if (g->all[i].id == id)
            return &g->all[i];
    }
    return NULL;
}

static struct gate *find_or_add(struct gates *g, int64_t id)
{
    struct gate *gate = find(g, id);

    if (gate != NULL)
        return gate;
    g->all = mem_realloc_array(g->all, g->n + 1, sizeof(*g->all));
    gate = &g->all[g->n++];
    *gate = (struct gate){.id = id, .next_s = FIRST_S};
    return gate;
}

int gate_check(struct gates *g, int64_t id, struct err *e)
{
    const struct gate *gate;
    int64_t left_ms = 0;
    int rc;

    (void)pthread_mutex_lock(&g->lock);
    gate = find(g, id);
    if (gate != NULL)
        left_ms = gate->opens_ms - clock_mono_ms();
    (void)pthread_mutex_unlock(&g->lock);
    if (left_ms <= 0)
        return 0;
    rc = err_set(e, ERR_THROTTLED, "GitHub limits our rate (%s %lld): no call for %lld s",
                 id != 0 ? "installation" : "App", (long long)id, (long long)(left_ms + 999) / 1000);
    e->retry_after_s = (int)((left_ms + 999) / 1000);
    return rc;
}

static bool message_is_limit(const struct httpc_res *res)
{
    AUTO_JSON json_t *body = NULL;
    const char *message = "";
    struct err ignored;

    if (js_parse(res->body.p, res->body.len, &body, &ignored) || js_str(body, "message", &message, &ignored))
        return false;
    return strcasestr(message, "rate limit") != NULL || strcasestr(message, "abuse detection") != NULL;
}

bool gate_is_limit(const struct httpc_res *res)
{
    char remaining[16];

    if (res->status == 429)
        return true;
    if (res->status != 403)
        return false;
    if (httpc_retry_after_s(res) >= 0)
        return true;
    if (httpc_header(res, "x-ratelimit-remaining", remaining, sizeof(remaining)) && strcmp(remaining, "0") == 0)
        return true;
    return message_is_limit(res);
}

/* Seconds until the hourly budget is filled again; -1 when it is not used up or GitHub does not say. */
static int reset_s(const struct httpc_res *res, int64_t server_now_ms)
{
    char remaining[16], text[32];
    struct err ignored;
    int64_t at_s, s;

    if (!httpc_header(res, "x-ratelimit-remaining", remaining, sizeof(remaining)) || strcmp(remaining, "0") != 0 ||
        !httpc_header(res, "x-ratelimit-reset", text, sizeof(text)) ||
        text_i64(text, 0, INT32_MAX * (int64_t)1000, &at_s, &ignored))
        return -1;
    s = at_s - server_now_ms / 1000 + 1;
    return s < 1 ? 1 : s > RESET_LONGEST_S ? RESET_LONGEST_S : (int)s;
}

int gate_close(struct gates *g, int64_t id, const struct httpc_res *res, int64_t server_now_ms)
{
    int64_t now_ms = clock_mono_ms();
    int s = httpc_retry_after_s(res);
    struct gate *gate;

    if (s < 0)
        s = reset_s(res, server_now_ms);
    (void)pthread_mutex_lock(&g->lock);
    gate = find_or_add(g, id);
    if (s < 0 && gate->opens_ms > now_ms) { /* one of many calls that met the same limit */
        s = (int)((gate->opens_ms - now_ms + 999) / 1000);
    } else if (s < 0) {
        s = gate->next_s;
        gate->next_s = s * 2 < LONGEST_S ? s * 2 : LONGEST_S;
    }
    if (s < 1)
        s = 1;
    if (gate->opens_ms < now_ms + s * (int64_t)1000)
        gate->opens_ms = now_ms + s * (int64_t)1000;
    (void)pthread_mutex_unlock(&g->lock);
    return s;
}

void gate_passed(struct gates *g, int64_t id)
{
    struct gate *gate;

    (void)pthread_mutex_lock(&g->lock);
    gate = find(g, id);
    /* A call that left before the gate closed says nothing about the limit. */
    if (gate != NULL && gate->opens_ms <= clock_mono_ms())
        *gate = g->all[--g->n];
    (void)pthread_mutex_unlock(&g->lock);
}
