/* muster plan: what a job with these labels, or each job of a workflow, would get. No network. */
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/cli/plan_int.h"
#include "server/config/workflow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void planning_clear(struct planning *p)
{
    server_conf_free(p->conf);
    cirun_yml_free(p->yml);
    cirun_yml_free(p->global);
    httpc_free(p->http);
    json_decref(p->known);
    for (size_t i = 0; i < p->n_inputs; i++)
        free((char *)(uintptr_t)p->inputs[i].key);
    for (size_t i = 0; i < p->n_vars; i++)
        free((char *)(uintptr_t)p->vars[i].key);
    free(p->inputs);
    free(p->vars);
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

/* ---- files ---- */

static int read_yml(const char *file, struct cirun_yml **out, struct err *e)
{
    AUTO_BUF struct buf text = BUF_INIT(PLAN_READ_MAX);
    struct cirun_yml *yml;
    const char *s;

    if (cli_read(file, &text, e) || buf_str(&text, &s, e))
        return -1;
    yml = cirun_yml_parse(s, text.len, file);
    if (yml->n_errors > 0) {
        int rc = cirun_yml_error(yml, file, e);

        cirun_yml_free(yml);
        return rc;
    }
    *out = yml;
    return 0;
}

/* A repository needs no file of its own: one that was not named may be missing. */
static int read_files(struct planning *p, struct err *e)
{
    bool is_there = p->file_given || access(p->file, F_OK) == 0 || errno != ENOENT;

    if (is_there && read_yml(p->file, &p->yml, e))
        return -1;
    return p->global_file != NULL ? read_yml(p->global_file, &p->global, e) : 0;
}

/* ---- muster plan --labels ---- */

static void say_not_served(const struct planning *p, const json_t *plan, enum plan_verdict v)
{
    const char *reason = json_string_value(json_object_get(plan, "reason"));
    struct err e;

    if (err_set(&e, ERR_INVALID, "%s: %s%s", p->file, v == PLAN_NOT_OURS ? "a job with these labels is not ours: " : "",
                reason != NULL ? reason : ""))
        (void)cli_fail(&e);
}

/* One set of labels; alone it fails with its reason, among others it is said in its place. */
static int plan_set(struct planning *p, const char *text, json_t *sets, bool *served, struct err *e)
{
    AUTO_JSON json_t *labels = split_labels(text);
    const json_t *plan;
    enum plan_verdict v;
    bool alone = p->n_label_sets == 1;

    if (plan_labels(p, labels, &plan, &v, e))
        return -1;
    *served = *served && v == PLAN_SERVED;
    (void)json_array_append(sets, (json_t *)(uintptr_t)plan);
    if (p->json)
        return 0;
    if (!alone)
        plan_print_text("labels: ", text);
    plan_print_candidates(json_object_get(plan, "candidates"), p->requests);
    if (v != PLAN_SERVED && json_array_size(json_object_get(plan, "candidates")) == 0) {
        if (alone)
            say_not_served(p, plan, v);
        else
            plan_print_text("   not served: ", json_string_value(json_object_get(plan, "reason")));
    }
    return 0;
}

static int plan_sets(struct planning *p, bool *served, struct err *e)
{
    AUTO_JSON json_t *sets = json_array(), *doc = NULL;

    *served = true;
    for (size_t i = 0; i < p->n_label_sets; i++) {
        if (plan_set(p, p->label_sets[i], sets, served, e))
            return -1;
    }
    if (!p->json)
        return 0;
    if (p->n_label_sets == 1)
        return plan_print_json(json_array_get(sets, 0), e);
    return js_pack(e, &doc, "{s:O}", "sets", sets) || plan_print_json(doc, e) ? -1 : 0;
}

/* ---- the command line ---- */

static int add_pair(struct workflow_pair **list, size_t *n, const char *text)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text || *n == PLAN_PAIRS_MAX)
        return -1;
    if (*list == NULL)
        *list = mem_calloc(PLAN_PAIRS_MAX, sizeof(**list));
    (*list)[(*n)++] = (struct workflow_pair){mem_strndup(text, (size_t)(equals - text)), equals + 1};
    return 0;
}

static int add_labels(struct planning *p, const char *text)
{
    if (p->n_label_sets == PLAN_SETS_MAX || text[strspn(text, ",")] == '\0')
        return -1;
    p->label_sets[p->n_label_sets++] = text;
    return 0;
}

