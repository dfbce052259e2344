/*
 * Certificates made at test time: an authority, and a TLS server context with a certificate of it.
 */
#ifndef MUSTER_TESTS_TESTTLS_H
#define MUSTER_TESTS_TESTTLS_H

#include <openssl/ssl.h>

/* A self-signed authority written in PEM to ca_path, and a server certificate of it for DNS name `host`. The caller
 * frees the context with SSL_CTX_free. Ends the program when anything fails. */
SSL_CTX *testtls_new(const char *ca_path, const char *host);

/* The same server asking its clients for a certificate of the same authority; one for a client is written to
 * client_cert and its key to client_key. */
SSL_CTX *testtls_mutual(const char *ca_path, const char *host, const char *client_cert, const char *client_key);

#endif
