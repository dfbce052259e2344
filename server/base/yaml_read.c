/* libyaml's events to the tree of yaml.h. The recursion is bounded by YAML_MAX_DEPTH. */
#include "server/base/arena.h"
#include "server/base/mem.h"
#include "server/base/yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct yaml_doc {
    struct arena *arena;
    const char *file;
    const struct yaml_node *root;
};

/* A finished node with what an alias to it costs. node is NULL while it is still being read. */
struct part {
    const struct yaml_node *node;
    size_t nodes;
    int height;
};

struct anchor {
    const char *name;
    struct part part;
};

struct reader {
    yaml_parser_t parser;
    struct arena *arena;
    const char *file, *text;
    size_t len, nodes;
    struct anchor *anchors;
    size_t n_anchors;
    struct err *e;
};

/* Nodes collected for a list or a mapping, whose number is known only at its end. */
struct nodes {
    const struct yaml_node **p;
    size_t n, cap;
};

static void nodes_clear(struct nodes *v)
{
    free(v->p);
}

static void nodes_add(struct nodes *v, const struct yaml_node *n)
{
    if (v->n == v->cap) {
        v->cap = v->cap > 0 ? v->cap * 2 : 16;
        v->p = mem_realloc_array(v->p, v->cap, sizeof(*v->p));
    }
    v->p[v->n++] = n;
}

static int refuse(struct reader *r, yaml_mark_t at, const char *fmt, ...) PRINTF(3, 4);

static int refuse(struct reader *r, yaml_mark_t at, const char *fmt, ...)
{
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(r->e, ERR_INVALID, "%s:%zu:%zu: %s", r->file, at.line + 1, at.column + 1, text);
}

/* Line and column of a byte, for faults in the bytes themselves, which libyaml gives without a mark. */
static yaml_mark_t mark_of_offset(const struct reader *r, size_t offset)
{
    yaml_mark_t at = {0, 0, 0};

    for (size_t i = 0; i < offset && i < r->len; i++) {
        if (r->text[i] == '\n') {
            at.line++;
            at.column = 0;
        } else if (((unsigned char)r->text[i] & 0xC0) != 0x80) {
            at.column++;
        }
    }
    return at;
}

/* Does a line end with the character of which this is the last byte? As libyaml counts: after CR, NEL, LS and PS too.
 */
static bool ends_line(const char *text, size_t len, size_t i)
{
    const char *s = text + i;

    if (*s == '\r')
        return i + 1 == len || s[1] != '\n';
    return *s == '\n' || (i >= 1 && memcmp(s - 1, "\xC2\x85", 2) == 0) ||
           (i >= 2 && (memcmp(s - 2, "\xE2\x80\xA8", 3) == 0 || memcmp(s - 2, "\xE2\x80\xA9", 3) == 0));
}

/* Behind the last character. */
static yaml_mark_t end_mark(const struct reader *r)
{
    yaml_mark_t at = {0, 0, 0};

    for (size_t i = 0; i < r->len; i++) {
        if (((unsigned char)r->text[i] & 0xC0) != 0x80)
            at.column++;
        if (ends_line(r->text, r->len, i)) {
            at.line++;
            at.column = 0;
        }
    }
    return at;
}

/* libyaml finds what is missing on the line behind the last. */
static yaml_mark_t within(const struct reader *r, yaml_mark_t at)
{
    yaml_mark_t end = end_mark(r);

    return at.line > end.line ? end : at;
}

/* What to do about the mistakes that people make most. */
static const char *remedy(const char *problem)
{
    static const struct {
        const char *problem, *remedy;
    } known[] = {
        {"mapping values are not allowed", "; text that holds \": \" needs quotes"},
        {"found character that cannot start any token", "; quote the text, and indent with spaces, not tabs"},
        {"found a tab character", "; indent with spaces"},
        {"did not find expected key", "; compare the indentation with the lines above"},
        {"could not find expected ':'", "; a key needs \": \" behind it"},
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strstr(problem, known[i].problem) != NULL)
            return known[i].remedy;
    }
    return "";
}

static int parser_fault(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem != NULL ? p->problem : "not YAML";
    yaml_mark_t at = within(r, p->problem_mark);

    if (p->error == YAML_READER_ERROR)
        return refuse(r, mark_of_offset(r, p->problem_offset), "%s; the file must be UTF-8 text", problem);
    if (p->context != NULL && p->context_mark.line != p->problem_mark.line)
        return refuse(r, at, "%s (%s that began on line %zu)%s", problem, p->context, p->context_mark.line + 1,
                      remedy(problem));
    return refuse(r, at, "%s%s", problem, remedy(problem));
}

