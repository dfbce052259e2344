#include "tests/support/unit.h"

#include "server/base/crypto.h"
#include "server/base/text.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

/* The key of RFC 7515, appendix A.2. */
static const char rfc7515_key[] = "-----BEGIN RSA PRIVATE KEY-----\n"
                                  "MIIEowIBAAKCAQEAofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd/wWJcyQoTbji9k0\n"
                                  "l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL+yRT+SFd2lZS+pC\n"
                                  "gNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb/7OMg0LOL+bSf63kpaSHSX\n"
                                  "ndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uD\n"
                                  "Zlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxXFvUK+DWNmoudF8NAco9/h9iaGNj8\n"
                                  "q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQIDAQABAoIBABKucaRpzQorw35S\n"
                                  "bEUAVx8dYXUdZOlJcHtiWQ+dC6V8ljxAHj/PLyzTveyI5QO/xkObCyjIL303l2cf\n"
                                  "UhPu2MFaJdjVzqACXuOrLot/eSFvxjvqVidTtAZExqFRJ9mylUVAoLvhowVWmC1O\n"
                                  "n95fZCXxTUtxNEG1Xcc7m0rtzJKs45J+N/V9DP1edYH6USyPSWGp6wuA+KgHRnKK\n"
                                  "Vf9GRx80JQY7nVNkL17eHoTWEwga+lwi0FEoW9Y7lDtWXYmKBWhUE+U8PGxlJf8f\n"
                                  "40493HDw1WRQ/aSLoS4QTp3rn7gYgeHEvfJdkkf0UMhlknlo53M09EFPdadQ4TlU\n"
                                  "bjqKc50CgYEA4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH/5IB3jw3bcxGn6QLvnE\n"
                                  "tfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw/Py5PJdTJNPY8cQn7ouZ2KKDcmnPG\n"
                                  "BY5t7yLc1QlQ5xHdwW1VhvKn+nXqhJTBgIPgtldC+KDV5z+y2XDwGUcCgYEAuQPE\n"
                                  "fgmVtjL0Uyyx88GZFF1fOunH3+7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYs\n"
                                  "p1ZSe7zFYHj7C6ul7TjeLQeZD/YwD66t62wDmpe/HlB+TnBA+njbglfIsRLtXlnD\n"
                                  "zQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdcCgYAHAp9XcCSrn8wVkMVkKdb7\n"
                                  "DOX4IKjzdahm+ctDAJN4O/y7OW5FKebvUjdAIt2GuoTZ71iTG+7F0F+lP88jtjP4\n"
                                  "U4qe7VHoewl4MKOfXZKTe+YCS1XbNvfgwJ3Ltyl1OH9hWvu2yza7q+d5PCsDzqtm\n"
                                  "27kxuvULVeya+TEdAB1ijQKBgQCH/3r6YrVH/uCWGy6bzV1nGNOdjKc9tmkfOJmN\n"
                                  "54dxdixdpozCQ6U4OxZrsj3FcOhHBsqAHvX2uuYjagqvo3cOj1TRqNocX40omfCC\n"
                                  "Mx3bD1yPPf/6TI2XECva/ggqEY2mYzmIiA5LVVmc5nrybr+lssFKneeyxN2Wq93S\n"
                                  "0iJMdQKBgCGHewxzoa1r8ZMD0LETNrToK423K377UCYqXfg5XMclbrjPbEC3YI1Z\n"
                                  "NqMtuhdBJqUnBi6tjKMF+34Xf0CUN8ncuXGO2CAYvO8PdyCixHX52ybaDjy1FtCE\n"
                                  "6yUXjoKNXKvUm7MWGsAYH6f4IegOetN5NvmUMFStCSkh7ixZLkN1\n"
                                  "-----END RSA PRIVATE KEY-----\n";

static const char rfc7515_input[] =
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl"
    "fQ";
static const char rfc7515_signature[] =
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t"
    "1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12j"
    "zDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ"
    "Ge77Rw";

static void assert_hex(const unsigned char *data, size_t len, const char *hex)
{
    char text[129];

    assert_true(len <= 64);
    text_hex(data, len, text);
    assert_string_equal(text, hex);
}

