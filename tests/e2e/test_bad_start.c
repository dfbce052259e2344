/*
 * What stands in the way of a start is said in one sentence that names the setting and the remedy; exit 1; nothing is
 * harmed.
 */
#include "server/base/mem.h"
#include "tests/support/daemon.h"
#include "tests/support/env.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int setup(void **state)
{
    char *dir = mem_strdup("/tmp/muster-bad-start-XXXXXX");

    *state = dir;
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const names[] = {"app.pem",      "bad.pem", "settings.yml", "store.db",     "store.db-wal",
                                        "store.db-shm", "text.db", "newer.db",     "newer.db-wal", "newer.db-shm"};
    char path[256];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", (char *)*state, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(*state);
    free(*state);
    return 0;
}

/* It must end by itself with status 1, having said one last line with both words and no secret. */
static void refuses(const struct env *env, const char *const *args, const char *word, const char *other)
{
    struct daemon_child *d = daemon_spawn((const char *const *)env->v, args);
    AUTO_FREE char *log = NULL;
    const char *line;

    (void)daemon_wait_log(d, "no line says this: it waits for the end", 60000);
    log = daemon_log(d);
    line = strstr(log, "muster: ");
    if (line == NULL || strstr(line, word) == NULL || strstr(line, other) == NULL)
        print_error("expected \"%s\" and \"%s\" in:\n%s\n", word, other, log);
    assert_non_null(line);
    assert_non_null(strstr(line, word));
    assert_non_null(strstr(line, other));
    assert_string_equal(strchr(line, '\n'), "\n");
    assert_null(strstr(log, "nobody-sees"));
    assert_int_equal(daemon_stop(d, 0), 1);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void test_start__sound_settings_start_and_end_cleanly(void **state)
{
    AUTO_ENV struct env env = {0};
    struct daemon_child *d;

    env_sound(&env, *state);
    d = daemon_start((const char *const *)env.v);
    assert_non_null(d);
    assert_true(daemon_port(d) > 0);
    assert_int_equal(daemon_stop(d, SIGTERM), 0);
}

static void test_start__each_missing_setting_is_named_with_its_variable(void **state)
{
    static const char *const needed[][3] = {
        {"MUSTER_WEBHOOK_SECRET", "webhook_secret", "MUSTER_WEBHOOK_SECRET"},
        {"MUSTER_GITHUB_APP_ID", "app_id", "MUSTER_GITHUB_APP_ID"},
        {"MUSTER_GITHUB_PRIVATE_KEY_FILE", "private_key", "MUSTER_GITHUB_PRIVATE_KEY"}};

    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        AUTO_ENV struct env env = {0};

        env_sound(&env, *state);
        env_set(&env, needed[i][0], NULL);
        refuses(&env, NULL, needed[i][1], needed[i][2]);
    }
}

static void test_start__an_unknown_setting_is_told_its_place_and_the_nearest_one(void **state)
{
    AUTO_ENV struct env env = {0};
    char path[256];
    const char *args[] = {"-c", path, NULL};

    (void)snprintf(path, sizeof(path), "%s/settings.yml", (char *)*state);
    write_file(path, "server:\n  lisen: 127.0.0.1:0\n");
    env_sound(&env, *state);
    refuses(&env, args, "settings.yml:2:3", "\"listen\"");
}

static void test_start__an_unreadable_or_foreign_key_is_named_and_never_shown(void **state)
{
    AUTO_ENV struct env env = {0};
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/bad.pem", (char *)*state);
    env_sound(&env, *state);
    env_set(&env, "MUSTER_GITHUB_PRIVATE_KEY_FILE", path);
    refuses(&env, NULL, "bad.pem", "No such file");
    write_file(path, "-----BEGIN nobody-sees-----\nthis is no key\n");
    refuses(&env, NULL, "MUSTER_GITHUB_PRIVATE_KEY_FILE", "PEM");
}

static void test_start__a_busy_port_is_one_sentence(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof(a);
    AUTO_ENV struct env env = {0};
    char listen_on[64];

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    (void)snprintf(listen_on, sizeof(listen_on), "127.0.0.1:%d", ntohs(a.sin_port));
    env_sound(&env, *state);
    env_set(&env, "MUSTER_LISTEN", listen_on);
    refuses(&env, NULL, listen_on, "in use");
    (void)close(fd);
}

static void test_start__a_store_that_cannot_be_is_named(void **state)
{
    AUTO_ENV struct env env = {0};
    char url[300];

    env_sound(&env, *state);
    env_set(&env, "MUSTER_STORE", "sqlite:/nowhere/at/all/muster.db");
    refuses(&env, NULL, "/nowhere/at/all", "No such file");
    (void)snprintf(url, sizeof(url), "sqlite:%s", (char *)*state);
    env_set(&env, "MUSTER_STORE", url);
    refuses(&env, NULL, *state, "not a file");
    env_set(&env, "MUSTER_STORE", "mysql://x");
    refuses(&env, NULL, "sqlite:", "store");
}

