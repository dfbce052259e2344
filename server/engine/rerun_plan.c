/* The chain of a job that was interrupted before. */
#include "server/base/json.h"
#include "server/engine/rerun.h"

#include <stdio.h>

#define SPOT_TIMES 2 /* interrupted so often on spot, it gets something that stays */

struct count {
    const struct job *j;
    int64_t n;
};

static int count_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct count *c = arg;

    c->n = 0;
    return store_interruption_count(t, c->j->run_id, c->j->name != NULL ? c->j->name : "", c->j->id, &c->n, e);
}

static bool has_spot(const struct plan *p, bool spot)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->specs[i].spot == spot)
            return true;
    }
    return false;
}

/* Those that are not spot; where all are, the same on demand. */
static int unspot(const struct plan *p, json_t *kept, struct err *e)
{
    const json_t *all = json_object_get(p->doc, "candidates");
    bool others = has_spot(p, false);

    for (size_t i = 0; i < p->n; i++) {
        AUTO_JSON json_t *one = json_copy(json_array_get(all, i));

        if (p->specs[i].spot && others)
            continue;
        if (json_object_set_new(one, "spot", json_false()) != 0 || json_array_append(kept, one) != 0)
            return err_set(e, ERR_BUG, "a candidate could not be kept");
    }
    return 0;
}

/* *changed = there was something to leave out. */
static int rewrite(char **plan, bool *changed, struct err *e)
{
    AUTO_JSON json_t *kept = json_array(), *doc = NULL;
    AUTO_PLAN struct plan p = {0};
    char *fresh = NULL;

    if (plan_parse(*plan, &p, e))
        return -1;
    if (!has_spot(&p, true))
        return 0;
    if (unspot(&p, kept, e))
        return -1;
    doc = json_copy(p.doc); /* whatever else the plan says stays */
    (void)json_object_set(doc, "candidates", kept);
    if (js_dump(doc, &fresh, e))
        return -1;
    free(*plan);
    *plan = fresh;
    *changed = true;
    return 0;
}

int rerun_plan(struct engine *g, const struct job *j, char **plan, int *times, struct err *e)
{
    struct count c = {j, 0};
    bool changed = false;

    *times = 0;
    if (j->run_attempt < 2)
        return 0;
    if (store_read(g->c.store, count_tx, &c, e))
        return -1;
    if (c.n >= SPOT_TIMES && rewrite(plan, &changed, e))
        return -1;
    *times = changed ? (int)c.n : 0;
    return 0;
}

int rerun_unspotted_tx(struct store_tx *t, int64_t job_id, int times, int64_t now_ms, struct err *e)
{
    char detail[120];

    (void)snprintf(detail, sizeof(detail), "its machine was taken back %d times: it gets one that is not spot", times);
    return store_event_add(t, now_ms, job_id, NULL, "spot.avoided", detail, e);
}
