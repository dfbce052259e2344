#include "server/base/buf.h"

#include "server/base/mem.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Move to a larger block. Not by realloc: the old block may have held a secret and is overwritten. */
static void grow(struct buf *b, size_t cap)
{
    char *p = mem_realloc_array(NULL, cap, 1);

    memcpy(p, b->p != NULL ? b->p : "", b->len + 1);
    if (b->p != NULL)
        OPENSSL_cleanse(b->p, b->len);
    free(b->p);
    b->p = p;
    b->cap = cap;
}

/* The ceiling; one byte is kept for the NUL. */
static size_t ceiling(const struct buf *b)
{
    return b->max < SIZE_MAX ? b->max : SIZE_MAX - 1;
}

/* Room for len more bytes and the NUL; false and `over` when that breaks the ceiling. */
static bool room(struct buf *b, size_t len)
{
    size_t max = ceiling(b);
    size_t need, cap;

    if (b->over || b->len > max || len > max - b->len) {
        b->over = true;
        return false;
    }
    need = b->len + len + 1;
    if (need <= b->cap)
        return true;
    cap = b->cap < 32 ? 64 : b->cap <= SIZE_MAX / 2 ? b->cap * 2 : SIZE_MAX;
    if (cap < need)
        cap = need;
    grow(b, cap <= max ? cap : max + 1);
    return true;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
    if (!room(b, len))
        return;
    if (len > 0)
        memcpy(b->p + b->len, data, len);
    b->len += len;
    b->p[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->over = true;
    } else if (room(b, (size_t)n)) {
        (void)vsnprintf(b->p + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void buf_reserve(struct buf *b, size_t total)
{
    if (total > ceiling(b))
        total = ceiling(b);
    if (total < b->cap)
        return;
    grow(b, total + 1);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->over = false;
    if (b->p != NULL)
        b->p[0] = '\0';
}

void buf_clear(struct buf *b)
{
    free(b->p);
    b->p = NULL;
    b->len = b->cap = 0;
    b->over = false;
}

void buf_wipe(struct buf *b)
{
    if (b->p != NULL)
        OPENSSL_cleanse(b->p, b->cap);
    buf_clear(b);
}

int buf_str(const struct buf *b, const char **out, struct err *e)
{
    if (b->over)
        return err_set(e, ERR_INVALID, "text grew over its ceiling of %zu bytes", b->max);
    *out = b->p != NULL ? b->p : "";
    return 0;
}

int buf_take(struct buf *b, char **out, struct err *e)
{
    if (b->over)
        return err_set(e, ERR_INVALID, "text grew over its ceiling of %zu bytes", b->max);
    *out = b->p != NULL ? b->p : mem_strdup("");
    b->p = NULL;
    b->len = b->cap = 0;
    return 0;
}
