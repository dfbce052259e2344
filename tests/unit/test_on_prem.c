/* What is on_prem's own: the fields of a container, images that must be pulled, hosts, GPUs, who the engine is. */
#include "tests/support/unit.h"

#include "server/base/json.h"
#include "tests/support/asked.h"

#include <stdio.h>

/* An engine that differs from the well-behaved one of the contract suite in what a test says. */
struct toy {
    struct fake_dialect dialect;
    const char *version;   /* its answer to /version; NULL = as usual */
    const char *info;      /* to /info */
    const char *pull;      /* what it streams; NULL = it has every image */
    bool pulled, no_quota; /* it cannot limit disks */
    int start_status;      /* 0 = as usual */
    const char *start_says;
    const char *rival;  /* states of another container with GPU 0, one after the other in the lists: "-" = not there,
                           c = created, r = running; the last one stays; NULL = there is none */
    int64_t rival_born; /* when it was created; ours is of 1714570000 */
};
static struct toy toy;

#define RIVAL_ID "00000000000000000000000000000000000000000000000000000000000000aa"

static bool has_disk(const struct raw_request *r)
{
    AUTO_JSON json_t *body = fake_body(r);

    return json_object_get(json_object_get(body, "HostConfig"), "StorageOpt") != NULL;
}

/* What a list of the usual engine says, and the rival beside it. */
static void list_with_rival(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    AUTO_BUF struct buf usual = BUF_INIT(1 << 20), all = BUF_INIT(1 << 20);
    char state = *toy.rival;
    const char *body;

    if (toy.rival[1] != '\0')
        toy.rival++;
    fake_on_prem.act(c, r, &usual);
    body = strstr(usual.p, "\r\n\r\n") + 4;
    if (state != '-')
        buf_addf(&all,
                 "[{\"Id\":\"" RIVAL_ID "\",\"State\":\"%s\",\"Created\":%lld,\"Labels\":{\"muster-machine\":"
                 "\"muster-r\",\"muster-deployment\":\"other\",\"muster-gpus\":\"0\"}}%s",
                 state == 'r' ? "running" : "created", (long long)toy.rival_born, body[1] == ']' ? "" : ",");
    buf_adds(&all, state != '-' ? body + 1 : body);
    raw_answer(answer, 200, "", all.p);
}

static bool is_list(const struct raw_request *r)
{
    return fake_is(r, "GET", "/v*/containers/json");
}

static void toy_act(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    if (toy.version != NULL && fake_is(r, "GET", "/version")) {
        raw_answer(answer, 200, "", toy.version);
    } else if (toy.info != NULL && fake_is(r, "GET", "/info")) {
        raw_answer(answer, 200, "", toy.info);
    } else if (fake_is(r, "POST", "/v1.47/images/create")) {
        toy.pulled = true;
        raw_answer(answer, 200, "", toy.pull);
    } else if (toy.pull != NULL && !toy.pulled && fake_on_prem.is_create(r)) {
        raw_answer(answer, 404, "", "{\"message\":\"No such image: ghcr.io/octo/machine:1\"}");
    } else if (toy.no_quota && fake_on_prem.is_create(r) && has_disk(r)) {
        raw_answer(answer, 500, "",
                   "{\"message\":\"--storage-opt is supported only for overlay over xfs with 'pquota'\"}");
    } else if (toy.rival != NULL && is_list(r)) {
        list_with_rival(c, r, answer);
    } else if (toy.start_status != 0 && fake_is(r, "POST", "/v1.47/containers/*/start")) {
        raw_answer(answer, toy.start_status, "", toy.start_says);
    } else {
        fake_on_prem.act(c, r, answer);
    }
}

static struct bed *toy_bed(const struct toy *t, const struct bed_setting *more, size_t n_more)
{
    toy = *t;
    toy.dialect = fake_on_prem;
    toy.dialect.act = toy_act;
    return bed_open(&toy.dialect, more, n_more);
}

static const struct raw_request *last(struct bed *b, const char *method, const char *path)
{
    for (size_t i = raw_count(b->server); i > 0; i--) {
        if (fake_is(raw_get(b->server, i - 1), method, path))
            return raw_get(b->server, i - 1);
    }
    fail_msg("no %s %s was sent", method, path);
    return NULL;
}

