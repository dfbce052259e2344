/*
 * What a daemon under test and its test share: preload.c, put before the C library by LD_PRELOAD, counts the daemon's
 * calls that leave a trace outside the process and ends it at the k-th, lets its clocks run faster, and keeps of the
 * store's files what was synced. The struct lies in a file that both map; SHIM_VARIABLE names it.
 */
#ifndef MUSTER_TESTS_PRELOAD_SHIM_H
#define MUSTER_TESTS_PRELOAD_SHIM_H

#include <stdatomic.h>
#include <stdint.h>

#define SHIM_VARIABLE "SHIM_FILE"
#define SHIM_SYNCED "-synced" /* STORE-synced and STORE-wal-synced: what a loss of power leaves at least */

enum shim_how {
    SHIM_NEVER,
    SHIM_BEFORE, /* SIGKILL in place of the call */
    SHIM_AFTER,  /* it happens, then SIGKILL, before its result is known */
    SHIM_TORN    /* half of what it writes is written, then SIGKILL; as AFTER where nothing is written */
};

struct shim {
    _Atomic int64_t calls;    /* of this process, so far */
    int64_t kill_at;          /* the first call is 1; 0 = none */
    int32_t how;              /* enum shim_how */
    int32_t no_sync;          /* fsync succeeds at once: SIGKILL loses nothing that was written */
    int32_t keep_synced;      /* make the SHIM_SYNCED files */
    int32_t rate;             /* seconds of the daemon in a real one */
    int64_t base_mono_ns;     /* CLOCK_MONOTONIC and ... */
    int64_t base_wall_ns;     /* ... CLOCK_REALTIME when rate began to count */
    _Atomic int64_t ahead_ns; /* both clocks have jumped ahead by this */
    char what[160];           /* the call it ended at: name, then path or address family */
};

#endif
