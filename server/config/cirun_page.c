/*
 * A line of the prose that begins with '@' stands for something made from the tables:
 *   @keys MAP      the keys of a mapping, as a table
 *   @extra CLOUD   the cloud's own keys of extra_config and the mappings below them
 *   @clouds        the clouds and their spellings
 *   @rules         every diagnostic
 */
#include "server/config/cirun_page.h"

#include "cirun_yml_page_md.h"
#include "server/base/text.h"
#include "server/config/cirun_keys.h"
#include "server/config/cirun_yml.h"

#include <stdio.h>
#include <string.h>

/* --- what a key takes, in words ---------------------------------------------------------------------------------- */

static void add_words(struct buf *out, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++)
        buf_addf(out, "%s`%s`", i > 0 ? ", " : "", words[i]);
}

static void add_duration(struct buf *out, int64_t s)
{
    if (s % 86400 == 0)
        buf_addf(out, "%lldd", (long long)s / 86400);
    else if (s % 3600 == 0)
        buf_addf(out, "%lldh", (long long)s / 3600);
    else
        buf_addf(out, "%lldm", (long long)s / 60);
}

static void add_type(struct buf *out, const struct cirun_key *k)
{
    switch (k->type) {
    case CIRUN_TEXT:
        buf_adds(out, "text");
        if (k->of != NULL)
            buf_addf(out, " (on %s also a mapping)", k->of_cloud);
        return;
    case CIRUN_WORD:
        add_words(out, k->words);
        return;
    case CIRUN_BOOL:
        buf_adds(out, "`true` or `false`");
        return;
    case CIRUN_WHOLE:
        buf_addf(out, "whole number, %lld to %lld", (long long)k->min, (long long)k->max);
        return;
    case CIRUN_USD:
        buf_addf(out, "US dollars, below %lld", (long long)k->max);
        return;
    case CIRUN_DURATION:
        buf_adds(out, "duration, ");
        add_duration(out, k->min);
        buf_adds(out, " to ");
        add_duration(out, k->max);
        return;
    case CIRUN_GIGABYTES:
        buf_addf(out, "gigabytes, %lldGB to %lldGB", (long long)k->min, (long long)k->max);
        return;
    case CIRUN_MAP:
    case CIRUN_ANY:
        buf_adds(out, "mapping");
        return;
    case CIRUN_ENV:
        buf_adds(out, "mapping of names to text");
        return;
    }
}

/* A cell of a table: '|' would end it. */
static void add_cell(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++)
        buf_addf(out, "%s%c", *text == '|' ? "\\" : "", *text);
}

static void add_remarks(struct buf *out, const struct cirun_key *k)
{
    if ((k->flags & CIRUN_NEEDED) != 0)
        buf_adds(out, " **Needed.**");
    if ((k->flags & CIRUN_OLD) != 0)
        buf_adds(out, " *Old.*");
    if ((k->flags & CIRUN_UNDOCUMENTED) != 0)
        buf_adds(out, " *In use, though Cirun does not document it.*");
    if ((k->flags & CIRUN_OURS) != 0)
        buf_adds(out, " *Ours.*");
}

static void add_keys(struct buf *out, const struct cirun_map *map)
{
    buf_adds(out, "| key | takes | default | what it is |\n|---|---|---|---|\n");
    for (size_t i = 0; i < map->n; i++) {
        const struct cirun_key *k = &map->keys[i];

        buf_addf(out, "| `%s` | %s", k->name, k->many == CIRUN_LIST ? "list of: " : "");
        add_type(out, k);
        buf_addf(out, "%s | %s | ", k->many == CIRUN_ONE_OR_LIST ? ", or a list" : "", k->def != NULL ? k->def : "");
        add_cell(out, k->help);
        add_remarks(out, k);
        if (k->example != NULL) {
            buf_adds(out, " Example: `");
            add_cell(out, k->example);
            buf_addc(out, '`');
        }
        buf_adds(out, " |\n");
    }
}

