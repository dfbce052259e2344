/* What the parts of one server share. The loop's thread only. */
#ifndef MUSTER_API_CONTEXT_H
#define MUSTER_API_CONTEXT_H

#include "server/api/answer.h"
#include "server/api/conn.h"
#include "server/api/handover.h"
#include "server/api/linger.h"
#include "server/api/server.h"

struct api_context {
    struct api_conf conf; /* defaults filled in */
    struct answers *answers;
    struct handover_queue *queue;
    struct lingering *linger;
    const struct conn_table *clients; /* of the public listener */
    int64_t now_ms;                   /* monotonic, of this turn of the loop */
    bool stopping;
    size_t body_bytes;    /* held by all bodies under way */
    struct request *pool; /* used before, ready for the next */
    unsigned pooled;
    struct { /* lines about refused deliveries: so many a second */
        int64_t second;
        unsigned written, dropped;
    } refusals;
    struct { /* of machines for their bootstrap */
        int64_t second;
        unsigned n;
    } provisions;
};

#endif
