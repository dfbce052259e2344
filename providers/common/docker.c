#include "providers/common/docker.h"

#include "providers/common/docker_tar.h"
#include "server/base/cache.h"
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define NEWEST_API "1.47" /* that was read for this; older engines say less, newer ones still speak it */
#define KNOWN_MS ((int64_t)60 * 1000)
#define HOURS(n) ((n)*3600)
#define PATH_SIZE 2048

/* The engine has no codes: read_fault makes them of sentences that mean a case of their own here. */
#define NAME_TAKEN "name taken"
#define NO_IMAGE "no image"
#define NO_QUOTA "no disk limit"

static const struct rest_rule rules[] = {
    {0, NAME_TAKEN, NULL, ERR_CONFLICT, 0, NULL},
    {0, NO_IMAGE, NULL, ERR_INVALID, 0, NULL},
    {0, NO_QUOTA, NULL, ERR_INVALID, 0, NULL},
    {0, NULL, "could not select device driver|unresolvable cdi devices", ERR_CAPACITY, HOURS(6),
     "this engine cannot give GPUs to containers: install the NVIDIA container toolkit on its host"},
    {400, NULL, "range of cpus is from", ERR_CAPACITY, HOURS(6), NULL},
    {0, NULL, "no space left on device", ERR_CAPACITY, 600, NULL},
    {409, NULL, "already in progress", ERR_GONE, 0, NULL},
    {0, NULL, "container-init binary not found", ERR_INVALID, 0, "install catatonit on the engine's host"},
    {0, NULL, "toomanyrequests|too many requests|rate limit", ERR_THROTTLED, 300, NULL},
    {0, NULL, "access denied|unauthorized|authentication required|no basic auth|denied:", ERR_INVALID, 0,
     "check the image's name and the registry's credentials in config.json of the daemon's user"},
    {0, NULL, "manifest unknown|manifest for|repository does not exist|name unknown|no matching manifest", ERR_INVALID,
     0, NULL},
    {0, NULL, "oci runtime create failed|runc create failed|runtime error|oci permission denied|crun:", ERR_INVALID, 0,
     "the image needs /bin/bash"},
    {0, NULL, "client version", ERR_INVALID, 0, "engine and muster speak no common version of the API"},
    {0, NULL, NULL, ERR_NONE, 0, NULL},
};

static void read_fault(const json_t *doc, struct rest_said *out)
{
    const char *said = json_string_value(json_object_get(doc, "message"));

    if (said == NULL)
        return;
    out->message = said;
    if (text_icontains(said, "is already in use"))
        out->code = NAME_TAKEN; /* Podman says it with 500 */
    else if (text_icontains(said, "no such image") || text_icontains(said, "image not known"))
        out->code = NO_IMAGE;
    else if (text_icontains(said, "--storage-opt"))
        out->code = NO_QUOTA;
}

static const struct rest_dialect dialect = {.cloud = "docker", .rules = rules, .read = read_fault};

struct docker {
    struct rest_client api;
    char *socket, *base;
    char *ca, *cert, *key;
    struct httpc_identity identity;
    struct cache *known; /* one struct docker_engine */
};

/* ---- the connection ---- */

static bool is_host(const char *s)
{
    return rest_is_id(s, ".-_:[]", 255);
}

