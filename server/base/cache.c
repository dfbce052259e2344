#include "server/base/cache.h"

#include "server/base/clock.h"
#include "server/base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define BUCKETS_MAX 8192

/* A value in use: one count for the cache while it keeps the value, one for each holder. */
struct cache_ref {
    void *value;
    int64_t expires_ms, boot_ms; /* by the wall clock, and by one that nobody sets back */
    atomic_size_t holders;
    void (*free_value)(void *value);
    struct cache_ref *next_dead; /* links values that are given back once the lock is released */
};

/* One call of a filler and everybody who waits for it. The last of them frees it. */
struct flight {
    size_t users;
    bool done, forget; /* forget: dropped meanwhile, so the result serves those who wait but is not kept */
    int rc;
    struct err err;
    struct cache_ref *ref;
    pthread_cond_t landed;
};

/* Exists while it has a value or a flight. */
struct entry {
    char *key;
    struct cache_ref *ref; /* NULL: no value (yet) */
    struct flight *flight; /* NULL: nobody fills */
    struct entry *next;    /* in the bucket */
    struct entry *newer, *older;
};

struct cache {
    pthread_mutex_t lock;
    void (*free_value)(void *value);
    size_t max_entries, n_values, n_buckets;
    struct entry **buckets;
    struct entry *newest, *oldest;
};

static size_t bucket_of(const struct cache *c, const char *key)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */

    for (; *key != '\0'; key++)
        h = (h ^ (unsigned char)*key) * 1099511628211u;
    return (size_t)(h ^ (h >> 32)) & (c->n_buckets - 1);
}

struct cache *cache_new(size_t max_entries, void (*free_value)(void *value))
{
    struct cache *c = mem_zalloc(sizeof(*c));

    c->max_entries = max_entries > 0 ? max_entries : 1;
    c->free_value = free_value;
    c->n_buckets = 16;
    while (c->n_buckets < c->max_entries && c->n_buckets < BUCKETS_MAX)
        c->n_buckets *= 2;
    c->buckets = mem_calloc(c->n_buckets, sizeof(struct entry *));
    (void)pthread_mutex_init(&c->lock, NULL);
    return c;
}

static struct entry *find(const struct cache *c, const char *key)
{
    struct entry *en = c->buckets[bucket_of(c, key)];

    while (en != NULL && strcmp(en->key, key) != 0)
        en = en->next;
    return en;
}

static void unlink_age(struct cache *c, struct entry *en)
{
    *(en->newer != NULL ? &en->newer->older : &c->newest) = en->older;
    *(en->older != NULL ? &en->older->newer : &c->oldest) = en->newer;
    en->newer = en->older = NULL;
}

static void link_newest(struct cache *c, struct entry *en)
{
    en->older = c->newest;
    *(c->newest != NULL ? &c->newest->newer : &c->oldest) = en;
    c->newest = en;
}

static struct entry *add_entry(struct cache *c, const char *key)
{
    struct entry *en = mem_zalloc(sizeof(*en));
    struct entry **bucket = &c->buckets[bucket_of(c, key)];

    en->key = mem_strdup(key);
    en->next = *bucket;
    *bucket = en;
    link_newest(c, en);
    return en;
}

static void remove_entry(struct cache *c, struct entry *en)
{
    struct entry **at = &c->buckets[bucket_of(c, en->key)];

    while (*at != en)
        at = &(*at)->next;
    *at = en->next;
    unlink_age(c, en);
    free(en->key);
    free(en);
}

/* Take the value out of its entry; the cache's own hold on it goes to the list. */
static void bury_value(struct cache *c, struct entry *en, struct cache_ref **dead)
{
    if (en->ref == NULL)
        return;
    en->ref->next_dead = *dead;
    *dead = en->ref;
    en->ref = NULL;
    c->n_values--;
}

static void evict(struct cache *c, struct cache_ref **dead)
{
    struct entry *en = c->oldest, *newer;

    for (; en != NULL && c->n_values > c->max_entries; en = newer) {
        newer = en->newer;
        if (en->flight != NULL)
            continue;
        bury_value(c, en, dead);
        remove_entry(c, en);
    }
}

/* free_value may do anything, so it runs without the lock. */
static void unlock_and_release(struct cache *c, struct cache_ref *dead)
{
    (void)pthread_mutex_unlock(&c->lock);
    while (dead != NULL) {
        struct cache_ref *next = dead->next_dead;

        cache_release(dead);
        dead = next;
    }
}

static struct cache_ref *hold(struct cache_ref *r)
{
    (void)atomic_fetch_add(&r->holders, 1);
    return r;
}

/* A wall clock that was set back makes nothing good for longer. */
static bool is_over(const struct cache_ref *r)
{
    struct clock_reading now;

    clock_read_all(&now);
    return now.wall_ms >= r->expires_ms || now.boot_ms >= r->boot_ms;
}

static struct cache_ref *fresh(struct cache *c, struct entry *en)
{
    if (en == NULL || en->ref == NULL || is_over(en->ref))
        return NULL;
    unlink_age(c, en);
    link_newest(c, en);
    return hold(en->ref);
}

