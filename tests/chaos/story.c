/* What a seed is about: how bad things are, which jobs come, what breaks when; and then all is calm. */
#include "tests/chaos/chaos.h"

#include "server/base/clock.h"

#include <stdio.h>
#include <string.h>

#define DURATION (3 * HOUR)
#define FIRST_JOB 31000000000 /* the simulated GitHub counts from here */

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

static const char cold_file[] = "runners:\n"
                                "  - {name: warm, cloud: aws, region: r, machine_image: img, instance_type: single, "
                                "labels: [cirun-one, cirun-gpu]}\n";
static const char warm_file[] = "runners:\n"
                                "  - {name: warm, cloud: aws, region: r, machine_image: img, instance_type: single, "
                                "labels: [cirun-one, cirun-gpu],\n"
                                "     idle: {replicas: 2}}\n";
static const char no_file[] = "runners: [\n";
static const char global_file[] =
    "runners:\n"
    "  - {name: far, cloud: gcp, region: z, machine_image: img, instance_type: n1, labels: [cirun-odd]}\n";
static const char access_file[] = "version: 1\npolicies: [{id: some, repo: train}]\n"
                                  "access_control: [{resource: far, policies: [some]}]\n";

static const struct repo {
    int64_t id, installation;
    const char *name, *file;
    bool is_private;
} repos[] = {{11, 7, "octo/train", train_file, false},
             {12, 7, "octo/eval", cold_file, true},
             {21, 8, "duo/net", net_file, false}};
#define WARM_REPO "octo/eval"

static const char permissions[] = "{\"administration\":\"write\",\"checks\":\"write\",\"contents\":\"read\","
                                  "\"actions\":\"write\",\"metadata\":\"read\"}";

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

    if (c->n_jobs + (size_t)n > CHAOS_JOBS / 2 || c->calm)
        return;
    (void)snprintf(text, sizeof(text), "[\"%s\"]", label);
    if (strcmp(label, "ubuntu-latest") == 0)
        s.hosted_ms = MINUTE;
    chaos_say(c, "job %lld: %s wants %s", (long long)sim_github_job_create(c->gh, &s), r->name, label);
    story_see_jobs(c);
    if (n > 1) /* a matrix */
        queue_job(c, n - 1);
}

void story_see_jobs(struct chaos *c)
{
    struct sim_job_info info;

    while (c->n_jobs < CHAOS_JOBS && sim_github_job(c->gh, FIRST_JOB + (int64_t)c->n_jobs, &info)) {
        c->jobs[c->n_jobs].id = FIRST_JOB + (int64_t)c->n_jobs;
        c->n_jobs++;
        c->counts.jobs++;
    }
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

    switch (chaos_draw(c, 4)) {
    case 0:
        p->down_until_ms = until;
        break;
    case 1:
        p->throttled_until_ms = until;
        break;
    case 2:
        p->stale_until_ms = until;
        break;
    default:
        p->sold_out_until_ms = until;
    }
    chaos_say(c, "%s is down, throttles, is sold out or shows an old view", p->name);
}

static void revoke(struct chaos *c, int64_t n)
{
    (void)n;
    chaos_say(c, "tokens are revoked");
    sim_github_revoke_tokens(c->gh);
}

/* Somebody changes what the repository keeps warm, or breaks its file. */
static void push(struct chaos *c, int64_t n)
{
    static const char *const files[] = {warm_file, warm_file, cold_file, no_file};
    const char *file = n != 0 ? files[chaos_draw(c, ARRAY_LEN(files))] : cold_file;

    chaos_say(c, "push to " WARM_REPO ": %zu", strlen(file));
    sim_github_put_file(c->gh, WARM_REPO, "main", ".cirun.yml", file);
    sim_github_push(c->gh, WARM_REPO, "main", ".cirun.yml");
}

static void suspend(struct chaos *c, int64_t n)
{
    int64_t id = chaos_draw(c, 2) == 0 ? 7 : 8;

    chaos_say(c, "installation %lld is %s", (long long)id, n > 0 ? "suspended" : "back");
    sim_github_suspend(c->gh, n > 0 ? id : 7, n > 0);
    if (n > 0)
        agenda_add(c, n, suspend, 0);
    else
        sim_github_suspend(c->gh, 8, false);
}

/* The wall clock is set: by hand, or after a sleep. */
static void jump(struct chaos *c, int64_t n)
{
    int64_t by = (int64_t)chaos_draw(c, (uint64_t)(2 * n)) - n;

    chaos_say(c, "the clock jumps by %lld s", (long long)(by / SECOND));
    clock_test_set(clock_now_ms() + by);
}

static void calm(struct chaos *c, int64_t n)
{
    (void)n;
    story_calm(c);
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

/* Half of the seeds: an organisation's own files. */
static void add_organisation(struct chaos *c)
{
    sim_github_add_repo(c->gh, &(struct sim_repo){.id = 19, .installation_id = 7, .full_name = "octo/.cirun"});
    sim_github_put_file(c->gh, "octo/.cirun", "main", ".cirun.global.yml", global_file);
    if (chaos_draw(c, 2) == 0)
        sim_github_put_file(c->gh, "octo/.cirun", "main", ".access.yml", access_file);
}

void story_begin(struct chaos *c)
{
    sim_github_add_installation(c->gh, 7, "octo", permissions);
    sim_github_add_installation(c->gh, 8, "duo", permissions);
    for (size_t i = 0; i < ARRAY_LEN(repos); i++) {
        sim_github_add_repo(c->gh, &(struct sim_repo){.id = repos[i].id,
                                                      .installation_id = repos[i].installation,
                                                      .full_name = repos[i].name});
        sim_github_put_file(c->gh, repos[i].name, "main", ".cirun.yml", repos[i].file);
        sim_github_set_private(c->gh, repos[i].name, repos[i].is_private);
    }
    if (chaos_draw(c, 2) == 0)
        add_organisation(c);
    sim_github_webhook(c->gh, "here");
    draw_mood(c);
    github_faults(c);
    plan(c, queue_job, 3 + chaos_draw(c, 12), 1);
    plan(c, queue_job, chaos_draw(c, 3), 6);
    plan(c, cancel_job, chaos_draw(c, 4), 0);
    plan(c, restart, chaos_draw(c, 3), 0);
    plan(c, github_down, chaos_draw(c, 4) == 0 ? 1 : 0, (int64_t)chaos_draw(c, HOUR));
    plan(c, cloud_down, chaos_draw(c, 3), (int64_t)chaos_draw(c, 40 * MINUTE));
    plan(c, push, chaos_draw(c, 3), 1);
    plan(c, suspend, chaos_draw(c, 5) == 0 ? 1 : 0, (int64_t)chaos_draw(c, HOUR));
    plan(c, jump, chaos_draw(c, 3) == 0 ? 1 : 0, 20 * MINUTE);
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
        c->clouds[i].down_until_ms = c->clouds[i].throttled_until_ms = c->clouds[i].sold_out_until_ms =
            c->clouds[i].stale_until_ms = 0;
    sim_http_faults_clear(sim_github_http(c->gh));
    sim_github_hook_options(c->gh, &(struct sim_hook_options){.delay_ms = 100});
    sim_github_suspend(c->gh, 7, false);
    sim_github_suspend(c->gh, 8, false);
    push(c, 0);
}
