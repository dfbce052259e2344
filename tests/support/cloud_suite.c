#include "tests/support/cloud_suite.h"

#include "server/base/mem.h"

#include <stdlib.h>

int suite_open(void **state)
{
    *state = bed_open(*(const struct fake_dialect **)*state, NULL, 0);
    return 0;
}

int suite_close(void **state)
{
    bed_close(*state);
    return 0;
}

int suite_run(const struct CMUnitTest *tests, size_t n)
{
    struct CMUnitTest *own = mem_calloc(n, sizeof(*own));
    const char *only = getenv("MUSTER_TEST_CLOUD");
    int failed = 0;

    for (size_t c = 0; fake_clouds[c] != NULL; c++) {
        if (only != NULL && strcmp(only, fake_clouds[c]->name) != 0)
            continue;
        memcpy(own, tests, n * sizeof(*own));
        for (size_t t = 0; t < n; t++)
            own[t].initial_state = (void *)(uintptr_t)&fake_clouds[c];
        failed += _cmocka_run_group_tests(fake_clouds[c]->name, own, n, NULL, NULL);
    }
    free(own);
    return failed;
}
