#include "server/base/conf_value.h"

#include "server/base/mem.h"
#include "server/base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_CHOICES 16

void conf_value_clear(struct conf_value *v)
{
    free(v->text);
    for (size_t i = 0; v->items != NULL && i < v->n; i++)
        free(v->items[i]);
    free(v->items);
    for (size_t i = 0; v->secrets != NULL && i < v->n; i++)
        secret_free(v->secrets[i]);
    free(v->secrets);
    free(v->origin);
    memset(v, 0, sizeof(*v));
}

void conf_value_move(struct conf_value *to, struct conf_value *from)
{
    conf_value_clear(to);
    *to = *from;
    memset(from, 0, sizeof(*from));
}

bool conf_is_secret(const struct conf_key *k)
{
    return k->type == CONF_SECRET || k->type == CONF_SECRETS;
}

static bool has_control(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    }
    return false;
}

static int set_string(struct conf_value *v, const char *text, struct err *e)
{
    if (has_control(text))
        return err_set(e, ERR_INVALID, "expected one line of text, found a control character");
    v->text = mem_strdup(text);
    return 0;
}

static int set_int(struct conf_value *v, const struct conf_key *k, const char *text, struct err *e)
{
    bool limited = k->min != 0 || k->max != 0;
    struct err ignored;

    if (text_i64(text, limited ? k->min : INT64_MIN, limited ? k->max : INT64_MAX, &v->i, &ignored) == 0)
        return 0;
    if (!limited)
        return err_set(e, ERR_INVALID, "expected a whole number, found \"%.60s\"", text);
    return err_set(e, ERR_INVALID, "expected a whole number from %lld to %lld, found \"%.60s\"", (long long)k->min,
                   (long long)k->max, text);
}

/* Decimal, not negative: no sign, no exponent, no spaces. */
static int set_number(struct conf_value *v, const char *text, struct err *e)
{
    size_t whole = strspn(text, "0123456789"), fraction = 0;
    const char *rest = text + whole;

    if (*rest == '.') {
        fraction = strspn(rest + 1, "0123456789");
        rest += fraction > 0 ? fraction + 1 : 0;
    }
    if (whole == 0 || whole > 15 || *rest != '\0')
        return err_set(e, ERR_INVALID, "expected a number such as 1.50, found \"%.60s\"", text);
    v->d = strtod(text, NULL);
    return 0;
}

/* 90000 ms as "90s": the largest unit that leaves no rest. */
static const char *duration_text(int64_t ms, char *out, size_t size)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;

    while (ms % units[i].ms != 0)
        i++;
    (void)snprintf(out, size, "%lld%s", (long long)(ms / units[i].ms), units[i].name);
    return out;
}

static int set_duration(struct conf_value *v, const struct conf_key *k, const char *text, struct err *e)
{
    char min[32], max[32];

    if (text_duration_ms(text, &v->i, e))
        return -1;
    if ((k->min == 0 && k->max == 0) || (v->i >= k->min && v->i <= k->max))
        return 0;
    return err_set(e, ERR_INVALID, "expected a duration from %s to %s, found \"%.60s\"",
                   duration_text(k->min, min, sizeof(min)), duration_text(k->max, max, sizeof(max)), text);
}

/* Digits only, 0 to 65535. */
static bool is_port(const char *s)
{
    struct err ignored;
    int64_t port;

    return text_i64(s, 0, 65535, &port, &ignored) == 0;
}

