/* What a seed is about: how bad things are, which jobs come, what breaks when; and then all is calm. */
#include "tests/chaos/chaos.h"

#include "server/base/clock.h"

#include <stdio.h>
#include <string.h>

#define DURATION (3 * HOUR)

static const char train_file[] =
    "runners:\n"
    "  - {name: gpu, cloud: aws, region: r, gpu: t4, machine_image: img, labels: [cirun-gpu],\n"
    "     instance_type: [small, big], preemptible: [true, false]}\n"
    "  - {name: other, cloud: gcp, region: z, machine_image: img, instance_type: n1, labels: [cirun-gpu]}\n"
    "  - {name: one, cloud: aws, region: r, machine_image: img, instance_type: single, labels: [cirun-one]}\n";
static const char net_file[] =
    "runners:\n"
    "  - {name: fast, cloud: gcp, region: z, machine_image: img, labels: [cirun-gpu, cirun-one],\n"
    "     instance_type: [n1, n2], preemptible: true, muster: {order: fastest, rerun_interrupted: 1}}\n";

static const struct repo {
    int64_t id, installation;
    const char *name, *file;
} repos[] = {{11, 7, "octo/train", train_file}, {12, 7, "octo/eval", train_file}, {21, 8, "duo/net", net_file}};

static const char *const labels[] = {"cirun-gpu", "cirun-gpu",    "cirun-gpu--1", "cirun-gpu--2",
                                     "cirun-one", "cirun-one--7", "cirun-odd",    "ubuntu-latest"};

static double drawn(struct chaos *c, double most)
{
    return most * (double)chaos_draw(c, 1000) / 1000;
}

static void draw_mood(struct chaos *c)
{
    static const double crashes[] = {0, 0.0005, 0.002, 0.01};
    static const double levels[] = {0, 0.05, 0.2};
    double level = levels[chaos_draw(c, ARRAY_LEN(levels))];

    c->mood = (struct mood){.crash = crashes[chaos_draw(c, ARRAY_LEN(crashes))],
                            .refuse = drawn(c, 2 * level),
                            .lose = drawn(c, 2 * level),
                            .fail = drawn(c, level),
                            .hang = drawn(c, level / 4),
                            .liars = drawn(c, level),
                            .github = drawn(c, level / 2),
                            .between = drawn(c, 0.5),
                            .down_most = chaos_draw(c, 4) == 0 ? HOUR : MINUTE,
                            .settle_most = chaos_draw(c, 2) == 0 ? 60 * SECOND : 0,
                            .latency_most = 1 + (int64_t)chaos_draw(c, 2000)};
    if (chaos_draw(c, 2) == 0)
        c->limits = (struct engine_limits){.machines = 1 + (int64_t)chaos_draw(c, 4),
                                           .machines_per_repository = 1 + (int64_t)chaos_draw(c, 3),
                                           .launches_per_minute = 1 + (int64_t)chaos_draw(c, 6)};
}

/* --- what happens ----------------------------------------------------------------------------------------------- */

static void queue_job(struct chaos *c, int64_t n)
{
    const struct repo *r = &repos[chaos_draw(c, ARRAY_LEN(repos))];
    const char *label = labels[chaos_draw(c, ARRAY_LEN(labels))];
    char text[64];
    struct sim_job_spec s = {.repo = r->name, .labels = text, .silent = chaos_by(c, c->mood.github / 4)};

    if (c->n_jobs == CHAOS_JOBS || c->calm)
        return;
    (void)snprintf(text, sizeof(text), "[\"%s\"]", label);
    if (strcmp(label, "ubuntu-latest") == 0)
        s.hosted_ms = MINUTE;
    c->jobs[c->n_jobs].id = sim_github_job_create(c->gh, &s);
    chaos_say(c, "job %lld: %s wants %s", (long long)c->jobs[c->n_jobs].id, r->name, label);
    c->n_jobs++;
    c->counts.jobs++;
    if (n > 1) /* a matrix */
        queue_job(c, n - 1);
}

static void cancel_job(struct chaos *c, int64_t n)
{
    struct chaos_job *j = c->n_jobs > 0 ? &c->jobs[chaos_draw(c, c->n_jobs)] : NULL;
    struct sim_job_info info;

    (void)n;
    if (j == NULL || !sim_github_job(c->gh, j->id, &info) || info.state == SIM_JOB_COMPLETED)
        return;
    chaos_say(c, "job %lld is cancelled", (long long)j->id);
    j->cancelled = true;
    sim_github_job_cancel(c->gh, j->id);
}

static void restart(struct chaos *c, int64_t n)
{
    (void)n;
    if (c->depth > 0 || !c->up || c->dead)
        return;
    daemon_down(c);
    daemon_up(c);
}

