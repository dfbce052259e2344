#include "server/api/status.h"

#include "server/api/agent.h"
#include "server/api/webhook.h"
#include "server/base/metric.h"
#include "server/store/store_room.h"
#include "server/store/store_upkeep.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define METRICS_MAX_BYTES (4 * 1024 * 1024)

static const struct metric_desc machines = {METRIC_GAUGE, "muster_machines", "Machines that are not gone, by state",
                                            "state", NULL};
static const struct metric_desc jobs_waiting = {METRIC_GAUGE, "muster_queue_jobs",
                                                "Jobs that wait for room under the limits", NULL, NULL};

static const struct metric_desc store_bytes = {METRIC_GAUGE, "muster_store_bytes",
                                               "What the store takes on disk: all of the database, its part that is "
                                               "free for what comes, its log",
                                               "part", NULL};
static const struct metric_desc descriptors = {METRIC_GAUGE, "muster_open_descriptors",
                                               "Open file descriptors of the process", NULL, NULL};
static const struct metric_desc descriptors_most = {METRIC_GAUGE, "muster_max_descriptors", "How many it may have",
                                                    NULL, NULL};
static const struct metric_desc memory = {METRIC_GAUGE, "muster_memory_bytes", "Resident memory of the process", NULL,
                                          NULL};

struct measured {
    int64_t machines[M_GONE + 1], waiting;
};

enum MHD_Result status_health(struct request *r)
{
    return answer_send(r->x->answers, r->mhd, ANSWER_ALIVE);
}

enum MHD_Result status_ready(struct request *r)
{
    struct err e;

    if (r->x->stopping)
        return answer_send(r->x->answers, r->mhd, ANSWER_STOPPING);
    if (r->x->conf.store != NULL && store_health(r->x->conf.store, &e))
        return answer_error(r->x->answers, r->mhd, MHD_HTTP_SERVICE_UNAVAILABLE, e.msg);
    return answer_send(r->x->answers, r->mhd, ANSWER_READY);
}

/* Two small reads, by indexes that hold only what is under way. */
static int measure_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct measured *m = arg;

    return store_machine_counts(t, m->machines, e) || store_queue_jobs(t, 0, &m->waiting, e) ? -1 : 0;
}

static void measure_store(struct store *s)
{
    struct measured m = {.waiting = 0};
    struct err e;

    if (s == NULL || store_read(s, measure_tx, &m, &e))
        return;
    metric_set(&jobs_waiting, NULL, (double)m.waiting);
    for (int i = 0; i < M_GONE; i++)
        metric_set(&machines, machine_state_name((enum machine_state)i), (double)m.machines[i]);
}

static void measure_disk(struct store *s)
{
    struct store_size size;
    struct err e;

    if (s == NULL || store_size(s, &size, &e))
        return;
    metric_set(&store_bytes, "all", (double)size.bytes);
    metric_set(&store_bytes, "free", (double)size.free_bytes);
    metric_set(&store_bytes, "log", (double)size.log_bytes);
}

static void measure_process(void)
{
    struct rlimit most;
    long pages = 0;
    FILE *f;
    DIR *d = opendir("/proc/self/fd");
    int n = -3; /* . and .. and the directory itself */

    while (d != NULL && readdir(d) != NULL)
        n++;
    if (d != NULL) {
        metric_set(&descriptors, NULL, n);
        (void)closedir(d);
    }
    if (getrlimit(RLIMIT_NOFILE, &most) == 0)
        metric_set(&descriptors_most, NULL, (double)most.rlim_cur);
    f = fopen("/proc/self/statm", "re");
    if (f != NULL && fscanf(f, "%*s %ld", &pages) == 1)
        metric_set(&memory, NULL, (double)pages * (double)sysconf(_SC_PAGESIZE));
    if (f != NULL)
        (void)fclose(f);
}

enum MHD_Result status_metrics(struct request *r)
{
    AUTO_BUF struct buf text = BUF_INIT(METRICS_MAX_BYTES);

    webhook_measure(r->x);
    agent_measure(r->x);
    measure_store(r->x->conf.store);
    measure_disk(r->x->conf.store);
    measure_process();
    metric_expose(&text);
    return answer_text(r->x->answers, r->mhd, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &text);
}

bool status_is_permitted(const struct request *r)
{
    return r->x->conf.admin_token == NULL || request_bears(r, r->x->conf.admin_token);
}
