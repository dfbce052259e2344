/*
 * The connections of one listener, by what we wait for, each with its deadline, so that a slow, silent or half-closed
 * client costs a descriptor for a bounded time and nothing else. Deadlines run from the start of a state, not from the
 * last byte: a trickle does not prolong them. The loop's thread only.
 */
#ifndef MUSTER_API_CONN_H
#define MUSTER_API_CONN_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct request;

enum conn_state {
    CONN_RECEIVING, /* a request's headers and body */
    CONN_WAITING,   /* for the store */
    CONN_ANSWERING, /* for the client to take the answer */
    CONN_IDLE,      /* kept for another request */
    CONN_CLOSING    /* shut down by us; libmicrohttpd will notice */
};
#define CONN_STATES (CONN_CLOSING + 1)

struct conn {
    struct conn *prev, *next;
    enum conn_state state;
    int64_t since_ms;
    int fd;
    bool heard;              /* a request line came */
    struct request *request; /* under way, or NULL */
};

struct conn_list { /* oldest first */
    struct conn *head, *tail;
};

struct conn_table {
    struct conn_list lists[CONN_STATES];
    int timeout_ms[CONN_STATES]; /* 0 = none */
    unsigned n, limit;
    int64_t swept_ms;
    bool is_stopping;
};

struct conn *conn_add(struct conn_table *t, struct MHD_Connection *mhd, int64_t now_ms);
void conn_remove(struct conn_table *t, struct conn *c);
void conn_move(struct conn_table *t, struct conn *c, enum conn_state state, int64_t now_ms);
struct conn *conn_of(struct MHD_Connection *mhd);

/* End it as if the client had: libmicrohttpd sees the socket's end and cleans up. */
void conn_shut(struct conn_table *t, struct conn *c, int64_t now_ms);

/* The first of two deadlines; -1 = none. */
int64_t conn_sooner(int64_t a, int64_t b);
/* When the first deadline comes; -1 = none. */
int64_t conn_next_deadline(const struct conn_table *t);
/* Shut down what is over its deadline; those that wait for the store go to `give_up` instead. */
void conn_expire(struct conn_table *t, int64_t now_ms, void (*give_up)(struct conn *c));
/* Once a second: shut down those whose client has said its last word without finishing a request. libmicrohttpd misses
 * the end of the stream when it comes together with the last bytes: a short read lets it wait for an edge that was. */
void conn_sweep(struct conn_table *t, int64_t now_ms);
/* Whoever asks for nothing for longest leaves. False: nobody does. */
bool conn_shed_idle(struct conn_table *t, int64_t now_ms);
/* The table is full: whoever kept us waiting longest leaves. */
void conn_make_room(struct conn_table *t, int64_t now_ms);
/* Stopping: those kept for another request leave at once; those that came without a word yet, two seconds after they
 * came: until then their request may be on its way, and nobody else will answer it. */
void conn_stop(struct conn_table *t, int64_t now_ms);
/* Requests received in part or whole and not answered yet. */
bool conn_busy(const struct conn_table *t);

#endif
