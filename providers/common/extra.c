#include "providers/common/extra.h"

#include "server/base/text.h"

int extra_whole(const json_t *v, int64_t min, int64_t max, int64_t *out, struct err *e)
{
    if (json_is_string(v))
        return text_i64(json_string_value(v), min, max, out, e);
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
        return err_set(e, ERR_INVALID, "expected a whole number from %lld to %lld", (long long)min, (long long)max);
    *out = json_integer_value(v);
    return 0;
}

int extra_opt_whole(const json_t *extra, const char *key, int64_t min, int64_t max, int64_t *out, struct err *e)
{
    const json_t *v = json_object_get(extra, key);

    if (v == NULL || json_is_null(v))
        return 0;
    return extra_whole(v, min, max, out, e) ? err_wrap(e, "extra_config.%s", key) : 0;
}
