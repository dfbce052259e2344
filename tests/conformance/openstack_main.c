/*
 * The contract of a cloud (providers/provider.h) against a real OpenStack, which tests/openstack/stack.sh starts and
 * describes in OS_* and LAB_*. Faults that a healthy cloud does not have (a lost answer, a page that fails) come from a
 * relay before Nova. Prints "ok NAME", "not ok NAME: why", and the count. Leaves no server behind.
 *
 * usage: stack.sh openstack
 */
#include "server/base/text.h"
#include "tests/support/openstack_lab.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE 600 /* looks, half a second apart */
#define TEST(name)                                                                                                     \
    {                                                                                                                  \
#name, name                                                                                                    \
    }

static struct lab_bed *open_plain(const char *deployment)
{
    return lab_open(deployment, true, NULL, 0);
}

static struct instance named(const char *id, const char *name)
{
    struct instance i = {.why = ERR_NONE};

    (void)snprintf(i.id, sizeof(i.id), "%s", id);
    (void)snprintf(i.name, sizeof(i.name), "%s", name);
    return i;
}

/* ---- results ---- */

static struct {
    size_t passed, failed;
} count;

static bool result(bool good, const char *test, const char *what, const struct err *e)
{
    if (good)
        count.passed++;
    else
        count.failed++;
    if (good)
        (void)printf("ok %s: %s\n", test, what);
    else
        (void)printf("not ok %s: %s: %s\n", test, what, e != NULL && e->kind != ERR_NONE ? e->msg : "it is otherwise");
    (void)fflush(stdout);
    return good;
}
#define CHECK(good, what) result(good, __func__, what, &e)

static bool fails_as(int rc, const struct err *e, enum err_kind kind, const char *words)
{
    if (rc == -1 && e->kind == kind && strstr(e->msg, words) != NULL)
        (void)printf("# %s: %s\n", err_kind_name(e->kind), e->msg);
    return rc == -1 && e->kind == kind && strstr(e->msg, words) != NULL;
}

/* Describe until it is in a state; false: it did not come to it in time. */
static bool becomes(struct lab_bed *b, const struct instance *ref, enum instance_state state, struct err *e)
{
    struct instance got = {.state = INSTANCE_PENDING};

    for (int i = 0; i < PATIENCE; i++) {
        if (b->ops->describe(b->p, ref, &got, e) == 0 && got.state == state)
            return true;
        (void)pause_for(b->pause, 500);
    }
    return false;
}

static int count_one(void *arg, const struct instance *i, struct err *e)
{
    size_t *n = arg;

    (void)i;
    (void)e;
    ++*n;
    return 0;
}

static size_t count_all(struct lab_bed *b)
{
    struct err e;
    size_t n = 0;

    if (b->ops->list(b->p, NULL, count_one, &n, &e)) {
        (void)printf("# list: %s\n", e.msg);
        return SIZE_MAX;
    }
    return n;
}

static int destroy_one(void *arg, const struct instance *i, struct err *e)
{
    struct lab_bed *b = arg;

    return b->ops->destroy(b->p, i, e);
}

/* Destroy everything of the account's deployment, until the list is empty; close it. */
static void clean(struct lab_bed *b, const char *test)
{
    struct err e = {.kind = ERR_NONE};
    size_t left = SIZE_MAX;

    for (int i = 0; i < PATIENCE && left != 0; i++) {
        (void)!b->ops->list(b->p, NULL, destroy_one, b, &e);
        left = count_all(b);
        if (left != 0)
            (void)pause_for(b->pause, 500);
    }
    (void)result(left == 0, test, "nothing is left", &e);
    lab_close(b);
}

/* ---- what the operator sees ---- */

static json_t *server_as_admin(struct lab_bed *b, const char *id)
{
    AUTO_BUF struct buf url = BUF_INIT(1024);

    buf_addf(&url, "%s/servers/%s", lab_env("LAB_NOVA"), id);
    return lab_as_admin(b, "GET", url.p, NULL);
}

static bool says(const json_t *server, const char *path, const char *value)
{
    const char *found;
    struct err e;

    return js_str(server, path, &found, &e) == 0 && strcmp(found, value) == 0;
}

/* ---- the contract ---- */

