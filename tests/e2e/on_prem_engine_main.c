/*
 * The on_prem provider against a real engine: one machine exactly, names, ends, refusals, a full host, GPUs.
 *   on_prem_engine SOCKET IMAGE docker|podman|gpu|pull
 * gpu: a Docker Engine whose GPU runtime is a stand-in that does nothing; the host is said to have eight GPUs.
 * pull: the image is in a registry that asks for the credentials of $DOCKER_CONFIG.
 */
#include "providers/common/docker.h"
#include "providers/common/docker_host.h"
#include "providers/registry.h"
#include "server/base/clock.h"
#include "server/base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DEPLOYMENT "engine-test"
#define GPUS 8

struct bench {
    const char *socket, *image, *mode;
    struct httpc *http;
    struct provider_env env;
    const struct provider_ops *ops;
    bool failed, logs_in;
};

struct account {
    struct conf *conf;
    struct provider *p;
};

static void must(int rc, const struct err *e)
{
    if (rc == 0)
        return;
    (void)printf("not ok on_prem_engine: %s\n", e->msg);
    exit(1);
}

/* *arg: may it see where Docker's own file is? Nothing else of the environment. */
static const char *little_env(void *arg, const char *name)
{
    return *(const bool *)arg && strcmp(name, "DOCKER_CONFIG") == 0 ? getenv(name) : NULL;
}

static bool nap(void *arg, int64_t ms)
{
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

    (void)arg;
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
    return false;
}

/* NAME=VALUE settings beyond the address and the network, ended by NULL. */
static struct account account_open(const struct bench *b, const char *const (*settings)[2])
{
    struct account a = {.conf = conf_new("clouds.on_prem", b->ops->account_keys)};
    char host[200];
    struct err e;

    (void)snprintf(host, sizeof(host), "unix://%s", b->socket);
    must(conf_set(a.conf, "docker_host", host, "test", &e), &e);
    must(conf_set(a.conf, "network", "host", "test", &e), &e);
    for (size_t i = 0; settings != NULL && settings[i][0] != NULL; i++)
        must(conf_set(a.conf, settings[i][0], settings[i][1], "test", &e), &e);
    must(b->ops->open(a.conf, &b->env, &a.p, &e), &e);
    return a;
}

static void account_close(const struct bench *b, struct account *a)
{
    b->ops->close(a->p);
    conf_free(a->conf);
}

static void said(void *arg, const char *text)
{
    (void)snprintf(arg, 200, "%s", text);
}

struct want {
    const char *name, *token, *type, *image, *gpu;
    const json_t *extra;
    char *told; /* 200 bytes for what it says meanwhile; NULL */
};

static int launch(const struct bench *b, struct provider *p, const struct want *w, struct instance *out, struct err *e)
{
    static const char script[] = "#!/bin/bash\nexec sleep 1000\n";
    AUTO_SECRET struct secret *data = secret_new(script, strlen(script));
    const struct machine_spec spec = {.cloud = "on_prem",
                                      .instance_type = w->type != NULL ? w->type : "1vcpu-1gb",
                                      .image = w->image != NULL ? w->image : b->image,
                                      .gpu = w->gpu,
                                      .extra = w->extra};
    const struct tag tags[] = {{TAG_DEPLOYMENT, DEPLOYMENT}, {TAG_MACHINE, w->name}, {TAG_EXPIRES, "1900000000"}};
    const struct launch_request r = {.spec = &spec,
                                     .name = w->name,
                                     .token = w->token != NULL ? w->token : w->name,
                                     .user_data = data,
                                     .tags = tags,
                                     .n_tags = ARRAY_LEN(tags),
                                     .say = w->told != NULL ? said : NULL,
                                     .say_arg = w->told};

    memset(e, 0, sizeof(*e));
    return b->ops->launch(p, &r, out, e);
}

static int count_one(void *arg, const struct instance *i, struct err *e)
{
    size_t *n = arg;

    (void)i;
    (void)e;
    ++*n;
    return 0;
}

static size_t alive(const struct bench *b, struct provider *p)
{
    size_t n = 0;
    struct err e;

    must(b->ops->list(p, NULL, count_one, &n, &e), &e);
    return n;
}

static enum instance_state state_of(const struct bench *b, struct provider *p, const struct instance *ref)
{
    struct instance got;
    struct err e;

    must(b->ops->describe(p, ref, &got, &e), &e);
    return got.state;
}

static int end_one(void *arg, const struct instance *i, struct err *e)
{
    void **both = arg;

    return ((const struct provider_ops *)both[0])->destroy(both[1], i, e);
}

