/* Values from and to YAML, JSON, numbers and text. */
#include "server/base/text.h"
#include "server/config/workflow_value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- case ---- */

/* Of a character of two bytes: Latin-1, Latin Extended-A, Greek, Cyrillic. */
static unsigned upper_of(unsigned c)
{
    if (c == 0xff)
        return 0x178;
    if (c == 0x3c2)
        return 0x3a3;
    if (c == 0x3cc)
        return 0x38c;
    if ((c >= 0xe0 && c <= 0xfe && c != 0xf7) || (c >= 0x3b1 && c <= 0x3cb) || (c >= 0x430 && c <= 0x44f))
        return c - 0x20;
    if (c >= 0x450 && c <= 0x45f)
        return c - 0x50;
    if (c == 0x3ac || (c >= 0x3ad && c <= 0x3af))
        return c == 0x3ac ? 0x386 : c - 0x25;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e)) /* pairs that begin with an odd one */
        return c - (c % 2 == 0 ? 1 : 0);
    if ((c >= 0x100 && c <= 0x177 && c != 0x131) || (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf))
        return c - c % 2;
    return c;
}

unsigned wf_upper(const char **s)
{
    unsigned c = (unsigned char)**s, next = c != 0 ? (unsigned char)(*s)[1] : 0;

    (*s)++;
    if (c < 0x80)
        return c >= 'a' && c <= 'z' ? c - 32 : c;
    if ((c & 0xe0) != 0xc0 || (next & 0xc0) != 0x80)
        return 0x110000 + c; /* a byte of a longer one */
    (*s)++;
    return upper_of((c & 0x1f) << 6 | (next & 0x3f));
}

/* ---- numbers ---- */

static bool all_of(const char *s, const char *set)
{
    return *s != '\0' && s[strspn(s, set)] == '\0';
}

#define DIGITS "0123456789"

/* [+-] digits [. digits] [e [+-] digits], with a digit before or behind the point. */
static bool is_decimal(const char *s)
{
    size_t whole, part = 0;

    s += *s == '-' || *s == '+' ? 1 : 0;
    whole = strspn(s, DIGITS);
    s += whole;
    if (*s == '.') {
        part = strspn(s + 1, DIGITS);
        s += 1 + part;
    }
    if (whole + part == 0)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+' ? 1 : 0;
        return all_of(s, DIGITS);
    }
    return *s == '\0';
}

/* 32 bits, as the runner reads them: from 2^31 on they are negative. */
static double small_integer(const char *digits, int base)
{
    unsigned long long n = strtoull(digits, NULL, base);
    size_t len = strlen(digits);

    if (len > 16 || n > UINT32_MAX)
        return NAN;
    return (double)(int32_t)(uint32_t)n;
}

double wf_parse_number(const char *s)
{
    char text[512];
    size_t len;

    s += strspn(s, " \t\r\n\v\f");
    len = strlen(s);
    while (len > 0 && strchr(" \t\r\n\v\f", s[len - 1]) != NULL)
        len--;
    if (len == 0)
        return 0;
    if (len >= sizeof(text))
        return NAN;
    memcpy(text, s, len);
    text[len] = '\0';
    if (is_decimal(text))
        return strtod(text, NULL);
    if (text_has_prefix(text, "0x") && all_of(text + 2, DIGITS "abcdefABCDEF"))
        return small_integer(text + 2, 16);
    if (text_has_prefix(text, "0o") && all_of(text + 2, "01234567"))
        return small_integer(text + 2, 8);
    if (strcmp(text, "Infinity") == 0 || strcmp(text, "+Infinity") == 0)
        return INFINITY;
    return strcmp(text, "-Infinity") == 0 ? -INFINITY : NAN;
}

double wf_to_number(const struct wf_value *v)
{
    switch (v->kind) {
    case WF_NULL:
        return 0;
    case WF_BOOL:
        return v->flag ? 1 : 0;
    case WF_NUMBER:
        return v->number;
    case WF_STRING:
        return wf_parse_number(v->text);
    case WF_ARRAY:
    case WF_OBJECT:
    case WF_UNKNOWN:
        return NAN;
    }
    return NAN;
}

