#include "server/base/httpc.h"

#include "server/base/httpc_public.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define HEADERS_MAX ((size_t)64 * 1024)

/* A curl handle with its kept connections, in the pool while nobody uses it. */
struct handle {
    CURL *easy;
    char *origin; /* where its last request went */
    struct handle *next;
};

struct httpc {
    char *user_agent, *ca_file;
    long connect_timeout_ms;
    size_t max_idle;
    pthread_mutex_t lock; /* protects the pool */
    struct handle *idle;  /* the last one used first */
    size_t n_idle;
    pthread_mutex_t ca_lock;
    X509_STORE *ca; /* read with the first TLS connection */
};

/* Where a request goes, without anything that may be confidential. */
struct target {
    char *scheme, *host, *port, *path; /* curl_free */
    char label[400];                   /* "GET https://host/path" */
    char origin[400];
};

/* What the callbacks of one transfer need. */
struct transfer {
    struct httpc *http;
    struct httpc_res *res;
    bool headers_done, too_large, no_ca, not_public;
    CURL *easy;
    const struct httpc_req *req;
    size_t streamed; /* bytes given to on_piece */
    char said[CURL_ERROR_SIZE];
};

static char *ca_path(const char *configured)
{
    const char *from_env = getenv("SSL_CERT_FILE");

    if (configured != NULL)
        return mem_strdup(configured);
    if (from_env != NULL && *from_env != '\0')
        return mem_strdup(from_env);
    return mem_strdup(curl_version_info(CURLVERSION_NOW)->cainfo);
}

static void *grow(void *p, size_t size)
{
    return mem_realloc_array(p, size, 1);
}

struct httpc *httpc_new(const struct httpc_conf *c)
{
    struct httpc *h = mem_zalloc(sizeof(*h));

    (void)curl_global_init_mem(CURL_GLOBAL_DEFAULT, mem_alloc, free, grow, mem_strdup, mem_calloc);
    /* OpenSSL writes to sockets without MSG_NOSIGNAL, and curl leaves signals alone when told to (CURLOPT_NOSIGNAL). */
    (void)signal(SIGPIPE, SIG_IGN);
    h->user_agent = mem_strdup(c->user_agent);
    h->ca_file = ca_path(c->ca_file);
    h->connect_timeout_ms = c->connect_timeout_ms > 0 ? c->connect_timeout_ms : 10000;
    h->max_idle = c->max_idle_handles > 0 ? c->max_idle_handles : 64;
    (void)pthread_mutex_init(&h->lock, NULL);
    (void)pthread_mutex_init(&h->ca_lock, NULL);
    return h;
}

static void handle_free(struct handle *k)
{
    curl_easy_cleanup(k->easy);
    free(k->origin);
    free(k);
}

void httpc_free(struct httpc *h)
{
    if (h == NULL)
        return;
    while (h->idle != NULL) {
        struct handle *k = h->idle;

        h->idle = k->next;
        handle_free(k);
    }
    X509_STORE_free(h->ca);
    (void)pthread_mutex_destroy(&h->ca_lock);
    (void)pthread_mutex_destroy(&h->lock);
    free(h->user_agent);
    free(h->ca_file);
    free(h);
    curl_global_cleanup();
}

/* ---- the pool ---- */

static struct handle *unlink_idle(struct httpc *h, struct handle **at)
{
    struct handle *k = *at;

    *at = k->next;
    k->next = NULL;
    h->n_idle--;
    return k;
}

/* The handle that spoke to the origin last; else a new one, so that others keep their connections; else, when the pool
 * is full, the one that was idle longest. */
static struct handle *take_handle(struct httpc *h, const char *origin)
{
    struct handle *k = NULL;
    struct handle **at;

    (void)pthread_mutex_lock(&h->lock);
    for (at = &h->idle; *at != NULL; at = &(*at)->next) {
        bool last = (*at)->next == NULL && h->n_idle >= h->max_idle;

        if (last || strcmp((*at)->origin, origin) == 0) {
            k = unlink_idle(h, at);
            break;
        }
    }
    (void)pthread_mutex_unlock(&h->lock);
    if (k == NULL) {
        k = mem_zalloc(sizeof(*k));
        k->easy = curl_easy_init();
        if (k->easy == NULL)
            abort(); /* as every refused allocation */
    }
    free(k->origin);
    k->origin = mem_strdup(origin);
    return k;
}

