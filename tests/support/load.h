/*
 * A load generator: many signed deliveries, each with its own job id, delivery id and signature, over connections that
 * are kept or made anew, from one thread.
 */
#ifndef MUSTER_TESTS_LOAD_H
#define MUSTER_TESTS_LOAD_H

#include "server/base/secret.h"

#include <stdint.h>

struct load {
    int port;
    const char *path; /* NULL = /webhook */
    const struct secret *secret;
    size_t total;     /* deliveries */
    unsigned at_once; /* connections */
    bool keep;        /* keep connections; else each delivery gets a new one */
    size_t body_size; /* bytes */
    bool prepare; /* write and sign everything before the clock starts: costs memory, frees the CPU for the server */
    int64_t first_job; /* ids from here on; 0 = PAYLOAD_FIRST_ID */
    int patience_ms;   /* give up when nothing at all is answered for so long; 0 = 20,000 */
};

struct load_result {
    size_t accepted; /* 202 or 200 */
    size_t refused;  /* any other code */
    size_t lost;     /* no answer */
    int64_t took_us;
    int64_t p50_us, p99_us, max_us; /* from before the connect (or the first byte) to the answer */
};

/* Run it to its end. false: it stalled. */
bool load_run(const struct load *l, struct load_result *out);

#endif
