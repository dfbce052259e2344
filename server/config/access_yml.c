#include "server/config/access_yml.h"

#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/cirun_int.h"

#include <string.h>

/* Looking for what was meant costs time in a large file: the first mistakes are worth it. */
#define MAX_HINTS 20

/* The reading under way. The diagnostics are kept where those of .cirun.yml are, by the same steps. */
struct access_reading {
    struct access_yml out; /* first: what the caller gets; its address is that of the whole */
    struct cirun_reading *r;
    struct access_policy *policies;
    struct access_rule *rules;
};

/* --- values ------------------------------------------------------------------------------------------------------ */

/* A list of texts that are not empty. What names people must name them: nothing is an error, not a default. */
static struct access_list read_list(struct access_reading *a, const struct yaml_node *n, const char *what)
{
    struct access_list out = {0, NULL};
    const char **items;

    if (n->kind != YAML_LIST) {
        cirun_fail(a->r, n, "wrong-type", "%s must be a list of strings, found %s; did you mean \"- ...\" or [...]?",
                   what, yaml_kind_name(n));
        return out;
    }
    items = arena_calloc(a->r->arena, n->n + 1, sizeof(*items));
    for (size_t i = 0; i < n->n; i++) {
        const char *item = cirun_text(a->r, n->items[i], what);

        if (item != NULL)
            items[out.n++] = item;
    }
    out.items = items;
    return out;
}

/* A list that says who may: empty, it means nobody. */
static struct access_list read_people(struct access_reading *a, const struct yaml_node *n, struct access_policy *p,
                                      const char *what)
{
    p->restricted = true;
    if (n->kind == YAML_LIST && n->n == 0)
        cirun_warn(a->r, n, "access-names-nobody", "%s is an empty list: it names nobody", what);
    return read_list(a, n, what);
}

static void read_teams(struct access_reading *a, const struct yaml_node *n, struct access_policy *p)
{
    p->teams = read_people(a, n, p, "teams");
}

static void read_users(struct access_reading *a, const struct yaml_node *n, struct access_policy *p)
{
    p->users = read_people(a, n, p, "users");
}

/* GitHub's own roles are written small; a custom role of an organisation is taken as it is written. */
static void read_roles(struct access_reading *a, const struct yaml_node *n, struct access_policy *p)
{
    static const char *const own[] = {"admin", "maintain", "write", "triage", "read"};

    p->roles = read_people(a, n, p, "roles");
    for (size_t i = 0; i < p->roles.n; i++) {
        for (size_t k = 0; k < ARRAY_LEN(own); k++) {
            if (text_ieq(p->roles.items[i], own[k]) && strcmp(p->roles.items[i], own[k]) != 0)
                cirun_warn(a->r, n, "access-names-nobody", "the role \"%.60s\" is another one than GitHub's \"%s\"",
                           p->roles.items[i], own[k]);
        }
        if (strcmp(p->roles.items[i], "none") == 0)
            cirun_warn(a->r, n, "access-names-nobody", "the role \"none\" is nobody's");
    }
}

static void read_users_from_json(struct access_reading *a, const struct yaml_node *n, struct access_policy *p)
{
    const char *url = cirun_text(a->r, n, "users_from_json");

    p->restricted = true;
    p->users_from_json = url;
    if (url != NULL && !text_has_prefix(url, "https://"))
        cirun_warn(a->r, n, "access-names-nobody", "users_from_json must be an https:// URL: this one names nobody");
}

static void read_pull_request(struct access_reading *a, const struct yaml_node *n, struct access_policy *p)
{
    struct err ignored;

    if (yaml_is_null(n) || n->kind != YAML_SCALAR)
        cirun_fail(a->r, n, "wrong-type", "pull_request must be true or false, found %s", yaml_kind_name(n));
    else if (text_bool(n->text, &p->pull_request, &ignored))
        cirun_fail(a->r, n, "wrong-type", "pull_request must be true or false, found \"%.60s\"", n->text);
}

static void read_id(struct access_reading *a, const struct yaml_node *n, struct access_policy *p)
{
    const char *id = cirun_text(a->r, n, "id");

    for (size_t i = 0; id != NULL && &a->policies[i] < p; i++) {
        if (a->policies[i].id != NULL && strcmp(a->policies[i].id, id) == 0)
            cirun_fail(a->r, n, "access-duplicate-id", "the id \"%.60s\" is taken by the policy on line %d", id,
                       a->policies[i].line);
    }
    p->id = id;
}

static bool is_repo_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
}

static void read_repo(struct access_reading *a, const struct yaml_node *n, struct access_policy *p)
{
    size_t slashes = 0;
    bool good = true;

    p->repo = cirun_text(a->r, n, "repo");
    for (const char *s = p->repo; s != NULL && *s != '\0'; s++) {
        slashes += *s == '/';
        good = good && (*s == '/' || is_repo_char(*s));
    }
    if (!good || slashes > 1)
        cirun_warn(a->r, n, "access-names-nobody",
                   "repo must be the name of one repository, or owner/name: no repository is called \"%.100s\"",
                   p->repo);
}

