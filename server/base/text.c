#include "server/base/text.h"

#include <string.h>

#define SHOWN_MAX 60

/* How much of a wrong text an error shows: at most SHOWN_MAX bytes, whole UTF-8 characters. For "%.*s". */
static int shown(const char *s, size_t len)
{
    size_t n = len < SHOWN_MAX ? len : SHOWN_MAX;

    while (n > 0 && n < len && ((unsigned char)s[n] & 0xC0) == 0x80)
        n--;
    return (int)n;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int text_i64(const char *s, int64_t min, int64_t max, int64_t *out, struct err *e)
{
    const char *p = *s == '-' ? s + 1 : s;
    bool negative = p != s;
    bool whole = is_digit(*p) && (p[0] != '0' || p[1] == '\0') && !(negative && p[0] == '0');
    int64_t v = 0; /* counted downwards: the negative side reaches one further */
    bool fits = true;

    for (; whole && is_digit(*p); p++)
        fits = fits && !__builtin_mul_overflow(v, 10, &v) && !__builtin_sub_overflow(v, *p - '0', &v);
    if (!whole || *p != '\0')
        return err_set(e, ERR_INVALID, "expected a whole number, found \"%.*s\"", shown(s, strlen(s)), s);
    if (!negative)
        fits = fits && !__builtin_sub_overflow((int64_t)0, v, &v);
    if (!fits || v < min || v > max)
        return err_set(e, ERR_INVALID, "expected a whole number from %lld to %lld, found %.*s", (long long)min,
                       (long long)max, shown(s, strlen(s)), s);
    *out = v;
    return 0;
}

int text_bool(const char *s, bool *out, struct err *e)
{
    static const char *const yes[] = {"true", "yes", "on"};
    static const char *const no[] = {"false", "no", "off"};

    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (text_ieq(s, yes[i]) || text_ieq(s, no[i])) {
            *out = text_ieq(s, yes[i]);
            return 0;
        }
    }
    return err_set(e, ERR_INVALID, "expected true or false, found \"%.*s\"", shown(s, strlen(s)), s);
}

/* One "15m" at *p. *max_unit_ms is the unit before it: units come in falling order, each once. */
static bool duration_part(const char **p, int64_t *max_unit_ms, int64_t *sum_ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    int64_t v = 0;
    size_t n = 0;
    const char *s = *p;

    if (!is_digit(*s))
        return false;
    for (; is_digit(*s); s++) {
        if (v > 100000000000000)
            return false;
        v = v * 10 + (*s - '0');
    }
    while (s[n] >= 'a' && s[n] <= 'z')
        n++;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strlen(units[i].name) == n && memcmp(s, units[i].name, n) == 0 && units[i].ms < *max_unit_ms) {
            *p = s + n;
            *max_unit_ms = units[i].ms;
            return !__builtin_mul_overflow(v, units[i].ms, &v) && !__builtin_add_overflow(*sum_ms, v, sum_ms);
        }
    }
    return false;
}

int text_duration_ms(const char *s, int64_t *out, struct err *e)
{
    const int64_t ten_years_ms = (int64_t)3650 * 86400000;
    int64_t unit_ms = INT64_MAX, sum_ms = 0;
    const char *p = s;

    do {
        if (!duration_part(&p, &unit_ms, &sum_ms))
            return err_set(e, ERR_INVALID, "expected a duration such as 90s, 15m, 1h30m or 7d, found \"%.*s\"",
                           shown(s, strlen(s)), s);
    } while (*p != '\0');
    if (sum_ms > ten_years_ms)
        return err_set(e, ERR_INVALID, "expected a duration of at most 3650d, found %.*s", shown(s, strlen(s)), s);
    *out = sum_ms;
    return 0;
}

void text_hex(const unsigned char *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * len] = '\0';
}

