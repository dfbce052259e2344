#include "tests/sim/demo_print.h"

#include "server/base/attr.h"
#include "server/base/mem.h"
#include "tests/sim/sim_timer.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_TEXT 1024
#define ULID_LEN 26

/* On demand, Linux, us-east-1, dollars an hour. EC2 bills by the second, at least 60 of them. */
#define PRICE_DATE "May 2024"
static const struct {
    const char *type;
    double per_hour;
} prices[] = {{"g4dn.xlarge", 0.526}, {"g4dn.2xlarge", 0.752}, {"g5.xlarge", 1.006}, {"t3.micro", 0.0104}};

void demo_screen_init(struct demo_screen *s)
{
    s->began_ms = sim_mono_ms();
    s->colours = isatty(STDOUT_FILENO) != 0 && getenv("NO_COLOR") == NULL;
}

void demo_screen_clear(struct demo_screen *s)
{
    for (size_t i = 0; i < s->n_jobs; i++)
        free(s->jobs[i].name);
    s->n_jobs = 0;
}

void demo_screen_job(struct demo_screen *s, int64_t id, const char *name)
{
    if (s->n_jobs == DEMO_MAX_JOBS)
        return;
    s->jobs[s->n_jobs].id = id;
    s->jobs[s->n_jobs++].name = mem_strdup(name);
}

static const char *job_name(const struct demo_screen *s, const json_t *log)
{
    int64_t id = (int64_t)json_integer_value(json_object_get(log, "job"));

    for (size_t i = 0; i < s->n_jobs; i++)
        if (s->jobs[i].id == id)
            return s->jobs[i].name;
    return "?";
}

/* ---- lines ---- */

void demo_heading(const struct demo_screen *s, const char *text)
{
    (void)printf("%s\n  %s%s\n", s->colours ? "\033[1m" : "", text, s->colours ? "\033[0m" : "");
    (void)fflush(stdout);
}

/* Machine names are long; their last letters tell them apart. */
static void shorten(const char *in, char *out, size_t size)
{
    size_t n = 0;

    while (*in != '\0' && n + 8 < size) {
        size_t word = 0;

        if (strncmp(in, "muster-", 7) == 0)
            while (isalnum((unsigned char)in[7 + word]))
                word++;
        if (word == ULID_LEN) {
            n += (size_t)snprintf(out + n, size - n, "muster-\xe2\x80\xa6%.4s", in + 7 + ULID_LEN - 4);
            in += 7 + ULID_LEN;
        } else {
            out[n++] = *in++;
        }
        if (n >= size)
            n = size - 1;
    }
    out[n] = '\0';
}

static void say(const struct demo_screen *s, const char *who, const char *colour, const char *fmt, ...) PRINTF(4, 5);
static void say(const struct demo_screen *s, const char *who, const char *colour, const char *fmt, ...)
{
    char text[MAX_TEXT], shown[MAX_TEXT];
    double at = (double)(sim_mono_ms() - s->began_ms) / 1000;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    shorten(text, shown, sizeof(shown));
    if (s->colours)
        (void)printf("%7.2f s  \033[%sm%-7s\033[0m \xe2\x86\x92 %s\n", at, colour, who, shown);
    else
        (void)printf("%7.2f s  %-7s \xe2\x86\x92 %s\n", at, who, shown);
    (void)fflush(stdout);
}

static void muster_says(const struct demo_screen *s, const char *fmt, ...) PRINTF(2, 3);
static void muster_says(const struct demo_screen *s, const char *fmt, ...)
{
    char text[MAX_TEXT];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    say(s, "muster", "32", "%s", text);
}

static const char *str(const json_t *log, const char *key)
{
    const char *v = json_string_value(json_object_get(log, key));

    return v != NULL ? v : "";
}

/* "ec2 RunInstances: InsufficientInstanceCapacity: There is no ..." is told by its code alone. */
static void tell_refusal(const struct demo_screen *s, const json_t *log)
{
    const char *error = str(log, "error"), *call = strstr(error, "RunInstances: ");
    const char *code = call != NULL ? call + strlen("RunInstances: ") : error;

    muster_says(s, "was refused %s %s (%.*s); takes the next candidate", str(log, "instance_type"),
                json_is_true(json_object_get(log, "spot")) ? "spot" : "on demand", (int)strcspn(code, ":"), code);
}

static void tell_decision(const struct demo_screen *s, const json_t *log)
{
    if (strcmp(str(log, "want"), "machine") == 0)
        muster_says(s, "job \"%s\" matches a runner of .cirun.yml and wants a machine", job_name(s, log));
    else
        muster_says(s, "job \"%s\": %s %s", job_name(s, log), str(log, "want"), str(log, "reason"));
}

static void tell_change(const struct demo_screen *s, const json_t *log)
{
    const char *reason = str(log, "reason");

    if (strcmp(str(log, "to"), "booting") == 0)
        return; /* machine.launched tells more */
    muster_says(s, "machine %s: %s, then %s%s%s%s", str(log, "machine"), str(log, "from"), str(log, "to"),
                *reason != '\0' ? " (" : "", reason, *reason != '\0' ? ")" : "");
}

