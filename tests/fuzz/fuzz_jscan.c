/* The hot path's JSON reader against jansson: they must agree on what is JSON, and on every value that was asked for.
 */
#include "tests/fuzz/fuzz.h"

#include "server/base/jscan.h"

#include <jansson.h>

static const char *const paths[] = {
    "action", "workflow_job.id", "workflow_job.labels", "repository.full_name", "a.b.c", "a.b.d", "a.e", "a b"};
#define N (sizeof(paths) / sizeof(paths[0]))

/* The value at a path of keys, for documents without duplicates among them. */
static json_t *find(json_t *j, const char *path)
{
    while (j != NULL) {
        size_t len = strcspn(path, ".");

        j = json_object_getn(j, path, len);
        if (path[len] == '\0')
            break;
        path += len + 1;
    }
    return j;
}

static enum jscan_type type_of(const json_t *j)
{
    if (j == NULL)
        return JSCAN_ABSENT;
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        return JSCAN_OBJECT;
    case JSON_ARRAY:
        return JSCAN_ARRAY;
    case JSON_STRING:
        return JSCAN_STRING;
    case JSON_INTEGER:
    case JSON_REAL:
        return JSCAN_NUMBER;
    case JSON_TRUE:
        return JSCAN_TRUE;
    case JSON_FALSE:
        return JSCAN_FALSE;
    case JSON_NULL:
        return JSCAN_NULL;
    }
    return JSCAN_ABSENT;
}

static void compare_string(const struct jscan_value *v, const json_t *j)
{
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    struct err e;
    size_t len = json_string_length(j);
    bool has_nul = memchr(json_string_value(j), 0, len) != NULL;

    NEED((jscan_str(v, &b, &e) != 0) == has_nul);
    if (!has_nul)
        NEED(b.len == len && (len == 0 || memcmp(b.p, json_string_value(j), len) == 0));
}

static void compare(const struct jscan_value *v, const json_t *j)
{
    struct err e;
    int64_t n = 0;

    NEED(v->type == type_of(j));
    if (v->type == JSCAN_STRING)
        compare_string(v, j);
    if (v->type == JSCAN_NUMBER) {
        NEED((jscan_i64(v, &n, &e) == 0) == json_is_integer(j));
        NEED(!json_is_integer(j) || n == json_integer_value(j));
    }
    if (v->type == JSCAN_ARRAY) {
        struct jscan_value item;
        size_t pos = 0, count = 0;

        for (; jscan_next_item(v, &pos, &item); count++)
            compare(&item, json_array_get(j, count));
        NEED(count == json_array_size(j));
    }
}

/* Valid JSON that jansson cannot hold. */
static bool is_out_of_range(const json_error_t *why)
{
    return json_error_code(why) == json_error_numeric_overflow || json_error_code(why) == json_error_null_byte_in_key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct jscan_value v[N];
    json_error_t why;
    json_t *j;
    struct err e;

    if (jscan(text, size, paths, N, v, &e) == 0) {
        j = json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
        NEED(j != NULL || is_out_of_range(&why));
        for (size_t i = 0; j != NULL && i < N; i++)
            compare(&v[i], find(j, paths[i]));
    } else {
        j = json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
        /* jansson loses a NUL byte behind a number. */
        NEED(j == NULL || memchr(text, 0, size) != NULL || strstr(e.msg, "nested too deep") != NULL);
    }
    json_decref(j);
    return 0;
}
