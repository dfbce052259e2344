/* The form's parameters against the action's shape: names, numbering, types, enumerations, what is required. */
#include "tests/sim/sim_ec2_priv.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_INDEX 1000

static char *decode(const char *s, size_t len)
{
    struct buf b = BUF_INIT(512 * 1024);
    char *out = NULL;

    if (sim_url_decode(s, len, true, &b) && (b.p == NULL || strlen(b.p) == b.len))
        out = mem_strdup(b.p != NULL ? b.p : "");
    buf_clear(&b);
    return out;
}

bool e2_form_parse(struct sim_ec2 *s, const struct sim_req *rq, struct e2_form *f, struct sim_res *rs)
{
    for (const char *p = rq->body; *p != '\0';) {
        size_t len = strcspn(p, "&"), key = strcspn(p, "=&");
        struct e2_param one = {.key = decode(p, key), .value = NULL};

        if (key < len)
            one.value = decode(p + key + 1, len - key - 1);
        if (one.key == NULL || one.value == NULL || e2_get(f, one.key) != NULL) {
            e2_violation(s, rq, "the form is broken or repeats a parameter near \"%.40s\"", p);
            free(one.key);
            free(one.value);
            return e2_refuse(rs, 400, "MalformedQueryString", "The query string is malformed.");
        }
        f->p = mem_realloc_array(f->p, f->n + 1, sizeof(*f->p));
        f->p[f->n++] = one;
        p += len + (p[len] == '&');
    }
    return true;
}

void e2_form_free(struct e2_form *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->p[i].key);
        free(f->p[i].value);
    }
    free(f->p);
}

const char *e2_get(const struct e2_form *f, const char *key)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->p[i].key, key) == 0)
            return f->p[i].value;
    return NULL;
}

const char *e2_getf(const struct e2_form *f, const char *fmt, ...)
{
    char key[200];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(key, sizeof(key), fmt, ap);
    va_end(ap);
    return e2_get(f, key);
}

int e2_get_int(const struct e2_form *f, const char *key, int fallback)
{
    const char *v = e2_get(f, key);

    return v != NULL ? (int)strtol(v, NULL, 10) : fallback;
}

bool e2_get_bool(const struct e2_form *f, const char *key, bool fallback)
{
    const char *v = e2_get(f, key);

    return v != NULL ? strcmp(v, "true") == 0 : fallback;
}

