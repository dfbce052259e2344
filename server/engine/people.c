#include "server/engine/people.h"

#include "server/base/cache.h"
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/users_json.h"

#include <stdio.h>
#include <string.h>

#define FACTS_MAX 8192
#define LISTS_MAX 64
#define KNOWN_MS (5 * 60 * 1000)
#define FAILED_MS (30 * 1000)
#define FETCH_MS (10 * 1000)
#define KEY_MAX ((size_t)1024)

struct people {
    struct people_conf c;
    struct cache *facts; /* struct fact by question */
    struct cache *lists; /* struct list by URL */
};

struct fact {
    struct err failed; /* kind != NONE: for good */
    bool yes;
    char role[ACCESS_ROLE_MAX];
};

struct list {
    struct err failed;
    struct users_json *users; /* NULL when it failed */
};

static void free_list(void *value)
{
    struct list *l = value;

    if (l == NULL)
        return;
    users_json_free(l->users);
    free(l);
}

struct people *people_new(const struct people_conf *c)
{
    struct people *p = mem_zalloc(sizeof(*p));

    p->c = *c;
    p->facts = cache_new(FACTS_MAX, free);
    p->lists = cache_new(LISTS_MAX, free_list);
    return p;
}

void people_free(struct people *p)
{
    if (p == NULL)
        return;
    cache_free(p->facts);
    cache_free(p->lists);
    free(p);
}

/* --- teams and roles --------------------------------------------------------------------------------------------- */

struct question {
    const struct people_of *of;
    const char *slug; /* NULL: the role is asked for */
    const struct access_person *who;
};

/* A permission that is missing is worth a sentence that says where to give it. */
static int explain(const struct question *q, struct err *e)
{
    if (q->slug == NULL)
        return err_wrap(e, "the role cannot be read");
    if (e->kind != ERR_AUTH)
        return err_wrap(e, "the team %s cannot be read", q->slug);
    return err_wrap(e,
                    "members of teams cannot be read; give the App the organisation permission \"Members: read\" and "
                    "accept it for the installation");
}

static int fill_fact(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct question *q = arg;
    struct github *github = q->of->people->c.github;
    struct fact fact = {.yes = false};
    struct fact *kept;
    int rc = q->slug != NULL ? github_team_has(github, &q->of->repo, q->slug, q->who->login, &fact.yes, &fact.failed)
                             : github_role_get(github, &q->of->repo, q->who->login, fact.role, &fact.failed);

    (void)key;
    if (rc == 0)
        fact.failed.kind = ERR_NONE;
    else if (explain(q, &fact.failed) && err_is_passing(&fact.failed)) {
        *e = fact.failed;
        return -1;
    }
    kept = mem_zalloc(sizeof(*kept));
    *kept = fact;
    out->value = kept;
    out->expires_ms = clock_now_ms() + (rc ? FAILED_MS : KNOWN_MS);
    return 0;
}

/* Names compare without case, so their keys do. */
static void add_lower(struct buf *b, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf_addc(b, text_lower(s[i]));
}

/* A team's members are asked for by organisation, a role by repository. */
static int ask_fact(struct question *q, struct cache_ref **ref, struct err *e)
{
    const struct github_repo *r = &q->of->repo;
    AUTO_BUF struct buf key = BUF_INIT(KEY_MAX);
    const struct fact *fact;
    const char *text;

    buf_addf(&key, "%lld\n", (long long)r->installation_id);
    add_lower(&key, r->repo, q->slug != NULL ? strcspn(r->repo, "/") : strlen(r->repo));
    buf_addf(&key, "\n%s\n", q->slug != NULL ? q->slug : "");
    add_lower(&key, q->who->login, strlen(q->who->login));
    if (buf_str(&key, &text, e) || cache_get(q->of->people->facts, text, fill_fact, q, ref, e))
        return -1;
    fact = cache_value(*ref);
    if (fact->failed.kind == ERR_NONE)
        return 0;
    *e = fact->failed;
    return -1;
}

static int in_team(void *arg, const char *slug, const struct access_person *who, bool *yes, struct err *e)
{
    struct question q = {arg, slug, who};
    AUTO_CACHE_REF struct cache_ref *ref = NULL;

    if (ask_fact(&q, &ref, e))
        return -1;
    *yes = ((const struct fact *)cache_value(ref))->yes;
    return 0;
}