/* The value of a hex digit, or -1. */
static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c = text_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int text_unhex(const char *s, size_t len, unsigned char *out, struct err *e)
{
    if (len % 2 != 0)
        return err_set(e, ERR_INVALID, "expected an even number of hex digits, found %zu", len);
    for (size_t i = 0; i < len; i++) {
        if (hex_value(s[i]) < 0)
            return err_set(e, ERR_INVALID, "expected hex digits, found another character at position %zu", i + 1);
    }
    for (size_t i = 0; i < len; i += 2)
        out[i / 2] = (unsigned char)(hex_value(s[i]) * 16 + hex_value(s[i + 1]));
    return 0;
}

static void base64(struct buf *out, const unsigned char *data, size_t len, const char *alphabet, bool pad)
{
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        unsigned v = (unsigned)data[i] << 16 | (n > 1 ? (unsigned)data[i + 1] << 8 : 0) | (n > 2 ? data[i + 2] : 0U);
        char quad[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63], alphabet[v >> 6 & 63], alphabet[v & 63]};

        if (n < 3)
            memcpy(quad + n + 1, "==", 3 - n);
        buf_add(out, quad, pad ? 4 : n + 1);
    }
}

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

void text_base64(struct buf *out, const void *data, size_t len)
{
    base64(out, data, len, ALPHANUMERIC "+/", true);
}

void text_base64url(struct buf *out, const void *data, size_t len)
{
    base64(out, data, len, ALPHANUMERIC "-_", false);
}

/* The value of a character of the standard alphabet, or -1. */
static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters to 24 bits; `n` of them are data, the rest '='. Bits beyond the data must be zero. */
static bool base64_quad(const char *s, size_t n, unsigned *out)
{
    unsigned v = 0;

    for (size_t i = 0; i < n; i++) {
        int d = base64_value(s[i]);

        if (d < 0)
            return false;
        v |= (unsigned)d << (18 - 6 * i);
    }
    *out = v;
    return n == 4 || (n == 3 && (v & 0xFF) == 0) || (n == 2 && (v & 0xFFFF) == 0);
}

int text_unbase64(const char *s, size_t len, struct buf *out, struct err *e)
{
    size_t padding = len >= 4 && len % 4 == 0 && s[len - 1] == '=' ? s[len - 2] == '=' ? 2 : 1 : 0;
    size_t before = out->len;

    if (len % 4 != 0)
        return err_set(e, ERR_INVALID, "expected base64 in groups of four characters, found %zu characters", len);
    for (size_t i = 0; i < len; i += 4) {
        size_t n = i + 4 == len ? 4 - padding : 4;
        unsigned v = 0;

        if (!base64_quad(s + i, n, &v)) {
            out->len = before;
            if (out->p != NULL)
                out->p[before] = '\0';
            return err_set(e, ERR_INVALID, "expected base64, found something else near position %zu", i + 1);
        }
        buf_add(out, (const unsigned char[]){(unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v},
                n - 1);
    }
    return 0;
}

void text_url_escape(struct buf *out, const char *s, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c != '\0' && strchr(ALPHANUMERIC "-._~", c) != NULL)
            buf_addc(out, s[i]);
        else
            buf_add(out, (const char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
    }
}

int text_url_unescape(const char *s, size_t len, bool plus_is_space, struct buf *out, struct err *e)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '%' && (len - i < 3 || hex_value(s[i + 1]) < 0 || hex_value(s[i + 2]) < 0))
            return err_set(e, ERR_INVALID, "expected two hex digits after '%%' at position %zu", i + 1);
    }
    for (size_t i = 0; i < len; i++) {
        size_t run = 0;

        while (i + run < len && s[i + run] != '%' && !(plus_is_space && s[i + run] == '+'))
            run++;
        buf_add(out, s + i, run);
        i += run;
        if (i == len)
            break;
        if (s[i] == '+') {
            buf_addc(out, ' ');
        } else {
            buf_addc(out, (char)(hex_value(s[i + 1]) * 16 + hex_value(s[i + 2])));
            i += 2;
        }
    }
    return 0;
}

