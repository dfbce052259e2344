/*
 * What is left after a crash, and what happens when the disk is full. The store runs in a child process that is killed,
 * or whose files may not grow; a child reports by text through a pipe and never returns into the test runner.
 */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/base/mem.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOW INT64_C(1700000000000)
#define FAR INT64_C(1000000000)

/* --- what is written: a delivery, its job, its task and a line of the timeline, all or nothing ----------------- */

static int deliver_tx(struct store_tx *t, void *arg, struct err *e)
{
    int64_t id = *(const int64_t *)arg;
    char guid[40], pad[400], key[] = "gpu";
    struct job j = {.id = id, .repo_id = 5, .queued_ms = NOW, .state = JOB_QUEUED, .label_key = key, .name = pad};
    bool known, moved;
    int before;

    memset(pad, 'x', sizeof(pad));
    pad[sizeof(pad) - 1] = '\0';
    (void)snprintf(guid, sizeof(guid), "delivery-%lld", (long long)id);
    if (store_delivery_put(t, guid, (int64_t)time(NULL) * 1000, &known, e))
        return -1;
    if (known)
        return err_set(e, ERR_CONFLICT, "known: %s", guid);
    return store_job_merge(t, &j, &before, &moved, e) || store_event_add(t, NOW, id, NULL, "job.queued", NULL, e) ||
                   store_task_put(t, TASK_JOB, guid + strlen("delivery-"), TASK_DECIDE, NOW, e)
               ? -1
               : 0;
}

static int count_event(void *arg, int64_t at_ms, int64_t job_id, const char *machine, const char *kind,
                       const char *detail, struct err *e)
{
    (void)at_ms;
    (void)job_id;
    (void)machine;
    (void)kind;
    (void)detail;
    (void)e;
    (*(int *)arg)++;
    return 0;
}

/* Is delivery id there wholly? Asserts that it is not there in part. Undone afterwards, so that it changes nothing. */
static bool is_whole(struct hand *h, int64_t id)
{
    struct store_tx *t = hand_begin(h);
    AUTO_JOB struct job j = {0};
    char guid[40];
    bool known = false, found = false;
    int events = 0;
    struct err e;

    (void)snprintf(guid, sizeof(guid), "delivery-%lld", (long long)id);
    assert_ok(store_job_get(t, id, &j, &found, &e), e);
    assert_ok(store_events_of_job(t, id, count_event, &events, &e), e);
    assert_ok(store_delivery_put(t, guid, NOW, &known, &e), e);
    hand_abort(h);
    assert_int_equal(known, found);
    assert_int_equal(events, found ? 1 : 0);
    return found;
}

static size_t count_tasks(struct hand *h)
{
    struct store_tx *t = hand_begin(h);
    struct task *task = mem_calloc(100000, sizeof(*task));
    size_t n = 0;
    struct err e;

    assert_ok(store_task_claim(t, TASK_CHECK, NOW, NOW + 1000, 100000, task, &n, &e), e);
    hand_abort(h);
    free(task);
    return n;
}

/* --- a crash -------------------------------------------------------------------------------------------------- */

struct ack {
    int fd;
    int64_t id;
};

static void acknowledge(void *arg, int rc, const struct err *e)
{
    struct ack *a = arg;

    (void)e;
    if (rc != 0 || write(a->fd, &a->id, sizeof(a->id)) != (ssize_t)sizeof(a->id))
        _exit(3);
    free(a);
}

static int submit_tx(struct store_tx *t, void *arg, struct err *e)
{
    return deliver_tx(t, &((struct ack *)arg)->id, e);
}

/* Write without end, and tell the pipe of everything that was acknowledged. The pipe's size bounds what is waiting. */
static void write_until_killed(const char *url, int fd)
{
    struct store *s;
    struct err e;

    if (store_open(url, &s, &e))
        _exit(2);
    for (int64_t id = 1;; id++) {
        struct ack *a = mem_zalloc(sizeof(*a));

        a->fd = fd;
        a->id = id;
        store_submit(s, submit_tx, a, acknowledge, a);
        if (id % 100 == 0 && store_write(s, submit_tx, &(struct ack){.id = id + FAR}, &e))
            _exit(4);
    }
}

