#include "tests/support/memcloud_int.h"

#include "server/base/clock.h"
#include "server/base/crypto.h"
#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
    *out = b->i;
    out->state = !b->live || b->hidden ? INSTANCE_GONE
                 : b->ending           ? INSTANCE_ENDING
                 : b->stopped          ? INSTANCE_STOPPED
                                       : INSTANCE_RUNNING;
    out->why = b->reclaimed ? ERR_CAPACITY : ERR_NONE;
}

static struct box *add_box(struct memcloud *f)
{
    if (f->n_boxes == f->cap_boxes) {
        f->cap_boxes = f->cap_boxes > 0 ? 2 * f->cap_boxes : 64;
        f->boxes = mem_realloc_array(f->boxes, f->cap_boxes, sizeof(*f->boxes));
    }
    memset(&f->boxes[f->n_boxes], 0, sizeof(*f->boxes));
    f->boxes[f->n_boxes].live = true;
    return &f->boxes[f->n_boxes++];
}

static void end_box(struct box *b)
{
    if (b->live)
        b->ended_ms = clock_now_ms();
    b->live = false;
}

static const char *tag_of(const struct launch_request *r, const char *key)
{
    for (size_t i = 0; i < r->n_tags; i++) {
        if (strcmp(r->tags[i].key, key) == 0)
            return r->tags[i].value;
    }
    return "";
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
        if (f->n_boxes >= MEMCLOUD_MAX)
            return err_set(e, ERR_QUOTA, "the test's cloud is full");
        b = add_box(f);
        (void)snprintf(b->i.id, sizeof(b->i.id), "i-%zu", f->n_boxes);
        (void)snprintf(b->i.name, sizeof(b->i.name), "%s", r->name);
        (void)snprintf(b->token, sizeof(b->token), "%s", r->token);
        (void)snprintf(b->i.region, sizeof(b->i.region), "%s", r->spec->region != NULL ? r->spec->region : "r");
        (void)snprintf(b->deployment, sizeof(b->deployment), "%s", tag_of(r, TAG_DEPLOYMENT));
        instance_set_times(&b->i, NULL, tag_of(r, TAG_EXPIRES));
        instance_set_owner(&b->i, tag_of(r, TAG_REPOSITORY), tag_of(r, TAG_JOB));
        b->i.created_ms = clock_now_ms();
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
        return strcmp(b->i.id, ref->id) == 0;
    return strcmp(b->i.name, ref->name) == 0 && clock_now_ms() >= b->found_from_ms;
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
        for (size_t i = 0; i < f->n_boxes && f->lingers; i++)
            f->boxes[i].ending = f->boxes[i].ending || is_meant(&f->boxes[i], ref);
        (void)pthread_mutex_unlock(&f->lock);
        return 0;
    }
    for (size_t i = 0; i < f->n_boxes && rc == 0; i++) {
        if (is_meant(&f->boxes[i], ref))
            end_box(&f->boxes[i]);
    }
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->lock);
    return rc;
}

/* As it was stale_ms ago. */
static bool is_listed(const struct memcloud *f, const struct box *b, const char *region)
{
    int64_t then = clock_now_ms() - f->list.stale_ms;

    if (strcmp(b->deployment, MEMCLOUD_DEPLOYMENT) != 0 || b->i.created_ms > then)
        return false;
    if (f->n_regions > 0 && strcmp(b->i.region, region != NULL ? region : f->regions[0]) != 0)
        return false;
    return b->live || (f->list.stale_ms > 0 && b->ended_ms > then);
}

