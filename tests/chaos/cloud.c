/* A cloud that keeps its promises (same token, same machine; tags; by name) and otherwise does what the seed says. */
#include "tests/chaos/chaos.h"

#include "server/base/clock.h"
#include "server/base/mem.h"

#include <stdio.h>
#include <string.h>

static struct cloud *cloud_of(struct provider *p)
{
    return (struct cloud *)(void *)p;
}

static int cloud_check(struct provider *p, const struct machine_spec *s, struct err *e)
{
    (void)p;
    return s->instance_type != NULL ? 0 : err_set(e, ERR_INVALID, "no instance_type");
}

static int no_answer(const struct chaos *c, struct err *e)
{
    return err_set(e, ERR_RETRY, "%s", c->dead ? "killed" : "no answer, as the seed says");
}

/* Before a call has any effect: 0 = go on. */
static int begin(struct cloud *p, const char *what, struct err *e)
{
    struct chaos *c = p->c;

    if (c->dead)
        return no_answer(c, e);
    chaos_yield(c);
    if (chaos_point(c, what))
        return no_answer(c, e);
    if (c->mood.latency_most > 0)
        clock_test_advance((int64_t)chaos_draw(c, (uint64_t)c->mood.latency_most));
    c->counts.calls++;
    if (clock_mono_ms() < p->down_until_ms || chaos_by(c, c->mood.hang)) {
        clock_test_advance(30 * SECOND);
        return no_answer(c, e);
    }
    if (clock_mono_ms() < p->throttled_until_ms) {
        int rc = err_set(e, ERR_THROTTLED, "RequestLimitExceeded");

        e->retry_after_s = chaos_draw(c, 2) == 0 ? (int)chaos_draw(c, 60) : 0;
        return rc;
    }
    return 0;
}

/* After it: the answer may be lost, and the daemon may die before it came. */
static int finish(struct cloud *p, int rc, const char *what, struct err *e)
{
    struct chaos *c = p->c;

    if (chaos_point(c, what))
        return no_answer(c, e);
    chaos_yield(c);
    return c->dead ? no_answer(c, e) : rc;
}

/* --- launch ----------------------------------------------------------------------------------------------------- */

static struct box *by_token(struct cloud *p, const char *token)
{
    for (size_t i = 0; i < p->n; i++) {
        if (strcmp(p->boxes[i].token, token) == 0)
            return &p->boxes[i];
    }
    return NULL;
}

static char *jit_of(const char *user_data)
{
    static const char key[] = "\nMUSTER_JIT='";
    const char *at = strstr(user_data, key);

    return at != NULL ? mem_strndup(at + strlen(key), strcspn(at + strlen(key), "'")) : NULL;
}

static const char *tag_of(const struct launch_request *r, const char *key)
{
    for (size_t i = 0; i < r->n_tags; i++) {
        if (strcmp(r->tags[i].key, key) == 0)
            return r->tags[i].value;
    }
    return "";
}

static struct box *make(struct cloud *p, const struct launch_request *r)
{
    struct chaos *c = p->c;
    struct box *b = &p->boxes[p->n++];

    b->c = c;
    (void)snprintf(b->id, sizeof(b->id), "%s-i-%zu", p->name, p->n);
    (void)snprintf(b->name, sizeof(b->name), "%s", r->name);
    (void)snprintf(b->token, sizeof(b->token), "%s", r->token);
    (void)snprintf(b->region, sizeof(b->region), "%s", r->spec->region != NULL ? r->spec->region : "r");
    (void)snprintf(b->type, sizeof(b->type), "%s", r->spec->instance_type);
    b->spot = r->spec->spot;
    b->jit = jit_of(secret_reveal(r->user_data));
    b->created_ms = clock_now_ms();
    b->expires_ms = strtoll(tag_of(r, TAG_EXPIRES), NULL, 10) * 1000;
    b->seen_from_ms = b->created_ms;
    if (c->mood.settle_most > 0)
        b->seen_from_ms += (int64_t)chaos_draw(c, (uint64_t)c->mood.settle_most);
    c->counts.machines++;
    box_born(b);
    return b;
}

static int refuse(struct cloud *p, struct err *e)
{
    static const enum err_kind kinds[] = {ERR_CAPACITY,  ERR_CAPACITY, ERR_CAPACITY, ERR_QUOTA,
                                          ERR_THROTTLED, ERR_RETRY,    ERR_CONFLICT, ERR_AUTH};
    enum err_kind kind = kinds[chaos_draw(p->c, ARRAY_LEN(kinds))];

    return err_set(e, kind, "refused as the seed says (%s)", err_kind_name(kind));
}

static void fill(const struct box *b, struct instance *out)
{
    static const enum instance_state states[] = {INSTANCE_RUNNING, INSTANCE_STOPPED, INSTANCE_ENDING, INSTANCE_GONE};

    memset(out, 0, sizeof(*out));
    (void)snprintf(out->id, sizeof(out->id), "%s", b->id);
    (void)snprintf(out->name, sizeof(out->name), "%s", b->name);
    (void)snprintf(out->region, sizeof(out->region), "%s", b->region);
    out->state = states[b->state];
    out->created_ms = b->created_ms;
    out->expires_ms = b->expires_ms;
    out->why = b->reclaimed ? ERR_CAPACITY : ERR_NONE;
}

