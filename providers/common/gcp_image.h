/*
 * What a machine_image stands for on Google Cloud:
 *
 *   ubuntu2204, debian12, ...                  an alias: the newest image of a public family
 *   NAME                                       an image, or a family, of project ubuntu-os-cloud
 *   PROJECT:NAME                               the same of another project
 *   [projects/P/]global/images/N               an image
 *   [projects/P/]global/images/family/F        the newest of a family
 *   [projects/P/]global/machineImages/N        a whole machine, disks and all
 *   https://www.googleapis.com/compute/v1/...  any of the last three as a self-link
 *
 * In Google's own projects every image's name ends in its date ("-v20240501"), so there a name without one is a
 * family's. In any other project a name is an image's.
 * Source: "Images", "Operating system details", "Machine images" of the Compute Engine documentation.
 */
#ifndef MUSTER_PROVIDERS_COMMON_GCP_IMAGE_H
#define MUSTER_PROVIDERS_COMMON_GCP_IMAGE_H

#include "server/base/fact.h"

#include <stdbool.h>

struct gcp_image {
    char path[256]; /* "projects/P/global/images/family/F" */
    bool machine;   /* a machine image: it brings its own disks */
};

/* project: of forms without one; arch: of the machine ("x64", "arm64"), for aliases. ERR_INVALID with the forms. */
int gcp_image_find(const char *image, const char *project, const char *arch, struct gcp_image *out,
                   struct err *e) MUST_USE;

/* Every spelling of it: its path, its alias, in short, and without the project when that is the machine's own. */
int gcp_image_spellings(const char *image, const char *project, const char *arch, struct fact *out,
                        struct err *e) MUST_USE;

/* Every spelling of it: its path, its alias, in short, and without the project when that is the machine's own. */
int gcp_image_spellings(const char *image, const char *project, const char *arch, struct fact *out,
                        struct err *e) MUST_USE;

#endif
