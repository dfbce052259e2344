#include "server/config/org_team.h"

#include "server/config/cirun_int.h"

#include <stdio.h>
#include <string.h>

static const char key[] = "run_only_when_triggered_by";

/* Does a line begin with the key, in whatever quotes? */
static bool mentions(const char *text)
{
    for (const char *at = strstr(text, key); at != NULL; at = strstr(at + 1, key)) {
        const char *before = at;

        while (before > text && strchr(" \t\"'{?", before[-1]) != NULL)
            before--;
        if (before == text || before[-1] == '\n')
            return true;
    }
    return false;
}

/* A slip of the pen for the key, or another word for it: a limit that cannot be told. */
static bool has_other_restriction(const struct yaml_node *root)
{
    for (size_t i = 0; root->kind == YAML_MAP && i < root->n; i++) {
        if (cirun_is_restriction(root->pairs[i].key->text))
            return true;
    }
    return false;
}

enum org_team org_team_read(const struct cirun_yml *file, const char *text, char out[ORG_TEAM_MAX])
{
    const struct yaml_node *root, *n;

    if (file->doc == NULL)
        return text != NULL && mentions(text) ? ORG_TEAM_UNCLEAR : ORG_TEAM_NONE;
    root = yaml_root(file->doc);
    n = yaml_get(root, key);
    if (n == NULL)
        return has_other_restriction(root) ? ORG_TEAM_UNCLEAR : ORG_TEAM_NONE;
    if (yaml_is_null(n) || n->kind != YAML_SCALAR || *n->text == '\0' || strlen(n->text) >= ORG_TEAM_MAX)
        return ORG_TEAM_UNCLEAR;
    (void)snprintf(out, ORG_TEAM_MAX, "%s", n->text);
    return ORG_TEAM_NAMED;
}
