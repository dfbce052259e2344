/*
 * What GPUs the clouds' instance types have. Static tables; every function is pure and safe on any thread.
 *
 * Names of GPUs are generic, lower case, one for all clouds: "t4", "a10g", "a100", "rtx-pro-6000". A kind with more
 * memory than the plain one has it in its name: "a100" has 40 GB, "a100-80gb" 80; "v100" 16, "v100-32gb"; "h100" 80,
 * "h100-94gb" (NVL). Memory is what vendors print on the box, in whole GiB: a driver shows up to 8 % less of it
 * (an A10G of 24 GB shows 22.5).
 *
 * A new row: copy one of the same cloud in gpu_catalog_table.c, write the type as the cloud writes it, keep it with
 * the group whose source names all its numbers (or begin a group with source and date), and run test_gpu_catalog; a
 * new model also wants its line in gpu_model.c. A row whose numbers no source confirms stays out.
 */
#ifndef MUSTER_PROVIDERS_COMMON_GPU_CATALOG_H
#define MUSTER_PROVIDERS_COMMON_GPU_CATALOG_H

#include "providers/common/gpu_model.h"

enum gpu_age {
    GPU_CURRENT,
    GPU_PREVIOUS, /* of an earlier generation: chosen only when nothing current fits */
    GPU_RETIRED   /* the cloud gives it to nobody any more: known, never chosen */
};

struct gpu_type {
    const char *cloud, *instance_type;
    const char *gpu;   /* generic name */
    int gpus;          /* devices that the machine sees */
    int slice;         /* each is 1/slice of a GPU; 1 = a whole one */
    int gpu_memory_gb; /* of one device */
    int vcpus;         /* threads */
    int memory_gb;     /* of the host */
    const char *arch;  /* "x64", "arm64" */
    bool attached;     /* gcp N1: the GPU is no part of the type but attached to it, any N1 will do */
    enum gpu_age age;
};

/* All rows, grouped by cloud. */
extern const struct gpu_type gpu_catalog[];
extern const size_t gpu_catalog_n;

/* The row of an instance type, compared without case; NULL: not known, or a type that carries no GPU of its own. */
const struct gpu_type *gpu_catalog_find(const char *cloud, const char *instance_type);

/* The smallest type with this GPU (any spelling; "a100" also takes a100-80gb when nothing smaller fits): whole GPUs
 * only, at least min_gpus of them with at least min_memory_gb each (0 = any). Smallest: not of an earlier generation,
 * then fewest GPUs, then least GPU memory, fewest vCPUs, least memory. NULL: none known. */
const struct gpu_type *gpu_catalog_smallest(const char *cloud, const char *gpu, int min_gpus, int min_memory_gb);

/* The same among the GPUs that are attached to a machine type (gcp N1): what to attach, row->gpus of row->gpu. */
const struct gpu_type *gpu_catalog_attached(const char *cloud, const char *gpu, int min_gpus, int min_memory_gb);

/* Does the catalogue have rows of this cloud? */
bool gpu_catalog_has_cloud(const char *cloud);

/* Is it certain that this type can have no GPU at all (aws m5.large, azure Standard_D4s_v5, gcp e2-standard-4)?
 * false: it has one, or nothing is known. */
bool gpu_catalog_has_none(const char *cloud, const char *instance_type);

/* Is it a gcp machine type to which GPUs can be attached (N1, custom N1)? */
bool gpu_catalog_takes_attached(const char *cloud, const char *instance_type);

#endif