static void a_machine_from_its_launch_to_its_end(void)
{
    struct lab_bed *b = open_plain("life");
    struct instance got, again, by_name = named("", "muster-life");
    AUTO_JSON json_t *doc = NULL;
    AUTO_BUF struct buf data = BUF_INIT(4096);
    struct err e = {.kind = ERR_NONE};

    text_base64(&data, lab_user_data, strlen(lab_user_data));
    if (!CHECK(lab_launch(b, "muster-life", NULL, "m1.tiny", true, &got, &e) == 0, "it is launched")) {
        clean(b, __func__);
        return;
    }
    CHECK(strcmp(got.region, "RegionOne") == 0 && strcmp(got.name, "muster-life") == 0, "with its region and name");
    CHECK(becomes(b, &got, INSTANCE_RUNNING, &e), "it runs");
    CHECK(lab_launch(b, "muster-life", "RegionOne", "m1.tiny", false, &again, &e) == 0 &&
              strcmp(got.id, again.id) == 0 && count_all(b) == 1,
          "the same launch again is the same machine");
    doc = server_as_admin(b, got.id);
    CHECK(says(doc, "server.OS-EXT-SRV-ATTR:user_data", data.p), "its user-data arrived");
    CHECK(says(doc, "server.metadata." TAG_MACHINE, "muster-life") &&
              says(doc, "server.metadata." TAG_JOB, "123456789") &&
              says(doc, "server.metadata." TAG_REPOSITORY, "octo/hello"),
          "its metadata arrived");
    CHECK(says(doc, "server.tags.0", "muster-deployment:life") &&
              says(doc, "server.tags.1", "muster-machine:muster-life"),
          "its tags arrived");
    CHECK(says(doc, "server.config_drive", "True"), "it has a config drive");
    CHECK(b->ops->describe(b->p, &by_name, &again, &e) == 0 && strcmp(again.id, got.id) == 0 &&
              again.expires_ms == INT64_C(1900000000000) && again.created_ms > 0,
          "it is found by its name");
    CHECK(b->ops->destroy(b->p, &got, &e) == 0, "it is destroyed");
    CHECK(becomes(b, &got, INSTANCE_GONE, &e) && becomes(b, &by_name, INSTANCE_GONE, &e), "it is gone");
    CHECK(b->ops->destroy(b->p, &got, &e) == 0 && b->ops->destroy(b->p, &by_name, &e) == 0,
          "destroying it again succeeds");
    clean(b, __func__);
}

static void a_lost_answer_and_a_repetition_make_one_machine(void)
{
    struct lab_relay relay = {.lose = "POST"};
    struct lab_bed *b = lab_open_relayed("lost", &relay);
    struct instance got, found, by_name = named("", "muster-lost");
    struct err e = {.kind = ERR_NONE};

    CHECK(fails_as(lab_launch(b, "muster-lost", NULL, "m1.tiny", true, &got, &e), &e, ERR_RETRY, ""),
          "the answer is lost");
    relay.lose = NULL;
    CHECK(b->ops->describe(b->p, &by_name, &found, &e) == 0 && found.id[0] != '\0', "the machine is found by its name");
    CHECK(lab_launch(b, "muster-lost", NULL, "m1.tiny", false, &got, &e) == 0 && strcmp(got.id, found.id) == 0,
          "the repetition adopts it");
    CHECK(count_all(b) == 1, "there is one");
    clean(b, __func__);
    lab_relay_stop(&relay);
}

struct worker {
    struct lab_bed *b;
    int number, rc;
    struct err e;
    pthread_t thread;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct instance got;
    char name[32];

    (void)snprintf(name, sizeof(name), "muster-page-%d", w->number);
    w->rc = lab_launch(w->b, name, "nova", "m1.tiny", true, &got, &w->e); /* a zone */
    return NULL;
}

