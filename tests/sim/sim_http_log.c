#include "tests/sim/sim_http_priv.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_VIOLATIONS 200 /* enough to see what is wrong */

static void lock(struct sim_http *h)
{
    (void)pthread_mutex_lock(&h->lock);
}

static void unlock(struct sim_http *h)
{
    (void)pthread_mutex_unlock(&h->lock);
}

static void fault_free(struct fault *f)
{
    free((void *)(uintptr_t)f->f.op);
    free((void *)(uintptr_t)f->f.body);
    free((void *)(uintptr_t)f->f.content_type);
    free(f);
}

void sim_http_fault(struct sim_http *h, const struct sim_fault *f)
{
    struct fault *n = mem_zalloc(sizeof(*n)), **tail;

    n->f = *f;
    n->f.op = mem_strdup(f->op);
    n->f.body = mem_strdup(f->body);
    n->f.content_type = mem_strdup(f->content_type);
    lock(h);
    for (tail = &h->faults; *tail != NULL; tail = &(*tail)->next)
        ;
    *tail = n;
    unlock(h);
}

void sim_http_faults_clear(struct sim_http *h)
{
    struct fault *f;

    lock(h);
    f = h->faults;
    h->faults = NULL;
    unlock(h);
    while (f != NULL) {
        struct fault *next = f->next;

        fault_free(f);
        f = next;
    }
}

static bool fault_hits(struct sim_http *h, const struct fault *f, const char *op)
{
    if (f->f.op != NULL && strcmp(f->f.op, op) != 0)
        return false;
    return f->f.next > 0 || sim_rng_unit(&h->rng) < f->f.probability;
}

bool sim_http_pick_fault(struct sim_http *h, const char *op, struct sim_fault *out)
{
    bool hit = false;

    lock(h);
    for (struct fault **at = &h->faults; *at != NULL && !hit; at = &(*at)->next) {
        struct fault *f = *at;

        if (!fault_hits(h, f, op))
            continue;
        hit = true;
        h->faults_hit++;
        *out = f->f;
        out->op = NULL;
        out->body = mem_strdup(f->f.body);
        out->content_type = mem_strdup(f->f.content_type);
        if (f->f.next > 0 && --f->f.next == 0) {
            *at = f->next;
            fault_free(f);
            break;
        }
    }
    unlock(h);
    return hit;
}

bool sim_http_fault_acts(enum sim_fault_kind k)
{
    switch (k) {
    case SIM_FAULT_STATUS:
    case SIM_FAULT_RESET_BEFORE:
    case SIM_FAULT_HANG:
        return false;
    case SIM_FAULT_RESET_AFTER:
    case SIM_FAULT_STATUS_AFTER:
    case SIM_FAULT_HANG_AFTER:
    case SIM_FAULT_TRUNCATE:
        break;
    }
    return true;
}

void sim_http_fault_answer(const struct sim_fault *f, struct sim_res *rs)
{
    rs->status = f->status;
    buf_reset(&rs->body);
    buf_adds(&rs->body, f->body != NULL ? f->body : "{\"message\":\"simulated fault\"}");
    rs->content_type = f->content_type;
    if (f->retry_after_s > 0)
        sim_res_header(rs, "Retry-After", "%d", f->retry_after_s);
}

void sim_http_fault_done(struct sim_fault *f)
{
    free((void *)(uintptr_t)f->body);
    free((void *)(uintptr_t)f->content_type);
}

void sim_http_seed(struct sim_http *h, uint64_t seed)
{
    lock(h);
    h->rng = seed;
    unlock(h);
}

size_t sim_http_faults_hit(struct sim_http *h)
{
    size_t n;

    lock(h);
    n = h->faults_hit;
    unlock(h);
    return n;
}

void sim_http_latency(struct sim_http *h, int ms)
{
    atomic_store(&h->latency_ms, ms);
}

static struct op_count *find_op(struct sim_http *h, const char *op)
{
    for (size_t i = 0; i < h->n_ops; i++)
        if (strcmp(h->ops[i].op, op) == 0)
            return &h->ops[i];
    return NULL;
}

void sim_http_count_one(struct sim_http *h, const char *op, int status)
{
    struct op_count *c;

    lock(h);
    c = find_op(h, op);
    if (c == NULL) {
        h->ops = mem_realloc_array(h->ops, h->n_ops + 1, sizeof(*h->ops));
        c = &h->ops[h->n_ops++];
        memset(c, 0, sizeof(*c));
        c->op = mem_strdup(op);
    }
    c->n++;
    c->by_status[status >= 0 && status < 600 ? status : 0]++;
    unlock(h);
}

size_t sim_http_count(struct sim_http *h, const char *op)
{
    const struct op_count *c;
    size_t n;

    lock(h);
    c = find_op(h, op);
    n = c != NULL ? c->n : 0;
    unlock(h);
    return n;
}

