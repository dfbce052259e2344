/* YAML: whatever is accepted is a tree within its ceilings, with a place on every node, and can be written as JSON. */
#include "tests/fuzz/fuzz.h"

#include "server/base/json.h"
#include "server/base/text.h"
#include "server/base/yaml.h"

static size_t walk(const struct yaml_node *n, int depth)
{
    size_t nodes = 1;

    NEED(depth <= YAML_MAX_DEPTH && n->line >= 1 && n->column >= 1);
    NEED(yaml_kind_name(n)[0] != '\0');
    switch (n->kind) {
    case YAML_SCALAR:
        NEED(n->text != NULL && text_utf8_valid(n->text, strlen(n->text)));
        break;
    case YAML_LIST:
        for (size_t i = 0; i < n->n; i++)
            nodes += walk(n->items[i], depth + 1);
        break;
    case YAML_MAP:
        for (size_t i = 0; i < n->n; i++) {
            NEED(n->pairs[i].key->kind == YAML_SCALAR);
            NEED(yaml_get(n, n->pairs[i].key->text) == n->pairs[i].value); /* no key twice */
            nodes += 1 + walk(n->pairs[i].value, depth + 1);
        }
        break;
    }
    return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_YAML struct yaml_doc *d = NULL;
    AUTO_JSON json_t *j = NULL;
    AUTO_FREE char *text = NULL;
    struct err e;

    if (yaml_parse((const char *)data, size, 8192, "f.yml", &d, &e)) {
        NEED(d == NULL && e.kind == ERR_INVALID && text_has_prefix(e.msg, "f.yml"));
        return 0;
    }
    NEED(size <= 8192);
    NEED(walk(yaml_root(d), 0) <= YAML_MAX_NODES);
    j = yaml_to_json(yaml_root(d));
    NEED(j != NULL && js_dump(j, &text, &e) == 0);
    return 0;
}
