/* Path getters over jansson. Input: a path, a new line, a document. */
#include "tests/fuzz/fuzz.h"

#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"

/* What is written must be read back as the same. */
static void round_trip(const json_t *j)
{
    AUTO_FREE char *text = NULL;
    AUTO_FREE char *again = NULL;
    AUTO_JSON json_t *back = NULL;
    struct err e;

    NEED(js_dump(j, &text, &e) == 0);
    NEED(js_parse(text, strlen(text), &back, &e) == 0);
    NEED(js_dump(back, &again, &e) == 0);
    NEED(strcmp(text, again) == 0);
}

static void get_all(const json_t *j, const char *path)
{
    const char *s = NULL, *same = NULL;
    int64_t n = 0;
    bool b = false;
    json_t *part = NULL;
    struct err e;

    if (js_str(j, path, &s, &e) == 0)
        NEED(s != NULL && js_opt_str(j, path, &same, &e) == 0 && same == s);
    else
        NEED(e.kind == ERR_INVALID && s == NULL);
    (void)!js_i64(j, path, &n, &e);
    (void)!js_bool(j, path, &b, &e);
    if (js_obj(j, path, &part, &e) == 0)
        NEED(json_is_object(part));
    if (js_arr(j, path, &part, &e) == 0)
        NEED(json_is_array(part));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = memchr(data, '\n', size);
    size_t len = line != NULL ? (size_t)(line - data) : 0;
    AUTO_FREE char *path = mem_strndup((const char *)data, len);
    AUTO_JSON json_t *j = NULL;
    struct err e;

    if (line == NULL)
        return 0;
    if (js_parse((const char *)line + 1, size - len - 1, &j, &e)) {
        NEED(e.kind == ERR_INVALID && text_has_prefix(e.msg, "not JSON at line "));
        return 0;
    }
    NEED(memchr(line + 1, 0, size - len - 1) == NULL);
    round_trip(j);
    get_all(j, path);
    return 0;
}
