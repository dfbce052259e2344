/*
 * What a host with an engine holds and what is left of it: sizes of containers, and which GPU is whose. The engine
 * keeps no account of either; the labels of the containers are the truth. Pure: no network, no state.
 */
#ifndef MUSTER_PROVIDERS_COMMON_DOCKER_SLOTS_H
#define MUSTER_PROVIDERS_COMMON_DOCKER_SLOTS_H

#include "server/base/json.h"

#include <stdbool.h>

#define DOCKER_GIB ((int64_t)1024 * 1024 * 1024)
#define DOCKER_MAX_GPUS 64

/* "{N}vcpu-{M}gb[-{D}gb]": processors, memory, disk (0 = not said); ERR_INVALID says how to write it. */
struct docker_size {
    int64_t cpus, memory_gb, disk_gb;
};
int docker_size_parse(const char *type, struct docker_size *out, struct err *e) MUST_USE;

/* Which GPUs a container shall have: extra_config.gpu as `docker run --gpus` takes it (all, a number, device=0,1); else
 * as many as are asked for at least, or one when only a model is. */
struct docker_gpu_ask {
    enum docker_gpu_want { DOCKER_GPU_NONE, DOCKER_GPU_ALL, DOCKER_GPU_COUNT, DOCKER_GPU_THESE } want;
    int count;
    uint64_t these; /* a bit for each index */
};
int docker_gpu_ask_parse(const json_t *gpu, const char *model, int least, struct docker_gpu_ask *out,
                         struct err *e) MUST_USE;

/* GPUs in a label's text: "0,3"; UINT64_MAX for "all" and for what cannot be read, which is safe. */
uint64_t docker_gpus_read(const char *label);
#define DOCKER_GPUS_TEXT 256
void docker_gpus_write(uint64_t gpus, char out[DOCKER_GPUS_TEXT]);

/* What is in use on a host. */
struct docker_load {
    size_t machines;
    int64_t cpus, memory_gb;
    uint64_t gpus;
};
/* Add one container's; type and gpus are its labels, NULL = none. What cannot be read counts as nothing, but for GPUs.
 */
void docker_load_add(struct docker_load *l, const char *type, const char *gpus);

struct docker_host {
    int64_t cpus, memory_gb; /* that machines may hold together */
    int gpus;                /* -1 = nobody knows */
    int64_t max_machines;    /* 0 = no limit of its own */
};

/* A host of 16 GB has less than that to give, its kernel keeps some: in GB as bought. */
int64_t docker_memory_gb(int64_t bytes);

/* Does it fit beside what is there? ERR_CAPACITY with a sentence; retry_after_s is long when it can never fit. */
int docker_fits(const struct docker_host *h, const struct docker_load *l, const struct docker_size *s,
                struct err *e) MUST_USE;

/* Choose GPUs of those that are free. The same. */
int docker_gpus_choose(const struct docker_host *h, uint64_t in_use, const struct docker_gpu_ask *ask, uint64_t *out,
                       struct err *e) MUST_USE;

#endif