static int launch(struct cloud *p, const struct launch_request *r, struct instance *out, struct err *e)
{
    struct chaos *c = p->c;
    struct box *b = by_token(p, r->token);

    if (b == NULL && clock_mono_ms() < p->sold_out_until_ms)
        return err_set(e, ERR_CAPACITY, "InsufficientInstanceCapacity");
    if (chaos_by(c, c->mood.refuse))
        return refuse(p, e);
    if (b == NULL && p->n == CHAOS_BOXES) {
        chaos_fail(c, CHAOS_BROKEN, "more machines are made than any seed needs");
        return err_set(e, ERR_QUOTA, "full");
    }
    if (b == NULL)
        b = make(p, r);
    chaos_say(c, "%s launches %s (%s, %s%s)", p->name, b->id, r->token, b->type, b->spot ? " spot" : "");
    if (chaos_by(c, c->mood.lose))
        return no_answer(c, e);
    fill(b, out);
    return 0;
}

static int cloud_launch(struct provider *provider, const struct launch_request *r, struct instance *out, struct err *e)
{
    struct cloud *p = cloud_of(provider);

    if (begin(p, "before a launch", e))
        return -1;
    return finish(p, launch(p, r, out, e), "before the answer to a launch came", e);
}

/* --- describe, destroy, list ------------------------------------------------------------------------------------ */

/* A new machine cannot be found by its name for a while, and not in lists. */
static bool is_seen(const struct box *b)
{
    return clock_now_ms() >= b->seen_from_ms;
}

static bool is_meant(const struct box *b, const struct instance *ref)
{
    if (ref->id[0] != '\0')
        return strcmp(b->id, ref->id) == 0;
    return strcmp(b->name, ref->name) == 0 && is_seen(b);
}

static int fails(struct chaos *c, struct err *e)
{
    static const enum err_kind kinds[] = {ERR_RETRY, ERR_THROTTLED, ERR_AUTH};

    return chaos_by(c, c->mood.fail) ? err_set(e, kinds[chaos_draw(c, 3)], "failed as the seed says") : 0;
}

/* An old view: what is there is not found, though it was before. */
static bool is_hidden(struct cloud *p)
{
    return clock_mono_ms() < p->stale_until_ms && chaos_draw(p->c, 2) == 0;
}

static int describe(struct cloud *p, const struct instance *ref, struct instance *out, struct err *e)
{
    struct instance got = instance_gone(ref);
    bool found = false;

    if (fails(p->c, e))
        return -1;
    for (size_t i = 0; i < p->n && (ref->id[0] == '\0' || !is_hidden(p)); i++) {
        if (is_meant(&p->boxes[i], ref) && (!found || p->boxes[i].state != BOX_GONE)) {
            fill(&p->boxes[i], &got);
            found = true;
        }
    }
    chaos_say(p->c, "%s describes %s %s: %d", p->name, ref->id, ref->name, (int)got.state);
    *out = got;
    return 0;
}

static int cloud_describe(struct provider *provider, const struct instance *ref, struct instance *out, struct err *e)
{
    struct cloud *p = cloud_of(provider);

    if (begin(p, "before a describe", e))
        return -1;
    return finish(p, describe(p, ref, out, e), "before the answer to a describe came", e);
}

static int destroy(struct cloud *p, const struct instance *ref, struct err *e)
{
    if (fails(p->c, e))
        return -1;
    chaos_say(p->c, "%s destroys %s %s", p->name, ref->id, ref->name);
    for (size_t i = 0; i < p->n; i++) {
        if (is_meant(&p->boxes[i], ref))
            box_end(&p->boxes[i], true);
    }
    return chaos_by(p->c, p->c->mood.lose) ? no_answer(p->c, e) : 0;
}

static int cloud_destroy(struct provider *provider, const struct instance *ref, struct err *e)
{
    struct cloud *p = cloud_of(provider);

    if (begin(p, "before a destroy", e))
        return -1;
    return finish(p, destroy(p, ref, e), "before the answer to a destroy came", e);
}

static int list(struct cloud *p, const char *region, int (*each)(void *arg, const struct instance *i, struct err *e),
                void *arg, struct err *e)
{
    size_t n = p->n;

    if (fails(p->c, e))
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct instance got;

        if (p->boxes[i].state == BOX_GONE || !is_seen(&p->boxes[i]) || is_hidden(p) ||
            (region != NULL && strcmp(region, p->boxes[i].region) != 0))
            continue;
        if (i % 10 == 9 && fails(p->c, e)) /* the next page */
            return -1;
        fill(&p->boxes[i], &got);
        if (each(arg, &got, e))
            return -1;
    }
    return 0;
}

static int cloud_list(struct provider *provider, const char *region,
                      int (*each)(void *arg, const struct instance *i, struct err *e), void *arg, struct err *e)
{
    struct cloud *p = cloud_of(provider);

    if (begin(p, "before a list", e))
        return -1;
    return finish(p, list(p, region, each, arg, e), "before a list's answer came", e);
}

static void nothing(struct provider *p)
{
    (void)p;
}

void cloud_open(struct chaos *c, size_t index, const char *name)
{
    struct cloud *p = &c->clouds[index];

    p->c = c;
    (void)snprintf(p->name, sizeof(p->name), "%s", name);
    p->boxes = mem_calloc(CHAOS_BOXES, sizeof(*p->boxes));
    p->ops = (struct provider_ops){.name = p->name,
                                   .user_data_max = 16384,
                                   .check = cloud_check,
                                   .launch = cloud_launch,
                                   .describe = cloud_describe,
                                   .destroy = cloud_destroy,
                                   .list = cloud_list,
                                   .close = nothing};
    c->engine_clouds[index] = (struct engine_cloud){&p->ops, (struct provider *)(void *)p};
}

void cloud_close(struct cloud *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->boxes[i].jit);
    free(p->boxes);
}
