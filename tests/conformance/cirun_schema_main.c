/*
 * What the reader makes of files: for each line {"text": "...", "access": false} of standard input one line of JSON,
 *   {"accepted": true, "beyond": false, "odd": false, "rules": ["unknown-key"], "document": ...}
 * accepted: without an error; beyond: each of its errors is one that no schema can see; odd: it holds a number such as
 * 2.0, which JSON Schema takes for a whole one; document: null when it is no YAML. schema_agrees.py compares.
 */
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/config/access_yml.h"
#include "server/config/cirun_keys.h"
#include "server/config/cirun_yml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_odd(const json_t *j)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_real(j))
        return floor(json_real_value(j)) == json_real_value(j);
    json_array_foreach(j, i, value)
    {
        if (is_odd(value))
            return true;
    }
    json_object_foreach((json_t *)(uintptr_t)j, key, value)
    {
        if (is_odd(value))
            return true;
    }
    return false;
}

static json_t *verdict_of(const struct cirun_diag *diags, size_t n, size_t n_errors, const char *text, size_t len)
{
    struct yaml_doc *doc = NULL;
    struct err ignored;
    bool yaml = yaml_parse(text, len, CIRUN_YML_MAX, "f", &doc, &ignored) == 0, beyond = n_errors > 0 && yaml;
    json_t *document = yaml ? yaml_to_json(yaml_root(doc)) : json_null(), *rules = json_array();

    for (size_t i = 0; i < n; i++) {
        if (diags[i].severity == CIRUN_ERROR)
            beyond = beyond && cirun_rule_is_beyond_schema(diags[i].rule);
        (void)json_array_append_new(rules, json_string(diags[i].rule));
    }
    yaml_doc_free(doc);
    return json_pack("{s:b, s:b, s:b, s:b, s:o, s:o}", "accepted", n_errors == 0, "yaml", yaml, "beyond", beyond, "odd",
                     is_odd(document), "rules", rules, "document", document);
}

static json_t *judge(const char *text, size_t len)
{
    struct cirun_yml *c = cirun_yml_parse(text, len, "f");
    json_t *out = verdict_of(c->diags, c->n_diags, c->n_errors, text, len);

    cirun_yml_free(c);
    return out;
}

static json_t *judge_access(const char *text, size_t len)
{
    struct access_yml *a = access_yml_parse(text, len, "f");
    json_t *out = verdict_of(a->diags, a->n_diags, a->n_errors, text, len);

    access_yml_free(a);
    return out;
}

int main(void)
{
    AUTO_FREE char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    while ((len = getline(&line, &cap, stdin)) > 0) {
        AUTO_JSON json_t *asked = json_loadb(line, (size_t)len, 0, NULL);
        const char *text = json_string_value(json_object_get(asked, "text"));
        size_t length = json_string_length(json_object_get(asked, "text"));
        bool access = json_is_true(json_object_get(asked, "access"));
        AUTO_JSON json_t *answer = text == NULL ? NULL : access ? judge_access(text, length) : judge(text, length);
        AUTO_FREE char *out = answer != NULL ? json_dumps(answer, JSON_COMPACT) : NULL;

        if (out == NULL)
            return 1;
        (void)printf("%s\n", out);
        (void)fflush(stdout);
    }
    return 0;
}
