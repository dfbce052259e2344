#include "providers/common/rest.h"

#include "providers/common/mask.h"
#include "server/base/crypto.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define MAX_ANSWER ((size_t)8 * 1024 * 1024)
#define MAX_BODY ((size_t)4 * 1024 * 1024)
#define MAX_VENDOR_TEXT 380
#define MIN_LINE 12 /* shorter lines of user-data hide nothing */

/* ---- headers ---- */

void rest_header_add(struct rest_headers *h, const char *name, const char *value)
{
    if (h->n == REST_MAX_HEADERS)
        abort(); /* a cloud of ours adds too many */
    h->names[h->n] = name;
    h->values[h->n++] = secret_new(value, strlen(value));
}

void rest_headers_clear(struct rest_headers *h)
{
    for (size_t i = 0; i < h->n; i++)
        secret_free(h->values[i]);
    h->n = 0;
}

static bool same_headers(const struct rest_headers *a, const struct rest_headers *b)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->n != b->n || !crypto_same(a->values[i], b->values[i]))
            return false;
    }
    return true;
}

void rest_res_clear(struct rest_res *r)
{
    json_decref(r->doc);
    r->doc = NULL;
    r->status = 0;
    r->code[0] = '\0';
    httpc_res_clear(&r->http);
}

/* ---- the words of a refusal ---- */

/* A cloud may repeat what it was sent, escaped in its own way: each line of user-data is masked by itself. */
static void mask_lines(const struct secret *data, char *text)
{
    const char *line = secret_reveal(data);

    while (*line != '\0') {
        size_t n = strcspn(line, "\r\n\"\\");

        if (n >= MIN_LINE) {
            AUTO_SECRET struct secret *one = secret_new(line, n);

            secret_mask(one, text);
        }
        line += n;
        line += strspn(line, "\r\n\"\\");
    }
}

static void mask(const struct rest_client *c, const struct rest_call *call, const struct rest_headers *sent, char *text)
{
    for (size_t i = 0; sent != NULL && i < sent->n; i++) {
        const char *value = secret_reveal(sent->values[i]), *token = strchr(value, ' ');
        AUTO_SECRET struct secret *bare = token != NULL ? secret_new(token + 1, strlen(token + 1)) : NULL;

        secret_mask(bare, text);
        secret_mask(sent->values[i], text);
    }
    for (size_t i = 0; i < ARRAY_LEN(c->secrets); i++)
        secret_mask(c->secrets[i], text);
    secret_mask(call->hide, text);
    mask_lines(call->hide, text);
    mask_runs(text);
}

/* Does the sentence hold one of the words that '|' separates? Without case. */
static bool says(const char *message, const char *words)
{
    while (*words != '\0') {
        size_t n = strcspn(words, "|");
        char word[80];

        (void)snprintf(word, sizeof(word), "%.*s", (int)n, words);
        if (text_icontains(message, word))
            return true;
        words += n;
        words += *words == '|' ? 1 : 0;
    }
    return false;
}

static const struct rest_rule *rule_for(const struct rest_dialect *d, int status, const struct rest_said *said)
{
    for (const struct rest_rule *r = d->rules; r->kind != ERR_NONE; r++) {
        if ((r->status == 0 || r->status == status) &&
            (r->code == NULL || (said->code != NULL && text_ieq(r->code, said->code))) &&
            (r->says == NULL || says(said->message, r->says)))
            return r;
    }
    return NULL;
}

static enum err_kind kind_of_status(int status, bool coded)
{
    switch (status) {
    case 401:
    case 403:
        return ERR_AUTH;
    case 404:
        return coded ? ERR_GONE : ERR_INVALID;
    case 409:
        return ERR_CONFLICT;
    case 429:
        return ERR_THROTTLED;
    case 408: /* a proxy or gateway lost patience: what became of the request is not known */
    case 425:
        return ERR_RETRY;
    default:
        return status >= 400 && status < 500 ? ERR_INVALID : ERR_RETRY;
    }
}

/* One refusal, wherever it came from: what was sent with it may show in its sentence. */
struct refusal {
    const struct rest_client *c;
    const struct rest_call *call;
    const struct rest_headers *sent; /* NULL = not known any more */
    int status;
    int wait_s; /* of Retry-After; -1 = none */
    struct rest_said said;
};

