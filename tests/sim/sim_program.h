/* What the two simulator programs share: signals, the file that says "ready", and the story on standard output. */
#ifndef MUSTER_TESTS_SIM_PROGRAM_H
#define MUSTER_TESTS_SIM_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

/* Block SIGINT, SIGTERM, SIGHUP and SIGCHLD in all threads to come and return a descriptor that delivers them. With
 * with_parent the program gets SIGTERM when the process that started it is gone. */
int sim_program_signals(bool with_parent);
/* The next signal's number; 0 when none is waiting. */
int sim_program_signal(int fd);

/* Write url to path in one step (a file that is there is complete). NULL path: to standard output. */
bool sim_program_ready(const char *path, const char *url);

/* A line "MILLISECONDS<TAB>who<TAB>text", times in wall-clock ms; arg is the who. A sim_story_fn. */
void sim_program_story(void *arg, const char *line);

/* The whole file, NUL-ended, or NULL (errno). len may be NULL. The caller frees. */
char *sim_program_read(const char *path, size_t *len);

#endif
