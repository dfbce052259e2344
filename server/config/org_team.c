#include "server/config/org_team.h"

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

enum org_team org_team_read(const struct cirun_yml *file, const char *text, char out[ORG_TEAM_MAX])
{
    const struct yaml_node *root, *n;

    if (file->doc == NULL)
        return text != NULL && mentions(text) ? ORG_TEAM_UNCLEAR : ORG_TEAM_NONE;
    root = yaml_root(file->doc);
    n = yaml_get(root, key);
    if (n == NULL)
        return ORG_TEAM_NONE;
    if (yaml_is_null(n) || n->kind != YAML_SCALAR || *n->text == '\0' || strlen(n->text) >= ORG_TEAM_MAX)
        return ORG_TEAM_UNCLEAR;
    (void)snprintf(out, ORG_TEAM_MAX, "%s", n->text);
    return ORG_TEAM_NAMED;
}
