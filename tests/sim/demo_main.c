/*
 * The teller of `make demo`: gives the founding story its start (two jobs of one run), prints what the simulators, the
 * daemon and the machine say on standard input as one story, and ends it with the bill. demo.sh starts everybody.
 *
 *   demo --github URL --ec2 URL --muster URL [--seconds N] <story
 *   demo --github URL --muster URL [--seconds N] <story        the second chapter: one job, in a real container
 *
 * Exit 0 when the story ended as it should: all jobs succeeded, one machine lived and is gone, and no simulator was
 * asked anything that the real service would not have taken.
 */
#include "tests/sim/demo_print.h"

#include "server/base/mem.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_timer.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REPO "octo-org/train"
#define STEP_MS 100

struct demo {
    const char *github, *ec2, *muster;
    int seconds;
    struct demo_screen screen;
    char line[8192];
    size_t len;
    bool over; /* the machine's end was told */
};

static json_t *ask(const char *method, const char *base, const char *path, json_t *body)
{
    char url[256], *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    struct sim_call c = {.method = method, .url = url, .headers = {"Content-Type: application/json"}, .body = text};
    struct sim_reply r;
    json_t *out;

    (void)snprintf(url, sizeof(url), "%s%s", base, path);
    sim_do(&c, &r);
    out = r.status >= 200 && r.status < 300 ? json_incref(r.json) : NULL;
    sim_reply_clear(&r);
    free(text);
    json_decref(body);
    return out;
}

static int64_t number(const json_t *o, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(o, key));
}

static int64_t add_job(struct demo *d, const char *name, json_t *labels, int hosted_ms, int64_t run_id)
{
    json_t *got = ask("POST", d->github, "/_sim/jobs",
                      json_pack("{s:s, s:s, s:o, s:s, s:i, s:I}", "repo", REPO, "name", name, "labels", labels,
                                "workflow", "train", "hosted_ms", hosted_ms, "run_id", (json_int_t)run_id));
    int64_t run = number(got, "run_id");

    if (got != NULL)
        demo_screen_job(&d->screen, number(got, "id"), name);
    json_decref(got);
    return run;
}

/* The matrix of the founding workflow: one job for GitHub's own runner, one for a GPU. */
static bool add_matrix(struct demo *d)
{
    int64_t run;

    demo_heading(&d->screen,
                 "Somebody pushes. The workflow is a matrix of two jobs: one for GitHub's own runner, one for a GPU.");
    run = add_job(d, "train (cpu)", json_pack("[s]", "ubuntu-latest"), 900, 0);
    return run != 0 && add_job(d, "train (gpu)", json_pack("[s, s]", "self-hosted", "cirun.gpu"), 0, run) != 0;
}

static bool add_container_job(struct demo *d)
{
    demo_heading(&d->screen, "Somebody pushes. The workflow is one job, for a container of this host.");
    return add_job(d, "build", json_pack("[s, s]", "self-hosted", "cirun-docker"), 0, 0) != 0;
}

static size_t n_jobs(const struct demo *d)
{
    return d->ec2 != NULL ? 2 : 1;
}

static bool begin(struct demo *d)
{
    char url[128];
    json_t *got;

    (void)snprintf(url, sizeof(url), "%s/webhook", d->muster);
    got = ask("POST", d->github, "/_sim/webhook", json_pack("{s:s}", "url", url));
    json_decref(got);
    if (got == NULL)
        return false;
    return d->ec2 != NULL ? add_matrix(d) : add_container_job(d);
}

static void take_line(struct demo *d)
{
    if (demo_line(&d->screen, d->line))
        d->over = true;
}

/* What has arrived by now, line by line. */
static void listen_for(struct demo *d, int ms)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    char part[4096];
    ssize_t n;

    if (poll(&p, 1, ms) <= 0)
        return;
    n = read(STDIN_FILENO, part, sizeof(part));
    for (ssize_t i = 0; i < n; i++) {
        if (part[i] != '\n' && d->len < sizeof(d->line) - 1) {
            d->line[d->len++] = part[i];
            continue;
        }
        d->line[d->len] = '\0';
        d->len = 0;
        take_line(d);
    }
}