static int next_event(struct reader *r, yaml_event_t *ev)
{
    yaml_event_delete(ev);
    if (yaml_parser_parse(&r->parser, ev))
        return 0;
    if (r->parser.error == YAML_MEMORY_ERROR)
        mem_refused();
    return parser_fault(r);
}

/* Is the tag one that this kind of node may carry? *is_text: the tag makes the scalar a string. */
static int check_tag(struct reader *r, const yaml_event_t *ev, const yaml_char_t *tag, enum yaml_kind kind,
                     bool *is_text)
{
    static const char core[] = "tag:yaml.org,2002:";
    const char *name = (const char *)tag;
    const char *allowed = kind == YAML_MAP ? " map " : kind == YAML_LIST ? " seq " : " str int float bool null ";
    char word[16];

    if (name == NULL)
        return 0;
    *is_text = strcmp(name, "!") == 0 || strcmp(name, YAML_STR_TAG) == 0;
    if (strcmp(name, "!") == 0)
        return 0;
    if (strncmp(name, core, strlen(core)) == 0) {
        (void)snprintf(word, sizeof(word), " %.12s ", name + strlen(core));
        if (strlen(name + strlen(core)) <= 12 && strstr(allowed, word) != NULL)
            return 0;
    }
    return refuse(r, ev->start_mark, "the tag %.60s is not understood here; write the value without it", name);
}

/* Count one node or, for an alias, as many as it stands for. */
static int count_nodes(struct reader *r, yaml_mark_t at, size_t n)
{
    r->nodes += n;
    if (r->nodes > YAML_MAX_NODES)
        return refuse(r, at, "more than %d values (aliases count as often as they are used)", YAML_MAX_NODES);
    return 0;
}

static struct yaml_node *new_node(struct reader *r, const yaml_event_t *ev, enum yaml_kind kind)
{
    struct yaml_node *n = arena_alloc(r->arena, sizeof(*n));

    n->kind = kind;
    n->line = (int)ev->start_mark.line + 1;
    n->column = (int)ev->start_mark.column + 1;
    if (ev->type == YAML_SCALAR_EVENT && ev->end_mark.line == ev->start_mark.line &&
        ev->end_mark.column > ev->start_mark.column)
        n->end_column = (int)ev->end_mark.column + 1;
    return n;
}

static void open_anchor(struct reader *r, const yaml_char_t *name, size_t *slot)
{
    if (name == NULL)
        return;
    r->anchors = mem_realloc_array(r->anchors, r->n_anchors + 1, sizeof(*r->anchors));
    r->anchors[r->n_anchors] = (struct anchor){arena_strdup(r->arena, (const char *)name), {NULL, 0, 0}};
    *slot = r->n_anchors++;
}

static int read_node(struct reader *r, const yaml_event_t *ev, int depth, struct part *out);

static int read_alias(struct reader *r, const yaml_event_t *ev, int depth, struct part *out)
{
    const char *name = (const char *)ev->data.alias.anchor;

    for (size_t i = r->n_anchors; i > 0; i--) {
        const struct anchor *a = &r->anchors[i - 1];

        if (strcmp(a->name, name) != 0)
            continue;
        if (a->part.node == NULL)
            return refuse(r, ev->start_mark, "the alias *%.60s stands inside what it refers to", name);
        if (depth + a->part.height - 1 > YAML_MAX_DEPTH)
            return refuse(r, ev->start_mark, "nested deeper than %d levels", YAML_MAX_DEPTH);
        *out = a->part;
        return count_nodes(r, ev->start_mark, a->part.nodes);
    }
    return refuse(r, ev->start_mark, "the alias *%.60s has no anchor &%.60s before it", name, name);
}

static int read_scalar(struct reader *r, const yaml_event_t *ev, struct part *out)
{
    const char *text = (const char *)ev->data.scalar.value;
    bool is_text = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    struct yaml_node *n;

    if (check_tag(r, ev, ev->data.scalar.tag, YAML_SCALAR, &is_text))
        return -1;
    if (memchr(text, '\0', ev->data.scalar.length) != NULL)
        return refuse(r, ev->start_mark, "the text holds a NUL character");
    n = new_node(r, ev, YAML_SCALAR);
    n->plain = !is_text;
    n->text = arena_strndup(r->arena, text, ev->data.scalar.length);
    *out = (struct part){n, 1, 1};
    return 0;
}

static void add_part(struct part *whole, const struct part *p)
{
    whole->nodes += p->nodes;
    if (whole->height < p->height + 1)
        whole->height = p->height + 1;
}

