/*
 * A GitHub of a few lines for tests of the App client: it hands out installation tokens ("ghs_1", "ghs_2", ... valid
 * for an hour by base/clock.h) and answers everything else from a list, the last item repeating. It judges nothing;
 * tests look at what was asked. (tests/sim/ has the strict one.)
 */
#ifndef MUSTER_TESTS_GHTEST_H
#define MUSTER_TESTS_GHTEST_H

#include "server/base/json.h"
#include "server/github/api.h"
#include "tests/support/rawserver.h"

#include <openssl/evp.h>
#include <pthread.h>

#define GHT_REPLIES 16
#define GHT_INSTALLATION 77
#define GHT_REPO_ID 1296269

struct ght_reply {
    int status;
    const char *headers, *body; /* borrowed */
    enum raw_act act;
};

struct ghtest {
    struct rawserver *server;
    struct httpc *http;
    struct github *github;
    struct crypto_key *key;
    EVP_PKEY *pkey; /* the same key, for checking signatures */
    char api_url[96];
    pthread_mutex_t lock; /* protects the rest */
    struct ght_reply api[GHT_REPLIES], mint[GHT_REPLIES];
    size_t n_api, at_api, n_mint, at_mint;
    int tokens;
};

/* base_path: "" or "/api/v3". The client's App id is "12345". */
void ght_start(struct ghtest *t, const char *base_path);
void ght_stop(struct ghtest *t);
#define AUTO_GHT AUTO(ght_stop)

/* The next answer to a call, and to a request for a token (without one: a token). */
void ght_answer(struct ghtest *t, int status, const char *headers, const char *body);
void ght_answer_mint(struct ghtest *t, int status, const char *headers, const char *body);
/* The same with an answer that is badly delivered. */
void ght_answer_act(struct ghtest *t, enum raw_act act, int status, const char *headers, const char *body);

/* Forget the answers to calls given so far. */
void ght_forget(struct ghtest *t);

/* The i-th request for a token, and the i-th other one; NULL when there is none. */
const struct raw_request *ght_mint(struct ghtest *t, size_t i);
const struct raw_request *ght_call(struct ghtest *t, size_t i);
size_t ght_mints(struct ghtest *t);
size_t ght_calls(struct ghtest *t);

/* Is it "Bearer JWT" with a good signature? The claims go to out (caller: json_decref), else NULL. */
json_t *ght_verify_jwt(struct ghtest *t, const char *authorization);

extern const struct github_repo ght_repo; /* "octo/hello" */

#endif
