/*
 * The simulated EC2 as a program of its own, on a free port of loopback.
 *
 *   ec2 --ready-file FILE [--on-start COMMAND] [--region NAME] [--pending-ms N] [--port N] [--with-parent]
 *
 * COMMAND is run by /bin/sh for every instance that starts, as a stand-in for the machine, with SIM_INSTANCE_ID,
 * SIM_INSTANCE_NAME, SIM_USER_DATA (a file of mode 0600) and SIM_EC2_URL in its environment. When it ends, the instance
 * powers off; when the instance is terminated, it is killed with everything it started, and so it is when this program
 * ends. Standard output: the story, a line an event. Ends on SIGTERM.
 */
#include "server/base/mem.h"
#include "tests/sim/sim_ec2.h"
#include "tests/sim/sim_program.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct options {
    const char *ready_file, *on_start, *region;
    int port, pending_ms;
    bool with_parent;
};

/* From the simulator's thread to the main one, through a pipe: only that one forks, so that children hang on it. */
struct note {
    bool start;
    char id[24], name[80];
};

struct box {
    pid_t pid; /* 0 = ended */
    char id[24], mark[64];
};

struct machines {
    struct sim_ec2 *ec2;
    const char *command;
    char dir[64];
    int pipe[2];
    struct box *boxes;
    size_t n;
};

/* ---- notes ---- */

static void on_start(void *arg, const char *id, const char *name, const char *user_data, size_t len)
{
    struct machines *m = arg;
    struct note n = {.start = true};
    char path[128];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", m->dir, id);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, user_data, len) != (ssize_t)len)
        (void)fprintf(stderr, "ec2: cannot write %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    (void)snprintf(n.id, sizeof(n.id), "%s", id);
    (void)snprintf(n.name, sizeof(n.name), "%s", name);
    if (write(m->pipe[1], &n, sizeof(n)) != (ssize_t)sizeof(n))
        (void)fputs("ec2: a machine could not be started\n", stderr);
}

static void on_end(void *arg, const char *id)
{
    const struct machines *m = arg;
    struct note n = {.start = false};

    (void)snprintf(n.id, sizeof(n.id), "%s", id);
    if (write(m->pipe[1], &n, sizeof(n)) != (ssize_t)sizeof(n))
        (void)fputs("ec2: a machine could not be ended\n", stderr);
}

/* ---- processes ---- */

/* After fork: nothing but what is safe there. */
static void become_machine(const struct machines *m, const struct note *n, const char *mark)
{
    char path[128];
    sigset_t none;

    (void)snprintf(path, sizeof(path), "%s/%s", m->dir, n->id);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0);
    (void)setenv("SIM_INSTANCE_MARK", mark, 1);
    (void)setenv("SIM_INSTANCE_ID", n->id, 1);
    (void)setenv("SIM_INSTANCE_NAME", n->name, 1);
    (void)setenv("SIM_USER_DATA", path, 1);
    (void)setenv("SIM_EC2_URL", sim_ec2_url(m->ec2), 1);
    (void)execl("/bin/sh", "sh", "-c", m->command, (char *)NULL);
    _exit(127);
}

static void start_machine(struct machines *m, const struct note *n)
{
    struct box b = {.pid = 0};

    (void)snprintf(b.id, sizeof(b.id), "%s", n->id);
    (void)snprintf(b.mark, sizeof(b.mark), "%s.%ld", n->id, (long)getpid());
    b.pid = fork();
    if (b.pid == 0)
        become_machine(m, n, b.mark);
    if (b.pid < 0) {
        sim_ec2_power_off(m->ec2, n->id);
        return;
    }
    m->boxes = mem_realloc_array(m->boxes, m->n + 1, sizeof(*m->boxes));
    m->boxes[m->n++] = b;
}

/* Is the mark among a process's environment? Its parts are separated by NULs. */
static bool is_marked(const char *pid, const char *mark)
{
    static const char key[] = "SIM_INSTANCE_MARK=";
    char path[64], part[65536];
    size_t len;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%.20s/environ", pid);
    f = fopen(path, "re");
    if (f == NULL)
        return false;
    len = fread(part, 1, sizeof(part) - 1, f);
    (void)fclose(f);
    part[len] = '\0';
    for (const char *p = part; p < part + len; p += strlen(p) + 1)
        if (strncmp(p, key, sizeof(key) - 1) == 0 && strcmp(p + sizeof(key) - 1, mark) == 0)
            return true;
    return false;
}

/* The machine may have made sessions of its own: find its processes by the mark that all inherit. */
static bool kill_marked(const char *mark)
{
    DIR *d = opendir("/proc");
    const struct dirent *e;
    bool found = false;

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (isdigit((unsigned char)e->d_name[0]) && is_marked(e->d_name, mark)) {
            found = true;
            (void)kill((pid_t)strtol(e->d_name, NULL, 10), SIGKILL);
        }
    }
    if (d != NULL)
        (void)closedir(d);
    return found;
}