/* Fifteen digits, as .NET's G15. */
static void number_text(double number, char out[40])
{
    if (isnan(number))
        (void)snprintf(out, 40, "NaN");
    else if (isinf(number))
        (void)snprintf(out, 40, "%sInfinity", number < 0 ? "-" : "");
    else
        (void)snprintf(out, 40, "%.15G", number == 0 ? 0.0 : number);
}

const char *wf_to_text(struct arena *a, const struct wf_value *v)
{
    char number[40];

    switch (v->kind) {
    case WF_NULL:
        return "";
    case WF_BOOL:
        return v->flag ? "true" : "false";
    case WF_NUMBER:
        number_text(v->number, number);
        return arena_strdup(a, number);
    case WF_STRING:
    case WF_UNKNOWN:
        return v->text;
    case WF_ARRAY:
        return "Array";
    case WF_OBJECT:
        return "Object";
    }
    return "";
}

/* ---- JSON ---- */

static void add_quoted(struct buf *out, const char *s)
{
    static const char short_form[] = "\"\"\\\\\bb\ff\nn\rr\tt";

    buf_addc(out, '"');
    for (; *s != '\0'; s++) {
        const char *at = NULL;

        for (size_t i = 0; short_form[i] != '\0' && at == NULL; i += 2)
            at = short_form[i] == *s ? &short_form[i + 1] : NULL;
        if (at != NULL)
            buf_addf(out, "\\%c", *at);
        else if ((unsigned char)*s < 0x20)
            buf_addf(out, "\\u%04x", (unsigned)(unsigned char)*s);
        else
            buf_addc(out, *s);
    }
    buf_addc(out, '"');
}

static void add_json(const struct wf_value *v, int level, struct buf *out);

static void add_members(const struct wf_value *v, int level, struct buf *out)
{
    bool list = v->kind == WF_ARRAY;

    if (v->n == 0) {
        buf_adds(out, list ? "[]" : "{}");
        return;
    }
    buf_addc(out, list ? '[' : '{');
    for (size_t i = 0; i < v->n && !out->over; i++) {
        buf_addf(out, "%s\n%*s", i > 0 ? "," : "", (level + 1) * 2, "");
        if (!list) {
            add_quoted(out, v->fields[i].key);
            buf_adds(out, ": ");
        }
        add_json(list ? v->items[i] : v->fields[i].value, level + 1, out);
    }
    buf_addf(out, "\n%*s%c", level * 2, "", list ? ']' : '}');
}

static void add_json(const struct wf_value *v, int level, struct buf *out)
{
    char number[40];

    switch (v->kind) {
    case WF_NULL:
        buf_adds(out, "null");
        return;
    case WF_BOOL:
        buf_adds(out, v->flag ? "true" : "false");
        return;
    case WF_NUMBER:
        number_text(v->number, number);
        buf_adds(out, number);
        return;
    case WF_STRING:
    case WF_UNKNOWN:
        add_quoted(out, v->text);
        return;
    case WF_ARRAY:
    case WF_OBJECT:
        add_members(v, level, out);
        return;
    }
}

void wf_to_json(const struct wf_value *v, struct buf *out)
{
    add_json(v, 0, out);
}

static const struct wf_value *of_json_object(struct arena *a, const json_t *j)
{
    struct wf_field *fields = arena_calloc(a, json_object_size(j) + 1, sizeof(*fields));
    const char *key;
    json_t *value;
    size_t n = 0;

    json_object_foreach((json_t *)(uintptr_t)j, key, value)
    {
        fields[n++] = (struct wf_field){arena_strdup(a, key), wf_of_json(a, value)};
    }
    return wf_object(a, fields, n);
}

