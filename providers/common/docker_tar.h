/* A tar archive (POSIX ustar) of one file: how a text is put into a container before it starts. */
#ifndef MUSTER_PROVIDERS_COMMON_DOCKER_TAR_H
#define MUSTER_PROVIDERS_COMMON_DOCKER_TAR_H

#include "server/base/buf.h"

/* More than a file's own size, whatever it is: one header, padding to 512, two empty blocks. */
#define DOCKER_TAR_EXTRA ((size_t)4 * 512)

/* name: at most 99 characters, relative. Owned by root, with no date. */
void docker_tar_file(struct buf *out, const char *name, unsigned mode, const char *data, size_t len);

#endif
