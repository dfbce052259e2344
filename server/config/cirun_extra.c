/* extra_config as the clouds take it: only keys that they know, each value of its type, however it was written. */
#include "server/base/text.h"
#include "server/config/cirun_int.h"

#include <string.h>

static json_t *map_json(const struct yaml_node *map, const struct cirun_map *known, const struct cirun_map *more);

static json_t *environment_json(const struct yaml_node *map)
{
    json_t *out = json_object();

    for (size_t i = 0; i < map->n; i++) {
        const struct yaml_node *value = map->pairs[i].value;

        if (value->kind == YAML_SCALAR)
            (void)json_object_set_new(out, map->pairs[i].key->text,
                                      json_string(yaml_is_null(value) ? "" : value->text));
    }
    return out;
}

static json_t *bool_json(const struct yaml_node *n)
{
    struct err ignored;
    bool flag;

    return text_bool(n->text, &flag, &ignored) == 0 ? json_boolean(flag) : NULL;
}

static bool is_word(const struct cirun_key *k, const char *text)
{
    size_t i = 0;

    while (k->words[i] != NULL && strcmp(k->words[i], text) != 0)
        i++;
    return k->words[i] != NULL;
}

/* One value; NULL when it is none that the key takes. */
static json_t *value_json(const struct cirun_key *k, const struct yaml_node *n)
{
    int64_t number;

    if (k->type == CIRUN_ANY)
        return yaml_to_json(n);
    if (n->kind == YAML_MAP && k->type == CIRUN_ENV)
        return environment_json(n);
    if (n->kind == YAML_MAP)
        return k->of != NULL ? map_json(n, k->of, NULL) : NULL;
    if (n->kind != YAML_SCALAR || yaml_is_null(n))
        return NULL;
    if (k->type == CIRUN_BOOL)
        return bool_json(n);
    if (k->type == CIRUN_WHOLE)
        return cirun_number(k, n, &number) ? json_integer(number) : NULL;
    return k->type != CIRUN_WORD || is_word(k, n->text) ? json_string(n->text) : NULL;
}

static json_t *key_json(const struct cirun_key *k, const struct yaml_node *n)
{
    json_t *list;

    if (n->kind != YAML_LIST)
        return value_json(k, n);
    list = json_array();
    for (size_t i = 0; i < n->n; i++) {
        json_t *one = value_json(k, n->items[i]);

        if (one != NULL)
            (void)json_array_append_new(list, one);
    }
    return list;
}

static json_t *map_json(const struct yaml_node *map, const struct cirun_map *known, const struct cirun_map *more)
{
    json_t *out = json_object();

    for (size_t i = 0; i < map->n; i++) {
        const char *name = map->pairs[i].key->text;
        const struct cirun_key *k = cirun_key_find(known, name);
        json_t *value;

        if (k == NULL)
            k = cirun_key_find(more, name);
        value = k != NULL && !yaml_is_null(map->pairs[i].value) ? key_json(k, map->pairs[i].value) : NULL;
        if (value != NULL)
            (void)json_object_set_new(out, name, value);
    }
    return out;
}

json_t *cirun_extra_json(const char *cloud, const struct yaml_node *extra)
{
    const struct cirun_cloud *c = cirun_cloud_find(cloud);

    if (extra == NULL || extra->kind != YAML_MAP)
        return NULL;
    return map_json(extra, &cirun_extra_map, c != NULL ? c->extra : NULL);
}
