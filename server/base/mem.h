/*
 * Allocation that ends the process when it is refused: work resumes from the store. Hence every input has a ceiling.
 * Everything returned is freed with free(). Safe from any thread.
 */
#ifndef MUSTER_BASE_MEM_H
#define MUSTER_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);                            /* not zeroed */
void *mem_zalloc(size_t size);                           /* zeroed; size 0 gives a pointer that may be freed */
void *mem_calloc(size_t n, size_t size);                 /* zeroed; n * size is checked */
void *mem_realloc_array(void *p, size_t n, size_t size); /* new tail is not zeroed */
char *mem_strdup(const char *s);                         /* NULL gives NULL */
char *mem_strndup(const char *s, size_t len);            /* copies len bytes and ends them with NUL */
/* A library was refused memory, and says so in its own way. Else a refusal looks like bad input, and is believed. */
_Noreturn void mem_refused(void);

#endif
