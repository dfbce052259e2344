/*
 * Databases as earlier versions left them: made by exactly the migrations up to a version, each table filled by what
 * its own columns say, so that a later table or migration is covered without a word here.
 */
#ifndef MUSTER_TESTS_SUPPORT_OLD_STORE_H
#define MUSTER_TESTS_SUPPORT_OLD_STORE_H

#include "server/store/db.h"

#include <sqlite3.h>
#include <stdbool.h>

/* A new database of this version at path. Fails the test. */
void old_store_make(const char *path, int64_t version);

/* `rows` rows in each of its tables. Hostile: NULL wherever that is allowed, texts of 50 KB, quotes, no words of ours,
 * the largest and smallest integers where the column is no key. */
void old_store_fill(const char *path, int64_t rows, bool hostile);

/* What stands in the tables that a database of this version has, by the columns it has there, however many there are by
 * now: counts, sums of lengths and of integers. The caller frees. */
char *old_store_digest(const char *path, const char *like);

/* The statements of its schema, sorted, with its version. The caller frees. */
char *old_store_schema(const char *path);

/* One number. */
int64_t old_store_ask(const char *path, const char *sql);
void old_store_run(const char *path, const char *sql);

#endif
