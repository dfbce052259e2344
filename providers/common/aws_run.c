#include "providers/common/aws_run.h"

#include "server/base/text.h"

static int add_user_data(struct buf *form, const struct secret *data, struct err *e)
{
    AUTO(buf_wipe) struct buf base64 = BUF_INIT((size_t)2 * AWS_USER_DATA_MAX);
    const char *text = NULL;

    if (data == NULL)
        aws_form_add(form, "***", "UserData");
    if (secret_len(data) == 0)
        return 0;
    text_base64(&base64, secret_reveal(data), secret_len(data));
    if (buf_str(&base64, &text, e))
        return -1;
    aws_form_add(form, text, "UserData");
    return 0;
}

static void add_spot(struct buf *form)
{
    aws_form_add(form, "spot", "InstanceMarketOptions.MarketType");
    aws_form_add(form, "one-time", "InstanceMarketOptions.SpotOptions.SpotInstanceType");
    aws_form_add(form, "terminate", "InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior");
}

int aws_run_form(struct buf *form, const struct aws_run *r, struct err *e)
{
    aws_form_begin(form, "RunInstances", AWS_EC2_VERSION);
    aws_form_add(form, r->image->id, "ImageId");
    aws_form_add(form, r->instance_type, "InstanceType");
    aws_form_add(form, "1", "MinCount");
    aws_form_add(form, "1", "MaxCount");
    aws_form_add(form, r->client_token, "ClientToken");
    aws_form_add(form, "terminate", "InstanceInitiatedShutdownBehavior");
    aws_form_add(form, "required", "MetadataOptions.HttpTokens");
    aws_form_add(form, "2", "MetadataOptions.HttpPutResponseHopLimit"); /* containers are one hop further */
    if (r->profile != NULL)
        aws_form_add(form, r->profile, "IamInstanceProfile.%s", text_has_prefix(r->profile, "arn:") ? "Arn" : "Name");
    if (r->subnet != NULL)
        aws_form_add(form, r->subnet, "SubnetId");
    for (size_t i = 0; i < r->n_groups; i++)
        aws_form_add(form, r->groups[i], "SecurityGroupId.%zu", i + 1);
    if (r->spot)
        add_spot(form);
    return aws_disks_add(form, r->extra, r->image, e) || (!r->pulls && add_user_data(form, r->user_data, e)) ? -1 : 0;
}
