#include "server/store/db_sqlite_file.h"

#include "server/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct db_lock {
    int fd;
    char *path;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

struct file_id file_id_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (struct file_id){st.st_dev, st.st_ino} : (struct file_id){0, 0};
}

bool file_id_is(const char *path, struct file_id id)
{
    struct file_id now = file_id_of(path);

    return now.dev == id.dev && now.ino == id.ino;
}

long long file_bytes(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (long long)st.st_size : 0;
}

bool file_no_room(int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG || errnum == EROFS;
}

int file_fail(int errnum, const char *what, const char *path, struct err *e)
{
    bool passes = errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM;
    enum err_kind kind = errnum == ENOSPC || errnum == EDQUOT ? ERR_QUOTA : passes ? ERR_RETRY : ERR_INVALID;

    return err_sys(e, kind, errnum, "cannot %s %s", what, path);
}

/* The directory's real name and the file's own: for a file that is not there yet. */
static int resolve_new(const char *path, char out[PATH_MAX], struct err *e)
{
    AUTO_FREE char *for_dir = mem_strdup(path), *for_base = mem_strdup(path);
    const char *dir = dirname(for_dir), *base = basename(for_base);
    char real[PATH_MAX];
    int n;

    if (realpath(dir, real) == NULL)
        return file_fail(errno, "use the directory of the database:", dir, e);
    n = snprintf(out, PATH_MAX, "%s/%s", strcmp(real, "/") == 0 ? "" : real, base);
    if (n < 0 || n >= PATH_MAX)
        return file_fail(ENAMETOOLONG, "open database", path, e);
    return 0;
}

/* One name for one file, whatever links and relative paths lead to it: the side files are beside it. */
int file_resolve(const char *url, char *out, struct err *e)
{
    const char *path = strncmp(url, "sqlite:", 7) == 0 ? url + 7 : "";
    size_t len = strlen(path);
    struct stat st;

    if (len == 0 || path[len - 1] == '/' || strcmp(path, ":memory:") == 0)
        return err_set(e, ERR_INVALID,
                       "store \"%s\": write sqlite: and the path of a file, as in "
                       "sqlite:/var/lib/muster/muster.db",
                       url);
    if (realpath(path, out) == NULL)
        return errno == ENOENT ? resolve_new(path, out, e) : file_fail(errno, "open database", path, e);
    if (stat(out, &st) == 0 && !S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID, "cannot open database %s: it is not a file", out);
    return 0;
}

void file_sync_dir(const char *path)
{
    AUTO_FREE char *copy = mem_strdup(path);
    AUTO(close_fd) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        (void)fsync(fd);
}

/* SQLite gives its side files the mode of the database; so this one decides for all. */
int file_create(const char *path, struct err *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno == EEXIST ? 0 : file_fail(errno, "create database", path, e);
    (void)close(fd);
    file_sync_dir(path);
    return 0;
}

/* --- one process per database --------------------------------------------------------------------------------- */

/* The pid that the holder wrote; 0 = unknown. */
static long read_pid(int fd)
{
    char text[24] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    return n > 0 ? strtol(text, NULL, 10) : 0;
}

static int fail_locked(int fd, const char *db_path, struct err *e)
{
    long pid = read_pid(fd);

    if (pid > 0)
        return err_set(e, ERR_CONFLICT, "database %s is in use by another muster (pid %ld)", db_path, pid);
    return err_set(e, ERR_CONFLICT, "database %s is in use by another muster", db_path);
}

/* Is fd still what the path names? The last holder removes the file, maybe between our open and our lock. */
static bool still_named(int fd, const char *path)
{
    struct stat a, b;

    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int open_locked(const char *db_path, const char *path, int *out, struct err *e)
{
    for (;;) {
        AUTO(close_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
            return file_fail(errno, "use the directory of the database: create", path, e);
        if (flock(fd, LOCK_EX | LOCK_NB) != 0)
            return errno == EWOULDBLOCK ? fail_locked(fd, db_path, e) : file_fail(errno, "lock", path, e);
        if (still_named(fd, path)) {
            *out = fd;
            fd = -1;
            return 0;
        }
    }
}

/* The pid only makes a better message: that a full disk has no room for it must not stop a start. */
static void write_pid(int fd)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
        return;
}

int file_lock(const char *url, struct db_lock **out, struct err *e)
{
    char db_path[PATH_MAX], path[PATH_MAX + 8];
    struct db_lock *l;
    int fd = -1;

    if (file_resolve(url, db_path, e))
        return -1;
    (void)snprintf(path, sizeof(path), "%s-lock", db_path);
    if (open_locked(db_path, path, &fd, e))
        return -1;
    write_pid(fd);
    l = mem_zalloc(sizeof(*l));
    l->fd = fd;
    l->path = mem_strdup(path);
    *out = l;
    return 0;
}

void file_unlock(struct db_lock *l)
{
    if (l == NULL)
        return;
    (void)unlink(l->path); /* while still locked, so that nobody else's is removed */
    (void)close(l->fd);
    free(l->path);
    free(l);
}
