/* The values of https://docs.oracle.com/en-us/iaas/Content/API/Concepts/signingrequests.htm, and what they leave open.
 */
#include "tests/support/unit.h"

#include "providers/common/sign_oci.h"
#include "server/base/text.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>

#define COMPARTMENT "ocid1.compartment.oc1..aaaaaaaam3we6vgnherjq5q2idnccdflvjsnog7mlr6rtdb25gilchfeyjxa"
#define VOLUME "ocid1.volume.oc1.phx.abyhqljrgvttnlx73nmrwfaux7kcvzfs3s66izvxf2h4lgvyndsdsnoiwr5q"
#define QUERY                                                                                                          \
    "?availabilityDomain=Pjwf%3A%20PHX-AD-1&compartmentId=" COMPARTMENT "&displayName=TeamXInstances&volumeId=" VOLUME
#define HOST "iaas.us-phoenix-1.oraclecloud.com"
#define BODY                                                                                                           \
    "{\n    \"compartmentId\": \"" COMPARTMENT                                                                         \
    "\",\n    \"instanceId\": \"ocid1.instance.oc1.phx.abuw4ljrlsfiqw6vzzxb43vyypt4pkodawglp3wqxjqofakrwvou52gb6s5a\"" \
    ",\n    \"volumeId\": \"" VOLUME "\"\n}"
#define DATE "Thu, 05 Jan 2014 21:31:40 GMT"

/* The documents' own key has 1,024 bits, which no account of ours may have. */
static const char documented_key[] = "-----BEGIN RSA PRIVATE KEY-----\n"
                                     "MIICXgIBAAKBgQDCFENGw33yGihy92pDjZQhl0C36rPJj+CvfSC8+q28hxA161QF\n"
                                     "NUd13wuCTUcq0Qd2qsBe/2hFyc2DCJJg0h1L78+6Z4UMR7EOcpfdUE9Hf3m/hs+F\n"
                                     "UR45uBJeDK1HSFHD8bHKD6kv8FPGfJTotc+2xjJwoYi+1hqp1fIekaxsyQIDAQAB\n"
                                     "AoGBAJR8ZkCUvx5kzv+utdl7T5MnordT1TvoXXJGXK7ZZ+UuvMNUCdN2QPc4sBiA\n"
                                     "QWvLw1cSKt5DsKZ8UETpYPy8pPYnnDEz2dDYiaew9+xEpubyeW2oH4Zx71wqBtOK\n"
                                     "kqwrXa/pzdpiucRRjk6vE6YY7EBBs/g7uanVpGibOVAEsqH1AkEA7DkjVH28WDUg\n"
                                     "f1nqvfn2Kj6CT7nIcE3jGJsZZ7zlZmBmHFDONMLUrXR/Zm3pR5m0tCmBqa5RK95u\n"
                                     "412jt1dPIwJBANJT3v8pnkth48bQo/fKel6uEYyboRtA5/uHuHkZ6FQF7OUkGogc\n"
                                     "mSJluOdc5t6hI1VsLn0QZEjQZMEOWr+wKSMCQQCC4kXJEsHAve77oP6HtG/IiEn7\n"
                                     "kpyUXRNvFsDE0czpJJBvL/aRFUJxuRK91jhjC68sA7NsKMGg5OXb5I5Jj36xAkEA\n"
                                     "gIT7aFOYBFwGgQAQkWNKLvySgKbAZRTeLBacpHMuQdl1DfdntvAyqpAZ0lY0RKmW\n"
                                     "G6aFKaqQfOXKCyWoUiVknQJAXrlgySFci/2ueKlIE1QqIiLSZ8V8OlpFLRnb1pzI\n"
                                     "7U1yQXnTAEFYM560yJlzUpOb1V4cScGd365tiSMvxLOvTA==\n"
                                     "-----END RSA PRIVATE KEY-----\n";

static const struct sign_oci_req get = {
    .key_id = "T/U/F", .date = DATE, .method = "GET", .url = "https://" HOST "/20160918/instances" QUERY};
static const struct sign_oci_req post = {.key_id = "T/U/F",
                                         .date = DATE,
                                         .method = "POST",
                                         .url = "https://" HOST "/20160918/volumeAttachments",
                                         .body = BODY,
                                         .body_len = sizeof(BODY) - 1};

static void text_is(const struct sign_oci_req *r, const char *expected)
{
    AUTO_BUF struct buf text = BUF_INIT(8192);
    struct err e;

    assert_ok(sign_oci_text(r, &text, &e), e);
    assert_string_equal(text.p, expected);
}

static void signature_is(const struct sign_oci_req *r, const char *expected)
{
    AUTO_BUF struct buf text = BUF_INIT(8192), base64 = BUF_INIT(8192);
    BIO *bio = BIO_new_mem_buf(documented_key, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char sig[256];
    size_t n = sizeof(sig);
    struct err e;

    assert_ok(sign_oci_text(r, &text, &e), e);
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &n, (const unsigned char *)text.p, text.len), 1);
    text_base64(&base64, sig, n);
    assert_string_equal(base64.p, expected);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    BIO_free(bio);
}

