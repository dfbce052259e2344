/* The demo's screen: one line an event, who said it, when; and the bill. Prints to standard output; one thread. */
#ifndef MUSTER_TESTS_SIM_DEMO_PRINT_H
#define MUSTER_TESTS_SIM_DEMO_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define DEMO_MAX_JOBS 8

struct demo_screen {
    int64_t began_ms;
    bool colours;
    struct {
        int64_t id;
        char *name;
    } jobs[DEMO_MAX_JOBS]; /* so that the daemon's numbers read as names */
    size_t n_jobs;
};

/* Time counts from here. Colours only on a terminal and without NO_COLOR. */
void demo_screen_init(struct demo_screen *s);
void demo_screen_clear(struct demo_screen *s);
void demo_screen_job(struct demo_screen *s, int64_t id, const char *name);

void demo_heading(const struct demo_screen *s, const char *text);

/* One line of the story: "ms<TAB>who<TAB>text" of a simulator or a machine, or a JSON line of the daemon's log. True
 * when it told that a machine is gone for good. */
bool demo_line(const struct demo_screen *s, const char *line);

/* What lived how long, what it would have cost, and what was asked of whom. The states are those of /_sim/state. */
void demo_bill(const struct demo_screen *s, const json_t *github, const json_t *ec2);

#endif
