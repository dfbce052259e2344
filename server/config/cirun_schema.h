/*
 * The JSON Schemas (draft-07, which the YAML language servers of editors know best) of .cirun.yml and .access.yml, made
 * from the table of keys. They accept what the reader accepts; what it warns of, they accept too.
 *
 * A schema sees YAML's types where the reader sees text, so a value is described as whatever its text may be read as.
 * It cannot see what needs a catalogue or a time zone database, or compares texts (cirun_rule_is_beyond_schema), and
 * takes 2.0 for the whole number 2.
 */
#ifndef MUSTER_CONFIG_CIRUN_SCHEMA_H
#define MUSTER_CONFIG_CIRUN_SCHEMA_H

#include "server/base/buf.h"

#define CIRUN_SCHEMA_MAX ((size_t)1024 * 1024)

/* Append the schema as indented text with a newline at its end. */
int cirun_schema_write(struct buf *out, struct err *e) MUST_USE;
int cirun_schema_write_access(struct buf *out, struct err *e) MUST_USE;

#endif
