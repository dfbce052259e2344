#include "providers/common/docker_host.h"

#include "providers/common/docker_pull.h"
#include "providers/common/poll.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define SCRIPT "muster-bootstrap"
/* Reads the script, removes it, and becomes it. The variables tell it that its machine is a container (linux.sh), whose
 * power-off is the end of all its processes; they are not exported, so that no job inherits them. */
#define MAIN_PROCESS "f=/" SCRIPT "; s=$(<$f); rm -f $f; MUSTER_CONTAINER=1 MUSTER_POWEROFF='kill -9 -1'; eval \"$s\""
/* On a host whose default runtime is NVIDIA's, images of CUDA (NVIDIA_VISIBLE_DEVICES=all) are given every GPU without
 * a request for one, those of other machines too. */
#define NO_GPUS "NVIDIA_VISIBLE_DEVICES=void"
#define USER_DATA_MAX ((size_t)64 * 1024)
#define SHM_BYTES DOCKER_GIB /* Docker's own 64 MB are too few for the loaders of training jobs */
#define PULL_MS (40 * 60 * 1000)
#define PULL_SILENCE_MS (180 * 1000)
#define RIVALS_MS 5000
#define MAX_TRIES 6
#define HOURS(n) ((n)*3600)

/* ---- what a machine shall be ---- */

struct wish {
    struct docker_size size;
    struct docker_gpu_ask gpu;
    struct docker_ref image;
    bool privileged, socket;
};

static int read_bool(const json_t *extra, const char *key, bool *out, struct err *e)
{
    const json_t *v = json_object_get(extra, key);

    if (v == NULL || json_is_null(v))
        return 0;
    if (json_is_boolean(v)) {
        *out = json_is_true(v);
        return 0;
    }
    if (!json_is_string(v) || text_bool(json_string_value(v), out, e))
        return err_set(e, ERR_INVALID, "extra_config.%s: expected true or false", key);
    return 0;
}

static int read_wish(const struct machine_spec *s, struct wish *out, struct err *e)
{
    struct wish w = {.privileged = false};

    if (s->instance_type == NULL)
        return err_set(e, ERR_INVALID, "instance_type is missing: write it like 4vcpu-16gb or 4vcpu-16gb-100gb");
    if (s->image == NULL || *s->image == '\0')
        return err_set(e, ERR_INVALID, "machine_image is missing: name an image such as ubuntu:24.04");
    if (docker_size_parse(s->instance_type, &w.size, e) || docker_ref_parse(s->image, &w.image, e) ||
        docker_gpu_ask_parse(json_object_get(s->extra, "gpu"), s->gpu, s->gpus, &w.gpu, e) ||
        read_bool(s->extra, "privileged", &w.privileged, e) || read_bool(s->extra, "docker_socket_mount", &w.socket, e))
        return -1;
    *out = w;
    return 0;
}

int on_prem_docker_check(const struct on_prem_docker *d, const struct machine_spec *s, struct err *e)
{
    struct wish w = {.privileged = false};

    if (s->os != NULL && strcmp(s->os, "linux") != 0)
        return err_set(e, ERR_INVALID, "executor docker runs Linux containers, not %.20s", s->os);
    if (read_wish(s, &w, e))
        return -1;
    /* Either is root on the owner's host, for whoever can edit the file. */
    if ((w.privileged || w.socket) && !d->env->allow_privileged)
        return err_set(e, ERR_INVALID,
                       "extra_config.%s gives the job its host: policy.allow_privileged does not allow it",
                       w.privileged ? "privileged" : "docker_socket_mount");
    return 0;
}

static json_t *device_ids(uint64_t gpus)
{
    json_t *ids = json_array();
    char number[16];

    for (int i = 0; i < DOCKER_MAX_GPUS; i++) {
        (void)snprintf(number, sizeof(number), "%d", i);
        if ((gpus >> i & 1) != 0)
            (void)json_array_append_new(ids, json_string(number));
    }
    return ids;
}

