#include "server/base/fact.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fact_add(struct fact *f, struct err *e, const char *fmt, ...)
{
    char name[FACT_SIZE];
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(name, sizeof(name), fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(name))
        return err_set(e, ERR_INVALID, "\"%.60s...\" is too long", name);
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->names[i], name) == 0)
            return 0;
    }
    if (f->n == FACT_NAMES)
        return err_set(e, ERR_BUG, "more spellings of \"%.60s\" than there is room for", name);
    memcpy(f->names[f->n++], name, (size_t)n + 1);
    return 0;
}