static void give_handle(struct httpc *h, struct handle *k)
{
    struct handle *surplus = NULL;
    struct handle **at = &h->idle;

    curl_easy_reset(k->easy); /* forgets headers and body, keeps connections */
    (void)pthread_mutex_lock(&h->lock);
    k->next = h->idle;
    h->idle = k;
    if (++h->n_idle > h->max_idle) {
        while ((*at)->next != NULL)
            at = &(*at)->next;
        surplus = unlink_idle(h, at);
    }
    (void)pthread_mutex_unlock(&h->lock);
    if (surplus != NULL)
        handle_free(surplus);
}

/* ---- trust ---- */

static bool own_ca(const struct httpc_req *req)
{
    return req->identity != NULL && req->identity->ca_file != NULL;
}

/* The store is read once for all connections: reading the system's bundle costs 40 ms. */
static X509_STORE *ca_store(struct httpc *h)
{
    X509_STORE *store;

    (void)pthread_mutex_lock(&h->ca_lock);
    if (h->ca == NULL) {
        store = X509_STORE_new();
        if (store != NULL && h->ca_file != NULL && X509_STORE_load_file(store, h->ca_file) == 1) {
            /* As curl sets them on its own store: an operator may trust an intermediate or the server itself. */
            (void)X509_STORE_set_flags(store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
            h->ca = store;
        } else {
            X509_STORE_free(store);
        }
    }
    store = h->ca;
    (void)pthread_mutex_unlock(&h->ca_lock);
    return store;
}

/* A refused certificate leaves the library's lesser complaints (a bad signature, ...) in front of the queue, where curl
 * takes them for a fault of the connection. */
static int verify_chain(X509_STORE_CTX *chain, void *arg)
{
    int ok = X509_verify_cert(chain);

    (void)arg;
    if (ok <= 0)
        ERR_clear_error();
    return ok;
}

static CURLcode on_tls(CURL *easy, void *ssl_ctx, void *arg)
{
    struct transfer *t = arg;
    X509_STORE *store;

    (void)easy;
    SSL_CTX_set_cert_verify_callback(ssl_ctx, verify_chain, NULL);
    if (own_ca(t->req)) /* which curl has read */
        return CURLE_OK;
    store = ca_store(t->http);
    if (store == NULL) {
        t->no_ca = true;
        return CURLE_SSL_CACERT_BADFILE;
    }
    SSL_CTX_set1_cert_store(ssl_ctx, store);
    return CURLE_OK;
}

/* ---- the answer ---- */

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * n;

    if (len >= 5 && strncmp(line, "HTTP/", 5) == 0) { /* the final answer follows interim ones */
        buf_reset(&t->res->headers);
        t->headers_done = false;
    }
    if (t->headers_done)
        return len; /* trailers come from the body's author: not headers */
    if (len <= 2 && (len == 0 || line[len - 1] == '\n'))
        t->headers_done = true;
    buf_add(&t->res->headers, line, len);
    t->too_large = t->too_large || t->res->headers.over;
    return t->too_large ? 0 : len;
}

static bool streams(const struct transfer *t)
{
    long status = 0;

    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return t->req->on_piece != NULL && status / 100 == 2;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;

    if (streams(t)) {
        t->streamed += size * n;
        t->too_large = t->streamed > t->res->body.max;
        return t->too_large || t->req->on_piece(t->req->piece_arg, data, size * n) ? 0 : size * n;
    }
    buf_add(&t->res->body, data, size * n);
    t->too_large = t->too_large || t->res->body.over;
    return t->too_large ? 0 : size * n;
}

void httpc_res_clear(struct httpc_res *res)
{
    buf_wipe(&res->body); /* tokens come in bodies */
    buf_wipe(&res->headers);
    res->status = 0;
    res->took_us = 0;
}

