/*
 * The listener alone with a hub behind it, told by standard input what to want: for agents from outside. Prints its
 * port, then one line for each line read: live              how many agents were heard of lately want NAME SCRIPT "ok",
 * or why not; SCRIPT is the path of a file end NAME          "ok" look NAME         waiting, handed, here, failed,
 * ending, gone or unsure; failures; the sentence Ends with its input. usage: agent TOKEN
 */
#include "providers/common/agent_hub.h"
#include "tests/support/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct secret *read_script(const char *path)
{
    static char text[64 * 1024];
    FILE *f = fopen(path, "r");
    size_t n;

    if (f == NULL)
        return NULL;
    n = fread(text, 1, sizeof(text), f);
    (void)fclose(f);
    return secret_new(text, n);
}

static void want(struct agent_hub *hub, const char *machine, const char *path)
{
    AUTO_SECRET struct secret *script = read_script(path);
    AUTO_SECRET struct secret *password = secret_new("cirun", 5);
    const struct agent_want w = {.machine = machine,
                                 .script = script,
                                 .host_os = "linux",
                                 .image = "ghcr.io/cirunlabs/ubuntu:24.04",
                                 .guest_os = "linux",
                                 .cpus = 2,
                                 .memory_gb = 4,
                                 .disk_gb = 20,
                                 .login_user = "cirun",
                                 .login_password = password,
                                 .first_try = true};
    struct err e;

    puts(agent_hub_want(hub, &w, &e) == 0 ? "ok" : e.msg);
}

static void look(struct agent_hub *hub, const char *machine)
{
    static const char *const words[] = {"unsure", "waiting", "handed", "here", "failed", "ending", "gone"};
    struct agent_look l;

    agent_hub_look(hub, machine, &l);
    printf("%s %d %s\n", words[l.stage], l.failures, l.detail);
}

static void obey(struct agent_hub *hub, char *line)
{
    char verb[16] = "", machine[128] = "", path[1024] = "";
    struct err e;

    (void)sscanf(line, "%15s %127s %1023s", verb, machine, path);
    if (strcmp(verb, "live") == 0)
        printf("%zu\n", agent_hub_live(hub));
    else if (strcmp(verb, "want") == 0)
        want(hub, machine, path);
    else if (strcmp(verb, "end") == 0)
        puts(agent_hub_end(hub, machine, &e) == 0 ? "ok" : e.msg);
    else
        look(hub, machine);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    AUTO_SECRET struct secret *token = secret_new(argc > 1 ? argv[1] : "", argc > 1 ? strlen(argv[1]) : 0);
    struct agent_hub *hub = agent_hub_new("muster");
    char line[2048];
    struct intake *t;

    (void)setenv("INTAKE_LOG", "1", 1);
    t = intake_start(INTAKE_AT_ONCE, &(struct api_conf){.agents = hub, .agent_token = token});
    printf("%d\n", intake_port(t));
    (void)fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL)
        obey(hub, line);
    intake_free(t);
    agent_hub_free(hub);
    return 0;
}
