/*
 * Signature Version 4, verified from the raw request. Written from AWS's documentation "Create a signed AWS API
 * request"; shares nothing with the signer it judges.
 */
#include "tests/sim/sim_ec2_priv.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define MAX_SKEW_MS (15 * 60 * 1000)
#define AUTH_FAILURE "AWS was not able to validate the provided access credentials"

struct scope {
    char access[64], date[16], region[32], service[16], signed_headers[512], signature[72];
};

/* "Key=value" of the Authorization header, up to the comma. */
static bool auth_part(const char *auth, const char *key, char *out, size_t size)
{
    const char *p = strstr(auth, key);
    size_t len;

    if (p == NULL)
        return false;
    p += strlen(key);
    len = strcspn(p, ", ");
    if (len == 0 || len >= size)
        return false;
    memcpy(out, p, len);
    out[len] = '\0';
    return true;
}

static bool read_scope(const char *auth, struct scope *sc)
{
    char credential[160], tail[32];

    if (strncmp(auth, ALGORITHM " ", strlen(ALGORITHM) + 1) != 0 ||
        !auth_part(auth, "Credential=", credential, sizeof(credential)) ||
        !auth_part(auth, "SignedHeaders=", sc->signed_headers, sizeof(sc->signed_headers)) ||
        !auth_part(auth, "Signature=", sc->signature, sizeof(sc->signature)))
        return false;
    return sscanf(credential, "%63[^/]/%15[^/]/%31[^/]/%15[^/]/%31s", sc->access, sc->date, sc->region, sc->service,
                  tail) == 5 &&
           strcmp(tail, "aws4_request") == 0;
}

static bool is_signed(const struct scope *sc, const char *name)
{
    size_t len = strlen(name);

    for (const char *p = sc->signed_headers; *p != '\0'; p += strcspn(p, ";"), p += *p == ';')
        if (strcspn(p, ";") == len && strncasecmp(p, name, len) == 0)
            return true;
    return false;
}

/* Trimmed, and runs of blanks made one. */
static void add_value(struct buf *b, const char *v)
{
    v += strspn(v, " \t");
    while (*v != '\0') {
        size_t blanks = strspn(v, " \t");

        v += blanks;
        if (*v == '\0')
            return;
        if (blanks > 0)
            buf_addc(b, ' ');
        buf_addc(b, *v++);
    }
}

/* Sorted lower-case names, each present. */
static bool add_headers(const struct sim_req *rq, const struct scope *sc, struct buf *b)
{
    char name[128], last[128] = "";

    for (const char *p = sc->signed_headers; *p != '\0';) {
        size_t len = strcspn(p, ";");
        const char *value;

        if (len == 0 || len >= sizeof(name))
            return false;
        memcpy(name, p, len);
        name[len] = '\0';
        value = sim_req_header(rq, name);
        for (size_t i = 0; i < len; i++)
            if (name[i] >= 'A' && name[i] <= 'Z')
                return false;
        if (value == NULL || strcmp(name, last) <= 0 || sim_req_header_count(rq, name) != 1)
            return false;
        buf_addf(b, "%s:", name);
        add_value(b, value);
        buf_addc(b, '\n');
        memcpy(last, name, len + 1);
        p += len + (p[len] == ';');
    }
    return true;
}

static bool canonical_request(const struct sim_req *rq, const struct scope *sc, struct buf *b)
{
    char hash[65];

    sim_sha256_hex(rq->body, rq->body_len, hash);
    buf_addf(b, "%s\n%s\n%s\n", rq->method, rq->raw_path, rq->raw_query);
    if (!add_headers(rq, sc, b))
        return false;
    buf_addf(b, "\n%s\n%s", sc->signed_headers, hash);
    return true;
}

