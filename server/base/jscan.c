#include "server/base/jscan.h"

#include "server/base/jscan_block.h"

#include <string.h>

/*
 * Recursive descent, bounded by JSCAN_MAX_DEPTH. Every function takes the position it reads from and returns the one
 * behind what it read, or NULL after fail(). Which paths may still match travels down as a bit set, so an object that
 * nobody asked about is checked without comparing a single key.
 */
struct scan {
    const char *text, *end;
    const char *const *paths;
    struct jscan_value *found;
    unsigned depth;
    bool escaped;      /* the last string held a backslash */
    const char *at;    /* of the first fault */
    const char *fault; /* NULL = none */
};

/* What is asked of one value: paths that end here, paths that lead on into it, and where in them the next key starts.
 */
struct want {
    uint64_t here, inside;
    size_t offset;
};

/* An object on the way down: which of its keys were seen, and a filter that most unwanted keys fail. */
struct level {
    const struct want *want;
    uint64_t seen, filter;
};

static const char *fail(struct scan *s, const char *at, const char *fault)
{
    s->at = at;
    s->fault = fault;
    return NULL;
}

static inline bool is_space(int c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *skip_space(const struct scan *s, const char *p)
{
    while (p < s->end && is_space(*p))
        p++;
    return p;
}

/* Skip white space; the character that *p then stands on, 0 at the end (a NUL in the text fits nowhere either). */
static inline int look(const struct scan *s, const char **p)
{
    if (*p < s->end && (unsigned char)**p > ' ')
        return **p;
    *p = skip_space(s, *p);
    return *p < s->end ? **p : 0;
}

/* Where the first special byte from p on stands, at latest the end. */
static inline const char *skip_plain(const char *p, const char *end)
{
    for (; end - p >= BLOCK; p += BLOCK) {
        if (special_bits(p) != 0)
            return p + first_special(special_bits(p));
    }
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80)
        p++;
    return p;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* One sequence of two to four bytes: no over-long form, no surrogate, nothing above U+10FFFF. NULL when it is none. */
static const char *skip_utf8(const char *p, const char *end)
{
    unsigned char lead = (unsigned char)*p, low = 0x80, high = 0xBF;
    ptrdiff_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;

    if (lead < 0xC2 || lead > 0xF4 || end - p <= more)
        return NULL;
    if (lead == 0xE0)
        low = 0xA0;
    else if (lead == 0xED)
        high = 0x9F;
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F;
    if ((unsigned char)p[1] < low || (unsigned char)p[1] > high)
        return NULL;
    for (ptrdiff_t i = 2; i <= more; i++) {
        if (!is_continuation(p[i]))
            return NULL;
    }
    return p + more + 1;
}

/* The four digits of \uXXXX, or -1. */
static int hex4(const char *p, const char *end)
{
    int v = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];

        if (c >= '0' && c <= '9')
            v = v * 16 + (c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            v = v * 16 + ((c | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return v;
}

/* The character of a \u escape whose digits start at p, the second half of a pair included; -1 when it is none. */
static int32_t unicode_escape(const char *p, const char *end, const char **after)
{
    int32_t high = hex4(p, end), low;

    *after = p + 4;
    if (high < 0xD800 || high > 0xDFFF)
        return high;
    if (high > 0xDBFF || end - p < 10 || p[4] != '\\' || p[5] != 'u')
        return -1;
    low = hex4(p + 6, end);
    if (low < 0xDC00 || low > 0xDFFF)
        return -1;
    *after = p + 10;
    return 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00);
}

/* p stands on the backslash. */
static const char *skip_escape(struct scan *s, const char *p)
{
    const char *after;

    s->escaped = true;
    if (s->end - p < 2)
        return fail(s, p, "the string does not end");
    if (p[1] != 'u')
        return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL ? p + 2 : fail(s, p, "unknown escape in a string");
    if (unicode_escape(p + 2, s->end, &after) < 0)
        return fail(s, p, "broken \\u escape in a string");
    return after;
}

/* The rest of a string that holds more than plain text; p stands on the first byte that is special. */
static const char *skip_special(struct scan *s, const char *p)
{
    for (;; p = skip_plain(p, s->end)) {
        const char *at = p;

        if (p >= s->end)
            return fail(s, p, "the string does not end");
        if (*p == '"')
            return p + 1;
        if (*p == '\\')
            p = skip_escape(s, p);
        else if ((unsigned char)*p < 0x20)
            return fail(s, p, "control character in a string");
        else if ((p = skip_utf8(p, s->end)) == NULL)
            return fail(s, at, "not UTF-8");
        if (p == NULL)
            return NULL;
    }
}

/* p stands behind the opening quote; returns behind the closing one. */
static inline const char *skip_string(struct scan *s, const char *p)
{
    p = skip_plain(p, s->end);
    return p < s->end && *p == '"' ? p + 1 : skip_special(s, p);
}

static inline const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

static const char *skip_number(struct scan *s, const char *p)
{
    const char *start = p, *digits;

    if (*p == '-')
        p++;
    digits = p;
    p = skip_digits(p, s->end);
    if (p == digits || (*digits == '0' && p > digits + 1))
        return fail(s, start, "malformed number");
    if (p < s->end && *p == '.') {
        digits = ++p;
        p = skip_digits(p, s->end);
        if (p == digits)
            return fail(s, start, "malformed number");
    }
    if (p < s->end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < s->end && (*p == '+' || *p == '-'))
            p++;
        digits = p;
        p = skip_digits(p, s->end);
        if (p == digits)
            return fail(s, start, "malformed number");
    }
    return p;
}

static const char *skip_word(struct scan *s, const char *p, const char *word, size_t len)
{
    if ((size_t)(s->end - p) < len || memcmp(p, word, len) != 0)
        return fail(s, p, "expected a value");
    return p + len;
}

/* Is key the segment of a path that starts here? A key that holds a dot is no segment of any path. */
static inline bool is_segment(const char *path, const char *key, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (path[i] != key[i])
            return false;
    }
    return (path[len] == '.' || path[len] == '\0') && memchr(key, '.', len) == NULL;
}

