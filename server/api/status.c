#include "server/api/status.h"

#include "server/api/webhook.h"
#include "server/base/crypto.h"
#include "server/base/metric.h"

#include <string.h>
#include <strings.h>

#define METRICS_MAX_BYTES (4 * 1024 * 1024)

enum MHD_Result status_health(struct request *r)
{
    return answer_send(r->x->answers, r->mhd, ANSWER_ALIVE);
}

enum MHD_Result status_ready(struct request *r)
{
    struct err e;

    if (r->x->stopping)
        return answer_send(r->x->answers, r->mhd, ANSWER_STOPPING);
    if (r->x->conf.store != NULL && store_health(r->x->conf.store, &e))
        return answer_error(r->x->answers, r->mhd, MHD_HTTP_SERVICE_UNAVAILABLE, e.msg);
    return answer_send(r->x->answers, r->mhd, ANSWER_READY);
}

enum MHD_Result status_metrics(struct request *r)
{
    AUTO_BUF struct buf text = BUF_INIT(METRICS_MAX_BYTES);

    webhook_measure(r->x);
    metric_expose(&text);
    return answer_text(r->x->answers, r->mhd, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &text);
}

/* Hashes are compared, so that the time tells nothing about the token, its length included. */
static bool is_token(const struct secret *token, const char *sent)
{
    unsigned char want[CRYPTO_SHA256_LEN], got[CRYPTO_SHA256_LEN];

    crypto_sha256(secret_reveal(token), secret_len(token), want);
    crypto_sha256(sent, strlen(sent), got);
    return crypto_equal(want, got, sizeof(want));
}

bool status_is_permitted(const struct request *r)
{
    static const char scheme[] = "Bearer ";
    const char *sent;

    if (r->x->conf.admin_token == NULL)
        return true;
    sent = MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    return sent != NULL && strncasecmp(sent, scheme, sizeof(scheme) - 1) == 0 &&
           is_token(r->x->conf.admin_token, sent + sizeof(scheme) - 1);
}
