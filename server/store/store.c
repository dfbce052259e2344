/*
 * Open, close, the committer thread, reads. The queries are in store_delivery.c, store_job.c, store_machine.c,
 * store_task.c, store_event.c.
 */
#include "server/store/store.h"

#include "server/base/clock.h"
#include "server/store/schema.h"
#include "server/store/store_internal.h"
#include "server/store/store_upkeep.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#define BATCH_MAX 512
#define READERS_MAX 4
#define HEALTH_FRESH_MS 5000

struct item {
    struct item *next;
    store_fn *fn;
    void *arg;
    store_done_fn *done;
    void *done_arg;
    int rc;
    struct err e;
};

struct queue {
    struct item *head, **tail;
};

struct store {
    const struct db_driver *drv;
    char *url;
    struct db_lock *lock;
    struct db *writer;   /* the committer thread's, once that runs */
    struct known *known; /* likewise */
    int64_t fair_after;  /* likewise */
    size_t late_turn;    /* likewise */
    pthread_t committer;
    bool running;

    pthread_mutex_t mu; /* all below */
    pthread_cond_t more, reader_back;
    struct queue queue;
    bool closing;

    struct db *idle[READERS_MAX];
    size_t n_idle, n_readers;

    int64_t told_ms; /* when the scheduler will look by itself; INT64_MAX: cannot say, wake it for every put */
    uint64_t puts;   /* commits in which a task was put */

    bool probing;
    int64_t written_ms; /* monotonic; of the last commit that reached the disk */
    struct err health;  /* ERR_NONE unless the last commit failed */
    struct err damage;  /* ERR_NONE unless anything was found damaged; stays */

    pthread_mutex_t wake_mu; /* held while wake runs, so that a changed one is not running any more */
    void (*wake)(void *arg);
    void *wake_arg;
};

/* --- a transaction's hands ------------------------------------------------------------------------------------ */

static struct store_tx tx_on(struct store *s, struct db *db, bool writing)
{
    return (struct store_tx){
        .s = s, .db = db, .drv = s->drv, .writing = writing, .put_due_ms = INT64_MAX, .told = false};
}

int tx_read(struct store_tx *t, const char *sql, const struct db_val *v, size_t n, db_row_fn *row, void *arg,
            struct err *e)
{
    return t->drv->exec(t->db, sql, v, n, row, arg, NULL, e);
}

int tx_write(struct store_tx *t, const char *sql, const struct db_val *v, size_t n, db_row_fn *row, void *arg,
             int64_t *changed, struct err *e)
{
    int64_t rows = 0;

    if (!t->writing)
        return err_set(e, ERR_BUG, "change on a reading connection: %s", sql);
    if (t->drv->exec(t->db, sql, v, n, row, arg, &rows, e))
        return -1;
    t->wrote = t->wrote || rows > 0;
    if (changed != NULL)
        *changed = rows;
    return 0;
}

int row_i64(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    (void)n;
    (void)e;
    *(int64_t *)arg = cols[0].i;
    return 0;
}

void col_copy(const struct db_val *v, char *out, size_t size)
{
    const char *s = col_text(v);
    size_t n = strnlen(s, size - 1);

    memcpy(out, s, n);
    out[n] = '\0';
}

struct known *store_known(struct store_tx *t)
{
    return t->s->known;
}

/* --- group commit --------------------------------------------------------------------------------------------- */

/* Undo everything in the transaction, in memory too. */
static void undo_all(struct store_tx *t)
{
    t->drv->rollback(t->db);
    known_undo(t->s->known, 0);
    *t = tx_on(t->s, t->db, true);
}

/* Run one item so that its failure undoes nothing but itself. -1: the transaction cannot go on. */
static int run_apart(struct store_tx *t, struct item *it, struct err *e)
{
    size_t mark = known_mark(t->s->known);
    bool wrote = t->wrote;

    if (t->drv->savepoint(t->db, e))
        return -1;
    it->rc = it->fn(t, it->arg, &it->e);
    if (it->rc == 0)
        return t->drv->release(t->db, e);
    t->drv->rollback_to(t->db);
    known_undo(t->s->known, mark);
    t->wrote = wrote;
    /* What it learned of due times may be undone with it. */
    t->told = true;
    t->told_ms = INT64_MAX;
    return 0;
}

/* All in one transaction. Without savepoints (apart = false) the first failing item ends the attempt. */
static int run_batch(struct store_tx *t, struct item *batch, bool apart, struct err *e)
{
    if (t->drv->begin(t->db, e))
        return -1;
    for (struct item *it = batch; it != NULL; it = it->next) {
        if (apart && run_apart(t, it, e))
            return -1;
        if (!apart && it->fn(t, it->arg, e))
            return -1;
    }
    return t->drv->commit(t->db, e);
}

