/*
 * How fast candidates came up lately, until when they refused, and which are left alone for now.
 */
#ifndef MUSTER_STORE_STORE_SPEED_H
#define MUSTER_STORE_STORE_SPEED_H

#include "server/store/store.h"

struct store_speed {
    int64_t boot_ms;          /* from the accepted launch to the runner, as a moving mean; 0 = it never came up */
    int64_t refused_until_ms; /* it had no room: until then it hardly has any; 0 = it had */
};
/* key: what stands for a candidate, such as "aws eu-west-1 g4dn.xlarge spot". Rows of 30 days ago are forgotten. */
int store_speed_booted(struct store_tx *t, const char *key, int64_t took_ms, int64_t now_ms, struct err *e) MUST_USE;
int store_speed_refused(struct store_tx *t, const char *key, int64_t until_ms, int64_t now_ms, struct err *e) MUST_USE;
int store_speed_get(struct store_tx *t, const char *key, struct store_speed *out, struct err *e) MUST_USE; /* 0, 0 */

/* What is held against a candidate: refusals in a row, and until when it is left alone for them. Who comes first after
 * that holds the probe until probe_until_ms, and the others wait for its outcome. */
struct store_breaker {
    int64_t failures, failed_ms; /* failed_ms: the last one's */
    int64_t open_until_ms;       /* 0 = it was never open */
    int64_t probe_until_ms;      /* 0 = nobody probes */
    char kind[16];               /* of the last one: err_kind_name's word, or "boot" */
    char probe[64];              /* machine */
};
int store_breaker_get(struct store_tx *t, const char *key, struct store_breaker *out, bool *found,
                      struct err *e) MUST_USE;
int store_breaker_put(struct store_tx *t, const char *key, const struct store_breaker *b, struct err *e) MUST_USE;
int store_breaker_drop(struct store_tx *t, const char *key, struct err *e) MUST_USE;
/* Something ended: whatever begins with this and was refused for this kind may be tried from now on. */
int store_breaker_relax(struct store_tx *t, const char *prefix, const char *kind, int64_t now_ms,
                        struct err *e) MUST_USE;
/* Forgets whose last failure and whose end are before then; how many of the rest have failed at least so often. */
int store_breaker_count(struct store_tx *t, int64_t before_ms, int64_t failures, int64_t *out, struct err *e) MUST_USE;

#endif
