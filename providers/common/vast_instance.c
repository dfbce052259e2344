#include "providers/common/vast_instance.h"

#include "providers/common/docker_pull.h"
#include "providers/common/label.h"
#include "providers/common/mask.h"
#include "providers/common/vast_spec.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define MAX_START_S 253402300800.0 /* the year 10000 */

bool vast_is_ours(const json_t *doc, const char *deployment, const char *name)
{
    const char *label = json_string_value(json_object_get(doc, "label"));
    char of[256], machine[64];

    return label_unpack(label, TAG_DEPLOYMENT, of, sizeof(of)) && strcmp(of, deployment) == 0 &&
           label_unpack(label, TAG_MACHINE, machine, sizeof(machine)) && (name == NULL || strcmp(machine, name) == 0);
}

/* actual: what the host last said; intended: "stopped" once the bid is too low, the time is over or the credit is. */
static void read_state(const char *actual, const char *intended, const json_t *doc, struct instance *i)
{
    bool lost = actual != NULL && (strcmp(actual, "unknown") == 0 || strcmp(actual, "offline") == 0);
    bool stopped = (actual != NULL && strcmp(actual, "stopped") == 0) || strcmp(intended, "stopped") == 0;
    bool over = actual != NULL && (strcmp(actual, "exited") == 0 || strcmp(actual, "error") == 0);

    if (lost || stopped || over)
        i->state = INSTANCE_STOPPED;
    else
        i->state = actual != NULL && (strcmp(actual, "running") == 0 || strcmp(actual, "frozen") == 0)
                       ? INSTANCE_RUNNING
                       : INSTANCE_PENDING; /* null, created, loading, rebooting, ... */
    if (lost || (stopped && !json_is_false(json_object_get(doc, "is_bid"))))
        i->why = ERR_CAPACITY;
}

static void read_detail(const struct secret *key, const char *text, struct instance *i)
{
    AUTO_FREE char *whole = mem_strdup(text);

    secret_mask(key, whole); /* before it is cut: half a key is a key too */
    mask_runs(whole);
    (void)snprintf(i->detail, sizeof(i->detail), "%s", whole);
    text_tidy(i->detail);
}

int vast_instance_read(const json_t *doc, const struct secret *key, struct instance *out, struct err *e)
{
    struct instance i = {.why = ERR_NONE};
    const char *label = NULL, *actual = NULL, *intended = "", *message = "", *place = "", *country = "";
    char expires[24], job[24], repo[sizeof(i.repo)];
    int64_t id;
    double start = json_number_value(json_object_get(doc, "start_date"));

    if (js_i64(doc, "id", &id, e) || js_opt_str(doc, "label", &label, e) ||
        js_opt_str(doc, "actual_status", &actual, e) || js_opt_str(doc, "intended_status", &intended, e) ||
        js_opt_str(doc, "status_msg", &message, e) || js_opt_str(doc, "geolocation", &place, e) ||
        js_opt_str(doc, "country_code", &country, e))
        return -1;
    if (id <= 0)
        return err_set(e, ERR_RETRY, "id: not a number of an instance");
    read_state(actual, intended, doc, &i);
    read_detail(key, message, &i);
    (void)snprintf(i.id, sizeof(i.id), "%lld", (long long)id);
    vast_country(*country != '\0' ? country : place, i.region);
    if (!label_unpack(label, TAG_MACHINE, i.name, sizeof(i.name)))
        i.name[0] = '\0';
    instance_set_times(&i, NULL, label_unpack(label, TAG_EXPIRES, expires, sizeof(expires)) ? expires : NULL);
    instance_set_owner(&i, label_unpack(label, TAG_REPOSITORY, repo, sizeof(repo)) ? repo : NULL,
                       label_unpack(label, TAG_JOB, job, sizeof(job)) ? job : NULL);
    i.created_ms = start > 0 && start < MAX_START_S ? (int64_t)(start * 1000) : 0; /* unreadable is unknown */
    *out = i;
    return 0;
}

int vast_read_spec(const struct machine_spec *s, struct vast_spec *out, struct err *e)
{
    const struct vast_asked asked = {.type = s->instance_type,
                                     .image = s->image,
                                     .region = s->region,
                                     .os = s->os,
                                     .extra = s->extra,
                                     .gpus = s->gpus,
                                     .gpu_memory_gb = s->gpu_memory_gb,
                                     .spot = s->spot};

    return vast_spec_read(&asked, out, e);
}

int vast_facts_make(const struct machine_spec *s, struct machine_facts *out, struct err *e)
{
    char type[GPU_MODEL_MAX + 8];
    struct vast_spec spec;

    memset(out, 0, sizeof(*out));
    out->region.any_case = out->type.any_case = true;
    if (vast_read_spec(s, &spec, e))
        return -1;
    vast_type_of(&spec, type);
    if ((spec.country[0] != '\0' && fact_add(&out->region, e, "%s", spec.country)) ||
        fact_add(&out->type, e, "%s", type[0] != '\0' ? type : s->instance_type) ||
        docker_ref_spell(spec.image, &out->image, e))
        return -1;
    return strcmp(s->image, spec.image) != 0 ? fact_add(&out->image, e, "%s", s->image) : 0;
}