/* Failures are rare and savepoints cost more than a delivery's own statements; so they come with the second attempt,
 * when the first one failed. -1: nothing of the batch is in the database. */
static int commit_batch(struct store_tx *t, struct item *batch, struct err *e)
{
    if (run_batch(t, batch, false, e) == 0)
        return 0;
    undo_all(t);
    if (run_batch(t, batch, true, e) == 0)
        return 0;
    undo_all(t);
    return -1;
}

/* Up to BATCH_MAX of what waits; NULL = closed and nothing left. */
static struct item *take_batch(struct store *s)
{
    struct item *batch, *last;

    pthread_mutex_lock(&s->mu);
    while (s->queue.head == NULL && !s->closing)
        pthread_cond_wait(&s->more, &s->mu);
    batch = last = s->queue.head;
    for (size_t i = 1; i < BATCH_MAX && last != NULL && last->next != NULL; i++)
        last = last->next;
    if (last != NULL) {
        s->queue.head = last->next;
        last->next = NULL;
    }
    if (s->queue.head == NULL)
        s->queue.tail = &s->queue.head;
    pthread_mutex_unlock(&s->mu);
    return batch;
}

/* With the lock held. */
static void note_damage(struct store *s, const struct db *db, const struct err *e)
{
    if (s->damage.kind == ERR_NONE && s->drv->damaged != NULL && s->drv->damaged(db))
        s->damage = *e;
}

/* Note the outcome; should the scheduler be woken? */
static bool note_commit(struct store *s, const struct store_tx *t, int rc, const struct err *e)
{
    bool wake = false;

    pthread_mutex_lock(&s->mu);
    if (rc != 0) {
        s->health = *e;
        note_damage(s, t->db, e);
    } else if (t->wrote) {
        s->health.kind = ERR_NONE;
        s->written_ms = clock_mono_ms();
    }
    if (t->told)
        s->told_ms = t->told_ms;
    if (rc == 0 && t->put_due_ms != INT64_MAX) {
        s->puts++;
        wake = t->put_due_ms < s->told_ms || s->told_ms == INT64_MAX;
        if (t->put_due_ms < s->told_ms)
            s->told_ms = t->put_due_ms;
    }
    pthread_mutex_unlock(&s->mu);
    return wake;
}

static void tell(struct item *batch, int rc, const struct err *e)
{
    for (struct item *it = batch, *next; it != NULL; it = next) {
        next = it->next;
        if (rc != 0 && it->rc == 0) {
            it->rc = -1;
            it->e = *e;
        }
        if (it->done != NULL)
            it->done(it->done_arg, it->rc, it->rc != 0 ? &it->e : NULL);
        free(it);
    }
}

static void wake_scheduler(struct store *s)
{
    pthread_mutex_lock(&s->wake_mu);
    if (s->wake != NULL)
        s->wake(s->wake_arg);
    pthread_mutex_unlock(&s->wake_mu);
}

static void *committer_main(void *arg)
{
    struct store *s = arg;
    struct item *batch;

    while ((batch = take_batch(s)) != NULL) {
        struct store_tx t = tx_on(s, s->writer, true);
        struct err e = {.kind = ERR_NONE};
        int rc = commit_batch(&t, batch, &e);

        if (rc == 0)
            known_keep(s->known);
        if (note_commit(s, &t, rc, &e))
            wake_scheduler(s);
        tell(batch, rc, &e);
    }
    return NULL;
}

void store_enqueue(struct store *s, store_fn *fn, void *arg, store_done_fn *done, void *done_arg)
{
    struct item *it = mem_zalloc(sizeof(*it));

    it->fn = fn;
    it->arg = arg;
    it->done = done;
    it->done_arg = done_arg;
    pthread_mutex_lock(&s->mu);
    *s->queue.tail = it;
    s->queue.tail = &it->next;
    pthread_mutex_unlock(&s->mu);
}

void store_kick(struct store *s)
{
    pthread_mutex_lock(&s->mu);
    if (s->queue.head != NULL)
        pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->mu);
}

void store_submit(struct store *s, store_fn *fn, void *arg, store_done_fn *done, void *done_arg)
{
    store_enqueue(s, fn, arg, done, done_arg);
    store_kick(s);
}

struct waiter {
    pthread_mutex_t mu;
    pthread_cond_t cond;
    bool over;
    int rc;
    struct err *e;
};