/* FIPS 180-2, appendix B. */
static void test_crypto__sha256_gives_the_published_answers(void **state)
{
    unsigned char out[CRYPTO_SHA256_LEN];

    (void)state;
    crypto_sha256("", 0, out);
    assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    crypto_sha256(NULL, 0, out);
    assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    crypto_sha256("abc", 3, out);
    assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    crypto_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, out);
    assert_hex(out, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* RFC 4231, test cases 1-4, 6 and 7. A byte of 0 in fill: the text counts. */
static const struct hmac_vector {
    const char *key, *data;
    unsigned char key_fill, data_fill;
    size_t key_len, data_len;
    const char *mac;
} hmac_vectors[] = {
    {NULL, "Hi There", 0x0b, 0, 20, 8, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"Jefe", "what do ya want for nothing?", 0, 0, 4, 28,
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {NULL, NULL, 0xaa, 0xdd, 20, 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19", NULL, 0,
     0xcd, 25, 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {NULL, "Test Using Larger Than Block-Size Key - Hash Key First", 0xaa, 0, 131, 54,
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {NULL,
     "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed "
     "before being used by the HMAC algorithm.",
     0xaa, 0, 131, 152, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"}};

static void fill(unsigned char out[200], const char *text, unsigned char byte, size_t len)
{
    assert_true(len <= 200);
    if (text != NULL)
        memcpy(out, text, len);
    else
        memset(out, byte, len);
}

static void test_crypto__hmac_gives_the_answers_of_rfc_4231(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hmac_vectors); i++) {
        const struct hmac_vector *v = &hmac_vectors[i];
        unsigned char key[200], data[200], out[CRYPTO_SHA256_LEN];

        fill(key, v->key, v->key_fill, v->key_len);
        fill(data, v->data, v->data_fill, v->data_len);
        crypto_hmac_sha256(key, v->key_len, data, v->data_len, out);
        assert_hex(out, sizeof(out), v->mac);
    }
}

static void test_crypto__hmac_takes_an_empty_key_and_an_empty_message(void **state)
{
    unsigned char out[CRYPTO_SHA256_LEN];

    (void)state;
    crypto_hmac_sha256("", 0, "", 0, out);
    assert_hex(out, sizeof(out), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    crypto_hmac_sha256(NULL, 0, NULL, 0, out);
    assert_hex(out, sizeof(out), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* One handle, many messages, each cut into pieces at random places. */
static void test_crypto__hmac_in_pieces_equals_hmac_at_once(void **state)
{
    struct crypto_hmac *h = crypto_hmac_new("It's a Secret to Everybody", 26);
    unsigned char data[500], out[CRYPTO_SHA256_LEN], whole[CRYPTO_SHA256_LEN];
    uint64_t seed = 19;

    (void)state;
    for (int round = 0; round < 200; round++) {
        size_t len = unit_random(&seed) % sizeof(data);

        unit_random_bytes(&seed, data, sizeof(data));
        crypto_hmac_begin(h);
        for (size_t at = 0; at < len;) {
            size_t n = 1 + unit_random(&seed) % 100;

            n = n < len - at ? n : len - at;
            crypto_hmac_add(h, data + at, n);
            at += n;
        }
        crypto_hmac_end(h, out);
        crypto_hmac_sha256("It's a Secret to Everybody", 26, data, len, whole);
        assert_memory_equal(out, whole, sizeof(out));
    }
    crypto_hmac_free(h);
    crypto_hmac_free(NULL);
}

static void test_crypto__hmac_begin_forgets_a_message_that_was_given_up(void **state)
{
    struct crypto_hmac *h = crypto_hmac_new("Jefe", 4);
    unsigned char out[CRYPTO_SHA256_LEN];

    (void)state;
    crypto_hmac_begin(h);
    crypto_hmac_add(h, "half a body", 11);
    crypto_hmac_begin(h);
    crypto_hmac_add(h, "what do ya want for nothing?", 28);
    crypto_hmac_end(h, out);
    assert_hex(out, sizeof(out), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    crypto_hmac_free(h);
}

static void test_crypto__equal_sees_every_bit(void **state)
{
    unsigned char a[32] = {0}, b[32] = {0};

    (void)state;
    assert_true(crypto_equal(a, b, 32));
    for (size_t bit = 0; bit < 256; bit++) {
        b[bit / 8] = (unsigned char)(1U << bit % 8);
        assert_false(crypto_equal(a, b, 32));
        b[bit / 8] = 0;
    }
    assert_true(crypto_equal("x", "y", 0));
}

static void test_crypto__random_is_not_the_same_twice(void **state)
{
    unsigned char a[32] = {0}, b[32] = {0};

    (void)state;
    crypto_random(a, sizeof(a));
    crypto_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

static struct crypto_key *parse(const char *text)
{
    AUTO_SECRET struct secret *pem = secret_new(text, strlen(text));
    struct crypto_key *k = NULL;
    struct err e;

    assert_ok(crypto_key_parse(pem, "key", &k, &e), e);
    return k;
}

static void assert_signs_as_in_rfc7515(const char *pem)
{
    struct crypto_key *k = parse(pem);
    AUTO_BUF struct buf raw = BUF_INIT(1000);
    AUTO_BUF struct buf text = BUF_INIT(1000);
    struct err e;

    assert_ok(crypto_rs256(k, rfc7515_input, strlen(rfc7515_input), &raw, &e), e);
    text_base64url(&text, raw.p, raw.len);
    assert_string_equal(text.p, rfc7515_signature);
    crypto_key_free(k);
}

static void test_crypto__rs256_gives_the_signature_of_rfc_7515(void **state)
{
    (void)state;
    assert_signs_as_in_rfc7515(rfc7515_key);
}

/* The key as PKCS#8 in PEM; pass NULL = not encrypted. */
static char *pkcs8(EVP_PKEY *pkey, const char *pass)
{
    AUTO_BUF struct buf out = BUF_INIT(20000);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL, *data = NULL;
    struct err e;
    long len;

    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, pkey, pass != NULL ? EVP_aes_256_cbc() : NULL, pass,
                                                   pass != NULL ? (int)strlen(pass) : 0, NULL, NULL),
                     1);
    len = BIO_get_mem_data(bio, &data);
    buf_add(&out, data, (size_t)len);
    assert_ok(buf_take(&out, &text, &e), e);
    BIO_free(bio);
    return text;
}

static EVP_PKEY *rfc7515_pkey(void)
{
    BIO *bio = BIO_new_mem_buf(rfc7515_key, -1);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    BIO_free(bio);
    assert_non_null(pkey);
    return pkey;
}

/* text with every `from` replaced by `to`. */
static void replaced(struct buf *out, const char *text, char from, const char *to)
{
    for (; *text != '\0'; text++) {
        if (*text == from)
            buf_adds(out, to);
        else
            buf_addc(out, *text);
    }
}

static void test_crypto__a_key_may_be_pkcs8_have_escaped_newlines_or_crlf(void **state)
{
    EVP_PKEY *pkey = rfc7515_pkey();
    AUTO_FREE char *p8 = pkcs8(pkey, NULL);
    AUTO_BUF struct buf escaped = BUF_INIT(10000);
    AUTO_BUF struct buf crlf = BUF_INIT(10000);
    AUTO_BUF struct buf prefaced = BUF_INIT(10000);

    (void)state;
    assert_signs_as_in_rfc7515(p8);
    replaced(&escaped, p8, '\n', "\\n");
    assert_signs_as_in_rfc7515(escaped.p);
    replaced(&crlf, rfc7515_key, '\n', "\r\n");
    assert_signs_as_in_rfc7515(crlf.p);
    buf_addf(&prefaced, "\n\nfor muster\n%s\n\n", rfc7515_key);
    assert_signs_as_in_rfc7515(prefaced.p);
    EVP_PKEY_free(pkey);
}

static void assert_refused(const char *text, const char *piece)
{
    AUTO_SECRET struct secret *pem = secret_new(text, strlen(text));
    struct crypto_key *k = NULL;
    struct err e;

    assert_fails(crypto_key_parse(pem, "github.private_key_file /k.pem", &k, &e), ERR_INVALID, piece, e);
    assert_true(text_has_prefix(e.msg, "github.private_key_file /k.pem: "));
    assert_null(k);
}

static void test_crypto__keys_that_cannot_serve_are_refused_with_the_reason(void **state)
{
    EVP_PKEY *small = EVP_RSA_gen(1024), *ec = EVP_EC_gen("P-256"), *good = rfc7515_pkey();
    AUTO_FREE char *small_pem = pkcs8(small, NULL);
    AUTO_FREE char *ec_pem = pkcs8(ec, NULL);
    AUTO_FREE char *locked = pkcs8(good, "hunter2");
    AUTO_FREE char *cut = strndup(rfc7515_key, 800);
    AUTO_BUF struct buf damaged = BUF_INIT(10000);

    (void)state;
    assert_refused(small_pem, "1024 bits; at least 2048");
    assert_refused(ec_pem, "of type EC, not RSA");
    assert_refused(locked, "pass phrase");
    assert_refused(cut, "damaged");
    replaced(&damaged, rfc7515_key, 'Q', "q");
    assert_refused(damaged.p, "damaged");
    assert_refused("", "found none");
    assert_refused("12345", "found none");
    assert_refused("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "found another kind of PEM");
    EVP_PKEY_free(small);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(good);
}

static void test_crypto__a_pass_phrase_opens_the_key_it_was_made_for(void **state)
{
    AUTO_SECRET struct secret *right = secret_new("hunter2", 7), *wrong = secret_new("hunter3", 7);
    EVP_PKEY *good = rfc7515_pkey();
    AUTO_FREE char *locked = pkcs8(good, "hunter2"), *open = pkcs8(good, NULL);
    AUTO_SECRET struct secret *locked_pem = secret_new(locked, strlen(locked)), *pem = secret_new(open, strlen(open));
    AUTO_BUF struct buf a = BUF_INIT(1000), b = BUF_INIT(1000);
    struct crypto_key *k = NULL, *plain = NULL;
    struct err e;

    (void)state;
    assert_fails(crypto_key_unlock(locked_pem, wrong, "k.pem", &k, &e), ERR_INVALID, "k.pem: the pass phrase", e);
    assert_null(strstr(e.msg, "hunter3"));
    assert_fails(crypto_key_unlock(locked_pem, NULL, "k.pem", &k, &e), ERR_INVALID, "protected by a pass phrase", e);
    assert_ok(crypto_key_unlock(locked_pem, right, "k.pem", &k, &e), e);
    assert_ok(crypto_key_unlock(pem, wrong, "k.pem", &plain, &e), e);
    assert_ok(crypto_rs256(k, "x", 1, &a, &e), e);
    assert_ok(crypto_rs256(plain, "x", 1, &b, &e), e);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.p, b.p, a.len);
    crypto_key_free(k);
    crypto_key_free(plain);
    EVP_PKEY_free(good);
}

static void test_crypto__a_generated_key_signs_what_its_public_half_confirms(void **state)
{
    struct crypto_key *k = crypto_key_generate(), *other = crypto_key_generate();
    AUTO_BUF struct buf der = BUF_INIT(1000), sig = BUF_INIT(1000), second = BUF_INIT(1000);
    const unsigned char *p;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY *public_half;
    struct err e;

    (void)state;
    crypto_key_public(k, &der);
    crypto_key_public(other, &second);
    assert_true(der.len != second.len || memcmp(der.p, second.p, der.len) != 0);
    assert_ok(crypto_rs256(k, "text", 4, &sig, &e), e);
    p = (const unsigned char *)der.p;
    public_half = d2i_PUBKEY(NULL, &p, (long)der.len);
    assert_non_null(public_half);
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, public_half), 1);
    assert_int_equal(EVP_DigestVerify(ctx, (const unsigned char *)sig.p, sig.len, (const unsigned char *)"text", 4), 1);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(public_half);
    crypto_key_free(k);
    crypto_key_free(other);
}

static void test_crypto__a_refused_key_is_not_quoted(void **state)
{
    AUTO_SECRET struct secret *pem = secret_new("-----BEGIN PRIVATE KEY-----\nhunter2", 35);
    struct crypto_key *k = NULL;
    struct err e;

    (void)state;
    assert_fails(crypto_key_parse(pem, "key", &k, &e), ERR_INVALID, "damaged", e);
    assert_null(strstr(e.msg, "hunter2"));
}

/* HKDF-SHA256 (RFC 5869) written out with HMAC over the key's PKCS#1 bytes. */
static void test_crypto__derived_keys_are_hkdf_of_the_private_key(void **state)
{
    static const unsigned char no_salt[32];
    AUTO_BUF struct buf body = BUF_INIT(10000);
    AUTO_BUF struct buf der = BUF_INIT(10000);
    const char *begin = strchr(rfc7515_key, '\n') + 1, *end = strstr(rfc7515_key, "-----END");
    struct crypto_key *k = parse(rfc7515_key);
    unsigned char prk[32], expected[32], out[32];
    struct err e;

    (void)state;
    for (const char *p = begin; p < end; p++) {
        if (*p != '\n')
            buf_addc(&body, *p);
    }
    assert_ok(text_unbase64(body.p, body.len, &der, &e), e);
    crypto_hmac_sha256(no_salt, sizeof(no_salt), der.p, der.len, prk);
    crypto_hmac_sha256(prk, sizeof(prk), "user-data\x01", 10, expected);
    crypto_key_derive(k, "user-data", out);
    assert_memory_equal(out, expected, sizeof(out));
    crypto_key_derive(k, "other", out);
    assert_memory_not_equal(out, expected, sizeof(out));
    crypto_key_free(k);
}

static void test_crypto__the_derived_key_does_not_depend_on_the_pem_form(void **state)
{
    EVP_PKEY *pkey = rfc7515_pkey();
    AUTO_FREE char *p8 = pkcs8(pkey, NULL);
    struct crypto_key *a = parse(rfc7515_key), *b = parse(p8);
    unsigned char x[32], y[32];

    (void)state;
    crypto_key_derive(a, "user-data", x);
    crypto_key_derive(b, "user-data", y);
    assert_memory_equal(x, y, sizeof(x));
    crypto_key_free(a);
    crypto_key_free(b);
    EVP_PKEY_free(pkey);
}

static void seal(const char *context, const char *plain, size_t len, struct buf *out)
{
    static const unsigned char key[32] = {1, 2, 3};
    AUTO_SECRET struct secret *s = secret_new(plain, len);
    struct err e;

    assert_ok(crypto_seal(key, context, s, out, &e), e);
}

static void test_crypto__what_was_sealed_opens_again(void **state)
{
    static const unsigned char key[32] = {1, 2, 3};
    uint64_t seed = 23;
    char plain[300];
    struct err e;

    (void)state;
    for (size_t len = 0; len < sizeof(plain); len += 13) {
        AUTO_BUF struct buf sealed = BUF_INIT(1000);
        AUTO_SECRET struct secret *back = NULL;

        unit_random_bytes(&seed, plain, sizeof(plain));
        seal("machine muster-1", plain, len, &sealed);
        assert_ok(crypto_open(key, "machine muster-1", sealed.p, &back, &e), e);
        assert_int_equal(secret_len(back), len);
        assert_memory_equal(secret_reveal(back), plain, len);
    }
}

static void test_crypto__the_same_text_is_sealed_differently_each_time(void **state)
{
    AUTO_BUF struct buf a = BUF_INIT(1000);
    AUTO_BUF struct buf b = BUF_INIT(1000);

    (void)state;
    seal("c", "text", 4, &a);
    seal("c", "text", 4, &b);
    assert_string_not_equal(a.p, b.p);
}

/* NIST's test case 14 of the GCM specification: a key, a nonce and 16 bytes of zeroes. */
static void test_crypto__the_sealed_form_is_nonce_tag_and_ciphertext(void **state)
{
    static const unsigned char key[32];
    AUTO_BUF struct buf sealed = BUF_INIT(100);
    AUTO_SECRET struct secret *plain = NULL;
    unsigned char raw[12 + 16 + 16] = {0};
    struct err e;

    (void)state;
    assert_ok(text_unhex("d0d1c8a799996bf0265b98b5d48ab919", 32, raw + 12, &e), e);
    assert_ok(text_unhex("cea7403d4d606b6e074ec5d3baf39d18", 32, raw + 28, &e), e);
    text_base64(&sealed, raw, sizeof(raw));
    assert_ok(crypto_open(key, "", sealed.p, &plain, &e), e);
    assert_int_equal(secret_len(plain), 16);
    assert_memory_equal(secret_reveal(plain), key, 16);
}

static void test_crypto__any_change_key_or_context_keeps_it_closed(void **state)
{
    static const unsigned char key[32] = {1, 2, 3}, other[32] = {1, 2, 4};
    AUTO_BUF struct buf sealed = BUF_INIT(1000);
    AUTO_BUF struct buf raw = BUF_INIT(1000);
    AUTO_SECRET struct secret *plain = NULL;
    struct err e;

    (void)state;
    seal("row 1", "the user-data", 13, &sealed);
    assert_fails(crypto_open(key, "row 2", sealed.p, &plain, &e), ERR_INVALID, "sealed", e);
    assert_fails(crypto_open(other, "row 1", sealed.p, &plain, &e), ERR_INVALID, "sealed", e);
    assert_ok(text_unbase64(sealed.p, sealed.len, &raw, &e), e);
    for (size_t bit = 0; bit < raw.len * 8; bit++) {
        AUTO_BUF struct buf changed = BUF_INIT(1000);

        raw.p[bit / 8] = (char)(raw.p[bit / 8] ^ (1 << bit % 8));
        text_base64(&changed, raw.p, raw.len);
        assert_fails(crypto_open(key, "row 1", changed.p, &plain, &e), ERR_INVALID, "sealed", e);
        raw.p[bit / 8] = (char)(raw.p[bit / 8] ^ (1 << bit % 8));
    }
    for (size_t len = 0; len < raw.len; len++) {
        AUTO_BUF struct buf cut = BUF_INIT(1000);

        text_base64(&cut, raw.p, len);
        assert_fails(crypto_open(key, "row 1", cut.p != NULL ? cut.p : "", &plain, &e), ERR_INVALID, "sealed", e);
    }
    assert_fails(crypto_open(key, "row 1", "not base64!", &plain, &e), ERR_INVALID, "sealed", e);
    assert_null(plain);
}

/* A field of an SSH key behind *at, which moves on. */
static size_t ssh_field(const struct buf *blob, size_t *at, const unsigned char **out)
{
    const unsigned char *p = (const unsigned char *)blob->p + *at;
    size_t len;

    assert_true(*at + 4 <= blob->len);
    len = ((size_t)p[0] << 24) | ((size_t)p[1] << 16) | ((size_t)p[2] << 8) | p[3];
    assert_true(*at + 4 + len <= blob->len);
    *at += 4 + len;
    *out = p + 4;
    return len;
}

static void test_crypto__an_orphan_ssh_key_is_a_new_rsa_key_of_2048_bits(void **state)
{
    AUTO_BUF struct buf one = BUF_INIT(2048), other = BUF_INIT(2048), blob = BUF_INIT(2048);
    const unsigned char *field;
    size_t at = 0;
    struct err e;

    (void)state;
    crypto_orphan_ssh_key(&one);
    crypto_orphan_ssh_key(&other);
    assert_string_not_equal(one.p, other.p);
    assert_int_equal(strncmp(one.p, "ssh-rsa ", 8), 0);
    assert_ok(text_unbase64(one.p + 8, one.len - 8, &blob, &e), e);
    assert_int_equal(ssh_field(&blob, &at, &field), 7);
    assert_memory_equal(field, "ssh-rsa", 7);
    assert_int_equal(ssh_field(&blob, &at, &field), 3);
    assert_memory_equal(field, "\1\0\1", 3);
    assert_int_equal(ssh_field(&blob, &at, &field), 257);
    assert_int_equal(field[0], 0);
    assert_true(field[1] >= 0x80 && field[256] % 2 == 1);
    assert_int_equal(at, blob.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto__sha256_gives_the_published_answers),
        cmocka_unit_test(test_crypto__hmac_gives_the_answers_of_rfc_4231),
        cmocka_unit_test(test_crypto__hmac_takes_an_empty_key_and_an_empty_message),
        cmocka_unit_test(test_crypto__hmac_in_pieces_equals_hmac_at_once),
        cmocka_unit_test(test_crypto__hmac_begin_forgets_a_message_that_was_given_up),
        cmocka_unit_test(test_crypto__equal_sees_every_bit),
        cmocka_unit_test(test_crypto__random_is_not_the_same_twice),
        cmocka_unit_test(test_crypto__rs256_gives_the_signature_of_rfc_7515),
        cmocka_unit_test(test_crypto__a_key_may_be_pkcs8_have_escaped_newlines_or_crlf),
        cmocka_unit_test(test_crypto__keys_that_cannot_serve_are_refused_with_the_reason),
        cmocka_unit_test(test_crypto__a_pass_phrase_opens_the_key_it_was_made_for),
        cmocka_unit_test(test_crypto__a_generated_key_signs_what_its_public_half_confirms),
        cmocka_unit_test(test_crypto__a_refused_key_is_not_quoted),
        cmocka_unit_test(test_crypto__derived_keys_are_hkdf_of_the_private_key),
        cmocka_unit_test(test_crypto__the_derived_key_does_not_depend_on_the_pem_form),
        cmocka_unit_test(test_crypto__what_was_sealed_opens_again),
        cmocka_unit_test(test_crypto__the_same_text_is_sealed_differently_each_time),
        cmocka_unit_test(test_crypto__the_sealed_form_is_nonce_tag_and_ciphertext),
        cmocka_unit_test(test_crypto__any_change_key_or_context_keeps_it_closed),
        cmocka_unit_test(test_crypto__an_orphan_ssh_key_is_a_new_rsa_key_of_2048_bits),
    };

    return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}
