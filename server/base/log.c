#include "server/base/log.h"

#include "server/base/clock.h"
#include "server/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_CAP ((size_t)16384)
#define LINE_RESERVE ((size_t)8) /* always left for the end of a string, of the object and of the line */
#define VALUE_MAX ((size_t)2000)
#define PATIENCE_MS 250

static _Atomic int min_level = LOG_INFO;
static _Atomic int log_fd = STDERR_FILENO;
/* A pipe takes lines over PIPE_BUF in pieces: without the lock those of two threads could mix. */
static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;
/* With the lock held. */
static bool stalled, torn;      /* the last line was not written; it was in part */
static unsigned long long lost; /* lines, since one was written */
static int own_fd = -1;         /* what log_fd is, opened once more, so that it is ours alone; -1 = it is not */
static bool is_socket;          /* log_fd is one, and is asked with each piece not to make us wait */

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error", [LOG_NONE] = "none"};

/* A line under construction, on the stack: logging allocates nothing. */
struct line {
    size_t len;
    char p[LINE_CAP];
};

static bool fits(const struct line *l, size_t n)
{
    return l->len + n + LINE_RESERVE <= LINE_CAP;
}

/* The caller knows that it fits. */
static void put(struct line *l, const char *s, size_t n)
{
    memcpy(l->p + l->len, s, n);
    l->len += n;
}

/* The character at s as it stands in a JSON string; *used says how many bytes of s it is. */
static size_t escape(const char *s, size_t len, char out[8], size_t *used)
{
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: the character, what follows the backslash */
    unsigned char c = (unsigned char)s[0];
    size_t n;

    *used = 1;
    for (size_t i = 0; named[i] != '\0'; i += 2) {
        if (s[0] == named[i]) {
            out[0] = '\\';
            out[1] = named[i + 1];
            return 2;
        }
    }
    if (c < 0x20 || c == 0x7F)
        return (size_t)snprintf(out, 8, "\\u%04x", c);
    n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4; /* by the lead byte */
    if (n > len || !text_utf8_valid(s, n)) {
        memcpy(out, "\xEF\xBF\xBD", 3);
        return 3;
    }
    *used = n;
    memcpy(out, s, n);
    return n;
}

static void put_string(struct line *l, const char *s)
{
    size_t len = strnlen(s, VALUE_MAX + 4), i = 0, used = 0;

    put(l, "\"", 1);
    while (i < len) {
        char text[8];
        size_t n = escape(s + i, len - i, text, &used);

        if (i + used > VALUE_MAX || !fits(l, n)) {
            put(l, "\xE2\x80\xA6", 3); /* an ellipsis: the value was longer */
            break;
        }
        put(l, text, n);
        i += used;
    }
    put(l, "\"", 1);
}

static void put_field(struct line *l, const struct log_field *f)
{
    char number[32];
    size_t key_len = strlen(f->key);

    if (!fits(l, key_len + sizeof(number)))
        return; /* a line that is full keeps what it has */
    put(l, ",\"", 2);
    put(l, f->key, key_len);
    put(l, "\":", 2);
    switch (f->type) {
    case LOG_END:
        break;
    case LOG_STR:
        if (f->s != NULL)
            put_string(l, f->s);
        else
            put(l, "null", 4);
        break;
    case LOG_I64:
        put(l, number, (size_t)snprintf(number, sizeof(number), "%lld", (long long)f->i));
        break;
    case LOG_BOOL:
        put(l, f->i ? "true" : "false", f->i ? 4 : 5);
        break;
    }
}

/* Can a piece be written without waiting? A reader that was in time so far gets a moment. */
static bool is_open(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, stalled ? 0 : PATIENCE_MS) == 1 && (p.revents & POLLOUT) != 0;
}

/* With the lock held. */
static ssize_t write_piece(int fd, const char *p, size_t len)
{
    return is_socket ? send(fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL) : write(fd, p, len);
}

/* Whoever reads our log may stand still, or be gone: work does not wait for that. A pipe that is ready takes PIPE_BUF
 * bytes at once, so longer lines go in pieces. A terminal may take less than a piece, and a pipe's room may go to
 * another writer: then a descriptor of our own says so at once. With the lock held. False: not all of it was written.
 */
static bool write_all(int fd, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n;

        if (!is_open(fd))
            return false;
        n = write_piece(fd, p, len < PIPE_BUF ? len : PIPE_BUF);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false; /* nowhere to complain */
        torn = true;
        p += n;
        len -= (size_t)n;
    }
    torn = false;
    return true;
}

/* With the lock held. What was lost is told once there is somebody to tell. */
static bool tell_lost(int fd)
{
    char text[128];
    int n;

    if (torn && !write_all(fd, "\n", 1))
        return false;
    if (lost == 0)
        return true;
    n = snprintf(text, sizeof(text), "{\"level\":\"warn\",\"event\":\"log.lost\",\"count\":%llu}\n", lost);
    return write_all(fd, text, (size_t)n);
}

static void put_line(const char *p, size_t len)
{
    int fd;

    (void)pthread_mutex_lock(&write_lock);
    fd = own_fd >= 0 ? own_fd : atomic_load(&log_fd);
    if (tell_lost(fd)) {
        lost = 0;
        stalled = !write_all(fd, p, len);
    } else {
        stalled = true;
    }
    lost += stalled ? 1 : 0;
    (void)pthread_mutex_unlock(&write_lock);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    struct line l;
    int64_t now_ms;
    char second[21];
    int n, saved_errno = errno;

    if ((int)level < atomic_load_explicit(&min_level, memory_order_relaxed) || level == LOG_NONE)
        return;
    now_ms = clock_now_ms();
    text_format_rfc3339(now_ms, second);
    n = snprintf(l.p, sizeof(l.p), "{\"time\":\"%.19s.%03dZ\",\"level\":\"%s\",\"event\":", second,
                 (int)(now_ms % 1000), level_names[level]);
    l.len = (size_t)n;
    put_string(&l, event);
    for (; fields->type != LOG_END; fields++)
        put_field(&l, fields);
    put(&l, "}\n", 2);
    put_line(l.p, l.len);
    errno = saved_errno;
}

void log_set_level(enum log_level level)
{
    atomic_store(&min_level, (int)level);
}

void log_set_fd(int fd)
{
    (void)pthread_mutex_lock(&write_lock);
    stalled = torn = is_socket = false;
    lost = 0;
    if (own_fd >= 0)
        (void)close(own_fd);
    own_fd = -1;
    atomic_store(&log_fd, fd);
    (void)pthread_mutex_unlock(&write_lock);
}

/* O_NONBLOCK belongs to what was opened, not to a descriptor of it: set on one that was inherited, it would be set for
 * the shell and for all that it started. A file is not opened again: ours would begin at its first byte. */
void log_own_fd(void)
{
    int fd = atomic_load(&log_fd), own = -1;
    char path[40];
    struct stat st;

    if (fstat(fd, &st) != 0)
        return;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
        own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    (void)pthread_mutex_lock(&write_lock);
    if (own_fd >= 0)
        (void)close(own_fd);
    own_fd = own;
    is_socket = S_ISSOCK(st.st_mode);
    (void)pthread_mutex_unlock(&write_lock);
}

int log_parse_level(const char *s, enum log_level *out, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(s, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return 0;
        }
    }
    return err_set(e, ERR_INVALID, "expected debug, info, warn, error or none, found \"%.40s\"", s);
}