/* As `docker run --gpus` asks for them. shown: which ones is not known yet. */
static json_t *device_requests(const struct wish *w, uint64_t gpus, bool shown)
{
    json_t *ids = NULL;

    if (w->gpu.want == DOCKER_GPU_NONE)
        return NULL;
    if (w->gpu.want == DOCKER_GPU_ALL && (shown || gpus == UINT64_MAX)) /* nobody knows how many these are */
        return json_pack("[{s:i, s:[[s]]}]", "Count", -1, "Capabilities", "gpu");
    if (shown && w->gpu.want == DOCKER_GPU_COUNT) {
        ids = json_array();
        for (int i = 0; i < w->gpu.count; i++)
            (void)json_array_append_new(ids, json_string("<index of a free GPU>"));
    } else {
        ids = device_ids(gpus);
    }
    return json_pack("[{s:o, s:[[s]]}]", "DeviceIDs", ids, "Capabilities", "gpu");
}

static json_t *make_labels(const struct launch_request *r, const struct wish *w, uint64_t gpus)
{
    json_t *labels = json_object();
    char text[DOCKER_GPUS_TEXT];

    for (size_t i = 0; i < r->n_tags; i++)
        (void)json_object_set_new(labels, r->tags[i].key, json_string(r->tags[i].value));
    (void)json_object_set_new(labels, ON_PREM_LABEL_TYPE, json_string(r->spec->instance_type));
    (void)json_object_set_new(labels, ON_PREM_LABEL_TOKEN, json_string(r->token));
    docker_gpus_write(gpus, text);
    if (w->gpu.want != DOCKER_GPU_NONE)
        (void)json_object_set_new(labels, ON_PREM_LABEL_GPUS, json_string(*text != '\0' ? text : "<free ones>"));
    return labels;
}

static json_t *make_binds(const struct on_prem_docker *d)
{
    const char *socket = docker_socket_path(d->engine);

    return json_sprintf("%s:" DOCKER_SOCKET, socket != NULL ? socket : DOCKER_SOCKET);
}

/* gpus: those chosen; 0 = none, or shown only. limit_disk: as the size says. */
static int make_body(const struct on_prem_docker *d, const struct launch_request *r, const struct wish *w,
                     uint64_t gpus, bool limit_disk, json_t **out, struct err *e)
{
    AUTO_JSON json_t *host = NULL, *env = NULL;

    if (js_pack(e, &host, "{s:b, s:b, s:{s:s}, s:s, s:I, s:I, s:I, s:o*}", "AutoRemove", 1, "Init", 1, "RestartPolicy",
                "Name", "no", "NetworkMode", d->network, "NanoCpus", (json_int_t)w->size.cpus * 1000000000, "Memory",
                (json_int_t)w->size.memory_gb * DOCKER_GIB, "ShmSize", (json_int_t)SHM_BYTES, "DeviceRequests",
                device_requests(w, gpus, gpus == 0)))
        return -1;
    if (w->gpu.want == DOCKER_GPU_NONE)
        env = json_pack("[s]", NO_GPUS);
    if (w->privileged)
        (void)json_object_set_new(host, "Privileged", json_true());
    if (w->socket)
        (void)json_object_set_new(host, "Binds", json_pack("[o]", make_binds(d)));
    if (limit_disk && w->size.disk_gb > 0)
        (void)json_object_set_new(host, "StorageOpt",
                                  json_pack("{s:o}", "size", json_sprintf("%lldG", (long long)w->size.disk_gb)));
    return js_pack(e, out, "{s:s, s:s, s:s, s:[s, s, s], s:O*, s:o, s:O}", "Image", r->spec->image, "User", "0",
                   "WorkingDir", "/", "Entrypoint", "/bin/bash", "-c", MAIN_PROCESS, "Env", env, "Labels",
                   make_labels(r, w, gpus), "HostConfig", host);
}

