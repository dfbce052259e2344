#include "providers/common/aws_instance.h"

#include "providers/common/aws_find.h"
#include "providers/common/mask.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

static int read_state(const char *name, enum instance_state *out, struct err *e)
{
    static const struct instance_word words[] = {{"pending", INSTANCE_PENDING},      {"running", INSTANCE_RUNNING},
                                                 {"stopping", INSTANCE_STOPPED},     {"stopped", INSTANCE_STOPPED},
                                                 {"shutting-down", INSTANCE_ENDING}, {"terminated", INSTANCE_GONE}};

    return instance_read_state(words, ARRAY_LEN(words), name, "EC2's", out, e);
}

/* Why it ends or ended: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html */
static void read_reason(const struct xml_node *item, struct instance *out)
{
    const char *code = xml_text(item, "stateReason/code"), *text = xml_text(item, "stateReason/message");
    const char *reason = xml_text(item, "reason");
    size_t n;

    if (text == NULL || *text == '\0')
        text = reason != NULL ? reason : "";
    (void)snprintf(out->detail, sizeof(out->detail), "%s", text);
    for (n = strlen(out->detail); n > 0 && !text_utf8_valid(out->detail, n);)
        out->detail[--n] = '\0'; /* a character cut in two */
    mask_runs(out->detail);
    if (code == NULL || (out->state != INSTANCE_ENDING && out->state != INSTANCE_GONE))
        return;
    if (strcmp(code, "Server.InsufficientInstanceCapacity") == 0 || strcmp(code, "Server.SpotInstanceTermination") == 0)
        out->why = ERR_CAPACITY;
}

int aws_instance_read(const struct xml_node *item, const char *region, struct instance *out, struct err *e)
{
    struct instance i = {.why = ERR_NONE};
    const char *id, *state, *launched = xml_text(item, "launchTime");
    const char *name = aws_item_tag(item, TAG_MACHINE), *expires = aws_item_tag(item, TAG_EXPIRES);

    if (xml_str(item, "instanceId", &id, e) || xml_str(item, "instanceState/name", &state, e)) {
        e->kind = ERR_RETRY;
        return err_wrap(e, "the answer makes no sense");
    }
    if (!aws_is_instance_id(id))
        return err_set(e, ERR_RETRY, "the answer makes no sense: an instance id is not one of EC2's");
    if (read_state(state, &i.state, e))
        return -1;
    (void)snprintf(i.id, sizeof(i.id), "%s", id);
    (void)snprintf(i.region, sizeof(i.region), "%s", region);
    if (name != NULL && strlen(name) < sizeof(i.name))
        (void)snprintf(i.name, sizeof(i.name), "%s", name);
    instance_set_times(&i, launched, expires);
    instance_set_owner(&i, aws_item_tag(item, TAG_REPOSITORY), aws_item_tag(item, TAG_JOB));
    read_reason(item, &i);
    *out = i;
    return 0;
}
