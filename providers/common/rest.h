/*
 * One call of a cloud that speaks JSON over HTTP: sent with the account's credentials, its answer read, every refusal
 * mapped to an error kind by the cloud's own static table. For every cloud but EC2, which answers in XML (aws_query.h).
 *
 *     AUTO_REST_RES struct rest_res res = REST_RES_INIT;
 *     struct rest_call call = {.method = "POST", .path = "/v2/droplets", .what = "droplets.create", .body = body,
 *                              .ok = {202}, .hide = r->user_data};
 *     if (rest_do(&p->api, &call, &res, e))
 *         return -1;                            res.code, res.status: what the cloud said
 *     js_i64(res.doc, "droplet.id", &id, e) ...
 *
 * Error texts read "digitalocean droplets.create: CODE (remedy): the cloud's own sentence", cut and masked: the
 * credentials of the call, the account's secrets, `hide` and every long run of key material show as ***.
 *
 * Kinds: the first row of the table that fits; else, for a refusal in the cloud's own form, 404 is ERR_GONE; else by
 * status: 401 and 403 ERR_AUTH, 409 ERR_CONFLICT, 429 ERR_THROTTLED, 408 and 425 ERR_RETRY, other 4xx ERR_INVALID (a
 * bare 404 is a wrong address, never a missing machine), everything else ERR_RETRY. A success that makes no sense is
 * ERR_RETRY.
 */
#ifndef MUSTER_PROVIDERS_COMMON_REST_H
#define MUSTER_PROVIDERS_COMMON_REST_H

#include "server/base/httpc.h"
#include "server/base/json.h"

/* One row of a cloud's table of refusals; the table ends with kind ERR_NONE. */
struct rest_rule {
    int status;         /* 0 = any */
    const char *code;   /* the cloud's code, without case; NULL = any */
    const char *says;   /* words of the cloud's sentence in lower case, alternatives separated by '|'; NULL = any */
    enum err_kind kind; /* what the caller may do next */
    int wait_s;         /* CAPACITY: remember this long. THROTTLED: when the answer names no time. 0 = caller's rule */
    const char *hint;   /* the remedy, put behind the code; NULL = none */
};

/* What a refusal says; borrowed from its document. */
struct rest_said {
    const char *code, *message; /* NULL = not said */
};

/* How one cloud refuses. Static. */
struct rest_dialect {
    const char *cloud; /* begins error texts */
    const struct rest_rule *rules;
    /* Read a refusal's document, or an error inside a success: leaves *out alone when it is in no known form. */
    void (*read)(const json_t *doc, struct rest_said *out);
};

#define REST_MAX_HEADERS 8

/* Headers that may hold credentials: wiped, and masked in error texts. */
struct rest_headers {
    const char *names[REST_MAX_HEADERS]; /* borrowed, static */
    struct secret *values[REST_MAX_HEADERS];
    size_t n;
};
void rest_header_add(struct rest_headers *h, const char *name, const char *value); /* copies the value */
void rest_headers_clear(struct rest_headers *h);
#define AUTO_REST_HEADERS AUTO(rest_headers_clear)

struct rest_call { /* everything borrowed */
    const char *method;
    const char
        *path; /* below the client's base: "/v2/droplets?page=2", escaped; or an absolute URL of the same origin */
    const char *what;                   /* the vendor's name of the call, for error texts */
    const json_t *body;                 /* NULL = none */
    const struct buf *form;             /* instead of a body: application/x-www-form-urlencoded */
    const char *form_type;              /* what the form is instead (an archive); NULL = a form */
    const struct httpc_header *headers; /* beside those of the credentials */
    size_t n_headers;
    const struct secret *hide; /* one more secret to mask: user-data */
    int ok[6];                 /* statuses that are a success, ended by 0; none = 200 */
    bool creates;              /* must not arrive twice; a 404 is about something that the body names: ERR_INVALID */
    bool no_answer;            /* a success may say anything or nothing: res->doc may stay NULL */
    size_t max_answer;         /* bytes; 0 = 8 MiB */
    int timeout_ms;            /* 0 = the client's */
    /* A success that comes in pieces over a long time, with no_answer; as in httpc.h. */
    int (*on_piece)(void *arg, const char *data, size_t len);
    void *piece_arg;
    int silence_ms;
};

/*
 * Fill in the credentials of a call whose body is `text`. `refused`: the headers that were sent before and refused with
 * 401, or NULL at the first try; a filler that has nothing newer than those gives the same again, and the call ends.
 * Errors as the exchange behind it has them: ERR_AUTH, ERR_RETRY, ERR_THROTTLED; rest_do makes ERR_AUTH of others.
 */
typedef int rest_auth_fn(void *arg, const struct rest_call *call, const char *url, const char *text, size_t len,
                         const struct rest_headers *refused, struct rest_headers *out, struct err *e);

struct rest_client { /* everything borrowed, immutable; any thread */
    struct httpc *http;
    const struct rest_dialect *dialect;
    const char *base;                      /* "https://api.digitalocean.com", no '/' at its end */
    const char *unix_socket;               /* path; NULL = TCP */
    const struct httpc_identity *identity; /* NULL = none */
    rest_auth_fn *auth;                    /* NULL = no credentials */
    void *auth_arg;
    const struct secret *secrets[4]; /* of the account, masked in error texts; NULL = fewer */
    int timeout_ms;                  /* of each request; 0 = 30,000 */
};

struct rest_res {
    int status;    /* 0 = no answer */
    json_t *doc;   /* an object or a list; NULL after 204 or with no_answer */
    char code[80]; /* of a refusal; "" = none understood */
    struct httpc_res http;
};
#define REST_RES_INIT                                                                                                  \
    {                                                                                                                  \
        .status = 0, .doc = NULL, .code = "", .http = HTTPC_RES_INIT                                                   \
    }
void rest_res_clear(struct rest_res *r);
#define AUTO_REST_RES AUTO(rest_res_clear)

/* *res is cleared first and may be reused. */
int rest_do(const struct rest_client *c, const struct rest_call *call, struct rest_res *res, struct err *e) MUST_USE;

/* A refusal that came inside a success (a failed operation, a machine's fault): kind and text as rest_do makes them.
 * status 0 = none was named: an unknown code is then ERR_RETRY. Returns -1. */
int rest_refuse(const struct rest_client *c, const struct rest_call *call, int status, const char *code,
                const char *message, struct err *e) MUST_USE;

/* A success whose document is not what was expected, after a js_ getter failed with *e: ERR_RETRY. Returns -1. */
int rest_nonsense(const struct rest_client *c, const struct rest_call *call, struct err *e) MUST_USE;

/* A failure on a page of a list, numbered from 1. Returns -1. */
int rest_page_failed(size_t page, struct err *e) MUST_USE;

/* Lists of more pages than that never end: ERR_RETRY. */
#define REST_MAX_PAGES 1000

/* Append to `list` how a call would look: {"method", "url", "headers", "body" or "form"}. No network, no credentials:
 * header `auth` (NULL = none) is shown as "***". */
int rest_show(const struct rest_client *c, const struct rest_call *call, const char *auth, json_t *list,
              struct err *e) MUST_USE;

/* User-data as text and in base64, for a body; NULL (only a request to be shown) gives "***". Wipe both. */
void rest_user_data(const struct secret *data, struct buf *out);
void rest_user_data_base64(const struct secret *data, struct buf *out);

/* Is every character of a foreign identifier a letter, a digit or one of `more`, is it 1 to max long, and neither "."
 * nor ".."? Then it may stand in a path. */
bool rest_is_id(const char *s, const char *more, size_t max);

#endif
