/* Every account, every region where that can be told: what carries our tag. */
#include "server/cli/sweep_int.h"

#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

void sweep_error(struct sweeping *s, const char *cloud, const char *region, const char *text)
{
    struct sweep_error *to;

    if ((s->n_errors & (s->n_errors - 1)) == 0)
        s->errors = mem_realloc_array(s->errors, s->n_errors > 0 ? s->n_errors * 2 : 1, sizeof(*s->errors));
    to = &s->errors[s->n_errors++];
    to->cloud = cloud;
    (void)snprintf(to->region, sizeof(to->region), "%s", region != NULL ? region : "");
    (void)snprintf(to->text, sizeof(to->text), "%.250s", text);
    text_tidy(to->region);
    text_tidy(to->text);
}

struct looking {
    struct sweeping *s;
    const struct cloud_account *account;
    struct provider *provider;
    char (*regions)[64];
    size_t n_regions;
};

/* A region whose name is another's address answers with the same machines. */
static bool is_known(const struct sweeping *s, const char *cloud, const char *id)
{
    for (size_t i = 0; i < s->n_found; i++) {
        if (strcmp(s->found[i].i.id, id) == 0 && strcmp(s->found[i].account->ops->name, cloud) == 0)
            return true;
    }
    return false;
}

static int see(void *arg, const struct instance *i, struct err *e)
{
    const struct looking *l = arg;
    struct sweeping *s = l->s;

    (void)e;
    if (i->state == INSTANCE_GONE || is_known(s, l->account->ops->name, i->id))
        return 0;
    if ((s->n_found & (s->n_found - 1)) == 0)
        s->found = mem_realloc_array(s->found, s->n_found > 0 ? s->n_found * 2 : 1, sizeof(*s->found));
    s->found[s->n_found++] =
        (struct sweep_found){.account = l->account, .provider = l->provider, .i = *i, .fate = FATE_KEPT};
    return 0;
}

static void list_region(const struct looking *l, const char *region)
{
    struct err e;

    if (l->s->talk)
        (void)fprintf(stderr, "looking at %s%s%s\n", l->account->ops->name, region != NULL ? " " : "",
                      region != NULL ? region : "");
    if (l->account->ops->list(l->provider, region, see, (void *)(uintptr_t)l, &e))
        sweep_error(l->s, l->account->ops->name, region, e.msg);
}

static int add_region(void *arg, const char *region, struct err *e)
{
    struct looking *l = arg;

    (void)e;
    for (size_t i = 0; i < l->n_regions; i++) {
        if (strcmp(l->regions[i], region) == 0)
            return 0;
    }
    if ((l->n_regions & (l->n_regions - 1)) == 0)
        l->regions = mem_realloc_array(l->regions, l->n_regions > 0 ? l->n_regions * 2 : 1, sizeof(*l->regions));
    (void)snprintf(l->regions[l->n_regions++], sizeof(l->regions[0]), "%s", region);
    return 0;
}

/* Those that were named, else all that the account may use, else the default one. */
static void find_regions(struct looking *l)
{
    struct err e;
    char text[256];

    for (size_t i = 0; i < l->s->n_regions; i++)
        (void)add_region(l, l->s->regions[i], &e);
    if (l->n_regions > 0 || l->account->ops->regions(l->provider, add_region, l, &e) == 0)
        return;
    (void)snprintf(text, sizeof(text), "%.180s: only its default region is looked at; name others by --region", e.msg);
    sweep_error(l->s, l->account->ops->name, NULL, text);
    l->n_regions = 0;
}

static void find_account(struct sweeping *s, size_t number)
{
    const struct cloud_account *a = &s->conf->clouds[number];
    struct looking l = {.s = s, .account = a};
    struct err e;

    if (a->ops->open(a->conf, &s->env, &s->providers[number], &e)) {
        sweep_error(s, a->ops->name, NULL, e.msg);
        return;
    }
    l.provider = s->providers[number];
    if (a->ops->regions != NULL)
        find_regions(&l);
    if (l.n_regions == 0)
        list_region(&l, NULL);
    for (size_t i = 0; i < l.n_regions; i++)
        list_region(&l, l.regions[i]);
    free(l.regions);
}

void sweep_find_all(struct sweeping *s)
{
    for (size_t i = 0; i < s->conf->n_clouds; i++) {
        const char *name = s->conf->clouds[i].ops->name, *alias = s->conf->clouds[i].ops->alias;

        if (s->cloud == NULL || strcmp(s->cloud, name) == 0 || (alias != NULL && strcmp(s->cloud, alias) == 0))
            find_account(s, i);
    }
}
