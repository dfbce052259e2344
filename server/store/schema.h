/*
 * The tables, as a row of numbered migrations. Each runs once, in one transaction together with the note that it did.
 */
#ifndef MUSTER_STORE_SCHEMA_H
#define MUSTER_STORE_SCHEMA_H

#include "server/store/db.h"

int64_t schema_newest(void);

/* Bring the database to schema_newest(). ERR_INVALID when a newer muster made it, or another program: unchanged then.
 */
int schema_migrate(const struct db_driver *drv, struct db *d, struct err *e) MUST_USE;

#endif
