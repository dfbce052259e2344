/*
 * Real kills of the real daemon: `make kills N=1000 SEED=1`. Exits with 1 when anything was lost, doubled or left over.
 *
 *     KILLS=100 KILLS_SEED=7 build/tests/e2e/kills      one world again
 */
#include "tests/support/lab_kills.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);

    return s != NULL ? strtoull(s, NULL, 10) : otherwise;
}

int main(void)
{
    const struct kills_conf c = {
        .seed = setting("KILLS_SEED", 1), .kills = (size_t)setting("KILLS", 1000), .per_world = 100};
    struct lab_count t = {0};
    int64_t began = lab_real_ms();
    size_t findings = lab_kills(&c, &t);

    (void)printf("%zu kills, %zu jobs, %zu lost, %zu doubled, %zu left over, %zu else wrong; %zu machines, %zu "
                 "acknowledged deliveries; took %lld s\n",
                 t.kills, t.jobs, t.lost, t.doubled, t.left, t.wrong, t.launches, t.acknowledged,
                 (long long)(lab_real_ms() - began) / 1000);
    return findings == 0 ? 0 : 1;
}
