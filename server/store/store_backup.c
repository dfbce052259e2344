#include "server/store/store_backup.h"

#include "server/base/mem.h"
#include "server/store/db_sqlite_file.h"
#include "server/store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_LEN (PATH_MAX + 16)

/* One copying. Paths are the files' true names. */
struct copying {
    const struct db_driver *drv;
    const char *url;
    char source[PATH_MAX], target[PATH_MAX], part[NAME_MAX_LEN];
    bool force;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static const struct db_driver *driver_of(const char *url, struct err *e)
{
    int failed;

    if (strncmp(url, "sqlite:", 7) == 0)
        return &db_sqlite;
    /* the rest of it may hold a password */
    failed =
        err_set(e, ERR_INVALID,
                "store \"%.*s:...\" is not a file of ours: a database server has tools of its own (for PostgreSQL: "
                "pg_dump)",
                (int)strcspn(url, ":") < 20 ? (int)strcspn(url, ":") : 20, url);
    (void)failed;
    return NULL;
}

/* --- what is copied to where -------------------------------------------------------------------------------------- */

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The database, and what SQLite and we keep beside it. */
static bool is_of_store(const struct copying *c)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal", "-lock"};
    size_t n = strlen(c->source);

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (strncmp(c->target, c->source, n) == 0 && strcmp(c->target + n, ends[i]) == 0)
            return true;
    }
    return is_same_file(c->source, c->target);
}

/* A log that lies beside a name is read together with whatever gets that name: another's pages, and no check sees it.
 */
static int refuse_leftovers(const struct copying *c, struct err *e)
{
    static const char *const ends[] = {"-wal", "-journal", "-shm", "-lock"};
    char side[NAME_MAX_LEN];
    struct stat st;

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)snprintf(side, sizeof(side), "%s%s", c->target, ends[i]);
        if (lstat(side, &st) == 0)
            return err_set(e, ERR_CONFLICT,
                           "something uses, or left a log beside, %s (%s): stop it and remove that file, or name "
                           "another target",
                           c->target, side);
    }
    return 0;
}

static int find_source(struct copying *c, struct err *e)
{
    if (file_resolve(c->url, c->source, e))
        return -1;
    if (access(c->source, F_OK) != 0)
        return err_set(e, ERR_INVALID,
                       "there is no database %s: is `store` the one that the daemon runs with (-c FILE, MUSTER_STORE)?",
                       c->source);
    return 0;
}

static int find_target(struct copying *c, const char *target, struct err *e)
{
    AUTO_FREE char *url = mem_zalloc(strlen(target) + 8);
    struct stat st;

    (void)snprintf(url, strlen(target) + 8, "sqlite:%s", target);
    if (target[0] == '\0' || (stat(target, &st) == 0 && !S_ISREG(st.st_mode)) || target[strlen(target) - 1] == '/')
        return err_set(e, ERR_INVALID, "backup \"%s\": name a file, as in /var/backups/muster.db", target);
    if (file_resolve(url, c->target, e))
        return -1;
    if (is_of_store(c))
        return err_set(e, ERR_INVALID, "backup %s: that is a file of the store itself", c->target);
    if (refuse_leftovers(c, e))
        return -1;
    if (!c->force && access(c->target, F_OK) == 0)
        return err_set(e, ERR_CONFLICT, "backup %s is there already: --force replaces it", c->target);
    return 0;
}

/* --- the copy ------------------------------------------------------------------------------------------------------
 */

static int make_part(struct copying *c, struct err *e)
{
    int fd;

    (void)snprintf(c->part, sizeof(c->part), "%s.XXXXXX", c->target);
    fd = mkstemp(c->part); /* mode 0600 */
    if (fd < 0) {
        int errnum = errno;

        c->part[0] = '\0';
        return file_fail(errnum, "write a backup beside", c->target, e);
    }
    (void)close(fd);
    return 0;
}

