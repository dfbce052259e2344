#include "providers/aws_instance.h"

#include "providers/common/aws_find.h"
#include "providers/common/mask.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

static int read_state(const char *name, enum instance_state *out, struct err *e)
{
    static const struct {
        const char *name;
        enum instance_state state;
    } states[] = {{"pending", INSTANCE_PENDING}, {"running", INSTANCE_RUNNING},      {"stopping", INSTANCE_STOPPED},
                  {"stopped", INSTANCE_STOPPED}, {"shutting-down", INSTANCE_ENDING}, {"terminated", INSTANCE_GONE}};

    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (strcmp(states[i].name, name) == 0) {
            *out = states[i].state;
            return 0;
        }
    }
    return err_set(e, ERR_RETRY, "the state of an instance is not one of EC2's");
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
    struct err ignored = {0};
    int64_t expires_s = 0;

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
    /* what is unreadable stays 0, "unknown" */
    if (launched != NULL && text_rfc3339_ms(launched, strlen(launched), &i.created_ms, &ignored))
        i.created_ms = 0;
    if (expires != NULL && text_i64(expires, 0, INT64_MAX / 1000, &expires_s, &ignored) == 0)
        i.expires_ms = expires_s * 1000;
    read_reason(item, &i);
    *out = i;
    return 0;
}
