/* Secrets in plain sight: whoever may read the repository reads them, and env_vars and setup_info reach every job. */
#include "server/base/mem.h"
#include "server/config/cirun_lint_int.h"
#include "server/config/secret_look.h"

#include <string.h>

#define MAX_DEPTH YAML_MAX_DEPTH

static void found(struct lint *l, const struct yaml_node *n, const char *key, const char *what)
{
    l->secrets = mem_realloc_array(l->secrets, l->out.n_secrets + 1, sizeof(*l->secrets));
    l->secrets[l->out.n_secrets++] = n;
    lint_say(l, n, "secret-in-file", "%.60s looks like %s: whoever can read this file has it, and so has every job",
             key != NULL ? key : "this", what);
}

/* A scalar below a key (NULL: an element of a list). */
static void look(struct lint *l, const struct yaml_node *n, const char *key)
{
    struct secret_look hit;

    if (secret_look_find(n->text, strlen(n->text), 0, &hit))
        found(l, n, key, hit.what);
    else if (key != NULL && secret_look_name(key, strlen(key)) && secret_look_value(n->text))
        found(l, n, key, "a secret, by its name");
}

static void walk(struct lint *l, const struct yaml_node *n, const char *key, int depth)
{
    if (depth > MAX_DEPTH)
        return;
    if (n->kind == YAML_SCALAR) {
        look(l, n, key);
        return;
    }
    for (size_t i = 0; n->kind == YAML_LIST && i < n->n; i++)
        walk(l, n->items[i], key, depth + 1);
    for (size_t i = 0; n->kind == YAML_MAP && i < n->n; i++)
        walk(l, n->pairs[i].value, n->pairs[i].key->text, depth + 1);
}

void lint_secrets(struct lint *l)
{
    walk(l, yaml_root(l->file->doc), NULL, 0);
}
