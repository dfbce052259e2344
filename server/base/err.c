#include "server/base/err.h"

#include "server/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
    va_list ap;

    e->kind = kind;
    e->retry_after_s = 0;
    va_start(ap, fmt);
    (void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    text_tidy(e->msg);
    return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    char inner[sizeof(e->msg)];
    va_list ap;
    int n;

    memcpy(inner, e->msg, sizeof(inner));
    va_start(ap, fmt);
    n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(e->msg) && snprintf(e->msg + n, sizeof(e->msg) - (size_t)n, ": %s", inner) < 0)
        e->msg[n] = '\0';
    text_tidy(e->msg);
    return -1;
}

int err_sys(struct err *e, enum err_kind kind, int errnum, const char *fmt, ...)
{
    char scratch[128];
    const char *reason = strerror_r(errnum, scratch, sizeof(scratch)); /* glibc's own kind, which always gives a text */
    va_list ap;
    int n;

    e->kind = kind;
    e->retry_after_s = 0;
    va_start(ap, fmt);
    n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(e->msg))
        (void)snprintf(e->msg + n, sizeof(e->msg) - (size_t)n, ": %s", reason);
    text_tidy(e->msg);
    return -1;
}

const char *err_kind_name(enum err_kind kind)
{
    switch (kind) {
    case ERR_NONE:
        return "none";
    case ERR_INVALID:
        return "invalid";
    case ERR_AUTH:
        return "auth";
    case ERR_GONE:
        return "gone";
    case ERR_CONFLICT:
        return "conflict";
    case ERR_QUOTA:
        return "quota";
    case ERR_CAPACITY:
        return "capacity";
    case ERR_THROTTLED:
        return "throttled";
    case ERR_RETRY:
        return "retry";
    case ERR_BUG:
        return "bug";
    }
    return "unknown";
}

int err_is_passing(const struct err *e)
{
    return e->kind == ERR_THROTTLED || e->kind == ERR_RETRY;
}
