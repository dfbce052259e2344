/*
 * What a machine on Azure shall be: is its spec sound, and the bodies of the requests that make it.
 *
 * https://learn.microsoft.com/en-us/rest/api/compute/virtual-machines/create-or-update
 * https://learn.microsoft.com/en-us/azure/virtual-machines/extensions/custom-script-windows
 * https://learn.microsoft.com/en-us/azure/virtual-machines/user-data
 */
#ifndef MUSTER_PROVIDERS_COMMON_AZURE_REQUEST_H
#define MUSTER_PROVIDERS_COMMON_AZURE_REQUEST_H

#include "providers/common/azure_image.h"
#include "providers/common/machine.h"

#define AZURE_USER_DATA_MAX ((size_t)65535)

struct azure_place {    /* borrowed, of the account */
    const char *region; /* NULL = none configured */
    const char *subnet; /* path; {region} in it stands for the machine's region */
    struct cache *keys; /* the one public key of all machines */
};
struct cache *azure_keys_new(void); /* free with cache_free */

int azure_region_check(const char *region, struct err *e) MUST_USE;
/* NULL = neither the spec nor the account names one. */
const char *azure_region_of(const struct azure_place *p, const struct machine_spec *s);
bool azure_is_windows(const struct machine_spec *s);

/* All that can be told offline; ERR_INVALID with the remedy. */
int azure_check_spec(const struct azure_place *p, const struct machine_spec *s, struct err *e) MUST_USE;
int azure_facts(const struct azure_place *p, const struct machine_spec *s, struct machine_facts *out,
                struct err *e) MUST_USE;
int azure_check_request(const struct launch_request *r, struct err *e) MUST_USE;

/* Of virtualMachines.createOrUpdate. Without user-data: to be shown, secrets are "***". The caller owns *out. */
int azure_make_body(const struct azure_place *p, const struct launch_request *r, const struct azure_image_facts *facts,
                    json_t **out, struct err *e) MUST_USE;
/* Of virtualMachineExtensions.createOrUpdate: runs user-data as a PowerShell script. */
int azure_make_script(const struct azure_place *p, const struct launch_request *r,
                      const struct azure_image_facts *facts, json_t **out, struct err *e) MUST_USE;
/* Is there one to run? Not where the image fetches its own. */
bool azure_has_script(const struct launch_request *r);

#endif
