#include "server/config/cirun_schema.h"

#include "providers/common/gpu_catalog.h"
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/config/cirun_schema_int.h"

#include <string.h>

/* --- mappings ---------------------------------------------------------------------------------------------------- */

static void add_keys(json_t *properties, json_t *required, const struct cirun_map *map)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct cirun_key *k = &map->keys[i];

        (void)json_object_set_new(properties, k->name, cirun_schema_key(k));
        if ((k->flags & CIRUN_NEEDED) != 0)
            (void)json_array_append_new(required, json_string(k->name));
    }
}

/* No two of its keys. */
static json_t *not_two_of(const struct cirun_map *map)
{
    json_t *pairs = json_array();

    for (size_t i = 0; i < map->n; i++) {
        for (size_t k = 0; k < i; k++)
            (void)json_array_append_new(pairs,
                                        json_pack("{s:[s,s]}", "required", map->keys[k].name, map->keys[i].name));
    }
    return json_pack("{s:o}", "anyOf", pairs);
}

static void add_runner_rules(json_t *schema);

json_t *cirun_schema_map(const struct cirun_map *map)
{
    json_t *properties = json_object(), *required = json_array(), *schema;

    add_keys(properties, required, map);
    schema = json_pack("{s:s, s:s, s:s, s:o}", "title", map->title, "description", map->help, "type", "object",
                       "properties", properties);
    if (json_array_size(required) > 0)
        (void)json_object_set(schema, "required", required);
    json_decref(required);
    if (map->exactly_one)
        (void)json_object_set_new(schema, "not", not_two_of(map));
    if (map->is_closed)
        (void)json_object_set_new(schema, "additionalProperties", json_false());
    if (map == &cirun_runner_map)
        add_runner_rules(schema);
    return schema;
}

/* --- a runner: what one key says of another ---------------------------------------------------------------------- */

/* The key is there and not null. */
static json_t *has(const char *key)
{
    return json_pack("{s:[s], s:{s:{s:{s:s}}}}", "required", key, "properties", key, "not", "type", "null");
}

/* Neither a mapping nor a list that holds one. */
static json_t *no_mapping(void)
{
    return json_pack("{s:{s:[{s:s}, {s:s, s:{s:s}}]}}", "not", "anyOf", "type", "object", "type", "array", "contains",
                     "type", "object");
}

/* What the cloud's own keys of extra_config take, and what only other clouds know. */
static json_t *rules_of(const struct cirun_cloud *cloud)
{
    const struct cirun_key *image = cirun_key_find(&cirun_runner_map, "machine_image");
    bool by_gpu = strcmp(cloud->name, "vast_ai") == 0 || gpu_catalog_has_cloud(cloud->name);
    json_t *properties = json_object(), *own = json_object(), *required = json_array();
    json_t *rules = by_gpu ? json_object() : has("instance_type");

    if (cloud->extra != NULL) {
        add_keys(own, required, cloud->extra);
        (void)json_object_set_new(properties, "extra_config",
                                  json_pack("{s:s, s:O}", "title", cloud->extra->title, "properties", own));
    }
    if (strcmp(image->of_cloud, cloud->name) != 0)
        (void)json_object_set_new(properties, "machine_image", no_mapping());
    if (json_object_get(rules, "properties") != NULL)
        (void)json_object_update(properties, json_object_get(rules, "properties"));
    (void)json_object_set_new(rules, "properties", properties);
    json_decref(own);
    json_decref(required);
    return rules;
}

static void add_runner_rules(json_t *schema)
{
    json_t *all = json_array();

    for (size_t i = 0; i < cirun_clouds_n; i++) {
        const struct cirun_cloud *c = &cirun_clouds[i];
        json_t *names = json_pack("[s, s*]", c->name, c->alias);

        (void)json_array_append_new(all, json_pack("{s:{s:[s], s:{s:{s:o}}}, s:o}", "if", "required", "cloud",
                                                   "properties", "cloud", "enum", names, "then", rules_of(c)));
    }
    (void)json_object_set_new(schema, "allOf", all);
    (void)json_object_set_new(schema, "anyOf", json_pack("[o, o]", has("instance_type"), has("gpu")));
}

/* --- the documents ----------------------------------------------------------------------------------------------- */

static int write_document(const char *id, const struct cirun_map *map, struct buf *out, struct err *e)
{
    AUTO_JSON json_t *schema = NULL;
    AUTO_JSON json_t *body = cirun_schema_map(map);
    AUTO_FREE char *text = NULL;

    if (js_pack(e, &schema, "{s:s, s:s}", "$schema", "http://json-schema.org/draft-07/schema#", "$id", id))
        return -1;
    (void)json_object_update(schema, body);
    text = json_dumps(schema, JSON_INDENT(2));
    if (text == NULL)
        return err_set(e, ERR_BUG, "the schema %s could not be written", id);
    buf_addf(out, "%s\n", text);
    return 0;
}

int cirun_schema_write(struct buf *out, struct err *e)
{
    return write_document("urn:muster:schema:cirun-yml", &cirun_file_map, out, e);
}

int cirun_schema_write_access(struct buf *out, struct err *e)
{
    return write_document("urn:muster:schema:access-yml", &cirun_access_map, out, e);
}
