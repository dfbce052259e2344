/* Compiler attributes used everywhere. Nothing here emits code. */
#ifndef MUSTER_BASE_ATTR_H
#define MUSTER_BASE_ATTR_H

#include <stdlib.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(fmt_arg, first_arg) __attribute__((format(printf, fmt_arg, first_arg)))

/* Runs fn(&variable) when the variable leaves its scope; each type names its own AUTO_ macro over this one. */
#define AUTO(fn) __attribute__((cleanup(fn)))

static inline void attr_free_ptr(void *p)
{
    free(*(void **)p);
}

/* AUTO_FREE char *s = NULL; -- freed with free() at the end of the scope */
#define AUTO_FREE AUTO(attr_free_ptr)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
