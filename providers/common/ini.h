/*
 * The settings files that clouds' own tools share: "[section]" and "name = value" lines. One section is read.
 *
 * A line that is neither a section, a setting, a comment (# or ;) nor indented (nested or continued settings, which
 * nobody here needs) is an error at FILE:LINE, wherever it stands.
 */
#ifndef MUSTER_PROVIDERS_COMMON_INI_H
#define MUSTER_PROVIDERS_COMMON_INI_H

#include "server/base/buf.h"

#define INI_FILE_MAX ((size_t)256 * 1024)

/* A setting of the section: name in lower case, both trimmed. The value may be a secret and is wiped afterwards. */
typedef void ini_each_fn(void *arg, const char *name, const char *value);

/* *found becomes true when the file has the section; a file that is not there has none. Sections may come in pieces.
 * ERR_INVALID: unreadable, too large or malformed. */
int ini_read(const char *file, const char *section, ini_each_fn *each, void *arg, bool *found, struct err *e) MUST_USE;

/* Append a small file's bytes. ERR_GONE when it is not there; ERR_INVALID when unreadable or too large for out. */
int ini_read_file(const char *path, struct buf *out, struct err *e) MUST_USE;

#endif