static void kill_and_reap(pid_t pid)
{
    int status = 0;

    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

/* Kill the writer after it acknowledged so many, and check what a new store finds. */
static void crash_after(int acks)
{
    struct hand h;
    int fd[2];
    pid_t pid;
    int64_t id, last = 0;
    size_t there = 0;

    hand_open(&h);
    store_close(h.s);
    h.s = NULL;
    assert_int_equal(pipe(fd), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(fd[0]);
        write_until_killed(h.url, fd[1]);
    }
    (void)close(fd[1]);
    for (int i = 0; i < acks; i++)
        assert_int_equal(read(fd[0], &id, sizeof(id)), sizeof(id));
    kill_and_reap(pid);
    /* The lock file of the dead is no obstacle. */
    assert_ok(store_open(h.url, &h.s, &h.e), h.e);
    /* Acknowledgements come in order of id; those still in the pipe count too. */
    last = id;
    while (read(fd[0], &id, sizeof(id)) == (ssize_t)sizeof(id))
        last = id;
    (void)close(fd[0]);
    assert_true(last >= acks);
    for (int64_t i = 1; i <= last; i++) {
        assert_true(is_whole(&h, i));
        there++;
    }
    for (int64_t i = last + 1; i <= last + 2000; i++)
        there += is_whole(&h, i);
    for (int64_t i = 100; i <= last + 2000; i += 100)
        there += is_whole(&h, i + FAR);
    assert_int_equal(count_tasks(&h), there);
    hand_close(&h);
}

static void test_store_crash__what_was_acknowledged_is_there_and_nothing_is_torn(void **state)
{
    (void)state;
    crash_after(1);
    crash_after(150);
    crash_after(1000);
}

/* --- a full disk ---------------------------------------------------------------------------------------------- */

/* A line for the parent; anything but "ok" is a failure there. */
static _Noreturn void report(int fd, const char *what, const struct err *e)
{
    (void)dprintf(fd, "%s%s%s", what, e != NULL ? ": " : "", e != NULL ? e->msg : "");
    _exit(0);
}

static int job_there_tx(struct store_tx *t, void *arg, struct err *e)
{
    AUTO_JOB struct job j = {0};
    bool found = false;

    if (store_job_get(t, *(const int64_t *)arg, &j, &found, e))
        return -1;
    return found ? 0 : err_set(e, ERR_GONE, "job %lld is lost", (long long)*(const int64_t *)arg);
}

/* Write until it is refused; the number written. */
static int64_t fill_up(struct store *s, int fd)
{
    int64_t id = 1;
    struct err e;

    while (id < 100000 && store_write(s, deliver_tx, &id, &e) == 0)
        id++;
    if (id == 100000)
        report(fd, "the disk never was full", NULL);
    if (e.kind != ERR_QUOTA)
        report(fd, err_kind_name(e.kind), &e);
    if (store_health(s, &e) == 0)
        report(fd, "health knows nothing of it", NULL);
    return id - 1;
}

static void check_full_and_recovery(const char *url, int fd, void (*limit)(const char *dir),
                                    void (*lift)(const char *dir), const char *dir)
{
    struct store *s;
    struct err e;
    int64_t written, id;

    if (store_open(url, &s, &e))
        report(fd, "open", &e);
    limit(dir);
    written = fill_up(s, fd);
    for (id = 1; id <= written; id++) {
        if (store_read(s, job_there_tx, &id, &e))
            report(fd, "read while full", &e);
    }
    if (store_write(s, deliver_tx, &id, &e) == 0 || e.kind != ERR_QUOTA)
        report(fd, "a second write got through", NULL);
    lift(dir);
    for (; id <= written + 50; id++) {
        if (store_write(s, deliver_tx, &id, &e))
            report(fd, "write after there is room", &e);
    }
    if (store_health(s, &e))
        report(fd, "health after there is room", &e);
    store_close(s);
    if (store_open(url, &s, &e))
        report(fd, "open again", &e);
    for (id = 1; id <= written + 50; id++) {
        if (store_read(s, job_there_tx, &id, &e))
            report(fd, "read at the end", &e);
    }
    store_close(s);
    report(fd, "ok", NULL);
}

static void set_file_limit(rlim_t bytes)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_FSIZE, &r) != 0)
        _exit(5);
    r.rlim_cur = bytes;
    if (setrlimit(RLIMIT_FSIZE, &r) != 0)
        _exit(6);
}

static void limit_files(const char *dir)
{
    (void)dir;
    (void)signal(SIGXFSZ, SIG_IGN);
    set_file_limit(400000);
}

static void lift_files(const char *dir)
{
    (void)dir;
    set_file_limit(RLIM_INFINITY);
}

