/* The script as a VM runs it: root by one of three ways, and once. `id` and `sudo` are doubles in a directory of ours.
 */
#include "providers/common/agent_script.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    char dir[64];
};

static void write_file(const char *dir, const char *name, const char *text, mode_t mode)
{
    char path[128];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(text, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* Who we are stands in a file; sudo makes us root, with a password unless the file NOPASSWD is there. */
static int setup(void **state)
{
    static struct place p;
    char path[128];

    (void)snprintf(p.dir, sizeof(p.dir), "/tmp/muster-script-XXXXXX");
    assert_non_null(mkdtemp(p.dir));
    (void)snprintf(path, sizeof(path), "%s/bin", p.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/var", p.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/var/tmp", p.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(p.dir, "bin/id", "#!/bin/sh\ncat \"$PLACE/uid\"\n", 0755);
    write_file(p.dir, "bin/sudo",
               "#!/bin/bash\n"
               "echo \"sudo $*\" >>\"$PLACE/log\"\n"
               "if [ \"$1\" = -n ]; then [ -e \"$PLACE/NOPASSWD\" ] || exit 1; shift; fi\n"
               "if [ \"$1\" = -S ]; then shift 3; read -r pw; echo \"password $pw\" >>\"$PLACE/log\"; fi\n"
               "[ \"$1\" = true ] && exit 0\n"
               "echo 0 >\"$PLACE/uid\"\n"
               "exec \"$@\"\n",
               0755);
    *state = &p;
    return 0;
}

static int teardown(void **state)
{
    const struct place *p = *state;
    char *const argv[] = {(char[]){"rm"}, (char[]){"-rf"}, (char *)(uintptr_t)p->dir, NULL};
    pid_t pid = fork();

    if (pid == 0)
        (void)execvp("rm", argv);
    (void)waitpid(pid, NULL, 0);
    return 0;
}

static void wrap(const struct place *p, const char *password)
{
    AUTO_SECRET struct secret *bootstrap = secret_new("#!/bin/bash\necho ran >>\"$PLACE/log\"\n", 36);
    AUTO_SECRET struct secret *pw = secret_new(password, strlen(password));
    AUTO_SECRET struct secret *out = NULL;
    struct err e;

    assert_ok(agent_script_wrap(bootstrap, pw, &out, &e), e);
    write_file(p->dir, "script.sh", secret_reveal(out), 0711);
}

static void set_uid(const struct place *p, const char *uid)
{
    write_file(p->dir, "uid", uid, 0644);
}

static int run(const struct place *p)
{
    char path[200], script[128], root[128], place[128];
    char *const argv[] = {(char[]){"bash"}, script, NULL};
    char *const envp[] = {path, root, place, NULL};
    pid_t pid;
    int status;

    (void)snprintf(path, sizeof(path), "PATH=%s/bin:/usr/bin:/bin", p->dir);
    (void)snprintf(root, sizeof(root), "MUSTER_ROOT=%s", p->dir);
    (void)snprintf(place, sizeof(place), "PLACE=%s", p->dir);
    (void)snprintf(script, sizeof(script), "%s/script.sh", p->dir);
    pid = fork();
    if (pid == 0) {
        (void)execve("/bin/bash", argv, envp);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What was done, with the directory's name left out. */
static const char *log_of(const struct place *p)
{
    static char text[2000];
    char path[128], *at;
    size_t n = 0, len = strlen(p->dir);
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/log", p->dir);
    f = fopen(path, "r");
    if (f != NULL) {
        n = fread(text, 1, sizeof(text) - 1, f);
        (void)fclose(f);
    }
    text[n] = '\0';
    while ((at = strstr(text, p->dir)) != NULL)
        memmove(at, at + len, strlen(at + len) + 1);
    return text;
}

static void test_agent_script__root_runs_it_at_once(void **state)
{
    const struct place *p = *state;
    struct stat st;
    char path[128];

    wrap(p, "secret");
    set_uid(p, "0");
    assert_int_equal(run(p), 0);
    assert_string_equal(log_of(p), "ran\n");
    (void)snprintf(path, sizeof(path), "%s/script.sh", p->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700); /* it holds the runner's credential */
}

static void test_agent_script__a_user_who_needs_no_password_becomes_root(void **state)
{
    const struct place *p = *state;

    wrap(p, "secret");
    set_uid(p, "1000");
    write_file(p->dir, "NOPASSWD", "", 0644);
    assert_int_equal(run(p), 0);
    assert_string_equal(log_of(p), "sudo -n true\nsudo -n bash /script.sh\nran\n");
}

static void test_agent_script__a_user_who_needs_a_password_gives_it(void **state)
{
    const struct place *p = *state;

    wrap(p, "it's $HOME \"`\\");
    set_uid(p, "1000");
    assert_int_equal(run(p), 0);
    assert_string_equal(log_of(p), "sudo -n true\nsudo -S -p  bash /script.sh\npassword it's $HOME \"`\\\nran\n");
}

static void test_agent_script__started_again_it_leaves_the_first_alone(void **state)
{
    const struct place *p = *state;

    wrap(p, "secret");
    set_uid(p, "0");
    assert_int_equal(run(p), 0);
    assert_int_equal(run(p), 0);
    assert_string_equal(log_of(p), "ran\n");
}

static void test_agent_script__a_password_with_a_line_break_is_refused(void **state)
{
    AUTO_SECRET struct secret *bootstrap = secret_new("x", 1);
    AUTO_SECRET struct secret *pw = secret_new("a\nb", 3);
    struct secret *out = NULL;
    struct err e;

    (void)state;
    assert_fails(agent_script_wrap(bootstrap, pw, &out, &e), ERR_INVALID, "agent_login_password", e);
    assert_null(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_agent_script__root_runs_it_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_agent_script__a_user_who_needs_no_password_becomes_root, setup, teardown),
        cmocka_unit_test_setup_teardown(test_agent_script__a_user_who_needs_a_password_gives_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_agent_script__started_again_it_leaves_the_first_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_agent_script__a_password_with_a_line_break_is_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