/* One of 64 bits by first character and length. (The first character of an empty key is its closing quote.) */
static inline uint64_t key_bit(char first, size_t len)
{
    return UINT64_C(1) << (((unsigned char)first + 7 * len) & 63);
}

static uint64_t make_filter(const struct scan *s, const struct want *w)
{
    uint64_t filter = 0;

    for (uint64_t rest = w->inside; rest != 0; rest &= rest - 1) {
        const char *segment = s->paths[__builtin_ctzll(rest)] + w->offset;
        size_t len = 0;

        while (segment[len] != '.' && segment[len] != '\0')
            len++;
        filter |= key_bit(*segment, len);
    }
    return filter;
}

/* Which paths the key leads on: filled into *w. False when one of them was seen in this object before. */
static bool match_key(const struct scan *s, const char *key, size_t len, struct level *o, struct want *w)
{
    if ((o->filter & key_bit(*key, len)) == 0)
        return true;
    for (uint64_t rest = o->want->inside; rest != 0; rest &= rest - 1) {
        unsigned i = (unsigned)__builtin_ctzll(rest);
        const char *path = s->paths[i] + o->want->offset;

        if (!is_segment(path, key, len))
            continue;
        if (path[len] == '\0')
            w->here |= UINT64_C(1) << i;
        else
            w->inside |= UINT64_C(1) << i;
    }
    w->offset = o->want->offset + len + 1;
    if ((o->seen & (w->here | w->inside)) != 0)
        return false;
    o->seen |= w->here | w->inside;
    return true;
}

/* As match_key for a key that is written with escapes. One too long for the buffer is no segment of our paths. */
static bool match_escaped_key(const struct scan *s, const char *key, size_t len, struct level *o, struct want *w)
{
    const struct jscan_value raw = {JSCAN_STRING, key, len};
    AUTO_BUF struct buf b = BUF_INIT(256);
    struct err ignored;

    if (jscan_str(&raw, &b, &ignored))
        return true;
    return match_key(s, b.p != NULL ? b.p : "", b.len, o, w);
}

static const char *scan_value(struct scan *s, const char *p, const struct want *w);

/* A key that somebody may want: p stands behind it. */
static bool scan_wanted_key(struct scan *s, const char *key, const char *p, struct level *o, struct want *w)
{
    size_t len = (size_t)(p - 1 - key);

    return s->escaped ? match_escaped_key(s, key, len, o, w) : match_key(s, key, len, o, w);
}

/* One `"key": value`; p stands behind the quote. */
static inline const char *scan_member(struct scan *s, const char *p, struct level *o)
{
    struct want w = {0, 0, 0};
    const char *key = p;

    s->escaped = false;
    if ((p = skip_string(s, key)) == NULL)
        return NULL;
    if (o->filter != 0 && !scan_wanted_key(s, key, p, o, &w))
        return fail(s, key - 1, "a key that we read stands here twice");
    if (look(s, &p) != ':')
        return fail(s, p, "expected ':' after the key");
    p++;
    if (w.here == 0 && look(s, &p) == '"') /* most values are strings that nobody asked for */
        return skip_string(s, p + 1);
    return scan_value(s, p, &w);
}

