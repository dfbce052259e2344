/*
 * The files of a SQLite database: which one a url names, its mode, and that one process has it.
 *
 * POSIX locks belong to the process: closing any descriptor of the database file drops the locks that SQLite holds on
 * it. So nothing here opens a database that exists, and the lock against a second daemon is on a side file,
 * PATH-lock, which a clean end removes and a start after a crash takes over.
 */
#ifndef MUSTER_STORE_DB_SQLITE_FILE_H
#define MUSTER_STORE_DB_SQLITE_FILE_H

#include "server/store/db.h"

#include <stdbool.h>

/* "sqlite:PATH" to the file's one true name (out holds PATH_MAX), so that its side files are always the same. */
int file_resolve(const char *url, char *out, struct err *e) MUST_USE;
/* An empty file of mode 0600, unless there is one already. SQLite gives the same mode to its side files. */
int file_create(const char *path, struct err *e) MUST_USE;

int file_lock(const char *url, struct db_lock **out, struct err *e) MUST_USE; /* as in struct db_driver */
void file_unlock(struct db_lock *l);

/* So that a name in the directory of this path outlives a power cut. */
void file_sync_dir(const char *path);
/* Which file a path names now. */
struct file_id {
    unsigned long long dev, ino; /* 0, 0: none */
};
struct file_id file_id_of(const char *path);
bool file_id_is(const char *path, struct file_id id);
long long file_bytes(const char *path); /* 0 when there is none */

bool file_no_room(int errnum);
/* "cannot WHAT PATH: reason" */
int file_fail(int errnum, const char *what, const char *path, struct err *e) MUST_USE;

#endif