static int read_list(struct reader *r, const yaml_event_t *start, int depth, struct part *out)
{
    AUTO(yaml_event_delete) yaml_event_t ev = {0};
    AUTO(nodes_clear) struct nodes items = {0};
    struct yaml_node *n = new_node(r, start, YAML_LIST);
    struct part whole = {n, 1, 1}, item;
    bool ignored;

    if (check_tag(r, start, start->data.sequence_start.tag, YAML_LIST, &ignored))
        return -1;
    for (;;) {
        if (next_event(r, &ev))
            return -1;
        if (ev.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (read_node(r, &ev, depth + 1, &item))
            return -1;
        nodes_add(&items, item.node);
        add_part(&whole, &item);
    }
    n->n = items.n;
    n->items = arena_calloc(r->arena, items.n, sizeof(*n->items));
    if (items.n > 0)
        memcpy(n->items, items.p, items.n * sizeof(*n->items));
    *out = whole;
    return 0;
}

static bool is_merge_key(const struct yaml_node *key)
{
    return key->plain && strcmp(key->text, "<<") == 0;
}

/* Append the pairs that a merge key brings: those of a mapping, or of each mapping of a list. */
static int add_merged(struct reader *r, const struct yaml_node *key, const struct yaml_node *value, struct nodes *pairs)
{
    const yaml_mark_t at = {0, (size_t)key->line - 1, (size_t)key->column - 1};

    if (value->kind == YAML_SCALAR)
        return refuse(r, at, "<< expects a mapping or a list of mappings");
    for (size_t i = 0; i < value->n; i++) {
        if (value->kind == YAML_MAP) {
            nodes_add(pairs, value->pairs[i].key);
            nodes_add(pairs, value->pairs[i].value);
        } else if (value->items[i]->kind != YAML_MAP || add_merged(r, key, value->items[i], pairs)) {
            return refuse(r, at, "<< expects a mapping or a list of mappings");
        }
    }
    return 0;
}

/* A pair on its way into a mapping. Own keys have lower ranks than merged ones; the lowest rank of a key wins. */
struct ranked {
    const struct yaml_node *key, *value;
    size_t rank;
};

static int by_key_then_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = strcmp(x->key->text, y->key->text);

    return order != 0 ? order : (x->rank > y->rank) - (x->rank < y->rank);
}

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* Give n its pairs: the first n_own of `all` (keys and values by turns) are its own, the rest merged in. */
static int fill_map(struct reader *r, struct yaml_node *n, const struct nodes *all, size_t n_own)
{
    size_t count = all->n / 2, kept = 0;
    AUTO_FREE struct ranked *v = mem_calloc(count, sizeof(*v));
    struct yaml_pair *pairs = arena_calloc(r->arena, count, sizeof(*pairs));

    for (size_t i = 0; i < count; i++)
        v[i] = (struct ranked){all->p[2 * i], all->p[2 * i + 1], i};
    qsort(v, count, sizeof(*v), by_key_then_rank);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(v[i].key->text, v[kept - 1].key->text) != 0) {
            v[kept++] = v[i];
        } else if (v[i].rank < n_own) {
            const struct yaml_node *key = v[i].key;

            return refuse(r, (yaml_mark_t){0, (size_t)key->line - 1, (size_t)key->column - 1},
                          "the key \"%.80s\" stands twice in this mapping, first on line %d", key->text,
                          v[kept - 1].key->line);
        }
    }
    qsort(v, kept, sizeof(*v), by_rank);
    for (size_t i = 0; i < kept; i++)
        pairs[i] = (struct yaml_pair){v[i].key, v[i].value};
    n->pairs = pairs;
    n->n = kept;
    return 0;
}

/* One key and its value into own or merged. *done at the mapping's end. */
static int read_pair(struct reader *r, int depth, struct part *whole, struct nodes *own, struct nodes *merged,
                     bool *done)
{
    AUTO(yaml_event_delete) yaml_event_t ev = {0};
    struct part key, value;
    yaml_mark_t at;

    if (next_event(r, &ev))
        return -1;
    *done = ev.type == YAML_MAPPING_END_EVENT;
    if (*done)
        return 0;
    at = ev.start_mark;
    if (read_node(r, &ev, depth + 1, &key))
        return -1;
    if (key.node->kind != YAML_SCALAR)
        return refuse(r, at, "a key must be text, found %s", yaml_kind_name(key.node));
    if (next_event(r, &ev) || read_node(r, &ev, depth + 1, &value))
        return -1;
    add_part(whole, &key);
    add_part(whole, &value);
    if (is_merge_key(key.node))
        return add_merged(r, key.node, value.node, merged);
    nodes_add(own, key.node);
    nodes_add(own, value.node);
    return 0;
}

