/* Values against the table of keys: what one may be, which keys a mapping knows, which it needs. */
#include "server/base/buf.h"
#include "server/base/text.h"
#include "server/config/cirun_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More digits than this no span of time has that anybody means; the schema says the same. */
#define DURATION_DIGITS 4

/* --- reading one scalar ------------------------------------------------------------------------------------------ */

static bool is_scalar(const struct yaml_node *n)
{
    return n->kind == YAML_SCALAR && !yaml_is_null(n);
}

/* "24GB", "24 GiB", "24g". */
static bool read_gigabytes(const struct cirun_key *k, const char *text, int64_t *out)
{
    static const char *const units[] = {"GB", "GiB", "G"};
    size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits;
    struct err ignored;
    char number[20];

    if (digits == 0 || digits >= sizeof(number))
        return false;
    (void)snprintf(number, sizeof(number), "%.*s", (int)digits, text);
    unit += *unit == ' ' ? 1 : 0;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (text_ieq(unit, units[i]))
            return text_i64(number, k->min, k->max, out, &ignored) == 0;
    }
    return false;
}

static bool read_seconds(const char *text, int64_t *out)
{
    struct err ignored;
    int64_t ms;

    for (const char *s = text; *s != '\0'; s++) {
        size_t digits = strspn(s, "0123456789");

        if (digits > (s[digits] == 'd' ? DURATION_DIGITS - 1 : DURATION_DIGITS))
            return false;
        s += digits > 0 ? digits - 1 : 0;
    }
    if (text_duration_ms(text, &ms, &ignored))
        return false;
    *out = ms / 1000;
    return true;
}

bool cirun_number(const struct cirun_key *k, const struct yaml_node *n, int64_t *out)
{
    struct err ignored;

    if (k == NULL || n == NULL || !is_scalar(n))
        return false;
    if (k->type == CIRUN_GIGABYTES)
        return read_gigabytes(k, n->text, out);
    if (k->type == CIRUN_DURATION)
        return read_seconds(n->text, out);
    return text_i64(n->text, k->min, k->max, out, &ignored) == 0;
}

/* (0|[1-9][0-9]*)(.[0-9]+)? */
bool cirun_usd(const struct cirun_key *k, const struct yaml_node *n, double *out)
{
    size_t whole, fraction = 0;
    double value;
    const char *s;

    if (k == NULL || n == NULL || !is_scalar(n))
        return false;
    s = n->text;
    whole = strspn(s, "0123456789");
    if (whole == 0 || whole > 9 || (*s == '0' && whole > 1))
        return false;
    if (s[whole] == '.') {
        fraction = strspn(s + whole + 1, "0123456789");
        whole += fraction > 0 ? fraction + 1 : 0;
    }
    value = strtod(s, NULL);
    if (s[whole] != '\0' || value <= 0 || value >= (double)k->max)
        return false;
    *out = value;
    return true;
}

const char *cirun_plain_text(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *n = yaml_get(map, key);

    return n != NULL && is_scalar(n) && *n->text != '\0' ? n->text : NULL;
}

/* --- saying what is wrong with one ------------------------------------------------------------------------------- */

/* What was found: a scalar in quotes, else its kind. */
static const char *found(const struct yaml_node *n, char out[64])
{
    if (!is_scalar(n))
        return yaml_kind_name(n);
    (void)snprintf(out, 64, "\"%.50s\"", n->text);
    return out;
}

/* "aws, gcp and azure". */
static void list_words(const char *const *words, struct buf *out)
{
    for (size_t i = 0; words[i] != NULL; i++)
        buf_addf(out, "%s%s", i == 0 ? "" : words[i + 1] == NULL ? " and " : ", ", words[i]);
}

static void check_word(struct cirun_reading *r, const struct cirun_key *k, const struct yaml_node *n)
{
    AUTO_BUF struct buf all = BUF_INIT(300);
    const char *text = cirun_text(r, n, k->name), *near;
    size_t count = 0;

    if (text == NULL)
        return;
    for (; k->words[count] != NULL; count++) {
        if (strcmp(k->words[count], text) == 0)
            return;
    }
    near = text_nearest(text, k->words, count);
    list_words(k->words, &all);
    cirun_propose(r, n, "unknown-value", near, "unknown %s \"%.60s\"%s%s%s; it is one of %s", k->name, text,
                  near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "", all.p);
}

