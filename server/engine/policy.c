#include "server/engine/policy.h"

#include "providers/registry.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define SHOWN 4 /* patterns that a sentence names */

static void read_list(const struct conf *section, const char *name, struct policy_list *out)
{
    *out = (struct policy_list){.set = conf_has(section, name)};
    if (out->set)
        out->n = conf_list(section, name, &out->patterns);
}

void policy_read(const struct conf *section, struct policy *out)
{
    *out = (struct policy){.privileged = conf_bool(section, "allow_privileged"), .max_hourly_price = -1};
    read_list(section, "allowed_clouds", &out->clouds);
    read_list(section, "allowed_instance_types", &out->types);
    read_list(section, "allowed_regions", &out->regions);
    read_list(section, "allowed_images", &out->images);
    if (conf_has(section, "max_hourly_price"))
        out->max_hourly_price = conf_number(section, "max_hourly_price");
}

/* --- patterns --------------------------------------------------------------------------------------------------- */

static bool same(char a, char b, bool any_case)
{
    return any_case ? text_lower(a) == text_lower(b) : a == b;
}

/* The next character of s, in UTF-8. */
static const char *next(const char *s)
{
    s++;
    while (((unsigned char)*s & 0xC0) == 0x80)
        s++;
    return s;
}

/* As text_glob, but that '?' stands for no '*', and case may not count. */
static bool fits(const char *pattern, const char *s, bool any_case)
{
    const char *after_star = NULL, *retry = NULL;

    while (*s != '\0') {
        if (*pattern == '*') {
            after_star = ++pattern;
            retry = s;
        } else if (*pattern == '?' && *s != '*') {
            pattern++;
            s = next(s);
        } else if (*pattern != '?' && *pattern != '\0' && same(*pattern, *s, any_case)) {
            pattern++;
            s++;
        } else if (after_star != NULL) {
            pattern = after_star;
            s = retry = next(retry);
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static bool allows(const struct policy_list *list, const struct fact *f)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->patterns[i], "*") == 0)
            return true; /* whatever it turns out to be */
        for (size_t k = 0; k < f->n; k++) {
            if (fits(list->patterns[i], f->names[k], f->any_case))
                return true;
        }
    }
    return false;
}

static void show(const struct policy_list *list, char *out, size_t size)
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < list->n && i < SHOWN && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%.60s", i > 0 ? ", " : "", list->patterns[i]);
    if (list->n > SHOWN && at < size)
        (void)snprintf(out + at, size - at, ", ...");
    if (list->n == 0)
        (void)snprintf(out, size, "none");
}

/* --- rules ------------------------------------------------------------------------------------------------------ */

static int judge_cloud(const struct policy *p, const struct machine_spec *s, struct err *e)
{
    char shown[320];

    if (!p->clouds.set)
        return 0;
    for (size_t i = 0; i < p->clouds.n; i++) {
        const struct provider_ops *named = registry_find(p->clouds.patterns[i]);

        if (fits(named != NULL ? named->name : p->clouds.patterns[i], s->cloud, false))
            return 0;
    }
    show(&p->clouds, shown, sizeof(shown));
    return err_set(e, ERR_INVALID, "policy.allowed_clouds does not allow cloud %.40s (allowed: %s)", s->cloud, shown);
}

static int judge_list(const struct policy_list *list, const char *rule, const char *what, const struct fact *f,
                      struct err *e)
{
    char shown[320];

    if (!list->set || allows(list, f))
        return 0;
    show(list, shown, sizeof(shown));
    if (f->n == 0)
        return err_set(e, ERR_INVALID,
                       "policy.%s: the %s would be the cloud's own choice, which cannot be judged: name one (allowed: "
                       "%s)",
                       rule, what, shown);
    return err_set(e, ERR_INVALID, "policy.%s does not allow %s %.120s (allowed: %s)", rule, what, f->names[0], shown);
}

static int judge_price(const struct policy *p, const struct machine_spec *s, double price, struct err *e)
{
    const char *type = s->instance_type != NULL ? s->instance_type : "this machine";

    if (p->max_hourly_price < 0 || (price < 0 && p->offline) || (price >= 0 && price <= p->max_hourly_price))
        return 0;
    if (price < 0)
        return err_set(e, ERR_INVALID,
                       "policy.max_hourly_price: what %.60s costs on %.40s is not known, so that it cannot be held "
                       "against the %.4g USD an hour that are allowed",
                       type, s->cloud, p->max_hourly_price);
    return err_set(e, ERR_INVALID, "policy.max_hourly_price allows %.4g USD an hour, and %.60s on %.40s costs %.4g",
                   p->max_hourly_price, type, s->cloud, price);
}

/* Rights that come with an image which the operator named himself are his own word. */
static int judge_rights(const struct policy *p, const struct machine_facts *f, struct err *e)
{
    if (f->rights == NULL || p->privileged || p->images.set)
        return 0;
    return err_set(e, ERR_INVALID,
                   "%s: policy.allow_privileged does not allow it, and policy.allowed_images does not name it",
                   f->rights);
}

int policy_judge(const struct policy *p, const struct machine_spec *s, const struct machine_facts *f, double price,
                 struct err *e)
{
    if (judge_cloud(p, s, e) || judge_list(&p->types, "allowed_instance_types", "instance_type", &f->type, e) ||
        (!f->no_regions && judge_list(&p->regions, "allowed_regions", "region", &f->region, e)) ||
        judge_list(&p->images, "allowed_images", "image", &f->image, e) || judge_rights(p, f, e))
        return -1;
    return judge_price(p, s, price, e);
}

/* --- a candidate ------------------------------------------------------------------------------------------------ */

static int plain_facts(const struct machine_spec *s, struct machine_facts *out, struct err *e)
{
    memset(out, 0, sizeof(*out));
    return (s->region != NULL && fact_add(&out->region, e, "%s", s->region)) ||
                   (s->instance_type != NULL && fact_add(&out->type, e, "%s", s->instance_type)) ||
                   (s->image != NULL && fact_add(&out->image, e, "%s", s->image))
               ? -1
               : 0;
}

int policy_check(const struct policy *p, const struct provider_ops *ops, struct provider *provider,
                 const struct machine_spec *s, double price, struct err *e)
{
    struct machine_facts facts;

    if (p == NULL)
        return 0;
    if (ops == NULL || judge_cloud(p, s, e))
        return ops == NULL ? judge_cloud(p, s, e) : -1;
    if (!p->types.set && !p->regions.set && !p->images.set && p->privileged)
        return judge_price(p, s, price, e);
    if (ops->facts != NULL ? ops->facts(provider, s, &facts, e) : plain_facts(s, &facts, e))
        return -1;
    return policy_judge(p, s, &facts, price, e);
}
