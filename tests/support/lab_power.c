/* Power fails: of the store's files there is what was synced, and any of the sectors that were written since. */
#include "server/base/mem.h"
#include "tests/support/lab.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECTOR ((size_t)512)

struct image {
    unsigned char *p;
    size_t len;
    bool there;
};

static struct image read_image(const char *path)
{
    struct image i = {NULL, 0, false};
    FILE *f = fopen(path, "re");
    size_t cap = 0, n;

    if (f == NULL)
        return i;
    i.there = true;
    do {
        if (i.len + 65536 > cap)
            i.p = mem_realloc_array(i.p, cap = (cap + 65536) * 2, 1);
        n = fread(i.p + i.len, 1, 65536, f);
        i.len += n;
    } while (n > 0);
    (void)fclose(f);
    return i;
}

static void write_image(const char *path, const unsigned char *p, size_t len)
{
    FILE *f = fopen(path, "we");

    if (f == NULL || (len > 0 && fwrite(p, 1, len, f) != len) || fclose(f) != 0)
        abort();
}

static void scribble(struct lab *l, unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)lab_draw(l, 256);
}

/* No further than what was being written: that a write harms bytes beside it is not feared by SQLite either
 * (https://sqlite.org/psow.html), and the sector at the end of what is synced holds some of it. */
static void scribble_written(struct lab *l, const unsigned char *now, unsigned char *out, size_t n)
{
    size_t from = 0;

    while (from < n && now[from] == out[from])
        from++;
    scribble(l, out + from, n - from);
}

static bool same(const struct image *a, const struct image *b, size_t at, size_t n)
{
    return at + n <= a->len && at + n <= b->len && memcmp(a->p + at, b->p + at, n) == 0;
}

/* What became of a sector that was not synced: the old bytes, the new ones, or (torn) half of these, or rubbish. */
static void mix_sector(struct lab *l, enum lab_loss loss, const struct image *now, size_t at, unsigned char *out,
                       size_t n)
{
    uint64_t dice = lab_draw(l, 4);

    if (loss == LAB_LOSE_ALL || at >= now->len)
        return;
    if (at + n > now->len)
        n = now->len - at;
    if (loss == LAB_LOSE_SOME && dice < 2)
        memcpy(out, now->p + at, n);
    else if (loss == LAB_SCRIBBLE && dice < 2)
        scribble_written(l, now->p + at, out, n);
    else if (loss == LAB_TEAR && dice < 2)
        memcpy(out, now->p + at, n / 2);
    else if (loss == LAB_TEAR && dice == 2)
        memcpy(out, now->p + at, n);
}

static void lose_of(struct lab *l, const char *suffix, enum lab_loss loss)
{
    char path[160], kept[200];
    struct image now, synced;
    unsigned char *out;
    size_t len;

    (void)snprintf(path, sizeof(path), "%s%s", l->store_path, suffix);
    (void)snprintf(kept, sizeof(kept), "%s" SHIM_SYNCED, path);
    now = read_image(path);
    synced = read_image(kept);
    len = now.len > synced.len ? now.len : synced.len;
    if (now.len != synced.len && lab_draw(l, 2) == 0)
        len = now.len < synced.len ? now.len : synced.len + (size_t)lab_draw(l, now.len - synced.len + 1);
    out = mem_calloc(len + 1, 1);
    memcpy(out, synced.p != NULL ? synced.p : out, synced.len < len ? synced.len : len);
    for (size_t at = 0; at < len; at += SECTOR) {
        size_t n = at + SECTOR <= len ? SECTOR : len - at;

        if (!same(&now, &synced, at, n))
            mix_sector(l, loss, &now, at, out + at, n);
    }
    if (now.there || synced.there) {
        write_image(path, out, len);
        write_image(kept, out, len); /* it is what the disk holds now */
    }
    (void)snprintf(l->point + strlen(l->point), sizeof(l->point) - strlen(l->point), ", %zu of %zu bytes%s unsynced",
                   len > synced.len ? len - synced.len : 0, len, suffix);
    free(out);
    free(now.p);
    free(synced.p);
}

void lab_lose_power(struct lab *l, enum lab_loss loss)
{
    char path[160];

    lose_of(l, "", loss);
    lose_of(l, "-wal", loss);
    (void)snprintf(path, sizeof(path), "%s-shm", l->store_path);
    (void)unlink(path); /* it is memory, not disk */
}
