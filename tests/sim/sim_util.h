/*
 * Small things the simulators share. They are written apart from server/base on purpose: a simulator judges the daemon,
 * so it must not agree with it by sharing its mistakes. Only memory, buffers, errors and the clock are common.
 */
#ifndef MUSTER_TESTS_SIM_UTIL_H
#define MUSTER_TESTS_SIM_UTIL_H

#include "server/base/buf.h"

#include <stdint.h>

/* Seeded pseudo-random numbers (splitmix64): a run can be repeated. */
uint64_t sim_rng(uint64_t *state);
double sim_rng_unit(uint64_t *state); /* 0 <= x < 1 */
void sim_rng_guid(uint64_t *state, char out[37]);
void sim_rng_base64(uint64_t *state, size_t bytes, struct buf *out);

void sim_base64(struct buf *out, const void *data, size_t len);
/* Strict: alphabet, padding (standard alphabet) or none (URL alphabet). */
bool sim_unbase64(const char *s, size_t len, bool url_alphabet, struct buf *out);
/* False on a broken escape. */
bool sim_url_decode(const char *s, size_t len, bool plus_is_space, struct buf *out);
void sim_url_encode(struct buf *out, const char *s, size_t len);
void sim_hex(const unsigned char *data, size_t len, char *out); /* out holds 2 * len + 1 */
void sim_sha256_hex(const void *data, size_t len, char out[65]);
void sim_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, unsigned char out[32]);

void sim_time_iso(int64_t ms, char out[32]);     /* 2021-09-13T02:21:13Z */
void sim_time_iso_ms(int64_t ms, char out[32]);  /* 2021-09-13T02:21:13.000Z */
void sim_time_http(int64_t ms, char out[40]);    /* Mon, 13 Sep 2021 02:21:13 GMT */
void sim_time_compact(int64_t ms, char out[20]); /* 20210913T022113Z */
bool sim_time_parse_compact(const char *s, int64_t *ms);

/* "*" and "?" as in EC2's filters. */
bool sim_glob(const char *pattern, const char *s);

/* An RSA key pair in PEM, for tests; the caller frees both. */
void sim_rsa_key(char **private_pem, char **public_pem);

#endif
