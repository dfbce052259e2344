/*
 * One thing that a launch would really ask for (its region, its instance type, its image), in every spelling that means
 * exactly the same. Plain value.
 */
#ifndef MUSTER_BASE_FACT_H
#define MUSTER_BASE_FACT_H

#include "server/base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define FACT_NAMES 5
#define FACT_SIZE 640

struct fact {
    size_t n;      /* 0: only the cloud can tell, at launch */
    bool any_case; /* the cloud does not tell such names apart by case */
    char names[FACT_NAMES][FACT_SIZE];
};

/* One more spelling; one that is there already is not added again. ERR_INVALID: it is too long to be judged. */
int fact_add(struct fact *f, struct err *e, const char *fmt, ...) MUST_USE PRINTF(3, 4);

#endif
