/*
 * `instance_type` on Oracle Cloud: a shape, with the size of a flexible one behind it.
 *
 *     VM.GPU.A10.1                 a fixed shape
 *     VM.Standard.E4.Flex:4:16     4 OCPUs (8 virtual CPUs of x86), 16 GB; so each candidate of a list has its own size
 *     VM.Standard.E4.Flex:4        memory as Oracle gives it with so many OCPUs
 *     VM.Standard.E4.Flex          extra_config `ocpus` and `memory` (GB); without them 2 OCPUs and 16 GB
 *
 * Beside it, extra_config `bootVolumeSizeInGBs`.
 */
#ifndef MUSTER_PROVIDERS_COMMON_OCI_SHAPE_H
#define MUSTER_PROVIDERS_COMMON_OCI_SHAPE_H

#include "server/base/json.h"

struct oci_shape {
    char name[64];
    bool flexible;
    int64_t ocpus, memory_gb; /* of a flexible one; memory 0 = Oracle's choice */
    int64_t boot_gb;          /* 0 = the image's own */
};

/* extra may be NULL. ERR_INVALID: not written like a shape, or a size for a shape that has a fixed one. */
int oci_shape_parse(const char *instance_type, const json_t *extra, struct oci_shape *out, struct err *e) MUST_USE;

/* "arm64" of Ampere's and Grace shapes, else "x64". */
const char *oci_shape_arch(const char *instance_type);

#endif