static void test_start__a_file_that_is_no_database_is_left_as_it_is(void **state)
{
    static const char text[] = "this is somebody's diary, and no database at all; it must stay as it is\n";
    AUTO_ENV struct env env = {0};
    char path[256], back[200];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/text.db", (char *)*state);
    write_file(path, text);
    env_sound(&env, *state);
    env_set(&env, "MUSTER_STORE", NULL);
    env_addf(&env, "MUSTER_STORE=sqlite:%s", path);
    refuses(&env, NULL, "text.db", "database");
    f = fopen(path, "re");
    assert_non_null(f);
    assert_non_null(fgets(back, sizeof(back), f));
    assert_string_equal(back, text);
    (void)fclose(f);
}

static void test_start__a_store_of_a_newer_version_is_refused(void **state)
{
    AUTO_ENV struct env env = {0};
    struct daemon_child *d;
    char path[256];
    sqlite3 *db = NULL;

    (void)snprintf(path, sizeof(path), "%s/newer.db", (char *)*state);
    env_sound(&env, *state);
    env_set(&env, "MUSTER_STORE", NULL);
    env_addf(&env, "MUSTER_STORE=sqlite:%s", path);
    d = daemon_start((const char *const *)env.v);
    assert_non_null(d);
    assert_int_equal(daemon_stop(d, SIGTERM), 0);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE schema_version SET version = 4711", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    refuses(&env, NULL, "4711", "newer");
}

static void test_start__a_full_disk_is_one_sentence(void **state)
{
    AUTO_ENV struct env env = {0};
    char where[256];

    (void)snprintf(where, sizeof(where), "%s/full", (char *)*state);
    assert_int_equal(mkdir(where, 0700), 0);
    if (mount("none", where, "tmpfs", 0, "size=16k") != 0) {
        (void)rmdir(where);
        print_message("SKIP test_start__a_full_disk_is_one_sentence: may not mount a small file system\n");
        skip();
    }
    env_sound(&env, *state);
    env_set(&env, "MUSTER_STORE", NULL);
    env_addf(&env, "MUSTER_STORE=sqlite:%s/store.db", where);
    refuses(&env, NULL, where, "full");
    assert_int_equal(umount(where), 0);
    assert_int_equal(rmdir(where), 0);
}

static void test_start__wrong_words_on_the_command_line_exit_with_2(void **state)
{
    AUTO_ENV struct env env = {0};
    const char *args[] = {"--lissen", "x", NULL};
    struct daemon_child *d;

    env_sound(&env, *state);
    d = daemon_spawn((const char *const *)env.v, args);
    assert_true(daemon_wait_log(d, "unknown option --lissen", 10000));
    assert_int_equal(daemon_stop(d, 0), 2);
}

static void test_start__check_validates_and_starts_nothing(void **state)
{
    AUTO_ENV struct env env = {0};
    const char *args[] = {"--check", NULL};
    struct daemon_child *d;

    env_sound(&env, *state);
    env_set(&env, "MUSTER_STORE", "sqlite:/nowhere/it/would/fail.db");
    d = daemon_spawn((const char *const *)env.v, args);
    assert_true(daemon_wait_log(d, "sound", 10000));
    assert_int_equal(daemon_stop(d, 0), 0);
}

static void test_start__check_finds_what_a_cloud_would_refuse(void **state)
{
    AUTO_ENV struct env env = {0};
    const char *args[] = {"--check", NULL};

    env_sound(&env, *state);
    env_set(&env, "AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
    env_set(&env, "AWS_SECRET_ACCESS_KEY", "nobody-sees");
    env_set(&env, "AWS_REGION", "evil.example/");
    refuses(&env, args, "clouds.aws", "region");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start__sound_settings_start_and_end_cleanly),
        cmocka_unit_test(test_start__each_missing_setting_is_named_with_its_variable),
        cmocka_unit_test(test_start__an_unknown_setting_is_told_its_place_and_the_nearest_one),
        cmocka_unit_test(test_start__an_unreadable_or_foreign_key_is_named_and_never_shown),
        cmocka_unit_test(test_start__a_busy_port_is_one_sentence),
        cmocka_unit_test(test_start__a_store_that_cannot_be_is_named),
        cmocka_unit_test(test_start__a_file_that_is_no_database_is_left_as_it_is),
        cmocka_unit_test(test_start__a_store_of_a_newer_version_is_refused),
        cmocka_unit_test(test_start__a_full_disk_is_one_sentence),
        cmocka_unit_test(test_start__wrong_words_on_the_command_line_exit_with_2),
        cmocka_unit_test(test_start__check_validates_and_starts_nothing),
        cmocka_unit_test(test_start__check_finds_what_a_cloud_would_refuse),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
