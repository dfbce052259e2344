#include "tests/support/world.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char world_gpu_file[] = "runners:\n"
                              "  - name: gpu-runner\n"
                              "    cloud: aws\n"
                              "    gpu: nvidia-tesla-t4\n"
                              "    instance_type: g4dn.xlarge\n"
                              "    machine_image: " SIM_EC2_IMAGE "\n"
                              "    region: us-east-1\n"
                              "    preemptible: [true, false]\n"
                              "    labels: [cirun.gpu, cirun-gpu]\n";

static void write_private(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
        abort();
}

static void start_github(struct world *w, const struct world_conf *c, struct err *e)
{
    char *private_pem, *public_pem, path[128];
    struct sim_github_conf gc = {.app_id = "12345", .webhook_secret = WORLD_SECRET, .seed = c->seed};

    sim_rsa_key(&private_pem, &public_pem);
    (void)snprintf(path, sizeof(path), "%s/app.pem", w->dir);
    write_private(path, private_pem);
    gc.public_key_pem = public_pem;
    if (sim_github_start(&gc, &w->gh, e))
        abort();
    free(private_pem);
    free(public_pem);
    sim_github_add_installation(w->gh, WORLD_INSTALLATION, "octo", NULL);
    sim_github_add_repo(w->gh, &(struct sim_repo){.id = WORLD_REPO_ID,
                                                  .installation_id = WORLD_INSTALLATION,
                                                  .full_name = WORLD_REPO,
                                                  .is_private = c->private_repo});
    sim_github_put_file(w->gh, WORLD_REPO, "main", ".cirun.yml", c->cirun_yml != NULL ? c->cirun_yml : world_gpu_file);
}

static void fill_env(struct world *w)
{
    env_sound(&w->env, w->dir);
    env_set(&w->env, "MUSTER_WEBHOOK_SECRET", WORLD_SECRET);
    env_set(&w->env, "AWS_ACCESS_KEY_ID", SIM_EC2_KEY);
    env_set(&w->env, "AWS_SECRET_ACCESS_KEY", SIM_EC2_SECRET);
    env_set(&w->env, "AWS_REGION", "us-east-1");
    env_addf(&w->env, "AWS_ENDPOINT_URL_EC2=%s", sim_ec2_url(w->ec2));
    env_addf(&w->env, "GITHUB_API_URL=%s", sim_github_url(w->gh));
}

struct world *world_new(const struct world_conf *c)
{
    struct world *w = mem_zalloc(sizeof(*w));
    struct sim_ec2_conf ec = {.seed = c->seed};
    struct err e;

    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/muster-world-XXXXXX");
    if (mkdtemp(w->dir) == NULL)
        abort();
    start_github(w, c, &e);
    w->machines = sim_machines_new(&(struct sim_machines_conf){.github = w->gh,
                                                               .boot_ms = c->boot_ms > 0 ? c->boot_ms : 20,
                                                               .work_ms = c->work_ms > 0 ? c->work_ms : 50,
                                                               .keeps_power = c->machines_keep_power,
                                                               .seed = c->seed});
    ec.on_start = sim_machines_on_start;
    ec.on_end = sim_machines_on_end;
    ec.arg = w->machines;
    if (sim_ec2_start(&ec, &w->ec2, &e))
        abort();
    sim_machines_in(w->machines, w->ec2);
    fill_env(w);
    return w;
}

bool world_daemon_up(struct world *w)
{
    char url[64];

    w->daemon = daemon_start((const char *const *)w->env.v);
    if (w->daemon == NULL)
        return false;
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/webhook", daemon_port(w->daemon));
    sim_github_webhook(w->gh, url);
    return true;
}

int world_daemon_down(struct world *w, int sig)
{
    struct daemon_child *d = w->daemon;

    w->daemon = NULL;
    return daemon_stop(d, sig);
}

static size_t print_violations(struct sim_http *h, const char *who)
{
    AUTO_BUF struct buf text = BUF_INIT(65536);

    sim_http_violation_text(h, &text);
    if (text.len > 0)
        (void)fprintf(stderr, "%s was asked what it would not expect:\n%s\n", who, text.p);
    return sim_http_violations(h);
}

size_t world_violations(struct world *w)
{
    return print_violations(sim_github_http(w->gh), "GitHub") + print_violations(sim_ec2_http(w->ec2), "EC2");
}

void world_free(struct world *w)
{
    static const char *const names[] = {"app.pem", "store.db", "store.db-wal", "store.db-shm", "store.db-lock"};
    char path[160];

    if (w->daemon != NULL)
        (void)world_daemon_down(w, SIGKILL);
    sim_machines_stop(w->machines);
    sim_ec2_stop(w->ec2);
    sim_github_stop(w->gh);
    sim_machines_free(w->machines);
    sim_ec2_free(w->ec2);
    sim_github_free(w->gh);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", w->dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(w->dir);
    env_clear(&w->env);
    free(w);
}