static bool is_host(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text_lower(s[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
            return false;
    }
    return true;
}

/* "host", "[v6]", each with ":port" or without, as far as `end`. port: with its colon, "" when there is none. */
static bool split_authority(const char *s, const char *end, size_t *host_len, char port[8])
{
    char text[INET6_ADDRSTRLEN + 1];
    struct in6_addr addr;
    const char *after;

    if (*s == '[') {
        after = memchr(s, ']', (size_t)(end - s));
        if (after == NULL || (size_t)(after - s) > sizeof(text))
            return false;
        (void)snprintf(text, sizeof(text), "%.*s", (int)(after - s - 1), s + 1);
        if (inet_pton(AF_INET6, text, &addr) != 1)
            return false;
        after++;
    } else {
        after = memchr(s, ':', (size_t)(end - s));
        if (after == NULL)
            after = end;
        if (!is_host(s, (size_t)(after - s)))
            return false;
    }
    *host_len = (size_t)(after - s);
    if ((after < end && *after != ':') || end - after > 6)
        return false;
    (void)snprintf(port, 8, "%.*s", (int)(end - after), after);
    return *port == '\0' || is_port(port + 1);
}

/* The text is not quoted: people paste URLs with passwords in them. */
static int set_url(struct conf_value *v, const char *text, struct err *e)
{
    const char *host = text_has_prefix(text, "https://")  ? text + 8
                       : text_has_prefix(text, "http://") ? text + 7
                                                          : NULL;
    size_t len = strlen(text), host_len = 0;
    char port[8];

    if (host == NULL)
        return err_set(e, ERR_INVALID, "expected a URL that begins with https:// or http://");
    if (strpbrk(text, "?#@") != NULL)
        return err_set(e, ERR_INVALID, "expected a URL without user, query or fragment (no '@', '?', '#')");
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
            return err_set(e, ERR_INVALID, "expected a URL of plain ASCII without spaces");
    }
    if (!split_authority(host, host + strcspn(host, "/"), &host_len, port) || host_len == 0 || strcmp(port, ":") == 0)
        return err_set(e, ERR_INVALID, "expected a URL with a host, and digits for the port if there is one");
    while (len > 0 && text[len - 1] == '/')
        len--;
    v->text = mem_strndup(text, len);
    return 0;
}

static int set_addr(struct conf_value *v, const char *text, struct err *e)
{
    char port[8];
    size_t host_len;

    if (!split_authority(text, text + strlen(text), &host_len, port) || strlen(port) < 2)
        return err_set(e, ERR_INVALID,
                       "expected an address such as 127.0.0.1:8080, [::1]:8080 or :8080, found \"%.60s\"", text);
    v->text = mem_strdup(text);
    return 0;
}

bool conf_next_word(const char **words, char out[64])
{
    const char *p = *words != NULL ? *words + strspn(*words, " ") : "";
    size_t len = strcspn(p, " ");

    (void)snprintf(out, 64, "%.*s", (int)len, p);
    *words = p + len;
    return len > 0;
}