static int role(void *arg, const struct access_person *who, char out[ACCESS_ROLE_MAX], struct err *e)
{
    struct question q = {arg, NULL, who};
    AUTO_CACHE_REF struct cache_ref *ref = NULL;

    if (ask_fact(&q, &ref, e))
        return -1;
    (void)snprintf(out, ACCESS_ROLE_MAX, "%s", ((const struct fact *)cache_value(ref))->role);
    return 0;
}

/* --- users_from_json --------------------------------------------------------------------------------------------- */

static bool only_of(const char *s, size_t len, const char *more)
{
    for (size_t i = 0; i < len; i++) {
        char c = text_lower(s[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && (c == '\0' || strchr(more, c) == NULL))
            return false;
    }
    return true;
}

/* A host as it stands in the URL, its port too unless it is the usual one. Nothing else may stand there: what could be
 * read in two ways is refused. */
int people_check_url(const struct people_conf *c, const char *url, struct err *e)
{
    const char *host = url + strlen("https://"), *rest;
    char name[256];
    size_t len;

    if (!text_has_prefix(url, "https://"))
        return err_set(e, ERR_INVALID, "users_from_json: only https:// addresses are read");
    len = strcspn(host, "/?#");
    rest = host + len;
    if (len == 0 || len >= sizeof(name) || !only_of(host, len, ".-:") ||
        !only_of(rest, strlen(rest), "/.-_~%?&=+,:;@!$*()'"))
        return err_set(e, ERR_INVALID,
                       "users_from_json: the address is not one that is read; it is like "
                       "https://host/path and holds no name, password or fragment");
    (void)snprintf(name, sizeof(name), "%.*s", (int)len, host);
    if (text_has_suffix(name, ":443"))
        name[len - 4] = '\0';
    for (size_t i = 0; i < c->n_hosts; i++) {
        if (text_ieq(c->hosts[i], name))
            return 0;
    }
    return err_set(e, ERR_INVALID,
                   "users_from_json: the host %s is not in the operator's list (policy.users_json_hosts)", name);
}

static int judge(const struct httpc_res *res, struct err *e)
{
    if (res->status == 200)
        return 0;
    if (res->status >= 500 || res->status == 429) {
        int rc = err_set(e, ERR_RETRY, "it was answered %d", res->status);

        e->retry_after_s = httpc_retry_after_s(res) > 0 ? httpc_retry_after_s(res) : 0;
        return rc;
    }
    return err_set(e, ERR_INVALID, "it was answered %d%s", res->status,
                   res->status >= 300 && res->status < 400 ? ", and redirects are not followed" : "");
}

static int fetch(struct people *p, const char *url, struct users_json **out, struct err *e)
{
    static const struct httpc_header accept = {"Accept", "application/json, text/plain"};
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    const struct httpc_req req = {.method = "GET",
                                  .url = url,
                                  .headers = &accept,
                                  .n_headers = 1,
                                  .timeout_ms = FETCH_MS,
                                  .max_answer = USERS_JSON_MAX,
                                  .once = true,
                                  .public_only = !p->c.private_hosts};

    if (p->c.http == NULL)
        return err_set(e, ERR_INVALID, "users_from_json is not read here");
    if (people_check_url(&p->c, url, e))
        return -1;
    if (httpc_do(p->c.http, &req, &res, e) || judge(&res, e) || users_json_parse(res.body.p, res.body.len, out, e))
        return err_wrap(e, "users_from_json");
    return 0;
}

/* Also a failure that may pass is kept a moment: a hundred jobs ask once. */
static int fill_list(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    struct list *l = mem_zalloc(sizeof(*l));
    int rc = fetch(arg, key, &l->users, &l->failed);

    (void)e;
    if (rc == 0)
        l->failed.kind = ERR_NONE;
    out->value = l;
    out->expires_ms = clock_now_ms() + (rc ? FAILED_MS : KNOWN_MS);
    return 0;
}

static int in_users(void *arg, const char *url, const struct access_person *who, bool *yes, struct err *e)
{
    const struct people_of *of = arg;
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    const struct list *l;

    if (cache_get(of->people->lists, url, fill_list, of->people, &ref, e))
        return -1;
    l = cache_value(ref);
    if (l->users == NULL) {
        *e = l->failed;
        return -1;
    }
    *yes = users_json_has(l->users, who->login, who->id);
    return 0;
}

void people_ask(struct people_of *q, struct access_ask *out)
{
    *out = (struct access_ask){.arg = q, .in_team = in_team, .role = role, .in_users = in_users};
}
