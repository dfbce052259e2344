/* Every parser of text.h on the same input; what can be written back must come out as it went in. */
#include "tests/fuzz/fuzz.h"

#include "server/base/mem.h"
#include "server/base/text.h"

#include <jansson.h>

static void numbers(const char *s)
{
    int64_t n = 0;
    bool b;
    struct err e;

    if (text_i64(s, INT64_MIN, INT64_MAX, &n, &e) == 0) {
        char back[32];

        (void)snprintf(back, sizeof(back), "%lld", (long long)n);
        NEED(strcmp(s, back) == 0);
    }
    if (text_duration_ms(s, &n, &e) == 0)
        NEED(n >= 0 && n <= INT64_C(3650) * 86400000);
    if (text_bool(s, &b, &e) == 0)
        NEED(strlen(s) <= 5);
}

static void times(const char *s)
{
    const int64_t first_ms = INT64_C(-62167219200000), end_ms = INT64_C(253402300800000);
    int64_t ms = 0, again = 0;
    char text[21];
    struct err e;

    if (text_rfc3339_ms(s, strlen(s), &ms, &e) == 0 && ms >= first_ms && ms < end_ms) {
        text_format_rfc3339(ms, text);
        NEED(text_rfc3339_ms(text, 20, &again, &e) == 0);
        NEED(again <= ms && ms - again < 1000);
    }
    if (text_http_date_ms(s, &ms, &e) == 0)
        NEED(ms % 1000 == 0 && ms >= first_ms - 86400000 && ms <= end_ms);
}

/* Decoders: what they accept is the one way to write the value. */
static void decoders(const char *s, size_t len)
{
    AUTO_BUF struct buf raw = BUF_INIT(1 << 20);
    AUTO_BUF struct buf back = BUF_INIT(1 << 20);
    AUTO_FREE unsigned char *bytes = mem_zalloc(len / 2 + 1);
    AUTO_FREE char *hex = mem_zalloc(len + 2);
    struct err e;

    if (text_unhex(s, len, bytes, &e) == 0) {
        text_hex(bytes, len / 2, hex);
        for (size_t i = 0; i < len; i++)
            NEED(hex[i] == text_lower(s[i]));
    }
    if (text_unbase64(s, len, &raw, &e) == 0) {
        text_base64(&back, raw.p, raw.len);
        NEED(back.len == len && (len == 0 || memcmp(back.p, s, len) == 0));
    } else {
        NEED(raw.len == 0);
    }
    buf_reset(&raw);
    if (text_url_unescape(s, len, true, &raw, &e) == 0)
        NEED(raw.len <= len && raw.len >= len / 3);
    else
        NEED(raw.len == 0);
}

/* Encoders: any bytes survive. */
static void encoders(const char *s, size_t len)
{
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    AUTO_BUF struct buf back = BUF_INIT(1 << 20);
    struct err e;

    text_base64(&text, s, len);
    NEED(len == 0 || text_unbase64(text.p, text.len, &back, &e) == 0);
    NEED(back.len == len && (len == 0 || memcmp(back.p, s, len) == 0));
    buf_reset(&text);
    buf_reset(&back);
    text_url_escape(&text, s, len);
    NEED(len == 0 || text_url_unescape(text.p, text.len, false, &back, &e) == 0);
    NEED(back.len == len && (len == 0 || memcmp(back.p, s, len) == 0));
}

static void characters(const char *s, size_t len)
{
    json_t *j = json_stringn(s, len); /* jansson takes UTF-8 only */

    NEED(text_utf8_valid(s, len) == (j != NULL));
    json_decref(j);
}

/* The first line is a pattern, the rest the text. */
static void words(const char *s)
{
    static const char *const keys[] = {"instance_type", "machine_image", "region", "labels"};
    AUTO_FREE char *pattern = mem_strdup(s);
    char *rest = strchr(pattern, '\n');
    struct err e;

    NEED(text_glob("*", s));
    if (strpbrk(s, "*?") == NULL)
        NEED(text_glob(s, s));
    if (rest != NULL) {
        *rest = '\0';
        if (strlen(pattern) < 100 && text_glob(pattern, rest + 1))
            NEED(strchr(pattern, '*') != NULL || strlen(pattern) <= strlen(rest + 1));
    }
    (void)text_nearest(s, keys, 4);
    (void)!err_set(&e, ERR_INVALID, "%s", s);
    NEED(!text_utf8_valid(s, strlen(s)) || text_utf8_valid(e.msg, strlen(e.msg)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *s = mem_strndup((const char *)data, size);

    numbers(s);
    times(s);
    words(s);
    decoders((const char *)data, size);
    encoders((const char *)data, size);
    characters((const char *)data, size);
    return 0;
}