static void end_all(const struct bench *b, struct provider *p)
{
    void *both[2] = {(void *)(uintptr_t)b->ops, p};
    struct err e;

    must(b->ops->list(p, NULL, end_one, both, &e), &e);
}

static void verdict(struct bench *b, const char *name, bool ok, const char *why)
{
    (void)printf(ok ? "ok %s_%s\n" : "not ok %s_%s: %s\n", b->mode, name, why);
    b->failed = b->failed || !ok;
}

static bool refused(int rc, const struct err *e, enum err_kind kind, const char *words)
{
    return rc != 0 && e->kind == kind && strstr(e->msg, words) != NULL;
}

/* ---- cases ---- */

static void one_machine(struct bench *b)
{
    struct account a = account_open(b, NULL);
    struct instance first = {0}, second = {0}, by_name = {.name = "muster-a"};
    struct err e = {0};
    int rc = launch(b, a.p, &(struct want){.name = "muster-a"}, &first, &e) ||
             launch(b, a.p, &(struct want){.name = "muster-a"}, &second, &e);

    verdict(b, "launching_twice_makes_one_container", rc == 0 && strcmp(first.id, second.id) == 0 && alive(b, a.p) == 1,
            e.msg);
    verdict(b, "it_runs_and_is_found_by_name",
            state_of(b, a.p, &first) == INSTANCE_RUNNING && state_of(b, a.p, &by_name) == INSTANCE_RUNNING, "");
    rc = launch(b, a.p, &(struct want){.name = "muster-a", .token = "other"}, &second, &e);
    verdict(b, "another_token_for_its_name_is_a_conflict", refused(rc, &e, ERR_CONFLICT, "is not this machine"), e.msg);
    rc = b->ops->destroy(a.p, &first, &e) || b->ops->destroy(a.p, &first, &e) || b->ops->destroy(a.p, &by_name, &e);
    verdict(b, "destroying_twice_succeeds", rc == 0, e.msg);
    verdict(b, "then_it_is_gone", state_of(b, a.p, &first) == INSTANCE_GONE && alive(b, a.p) == 0, "");
    account_close(b, &a);
}

/* A container as it is after a crash between creation and start. */
static void half_made(const struct bench *b, const char *name, const char *deployment, const char *gpus)
{
    const struct docker_conf c = {.http = b->http, .host = b->socket};
    char host[200], id[65];
    struct docker_conf conf = c;
    struct docker *d;
    enum docker_made how;
    json_t *body = json_pack("{s:s, s:[s], s:{s:s, s:s, s:s, s:s}, s:{s:b, s:s}}", "Image", b->image, "Entrypoint",
                             "/bin/true", "Labels", TAG_DEPLOYMENT, deployment, TAG_MACHINE, name, ON_PREM_LABEL_TOKEN,
                             name, ON_PREM_LABEL_GPUS, gpus, "HostConfig", "Init", 1, "NetworkMode", "host");
    struct err e;

    (void)snprintf(host, sizeof(host), "unix://%s", b->socket);
    conf.host = host;
    must(docker_open(&conf, &d, &e), &e);
    must(docker_create(d, name, body, NULL, &how, id, &e) || how != DOCKER_MADE ? -1 : 0, &e);
    docker_free(d);
    json_decref(body);
}

static void crashes(struct bench *b)
{
    struct account a = account_open(b, NULL);
    struct instance got = {0};
    struct err e = {0};
    int rc;

    half_made(b, "muster-b", DEPLOYMENT, "");
    rc = launch(b, a.p, &(struct want){.name = "muster-b"}, &got, &e);
    verdict(b, "a_container_that_was_never_started_is_adopted_and_started", rc == 0 && alive(b, a.p) == 1, e.msg);
    end_all(b, a.p);
    half_made(b, "muster-c", "somebody-else", "");
    rc = launch(b, a.p, &(struct want){.name = "muster-c"}, &got, &e);
    verdict(b, "a_name_that_another_deployment_holds_is_a_conflict", refused(rc, &e, ERR_CONFLICT, "muster-c"), e.msg);
    (void)snprintf(got.id, sizeof(got.id), "%s", "");
    (void)snprintf(got.name, sizeof(got.name), "muster-c");
    rc = b->ops->destroy(a.p, &got, &e) || launch(b, a.p, &(struct want){.name = "muster-c"}, &got, &e) == 0;
    verdict(b, "and_is_not_touched", rc == 0, "");
    account_close(b, &a);
}