/* The mappings below those of a cloud, each with its table. */
static void add_below(struct buf *out, const struct cirun_map *map)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct cirun_key *k = &map->keys[i];

        if (k->of == NULL)
            continue;
        buf_addf(out, "\n`%s`: %s\n\n", k->name, k->of->help);
        add_keys(out, k->of);
        add_below(out, k->of);
    }
}

/* --- other tables ------------------------------------------------------------------------------------------------ */

static void add_clouds(struct buf *out)
{
    buf_adds(out, "| `cloud` | what it is | its options |\n|---|---|---|\n");
    for (size_t i = 0; i < cirun_clouds_n; i++) {
        const struct cirun_cloud *c = &cirun_clouds[i];

        buf_addf(out, "| `%s`%s%s%s | %s |", c->name, c->alias != NULL ? ", `" : "", c->alias != NULL ? c->alias : "",
                 c->alias != NULL ? "`" : "", c->title);
        for (size_t k = 0; c->extra != NULL && k < c->extra->n; k++)
            buf_addf(out, "%s `%s`", k > 0 ? "," : "", c->extra->keys[k].name);
        buf_adds(out, c->extra == NULL ? " none of its own |\n" : " |\n");
    }
}

static void add_rules(struct buf *out)
{
    static const char *const names[] = {[CIRUN_NOTE] = "note", [CIRUN_WARNING] = "warning", [CIRUN_ERROR] = "error"};

    buf_adds(out, "| rule | is | means | remedy |\n|---|---|---|---|\n");
    for (size_t i = 0; i < cirun_rules_n; i++) {
        const struct cirun_rule *rule = &cirun_rules[i];

        buf_addf(out, "| `%s` | %s%s | ", rule->id, names[rule->severity],
                 rule->severity == CIRUN_ERROR && cirun_rule_is_beyond_schema(rule->id) ? "\\*" : "");
        add_cell(out, rule->meaning);
        buf_adds(out, " | ");
        add_cell(out, rule->remedy);
        buf_adds(out, " |\n");
    }
}

/* --- the page ---------------------------------------------------------------------------------------------------- */

static const struct cirun_map *map_of(const char *id)
{
    const struct cirun_map *roots[] = {&cirun_file_map, &cirun_access_map};

    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        const struct cirun_map *maps[32];
        size_t n = 1;

        maps[0] = roots[i];
        for (size_t at = 0; at < n; at++) {
            if (strcmp(maps[at]->id, id) == 0)
                return maps[at];
            for (size_t k = 0; k < maps[at]->n; k++) {
                if (maps[at]->keys[k].of != NULL && n < ARRAY_LEN(maps))
                    maps[n++] = maps[at]->keys[k].of;
            }
        }
    }
    return NULL;
}

/* One line "@WORD ARGUMENT". */
static int add_made(struct buf *out, const char *line, struct err *e)
{
    const char *space = strchr(line, ' '), *argument = space != NULL ? space + 1 : "";
    const struct cirun_map *map = map_of(argument);
    const struct cirun_cloud *cloud = cirun_cloud_find(argument);

    if (text_has_prefix(line, "@keys ") && map != NULL) {
        add_keys(out, map);
    } else if (text_has_prefix(line, "@extra ") && cloud != NULL && cloud->extra != NULL) {
        add_keys(out, cloud->extra);
        add_below(out, cloud->extra);
    } else if (strcmp(line, "@clouds") == 0) {
        add_clouds(out);
    } else if (strcmp(line, "@rules") == 0) {
        add_rules(out);
    } else {
        return err_set(e, ERR_BUG, "cirun_yml_page.md: \"%.80s\" stands for nothing", line);
    }
    return 0;
}

int cirun_page_write(struct buf *out, struct err *e)
{
    char line[200];

    for (const char *s = cirun_yml_page_md; *s != '\0';) {
        size_t len = strcspn(s, "\n");

        if (*s == '@') {
            (void)snprintf(line, sizeof(line), "%.*s", (int)len, s);
            if (add_made(out, line, e))
                return -1;
        } else {
            buf_add(out, s, len + 1);
        }
        s += len + 1;
    }
    return 0;
}
