/* What a repository asks to be in the environment, and what "Set up job" shows. */
#include "server/base/json.h"
#include "server/base/text.h"
#include "server/bootstrap/bootstrap_int.h"

#include <string.h>
#include <strings.h>

#define NAME_MAX_LEN 128
#define RESERVED "ACTIONS_RUNNER_"

static bool is_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    size_t n = strspn(name, all);

    return n > 0 && n <= NAME_MAX_LEN && name[n] == '\0' && strchr(letters, name[0]) != NULL;
}

static int check_value(const char *name, const json_t *value, struct err *e)
{
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);

    if (text == NULL)
        return err_set(e, ERR_INVALID, "extra_config.env_vars.%s must be a text, a number or true or false", name);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return err_set(e, ERR_INVALID,
                           "extra_config.env_vars.%s holds a line break or another control character (byte %zu): a "
                           "value is one line",
                           name, i);
    }
    return 0;
}

int bootstrap_env_check(const json_t *env_vars, struct err *e)
{
    const char *name;
    json_t *value;

    if (env_vars != NULL && !json_is_object(env_vars))
        return err_set(e, ERR_INVALID, "extra_config.env_vars must be a mapping of names to values");
    json_object_foreach((json_t *)(uintptr_t)env_vars, name, value)
    {
        if (!is_name(name))
            return err_set(e, ERR_INVALID,
                           "extra_config.env_vars: \"%.60s\" is no name of a variable: letters, digits and _ only, "
                           "not beginning with a digit",
                           name);
        if (strncasecmp(name, RESERVED, sizeof(RESERVED) - 1) == 0)
            return err_set(e, ERR_INVALID,
                           "extra_config.env_vars: %.60s is reserved: " RESERVED "* steers the runner itself", name);
        if (check_value(name, value, e))
            return -1;
    }
    return 0;
}

static void add_line(struct buf *b, const char *what, const char *value)
{
    if (value != NULL && *value != '\0')
        buf_addf(b, "%s%s: %s", b->len > 0 ? "\n" : "", what, value);
}

/* "t4, at least 2, each with 16 GB"; nothing when none was asked for. */
static void add_gpu(struct buf *b, const struct bootstrap_params *p)
{
    if (bootstrap_gpus_needed(p) == 0)
        return;
    buf_addf(b, "\nGPU: %s, at least %d", p->gpu != NULL ? p->gpu : "any", bootstrap_gpus_needed(p));
    if (p->gpu_memory_gb > 0)
        buf_addf(b, ", each with %d GB", p->gpu_memory_gb);
}

/* So that each of the repository's groups is what the runner reads: texts, and nothing else. */
static int add_group(json_t *list, const json_t *entry, struct err *e)
{
    const char *group = "Setup", *detail;
    AUTO_JSON json_t *one = NULL;

    if (js_opt_str(entry, "group", &group, e) || js_str(entry, "detail", &detail, e)) {
        e->kind = ERR_INVALID;
        return err_wrap(e, "setup_info");
    }
    if (js_pack(e, &one, "{s:s, s:s}", "group", group, "detail", detail))
        return -1;
    (void)json_array_append(list, one);
    return 0;
}

int bootstrap_setup_json(const struct bootstrap_params *p, struct buf *out, struct err *e)
{
    AUTO_BUF struct buf own = BUF_INIT(4096);
    AUTO_JSON json_t *list = NULL;
    const json_t *entry;
    const char *text;
    size_t i;

    add_line(&own, "Machine", p->name);
    add_line(&own, "Cloud", p->cloud);
    add_line(&own, "Type", p->instance_type);
    add_line(&own, "Region", p->region);
    add_line(&own, "Price", p->spot ? "spot" : "on demand");
    add_gpu(&own, p);
    if (buf_str(&own, &text, e) || js_pack(e, &list, "[{s:s, s:s}]", "group", "muster", "detail", text))
        return -1;
    json_array_foreach(p->setup_info, i, entry)
    {
        if (add_group(list, entry, e))
            return -1;
    }
    return js_dump_buf(list, out, e);
}
