#include "tests/support/testtls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

static void must(int ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "testtls: %s failed\n", what);
    abort();
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    must(ext != NULL && X509_add_ext(cert, ext, -1) == 1, value);
    X509_EXTENSION_free(ext);
}

static X509 *make_cert(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *cert = X509_new();
    X509_NAME *subject;
    const unsigned char *cn = (const unsigned char *)name;

    must(cert != NULL, "X509_new");
    must(X509_set_version(cert, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(cert), issuer != NULL ? 2 : 1) == 1,
         "serial number");
    must(X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL &&
             X509_gmtime_adj(X509_getm_notAfter(cert), 86400) != NULL,
         "validity");
    subject = X509_get_subject_name(cert);
    must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, cn, -1, -1, 0) == 1, "subject");
    must(X509_set_issuer_name(cert, issuer != NULL ? X509_get_subject_name(issuer) : subject) == 1, "issuer");
    must(X509_set_pubkey(cert, key) == 1, "public key");
    add_extension(cert, issuer != NULL ? issuer : cert, NID_basic_constraints,
                  issuer != NULL ? "CA:FALSE" : "critical,CA:TRUE");
    if (issuer != NULL) {
        char san[128];

        (void)snprintf(san, sizeof(san), "DNS:%s", name);
        add_extension(cert, issuer, NID_subject_alt_name, san);
    }
    must(X509_sign(cert, issuer_key, EVP_sha256()) > 0, "signing");
    return cert;
}

static void write_pem(const char *path, X509 *cert)
{
    FILE *f = fopen(path, "w");

    must(f != NULL && PEM_write_X509(f, cert) == 1 && fclose(f) == 0, "writing the authority");
}

static void write_client(const char *cert_path, const char *key_path, X509 *ca, EVP_PKEY *ca_key)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = make_cert("client", key, ca, ca_key);
    FILE *f = fopen(key_path, "w");

    must(f != NULL && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(f) == 0,
         "the client's key");
    write_pem(cert_path, cert);
    X509_free(cert);
    EVP_PKEY_free(key);
}

SSL_CTX *testtls_mutual(const char *ca_path, const char *host, const char *client_cert, const char *client_key)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *ca = make_cert("muster test authority", ca_key, NULL, ca_key);
    X509 *cert = make_cert(host, key, ca, ca_key);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    must(ctx != NULL && SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1,
         "the server's context");
    write_pem(ca_path, ca);
    if (client_cert != NULL) {
        write_client(client_cert, client_key, ca, ca_key);
        must(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca) == 1, "the server's authority");
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return ctx;
}

SSL_CTX *testtls_new(const char *ca_path, const char *host)
{
    return testtls_mutual(ca_path, host, NULL, NULL);
}
