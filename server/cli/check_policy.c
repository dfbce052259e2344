/* What the operator's policy says of each candidate, rule by rule: --config of muster check. */
#include "server/cli/check_int.h"
#include "server/config/server_conf.h"
#include "server/engine/policy.h"
#include "server/engine/price.h"

/* A policy of one rule, and the key of the runner that it judges. */
struct rule {
    const char *key;
    struct policy policy;
};

static size_t split(const struct conf *section, struct rule out[5])
{
    const struct policy none = {
        .privileged = true, .max_hourly_price = -1, .offline = true}; /* no price is asked for */
    struct policy all;

    policy_read(section, &all);
    out[0] = (struct rule){"cloud", none};
    out[0].policy.clouds = all.clouds;
    out[1] = (struct rule){"instance_type", none};
    out[1].policy.types = all.types;
    out[2] = (struct rule){"region", none};
    out[2].policy.regions = all.regions;
    out[3] = (struct rule){"machine_image", none};
    out[3].policy.images = all.images;
    out[3].policy.privileged = all.privileged; /* rights come with an image that nobody named */
    out[4] = (struct rule){"instance_type", none};
    out[4].policy.max_hourly_price = all.max_hourly_price;
    return 5;
}

int check_policy_judge(void *arg, size_t number, const struct provider_ops *ops, struct provider *p,
                       const struct machine_spec *s, const char **key, struct err *e)
{
    const struct server_conf *conf = arg;
    struct rule rules[5];

    if (number >= split(conf->policy, rules))
        return 1;
    *key = rules[number].key;
    return policy_check(&rules[number].policy, ops, p, s, prices_known(s), e);
}
