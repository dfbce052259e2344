#include "server/api/answer.h"

#include "server/base/json.h"
#include "server/base/mem.h"

#include <string.h>

#define JSON_TYPE "application/json"
#define RETRY_AFTER "10" /* seconds; proxies and our own redelivery read it, GitHub does not */

/* clang-format off */
#define DONE(code, text) {(code), "status", (text), NULL, NULL}
#define REFUSED(code, text) {(code), "error", (text), NULL, NULL}
#define REFUSED_WITH(code, text, header, value) {(code), "error", (text), (header), (value)}
/* clang-format on */

static const struct {
    unsigned code;
    const char *key, *value;           /* the body: {key: value} */
    const char *header, *header_value; /* what the code asks for besides */
} table[ANSWERS] = {
    [ANSWER_STORED] = DONE(202, "stored"),
    [ANSWER_KNOWN] = DONE(200, "known"),
    [ANSWER_IGNORED] = DONE(200, "ignored"),
    [ANSWER_ALIVE] = DONE(200, "ok"),
    [ANSWER_READY] = DONE(200, "ready"),
    [ANSWER_EMPTY] = REFUSED(400, "the body is empty"),
    [ANSWER_NO_EVENT] = REFUSED(400, "the header X-GitHub-Event is missing"),
    [ANSWER_NO_DELIVERY] =
        REFUSED(400, "the header X-GitHub-Delivery is missing, or not 1 to 64 letters, digits and dashes"),
    [ANSWER_BAD_TYPE] = REFUSED(400, "the content type must be application/json or application/x-www-form-urlencoded"),
    [ANSWER_BAD_SIGNATURE] = REFUSED(401, "the header X-Hub-Signature-256 is missing or does not match the body"),
    [ANSWER_NO_TOKEN] = REFUSED_WITH(401, "the admin token is missing or wrong: send Authorization: Bearer TOKEN",
                                     "WWW-Authenticate", "Bearer"),
    [ANSWER_NO_AGENT_TOKEN] = REFUSED_WITH(
        401, "the agent token is missing or wrong: start the agent with the value of clouds.on_prem.agent_token",
        "WWW-Authenticate", "Bearer"),
    [ANSWER_NO_API_TOKEN] = REFUSED_WITH(
        401, "the API token is missing or wrong: send Authorization: Bearer with a value of server.api_token",
        "WWW-Authenticate", "Bearer"),
    [ANSWER_NO_RUNNER_NAME] = REFUSED(400, "say which machine asks: ?runner_name=NAME, as its cloud names it"),
    [ANSWER_NO_SUCH_MACHINE] =
        REFUSED(404, "no machine of this name fetches its bootstrap: its runner says nothing of provision_via"),
    [ANSWER_NOT_LAUNCHED] =
        REFUSED_WITH(409, "this machine is not being launched yet: ask again", "Retry-After", RETRY_AFTER),
    [ANSWER_FETCHED] = REFUSED(410, "this machine's bootstrap was fetched before, or its time for that is over"),
    [ANSWER_TOO_MANY] = REFUSED_WITH(429, "too many such requests at once: ask again", "Retry-After", "1"),
    [ANSWER_NOT_READ] = REFUSED_WITH(503, "the store cannot be asked now: ask again", "Retry-After", RETRY_AFTER),
    [ANSWER_NOT_FOUND] = REFUSED(404, "there is nothing at this path"),
    [ANSWER_ONLY_POST] = REFUSED_WITH(405, "this path takes POST only", "Allow", "POST"),
    [ANSWER_ONLY_GET] = REFUSED_WITH(405, "this path takes GET only", "Allow", "GET, HEAD"),
    [ANSWER_ONLY_GET_POST] = REFUSED_WITH(405, "this path takes GET and POST only", "Allow", "GET, POST"),
    [ANSWER_ONLY_ONE_GET] = REFUSED_WITH(405, "this path takes GET only", "Allow", "GET"),
    [ANSWER_TOO_LARGE] = REFUSED(413, "the body is larger than this server accepts"),
    [ANSWER_BUSY] = REFUSED_WITH(503, "too many large bodies at once: deliver it again", "Retry-After", RETRY_AFTER),
    [ANSWER_NOT_STORED] =
        REFUSED_WITH(503, "the delivery could not be stored: deliver it again", "Retry-After", RETRY_AFTER),
    [ANSWER_STOPPING] = REFUSED_WITH(503, "the server is stopping: deliver it again", "Retry-After", RETRY_AFTER),
};

struct answers {
    struct MHD_Response *ready[ANSWERS];
    bool closing;
};

