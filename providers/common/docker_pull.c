#include "providers/common/docker_pull.h"

#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define STREAM_MAX ((size_t)256 * 1024 * 1024)
#define CONFIG_MAX ((size_t)1024 * 1024)
#define MIB ((int64_t)1024 * 1024)

/* ---- references ---- */

static bool part_is(const char *s, size_t n, const char *more)
{
    char text[300];

    if (n == 0 || n >= sizeof(text))
        return false;
    (void)snprintf(text, sizeof(text), "%.*s", (int)n, s);
    return rest_is_id(text, more, sizeof(text) - 1);
}

/* The registry is what stands before the first '/', if it looks like a host. */
static void find_host(struct docker_ref *r)
{
    size_t n = strcspn(r->name, "/");
    bool is_host = r->name[n] == '/' && (memchr(r->name, '.', n) != NULL || memchr(r->name, ':', n) != NULL ||
                                         (n == 9 && strncmp(r->name, "localhost", 9) == 0));

    (void)snprintf(r->host, sizeof(r->host), "%.*s", is_host ? (int)n : 9, is_host ? r->name : "docker.io");
}

int docker_ref_parse(const char *image, struct docker_ref *out, struct err *e)
{
    struct docker_ref r = {.name = ""};
    const char *at = strchr(image, '@');
    size_t n = at != NULL ? (size_t)(at - image) : strlen(image);
    const char *slash = memrchr(image, '/', n), *from = slash != NULL ? slash : image;
    const char *colon = memrchr(from, ':', (size_t)(image + n - from));
    size_t name = colon != NULL ? (size_t)(colon - image) : n;
    bool sound = part_is(image, name, "._-/:") && name < sizeof(r.name) && image[0] != '/' && image[name - 1] != '/' &&
                 (colon == NULL || part_is(colon + 1, (size_t)(image + n - colon - 1), "._-")) &&
                 (at == NULL || part_is(at + 1, strlen(at + 1), ":_+.-"));

    if (!sound || strlen(image) - name >= sizeof(r.tag))
        return err_set(e, ERR_INVALID,
                       "machine_image \"%.80s\" names no image of a container: write it like "
                       "ghcr.io/owner/image:tag",
                       image);
    (void)snprintf(r.name, sizeof(r.name), "%.*s", (int)name, image);
    if (at != NULL)
        (void)snprintf(r.tag, sizeof(r.tag), "%s", at + 1);
    else if (colon != NULL)
        (void)snprintf(r.tag, sizeof(r.tag), "%.*s", (int)(image + n - colon - 1), colon + 1);
    else
        (void)snprintf(r.tag, sizeof(r.tag), "latest");
    find_host(&r);
    *out = r;
    return 0;
}

int docker_ref_spell(const char *image, struct fact *out, struct err *e)
{
    struct docker_ref r;
    bool hub, own, latest;
    const char *name, *mark;

    if (docker_ref_parse(image, &r, e))
        return -1;
    hub = strcmp(r.host, "docker.io") == 0;
    name = hub && text_has_prefix(r.name, "docker.io/") ? r.name + strlen("docker.io/") : r.name;
    name = hub && text_has_prefix(name, "library/") ? name + strlen("library/") : name;
    own = hub && strchr(name, '/') == NULL;
    mark = strchr(r.tag, ':') != NULL ? "@" : ":";
    latest = strcmp(r.tag, "latest") == 0;
    if (fact_add(out, e, "%s%s%s%s%s", hub ? "docker.io/" : "", own ? "library/" : "", name, mark, r.tag) ||
        fact_add(out, e, "%s%s%s", name, mark, r.tag) || (latest && fact_add(out, e, "%s", name)))
        return -1;
    return hub && latest ? fact_add(out, e, "docker.io/%s%s", own ? "library/" : "", name) : 0;
}

/* ---- credentials ---- */

