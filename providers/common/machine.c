#include "providers/common/machine.h"

#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define LABEL_SHORT 63 /* the shortest alphabet, Google's, takes so many characters */

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

/* An owner's name holds no '_', so that the first one stands for '/'. A further one may stand for '_' or '.', and a
 * text as long as an alphabet allows may have been cut. */
static bool is_told(const char *label)
{
    const char *mark = strchr(label, '_');

    return mark != NULL && mark != label && mark[1] != '\0' && strchr(mark + 1, '_') == NULL &&
           strlen(label) < LABEL_SHORT;
}

void instance_set_owner(struct instance *i, const char *repository, const char *job)
{
    struct err ignored;

    i->repo[0] = '\0';
    if (repository != NULL && strlen(repository) < sizeof(i->repo) && text_utf8_valid(repository, strlen(repository)))
        (void)snprintf(i->repo, sizeof(i->repo), "%s", repository);
    text_tidy(i->repo);
    if (strchr(i->repo, '/') == NULL && is_told(i->repo))
        *strchr(i->repo, '_') = '/';
    if (job == NULL || text_i64(job, 0, INT64_MAX, &i->job_id, &ignored))
        i->job_id = 0;
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