static bool all_completed(const struct demo *d, const json_t *state)
{
    const json_t *jobs = json_object_get(state, "jobs");

    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const char *s = json_string_value(json_object_get(json_array_get(jobs, i), "status"));

        if (s == NULL || strcmp(s, "completed") != 0)
            return false;
    }
    return json_array_size(jobs) == n_jobs(d);
}

static bool finished(const struct demo *d)
{
    json_t *state;
    bool done;

    if (!d->over)
        return false;
    state = ask("GET", d->github, "/_sim/state", NULL);
    done = all_completed(d, state);
    json_decref(state);
    return done;
}

/* ---- was it the right story? ---- */

static bool expect(const struct demo *d, bool truth, const char *what)
{
    if (!truth)
        demo_heading(&d->screen, what);
    return truth;
}

static bool right_jobs(const struct demo *d, const json_t *state)
{
    const json_t *jobs = json_object_get(state, "jobs");
    bool ok = json_array_size(jobs) == n_jobs(d);

    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const char *c = json_string_value(json_object_get(json_array_get(jobs, i), "conclusion"));

        ok = ok && c != NULL && strcmp(c, "success") == 0;
    }
    return ok;
}

static bool right_machines(const json_t *state)
{
    const json_t *list = json_object_get(state, "instances");

    return json_array_size(list) == 1 && number(json_array_get(list, 0), "ended_ms") > 0;
}

static bool no_violation(const struct demo *d, const json_t *state)
{
    const json_t *v = json_object_get(json_object_get(state, "log"), "violations");

    for (size_t i = 0; i < json_array_size(v); i++)
        demo_heading(&d->screen, json_string_value(json_array_get(v, i)));
    return json_array_size(v) == 0;
}

/* EC2's half of the end: its one machine, and the bill. */
static bool end_ec2(const struct demo *d, const json_t *github)
{
    json_t *ec2 = ask("GET", d->ec2, "/_sim/state", NULL);
    bool ok = expect(d, right_machines(ec2), "NOT as it should be: not exactly one machine lived and ended.");

    ok = expect(d, no_violation(d, ec2), "NOT as it should be: EC2 would not have taken the requests above.") && ok;
    demo_bill(&d->screen, github, ec2);
    json_decref(ec2);
    return ok;
}

static bool end(const struct demo *d)
{
    json_t *github = ask("GET", d->github, "/_sim/state", NULL);
    bool ok = expect(d, d->over, "NOT as it should be: the machine's end was never told.");

    ok = expect(d, right_jobs(d, github), "NOT as it should be: not every job succeeded.") && ok;
    ok = expect(d, no_violation(d, github), "NOT as it should be: GitHub would not have taken the requests above.") &&
         ok;
    if (d->ec2 != NULL)
        ok = end_ec2(d, github) && ok;
    json_decref(github);
    return ok;
}

static bool read_options(int argc, char **argv, struct demo *d)
{
    static const struct option table[] = {{"github", required_argument, NULL, 'g'},
                                          {"ec2", required_argument, NULL, 'e'},
                                          {"muster", required_argument, NULL, 'm'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {NULL, 0, NULL, 0}};
    int c;

    d->seconds = 60;
    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (c == 'g')
            d->github = optarg;
        else if (c == 'e')
            d->ec2 = optarg;
        else if (c == 'm')
            d->muster = optarg;
        else if (c == 's')
            d->seconds = (int)strtol(optarg, NULL, 10);
        else
            return false;
    }
    return d->github != NULL && d->muster != NULL;
}

int main(int argc, char **argv)
{
    struct demo d = {0};
    int64_t until;
    bool ok;

    if (!read_options(argc, argv, &d)) {
        (void)fputs("usage: demo --github URL [--ec2 URL] --muster URL [--seconds N] <story\n", stderr);
        return 2;
    }
    demo_screen_init(&d.screen);
    until = sim_mono_ms() + (int64_t)d.seconds * 1000;
    listen_for(&d, STEP_MS);
    ok = begin(&d);
    while (ok && !finished(&d) && sim_mono_ms() < until)
        listen_for(&d, STEP_MS);
    listen_for(&d, STEP_MS);
    ok = end(&d) && ok;
    demo_screen_clear(&d.screen);
    return ok ? 0 : 1;
}
