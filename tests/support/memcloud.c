#include "tests/support/memcloud.h"

#include "server/base/clock.h"
#include "server/base/crypto.h"
#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct box {
    char id[32], name[64], token[96], region[64];
    bool live, stopped, reclaimed, hidden;
    char detail[64];
    int64_t found_from_ms; /* by its name */
    char *user_data;
};

struct refusal {
    char type[64];
    enum err_kind kind;
    int times; /* < 0: for ever */
};

struct memcloud {
    struct provider_ops ops;
    char name[32];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct box boxes[MEMCLOUD_MAX];
    size_t n_boxes;
    struct memcloud_call calls[MEMCLOUD_MAX];
    size_t n_calls, n_destroys;
    struct refusal refusals[8];
    size_t n_refusals;
    struct {
        char type[64];
        double usd;
    } prices[8];
    size_t n_prices;
    int lost_answers, refused_destroys, ignored_destroys;
    enum err_kind destroy_kind;
    struct memcloud_chance chance;
    uint64_t rng;
};

static struct memcloud *cloud_of(struct provider *p)
{
    return (struct memcloud *)(void *)p;
}

static int fake_check(struct provider *p, const struct machine_spec *s, struct err *e)
{
    (void)p;
    return s->instance_type != NULL ? 0 : err_set(e, ERR_INVALID, "no instance_type");
}

static int fake_price(struct provider *p, const struct machine_spec *s, double *usd, struct err *e)
{
    struct memcloud *f = cloud_of(p);

    (void)e;
    *usd = -1;
    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n_prices; i++) {
        if (strcmp(f->prices[i].type, s->instance_type) == 0)
            *usd = f->prices[i].usd;
    }
    (void)pthread_mutex_unlock(&f->lock);
    return 0;
}

static bool by_chance(struct memcloud *f, double probability)
{
    return probability > 0 && sim_rng_unit(&f->rng) < probability;
}

static enum err_kind draw(struct memcloud *f, const enum err_kind *kinds, size_t n)
{
    return kinds[sim_rng(&f->rng) % n];
}

static bool refused(struct memcloud *f, const char *type, enum err_kind *kind)
{
    static const enum err_kind kinds[] = {ERR_CAPACITY, ERR_CAPACITY, ERR_QUOTA,   ERR_THROTTLED,
                                          ERR_RETRY,    ERR_CONFLICT, ERR_INVALID, ERR_AUTH};

    if (by_chance(f, f->chance.refuse)) {
        *kind = draw(f, kinds, ARRAY_LEN(kinds));
        return true;
    }
    for (size_t i = 0; i < f->n_refusals; i++) {
        struct refusal *r = &f->refusals[i];

        if (r->times == 0 || (r->type[0] != '\0' && strcmp(r->type, type) != 0))
            continue;
        r->times -= r->times > 0 ? 1 : 0;
        *kind = r->kind;
        return true;
    }
    return false;
}

static struct box *find_token(struct memcloud *f, const char *token)
{
    for (size_t i = 0; i < f->n_boxes; i++) {
        if (strcmp(f->boxes[i].token, token) == 0)
            return &f->boxes[i];
    }
    return NULL;
}

static void fill(const struct box *b, struct instance *out)
{
    memset(out, 0, sizeof(*out));
    (void)snprintf(out->id, sizeof(out->id), "%s", b->id);
    (void)snprintf(out->name, sizeof(out->name), "%s", b->name);
    (void)snprintf(out->region, sizeof(out->region), "%s", b->region);
    out->state = !b->live || b->hidden ? INSTANCE_GONE : b->stopped ? INSTANCE_STOPPED : INSTANCE_RUNNING;
    out->why = b->reclaimed ? ERR_CAPACITY : ERR_NONE;
    (void)snprintf(out->detail, sizeof(out->detail), "%s", b->detail);
}