static void check_bool(struct cirun_reading *r, const struct cirun_key *k, const struct yaml_node *n)
{
    const char *or_list = k->many == CIRUN_ONE_OR_LIST ? " or a list of these" : "";
    struct err ignored;
    char text[64];
    bool flag;

    if (!is_scalar(n) || text_bool(n->text, &flag, &ignored))
        cirun_fail(r, n, "wrong-type", "%s must be true or false%s, found %s", k->name, is_scalar(n) ? "" : or_list,
                   found(n, text));
}

static void check_number(struct cirun_reading *r, const struct cirun_key *k, const struct yaml_node *n)
{
    const char *rule = is_scalar(n) ? "bad-value" : "wrong-type";
    char text[64];
    int64_t value;
    double usd;

    if (k->type == CIRUN_USD) {
        if (!cirun_usd(k, n, &usd))
            cirun_fail(r, n, rule, "%s must be US dollars such as 1.50, above 0 and below %lld, found %s", k->name,
                       (long long)k->max, found(n, text));
    } else if (!cirun_number(k, n, &value)) {
        if (k->type == CIRUN_GIGABYTES)
            cirun_fail(r, n, rule, "%s must be whole gigabytes such as 24GB, from %lld to %lld, found %s", k->name,
                       (long long)k->min, (long long)k->max, found(n, text));
        else if (k->type == CIRUN_DURATION)
            cirun_fail(r, n, rule, "%s must be a duration such as 90m or 6h, found %s", k->name, found(n, text));
        else
            cirun_fail(r, n, rule, "%s must be a whole number from %lld to %lld, found %s", k->name, (long long)k->min,
                       (long long)k->max, found(n, text));
    } else if (k->type == CIRUN_DURATION && (value < k->min || value > k->max)) {
        cirun_fail(r, n, "duration-range", "%s must be from %lldm to %lldh, found %s", k->name, (long long)k->min / 60,
                   (long long)k->max / 3600, found(n, text));
    }
}

/* --- environment variables --------------------------------------------------------------------------------------- */

/* What the runner itself is told by: a file of the repository must not say it instead. */
#define RESERVED "ACTIONS_RUNNER_"

static bool is_env_name(const char *s)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char more[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

    return *s != '\0' && strchr(first, *s) != NULL && s[strspn(s, more)] == '\0';
}

static bool is_reserved(const char *s)
{
    for (const char *p = RESERVED; *p != '\0'; p++, s++) {
        if (text_lower(*p) != text_lower(*s))
            return false;
    }
    return true;
}

static void check_env(struct cirun_reading *r, const struct cirun_key *k, const struct yaml_node *n)
{
    if (n->kind != YAML_MAP) {
        cirun_fail(r, n, "wrong-type", "%s must be a mapping of names to values, found %s", k->name, yaml_kind_name(n));
        return;
    }
    for (size_t i = 0; i < n->n; i++) {
        const struct yaml_node *name = n->pairs[i].key, *value = n->pairs[i].value;

        if (!is_env_name(name->text))
            cirun_fail(r, name, "bad-value",
                       "\"%.60s\" is no name of an environment variable: letters, digits and _, not beginning with a "
                       "digit",
                       name->text);
        else if (is_reserved(name->text))
            cirun_fail(r, name, "bad-value", "%.60s: names that begin with " RESERVED " are the runner's own",
                       name->text);
        if (value->kind != YAML_SCALAR)
            cirun_fail(r, value, "wrong-type", "the value of %.60s must be a string, found %s", name->text,
                       yaml_kind_name(value));
        else if (strpbrk(value->text, "\r\n") != NULL)
            cirun_fail(r, value, "bad-value", "the value of %.60s must be a single line", name->text);
    }
}

/* --- one key ----------------------------------------------------------------------------------------------------- */

static void check_mapping(struct cirun_reading *r, const struct cirun_key *k, const struct yaml_node *n,
                          const struct cirun_cloud *cloud)
{
    if (n->kind != YAML_MAP)
        cirun_fail(r, n, "wrong-type", "%s must be a mapping, found %s", k->many == CIRUN_LIST ? k->of->where : k->name,
                   yaml_kind_name(n));
    else
        cirun_check_map(r, n, k->of, cloud);
}

