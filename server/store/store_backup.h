/*
 * A copy of the store while it is in use, by a process of its own: consistent (one read transaction), complete (what
 * the log holds too), compact, and looked through before it gets its name.
 *
 * What is sealed in the store stays sealed in the copy: runner configurations open with the App's private key alone.
 */
#ifndef MUSTER_STORE_STORE_BACKUP_H
#define MUSTER_STORE_STORE_BACKUP_H

#include "server/base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct store_backup {
    int64_t bytes, schema_version;
};

/* url: as for store_open; the store must be there. target: a file, made beside its name with mode 0600, synced, and
 * only then put in its place; without force never over one that is there, never over a file of the store, and never
 * beside what SQLite or a daemon keeps beside a database in use (-wal, -journal, -shm, -lock): a log that was left
 * there would be read as the copy's own. ERR_INVALID: no such store, another program's, a newer muster's, damaged, a
 * target that cannot be; ERR_CONFLICT: the target exists, or is in use; ERR_QUOTA: no room. Nothing is left of a copy
 * that failed (but by a kill: TARGET.XXXXXX). */
int store_backup(const char *url, const char *target, bool force, struct store_backup *out, struct err *e) MUST_USE;

#endif