static void github_down(struct chaos *c, int64_t n)
{
    chaos_say(c, "GitHub is down");
    c->github_down_until_ms = clock_mono_ms() + n;
}

static void cloud_down(struct chaos *c, int64_t n)
{
    struct cloud *p = &c->clouds[chaos_draw(c, CHAOS_CLOUDS)];
    int64_t until = clock_mono_ms() + n;

    switch (chaos_draw(c, 3)) {
    case 0:
        p->down_until_ms = until;
        break;
    case 1:
        p->throttled_until_ms = until;
        break;
    default:
        p->sold_out_until_ms = until;
    }
    chaos_say(c, "%s is down, throttles or is sold out", p->name);
}

static void revoke(struct chaos *c, int64_t n)
{
    (void)n;
    chaos_say(c, "tokens are revoked");
    sim_github_revoke_tokens(c->gh);
}

static void calm(struct chaos *c, int64_t n)
{
    (void)n;
    story_calm(c);
}

/* What an operator does by hand. */
static void redeliver(struct chaos *c, int64_t n)
{
    sim_github_redeliver_failed(c->gh);
    if (n > 0)
        agenda_add(c, 10 * MINUTE, redeliver, n - 1);
}

/* --- from the first to the last --------------------------------------------------------------------------------- */

static void github_faults(struct chaos *c)
{
    static const struct sim_fault faults[] = {{.kind = SIM_FAULT_STATUS, .status = 502},
                                              {.kind = SIM_FAULT_STATUS, .status = 403},
                                              {.kind = SIM_FAULT_RESET_BEFORE},
                                              {.kind = SIM_FAULT_RESET_AFTER},
                                              {.kind = SIM_FAULT_STATUS_AFTER, .status = 500},
                                              {.kind = SIM_FAULT_HANG},
                                              {.kind = SIM_FAULT_TRUNCATE}};

    sim_http_seed(sim_github_http(c->gh), c->seed);
    for (size_t i = 0; i < ARRAY_LEN(faults) && c->mood.github > 0; i++) {
        struct sim_fault f = faults[i];

        f.probability = c->mood.github / (double)ARRAY_LEN(faults);
        sim_http_fault(sim_github_http(c->gh), &f);
    }
    sim_github_hook_options(c->gh, &(struct sim_hook_options){.duplicate = drawn(c, 0.2),
                                                              .drop = c->mood.github / 4,
                                                              .delay_ms = (int)chaos_draw(c, 3000),
                                                              .reorder_ms = (int)chaos_draw(c, 60 * SECOND)});
}

static void plan(struct chaos *c, chaos_fn *fn, uint64_t times, int64_t n)
{
    for (uint64_t i = 0; i < times; i++)
        agenda_add(c, (int64_t)chaos_draw(c, (uint64_t)DURATION), fn, n);
}

void story_begin(struct chaos *c)
{
    sim_github_add_installation(c->gh, 7, "octo", NULL);
    sim_github_add_installation(c->gh, 8, "duo", NULL);
    for (size_t i = 0; i < ARRAY_LEN(repos); i++) {
        sim_github_add_repo(c->gh, &(struct sim_repo){.id = repos[i].id,
                                                      .installation_id = repos[i].installation,
                                                      .full_name = repos[i].name});
        sim_github_put_file(c->gh, repos[i].name, "main", ".cirun.yml", repos[i].file);
    }
    sim_github_webhook(c->gh, "here");
    draw_mood(c);
    github_faults(c);
    plan(c, queue_job, 3 + chaos_draw(c, 12), 1);
    plan(c, queue_job, chaos_draw(c, 3), 6);
    plan(c, cancel_job, chaos_draw(c, 4), 0);
    plan(c, restart, chaos_draw(c, 3), 0);
    plan(c, github_down, chaos_draw(c, 4) == 0 ? 1 : 0, (int64_t)chaos_draw(c, HOUR));
    plan(c, cloud_down, chaos_draw(c, 3), (int64_t)chaos_draw(c, 40 * MINUTE));
    plan(c, revoke, chaos_draw(c, 4) == 0 ? 1 : 0, 0);
    agenda_add(c, DURATION, calm, 0);
}

void story_calm(struct chaos *c)
{
    chaos_say(c, "all is calm from now on");
    c->calm = true;
    c->mood = (struct mood){.latency_most = 100};
    c->github_down_until_ms = 0;
    for (size_t i = 0; i < CHAOS_CLOUDS; i++)
        c->clouds[i].down_until_ms = c->clouds[i].throttled_until_ms = c->clouds[i].sold_out_until_ms = 0;
    sim_http_faults_clear(sim_github_http(c->gh));
    sim_github_hook_options(c->gh, &(struct sim_hook_options){.delay_ms = 100});
    agenda_add(c, SECOND, redeliver, 6);
}
