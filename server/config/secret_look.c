#include "server/config/secret_look.h"

#include "server/base/attr.h"
#include "server/base/text.h"

#include <string.h>

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define MIN_VALUE 6

static const struct {
    const char *prefix, *tail; /* what it begins with, and of what characters the rest is */
    size_t least;              /* of these */
    const char *what;
} shapes[] = {{"ghp_", ALNUM, 20, "a token of GitHub"},
              {"gho_", ALNUM, 20, "a token of GitHub"},
              {"ghu_", ALNUM, 20, "a token of GitHub"},
              {"ghs_", ALNUM, 20, "a token of GitHub"},
              {"ghr_", ALNUM, 20, "a token of GitHub"},
              {"github_pat_", ALNUM "_", 22, "a token of GitHub"},
              {"glpat-", ALNUM "_-", 20, "a token of GitLab"},
              {"AKIA", UPPER, 16, "an access key of AWS"},
              {"ASIA", UPPER, 16, "an access key of AWS"},
              {"AIza", ALNUM "_-", 35, "an API key of Google"},
              {"GOCSPX-", ALNUM "_-", 20, "a client secret of Google"},
              {"xoxb-", ALNUM "-", 10, "a token of Slack"},
              {"xoxp-", ALNUM "-", 10, "a token of Slack"},
              {"xoxa-", ALNUM "-", 10, "a token of Slack"},
              {"sk-ant-", ALNUM "_-", 20, "an API key"},
              {"sk-", ALNUM "_-", 32, "an API key"},
              {"sk_live_", ALNUM, 16, "an API key"},
              {"rk_live_", ALNUM, 16, "an API key"},
              {"hf_", ALNUM, 30, "a token of Hugging Face"},
              {"npm_", ALNUM, 36, "a token of npm"},
              {"pypi-AgE", ALNUM "_-", 20, "a token of PyPI"},
              {"dop_v1_", ALNUM, 40, "a token of DigitalOcean"},
              {"dckr_pat_", ALNUM "_-", 20, "a token of Docker Hub"},
              {"AGE-SECRET-KEY-1", UPPER, 20, "a private key"}};

/* Length of the run of characters of the set, at most len. */
static size_t run_of(const char *s, size_t len, const char *set)
{
    size_t n = 0;

    while (n < len && s[n] != '\0' && strchr(set, s[n]) != NULL)
        n++;
    return n;
}

static bool begins(const char *s, size_t len, const char *prefix)
{
    size_t n = strlen(prefix);

    return n <= len && memcmp(s, prefix, n) == 0;
}

/* Three parts of base64url between dots, the first two of them JSON: {" begins as eyJ. */
static size_t jwt_at(const char *s, size_t len)
{
    size_t head, body, end;

    if (!begins(s, len, "eyJ"))
        return 0;
    head = run_of(s, len, ALNUM "_-");
    if (head < 10 || !begins(s + head, len - head, ".eyJ"))
        return 0;
    body = head + 1 + run_of(s + head + 1, len - head - 1, ALNUM "_-");
    if (body >= len || s[body] != '.')
        return body;
    end = body + 1;
    return end + run_of(s + end, len - end, ALNUM "_-");
}

/* "-----BEGIN RSA PRIVATE KEY-----", with all that follows. */
static size_t pem_at(const char *s, size_t len)
{
    static const char *const kinds[] = {"", "RSA ", "EC ", "DSA ", "ENCRYPTED ", "OPENSSH "};

    if (!begins(s, len, "-----BEGIN "))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t n = strlen("-----BEGIN ") + strlen(kinds[i]);

        if (begins(s + strlen("-----BEGIN "), len - strlen("-----BEGIN "), kinds[i]) && n < len &&
            begins(s + n, len - n, "PRIVATE KEY"))
            return len;
    }
    return 0;
}

/* "://user:password@": the password. */
static bool password_at(const char *s, size_t len, struct secret_look *out)
{
    size_t user, password;

    if (!begins(s, len, "://"))
        return false;
    user = 3 + run_of(s + 3, len - 3, ALNUM "._~%-");
    if (user >= len || s[user] != ':')
        return false;
    user++;
    password = 0;
    while (user + password < len && strchr("@/ \t\"'\\{}<>$", s[user + password]) == NULL)
        password++;
    if (password < 3 || user + password >= len || s[user + password] != '@')
        return false;
    *out = (struct secret_look){user, password, "an address with a password"};
    return true;
}