static void res_prepare(struct httpc_res *res, size_t max_answer)
{
    httpc_res_clear(res);
    res->body.max = max_answer > 0 ? max_answer : (size_t)1024 * 1024;
    res->headers.max = HEADERS_MAX;
    buf_reserve(&res->body, 0); /* so that an empty body is a text too */
}

/* ---- the request ---- */

static void target_clear(struct target *t)
{
    curl_free(t->scheme);
    curl_free(t->host);
    curl_free(t->port);
    curl_free(t->path);
}

static bool url_parts(const char *url, struct target *t)
{
    CURLU *u = curl_url();
    bool ok = u != NULL && curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &t->scheme, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &t->host, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PORT, &t->port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PATH, &t->path, 0) == CURLUE_OK;

    curl_url_cleanup(u);
    return ok && (strcmp(t->scheme, "http") == 0 || strcmp(t->scheme, "https") == 0);
}

static int target_parse(const struct httpc_req *req, struct target *t, struct err *e)
{
    bool usual_port;

    if (req->method[0] == '\0' || req->method[strspn(req->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] != '\0')
        return err_set(e, ERR_INVALID, "HTTP: the method must be upper-case letters");
    /* The text is not repeated: what is no URL may hold anything. */
    if (!url_parts(req->url, t))
        return err_set(e, ERR_INVALID, "%s: not an absolute http or https URL", req->method);
    usual_port = strcmp(t->port, strcmp(t->scheme, "https") == 0 ? "443" : "80") == 0;
    (void)snprintf(t->label, sizeof(t->label), "%s %s://%.100s%s%s%.200s", req->method, t->scheme, t->host,
                   usual_port ? "" : ":", usual_port ? "" : t->port, t->path);
    (void)snprintf(t->origin, sizeof(t->origin), "%s://%.200s:%s %.150s", t->scheme, t->host, t->port,
                   req->unix_socket != NULL                                    ? req->unix_socket
                   : req->identity != NULL && req->identity->cert_file != NULL ? req->identity->cert_file
                                                                               : "");
    return 0;
}

static void headers_free(struct curl_slist *list)
{
    for (struct curl_slist *i = list; i != NULL; i = i->next)
        OPENSSL_cleanse(i->data, strlen(i->data));
    curl_slist_free_all(list);
}

static void headers_free_ptr(struct curl_slist **list)
{
    headers_free(*list);
}

static void add_line(struct curl_slist **list, const char *line)
{
    struct curl_slist *grown = curl_slist_append(*list, line);

    if (grown == NULL)
        abort(); /* as every refused allocation */
    *list = grown;
}

static int add_header(struct curl_slist **list, const struct httpc_header *header, const struct target *t,
                      struct err *e)
{
    struct buf line = BUF_INIT(HEADERS_MAX);
    const char *text;
    int rc = 0;

    if (header->name[0] == '\0' || strpbrk(header->name, "\r\n:; ") != NULL || strpbrk(header->value, "\r\n") != NULL)
        return err_set(e, ERR_INVALID, "%s: a header holds a character that ends it", t->label);
    /* curl's way to send an empty header is "Name;" */
    buf_addf(&line, *header->value != '\0' ? "%s: %s" : "%s;%s", header->name, header->value);
    if (buf_str(&line, &text, e))
        rc = err_wrap(e, "%s: header %s", t->label, header->name);
    else
        add_line(list, text);
    buf_wipe(&line);
    return rc;
}

static int make_headers(const struct httpc_req *req, const struct target *t, struct curl_slist **list, struct err *e)
{
    bool typed = false;

    add_line(list, "Expect:"); /* no waiting for 100 Continue */
    for (size_t i = 0; i < req->n_headers; i++) {
        typed = typed || text_ieq(req->headers[i].name, "content-type");
        if (add_header(list, &req->headers[i], t, e))
            return -1;
    }
    if (!typed)
        add_line(list, "Content-Type:"); /* curl's own guess would be a form */
    return 0;
}

/* Metadata services are reached from this machine only, never through a proxy. */
static bool is_link_local(const struct target *t)
{
    return text_has_prefix(t->host, "169.254.") || text_has_prefix(t->host, "[fe80:") ||
           text_ieq(t->host, "[fd00:ec2::254]");
}

#define SET(option, value)                                                                                             \
    do {                                                                                                               \
        if (rc == CURLE_OK)                                                                                            \
            rc = curl_easy_setopt(easy, option, value);                                                                \
    } while (0)

static CURLcode set_method(CURL *easy, const struct httpc_req *req)
{
    bool sends = req->body != NULL || strcmp(req->method, "POST") == 0 || strcmp(req->method, "PUT") == 0 ||
                 strcmp(req->method, "PATCH") == 0;
    CURLcode rc = CURLE_OK;

    if (strcmp(req->method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    } else if (sends) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(req->body != NULL ? req->body_len : 0));
        SET(CURLOPT_POSTFIELDS, req->body != NULL ? req->body : "");
    }
    SET(CURLOPT_CUSTOMREQUEST, req->method);
    return rc;
}

