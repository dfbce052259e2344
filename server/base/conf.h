/*
 * Option tables: one table names each option of a section once, with type, default, environment variables and help;
 * reading, checking, help texts and the example settings all come from it.
 *
 * A struct conf holds the values of one section: defaults, overridden by the YAML file, overridden by the environment,
 * overridden by flags. It remembers where each value came from, for errors. Immutable once loaded; then any thread.
 */
#ifndef MUSTER_BASE_CONF_H
#define MUSTER_BASE_CONF_H

#include "server/base/secret.h"
#include "server/base/yaml.h"

enum conf_type {
    CONF_STRING,
    CONF_SECRET,  /* value, or NAME_file in YAML / ENV_FILE in the environment: path of a file that holds it */
    CONF_SECRETS, /* one or a list of them (rotation); in the environment and in a file: one per line */
    CONF_BOOL,
    CONF_INT,      /* within min..max */
    CONF_NUMBER,   /* decimal, >= 0: prices */
    CONF_DURATION, /* text_duration_ms, within min..max ms */
    CONF_LIST,     /* strings; in the environment separated by commas */
    CONF_URL,      /* http:// or https://, no user, query or fragment; a trailing '/' is dropped */
    CONF_ADDR,     /* host:port, [v6]:port or :port; port 0 = any free one */
    CONF_PATH,
    CONF_ENUM /* one of choices */
};

struct conf_key {
    const char *name; /* key in the YAML section */
    enum conf_type type;
    const char *def;     /* default as text, NULL = unset */
    const char *env;     /* environment variables, in order of preference, separated by spaces; NULL = none */
    const char *choices; /* ENUM: separated by spaces */
    int64_t min, max;    /* INT, DURATION; both 0 = no limits */
    const char *help;    /* one line, for the manual */
};

/* How an environment variable is looked up; tests pass their own. NULL = unset. */
typedef const char *conf_getenv_fn(void *arg, const char *name);
const char *conf_getenv_process(void *arg, const char *name); /* the process's own environment; arg unused */

struct conf;

/* `section` names it in errors: "clouds.aws". keys ends with a {.name = NULL} entry and outlives the conf. */
struct conf *conf_new(const char *section, const struct conf_key *keys);
void conf_free(struct conf *c); /* accepts NULL */
void conf_free_ptr(struct conf **c);
#define AUTO_CONF AUTO(conf_free_ptr)

/* Read a mapping (NULL or a null node: nothing). Unknown key: ERR_INVALID at FILE:LINE:COLUMN with the nearest known
 * key. "${VAR}" in values is replaced from the environment; an unset VAR is an error, "$$" is a dollar sign. */
int conf_load_yaml(struct conf *c, const struct yaml_doc *d, const struct yaml_node *map, conf_getenv_fn *getenv_fn,
                   void *getenv_arg, struct err *e) MUST_USE;
/* Read the environment: for each key the first variable that is set and not empty. */
int conf_load_env(struct conf *c, conf_getenv_fn *getenv_fn, void *getenv_arg, struct err *e) MUST_USE;
/* Set one value; origin names its source in errors ("--listen"). */
int conf_set(struct conf *c, const char *name, const char *text, const char *origin, struct err *e) MUST_USE;

/* Getters: name must be in the table with that type (anything else is a bug and ends the process). */
bool conf_has(const struct conf *c, const char *name);                    /* set, or has a default */
bool conf_any_set(const struct conf *c);                                  /* anything set beyond defaults */
const char *conf_str(const struct conf *c, const char *name);             /* STRING URL ADDR PATH ENUM; NULL = unset */
const struct secret *conf_secret(const struct conf *c, const char *name); /* NULL = unset */
size_t conf_secrets(const struct conf *c, const char *name, const struct secret *const **out);
bool conf_bool(const struct conf *c, const char *name);
int64_t conf_int(const struct conf *c, const char *name);   /* INT; DURATION in ms */
double conf_number(const struct conf *c, const char *name); /* NaN = unset */
size_t conf_list(const struct conf *c, const char *name, const char *const **out);
const char *conf_origin(const struct conf *c, const char *name); /* "muster.yml:3:5", "$AWS_REGION", "default" */

#endif