/* Length of the well-formed UTF-8 character at s (Unicode, table 3-7), or 0. */
static size_t utf8_char(const unsigned char *s, size_t len)
{
    unsigned char c = s[0], low = 0x80, high = 0xBF;
    size_t n;

    if (c < 0x80)
        return 1;
    if (c < 0xC2 || c > 0xF4)
        return 0;
    n = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    if (c == 0xE0 || c == 0xF0)
        low = c == 0xE0 ? 0xA0 : 0x90; /* no over-long forms */
    if (c == 0xED || c == 0xF4)
        high = c == 0xED ? 0x9F : 0x8F; /* no surrogates, nothing over U+10FFFF */
    if (len < n || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    }
    return n;
}

bool text_utf8_valid(const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t i = 0;

    while (i < len) {
        size_t n;
        uint64_t eight;

        /* Nearly all text is ASCII: eight bytes at a time. */
        while (len - i >= sizeof(eight)) {
            memcpy(&eight, p + i, sizeof(eight));
            if ((eight & 0x8080808080808080U) != 0)
                break;
            i += sizeof(eight);
        }
        if (i == len)
            break;
        n = utf8_char(p + i, len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

void text_tidy(char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t len = strlen(s), n = 0, i = 0;

    while (i < len) {
        size_t width = utf8_char(p + i, len - i);

        if (width > 0) {
            memmove(s + n, s + i, width);
            if (p[n] < 0x20 || p[n] == 0x7F)
                s[n] = ' ';
        }
        n += width;
        i += width > 0 ? width : 1;
    }
    s[n] = '\0';
}

char text_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool text_ieq(const char *a, const char *b)
{
    while (*a != '\0' && text_lower(*a) == text_lower(*b)) {
        a++;
        b++;
    }
    return text_lower(*a) == text_lower(*b);
}

bool text_icontains(const char *s, const char *word)
{
    size_t n = strlen(word);

    for (; s != NULL && *s != '\0'; s++) {
        size_t i = 0;

        while (i < n && text_lower(s[i]) == word[i])
            i++;
        if (i == n)
            return true;
    }
    return false;
}

bool text_has_prefix(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_has_suffix(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && strcmp(s + n - m, suffix) == 0;
}

/* The next character: one byte, and the UTF-8 continuation bytes behind it. */
static const char *next_char(const char *s)
{
    do
        s++;
    while (((unsigned char)*s & 0xC0) == 0x80);
    return s;
}

bool text_glob(const char *pattern, const char *s)
{
    const char *after_star = NULL, *retry = NULL;

    /* Only the last '*' is ever widened, so the work is at most |pattern| * |s|. */
    while (*s != '\0') {
        if (*pattern == '*') {
            after_star = ++pattern;
            retry = s;
        } else if (*pattern == '?') {
            pattern++;
            s = next_char(s);
        } else if (*pattern == *s) {
            pattern++;
            s++;
        } else if (after_star != NULL) {
            pattern = after_star;
            s = retry = next_char(retry);
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

#define NEAREST_MAX 64

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein (optimal string alignment) without regard to case. Both are at most NEAREST_MAX long. */
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][NEAREST_MAX + 1]; /* the row being filled and the two above it */

    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            char x = text_lower(a[i - 1]), y = text_lower(b[j - 1]);

            row[j] = min_size(min_size(up[j], row[j - 1]) + 1, up[j - 1] + (x == y ? 0 : 1));
            if (i > 1 && j > 1 && x == text_lower(b[j - 2]) && y == text_lower(a[i - 2]))
                row[j] = min_size(row[j], up2[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

const char *text_nearest(const char *s, const char *const *candidates, size_t n)
{
    size_t len = strlen(s);
    size_t allowed = len / 3 > 1 ? len / 3 : 1;
    const char *best = NULL;

    if (len > NEAREST_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t m = strlen(candidates[i]);
        size_t d = m > NEAREST_MAX ? SIZE_MAX : edit_distance(s, len, candidates[i], m);

        /* A text that shares nothing with the candidate is no slip of the pen, however short. */
        if (d <= allowed && d < len) {
            best = candidates[i];
            allowed = d > 0 ? d - 1 : 0;
            if (d == 0)
                break;
        }
    }
    return best;
}
