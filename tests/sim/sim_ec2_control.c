/* The control plane of the program form, /_sim/: nothing of this is EC2's. No authentication: loopback only. */
#include "tests/sim/sim_ec2_priv.h"

#include <string.h>

static json_t *instance_json(struct sim_ec2 *s, size_t k)
{
    struct sim_instance i;

    if (!sim_ec2_at(s, k, &i))
        return NULL;
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:s}", "id", i.id, "name", i.name, "type", i.type,
                     "zone", i.zone, "image", i.image, "state", e2_state_name(i.state), "spot", i.spot, "launched_ms",
                     (json_int_t)i.launched_ms, "ended_ms", (json_int_t)i.ended_ms, "reason", i.reason);
}

void e2_ctl_state(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct sim_ec2 *s = arg;
    json_t *list = json_array();

    for (size_t k = 0; k < sim_ec2_count(s); k++)
        (void)json_array_append_new(list, instance_json(s, k));
    sim_res_json(rs, 200, json_pack("{s:o, s:o}", "instances", list, "log", sim_http_log(rq->http)));
}

/* {"type"?,"zone"?,"market":"spot"|"on-demand"|"any","left":0} */
void e2_ctl_capacity(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    json_t *body = json_loadb(rq->body, rq->body_len, JSON_REJECT_DUPLICATES, NULL);
    const char *type = NULL, *zone = NULL, *market = "any";
    int left = 0;

    if (body != NULL && json_unpack(body, "{s?s, s?s, s?s, s:i}", "type", &type, "zone", &zone, "market", &market,
                                    "left", &left) == 0) {
        enum sim_market m = strcmp(market, "spot") == 0        ? SIM_MARKET_SPOT
                            : strcmp(market, "on-demand") == 0 ? SIM_MARKET_ON_DEMAND
                                                               : SIM_MARKET_ANY;

        sim_ec2_capacity(arg, type, zone, m, left);
        sim_res_json(rs, 201, json_object());
    } else {
        sim_res_json(rs, 400, json_pack("{s:s}", "message", "not a capacity rule: {\"left\": …}"));
    }
    json_decref(body);
}

void e2_ctl_power_off(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    sim_ec2_power_off(arg, rq->arg[0]);
    sim_res_json(rs, 202, json_object());
}

void e2_ctl_interrupt(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    sim_ec2_interrupt(arg, rq->arg[0]);
    sim_res_json(rs, 202, json_object());
}
