/* The document of `muster plan --workflow` as a table for people. Private to plan*.c. */
#ifndef MUSTER_CLI_PLAN_TABLE_H
#define MUSTER_CLI_PLAN_TABLE_H

#include "server/cli/plan_int.h"

void plan_table_print(const json_t *doc, bool requests);

#endif
