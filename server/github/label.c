#include "server/github/label.h"

#include "server/base/text.h"
#include "server/github/event.h"

#include <string.h>

#define KEY_MAX_BYTES (256 * 1024) /* the longest list event.c lets through, every byte escaped */

/* Decoded labels, each ended by a NUL, one behind the other. */
struct label_list {
    struct buf text;
    size_t at[LABELS_MAX]; /* offsets: the text moves while it grows */
    const char *sorted[LABELS_MAX];
    size_t n;
};

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void lower(char *s)
{
    for (; *s != '\0'; s++)
        *s = text_lower(*s);
}

static int collect(const struct jscan_value *labels, struct label_list *l, bool *has_null, struct err *e)
{
    struct jscan_value item;
    size_t pos = 0;

    while (jscan_next_item(labels, &pos, &item)) {
        if (item.type == JSCAN_NULL) {
            *has_null = true;
            return 0;
        }
        if (item.type != JSCAN_STRING)
            return err_set(e, ERR_INVALID, "item %zu: expected a string, found %s", l->n, jscan_type_name(item.type));
        if (l->n == LABELS_MAX)
            return err_set(e, ERR_INVALID, "more than %d labels", LABELS_MAX);
        l->at[l->n] = l->text.len;
        if (jscan_str(&item, &l->text, e))
            return err_wrap(e, "item %zu", l->n);
        buf_addc(&l->text, '\0');
        l->n++;
    }
    for (size_t i = 0; i < l->n && !l->text.over; i++) {
        lower(l->text.p + l->at[i]);
        l->sorted[i] = l->text.p + l->at[i];
    }
    return 0;
}

static void add_escaped(struct buf *out, const char *label)
{
    for (const char *s = label; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;

        if (c == ',' || c == '\\') {
            buf_addc(out, '\\');
            buf_addc(out, *s);
        } else if (c < 0x20 || c == 0x7f) {
            buf_addf(out, "\\x%02x", c);
        } else {
            buf_addc(out, *s);
        }
    }
}

int label_key(const struct jscan_value *labels, char **out, bool *all_hosted, bool *has_null, struct err *e)
{
    struct label_list l = {.text = BUF_INIT(KEY_MAX_BYTES), .n = 0};
    AUTO_BUF struct buf key = BUF_INIT(KEY_MAX_BYTES);
    bool hosted = true;
    bool null_seen = false;
    int rc = collect(labels, &l, &null_seen, e);

    if (rc == 0 && null_seen) {
        *has_null = true;
        buf_clear(&l.text);
        return 0;
    }
    if (rc == 0 && l.n > 1)
        qsort(l.sorted, l.n, sizeof(l.sorted[0]), compare);
    for (size_t i = 0; rc == 0 && i < l.n; i++) {
        if (i > 0 && strcmp(l.sorted[i], l.sorted[i - 1]) == 0)
            continue;
        if (i > 0)
            buf_addc(&key, ',');
        add_escaped(&key, l.sorted[i]);
        hosted = hosted && event_label_is_hosted(l.sorted[i]);
    }
    buf_clear(&l.text);
    if (rc != 0 || buf_take(&key, out, e))
        return -1;
    *all_hosted = hosted;
    *has_null = false;
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Skip exactly n digits; NULL when they are not there. */
static const char *digits(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(s[i]))
            return NULL;
    }
    return s + n;
}

static bool is_one_of(const char *s, const char *const *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(s, all[i]) == 0)
            return true;
    }
    return false;
}

/* ubuntu-latest, ubuntu-slim, ubuntu-24.04, ubuntu-24.04-arm */
static bool is_ubuntu(const char *s)
{
    const char *rest;

    if (strcmp(s, "latest") == 0 || strcmp(s, "slim") == 0)
        return true;
    rest = digits(s, 2);
    if (rest == NULL || *rest != '.')
        return false;
    rest = digits(rest + 1, 2);
    return rest != NULL && (*rest == '\0' || strcmp(rest, "-arm") == 0);
}

/* windows-latest, windows-2022, windows-2025-vs2026, windows-11-arm */
static bool is_windows(const char *s)
{
    const char *rest;

    if (strcmp(s, "latest") == 0 || strcmp(s, "11-arm") == 0)
        return true;
    rest = digits(s, 4);
    if (rest == NULL)
        return false;
    if (*rest == '\0')
        return true;
    rest = text_has_prefix(rest, "-vs") ? digits(rest + 3, 4) : NULL;
    return rest != NULL && *rest == '\0';
}

/* macos-latest, macos-15, each with -large, -xlarge; macos-15-intel */
static bool is_macos(const char *s)
{
    static const char *const sizes[] = {"", "-large", "-xlarge", "-intel"};
    const char *rest;

    if (text_has_prefix(s, "latest"))
        return is_one_of(s + strlen("latest"), sizes, 3);
    rest = digits(s, 2);
    return rest != NULL && is_one_of(rest, sizes, ARRAY_LEN(sizes));
}

bool event_label_is_hosted(const char *label)
{
    char text[64];
    size_t len = strnlen(label, sizeof(text));

    if (len == sizeof(text))
        return false;
    memcpy(text, label, len + 1);
    lower(text);
    if (text_has_prefix(text, "ubuntu-"))
        return is_ubuntu(text + strlen("ubuntu-"));
    if (text_has_prefix(text, "windows-"))
        return is_windows(text + strlen("windows-"));
    if (text_has_prefix(text, "macos-"))
        return is_macos(text + strlen("macos-"));
    return false;
}
