#include "providers/common/sign_oci.h"

#include "providers/common/origin.h"
#include "server/base/text.h"

#include <stdio.h>
#include <time.h>

#define MAX_TEXT ((size_t)64 * 1024)

void sign_oci_date(int64_t time_ms, char out[SIGN_OCI_DATE_LEN + 1])
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t s = (time_t)(time_ms / 1000);
    struct tm t;

    (void)gmtime_r(&s, &t);
    (void)snprintf(out, SIGN_OCI_DATE_LEN + 1, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
                   days + (size_t)3 * (size_t)t.tm_wday, (unsigned)t.tm_mday % 100U,
                   months + (size_t)3 * (size_t)t.tm_mon, (unsigned)(t.tm_year + 1900) % 10000U,
                   (unsigned)t.tm_hour % 100U, (unsigned)t.tm_min % 100U, (unsigned)t.tm_sec % 100U);
}

static void add_digest(struct buf *out, const char *body, size_t len)
{
    unsigned char digest[CRYPTO_SHA256_LEN];

    crypto_sha256(body, len, digest);
    text_base64(out, digest, sizeof(digest));
}

int sign_oci_text(const struct sign_oci_req *r, struct buf *text, struct err *e)
{
    char host[300];
    const char *target = "";

    if (origin_split(r->url, host, sizeof(host), &target, e))
        return -1;
    buf_addf(text, "date: %s\n(request-target): ", r->date);
    for (const char *p = r->method; *p != '\0'; p++)
        buf_addc(text, text_lower(*p));
    buf_addf(text, " %s%s", *target == '/' ? "" : "/", target);
    if (!r->without_host)
        buf_addf(text, "\nhost: %s", host);
    if (r->body != NULL) {
        buf_addf(text, "\ncontent-length: %zu\ncontent-type: application/json\nx-content-sha256: ", r->body_len);
        add_digest(text, r->body, r->body_len);
    }
    return 0;
}

int sign_oci(const struct sign_oci_req *r, struct rest_headers *out, struct err *e)
{
    AUTO_BUF struct buf text = BUF_INIT(MAX_TEXT), digest = BUF_INIT(64), signature = BUF_INIT(4096);
    AUTO_BUF struct buf value = BUF_INIT(MAX_TEXT);
    const char *signed_text, *header;

    if (r->body != NULL)
        add_digest(&digest, r->body, r->body_len);
    if (sign_oci_text(r, &text, e) || buf_str(&text, &signed_text, e) ||
        crypto_rs256(r->key, signed_text, text.len, &signature, e))
        return err_wrap(e, "signing the request");
    buf_addf(&value,
             "Signature version=\"1\",keyId=\"%s\",algorithm=\"rsa-sha256\",headers=\"date "
             "(request-target)%s%s\",signature=\"",
             r->key_id, r->without_host ? "" : " host",
             r->body != NULL ? " content-length content-type x-content-sha256" : "");
    text_base64(&value, signature.p, signature.len);
    buf_addc(&value, '"');
    if (buf_str(&value, &header, e))
        return err_wrap(e, "signing the request");
    rest_header_add(out, "Date", r->date);
    rest_header_add(out, "Authorization", header);
    if (r->body != NULL)
        rest_header_add(out, "X-Content-SHA256", digest.p);
    return 0;
}
