/* The schema of one value: what its text may be, as the types that YAML reads it as. */
#include "server/base/buf.h"
#include "server/base/json.h"
#include "server/base/yaml.h"
#include "server/config/cirun_schema_int.h"

#include <stdio.h>
#include <string.h>

/* --- whole numbers as text --------------------------------------------------------------------------------------- */

static bool is_all(const char *s, char c)
{
    return s[strspn(s, (const char[]){c, '\0'})] == '\0';
}

static void add_digits(struct buf *out, char from, char to)
{
    if (from == to)
        buf_addc(out, from);
    else if (from < to)
        buf_addf(out, "[%c-%c]", from, to);
}

/* The numbers from lo to hi, which have equally many digits. The recursion is as deep as these are many. */
static void add_same_length(struct buf *out, const char *lo, const char *hi)
{
    size_t n = strlen(lo);
    char zeros[24], nines[24];

    if (n == 0)
        return;
    if (is_all(lo, '0') && is_all(hi, '9')) {
        buf_addf(out, n == 1 ? "[0-9]" : "[0-9]{%zu}", n);
    } else if (*lo == *hi) {
        buf_addc(out, *lo);
        add_same_length(out, lo + 1, hi + 1);
    } else {
        (void)snprintf(zeros, sizeof(zeros), "%0*d", (int)n, 0);
        memset(nines, '9', sizeof(nines));
        nines[n] = '\0';
        buf_adds(out, "(");
        buf_addc(out, *lo);
        add_same_length(out, lo + 1, nines + 1);
        if (*hi - *lo > 1) {
            buf_addc(out, '|');
            add_digits(out, (char)(*lo + 1), (char)(*hi - 1));
            if (n > 1)
                buf_addf(out, "[0-9]{%zu}", n - 1);
        }
        buf_addc(out, '|');
        buf_addc(out, *hi);
        add_same_length(out, zeros + 1, hi + 1);
        buf_adds(out, ")");
    }
}

void cirun_schema_range(struct buf *out, int64_t min, int64_t max)
{
    int64_t from = min < 0 ? 0 : min;

    for (int64_t n = min; n < 0; n++)
        buf_addf(out, "%lld|", (long long)n);
    while (from <= max) {
        int64_t to = 9;
        char lo[24], hi[24];

        while (to < from)
            to = to * 10 + 9;
        if (to > max)
            to = max;
        (void)snprintf(lo, sizeof(lo), "%lld", (long long)from);
        (void)snprintf(hi, sizeof(hi), "%lld", (long long)to);
        add_same_length(out, lo, hi);
        if (to < max)
            buf_addc(out, '|');
        from = to + 1;
    }
}

/* --- single values ----------------------------------------------------------------------------------------------- */

static void add_pattern(json_t *alternatives, const char *pattern)
{
    (void)json_array_append_new(alternatives, json_pack("{s:s, s:s}", "type", "string", "pattern", pattern));
}

static void add_bool(json_t *alternatives)
{
    (void)json_array_append_new(alternatives, json_pack("{s:s}", "type", "boolean"));
    add_pattern(alternatives, "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Yy][Ee][Ss]|[Nn][Oo]|[Oo][Nn]|[Oo][Ff][Ff])$");
}

static void add_whole(json_t *alternatives, const struct cirun_key *k)
{
    AUTO_BUF struct buf pattern = BUF_INIT(2000);

    (void)json_array_append_new(alternatives, json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
                                                        (json_int_t)k->min, "maximum", (json_int_t)k->max));
    buf_adds(&pattern, "^(");
    cirun_schema_range(&pattern, k->min, k->max);
    buf_adds(&pattern, ")$");
    add_pattern(alternatives, pattern.p);
}

/* max is a power of ten: so many digits less one. */
static void add_usd(json_t *alternatives, const struct cirun_key *k)
{
    char pattern[100];
    int digits = snprintf(NULL, 0, "%lld", (long long)k->max) - 2;

    (void)json_array_append_new(alternatives, json_pack("{s:s, s:i, s:I}", "type", "number", "exclusiveMinimum", 0,
                                                        "exclusiveMaximum", (json_int_t)k->max));
    (void)snprintf(pattern, sizeof(pattern), "^(?!0(\\.0+)?$)(0|[1-9][0-9]{0,%d})(\\.[0-9]+)?$", digits);
    add_pattern(alternatives, pattern);
}

static void add_gigabytes(json_t *alternatives, const struct cirun_key *k)
{
    AUTO_BUF struct buf pattern = BUF_INIT(2000);

    buf_adds(&pattern, "^(");
    cirun_schema_range(&pattern, k->min, k->max);
    buf_adds(&pattern, ") ?[Gg]([Ii]?[Bb])?$");
    add_pattern(alternatives, pattern.p);
}

