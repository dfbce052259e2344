/* What the daemon holds: memory, descriptors, threads, and its store's files. */
#include "tests/support/lab.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

long lab_status(struct lab *l, const char *key)
{
    char path[64], line[256];
    long n = -1;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)daemon_pid(l->w->daemon));
    f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0)
            n = strtol(line + strlen(key), NULL, 10);
    }
    if (f != NULL)
        (void)fclose(f);
    return n;
}

static long descriptors(const struct lab *l)
{
    char path[64];
    long n = 0;
    DIR *d;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)daemon_pid(l->w->daemon));
    d = opendir(path);
    while (d != NULL && readdir(d) != NULL)
        n++;
    if (d != NULL)
        (void)closedir(d);
    return n - 2;
}

static long file_kib(const struct lab *l, const char *suffix)
{
    char path[160];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s%s", l->store_path, suffix);
    return stat(path, &st) == 0 ? (long)(st.st_size / 1024) : 0;
}

struct lab_sample lab_sample(struct lab *l)
{
    return (struct lab_sample){.rss_kib = lab_status(l, "VmRSS:"),
                               .descriptors = descriptors(l),
                               .threads = lab_status(l, "Threads:"),
                               .store_kib = file_kib(l, ""),
                               .log_kib = file_kib(l, "-wal")};
}
