/*
 * What the clouds' own checks say of each candidate (provider_ops.check, no network), each at the value that it is
 * about. Which value that is shows by trial: with the value taken out, or a sound one in its place, the check passes or
 * says something else. Then it is left like that, so that the next mistake is found too.
 */
#include "providers/registry.h"
#include "server/base/json.h"
#include "server/base/text.h"
#include "server/config/cirun_lint_int.h"
#include "server/config/plan.h"
#include "server/config/server_conf.h"

#include <stdio.h>
#include <string.h>

#define MAX_TRIALS 20000 /* of a file */
#define MAX_MISTAKES 8   /* of a candidate */

/* What each cloud takes for sound. */
static const struct sound {
    const char *cloud, *type, *image, *region;
} sounds[] = {{"aws", "m5.large", "ubuntu2204", "us-east-1"},
              {"gcp", "n1-standard-2", "ubuntu2204", "us-central1-a"},
              {"azure", "Standard_D2s_v5", "ubuntu2204", "eastus"},
              {"digitalocean", "s-2vcpu-4gb", "ubuntu-24-04-x64", "nyc3"},
              {"openstack", "m1.small", "ubuntu", NULL},
              {"oracle", "VM.Standard2.1", "ubuntu2204", "us-ashburn-1"},
              {"vast_ai", "1xRTX_4090", "ubuntu:22.04", NULL},
              {"on_prem", "2vcpu-4gb-20gb", "ubuntu:22.04", NULL}};

struct trial {
    struct lint *l;
    const struct cirun_runner *r;
    const struct provider_ops *ops;
    struct provider *p;
    const char *rule; /* that a refusal breaks */
    const struct sound *sound;
    json_t *extra; /* of the candidate under examination, without what was already found */
    size_t *n_trials;
};

static const char *no_environment(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

/* What the check says; an empty text: it passes. */
static void say(const struct trial *t, const struct machine_spec *s, char out[sizeof(((struct err *)0)->msg)])
{
    struct err e;

    *t->n_trials += 1;
    out[0] = '\0';
    if (t->ops->check(t->p, s, &e))
        (void)snprintf(out, sizeof(e.msg), "%s", e.msg);
}

typedef char said[sizeof(((struct err *)0)->msg)];

/* ---- extra_config: which of its members ---- */

/* Does the check, without this member, say what it says without the whole? */
static bool is_member(const struct trial *t, const struct machine_spec *s, json_t *map, const char *key,
                      const char *without)
{
    json_t *member = json_incref(json_object_get(map, key));
    said now;

    (void)json_object_del(map, key);
    say(t, s, now);
    (void)json_object_set_new(map, key, member);
    return strcmp(now, without) == 0;
}

/* The first element with which the list fails, tried as a list of ever more; NULL: it is the list itself. */
static const struct yaml_node *find_element(const struct trial *t, const struct machine_spec *s, json_t *parent,
                                            const char *key, const struct yaml_node *list, const char *without)
{
    json_t *whole = json_incref(json_object_get(parent, key)), *some = json_array();
    const struct yaml_node *found = NULL;
    said now;

    (void)json_object_set_new(parent, key, some);
    for (size_t i = 0; found == NULL && i < json_array_size(whole) && i < list->n; i++) {
        (void)json_array_append(some, json_array_get(whole, i));
        say(t, s, now);
        if (strcmp(now, without) != 0)
            found = list->items[i];
    }
    (void)json_object_set_new(parent, key, whole);
    return found;
}

/* The deepest member below a key that the check is about. */
static const struct yaml_node *narrow(const struct trial *t, const struct machine_spec *s, json_t *parent,
                                      const struct yaml_pair *pair, const char *without)
{
    json_t *value = json_object_get(parent, pair->key->text);
    const struct yaml_node *n = pair->value, *found;

    if (n->kind == YAML_LIST && json_is_array(value)) {
        found = find_element(t, s, parent, pair->key->text, n, without);
        return found != NULL ? found : pair->key;
    }
    for (size_t i = 0; n->kind == YAML_MAP && json_is_object(value) && i < n->n; i++) {
        if (is_member(t, s, value, n->pairs[i].key->text, without))
            return narrow(t, s, value, &n->pairs[i], without);
    }
    return n->kind == YAML_SCALAR ? n : pair->key;
}

/* Take out the member of extra_config that it is about; NULL: none of them. */
static const struct yaml_node *try_extra(const struct trial *t, const struct machine_spec *s, const char *before)
{
    const struct yaml_node *map = t->r->extra, *found;

    for (size_t i = 0; map != NULL && i < map->n; i++) {
        const char *key = map->pairs[i].key->text;
        json_t *member = json_incref(json_object_get(t->extra, key));
        said without;

        if (member == NULL)
            continue;
        (void)json_object_del(t->extra, key);
        say(t, s, without);
        if (strcmp(without, before) == 0) {
            (void)json_object_set_new(t->extra, key, member);
            continue;
        }
        (void)json_object_set(t->extra, key, member);
        found = narrow(t, s, t->extra, &map->pairs[i], without);
        (void)json_object_del(t->extra, key);
        json_decref(member);
        return found;
    }
    return NULL;
}

/* ---- the other keys ---- */

static const char *os_of(const struct trial *t, const struct machine_spec *s)
{
    return plan_os(t->r, &(struct cirun_candidate){.instance_type = s->instance_type, .image = s->image});
}

/* Put a sound value in the place of one that it is about; NULL: none. */
static const struct yaml_node *try_keys(const struct trial *t, struct machine_spec *s, const char *before)
{
    const struct {
        const char *key, **field, *sound;
    } keys[] = {{"gpu", &s->gpu, NULL},
                {"machine_image", &s->image, t->sound->image},
                {"region", &s->region, t->sound->region},
                {"instance_type", &s->instance_type, t->sound->type}};
    said now;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *was = *keys[i].field;

        if (was == NULL)
            continue;
        *keys[i].field = keys[i].sound;
        s->os = os_of(t, s);
        say(t, s, now);
        if (strcmp(now, before) != 0)
            return lint_place(t->r, keys[i].key, was);
        *keys[i].field = was;
        s->os = os_of(t, s);
    }
    return NULL;
}