static void check_text(struct cirun_reading *r, const struct cirun_key *k, const struct yaml_node *n,
                       const struct cirun_cloud *cloud)
{
    const char *text;

    if (k->of != NULL && n->kind == YAML_MAP) {
        if (cloud != NULL && strcmp(cloud->name, k->of_cloud) != 0)
            cirun_fail(r, n, "wrong-type", "%s is a string on %s; only %s knows it as a mapping", k->name, cloud->name,
                       k->of_cloud);
        else
            cirun_check_map(r, n, k->of, cloud);
        return;
    }
    text = cirun_text(r, n, k->many == CIRUN_LIST && strcmp(k->name, "labels") == 0 ? "a label" : k->name);
    if (text != NULL && k->pattern != NULL && strchr(text, ':') != NULL)
        cirun_fail(r, n, "bad-value", "%s must not hold a colon", k->name);
}

static void check_value(struct cirun_reading *r, const struct cirun_key *k, const struct yaml_node *n,
                        const struct cirun_cloud *cloud)
{
    switch (k->type) {
    case CIRUN_TEXT:
        check_text(r, k, n, cloud);
        return;
    case CIRUN_WORD:
        check_word(r, k, n);
        return;
    case CIRUN_BOOL:
        check_bool(r, k, n);
        return;
    case CIRUN_WHOLE:
    case CIRUN_USD:
    case CIRUN_DURATION:
    case CIRUN_GIGABYTES:
        check_number(r, k, n);
        return;
    case CIRUN_MAP:
        check_mapping(r, k, n, cloud);
        return;
    case CIRUN_ENV:
        check_env(r, k, n);
        return;
    case CIRUN_ANY:
        if (n->kind != YAML_MAP)
            cirun_fail(r, n, "wrong-type", "%s must be a list of mappings, found %s in it", k->name, yaml_kind_name(n));
        return;
    }
}

static void check_items(struct cirun_reading *r, const struct cirun_key *k, const struct yaml_node *n,
                        const struct cirun_cloud *cloud)
{
    if (n->n == 0 && k->many == CIRUN_ONE_OR_LIST)
        cirun_fail(r, n, "empty-value", "%s is an empty list; leave the key out instead", k->name);
    if (k->max_items > 0 && n->n > k->max_items)
        cirun_fail(r, n, "bad-value", "%s has %zu entries; at most %zu are taken", k->name, n->n, k->max_items);
    for (size_t i = 0; i < n->n; i++)
        check_value(r, k, n->items[i], cloud);
}

void cirun_check_key(struct cirun_reading *r, const struct cirun_key *k, const struct yaml_node *n,
                     const struct cirun_cloud *cloud)
{
    size_t errors = r->yml.n_errors;

    if ((yaml_is_null(n) && (k->flags & CIRUN_SET) == 0) || k->of == &cirun_idle_map) /* cirun_idle.c checks its own */
        return;
    if (n->kind == YAML_LIST && k->many != CIRUN_ONE)
        check_items(r, k, n, cloud);
    else if (k->many == CIRUN_LIST)
        cirun_fail(r, n, "wrong-type", "%s must be a list of %s, found %s; did you mean \"- ...\" or [...]?", k->name,
                   k->type == CIRUN_TEXT ? "strings" : "mappings", yaml_kind_name(n));
    else
        check_value(r, k, n, cloud);
    if ((k->flags & CIRUN_OLD) != 0 && r->yml.n_errors == errors)
        cirun_warn(r, n, "legacy-key", "%s is ignored: every job gets a machine of its own", k->name);
}

/* --- a mapping --------------------------------------------------------------------------------------------------- */

/* Which other cloud has this key? */
static const struct cirun_cloud *cloud_with(const char *key)
{
    for (size_t i = 0; i < cirun_clouds_n; i++) {
        if (cirun_key_find(cirun_clouds[i].extra, key) != NULL)
            return &cirun_clouds[i];
    }
    return NULL;
}

/* Is it a restriction, or a slip of the pen for one? What restricts who is served is never ignored. */
static bool is_restriction(const char *key, const struct cirun_key *near)
{
    static const char *const patterns[] = {"run_only*", "only_*",         "*triggered_by*", "restrict*",
                                           "team",      "teams",          "users",          "roles",
                                           "policies",  "access_control", "allowed_*"};

    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        if (text_glob(patterns[i], key))
            return true;
    }
    return near != NULL && (near->flags & CIRUN_RESTRICTS) != 0;
}

