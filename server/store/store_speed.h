/*
 * How fast candidates came up lately, and until when they refused.
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

#endif