/* ---- one candidate ---- */

/* Was something said of this place, by the grammar or by us? Of EC2's disks cirun_lint_disks.c says all. */
static bool is_said(const struct lint *l, const struct yaml_node *at)
{
    for (size_t i = 0; i < l->out.n; i++) {
        if (l->diags[i].line == at->line && l->diags[i].column == at->column && l->diags[i].severity != CIRUN_NOTE)
            return true;
    }
    for (size_t i = 0; i < l->file->n_diags; i++) {
        const struct cirun_diag *d = &l->file->diags[i];

        if (d->line == at->line && d->column == at->column && d->severity != CIRUN_NOTE)
            return true;
    }
    return false;
}

static bool has_disk_finding(const struct lint *l, const struct cirun_runner *r)
{
    static const char *const rules[] = {"disk-option", "disk-limit", "disk-throughput", "device-repeated"};

    for (size_t i = 0; i < l->out.n; i++) {
        for (size_t k = 0; k < ARRAY_LEN(rules); k++) {
            if (l->diags[i].line >= r->line && strcmp(l->diags[i].rule, rules[k]) == 0)
                return true;
        }
    }
    return false;
}

static struct machine_spec spec_of(const struct trial *t, const struct cirun_candidate *c)
{
    return (struct machine_spec){.cloud = t->r->cloud,
                                 .region = c->region != NULL || t->l->opts->conf != NULL ? c->region : t->sound->region,
                                 .instance_type = c->instance_type,
                                 .image = c->image,
                                 .gpu = t->r->gpu,
                                 .gpus = t->r->gpus,
                                 .gpu_memory_gb = t->r->gpu_memory_gb,
                                 .os = plan_os(t->r, c),
                                 .spot = c->spot,
                                 .extra = t->extra};
}

static void check_candidate(struct trial *t, const struct cirun_candidate *c)
{
    AUTO_JSON json_t *extra = t->r->extra != NULL ? cirun_extra_json(t->r->cloud, t->r->extra) : json_object();
    struct machine_spec s;

    t->extra = extra;
    s = spec_of(t, c);
    if (has_disk_finding(t->l, t->r))
        (void)json_object_del(extra, "BlockDeviceMappings");
    for (int i = 0; i < MAX_MISTAKES && *t->n_trials < MAX_TRIALS; i++) {
        const struct yaml_node *at;
        said what;

        say(t, &s, what);
        if (what[0] == '\0')
            return;
        at = try_extra(t, &s, what);
        at = at != NULL ? at : try_keys(t, &s, what);
        if (!is_said(t->l, at != NULL ? at : t->r->node))
            lint_say(t->l, at != NULL ? at : t->r->node, t->rule, "%s", what);
        if (at == NULL)
            return;
    }
}