bool e2_has_prefix(const struct e2_form *f, const char *prefix)
{
    for (size_t i = 0; i < f->n; i++)
        if (strncmp(f->p[i].key, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

bool e2_filter_matches(const struct e2_form *f, int filter, const char *actual)
{
    const char *v;

    for (int k = 1; (v = e2_getf(f, "Filter.%d.Value.%d", filter, k)) != NULL; k++)
        if (sim_glob(v, actual))
            return true;
    return false;
}

/* ---- against the shape ---- */

static size_t digits(const char *s)
{
    return strspn(s, "0123456789");
}

/* "Filter.2.Value.1" against "Filter.N.Value.N". */
static bool path_fits(const char *path, const char *key)
{
    while (*path != '\0') {
        size_t pl = strcspn(path, "."), kl = strcspn(key, ".");
        bool index = pl == 1 && *path == 'N';

        if (index ? kl == 0 || digits(key) != kl || *key == '0' : pl != kl || memcmp(path, key, pl) != 0)
            return false;
        path += pl;
        key += kl;
        if (*path != *key)
            return false;
        path += *path == '.';
        key += *key == '.';
    }
    return *key == '\0';
}

static const struct ec2_param *shape_of(const struct ec2_action *a, const char *key)
{
    for (const struct ec2_param *p = a->params; p->path != NULL; p++)
        if (path_fits(p->path, key))
            return p;
    return NULL;
}

static bool word_in(const char *words, const char *w)
{
    size_t len = strlen(w);

    for (const char *p = strstr(words, w); p != NULL && len > 0; p = strstr(p + 1, w))
        if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
            return true;
    return false;
}

static bool value_fits(const struct ec2_param *p, const char *v)
{
    switch (p->type) {
    case EC2_I:
        v += *v == '-';
        return *v != '\0' && v[digits(v)] == '\0';
    case EC2_B:
        return strcmp(v, "true") == 0 || strcmp(v, "false") == 0;
    case EC2_D:
        return strspn(v, "0123456789.-") == strlen(v) && *v != '\0';
    case EC2_T:
        return strlen(v) >= 20 && v[10] == 'T';
    case EC2_S:
        break;
    }
    return p->values == NULL || word_in(p->values, v);
}

/* Lists are numbered from 1 without gaps: for "A.3.B" there must be something under "A.2." too. */
static bool numbered_without_gap(const struct e2_form *f, const char *key)
{
    char before[256];

    for (const char *p = strchr(key, '.'); p != NULL; p = strchr(p + 1, '.')) {
        int n = digits(p + 1) > 0 ? (int)strtol(p + 1, NULL, 10) : 0;
        const char *v;

        if (n <= 1)
            continue;
        (void)snprintf(before, sizeof(before), "%.*s%d", (int)(p + 1 - key), key, n - 1);
        v = e2_get(f, before);
        (void)snprintf(before, sizeof(before), "%.*s%d.", (int)(p + 1 - key), key, n - 1);
        if (n > MAX_INDEX || (v == NULL && !e2_has_prefix(f, before)))
            return false;
    }
    return true;
}

/* Is the parameter required in this form? Then *key is the name that must be there. Items of lists are not looked into.
 */
static bool required_key(const struct ec2_param *p, const struct e2_form *f, char *key, size_t size)
{
    const char *last = strrchr(p->path, '.');
    char parent[200];

    (void)snprintf(key, size, "%s", p->path);
    if (!p->required || last == NULL)
        return p->required;
    if (strcmp(last, ".N") == 0) {
        key[strlen(key) - 1] = '1';
        return strchr(p->path, '.') == last;
    }
    (void)snprintf(parent, sizeof(parent), "%.*s", (int)(last - p->path) + 1, p->path);
    return strstr(parent, ".N.") == NULL && e2_has_prefix(f, parent);
}

static bool required_present(struct sim_ec2 *s, const struct sim_req *rq, const struct ec2_action *a,
                             const struct e2_form *f, struct sim_res *rs)
{
    char key[200];

    for (const struct ec2_param *p = a->params; p->path != NULL; p++) {
        if (!required_key(p, f, key, sizeof(key)) || e2_get(f, key) != NULL)
            continue;
        e2_violation(s, rq, "%s is missing", key);
        return e2_refuse(rs, 400, "MissingParameter", "The request must contain the parameter %s", key);
    }
    return true;
}

bool e2_form_check(struct sim_ec2 *s, const struct sim_req *rq, const struct ec2_action *a, const struct e2_form *f,
                   struct sim_res *rs)
{
    for (size_t i = 0; i < f->n; i++) {
        const char *key = f->p[i].key, *value = f->p[i].value;
        const struct ec2_param *p;

        if (strcmp(key, "Action") == 0 || strcmp(key, "Version") == 0)
            continue;
        p = shape_of(a, key);
        if (p == NULL) {
            e2_violation(s, rq, "%s has no parameter %s", a->name, key);
            return e2_refuse(rs, 400, "UnknownParameter", "The parameter %s is not recognized", key);
        }
        if (!value_fits(p, value)) {
            e2_violation(s, rq, "%s: bad value \"%.60s\"", key, value);
            return e2_refuse(rs, 400, "InvalidParameterValue", "Value (%.100s) for parameter %s is invalid.", value,
                             key);
        }
        if (!numbered_without_gap(f, key)) {
            e2_violation(s, rq, "%s: list items are not numbered from 1 without gaps", key);
            return e2_refuse(rs, 400, "InvalidParameterValue", "Invalid list index in %s.", key);
        }
    }
    return required_present(s, rq, a, f, rs);
}