int on_prem_docker_render(struct on_prem_docker *d, const struct launch_request *r, json_t *list, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(512);
    AUTO_JSON json_t *body = NULL;
    const struct docker_host host = {.gpus = d->gpus};
    struct rest_call call;
    uint64_t gpus = 0;
    struct wish w;

    if (read_wish(r->spec, &w, e) ||
        (w.gpu.want == DOCKER_GPU_ALL && d->gpus > 0 && docker_gpus_choose(&host, 0, &w.gpu, &gpus, e)) ||
        make_body(d, r, &w, gpus, true, &body, e))
        return -1;
    call = docker_creation(r->name, body, &path);
    return docker_show(d->engine, &call, list, e);
}

/* ---- what the engine says of a machine ---- */

static int read_state(const char *state, enum instance_state *out, struct err *e)
{
    static const struct instance_word words[] = {
        {"created", INSTANCE_PENDING}, {"configured", INSTANCE_PENDING}, {"initialized", INSTANCE_PENDING},
        {"running", INSTANCE_RUNNING}, {"paused", INSTANCE_RUNNING},     {"restarting", INSTANCE_RUNNING},
        {"removing", INSTANCE_ENDING}, {"stopping", INSTANCE_ENDING},    {"exited", INSTANCE_STOPPED},
        {"dead", INSTANCE_STOPPED},    {"stopped", INSTANCE_STOPPED},
    };

    return instance_read_state(words, ARRAY_LEN(words), state, "Docker's", out, e);
}

static int read_box(const struct docker_box *b, struct instance *out, struct err *e)
{
    struct instance i = {.why = ERR_NONE};
    const char *name = docker_label(b, TAG_MACHINE);

    if (read_state(b->state, &i.state, e))
        return -1;
    (void)snprintf(i.id, sizeof(i.id), "%s", b->id);
    (void)snprintf(i.name, sizeof(i.name), "%s", name != NULL ? name : "");
    instance_set_times(&i, NULL, docker_label(b, TAG_EXPIRES));
    instance_set_owner(&i, docker_label(b, TAG_REPOSITORY), docker_label(b, TAG_JOB));
    i.created_ms = b->created_ms;
    if (i.state >= INSTANCE_STOPPED)
        (void)snprintf(i.detail, sizeof(i.detail), "the container is %s", b->state);
    *out = i;
    return 0;
}

static bool label_is(const struct docker_box *b, const char *key, const char *value)
{
    const char *found = docker_label(b, key);

    return found != NULL && strcmp(found, value) == 0;
}

struct looking {
    const struct on_prem_docker *d;
    const char *name; /* NULL = any */
    int (*each)(void *arg, const struct instance *i, struct err *e);
    void *arg;
};

/* The engine's filter is not trusted: what is found here may be destroyed. */
static int look_at(void *arg, const struct docker_box *b, struct err *e)
{
    const struct looking *l = arg;
    struct instance i;

    if (!label_is(b, TAG_DEPLOYMENT, l->d->env->deployment) || (l->name != NULL && !label_is(b, TAG_MACHINE, l->name)))
        return 0;
    return read_box(b, &i, e) ? -1 : l->each(l->arg, &i, e);
}

static int look(const struct looking *l, struct err *e)
{
    char label[256];

    (void)snprintf(label, sizeof(label), "%s=%s", l->name != NULL ? TAG_MACHINE : TAG_DEPLOYMENT,
                   l->name != NULL ? l->name : l->d->env->deployment);
    return docker_each(l->d->engine, label, look_at, (void *)(uintptr_t)l, e);
}

int on_prem_docker_list(struct on_prem_docker *d, int (*each)(void *arg, const struct instance *i, struct err *e),
                        void *arg, struct err *e)
{
    const struct looking l = {.d = d, .each = each, .arg = arg};

    if (look(&l, e))
        return err_wrap(e, "page 1"); /* the only one */
    return 0;
}

static int keep_box(void *arg, const struct docker_box *b, struct err *e)
{
    return read_box(b, arg, e);
}