static int refuse(const struct refusal *f, struct err *e)
{
    bool coded =
        (f->said.code != NULL && *f->said.code != '\0') || (f->said.message != NULL && *f->said.message != '\0');
    const struct rest_rule *rule = rule_for(f->c->dialect, f->status, &f->said);
    enum err_kind kind = rule != NULL ? rule->kind : kind_of_status(f->status, coded && !f->call->creates);
    const char *code = f->said.code != NULL ? f->said.code : "";
    AUTO_BUF struct buf text = BUF_INIT(2 * MAX_ANSWER);
    int rc;

    if (coded) {
        buf_addf(&text, "%s%s%s%s%s", code, rule != NULL && rule->hint != NULL ? " (" : "",
                 rule != NULL && rule->hint != NULL ? rule->hint : "", rule != NULL && rule->hint != NULL ? ")" : "",
                 *code != '\0' ? ": " : "");
        buf_adds(&text, f->said.message != NULL && *f->said.message != '\0' ? f->said.message : "no reason given");
        mask(f->c, f->call, f->sent, text.p);
        rc = err_set(e, kind, "%s %s: %.*s", f->c->dialect->cloud, f->call->what, MAX_VENDOR_TEXT, text.p);
    } else {
        rc = err_set(e, kind, "%s %s: HTTP status %d without a reason", f->c->dialect->cloud, f->call->what, f->status);
    }
    if (kind == ERR_CAPACITY)
        e->retry_after_s = rule != NULL ? rule->wait_s : 0;
    else if (kind == ERR_THROTTLED || kind == ERR_RETRY)
        e->retry_after_s = f->wait_s > 0 ? f->wait_s : rule != NULL ? rule->wait_s : 0;
    return rc;
}

int rest_refuse(const struct rest_client *c, const struct rest_call *call, int status, const char *code,
                const char *message, struct err *e)
{
    const struct refusal f = {.c = c, .call = call, .status = status, .wait_s = -1, .said = {code, message}};

    return refuse(&f, e);
}

int rest_nonsense(const struct rest_client *c, const struct rest_call *call, struct err *e)
{
    e->kind = ERR_RETRY;
    e->retry_after_s = 0;
    return err_wrap(e, "%s %s: the answer makes no sense", c->dialect->cloud, call->what);
}

int rest_page_failed(size_t page, struct err *e)
{
    return err_wrap(e, "page %zu", page);
}

/* ---- one call ---- */

/* The address and the body of a call. */
struct wire {
    struct buf url;
    struct buf body;
    const char *type; /* of the body; NULL = none */
};
#define WIRE_INIT                                                                                                      \
    {                                                                                                                  \
        .url = BUF_INIT((size_t)64 * 1024), .body = BUF_INIT(MAX_BODY), .type = NULL                                   \
    }
static void wire_clear(struct wire *w)
{
    buf_clear(&w->url);
    buf_wipe(&w->body);
}

/* An empty path: the base is the whole address. A next page's address comes from the cloud: credentials follow it only
 * to where they belong. */
static int make_url(const struct rest_client *c, const struct rest_call *call, struct buf *out, struct err *e)
{
    size_t n = strlen(c->base);
    const char *text;

    if (*call->path != '/' && *call->path != '\0' &&
        (strncmp(call->path, c->base, n) != 0 || (call->path[n] != '/' && call->path[n] != '?')))
        return err_set(e, ERR_RETRY, "%s %s: the answer makes no sense: it leads to another host", c->dialect->cloud,
                       call->what);
    buf_addf(out, "%s%s", *call->path == '/' || *call->path == '\0' ? c->base : "", call->path);
    if (buf_str(out, &text, e))
        return err_wrap(e, "%s %s", c->dialect->cloud, call->what);
    return 0;
}

static int make_wire(const struct rest_client *c, const struct rest_call *call, struct wire *w, struct err *e)
{
    const char *text;

    if (make_url(c, call, &w->url, e))
        return -1;
    if (call->body != NULL) {
        w->type = "application/json";
        if (js_dump_buf(call->body, &w->body, e))
            return err_wrap(e, "%s %s", c->dialect->cloud, call->what);
    } else if (call->form != NULL) {
        w->type = call->form_type != NULL ? call->form_type : "application/x-www-form-urlencoded";
        buf_add(&w->body, call->form->p, call->form->len);
    }
    return w->type != NULL && buf_str(&w->body, &text, e) ? err_wrap(e, "%s %s", c->dialect->cloud, call->what) : 0;
}

static int send_wire(const struct rest_client *c, const struct rest_call *call, const struct wire *w,
                     const struct rest_headers *credentials, struct rest_res *res, struct err *e)
{
    struct httpc_header h[2 * REST_MAX_HEADERS + 2];
    struct httpc_req req = {.method = call->method,
                            .url = w->url.p,
                            .headers = h,
                            .body = w->type != NULL ? w->body.p : NULL,
                            .body_len = w->body.len,
                            .timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : c->timeout_ms,
                            .max_answer = call->max_answer > 0 ? call->max_answer : MAX_ANSWER,
                            .unix_socket = c->unix_socket,
                            .identity = c->identity,
                            .on_piece = call->on_piece,
                            .piece_arg = call->piece_arg,
                            .silence_ms = call->silence_ms,
                            .once = call->creates};

    h[req.n_headers++] = (struct httpc_header){"Accept", "application/json"};
    if (w->type != NULL)
        h[req.n_headers++] = (struct httpc_header){"Content-Type", w->type};
    for (size_t i = 0; i < call->n_headers && i < REST_MAX_HEADERS; i++)
        h[req.n_headers++] = call->headers[i];
    for (size_t i = 0; i < credentials->n; i++)
        h[req.n_headers++] = (struct httpc_header){credentials->names[i], secret_reveal(credentials->values[i])};
    rest_res_clear(res);
    if (httpc_do(c->http, &req, &res->http, e)) {
        if (e->kind == ERR_INVALID)
            e->kind = ERR_RETRY; /* an answer over its ceiling makes no sense */
        return err_wrap(e, "%s %s", c->dialect->cloud, call->what);
    }
    res->status = res->http.status;
    return 0;
}