/* tcp://host:port is TLS when there are certificates, as Docker's own tools have it. */
static int make_base(const char *host, bool tls, char **out, struct err *e)
{
    AUTO_BUF struct buf b = BUF_INIT(512);
    const char *rest = strstr(host, "://");
    char scheme[8];

    if (rest == NULL || (size_t)(rest - host) >= sizeof(scheme) || !is_host(rest + 3))
        return err_set(e, ERR_INVALID, "docker_host is no address: write unix:///path or tcp://host:port");
    (void)snprintf(scheme, sizeof(scheme), "%.*s", (int)(rest - host), host);
    if (strcmp(scheme, "tcp") != 0 && strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        return err_set(e, ERR_INVALID, "docker_host: %s:// is not spoken; write unix:///path or tcp://host:port",
                       scheme);
    buf_addf(&b, "%s://%s", strcmp(scheme, "tcp") != 0 ? scheme : tls ? "https" : "http", rest + 3);
    return buf_take(&b, out, e);
}

static char *file_in(const char *dir, const char *name)
{
    AUTO_BUF struct buf b = BUF_INIT(4096);
    char *path = NULL;
    struct err ignored;

    buf_addf(&b, "%s/%s", dir, name);
    return buf_take(&b, &path, &ignored) ? mem_strdup("") : path;
}

void docker_free(struct docker *d)
{
    if (d == NULL)
        return;
    cache_free(d->known);
    free(d->socket);
    free(d->base);
    free(d->ca);
    free(d->cert);
    free(d->key);
    free(d);
}

static void use_certificates(struct docker *d, const char *dir)
{
    d->ca = file_in(dir, "ca.pem");
    d->cert = file_in(dir, "cert.pem");
    d->key = file_in(dir, "key.pem");
    d->identity = (struct httpc_identity){.ca_file = d->ca, .cert_file = d->cert, .key_file = d->key};
    d->api.identity = &d->identity;
}

int docker_open(const struct docker_conf *c, struct docker **out, struct err *e)
{
    const char *host = c->host != NULL && *c->host != '\0' ? c->host : "unix://" DOCKER_SOCKET;
    struct docker *d = mem_zalloc(sizeof(*d));

    d->api =
        (struct rest_client){.http = c->http, .dialect = &dialect, .timeout_ms = c->timeout_ms, .secrets = {c->secret}};
    if (text_has_prefix(host, "unix:///")) {
        d->socket = mem_strdup(host + strlen("unix://"));
        d->base = mem_strdup("http://docker");
    } else if (make_base(host, c->cert_path != NULL, &d->base, e)) {
        docker_free(d);
        return -1;
    } else if (c->cert_path != NULL) {
        use_certificates(d, c->cert_path);
    }
    d->api.base = d->base;
    d->api.unix_socket = d->socket;
    d->known = cache_new(1, free);
    *out = d;
    return 0;
}

const char *docker_socket_path(const struct docker *d)
{
    return d->socket;
}

/* ---- who answers ---- */

static bool version_parse(const char *s, int64_t out[2])
{
    const char *dot = s != NULL ? strchr(s, '.') : NULL;
    char major[8];
    struct err ignored;

    if (dot == NULL || (size_t)(dot - s) >= sizeof(major))
        return false;
    (void)snprintf(major, sizeof(major), "%.*s", (int)(dot - s), s);
    return text_i64(major, 1, 99, &out[0], &ignored) == 0 && text_i64(dot + 1, 0, 999, &out[1], &ignored) == 0;
}

/* < 0: a is older. Both are versions. */
static int64_t version_compare(const char *a, const char *b)
{
    int64_t x[2] = {0, 0}, y[2] = {0, 0};

    (void)version_parse(a, x);
    (void)version_parse(b, y);
    return x[0] != y[0] ? x[0] - y[0] : x[1] - y[1];
}

/* The newest of ours that it speaks; an engine that dropped all we know is asked in its own oldest. */
static int read_version(const json_t *doc, struct docker_engine *out, struct err *e)
{
    const char *newest, *oldest = "1.12";
    json_t *parts = NULL;
    const json_t *one;
    int64_t v[2];
    size_t i;

    if (js_str(doc, "ApiVersion", &newest, e) || js_opt_str(doc, "MinAPIVersion", &oldest, e) ||
        js_opt_arr(doc, "Components", &parts, e))
        return -1;
    if (!version_parse(newest, v) || !version_parse(oldest, v))
        return err_set(e, ERR_RETRY, "ApiVersion: no version");
    if (version_compare(newest, NEWEST_API) > 0)
        newest = version_compare(oldest, NEWEST_API) > 0 ? oldest : NEWEST_API;
    (void)snprintf(out->api, sizeof(out->api), "%s", newest);
    json_array_foreach(parts, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "Name"));

        out->podman = out->podman || (name != NULL && text_icontains(name, "podman"));
    }
    return 0;
}

/* Devices that drivers found on the host, since API 1.50: "nvidia.com/gpu=0", and the same by UUID, and "=all". */
static int count_gpus(const json_t *devices)
{
    const json_t *one;
    int n = 0;
    size_t i;

    if (!json_is_array(devices) || json_array_size(devices) == 0)
        return -1;
    json_array_foreach(devices, i, one)
    {
        const char *id = json_string_value(json_object_get(one, "ID"));
        const char *number = id != NULL && text_has_prefix(id, "nvidia.com/gpu=") ? strchr(id, '=') + 1 : "x";

        n += number[0] != '\0' && number[strspn(number, "0123456789")] == '\0' ? 1 : 0;
    }
    return n;
}

static int read_info(const json_t *doc, struct docker_engine *out, struct err *e)
{
    if (js_i64(doc, "NCPU", &out->cpus, e) || js_i64(doc, "MemTotal", &out->memory, e))
        return -1;
    if (out->cpus < 1 || out->memory < 1)
        return err_set(e, ERR_RETRY, "NCPU, MemTotal: no size of a host");
    out->gpus = count_gpus(json_object_get(doc, "DiscoveredDevices"));
    return 0;
}

