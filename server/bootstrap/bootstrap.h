/*
 * The script that turns a fresh machine into one runner for one job: server/bootstrap/linux.sh or windows.ps1, embedded
 * at build (comment lines and indentation removed), with its parameters filled in as assignments.
 *
 * What a repository wrote (extra_config.env_vars, setup_info, the runner's user and path) is data: quoted for a shell,
 * or for PowerShell given in base64 where it holds anything but the plainest characters, so that no value ends its own
 * quotation, whatever quotes a system knows, nor the wrapping that a cloud looks for.
 *
 * The runner reads .env and .setup_info in its folder as github.com/actions/runner does: src/Runner.Listener/Program.cs
 * (LoadAndSetEnv: lines of NAME=value, nothing is quoted) and src/Runner.Worker/JobExtension.cs (a list of group and
 * detail).
 */
#ifndef MUSTER_BOOTSTRAP_BOOTSTRAP_H
#define MUSTER_BOOTSTRAP_BOOTSTRAP_H

#include "server/base/secret.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct bootstrap_params {
    const char *name;                           /* machine = runner name */
    const char *cloud, *instance_type, *region; /* for "Set up job"; region may be NULL */
    bool spot;                                  /* the same */
    const char *os;                             /* "linux", "windows"; NULL = linux */
    const char *arch;                           /* "x64", "arm64" */
    const char *gpu;           /* NULL = no model asked for; else a GPU must answer before the runner registers */
    int gpus;                  /* so many must; 0 = one when gpu or gpu_memory_gb is set, else none */
    int gpu_memory_gb;         /* each with at least so many GiB; 0 = any */
    const char *runner_url;    /* tar.gz of the runner, zip on Windows */
    const char *runner_sha256; /* 64 hex digits; the download is refused without a match */
    int64_t expires_s;         /* Unix seconds: power off then, whatever happens */
    int64_t boot_deadline_s;   /* seconds from boot within which a job must have started */
    const struct secret *jit;  /* encoded_jit_config */
    const json_t *env_vars;    /* an object of strings, for every process of the machine; NULL = none */
    const json_t *setup_info;  /* a list of {"group", "detail"} for "Set up job", after our own; NULL = none */
    const json_t *extra;       /* extra_config: run_as, runner_user, runner_path are read, on Windows; or NULL */
    bool as_file;              /* the script itself, as an image fetches it; else as the cloud takes user-data */
};

/*
 * The whole user-data. ERR_INVALID when it does not fit `max` bytes (says by how much, and how many of them the
 * repository's own values are) or a parameter is none that can be passed on. A pure function of its input: the same
 * parameters give the same bytes.
 *
 * An environment variable's name is [A-Za-z_][A-Za-z0-9_]* and not ACTIONS_RUNNER_*, by which the runner is steered;
 * its value is one line.
 */
int bootstrap_render(const struct bootstrap_params *p, size_t max, struct secret **out, struct err *e) MUST_USE;

/* "x64" or "arm64" of an AWS-style instance type or image name is the provider's knowledge; this is the default. */
#define BOOTSTRAP_DEFAULT_ARCH "x64"

/* The newest runner release known at build time, used until GitHub told a newer one; "" where none is. os "linux" or
 * "windows", arch "x64" or "arm64". */
void bootstrap_builtin_release(const char *os, const char *arch, const char **url, const char **sha256);

#endif
