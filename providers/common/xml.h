/*
 * A small reader for the XML that EC2 and STS answer with, over expat. One pass makes a tree that lives in an arena and
 * is freed in one go. Document type declarations are refused, and with them every entity but the five of XML itself.
 *
 * Names are kept without their namespace prefix; attributes, comments and processing instructions are dropped. Text is
 * kept for elements without children, as it stands.
 *
 *     AUTO_XML struct xml_doc *d = NULL;
 *     if (xml_parse(text, len, &d, e))
 *         return -1;
 *     for (const struct xml_node *i = xml_find(xml_root(d), "instancesSet/item"); i != NULL; i = xml_next(i))
 *         id = xml_text(i, "instanceId");
 *
 * A document is immutable after parsing; nodes and texts are borrowed from it.
 */
#ifndef MUSTER_PROVIDERS_COMMON_XML_H
#define MUSTER_PROVIDERS_COMMON_XML_H

#include "server/base/buf.h"

#define XML_MAX_BYTES ((size_t)8 * 1024 * 1024)
#define XML_MAX_DEPTH 32
#define XML_MAX_NODES 400000

struct xml_node {
    const char *name;
    const char *text; /* "" when it has children */
    int line;         /* from 1 */
    const struct xml_node *child, *next;
};

struct xml_doc;

/* ERR_INVALID as "XML line N: what is wrong" on anything malformed, over a ceiling or with a DOCTYPE. */
int xml_parse(const char *text, size_t len, struct xml_doc **out, struct err *e) MUST_USE;
void xml_free(struct xml_doc *d); /* accepts NULL */
void xml_free_ptr(struct xml_doc **d);
#define AUTO_XML AUTO(xml_free_ptr)

const struct xml_node *xml_root(const struct xml_doc *d);

/* The first element at a path of names below node ("a/b/c"; "" is node itself), or NULL. Accepts NULL. */
const struct xml_node *xml_find(const struct xml_node *node, const char *path);

/* The next element of the same name under the same parent, or NULL. */
const struct xml_node *xml_next(const struct xml_node *node);

/* Its text, or NULL when there is no such element. */
const char *xml_text(const struct xml_node *node, const char *path);

/* As xml_text, but absent or empty is ERR_INVALID naming the path and the line of node. */
int xml_str(const struct xml_node *node, const char *path, const char **out, struct err *e) MUST_USE;

#endif
