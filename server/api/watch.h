/* What our epoll descriptor calls when a descriptor becomes readable. Embedded in its owner, which outlives it. */
#ifndef MUSTER_API_WATCH_H
#define MUSTER_API_WATCH_H

struct watch {
    void (*ready)(void *arg);
    void *arg;
};

#endif
