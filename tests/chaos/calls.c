/* What leaves the daemon: HTTP (the linker puts __wrap_httpc_do in httpc_do's place), chance, and its database. */
#include "tests/chaos/chaos.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MOST_BETWEEN 2 /* calls within calls */

int __wrap_httpc_do(struct httpc *h, const struct httpc_req *req, struct httpc_res *res, struct err *e);
void __wrap_crypto_random(void *out, size_t len);
int __wrap_crypto_rs256(const struct crypto_key *k, const void *data, size_t len, struct buf *out, struct err *e);

/* The linker's stand-ins get no argument of ours. One simulation at a time. */
static struct chaos *current;

struct chaos *chaos_current(void)
{
    return current;
}

void chaos_set_current(struct chaos *c)
{
    current = c;
}

uint64_t chaos_draw(struct chaos *c, uint64_t n)
{
    return sim_rng(&c->rng) % n;
}

bool chaos_by(struct chaos *c, double probability)
{
    return probability > 0 && sim_rng_unit(&c->rng) < probability;
}

void __wrap_crypto_random(void *out, size_t len)
{
    unsigned char *p = out;

    static uint64_t before; /* until there is a simulation */

    for (size_t i = 0; i < len; i++)
        p[i] = (unsigned char)sim_rng(current != NULL ? &current->rng : &before);
}

/* A real signature costs more than all else of a call. The simulated GitHub knows no key, and takes any. */
int __wrap_crypto_rs256(const struct crypto_key *k, const void *data, size_t len, struct buf *out, struct err *e)
{
    unsigned char digest[CRYPTO_SHA256_LEN];

    (void)k;
    (void)e;
    crypto_sha256(data, len, digest);
    buf_add(out, digest, sizeof(digest));
    return 0;
}

void chaos_say(struct chaos *c, const char *fmt, ...)
{
    char line[600];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    for (const char *p = line; *p != '\0'; p++)
        c->digest = (c->digest ^ (unsigned char)*p) * 1099511628211U;
    if (c->trace)
        (void)fprintf(stderr, "%10.3f %*s%s\n", (double)(clock_mono_ms() % (1000 * HOUR)) / 1000, 2 * c->depth, "",
                      line);
}

void chaos_fail(struct chaos *c, enum chaos_fault what, const char *fmt, ...)
{
    va_list ap;

    if (c->failure[0] != '\0')
        return;
    va_start(ap, fmt);
    (void)vsnprintf(c->failure, sizeof(c->failure), fmt, ap);
    va_end(ap);
    c->counts.faults[what]++;
    chaos_say(c, "DOES NOT HOLD: %s", c->failure);
}

bool chaos_point(struct chaos *c, const char *what)
{
    if (!c->dead && c->up && chaos_by(c, c->mood.crash)) {
        c->dead = true;
        c->counts.crashes++;
        chaos_say(c, "killed: %s", what);
    }
    return c->dead;
}

static void pass(struct chaos *c, int64_t most_ms)
{
    if (most_ms > 0)
        clock_test_advance((int64_t)chaos_draw(c, (uint64_t)most_ms));
}

void chaos_yield(struct chaos *c)
{
    if (c->depth >= MOST_BETWEEN || !chaos_by(c, c->mood.between))
        return;
    c->depth++;
    pass(c, chaos_draw(c, 8) == 0 ? 25 * SECOND : 2 * SECOND);
    chaos_tick(c);
    for (uint64_t n = chaos_draw(c, 4); n > 0 && !c->dead; n--) {
        if (!workers_step(c->engine->workers))
            break;
        chaos_tick(c);
    }
    c->depth--;
}

/* --- HTTP ------------------------------------------------------------------------------------------------------- */

/* Calls that are made with no value being fetched for others (cache.h): only in these may another worker's come in. */
static bool lets_others_in(const struct httpc_req *req)
{
    static const char *const parts[] = {"/actions/runners", "/check-runs", "/statuses/", "/hook/deliveries", "/rerun"};

    if (strstr(req->url, "/downloads") != NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (strstr(req->url, parts[i]) != NULL)
            return true;
    }
    return false;
}

static int no_answer(struct chaos *c, const struct httpc_req *req, struct err *e)
{
    return err_set(e, ERR_RETRY, "%s: %s", req->method, c->dead ? "killed" : "no answer, as the seed says");
}

static void take_answer(const struct sim_res *from, struct httpc_res *res)
{
    res->status = from->status;
    buf_add(&res->body, from->body.p != NULL ? from->body.p : "", from->body.len);
    buf_addf(&res->headers, "Content-Type: %s\r\n",
             from->content_type != NULL ? from->content_type : "application/json");
    for (size_t i = 0; i < from->n_headers; i++)
        buf_addf(&res->headers, "%s: %s\r\n", from->headers[i].name, from->headers[i].value);
}

