#include "server/base/tz.h"

#include "server/base/mem.h"
#include "server/base/tz_rule.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIMES_MAX 20000 /* real files have under 250 */
#define TYPES_MAX 256
#define RULE_MAX 256
#define OFFSET_MAX_S (26 * 3600)
#define HEADER 44
#define FAR_S INT64_C(1000000000000) /* beyond 30,000 years on either side time stands still here */

struct tz {
    size_t n;
    const int64_t *at;         /* when the offset changes, rising */
    const unsigned char *type; /* to which of offset_s; [n] */
    int offset_s[TYPES_MAX];
    bool has_rule; /* behind the last change */
    struct tz_rule rule;
};

/* --- TZif -------------------------------------------------------------------------------------------------------- */

struct counts {
    uint32_t ut, std, leaps, times, types, chars;
};

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be_signed(const unsigned char *p, size_t width)
{
    if (width == 4)
        return (int32_t)be32(p);
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static int read_header(const unsigned char *p, size_t len, struct counts *out, struct err *e)
{
    struct counts c;

    if (len < HEADER || memcmp(p, "TZif", 4) != 0)
        return err_set(e, ERR_INVALID, "it is no time zone file");
    c = (struct counts){be32(p + 20), be32(p + 24), be32(p + 28), be32(p + 32), be32(p + 36), be32(p + 40)};
    if (c.times > TIMES_MAX || c.types < 1 || c.types > TYPES_MAX || c.chars > TZ_FILE_MAX || c.leaps > TIMES_MAX ||
        c.ut > c.types || c.std > c.types)
        return err_set(e, ERR_INVALID, "its counts are out of range");
    *out = c;
    return 0;
}

static size_t block_len(const struct counts *c, size_t width)
{
    return c->times * (width + 1) + c->types * 6 + c->chars + c->leaps * (width + 4) + c->std + c->ut;
}

static int read_times(struct arena *a, const unsigned char *p, const struct counts *c, size_t width, struct tz *z,
                      struct err *e)
{
    const unsigned char *types = p + c->times * width;
    int64_t *at = arena_calloc(a, c->times + 1, sizeof(*at));
    unsigned char *type = arena_calloc(a, c->times + 1, sizeof(*type));

    for (size_t i = 0; i < c->times; i++) {
        at[i] = be_signed(p + i * width, width);
        type[i] = types[i];
        if (type[i] >= c->types || (i > 0 && at[i] <= at[i - 1]))
            return err_set(e, ERR_INVALID, "its change %zu contradicts the others", i);
    }
    z->n = c->times;
    z->at = at;
    z->type = type;
    return 0;
}

static int read_types(const unsigned char *p, const struct counts *c, struct tz *z, struct err *e)
{
    for (size_t i = 0; i < c->types; i++) {
        int64_t offset = be_signed(p + i * 6, 4);

        if (offset < -OFFSET_MAX_S || offset > OFFSET_MAX_S)
            return err_set(e, ERR_INVALID, "its offset %zu is more than 26 hours", i);
        z->offset_s[i] = (int)offset;
    }
    return 0;
}

static int read_block(struct arena *a, const unsigned char *p, size_t len, const struct counts *c, size_t width,
                      struct tz *z, struct err *e)
{
    if (len < block_len(c, width))
        return err_set(e, ERR_INVALID, "it ends too soon");
    if (c->leaps > 0)
        return err_set(e, ERR_INVALID, "it counts leap seconds, which nothing here does");
    return read_times(a, p, c, width, z, e) || read_types(p + c->times * (width + 1), c, z, e) ? -1 : 0;
}

/* "\nRULE\n"; an empty rule says nothing. */
static int read_footer(const unsigned char *p, size_t len, struct tz *z, struct err *e)
{
    const unsigned char *end = len > 1 ? memchr(p + 1, '\n', len - 1) : NULL;
    char text[RULE_MAX];
    size_t n;

    if (end == NULL || p[0] != '\n' || (size_t)(end - p) > sizeof(text))
        return err_set(e, ERR_INVALID, "its last line is missing");
    n = (size_t)(end - p) - 1;
    memcpy(text, p + 1, n);
    text[n] = '\0';
    if (memchr(text, '\0', n) != NULL)
        return err_set(e, ERR_INVALID, "its last line holds a NUL");
    z->has_rule = n > 0;
    return n > 0 ? tz_rule_parse(text, &z->rule, e) : 0;
}

/* Version 1 is one block with times of 32 bits; later ones have that for old readers, and all of it again in 64. */
static int read_file(struct arena *a, const unsigned char *p, size_t len, struct tz *z, struct err *e)
{
    struct counts c;
    size_t first;

    if (read_header(p, len, &c, e))
        return -1;
    if (p[4] == 0)
        return read_block(a, p + HEADER, len - HEADER, &c, 4, z, e);
    if (p[4] < '2' || p[4] > '9')
        return err_set(e, ERR_INVALID, "its version is unknown");
    first = HEADER + block_len(&c, 4);
    if (first > len)
        return err_set(e, ERR_INVALID, "it ends too soon");
    p += first;
    len -= first;
    if (read_header(p, len, &c, e) || read_block(a, p + HEADER, len - HEADER, &c, 8, z, e))
        return -1;
    first = HEADER + block_len(&c, 8);
    return read_footer(p + first, len - first, z, e);
}

int tz_parse(struct arena *a, const void *data, size_t len, const struct tz **out, struct err *e)
{
    struct tz *z = arena_calloc(a, 1, sizeof(*z));

    if (len > TZ_FILE_MAX)
        return err_set(e, ERR_INVALID, "it is larger than %zu bytes", TZ_FILE_MAX);
    if (read_file(a, data, len, z, e))
        return -1;
    *out = z;
    return 0;
}

/* --- names and files ------------------------------------------------------------------------------------------- */

/* Parts of letters, digits, '_', '+' and '-', joined by '/': nothing that leaves the database's folder. */
static bool is_name(const char *s)
{
    size_t part = 0;

    if (strlen(s) > 64)
        return false;
    for (; *s != '\0'; s++) {
        bool ok = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_' ||
                  *s == '+' || *s == '-';

        if (*s == '/' ? part == 0 : !ok)
            return false;
        part = *s == '/' ? 0 : part + 1;
    }
    return part > 0;
}

static const char *folder(void)
{
    const char *dir = getenv("TZDIR");

    return dir != NULL && dir[0] != '\0' ? dir : "/usr/share/zoneinfo";
}

static int unknown(const char *name, struct err *e)
{
    struct stat st;

    if (stat(folder(), &st) != 0 || !S_ISDIR(st.st_mode))
        return err_set(e, ERR_GONE,
                       "the time zone \"%.60s\" cannot be looked up: there is no time zone database in %.200s; install "
                       "the package tzdata",
                       name, folder());
    return err_set(e, ERR_INVALID,
                   "there is no time zone \"%.60s\"; names are those of the IANA database, such as Europe/Berlin, and "
                   "case counts",
                   name);
}

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static int read_all(int fd, unsigned char *data, size_t size, size_t *len)
{
    *len = 0;
    while (*len < size) {
        ssize_t n = read(fd, data + *len, size - *len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        *len += (size_t)n;
    }
    return 0;
}

static int load_file(struct arena *a, const char *name, const struct tz **out, struct err *e)
{
    AUTO_FREE unsigned char *data = NULL;
    AUTO(close_fd) int fd = -1;
    struct stat st;
    char path[1024];
    size_t len;
    int n = snprintf(path, sizeof(path), "%s/%s", folder(), name);

    if (n < 0 || (size_t)n >= sizeof(path))
        return err_set(e, ERR_INVALID, "TZDIR is too long");
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return unknown(name, e);
    data = mem_zalloc(TZ_FILE_MAX + 1);
    if (read_all(fd, data, TZ_FILE_MAX + 1, &len))
        return err_sys(e, ERR_INVALID, errno, "time zone \"%s\": %s cannot be read", name, path);
    if (tz_parse(a, data, len, out, e))
        return err_wrap(e, "time zone \"%s\": file %s", name, path);
    return 0;
}

int tz_load(struct arena *a, const char *name, const struct tz **out, struct err *e)
{
    if (strcmp(name, "UTC") == 0) {
        struct tz *z = arena_calloc(a, 1, sizeof(*z));

        *out = z;
        return 0;
    }
    if (!is_name(name))
        return err_set(e, ERR_INVALID, "\"%.60s\" is not the name of a time zone, such as Europe/Berlin or UTC", name);
    return load_file(a, name, out, e);
}

struct tz_set {
    struct arena *arena;
    struct known_zone {
        const char *name;
        const struct tz *zone;
        struct known_zone *next;
    } * first;
};

struct tz_set *tz_set_new(struct arena *a)
{
    struct tz_set *s = arena_calloc(a, 1, sizeof(*s));

    s->arena = a;
    return s;
}

int tz_set_get(struct tz_set *s, const char *name, const struct tz **out, struct err *e)
{
    struct known_zone *k = s->first;
    const struct tz *zone;

    while (k != NULL && strcmp(k->name, name) != 0)
        k = k->next;
    if (k == NULL) {
        if (tz_load(s->arena, name, &zone, e))
            return -1;
        k = arena_calloc(s->arena, 1, sizeof(*k));
        *k = (struct known_zone){arena_strdup(s->arena, name), zone, s->first};
        s->first = k;
    }
    *out = k->zone;
    return 0;
}

/* --- asking ------------------------------------------------------------------------------------------------------ */

/* How many changes there were up to utc_s. */
static size_t changes_before(const struct tz *z, int64_t utc_s)
{
    size_t lo = 0, hi = z->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (z->at[mid] <= utc_s)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int64_t near(int64_t utc_s)
{
    return utc_s < -FAR_S ? -FAR_S : utc_s > FAR_S ? FAR_S : utc_s;
}

void tz_at(const struct tz *z, int64_t utc_s, struct tz_span *out)
{
    size_t n;

    utc_s = near(utc_s);
    n = changes_before(z, utc_s);
    if (n == z->n && z->has_rule) {
        tz_rule_at(&z->rule, utc_s, out);
        return;
    }
    out->offset_s = z->offset_s[n > 0 ? z->type[n - 1] : 0];
    out->until_s = n < z->n ? z->at[n] : INT64_MAX;
}

void tz_local(const struct tz *z, int64_t utc_s, struct tz_clock *out)
{
    struct tz_span span;
    int64_t local, days;
    int rest;

    utc_s = near(utc_s);
    tz_at(z, utc_s, &span);
    local = utc_s + span.offset_s;
    days = local / 86400 - (local % 86400 < 0 ? 1 : 0);
    rest = (int)(local - days * 86400);
    out->weekday = (int)(((days + 3) % 7 + 7) % 7); /* 1970 began on a Thursday */
    out->hour = rest / 3600;
    out->minute = rest / 60 % 60;
    out->second = rest % 60;
}