static int on_option(void *arg, const struct cli_option *o, const char *value)
{
    struct planning *p = arg;
    const struct {
        const char *name, **text;
    } texts[] = {{"--config", &p->config},
                 {"--global", &p->global_file},
                 {"--workflow", &p->workflow_file},
                 {"--event", &p->event},
                 {"--ref", &p->ref},
                 {"--repository", &p->repository},
                 {"--workflow-path", &p->workflow_path}};

    if (o == NULL) {
        if (p->file != NULL)
            return -1;
        p->file = value;
        p->file_given = true;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (strcmp(o->name, texts[i].name) == 0) {
            *texts[i].text = value;
            return 0;
        }
    }
    if (strcmp(o->name, "--labels") == 0)
        return add_labels(p, value);
    if (strcmp(o->name, "--input") == 0)
        return add_pair(&p->inputs, &p->n_inputs, value);
    if (strcmp(o->name, "--var") == 0)
        return add_pair(&p->vars, &p->n_vars, value);
    *(strcmp(o->name, "--json") == 0 ? &p->json : strcmp(o->name, "--online") == 0 ? &p->online : &p->requests) = true;
    return 0;
}

static const struct cli_option options[] = {
    {"--labels", NULL, "L[,L...]", "the job's runs-on; several times: several jobs"},
    {"--workflow", NULL, "FILE", "each job of this workflow instead, its matrix expanded"},
    {"--config", "-c", "FILE", "our settings, for accounts and policy; without: what serve would read"},
    {"--global", NULL, "FILE", "the organisation's .cirun.global.yml, asked after FILE"},
    {"--event", NULL, "NAME", "with --workflow: the event (push, workflow_dispatch, ...)"},
    {"--ref", NULL, "REF", "with --workflow: the branch, or refs/..."},
    {"--input", NULL, "K=V", "with --workflow: an input; several times"},
    {"--var", NULL, "K=V", "with --workflow: a configuration variable (vars.K); several times"},
    {"--repository", NULL, "O/N", "the repository's name"},
    {"--workflow-path", NULL, "PATH", "the workflow's file, for runners that are limited to one"},
    {"--online", NULL, NULL, "ask each cloud what an hour costs now, with the account's credentials"},
    {"--requests", NULL, NULL, "with --workflow: the requests too, which --labels always shows"},
    {"--json", NULL, NULL, "for programs"},
    {NULL, NULL, NULL, NULL}};

static const struct cli_command command = {
    "plan", "--labels L[,L...] | --workflow FILE [--config FILE] [--json] [FILE]",
    "What a job with these labels, or each job of a workflow, would get by FILE (default: .cirun.yml; - is standard\n"
    "input): the chain of candidates, with GPU, each as the request that would be sent, or why it is skipped. Secrets\n"
    "and user-data show as ***, what only the cloud or the account can tell stands in angle brackets. Labels of the\n"
    "one-line form (cirun-aws-t3-large-ubuntu2204) need no file. What can only be told in a run is named, never\n"
    "guessed. Touches no network but for --online. Exit status 1 when a job that means us would not be served.",
    options};

static int usage(const char *what)
{
    (void)fprintf(stderr, "muster plan: %s\nusage: muster plan %s (--help tells more)\n", what, command.synopsis);
    return CLI_USAGE;
}

static int check_usage(const struct planning *p)
{
    if (p->n_label_sets == 0 && p->workflow_file == NULL)
        return usage("--labels is missing, or --workflow");
    if (p->n_label_sets > 0 && p->workflow_file != NULL)
        return usage("--labels and --workflow exclude each other");
    if (p->workflow_file == NULL && (p->event != NULL || p->ref != NULL || p->n_inputs > 0 || p->n_vars > 0))
        return usage("--event, --ref, --input and --var need --workflow");
    return -1;
}

static int plan(struct planning *p, bool *served, struct err *e)
{
    if (p->online)
        p->http = httpc_new(&(struct httpc_conf){.user_agent = "muster/" MUSTER_VERSION});
    if (server_conf_load_offline(p->config, conf_getenv_process, NULL, &p->conf, e) || read_files(p, e))
        return -1;
    return p->workflow_file != NULL ? plan_workflow(p, served, e) : plan_sets(p, served, e);
}

int cli_plan(int argc, char **argv)
{
    AUTO(planning_clear) struct planning p = {.file = NULL};
    char root[1024] = "", path[1024] = "", file[1100];
    int rc = cli_parse(&command, argc, argv, on_option, &p);
    bool served = false;
    struct err e;

    if (rc >= 0)
        return rc;
    rc = check_usage(&p);
    if (rc >= 0)
        return rc;
    if (p.workflow_file != NULL)
        plan_workflow_root(p.workflow_file, root, sizeof(root), path, sizeof(path));
    if (p.workflow_path == NULL && p.workflow_file != NULL)
        p.workflow_path = path;
    if (p.file == NULL) {
        (void)snprintf(file, sizeof(file), "%s.cirun.yml", root);
        p.file = file;
    }
    p.requests = p.requests || p.workflow_file == NULL;
    if (plan(&p, &served, &e))
        return cli_fail(&e);
    return served ? CLI_DONE : CLI_FAILED;
}