static CURLcode set_tls(CURL *easy, struct transfer *t)
{
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_CAINFO, own_ca(t->req) ? t->req->identity->ca_file : NULL); /* else on_tls brings the store */
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_PROXY_CAINFO, NULL);
    SET(CURLOPT_PROXY_CAPATH, NULL);
    SET(CURLOPT_SSL_CTX_FUNCTION, on_tls);
    SET(CURLOPT_SSL_CTX_DATA, t);
    if (t->req->identity != NULL && t->req->identity->cert_file != NULL) {
        SET(CURLOPT_SSLCERT, t->req->identity->cert_file);
        SET(CURLOPT_SSLKEY, t->req->identity->key_file);
    }
    return rc;
}

static CURLcode set_all(CURL *easy, const struct httpc_req *req, const struct target *target, struct transfer *t,
                        const struct curl_slist *headers)
{
    CURLcode rc = set_method(easy, req);

    if (rc == CURLE_OK)
        rc = set_tls(easy, t);
    SET(CURLOPT_URL, req->url);
    SET(CURLOPT_PATH_AS_IS, 1L); /* what was signed is what is sent */
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_USERAGENT, t->http->user_agent);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* a proxy gets none of them */
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_TIMEOUT_MS, req->timeout_ms > 0 ? (long)req->timeout_ms : 30000L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, t->http->connect_timeout_ms);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_FRESH_CONNECT, req->once ? 1L : 0L);
    SET(CURLOPT_ERRORBUFFER, t->said);
    if (req->public_only && rc == CURLE_OK)
        rc = httpc_set_public_only(easy, &t->not_public);
    if (req->silence_ms > 0) {
        SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
        SET(CURLOPT_LOW_SPEED_TIME, (long)(req->silence_ms + 999) / 1000);
    }
    if (req->unix_socket != NULL)
        SET(CURLOPT_UNIX_SOCKET_PATH, req->unix_socket);
    if (req->unix_socket != NULL || is_link_local(target))
        SET(CURLOPT_PROXY, "");
    return rc;
}

/* ---- failures: curl's own texts may quote the request, so ours are made here ---- */

static int untrusted(CURL *easy, const struct target *target, struct err *e)
{
    long verdict = 0;

    /* curl compares names itself and leaves no verdict then */
    (void)curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
    return err_set(e, ERR_AUTH, "%s: the server's certificate is not trusted: %s", target->label,
                   verdict > X509_V_ERR_UNSPECIFIED ? X509_verify_cert_error_string(verdict)
                                                    : "it is not for this host name");
}

static int broken(CURL *easy, CURLcode rc, const struct target *target, struct err *e)
{
    long os_error = 0, proxy_code = 0;

    (void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
    (void)curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &proxy_code);
    if (proxy_code >= 300)
        return err_set(e, ERR_RETRY, "%s: the proxy refused the connection with status %ld", target->label, proxy_code);
    if (rc == CURLE_UNSUPPORTED_PROTOCOL || rc == CURLE_WEIRD_SERVER_REPLY)
        return err_set(e, ERR_RETRY, "%s: the answer is not HTTP", target->label);
    if (rc == CURLE_COULDNT_CONNECT && os_error != 0)
        return err_sys(e, ERR_RETRY, (int)os_error, "%s: no connection", target->label);
    return err_set(e, ERR_RETRY, "%s: %s", target->label, curl_easy_strerror(rc));
}

