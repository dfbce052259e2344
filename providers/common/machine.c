#include "providers/common/machine.h"

#include "server/base/text.h"

#include <string.h>

void instance_set_times(struct instance *i, const char *created, const char *expires)
{
    struct err ignored;
    int64_t expires_s = 0;

    if (created == NULL || text_rfc3339_ms(created, strlen(created), &i->created_ms, &ignored))
        i->created_ms = 0;
    if (expires == NULL || text_i64(expires, 0, INT64_MAX / 1000, &expires_s, &ignored))
        expires_s = 0;
    i->expires_ms = expires_s * 1000;
}

int instance_read_state(const struct instance_word *words, size_t n, const char *text, const char *whose,
                        enum instance_state *out, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(words[i].text, text) == 0) {
            *out = words[i].state;
            return 0;
        }
    }
    return err_set(e, ERR_RETRY, "the state of an instance is none of %s", whose);
}

int instance_keep_best(void *instance, const struct instance *i, struct err *e)
{
    struct instance *best = instance;

    (void)e;
    if (best->id[0] == '\0' || i->state < best->state)
        *best = *i;
    return 0;
}
