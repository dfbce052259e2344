#include "tests/support/pem.h"

#include "server/base/mem.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void must(bool ok)
{
    if (!ok)
        abort();
}

static char *take(BIO *bio)
{
    char *text = NULL, *copy;
    long n = BIO_get_mem_data(bio, &text);

    must(n > 0);
    copy = mem_strndup(text, (size_t)n);
    BIO_free(bio);
    return copy;
}

char *pem_key(EVP_PKEY *key, const char *pass_phrase)
{
    BIO *bio = BIO_new(BIO_s_mem());

    must(PEM_write_bio_PKCS8PrivateKey(bio, key, pass_phrase != NULL ? EVP_aes_256_cbc() : NULL, pass_phrase,
                                       pass_phrase != NULL ? (int)strlen(pass_phrase) : 0, NULL, NULL) == 1);
    return take(bio);
}

char *pem_cert(EVP_PKEY *key, const char *unit)
{
    BIO *bio = BIO_new(BIO_s_mem());
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);

    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"machine", -1, -1, 0) == 1);
    must(X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_ASC, (const unsigned char *)unit, -1, -1, 0) == 1);
    must(X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL);
    must(X509_gmtime_adj(X509_getm_notAfter(cert), 3600) != NULL);
    must(X509_set_pubkey(cert, key) == 1 && X509_sign(cert, key, EVP_sha256()) > 0);
    must(PEM_write_bio_X509(bio, cert) == 1);
    X509_free(cert);
    return take(bio);
}