static int ask_engine(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    struct docker *d = arg;
    struct docker_engine found = {.gpus = -1};
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct rest_call version = {.method = "GET", .path = "/version", .what = "version"};
    struct rest_call info = {.method = "GET", .path = "/info", .what = "info"};

    (void)key;
    if (rest_do(&d->api, &version, &res, e))
        return -1;
    if (read_version(res.doc, &found, e))
        return rest_nonsense(&d->api, &version, e);
    if (rest_do(&d->api, &info, &res, e))
        return -1;
    if (read_info(res.doc, &found, e))
        return rest_nonsense(&d->api, &info, e);
    out->value = mem_zalloc(sizeof(found));
    memcpy(out->value, &found, sizeof(found));
    out->expires_ms = clock_now_ms() + KNOWN_MS;
    return 0;
}

int docker_engine(struct docker *d, struct docker_engine *out, struct err *e)
{
    struct cache_ref *ref;

    if (cache_get(d->known, "", ask_engine, d, &ref, e))
        return -1;
    *out = *(const struct docker_engine *)cache_value(ref);
    cache_release(ref);
    return 0;
}

int docker_call(struct docker *d, struct rest_call *call, struct rest_res *res, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_SIZE);
    struct docker_engine engine;
    struct rest_call versioned = *call;

    if (docker_engine(d, &engine, e))
        return -1;
    buf_addf(&path, "/v%s%s", engine.api, call->path);
    return buf_str(&path, &versioned.path, e) ? -1 : rest_do(&d->api, &versioned, res, e);
}

int docker_show(const struct docker *d, struct rest_call *call, json_t *list, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_SIZE);
    struct rest_call versioned = *call;

    buf_addf(&path, "/v<version>%s", call->path);
    return buf_str(&path, &versioned.path, e) ? -1 : rest_show(&d->api, &versioned, NULL, list, e);
}

int docker_refuse(const struct docker *d, const struct rest_call *call, const char *said, struct err *e)
{
    return rest_refuse(&d->api, call, 0, NULL, said, e);
}

/* ---- containers ---- */

bool docker_is_id(const char *id)
{
    return strlen(id) == 64 && strspn(id, "0123456789abcdef") == 64;
}

const char *docker_label(const struct docker_box *b, const char *key)
{
    return json_string_value(json_object_get(b->labels, key));
}

static int take_id(const char *id, char out[65], struct err *e)
{
    if (!docker_is_id(id))
        return err_set(e, ERR_RETRY, "Id: not an id of a container");
    memcpy(out, id, 65);
    return 0;
}

/* As lists have it; `Created` in seconds. */
static int read_listed(const json_t *doc, struct docker_box *out, struct err *e)
{
    const char *id;
    int64_t created_s = 0;

    if (js_str(doc, "Id", &id, e) || js_str(doc, "State", &out->state, e) || js_opt_i64(doc, "Created", &created_s, e))
        return -1;
    out->labels = json_object_get(doc, "Labels");
    out->created_ms = created_s > 0 && created_s < INT64_MAX / 1000 ? created_s * 1000 : 0;
    return take_id(id, out->id, e);
}

/* As one container has it; `Created` as text. */
static int read_inspected(const json_t *doc, struct docker_box *out, struct err *e)
{
    const char *id, *created = NULL;
    struct err ignored;

    if (js_str(doc, "Id", &id, e) || js_str(doc, "State.Status", &out->state, e) ||
        js_opt_str(doc, "Created", &created, e))
        return -1;
    out->labels = json_object_get(json_object_get(doc, "Config"), "Labels");
    if (created == NULL || text_rfc3339_ms(created, strlen(created), &out->created_ms, &ignored))
        out->created_ms = 0;
    return take_id(id, out->id, e);
}

static int list_path(const char *label, struct buf *path, const char **out, struct err *e)
{
    AUTO_JSON json_t *filters = NULL;
    AUTO_FREE char *text = NULL;

    if (js_pack(e, &filters, "{s:[s]}", "label", label) || js_dump(filters, &text, e))
        return -1;
    buf_adds(path, "/containers/json?all=1&filters=");
    text_url_escape(path, text, strlen(text));
    return buf_str(path, out, e);
}

