#include "server/base/conf.h"

#include "server/base/conf_value.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_KEYS 64

struct conf {
    char *section;
    const struct conf_key *keys;
    size_t n;
    struct conf_value *values;
};

const char *conf_getenv_process(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

static _Noreturn void bug(const char *section, const char *name, const char *what)
{
    (void)fprintf(stderr, "muster: a bug of ours: option %s of %s: %s\n", name, section, what);
    abort();
}

struct conf *conf_new(const char *section, const struct conf_key *keys)
{
    struct conf *c = mem_zalloc(sizeof(*c));
    struct err e;

    c->section = mem_strdup(section);
    c->keys = keys;
    while (keys[c->n].name != NULL)
        c->n++;
    c->values = mem_calloc(c->n, sizeof(*c->values));
    for (size_t i = 0; i < c->n; i++) {
        if (keys[i].def != NULL && conf_value_parse(&c->values[i], &keys[i], keys[i].def, &e))
            bug(section, keys[i].name, e.msg);
    }
    return c;
}

void conf_free(struct conf *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n; i++)
        conf_value_clear(&c->values[i]);
    free(c->values);
    free(c->section);
    free(c);
}

void conf_free_ptr(struct conf **c)
{
    conf_free(*c);
}

/* --- sources ---------------------------------------------------------------------------------------------------- */

/* The option that a key names, SIZE_MAX when there is none. *is_file: the key is NAME_file of a secret. */
static size_t find_key(const struct conf *c, const char *name, bool *is_file)
{
    size_t len = strlen(name);

    *is_file = false;
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->keys[i].name, name) == 0)
            return i;
    }
    if (!text_has_suffix(name, "_file"))
        return SIZE_MAX;
    for (size_t i = 0; i < c->n; i++) {
        const char *key = c->keys[i].name;

        if (conf_is_secret(&c->keys[i]) && strlen(key) == len - 5 && strncmp(key, name, len - 5) == 0) {
            *is_file = true;
            return i;
        }
    }
    return SIZE_MAX;
}

static int unknown_key(const struct conf *c, const struct yaml_doc *d, const struct yaml_node *key, struct err *e)
{
    const char *names[MAX_KEYS], *near;
    size_t n = 0;

    for (; n < c->n && n < MAX_KEYS; n++)
        names[n] = c->keys[n].name;
    near = text_nearest(key->text, names, n);
    if (near == NULL)
        return yaml_err(d, key, e, "unknown setting \"%.60s\" in %s", key->text, c->section);
    return yaml_err(d, key, e, "unknown setting \"%.60s\" in %s; did you mean \"%s\"?", key->text, c->section, near);
}

/* Where ${VAR} values come from. */
struct source {
    const struct yaml_doc *doc;
    conf_getenv_fn *getenv_fn;
    void *getenv_arg;
};

/* One "${NAME}" at *p; moves *p behind it. */
static int expand_one(const struct source *s, const struct yaml_node *n, const char **p, struct buf *out, struct err *e)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    size_t len = strspn(*p + 2, alphabet);
    char name[128];
    const char *value;

    if (len == 0 || len >= sizeof(name) || (*p)[2 + len] != '}')
        return yaml_err(s->doc, n, e, "expected ${NAME}; write $$ for a dollar sign");
    (void)snprintf(name, sizeof(name), "%.*s", (int)len, *p + 2);
    value = s->getenv_fn(s->getenv_arg, name);
    if (value == NULL)
        return yaml_err(s->doc, n, e, "the environment variable %s is not set", name);
    buf_adds(out, value);
    *p += len + 3;
    return 0;
}

/* The scalar's text with ${VAR} replaced. */
static int expand(const struct source *s, const struct yaml_node *n, struct buf *out, const char **text, struct err *e)
{
    const char *p = n->text;

    buf_reset(out);
    while (*p != '\0') {
        if (p[0] == '$' && p[1] == '{') {
            if (expand_one(s, n, &p, out, e))
                return -1;
        } else {
            buf_addc(out, *p);
            p += p[0] == '$' && p[1] == '$' ? 2 : 1;
        }
    }
    return buf_str(out, text, e);
}

static const char *wanted_kind(const struct conf_key *k)
{
    return k->type == CONF_LIST ? "a list of strings" : k->type == CONF_SECRETS ? "a string or a list" : "one value";
}

static int add_items(const struct source *s, const struct conf_key *k, const struct yaml_node *list, struct buf *b,
                     struct conf_value *v, struct err *e)
{
    const char *text;

