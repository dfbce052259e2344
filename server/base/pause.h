/* Waiting that can be cut short: every pause of a struct pause ends when pause_end is called. Safe from any thread. */
#ifndef MUSTER_BASE_PAUSE_H
#define MUSTER_BASE_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

struct pause;
struct pause *pause_new(void);
void pause_free(struct pause *p); /* accepts NULL; nobody may be waiting */

/* Wait for so long; true: it was ended. arg is the struct pause (so that it fits where a wait is asked for). */
bool pause_for(void *arg, int64_t ms);
/* End all pauses, from now on. */
void pause_end(struct pause *p); /* accepts NULL */

#endif
