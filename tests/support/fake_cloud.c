#include "tests/support/fake_cloud.h"

#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

void fake_init(struct fake_cloud *c, const struct fake_dialect *d)
{
    memset(c, 0, sizeof(*c));
    (void)pthread_mutex_init(&c->lock, NULL);
    c->dialect = d;
    c->page_size = FAKE_MAX_MACHINES;
}

static int faulty_answer(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    const struct fake_fault now = c->fault, *f = &now;

    if (f->next != NULL)
        c->fault = *f->next;
    if (f->after_acting) {
        AUTO_BUF struct buf lost = BUF_INIT((size_t)1024 * 1024);

        c->dialect->act(c, r, &lost);
    }
    if (f->act == RAW_ENDLESS)
        buf_adds(answer, "HTTP/1.1 200 X\r\n\r\n<");
    else if (f->echo)
        c->dialect->refuse(r->raw, answer);
    else if (f->status != 0)
        raw_answer(answer, f->status, f->headers != NULL ? f->headers : "", f->body != NULL ? f->body : "");
    return answer->len == 0 ? RAW_CLOSE : (int)f->act;
}

int fake_handle(void *cloud, const struct raw_request *r, struct buf *answer)
{
    struct fake_cloud *c = cloud;
    const struct fake_dialect *d = c->dialect;
    int act = RAW_ANSWER;
    bool hit;

    (void)pthread_mutex_lock(&c->lock);
    hit = c->faulty && (d->is_auth == NULL || !d->is_auth(r)) &&
          (!c->fault.at_create || d->is_create == NULL || d->is_create(r));
    c->requests++;
    if (hit && c->fault.skip == 0) {
        act = faulty_answer(c, r, answer);
    } else {
        if (hit)
            c->fault.skip--;
        d->act(c, r, answer);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return act;
}

void fake_set_fault(struct fake_cloud *c, const struct fake_fault *f)
{
    (void)pthread_mutex_lock(&c->lock);
    c->faulty = f != NULL;
    if (f != NULL)
        c->fault = *f;
    (void)pthread_mutex_unlock(&c->lock);
}

size_t fake_alive(struct fake_cloud *c)
{
    size_t n = 0;

    (void)pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n; i++)
        n += c->machines[i].gone ? 0 : 1;
    (void)pthread_mutex_unlock(&c->lock);
    return n;
}

size_t fake_requests(struct fake_cloud *c)
{
    size_t n;

    (void)pthread_mutex_lock(&c->lock);
    n = c->requests;
    (void)pthread_mutex_unlock(&c->lock);
    return n;
}

/* '%' in a format stands for the number. */
static void fill_format(const char *format, size_t n, char id[256])
{
    const char *at = strchr(format, '%');

    (void)snprintf(id, 256, "%.*s%zu%s", (int)(at - format), format, n, at + 1);
}

static void make_id(const struct fake_cloud *c, const char *name, char id[256])
{
    const char *format = c->dialect->id_format;

    if (c->dialect->id_is_name)
        (void)snprintf(id, 256, "%s%s", c->dialect->id_prefix != NULL ? c->dialect->id_prefix : "", name);
    else if (c->dialect->id_is_hex)
        (void)snprintf(id, 256, "%064zx", c->n + 1);
    else if (format == NULL)
        (void)snprintf(id, 256, "i-%017zx", c->n + 1);
    else
        fill_format(format, c->n + 1, id);
}

struct fake_machine *fake_add(struct fake_cloud *c, const char *name, const char *token, const char *deployment)
{
    struct fake_machine *m = &c->machines[c->n];

    if (c->n == FAKE_MAX_MACHINES)
        abort();
    memset(m, 0, sizeof(*m));
    make_id(c, name, m->id);
    m->doom = c->doom;
    (void)snprintf(m->name, sizeof(m->name), "%s", name);
    (void)snprintf(m->token, sizeof(m->token), "%s", token);
    (void)snprintf(m->deployment, sizeof(m->deployment), "%s", deployment);
    c->n++;
    c->made++;
    return m;
}

struct fake_machine *fake_by_token(struct fake_cloud *c, const char *token)
{
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->machines[i].token, token) == 0)
            return &c->machines[i];
    }
    return NULL;
}

struct fake_machine *fake_by_id(struct fake_cloud *c, const char *id)
{
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->machines[i].id, id) == 0)
            return &c->machines[i];
    }
    return NULL;
}

struct fake_machine *fake_by_name(struct fake_cloud *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++) {
        if (!c->machines[i].gone && strcmp(c->machines[i].name, name) == 0)
            return &c->machines[i];
    }
    return NULL;
}

char *fake_fixture(const char *cloud, const char *name)
{
    char path[200];
    struct buf text = BUF_INIT((size_t)1024 * 1024);
    struct err e;
    char piece[4096], *out = NULL;
    size_t n;
    FILE *f;

    (void)snprintf(path, sizeof(path), "tests/fixtures/%s/%s", cloud, name);
    f = fopen(path, "r");
    if (f == NULL) {
        perror(path);
        abort();
    }
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        buf_add(&text, piece, n);
    (void)fclose(f);
    if (buf_take(&text, &out, &e))
        abort();
    return out;
}

bool fake_form(const char *body, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);

    while (body != NULL) {
        const char *end = strchrnul(body, '&');

        if (strncmp(body, name, n) == 0 && body[n] == '=') {
            AUTO_BUF struct buf value = BUF_INIT((size_t)1024 * 1024);
            struct err e;

            if (text_url_unescape(body + n + 1, (size_t)(end - body) - n - 1, true, &value, &e))
                abort();
            (void)snprintf(out, size, "%s", value.p != NULL ? value.p : "");
            return true;
        }
        body = *end == '&' ? end + 1 : NULL;
    }
    return false;
}

bool fake_query(const struct raw_request *r, const char *name, char *out, size_t size)
{
    const char *query = strchr(r->path, '?');

    return query != NULL && fake_form(query + 1, name, out, size);
}

bool fake_is(const struct raw_request *r, const char *method, const char *path_glob)
{
    char path[1024];

    (void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(r->path, "?"), r->path);
    return strcmp(r->method, method) == 0 && text_glob(path_glob, path);
}

void fake_last_part(const struct raw_request *r, char *out, size_t size)
{
    char path[1024];

    (void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(r->path, "?"), r->path);
    (void)snprintf(out, size, "%s", strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path);
}

void fake_json(struct buf *answer, int status, const char *headers, json_t *doc)
{
    char *text = json_dumps(doc, JSON_COMPACT);

    if (text == NULL)
        abort();
    raw_answer(answer, status, headers, text);
    free(text);
    json_decref(doc);
}

json_t *fake_body(const struct raw_request *r)
{
    json_t *doc = json_loadb(r->body, r->body_len, JSON_REJECT_DUPLICATES, NULL);

    if (doc == NULL)
        abort();
    return doc;
}
