/* What the files of the bootstrap share. Not for others. */
#ifndef MUSTER_BOOTSTRAP_BOOTSTRAP_INT_H
#define MUSTER_BOOTSTRAP_BOOTSTRAP_INT_H

#include "server/base/buf.h"
#include "server/bootstrap/bootstrap.h"

/* A script without its parameters' values: what stands before and after them is the caller's. */
int bootstrap_linux_compose(struct buf *b, const struct bootstrap_params *p, struct err *e) MUST_USE;
int bootstrap_windows_compose(struct buf *b, const struct bootstrap_params *p, struct err *e) MUST_USE;

/* How many GPUs must answer. */
int bootstrap_gpus_needed(const struct bootstrap_params *p);

/* Can each be passed on? */
int bootstrap_env_check(const json_t *env_vars, struct err *e) MUST_USE;

/* .setup_info: our own group first, then the repository's. JSON on one line. */
int bootstrap_setup_json(const struct bootstrap_params *p, struct buf *out, struct err *e) MUST_USE;

#endif
