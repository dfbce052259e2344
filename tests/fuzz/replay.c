/* A fuzz target without the fuzzer: runs the seeds of its corpus once, so that make test covers them with any compiler.
 * The program's name says which: fuzz_NAME reads tests/fuzz/corpus/NAME. */
#include "tests/fuzz/fuzz.h"

#include "server/base/buf.h"

#include <dirent.h>

#define SEED_MAX ((size_t)1 << 20)

static int read_file(const char *path, struct buf *out)
{
    char part[4096];
    FILE *f = fopen(path, "rb");
    size_t n;

    if (f == NULL)
        return -1;
    while ((n = fread(part, 1, sizeof(part), f)) > 0)
        buf_add(out, part, n);
    (void)fclose(f);
    return out->over ? -1 : 0;
}

/* In a block of exactly its size, so that sanitizers see a read behind its end. */
static int replay(const char *path)
{
    AUTO_BUF struct buf b = BUF_INIT(SEED_MAX);
    uint8_t *exact;

    if (read_file(path, &b))
        return -1;
    exact = malloc(b.len > 0 ? b.len : 1);
    NEED(exact != NULL);
    if (b.len > 0)
        memcpy(exact, b.p, b.len);
    (void)LLVMFuzzerTestOneInput(exact, b.len);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = slash != NULL ? slash + 1 + strlen("fuzz_") : "";
    char folder[256], path[600];
    size_t count = 0;
    struct dirent *entry;
    DIR *d;

    (void)snprintf(folder, sizeof(folder), "tests/fuzz/corpus/%s", name);
    d = opendir(folder);
    while (d != NULL && (entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (replay(path)) {
            printf("not ok test_fuzz_%s__%s: cannot be read\n", name, path);
            return 1;
        }
        count++;
    }
    if (d == NULL || count == 0) {
        printf("not ok test_fuzz_%s__seeds_hold: no seeds in %s\n", name, folder);
        return 1;
    }
    (void)closedir(d);
    printf("ok test_fuzz_%s__all_%zu_seeds_hold\n", name, count);
    return 0;
}