    if (list->n == 0)
        return yaml_err(s->doc, list, e, "%s: the list is empty; leave the setting out instead", k->name);
    for (size_t i = 0; i < list->n; i++) {
        const struct yaml_node *item = list->items[i];

        if (item->kind != YAML_SCALAR || yaml_is_null(item))
            return yaml_err(s->doc, item, e, "%s: expected %s, found %s in the list", k->name, wanted_kind(k),
                            yaml_kind_name(item));
        if (expand(s, item, b, &text, e))
            return -1;
        if (conf_value_add(v, k, text, b->len, e))
            return yaml_err(s->doc, item, e, "%s: %s", k->name, e->msg);
    }
    return 0;
}

static int load_pair(struct conf *c, const struct source *s, const struct yaml_pair *pair, size_t at, bool is_file,
                     struct err *e)
{
    const struct conf_key *k = &c->keys[at];
    const struct yaml_node *n = pair->value;
    AUTO(buf_wipe) struct buf b = BUF_INIT(CONF_SECRET_FILE_MAX);
    AUTO_CONF_VALUE struct conf_value v = {0};
    const char *text;
    bool list = (k->type == CONF_LIST || k->type == CONF_SECRETS) && !is_file;
    AUTO_BUF struct buf origin = BUF_INIT(4096);
    struct err why;

    if (yaml_is_null(n))
        return 0;
    if (n->kind == YAML_LIST && list) {
        if (add_items(s, k, n, &b, &v, e))
            return -1;
    } else if (n->kind != YAML_SCALAR) {
        return yaml_err(s->doc, n, e, "%s: expected %s, found %s", pair->key->text, is_file ? "a path" : wanted_kind(k),
                        yaml_kind_name(n));
    } else {
        if (expand(s, n, &b, &text, e))
            return -1;
        if (*text == '\0')
            return 0;
        if (is_file ? conf_value_read(&v, k, text, &why) : conf_value_parse(&v, k, text, &why))
            return yaml_err(s->doc, n, e, "%s: %s", pair->key->text, why.msg);
    }
    buf_addf(&origin, "%s:%d:%d", yaml_file(s->doc), n->line, n->column);
    if (buf_take(&origin, &v.origin, e))
        return -1;
    conf_value_move(&c->values[at], &v);
    return 0;
}

int conf_load_yaml(struct conf *c, const struct yaml_doc *d, const struct yaml_node *map, conf_getenv_fn *getenv_fn,
                   void *getenv_arg, struct err *e)
{
    const struct source s = {d, getenv_fn, getenv_arg};
    AUTO_FREE const struct yaml_node **given = mem_calloc(c->n, sizeof(const struct yaml_node *));

    if (yaml_is_null(map))
        return 0;
    if (map->kind != YAML_MAP)
        return yaml_err(d, map, e, "%s: expected a mapping of settings, found %s", c->section, yaml_kind_name(map));
    for (size_t i = 0; i < map->n; i++) {
        const struct yaml_node *key = map->pairs[i].key;
        bool is_file;
        size_t at = find_key(c, key->text, &is_file);

        if (at == SIZE_MAX)
            return unknown_key(c, d, key, e);
        if (given[at] != NULL)
            return yaml_err(d, key, e, "give %s or %s_file, not both; the other is on line %d", c->keys[at].name,
                            c->keys[at].name, given[at]->line);
        given[at] = key;
        if (load_pair(c, &s, &map->pairs[i], at, is_file, e))
            return -1;
    }
    return 0;
}

/* Take the variable's value; suffix "_FILE": the path of a file that holds it. *found: it was set and not empty. */
static int load_variable(struct conf *c, size_t at, const char *name, const char *suffix, conf_getenv_fn *getenv_fn,
                         void *getenv_arg, bool *found, struct err *e)
{
    AUTO_CONF_VALUE struct conf_value v = {0};
    AUTO_BUF struct buf origin = BUF_INIT(256);
    const char *text, *full;
    int rc;

    buf_addf(&origin, "$%s%s", name, suffix);
    if (buf_str(&origin, &full, e))
        return -1;
    text = getenv_fn(getenv_arg, full + 1);
    *found = text != NULL && *text != '\0';
    if (!*found)
        return 0;
    rc = *suffix != '\0' ? conf_value_read(&v, &c->keys[at], text, e) : conf_value_parse(&v, &c->keys[at], text, e);
    if (rc != 0)
        return err_wrap(e, "%s", full);
    if (buf_take(&origin, &v.origin, e))
        return -1;
    conf_value_move(&c->values[at], &v);
    return 0;
}