/* Which rules of the operator's policy forbid a candidate, each at the value that it judges. */
static void judge_candidate(struct trial *t, const struct cirun_candidate *c)
{
    AUTO_JSON json_t *extra = t->r->extra != NULL ? cirun_extra_json(t->r->cloud, t->r->extra) : json_object();
    struct machine_spec s;
    struct err e;
    int rc = 0;

    t->extra = extra;
    s = spec_of(t, c);
    if (t->ops->check(t->p, &s, &e))
        return; /* as it is, nothing can be said of it */
    for (size_t rule = 0; rc <= 0; rule++) {
        const char *key = "cloud", *value;
        const struct yaml_node *at;

        rc = t->l->opts->judge(t->l->opts->judge_arg, rule, t->ops, t->p, &s, &key, &e);
        if (rc >= 0)
            continue;
        value = strcmp(key, "region") == 0 ? s.region : strcmp(key, "machine_image") == 0 ? s.image : s.instance_type;
        at = lint_place(t->r, key, value);
        if (!is_said(t->l, at))
            lint_say(t->l, at, "policy-refused", "the operator's policy refuses this: %s", e.msg);
    }
}

static void check_runner(struct trial *t)
{
    for (size_t i = 0; i < t->r->n_candidates; i++) {
        const struct cirun_candidate *c = &t->r->candidates[i];

        if (c->instance_type == NULL || c->image == NULL)
            continue;
        check_candidate(t, c);
        if (t->l->opts->judge != NULL)
            judge_candidate(t, c);
    }
}

/* ---- accounts ---- */

static const struct conf *account_of(const struct server_conf *conf, const char *cloud)
{
    for (size_t i = 0; i < conf->n_clouds; i++) {
        if (strcmp(conf->clouds[i].ops->name, cloud) == 0)
            return conf->clouds[i].conf;
    }
    return NULL;
}

/* An account of which nothing is known; on_prem has to have both of its kinds to check them. */
static int make_account(const struct provider_ops *ops, struct conf **out, struct err *e)
{
    AUTO_CONF struct conf *c = conf_new(ops->name, ops->account_keys);

    if (strcmp(ops->name, "on_prem") == 0 && (conf_set(c, "docker_host", "unix:///var/run/docker.sock", "check", e) ||
                                              conf_set(c, "agent_token", "not a token, for a check only", "check", e)))
        return -1;
    *out = c;
    c = NULL;
    return 0;
}

/* All runners of a cloud, by a provider that may or may not give jobs their host. */
static void check_with(struct trial *t, const struct conf *account, bool privileged)
{
    const struct provider_env env = {.deployment = "muster",
                                     .allow_privileged = privileged,
                                     .getenv_fn = t->l->opts->conf != NULL ? conf_getenv_process : no_environment};
    struct err ignored;

    if (t->ops->open(account, &env, &t->p, &ignored))
        return;
    for (size_t i = 0; i < t->l->file->n_read; i++) {
        t->r = &t->l->file->runners[i];
        if (t->r->cloud != NULL && strcmp(t->r->cloud, t->sound->cloud) == 0)
            check_runner(t);
    }
    t->ops->close(t->p);
}

static void check_cloud(struct lint *l, const struct sound *sound, size_t *n_trials)
{
    const struct server_conf *conf = l->opts->conf;
    struct trial t = {
        .l = l, .ops = registry_find(sound->cloud), .rule = "candidate-refused", .sound = sound, .n_trials = n_trials};
    AUTO_CONF struct conf *made = NULL;
    const struct conf *account = conf != NULL ? account_of(conf, sound->cloud) : NULL;
    struct err ignored;

    if (t.ops == NULL || (account == NULL && make_account(t.ops, &made, &ignored)))
        return;
    account = account != NULL ? account : made;
    check_with(&t, account, true);
    if (conf == NULL || conf_bool(conf->policy, "allow_privileged"))
        return;
    t.rule = "policy-refused"; /* what it refuses now and did not before */
    check_with(&t, account, false);
}

static bool uses(const struct cirun_yml *c, const char *cloud)
{
    for (size_t i = 0; i < c->n_read; i++) {
        if (c->runners[i].cloud != NULL && strcmp(c->runners[i].cloud, cloud) == 0)
            return true;
    }
    return false;
}

void lint_clouds(struct lint *l)
{
    size_t n_trials = 0;

    for (size_t i = 0; i < ARRAY_LEN(sounds); i++) {
        if (uses(l->file, sounds[i].cloud))
            check_cloud(l, &sounds[i], &n_trials);
    }
}
