#include "providers/common/gcp_list.h"

#include "providers/common/gcp_machine.h"
#include "providers/common/gcp_spec.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <string.h>

#define PAGE_SIZE "100" /* each machine comes with its user-data, and an answer has a ceiling (rest.h) */

/* "Nothing here" is no warning; any other one means that something is missing. */
static int check_complete(const json_t *scope, const char *where, struct err *e)
{
    const json_t *warning = json_object_get(scope, "warning");
    const char *code = json_string_value(json_object_get(warning, "code"));
    const char *text = json_string_value(json_object_get(warning, "message"));

    if (warning == NULL || json_is_null(warning) || (code != NULL && strcmp(code, "NO_RESULTS_ON_PAGE") == 0))
        return 0;
    return err_set(e, ERR_RETRY, "gcp instances.aggregatedList: %.80s is missing: %.40s: %.200s", where,
                   code != NULL ? code : "a warning", text != NULL ? text : "no reason given");
}

/* The cloud's filter is not trusted: what is found here may be destroyed. 1: the caller stopped the list. */
static int visit_scope(const struct gcp_list *l, const char *project, const json_t *scope, struct err *e)
{
    json_t *list = NULL, *machine;
    struct instance found;
    size_t i;

    if (!json_is_object(scope))
        return err_set(e, ERR_RETRY, "items: a zone is no object");
    if (js_opt_arr(scope, "instances", &list, e))
        return -1;
    json_array_foreach(list, i, machine)
    {
        if (!gcp_is_ours(l->deployment, machine, NULL))
            continue;
        if (gcp_machine_read(machine, project, &found, e))
            return -1;
        if (l->each(l->arg, &found, e))
            return 1;
    }
    return 0;
}

static int visit_page(const struct gcp_list *l, const char *project, const struct rest_call *call, const json_t *doc,
                      const char **next, struct err *e)
{
    json_t *items = NULL, *scope, *unreachable = NULL;
    const char *kind, *where;
    int rc;

    *next = NULL;
    if (js_str(doc, "kind", &kind, e) || js_opt_str(doc, "nextPageToken", next, e) ||
        js_opt_arr(doc, "unreachables", &unreachable, e) ||
        (json_object_get(doc, "items") != NULL && js_obj(doc, "items", &items, e)))
        return rest_nonsense(l->api, call, e);
    if (json_array_size(unreachable) > 0) {
        where = json_string_value(json_array_get(unreachable, 0));
        return err_set(e, ERR_RETRY, "gcp instances.aggregatedList: %.100s cannot be reached: the list is incomplete",
                       where != NULL ? where : "a zone");
    }
    if (check_complete(doc, "a part of the list", e))
        return -1;
    json_object_foreach(items, where, scope)
    {
        if (check_complete(scope, where, e))
            return -1;
        rc = visit_scope(l, project, scope, e);
        if (rc != 0)
            return rc > 0 ? -1 : rest_nonsense(l->api, call, e);
    }
    if (*next != NULL && **next == '\0')
        *next = NULL;
    return 0;
}

static int list_path(const struct gcp_list *l, const char *project, const char *token, struct buf *out,
                     const char **path, struct err *e)
{
    char deployment[LABEL_SIZE];

    label_make(&gcp_label_rule, l->deployment, deployment);
    buf_addf(out,
             "/compute/v1/projects/%s/aggregated/instances?filter=labels." TAG_DEPLOYMENT "%%3D%s&maxResults=" PAGE_SIZE
             "&returnPartialSuccess=true",
             project, deployment);
    if (token != NULL) {
        buf_adds(out, "&pageToken=");
        text_url_escape(out, token, strlen(token));
    }
    return buf_str(out, path, e);
}

int gcp_list_project(const struct gcp_list *l, const char *project, struct err *e)
{
    AUTO_FREE char *token = NULL;
    bool more = true;

    for (size_t page = 1; more; page++) {
        AUTO_REST_RES struct rest_res res = REST_RES_INIT;
        AUTO_BUF struct buf path = BUF_INIT((size_t)16 * 1024);
        struct rest_call call = {.method = "GET", .what = "instances.aggregatedList"};
        const char *next;

        if (page > REST_MAX_PAGES)
            return err_set(e, ERR_RETRY, "gcp instances.aggregatedList: pages without end");
        if (list_path(l, project, token, &path, &call.path, e) || rest_do(l->api, &call, &res, e) ||
            visit_page(l, project, &call, res.doc, &next, e))
            return rest_page_failed(page, e);
        free(token);
        token = mem_strdup(next);
        more = token != NULL;
    }
    return 0;
}