static void reap(struct machines *m)
{
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        for (size_t i = 0; i < m->n; i++) {
            if (m->boxes[i].pid != pid)
                continue;
            m->boxes[i].pid = 0;
            sim_ec2_power_off(m->ec2, m->boxes[i].id);
        }
    }
}

static void end_machine(struct machines *m, struct box *b)
{
    char path[128];

    if (b->pid > 0)
        (void)kill(-b->pid, SIGKILL);
    for (int tries = 0; tries < 20 && kill_marked(b->mark); tries++)
        reap(m); /* one that was killed stays listed until then */
    (void)snprintf(path, sizeof(path), "%s/%s", m->dir, b->id);
    (void)unlink(path);
}

static void take_note(struct machines *m)
{
    struct note n;

    if (read(m->pipe[0], &n, sizeof(n)) != (ssize_t)sizeof(n))
        return;
    if (n.start) {
        start_machine(m, &n);
        return;
    }
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->boxes[i].id, n.id) == 0)
            end_machine(m, &m->boxes[i]);
}

static void serve_until_told(struct machines *m, int signals)
{
    struct pollfd p[2] = {{.fd = signals, .events = POLLIN}, {.fd = m->pipe[0], .events = POLLIN}};

    for (;;) {
        int sig;

        (void)poll(p, 2, -1);
        while ((sig = sim_program_signal(signals)) != 0) {
            if (sig != SIGCHLD)
                return;
            reap(m);
        }
        if (p[1].revents != 0)
            take_note(m);
    }
}

/* ---- life ---- */

static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option table[] = {{"ready-file", required_argument, NULL, 'r'},
                                          {"on-start", required_argument, NULL, 'o'},
                                          {"region", required_argument, NULL, 'g'},
                                          {"pending-ms", required_argument, NULL, 'd'},
                                          {"port", required_argument, NULL, 'p'},
                                          {"with-parent", no_argument, NULL, 'w'},
                                          {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (c == 'r')
            o->ready_file = optarg;
        else if (c == 'o')
            o->on_start = optarg;
        else if (c == 'g')
            o->region = optarg;
        else if (c == 'd')
            o->pending_ms = (int)strtol(optarg, NULL, 10);
        else if (c == 'p')
            o->port = (int)strtol(optarg, NULL, 10);
        else if (c == 'w')
            o->with_parent = true;
        else
            return false;
    }
    return optind == argc && o->port >= 0 && o->port <= 65535;
}

static bool open_machines(struct machines *m, const struct options *o)
{
    const char *tmp = getenv("TMPDIR");

    m->command = o->on_start;
    (void)snprintf(m->dir, sizeof(m->dir), "%.40s/sim-ec2-XXXXXX", tmp != NULL ? tmp : "/tmp");
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    return mkdtemp(m->dir) != NULL && pipe2(m->pipe, O_CLOEXEC) == 0;
}

static void close_machines(struct machines *m)
{
    for (size_t i = 0; i < m->n; i++)
        end_machine(m, &m->boxes[i]);
    free(m->boxes);
    (void)rmdir(m->dir);
}

int main(int argc, char **argv)
{
    static char who[] = "ec2";
    struct options o = {0};
    struct machines m = {0};
    struct sim_ec2_conf c = {.story = sim_program_story, .story_arg = who, .arg = &m};
    struct err e;
    int signals, rc = 1;

    if (!read_options(argc, argv, &o)) {
        (void)fputs("usage: ec2 [--ready-file FILE] [--on-start COMMAND] [--region NAME] [--pending-ms N] [--port N]\n",
                    stderr);
        return 2;
    }
    signals = sim_program_signals(o.with_parent);
    c.port = (uint16_t)o.port;
    c.region = o.region;
    c.pending_ms = o.pending_ms;
    if (o.on_start != NULL) {
        c.on_start = on_start;
        c.on_end = on_end;
    }
    if (!open_machines(&m, &o))
        (void)fprintf(stderr, "ec2: %s: %s\n", m.dir, strerror(errno));
    else if (sim_ec2_start(&c, &m.ec2, &e) != 0)
        (void)fprintf(stderr, "ec2: %s\n", e.msg);
    else if (sim_program_ready(o.ready_file, sim_ec2_url(m.ec2)))
        rc = 0;
    if (rc == 0)
        serve_until_told(&m, signals);
    if (m.ec2 != NULL)
        sim_ec2_stop(m.ec2);
    close_machines(&m);
    sim_ec2_free(m.ec2);
    return rc;
}