static int copy_out(struct copying *c, int64_t *version, struct err *e)
{
    AUTO_FREE char *url = mem_zalloc(sizeof(c->source) + 8);
    struct db_val to = DB_S(c->part);
    struct db *d = NULL;
    int rc;

    (void)snprintf(url, sizeof(c->source) + 8, "sqlite:%s", c->source);
    if (c->drv->open(url, &d, e))
        return -1;
    rc = schema_version(c->drv, d, version, e);
    if (rc == 0 && *version == 0)
        rc = err_set(e, ERR_INVALID, "database %s is empty: no daemon has run with it yet", c->source);
    if (rc == 0 && c->drv->exec(d, c->drv->backup_sql, &to, 1, NULL, NULL, NULL, e))
        rc = err_wrap(e, "backup %s", c->target);
    c->drv->close(d);
    return rc;
}

static int see_fault(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    char *fault = arg;

    (void)n;
    (void)e;
    if (fault[0] == '\0' && (cols[0].s == NULL || strcmp(cols[0].s, "ok") != 0))
        (void)snprintf(fault, 160, "%.159s", cols[0].s != NULL ? cols[0].s : "?");
    return 0;
}

/* A backup that nobody can read is found out now, not on the day it is needed. */
static int look_through(const struct copying *c, int64_t version, struct err *e)
{
    AUTO_FREE char *url = mem_zalloc(sizeof(c->part) + 8);
    char fault[160] = "";
    struct db *d = NULL;
    int64_t found = 0;
    int rc;

    (void)snprintf(url, sizeof(c->part) + 8, "sqlite:%s", c->part);
    if (c->drv->open(url, &d, e))
        return err_wrap(e, "backup %s cannot be read", c->target);
    rc = c->drv->exec(d, c->drv->check_sql, NULL, 0, see_fault, fault, NULL, e) || schema_version(c->drv, d, &found, e);
    c->drv->close(d);
    if (rc != 0)
        return err_wrap(e, "backup %s cannot be read", c->target);
    if (fault[0] != '\0')
        return err_set(e, ERR_INVALID, "database %s is damaged, and so is its copy (%s): restore an older backup",
                       c->source, fault);
    return found == version ? 0 : err_set(e, ERR_BUG, "backup %s has another schema version", c->target);
}

/* --- its name ------------------------------------------------------------------------------------------------------
 */

static int sync_part(const struct copying *c, int64_t *bytes, struct err *e)
{
    AUTO(close_fd) int fd = open(c->part, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;

    if (fd < 0 || fsync(fd) != 0 || fstat(fd, &st) != 0)
        return file_fail(errno, "sync the backup", c->target, e);
    *bytes = (int64_t)st.st_size;
    return 0;
}

/* A link fails where the name is taken, in one step; where a file system knows no links, a look must do. */
static int name_it(struct copying *c, struct err *e)
{
    if (refuse_leftovers(c, e)) /* the copying took its time */
        return -1;
    if (!c->force && link(c->part, c->target) == 0) {
        (void)unlink(c->part);
        c->part[0] = '\0';
        return 0;
    }
    if (!c->force && (errno == EEXIST || access(c->target, F_OK) == 0))
        return err_set(e, ERR_CONFLICT, "backup %s is there already: --force replaces it", c->target);
    if (rename(c->part, c->target) != 0)
        return file_fail(errno, "name the backup", c->target, e);
    c->part[0] = '\0';
    return 0;
}

static void remove_part(const struct copying *c)
{
    char side[NAME_MAX_LEN + 16];

    if (c->part[0] == '\0')
        return;
    (void)unlink(c->part);
    (void)snprintf(side, sizeof(side), "%s-journal", c->part);
    (void)unlink(side);
}

static int copy(struct copying *c, struct store_backup *out, struct err *e)
{
    if (make_part(c, e) || copy_out(c, &out->schema_version, e) || look_through(c, out->schema_version, e) ||
        sync_part(c, &out->bytes, e) || name_it(c, e))
        return -1;
    file_sync_dir(c->target);
    return 0;
}

int store_backup(const char *url, const char *target, bool force, struct store_backup *out, struct err *e)
{
    AUTO_FREE struct copying *c = mem_zalloc(sizeof(*c));
    struct store_backup made = {0, 0};

    c->url = url;
    c->force = force;
    c->drv = driver_of(url, e);
    if (c->drv == NULL || find_source(c, e) || find_target(c, target, e))
        return -1;
    if (copy(c, &made, e)) {
        remove_part(c);
        return -1;
    }
    *out = made;
    return 0;
}
