#include "providers/common/ini.h"

#include "server/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <unistd.h>

int ini_read_file(const char *path, struct buf *out, struct err *e)
{
    char piece[4096];
    ssize_t n;
    int rc = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(e, errno == ENOENT || errno == ENOTDIR ? ERR_GONE : ERR_INVALID, errno, "%s", path);
    while ((n = read(fd, piece, sizeof(piece))) > 0)
        buf_add(out, piece, (size_t)n);
    if (n < 0)
        rc = err_sys(e, ERR_INVALID, errno, "%s", path);
    else if (out->over)
        rc = err_set(e, ERR_INVALID, "%s: more than %zu bytes", path, out->max);
    OPENSSL_cleanse(piece, sizeof(piece));
    (void)close(fd);
    return rc;
}

/* Cut spaces at both ends, in place. */
static char *trim(char *s)
{
    size_t n;

    s += strspn(s, " \t");
    n = strlen(s);
    while (n > 0 && strchr(" \t\r", s[n - 1]) != NULL)
        s[--n] = '\0';
    return s;
}

/* Both "[profile ci]" and "[  profile   ci ]". */
static bool same_section(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        bool space = *a == ' ';

        a++;
        b++;
        if (space)
            a += strspn(a, " \t");
    }
    return *a == *b;
}

struct reader {
    const char *file, *section; /* the one that is wanted */
    int line;
    bool inside, found;
    ini_each_fn *each;
    void *arg;
};

static int read_line(struct reader *r, char *line, struct err *e)
{
    size_t blank = strspn(line, " \t\r");
    char *equals, *end;

    if (line[blank] == '\0' || line[blank] == '#' || line[blank] == ';' || blank > 0)
        return 0;
    if (*line == '[') {
        end = strchr(line, ']');
        if (end == NULL)
            return err_set(e, ERR_INVALID, "%s:%d: a section without its ']'", r->file, r->line);
        *end = '\0';
        r->inside = same_section(trim(line + 1), r->section);
        r->found = r->found || r->inside;
        return 0;
    }
    equals = strchr(line, '=');
    if (equals == NULL || equals == line)
        return err_set(e, ERR_INVALID, "%s:%d: expected \"name = value\"", r->file, r->line);
    *equals = '\0';
    line = trim(line);
    for (char *p = line; *p != '\0'; p++)
        *p = text_lower(*p);
    if (r->inside)
        r->each(r->arg, line, trim(equals + 1));
    return 0;
}

int ini_read(const char *file, const char *section, ini_each_fn *each, void *arg, bool *found, struct err *e)
{
    AUTO(buf_wipe) struct buf text = BUF_INIT(INI_FILE_MAX);
    struct reader r = {.file = file, .section = section, .each = each, .arg = arg};
    struct err missing = {0};
    char *line, *next;

    if (ini_read_file(file, &text, &missing)) {
        if (missing.kind == ERR_GONE)
            return 0;
        *e = missing;
        return -1;
    }
    if (text.len > 0 && memchr(text.p, '\0', text.len) != NULL)
        return err_set(e, ERR_INVALID, "%s: not a text file", file);
    for (line = text.p; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        r.line++;
        if (read_line(&r, line, e))
            return -1;
    }
    *found = *found || r.found;
    return 0;
}
