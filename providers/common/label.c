#include "providers/common/label.h"

#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void label_make(const struct label_rule *r, const char *text, char out[LABEL_SIZE])
{
    size_t n = 0;

    for (; *text != '\0' && n < r->max && n < LABEL_SIZE - 1; text++) {
        char c = r->lower ? text_lower(*text) : *text;

        out[n++] = (char)(is_plain(c) || strchr(r->more, c) != NULL ? c : '_');
    }
    out[n] = '\0';
}

bool label_is(const struct label_rule *r, const char *have, const char *text)
{
    char made[LABEL_SIZE];

    label_make(r, text, made);
    return have != NULL && strcmp(have, made) == 0;
}

void label_pack(struct buf *out, const char *key, const char *value)
{
    if (out->len > 0)
        buf_addc(out, '&');
    text_url_escape(out, key, strlen(key));
    buf_addc(out, '=');
    text_url_escape(out, value, strlen(value));
}

/* What stands behind "key=" in the text; *n: how often it does. */
static const char *find_value(const char *text, const char *key, size_t *n)
{
    size_t len = strlen(key);
    const char *found = NULL;

    *n = 0;
    while (text != NULL) {
        if (strncmp(text, key, len) == 0 && text[len] == '=') {
            found = text + len + 1;
            (*n)++;
        }
        text = strchr(text, '&');
        text = text != NULL ? text + 1 : NULL;
    }
    return found;
}

bool label_unpack(const char *text, const char *key, char *out, size_t size)
{
    AUTO_BUF struct buf name = BUF_INIT(LABEL_SIZE), value = BUF_INIT(size);
    const char *escaped, *found;
    struct err ignored;
    size_t n;

    text_url_escape(&name, key, strlen(key));
    if (text == NULL || buf_str(&name, &escaped, &ignored))
        return false;
    found = find_value(text, escaped, &n);
    if (n != 1 || text_url_unescape(found, strcspn(found, "&"), false, &value, &ignored) || value.len >= size ||
        value.over || memchr(value.p != NULL ? value.p : "", '\0', value.len) != NULL)
        return false;
    (void)snprintf(out, size, "%s", value.p != NULL ? value.p : "");
    return true;
}
