/* muster plan: what a job with these labels would get, each candidate as the request that would be sent. No network. */
#include "server/cli/cli.h"

#include "server/base/clock.h"
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/plan.h"
#include "server/config/server_conf.h"
#include "server/engine/match.h"
#include "server/engine/policy.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define READ_MAX (CIRUN_YML_MAX * 4)
#define NAME "muster-01example0machine0name00000" /* of a machine that nobody launches */
#define REASON_MAX 480

struct planning {
    const char *labels, *file, *config, *workflow;
    bool json;
    struct server_conf *conf;
    struct cirun_yml *yml;
    const struct cirun_runner **runners;
    size_t n_runners;
    json_t *candidates; /* what is printed */
    size_t n_usable;
};

static void planning_clear(struct planning *p)
{
    server_conf_free(p->conf);
    cirun_yml_free(p->yml);
    free(p->runners);
    json_decref(p->candidates);
}

static json_t *split_labels(const char *text)
{
    json_t *list = json_array();

    while (*text != '\0') {
        size_t n = strcspn(text, ",");

        if (n > 0)
            (void)json_array_append_new(list, json_stringn(text, n));
        text += n;
        text += *text == ',' ? 1 : 0;
    }
    return list;
}

/* ---- one candidate ---- */

static const struct cloud_account *account_of(const struct planning *p, const char *cloud)
{
    for (size_t i = 0; i < p->conf->n_clouds; i++) {
        if (strcmp(p->conf->clouds[i].ops->name, cloud) == 0)
            return &p->conf->clouds[i];
    }
    return NULL;
}

static int render(const struct planning *p, const struct machine_spec *s, size_t number, json_t *requests,
                  struct err *e)
{
    const struct cloud_account *a = account_of(p, s->cloud);
    const struct provider_env env = {.deployment = conf_str(p->conf->server, "deployment"),
                                     .allow_privileged = conf_bool(p->conf->policy, "allow_privileged"),
                                     .getenv_fn = conf_getenv_process};
    int64_t lifetime_s = conf_int(p->conf->limits, "lifetime") / 1000;
    char expires[24], token[64];
    const struct tag tags[] = {{TAG_DEPLOYMENT, env.deployment},
                               {TAG_MACHINE, NAME},
                               {TAG_JOB, "1"},
                               {TAG_REPOSITORY, "owner/name"},
                               {TAG_EXPIRES, expires}};
    const struct launch_request r = {.spec = s,
                                     .name = NAME,
                                     .token = token,
                                     .lifetime_s = lifetime_s,
                                     .first_try = true,
                                     .tags = tags,
                                     .n_tags = ARRAY_LEN(tags)};
    struct provider *provider = NULL;
    struct policy policy;
    int rc;

    if (a == NULL)
        return err_set(e, ERR_INVALID, "this build has no cloud %s", s->cloud);
    (void)snprintf(token, sizeof(token), NAME "-%zu-0", number);
    (void)snprintf(expires, sizeof(expires), "%lld", (long long)(clock_now_ms() / 1000 + lifetime_s));
    if (a->ops->open(a->conf, &env, &provider, e))
        return -1;
    policy_read(p->conf->policy, &policy);
    rc = a->ops->check(provider, s, e) || policy_check(&policy, a->ops, provider, s, e) ||
                 a->ops->render(provider, &r, requests, e)
             ? -1
             : 0;
    a->ops->close(provider);
    return rc;
}

static int add_candidate(struct planning *p, const struct machine_spec *s, const char *runner, struct err *e)
{
    AUTO_JSON json_t *requests = json_array(), *one = NULL;
    struct err why;
    bool usable = render(p, s, json_array_size(p->candidates), requests, &why) == 0;

    if (js_pack(e, &one, "{s:s, s:s, s:s*, s:s*, s:s*, s:s*, s:b, s:s*, s:O*}", "runner", runner, "cloud", s->cloud,
                "region", s->region, "instance_type", s->instance_type, "image", s->image, "gpu", s->gpu, "spot",
                s->spot ? 1 : 0, "skipped", usable ? NULL : why.msg, "requests", usable ? requests : NULL))
        return -1;
    p->n_usable += usable ? 1 : 0;
    (void)json_array_append(p->candidates, one);
    return 0;
}

/* One runner's chain, by the plan that a job would carry. */
static int add_runner(struct planning *p, const struct cirun_runner *r, struct err *e)
{
    AUTO_PLAN struct plan plan = {0};
    AUTO_FREE char *text = NULL;

    if (plan_build(NULL, 0, &r, 1, &text, e) || plan_parse(text, &plan, e))
        return -1;
    for (size_t i = 0; i < plan.n; i++) {
        if (add_candidate(p, &plan.specs[i], r->name, e))
            return -1;
    }
    return 0;
}

/* ---- what is printed ---- */

static void print_text(const char *prefix, const char *text)
{
    (void)printf("%s", prefix);
    cli_print_plain(text, strlen(text));
    (void)putchar('\n');
}

static void print_fields(const json_t *fields, const char *between)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)fields, key, value)
    {
        (void)printf("     %s%s", key, between);
        print_text("", json_is_string(value) ? json_string_value(value) : "");
    }
}

static void print_request(const json_t *r)
{
    const json_t *body = json_object_get(r, "body");
    AUTO_FREE char *text = body != NULL ? json_dumps(body, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) : NULL;

    (void)printf("   %s ", json_string_value(json_object_get(r, "method")));
    print_text("", json_string_value(json_object_get(r, "url")));
    print_fields(json_object_get(r, "headers"), ": ");
    if (json_is_object(json_object_get(r, "form")))
        print_fields(json_object_get(r, "form"), "=");
    else if (json_is_string(json_object_get(r, "form")))
        print_text("     ", json_string_value(json_object_get(r, "form")));
    for (const char *line = text; line != NULL && *line != '\0';) {
        size_t n = strcspn(line, "\n");

        (void)printf("     ");
        cli_print_plain(line, n);
        (void)putchar('\n');
        line += n + (line[n] == '\n' ? 1 : 0);
    }
}