/* True when the event says that a machine is gone. */
static bool tell_muster(const struct demo_screen *s, const json_t *log)
{
    const char *event = str(log, "event"), *level = str(log, "level");

    if (strcmp(event, "server.started") == 0)
        muster_says(s, "is up; it watches one GitHub App and one cloud");
    else if (strcmp(event, "delivery.stored") == 0)
        muster_says(s, "hears that job \"%s\" is %s; keeps it on disk, then answers 202", job_name(s, log),
                    str(log, "state"));
    else if (strcmp(event, "job.decided") == 0)
        tell_decision(s, log);
    else if (strcmp(event, "launch.refused") == 0)
        tell_refusal(s, log);
    else if (strcmp(event, "machine.launched") == 0)
        muster_says(s, "machine %s is %.19s, %d ms after it was wanted", str(log, "machine"), str(log, "instance"),
                    (int)json_integer_value(json_object_get(log, "took_ms")));
    else if (strcmp(event, "machine.changed") == 0)
        tell_change(s, log);
    else if (strcmp(level, "warn") == 0 || strcmp(level, "error") == 0)
        muster_says(s, "%s: %s %s", event, str(log, "machine"), str(log, "error"));
    return strcmp(event, "machine.changed") == 0 && strcmp(str(log, "to"), "gone") == 0;
}

static void tell_other(const struct demo_screen *s, const char *line)
{
    static const struct {
        const char *who, *shown, *colour;
    } voices[] = {{"github", "GitHub", "34"}, {"ec2", "EC2", "33"}, {"machine", "machine", "35"}};
    const char *who = strchr(line, '\t'), *text = who != NULL ? strchr(who + 1, '\t') : NULL;

    for (size_t i = 0; text != NULL && i < ARRAY_LEN(voices); i++) {
        size_t len = strlen(voices[i].who);

        if ((size_t)(text - who - 1) == len && strncmp(who + 1, voices[i].who, len) == 0) {
            say(s, voices[i].shown, voices[i].colour, "%s", text + 1);
            return;
        }
    }
    if (*line != '\0')
        say(s, "?", "31", "%s", line);
}

bool demo_line(const struct demo_screen *s, const char *line)
{
    json_t *log = *line == '{' ? json_loads(line, 0, NULL) : NULL;
    bool gone = false;

    if (log != NULL)
        gone = tell_muster(s, log);
    else
        tell_other(s, line);
    json_decref(log);
    return gone;
}

/* ---- the bill ---- */

static double price_of(const char *type)
{
    for (size_t i = 0; i < ARRAY_LEN(prices); i++)
        if (strcmp(prices[i].type, type) == 0)
            return prices[i].per_hour;
    return 0;
}

static void bill_machine(const json_t *i)
{
    double lived = (double)(json_integer_value(json_object_get(i, "ended_ms")) -
                            json_integer_value(json_object_get(i, "launched_ms"))) /
                   1000;
    bool spot = json_is_true(json_object_get(i, "spot"));
    double per_hour = price_of(str(i, "type")), billed = lived < 60 ? 60 : lived;
    char name[128];

    shorten(str(i, "name"), name, sizeof(name));
    (void)printf("    %s  %s  %s %s  %s  lived %.1f s", str(i, "id"), name, str(i, "type"), spot ? "spot" : "on demand",
                 str(i, "zone"), lived);
    if (lived < 0)
        (void)printf(" and still lives");
    else if (spot)
        (void)printf("  at most %.4f $", per_hour * billed / 3600);
    else
        (void)printf("  %.3f $/h x %.0f s = %.4f $", per_hour, billed, per_hour * billed / 3600);
    (void)printf("\n");
}

static void bill_calls(const char *of, const json_t *state)
{
    json_t *calls = json_object_get(json_object_get(state, "log"), "calls");
    const char *op;
    json_t *c;

    (void)printf("    asked of %s:\n", of);
    json_object_foreach(calls, op, c)
    {
        (void)printf("      %3d x %s", (int)json_integer_value(json_object_get(c, "n")), op);
        if (json_object_get(c, "500") != NULL)
            (void)printf("  (%d refused for want of capacity)", (int)json_integer_value(json_object_get(c, "500")));
        (void)printf("\n");
    }
}

void demo_bill(const struct demo_screen *s, const json_t *github, const json_t *ec2)
{
    const json_t *list = json_object_get(ec2, "instances");

    demo_heading(s, "The bill (EC2's list price of " PRICE_DATE ", us-east-1; by the second, at least 60):");
    for (size_t i = 0; i < json_array_size(list); i++)
        bill_machine(json_array_get(list, i));
    bill_calls("GitHub", github);
    bill_calls("EC2", ec2);
    (void)fflush(stdout);
}
