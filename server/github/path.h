/* Paths of GitHub's API, with what strangers named escaped. For the calls of this folder. */
#ifndef MUSTER_GITHUB_PATH_H
#define MUSTER_GITHUB_PATH_H

#include "server/base/buf.h"

/* "/" and the segment, escaped. One that is empty or could climb ("." and "..") is ERR_INVALID. */
int path_segment(struct buf *out, const char *s, size_t len, struct err *e) MUST_USE;
/* The same for each part of a path. */
int path_segments(struct buf *out, const char *path, struct err *e) MUST_USE;
/* "/repos/OWNER/NAME" of "owner/name". */
int path_repo(struct buf *out, const char *repo, struct err *e) MUST_USE;

#endif