static int read_map(struct reader *r, const yaml_event_t *start, int depth, struct part *out)
{
    AUTO(nodes_clear) struct nodes own = {0};
    AUTO(nodes_clear) struct nodes merged = {0};
    struct yaml_node *n = new_node(r, start, YAML_MAP);
    struct part whole = {n, 1, 1};
    bool done = false, ignored;
    size_t n_own;

    if (check_tag(r, start, start->data.mapping_start.tag, YAML_MAP, &ignored))
        return -1;
    while (!done) {
        if (read_pair(r, depth, &whole, &own, &merged, &done))
            return -1;
    }
    n_own = own.n / 2;
    for (size_t i = 0; i < merged.n; i++)
        nodes_add(&own, merged.p[i]);
    if (fill_map(r, n, &own, n_own))
        return -1;
    *out = whole;
    return 0;
}

static int read_node(struct reader *r, const yaml_event_t *ev, int depth, struct part *out)
{
    const yaml_char_t *anchor = NULL;
    size_t slot = SIZE_MAX;
    int rc;

    if (depth > YAML_MAX_DEPTH)
        return refuse(r, ev->start_mark, "nested deeper than %d levels", YAML_MAX_DEPTH);
    if (ev->type == YAML_ALIAS_EVENT)
        return read_alias(r, ev, depth, out);
    if (count_nodes(r, ev->start_mark, 1))
        return -1;
    if (ev->type == YAML_SCALAR_EVENT)
        anchor = ev->data.scalar.anchor;
    else if (ev->type == YAML_SEQUENCE_START_EVENT)
        anchor = ev->data.sequence_start.anchor;
    else if (ev->type == YAML_MAPPING_START_EVENT)
        anchor = ev->data.mapping_start.anchor;
    open_anchor(r, anchor, &slot);
    if (ev->type == YAML_SCALAR_EVENT)
        rc = read_scalar(r, ev, out);
    else if (ev->type == YAML_SEQUENCE_START_EVENT)
        rc = read_list(r, ev, depth, out);
    else
        rc = read_map(r, ev, depth, out);
    if (rc == 0 && slot != SIZE_MAX)
        r->anchors[slot].part = *out;
    return rc;
}

/* From the start of the stream to its end: exactly one document, or none. */
static int read_stream(struct reader *r, const struct yaml_node **root)
{
    AUTO(yaml_event_delete) yaml_event_t ev = {0};
    struct part whole = {NULL, 0, 0};

    if (next_event(r, &ev) || next_event(r, &ev))
        return -1;
    if (ev.type == YAML_STREAM_END_EVENT) {
        struct yaml_node *n = new_node(r, &ev, YAML_SCALAR);

        n->line = n->column = 1;
        n->plain = true;
        n->text = "";
        *root = n;
        return 0;
    }
    if (next_event(r, &ev) || read_node(r, &ev, 1, &whole) || next_event(r, &ev) || next_event(r, &ev))
        return -1;
    if (ev.type != YAML_STREAM_END_EVENT)
        return refuse(r, ev.start_mark, "a second document begins here; one file holds one document");
    *root = whole.node;
    return 0;
}

static int run_parser(struct reader *r, const struct yaml_node **root)
{
    int rc;

    if (!yaml_parser_initialize(&r->parser))
        mem_refused(); /* it has no other reason */
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)r->text, r->len);
    rc = read_stream(r, root);
    yaml_parser_delete(&r->parser);
    free(r->anchors);
    return rc;
}

int yaml_parse(const char *text, size_t len, size_t max_bytes, const char *file, struct yaml_doc **out, struct err *e)
{
    AUTO_YAML struct yaml_doc *d = mem_zalloc(sizeof(*d));
    bool marked = len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0; /* a byte order mark says nothing in UTF-8 */
    struct reader r = {.text = len > 0 ? text : "", .len = len, .e = e};

    d->arena = arena_new();
    d->file = arena_strdup(d->arena, file);
    r.arena = d->arena;
    r.file = d->file;
    if (len > max_bytes)
        return err_set(e, ERR_INVALID, "%s:1:1: the file has %zu bytes; at most %zu are read", file, len, max_bytes);
    if (marked) {
        r.text += 3;
        r.len -= 3;
    }
    if (run_parser(&r, &d->root))
        return -1;
    *out = d;
    d = NULL;
    return 0;
}

void yaml_doc_free(struct yaml_doc *d)
{
    if (d == NULL)
        return;
    arena_free(d->arena);
    free(d);
}

void yaml_doc_free_ptr(struct yaml_doc **d)
{
    yaml_doc_free(*d);
}

const struct yaml_node *yaml_root(const struct yaml_doc *d)
{
    return d->root;
}

const char *yaml_file(const struct yaml_doc *d)
{
    return d->file;
}