/* p stands behind the brace; w says which paths lead into this object. */
static const char *scan_object(struct scan *s, const char *p, const struct want *w)
{
    struct level o = {w, 0, make_filter(s, w)};
    int c = look(s, &p);

    if (c == '}')
        return p + 1;
    for (;;) {
        if (c != '"')
            return fail(s, p, "expected a key in quotes");
        if ((p = scan_member(s, p + 1, &o)) == NULL)
            return NULL;
        c = look(s, &p);
        if (c == '}')
            return p + 1;
        if (c != ',')
            return fail(s, p, "expected ',' or '}' after a member");
        p++;
        c = look(s, &p);
    }
}

static const char *scan_array(struct scan *s, const char *p)
{
    static const struct want nothing = {0, 0, 0};
    int c = look(s, &p);

    if (c == ']')
        return p + 1;
    for (;;) {
        if ((p = scan_value(s, p, &nothing)) == NULL)
            return NULL;
        c = look(s, &p);
        if (c == ']')
            return p + 1;
        if (c != ',')
            return fail(s, p, "expected ',' or ']' after an element");
        p++;
    }
}

static const char *scan_container(struct scan *s, const char *p, const struct want *w)
{
    const char *after;

    if (s->depth >= JSCAN_MAX_DEPTH)
        return fail(s, p, "nested too deep");
    s->depth++;
    after = *p == '{' ? scan_object(s, p + 1, w) : scan_array(s, p + 1);
    s->depth--;
    return after;
}

static void record(const struct scan *s, uint64_t paths, enum jscan_type type, const char *p, const char *after)
{
    for (; paths != 0; paths &= paths - 1)
        s->found[__builtin_ctzll(paths)] = (struct jscan_value){type, p, (size_t)(after - p)};
}

static const char *scan_other(struct scan *s, const char *p, int c, enum jscan_type *type)
{
    switch (c) {
    case 't':
        *type = JSCAN_TRUE;
        return skip_word(s, p, "true", 4);
    case 'f':
        *type = JSCAN_FALSE;
        return skip_word(s, p, "false", 5);
    case 'n':
        *type = JSCAN_NULL;
        return skip_word(s, p, "null", 4);
    default:
        *type = JSCAN_NUMBER;
        return c == '-' || (c >= '0' && c <= '9') ? skip_number(s, p) : fail(s, p, "expected a value");
    }
}

static const char *scan_value(struct scan *s, const char *p, const struct want *w)
{
    int c = look(s, &p);
    enum jscan_type type;
    const char *after;

    if (c == '"') {
        if ((after = skip_string(s, p + 1)) != NULL && w->here != 0)
            record(s, w->here, JSCAN_STRING, p + 1, after - 1);
        return after;
    }
    if (c == '{' || c == '[') {
        type = c == '{' ? JSCAN_OBJECT : JSCAN_ARRAY;
        after = scan_container(s, p, w);
    } else {
        after = scan_other(s, p, c, &type);
    }
    if (after != NULL && w->here != 0)
        record(s, w->here, type, p, after);
    return after;
}

int jscan(const char *text, size_t len, const char *const *paths, size_t n, struct jscan_value *out, struct err *e)
{
    struct jscan_value found[JSCAN_MAX_PATHS];
    struct scan s = {.text = text, .end = text + len, .paths = paths, .found = found};
    struct want all = {.inside = n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX};
    const char *p;

    if (n > JSCAN_MAX_PATHS)
        return err_set(e, ERR_BUG, "jscan: %zu paths, at most %d", n, JSCAN_MAX_PATHS);
    for (size_t i = 0; i < n; i++)
        found[i] = (struct jscan_value){JSCAN_ABSENT, NULL, 0};
    p = scan_value(&s, text, &all);
    if (p != NULL && (p = skip_space(&s, p)) != s.end)
        p = fail(&s, p, "text after the value");
    if (p == NULL)
        return err_set(e, ERR_INVALID, "not JSON at byte %zu: %s", (size_t)(s.at - text), s.fault);
    if (n > 0)
        memcpy(out, found, n * sizeof(*out));
    return 0;
}