static int set_enum(struct conf_value *v, const struct conf_key *k, const char *text, struct err *e)
{
    const char *choices = k->choices, *names[MAX_CHOICES], *near;
    char words[MAX_CHOICES][64];
    size_t n = 0;

    for (; n < MAX_CHOICES && conf_next_word(&choices, words[n]); n++) {
        names[n] = words[n];
        if (strcmp(words[n], text) == 0) {
            v->text = mem_strdup(text);
            return 0;
        }
    }
    near = text_nearest(text, names, n);
    return err_set(e, ERR_INVALID, "expected one of: %s; found \"%.60s\"%s%s%s", k->choices, text,
                   near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
}

int conf_value_add(struct conf_value *v, const struct conf_key *k, const char *text, size_t len, struct err *e)
{
    if (len == 0)
        return err_set(e, ERR_INVALID, "an element is empty");
    if (memchr(text, '\0', len) != NULL)
        return err_set(e, ERR_INVALID, "holds a NUL character");
    if (k->type == CONF_LIST) {
        v->items = mem_realloc_array(v->items, v->n + 1, sizeof(*v->items));
        v->items[v->n++] = mem_strndup(text, len);
    } else {
        v->secrets = mem_realloc_array(v->secrets, v->n + 1, sizeof(*v->secrets));
        v->secrets[v->n++] = secret_new(text, len);
    }
    v->set = true;
    return 0;
}

/* Add the parts between separators: list elements without the spaces around them, secrets as they are, one a line. */
static int add_parts(struct conf_value *v, const struct conf_key *k, const char *text, struct err *e)
{
    const char separator = k->type == CONF_LIST ? ',' : '\n', *blank = k->type == CONF_LIST ? " \t" : "\r";

    for (;;) {
        const char *sep = strchr(text, separator);
        size_t len = sep != NULL ? (size_t)(sep - text) : strlen(text), before = strspn(text, blank);

        before = before < len ? before : len;
        text += before;
        len -= before;
        while (len > 0 && strchr(blank, text[len - 1]) != NULL)
            len--;
        if ((len > 0 || k->type == CONF_LIST) && conf_value_add(v, k, text, len, e))
            return -1;
        if (sep == NULL)
            return v->n > 0 ? 0 : err_set(e, ERR_INVALID, "holds nothing but empty lines");
        text = sep + 1;
    }
}

static int parse_into(struct conf_value *v, const struct conf_key *k, const char *text, struct err *e)
{
    switch (k->type) {
    case CONF_STRING:
        return set_string(v, text, e);
    case CONF_SECRET:
        return conf_value_add(v, k, text, strlen(text), e);
    case CONF_SECRETS:
        return add_parts(v, k, text, e);
    case CONF_BOOL:
        return text_bool(text, &v->b, e);
    case CONF_INT:
        return set_int(v, k, text, e);
    case CONF_NUMBER:
        return set_number(v, text, e);
    case CONF_DURATION:
        return set_duration(v, k, text, e);
    case CONF_LIST:
        return add_parts(v, k, text, e);
    case CONF_URL:
        return set_url(v, text, e);
    case CONF_ADDR:
        return set_addr(v, text, e);
    case CONF_PATH:
        return set_string(v, text, e);
    case CONF_ENUM:
        return set_enum(v, k, text, e);
    }
    return err_set(e, ERR_BUG, "option %s has no type", k->name);
}

int conf_value_parse(struct conf_value *v, const struct conf_key *k, const char *text, struct err *e)
{
    if (parse_into(v, k, text, e))
        return -1;
    v->set = true;
    return 0;
}

/* The whole file into b, at most CONF_SECRET_FILE_MAX bytes. */
static int read_all(int fd, struct buf *b, const char *path, struct err *e)
{
    char chunk[4096];
    const char *text;
    ssize_t n;

    while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, ERR_INVALID, errno, "cannot read %s", path);
        buf_add(b, chunk, (size_t)n);
        if (b->over)
            break;
    }
    explicit_bzero(chunk, sizeof(chunk));
    if (buf_str(b, &text, e))
        return err_set(e, ERR_INVALID, "%s is larger than %zu bytes: no secret is that long", path, b->max);
    return 0;
}

static int parse_file_text(struct conf_value *v, const struct conf_key *k, struct buf *b, struct err *e)
{
    while (b->len > 0 && (b->p[b->len - 1] == '\n' || b->p[b->len - 1] == '\r'))
        b->p[--b->len] = '\0';
    if (b->len == 0)
        return err_set(e, ERR_INVALID, "the file is empty");
    if (memchr(b->p, '\0', b->len) != NULL)
        return err_set(e, ERR_INVALID, "the file holds a NUL character");
    return conf_value_parse(v, k, b->p, e);
}

int conf_value_read(struct conf_value *v, const struct conf_key *k, const char *path, struct err *e)
{
    AUTO(buf_wipe) struct buf b = BUF_INIT(CONF_SECRET_FILE_MAX);
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

    if (fd < 0)
        return err_sys(e, ERR_INVALID, errno, "cannot open %s", path);
    buf_reserve(&b, b.max);
    rc = read_all(fd, &b, path, e);
    (void)close(fd);
    if (rc != 0)
        return -1;
    return parse_file_text(v, k, &b, e) ? err_wrap(e, "%s", path) : 0;
}
