/* Who can reach which runner: labels that no runs-on can name, runners that another one hides, labels that look alike.
 */
#include "server/base/text.h"
#include "server/config/cirun_lint_int.h"
#include "server/config/plan.h"

#include <stdio.h>
#include <string.h>

#define LABEL_MAX 256    /* characters; GitHub takes no longer one of a runner */
#define SET_MAX 24       /* labels of a runner that are compared with those of others */
#define MAX_COMPARED 200 /* runners of a file that are compared with each other */

static const char *const system_labels[] = {"self-hosted", "linux", "windows", "macos", "x64", "arm64"};

/* Length of what counts in a match: up to the first "--". */
static size_t stem(const char *label)
{
    const char *suffix = strstr(label, "--");

    return suffix != NULL ? (size_t)(suffix - label) : strlen(label);
}

static bool same(const char *a, const char *b)
{
    size_t n = stem(a);

    if (n != stem(b))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text_lower(a[i]) != text_lower(b[i]))
            return false;
    }
    return true;
}

static bool is_system(const char *label)
{
    for (size_t i = 0; i < ARRAY_LEN(system_labels); i++) {
        if (same(label, system_labels[i]))
            return true;
    }
    return false;
}

/* The node of a label: labels lost those that are no texts, nothing else. */
static const struct yaml_node *node_of(const struct cirun_runner *r, size_t number)
{
    const struct yaml_node *list = yaml_get(r->node, "labels");

    for (size_t i = 0; list != NULL && list->kind == YAML_LIST && i < list->n; i++) {
        if (list->items[i]->text == r->labels[number])
            return list->items[i];
    }
    return list != NULL ? list : r->node;
}

static const struct yaml_node *labels_node(const struct cirun_runner *r)
{
    return lint_place(r, "labels", NULL);
}

/* ---- one label ---- */

static void check_label(struct lint *l, const struct cirun_runner *r, size_t i)
{
    const char *label = r->labels[i];
    size_t n = stem(label);
    char stem_text[LABEL_MAX + 1];

    for (size_t k = 0; k < i; k++) {
        if (same(r->labels[k], label)) {
            lint_say(l, node_of(r, i), "label-repeated",
                     "the label \"%.60s\" is here twice (case and what follows \"--\" "
                     "do not count)",
                     label);
            return;
        }
    }
    if (strlen(label) > LABEL_MAX) {
        lint_say(l, node_of(r, i), "label-unreachable",
                 "a label of %zu characters: GitHub takes at most %d, so no runner can carry it; shorten it",
                 strlen(label), LABEL_MAX);
    } else if (strchr(label, ',') != NULL) {
        lint_say(l, node_of(r, i), "label-unreachable",
                 "the label \"%.60s\" holds a comma, which separates labels for GitHub: write two labels, [a, b]",
                 label);
    } else if (n == 0) {
        lint_say(l, node_of(r, i), "label-unreachable",
                 "nothing is left of the label \"%.60s\" before \"--\": what follows it does not count", label);
    } else if (label[n] != '\0') {
        (void)snprintf(stem_text, sizeof(stem_text), "%.*s", (int)n, label);
        lint_propose(l, node_of(r, i), "label-suffix", stem_text,
                     "\"%.60s\" means \"%.60s\": in a match everything from \"--\" on is left out; the suffix belongs "
                     "into runs-on only",
                     label, stem_text);
    }
}

/* ---- one runner ---- */

static void check_hosted(struct lint *l, const struct cirun_runner *r)
{
    size_t hosted = 0;

    if (l->opts->is_hosted == NULL || r->n_labels == 0)
        return;
    for (size_t i = 0; i < r->n_labels; i++)
        hosted += l->opts->is_hosted(r->labels[i]) ? 1 : 0;
    if (hosted == r->n_labels)
        lint_say(
            l, labels_node(r), "runner-unreachable",
            "all labels of this runner are those of GitHub's own runners: a job that asks for them goes there; add "
            "a label of your own, such as cirun-%.40s",
            *r->name != '\0' ? r->name : "runner");
}

static bool only_system(const struct cirun_runner *r)
{
    for (size_t i = 0; i < r->n_labels; i++) {
        if (!is_system(r->labels[i]))
            return false;
    }
    return r->n_labels > 0;
}

static void check_system(struct lint *l, const struct cirun_runner *r, bool first)
{
    if (!only_system(r))
        return;
    if (first)
        lint_say(l, labels_node(r), "labels-system-only",
                 "only labels that every runner has anyway: a job can ask for this runner by no name of its own, and "
                 "gets it only where the operator serves bare self-hosted jobs");
    else
        lint_say(l, labels_node(r), "runner-unreachable",
                 "only labels that every runner has anyway: a job that asks for nothing else gets the first runner of "
                 "the file; give this one a label of its own");
}

