/* Health, readiness, metrics: what operators and their machines ask. The loop's thread only. */
#ifndef MUSTER_API_STATUS_H
#define MUSTER_API_STATUS_H

#include "server/api/request.h"

enum MHD_Result status_health(struct request *r); /* 200 while the loop turns */
enum MHD_Result status_ready(struct request *r);  /* 200, or 503 with the reason */
enum MHD_Result status_metrics(struct request *r);

/* Does the request carry the admin token, if one is asked for? */
bool status_is_permitted(const struct request *r);

#endif
