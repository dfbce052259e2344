#include "providers/common/xml.h"

#include "server/base/arena.h"
#include "server/base/mem.h"

#include <expat.h>
#include <limits.h>
#include <string.h>

struct xml_doc {
    struct arena *arena;
    const struct xml_node *root;
};

/* An element that is still open: where its next child goes. */
struct open_element {
    struct xml_node *node;
    const struct xml_node **tail;
};

struct reader {
    XML_Parser parser;
    struct xml_doc *doc;
    struct open_element open[XML_MAX_DEPTH];
    size_t depth, nodes;
    struct buf text;     /* of the element that opened last, until a child opens or it ends */
    const char *refused; /* why we stopped the parser ourselves */
    int refused_line;
};

static int line_of(const struct reader *r)
{
    XML_Size line = XML_GetCurrentLineNumber(r->parser);

    return line > INT_MAX ? INT_MAX : (int)line;
}

static void refuse(struct reader *r, const char *why)
{
    if (r->refused != NULL)
        return;
    r->refused = why;
    r->refused_line = line_of(r);
    (void)XML_StopParser(r->parser, XML_FALSE);
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *r = arg;
    const char *colon = strrchr(name, ':');
    struct xml_node *n;

    (void)attributes;
    if (r->refused != NULL)
        return;
    if (r->depth == XML_MAX_DEPTH) {
        refuse(r, "elements are nested too deeply");
        return;
    }
    if (colon != NULL && colon[1] == '\0') {
        refuse(r, "a name ends with a colon");
        return;
    }
    if (++r->nodes > XML_MAX_NODES) {
        refuse(r, "too many elements");
        return;
    }
    n = arena_alloc(r->doc->arena, sizeof(*n));
    n->name = arena_strdup(r->doc->arena, colon != NULL ? colon + 1 : name);
    n->text = "";
    n->line = line_of(r);
    if (r->depth == 0) {
        r->doc->root = n;
    } else {
        struct open_element *parent = &r->open[r->depth - 1];

        *parent->tail = n;
        parent->tail = &n->next;
    }
    r->open[r->depth++] = (struct open_element){.node = n, .tail = &n->child};
    buf_reset(&r->text);
}

static void on_end(void *arg, const XML_Char *name)
{
    struct reader *r = arg;
    struct xml_node *n;

    (void)name;
    if (r->refused != NULL)
        return;
    n = r->open[--r->depth].node;
    if (n->child == NULL && r->text.len > 0)
        n->text = arena_strndup(r->doc->arena, r->text.p, r->text.len);
    buf_reset(&r->text);
}

static void on_text(void *arg, const XML_Char *s, int len)
{
    struct reader *r = arg;

    if (r->refused == NULL && len > 0)
        buf_add(&r->text, s, (size_t)len);
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid, int internal)
{
    (void)name;
    (void)sysid;
    (void)pubid;
    (void)internal;
    refuse(arg, "a document type declaration is not accepted");
}

/* expat's allocations follow the house rule: refused memory ends the process. */
static void *expat_realloc(void *p, size_t size)
{
    return mem_realloc_array(p, size, 1);
}

static int run(struct reader *r, const char *text, size_t len, struct err *e)
{
    if (XML_Parse(r->parser, text, (int)len, XML_TRUE) == XML_STATUS_OK && r->refused == NULL)
        return 0;
    if (r->refused != NULL)
        return err_set(e, ERR_INVALID, "XML line %d: %s", r->refused_line, r->refused);
    return err_set(e, ERR_INVALID, "XML line %d: %s", line_of(r), XML_ErrorString(XML_GetErrorCode(r->parser)));
}

int xml_parse(const char *text, size_t len, struct xml_doc **out, struct err *e)
{
    static const XML_Memory_Handling_Suite memory = {mem_zalloc, expat_realloc, free};
    struct reader r = {.text = BUF_INIT(XML_MAX_BYTES)};
    int rc;

    if (len > XML_MAX_BYTES)
        return err_set(e, ERR_INVALID, "XML of %zu bytes is over the ceiling of %zu", len, XML_MAX_BYTES);
    r.parser = XML_ParserCreate_MM(NULL, &memory, NULL);
    if (r.parser == NULL)
        return err_set(e, ERR_BUG, "the XML parser could not be made");
    r.doc = mem_zalloc(sizeof(*r.doc));
    r.doc->arena = arena_new();
    XML_SetUserData(r.parser, &r);
    XML_SetElementHandler(r.parser, on_start, on_end);
    XML_SetCharacterDataHandler(r.parser, on_text);
    XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
    rc = run(&r, text, len, e);
    XML_ParserFree(r.parser);
    buf_clear(&r.text);
    if (rc == 0)
        *out = r.doc;
    else
        xml_free(r.doc);
    return rc;
}

void xml_free(struct xml_doc *d)
{
    if (d == NULL)
        return;
    arena_free(d->arena);
    free(d);
}

void xml_free_ptr(struct xml_doc **d)
{
    xml_free(*d);
}

const struct xml_node *xml_root(const struct xml_doc *d)
{
    return d->root;
}

static const struct xml_node *named(const struct xml_node *n, const char *name, size_t len)
{
    while (n != NULL && (strncmp(n->name, name, len) != 0 || n->name[len] != '\0'))
        n = n->next;
    return n;
}

const struct xml_node *xml_find(const struct xml_node *node, const char *path)
{
    while (node != NULL && *path != '\0') {
        size_t len = strcspn(path, "/");

        node = named(node->child, path, len);
        path += len;
        if (*path == '/')
            path++;
    }
    return node;
}

const struct xml_node *xml_next(const struct xml_node *node)
{
    return named(node->next, node->name, strlen(node->name));
}

const char *xml_text(const struct xml_node *node, const char *path)
{
    const struct xml_node *n = xml_find(node, path);

    return n != NULL ? n->text : NULL;
}

int xml_str(const struct xml_node *node, const char *path, const char **out, struct err *e)
{
    const char *text = xml_text(node, path);

    if (text == NULL || *text == '\0')
        return err_set(e, ERR_INVALID, "XML line %d: <%s> has no %s", node->line, node->name, path);
    *out = text;
    return 0;
}
