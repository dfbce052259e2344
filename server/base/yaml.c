#include "server/base/yaml.h"

#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (map == NULL || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++) {
        if (strcmp(map->pairs[i].key->text, key) == 0)
            return map->pairs[i].value;
    }
    return NULL;
}

static bool is_one_of(const char *s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(s, words[i]) == 0)
            return true;
    }
    return false;
}

bool yaml_is_null(const struct yaml_node *n)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};

    return n == NULL || (n->kind == YAML_SCALAR && n->plain && is_one_of(n->text, nulls, ARRAY_LEN(nulls)));
}

const char *yaml_kind_name(const struct yaml_node *n)
{
    if (yaml_is_null(n))
        return "nothing";
    switch (n->kind) {
    case YAML_SCALAR:
        return "a string";
    case YAML_LIST:
        return "a list";
    case YAML_MAP:
        return "a mapping";
    }
    return "something unknown";
}

int yaml_err(const struct yaml_doc *d, const struct yaml_node *n, struct err *e, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(e, ERR_INVALID, "%s:%d:%d: %s", yaml_file(d), n != NULL ? n->line : 1, n != NULL ? n->column : 1,
                   text);
}

int yaml_str(const struct yaml_doc *d, const struct yaml_node *n, const char *what, const char **out, struct err *e)
{
    if (yaml_is_null(n) || n->kind != YAML_SCALAR)
        return yaml_err(d, n, e, "%s must be a string, found %s", what, yaml_kind_name(n));
    *out = n->text;
    return 0;
}

int yaml_bool(const struct yaml_doc *d, const struct yaml_node *n, const char *what, bool *out, struct err *e)
{
    struct err ignored;

    if (yaml_is_null(n) || n->kind != YAML_SCALAR)
        return yaml_err(d, n, e, "%s must be true or false, found %s", what, yaml_kind_name(n));
    if (text_bool(n->text, out, &ignored))
        return yaml_err(d, n, e, "%s must be true or false, found \"%.60s\"", what, n->text);
    return 0;
}

int yaml_i64(const struct yaml_doc *d, const struct yaml_node *n, const char *what, int64_t min, int64_t max,
             int64_t *out, struct err *e)
{
    struct err ignored;

    if (yaml_is_null(n) || n->kind != YAML_SCALAR)
        return yaml_err(d, n, e, "%s must be a whole number, found %s", what, yaml_kind_name(n));
    if (text_i64(n->text, min, max, out, &ignored))
        return yaml_err(d, n, e, "%s must be a whole number from %lld to %lld, found \"%.60s\"", what, (long long)min,
                        (long long)max, n->text);
    return 0;
}

/* As JSON writes it, without exponent: -?(0|[1-9][0-9]*)(\.[0-9]+)? */
static bool is_number(const char *s)
{
    size_t digits;

    s += *s == '-';
    digits = strspn(s, "0123456789");
    if (digits == 0 || (*s == '0' && digits > 1))
        return false;
    s += digits;
    if (*s == '.') {
        digits = strspn(++s, "0123456789");
        s += digits;
    }
    return digits > 0 && *s == '\0';
}

static json_t *scalar_to_json(const struct yaml_node *n)
{
    static const char *const trues[] = {"true", "True", "TRUE"}, *const falses[] = {"false", "False", "FALSE"};
    json_t *number = NULL;

    if (yaml_is_null(n))
        return json_null();
    if (n->plain && is_one_of(n->text, trues, ARRAY_LEN(trues)))
        return json_true();
    if (n->plain && is_one_of(n->text, falses, ARRAY_LEN(falses)))
        return json_false();
    if (n->plain && is_number(n->text))
        number = json_loads(n->text, JSON_DECODE_ANY, NULL); /* NULL when it is too big: then it stays text */
    return number != NULL ? number : json_string(n->text);
}

json_t *yaml_to_json(const struct yaml_node *n)
{
    json_t *j;

    if (n == NULL || n->kind == YAML_SCALAR)
        return n != NULL ? scalar_to_json(n) : json_null();
    if (n->kind == YAML_LIST) {
        j = json_array();
        for (size_t i = 0; i < n->n; i++)
            (void)json_array_append_new(j, yaml_to_json(n->items[i]));
        return j;
    }
    j = json_object();
    for (size_t i = 0; i < n->n; i++)
        (void)json_object_set_new(j, n->pairs[i].key->text, yaml_to_json(n->pairs[i].value));
    return j;
}