/* --- policies ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*read)(struct access_reading *a, const struct yaml_node *n, struct access_policy *p);
} policy_keys[] = {
    {"id", read_id},
    {"repo", read_repo},
    {"teams", read_teams},
    {"roles", read_roles},
    {"users", read_users},
    {"users_from_json", read_users_from_json},
    {"pull_request", read_pull_request},
};

/* An unknown key may be a restriction: what it stands in grants nothing. */
static void close_for(struct access_reading *a, const struct yaml_node *key, const char *what, const char *const *known,
                      size_t n_known)
{
    const char *near = text_nearest(key->text, known, n_known);

    cirun_propose(a->r, key, "access-closed", near,
                  "unknown key \"%.60s\": it may be a restriction, so this %s grants nothing%s%s%s", key->text, what,
                  near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
}

static void read_policy_pair(struct access_reading *a, const struct yaml_pair *pair, struct access_policy *p)
{
    const char *names[CIRUN_MAX_KEYS];

    for (size_t i = 0; i < ARRAY_LEN(policy_keys); i++) {
        if (strcmp(policy_keys[i].name, pair->key->text) == 0) {
            policy_keys[i].read(a, pair->value, p);
            return;
        }
    }
    p->closed = true;
    close_for(a, pair->key, "policy", names, cirun_key_names(&cirun_policy_map, names));
}

static void read_policy(struct access_reading *a, const struct yaml_node *n, struct access_policy *p)
{
    if (n->kind != YAML_MAP) {
        cirun_fail(a->r, n, "wrong-type", "a policy must be a mapping with id and repo, found %s", yaml_kind_name(n));
        return;
    }
    p->line = n->line;
    for (size_t i = 0; i < n->n; i++)
        read_policy_pair(a, &n->pairs[i], p);
    if (yaml_get(n, "id") == NULL)
        cirun_fail(a->r, n, "missing-key", "this policy has no id: nothing can refer to it");
    if (yaml_get(n, "repo") == NULL)
        cirun_fail(a->r, n, "missing-key", "this policy has no repo: name the repository it is for");
}

static void read_policies(struct access_reading *a, const struct yaml_node *list)
{
    if (list->kind != YAML_LIST) {
        cirun_fail(a->r, list, "wrong-type", "policies must be a list of \"- id: ...\", found %s",
                   yaml_kind_name(list));
        return;
    }
    a->policies = arena_calloc(a->r->arena, list->n + 1, sizeof(*a->policies));
    for (size_t i = 0; i < list->n; i++)
        read_policy(a, list->items[i], &a->policies[i]);
    a->out.policies = a->policies;
    a->out.n_policies = list->n;
}

/* --- access_control ---------------------------------------------------------------------------------------------- */

static const struct access_policy *find_policy(const struct access_reading *a, const char *id)
{
    for (size_t i = 0; i < a->out.n_policies; i++) {
        if (a->policies[i].id != NULL && strcmp(a->policies[i].id, id) == 0)
            return &a->policies[i];
    }
    return NULL;
}

static void fail_dangling(struct access_reading *a, const struct yaml_node *n, const char *id)
{
    const char **ids = arena_calloc(a->r->arena, a->out.n_policies + 1, sizeof(*ids));
    const char *near = NULL;
    size_t known = 0;

    for (size_t i = 0; i < a->out.n_policies; i++) {
        if (a->policies[i].id != NULL)
            ids[known++] = a->policies[i].id;
    }
    if (a->r->yml.n_errors < MAX_HINTS)
        near = text_nearest(id, ids, known);
    cirun_propose(a->r, n, "access-no-policy", near, "there is no policy \"%.80s\"%s%.80s%s", id,
                  near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
}

static void read_rule_policies(struct access_reading *a, const struct yaml_node *n, struct access_rule *rule)
{
    struct access_list ids = read_list(a, n, "policies");
    const struct access_policy **policies = arena_calloc(a->r->arena, ids.n + 1, sizeof(*policies));

    if (n->kind == YAML_LIST && n->n == 0)
        cirun_warn(a->r, n, "access-names-nobody", "policies is an empty list: nobody may use this resource");
    for (size_t i = 0; i < ids.n; i++) {
        const struct access_policy *p = find_policy(a, ids.items[i]);

        if (p == NULL)
            fail_dangling(a, n->n == ids.n ? n->items[i] : n, ids.items[i]);
        else
            policies[rule->n_policies++] = p;
    }
    rule->policies = policies;
}

static void read_rule(struct access_reading *a, const struct yaml_node *n, struct access_rule *rule)
{
    const char *known[CIRUN_MAX_KEYS];
    size_t n_known = cirun_key_names(&cirun_control_map, known);

    if (n->kind != YAML_MAP) {
        cirun_fail(a->r, n, "wrong-type",
                   "an entry of access_control must be a mapping with resource and policies, found %s",
                   yaml_kind_name(n));
        return;
    }
    rule->line = n->line;
    for (size_t i = 0; i < n->n; i++) {
        const struct yaml_node *key = n->pairs[i].key;

        if (strcmp(key->text, "resource") == 0) {
            rule->resource = cirun_text(a->r, n->pairs[i].value, "resource");
        } else if (strcmp(key->text, "policies") == 0) {
            read_rule_policies(a, n->pairs[i].value, rule);
        } else {
            rule->closed = true;
            close_for(a, key, "entry", known, n_known);
        }
    }
    for (size_t i = 0; i < n_known; i++) {
        if (yaml_get(n, known[i]) == NULL)
            cirun_fail(a->r, n, "missing-key", "this entry of access_control lacks %s", known[i]);
    }
}

static void read_rules(struct access_reading *a, const struct yaml_node *list)
{
    if (list->kind != YAML_LIST) {
        cirun_fail(a->r, list, "wrong-type", "access_control must be a list of \"- resource: ...\", found %s",
                   yaml_kind_name(list));
        return;
    }
    if (list->n == 0)
        cirun_warn(a->r, list, "access-names-nobody",
                   "access_control is empty: nobody may use any runner of the organisation");
    a->rules = arena_calloc(a->r->arena, list->n + 1, sizeof(*a->rules));
    for (size_t i = 0; i < list->n; i++)
        read_rule(a, list->items[i], &a->rules[i]);
    a->out.rules = a->rules;
    a->out.n_rules = list->n;
}

/* --- the file ---------------------------------------------------------------------------------------------------- */

static void check_version(struct access_reading *a, const struct yaml_node *root)
{
    const struct yaml_node *n = yaml_get(root, "version");

    if (n == NULL)
        cirun_fail(a->r, root, "missing-key", "there is no version; expected \"version: 1\"");
    else if (n->kind != YAML_SCALAR || yaml_is_null(n))
        cirun_fail(a->r, n, "wrong-type", "version must be 1, found %s", yaml_kind_name(n));
    else if (strcmp(n->text, "1") != 0)
        cirun_fail(a->r, n, "unknown-value", "version must be 1, found \"%.60s\"", n->text);
}

/* A top level that is not as documented may restrict in ways that we do not know. */
static void check_top(struct access_reading *a, const struct yaml_node *root)
{
    const char *known[CIRUN_MAX_KEYS];
    size_t n = cirun_key_names(&cirun_access_map, known);

    for (size_t i = 0; i < root->n; i++) {
        const struct yaml_node *key = root->pairs[i].key;
        const char *near = text_nearest(key->text, known, n);

        if (cirun_key_find(&cirun_access_map, key->text) == NULL)
            cirun_propose(a->r, key, "access-shape", near,
                          "unknown key \"%.60s\"; the file holds version, policies and access_control%s%s%s", key->text,
                          near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
    }
    for (size_t i = 1; i < n; i++) { /* of the version much more is said */
        if (yaml_get(root, known[i]) == NULL)
            cirun_fail(a->r, root, "missing-key", "there is no \"%s:\"", known[i]);
    }
}

static void read_root(struct access_reading *a, const struct yaml_node *root)
{
    const struct yaml_node *policies = yaml_get(root, "policies"), *rules = yaml_get(root, "access_control");

    if (yaml_is_null(root)) {
        cirun_fail(a->r, root, "wrong-type", "the file is empty; expected version, policies and access_control");
    } else if (root->kind != YAML_MAP) {
        cirun_fail(a->r, root, "wrong-type", "expected version, policies and access_control, found %s",
                   yaml_kind_name(root));
    } else {
        check_version(a, root);
        check_top(a, root);
        if (policies != NULL)
            read_policies(a, policies);
        if (rules != NULL)
            read_rules(a, rules);
    }
}

struct access_yml *access_yml_parse(const char *text, size_t len, const char *file)
{
    struct access_reading *a = mem_zalloc(sizeof(*a));
    const struct yaml_node *root;

    a->r = cirun_reading_new();
    root = cirun_reading_parse(a->r, text, len, file);
    if (root != NULL)
        read_root(a, root);
    cirun_reading_end(a->r);
    a->out.diags = a->r->yml.diags;
    a->out.n_diags = a->r->yml.n_diags;
    a->out.n_errors = a->r->yml.n_errors;
    if (a->out.n_errors > 0) {
        a->out.n_rules = 0;
        a->out.n_policies = 0;
    }
    return &a->out;
}

void access_yml_free(struct access_yml *out)
{
    struct access_reading *a = (struct access_reading *)out;

    if (a == NULL)
        return;
    cirun_yml_free(&a->r->yml);
    free(a);
}

int access_yml_error(const struct access_yml *a, const char *file, struct err *e)
{
    return cirun_yml_error(&((const struct access_reading *)a)->r->yml, file, e);
}