size_t sim_http_count_status(struct sim_http *h, const char *op, int status)
{
    size_t n = 0;

    lock(h);
    for (size_t i = 0; i < h->n_ops; i++)
        if (op == NULL || strcmp(h->ops[i].op, op) == 0)
            n += h->ops[i].by_status[status];
    unlock(h);
    return n;
}

size_t sim_http_count_all(struct sim_http *h)
{
    size_t n = 0;

    lock(h);
    for (size_t i = 0; i < h->n_ops; i++)
        n += h->ops[i].n;
    unlock(h);
    return n;
}

void sim_http_log_clear(struct sim_http *h)
{
    lock(h);
    for (size_t i = 0; i < h->n_ops; i++)
        free(h->ops[i].op);
    free(h->ops);
    h->ops = NULL;
    h->n_ops = 0;
    unlock(h);
}

void sim_http_violation(struct sim_http *h, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    lock(h);
    if (h->n_violations < MAX_VIOLATIONS) {
        h->violations = mem_realloc_array(h->violations, h->n_violations + 1, sizeof(*h->violations));
        h->violations[h->n_violations++] = mem_strdup(text);
    }
    unlock(h);
}

size_t sim_http_violations(struct sim_http *h)
{
    size_t n;

    lock(h);
    n = h->n_violations;
    unlock(h);
    return n;
}

void sim_http_violation_text(struct sim_http *h, struct buf *out)
{
    lock(h);
    for (size_t i = 0; i < h->n_violations; i++)
        buf_addf(out, "%s\n", h->violations[i]);
    unlock(h);
}

void sim_http_violations_clear(struct sim_http *h)
{
    lock(h);
    for (size_t i = 0; i < h->n_violations; i++)
        free(h->violations[i]);
    free(h->violations);
    h->violations = NULL;
    h->n_violations = 0;
    unlock(h);
}

static json_t *count_json(const struct op_count *c)
{
    json_t *j = json_object();
    char key[16];

    (void)json_object_set_new(j, "n", json_integer((json_int_t)c->n));
    for (int s = 0; s < 600; s++) {
        if (c->by_status[s] == 0)
            continue;
        (void)snprintf(key, sizeof(key), "%d", s);
        (void)json_object_set_new(j, s == 0 ? "unanswered" : key, json_integer((json_int_t)c->by_status[s]));
    }
    return j;
}

json_t *sim_http_log(struct sim_http *h)
{
    json_t *calls = json_object(), *violations = json_array();

    lock(h);
    for (size_t i = 0; i < h->n_ops; i++)
        (void)json_object_set_new(calls, h->ops[i].op, count_json(&h->ops[i]));
    for (size_t i = 0; i < h->n_violations; i++)
        (void)json_array_append_new(violations, json_string(h->violations[i]));
    unlock(h);
    return json_pack("{s:o, s:o}", "calls", calls, "violations", violations);
}

void sim_http_log_free(struct sim_http *h)
{
    sim_http_faults_clear(h);
    sim_http_log_clear(h);
    sim_http_violations_clear(h);
}

void sim_http_control_log(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    (void)arg;
    sim_res_json(rs, 200, sim_http_log(rq->http));
}

void sim_http_control_faults_clear(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    (void)arg;
    sim_http_faults_clear(rq->http);
    sim_res_json(rs, 204, NULL);
}

static int fault_kind(const char *name)
{
    static const char *const names[] = {[SIM_FAULT_STATUS] = "status",
                                        [SIM_FAULT_RESET_BEFORE] = "reset_before",
                                        [SIM_FAULT_RESET_AFTER] = "reset_after",
                                        [SIM_FAULT_STATUS_AFTER] = "status_after",
                                        [SIM_FAULT_HANG] = "hang",
                                        [SIM_FAULT_HANG_AFTER] = "hang_after",
                                        [SIM_FAULT_TRUNCATE] = "truncate"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

/* {"op":"…","kind":"status","status":503,"body":"…","next":3,"probability":0.1,"retry_after_s":1,"hang_ms":0} */
void sim_http_control_fault(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    const char *op = NULL, *kind = "status", *body = NULL, *type = NULL;
    struct sim_fault f = {.status = 503};
    json_t *j = json_loadb(rq->body, rq->body_len, JSON_REJECT_DUPLICATES, NULL);
    int k = -1;

    (void)arg;
    if (j != NULL && json_unpack(j, "{s?s, s?s, s?i, s?s, s?s, s?i, s?F, s?i, s?i}", "op", &op, "kind", &kind, "status",
                                 &f.status, "body", &body, "content_type", &type, "next", &f.next, "probability",
                                 &f.probability, "retry_after_s", &f.retry_after_s, "hang_ms", &f.hang_ms) == 0)
        k = fault_kind(kind);
    if (k < 0) {
        sim_res_json(rs, 400, json_pack("{s:s}", "message", "not a fault: see sim_http.h"));
    } else {
        f.op = op;
        f.kind = (enum sim_fault_kind)k;
        f.body = body;
        f.content_type = type;
        sim_http_fault(rq->http, &f);
        sim_res_json(rs, 201, json_pack("{s:s}", "message", "set"));
    }
    json_decref(j);
}
