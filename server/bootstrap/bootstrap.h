/*
 * The script that turns a fresh Linux machine into one runner for one job: server/bootstrap/linux.sh, embedded at build
 * (comment lines and indentation removed), with its parameters filled in as shell assignments, each quoted.
 */
#ifndef MUSTER_BOOTSTRAP_BOOTSTRAP_H
#define MUSTER_BOOTSTRAP_BOOTSTRAP_H

#include "server/base/secret.h"

#include <stdint.h>

struct bootstrap_params {
    const char *name;                           /* machine = runner name */
    const char *cloud, *instance_type, *region; /* for "Set up job"; region may be NULL */
    const char *arch;                           /* "x64", "arm64" */
    const char *gpu;           /* NULL = no model asked for; else a GPU must answer before the runner registers */
    int gpus;                  /* so many must; 0 = one when gpu or gpu_memory_gb is set, else none */
    int gpu_memory_gb;         /* each with at least so many GiB; 0 = any */
    const char *runner_url;    /* tar.gz of the runner */
    const char *runner_sha256; /* 64 hex digits; the download is refused without a match */
    int64_t expires_s;         /* Unix seconds: power off then, whatever happens */
    int64_t boot_deadline_s;   /* seconds from boot within which a job must have started */
    const struct secret *jit;  /* encoded_jit_config */
};

/* The whole user-data. ERR_INVALID when it does not fit `max` bytes (says by how much) or a parameter holds a control
 * character. A pure function of its input: the same parameters give the same bytes. */
int bootstrap_render(const struct bootstrap_params *p, size_t max, struct secret **out, struct err *e) MUST_USE;

/* "x64" or "arm64" of an AWS-style instance type or image name is the provider's knowledge; this is the default. */
#define BOOTSTRAP_DEFAULT_ARCH "x64"

/* The newest runner release known at build time, used until GitHub told a newer one. arch "x64" or "arm64". */
void bootstrap_builtin_release(const char *arch, const char **url, const char **sha256);

#endif
