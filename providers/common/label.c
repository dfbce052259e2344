#include "providers/common/label.h"

#include "server/base/text.h"

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
