/*
 * Calls of OpenStack's services in one region, and what the names of .cirun.yml stand for there: flavor, image,
 * network, availability zone. What a name stood for is remembered for ten minutes; what was not found is asked for
 * again.
 *
 *   https://docs.openstack.org/api-ref/compute/  https://docs.openstack.org/api-ref/image/v2/
 *   https://docs.openstack.org/api-ref/network/v2/
 *
 * Safe from any thread.
 */
#ifndef MUSTER_PROVIDERS_COMMON_OS_API_H
#define MUSTER_PROVIDERS_COMMON_OS_API_H

#include "providers/common/keystone.h"
#include "server/base/cache.h"

struct os_api {                /* borrowed, but for what os_api_open makes */
    struct rest_client client; /* without a base: for rest_nonsense and rest_refuse */
    struct keystone *keystone;
    struct cache *found;
};

void os_api_open(struct os_api *a, struct httpc *http, const struct os_account *account, int timeout_ms);
void os_api_close(struct os_api *a);

/* "compute", "image" or "network"; call->path is below the service's version ("/servers", "/images"). Nova is asked in
 * microversion 2.67. */
int os_call(const struct os_api *a, const char *service, const char *region, const struct rest_call *call,
            struct rest_res *res, struct err *e) MUST_USE;

/* The headers of a call to Nova, for rest_show. */
extern const struct httpc_header os_compute_headers[1];

/*
 * All pages of a list of Nova: plural is its name in the answer ("servers"), query NULL = none. Next pages are asked
 * for by marker: the links lead where the cloud believes it stands, which is another host behind many a proxy.
 */
typedef int os_visit_fn(void *arg, const json_t *item, struct err *e);
int os_pages(const struct os_api *a, const char *region, const char *path, const char *query, const char *plural,
             os_visit_fn *visit, void *arg, struct err *e) MUST_USE;

#define OS_ID_SIZE 256

struct os_found {
    char id[OS_ID_SIZE];
    int64_t disk_gb; /* of a flavor; 0 = it has none: the machine boots from a volume */
};

/* Each by name or id; ERR_INVALID: no such thing. A name counts before an id; of several images the newest. */
int os_flavor(const struct os_api *a, const char *region, const char *name, struct os_found *out,
              struct err *e) MUST_USE;
int os_image(const struct os_api *a, const char *region, const char *name, struct os_found *out,
             struct err *e) MUST_USE;
int os_network(const struct os_api *a, const char *region, const char *name, struct os_found *out,
               struct err *e) MUST_USE;
/* out->id is the zone's name. */
int os_zone(const struct os_api *a, const char *region, const char *name, struct os_found *out, struct err *e) MUST_USE;

/* Is it written like one ("8f4e...-...")? Then it needs no look-up. */
bool os_is_uuid(const char *s);

#endif
