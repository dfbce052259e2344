#include "server/base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mem_refused(void)
{
    (void)fputs("muster: out of memory; ending, work resumes from the store at the next start\n", stderr);
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
