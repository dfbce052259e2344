#include "tests/support/cloud_bed.h"

#include "providers/registry.h"
#include "server/base/mem.h"

#include <stdio.h>
#include <string.h>

const char bed_user_data[] = "#!/bin/sh\nMUSTER_JITCONFIG=one-time-credential-of-the-runner\n";

static void must(int rc, const struct err *e)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "%s\n", e->msg);
    abort();
}

/* "URL" and what follows it: the server's address. */
static const char *address(const struct bed *b, const char *value, char out[300])
{
    if (strncmp(value, "URL", 3) != 0)
        return value;
    (void)snprintf(out, 300, "%s%s", b->server != NULL ? raw_url(b->server) : "http://127.0.0.1:1", value + 3);
    return out;
}

/* Nothing but what the dialect says, and no metadata service. */
static const char *bed_environment(void *arg, const char *name)
{
    struct bed *b = arg;

    for (size_t i = 0; b->d->env != NULL && b->d->env[i][0] != NULL; i++) {
        if (strcmp(b->d->env[i][0], name) == 0)
            return address(b, b->d->env[i][1], b->env_text[i]);
    }
    return NULL;
}

/* Waiting costs no time: the test's clock stands still, and so does the deadline; it ends with its own count. */
static bool bed_pause(void *arg, int64_t ms)
{
    struct bed *b = arg;

    b->paused_ms += ms;
    return atomic_fetch_add(&b->pauses, 1) >= b->max_pauses;
}

static void set(struct bed *b, const char *name, const char *value)
{
    char text[300];
    struct err e;

    must(conf_set(b->acct, name, address(b, value, text), "the test", &e), &e);
}

struct bed *bed_open(const struct fake_dialect *d, const struct bed_setting *more, size_t n_more)
{
    struct bed *b = mem_zalloc(sizeof(*b));
    struct err e;

    b->d = d;
    b->ops = registry_find(d->name);
    if (b->ops == NULL)
        abort();
    fake_init(&b->cloud, d);
    b->server = raw_start(&(struct raw_conf){.handler = fake_handle, .arg = &b->cloud});
    b->http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    b->acct = conf_new("clouds.test", b->ops->account_keys);
    for (size_t i = 0; d->settings[i][0] != NULL; i++)
        set(b, d->settings[i][0], d->settings[i][1]);
    for (size_t i = 0; i < n_more; i++)
        set(b, more[i].name, more[i].value);
    b->env = (struct provider_env){.http = b->http,
                                   .deployment = BED_DEPLOYMENT,
                                   .getenv_fn = bed_environment,
                                   .getenv_arg = b,
                                   .timeout_ms = 20000,
                                   .pause = bed_pause,
                                   .pause_arg = b};
    b->max_pauses = 200;
    must(b->ops->open(b->acct, &b->env, &b->p, &e), &e);
    return b;
}

void bed_close(struct bed *b)
{
    if (b == NULL)
        return;
    raw_release(b->server);
    b->ops->close(b->p);
    httpc_free(b->http);
    raw_stop(b->server);
    conf_free(b->acct);
    (void)pthread_mutex_destroy(&b->cloud.lock);
    free(b);
}

void bed_close_ptr(struct bed **b)
{
    bed_close(*b);
}

void bed_reopen(struct bed *b, int timeout_ms)
{
    struct err e;

    b->ops->close(b->p);
    b->env.timeout_ms = timeout_ms;
    must(b->ops->open(b->acct, &b->env, &b->p, &e), &e);
}

void order_init(struct order *o, const struct bed *b, const char *name, const char *token)
{
    memset(o, 0, sizeof(*o));
    o->spec = (struct machine_spec){
        .cloud = b->d->name, .region = b->d->region, .instance_type = b->d->type, .image = b->d->image};
    o->tags[0] = (struct tag){TAG_DEPLOYMENT, BED_DEPLOYMENT};
    o->tags[1] = (struct tag){TAG_MACHINE, name};
    o->tags[2] = (struct tag){TAG_JOB, "123456789"};
    o->tags[3] = (struct tag){TAG_REPOSITORY, "octo/hello"};
    o->tags[4] = (struct tag){TAG_EXPIRES, "1714572000"};
    o->data = secret_new(bed_user_data, strlen(bed_user_data));
    o->r = (struct launch_request){
        .spec = &o->spec, .name = name, .token = token, .user_data = o->data, .tags = o->tags, .n_tags = 5};
}

void order_clear(struct order *o)
{
    secret_free(o->data);
    json_decref(o->extra);
}

int bed_launch(struct bed *b, const char *name, const char *token, struct instance *out, struct err *e)
{
    AUTO_ORDER struct order o;

    order_init(&o, b, name, token);
    return b->ops->launch(b->p, &o.r, out, e);
}

struct instance bed_ref(const struct bed *b, const char *id, const char *name)
{
    struct instance ref = {.why = ERR_NONE};

    (void)snprintf(ref.id, sizeof(ref.id), "%s", id);
    (void)snprintf(ref.region, sizeof(ref.region), "%s", b->d->region);
    (void)snprintf(ref.name, sizeof(ref.name), "%s", name);
    return ref;
}

int bed_see(void *arg, const struct instance *i, struct err *e)
{
    struct bed_seen *s = arg;

    if (s->stop_after > 0 && s->n == s->stop_after)
        return err_set(e, ERR_BUG, "enough");
    if (s->n == FAKE_MAX_MACHINES)
        abort();
    (void)snprintf(s->ids[s->n], sizeof(s->ids[0]), "%s", i->id);
    (void)snprintf(s->names[s->n], sizeof(s->names[0]), "%s", i->name);
    s->n++;
    return 0;
}
