/*
 * One option's value: text to value by the option's type, and secrets from files. Private to conf.c.
 * Errors say what was expected, without a place; those of secrets and URLs never quote the text.
 */
#ifndef MUSTER_BASE_CONF_VALUE_H
#define MUSTER_BASE_CONF_VALUE_H

#include "server/base/conf.h"

#define CONF_SECRET_FILE_MAX ((size_t)64 * 1024)

struct conf_value {
    bool set;     /* by default or by a source */
    char *text;   /* STRING URL ADDR PATH ENUM */
    int64_t i;    /* INT; DURATION in ms */
    double d;     /* NUMBER */
    bool b;       /* BOOL */
    char **items; /* LIST */
    struct secret **secrets;
    size_t n;     /* items or secrets */
    char *origin; /* NULL = default */
};

void conf_value_clear(struct conf_value *v);
void conf_value_move(struct conf_value *to, struct conf_value *from); /* clears what `to` held */
#define AUTO_CONF_VALUE AUTO(conf_value_clear)

/* Fill an empty value from text. LIST: separated by commas. SECRETS: one per line. */
int conf_value_parse(struct conf_value *v, const struct conf_key *k, const char *text, struct err *e) MUST_USE;

/* Add one element to a LIST or SECRETS value. */
int conf_value_add(struct conf_value *v, const struct conf_key *k, const char *text, size_t len,
                   struct err *e) MUST_USE;

/* Fill an empty SECRET or SECRETS value from a file; newlines at its end are dropped. */
int conf_value_read(struct conf_value *v, const struct conf_key *k, const char *path, struct err *e) MUST_USE;

bool conf_is_secret(const struct conf_key *k);

/* The next of the words that spaces separate; false after the last one. NULL holds none. */
bool conf_next_word(const char **words, char out[64]);

#endif
