/* Keys and certificates as PEM texts, for tests. What cannot be made ends the program. The caller frees the texts. */
#ifndef MUSTER_TESTS_PEM_H
#define MUSTER_TESTS_PEM_H

#include <openssl/evp.h>

/* PKCS#8, encrypted when there is a pass phrase. */
char *pem_key(EVP_PKEY *key, const char *pass_phrase);

/* A certificate that the key gives itself for an hour; unit: its organizational unit. */
char *pem_cert(EVP_PKEY *key, const char *unit);

#endif
