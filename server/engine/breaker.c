#include "server/engine/breaker.h"

#include "server/base/clock.h"
#include "server/base/crypto.h"
#include "server/base/log.h"
#include "server/base/metric.h"
#include "server/base/text.h"
#include "server/engine/rank.h"
#include "server/store/store_speed.h"

#include <stdio.h>
#include <string.h>

#define OPENS_AT 3
#define FIRST_MS (30 * 1000)
#define LONGEST_MS (5 * 60 * 1000)
#define PROBE_MS (2 * 60 * 1000)  /* a launch that does not end by then is not waited for */
#define LOOK_AGAIN_MS (10 * 1000) /* while a probe is under way */
#define FORGET_MS (15 * 60 * 1000)
#define KEY_MAX 480

static const struct metric_desc opened = {METRIC_GAUGE, "muster_breaker_open",
                                          "Candidates that are left alone for now, or are being probed", NULL, NULL};
static const struct metric_desc events = {METRIC_COUNTER, "muster_breaker_total",
                                          "Circuit breakers of candidates: opened, skipped, probed, closed", "what",
                                          NULL};

/* --- keys -----------------------------------------------------------------------------------------------------------
 */

/* What else makes it another thing to ask for: extra_config, the GPU where no type is named, a cap on the price. */
static void add_rest(const struct engine *g, const struct plan *p, size_t i, char *out, size_t size)
{
    const struct machine_spec *s = &p->specs[i];
    AUTO_FREE char *extra = s->extra != NULL ? json_dumps(s->extra, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    AUTO_BUF struct buf text = BUF_INIT((size_t)128 * 1024);
    unsigned char digest[32];
    char hex[9];

    buf_addf(&text, "%s|%s|%d|%d|%.4f", extra != NULL ? extra : "", s->gpu != NULL ? s->gpu : "", s->gpus,
             s->gpu_memory_gb, sift_most_usd(g, p, i));
    crypto_sha256(text.p != NULL ? text.p : "", text.len, digest);
    text_hex(digest, 4, hex);
    (void)snprintf(out, size, " %s", hex);
}

static void make_key(const struct engine *g, const struct plan *p, size_t i, char out[KEY_MAX])
{
    size_t n;

    rank_key(&p->specs[i], out);
    n = strlen(out);
    add_rest(g, p, i, out + n, KEY_MAX - n);
}

static void boot_key(const struct engine *g, const struct machine *m, const struct plan *p, size_t i, char out[KEY_MAX])
{
    size_t n;

    make_key(g, p, i, out);
    n = strlen(out);
    (void)snprintf(out + n, KEY_MAX - n, " boot %lld", (long long)m->repo_id);
}

/* --- what is held against it
 * ------------------------------------------------------------------------------------------ */

static bool is_forgotten(const struct store_breaker *b, int64_t now_ms)
{
    return b->failed_ms < now_ms - FORGET_MS && b->open_until_ms < now_ms - FORGET_MS;
}

/* A machine that does not come up takes its boot deadline to tell: that is not tried again soon. */
static int64_t open_ms(int64_t failures, const char *kind)
{
    int64_t ms = strcmp(kind, "boot") == 0 ? LONGEST_MS : FIRST_MS;

    for (int64_t i = OPENS_AT; i < failures && ms < LONGEST_MS; i++)
        ms *= 2;
    return ms < LONGEST_MS ? ms : LONGEST_MS;
}

static int measure(struct store_tx *t, int64_t now_ms, struct err *e)
{
    int64_t n;

    if (store_breaker_count(t, now_ms - FORGET_MS, OPENS_AT, &n, e))
        return -1;
    metric_set(&opened, NULL, (double)n);
    return 0;
}

static int failed(struct store_tx *t, const char *key, const char *kind, int64_t now_ms, struct err *e)
{
    struct store_breaker b;
    bool found;

    if (store_breaker_get(t, key, &b, &found, e))
        return -1;
    if (found && is_forgotten(&b, now_ms))
        b = (struct store_breaker){.failures = 0};
    if (b.open_until_ms > now_ms)
        return 0; /* this call left before it opened */
    b.failures++;
    b.failed_ms = now_ms;
    b.probe_until_ms = 0;
    b.probe[0] = '\0';
    (void)snprintf(b.kind, sizeof(b.kind), "%s", kind);
    if (b.failures >= OPENS_AT) {
        b.open_until_ms = now_ms + open_ms(b.failures, kind);
        metric_add(&events, "opened", 1);
        log_warn(EV("breaker.opened"), FS("candidate", key), FS("kind", kind), FI("failures", b.failures),
                 FI("wait_ms", b.open_until_ms - now_ms));
    }
    return store_breaker_put(t, key, &b, e) || measure(t, now_ms, e) ? -1 : 0;
}

static int passed(struct store_tx *t, const char *key, struct err *e)
{
    struct store_breaker b;
    bool found;

    if (store_breaker_get(t, key, &b, &found, e) || !found)
        return found ? -1 : 0;
    if (b.failures >= OPENS_AT) {
        metric_add(&events, "closed", 1);
        log_info(EV("breaker.closed"), FS("candidate", key));
    }
    return store_breaker_drop(t, key, e) || measure(t, clock_now_ms(), e) ? -1 : 0;
}

static const char *says(const char *kind)
{
    if (strcmp(kind, "boot") == 0)
        return "its machines did not come up, the last one";
    return strcmp(kind, "quota") == 0 ? "the account's limit was reached" : "no capacity";
}

/* Whole minutes, so that it reads the same for a while. */
static void word_it(const struct store_breaker *b, int64_t now_ms, struct breaker_found *out)
{
    int64_t minutes = (now_ms - b->failed_ms) / 60000;
    char at[21], ago[48] = "less than a minute ago", again[64] = "another job is trying it now";

    if (minutes > 0)
        (void)snprintf(ago, sizeof(ago), "%lld minute%s ago", (long long)minutes, minutes > 1 ? "s" : "");
    if (b->open_until_ms > now_ms) {
        text_format_rfc3339(b->open_until_ms, at);
        (void)snprintf(again, sizeof(again), "again at %s", at);
    }
    (void)snprintf(out->kind, sizeof(out->kind), "%s", b->kind);
    (void)snprintf(out->words, sizeof(out->words), "skipped: %s %s, %s", says(b->kind), ago, again);
}

/* out->again_ms is set when it is left alone. *mine: a probe is due, and is m's. */
static void judge(const struct store_breaker *b, const struct machine *m, int64_t now_ms, bool *mine,
                  struct breaker_found *out)
{
    *mine = false;
    if (b->failures < OPENS_AT || is_forgotten(b, now_ms))
        return;
    if (b->open_until_ms > now_ms)
        out->again_ms = b->open_until_ms;
    else if (b->probe_until_ms > now_ms && strcmp(b->probe, m->name) != 0)
        out->again_ms = b->probe_until_ms < now_ms + LOOK_AGAIN_MS ? b->probe_until_ms : now_ms + LOOK_AGAIN_MS;
    else
        *mine = true;
    if (out->again_ms > 0)
        word_it(b, now_ms, out);
}

static int look(struct store_tx *t, const char *key, const struct machine *m, bool enter, int64_t probe_ms,
                int64_t now_ms, struct breaker_found *out, struct err *e)
{
    struct store_breaker b;
    bool found, mine;

    if (store_breaker_get(t, key, &b, &found, e))
        return -1;
    judge(&b, m, now_ms, &mine, out);
    if (!enter || !mine)
        return 0;
    b.probe_until_ms = now_ms + probe_ms;
    (void)snprintf(b.probe, sizeof(b.probe), "%s", m->name);
    metric_add(&events, "probed", 1);
    return store_breaker_put(t, key, &b, e);
}

/* --- for the launch
 * ---------------------------------------------------------------------------------------------------- */

int breaker_look_tx(struct store_tx *t, const struct engine *g, const struct machine *m, const struct plan *p,
                    bool enter, int64_t now_ms, struct breaker_found *out, struct err *e)
{
    char key[KEY_MAX], boot[KEY_MAX];
    size_t i = (size_t)m->candidate;

    *out = (struct breaker_found){.again_ms = 0};
    make_key(g, p, i, key);
    boot_key(g, m, p, i, boot);
    if (look(t, key, m, false, PROBE_MS, now_ms, out, e))
        return -1;
    if (out->again_ms == 0 && look(t, boot, m, enter, PROBE_MS + terms_boot_deadline_ms(g, p, i), now_ms, out, e))
        return -1;
    if (out->again_ms > 0) {
        if (enter)
            metric_add(&events, "skipped", 1);
        return 0;
    }
    return enter ? look(t, key, m, true, PROBE_MS, now_ms, out, e) : 0;
}

int breaker_refused_tx(struct store_tx *t, const struct engine *g, const struct machine *m, const struct plan *p,
                       enum err_kind kind, int64_t now_ms, struct err *e)
{
    char key[KEY_MAX];

    if (kind != ERR_CAPACITY && kind != ERR_QUOTA)
        return 0;
    make_key(g, p, (size_t)m->candidate, key);
    return failed(t, key, err_kind_name(kind), now_ms, e);
}

int breaker_taken_tx(struct store_tx *t, const struct engine *g, const struct machine *m, const struct plan *p,
                     struct err *e)
{
    char key[KEY_MAX];

    make_key(g, p, (size_t)m->candidate, key);
    return passed(t, key, e);
}

int breaker_booted_tx(struct store_tx *t, const struct engine *g, const struct machine *m, const struct plan *p,
                      struct err *e)
{
    char key[KEY_MAX];

    boot_key(g, m, p, (size_t)m->candidate, key);
    return passed(t, key, e);
}

int breaker_lost_tx(struct store_tx *t, const struct engine *g, const struct machine *m, int64_t now_ms, struct err *e)
{
    AUTO_PLAN struct plan p = {0};
    struct err ignored;
    char key[KEY_MAX];

    if (plan_parse(m->plan_json, &p, &ignored) || m->candidate < 0 || (size_t)m->candidate >= p.n)
        return 0;
    boot_key(g, m, &p, (size_t)m->candidate, key);
    return failed(t, key, "boot", now_ms, e);
}

/* A probe of m's is over without a word about the candidate: who comes next makes one. */
static int let_go(struct store_tx *t, const char *key, const struct machine *m, struct err *e)
{
    struct store_breaker b;
    bool found;

    if (store_breaker_get(t, key, &b, &found, e))
        return -1;
    if (!found || strcmp(b.probe, m->name) != 0)
        return 0;
    b.probe_until_ms = 0;
    b.probe[0] = '\0';
    return store_breaker_put(t, key, &b, e);
}

int breaker_release_tx(struct store_tx *t, const struct engine *g, const struct machine *m, struct err *e)
{
    AUTO_PLAN struct plan p = {0};
    struct err ignored;
    char key[KEY_MAX];

    if (m->plan_json == NULL || plan_parse(m->plan_json, &p, &ignored) || m->candidate < 0 ||
        (size_t)m->candidate >= p.n)
        return 0;
    make_key(g, &p, (size_t)m->candidate, key);
    if (let_go(t, key, m, e))
        return -1;
    boot_key(g, m, &p, (size_t)m->candidate, key);
    return let_go(t, key, m, e);
}

int breaker_ended_tx(struct store_tx *t, const struct machine *m, int64_t now_ms, struct err *e)
{
    char prefix[120];

    if (m->instance_id[0] == '\0')
        return 0;
    (void)snprintf(prefix, sizeof(prefix), "%.40s ", m->cloud);
    return store_breaker_relax(t, prefix, err_kind_name(ERR_QUOTA), now_ms, e);
}

static int half_open(struct store_tx *t, const char *key, int64_t now_ms, struct err *e)
{
    struct store_breaker b;
    bool found;

    if (store_breaker_get(t, key, &b, &found, e))
        return -1;
    if (!found || b.open_until_ms <= now_ms)
        return 0;
    b.open_until_ms = now_ms;
    b.probe_until_ms = 0;
    b.probe[0] = '\0';
    return store_breaker_put(t, key, &b, e);
}

int breaker_asked_tx(struct store_tx *t, const struct engine *g, const struct machine *m, int64_t now_ms, struct err *e)
{
    AUTO_PLAN struct plan p = {0};
    char key[KEY_MAX];

    if (m->plan_json == NULL || plan_parse(m->plan_json, &p, e))
        return m->plan_json == NULL ? 0 : -1;
    for (size_t i = 0; i < p.n; i++) {
        make_key(g, &p, i, key);
        if (half_open(t, key, now_ms, e))
            return -1;
        boot_key(g, m, &p, i, key);
        if (half_open(t, key, now_ms, e))
            return -1;
    }
    return 0;
}

int breaker_start_tx(struct store_tx *t, void *engine, struct err *e)
{
    (void)engine;
    return measure(t, clock_now_ms(), e);
}