static void refusals(struct bench *b)
{
    static const char *const one[][2] = {{"max_machines", "1"}, {NULL, NULL}};
    struct account a = account_open(b, NULL), small = account_open(b, one);
    char told[200] = "";
    struct instance got = {0};
    struct err e = {0};
    int rc;

    rc = launch(b, a.p, &(struct want){.name = "muster-d", .image = "127.0.0.1:1/none:1", .told = told}, &got, &e);
    verdict(b, "an_image_that_cannot_be_pulled_says_why", refused(rc, &e, ERR_RETRY, "connection refused"), e.msg);
    rc = launch(b, a.p, &(struct want){.name = "muster-d", .type = "4096vcpu-1gb"}, &got, &e);
    verdict(b, "a_size_over_the_hosts_is_no_capacity_for_hours",
            refused(rc, &e, ERR_CAPACITY, "too small") && e.retry_after_s >= 3600, e.msg);
    rc = launch(b, a.p, &(struct want){.name = "muster-d", .type = "1vcpu-1gb-5gb", .told = told}, &got, &e);
    verdict(b, "a_disk_that_cannot_be_limited_is_told",
            rc == 0 && (strstr(told, "cannot limit") != NULL || told[0] == '\0'), e.msg);
    rc = launch(b, small.p, &(struct want){.name = "muster-e"}, &got, &e);
    verdict(b, "a_full_host_is_no_capacity", refused(rc, &e, ERR_CAPACITY, "max_machines is 1"), e.msg);
    end_all(b, a.p);
    verdict(b, "refusals_leave_nothing", alive(b, a.p) == 0, "");
    account_close(b, &small);
    account_close(b, &a);
}

static void no_gpu(struct bench *b)
{
    static const char *const two[][2] = {{"gpus", "2"}, {NULL, NULL}};
    struct account a = account_open(b, two), unknown = account_open(b, NULL);
    const char *words = strcmp(b->mode, "podman") == 0 ? "Podman" : "could not select device driver";
    struct instance got = {0};
    struct err e = {0};
    int rc = launch(b, a.p, &(struct want){.name = "muster-f", .gpu = "t4"}, &got, &e);

    verdict(b, "a_gpu_that_cannot_be_had_is_no_capacity_for_hours",
            refused(rc, &e, ERR_CAPACITY, words) && e.retry_after_s >= 3600, e.msg);
    verdict(b, "and_no_machine_starts_without_it", alive(b, a.p) == 0, "");
    rc = launch(b, unknown.p, &(struct want){.name = "muster-g", .gpu = "t4"}, &got, &e);
    verdict(b, "a_host_whose_gpus_nobody_knows_asks_for_the_setting",
            refused(rc, &e, ERR_CAPACITY, strcmp(b->mode, "podman") == 0 ? "Podman" : "clouds.on_prem.gpus"), e.msg);
    account_close(b, &unknown);
    account_close(b, &a);
}

/* ---- GPUs ---- */

struct racer {
    const struct bench *b;
    struct provider *p;
    char name[32];
    pthread_t thread;
    int rc;
    struct err e;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    struct instance got;

    r->rc = launch(r->b, r->p, &(struct want){.name = r->name, .gpu = "a100"}, &got, &r->e);
    return NULL;
}

struct held {
    uint64_t gpus;
    size_t machines;
    bool twice;
};

static int add_held(void *arg, const struct docker_box *box, struct err *e)
{
    struct held *h = arg;
    uint64_t gpus = docker_gpus_read(docker_label(box, ON_PREM_LABEL_GPUS));

    (void)e;
    h->twice = h->twice || (h->gpus & gpus) != 0;
    h->gpus |= gpus;
    h->machines++;
    return 0;
}

static struct held look_held(const struct bench *b)
{
    struct docker_conf conf = {.http = b->http};
    struct held h = {.gpus = 0};
    struct docker *d;
    char host[200];
    struct err e;

    (void)snprintf(host, sizeof(host), "unix://%s", b->socket);
    conf.host = host;
    must(docker_open(&conf, &d, &e), &e);
    must(docker_each(d, ON_PREM_LABEL_GPUS, add_held, &h, &e), &e);
    docker_free(d);
    return h;
}