static void add_text(json_t *alternatives, const struct cirun_key *k)
{
    json_t *text = (k->flags & CIRUN_STRING) != 0
                       ? json_pack("{s:s, s:i}", "type", "string", "minLength", 1)
                       : json_pack("{s:[s,s,s], s:i}", "type", "string", "number", "boolean", "minLength", 1);

    if (k->pattern != NULL)
        (void)json_object_set_new(text, "pattern", json_string(k->pattern));
    (void)json_array_append_new(alternatives, text);
    if (k->of != NULL)
        (void)json_array_append_new(alternatives, cirun_schema_map(k->of));
}

static json_t *environment(void)
{
    return json_pack("{s:s, s:{s:s}, s:{s:[{s:[s,s,s]}, {s:s, s:s}]}}", "type", "object", "propertyNames", "pattern",
                     "^(?![Aa][Cc][Tt][Ii][Oo][Nn][Ss]_[Rr][Uu][Nn][Nn][Ee][Rr]_)[A-Za-z_][A-Za-z0-9_]*$",
                     "additionalProperties", "anyOf", "type", "number", "boolean", "null", "type", "string", "pattern",
                     "^[^\\r\\n]*$");
}

static json_t *words_of(const struct cirun_key *k)
{
    json_t *words = json_array();

    for (size_t i = 0; k->words[i] != NULL; i++)
        (void)json_array_append_new(words, json_string(k->words[i]));
    return json_pack("{s:o}", "enum", words);
}

/* What one value may be: a list of schemas, any of which will do. */
static json_t *alternatives_of(const struct cirun_key *k)
{
    json_t *a = json_array();

    switch (k->type) {
    case CIRUN_TEXT:
        add_text(a, k);
        break;
    case CIRUN_WORD:
        (void)json_array_append_new(a, words_of(k));
        break;
    case CIRUN_BOOL:
        add_bool(a);
        break;
    case CIRUN_WHOLE:
        add_whole(a, k);
        break;
    case CIRUN_USD:
        add_usd(a, k);
        break;
    case CIRUN_DURATION:
        add_pattern(a, "^(?!$)([0-9]{1,3}d)?([0-9]{1,4}h)?([0-9]{1,4}m)?([0-9]{1,4}s)?([0-9]{1,4}ms)?$");
        break;
    case CIRUN_GIGABYTES:
        add_gigabytes(a, k);
        break;
    case CIRUN_MAP:
        (void)json_array_append_new(a, cirun_schema_map(k->of));
        break;
    case CIRUN_ENV:
        (void)json_array_append_new(a, environment());
        break;
    case CIRUN_ANY:
        (void)json_array_append_new(a, json_pack("{s:s}", "type", "object"));
        break;
    }
    return a;
}

/* --- one key ----------------------------------------------------------------------------------------------------- */

/* The only one, or anyOf them. Takes the list. */
static json_t *any_of(json_t *alternatives)
{
    json_t *only;

    if (json_array_size(alternatives) != 1)
        return json_pack("{s:o}", "anyOf", alternatives);
    only = json_incref(json_array_get(alternatives, 0));
    json_decref(alternatives);
    return only;
}

static json_t *list_of(const struct cirun_key *k)
{
    json_t *list = json_pack("{s:s, s:o}", "type", "array", "items", any_of(alternatives_of(k)));

    if (k->many == CIRUN_ONE_OR_LIST || (k->flags & CIRUN_FILLED) != 0)
        (void)json_object_set_new(list, "minItems", json_integer(1));
    if (k->max_items > 0)
        (void)json_object_set_new(list, "maxItems", json_integer((json_int_t)k->max_items));
    return list;
}

static void describe(json_t *schema, const struct cirun_key *k)
{
    AUTO_BUF struct buf text = BUF_INIT(2000);
    AUTO_YAML struct yaml_doc *example = NULL;
    struct err ignored;

    buf_adds(&text, k->help);
    if (k->def != NULL)
        buf_addf(&text, " Default: %s.", k->def);
    if ((k->flags & CIRUN_OURS) != 0)
        buf_adds(&text, " (muster's own key; Cirun ignores it.)");
    (void)json_object_set_new(schema, "description", json_string(text.p));
    if (k->example != NULL && yaml_parse(k->example, strlen(k->example), 1000, k->name, &example, &ignored) == 0)
        (void)json_object_set_new(schema, "examples", json_pack("[o]", yaml_to_json(yaml_root(example))));
    if ((k->flags & CIRUN_OLD) != 0)
        (void)json_object_set_new(schema, "deprecated", json_true());
}

json_t *cirun_schema_key(const struct cirun_key *k)
{
    json_t *all = k->many == CIRUN_LIST ? json_array() : alternatives_of(k), *schema;

    if (k->many != CIRUN_ONE)
        (void)json_array_append_new(all, list_of(k));
    if ((k->flags & (CIRUN_SET | CIRUN_NEEDED)) == 0)
        (void)json_array_append_new(all, json_pack("{s:s}", "type", "null"));
    schema = any_of(all);
    describe(schema, k);
    return schema;
}