static void add_header(struct MHD_Response *r, const char *name, const char *value)
{
    (void)MHD_add_response_header(r, name, value);
}

static void add_common(const struct answers *a, struct MHD_Response *r, const char *type)
{
    add_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (a->closing)
        add_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
}

static struct MHD_Response *response_new(const struct answers *a, const char *type, const struct buf *text)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(text->len, text->p, MHD_RESPMEM_MUST_COPY);

    add_common(a, r, type);
    return r;
}

/* {key: value} and a line end. */
static void json_body(struct buf *out, const char *key, const char *value)
{
    AUTO_JSON json_t *j = NULL;
    struct err ignored;

    if (js_pack(&ignored, &j, "{s:s}", key, value) || js_dump_buf(j, out, &ignored)) {
        buf_reset(out); /* a sentence that is no UTF-8 */
        buf_adds(out, "{}");
    }
    buf_addc(out, '\n');
}

struct answers *answers_new(void)
{
    struct answers *a = mem_zalloc(sizeof(*a));

    for (int i = 0; i < ANSWERS; i++) {
        AUTO_BUF struct buf text = BUF_INIT(1024);

        json_body(&text, table[i].key, table[i].value);
        a->ready[i] = response_new(a, JSON_TYPE, &text);
        if (table[i].header != NULL)
            add_header(a->ready[i], table[i].header, table[i].header_value);
    }
    return a;
}

void answers_free(struct answers *a)
{
    if (a == NULL)
        return;
    for (int i = 0; i < ANSWERS; i++)
        MHD_destroy_response(a->ready[i]);
    free(a);
}

void answers_close(struct answers *a)
{
    if (a->closing)
        return;
    a->closing = true;
    for (int i = 0; i < ANSWERS; i++)
        add_header(a->ready[i], MHD_HTTP_HEADER_CONNECTION, "close");
}

unsigned answer_code(enum answer_id id)
{
    return table[id].code;
}

const char *answer_reason(enum answer_id id)
{
    return table[id].value;
}

const char *answer_code_label(unsigned code)
{
    static const struct {
        unsigned code;
        const char *label;
    } labels[] = {{202, "202"}, {200, "200"}, {400, "400"}, {401, "401"}, {404, "404"}, {405, "405"},
                  {409, "409"}, {410, "410"}, {413, "413"}, {429, "429"}, {503, "503"}};

    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        if (labels[i].code == code)
            return labels[i].label;
    }
    return "other";
}

enum MHD_Result answer_send(const struct answers *a, struct MHD_Connection *c, enum answer_id id)
{
    return MHD_queue_response(c, table[id].code, a->ready[id]);
}

enum MHD_Result answer_text(const struct answers *a, struct MHD_Connection *c, unsigned code, const char *type,
                            const struct buf *text)
{
    struct MHD_Response *r = response_new(a, type, text);
    enum MHD_Result rc = MHD_queue_response(c, code, r);

    MHD_destroy_response(r);
    return rc;
}

enum MHD_Result answer_error(const struct answers *a, struct MHD_Connection *c, unsigned code, const char *sentence)
{
    AUTO_BUF struct buf text = BUF_INIT(4096);

    json_body(&text, "error", sentence);
    return answer_text(a, c, code, JSON_TYPE, &text);
}

static void wipe(void *text)
{
    explicit_bzero(text, strlen(text));
    free(text);
}

/* Takes the text. */
static enum MHD_Result send_secret(const struct answers *a, struct MHD_Connection *c, const char *type, char *text,
                                   size_t len)
{
    struct MHD_Response *r = MHD_create_response_from_buffer_with_free_callback(len, text, wipe);
    enum MHD_Result rc;

    add_common(a, r, type);
    add_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    rc = MHD_queue_response(c, MHD_HTTP_OK, r);
    MHD_destroy_response(r);
    return rc;
}

enum MHD_Result answer_secret(const struct answers *a, struct MHD_Connection *c, struct buf *json)
{
    size_t len = json->len;
    char *text;
    struct err e;

    if (buf_take(json, &text, &e)) {
        buf_wipe(json);
        return answer_error(a, c, MHD_HTTP_INTERNAL_SERVER_ERROR, e.msg);
    }
    return send_secret(a, c, JSON_TYPE, text, len);
}

enum MHD_Result answer_script(const struct answers *a, struct MHD_Connection *c, const struct secret *script)
{
    return send_secret(a, c, "text/plain; charset=utf-8", mem_strndup(secret_reveal(script), secret_len(script)),
                       secret_len(script));
}