/* Pages of stack.sh's Nova hold four. */
static void a_list_has_all_pages_or_fails(void)
{
    struct lab_relay relay = {.lose = NULL};
    struct lab_bed *b = open_plain("pages"), *behind;
    struct worker w[6];
    struct err e = {.kind = ERR_NONE};
    size_t launched = 0, n = 0;

    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        w[i] = (struct worker){.b = b, .number = (int)i};
        (void)pthread_create(&w[i].thread, NULL, work, &w[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        (void)pthread_join(w[i].thread, NULL);
        launched += w[i].rc == 0 ? 1 : 0;
        if (w[i].rc != 0)
            e = w[i].e;
    }
    CHECK(launched == ARRAY_LEN(w), "six threads launch six machines, in a zone");
    CHECK(count_all(b) == ARRAY_LEN(w), "the list has all six");
    behind = lab_open_relayed("pages", &relay);
    relay.break_at = "marker=";
    CHECK(fails_as(behind->ops->list(behind->p, NULL, count_one, &n, &e), &e, ERR_RETRY, "page 2") && n == 4,
          "a fault on its second page fails it");
    lab_close(behind);
    lab_relay_stop(&relay);
    clean(b, __func__);
}

static void a_full_cloud_is_out_of_capacity_and_keeps_nothing(void)
{
    struct lab_bed *b = lab_open("gpus", true, &(struct lab_setting){"network", "private"}, 1);
    struct instance got, third = named("", "muster-gpu-3"), eight = named("", "muster-gpu-8");
    struct err e = {.kind = ERR_NONE};

    CHECK(lab_launch(b, "muster-gpu-1", NULL, "gpu.one", true, &got, &e) == 0 &&
              becomes(b, &got, INSTANCE_RUNNING, &e) &&
              lab_launch(b, "muster-gpu-2", NULL, "gpu.one", true, &got, &e) == 0 &&
              becomes(b, &got, INSTANCE_RUNNING, &e),
          "two GPUs are given away");
    CHECK(fails_as(lab_launch(b, "muster-gpu-3", NULL, "gpu.one", true, &got, &e), &e, ERR_CAPACITY, "No valid host"),
          "the third is refused");
    CHECK(becomes(b, &third, INSTANCE_GONE, &e), "its server in ERROR is gone");
    CHECK(
        fails_as(lab_launch(b, "muster-gpu-8", NULL, "gpu.eight", true, &got, &e), &e, ERR_CAPACITY, "No valid host") &&
            becomes(b, &eight, INSTANCE_GONE, &e),
        "so is one that fits nowhere");
    CHECK(count_all(b) == 2, "two machines are there");
    clean(b, __func__);
}

static struct lab_bed *open_small(const char *deployment, const char *network)
{
    const struct lab_setting more[] = {{"project_id", lab_env("LAB_SMALL_PROJECT_ID")}, {"network", network}};

    return lab_open(deployment, true, more, ARRAY_LEN(more));
}

static void a_full_quota_is_a_quota(void)
{
    struct lab_bed *b = open_small("quota", "small");
    struct instance got;
    struct err e = {.kind = ERR_NONE};

    CHECK(lab_launch(b, "muster-small-1", NULL, "m1.tiny", true, &got, &e) == 0, "the first is launched");
    CHECK(fails_as(lab_launch(b, "muster-small-2", NULL, "m1.tiny", true, &got, &e), &e, ERR_QUOTA, "Quota exceeded"),
          "the second is over the quota");
    clean(b, __func__);
}

/* A launch that fails only when its host builds it: refused at once when that is seen in time, else stopped with the
 * reason. True when the reason holds these words. */
static bool fails_later(struct lab_bed *b, const char *name, const char *type, const char *words, struct err *e)
{
    struct instance got = {.why = ERR_NONE}, ref = named("", name);

    if (lab_launch(b, name, NULL, type, true, &got, e)) {
        (void)printf("# at the launch: %s: %s\n", err_kind_name(e->kind), e->msg);
        return strstr(e->msg, words) != NULL;
    }
    if (!becomes(b, &ref, INSTANCE_STOPPED, e) || b->ops->describe(b->p, &ref, &got, e))
        return false;
    (void)printf("# later: %s: %s\n", err_kind_name(got.why), got.detail);
    return strstr(got.detail, words) != NULL;
}

static void what_its_host_cannot_build_says_why(void)
{
    struct lab_bed *b = open_small("address", "full");
    struct err e = {.kind = ERR_NONE};

    CHECK(fails_later(b, "muster-address", "m1.tiny", "no free address", &e), "a network without a free address");
    clean(b, __func__);
    b = open_small("volumes", "small");
    CHECK(fails_later(b, "muster-volumes", "m1.diskless", "exceeded for quota", &e), "a quota of volumes");
    clean(b, __func__);
}

/* Is the only volume of a server so large, and made to end with it? Its id goes to id. */
static bool has_volume(struct lab_bed *b, const char *server, int64_t size_gb, char id[64])
{
    AUTO_JSON json_t *doc = server_as_admin(b, server), *volume = NULL;
    AUTO_BUF struct buf url = BUF_INIT(1024);
    const char *found;
    int64_t size;
    bool ends;
    struct err e;

    if (js_str(doc, "server.os-extended-volumes:volumes_attached.0.id", &found, &e) ||
        js_bool(doc, "server.os-extended-volumes:volumes_attached.0.delete_on_termination", &ends, &e))
        return false;
    (void)snprintf(id, 64, "%s", found);
    buf_addf(&url, "%s/volumes/%s", lab_env("LAB_CINDER"), id);
    volume = lab_as_admin(b, "GET", url.p, NULL);
    return ends && js_i64(volume, "volume.size", &size, &e) == 0 && size == size_gb;
}

static bool volume_goes(struct lab_bed *b, const char *id)
{
    AUTO_BUF struct buf url = BUF_INIT(1024);

    buf_addf(&url, "%s/volumes/%s", lab_env("LAB_CINDER"), id);
    for (int i = 0; i < PATIENCE && *id != '\0'; i++) {
        AUTO_JSON json_t *volume = lab_as_admin(b, "GET", url.p, NULL);

        if (volume == NULL)
            return true;
        (void)pause_for(b->pause, 500);
    }
    return false;
}

static void a_flavor_without_a_disk_boots_from_a_volume_that_ends_with_it(void)
{
    struct lab_bed *b = lab_open("volume", true, NULL, 0);
    struct instance got;
    char first[64] = "", second[64] = "";
    struct err e = {.kind = ERR_NONE};

    CHECK(lab_launch(b, "muster-volume", NULL, "m1.diskless", true, &got, &e) == 0 &&
              becomes(b, &got, INSTANCE_RUNNING, &e) && has_volume(b, got.id, 50, first),
          "it runs from a volume of 50 GB");
    lab_extra(b, json_pack("{s:[{s:i, s:s, s:s}]}", "block_device_mapping_v2", "boot_index", 0, "volume_size", "20",
                           "volume_type", "__DEFAULT__"));
    CHECK(lab_launch(b, "muster-volume-2", NULL, "m1.tiny", true, &got, &e) == 0 &&
              becomes(b, &got, INSTANCE_RUNNING, &e) && has_volume(b, got.id, 20, second),
          "another of the size and type that extra_config asks for");
    CHECK(b->ops->list(b->p, NULL, destroy_one, b, &e) == 0 && volume_goes(b, first) && volume_goes(b, second),
          "the volumes end with the machines");
    clean(b, __func__);
}

/* ---- accounts ---- */

/* Setting a user's password, even to the same, ends all of its tokens. */
static void a_revoked_token_is_renewed_once(void)
{
    struct lab_relay relay = {.lose = NULL};
    struct lab_bed *b = lab_open_relayed("revoked", &relay);
    AUTO_BUF struct buf user = BUF_INIT(1024);
    AUTO_JSON json_t *body = json_pack("{s:{s:s}}", "user", "password", lab_env("OS_PASSWORD")), *doc = NULL;
    struct err e = {.kind = ERR_NONE};

    CHECK(count_all(b) == 0 && relay.refused == 0, "a token is good");
    (void)pause_for(b->pause, 1100); /* Keystone counts in seconds */
    buf_addf(&user, "%s/users/%s", lab_env("OS_AUTH_URL"), lab_env("LAB_USER_ID"));
    doc = lab_as_admin(b, "PATCH", user.p, body);
    CHECK(doc != NULL, "it is revoked");
    (void)pause_for(b->pause, 1100);
    CHECK(count_all(b) == 0 && relay.refused == 1, "refused once, renewed, and the call succeeds");
    clean(b, __func__);
    lab_relay_stop(&relay);
}

static void mistakes_are_named(void)
{
    const struct lab_setting bad[] = {{"password", "wrong-password-0123"}}, nowhere[] = {{"region", "RegionNine"}},
                             dead[] = {{"region", "RegionTwo"}}, no_network[] = {{"network", "nowhere"}};
    struct lab_bed *b = open_plain("mistakes"), *auth = lab_open("mistakes", true, bad, 1),
                   *region = lab_open("mistakes", true, nowhere, 1), *two = lab_open("mistakes", true, dead, 1),
                   *net = lab_open("mistakes", true, no_network, 1);
    struct instance got;
    struct err e = {.kind = ERR_NONE};
    size_t n = 0;

    CHECK(fails_as(auth->ops->list(auth->p, NULL, count_one, &n, &e), &e, ERR_AUTH, "check user, password") &&
              strstr(e.msg, "wrong-password") == NULL,
          "a bad password");
    CHECK(fails_as(region->ops->list(region->p, NULL, count_one, &n, &e), &e, ERR_INVALID, "RegionOne, RegionTwo"),
          "a region of the account that is not in the catalogue");
    CHECK(fails_as(lab_launch(b, "muster-x", "RegionNine", "m1.tiny", true, &got, &e), &e, ERR_INVALID, "(nova)"),
          "a region that is neither a region nor a zone");
    CHECK(fails_as(two->ops->list(two->p, NULL, count_one, &n, &e), &e, ERR_RETRY, ""),
          "a region where nobody answers");
    CHECK(fails_as(lab_launch(b, "muster-x", NULL, "m9.none", true, &got, &e), &e, ERR_INVALID, "m9.none"), "a flavor");
    CHECK(fails_as(lab_launch(net, "muster-x", NULL, "m1.tiny", true, &got, &e), &e, ERR_INVALID, "nowhere"),
          "a network");
    lab_close(auth);
    lab_close(region);
    lab_close(two);
    lab_close(net);
    clean(b, __func__);
}

static void an_application_credential_signs_in(void)
{
    const struct lab_setting s[] = {{"auth_url", lab_env("OS_AUTH_URL")},
                                    {"region", "RegionOne"},
                                    {"interface", "internal"},
                                    {"application_credential_id", lab_env("LAB_CREDENTIAL_ID")},
                                    {"application_credential_secret", lab_env("LAB_CREDENTIAL_SECRET")}};
    struct lab_bed *b = lab_open("credential", false, s, ARRAY_LEN(s));
    struct err e = {.kind = ERR_NONE};

    CHECK(count_all(b) == 0, "and lists, by the internal interface");
    lab_close(b);
}

static void write_file(const char *path, const struct buf *text)
{
    FILE *f = fopen(path, "w");

    if (f == NULL || fputs(text->p, f) < 0 || fclose(f) != 0) {
        perror(path);
        exit(2);
    }
}

/* Names instead of ids, the password in its own file. */
static void the_files_of_openstacks_own_clients_are_read(void)
{
    char dir[] = "/tmp/muster-clouds-XXXXXX", clouds[64], secure[64];
    AUTO_BUF struct buf text = BUF_INIT(4096);
    struct lab_bed *b;
    struct err e = {.kind = ERR_NONE};

    if (mkdtemp(dir) == NULL)
        exit(2);
    (void)snprintf(clouds, sizeof(clouds), "%s/clouds.yaml", dir);
    (void)snprintf(secure, sizeof(secure), "%s/secure.yaml", dir);
    buf_addf(&text,
             "clouds:\n  lab:\n    auth:\n      auth_url: %s\n      username: lab\n      project_name: lab\n"
             "      domain_name: Default\n    region_name: RegionOne\n  other: {}\n",
             lab_env("OS_AUTH_URL"));
    write_file(clouds, &text);
    buf_reset(&text);
    buf_addf(&text, "clouds:\n  lab:\n    auth:\n      password: %s\n", lab_env("OS_PASSWORD"));
    write_file(secure, &text);
    (void)setenv("OS_CLIENT_CONFIG_FILE", clouds, 1);
    (void)setenv("OS_CLIENT_SECURE_FILE", secure, 1);
    b = lab_open("files", true, &(struct lab_setting){"cloud", "lab"}, 1);
    CHECK(count_all(b) == 0, "and the cloud of that name lists");
    lab_close(b);
    (void)unlink(clouds);
    (void)unlink(secure);
    (void)rmdir(dir);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } tests[] = {TEST(an_application_credential_signs_in),
                 TEST(mistakes_are_named),
                 TEST(a_revoked_token_is_renewed_once),
                 TEST(a_machine_from_its_launch_to_its_end),
                 TEST(a_lost_answer_and_a_repetition_make_one_machine),
                 TEST(a_full_quota_is_a_quota),
                 TEST(what_its_host_cannot_build_says_why),
                 TEST(a_flavor_without_a_disk_boots_from_a_volume_that_ends_with_it),
                 TEST(a_full_cloud_is_out_of_capacity_and_keeps_nothing),
                 TEST(a_list_has_all_pages_or_fails),
                 TEST(the_files_of_openstacks_own_clients_are_read)};
    const char *only = getenv("MUSTER_TEST_ONLY");

    for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
        if (only == NULL || strcmp(only, tests[i].name) == 0)
            tests[i].run();
    }
    (void)printf("%zu passed, %zu failed\n", count.passed, count.failed);
    return count.failed == 0 && count.passed > 0 ? 0 : 1;
}
