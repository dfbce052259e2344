#include "tests/sim/sim_http_priv.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *sim_req_header(const struct sim_req *rq, const char *name)
{
    for (size_t i = 0; i < rq->n_headers; i++)
        if (strcasecmp(rq->headers[i].name, name) == 0)
            return rq->headers[i].value;
    return NULL;
}

size_t sim_req_header_count(const struct sim_req *rq, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < rq->n_headers; i++)
        n += strcasecmp(rq->headers[i].name, name) == 0;
    return n;
}

const char *sim_req_query(const struct sim_req *rq, const char *name)
{
    for (size_t i = 0; i < rq->n_query; i++)
        if (strcmp(rq->query[i].name, name) == 0)
            return rq->query[i].value;
    return NULL;
}

void sim_pairs_add(struct sim_pair **list, size_t *n, const char *name, size_t name_len, const char *value,
                   size_t value_len)
{
    *list = mem_realloc_array(*list, *n + 1, sizeof(**list));
    (*list)[*n].name = mem_strndup(name, name_len);
    (*list)[*n].value = mem_strndup(value, value_len);
    ++*n;
}

void sim_pairs_free(struct sim_pair *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].name);
        free(list[i].value);
    }
    free(list);
}

void sim_res_header(struct sim_res *rs, const char *name, const char *fmt, ...)
{
    char value[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(value, sizeof(value), fmt, ap);
    va_end(ap);
    sim_pairs_add(&rs->headers, &rs->n_headers, name, strlen(name), value, strlen(value));
}

void sim_res_json(struct sim_res *rs, int status, json_t *body)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;

    rs->status = status;
    buf_reset(&rs->body);
    if (text != NULL)
        buf_adds(&rs->body, text);
    free(text);
    json_decref(body);
}

struct sim_res sim_res_new(void)
{
    struct sim_res rs = {.status = 500, .body = BUF_INIT(SIM_MAX_BODY * 4)};

    return rs;
}

void sim_res_clear(struct sim_res *rs)
{
    buf_clear(&rs->body);
    sim_pairs_free(rs->headers, rs->n_headers);
    rs->headers = NULL;
    rs->n_headers = 0;
}

static const char *segment_end(const char *p)
{
    while (*p != '\0' && *p != '/')
        p++;
    return p;
}

static bool take_arg(struct sim_req *rq, const char *p, size_t len)
{
    struct buf b = BUF_INIT(4096);

    if (rq->n_args == SIM_MAX_ARGS || len == 0 || !sim_url_decode(p, len, false, &b)) {
        buf_clear(&b);
        return false;
    }
    rq->arg[rq->n_args++] = mem_strndup(b.p, b.len);
    buf_clear(&b);
    return true;
}

void sim_req_clear_args(struct sim_req *rq)
{
    for (size_t i = 0; i < rq->n_args; i++)
        free(rq->arg[i]);
    rq->n_args = 0;
}

bool sim_req_matches(struct sim_req *rq, const char *template)
{
    const char *p = rq->raw_path, *t = template;

    sim_req_clear_args(rq);
    while (*t != '\0') {
        const char *te = segment_end(t), *pe = segment_end(p);

        if (t[0] == '{' && t[1] == '+')
            return take_arg(rq, p, strlen(p));
        if (t[0] == '{') {
            if (!take_arg(rq, p, (size_t)(pe - p)))
                return false;
        } else if (te - t != pe - p || memcmp(t, p, (size_t)(te - t)) != 0) {
            return false;
        }
        if (*te != *pe)
            return false;
        t = te + (*te == '/');
        p = pe + (*pe == '/');
        if (*te == '/' && *t == '\0')
            return *p == '\0';
    }
    return *p == '\0';
}

void sim_req_set_target(struct sim_req *rq, char *target)
{
    char *question = strchr(target, '?');

    if (question != NULL)
        *question = '\0';
    rq->raw_path = target;
    rq->raw_query = question != NULL ? question + 1 : "";
}

/* Sets the route, or gives the status of the refusal: 404, or 405 where the path exists. */
static int find_route(struct sim_req *rq, struct sim_way *way)
{
    int status = 404;

    for (const struct sim_route *r = rq->http->service.routes; r->method != NULL; r++) {
        if (!sim_req_matches(rq, r->path))
            continue;
        if (strcmp(r->method, rq->method) == 0) {
            way->route = r;
            return 0;
        }
        status = 405;
    }
    sim_req_clear_args(rq);
    return status;
}

static void parse_query(struct sim_req *rq)
{
    const char *p = rq->raw_query;

    while (*p != '\0') {
        size_t len = strcspn(p, "&"), key = strcspn(p, "=&");
        struct buf k = BUF_INIT(8192), v = BUF_INIT(8192);

        if (!sim_url_decode(p, key, true, &k) || (key < len && !sim_url_decode(p + key + 1, len - key - 1, true, &v)))
            sim_http_violation(rq->http, "%s %s: broken escape in the query", rq->method, rq->raw_path);
        else
            sim_pairs_add(&rq->query, &rq->n_query, k.p != NULL ? k.p : "", k.len, v.p != NULL ? v.p : "", v.len);
        buf_clear(&k);
        buf_clear(&v);
        p += len + (p[len] == '&');
    }
}

int sim_req_route(struct sim_req *rq, struct sim_way *way)
{
    const struct sim_service *s = &rq->http->service;
    int refused;

    way->route = NULL;
    parse_query(rq);
    refused = find_route(rq, way);
    way->control = strncmp(rq->raw_path, "/_sim/", 6) == 0 || strncmp(rq->raw_path, "/sim/", 5) == 0;
    (void)snprintf(way->op, sizeof(way->op), "%s %s", rq->method,
                   way->route != NULL ? way->route->path : "(unknown path)");
    rq->op = way->op;
    if (way->route != NULL && !way->control && s->op != NULL)
        (void)snprintf(way->op, sizeof(way->op), "%s", s->op(s->arg, rq));
    return refused;
}
