#include "tests/support/asked.h"

#include "server/base/json.h"

size_t asked_count(struct bed *b, const char *method, const char *path)
{
    size_t n = 0;

    for (size_t i = 0; i < raw_count(b->server); i++)
        n += fake_is(raw_get(b->server, i), method, path) ? 1 : 0;
    return n;
}

const struct raw_request *asked_nth(struct bed *b, const char *method, const char *path, size_t number)
{
    for (size_t i = 0; i < raw_count(b->server); i++) {
        if (fake_is(raw_get(b->server, i), method, path) && number-- == 0)
            return raw_get(b->server, i);
    }
    fail_msg("no such %s %s was sent", method, path);
    return NULL;
}

json_t *asked_last_body(struct bed *b, const char *method, const char *path)
{
    size_t n = asked_count(b, method, path);

    return fake_body(asked_nth(b, method, path, n > 0 ? n - 1 : 0));
}

void is_json(const json_t *doc, const char *expected)
{
    AUTO_BUF struct buf text = BUF_INIT(65536);
    AUTO_JSON json_t *want = NULL;
    AUTO_FREE char *got = NULL;
    struct err e;

    for (; *expected != '\0'; expected++)
        buf_addc(&text, (char)(*expected == '\'' ? '"' : *expected));
    assert_ok(js_parse(text.p, text.len, &want, &e), e);
    assert_ok(js_dump(doc, &got, &e), e);
    if (json_equal(doc, want) != 1)
        fail_msg("it is %s", got);
}
