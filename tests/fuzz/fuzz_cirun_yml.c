/* .cirun.yml: never fails; what it yields is complete, and every complaint has a place and a text. */
#include "tests/fuzz/fuzz.h"

#include "server/base/text.h"
#include "server/config/cirun_yml.h"
#include "server/config/plan.h"

static void check_text(const char *s, bool required)
{
    NEED(s != NULL || !required);
    NEED(s == NULL || text_utf8_valid(s, strlen(s)));
}

static void check_runner(const struct cirun_runner *r)
{
    check_text(r->name, true);
    check_text(r->cloud, true);
    check_text(r->gpu, false);
    check_text(r->workflow, false);
    check_text(r->team, false);
    NEED(r->cloud[0] != '\0' && r->line >= 1 && r->node != NULL);
    NEED(idle_wanted(&r->idle, 1798761599000, 1798761599000) <= IDLE_MAX_REPLICAS);
    NEED(idle_next_change(&r->idle, 1798761599000, 1798761599000) > 1798761599000);
    NEED(r->n_candidates >= 1 && r->n_candidates <= CIRUN_YML_MAX_CANDIDATES);
    for (size_t i = 0; i < r->n_labels; i++)
        check_text(r->labels[i], true);
    for (size_t i = 0; i < r->n_candidates; i++) {
        check_text(r->candidates[i].region, false);
        check_text(r->candidates[i].instance_type, true);
        check_text(r->candidates[i].image, false);
    }
}

/* A runner can be frozen as a plan, and the plan read again. */
static void check_plan(const struct cirun_runner *r)
{
    static const struct plan_release releases[2] = {{"linux", "x64", "https://example.com/x64.tar.gz", "00"},
                                                    {"linux", "arm64", "https://example.com/arm64.tar.gz", "11"}};
    AUTO_FREE char *text = NULL;
    AUTO_PLAN struct plan p = {0};
    struct err e;

    if (plan_build(releases, 2, &r, 1, &text, &e) == 0)
        NEED(plan_parse(text, &p, &e) == 0 && p.n >= 1 && p.n <= r->n_candidates);
}

static void check_diags(const struct cirun_yml *c)
{
    size_t errors = 0;

    for (size_t i = 0; i < c->n_diags; i++) {
        const struct cirun_diag *d = &c->diags[i];

        NEED(d->message[0] != '\0' && text_utf8_valid(d->message, strlen(d->message)));
        NEED(d->line >= 1 && d->column >= 1 && (d->end_column == 0 || d->end_column > d->column));
        NEED(cirun_rule_find(d->rule) != NULL && cirun_rule_find(d->rule)->severity == d->severity);
        errors += d->severity == CIRUN_ERROR;
    }
    NEED(errors <= c->n_errors && (errors > 0) == (c->n_errors > 0)); /* not all are kept */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cirun_yml *c = cirun_yml_parse((const char *)data, size, ".cirun.yml");
    struct err e = {.kind = ERR_NONE};

    NEED(c != NULL);
    check_diags(c);
    if (c->n_errors > 0) {
        NEED(c->n_runners == 0);
        NEED(cirun_yml_error(c, ".cirun.yml", &e) == -1 && e.kind == ERR_INVALID);
        NEED(text_has_prefix(e.msg, ".cirun.yml"));
    }
    for (size_t i = 0; i < c->n_runners; i++) {
        check_runner(&c->runners[i]);
        check_plan(&c->runners[i]);
    }
    cirun_yml_free(c);
    return 0;
}
