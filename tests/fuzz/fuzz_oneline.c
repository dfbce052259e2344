/* One-line labels: one runner, or a reason, or nothing. */
#include "tests/fuzz/fuzz.h"

#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/oneline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *label = mem_strndup((const char *)data, size);
    struct cirun_yml *yml = NULL;
    struct err e = {.kind = ERR_NONE};

    switch (oneline_parse(label, &yml, &e)) {
    case ONELINE_NONE:
        NEED(yml == NULL);
        break;
    case ONELINE_FOUND:
        NEED(yml != NULL && yml->n_runners == 1 && yml->runners[0].n_labels == 1 && yml->runners[0].n_candidates <= 4);
        NEED(strncmp(yml->runners[0].labels[0], label, strlen(yml->runners[0].labels[0])) == 0);
        NEED(yml->runners[0].extra == NULL);
        break;
    case ONELINE_WRONG:
        NEED(yml == NULL && e.kind == ERR_INVALID && e.msg[0] != '\0');
        break;
    }
    cirun_yml_free(yml);
    return 0;
}