/* n launches at once, by turns of two accounts: as two daemons on one host. */
static size_t race_all(const struct bench *b, struct racer *racers, size_t n, struct account accounts[2],
                       const char *tag)
{
    size_t won = 0;

    for (size_t i = 0; i < n; i++) {
        racers[i] = (struct racer){.b = b, .p = accounts[i % 2].p};
        (void)snprintf(racers[i].name, sizeof(racers[i].name), "muster-%s-%zu", tag, i);
        if (pthread_create(&racers[i].thread, NULL, race, &racers[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < n; i++) {
        (void)pthread_join(racers[i].thread, NULL);
        won += racers[i].rc == 0 ? 1 : 0;
    }
    return won;
}

static void gpu_slots(struct bench *b)
{
    static const char *const eight[][2] = {{"gpus", "8"}, {"cpus", "64"}, {"memory_gb", "256"}, {NULL, NULL}};
    struct account both[2] = {account_open(b, eight), account_open(b, eight)};
    AUTO_JSON json_t *all = json_pack("{s:s}", "gpu", "all"), *device = json_pack("{s:s}", "gpu", "device=3");
    struct racer racers[GPUS];
    struct instance got = {0};
    struct held h;
    struct err e = {0};
    size_t won;
    int rc;

    won = race_all(b, racers, GPUS, (struct account[2]){both[0], both[0]}, "x");
    h = look_held(b);
    verdict(b, "eight_jobs_of_one_daemon_get_eight_gpus", won == GPUS && h.gpus == 0xff && !h.twice, racers[0].e.msg);
    rc = launch(b, both[0].p, &(struct want){.name = "muster-h", .gpu = "a100"}, &got, &e);
    verdict(b, "the_ninth_is_no_capacity", refused(rc, &e, ERR_CAPACITY, "no GPU is free"), e.msg);
    rc = launch(b, both[0].p, &(struct want){.name = "muster-i", .extra = device}, &got, &e);
    verdict(b, "a_gpu_in_use_cannot_be_named", refused(rc, &e, ERR_CAPACITY, "3 asked for"), e.msg);
    end_all(b, both[0].p);
    for (int round = 0; round < 3; round++) {
        won = race_all(b, racers, GPUS, both, "y");
        h = look_held(b);
        verdict(b, "two_daemons_never_give_one_gpu_twice", !h.twice && h.machines == won && won > 0, racers[0].e.msg);
        end_all(b, both[0].p);
    }
    half_made(b, "muster-other", "somebody-else", "all");
    rc = launch(b, both[0].p, &(struct want){.name = "muster-j", .gpu = "a100"}, &got, &e);
    verdict(b, "what_another_deployment_holds_is_not_free", refused(rc, &e, ERR_CAPACITY, "all in use"), e.msg);
    rc = launch(b, both[0].p, &(struct want){.name = "muster-k", .extra = all}, &got, &e);
    verdict(b, "all_gpus_are_not_given_while_one_is_in_use", refused(rc, &e, ERR_CAPACITY, "no GPU is free"), e.msg);
    verdict(b, "no_refusal_leaves_a_container", alive(b, both[0].p) == 0, "");
    account_close(b, &both[0]);
    account_close(b, &both[1]);
}

/* ---- a registry ---- */

static void pulls(struct bench *b)
{
    struct account nobody = account_open(b, NULL), somebody;
    char told[200] = "";
    struct instance got = {0};
    struct err e = {0};
    int rc = launch(b, nobody.p, &(struct want){.name = "muster-l"}, &got, &e);

    verdict(b, "an_image_without_credentials_is_refused", refused(rc, &e, ERR_INVALID, "credentials"), e.msg);
    b->logs_in = true;
    somebody = account_open(b, NULL);
    rc = launch(b, somebody.p, &(struct want){.name = "muster-l", .told = told}, &got, &e);
    verdict(b, "an_image_is_pulled_with_the_credentials_of_dockers_own_file",
            rc == 0 && state_of(b, somebody.p, &got) == INSTANCE_RUNNING, e.msg);
    verdict(b, "its_progress_is_told", strstr(told, "pulling 127.0.0.1") != NULL && strstr(told, " MB") != NULL, told);
    end_all(b, somebody.p);
    account_close(b, &nobody);
    account_close(b, &somebody);
}

int main(int argc, char **argv)
{
    struct bench b = {.ops = registry_find("on_prem")};

    if (argc != 4) {
        (void)fprintf(stderr, "usage: on_prem_engine SOCKET IMAGE docker|podman|gpu|pull\n");
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    b.socket = argv[1];
    b.image = argv[2];
    b.mode = argv[3];
    b.http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    b.env = (struct provider_env){
        .http = b.http, .deployment = DEPLOYMENT, .getenv_fn = little_env, .getenv_arg = &b.logs_in, .pause = nap};
    if (strcmp(b.mode, "gpu") == 0) {
        gpu_slots(&b);
    } else if (strcmp(b.mode, "pull") == 0) {
        pulls(&b);
    } else {
        one_machine(&b);
        crashes(&b);
        refusals(&b);
        no_gpu(&b);
    }
    httpc_free(b.http);
    return b.failed ? 1 : 0;
}
