/*
 * What a machine shall be, in the words of instances.insert:
 * https://cloud.google.com/compute/docs/reference/rest/v1/instances/insert
 *
 * Every machine ends by itself: maxRunDuration with instanceTerminationAction DELETE, of spot capacity too. One with a
 * GPU is not moved to another host (onHostMaintenance TERMINATE), which Google demands. Disks that the launch makes go
 * with the machine; an existing one stays. A machine image brings its own disks.
 */
#ifndef MUSTER_PROVIDERS_COMMON_GCP_SPEC_H
#define MUSTER_PROVIDERS_COMMON_GCP_SPEC_H

#include "providers/common/gcp_image.h"
#include "providers/common/label.h"
#include "providers/common/machine.h"

extern const struct label_rule gcp_label_rule;

/* Where it shall be. Borrowed. */
struct gcp_place {
    const char *project, *zone;
    const char *network; /* of the account; NULL = "default" */
};

/* "x64" or "arm64" */
const char *gcp_arch(const char *instance_type);

/* Is it a zone (us-central1-a), is it a project's id, as far as can be told? ERR_INVALID. */
int gcp_zone_check(const char *zone, struct err *e) MUST_USE;
int gcp_project_check(const char *project, struct err *e) MUST_USE;

/* The network of the account: "name", or a path to a network or a subnetwork. ERR_INVALID. */
int gcp_network_check(const char *network, struct err *e) MUST_USE;

/* Is everything named that has to be, and written as it should? ERR_INVALID with the remedy. */
int gcp_spec_check(const struct machine_spec *s, struct err *e) MUST_USE;

/* Of a sound spec. A zone is judged as itself and as its region. */
int gcp_facts_make(const struct gcp_place *at, const struct machine_spec *s, struct machine_facts *out,
                   struct err *e) MUST_USE;

/* The project that extra_config names, or NULL. ERR_INVALID. */
int gcp_project_of(const struct machine_spec *s, const char **out, struct err *e) MUST_USE;

/* The body of the request, and what its image stands for: of a machine image, the query says it. ERR_INVALID: what the
 * spec says is wrong, with the remedy. */
int gcp_body(const struct gcp_place *at, const struct launch_request *r, struct gcp_image *image, json_t **out,
             struct err *e) MUST_USE;

#endif
