#include "server/api/request.h"

#include "server/base/clock.h"
#include "server/base/crypto.h"
#include "server/base/mem.h"
#include "server/base/secret.h"

#include <string.h>
#include <strings.h>

#define POOL_MAX 128                /* requests kept for reuse */
#define KEEP_BODY_BYTES (32 * 1024) /* ... with their body's memory, if that is small */
#define TRUST_BYTES (64 * 1024)     /* so much is set aside on the client's word; beyond, as it arrives */
#define REFUSALS_A_SECOND 10        /* lines in the log: a flood of bad requests must not become a flood of lines */

static struct request *from_pool(struct api_context *x)
{
    struct request *r = x->pool;

    if (r == NULL) {
        r = mem_zalloc(sizeof(*r));
        r->body.max = x->conf.max_body;
        r->signature = signature_new(x->conf.webhook_secrets, x->conf.n_webhook_secrets);
        return r;
    }
    x->pool = r->next;
    x->pooled--;
    return r;
}

struct request *request_new(struct api_context *x, struct conn_table *conns, struct conn *conn,
                            struct MHD_Connection *mhd)
{
    struct request *r = from_pool(x);

    r->x = x;
    r->conns = conns;
    r->conn = conn;
    r->mhd = mhd;
    r->route = NULL;
    r->is_post = false;
    r->began_us = clock_mono_us();
    r->decided = false;
    r->logged = false;
    r->declared = -1;
    r->received = 0;
    r->charged = 0;
    r->guid[0] = '\0';
    r->handover = NULL;
    r->provisions = false;
    r->script = NULL;
    r->suspended = false;
    conn->request = r;
    return r;
}

static void request_free(struct request *r)
{
    signature_free(r->signature);
    buf_clear(&r->body);
    free(r);
}

void request_release(struct request *r)
{
    struct api_context *x = r->x;

    r->conn->request = NULL;
    secret_free(r->script);
    r->script = NULL;
    x->body_bytes -= r->charged;
    r->charged = 0;
    if (x->pooled >= POOL_MAX) {
        request_free(r);
        return;
    }
    if (r->body.cap > KEEP_BODY_BYTES)
        buf_clear(&r->body);
    else
        buf_reset(&r->body);
    r->next = x->pool;
    x->pool = r;
    x->pooled++;
}

void request_pool_free(struct api_context *x)
{
    while (x->pool != NULL) {
        struct request *r = x->pool;

        x->pool = r->next;
        request_free(r);
    }
    x->pooled = 0;
}

/* How much to hold so that `need` bytes fit: what was declared if that is modest, else twice what there is. */
static size_t next_capacity(const struct request *r, size_t need)
{
    size_t want = need > 2 * r->body.len ? need : 2 * r->body.len;

    if (r->declared > 0 && (uint64_t)r->declared >= need &&
        (r->declared <= TRUST_BYTES || (uint64_t)r->declared < want))
        want = (size_t)r->declared;
    return want < r->body.max ? want : r->body.max;
}

bool request_body_add(struct request *r, const void *data, size_t len)
{
    struct api_context *x = r->x;
    size_t need = r->body.len + len;
    size_t want;

    if (need > r->charged) {
        want = next_capacity(r, need);
        if (x->body_bytes + (want - r->charged) > x->conf.max_bodies) {
            request_body_drop(r);
            return false;
        }
        x->body_bytes += want - r->charged;
        r->charged = want;
        buf_reserve(&r->body, want);
    }
    buf_add(&r->body, data, len);
    return true;
}

void request_body_drop(struct request *r)
{
    r->x->body_bytes -= r->charged;
    r->charged = 0;
    if (r->body.cap > KEEP_BODY_BYTES)
        buf_clear(&r->body);
    else
        buf_reset(&r->body);
}

void request_decide(struct request *r, enum answer_id verdict)
{
    r->decided = true;
    r->verdict = verdict;
    request_body_drop(r);
}

void request_resume(struct request *r)
{
    r->handover = NULL;
    conn_move(r->conns, r->conn, CONN_ANSWERING, r->x->now_ms);
    if (r->suspended)
        MHD_resume_connection(r->mhd);
    r->suspended = false;
}

enum MHD_Result request_wait(struct request *r)
{
    r->suspended = true;
    MHD_suspend_connection(r->mhd);
    return MHD_YES;
}

/* Hashes are compared, so that the time tells nothing about the token, its length included. */
static bool is_token(const struct secret *token, const char *sent)
{
    unsigned char want[CRYPTO_SHA256_LEN], got[CRYPTO_SHA256_LEN];

    crypto_sha256(secret_reveal(token), secret_len(token), want);
    crypto_sha256(sent, strlen(sent), got);
    return crypto_equal(want, got, sizeof(want));
}

bool request_bears(const struct request *r, const struct secret *token)
{
    static const char scheme[] = "Bearer ";
    const char *sent = MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);

    return sent != NULL && strncasecmp(sent, scheme, sizeof(scheme) - 1) == 0 &&
           is_token(token, sent + sizeof(scheme) - 1);
}

bool request_may_log(struct api_context *x)
{
    if (x->now_ms / 1000 != x->refusals.second) {
        x->refusals.second = x->now_ms / 1000;
        x->refusals.written = 0;
    }
    if (x->refusals.written >= REFUSALS_A_SECOND) {
        x->refusals.dropped++;
        return false;
    }
    x->refusals.written++;
    return true;
}