static void note_call(struct memcloud *f, const struct launch_request *r)
{
    struct memcloud_call *c = &f->calls[f->n_calls];

    if (f->n_calls == MEMCLOUD_MAX)
        return;
    (void)snprintf(c->name, sizeof(c->name), "%s", r->name);
    (void)snprintf(c->token, sizeof(c->token), "%s", r->token);
    (void)snprintf(c->instance_type, sizeof(c->instance_type), "%s", r->spec->instance_type);
    (void)snprintf(c->region, sizeof(c->region), "%s", r->spec->region != NULL ? r->spec->region : "");
    c->spot = r->spec->spot;
    c->lifetime_s = r->lifetime_s;
    for (size_t i = 0; i < r->n_tags; i++) {
        if (strcmp(r->tags[i].key, TAG_EXPIRES) == 0)
            c->expires_s = strtoll(r->tags[i].value, NULL, 10);
    }
    crypto_sha256(secret_reveal(r->user_data), secret_len(r->user_data), c->user_data);
    c->text = mem_strdup(secret_reveal(r->user_data));
    f->n_calls++;
    (void)pthread_cond_broadcast(&f->changed);
}

static int do_launch(struct memcloud *f, const struct launch_request *r, struct instance *out, struct err *e)
{
    struct box *b = find_token(f, r->token);
    enum err_kind kind;

    note_call(f, r);
    if (refused(f, r->spec->instance_type, &kind))
        return err_set(e, kind, "refused as the test asked (%s)", err_kind_name(kind));
    if (b == NULL) {
        if (f->n_boxes == MEMCLOUD_MAX)
            return err_set(e, ERR_QUOTA, "the test's cloud is full");
        b = &f->boxes[f->n_boxes++];
        (void)snprintf(b->id, sizeof(b->id), "i-%zu", f->n_boxes);
        (void)snprintf(b->name, sizeof(b->name), "%s", r->name);
        (void)snprintf(b->token, sizeof(b->token), "%s", r->token);
        (void)snprintf(b->region, sizeof(b->region), "%s", r->spec->region != NULL ? r->spec->region : "r");
        b->live = true;
        b->found_from_ms = clock_now_ms() + f->chance.invisible_ms;
        b->user_data = mem_strdup(secret_reveal(r->user_data));
        (void)pthread_cond_broadcast(&f->changed);
    }
    if (f->lost_answers > 0 || by_chance(f, f->chance.lose)) {
        f->lost_answers -= f->lost_answers > 0 ? 1 : 0;
        return err_set(e, ERR_RETRY, "the answer was lost, as the test asked");
    }
    fill(b, out);
    return 0;
}

static int fake_launch(struct provider *p, const struct launch_request *r, struct instance *out, struct err *e)
{
    struct memcloud *f = cloud_of(p);
    int rc;

    (void)pthread_mutex_lock(&f->lock);
    rc = do_launch(f, r, out, e);
    (void)pthread_mutex_unlock(&f->lock);
    return rc;
}

/* By id, else by name once it can be found. */
static bool is_meant(const struct box *b, const struct instance *ref)
{
    if (ref->id[0] != '\0')
        return strcmp(b->id, ref->id) == 0;
    return strcmp(b->name, ref->name) == 0 && clock_now_ms() >= b->found_from_ms;
}

static int fail_by_chance(struct memcloud *f, struct err *e)
{
    static const enum err_kind kinds[] = {ERR_RETRY, ERR_THROTTLED, ERR_AUTH};

    return by_chance(f, f->chance.fail) ? err_set(e, draw(f, kinds, ARRAY_LEN(kinds)), "failed by chance") : 0;
}

