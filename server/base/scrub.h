/*
 * Text from clouds and strangers, made fit for a pull request that anybody may read. Pure.
 *
 * scrub_add takes out what names an account or opens one: AWS account numbers, access keys, ARNs; UUIDs and OCIDs
 * (subscriptions, tenants, projects, compartments, request ids); project and resource-group names in resource paths;
 * network and key ids; IP and e-mail addresses; tokens by their known beginnings, JWTs, long random texts, PEM; the
 * value after "password=" and its like; user names, passwords and queries in URLs. What it takes for such a thing is
 * replaced by a word in brackets; it errs on that side. Instance types, regions, images (ami-…) and error codes stay.
 *
 * markdown_code writes a text as a Markdown code span, where neither mentions nor links nor HTML mean anything.
 */
#ifndef MUSTER_BASE_SCRUB_H
#define MUSTER_BASE_SCRUB_H

#include "server/base/buf.h"

void scrub_add(struct buf *out, const char *text);

/* As one span on one line, at most max bytes of the text (cut between characters, with "…"); "`-`" when it is empty.
 * Bars are broken, so that it may stand in a table. */
void markdown_code(struct buf *out, const char *text, size_t max);

/* One line without a mention: for titles and other places that are no Markdown. At most max bytes. */
void markdown_plain(struct buf *out, const char *text, size_t max);

#endif
