#include "tests/support/recorded.h"

#include "server/base/json.h"

#include <stdio.h>
#include <stdlib.h>

void recorded_must(int rc, const char *what, const struct err *e)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, e->msg);
    abort();
}

static void print_one(const char *scenario, const struct raw_request *r)
{
    AUTO_JSON json_t *line = NULL, *headers = json_object();
    AUTO_FREE char *text = NULL;
    struct err e;

    for (size_t i = 0; i < r->n_headers; i++)
        (void)json_object_set_new(headers, r->names[i], json_string(r->values[i]));
    recorded_must(js_pack(&e, &line, "{s:s, s:s, s:s, s:O, s:s}", "scenario", scenario, "method", r->method, "path",
                          r->path, "headers", headers, "body", r->body),
                  scenario, &e);
    recorded_must(js_dump(line, &text, &e), scenario, &e);
    (void)printf("%s\n", text);
}

void recorded_print(const char *scenario, struct rawserver *s)
{
    for (size_t i = 0; i < raw_count(s); i++)
        print_one(scenario, raw_get(s, i));
}

void recorded_launch(const char *scenario, const struct fake_dialect *d, const struct bed_setting *more, size_t n_more,
                     void (*edit)(struct order *o))
{
    AUTO_BED struct bed *b = bed_open(d, more, n_more);
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    b->env.allow_privileged = true;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    if (edit != NULL)
        edit(&o);
    recorded_must(b->ops->launch(b->p, &o.r, &got, &e), scenario, &e);
    recorded_print(scenario, b->server);
}

static int ignore(void *arg, const struct instance *i, struct err *e)
{
    (void)arg;
    (void)i;
    (void)e;
    return 0;
}

void recorded_others(const struct fake_dialect *d)
{
    AUTO_BED struct bed *b = bed_open(d, NULL, 0);
    struct instance by_id, by_name, got;
    char name[32];
    struct err e;

    for (int i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "muster-%d", i);
        (void)fake_add(&b->cloud, name, name, BED_DEPLOYMENT);
    }
    b->cloud.page_size = 2;
    by_id = bed_ref(b, b->cloud.machines[0].id, "muster-0");
    by_name = bed_ref(b, "", "muster-1");
    recorded_must(b->ops->list(b->p, NULL, ignore, NULL, &e), "list", &e);
    recorded_must(b->ops->describe(b->p, &by_id, &got, &e), "describe", &e);
    recorded_must(b->ops->describe(b->p, &by_name, &got, &e), "describe by name", &e);
    recorded_must(b->ops->destroy(b->p, &by_id, &e), "destroy", &e);
    recorded_must(b->ops->destroy(b->p, &by_name, &e), "destroy by name", &e);
    recorded_print("list, describe, destroy", b->server);
}