static int fake_describe(struct provider *p, const struct instance *ref, struct instance *out, struct err *e)
{
    struct memcloud *f = cloud_of(p);
    struct instance got = {.state = INSTANCE_GONE};
    int rc;

    (void)pthread_mutex_lock(&f->lock);
    rc = fail_by_chance(f, e);
    for (size_t i = 0; i < f->n_boxes; i++) {
        if (is_meant(&f->boxes[i], ref) && (got.name[0] == '\0' || f->boxes[i].live))
            fill(&f->boxes[i], &got);
    }
    (void)pthread_mutex_unlock(&f->lock);
    if (rc == 0)
        *out = got;
    return rc;
}

static int fake_destroy(struct provider *p, const struct instance *ref, struct err *e)
{
    struct memcloud *f = cloud_of(p);
    int rc;

    (void)pthread_mutex_lock(&f->lock);
    f->n_destroys++;
    rc = fail_by_chance(f, e);
    if (rc == 0 && f->refused_destroys > 0) {
        f->refused_destroys--;
        rc = err_set(e, f->destroy_kind, "not destroyed, as the test asked");
    }
    if (rc == 0 && f->ignored_destroys > 0) {
        f->ignored_destroys--;
        (void)pthread_mutex_unlock(&f->lock);
        return 0;
    }
    for (size_t i = 0; i < f->n_boxes && rc == 0; i++) {
        if (is_meant(&f->boxes[i], ref))
            f->boxes[i].live = false;
    }
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->lock);
    return rc;
}

/* It answers: its credentials are good. */
static int fake_list(struct provider *p, const char *region,
                     int (*each)(void *arg, const struct instance *i, struct err *e), void *arg, struct err *e)
{
    (void)p;
    (void)region;
    (void)each;
    (void)arg;
    (void)e;
    return 0;
}

static void fake_close(struct provider *p)
{
    (void)p;
}

struct memcloud *memcloud_new(const char *name)
{
    struct memcloud *f = mem_zalloc(sizeof(*f));
    pthread_condattr_t attr;

