/* The list that users_from_json names: what is taken has the documented shape, and lets in whom it names only. */
#include "tests/fuzz/fuzz.h"

#include "server/config/users_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct users_json *u = NULL;
    struct err e = {.kind = ERR_NONE};

    if (users_json_parse((const char *)data, size, &u, &e)) {
        NEED(u == NULL && e.kind == ERR_INVALID && e.msg[0] != '\0');
        return 0;
    }
    NEED(u != NULL);
    NEED(!users_json_has(u, "", 0));
    if (users_json_count(u) == 0)
        NEED(!users_json_has(u, "octocat", 1));
    users_json_free(u);
    return 0;
}
