/*
 * A judge of requests beside policy.c, for the test that holds both against each other: what a rendered request asks
 * for is read off the request as it stands, and compared by the C library's fnmatch. Nothing of policy.c, nor of what
 * the providers tell it, helps. Its accounts: aws has the instance profile "ci", gcp the projects "my-project" and
 * "another-of-ours".
 */
#ifndef MUSTER_TESTS_POLICY_JUDGE_H
#define MUSTER_TESTS_POLICY_JUDGE_H

#include "server/engine/engine.h"

/* What a request asks for, read off it. */
struct asked {
    const char *cloud;
    char type[3][300], region[2][300], image[4][700]; /* spellings; "" = none */
    bool all_types;                                   /* each of them may come: all must be allowed */
    bool no_region;
    const char *rights; /* what it must not ask for, or NULL */
};

/* list: what the provider's render gave. */
void judge_read(const char *cloud, const json_t *list, struct asked *a);
/* NULL = the policy allows it, else what it forbids. */
const char *judge_asked(const struct policy *p, const struct asked *a);

/* Every cloud of this build, opened to look only. */
struct judge_accounts {
    struct conf *confs[16];
    struct engine_cloud clouds[16];
    size_t n;
};
void judge_accounts_open(struct judge_accounts *a);
void judge_accounts_close(struct judge_accounts *a);

#endif