bool jscan_next_item(const struct jscan_value *array, size_t *pos, struct jscan_value *item)
{
    static const char *const whole[] = {""};
    struct want w = {.here = 1};
    struct jscan_value v;
    struct scan s = {.text = array->p, .end = array->p + array->len, .paths = whole, .found = &v};
    const char *p, *after;

    if (array->type != JSCAN_ARRAY || *pos >= array->len)
        return false;
    p = skip_space(&s, array->p + (*pos == 0 ? 1 : *pos));
    if (p >= s.end || *p == ']' || (after = scan_value(&s, p, &w)) == NULL)
        return false;
    after = skip_space(&s, after);
    if (after < s.end && *after == ',')
        after++;
    *pos = (size_t)(after - array->p);
    *item = v;
    return true;
}

static void add_utf8(struct buf *out, int32_t c)
{
    if (c < 0x80) {
        buf_addc(out, (char)c);
    } else if (c < 0x800) {
        buf_addc(out, (char)(0xC0 | (c >> 6)));
        buf_addc(out, (char)(0x80 | (c & 0x3F)));
    } else if (c < 0x10000) {
        buf_addc(out, (char)(0xE0 | (c >> 12)));
        buf_addc(out, (char)(0x80 | ((c >> 6) & 0x3F)));
        buf_addc(out, (char)(0x80 | (c & 0x3F)));
    } else {
        buf_addc(out, (char)(0xF0 | (c >> 18)));
        buf_addc(out, (char)(0x80 | ((c >> 12) & 0x3F)));
        buf_addc(out, (char)(0x80 | ((c >> 6) & 0x3F)));
        buf_addc(out, (char)(0x80 | (c & 0x3F)));
    }
}

/* The character of the escape whose backslash stands at p; 0 for a NUL, -1 when it is none. */
static int32_t decode_escape(const char *p, const char *end, const char **after)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *found;

    if (end - p < 2 || p[1] == '\0')
        return -1;
    if (p[1] == 'u')
        return unicode_escape(p + 2, end, after);
    *after = p + 2;
    found = strchr(names, p[1]);
    return found != NULL ? values[found - names] : -1;
}

int jscan_str(const struct jscan_value *v, struct buf *out, struct err *e)
{
    const char *p = v->p, *end = v->p + v->len, *text;
    size_t before = out->len;

    if (v->type != JSCAN_STRING)
        return err_set(e, ERR_INVALID, "expected a string, found %s", jscan_type_name(v->type));
    while (p < end) {
        const char *esc = memchr(p, '\\', (size_t)(end - p));
        int32_t c;

        buf_add(out, p, (size_t)((esc != NULL ? esc : end) - p));
        if (esc == NULL)
            break;
        c = decode_escape(esc, end, &p);
        if (c <= 0) {
            out->len = before;
            if (out->p != NULL)
                out->p[before] = '\0';
            return err_set(e, ERR_INVALID, c == 0 ? "a string holds a NUL character" : "broken escape in a string");
        }
        add_utf8(out, c);
    }
    return buf_str(out, &text, e);
}

int jscan_i64(const struct jscan_value *v, int64_t *out, struct err *e)
{
    const char *p = v->p, *end = v->p + v->len;
    bool negative = v->type == JSCAN_NUMBER && *p == '-';
    int64_t value = 0; /* kept negative: the range reaches further there */

    if (v->type != JSCAN_NUMBER)
        return err_set(e, ERR_INVALID, "expected a whole number, found %s", jscan_type_name(v->type));
    for (p += negative; p < end; p++) {
        if (*p < '0' || *p > '9')
            return err_set(e, ERR_INVALID, "expected a whole number, found one with a fraction or exponent");
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, *p - '0', &value))
            return err_set(e, ERR_INVALID, "the number does not fit in 64 bits");
    }
    if (!negative && value == INT64_MIN)
        return err_set(e, ERR_INVALID, "the number does not fit in 64 bits");
    *out = negative ? value : -value;
    return 0;
}

const char *jscan_type_name(enum jscan_type t)
{
    switch (t) {
    case JSCAN_ABSENT:
        return "nothing";
    case JSCAN_NULL:
        return "null";
    case JSCAN_FALSE:
        return "false";
    case JSCAN_TRUE:
        return "true";
    case JSCAN_NUMBER:
        return "a number";
    case JSCAN_STRING:
        return "a string";
    case JSCAN_OBJECT:
        return "an object";
    case JSCAN_ARRAY:
        return "an array";
    }
    return "something unknown";
}
