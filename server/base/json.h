/*
 * JSON off the hot path, over jansson. Read with typed getters that take a dotted path and name it in the error
 * ("workflow_job.runner_name: expected a string, found an integer"); build with js_pack. Never concatenate JSON.
 *
 * Paths: keys joined by dots, array elements by number: "workflow_job.steps.0.name".
 * Strings returned are borrowed from the document. Documents: AUTO_JSON or json_decref.
 */
#ifndef MUSTER_BASE_JSON_H
#define MUSTER_BASE_JSON_H

#include "server/base/buf.h"

#include <jansson.h>
#include <stdint.h>

#define AUTO_JSON AUTO(js_free_ptr)
void js_free_ptr(json_t **j);

/* At the start of the program: jansson's refused allocations end it (mem.h), instead of passing for bad JSON. */
void js_begin(void);

/* Parse a whole text; duplicate keys, trailing text, NULs in strings and a depth over jansson's limit are refused with
 * line and column. */
int js_parse(const char *text, size_t len, json_t **out, struct err *e) MUST_USE;

/* Required values: absent, null or of another type is ERR_INVALID naming the path. */
int js_str(const json_t *root, const char *path, const char **out, struct err *e) MUST_USE;
int js_i64(const json_t *root, const char *path, int64_t *out, struct err *e) MUST_USE;
int js_bool(const json_t *root, const char *path, bool *out, struct err *e) MUST_USE;
int js_obj(const json_t *root, const char *path, json_t **out, struct err *e) MUST_USE; /* borrowed */
int js_arr(const json_t *root, const char *path, json_t **out, struct err *e) MUST_USE; /* borrowed */

/* Optional values: absent or null leaves *out as it was (set the default first); another type is ERR_INVALID. */
int js_opt_str(const json_t *root, const char *path, const char **out, struct err *e) MUST_USE;
int js_opt_i64(const json_t *root, const char *path, int64_t *out, struct err *e) MUST_USE;
int js_opt_bool(const json_t *root, const char *path, bool *out, struct err *e) MUST_USE;
int js_opt_arr(const json_t *root, const char *path, json_t **out, struct err *e) MUST_USE; /* borrowed */

/* json_pack with an error instead of NULL (a string that is no UTF-8, ...). The caller owns *out. */
int js_pack(struct err *e, json_t **out, const char *fmt, ...) MUST_USE;

/* Compact text, keys in insertion order. js_dump: the caller frees. */
int js_dump(const json_t *j, char **out, struct err *e) MUST_USE;
int js_dump_buf(const json_t *j, struct buf *out, struct err *e) MUST_USE;

#endif
