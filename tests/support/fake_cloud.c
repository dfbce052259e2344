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
    int act = RAW_ANSWER;

    (void)pthread_mutex_lock(&c->lock);
    c->requests++;
    if (c->faulty && c->fault.skip == 0) {
        act = faulty_answer(c, r, answer);
    } else {
        if (c->faulty)
            c->fault.skip--;
        c->dialect->act(c, r, answer);
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

struct fake_machine *fake_add(struct fake_cloud *c, const char *name, const char *token, const char *deployment)
{
    struct fake_machine *m = &c->machines[c->n];

    if (c->n == FAKE_MAX_MACHINES)
        abort();
    memset(m, 0, sizeof(*m));
    (void)snprintf(m->id, sizeof(m->id), "i-%017zx", c->n + 1);
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
