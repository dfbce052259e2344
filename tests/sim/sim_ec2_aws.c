/* The neighbours of EC2 that a client needs: public parameters (ssm) and temporary credentials (sts). */
#include "tests/sim/sim_ec2_priv.h"

#include "server/base/clock.h"
#include "tests/sim/sim_util.h"

#include <stdio.h>
#include <string.h>

#define STS_NS "https://sts.amazonaws.com/doc/2011-06-15/"

static void ssm_error(struct sim_res *rs, const char *type, const char *message)
{
    sim_res_json(rs, 400, json_pack("{s:s, s:s}", "__type", type, "message", message));
    rs->content_type = "application/x-amz-json-1.1";
}

static void get_parameter(struct sim_ec2 *s, const struct sim_req *rq, struct sim_res *rs)
{
    json_t *body = json_loadb(rq->body, rq->body_len, JSON_REJECT_DUPLICATES, NULL);
    const char *name = json_string_value(json_object_get(body, "Name")), *type = sim_req_header(rq, "Content-Type");
    const char *value = NULL;

    for (size_t i = 0; name != NULL && i < s->n_parameters; i++)
        if (strcmp(s->parameters[i].key, name) == 0)
            value = s->parameters[i].value;
    if (name == NULL || json_object_size(body) != 1 || type == NULL ||
        strcmp(type, "application/x-amz-json-1.1") != 0) {
        e2_violation(s, rq, "GetParameter: not JSON 1.1 with just a Name");
        ssm_error(rs, "SerializationException", "Start of structure or map found where not expected.");
    } else if (value == NULL) {
        ssm_error(rs, "ParameterNotFound", "");
    } else {
        sim_res_json(rs, 200,
                     json_pack("{s:{s:s, s:s, s:s, s:i, s:s}}", "Parameter", "Name", name, "Type", "String", "Value",
                               value, "Version", 7, "DataType", "text"));
        rs->content_type = "application/x-amz-json-1.1";
    }
    json_decref(body);
}

static void sts_error(struct sim_res *rs, int status, const char *code, const char *message)
{
    rs->status = status;
    rs->content_type = "text/xml";
    buf_reset(&rs->body);
    buf_adds(&rs->body, "<ErrorResponse xmlns=\"" STS_NS "\"><Error><Type>Sender</Type>");
    e2_xml(&rs->body, "Code", code);
    e2_xml(&rs->body, "Message", message);
    buf_adds(&rs->body, "</Error><RequestId>ea966190-f9aa-478e-9ede-example0000</RequestId></ErrorResponse>");
}

static void give_credentials(struct sim_ec2 *s, const char *action, struct sim_res *rs)
{
    struct buf secret = BUF_INIT(128), token = BUF_INIT(1024);
    char access[32], expires[32];

    (void)snprintf(access, sizeof(access), "ASIA%016llX", (unsigned long long)sim_rng(&s->rng));
    sim_time_iso(clock_now_ms() + 3600 * 1000, expires);
    sim_rng_base64(&s->rng, 30, &secret);
    sim_rng_base64(&s->rng, 300, &token);
    e2_key_add(s, access, secret.p, token.p);
    rs->status = 200;
    rs->content_type = "text/xml";
    buf_addf(&rs->body, "<%sResponse xmlns=\"" STS_NS "\"><%sResult><Credentials>", action, action);
    e2_xml(&rs->body, "AccessKeyId", access);
    e2_xml(&rs->body, "SecretAccessKey", secret.p);
    e2_xml(&rs->body, "SessionToken", token.p);
    e2_xml(&rs->body, "Expiration", expires);
    buf_addf(&rs->body, "</Credentials></%sResult></%sResponse>", action, action);
    buf_clear(&secret);
    buf_clear(&token);
}

static bool sts_form_sound(const struct e2_form *f, bool web)
{
    const char *name = e2_get(f, "RoleSessionName"), *version = e2_get(f, "Version");

    return version != NULL && strcmp(version, "2011-06-15") == 0 && e2_get(f, "RoleArn") != NULL && name != NULL &&
           strlen(name) >= 2 && strlen(name) <= 64 && (!web || e2_get(f, "WebIdentityToken") != NULL);
}

static void assume_role(struct sim_ec2 *s, const struct sim_req *rq, const struct e2_form *f, struct sim_res *rs)
{
    bool web = strcmp(rq->op, "AssumeRoleWithWebIdentity") == 0;

    if (!sts_form_sound(f, web)) {
        e2_violation(s, rq, "not a sound request for a role");
        sts_error(rs, 400, "ValidationError", "1 validation error detected");
    } else if (strcmp(e2_get(f, "RoleArn"), SIM_EC2_ROLE_ARN) != 0) {
        sts_error(rs, 403, "AccessDenied", "User is not authorized to perform: sts:AssumeRole");
    } else {
        give_credentials(s, rq->op, rs);
    }
}

static void caller_identity(struct sim_res *rs)
{
    rs->status = 200;
    rs->content_type = "text/xml";
    buf_adds(&rs->body, "<GetCallerIdentityResponse xmlns=\"" STS_NS "\"><GetCallerIdentityResult>"
                        "<Arn>arn:aws:iam::" E2_ACCOUNT ":user/muster</Arn><UserId>AIDAEXAMPLE</UserId>"
                        "<Account>" E2_ACCOUNT "</Account></GetCallerIdentityResult></GetCallerIdentityResponse>");
}

void e2_other_service(struct sim_ec2 *s, const char *service, const struct sim_req *rq, struct sim_res *rs)
{
    struct e2_form f = {0};

    if (strcmp(service, "ssm") == 0 && strcmp(rq->op, "GetParameter") == 0) {
        get_parameter(s, rq, rs);
    } else if (strcmp(service, "sts") == 0 && e2_form_parse(s, rq, &f, rs)) {
        if (strcmp(rq->op, "AssumeRole") == 0 || strcmp(rq->op, "AssumeRoleWithWebIdentity") == 0)
            assume_role(s, rq, &f, rs);
        else if (strcmp(rq->op, "GetCallerIdentity") == 0)
            caller_identity(rs);
        else
            sts_error(rs, 400, "InvalidAction", "Could not find operation for version 2011-06-15");
    } else if (rs->body.len == 0) {
        e2_violation(s, rq, "nothing here for service %s", service);
        (void)e2_refuse(rs, 400, "InvalidAction", "The action is not valid for this web service.");
    }
    e2_form_free(&f);
}
