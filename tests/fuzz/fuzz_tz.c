/* A time zone file, or with '=' in front the rule of one: whatever is accepted can be asked at any time, and what it
 * says holds until the moment it names. */
#include "tests/fuzz/fuzz.h"

#include "server/base/tz_rule.h"

static const int64_t times[] = {INT64_MIN, -2147483649, -1, 0, 951782400, 1798761599, 4102444800, INT64_MAX};

static void ask(const struct tz *z, int64_t t)
{
    struct tz_span now, then;
    struct tz_clock c;

    tz_at(z, t, &now);
    NEED(now.offset_s >= -26 * 3600 && now.offset_s <= 26 * 3600);
    tz_local(z, t, &c);
    NEED(c.weekday >= 0 && c.weekday < 7 && c.hour >= 0 && c.hour < 24 && c.minute >= 0 && c.minute < 60 &&
         c.second >= 0 && c.second < 60);
    if (t < -2147483649 || t > 4102444800)
        return;
    NEED(now.until_s > t);
    if (now.until_s < 8204889600) {
        tz_at(z, now.until_s - 1, &then);
        NEED(then.offset_s == now.offset_s);
    }
}

static void rule(const uint8_t *data, size_t size)
{
    char text[256];
    struct tz_rule r;
    struct tz_span span;
    struct err e;

    if (size >= sizeof(text))
        size = sizeof(text) - 1;
    memcpy(text, data, size);
    text[size] = '\0';
    if (tz_rule_parse(text, &r, &e) != 0) {
        NEED(e.kind == ERR_INVALID);
        return;
    }
    tz_rule_at(&r, 1798761599, &span);
    NEED(span.until_s > 1798761599);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new();
    const struct tz *z = NULL;
    struct err e;

    if (size > 0 && data[0] == '=')
        rule(data + 1, size - 1);
    else if (tz_parse(a, data, size, &z, &e) == 0) {
        for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
            ask(z, times[i]);
    } else {
        NEED(e.kind == ERR_INVALID && e.msg[0] != '\0');
    }
    arena_free(a);
    return 0;
}