static void test_sign_oci__the_documented_get_is_signed_as_documented(void **state)
{
    (void)state;
    text_is(&get, "date: " DATE "\n(request-target): get /20160918/instances" QUERY "\nhost: " HOST);
    signature_is(&get, "GBas7grhyrhSKHP6AVIj/h5/Vp8bd/peM79H9Wv8kjoaCivujVXlpbKLjMPeDUhxkFIWtTtLBj3sUzaFj34XE6YZAHc9r2"
                       "DmE4pMwOAy/kiITcZxa1oHPOeRheC0jP2dqbTll8fmTZVwKZOKHYPtrLJIJQHJjNvxFWeHQjMaR7M=");
}

static void test_sign_oci__the_documented_post_is_signed_as_documented(void **state)
{
    (void)state;
    text_is(&post, "date: " DATE "\n(request-target): post /20160918/volumeAttachments\nhost: " HOST
                   "\ncontent-length: 316\ncontent-type: application/json\n"
                   "x-content-sha256: V9Z20UJTvkvpJ50flBzKE32+6m2zJjweHpDMX/U4Uy0=");
    signature_is(&post, "Mje8vIDPlwIHmD/cTDwRxE7HaAvBg16JnVcsuqaNRim23fFPgQfLoOOxae6WqKb1uPjYEl0qIdazWaBy/"
                        "Ml8DRhqlocMwoSXv0fbukP8J5N80LCmzT/FFBvIvTB91XuXI3hYfP9Zt1l7S6ieVadHUfqBedWH0itrtPJBgKmrWso=");
}

static void test_sign_oci__the_host_is_signed_as_it_is_sent(void **state)
{
    static const char *const rows[][2] = {{"https://h.example:443/x", "h.example"},
                                          {"https://h.example:8443/x", "h.example:8443"},
                                          {"http://127.0.0.1:80/x", "127.0.0.1"},
                                          {"http://127.0.0.1:8080/x", "127.0.0.1:8080"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sign_oci_req r = {.date = "D", .method = "DELETE", .url = rows[i][0]};
        char expected[200];

        (void)snprintf(expected, sizeof(expected), "date: D\n(request-target): delete /x\nhost: %s", rows[i][1]);
        text_is(&r, expected);
    }
}

static void test_sign_oci__headers_carry_what_is_signed(void **state)
{
    AUTO_REST_HEADERS struct rest_headers h = {.n = 0}, without_host = {.n = 0};
    AUTO_BUF struct buf text = BUF_INIT(8192), sig = BUF_INIT(8192), expected = BUF_INIT(8192);
    struct crypto_key *key = crypto_key_generate();
    struct sign_oci_req r = post;
    struct err e;

    (void)state;
    r.key = key;
    assert_ok(sign_oci(&r, &h, &e), e);
    assert_int_equal(h.n, 3);
    assert_string_equal(h.names[0], "Date");
    assert_string_equal(secret_reveal(h.values[0]), DATE);
    assert_string_equal(h.names[1], "Authorization");
    assert_string_equal(h.names[2], "X-Content-SHA256");
    assert_string_equal(secret_reveal(h.values[2]), "V9Z20UJTvkvpJ50flBzKE32+6m2zJjweHpDMX/U4Uy0=");
    assert_ok(sign_oci_text(&r, &text, &e), e);
    assert_ok(crypto_rs256(key, text.p, text.len, &sig, &e), e);
    buf_adds(&expected,
             "Signature version=\"1\",keyId=\"T/U/F\",algorithm=\"rsa-sha256\",headers=\"date (request-target) "
             "host content-length content-type x-content-sha256\",signature=\"");
    text_base64(&expected, sig.p, sig.len);
    buf_addc(&expected, '"');
    assert_string_equal(secret_reveal(h.values[1]), expected.p);
    r.without_host = true;
    assert_ok(sign_oci(&r, &without_host, &e), e);
    assert_non_null(strstr(secret_reveal(without_host.values[1]), "headers=\"date (request-target) content-length"));
    crypto_key_free(key);
}

static void test_sign_oci__dates_are_written_as_http_writes_them(void **state)
{
    char date[SIGN_OCI_DATE_LEN + 1];
    int64_t back;
    struct err e;

    (void)state;
    sign_oci_date(1388957500000, date);
    assert_string_equal(date, "Sun, 05 Jan 2014 21:31:40 GMT");
    for (int64_t ms = 0; ms < (int64_t)400 * 86400000; ms += (int64_t)86400000 + 3661000) {
        sign_oci_date(ms, date);
        assert_ok(text_http_date_ms(date, &back, &e), e);
        assert_int_equal(back, ms);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sign_oci__the_documented_get_is_signed_as_documented),
        cmocka_unit_test(test_sign_oci__the_documented_post_is_signed_as_documented),
        cmocka_unit_test(test_sign_oci__the_host_is_signed_as_it_is_sent),
        cmocka_unit_test(test_sign_oci__headers_carry_what_is_signed),
        cmocka_unit_test(test_sign_oci__dates_are_written_as_http_writes_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