bool on_prem_docker_owns(const struct instance *ref)
{
    return docker_is_id(ref->id);
}

int on_prem_docker_describe(struct on_prem_docker *d, const struct instance *ref, struct instance *out, struct err *e)
{
    struct instance found = {.why = ERR_NONE};
    const struct looking l = {.d = d, .name = ref->name, .each = instance_keep_best, .arg = &found};

    if (ref->id[0] != '\0' ? docker_look(d->engine, ref->id, keep_box, &found, e) : look(&l, e))
        return -1;
    if (found.id[0] == '\0')
        found = instance_gone(ref);
    *out = found;
    return 0;
}

static int remove_found(void *arg, const struct instance *i, struct err *e)
{
    return docker_remove(arg, i->id, e);
}

int on_prem_docker_destroy(struct on_prem_docker *d, const struct instance *ref, struct err *e)
{
    const struct looking l = {.d = d, .name = ref->name, .each = remove_found, .arg = d->engine};

    return ref->id[0] != '\0' ? docker_remove(d->engine, ref->id, e) : look(&l, e);
}

/* ---- launching ---- */

/* One launch on its way. */
struct launching {
    struct on_prem_docker *d;
    const struct launch_request *r;
    struct wish w;
    struct docker_host host;
    bool limit_disk;
    char id[65];   /* of the container; "" = none yet */
    uint64_t gpus; /* it holds */
    bool is_there; /* it was there before, and was started: nothing is left to do */
    struct instance found;
};

static void tell(const struct launching *l, const char *text)
{
    if (l->r->say != NULL)
        l->r->say(l->r->say_arg, text);
}

static int know_host(struct launching *l, struct err *e)
{
    struct docker_engine engine;
    int rc;

    if (docker_engine(l->d->engine, &engine, e))
        return -1;
    if (engine.podman && l->w.gpu.want != DOCKER_GPU_NONE) {
        rc = err_set(e, ERR_CAPACITY,
                     "the engine is Podman, which drops requests for GPUs without a word: GPU machines need a Docker "
                     "Engine (clouds.on_prem.docker_host)");
        e->retry_after_s = HOURS(6);
        return rc;
    }
    l->host = (struct docker_host){.cpus = l->d->cpus > 0 ? l->d->cpus : engine.cpus,
                                   .memory_gb = l->d->memory_gb > 0 ? l->d->memory_gb : docker_memory_gb(engine.memory),
                                   .gpus = l->d->gpus >= 0 ? l->d->gpus : engine.gpus,
                                   .max_machines = l->d->max_machines};
    return 0;
}

/* Whatever deployment it is of: they share the host. What ended holds nothing any more. */
static int add_load(void *arg, const struct docker_box *b, struct err *e)
{
    struct docker_load *load = arg;
    enum instance_state state = INSTANCE_ENDING;

    if (docker_label(b, TAG_MACHINE) == NULL)
        return 0;
    if (read_state(b->state, &state, e))
        return -1;
    if (state < INSTANCE_STOPPED)
        docker_load_add(load, docker_label(b, ON_PREM_LABEL_TYPE), docker_label(b, ON_PREM_LABEL_GPUS));
    return 0;
}

/* A container of our name: ours, from a launch whose answer was lost, or somebody else's. */
static int adopt_box(void *arg, const struct docker_box *b, struct err *e)
{
    struct launching *l = arg;

    if (read_box(b, &l->found, e))
        return -1;
    if (!label_is(b, TAG_DEPLOYMENT, l->d->env->deployment) || !label_is(b, TAG_MACHINE, l->r->name) ||
        !label_is(b, ON_PREM_LABEL_TOKEN, l->r->token))
        return err_set(e, ERR_CONFLICT, "docker: the name %s is taken by a container that is not this machine",
                       l->r->name);
    memcpy(l->id, b->id, sizeof(l->id));
    l->gpus = docker_gpus_read(docker_label(b, ON_PREM_LABEL_GPUS));
    l->is_there = l->found.state != INSTANCE_PENDING;
    return 0;
}