static void signature(const char *secret, const struct scope *sc, const char *amz_date, const struct buf *canonical,
                      char out[65])
{
    struct buf key = BUF_INIT(256), text = BUF_INIT(1024);
    unsigned char mac[32];
    char hash[65];

    sim_sha256_hex(canonical->p, canonical->len, hash);
    buf_addf(&text, ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", amz_date, sc->date, sc->region, sc->service, hash);
    buf_addf(&key, "AWS4%s", secret);
    sim_hmac_sha256(key.p, key.len, sc->date, strlen(sc->date), mac);
    sim_hmac_sha256(mac, 32, sc->region, strlen(sc->region), mac);
    sim_hmac_sha256(mac, 32, sc->service, strlen(sc->service), mac);
    sim_hmac_sha256(mac, 32, "aws4_request", 12, mac);
    sim_hmac_sha256(mac, 32, text.p, text.len, mac);
    sim_hex(mac, 32, out);
    buf_clear(&key);
    buf_clear(&text);
}

static bool all_amz_headers_signed(const struct sim_req *rq, const struct scope *sc)
{
    for (size_t i = 0; i < rq->n_headers; i++)
        if (strncasecmp(rq->headers[i].name, "x-amz-", 6) == 0 && !is_signed(sc, rq->headers[i].name))
            return false;
    return is_signed(sc, "host") && is_signed(sc, "x-amz-date");
}

static bool date_fits(struct sim_ec2 *s, const struct sim_req *rq, const struct scope *sc, const char *amz_date,
                      struct sim_res *rs)
{
    int64_t ms = 0;

    if (!sim_time_parse_compact(amz_date, &ms) || strlen(sc->date) != 8 || strncmp(amz_date, sc->date, 8) != 0) {
        e2_violation(s, rq, "X-Amz-Date and the scope's date do not fit");
        return e2_refuse(rs, 400, "IncompleteSignature",
                         "Date in Credential scope does not match YYYYMMDD from ISO-8601 "
                         "version of date from HTTP: '%s' != '%.8s'.",
                         sc->date, amz_date);
    }
    if (ms < clock_now_ms() - MAX_SKEW_MS || ms > clock_now_ms() + MAX_SKEW_MS)
        return e2_refuse(rs, 400, "RequestExpired", "Request has expired.");
    return true;
}

static bool token_fits(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_key *k, const struct scope *sc)
{
    const char *token = sim_req_header(rq, "X-Amz-Security-Token");

    if (k->token == NULL && token == NULL)
        return true;
    if (k->token != NULL && token != NULL && strcmp(k->token, token) == 0 && is_signed(sc, "x-amz-security-token"))
        return true;
    e2_violation(s, rq, "the session token is missing, wrong or not signed");
    return false;
}

bool e2_signed(struct sim_ec2 *s, const struct sim_req *rq, struct sim_res *rs, char region[32], char service[16])
{
    const char *auth = sim_req_header(rq, "Authorization"), *date = sim_req_header(rq, "X-Amz-Date");
    struct buf canonical = BUF_INIT(64 * 1024);
    char want[65] = "";
    struct scope sc = {0};
    const struct e2_key *k;

    if (auth == NULL || date == NULL) {
        e2_violation(s, rq, "not signed");
        return e2_refuse(rs, 400, "MissingAuthenticationToken", "Request is missing Authentication Token");
    }
    if (!read_scope(auth, &sc) || !all_amz_headers_signed(rq, &sc)) {
        e2_violation(s, rq, "Authorization is malformed, or host, x-amz-date or another x-amz- header is not signed");
        return e2_refuse(rs, 400, "IncompleteSignature", "The request signature does not conform to AWS standards.");
    }
    if (!date_fits(s, rq, &sc, date, rs))
        return false;
    k = e2_key(s, sc.access);
    if (k != NULL && k->expired)
        return e2_refuse(rs, 400, "RequestExpired", "Request has expired.");
    if (k == NULL || !token_fits(s, rq, k, &sc))
        return e2_refuse(rs, 401, "AuthFailure", AUTH_FAILURE);
    if (canonical_request(rq, &sc, &canonical))
        signature(k->secret, &sc, date, &canonical, want);
    buf_clear(&canonical);
    if (strcmp(want, sc.signature) != 0) {
        e2_violation(s, rq, "the signature is wrong");
        return e2_refuse(rs, 401, "AuthFailure", AUTH_FAILURE);
    }
    (void)snprintf(region, 32, "%s", sc.region);
    (void)snprintf(service, 16, "%s", sc.service);
    return true;
}