static const struct wf_value *of_json_array(struct arena *a, const json_t *j)
{
    const struct wf_value **items = arena_calloc(a, json_array_size(j) + 1, sizeof(const struct wf_value *));

    for (size_t i = 0; i < json_array_size(j); i++)
        items[i] = wf_of_json(a, json_array_get(j, i));
    return wf_array(a, items, json_array_size(j));
}

const struct wf_value *wf_of_json(struct arena *a, const json_t *j)
{
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        return of_json_object(a, j);
    case JSON_ARRAY:
        return of_json_array(a, j);
    case JSON_STRING:
        return wf_string(a, json_string_value(j), json_string_length(j));
    case JSON_INTEGER:
    case JSON_REAL:
        return wf_number(a, json_number_value(j));
    case JSON_TRUE:
    case JSON_FALSE:
        return wf_bool(json_is_true(j));
    case JSON_NULL:
        return wf_null();
    }
    return wf_null();
}

/* ---- YAML ---- */

static bool is_one_of(const char *s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(s, words[i]) == 0)
            return true;
    }
    return false;
}

/* YAML 1.2, core schema (10.3.2): null, booleans, integers, floats; everything else is text. */
static const struct wf_value *of_plain(struct arena *a, const char *s)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"}, *const yes[] = {"true", "True", "TRUE"},
                             *const no[] = {"false", "False", "FALSE"}, *const infinite[] = {".inf",  ".Inf",  ".INF",
                                                                                             "+.inf", "+.Inf", "+.INF"},
                             *const negative[] = {"-.inf", "-.Inf", "-.INF"}, *const nan[] = {".nan", ".NaN", ".NAN"};

    if (is_one_of(s, nulls, ARRAY_LEN(nulls)))
        return wf_null();
    if (is_one_of(s, yes, ARRAY_LEN(yes)))
        return wf_bool(true);
    if (is_one_of(s, no, ARRAY_LEN(no)))
        return wf_bool(false);
    if (is_decimal(s))
        return wf_number(a, strtod(s, NULL));
    if ((text_has_prefix(s, "0x") && all_of(s + 2, DIGITS "abcdefABCDEF")) ||
        (text_has_prefix(s, "0o") && all_of(s + 2, "01234567"))) {
        double number = wf_parse_number(s);

        return isnan(number) ? wf_string(a, s, strlen(s)) : wf_number(a, number);
    }
    if (is_one_of(s, infinite, ARRAY_LEN(infinite)))
        return wf_number(a, INFINITY);
    if (is_one_of(s, negative, ARRAY_LEN(negative)))
        return wf_number(a, -INFINITY);
    return is_one_of(s, nan, ARRAY_LEN(nan)) ? wf_number(a, NAN) : wf_string(a, s, strlen(s));
}

const struct wf_value *wf_of_scalar(struct arena *a, const struct yaml_node *n)
{
    struct wf_value *v = arena_alloc(a, sizeof(*v));

    *v = n->plain ? *of_plain(a, n->text) : (struct wf_value){.kind = WF_STRING, .text = n->text};
    v->line = n->line;
    v->column = n->column;
    return v;
}

const struct wf_value *wf_of_yaml(struct arena *a, const struct yaml_node *n)
{
    const struct wf_value **items;
    struct wf_field *fields;

    switch (n->kind) {
    case YAML_SCALAR:
        return wf_of_scalar(a, n);
    case YAML_LIST:
        items = arena_calloc(a, n->n + 1, sizeof(const struct wf_value *));
        for (size_t i = 0; i < n->n; i++)
            items[i] = wf_of_yaml(a, n->items[i]);
        return wf_array(a, items, n->n);
    case YAML_MAP:
        fields = arena_calloc(a, n->n + 1, sizeof(*fields));
        for (size_t i = 0; i < n->n; i++)
            fields[i] = (struct wf_field){n->pairs[i].key->text, wf_of_yaml(a, n->pairs[i].value)};
        return wf_object(a, fields, n->n);
    }
    return wf_null();
}