static int adopt(struct launching *l, struct err *e)
{
    return docker_look(l->d->engine, l->r->name, adopt_box, l, e);
}

/* Is there somebody else with a GPU of ours? */
struct rivals {
    const struct launching *l;
    int64_t created_ms; /* ours, as lists say it */
    bool found_us, must_yield, must_wait;
    bool second_look;
};

static int find_us(void *arg, const struct docker_box *b, struct err *e)
{
    struct rivals *v = arg;

    (void)e;
    if (strcmp(b->id, v->l->id) == 0) {
        v->found_us = true;
        v->created_ms = b->created_ms;
    }
    return 0;
}

static int judge_rival(void *arg, const struct docker_box *b, struct err *e)
{
    struct rivals *v = arg;
    enum instance_state state = INSTANCE_ENDING;
    bool older;

    if (strcmp(b->id, v->l->id) == 0 || (docker_gpus_read(docker_label(b, ON_PREM_LABEL_GPUS)) & v->l->gpus) == 0)
        return 0;
    if (read_state(b->state, &state, e))
        return -1;
    older = b->created_ms < v->created_ms || (b->created_ms == v->created_ms && strcmp(b->id, v->l->id) < 0);
    if (state == INSTANCE_RUNNING || (state == INSTANCE_PENDING && older))
        v->must_yield = true;
    else if (state == INSTANCE_PENDING)
        v->must_wait = true;
    return 0;
}

/*
 * Another daemon on this host may have chosen the same GPU at the same time. Whoever created second sees the first; so
 * who sees a rival that runs or is older withdraws, and who sees a younger one that has not started waits until it has
 * withdrawn, or started after all because it could not see us: then we withdraw. Thus never two start.
 */
static int outlast_rivals(const struct launching *l, bool *yield, struct err *e)
{
    struct poll w = poll_begin(l->d->env->pause, l->d->env->pause_arg, RIVALS_MS);
    struct err ignored;

    for (;;) {
        struct rivals v = {.l = l};

        if (docker_each(l->d->engine, ON_PREM_LABEL_GPUS, find_us, &v, e))
            return -1;
        if (!v.found_us)
            return err_set(e, ERR_RETRY,
                           "docker ContainerList: the answer makes no sense: what was just created is "
                           "not there");
        if (docker_each(l->d->engine, ON_PREM_LABEL_GPUS, judge_rival, &v, e))
            return -1;
        *yield = v.must_yield || (v.must_wait && poll_pause(&w, 0, &ignored) != 0);
        if (*yield || !v.must_wait)
            return 0;
    }
}

enum outcome { TAKEN, NO_IMAGE, AGAIN };

/* Look what is free, and take it. */
static int create(struct launching *l, enum outcome *how, struct err *e)
{
    AUTO_JSON json_t *body = NULL;
    struct docker_load load = {.machines = 0};
    enum docker_made made;

    if (docker_each(l->d->engine, TAG_MACHINE, add_load, &load, e) || docker_fits(&l->host, &load, &l->w.size, e) ||
        docker_gpus_choose(&l->host, load.gpus, &l->w.gpu, &l->gpus, e) ||
        make_body(l->d, l->r, &l->w, l->gpus, l->limit_disk, &body, e) ||
        docker_create(l->d->engine, l->r->name, body, l->r->user_data, &made, l->id, e))
        return -1;
    *how = AGAIN;
    switch (made) {
    case DOCKER_MADE:
        *how = TAKEN;
        break;
    case DOCKER_NAME_TAKEN:
        return adopt(l, e); /* gone in between: again */
    case DOCKER_NO_IMAGE:
        *how = NO_IMAGE;
        break;
    case DOCKER_NO_QUOTA:
        l->limit_disk = false;
        tell(l, "the engine's storage cannot limit a container's disk: this machine shares the host's");
        break;
    }
    return 0;
}

