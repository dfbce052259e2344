/*
 * The tables, as a row of numbered migrations. Each runs once, in one transaction together with the note that it did.
 */
#ifndef MUSTER_STORE_SCHEMA_H
#define MUSTER_STORE_SCHEMA_H

#include "server/store/db.h"

int64_t schema_newest(void);

/* The version of a database; 0 = it is empty. Refuses as schema_migrate does, and changes nothing. */
int schema_version(const struct db_driver *drv, struct db *d, int64_t *out, struct err *e) MUST_USE;

/* Bring the database to schema_newest(). ERR_INVALID when a newer muster made it, or another program: unchanged then.
 */
int schema_migrate(const struct db_driver *drv, struct db *d, struct err *e) MUST_USE;

/* No further than to this version: so that a test can make each one that ever was. */
int schema_migrate_to(const struct db_driver *drv, struct db *d, int64_t newest, struct err *e) MUST_USE;

#endif
