/* The disk is full while machines are to end: their clouds are told all the same, and the records follow. */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "tests/support/engine_bed.h"

#include <signal.h>
#include <sys/resource.h>

#define LABEL "cirun-one"

static void limit_files(rlim_t bytes)
{
    struct rlimit r;

    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &r), 0);
    r.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

static void test_engine_full__a_machine_ends_though_nothing_can_be_written(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, LABEL);
    const char *name;
    int64_t until;

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    name = bed_call(w->aws, 0).name;
    bed_deliver(w, id, JOB_RUNNING, LABEL, name);
    memcloud_refuse_destroy(w->aws, ERR_RETRY, 1);
    bed_deliver(w, id, JOB_DONE, LABEL, name); /* the first try fails; then there is no room any more */
    assert_true(bed_settle(w));
    assert_int_equal(memcloud_live(w->aws), 1);
    limit_files(1);
    clock_test_advance(60 * 1000);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = $1 AND ended_ms = 0", M_ENDING), 1);
    limit_files(RLIM_INFINITY);
    until = BED_WAIT_MS / 1000; /* the scheduler tries each second of real time */
    for (int64_t i = 0; i < until * 100 && bed_number(w, "SELECT state FROM machine WHERE $1 = 0", 0) != M_GONE; i++)
        bed_pass(w, 10 * 1000);
    assert_int_equal(bed_number(w, "SELECT state FROM machine WHERE $1 = 0", 0), M_GONE);
    assert_int_equal(memcloud_made(w->aws), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_engine_full__a_machine_ends_though_nothing_can_be_written, bed_setup,
                                        bed_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