static void wake_waiter(void *arg, int rc, const struct err *e)
{
    struct waiter *w = arg;

    pthread_mutex_lock(&w->mu);
    w->rc = rc;
    if (rc != 0)
        *w->e = *e;
    w->over = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mu);
}

int store_write(struct store *s, store_fn *fn, void *arg, struct err *e)
{
    struct waiter w = {.mu = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER, .over = false, .e = e};

    store_submit(s, fn, arg, wake_waiter, &w);
    pthread_mutex_lock(&w.mu);
    while (!w.over)
        pthread_cond_wait(&w.cond, &w.mu);
    pthread_mutex_unlock(&w.mu);
    pthread_cond_destroy(&w.cond);
    pthread_mutex_destroy(&w.mu);
    return w.rc;
}

/* --- waking the scheduler ------------------------------------------------------------------------------------- */

void store_on_task(struct store *s, void (*wake)(void *arg), void *arg)
{
    pthread_mutex_lock(&s->wake_mu);
    s->wake = wake;
    s->wake_arg = arg;
    pthread_mutex_unlock(&s->wake_mu);
}

/*
 * The scheduler sleeps until the time that store_task_next_due told it, and must be woken for anything earlier. A put
 * that commits between the query and this note would be compared with the time before; so the note is taken only when
 * nothing was put meanwhile, else the query is asked again.
 */
int64_t *store_fair_after(struct store *s)
{
    return &s->fair_after;
}

size_t *store_late_turn(struct store *s)
{
    return &s->late_turn;
}

uint64_t store_puts_begin(struct store *s)
{
    uint64_t puts;

    pthread_mutex_lock(&s->mu);
    puts = s->puts;
    pthread_mutex_unlock(&s->mu);
    return puts;
}

bool store_puts_same(struct store *s, uint64_t puts, int64_t told_ms)
{
    bool same;

    pthread_mutex_lock(&s->mu);
    same = s->puts == puts;
    if (same)
        s->told_ms = told_ms;
    pthread_mutex_unlock(&s->mu);
    return same;
}

/* --- reads ---------------------------------------------------------------------------------------------------- */

static void return_reader(struct store *s, struct db *db)
{
    pthread_mutex_lock(&s->mu);
    if (db != NULL)
        s->idle[s->n_idle++] = db;
    else
        s->n_readers--;
    pthread_cond_signal(&s->reader_back);
    pthread_mutex_unlock(&s->mu);
}

static int take_reader(struct store *s, struct db **out, struct err *e)
{
    struct db *db = NULL;

    pthread_mutex_lock(&s->mu);
    while (s->n_idle == 0 && s->n_readers == READERS_MAX)
        pthread_cond_wait(&s->reader_back, &s->mu);
    if (s->n_idle > 0)
        db = s->idle[--s->n_idle];
    else
        s->n_readers++;
    pthread_mutex_unlock(&s->mu);
    if (db == NULL && s->drv->open_again(s->writer, &db, e)) {
        return_reader(s, NULL);
        pthread_mutex_lock(&s->mu);
        if (e->kind == ERR_INVALID) /* not for want of descriptors or room: the next commit may know better */
            s->health = *e;
        pthread_mutex_unlock(&s->mu);
        return -1;
    }
    *out = db;
    return 0;
}

int store_read(struct store *s, store_fn *fn, void *arg, struct err *e)
{
    struct store_tx t;
    struct db *db;
    int rc;

    if (take_reader(s, &db, e))
        return -1;
    t = tx_on(s, db, false);
    rc = fn(&t, arg, e);
    if (rc != 0) {
        pthread_mutex_lock(&s->mu);
        note_damage(s, db, e);
        pthread_mutex_unlock(&s->mu);
    }
    return_reader(s, db);
    return rc;
}

static int size_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct store_size *out = arg;
    struct db_size got = {0, 0, 0};

    if (t->drv->size != NULL && t->drv->size(t->db, &got, e))
        return -1;
    *out = (struct store_size){got.bytes, got.free_bytes, got.log_bytes};
    return 0;
}

int store_size(struct store *s, struct store_size *out, struct err *e)
{
    return store_read(s, size_tx, out, e);
}

/* --- health --------------------------------------------------------------------------------------------------- */

/* Write something small, to know that it can be done. It differs each time: what is equal would not be written. */
static int probe(struct store_tx *t, void *arg, struct err *e)
{
    (void)arg;
    return tx_write(t,
                    "INSERT INTO meta (key, value) VALUES ('store.probe', '0') ON CONFLICT (key) DO UPDATE"
                    " SET value = CASE meta.value WHEN '0' THEN '1' ELSE '0' END",
                    NULL, 0, NULL, NULL, NULL, e);
}

