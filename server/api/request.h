/*
 * One HTTP request under way: its body as far as it came, and the hash of it. Used again and again, because making a
 * hash context costs more than hashing. The loop's thread only.
 */
#ifndef MUSTER_API_REQUEST_H
#define MUSTER_API_REQUEST_H

#include "server/api/conn.h"
#include "server/api/context.h"
#include "server/github/signature.h"

#define GUID_MAX 64

struct route;

struct request {
    struct request *next; /* in the pool */
    struct api_context *x;
    struct conn_table *conns;
    struct conn *conn;
    struct MHD_Connection *mhd;
    const struct route *route;
    bool is_post; /* of a route that takes GET too */
    int64_t began_us;

    bool decided; /* the answer is known; what still arrives is thrown away */
    enum answer_id verdict;
    bool logged; /* why it was refused */

    int64_t declared;  /* Content-Length; -1 = not said */
    uint64_t received; /* bytes of body, kept or not */
    struct buf body;
    size_t charged; /* to x->body_bytes */
    struct signature *signature;

    char guid[GUID_MAX + 1];
    struct handover *handover; /* away in the store, or NULL */
    bool provisions;           /* a machine asks for its bootstrap */
    struct secret *script;     /* what it is given */
    bool suspended;
    int64_t job_id; /* of the delivery handed over: for the log */
    enum job_state job_state;
    char repo[256];
};

struct request *request_new(struct api_context *x, struct conn_table *conns, struct conn *conn,
                            struct MHD_Connection *mhd);
void request_release(struct request *r);
void request_pool_free(struct api_context *x);

/* Append to the body. false: all bodies together would hold more than they may; the body is gone then. */
bool request_body_add(struct request *r, const void *data, size_t len);
void request_body_drop(struct request *r);

/* From here on only `verdict` matters. */
void request_decide(struct request *r, enum answer_id verdict);

/* The table of answers was asked while it waited: back to the loop with its answer. */
void request_resume(struct request *r);

/* Not suspended at once but when libmicrohttpd asks again, in its next turn: by then it no longer wants to read from
 * the connection, so that on its resumption a client that has half-closed it gets its answer. (It would read first,
 * find the end of the stream and drop the request. This also saves that read.) */
enum MHD_Result request_wait(struct request *r);

/* Does it carry this bearer token? */
bool request_bears(const struct request *r, const struct secret *token);

/* May another line about a refusal be written this second? */
bool request_may_log(struct api_context *x);

#endif
