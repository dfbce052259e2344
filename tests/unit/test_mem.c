#include "tests/support/unit.h"

#include "server/base/mem.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_mem__zalloc_and_calloc_give_zeroes(void **state)
{
    unsigned char *p = mem_zalloc(1000), *q = mem_calloc(10, 100);

    (void)state;
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(p[i] | q[i], 0);
    free(p);
    free(q);
}

static void test_mem__size_zero_gives_a_pointer_that_may_be_freed(void **state)
{
    void *p[] = {mem_zalloc(0), mem_calloc(0, 8), mem_calloc(8, 0), mem_realloc_array(NULL, 0, 8)};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(p[i]);
        free(p[i]);
    }
}

static void test_mem__realloc_keeps_what_was_there(void **state)
{
    int *p = mem_realloc_array(NULL, 4, sizeof(*p));

    (void)state;
    for (int i = 0; i < 4; i++)
        p[i] = i;
    p = mem_realloc_array(p, 4000, sizeof(*p));
    for (int i = 0; i < 4; i++)
        assert_int_equal(p[i], i);
    free(p);
}

static void test_mem__strings_are_copied_and_ended(void **state)
{
    char *a = mem_strdup("hello"), *b = mem_strndup("hello", 2), *c = mem_strndup(NULL, 0);
    char *nothing = mem_strdup(NULL);

    (void)state;
    assert_string_equal(a, "hello");
    assert_string_equal(b, "he");
    assert_string_equal(c, "");
    assert_null(nothing);
    free(a);
    free(b);
    free(c);
}

static void refused_product(void)
{
    free(mem_realloc_array(NULL, SIZE_MAX / 4, 8));
}

static void refused_calloc(void)
{
    free(mem_calloc(SIZE_MAX / 4, 8));
}

static void refused_size(void)
{
    free(mem_zalloc(SIZE_MAX / 2));
}

/* In a child, without its complaint and without a core file. */
static int how_it_ends(void (*fn)(void))
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit none = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        fn();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_mem__refusal_and_overflow_end_the_process(void **state)
{
    static void (*const refused[])(void) = {refused_product, refused_calloc, refused_size};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        int status = how_it_ends(refused[i]);

        assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

/* A pipe that is full, and nobody reads. */
static void refused_before_a_full_pipe(void)
{
    int ends[2];
    char text[4096] = "";

    /* standard error is closed: the pipe's end to read from took its number */
    if (pipe(ends) != 0 || dup(ends[0]) < 0 || dup2(ends[1], STDERR_FILENO) != STDERR_FILENO ||
        fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK) != 0)
        _exit(0);
    while (write(STDERR_FILENO, text, sizeof(text)) > 0)
        continue;
    (void)fcntl(STDERR_FILENO, F_SETFL, 0);
    (void)alarm(5);
    mem_refused();
}

static void test_mem__the_end_waits_for_nobody_who_reads_what_it_says(void **state)
{
    int status = how_it_ends(refused_before_a_full_pipe);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mem__zalloc_and_calloc_give_zeroes),
        cmocka_unit_test(test_mem__size_zero_gives_a_pointer_that_may_be_freed),
        cmocka_unit_test(test_mem__realloc_keeps_what_was_there),
        cmocka_unit_test(test_mem__strings_are_copied_and_ended),
        cmocka_unit_test(test_mem__refusal_and_overflow_end_the_process),
        cmocka_unit_test(test_mem__the_end_waits_for_nobody_who_reads_what_it_says),
    };

    return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