static json_t *read_config(const char *path)
{
    AUTO(buf_wipe) struct buf text = BUF_INIT(CONFIG_MAX);
    FILE *f = fopen(path, "re");
    json_t *doc = NULL;
    char piece[4096];
    struct err ignored;
    size_t n;

    if (f == NULL)
        return NULL;
    buf_reserve(&text, text.max);
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        buf_add(&text, piece, n);
    (void)fclose(f);
    explicit_bzero(piece, sizeof(piece));
    if (text.over || js_parse(text.p, text.len, &doc, &ignored))
        return NULL;
    return doc;
}

/* The key of a registry there: its host, or an address with it; Docker's own has a name of old. */
static const json_t *find_login(const json_t *config, const char *host)
{
    const json_t *auths = json_object_get(config, "auths"), *one;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)auths, key, one)
    {
        const char *bare = strstr(key, "://") != NULL ? strstr(key, "://") + 3 : key;
        size_t n = strcspn(bare, "/");

        if ((strlen(host) == n && strncmp(bare, host, n) == 0) ||
            (strcmp(host, "docker.io") == 0 && text_has_prefix(bare, "index.docker.io")))
            return one;
    }
    return NULL;
}

/* "auth" is base64 of USER:PASSWORD; "identitytoken" stands for a password. */
static struct secret *make_header(const json_t *login, const char *host)
{
    AUTO(buf_wipe) struct buf plain = BUF_INIT(16384), header = BUF_INIT(65536);
    const char *auth = json_string_value(json_object_get(login, "auth"));
    const char *token = json_string_value(json_object_get(login, "identitytoken"));
    AUTO_JSON json_t *doc = NULL;
    AUTO_FREE char *text = NULL;
    struct secret *out = NULL;
    struct err ignored;
    char *colon;

    buf_reserve(&plain, plain.max);
    buf_reserve(&header, header.max);
    if (auth == NULL || text_unbase64(auth, strlen(auth), &plain, &ignored) || (colon = strchr(plain.p, ':')) == NULL)
        return NULL;
    *colon = '\0';
    if (js_pack(&ignored, &doc, "{s:s, s:s, s:s*, s:s}", "username", plain.p, "password", colon + 1, "identitytoken",
                token, "serveraddress", host) ||
        js_dump(doc, &text, &ignored))
        return NULL;
    text_base64url(&header, text, strlen(text));
    while (header.len % 4 != 0) /* Go's decoder wants it padded */
        buf_addc(&header, '=');
    explicit_bzero(text, strlen(text));
    return secret_from_buf(&header, &out, &ignored) ? NULL : out;
}

struct secret *docker_ref_auth(const struct docker_ref *ref, const char *config_path)
{
    AUTO_JSON json_t *config = read_config(config_path);
    const json_t *login = find_login(config, ref->host);

    return login != NULL ? make_header(login, ref->host) : NULL;
}

/* ---- the stream ---- */

void docker_stream_clear(struct docker_stream *s)
{
    buf_clear(&s->line);
    free(s->failure);
    s->failure = NULL;
}

static void note_layer(struct docker_stream *s, const char *id, int64_t done, int64_t of)
{
    size_t i = 0;

    while (i < s->n_layers && strcmp(s->layers[i].id, id) != 0)
        i++;
    if (i == DOCKER_PULL_LAYERS || done < 0 || of < done || of > INT64_MAX / (2 * DOCKER_PULL_LAYERS))
        return;
    if (i == s->n_layers)
        (void)snprintf(s->layers[s->n_layers++].id, sizeof(s->layers[i].id), "%s", id);
    s->done += done - s->layers[i].done;
    s->of += of - s->layers[i].of;
    s->layers[i].done = done;
    s->layers[i].of = of;
}

static bool take_line(struct docker_stream *s)
{
    AUTO_JSON json_t *doc = NULL;
    const char *status = NULL, *id = NULL, *failure = NULL;
    int64_t done = 0, of = 0;
    struct err ignored;

    if (js_parse(s->line.p, s->line.len, &doc, &ignored) || !json_is_object(doc) ||
        js_opt_str(doc, "status", &status, &ignored) || js_opt_str(doc, "id", &id, &ignored) ||
        js_opt_str(doc, "error", &failure, &ignored))
        return false;
    s->lines++;
    if (failure != NULL && s->failure == NULL)
        s->failure = mem_strdup(failure);
    /* A layer that is unpacked counts anew from 0: only its way here is shown. */
    if (status != NULL && id != NULL && strlen(id) < sizeof(s->layers[0].id) && strcmp(status, "Downloading") == 0 &&
        js_opt_i64(doc, "progressDetail.current", &done, &ignored) == 0 &&
        js_opt_i64(doc, "progressDetail.total", &of, &ignored) == 0)
        note_layer(s, id, done, of);
    return true;
}