int docker_each(struct docker *d, const char *label, int (*each)(void *arg, const struct docker_box *b, struct err *e),
                void *arg, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(PATH_SIZE);
    struct rest_call call = {.method = "GET", .what = "ContainerList"};
    const json_t *one;
    size_t i;

    if (list_path(label, &path, &call.path, e) || docker_call(d, &call, &res, e))
        return -1;
    if (!json_is_array(res.doc))
        return err_set(e, ERR_RETRY, "docker ContainerList: the answer makes no sense: it is no list");
    json_array_foreach(res.doc, i, one)
    {
        struct docker_box b = {.created_ms = 0};

        if (read_listed(one, &b, e))
            return rest_nonsense(&d->api, &call, e);
        if (each(arg, &b, e))
            return -1;
    }
    return 0;
}

/* The path of one container; an id comes from the store, from a person or from the engine. */
static int box_path(const char *id, const char *rest, struct buf *path, const char **out, struct err *e)
{
    if (!rest_is_id(id, "-_.", 128))
        return err_set(e, ERR_INVALID, "\"%.40s\" is not an id or name of a container", id);
    buf_addf(path, "/containers/%s%s", id, rest);
    return buf_str(path, out, e);
}

int docker_look(struct docker *d, const char *id, int (*see)(void *arg, const struct docker_box *b, struct err *e),
                void *arg, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(PATH_SIZE);
    struct rest_call call = {.method = "GET", .what = "ContainerInspect"};
    struct docker_box b = {.created_ms = 0};

    if (box_path(id, "/json", &path, &call.path, e))
        return -1;
    if (docker_call(d, &call, &res, e))
        return e->kind == ERR_GONE ? 0 : -1;
    if (read_inspected(res.doc, &b, e))
        return rest_nonsense(&d->api, &call, e);
    if (docker_is_id(id) && strcmp(b.id, id) != 0)
        return err_set(e, ERR_RETRY, "docker ContainerInspect: asked for %.12s, the answer speaks of %.12s", id, b.id);
    return see(arg, &b, e);
}

struct rest_call docker_creation(const char *name, const json_t *body, struct buf *path)
{
    buf_adds(path, "/containers/create?name=");
    text_url_escape(path, name, strlen(name));
    return (struct rest_call){
        .method = "POST", .path = path->p, .what = "ContainerCreate", .body = body, .ok = {201}, .creates = true};
}

static int special_case(const struct rest_res *res, enum docker_made *how)
{
    if (strcmp(res->code, NAME_TAKEN) == 0)
        *how = DOCKER_NAME_TAKEN;
    else if (strcmp(res->code, NO_IMAGE) == 0)
        *how = DOCKER_NO_IMAGE;
    else if (strcmp(res->code, NO_QUOTA) == 0)
        *how = DOCKER_NO_QUOTA;
    else
        return -1;
    return 0;
}

int docker_create(struct docker *d, const char *name, const json_t *body, const struct secret *hide,
                  enum docker_made *how, char id[65], struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(PATH_SIZE);
    struct rest_call call = docker_creation(name, body, &path);
    const char *text;

    call.hide = hide;
    if (docker_call(d, &call, &res, e))
        return special_case(&res, how);
    if (js_str(res.doc, "Id", &text, e) || take_id(text, id, e))
        return rest_nonsense(&d->api, &call, e);
    *how = DOCKER_MADE;
    return 0;
}

int docker_upload(struct docker *d, const char *id, const char *file, const struct secret *text, struct err *e)
{
    AUTO(buf_wipe) struct buf tar = BUF_INIT(secret_len(text) + DOCKER_TAR_EXTRA);
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(PATH_SIZE);
    struct rest_call call = {.method = "PUT",
                             .what = "PutContainerArchive",
                             .form = &tar,
                             .form_type = "application/x-tar",
                             .hide = text,
                             .no_answer = true};

    buf_reserve(&tar, tar.max); /* one block: growing would leave copies of the secret behind */
    docker_tar_file(&tar, file, 0700, secret_reveal(text), secret_len(text));
    return box_path(id, "/archive?path=/", &path, &call.path, e) || docker_call(d, &call, &res, e) ? -1 : 0;
}

int docker_start(struct docker *d, const char *id, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(PATH_SIZE);
    struct rest_call call = {.method = "POST", .what = "ContainerStart", .ok = {204, 304}, .no_answer = true};

    return box_path(id, "/start", &path, &call.path, e) || docker_call(d, &call, &res, e) ? -1 : 0;
}

int docker_remove(struct docker *d, const char *id, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(PATH_SIZE);
    struct rest_call call = {.method = "DELETE", .what = "ContainerDelete", .ok = {204}};

    if (box_path(id, "?force=1&v=1", &path, &call.path, e))
        return -1;
    return docker_call(d, &call, &res, e) && e->kind != ERR_GONE ? -1 : 0;
}