static void ballast_path(const char *dir, char out[160])
{
    (void)snprintf(out, 160, "%s/ballast", dir);
}

/* All the room is taken but for about 200 KB. */
static void take_room(const char *dir)
{
    static const char zeros[4096];
    char path[160];
    FILE *f;
    int n = 0;

    ballast_path(dir, path);
    f = fopen(path, "we");
    if (f == NULL)
        _exit(7);
    (void)setvbuf(f, NULL, _IONBF, 0);
    while (n < 2000 && fwrite(zeros, 1, sizeof(zeros), f) == sizeof(zeros))
        n++;
    if (fseek(f, 0, SEEK_SET) != 0 || ftruncate(fileno(f), n > 50 ? (n - 50) * 4096L : 0) != 0)
        _exit(8);
    (void)fclose(f);
}

static void give_room(const char *dir)
{
    char path[160];

    ballast_path(dir, path);
    (void)unlink(path);
}

/* What the child reports. */
static void run_child(void (*child)(const char *dir, const char *url, int fd), char *out, size_t size)
{
    char dir[] = "/tmp/muster-full-XXXXXX", url[64];
    int fd[2], status = 0;
    ssize_t n;
    size_t len = 0;
    pid_t pid;

    assert_non_null(mkdtemp(dir));
    (void)snprintf(url, sizeof(url), "sqlite:%s/muster.db", dir);
    assert_int_equal(pipe(fd), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(fd[0]);
        child(dir, url, fd[1]);
        _exit(9);
    }
    (void)close(fd[1]);
    while (len + 1 < size && (n = read(fd[0], out + len, size - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = '\0';
    (void)close(fd[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    hand_remove_dir(dir);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void with_limited_files(const char *dir, const char *url, int fd)
{
    check_full_and_recovery(url, fd, limit_files, lift_files, dir);
}

static void test_store_crash__files_that_may_not_grow_refuse_writes_until_they_may(void **state)
{
    char said[600];

    (void)state;
    run_child(with_limited_files, said, sizeof(said));
    assert_string_equal(said, "ok");
}

/* A file system of 4 MB that only this child sees, so that it is gone with it. */
static void mount_small(const char *dir, int fd)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", dir, "tmpfs", 0, "size=4m") != 0)
        report(fd, "SKIP", NULL);
}

static void on_small_disk(const char *dir, const char *url, int fd)
{
    mount_small(dir, fd);
    check_full_and_recovery(url, fd, take_room, give_room, dir);
}

static void skip_unless_mounted(const char *said, const char *name)
{
    if (strcmp(said, "SKIP") == 0) {
        (void)printf("SKIP %s: this user may not mount a tmpfs\n", name);
        skip();
    }
}

static void test_store_crash__a_full_disk_refuses_writes_until_there_is_room(void **state)
{
    char said[600];

    (void)state;
    run_child(on_small_disk, said, sizeof(said));
    skip_unless_mounted(said, __func__);
    assert_string_equal(said, "ok");
}

/* No room even to begin. */
static void open_on_full_disk(const char *dir, const char *url, int fd)
{
    struct store *s;
    struct err e;
    int64_t id = 1;

    mount_small(dir, fd);
    if (store_open(url, &s, &e))
        report(fd, "open", &e);
    if (store_write(s, deliver_tx, &id, &e))
        report(fd, "write", &e);
    store_close(s);
    limit_files(dir);
    set_file_limit(0);
    if (store_open(url, &s, &e) == 0)
        report(fd, "it opened", NULL);
    if (e.kind != ERR_QUOTA)
        report(fd, err_kind_name(e.kind), &e);
    lift_files(dir);
    if (store_open(url, &s, &e) || store_read(s, job_there_tx, &id, &e))
        report(fd, "later", &e);
    store_close(s);
    report(fd, "ok", NULL);
}

static void test_store_crash__a_full_disk_is_told_at_the_start(void **state)
{
    char said[600];

    (void)state;
    run_child(open_on_full_disk, said, sizeof(said));
    skip_unless_mounted(said, __func__);
    assert_string_equal(said, "ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_crash__what_was_acknowledged_is_there_and_nothing_is_torn),
        cmocka_unit_test(test_store_crash__files_that_may_not_grow_refuse_writes_until_they_may),
        cmocka_unit_test(test_store_crash__a_full_disk_refuses_writes_until_there_is_room),
        cmocka_unit_test(test_store_crash__a_full_disk_is_told_at_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