static bool is_ok(const struct rest_call *call, int status)
{
    if (call->ok[0] == 0)
        return status == 200;
    for (size_t i = 0; i < ARRAY_LEN(call->ok) && call->ok[i] != 0; i++) {
        if (call->ok[i] == status)
            return true;
    }
    return false;
}

/* An object or a list. */
static int read_document(const struct buf *body, json_t **out, struct err *e)
{
    AUTO_JSON json_t *doc = NULL;

    if (js_parse(body->p, body->len, &doc, e))
        return -1;
    if (!json_is_object(doc) && !json_is_array(doc))
        return err_set(e, ERR_INVALID, "JSON that is neither an object nor a list");
    *out = json_incref(doc);
    return 0;
}

static int read_answer(const struct rest_client *c, const struct rest_call *call, const struct rest_headers *sent,
                       struct rest_res *res, struct err *e)
{
    struct refusal f = {
        .c = c, .call = call, .sent = sent, .status = res->status, .wait_s = httpc_retry_after_s(&res->http)};
    struct err cause;
    bool ok = is_ok(call, res->status);

    if (ok && res->status == 204)
        return 0;
    if (read_document(&res->http.body, &res->doc, &cause))
        res->doc = NULL;
    if (ok && (res->doc != NULL || call->no_answer))
        return 0;
    if (ok) {
        *e = cause;
        return rest_nonsense(c, call, e);
    }
    if (res->status < 300)
        return err_set(e, ERR_RETRY, "%s %s: the answer makes no sense: HTTP status %d", c->dialect->cloud, call->what,
                       res->status);
    if (res->doc != NULL)
        c->dialect->read(res->doc, &f.said);
    (void)snprintf(res->code, sizeof(res->code), "%s", f.said.code != NULL ? f.said.code : "");
    return refuse(&f, e);
}

static int authorize(const struct rest_client *c, const struct rest_call *call, const struct wire *w,
                     const struct rest_headers *refused, struct rest_headers *out, struct err *e)
{
    if (c->auth == NULL ||
        c->auth(c->auth_arg, call, w->url.p, w->body.p != NULL ? w->body.p : "", w->body.len, refused, out, e) == 0)
        return 0;
    /* what the exchange lacks says nothing of what the call is about: above all not that a machine is gone */
    if (!err_is_passing(e) && e->kind != ERR_BUG)
        e->kind = ERR_AUTH;
    return -1;
}

int rest_do(const struct rest_client *c, const struct rest_call *call, struct rest_res *res, struct err *e)
{
    AUTO(wire_clear) struct wire w = WIRE_INIT;
    AUTO_REST_HEADERS struct rest_headers first = {.n = 0}, second = {.n = 0};
    struct err cause;

    rest_res_clear(res);
    if (make_wire(c, call, &w, e) || authorize(c, call, &w, NULL, &first, e) || send_wire(c, call, &w, &first, res, e))
        return -1;
    if (res->status != 401 || c->auth == NULL)
        return read_answer(c, call, &first, res, e);
    if (authorize(c, call, &w, &first, &second, &cause)) {
        *e = cause;
        return -1;
    }
    if (same_headers(&first, &second))
        return read_answer(c, call, &first, res, e);
    return send_wire(c, call, &w, &second, res, e) ? -1 : read_answer(c, call, &second, res, e);
}

/* ---- a request to be shown ---- */

int rest_show(const struct rest_client *c, const struct rest_call *call, const char *auth, json_t *list, struct err *e)
{
    AUTO(wire_clear) struct wire w = WIRE_INIT;
    AUTO_JSON json_t *headers = json_object(), *one = NULL;

    if (make_wire(c, call, &w, e))
        return -1;
    for (size_t i = 0; i < call->n_headers; i++)
        (void)json_object_set_new(headers, call->headers[i].name, json_string(call->headers[i].value));
    if (auth != NULL)
        (void)json_object_set_new(headers, auth, json_string("***"));
    if (js_pack(e, &one, "{s:s, s:s, s:O, s:O*, s:s*}", "method", call->method, "url", w.url.p, "headers", headers,
                "body", call->body, "form", call->form != NULL ? w.body.p : NULL))
        return -1;
    if (json_array_append(list, one) != 0)
        return err_set(e, ERR_BUG, "a request could not be shown");
    return 0;
}

/* ---- pieces ---- */

void rest_user_data(const struct secret *data, struct buf *out)
{
    buf_adds(out, data != NULL ? secret_reveal(data) : "***");
}

void rest_user_data_base64(const struct secret *data, struct buf *out)
{
    if (data != NULL)
        text_base64(out, secret_reveal(data), secret_len(data));
    else
        buf_adds(out, "***");
}

bool rest_is_id(const char *s, const char *more, size_t max)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t n = strlen(s);

    if (n == 0 || n > max || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (strchr(alphabet, s[i]) == NULL && strchr(more, s[i]) == NULL)
            return false;
    }
    return true;
}