/* Lock held. The result of a landed flight for one of its users. */
static int share(struct flight *f, struct cache_ref **out, struct err *e)
{
    int rc = f->rc;

    if (rc == 0)
        *out = hold(f->ref);
    else
        *e = f->err;
    if (--f->users == 0) {
        if (f->ref != NULL)
            cache_release(f->ref);
        (void)pthread_cond_destroy(&f->landed);
        free(f);
    }
    return rc;
}

static struct cache_ref *ref_new(const struct cache *c, const struct cache_fill *got)
{
    struct cache_ref *r = mem_zalloc(sizeof(*r));
    struct clock_reading now;

    r->value = got->value;
    clock_read_all(&now);
    r->expires_ms = got->expires_ms;
    r->boot_ms = got->expires_ms < INT64_MAX / 2 ? now.boot_ms + (got->expires_ms - now.wall_ms) : INT64_MAX;
    r->free_value = c->free_value;
    atomic_init(&r->holders, 1);
    return r;
}

/* Lock held. Record the result and wake who waits. */
static void land(struct cache *c, struct entry *en, const struct cache_fill *got, struct cache_ref **dead)
{
    struct flight *f = en->flight;

    f->done = true;
    en->flight = NULL;
    if (f->rc == 0) {
        f->ref = ref_new(c, got);
        if (!f->forget) {
            en->ref = hold(f->ref);
            c->n_values++;
            unlink_age(c, en);
            link_newest(c, en);
        }
    }
    if (en->ref == NULL)
        remove_entry(c, en);
    evict(c, dead);
    (void)pthread_cond_broadcast(&f->landed);
}

/* Lock held at entry, released inside. */
static int fly(struct cache *c, struct entry *en, cache_fill_fn *fill, void *arg, struct cache_ref **out, struct err *e)
{
    struct flight *f = mem_zalloc(sizeof(*f));
    struct cache_fill got = {.value = NULL, .expires_ms = 0};
    struct cache_ref *dead = NULL;
    int rc;

    f->users = 1;
    (void)pthread_cond_init(&f->landed, NULL);
    bury_value(c, en, &dead); /* expired */
    en->flight = f;
    unlock_and_release(c, dead);

    f->rc = fill(arg, en->key, &got, &f->err);

    dead = NULL;
    (void)pthread_mutex_lock(&c->lock);
    land(c, en, &got, &dead);
    rc = share(f, out, e);
    unlock_and_release(c, dead);
    return rc;
}

int cache_get(struct cache *c, const char *key, cache_fill_fn *fill, void *arg, struct cache_ref **out, struct err *e)
{
    struct cache_ref *r;
    struct entry *en;
    int rc;

    (void)pthread_mutex_lock(&c->lock);
    en = find(c, key);
    r = fresh(c, en);
    if (r != NULL) {
        (void)pthread_mutex_unlock(&c->lock);
        *out = r;
        return 0;
    }
    if (en != NULL && en->flight != NULL) {
        struct flight *f = en->flight;

        f->users++;
        while (!f->done)
            (void)pthread_cond_wait(&f->landed, &c->lock);
        rc = share(f, out, e);
        (void)pthread_mutex_unlock(&c->lock);
        return rc;
    }
    if (en == NULL)
        en = add_entry(c, key);
    return fly(c, en, fill, arg, out, e);
}

bool cache_peek(struct cache *c, const char *key, struct cache_ref **out)
{
    struct cache_ref *r;

    (void)pthread_mutex_lock(&c->lock);
    r = fresh(c, find(c, key));
    (void)pthread_mutex_unlock(&c->lock);
    if (r == NULL)
        return false;
    *out = r;
    return true;
}

void *cache_value(const struct cache_ref *r)
{
    return r->value;
}

void cache_release(struct cache_ref *r)
{
    if (r == NULL || atomic_fetch_sub(&r->holders, 1) != 1)
        return;
    if (r->value != NULL && r->free_value != NULL)
        r->free_value(r->value);
    free(r);
}

void cache_release_ptr(struct cache_ref **r)
{
    cache_release(*r);
}

void cache_drop(struct cache *c, const char *key, const void *if_value)
{
    struct cache_ref *dead = NULL;
    struct entry *en;

    (void)pthread_mutex_lock(&c->lock);
    en = find(c, key);
    if (en != NULL && en->flight != NULL) {
        if (if_value == NULL)
            en->flight->forget = true;
    } else if (en != NULL && (if_value == NULL || en->ref->value == if_value)) {
        bury_value(c, en, &dead);
        remove_entry(c, en);
    }
    unlock_and_release(c, dead);
}

size_t cache_count(struct cache *c)
{
    size_t n;

    (void)pthread_mutex_lock(&c->lock);
    n = c->n_values;
    (void)pthread_mutex_unlock(&c->lock);
    return n;
}

void cache_free(struct cache *c)
{
    struct cache_ref *dead = NULL;

    if (c == NULL)
        return;
    (void)pthread_mutex_lock(&c->lock);
    while (c->oldest != NULL) {
        bury_value(c, c->oldest, &dead);
        remove_entry(c, c->oldest);
    }
    unlock_and_release(c, dead);
    (void)pthread_mutex_destroy(&c->lock);
    free(c->buckets);
    free(c);
}