static size_t copy_list(struct memcloud *f, const char *region, struct instance **out, struct memcloud_list *how)
{
    size_t n = 0;

    (void)pthread_mutex_lock(&f->lock);
    f->n_lists++;
    *how = f->list;
    *out = mem_calloc(f->n_boxes + 1, sizeof(**out));
    for (size_t i = 0; i < f->n_boxes; i++) {
        struct instance *to = &(*out)[n];

        if (!is_listed(f, &f->boxes[i], region))
            continue;
        fill(&f->boxes[i], to);
        if (to->state == INSTANCE_GONE)
            to->state = INSTANCE_RUNNING;
        n++;
    }
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

/* Without the lock: `each` may ask for anything. */
static int fake_list(struct provider *p, const char *region,
                     int (*each)(void *arg, const struct instance *i, struct err *e), void *arg, struct err *e)
{
    AUTO_FREE struct instance *all = NULL;
    struct memcloud_list how;
    size_t n = copy_list(cloud_of(p), region, &all, &how), page = how.page > 0 ? how.page : 100;

    for (size_t i = 0; i < n || (how.endless && n > 0); i++) {
        if (how.fail_page > 0 && i / page + 1 == how.fail_page)
            return err_set(e, how.kind, "page %zu: failed as the test asked", how.fail_page);
        if (each(arg, &all[i % n], e))
            return -1;
    }
    if (how.fail_page > 0 && n <= (how.fail_page - 1) * page)
        return err_set(e, how.kind, "page %zu: failed as the test asked", how.fail_page);
    return 0;
}

static int fake_regions(struct provider *p, int (*each)(void *arg, const char *region, struct err *e), void *arg,
                        struct err *e)
{
    const struct memcloud *f = cloud_of(p);

    for (size_t i = 0; i < f->n_regions; i++) {
        if (each(arg, f->regions[i], e))
            return -1;
    }
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
    free(f->boxes);
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

void memcloud_put(struct memcloud *f, const struct instance *i, const char *deployment)
{
    struct box *b;

    (void)pthread_mutex_lock(&f->lock);
    b = add_box(f);
    b->i = *i;
    b->stopped = i->state == INSTANCE_STOPPED;
    (void)snprintf(b->deployment, sizeof(b->deployment), "%s", deployment);
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_region(struct memcloud *f, const char *region)
{
    (void)pthread_mutex_lock(&f->lock);
    if (f->n_regions < ARRAY_LEN(f->regions))
        (void)snprintf(f->regions[f->n_regions++], sizeof(f->regions[0]), "%s", region);
    f->ops.regions = fake_regions;
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_list(struct memcloud *f, const struct memcloud_list *how)
{
    (void)pthread_mutex_lock(&f->lock);
    f->list = *how;
    (void)pthread_mutex_unlock(&f->lock);
}

size_t memcloud_lists(struct memcloud *f)
{
    size_t n;

    (void)pthread_mutex_lock(&f->lock);
    n = f->n_lists;
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

bool memcloud_is_live(struct memcloud *f, const char *id)
{
    bool live = false;

    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n_boxes; i++)
        live = live || (f->boxes[i].live && strcmp(f->boxes[i].i.id, id) == 0);
    (void)pthread_mutex_unlock(&f->lock);
    return live;
}

size_t memcloud_boxes(struct memcloud *f, struct memcloud_box out[MEMCLOUD_MAX])
{
    size_t n;

    (void)pthread_mutex_lock(&f->lock);
    n = f->n_boxes < MEMCLOUD_MAX ? f->n_boxes : MEMCLOUD_MAX;
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(out[i].name, sizeof(out[i].name), "%s", f->boxes[i].i.name);
        out[i].live = f->boxes[i].live;
        out[i].user_data = f->boxes[i].user_data;
    }
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

void memcloud_end(struct memcloud *f, size_t box)
{
    (void)pthread_mutex_lock(&f->lock);
    end_box(&f->boxes[box]);
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_stop(struct memcloud *f, const char *name)
{
    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n_boxes; i++)
        f->boxes[i].stopped = f->boxes[i].stopped || strcmp(f->boxes[i].i.name, name) == 0;
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_reclaim(struct memcloud *f, const char *name, const char *detail)
{
    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n_boxes; i++) {
        struct box *b = &f->boxes[i];

        if (strcmp(b->i.name, name) != 0)
            continue;
        end_box(b);
        b->reclaimed = true;
        (void)snprintf(b->i.detail, sizeof(b->i.detail), "%s", detail);
    }
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_hide(struct memcloud *f, const char *name, bool hidden)
{
    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n_boxes; i++) {
        if (strcmp(f->boxes[i].i.name, name) == 0)
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

void memcloud_linger(struct memcloud *f, int times)
{
    (void)pthread_mutex_lock(&f->lock);
    f->ignored_destroys = times;
    f->lingers = true;
    (void)pthread_mutex_unlock(&f->lock);
}

void memcloud_lose(struct memcloud *f, const char *name)
{
    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n_boxes; i++) {
        if (strcmp(f->boxes[i].i.name, name) == 0)
            end_box(&f->boxes[i]);
    }
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->lock);
}