/* A secret that begins at s. */
static bool shape_at(const char *s, size_t len, struct secret_look *out)
{
    size_t n;

    if (len == 0 || strchr("gAGxsrhnpde-", *s) == NULL) /* what any of them begins with */
        return false;
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        size_t head = strlen(shapes[i].prefix);

        if (!begins(s, len, shapes[i].prefix))
            continue;
        n = run_of(s + head, len - head, shapes[i].tail);
        if (n >= shapes[i].least) {
            *out = (struct secret_look){0, head + n, shapes[i].what};
            return true;
        }
    }
    if ((n = jwt_at(s, len)) > 0) {
        *out = (struct secret_look){0, n, "a signed token"};
        return true;
    }
    if ((n = pem_at(s, len)) > 0) {
        *out = (struct secret_look){0, n, "a private key"};
        return true;
    }
    return false;
}

static bool is_word(char c)
{
    return c != '\0' && strchr(ALNUM, c) != NULL;
}

bool secret_look_find(const char *s, size_t len, size_t from, struct secret_look *out)
{
    for (size_t i = from; i < len; i++) {
        bool found = s[i] == ':' ? password_at(s + i, len - i, out)
                                 : (i == 0 || !is_word(s[i - 1])) && shape_at(s + i, len - i, out);

        if (found) {
            out->at += i;
            return true;
        }
    }
    return false;
}

/* Is the word that ends the name this one, in any case? *rest: how long the name is before it. */
static bool ends_in(const char *name, size_t len, const char *word, size_t *rest)
{
    size_t n = strlen(word);

    if (n > len)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text_lower(name[len - n + i]) != word[i])
            return false;
    }
    if (n < len && strchr("_-.", name[len - n - 1]) == NULL)
        return false;
    *rest = n < len ? len - n - 1 : 0;
    return true;
}

bool secret_look_name(const char *name, size_t len)
{
    static const char *const last[] = {"secret",     "token",       "password",   "passwd",
                                       "passphrase", "credentials", "credential", "apikey"};
    static const char *const keys[] = {"api",     "access",     "private", "secret",
                                       "signing", "encryption", "auth",    "account"};
    size_t rest;

    for (size_t i = 0; i < ARRAY_LEN(last); i++) {
        if (ends_in(name, len, last[i], &rest))
            return true;
    }
    if (!ends_in(name, len, "key", &rest))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        size_t ignored;

        if (ends_in(name, rest, keys[i], &ignored))
            return true;
    }
    return false;
}

bool secret_look_value(const char *value)
{
    static const char *const placeholders[] = {"true", "false",    "none",  "null",   "changeme", "example",
                                               "xxx",  "redacted", "dummy", "secret", "password", "token"};
    size_t n = strlen(value);

    if (n < MIN_VALUE || strchr("/.~<*$", value[0]) != NULL || strspn(value, "0123456789.-") == n ||
        strspn(value, "xX*") == n || strstr(value, "://") != NULL || strstr(value, "${") != NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(placeholders); i++) {
        if (text_ieq(value, placeholders[i]))
            return false;
    }
    return true;
}

/* Where the value begins in a line "  - NAME: value" with the name of a secret; len: there is none. */
static size_t value_of_line(const char *s, size_t len)
{
    size_t at = run_of(s, len, " \t-\"'"), name = run_of(s + at, len - at, ALNUM "_.-"), end = at + name;

    end += end < len && strchr("\"'", s[end]) != NULL ? 1 : 0;
    if (name == 0 || end >= len || strchr(":=", s[end]) == NULL || !secret_look_name(s + at, name))
        return len;
    return end + 1 + run_of(s + end + 1, len - end - 1, " \t");
}

bool secret_look_line(const char *s, size_t len, size_t from, struct secret_look *out)
{
    size_t value = value_of_line(s, len);

    if (secret_look_find(s, len, from, out) && out->at < value)
        return true;
    if (from >= len || value >= len)
        return false;
    value = value > from ? value : from;
    *out = (struct secret_look){value, len - value, "a secret"};
    return true;
}
