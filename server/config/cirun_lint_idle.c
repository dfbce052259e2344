/* Warm runners that are never kept, and entries of a schedule that get in each other's way. */
#include "server/config/cirun_lint_int.h"
#include "server/config/server_conf.h"

#include <string.h>

#define HOURS ((size_t)7 * 24)

static const struct yaml_node *schedule_of(const struct cirun_runner *r)
{
    return yaml_get(yaml_get(r->node, "idle"), "schedule");
}

/* Where the number of machines stands in an entry, in usage_based or in idle. */
static const struct yaml_node *replicas_of(const struct yaml_node *map)
{
    const struct yaml_node *n = yaml_get(map, "replicas");

    return n != NULL ? n : map;
}

static size_t hours_of(const struct idle_window *w)
{
    size_t n = 0;

    for (size_t h = 0; h < HOURS; h++)
        n += w->hours[h] ? 1 : 0;
    return n;
}

static size_t hours_of_both(const struct idle_window *a, const struct idle_window *b)
{
    size_t n = 0;

    for (size_t h = 0; h < HOURS; h++)
        n += a->hours[h] && b->hours[h] ? 1 : 0;
    return n;
}

/* Of the entries before and after it, the first that makes entry i superfluous or holds at part of its hours. */
static void check_entry(struct lint *l, const struct idle_spec *s, const struct yaml_node *list, size_t i)
{
    const struct idle_window *w = &s->windows[i], *other;
    size_t hours = hours_of(w), common;

    for (size_t k = 0; k < s->n_windows; k++) {
        other = &s->windows[k];
        if (k == i || other->zone != w->zone || other->replicas == 0)
            continue;
        common = hours_of_both(w, other);
        if (common == hours && (other->replicas > w->replicas || (other->replicas == w->replicas && k < i))) {
            lint_say(l, list->items[i], "idle-covered",
                     "this entry never counts: at all of its hours the one on line %d holds too, with %d machine%s",
                     list->items[k]->line, other->replicas, other->replicas == 1 ? "" : "s");
            return;
        }
        if (k < i && common > 0 && common < hours && other->replicas != w->replicas &&
            !(common == hours_of(other) && w->replicas > other->replicas)) {
            lint_say(
                l, list->items[i], "idle-overlap",
                "at %zu hour%s of the week the entry on line %d holds too: then %d machines are kept, the larger of "
                "the two",
                common, common == 1 ? "" : "s", list->items[k]->line,
                other->replicas > w->replicas ? other->replicas : w->replicas);
            return;
        }
    }
}

static void check_schedule(struct lint *l, const struct cirun_runner *r)
{
    const struct yaml_node *list = schedule_of(r);

    if (list == NULL || list->kind != YAML_LIST || list->n != r->idle.n_windows)
        return; /* an entry has an error of its own: the numbers do not fit */
    for (size_t i = 0; i < list->n; i++) {
        if (r->idle.windows[i].replicas == 0)
            lint_say(l, replicas_of(list->items[i]), "idle-never",
                     "this entry keeps no machine, and where another one holds the larger counts: it does nothing");
        else
            check_entry(l, &r->idle, list, i);
    }
}

/* More than the operator lets a repository have at all. */
static void check_limit(struct lint *l, const struct cirun_runner *r)
{
    const struct yaml_node *idle = yaml_get(r->node, "idle"), *list = schedule_of(r), *at = idle;
    int64_t limit = l->opts->conf != NULL ? conf_int(l->opts->conf->limits, "machines_per_repository") : 0;
    int most = r->idle.replicas;

    if (r->idle.kind == IDLE_REPLICAS)
        at = replicas_of(idle);
    if (r->idle.kind == IDLE_USAGE)
        at = replicas_of(yaml_get(idle, "usage_based"));
    for (size_t i = 0; i < r->idle.n_windows; i++) {
        if (r->idle.windows[i].replicas <= most)
            continue;
        most = r->idle.windows[i].replicas;
        at = list->kind == YAML_LIST && list->n == r->idle.n_windows ? replicas_of(list->items[i]) : idle;
    }
    if (l->opts->conf != NULL && most > limit)
        lint_say(l, at, "over-limit", "%d idle machines are more than the operator's limit for a repository, %lld",
                 most, (long long)limit);
}

void lint_idle(struct lint *l)
{
    for (size_t i = 0; i < l->file->n_read; i++) {
        const struct cirun_runner *r = &l->file->runners[i];

        if (r->idle.kind == IDLE_NONE)
            continue;
        if (r->idle.kind == IDLE_USAGE && r->idle.replicas == 0)
            lint_say(l, replicas_of(yaml_get(yaml_get(r->node, "idle"), "usage_based")), "idle-never",
                     "usage_based with 0 replicas keeps no machine");
        check_schedule(l, r);
        check_limit(l, r);
    }
}
