#include "server/base/mem.h"

#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The end waits for no reader that stands still. */
void mem_refused(void)
{
    static const char last[] = "muster: out of memory; ending, work resumes from the store at the next start\n";
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

    if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0)
        (void)!write(STDERR_FILENO, last, sizeof(last) - 1);
    abort();
}

static void *checked(void *p)
{
    if (p == NULL)
        mem_refused();
    return p;
}

void *mem_alloc(size_t size)
{
    return checked(malloc(size > 0 ? size : 1));
}

void *mem_zalloc(size_t size)
{
    return checked(calloc(1, size > 0 ? size : 1));
}

void *mem_calloc(size_t n, size_t size)
{
    return checked(calloc(n > 0 ? n : 1, size > 0 ? size : 1));
}

void *mem_realloc_array(void *p, size_t n, size_t size)
{
    if (size != 0 && n > SIZE_MAX / size)
        (void)checked(NULL);
    return checked(realloc(p, n * size > 0 ? n * size : 1));
}

char *mem_strdup(const char *s)
{
    return s != NULL ? mem_strndup(s, strlen(s)) : NULL;
}

char *mem_strndup(const char *s, size_t len)
{
    char *p = checked(malloc(len + 1));

    if (len > 0)
        memcpy(p, s, len);
    p[len] = '\0';
    return p;
}