bool cirun_is_restriction(const char *key)
{
    const char *names[CIRUN_MAX_KEYS], *near;

    near = text_nearest(key, names, cirun_key_names(&cirun_runner_map, names));
    return is_restriction(key, near != NULL ? cirun_key_find(&cirun_runner_map, near) : NULL);
}

static bool check_restriction(struct cirun_reading *r, const struct yaml_node *key, const char *const *names, size_t n)
{
    const char *near = text_nearest(key->text, names, n);
    const struct cirun_key *meant = near != NULL ? cirun_key_find(&cirun_runner_map, near) : NULL;

    if (!is_restriction(key->text, meant))
        return false;
    if (meant != NULL && (meant->flags & CIRUN_RESTRICTS) == 0)
        near = NULL;
    cirun_propose(r, key, "unknown-restriction", near,
                  "unknown key \"%.60s\" may be meant to restrict who gets this runner, and is not ignored; %s%s%s",
                  key->text, near != NULL ? "did you mean \"" : "what is known is workflow",
                  near != NULL ? near : " and run_only_when_triggered_by", near != NULL ? "\"?" : "");
    return true;
}

/* cloud: that of the runner, or NULL when it is not known: then any cloud's options may be meant. */
static void check_unknown(struct cirun_reading *r, const struct yaml_node *key, const struct cirun_map *map,
                          const struct cirun_cloud *cloud)
{
    const struct cirun_map *more = map == &cirun_extra_map && cloud != NULL ? cloud->extra : NULL;
    const char *names[2 * CIRUN_MAX_KEYS];
    size_t n = cirun_key_names(map, names);
    const struct cirun_cloud *other = map == &cirun_extra_map ? cloud_with(key->text) : NULL;

    if (other != NULL && cloud == NULL)
        return;
    if (more != NULL)
        n += cirun_key_names(more, names + n);
    if (other != NULL)
        cirun_warn(r, key, "unknown-key", "unknown key \"%.60s\" in %s is ignored: it is one of %s", key->text,
                   more != NULL ? more->where : map->where, other->name);
    else if (map != &cirun_runner_map || !check_restriction(r, key, names, n))
        cirun_unknown_key(r, key, map->where, names, n);
}

void cirun_check_unknown(struct cirun_reading *r, const struct yaml_node *n, const struct cirun_map *map)
{
    for (size_t i = 0; i < n->n; i++) {
        if (cirun_key_find(map, n->pairs[i].key->text) == NULL)
            check_unknown(r, n->pairs[i].key, map, NULL);
    }
}

void cirun_check_map(struct cirun_reading *r, const struct yaml_node *n, const struct cirun_map *map,
                     const struct cirun_cloud *cloud)
{
    const struct cirun_map *more = map == &cirun_extra_map && cloud != NULL ? cloud->extra : NULL;

    for (size_t i = 0; i < n->n; i++) {
        const struct yaml_node *key = n->pairs[i].key;
        const struct cirun_key *k = cirun_key_find(map, key->text);

        if (k == NULL)
            k = cirun_key_find(more, key->text);
        if (k != NULL)
            cirun_check_key(r, k, n->pairs[i].value, cloud);
        else
            check_unknown(r, key, map, cloud);
    }
    for (size_t i = 0; i < map->n; i++) {
        const struct cirun_key *k = &map->keys[i];
        const struct yaml_node *value = yaml_get(n, k->name);

        if ((k->flags & CIRUN_NEEDED) != 0 && (value == NULL || (yaml_is_null(value) && (k->flags & CIRUN_SET) == 0)))
            cirun_missing(r, n, map, k);
    }
}

void cirun_missing(struct cirun_reading *r, const struct yaml_node *at, const struct cirun_map *map,
                   const struct cirun_key *k)
{
    AUTO_BUF struct buf all = BUF_INIT(300);

    buf_adds(&all, "");
    if (k->type == CIRUN_WORD) {
        buf_adds(&all, "; it is one of ");
        list_words(k->words, &all);
    }
    if (map == &cirun_runner_map)
        cirun_fail(r, at, "missing-key", "%s is missing%s", k->name, all.p);
    else
        cirun_fail(r, at, "missing-key", "%s is missing in %s%s", k->name, map->where, all.p);
}
