#include "server/base/secret.h"

#include "server/base/mem.h"

#include <openssl/crypto.h>
#include <string.h>

struct secret {
    size_t len;
    char text[];
};

struct secret *secret_new(const char *text, size_t len)
{
    struct secret *s = mem_zalloc(sizeof(*s) + len + 1);

    s->len = len;
    if (len > 0)
        memcpy(s->text, text, len);
    return s;
}

struct secret *secret_dup(const struct secret *s)
{
    return s != NULL ? secret_new(s->text, s->len) : NULL;
}

int secret_from_buf(struct buf *b, struct secret **out, struct err *e)
{
    const char *text;

    if (buf_str(b, &text, e))
        return -1;
    *out = secret_new(text, b->len);
    buf_wipe(b);
    return 0;
}

void secret_free(struct secret *s)
{
    if (s == NULL)
        return;
    OPENSSL_cleanse(s->text, s->len);
    free(s);
}

void secret_free_ptr(struct secret **s)
{
    secret_free(*s);
}

const char *secret_reveal(const struct secret *s)
{
    return s != NULL ? s->text : "";
}

size_t secret_len(const struct secret *s)
{
    return s != NULL ? s->len : 0;
}

void secret_mask(const struct secret *s, char *text)
{
    size_t n = strlen(secret_reveal(s)); /* secret_len counts what may stand behind a NUL */
    char *at = text;

    if (n < 4)
        return;
    while ((at = strstr(at, s->text)) != NULL) {
        memcpy(at, "***", 3);
        memmove(at + 3, at + n, strlen(at + n) + 1);
        at += 3;
    }
}