/* A launch that failed with its container there: the same try again finds it; any other failure must leave none. */
static int leave_nothing(const struct launching *l, struct err *e)
{
    struct err ignored;

    if (e->kind == ERR_GONE)
        e->kind = ERR_RETRY; /* somebody removed it under our hands */
    else if (!err_is_passing(e) && docker_remove(l->d->engine, l->id, &ignored))
        return err_wrap(e, "and the container stays");
    return -1;
}

/* Under the lock. */
static int take_place(struct launching *l, enum outcome *how, struct err *e)
{
    bool yield = false;

    *how = TAKEN;
    if (l->id[0] == '\0' && create(l, how, e))
        return -1;
    if (l->id[0] == '\0' || l->is_there || l->gpus == 0)
        return 0;
    if (outlast_rivals(l, &yield, e))
        return leave_nothing(l, e);
    if (!yield)
        return 0;
    if (docker_remove(l->d->engine, l->id, e))
        return -1;
    l->id[0] = '\0';
    *how = AGAIN;
    return 0;
}

static int pull(const struct launching *l, struct err *e)
{
    AUTO_SECRET struct secret *auth = l->d->config != NULL ? docker_ref_auth(&l->w.image, l->d->config) : NULL;
    struct docker_pull p = {.ref = &l->w.image,
                            .auth = auth,
                            .say = l->r->say,
                            .say_arg = l->r->say_arg,
                            .deadline_ms = PULL_MS,
                            .silence_ms = PULL_SILENCE_MS,
                            .pause = l->d->env->pause,
                            .pause_arg = l->d->env->pause_arg};

    return docker_pull(l->d->engine, &p, e);
}

static int find_place(struct launching *l, struct err *e)
{
    enum outcome how = AGAIN;
    bool pulled = false;

    for (int tries = 0; tries < MAX_TRIES; tries++) {
        int rc;

        (void)pthread_mutex_lock(&l->d->lock);
        rc = take_place(l, &how, e);
        (void)pthread_mutex_unlock(&l->d->lock);
        if (rc || how == TAKEN || l->id[0] != '\0')
            return rc;
        if (how == NO_IMAGE && pulled)
            return err_set(e, ERR_RETRY, "docker: %.100s was pulled and is not there", l->r->spec->image);
        if (how == NO_IMAGE && pull(l, e))
            return -1;
        pulled = pulled || how == NO_IMAGE;
    }
    return err_set(e, ERR_CAPACITY, "docker: others took what was free on the host each time");
}

/* A refusal leaves nothing; what may have been carried out is left to the next try with the same token. */
static int start(struct launching *l, struct err *e)
{
    if (docker_upload(l->d->engine, l->id, SCRIPT, l->r->user_data, e) == 0 &&
        docker_start(l->d->engine, l->id, e) == 0)
        return 0;
    return leave_nothing(l, e);
}

int on_prem_docker_launch(struct on_prem_docker *d, const struct launch_request *r, struct instance *out, struct err *e)
{
    struct launching l = {.d = d, .r = r, .limit_disk = true};

    if (on_prem_docker_check(d, r->spec, e) || read_wish(r->spec, &l.w, e))
        return -1;
    if (secret_len(r->user_data) > USER_DATA_MAX)
        return err_set(e, ERR_INVALID, "user-data of %zu bytes: a container is given at most %zu",
                       secret_len(r->user_data), USER_DATA_MAX);
    if (know_host(&l, e) || (!r->first_try && adopt(&l, e)) || find_place(&l, e))
        return -1;
    if (!l.is_there && start(&l, e))
        return -1;
    if (!l.is_there) {
        l.found.state = INSTANCE_RUNNING;
        (void)snprintf(l.found.id, sizeof(l.found.id), "%s", l.id);
        (void)snprintf(l.found.name, sizeof(l.found.name), "%s", r->name);
    }
    *out = l.found;
    return 0;
}