int docker_stream_add(void *stream, const char *data, size_t len)
{
    struct docker_stream *s = stream;

    while (len > 0 && !s->broken) {
        const char *end = memchr(data, '\n', len);
        size_t n = end != NULL ? (size_t)(end - data) : len;

        buf_add(&s->line, data, n);
        s->broken = s->line.over;
        if (end != NULL && !s->broken) {
            if (s->line.len > 0 && s->line.p[s->line.len - 1] == '\r')
                s->line.p[--s->line.len] = '\0';
            s->broken = s->line.len > 0 && !take_line(s);
            buf_reset(&s->line);
            n++;
        }
        data += n;
        len -= n;
    }
    return s->broken ? -1 : 0;
}

/* ---- pulling ---- */

struct pulling {
    struct docker_stream stream;
    const struct docker_pull *p;
    bool ending; /* the daemon */
};

static int on_piece(void *arg, const char *data, size_t len)
{
    struct pulling *g = arg;
    char text[400];

    g->ending = g->p->pause != NULL && g->p->pause(g->p->pause_arg, 0);
    if (g->ending || docker_stream_add(&g->stream, data, len))
        return -1;
    if (g->p->say == NULL)
        return 0;
    if (g->stream.of > 0)
        (void)snprintf(text, sizeof(text), "pulling %.255s: %lld of %lld MB", g->p->ref->name,
                       (long long)(g->stream.done / MIB), (long long)((g->stream.of + MIB - 1) / MIB));
    else
        (void)snprintf(text, sizeof(text), "pulling %.255s", g->p->ref->name);
    g->p->say(g->p->say_arg, text);
    return 0;
}

static int judge(struct docker *d, struct pulling *g, const struct rest_call *call, struct err *e)
{
    if (g->ending)
        return err_set(e, ERR_RETRY, "docker ImageCreate: the daemon ends while %.100s is pulled", g->p->ref->name);
    if (g->stream.line.len > 0)
        (void)docker_stream_add(&g->stream, "\n", 1); /* the last line may lack its end */
    if (g->stream.failure != NULL)
        return docker_refuse(d, call, g->stream.failure, e);
    if (g->stream.broken || g->stream.lines == 0)
        return err_set(e, ERR_RETRY, "docker ImageCreate: the answer makes no sense: not a stream of progress");
    return 0;
}

int docker_pull(struct docker *d, const struct docker_pull *p, struct err *e)
{
    struct pulling g = {.stream = {.line = BUF_INIT(DOCKER_PULL_LINE)}, .p = p};
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(2048);
    struct httpc_header header = {"X-Registry-Auth", secret_reveal(p->auth)};
    struct rest_call call = {.method = "POST",
                             .what = "ImageCreate",
                             .headers = &header,
                             .n_headers = p->auth != NULL ? 1 : 0,
                             .hide = p->auth,
                             .creates = true, /* a 404 is about the image */
                             .no_answer = true,
                             .max_answer = STREAM_MAX,
                             .timeout_ms = p->deadline_ms,
                             .on_piece = on_piece,
                             .piece_arg = &g,
                             .silence_ms = p->silence_ms};
    int rc;

    buf_adds(&path, "/images/create?fromImage=");
    text_url_escape(&path, p->ref->name, strlen(p->ref->name));
    buf_adds(&path, "&tag=");
    text_url_escape(&path, p->ref->tag, strlen(p->ref->tag));
    rc = buf_str(&path, &call.path, e) || (docker_call(d, &call, &res, e) && !g.stream.broken && !g.ending) ||
                 judge(d, &g, &call, e)
             ? -1
             : 0;
    docker_stream_clear(&g.stream);
    return rc;
}
