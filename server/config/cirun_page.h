/*
 * The documentation page of the language, deploy/docs/cirun-yml.md: the prose of cirun_yml_page.md with tables made
 * from the table of keys, the clouds and the rules.
 */
#ifndef MUSTER_CONFIG_CIRUN_PAGE_H
#define MUSTER_CONFIG_CIRUN_PAGE_H

#include "server/base/buf.h"

/* Append the page. */
int cirun_page_write(struct buf *out, struct err *e) MUST_USE;

#endif