static int failed(CURL *easy, CURLcode rc, const struct httpc_req *req, const struct target *target,
                  const struct transfer *t, struct err *e)
{
    if (t->too_large && t->res->headers.over)
        return err_set(e, ERR_INVALID, "%s: the answer's headers exceed %zu bytes", target->label, HEADERS_MAX);
    if (t->too_large)
        return err_set(e, ERR_INVALID, "%s: the answer exceeds %zu bytes", target->label, t->res->body.max);
    if (t->not_public && rc == CURLE_COULDNT_CONNECT)
        return err_set(e, ERR_INVALID, "%s: the host has no public address", target->label);
    if (rc == CURLE_SSL_CERTPROBLEM)
        return err_set(e, ERR_AUTH, "%s: the certificate %s or its key %s cannot be used", target->label,
                       req->identity->cert_file, req->identity->key_file);
    if (rc == CURLE_SSL_CACERT_BADFILE && own_ca(req))
        return err_set(e, ERR_AUTH, "%s: no certificate authorities can be read from %s", target->label,
                       req->identity->ca_file);
    if (t->no_ca)
        return err_set(e, ERR_AUTH, "%s: no certificate authorities can be read from %s", target->label,
                       t->http->ca_file != NULL ? t->http->ca_file : "the system: set SSL_CERT_FILE");
    if (rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_ISSUER_ERROR)
        return untrusted(easy, target, e);
    if (strstr(t->said, "alert") != NULL && strstr(t->said, "certificate") != NULL) /* curl has no code for it */
        return err_set(e, ERR_AUTH, "%s: the server %s", target->label,
                       req->identity != NULL && req->identity->cert_file != NULL ? "does not accept our certificate"
                                                                                 : "asks for a certificate of ours");
    if (rc == CURLE_WRITE_ERROR)
        return err_set(e, ERR_RETRY, "%s: left in the middle of the answer", target->label);
    if (rc == CURLE_OPERATION_TIMEDOUT)
        return err_set(e, ERR_RETRY, "%s: no complete answer within %d ms", target->label,
                       req->timeout_ms > 0 ? req->timeout_ms : 30000);
    return broken(easy, rc, target, e);
}

static int perform(CURL *easy, const struct httpc_req *req, const struct target *target, struct transfer *t,
                   struct err *e)
{
    __attribute__((cleanup(headers_free_ptr))) struct curl_slist *headers = NULL;
    curl_off_t took_us = 0;
    long status = 0;
    CURLcode rc;

    if (make_headers(req, target, &headers, e))
        return -1;
    rc = set_all(easy, req, target, t, headers);
    if (rc != CURLE_OK)
        return err_set(e, ERR_BUG, "%s: curl refuses an option: %s", target->label, curl_easy_strerror(rc));
    rc = curl_easy_perform(easy);
    if (rc != CURLE_OK)
        return failed(easy, rc, req, target, t, e);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &took_us);
    if (status < 100 || status > 599)
        return err_set(e, ERR_RETRY, "%s: the answer's status %ld makes no sense", target->label, status);
    t->res->status = (int)status;
    t->res->took_us = took_us;
    return 0;
}

int httpc_do(struct httpc *h, const struct httpc_req *req, struct httpc_res *res, struct err *e)
{
    __attribute__((cleanup(target_clear))) struct target target = {0};
    struct transfer t = {.http = h, .res = res, .req = req};
    struct handle *k;
    int rc;

    res_prepare(res, req->max_answer);
    if (target_parse(req, &target, e))
        return -1;
    k = take_handle(h, target.origin);
    t.easy = k->easy;
    rc = perform(k->easy, req, &target, &t, e);
    give_handle(h, k);
    if (rc)
        httpc_res_clear(res);
    return rc;
}
