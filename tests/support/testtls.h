/*
 * Certificates made at test time: an authority, and a TLS server context with a certificate of it.
 */
#ifndef MUSTER_TESTS_TESTTLS_H
#define MUSTER_TESTS_TESTTLS_H

#include <openssl/ssl.h>

/* A self-signed authority written in PEM to ca_path, and a server certificate of it for DNS name `host`. The caller
 * frees the context with SSL_CTX_free. Ends the program when anything fails. */
SSL_CTX *testtls_new(const char *ca_path, const char *host);

#endif
