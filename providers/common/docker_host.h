/*
 * on_prem with `executor: docker`: a machine is a container of a Docker Engine or of Podman on the owner's own host.
 * In terms of common/docker; on_prem.c calls this for this executor.
 *
 * The bootstrap is put into the container as a file between creation and start, is read and removed by the main
 * process, and stands in no command line, environment or label. The container ends with the bootstrap, and the engine
 * removes it then. The name is the machine's: the engine gives it once.
 */
#ifndef MUSTER_PROVIDERS_COMMON_DOCKER_HOST_H
#define MUSTER_PROVIDERS_COMMON_DOCKER_HOST_H

#include "providers/common/docker.h"
#include "providers/common/docker_slots.h"
#include "providers/common/machine.h"

#include <pthread.h>

/* Labels beside the tags: what a host's account of its processors, memory and GPUs is made of. */
#define ON_PREM_LABEL_TYPE "muster-type"
#define ON_PREM_LABEL_GPUS "muster-gpus"
#define ON_PREM_LABEL_TOKEN "muster-token"

struct on_prem_docker {
    const struct provider_env *env;
    struct docker *engine;
    const char *network;     /* NetworkMode */
    int64_t max_machines;    /* 0 = as many as fit */
    int64_t cpus, memory_gb; /* that all may hold together; 0 = what the engine says of the host */
    int gpus;                /* of the host; -1 = what the engine says */
    char *config;            /* path of Docker's config.json, for registries; NULL = none */
    pthread_mutex_t lock;    /* from looking what is free to having taken it */
};

/* As the ops of provider.h. */
int on_prem_docker_check(const struct on_prem_docker *d, const struct machine_spec *s, struct err *e) MUST_USE;
int on_prem_docker_render(struct on_prem_docker *d, const struct launch_request *r, json_t *list,
                          struct err *e) MUST_USE;
int on_prem_docker_launch(struct on_prem_docker *d, const struct launch_request *r, struct instance *out,
                          struct err *e) MUST_USE;
bool on_prem_docker_owns(const struct instance *ref); /* by its id */
int on_prem_docker_describe(struct on_prem_docker *d, const struct instance *ref, struct instance *out,
                            struct err *e) MUST_USE;
int on_prem_docker_destroy(struct on_prem_docker *d, const struct instance *ref, struct err *e) MUST_USE;
int on_prem_docker_list(struct on_prem_docker *d, int (*each)(void *arg, const struct instance *i, struct err *e),
                        void *arg, struct err *e) MUST_USE;

#endif
