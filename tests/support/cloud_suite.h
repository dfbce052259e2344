/* Tests that run on every cloud: the contract suite. */
#ifndef MUSTER_TESTS_CLOUD_SUITE_H
#define MUSTER_TESTS_CLOUD_SUITE_H

#include "tests/support/unit.h"

#include "tests/support/cloud_bed.h"

/* Run tests on each cloud of fake_clouds, or on the one that $MUSTER_TEST_CLOUD names; each has its own bed as state.
 */
int suite_open(void **state);
int suite_close(void **state);
int suite_run(const struct CMUnitTest *tests, size_t n);
#define SUITE_TEST(test)                                                                                               \
    {                                                                                                                  \
#test, test, suite_open, suite_close, NULL                                                                     \
    }

#endif
