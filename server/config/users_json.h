/*
 * The file that users_from_json of .access.yml names: {"users": [{"github": "login", "id": 1}, ...]}. Pure.
 *
 * Exactly this shape: another key may be a restriction, so the whole file is refused (as .access.yml would be). An
 * entry has a login, an id, or both. A login can be given up and taken by somebody else, an id cannot: where an entry
 * has an id, the id alone decides.
 */
#ifndef MUSTER_CONFIG_USERS_JSON_H
#define MUSTER_CONFIG_USERS_JSON_H

#include "server/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USERS_JSON_MAX ((size_t)1024 * 1024) /* bytes; some ten thousand people */

struct users_json;

int users_json_parse(const char *text, size_t len, struct users_json **out, struct err *e) MUST_USE;
void users_json_free(struct users_json *u); /* accepts NULL */
size_t users_json_count(const struct users_json *u);

/* login "" and id 0 mean not known. */
bool users_json_has(const struct users_json *u, const char *login, int64_t id);

#endif