/* Which of the two was meant cannot be told, and a stale one would be a riddle. */
static int refuse_both(const char *name, conf_getenv_fn *getenv_fn, void *getenv_arg, struct err *e)
{
    AUTO_BUF struct buf other = BUF_INIT(256);
    const char *full, *text;

    buf_addf(&other, "%s_FILE", name);
    if (buf_str(&other, &full, e))
        return -1;
    text = getenv_fn(getenv_arg, full);
    return text == NULL || *text == '\0'
               ? 0
               : err_set(e, ERR_INVALID, "$%s and $%s are both set: set one of them", name, full);
}

int conf_load_env(struct conf *c, conf_getenv_fn *getenv_fn, void *getenv_arg, struct err *e)
{
    for (size_t i = 0; i < c->n; i++) {
        const char *names = c->keys[i].env;
        bool found = false;
        char name[64];

        while (!found && conf_next_word(&names, name)) {
            if (load_variable(c, i, name, "", getenv_fn, getenv_arg, &found, e) ||
                (found && conf_is_secret(&c->keys[i]) && refuse_both(name, getenv_fn, getenv_arg, e)))
                return -1;
            if (!found && conf_is_secret(&c->keys[i]) &&
                load_variable(c, i, name, "_FILE", getenv_fn, getenv_arg, &found, e))
                return -1;
        }
    }
    return 0;
}

static size_t must_find(const struct conf *c, const char *name)
{
    bool is_file;
    size_t at = find_key(c, name, &is_file);

    if (at == SIZE_MAX || is_file)
        bug(c->section, name, "no such option");
    return at;
}

int conf_set(struct conf *c, const char *name, const char *text, const char *origin, struct err *e)
{
    size_t at = must_find(c, name);
    AUTO_CONF_VALUE struct conf_value v = {0};

    if (conf_value_parse(&v, &c->keys[at], text, e))
        return err_wrap(e, "%s", origin);
    v.origin = mem_strdup(origin);
    conf_value_move(&c->values[at], &v);
    return 0;
}

/* --- getters ---------------------------------------------------------------------------------------------------- */

#define TYPE(t) (1u << (t))
#define TEXT_TYPES (TYPE(CONF_STRING) | TYPE(CONF_URL) | TYPE(CONF_ADDR) | TYPE(CONF_PATH) | TYPE(CONF_ENUM))

static const struct conf_value *value_of(const struct conf *c, const char *name, unsigned types)
{
    size_t at = must_find(c, name);

    if ((TYPE(c->keys[at].type) & types) == 0)
        bug(c->section, name, "read with another type");
    return &c->values[at];
}

bool conf_has(const struct conf *c, const char *name)
{
    return c->values[must_find(c, name)].set;
}

bool conf_any_set(const struct conf *c)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->values[i].origin != NULL)
            return true;
    }
    return false;
}

const char *conf_str(const struct conf *c, const char *name)
{
    return value_of(c, name, TEXT_TYPES)->text;
}

const struct secret *conf_secret(const struct conf *c, const char *name)
{
    const struct conf_value *v = value_of(c, name, TYPE(CONF_SECRET));

    return v->n > 0 ? v->secrets[0] : NULL;
}

size_t conf_secrets(const struct conf *c, const char *name, const struct secret *const **out)
{
    const struct conf_value *v = value_of(c, name, TYPE(CONF_SECRETS));

    *out = (const struct secret *const *)v->secrets;
    return v->n;
}

bool conf_bool(const struct conf *c, const char *name)
{
    return value_of(c, name, TYPE(CONF_BOOL))->b;
}

int64_t conf_int(const struct conf *c, const char *name)
{
    return value_of(c, name, TYPE(CONF_INT) | TYPE(CONF_DURATION))->i;
}

double conf_number(const struct conf *c, const char *name)
{
    const struct conf_value *v = value_of(c, name, TYPE(CONF_NUMBER));

    return v->set ? v->d : NAN;
}

size_t conf_list(const struct conf *c, const char *name, const char *const **out)
{
    const struct conf_value *v = value_of(c, name, TYPE(CONF_LIST));

    *out = (const char *const *)v->items;
    return v->n;
}

const char *conf_origin(const struct conf *c, const char *name)
{
    const struct conf_value *v = &c->values[must_find(c, name)];

    return v->origin != NULL ? v->origin : "default";
}
