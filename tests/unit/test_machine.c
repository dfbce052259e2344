/* What the tags of a machine tell, in every cloud's alphabet. */
#include "tests/support/unit.h"

#include "providers/common/machine.h"

static void owner_is(const char *repository, const char *job, const char *repo, int64_t job_id)
{
    struct instance i = {.job_id = 7, .repo = "before"};

    instance_set_owner(&i, repository, job);
    assert_string_equal(i.repo, repo);
    assert_int_equal(i.job_id, job_id);
}

static void test_machine__the_owner_is_read_as_it_was_written(void **state)
{
    (void)state;
    owner_is("octo-org/hello.world_2", "123456789", "octo-org/hello.world_2", 123456789);
    owner_is("octo-org", "0", "octo-org", 0);
    owner_is(NULL, NULL, "", 0);
    owner_is("", "soon", "", 0);
    owner_is("octo/hello", "-3", "octo/hello", 0);
}

static void test_machine__an_alphabet_without_slash_is_undone_where_that_is_certain(void **state)
{
    (void)state;
    owner_is("octo_hello", "1", "octo/hello", 1);
    owner_is("octo-org_hello-world", "1", "octo-org/hello-world", 1);
    owner_is("octo_hello_world", "1", "octo_hello_world", 1); /* hello_world or hello.world */
    owner_is("_hello", "1", "_hello", 1);
    owner_is("octo_", "1", "octo_", 1);
    /* as long as an alphabet allows: perhaps cut */
    owner_is("octo_01234567890123456789012345678901234567890123456789012345678", "1",
             "octo_01234567890123456789012345678901234567890123456789012345678", 1);
}

static void test_machine__a_strangers_text_is_kept_out(void **state)
{
    char much[400];

    (void)state;
    memset(much, 'a', sizeof(much) - 1);
    much[sizeof(much) - 1] = '\0';
    owner_is(much, "1", "", 1);
    owner_is("octo/\xff", "1", "", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine__the_owner_is_read_as_it_was_written),
        cmocka_unit_test(test_machine__an_alphabet_without_slash_is_undone_where_that_is_certain),
        cmocka_unit_test(test_machine__a_strangers_text_is_kept_out),
    };

    return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
