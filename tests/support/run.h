/* Run `muster` with arguments to its end, and keep what it wrote. The binary is $B/muster. */
#ifndef MUSTER_TESTS_SUPPORT_RUN_H
#define MUSTER_TESTS_SUPPORT_RUN_H

#include "server/base/buf.h"

/* args: what follows "muster", ended by NULL. Output and error output are appended to out. Returns the exit status, or
 * 128 + signal. */
int run_muster(const char *const *args, struct buf *out);

#endif
