#include "server/base/scrub.h"

#include "server/base/text.h"

#include <string.h>

/* The text under way, and where in it we are. */
struct scrub {
    struct buf *out;
    const char *text, *p;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_alnum(char c)
{
    return is_digit(c) || is_upper(c) || (c >= 'a' && c <= 'z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* What ids and tokens are made of. */
static bool is_word(char c)
{
    return is_alnum(c) || c == '_' || c == '-';
}

static size_t run(const char *s, bool (*in)(char c))
{
    size_t n = 0;

    while (s[n] != '\0' && in(s[n]))
        n++;
    return n;
}

static bool is_secretish(char c)
{
    return is_word(c) || c == '+' || c == '=';
}

static bool is_arn(char c)
{
    return c > ' ' && c != '"' && c != '\'' && c != ',' && c != ')' && c != ']' && c != '>';
}

static bool is_mail(char c)
{
    return is_word(c) || c == '.' || c == '+' || c == '%';
}

static bool is_ocid(char c)
{
    return is_word(c) || c == '.';
}

/* Does a word begin here? */
static bool at_start(const struct scrub *s)
{
    return s->p == s->text || !is_word(s->p[-1]);
}

static size_t replace(struct scrub *s, size_t len, const char *word)
{
    if (len > 0)
        buf_adds(s->out, word);
    return len;
}

/* ---- each returns how many bytes it took, 0 = nothing of its kind is here ---- */

static size_t take_pem(struct scrub *s)
{
    const char *end;

    if (!text_has_prefix(s->p, "-----BEGIN "))
        return 0;
    end = strstr(s->p + 11, "-----END ");
    end = end != NULL ? strstr(end + 9, "-----") : NULL;
    return replace(s, end != NULL ? (size_t)(end + 5 - s->p) : strlen(s->p), "[key]");
}

/* "arn:aws:iam::123456789012:role/x" */
static size_t take_arn(struct scrub *s)
{
    return at_start(s) && text_has_prefix(s->p, "arn:") ? replace(s, run(s->p, is_arn), "[arn]") : 0;
}

static size_t take_prefixed(struct scrub *s)
{
    static const struct {
        const char *prefix, *word;
        size_t least; /* bytes behind the prefix */
    } known[] = {
        {"AKIA", "[access key]", 12},
        {"ASIA", "[access key]", 12},
        {"AROA", "[account id]", 12},
        {"AIDA", "[account id]", 12},
        {"AGPA", "[account id]", 12},
        {"AIPA", "[account id]", 12},
        {"ANPA", "[account id]", 12},
        {"ABIA", "[access key]", 12},
        {"ACCA", "[access key]", 12},
        {"ghp_", "[token]", 8},
        {"gho_", "[token]", 8},
        {"ghu_", "[token]", 8},
        {"ghs_", "[token]", 1},
        {"ghr_", "[token]", 8},
        {"github_pat_", "[token]", 8},
        {"dop_v1_", "[token]", 8},
        {"doo_v1_", "[token]", 8},
        {"dor_v1_", "[token]", 8},
        {"ya29.", "[token]", 4},
        {"AIza", "[token]", 16},
        {"gAAAA", "[token]", 16},   /* Keystone's Fernet tokens */
        {"eyJ", "[token]", 8},      /* JSON in base64: JWTs, user-data */
        {"IyEv", "[user data]", 8}, /* "#!/" in base64 */
        {"subnet-", "[subnet]", 6},
        {"sg-", "[security group]", 6},
        {"vpc-", "[vpc]", 6},
        {"eni-", "[network interface]", 6},
        {"lt-", "[launch template]", 6},
        {"igw-", "[gateway]", 6},
        {"eipalloc-", "[address]", 6},
        {"key-0", "[key id]", 6},
        {"ocid1.", "[ocid]", 3},
    };

    for (size_t i = 0; at_start(s) && i < ARRAY_LEN(known); i++) {
        size_t len = strlen(known[i].prefix);

        if (text_has_prefix(s->p, known[i].prefix) && run(s->p + len, is_word) >= known[i].least)
            return replace(s, len + run(s->p + len, is_ocid), known[i].word);
    }
    return 0;
}

/* The value in "projects/NAME/", "resourceGroups/NAME", ...; the key stays. */
static size_t take_path(struct scrub *s)
{
    static const char *const keys[] = {"projects/",        "resourcegroups/", "subscriptions/", "tenants/",
                                       "serviceaccounts/", "vaults/",         "accounts/",      "virtualnetworks/",
                                       "subnets/",         "networks/",       "subnetworks/",   "compartments/"};

    for (size_t i = 0; at_start(s) && i < ARRAY_LEN(keys); i++) {
        size_t n = 0, len = strlen(keys[i]), value;

        while (n < len && text_lower(s->p[n]) == keys[i][n])
            n++;
        value = n == len ? run(s->p + len, is_mail) : 0;
        if (value == 0)
            continue;
        buf_add(s->out, s->p, len);
        return len + replace(s, value, "[…]");
    }
    return 0;
}

static bool is_secret_name(const char *p, size_t *len)
{
    static const char *const names[] = {"password",   "passwd",     "passphrase",    "secret",        "token",
                                        "api_key",    "api-key",    "apikey",        "credential",    "private_key",
                                        "access_key", "access-key", "authorization", "user_data",     "user-data",
                                        "userdata",   "signature",  "session_token", "client_secret", "bearer"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t n = 0;

        while (names[i][n] != '\0' && text_lower(p[n]) == names[i][n])
            n++;
        if (names[i][n] == '\0') {
            *len = n;
            return true;
        }
    }
    return false;
}

static bool is_value(char c)
{
    return c > ' ' && c != '"' && c != '\'' && c != ',' && c != ';' && c != '&' && c != ')';
}

/* "password=…", "token: …", "\"secret\": \"…\"", "Bearer …": what stands behind goes. */
static size_t take_named(struct scrub *s)
{
    size_t n = 0, at, len;
    bool bearer;

    if (!is_secret_name(s->p, &n))
        return 0;
    bearer = text_lower(s->p[0]) == 'b';
    n += run(s->p + n, is_word); /* secret_access_key, passwords */
    at = n;
    at += s->p[at] == '"' || s->p[at] == '\'' ? 1 : 0;
    at += s->p[at] == ' ' && (s->p[at + 1] == '=' || s->p[at + 1] == ':') ? 1 : 0;
    if (s->p[at] != '=' && s->p[at] != ':' && !(bearer && s->p[at] == ' '))
        return 0;
    at++;
    at += s->p[at] == ' ' ? 1 : 0;
    at += s->p[at] == '"' || s->p[at] == '\'' ? 1 : 0;
    len = run(s->p + at, is_value);
    if (len == 0)
        return 0;
    if (text_has_prefix(s->p + at, "Bearer ") || text_has_prefix(s->p + at, "Basic "))
        len += 1 + run(s->p + at + len + 1, is_value);
    buf_add(s->out, s->p, at);
    return at + replace(s, len, "[hidden]");
}

/* "https://user:password@host/path?query": the host and the path stay to be looked at as the rest is. */
static size_t take_url(struct scrub *s)
{
    size_t n = text_has_prefix(s->p, "https://") ? 8 : text_has_prefix(s->p, "http://") ? 7 : 0;
    size_t host, at;

    if (n == 0)
        return 0;
    host = strcspn(s->p + n, "/?# \"'<>)");
    for (at = 0; at < host && s->p[n + at] != '@'; at++)
        continue;
    buf_add(s->out, s->p, n);
    return n + (at < host ? at + 1 : 0);
}

static size_t take_query(struct scrub *s)
{
    if (s->p[0] != '?' || s->p == s->text || (!is_word(s->p[-1]) && s->p[-1] != '/') || !is_word(s->p[1]))
        return 0;
    buf_adds(s->out, "?");
    return 1 + replace(s, run(s->p + 1, is_arn), "[…]");
}

static size_t take_mail(struct scrub *s)
{
    size_t n = at_start(s) ? run(s->p, is_mail) : 0, domain;

    if (n == 0 || s->p[n] != '@')
        return 0;
    domain = run(s->p + n + 1, is_ocid);
    return domain >= 3 && memchr(s->p + n + 1, '.', domain) != NULL ? replace(s, n + 1 + domain, "[e-mail]") : 0;
}

static size_t take_uuid(struct scrub *s)
{
    static const size_t parts[] = {8, 4, 4, 4, 12};
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (i > 0 && s->p[n++] != '-')
            return 0;
        for (size_t k = 0; k < parts[i]; k++, n++) {
            if (!is_hex(s->p[n]))
                return 0;
        }
    }
    return is_alnum(s->p[n]) || (s->p > s->text && is_alnum(s->p[-1])) ? 0 : replace(s, n, "[id]");
}

/* "10.1.2.3", also "10.1.2.3:443" */
static size_t take_ipv4(struct scrub *s)
{
    size_t n = 0;

    if (s->p > s->text && (is_alnum(s->p[-1]) || s->p[-1] == '.' || s->p[-1] == '-' || s->p[-1] == '_'))
        return 0;
    for (int part = 0; part < 4; part++) {
        size_t digits;

        if (part > 0 && s->p[n++] != '.')
            return 0;
        digits = run(s->p + n, is_digit);
        if (digits < 1 || digits > 3)
            return 0;
        n += digits;
    }
    return is_word(s->p[n]) || (s->p[n] == '.' && is_alnum(s->p[n + 1])) ? 0 : replace(s, n, "[ip]");
}

static bool is_ipv6(char c)
{
    return is_hex(c) || c == ':';
}

/* At least two colons side by side or four in all, and hexadecimal between them. A time ("10:11:12") has two apart. */
static size_t take_ipv6(struct scrub *s)
{
    size_t n = run(s->p, is_ipv6), colons = 0;
    bool pair = false;

    if (s->p > s->text && (is_word(s->p[-1]) || s->p[-1] == ':'))
        return 0;
    for (size_t i = 0; i < n; i++) {
        colons += s->p[i] == ':' ? 1 : 0;
        pair = pair || (s->p[i] == ':' && i + 1 < n && s->p[i + 1] == ':');
    }
    if (is_word(s->p[n]) || n < 5 || !(colons >= 4 || (pair && colons >= 3)))
        return 0;
    return replace(s, n, "[ip]");
}

/* A word that is an account's number, or too random to be a name. */
static size_t take_word(struct scrub *s)
{
    size_t n = at_start(s) ? run(s->p, is_secretish) : 0, digits = 0, hex = 0, upper = 0, lower = 0;

    for (size_t i = 0; i < n; i++) {
        digits += is_digit(s->p[i]) ? 1 : 0;
        hex += is_hex(s->p[i]) ? 1 : 0;
        upper += is_upper(s->p[i]) ? 1 : 0;
        lower += s->p[i] >= 'a' && s->p[i] <= 'z' ? 1 : 0;
    }
    if (n >= 9 && digits == n)
        return replace(s, n, "[number]");
    if (n >= 32 && hex == n)
        return replace(s, n, "[id]");
    if (n >= 32 && digits > 0 && upper > 0 && lower > 0)
        return replace(s, n, "[hidden]");
    return 0;
}

/* A secret key may hold slashes, which take_word stops at. */
static size_t take_base64(struct scrub *s)
{
    size_t n = 0, digits = 0, upper = 0, lower = 0;

    if (!at_start(s))
        return 0;
    for (; is_alnum(s->p[n]) || s->p[n] == '+' || s->p[n] == '/' || s->p[n] == '='; n++) {
        digits += is_digit(s->p[n]) ? 1 : 0;
        upper += is_upper(s->p[n]) ? 1 : 0;
        lower += s->p[n] >= 'a' && s->p[n] <= 'z' ? 1 : 0;
    }
    return n >= 40 && digits >= 1 && upper >= 4 && lower >= 4 ? replace(s, n, "[hidden]") : 0;
}

void scrub_add(struct buf *out, const char *text)
{
    static size_t (*const takers[])(struct scrub *) = {take_pem,  take_arn,    take_prefixed, take_path, take_named,
                                                       take_url,  take_query,  take_mail,     take_uuid, take_ipv4,
                                                       take_ipv6, take_base64, take_word};
    struct scrub s = {out, text, text};

    while (*s.p != '\0') {
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_LEN(takers) && n == 0; i++)
            n = takers[i](&s);
        if (n == 0) {
            buf_addc(out, *s.p);
            n = 1;
        }
        s.p += n;
    }
}

/* ---- Markdown ---- */

/* The longest beginning of at most max bytes that ends between two characters. */
static size_t cut(const char *text, size_t max)
{
    size_t n = strnlen(text, max + 1);

    if (n <= max)
        return n;
    for (n = max; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80; n--)
        continue;
    return n;
}

void markdown_code(struct buf *out, const char *text, size_t max)
{
    size_t n = cut(text, max);

    buf_addc(out, '`');
    if (n == 0)
        buf_addc(out, '-');
    for (size_t i = 0; i < n; i++) {
        char c = text[i];

        if (c == '`')
            buf_addc(out, '\''); /* ends no span that way */
        else if (c == '|')
            buf_adds(out, "¦"); /* a bar ends a cell of a table */
        else
            buf_addc(out, (unsigned char)c < ' ' || c == 0x7f ? ' ' : c);
    }
    buf_adds(out, text[n] != '\0' ? "…`" : "`");
}

void markdown_plain(struct buf *out, const char *text, size_t max)
{
    size_t n = cut(text, max);

    for (size_t i = 0; i < n; i++) {
        char c = text[i];

        buf_addc(out, (unsigned char)c < ' ' || c == 0x7f ? ' ' : c);
        if (c == '@')
            buf_adds(out, "\xE2\x80\x8B"); /* a space without width: nobody is called */
    }
    if (text[n] != '\0')
        buf_adds(out, "…");
}
