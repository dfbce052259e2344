/* Candidates that repeat or contradict each other, and values that cannot be meant. */
#include "server/base/text.h"
#include "server/config/cirun_lint_int.h"
#include "server/config/plan.h"
#include "server/config/server_conf.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_LIFETIME_MS ((int64_t)24 * 3600 * 1000)
#define DEFAULT_BOOT_DEADLINE_MS ((int64_t)15 * 60 * 1000)

static const char *const axes[] = {"instance_type", "machine_image", "region", "preemptible"};

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* ---- lists ---- */

static void check_short_lists(struct lint *l, const struct cirun_runner *r)
{
    for (size_t i = 0; i < ARRAY_LEN(axes); i++) {
        const struct yaml_node *n = yaml_get(r->node, axes[i]);

        if (n != NULL && n->kind == YAML_LIST && n->n == 1)
            lint_say(l, n->items[0], "list-of-one", "%s is a list of one; a value alone means the same", axes[i]);
    }
}

/* The list whose element the candidate took, or the first list there is. */
static const struct yaml_node *place_of(const struct cirun_runner *r, const struct cirun_candidate *c)
{
    const char *texts[] = {c->instance_type, c->image, c->region};
    const struct yaml_node *list = NULL;

    for (size_t a = 0; a < ARRAY_LEN(texts); a++) {
        const struct yaml_node *n = yaml_get(r->node, axes[a]);

        if (n == NULL || n->kind != YAML_LIST || n->n < 2)
            continue;
        list = list != NULL ? list : n;
        for (size_t i = 0; i < n->n; i++) {
            if (n->items[i]->kind == YAML_SCALAR && n->items[i]->text == texts[a])
                return n->items[i];
        }
    }
    return list != NULL ? list : r->node;
}

static void check_repeated(struct lint *l, const struct cirun_runner *r)
{
    for (size_t i = 1; i < r->n_candidates; i++) {
        const struct cirun_candidate *a = &r->candidates[i], *b;

        for (size_t k = 0; k < i; k++) {
            b = &r->candidates[k];
            if (a->spot != b->spot || !same_text(a->region, b->region) || !same_text(a->image, b->image) ||
                !same_text(a->instance_type, b->instance_type))
                continue;
            lint_say(
                l, place_of(r, a), "candidate-repeated",
                "candidate %zu is the same as candidate %zu (%.60s%s%.60s%s): what had no room is tried again at once",
                i + 1, k + 1, a->instance_type != NULL ? a->instance_type : "", a->region != NULL ? " in " : "",
                a->region != NULL ? a->region : "", a->spot ? ", spot" : "");
            return;
        }
    }
}

/* ---- architecture ---- */

/* The architecture that an image has in its name, or NULL. */
static const char *arch_in_name(const char *image)
{
    if (text_icontains(image, "arm64") || text_icontains(image, "aarch64"))
        return "arm64";
    if (text_icontains(image, "amd64") || text_icontains(image, "x86_64") || text_icontains(image, "x86-64") ||
        text_has_suffix(image, "-x64"))
        return "x64";
    return NULL;
}

static void check_arch(struct lint *l, const struct cirun_runner *r, const struct cirun_candidate *c)
{
    struct cirun_candidate nameless = *c;
    const char *type, *image;

    if (c->instance_type == NULL || c->image == NULL)
        return;
    nameless.image = "";
    type = plan_arch(r, &nameless);
    image = arch_in_name(c->image);
    if (image != NULL && strcmp(image, type) != 0)
        lint_say(
            l, lint_place(r, "machine_image", c->image), "arch-mismatch",
            "the image %.80s is for %s, but %.60s is %s: it does not boot; take an image or a type of the other kind",
            c->image, image, c->instance_type, type);
    else if (image == NULL && strcmp(type, "arm64") == 0 && strcmp(plan_os(r, c), "windows") == 0 &&
             strcmp(r->cloud, "azure") != 0)
        lint_say(l, lint_place(r, "instance_type", c->instance_type), "arch-mismatch",
                 "%.60s is arm64, and %s has no Windows for it: take an x64 type", c->instance_type, r->cloud);
}

static void check_archs(struct lint *l, const struct cirun_runner *r)
{
    for (size_t i = 0; r->cloud != NULL && i < r->n_candidates; i++) {
        const struct cirun_candidate *a = &r->candidates[i];
        bool again = false;

        for (size_t k = 0; k < i && !again; k++)
            again = same_text(a->image, r->candidates[k].image) &&
                    same_text(a->instance_type, r->candidates[k].instance_type);
        if (!again)
            check_arch(l, r, a);
    }
}

/* ---- muster ---- */

static void check_duration(struct lint *l, const struct yaml_node *muster, const char *key, int64_t limit_ms)
{
    const struct yaml_node *n = yaml_get(muster, key);
    const char *whose = l->opts->conf != NULL ? "the operator's limit" : "the limit when the operator sets none";
    struct err ignored;
    int64_t ms, unit;

    if (n == NULL || n->kind != YAML_SCALAR || text_duration_ms(n->text, &ms, &ignored) || ms <= limit_ms)
        return;
    unit = limit_ms % 3600000 == 0 ? 3600000 : limit_ms % 60000 == 0 ? 60000 : 1000;
    lint_say(l, n, "over-limit", "%s %.40s is above %s, %lld%c: it is cut to that", key, n->text, whose,
             (long long)(limit_ms / unit),
             unit == 3600000 ? 'h'
             : unit == 60000 ? 'm'
                             : 's');
}

static void check_rerun(struct lint *l, const struct cirun_runner *r, const struct yaml_node *muster)
{
    bool spot = false;

    for (size_t i = 0; i < r->n_candidates; i++)
        spot = spot || r->candidates[i].spot;
    if (r->rerun_interrupted > 0 && r->n_candidates > 0 && !spot)
        lint_say(l, yaml_get(muster, "rerun_interrupted"), "rerun-without-spot",
                 "no candidate is spot: nothing of this runner is taken back by its cloud and run again");
}

static void check_muster(struct lint *l, const struct cirun_runner *r)
{
    const struct yaml_node *muster = yaml_get(r->node, "muster");
    const struct conf *limits = l->opts->conf != NULL ? l->opts->conf->limits : NULL;

    check_duration(l, muster, "lifetime", limits != NULL ? conf_int(limits, "lifetime") : DEFAULT_LIFETIME_MS);
    check_duration(l, muster, "boot_deadline",
                   limits != NULL ? conf_int(limits, "boot_deadline") : DEFAULT_BOOT_DEADLINE_MS);
    check_rerun(l, r, muster);
}

/* ---- what is not expanded ---- */

static void check_expressions(struct lint *l, const struct yaml_node *n)
{
    if (n->kind == YAML_SCALAR && strstr(n->text, "${{") != NULL)
        lint_say(l, n, "expression-literal",
                 "\"${{ ... }}\" is not replaced in this file: only workflows know expressions");
    for (size_t i = 0; n->kind == YAML_LIST && i < n->n; i++)
        check_expressions(l, n->items[i]);
    for (size_t i = 0; n->kind == YAML_MAP && i < n->n; i++)
        check_expressions(l, n->pairs[i].value);
}

void lint_lists(struct lint *l)
{
    for (size_t i = 0; i < l->file->n_read; i++) {
        const struct cirun_runner *r = &l->file->runners[i];

        check_short_lists(l, r);
        check_repeated(l, r);
        check_archs(l, r);
        check_muster(l, r);
        check_expressions(l, r->node);
    }
}
