/*
 * What looks like a secret, by its shape (GitHub's and other well-known prefixes, private keys, a password in a URL) or
 * by the name of the variable that holds it. For warnings, and to show a stranger's file without showing his secrets.
 * A guess in both directions; pure functions.
 *
 * Shapes: https://docs.github.com/en/code-security/secret-scanning/introduction/supported-secret-scanning-patterns and
 * the issuers' own pages.
 */
#ifndef MUSTER_CONFIG_SECRET_LOOK_H
#define MUSTER_CONFIG_SECRET_LOOK_H

#include <stdbool.h>
#include <stddef.h>

/* A piece of a text, and what it is: "a token of GitHub". */
struct secret_look {
    size_t at, len;
    const char *what;
};

/* The first piece of s from byte `from` on that has the shape of a secret. */
bool secret_look_find(const char *s, size_t len, size_t from, struct secret_look *out);

/* Is it the name of a variable that usually holds a secret (WANDB_API_KEY, DB_PASSWORD; not TOKEN_URL)? */
bool secret_look_name(const char *name, size_t len);

/* Can it be the value of such a variable, and no path, number, address or placeholder? */
bool secret_look_value(const char *value);

/* The first such piece of a line from byte `from` on; also the value in "NAME: value" or "NAME=value" with such a name.
 */
bool secret_look_line(const char *s, size_t len, size_t from, struct secret_look *out);

#endif
