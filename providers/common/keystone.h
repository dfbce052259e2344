/*
 * Signing in at an OpenStack cloud (Keystone v3) and finding its services: one token with its catalogue, asked for by
 * one thread while the others wait, kept until five minutes before its end (of a short life: until half of it is over).
 * https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management
 *
 * Safe from any thread.
 */
#ifndef MUSTER_PROVIDERS_COMMON_KEYSTONE_H
#define MUSTER_PROVIDERS_COMMON_KEYSTONE_H

#include "providers/common/os_account.h"
#include "providers/common/rest.h"

#define KEYSTONE_REGION_SIZE 64

struct keystone;

/* Everything borrowed, outlives the keystone. timeout_ms: of each request; 0 = 30,000. */
struct keystone *keystone_new(struct httpc *http, const struct os_account *account, int timeout_ms);
void keystone_free(struct keystone *k); /* accepts NULL */

/* How OpenStack's services refuse: Keystone's, Nova's, Neutron's and Glance's forms in one table. */
extern const struct rest_dialect openstack_dialect;

/* A rest_auth_fn over a struct keystone: X-Auth-Token, once more with a new one after a refusal. */
int keystone_auth(void *keystone, const struct rest_call *call, const char *url, const char *text, size_t len,
                  const struct rest_headers *refused, struct rest_headers *out, struct err *e) MUST_USE;

/*
 * Which region of the catalogue is meant? asked NULL: the account's, else the only one that has machines. Else the
 * region of that name; when there is none, *is_region is false and out is what NULL would give: a zone may be meant.
 * ERR_INVALID names what there is.
 */
int keystone_region(struct keystone *k, const char *asked, char out[KEYSTONE_REGION_SIZE], bool *is_region,
                    struct err *e) MUST_USE;

/* Append the regions that have machines, separated by ", ". */
int keystone_regions(struct keystone *k, struct buf *out, struct err *e) MUST_USE;

/* Each region that has machines. */
int keystone_each_region(struct keystone *k, int (*each)(void *arg, const char *region, struct err *e), void *arg,
                         struct err *e) MUST_USE;

/* Append the address of a service ("compute", "image", "network") in a region, without a final '/': the account's own
 * setting, else the catalogue's. ERR_INVALID: there is none on the account's interface. */
int keystone_endpoint(struct keystone *k, const char *type, const char *region, struct buf *out,
                      struct err *e) MUST_USE;

#endif
