#include "server/api/webhook.h"

#include "server/api/peer.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/metric.h"
#include "server/base/text.h"
#include "server/github/event_check.h"

#include <string.h>
#include <strings.h>

#define SIGNATURE_LEN 71

static const struct metric_desc deliveries = {METRIC_COUNTER, "muster_deliveries_total",
                                              "Webhook deliveries by the code of their answer", "code", NULL};
static const struct metric_desc seconds = {METRIC_HISTOGRAM, "muster_intake_seconds",
                                           "From a delivery's headers to its answer", NULL, NULL};
static const struct metric_desc connections_now = {METRIC_GAUGE, "muster_connections",
                                                   "Open connections to the public listener", NULL, NULL};
static const struct metric_desc bytes_now = {METRIC_GAUGE, "muster_body_bytes",
                                             "Memory held by request bodies under way", NULL, NULL};

void webhook_measure(const struct api_context *x)
{
    metric_set(&connections_now, NULL, x->clients->n);
    metric_set(&bytes_now, NULL, (double)x->body_bytes);
}

static const char *header(const struct request *r, const char *name)
{
    return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

static void count(const struct request *r, unsigned code)
{
    metric_add(&deliveries, answer_code_label(code), 1);
    metric_observe(&seconds, NULL, (double)(clock_mono_us() - r->began_us) / 1e6);
}

static bool is_guid(const char *s)
{
    size_t n = strnlen(s, GUID_MAX + 1);

    if (n == 0 || n > GUID_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = text_lower(s[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return true;
}

/* The delivery id into r->guid. */
static bool read_guid(struct request *r)
{
    const char *guid = header(r, "X-GitHub-Delivery");

    if (guid == NULL || !is_guid(guid))
        return false;
    memcpy(r->guid, guid, strlen(guid) + 1);
    return true;
}

void webhook_refused(struct request *r, unsigned code, const char *reason)
{
    char client[PEER_MAX];

    count(r, code);
    if (r->logged || !request_may_log(r->x))
        return;
    if (r->guid[0] == '\0')
        (void)read_guid(r);
    peer_name(r->mhd, client);
    log_warn(EV("delivery.refused"), FI("code", code), FS("error", reason), FS("client", client),
             FS("delivery", r->guid[0] != '\0' ? r->guid : NULL), FI("unlogged", r->x->refusals.dropped));
    r->x->refusals.dropped = 0;
}

static enum MHD_Result refuse(struct request *r, enum answer_id id)
{
    webhook_refused(r, answer_code(id), answer_reason(id));
    return answer_send(r->x->answers, r->mhd, id);
}

static enum MHD_Result refuse_content(struct request *r, const struct err *e)
{
    webhook_refused(r, MHD_HTTP_BAD_REQUEST, e->msg);
    return answer_error(r->x->answers, r->mhd, MHD_HTTP_BAD_REQUEST, e->msg);
}

static enum MHD_Result accept_quietly(struct request *r, enum answer_id id)
{
    count(r, answer_code(id));
    return answer_send(r->x->answers, r->mhd, id);
}

void webhook_begin(struct request *r)
{
    const char *sent = header(r, "X-Hub-Signature-256");

    if (sent == NULL || strnlen(sent, SIGNATURE_LEN + 1) != SIGNATURE_LEN) {
        request_decide(r, ANSWER_BAD_SIGNATURE); /* no body can mend that: do not even keep it */
        return;
    }
    signature_begin(r->signature);
}

void webhook_body(struct request *r, const void *data, size_t len)
{
    if (r->received > r->x->conf.max_body) {
        request_decide(r, ANSWER_TOO_LARGE);
        return;
    }
    signature_add(r->signature, data, len);
    if (!request_body_add(r, data, len))
        request_decide(r, ANSWER_BUSY);
}

enum content { CONTENT_JSON, CONTENT_FORM, CONTENT_OTHER };

static bool is_type(const char *value, const char *type)
{
    size_t n = strlen(type);

    return strncasecmp(value, type, n) == 0 && (value[n] == '\0' || value[n] == ';' || value[n] == ' ');
}

/* A body that begins with '{' is no form: clients that fill in the form's type by themselves (curl --data) mean JSON.
 */
static enum content content_of(const struct request *r)
{
    const char *type = header(r, MHD_HTTP_HEADER_CONTENT_TYPE);

    if (type == NULL || is_type(type, "application/json"))
        return CONTENT_JSON;
    if (is_type(type, "application/x-www-form-urlencoded"))
        return r->body.p[0] == '{' ? CONTENT_JSON : CONTENT_FORM;
    return CONTENT_OTHER;
}

static int parse_event(const char *event, const char *body, size_t len, enum event_verdict *verdict, struct job *job,
                       struct err *e)
{
    if (strcmp(event, "check_run") == 0 || strcmp(event, "check_suite") == 0)
        return event_check_parse(event, body, len, verdict, job, e);
    return event_parse(event, body, len, clock_now_ms(), verdict, job, e);
}

static int parse(struct request *r, const char *event, enum event_verdict *verdict, struct job *job, struct err *e)
{
    AUTO_BUF struct buf decoded = BUF_INIT(r->body.len);

    if (content_of(r) == CONTENT_JSON)
        return parse_event(event, r->body.p, r->body.len, verdict, job, e);
    if (event_form_payload(r->body.p, r->body.len, &decoded, e))
        return -1;
    return parse_event(event, decoded.p != NULL ? decoded.p : "", decoded.len, verdict, job, e);
}

static enum MHD_Result hand_over(struct request *r, struct job *job,
                                 void (*take)(void *arg, const char *guid, struct job *job, engine_delivered_fn *done,
                                              void *done_arg))
{
    const struct api_conf *conf = &r->x->conf;
    size_t n = strnlen(job->repo, sizeof(r->repo) - 1);

    r->job_id = job->id;
    r->job_state = job->state;
    memcpy(r->repo, job->repo, n);
    r->repo[n] = '\0';
    r->handover = handover_new(r->x->queue, r);
    request_body_drop(r);
    conn_move(r->conns, r->conn, CONN_WAITING, r->x->now_ms);
    take(conf->deliver_arg, r->guid, job, handover_done, r->handover);
    return MHD_YES;
}

/* The signature holds: what does it say? */
static enum MHD_Result judge(struct request *r)
{
    const char *event = header(r, "X-GitHub-Event");
    enum event_verdict verdict = EVENT_IGNORED;
    AUTO_JOB struct job job = {0};
    struct err e;

    if (r->body.len == 0)
        return refuse(r, ANSWER_EMPTY);
    if (content_of(r) == CONTENT_OTHER)
        return refuse(r, ANSWER_BAD_TYPE);
    if (event == NULL || event[0] == '\0')
        return refuse(r, ANSWER_NO_EVENT);
    if (!read_guid(r))
        return refuse(r, ANSWER_NO_DELIVERY);
    if (parse(r, event, &verdict, &job, &e))
        return refuse_content(r, &e);
    switch (verdict) {
    case EVENT_IGNORED:
        return accept_quietly(r, ANSWER_IGNORED);
    case EVENT_JOB:
        return hand_over(r, &job, r->x->conf.deliver);
    case EVENT_PUSH:
        return r->x->conf.pushed != NULL ? hand_over(r, &job, r->x->conf.pushed) : accept_quietly(r, ANSWER_IGNORED);
    case EVENT_INSTALLATION:
        return r->x->conf.installed != NULL ? hand_over(r, &job, r->x->conf.installed)
                                            : accept_quietly(r, ANSWER_IGNORED);
    case EVENT_PRESS:
        return r->x->conf.pressed != NULL ? hand_over(r, &job, r->x->conf.pressed) : accept_quietly(r, ANSWER_IGNORED);
    }
    return MHD_NO;
}

enum MHD_Result webhook_end(struct request *r)
{
    if (r->handover != NULL)
        return request_wait(r);
    if (r->decided && answer_code(r->verdict) < 300)
        return accept_quietly(r, r->verdict);
    if (r->decided)
        return refuse(r, r->verdict);
    if (!signature_end(r->signature, header(r, "X-Hub-Signature-256")))
        return refuse(r, ANSWER_BAD_SIGNATURE);
    return judge(r);
}

/* Back to the loop with an answer. */
static void resume(struct request *r, enum answer_id id)
{
    request_decide(r, id);
    request_resume(r);
}

void webhook_delivered(struct request *r, const struct handover_result *got)
{
    if (got->rc != 0) {
        if (request_may_log(r->x))
            log_error(EV("delivery.failed"), FS("delivery", r->guid), FI("job", r->job_id), FE(&got->err));
        r->logged = true;
        resume(r, ANSWER_NOT_STORED);
        return;
    }
    switch (got->outcome) {
    case DELIVERY_STORED:
        log_debug(EV("delivery.stored"), FS("delivery", r->guid), FI("job", r->job_id), FS("repo", r->repo),
                  FS("state", job_state_name(r->job_state)), FI("took_ms", (clock_mono_us() - r->began_us) / 1000));
        resume(r, ANSWER_STORED);
        return;
    case DELIVERY_KNOWN:
        resume(r, ANSWER_KNOWN);
        return;
    case DELIVERY_IGNORED:
        resume(r, ANSWER_IGNORED);
        return;
    }
}

void webhook_give_up(struct conn *c)
{
    struct request *r = c->request;

    handover_abandon(r->handover);
    resume(r, r->x->stopping ? ANSWER_STOPPING : ANSWER_NOT_STORED);
}