static void print_candidate(size_t number, const json_t *c)
{
    static const char *const parts[] = {"cloud", "region", "instance_type", "image", "gpu"};
    const char *skipped = json_string_value(json_object_get(c, "skipped"));
    json_t *request;
    size_t i;

    (void)printf("%zu.", number);
    for (i = 0; i < ARRAY_LEN(parts); i++) {
        const char *text = json_string_value(json_object_get(c, parts[i]));

        if (text == NULL)
            continue;
        (void)printf(" %s", strcmp(parts[i], "gpu") == 0 ? "gpu:" : "");
        cli_print_plain(text, strlen(text));
    }
    (void)printf("%s  (runner \"", json_is_true(json_object_get(c, "spot")) ? " spot" : "");
    cli_print_plain(json_string_value(json_object_get(c, "runner")),
                    strlen(json_string_value(json_object_get(c, "runner"))));
    (void)printf("\")\n");
    if (skipped != NULL)
        print_text("   skipped: ", skipped);
    json_array_foreach(json_object_get(c, "requests"), i, request)
    {
        print_request(request);
    }
}

static int print_all(const struct planning *p, struct err *e)
{
    AUTO_JSON json_t *doc = NULL;
    AUTO_FREE char *text = NULL;
    json_t *one;
    size_t i;

    if (p->json) {
        if (js_pack(e, &doc, "{s:O}", "candidates", p->candidates) || js_dump(doc, &text, e))
            return -1;
        (void)printf("%s\n", text);
        return 0;
    }
    json_array_foreach(p->candidates, i, one)
    {
        print_candidate(i + 1, one);
    }
    return 0;
}

/* ---- the command ---- */

static int read_file(struct planning *p, struct err *e)
{
    AUTO_BUF struct buf text = BUF_INIT(READ_MAX);
    const char *s;

    if (cli_read(p->file, &text, e) || buf_str(&text, &s, e))
        return -1;
    p->yml = cirun_yml_parse(s, text.len, p->file);
    if (p->yml->n_errors > 0)
        return cirun_yml_error(p->yml, p->file, e);
    p->runners = mem_calloc(p->yml->n_runners + 1, sizeof(*p->runners));
    return 0;
}

static int match(struct planning *p, struct err *e)
{
    AUTO_JSON json_t *labels = split_labels(p->labels);
    const struct match_job job = {labels, p->workflow, true};
    char reason[REASON_MAX];

    switch (match_job(&job, p->yml, p->runners, &p->n_runners, reason, sizeof(reason))) {
    case MATCH_FOUND:
        return 0;
    case MATCH_NOT_OURS:
        return err_set(e, ERR_INVALID,
                       "%s: a job with these labels is not ours: no label begins with cirun, and no runner "
                       "has them",
                       p->file);
    case MATCH_REFUSED:
        return err_set(e, ERR_INVALID, "%s: %s", p->file, reason);
    }
    return 0;
}

static int plan(struct planning *p, struct err *e)
{
    if (server_conf_load_offline(p->config, conf_getenv_process, NULL, &p->conf, e) || read_file(p, e) || match(p, e))
        return -1;
    p->candidates = json_array();
    for (size_t i = 0; i < p->n_runners; i++) {
        if (add_runner(p, p->runners[i], e))
            return -1;
    }
    return print_all(p, e);
}

static int on_option(void *arg, const struct cli_option *o, const char *value)
{
    struct planning *p = arg;

    if (o == NULL) {
        if (p->file != NULL)
            return -1;
        p->file = value;
    } else if (strcmp(o->name, "--labels") == 0) {
        p->labels = value;
    } else if (strcmp(o->name, "--config") == 0) {
        p->config = value;
    } else if (strcmp(o->name, "--workflow-path") == 0) {
        p->workflow = value;
    } else {
        p->json = true;
    }
    return 0;
}

int cli_plan(int argc, char **argv)
{
    static const struct cli_option options[] = {
        {"--labels", NULL, "L[,L...]", "the job's runs-on"},
        {"--config", "-c", "FILE", "our settings, for the accounts; without: what serve would read"},
        {"--workflow-path", NULL, "PATH", "the workflow's file, for runners that are limited to one"},
        {"--json", NULL, NULL, "for programs"},
        {NULL, NULL, NULL, NULL}};
    static const struct cli_command command = {
        "plan", "--labels L[,L...] [--config FILE] [--json] [FILE]",
        "What a job with these labels would get by FILE (default: .cirun.yml; - is standard input): the chain of\n"
        "candidates, each as the request that would be sent. Secrets and user-data show as ***, what only the cloud "
        "or\n"
        "the account can tell stands in angle brackets. Touches no network. Exit status 1 when nothing could be "
        "launched.",
        options};
    AUTO(planning_clear) struct planning p = {.file = NULL};
    int rc = cli_parse(&command, argc, argv, on_option, &p);
    struct err e;

    if (rc >= 0)
        return rc;
    if (p.labels == NULL || *p.labels == '\0') {
        (void)fprintf(stderr, "muster plan: --labels is missing\nusage: muster plan %s (--help tells more)\n",
                      command.synopsis);
        return CLI_USAGE;
    }
    if (p.file == NULL)
        p.file = ".cirun.yml";
    if (plan(&p, &e))
        return cli_fail(&e);
    return p.n_usable > 0 ? CLI_DONE : CLI_FAILED;
}