/* A proxy of GitHub's, with a page that is no JSON. */
static int refuse_all(struct chaos *c, const struct httpc_req *req, struct httpc_res *res, struct err *e)
{
    if (chaos_draw(c, 3) == 0) {
        pass(c, 30 * SECOND);
        return no_answer(c, req, e);
    }
    res->status = 503;
    buf_adds(&res->body, "<html><body>Unicorn!</body></html>");
    return 0;
}

static bool call(struct chaos *c, const struct httpc_req *req, struct sim_outcome *out)
{
    struct sim_pair headers[16];
    char agent[] = "muster/simulated", name[] = "User-Agent";
    struct sim_ask ask = {.method = req->method,
                          .target = req->url + strlen(sim_github_url(c->gh)),
                          .headers = headers,
                          .body = req->body,
                          .body_len = req->body_len};

    headers[ask.n_headers++] = (struct sim_pair){name, agent};
    for (size_t i = 0; i < req->n_headers && ask.n_headers < ARRAY_LEN(headers); i++)
        headers[ask.n_headers++] =
            (struct sim_pair){(char *)(uintptr_t)req->headers[i].name, (char *)(uintptr_t)req->headers[i].value};
    c->counts.calls++;
    return sim_http_call(sim_github_http(c->gh), &ask, out);
}

static int ask_github(struct chaos *c, const struct httpc_req *req, struct httpc_res *res, struct err *e)
{
    struct sim_outcome out;
    bool answered;

    if (clock_mono_ms() < c->github_down_until_ms)
        return refuse_all(c, req, res, e);
    answered = call(c, req, &out);
    chaos_say(c, "%s %s: %d", req->method, req->url + strlen(sim_github_url(c->gh)), answered ? out.res.status : 0);
    if (answered)
        take_answer(&out.res, res);
    else if (out.hung)
        clock_test_advance(30 * SECOND);
    sim_http_outcome_clear(&out);
    return answered ? 0 : no_answer(c, req, e);
}

int __wrap_httpc_do(struct httpc *h, const struct httpc_req *req, struct httpc_res *res, struct err *e)
{
    struct chaos *c = current;
    bool others = lets_others_in(req);
    int rc;

    (void)h;
    httpc_res_clear(res);
    res->body.max = req->max_answer > 0 ? req->max_answer : (size_t)1024 * 1024;
    res->headers.max = (size_t)64 * 1024;
    buf_reserve(&res->body, 0);
    if (c->dead)
        return no_answer(c, req, e);
    if (others)
        chaos_yield(c);
    if (chaos_point(c, "before a call to GitHub"))
        return no_answer(c, req, e);
    pass(c, c->mood.latency_most);
    rc = ask_github(c, req, res, e);
    if (chaos_point(c, "before GitHub's answer came"))
        rc = no_answer(c, req, e);
    if (rc == 0 && others)
        chaos_yield(c);
    if (c->dead && rc == 0)
        rc = no_answer(c, req, e);
    if (rc != 0)
        httpc_res_clear(res);
    return rc;
}

/* --- the database ----------------------------------------------------------------------------------------------- */

static int killed(struct err *e)
{
    return err_set(e, ERR_BUG, "killed");
}

static int db_exec(struct db *d, const char *sql, const struct db_val *v, size_t n, db_row_fn *row, void *arg,
                   int64_t *changed, struct err *e)
{
    return current->dead ? killed(e) : db_sqlite.exec(d, sql, v, n, row, arg, changed, e);
}

static int db_begin(struct db *d, struct err *e)
{
    return current->dead ? killed(e) : db_sqlite.begin(d, e);
}

static int db_commit(struct db *d, struct err *e)
{
    if (chaos_point(current, "before a commit"))
        return killed(e);
    if (db_sqlite.commit(d, e))
        return -1;
    return chaos_point(current, "after a commit") ? killed(e) : 0;
}

static int db_savepoint(struct db *d, struct err *e)
{
    return current->dead ? killed(e) : db_sqlite.savepoint(d, e);
}

static int db_release(struct db *d, struct err *e)
{
    return current->dead ? killed(e) : db_sqlite.release(d, e);
}

const struct db_driver *chaos_db(void)
{
    static struct db_driver driver;

    driver = db_sqlite;
    driver.exec = db_exec;
    driver.begin = db_begin;
    driver.commit = db_commit;
    driver.savepoint = db_savepoint;
    driver.release = db_release;
    return &driver;
}
