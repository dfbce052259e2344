#include "server/base/jwt.h"

#include "server/base/text.h"

#define JWT_MAX ((size_t)8 * 1024)

static int add_part(const json_t *part, struct buf *out, struct err *e)
{
    AUTO_BUF struct buf text = BUF_INIT(JWT_MAX);

    if (js_dump_buf(part, &text, e))
        return -1;
    text_base64url(out, text.p, text.len);
    return 0;
}

static int sign(const struct crypto_key *k, const json_t *head, const json_t *claims, struct buf *out, struct err *e)
{
    AUTO_BUF struct buf signature = BUF_INIT(JWT_MAX);
    const char *text;

    if (add_part(head, out, e))
        return -1;
    buf_addc(out, '.');
    if (add_part(claims, out, e) || buf_str(out, &text, e) || crypto_rs256(k, text, out->len, &signature, e))
        return -1;
    buf_addc(out, '.');
    text_base64url(out, signature.p, signature.len);
    return 0;
}

int jwt_rs256(const struct crypto_key *k, const char *kid, const json_t *claims, struct secret **out, struct err *e)
{
    AUTO_JSON json_t *head = NULL;
    struct buf text = BUF_INIT(JWT_MAX);
    int rc = -1;

    if (js_pack(e, &head, "{s:s, s:s, s:s*}", "alg", "RS256", "typ", "JWT", "kid", kid) == 0 &&
        sign(k, head, claims, &text, e) == 0)
        rc = secret_from_buf(&text, out, e);
    buf_wipe(&text);
    return rc;
}