#define CREATE "/v*/containers/create"

/* The value at a path of the last creation is this JSON, written with single quotes. */
static void assert_created(struct bed *b, const char *path, const char *expected)
{
    AUTO_JSON json_t *body = fake_body(last(b, "POST", CREATE));
    AUTO_FREE char *got = NULL;
    const json_t *at = body;
    char part[64], want[600];
    size_t n = 0;

    for (const char *p = path; *p != '\0'; p += *p == '.' ? 1 : 0) {
        (void)snprintf(part, sizeof(part), "%.*s", (int)strcspn(p, "."), p);
        at = json_object_get(at, part);
        p += strcspn(p, ".");
    }
    for (; expected[n] != '\0'; n++)
        want[n] = (char)(expected[n] == '\'' ? '"' : expected[n]);
    want[n] = '\0';
    got = at != NULL ? json_dumps(at, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    assert_string_equal(got != NULL ? got : "absent", want);
}

static int launch(struct bed *b, const char *type, const char *extra, const char *gpu, struct instance *out,
                  struct err *e)
{
    AUTO_ORDER struct order o;

    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.instance_type = type;
    o.spec.gpu = gpu;
    if (extra != NULL) {
        o.extra = json_loads(extra, 0, NULL);
        assert_non_null(o.extra);
        o.spec.extra = o.extra;
    }
    o.r.first_try = true;
    return b->ops->launch(b->p, &o.r, out, e);
}

/* ---- the container ---- */

static void test_on_prem__a_launch_creates_a_container_of_its_size_that_is_removed_at_its_end(void **state)
{
    AUTO_BED struct bed *b = toy_bed(&(struct toy){.pull = NULL}, NULL, 0);
    struct instance got;
    struct err e;

    (void)state;
    assert_ok(launch(b, "4vcpu-16gb", NULL, NULL, &got, &e), e);
    assert_string_equal(last(b, "POST", CREATE)->path, "/v1.47/containers/create?name=muster-a");
    assert_created(b, "Image", "'ghcr.io/octo/machine:1'");
    assert_created(b, "User", "'0'");
    assert_created(b, "HostConfig.NanoCpus", "4000000000");
    assert_created(b, "HostConfig.Memory", "17179869184");
    assert_created(b, "HostConfig.AutoRemove", "true");
    assert_created(b, "HostConfig.Init", "true");
    assert_created(b, "HostConfig.RestartPolicy", "{'Name':'no'}");
    assert_created(b, "HostConfig.NetworkMode", "'bridge'");
    assert_created(b, "HostConfig.DeviceRequests", "absent");
    assert_created(b, "HostConfig.Privileged", "absent");
    assert_created(b, "HostConfig.Binds", "absent");
    assert_created(b, "HostConfig.StorageOpt", "absent");
    assert_created(b, "Cmd", "absent");
    assert_created(b, "Env", "['NVIDIA_VISIBLE_DEVICES=void']");
    assert_created(b, "Labels",
                   "{'muster-deployment':'muster','muster-machine':'muster-a','muster-job':'123456789',"
                   "'muster-repository':'octo/hello','muster-expires':'1714572000','muster-type':'4vcpu-16gb',"
                   "'muster-token':'muster-a-0-0'}");
}

static void test_on_prem__the_bootstrap_goes_in_as_a_file_between_creation_and_start(void **state)
{
    AUTO_BED struct bed *b = toy_bed(&(struct toy){.pull = NULL}, NULL, 0);
    const struct raw_request *r;
    struct instance got;
    struct err e;
    size_t n;

    (void)state;
    assert_ok(launch(b, "4vcpu-16gb", NULL, NULL, &got, &e), e);
    n = raw_count(b->server);
    assert_true(fake_is(raw_get(b->server, n - 3), "POST", CREATE));
    assert_true(fake_is(raw_get(b->server, n - 2), "PUT", "/v1.47/containers/*/archive"));
    assert_true(fake_is(raw_get(b->server, n - 1), "POST", "/v1.47/containers/*/start"));
    r = raw_get(b->server, n - 2);
    assert_string_equal(raw_header(r, "Content-Type"), "application/x-tar");
    assert_string_equal(r->body, "muster-bootstrap");
    assert_memory_equal(r->body + 512, bed_user_data, strlen(bed_user_data));
    for (size_t i = 0; i < n; i++) {
        if (i != n - 2)
            assert_null(memmem(raw_get(b->server, i)->raw, raw_get(b->server, i)->raw_len, "one-time-credential", 19));
    }
}

static void test_on_prem__options_of_the_file_become_options_of_the_container(void **state)
{
    static const struct bed_setting net[] = {{"network", "ci-net"}};
    AUTO_BED struct bed *b = toy_bed(&(struct toy){.pull = NULL}, net, 1);
    struct instance got;
    struct err e;

    (void)state;
    b->env.allow_privileged = true;
    assert_ok(launch(b, "2vcpu-4gb-50gb",
                     "{\"executor\":\"docker\",\"privileged\":true,\"docker_socket_mount\":\"yes\"}", NULL, &got, &e),
              e);
    assert_created(b, "HostConfig.Privileged", "true");
    assert_created(b, "HostConfig.Binds", "['/var/run/docker.sock:/var/run/docker.sock']");
    assert_created(b, "HostConfig.StorageOpt", "{'size':'50G'}");
    assert_created(b, "HostConfig.NetworkMode", "'ci-net'");
}

static void test_on_prem__nobody_gets_the_host_unless_its_owner_allows_it(void **state)
{
    static const char *const asked[] = {"{\"privileged\":true}", "{\"docker_socket_mount\":true}"};
    AUTO_BED struct bed *b = toy_bed(&(struct toy){.pull = NULL}, NULL, 0);
    struct instance got;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        assert_fails(launch(b, "4vcpu-16gb", asked[i], NULL, &got, &e), ERR_INVALID, "policy.allow_privileged", e);
    assert_int_equal(raw_count(b->server), 0);
    assert_ok(launch(b, "4vcpu-16gb", "{\"privileged\":false,\"docker_socket_mount\":\"no\"}", NULL, &got, &e), e);
    assert_created(b, "HostConfig.Privileged", "absent");
}

static void test_on_prem__a_mistake_in_the_file_is_refused_before_any_request(void **state)
{
    static const char *const bad[] = {"{\"privileged\":\"maybe\"}", "{\"privileged\":7}",
                                      "{\"executor\":\"podman\"}",  "{\"executor\":7}",
                                      "{\"gpu\":\"both\"}",         "{\"docker_socket_mount\":[]}"};
    AUTO_BED struct bed *b = toy_bed(&(struct toy){.pull = NULL}, NULL, 0);
    struct instance got;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_fails(launch(b, "4vcpu-16gb", bad[i], NULL, &got, &e), ERR_INVALID, "extra_config.", e);
    assert_fails(launch(b, "m5.large", NULL, NULL, &got, &e), ERR_INVALID, "4vcpu-16gb", e);
    assert_int_equal(raw_count(b->server), 0);
}

/* ---- images and disks ---- */

static void keep(void *arg, const char *text)
{
    (void)snprintf(arg, 200, "%s", text);
}

static void test_on_prem__an_image_that_is_missing_is_pulled_and_its_progress_told(void **state)
{
    static const char stream[] =
        "{\"status\":\"Pulling from octo/machine\",\"id\":\"1\"}\r\n"
        "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":12582912,\"total\":41943040},\"id\":\"aa\"}\r\n";
    AUTO_BED struct bed *b = toy_bed(&(struct toy){.pull = stream}, NULL, 0);
    AUTO_ORDER struct order o;
    char told[200] = "";
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.r.say = keep;
    o.r.say_arg = told;
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_string_equal(last(b, "POST", "/v*/images/create")->path,
                        "/v1.47/images/create?fromImage=ghcr.io%2Focto%2Fmachine&tag=1");
    assert_string_equal(told, "pulling ghcr.io/octo/machine: 12 of 40 MB");
    assert_int_equal(asked_count(b, "POST", CREATE), 2);
}

/* PROVIDERS.md trap 11: errors of a pull come inside a 200. */
static void test_on_prem__an_error_inside_the_stream_of_a_pull_has_its_kind(void **state)
{
    static const struct {
        const char *stream;
        enum err_kind kind;
        const char *says;
    } rows[] = {
        {"{\"status\":\"x\"}\n{\"error\":\"manifest unknown: manifest unknown\"}\n", ERR_INVALID, "manifest unknown"},
        {"{\"error\":\"pull access denied for octo/machine, repository does not exist or may require 'docker "
         "login'\"}\n",
         ERR_INVALID, "config.json"},
        {"{\"error\":\"unauthorized: authentication required\"}", ERR_INVALID, "credentials"},
        {"{\"error\":\"toomanyrequests: You have reached your pull rate limit.\"}\n", ERR_THROTTLED, "rate limit"},
        {"{\"error\":\"write /var/lib/docker/tmp/x: no space left on device\"}\n", ERR_CAPACITY, "no space"},
        {"{\"error\":\"dial tcp 127.0.0.1:1: connect: connection refused\"}\n", ERR_RETRY, "refused"},
        {"", ERR_RETRY, "makes no sense"},
        {"<html>\n", ERR_RETRY, ""},
        {"{\"status\":\"x\"", ERR_RETRY, "makes no sense"},
        {"{\"status\":\"done, and yet it is not there\"}\n", ERR_NONE, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BED struct bed *b = toy_bed(&(struct toy){.pull = rows[i].stream}, NULL, 0);
        struct instance got;
        struct err e = {0};

        if (rows[i].kind == ERR_NONE)
            assert_ok(launch(b, "4vcpu-16gb", NULL, NULL, &got, &e), e);
        else
            assert_fails(launch(b, "4vcpu-16gb", NULL, NULL, &got, &e), rows[i].kind, rows[i].says, e);
        assert_int_equal(fake_alive(&b->cloud), rows[i].kind == ERR_NONE ? 1 : 0);
    }
}

static void test_on_prem__storage_that_cannot_limit_a_disk_is_told_and_the_machine_starts(void **state)
{
    AUTO_BED struct bed *b = toy_bed(&(struct toy){.no_quota = true}, NULL, 0);
    AUTO_ORDER struct order o;
    char told[200] = "";
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.instance_type = "2vcpu-4gb-50gb";
    o.r.say = keep;
    o.r.say_arg = told;
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_non_null(strstr(told, "cannot limit"));
    assert_created(b, "HostConfig.StorageOpt", "absent");
}

/* ---- the engine ---- */

static void test_on_prem__the_newest_version_that_both_speak_is_used(void **state)
{
    static const struct {
        const char *version, *path;
    } rows[] = {{"{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}", "/v1.41/containers/create?name=muster-a"},
                {"{\"ApiVersion\":\"1.9\"}", "/v1.9/containers/create?name=muster-a"},
                {"{\"ApiVersion\":\"1.56\",\"MinAPIVersion\":\"1.40\"}", "/v1.47/containers/create?name=muster-a"},
                {"{\"ApiVersion\":\"2.3\",\"MinAPIVersion\":\"2.0\"}", "/v2.0/containers/create?name=muster-a"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BED struct bed *b = toy_bed(&(struct toy){.version = rows[i].version}, NULL, 0);
        struct instance got;
        struct err e;

        (void)launch(b, "4vcpu-16gb", NULL, NULL, &got, &e); /* the toy itself speaks 1.47 only */
        if (strstr(rows[i].path, "1.47") != NULL)
            assert_string_equal(last(b, "POST", CREATE)->path, rows[i].path);
        else
            assert_int_equal(strncmp(raw_get(b->server, 2)->path, rows[i].path, strcspn(rows[i].path + 1, "/") + 1), 0);
    }
}

static void test_on_prem__a_version_or_size_that_makes_no_sense_is_tried_again(void **state)
{
    static const char *const versions[] = {"{}",
                                           "[]",
                                           "{\"ApiVersion\":7}",
                                           "{\"ApiVersion\":\"new\"}",
                                           "{\"ApiVersion\":\"1.\"}",
                                           "{\"ApiVersion\":\"1.41/../..\"}"};
    static const char *const infos[] = {"{}", "{\"NCPU\":0,\"MemTotal\":1}", "{\"NCPU\":\"2\",\"MemTotal\":1}"};
    struct instance got;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        AUTO_BED struct bed *b = toy_bed(&(struct toy){.version = versions[i]}, NULL, 0);

        assert_fails(launch(b, "4vcpu-16gb", NULL, NULL, &got, &e), ERR_RETRY, "makes no sense", e);
    }
    for (size_t i = 0; i < ARRAY_LEN(infos); i++) {
        AUTO_BED struct bed *b = toy_bed(&(struct toy){.info = infos[i]}, NULL, 0);

        assert_fails(launch(b, "4vcpu-16gb", NULL, NULL, &got, &e), ERR_RETRY, "makes no sense", e);
    }
}

static void test_on_prem__the_engine_is_asked_about_itself_once_a_minute(void **state)
{
    AUTO_BED struct bed *b = toy_bed(&(struct toy){.pull = NULL}, NULL, 0);
    struct bed_seen seen = {0};
    struct err e;

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_int_equal(asked_count(b, "GET", "/version"), 1);
    assert_int_equal(asked_count(b, "GET", "/info"), 1);
}

/* PROVIDERS.md trap 11: Podman drops requests for GPUs without a word. */
static void test_on_prem__podman_is_never_asked_for_a_gpu(void **state)
{
    static const char podman[] = "{\"ApiVersion\":\"1.47\",\"Components\":[{\"Name\":\"Podman Engine\"}]}";
    static const struct bed_setting two[] = {{"gpus", "2"}};
    AUTO_BED struct bed *b = toy_bed(&(struct toy){.version = podman}, two, 1);
    struct instance got;
    struct err e;

    (void)state;
    assert_fails(launch(b, "4vcpu-16gb", NULL, "a100", &got, &e), ERR_CAPACITY, "Podman", e);
    assert_true(e.retry_after_s >= 3600);
    assert_fails(launch(b, "4vcpu-16gb", "{\"gpu\":\"all\"}", NULL, &got, &e), ERR_CAPACITY, "Podman", e);
    assert_int_equal(asked_count(b, "POST", CREATE), 0);
    assert_ok(launch(b, "4vcpu-16gb", NULL, NULL, &got, &e), e);
}

/* ---- GPUs ---- */

static void test_on_prem__a_gpu_of_the_host_is_named_in_the_request_and_in_the_label(void **state)
{
    static const struct bed_setting four[] = {{"gpus", "4"}};
    AUTO_BED struct bed *b = toy_bed(&(struct toy){.rival = "r"}, four, 1);
    struct instance got;
    struct err e;

    (void)state;
    assert_fails(launch(b, "4vcpu-16gb", "{\"gpu\":4}", NULL, &got, &e), ERR_CAPACITY, "0 in use of 4", e);
    assert_ok(launch(b, "4vcpu-16gb", "{\"gpu\":2}", NULL, &got, &e), e);
    assert_created(b, "HostConfig.DeviceRequests", "[{'DeviceIDs':['1','2'],'Capabilities':[['gpu']]}]");
    assert_created(b, "Labels.muster-gpus", "'1,2'");
}

static void test_on_prem__all_gpus_are_asked_for_as_all(void **state)
{
    AUTO_BED struct bed *b = toy_bed(&(struct toy){.pull = NULL}, NULL, 0);
    struct instance got;
    struct err e;

    (void)state;
    assert_ok(launch(b, "4vcpu-16gb", "{\"gpu\":\"all\"}", NULL, &got, &e), e);
    assert_created(b, "HostConfig.DeviceRequests", "[{'Count':-1,'Capabilities':[['gpu']]}]");
    assert_created(b, "Labels.muster-gpus", "'all'");
}

static void test_on_prem__all_gpus_are_never_those_that_the_owner_kept(void **state)
{
    static const struct bed_setting two[] = {{"gpus", "2"}};
    AUTO_BED struct bed *b = toy_bed(&(struct toy){.pull = NULL}, two, 1);
    struct instance got;
    struct err e;

    (void)state;
    assert_ok(launch(b, "4vcpu-16gb", "{\"gpu\":\"all\"}", NULL, &got, &e), e);
    assert_created(b, "HostConfig.DeviceRequests", "[{'DeviceIDs':['0','1'],'Capabilities':[['gpu']]}]");
    assert_created(b, "Labels.muster-gpus", "'0,1'");
}

static void test_on_prem__newer_engines_say_themselves_how_many_gpus_there_are(void **state)
{
    static const char info[] =
        "{\"NCPU\":64,\"MemTotal\":999999999999,\"DiscoveredDevices\":[{\"Source\":\"cdi\",\"ID\":\"nvidia.com/"
        "gpu=0\"},"
        "{\"Source\":\"cdi\",\"ID\":\"nvidia.com/gpu=1\"},{\"Source\":\"cdi\",\"ID\":\"nvidia.com/gpu=GPU-1\"},"
        "{\"Source\":\"cdi\",\"ID\":\"nvidia.com/gpu=all\"},{\"Source\":\"cdi\",\"ID\":\"amd.com/gpu=0\"},{},7]}";
    AUTO_BED struct bed *b = toy_bed(&(struct toy){.info = info}, NULL, 0);
    struct instance got;
    struct err e;

    (void)state;
    assert_fails(launch(b, "4vcpu-16gb", "{\"gpu\":3}", NULL, &got, &e), ERR_CAPACITY, "2 GPUs", e);
    assert_ok(launch(b, "4vcpu-16gb", "{\"gpu\":2}", NULL, &got, &e), e);
    assert_created(b, "HostConfig.DeviceRequests", "[{'DeviceIDs':['0','1'],'Capabilities':[['gpu']]}]");
}

/* Each look at the lists of a launch: what is free; are we there; who else is. */
static void test_on_prem__of_two_daemons_never_both_start_with_one_gpu(void **state)
{
    static const struct {
        const char *rival;
        int64_t born;
        const char *gpus; /* ours in the end; NULL = none was free */
    } rows[] = {
        {"--rr", 1714580000, "'1'"},     /* it started while we created: we take another */
        {"--cc", 1714560000, "'1'"},     /* older, on its way: the same */
        {"--ccccr", 1714580000, "'1'"},  /* younger, but it could not see us, and started */
        {"--cccc--", 1714580000, "'0'"}, /* younger: it sees us and withdraws */
        {"-----", 0, "'0'"},
    };
    static const struct bed_setting two[] = {{"gpus", "2"}}, one[] = {{"gpus", "1"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BED struct bed *b = toy_bed(&(struct toy){.rival = rows[i].rival, .rival_born = rows[i].born}, two, 1);
        struct instance got;
        struct err e;

        assert_ok(launch(b, "4vcpu-16gb", NULL, "a100", &got, &e), e);
        assert_created(b, "Labels.muster-gpus", rows[i].gpus);
        assert_int_equal(fake_alive(&b->cloud), 1);
        assert_int_equal(asked_count(b, "POST", "/v*/containers/*/start"), 1);
    }
    for (size_t i = 0; i < 3; i++) {
        AUTO_BED struct bed *b = toy_bed(&(struct toy){.rival = rows[i].rival, .rival_born = rows[i].born}, one, 1);
        struct instance got;
        struct err e;

        assert_fails(launch(b, "4vcpu-16gb", NULL, "a100", &got, &e), ERR_CAPACITY, "no GPU is free", e);
        assert_int_equal(fake_alive(&b->cloud), 0);
        assert_int_equal(asked_count(b, "POST", "/v*/containers/*/start"), 0);
    }
}

static void test_on_prem__a_rival_that_neither_starts_nor_goes_is_not_waited_for_without_end(void **state)
{
    static const struct bed_setting one[] = {{"gpus", "1"}};
    AUTO_BED struct bed *b = toy_bed(&(struct toy){.rival = "--c", .rival_born = 1714580000}, one, 1);
    struct instance got;
    struct err e;

    (void)state;
    assert_fails(launch(b, "4vcpu-16gb", NULL, "a100", &got, &e), ERR_CAPACITY, "no GPU is free", e);
    assert_int_equal(fake_alive(&b->cloud), 0);
}

static void test_on_prem__a_refusal_at_the_start_leaves_no_container(void **state)
{
    static const struct {
        int status;
        const char *says;
        enum err_kind kind;
        size_t left;
    } rows[] = {
        {500, "{\"message\":\"could not select device driver \\\"\\\" with capabilities: [[gpu]]\"}", ERR_CAPACITY, 0},
        {400, "{\"message\":\"OCI runtime create failed: exec: \\\"/bin/bash\\\": no such file or directory\"}",
         ERR_INVALID, 0},
        {404, "{\"message\":\"No such container: it\"}", ERR_RETRY, 1},
        {500, "{\"message\":\"something passing\"}", ERR_RETRY, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BED struct bed *b =
            toy_bed(&(struct toy){.start_status = rows[i].status, .start_says = rows[i].says}, NULL, 0);
        struct instance got;
        struct err e;

        assert_fails(launch(b, "4vcpu-16gb", NULL, NULL, &got, &e), rows[i].kind, "", e);
        assert_int_equal(fake_alive(&b->cloud), rows[i].left);
    }
}

static void test_on_prem__a_launch_refused_for_good_at_any_of_its_requests_leaves_no_container(void **state)
{
    static const struct bed_setting one[] = {{"gpus", "1"}};
    static const struct fake_fault well = {.skip = 1000000};
    int refused = 0;

    (void)state;
    for (size_t skip = 0; skip < 9; skip++) {
        AUTO_BED struct bed *b = bed_open(&fake_on_prem, one, 1);
        struct instance got;
        struct err e;

        fake_set_fault(
            &b->cloud,
            &(struct fake_fault){.skip = skip, .status = 403, .body = "{\"message\":\"not allowed\"}", .next = &well});
        if (launch(b, "4vcpu-16gb", NULL, "a100", &got, &e) == 0)
            continue;
        refused++;
        assert_int_equal(fake_alive(&b->cloud), 0);
    }
    assert_in_range(refused, 4, 8);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_on_prem__a_launch_creates_a_container_of_its_size_that_is_removed_at_its_end),
        cmocka_unit_test(test_on_prem__the_bootstrap_goes_in_as_a_file_between_creation_and_start),
        cmocka_unit_test(test_on_prem__options_of_the_file_become_options_of_the_container),
        cmocka_unit_test(test_on_prem__nobody_gets_the_host_unless_its_owner_allows_it),
        cmocka_unit_test(test_on_prem__a_mistake_in_the_file_is_refused_before_any_request),
        cmocka_unit_test(test_on_prem__an_image_that_is_missing_is_pulled_and_its_progress_told),
        cmocka_unit_test(test_on_prem__an_error_inside_the_stream_of_a_pull_has_its_kind),
        cmocka_unit_test(test_on_prem__storage_that_cannot_limit_a_disk_is_told_and_the_machine_starts),
        cmocka_unit_test(test_on_prem__the_newest_version_that_both_speak_is_used),
        cmocka_unit_test(test_on_prem__a_version_or_size_that_makes_no_sense_is_tried_again),
        cmocka_unit_test(test_on_prem__the_engine_is_asked_about_itself_once_a_minute),
        cmocka_unit_test(test_on_prem__podman_is_never_asked_for_a_gpu),
        cmocka_unit_test(test_on_prem__a_gpu_of_the_host_is_named_in_the_request_and_in_the_label),
        cmocka_unit_test(test_on_prem__newer_engines_say_themselves_how_many_gpus_there_are),
        cmocka_unit_test(test_on_prem__all_gpus_are_asked_for_as_all),
        cmocka_unit_test(test_on_prem__all_gpus_are_never_those_that_the_owner_kept),
        cmocka_unit_test(test_on_prem__of_two_daemons_never_both_start_with_one_gpu),
        cmocka_unit_test(test_on_prem__a_rival_that_neither_starts_nor_goes_is_not_waited_for_without_end),
        cmocka_unit_test(test_on_prem__a_refusal_at_the_start_leaves_no_container),
        cmocka_unit_test(test_on_prem__a_launch_refused_for_good_at_any_of_its_requests_leaves_no_container),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
