#include "server/base/json.h"

#include "server/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void js_begin(void)
{
    json_set_alloc_funcs(mem_alloc, free);
}

void js_free_ptr(json_t **j)
{
    json_decref(*j);
    *j = NULL;
}

/* jansson quotes the offending text after " near '"; it may be part of a credential, so it goes. */
static void drop_quote(char *text)
{
    char *near = strstr(text, " near '");

    if (near != NULL)
        *near = '\0';
}

int js_parse(const char *text, size_t len, json_t **out, struct err *e)
{
    json_error_t why = {.line = 1, .column = 1, .text = "a NUL byte in the text"};
    /* jansson loses a NUL byte behind a number: "[1\0]" would pass. */
    json_t *j = len == 0 || memchr(text, '\0', len) == NULL
                    ? json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why)
                    : NULL;

    if (j == NULL) {
        drop_quote(why.text);
        return err_set(e, ERR_INVALID, "not JSON at line %d, column %d: %s", why.line, why.column, why.text);
    }
    *out = j;
    return 0;
}

static const char *type_name(const json_t *j)
{
    if (j == NULL)
        return "nothing";
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "something unknown";
}

/* The element that a path's segment names, or NULL. */
static json_t *element(const json_t *array, const char *seg, size_t len)
{
    size_t i = 0;

    if (len == 0 || len > 9)
        return NULL;
    for (size_t k = 0; k < len; k++) {
        if (seg[k] < '0' || seg[k] > '9')
            return NULL;
        i = i * 10 + (size_t)(seg[k] - '0');
    }
    return json_array_get(array, i);
}

/* The value at the path, or NULL when it or something on the way is not there. */
static json_t *at(const json_t *root, const char *path)
{
    const json_t *j = root;

    for (;;) {
        size_t len = strcspn(path, ".");
        json_t *found = json_is_array(j) ? element(j, path, len) : json_object_getn(j, path, len);

        if (found == NULL || path[len] == '\0')
            return found;
        j = found;
        path += len + 1;
    }
}

static int wrong(const json_t *j, const char *path, const char *want, struct err *e)
{
    return err_set(e, ERR_INVALID, "%s: expected %s, found %s", path, want, type_name(j));
}

/* Optional values: is there one to read? */
static bool present(const json_t *j)
{
    return j != NULL && !json_is_null(j);
}

int js_str(const json_t *root, const char *path, const char **out, struct err *e)
{
    json_t *j = at(root, path);

    if (!json_is_string(j))
        return wrong(j, path, "a string", e);
    *out = json_string_value(j);
    return 0;
}

int js_i64(const json_t *root, const char *path, int64_t *out, struct err *e)
{
    json_t *j = at(root, path);

    if (!json_is_integer(j))
        return wrong(j, path, "an integer", e);
    *out = json_integer_value(j);
    return 0;
}

int js_bool(const json_t *root, const char *path, bool *out, struct err *e)
{
    json_t *j = at(root, path);

    if (!json_is_boolean(j))
        return wrong(j, path, "a boolean", e);
    *out = json_is_true(j);
    return 0;
}

int js_obj(const json_t *root, const char *path, json_t **out, struct err *e)
{
    json_t *j = at(root, path);

    if (!json_is_object(j))
        return wrong(j, path, "an object", e);
    *out = j;
    return 0;
}

int js_arr(const json_t *root, const char *path, json_t **out, struct err *e)
{
    json_t *j = at(root, path);

    if (!json_is_array(j))
        return wrong(j, path, "a list", e);
    *out = j;
    return 0;
}

int js_opt_str(const json_t *root, const char *path, const char **out, struct err *e)
{
    return present(at(root, path)) ? js_str(root, path, out, e) : 0;
}

int js_opt_i64(const json_t *root, const char *path, int64_t *out, struct err *e)
{
    return present(at(root, path)) ? js_i64(root, path, out, e) : 0;
}

int js_opt_bool(const json_t *root, const char *path, bool *out, struct err *e)
{
    return present(at(root, path)) ? js_bool(root, path, out, e) : 0;
}

int js_opt_arr(const json_t *root, const char *path, json_t **out, struct err *e)
{
    return present(at(root, path)) ? js_arr(root, path, out, e) : 0;
}

int js_pack(struct err *e, json_t **out, const char *fmt, ...)
{
    json_error_t why;
    json_t *j;
    va_list ap;

    va_start(ap, fmt);
    j = json_vpack_ex(&why, 0, fmt, ap);
    va_end(ap);
    if (j == NULL)
        return err_set(e, ERR_INVALID, "cannot build JSON: %s", why.text);
    *out = j;
    return 0;
}

int js_dump(const json_t *j, char **out, struct err *e)
{
    char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);

    if (text == NULL)
        return err_set(e, ERR_BUG, "cannot write JSON: the document is no value or holds itself");
    *out = text;
    return 0;
}

static int add_to_buf(const char *data, size_t len, void *out)
{
    buf_add(out, data, len);
    return 0;
}

int js_dump_buf(const json_t *j, struct buf *out, struct err *e)
{
    const char *text;

    if (json_dump_callback(j, add_to_buf, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
        return err_set(e, ERR_BUG, "cannot write JSON: the document is no value or holds itself");
    return buf_str(out, &text, e);
}