static void probed(void *arg, int rc, const struct err *e)
{
    struct store *s = arg;

    (void)rc;
    (void)e; /* noted with the commit */
    pthread_mutex_lock(&s->mu);
    s->probing = false;
    pthread_mutex_unlock(&s->mu);
}

/* Answers at once, from the last commit; when that is old or failed, a probe is sent for the next question. */
int store_health(struct store *s, struct err *e)
{
    bool ask;
    int rc;

    pthread_mutex_lock(&s->mu);
    rc = s->health.kind == ERR_NONE && s->damage.kind == ERR_NONE ? 0 : -1;
    if (rc != 0)
        *e = s->damage.kind != ERR_NONE ? s->damage : s->health;
    ask = !s->probing && (rc != 0 || clock_mono_ms() - s->written_ms > HEALTH_FRESH_MS);
    s->probing = s->probing || ask;
    pthread_mutex_unlock(&s->mu);
    if (ask)
        store_submit(s, probe, NULL, probed, s);
    return rc;
}

/* --- open and close ------------------------------------------------------------------------------------------- */

static int start_committer(struct store *s, struct err *e)
{
    sigset_t all, before;
    int rc;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the main thread */
    rc = pthread_create(&s->committer, NULL, committer_main, s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return err_sys(e, ERR_RETRY, rc, "cannot start the store's thread");
    s->running = true;
    return 0;
}

/* The first write, before anybody relies on it: a full disk is found here. */
static int write_first(struct store *s, struct err *e)
{
    struct store_tx t = tx_on(s, s->writer, true);

    if (s->drv->begin(s->writer, e))
        return -1;
    if (probe(&t, NULL, e) || s->drv->commit(s->writer, e)) {
        s->drv->rollback(s->writer);
        return -1;
    }
    s->written_ms = clock_mono_ms();
    return 0;
}

static int bring_up(struct store *s, struct err *e)
{
    struct store_tx t;

    if (s->drv->lock != NULL && s->drv->lock(s->url, &s->lock, e))
        return -1;
    if (s->drv->open(s->url, &s->writer, e) || schema_migrate(s->drv, s->writer, e) || write_first(s, e))
        return -1;
    t = tx_on(s, s->writer, false);
    if (known_load(s->known, &t, clock_now_ms(), e))
        return -1;
    return start_committer(s, e);
}

int store_open_with(const struct db_driver *drv, const char *url, struct store **out, struct err *e)
{
    struct store *s = mem_zalloc(sizeof(*s));

    s->drv = drv;
    s->url = mem_strdup(url);
    s->known = known_new();
    s->queue.tail = &s->queue.head;
    s->told_ms = INT64_MAX;
    (void)pthread_mutex_init(&s->mu, NULL);
    (void)pthread_mutex_init(&s->wake_mu, NULL);
    (void)pthread_cond_init(&s->more, NULL);
    (void)pthread_cond_init(&s->reader_back, NULL);
    if (bring_up(s, e)) {
        store_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

int store_open(const char *url, struct store **out, struct err *e)
{
    static const struct db_driver *const drivers[] = {&db_sqlite};

    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        size_t n = strlen(drivers[i]->scheme);

        if (strncmp(url, drivers[i]->scheme, n) == 0 && url[n] == ':')
            return store_open_with(drivers[i], url, out, e);
    }
    /* The rest of it may hold a password. */
    return err_set(e, ERR_INVALID, "store \"%.*s:...\" is of no known kind: write sqlite:/path/file.db",
                   (int)strnlen(url, strcspn(url, ":") < 20 ? strcspn(url, ":") : 20), url);
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    if (s->running) {
        pthread_mutex_lock(&s->mu);
        s->closing = true;
        pthread_cond_signal(&s->more);
        pthread_mutex_unlock(&s->mu);
        (void)pthread_join(s->committer, NULL);
    }
    for (size_t i = 0; i < s->n_idle; i++)
        s->drv->close(s->idle[i]);
    s->drv->close(s->writer);
    if (s->drv->unlock != NULL)
        s->drv->unlock(s->lock);
    known_free(s->known);
    (void)pthread_cond_destroy(&s->reader_back);
    (void)pthread_cond_destroy(&s->more);
    (void)pthread_mutex_destroy(&s->wake_mu);
    (void)pthread_mutex_destroy(&s->mu);
    free(s->url);
    free(s);
}