    (void)snprintf(f->name, sizeof(f->name), "%s", name);
    f->ops = (struct provider_ops){.name = f->name,
                                   .user_data_max = 16384,
                                   .check = fake_check,
                                   .launch = fake_launch,
                                   .describe = fake_describe,
                                   .destroy = fake_destroy,
                                   .list = fake_list,
                                   .price = fake_price,
                                   .close = fake_close};
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_cond_init(&f->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    return f;
}

void memcloud_free(struct memcloud *f)
{
    for (size_t i = 0; i < f->n_calls; i++)
        free(f->calls[i].text);
    for (size_t i = 0; i < f->n_boxes; i++)
        free(f->boxes[i].user_data);
    (void)pthread_mutex_destroy(&f->lock);
    (void)pthread_cond_destroy(&f->changed);
    free(f);
}

const struct provider_ops *memcloud_ops(const struct memcloud *f)
{
    return &f->ops;
}

struct provider *memcloud_provider(struct memcloud *f)
{
    return (struct provider *)(void *)f;
}

void memcloud_refuse(struct memcloud *f, const char *instance_type, enum err_kind kind, int times)
{
    (void)pthread_mutex_lock(&f->lock);
    if (f->n_refusals < ARRAY_LEN(f->refusals)) {
        struct refusal *r = &f->refusals[f->n_refusals++];

        (void)snprintf(r->type, sizeof(r->type), "%s", instance_type != NULL ? instance_type : "");
        r->kind = kind;
        r->times = times > 0 ? times : -1;
    }
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_price(struct memcloud *f, const char *instance_type, double usd)
{
    (void)pthread_mutex_lock(&f->lock);
    if (f->n_prices < ARRAY_LEN(f->prices)) {
        (void)snprintf(f->prices[f->n_prices].type, sizeof(f->prices[0].type), "%s", instance_type);
        f->prices[f->n_prices++].usd = usd;
    }
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_lose_answers(struct memcloud *f, int times)
{
    (void)pthread_mutex_lock(&f->lock);
    f->lost_answers = times;
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_refuse_destroy(struct memcloud *f, enum err_kind kind, int times)
{
    (void)pthread_mutex_lock(&f->lock);
    f->destroy_kind = kind;
    f->refused_destroys = times;
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_chance(struct memcloud *f, const struct memcloud_chance *c)
{
    (void)pthread_mutex_lock(&f->lock);
    f->chance = *c;
    f->rng = c->seed;
    (void)pthread_mutex_unlock(&f->lock);
}

size_t memcloud_boxes(struct memcloud *f, struct memcloud_box out[MEMCLOUD_MAX])
{
    size_t n;

    (void)pthread_mutex_lock(&f->lock);
    n = f->n_boxes;
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(out[i].name, sizeof(out[i].name), "%s", f->boxes[i].name);
        out[i].live = f->boxes[i].live;
        out[i].user_data = f->boxes[i].user_data;
    }
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

void memcloud_end(struct memcloud *f, size_t box)
{
    (void)pthread_mutex_lock(&f->lock);
    f->boxes[box].live = false;
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_stop(struct memcloud *f, const char *name)
{
    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n_boxes; i++)
        f->boxes[i].stopped = f->boxes[i].stopped || strcmp(f->boxes[i].name, name) == 0;
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_reclaim(struct memcloud *f, const char *name, const char *detail)
{
    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n_boxes; i++) {
        struct box *b = &f->boxes[i];

        if (strcmp(b->name, name) != 0)
            continue;
        b->live = false;
        b->reclaimed = true;
        (void)snprintf(b->detail, sizeof(b->detail), "%s", detail);
    }
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_hide(struct memcloud *f, const char *name, bool hidden)
{
    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n_boxes; i++) {
        if (strcmp(f->boxes[i].name, name) == 0)
            f->boxes[i].hidden = hidden;
    }
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_ignore_destroys(struct memcloud *f, int times)
{
    (void)pthread_mutex_lock(&f->lock);
    f->ignored_destroys = times;
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_lose(struct memcloud *f, const char *name)
{
    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n_boxes; i++) {
        if (strcmp(f->boxes[i].name, name) == 0)
            f->boxes[i].live = false;
    }
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->lock);
}

size_t memcloud_calls(struct memcloud *f, struct memcloud_call out[MEMCLOUD_MAX])
{
    size_t n;

    (void)pthread_mutex_lock(&f->lock);
    n = f->n_calls;
    memcpy(out, f->calls, n * sizeof(*out));
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

static size_t count_live(const struct memcloud *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n_boxes; i++)
        n += f->boxes[i].live ? 1 : 0;
    return n;
}

size_t memcloud_live(struct memcloud *f)
{
    size_t n;

    (void)pthread_mutex_lock(&f->lock);
    n = count_live(f);
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

size_t memcloud_made(struct memcloud *f)
{
    size_t n;

    (void)pthread_mutex_lock(&f->lock);
    n = f->n_boxes;
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

size_t memcloud_destroys(struct memcloud *f)
{
    size_t n;

    (void)pthread_mutex_lock(&f->lock);
    n = f->n_destroys;
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

static size_t count_calls(const struct memcloud *f)
{
    return f->n_calls;
}

static bool wait_for(struct memcloud *f, size_t (*count)(const struct memcloud *), size_t n, bool exact, int timeout_ms)
{
    struct timespec until;
    bool reached;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000 + 1;
    (void)pthread_mutex_lock(&f->lock);
    while (!(reached = exact ? count(f) == n : count(f) >= n)) {
        if (pthread_cond_timedwait(&f->changed, &f->lock, &until) != 0)
            break;
    }
    (void)pthread_mutex_unlock(&f->lock);
    return reached;
}

bool memcloud_wait_calls(struct memcloud *f, size_t n, int timeout_ms)
{
    return wait_for(f, count_calls, n, false, timeout_ms);
}

bool memcloud_wait_live(struct memcloud *f, size_t n, int timeout_ms)
{
    return wait_for(f, count_live, n, true, timeout_ms);
}