/* ---- two runners ---- */

/* Does r have the label, by name or as one of the system? */
static bool has(const struct cirun_runner *r, const char *label)
{
    for (size_t i = 0; i < r->n_labels; i++) {
        if (same(r->labels[i], label))
            return true;
    }
    if (r->n_candidates == 0)
        return same(label, "self-hosted");
    return same(label, "self-hosted") || same(label, plan_os(r, &r->candidates[0])) ||
           same(label, plan_arch(r, &r->candidates[0]));
}

/* Has `one` all labels of `other`? */
static bool covers(const struct cirun_runner *one, const struct cirun_runner *other)
{
    for (size_t i = 0; i < other->n_labels; i++) {
        if (!has(one, other->labels[i]))
            return false;
    }
    return true;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool can_compare(const struct cirun_runner *r)
{
    return r->cloud != NULL && r->n_labels > 0 && r->n_labels <= SET_MAX && !only_system(r);
}

static const char *name_of(const struct cirun_runner *r)
{
    return *r->name != '\0' ? r->name : "(without a name)";
}

/* Every job of the later runner is offered to the earlier one first. True when that was said. */
static bool check_shadow(struct lint *l, const struct cirun_runner *early, const struct cirun_runner *late)
{
    bool alike;

    if ((early->workflow != NULL && !same_text(early->workflow, late->workflow)) ||
        (early->team != NULL && !same_text(early->team, late->team)) || !covers(early, late))
        return false;
    if (late->workflow != NULL && early->workflow == NULL && covers(late, early)) {
        lint_say(
            l, labels_node(late), "shadowed-runner",
            "the runner \"%.60s\" on line %d has the same labels and serves every workflow, so jobs of %.60s get it "
            "before this one; put this one first",
            name_of(early), early->line, late->workflow);
        return true;
    }
    alike = covers(late, early);
    if (alike)
        lint_say(l, labels_node(late), "fallback-chain",
                 "the same labels as the runner \"%.60s\" on line %d: this one is tried when that one has no room",
                 name_of(early), early->line);
    else
        lint_say(l, labels_node(late), "shadowed-runner",
                 "the runner \"%.60s\" on line %d has all of these labels and more, so every job that asks for this "
                 "runner gets that one first; put this one before it, or give it a label of its own",
                 name_of(early), early->line);
    return true;
}

/* Two labels that differ in what joins their words: a slip that sends jobs elsewhere. */
static bool look_alike(const char *a, const char *b)
{
    size_t n = stem(a);

    if (n != stem(b) || same(a, b))
        return false;
    for (size_t i = 0; i < n; i++) {
        bool joins = strchr("-_.", a[i]) != NULL && strchr("-_.", b[i]) != NULL;

        if (!joins && text_lower(a[i]) != text_lower(b[i]))
            return false;
    }
    return true;
}

static bool check_alike(struct lint *l, const struct cirun_runner *early, const struct cirun_runner *late)
{
    for (size_t i = 0; i < late->n_labels; i++) {
        for (size_t k = 0; k < early->n_labels; k++) {
            if (!look_alike(late->labels[i], early->labels[k]) || has(early, late->labels[i]) ||
                has(late, early->labels[k]))
                continue;
            lint_propose(
                l, node_of(late, i), "label-alike", early->labels[k],
                "the label \"%.60s\" looks like \"%.60s\" of the runner \"%.60s\" on line %d, but is another one; "
                "if the same is meant, write it alike",
                late->labels[i], early->labels[k], name_of(early), early->line);
            return true;
        }
    }
    return false;
}

static void check_against_earlier(struct lint *l, size_t number)
{
    const struct cirun_runner *all = l->file->runners, *late = &all[number];
    bool shadow = false, alike = false;

    if (number >= MAX_COMPARED || !can_compare(late))
        return;
    for (size_t i = 0; i < number && !(shadow && alike); i++) {
        if (!can_compare(&all[i]))
            continue;
        shadow = shadow || check_shadow(l, &all[i], late);
        alike = alike || check_alike(l, &all[i], late);
    }
}

void lint_labels(struct lint *l)
{
    for (size_t i = 0; i < l->file->n_read; i++) {
        const struct cirun_runner *r = &l->file->runners[i];

        for (size_t k = 0; k < r->n_labels; k++)
            check_label(l, r, k);
        check_hosted(l, r);
        check_system(l, r, i == 0);
        check_against_earlier(l, i);
    }
}
