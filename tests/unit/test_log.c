#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOW_MS 1631499673045

static int fd = -1;

static int setup(void **state)
{
    (void)state;
    fd = memfd_create("log", MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    log_set_fd(fd);
    log_set_level(LOG_INFO);
    clock_test_set(NOW_MS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_set_fd(STDERR_FILENO);
    log_set_level(LOG_INFO);
    clock_test_release();
    return close(fd);
}

/* Everything written so far. */
static const char *written(void)
{
    static char text[1 << 20];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

/* The only line, as JSON. The caller frees. */
static json_t *line(void)
{
    const char *text = written();
    json_error_t why;
    json_t *j;

    assert_true(strlen(text) > 0 && strchr(text, '\n') == text + strlen(text) - 1);
    j = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (j == NULL)
        fail_msg("%s: %s", why.text, text);
    return j;
}

static void test_log__a_line_is_time_level_event_and_the_fields_in_order(void **state)
{
    struct err e;

    (void)state;
    (void)!err_set(&e, ERR_CAPACITY, "no room");
    log_warn(EV("machine.launched"), FS("machine", "m-1"), FI("took_ms", -12), FB("spot", true), FB("idle", false),
             FS("job", NULL), FE(&e));
    assert_string_equal(written(),
                        "{\"time\":\"2021-09-13T02:21:13.045Z\",\"level\":\"warn\",\"event\":\"machine.launched\","
                        "\"machine\":\"m-1\",\"took_ms\":-12,\"spot\":true,\"idle\":false,\"job\":null,"
                        "\"kind\":\"capacity\",\"error\":\"no room\"}\n");
}

static void test_log__an_event_needs_no_fields(void **state)
{
    (void)state;
    log_error(EV("daemon.started"));
    assert_string_equal(written(), "{\"time\":\"2021-09-13T02:21:13.045Z\",\"level\":\"error\",\"event\":"
                                   "\"daemon.started\"}\n");
}

static void test_log__lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    log_debug(EV("a.debug"));
    assert_string_equal(written(), "");
    log_set_level(LOG_DEBUG);
    log_debug(EV("b.debug"));
    log_set_level(LOG_ERROR);
    log_warn(EV("c.warn"));
    log_error(EV("d.error"));
    log_set_level(LOG_NONE);
    log_error(EV("e.error"));
    assert_null(strstr(written(), "c.warn"));
    assert_null(strstr(written(), "e.error"));
    assert_non_null(strstr(written(), "b.debug"));
    assert_non_null(strstr(written(), "d.error"));
}

static void test_log__any_text_comes_back_from_a_json_reader(void **state)
{
    char text[128];
    size_t n = 0;
    json_t *j;

    (void)state;
    for (char c = 1; c < 0x7F; c++)
        text[n++] = c;
    text[n] = '\0';
    log_info(EV("a.b"), FS("repo", text), FS("runner", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7f"));
    j = line();
    assert_string_equal(json_string_value(json_object_get(j, "repo")), text);
    assert_string_equal(json_string_value(json_object_get(j, "runner")), "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x7f");
    json_decref(j);
}

static void test_log__bytes_that_are_no_utf8_become_replacement_characters(void **state)
{
    json_t *j;

    (void)state;
    log_info(EV("a.b"), FS("repo", "x\x80y\xC3(z\xE2\x82"), FS("runner", "\xED\xA0\x80"));
    j = line();
    assert_string_equal(json_string_value(json_object_get(j, "repo")),
                        "x\xEF\xBF\xBDy\xEF\xBF\xBD(z\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_string_equal(json_string_value(json_object_get(j, "runner")), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    json_decref(j);
}

static void test_log__hostile_bytes_never_break_the_line(void **state)
{
    uint64_t seed = 29;

    (void)state;
    for (int i = 0; i < 300; i++) {
        char text[200];
        json_t *j;

        unit_random_bytes(&seed, text, sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        log_info(EV("a.b"), FS("error", text));
        j = line();
        assert_non_null(json_object_get(j, "error"));
        json_decref(j);
    }
}

static void test_log__a_value_over_2000_bytes_is_cut_between_characters(void **state)
{
    static const char *const characters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};

    (void)state;
    for (size_t c = 0; c < 4; c++) {
        char text[3001] = "";
        size_t width = strlen(characters[c]);
        const char *got;
        json_t *j;

        for (size_t n = 0; n + width < sizeof(text); n += width)
            memcpy(text + n, characters[c], width + 1);
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        log_info(EV("a.b"), FS("error", text), FI("count", 5));
        j = line();
        got = json_string_value(json_object_get(j, "error"));
        assert_in_range(strlen(got), 2001 - width + 3, 2000 + 3);
        assert_memory_equal(got, text, strlen(got) - 3);
        assert_true(text_has_suffix(got, "\xE2\x80\xA6"));
        assert_int_equal(json_integer_value(json_object_get(j, "count")), 5);
        json_decref(j);
    }
}

static void test_log__a_value_of_exactly_2000_bytes_is_whole(void **state)
{
    char text[2001];
    json_t *j;

    (void)state;
    memset(text, 'x', 2000);
    text[2000] = '\0';
    log_info(EV("a.b"), FS("error", text));
    j = line();
    assert_string_equal(json_string_value(json_object_get(j, "error")), text);
    json_decref(j);
}

static void test_log__too_many_long_fields_still_make_one_whole_line(void **state)
{
    char text[2001];
    json_t *j;

    (void)state;
    memset(text, '\x01', 2000); /* six bytes each when escaped */
    text[2000] = '\0';
    for (size_t shift = 0; shift < 12; shift++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        log_info(EV("a.b"), FS("a", text + shift), FS("b", text + 300 * shift / 2), FS("c", text), FS("d", text),
                 FI("e", 1), FI("f", 2));
        j = line();
        assert_int_equal(strlen(json_string_value(json_object_get(j, "a"))), 2000 - shift);
        assert_true(strlen(written()) <= 16384);
        json_decref(j);
    }
}

static void test_log__errno_survives_a_line(void **state)
{
    (void)state;
    log_set_fd(-1);
    errno = ENOENT;
    log_info(EV("a.b"));
    assert_int_equal(errno, ENOENT);
}

#define LINES 200

static void *write_lines(void *arg)
{
    char text[1900];

    memset(text, *(const char *)arg, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < LINES; i++)
        log_info(EV("a.b"), FS("a", text), FS("b", text), FS("c", text));
    return NULL;
}

/* The reader of a pipe: every line must be whole and of one writer. */
static void *read_lines(void *arg)
{
    FILE *in = fdopen(*(int *)arg, "r");
    char *text = NULL;
    size_t cap = 0, good = 0;

    while (in != NULL && getline(&text, &cap, in) > 0) {
        json_t *j = json_loads(text, 0, NULL);
        const char *a = json_string_value(json_object_get(j, "a")), *c = json_string_value(json_object_get(j, "c"));

        good += a != NULL && c != NULL && strlen(a) == 1899 && strcmp(a, c) == 0 &&
                strspn(a, a[0] == 'x' ? "x" : "y") == 1899;
        json_decref(j);
    }
    free(text);
    if (in != NULL)
        (void)fclose(in);
    *(int *)arg = (int)good;
    return NULL;
}

static void test_log__lines_of_two_threads_never_mix_even_in_a_pipe(void **state)
{
    char names[] = {'x', 'y'};
    pthread_t writers[2], reader;
    int ends[2], result;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    log_set_fd(ends[1]);
    result = ends[0];
    assert_int_equal(pthread_create(&reader, NULL, read_lines, &result), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_lines, &names[i]), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(writers[i], NULL), 0);
    (void)close(ends[1]);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_int_equal(result, 2 * LINES);
}

/* All that is in the pipe now, without waiting for more. */
static size_t drain_pipe(int from, char *out, size_t size)
{
    size_t len = 0;
    ssize_t n;

    assert_int_equal(fcntl(from, F_SETFL, O_NONBLOCK), 0);
    while (len + 1 < size && (n = read(from, out + len, size - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = '\0';
    return len;
}

static void test_log__a_reader_that_stands_still_delays_nobody_and_is_told_what_it_missed(void **state)
{
    static char got[256 * 1024];
    char text[1900];
    const char *lost;
    int ends[2];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(pipe(ends), 0);
    log_set_fd(ends[1]);
    for (int i = 0; i < 100; i++) /* five times what the pipe holds; nobody reads */
        log_info(EV("a.b"), FS("a", text), FS("b", text));
    assert_true(drain_pipe(ends[0], got, sizeof(got)) > 0);
    log_info(EV("c.d"));
    log_info(EV("e.f"));
    (void)drain_pipe(ends[0], got, sizeof(got));
    lost = strstr(got, "\"event\":\"log.lost\",\"count\":");
    assert_non_null(lost);
    assert_true(strtol(lost + 27, NULL, 10) > 50);
    assert_true(strstr(got, "\"c.d\"") > lost);
    assert_null(strstr(strstr(got, "\"c.d\""), "log.lost"));
    assert_non_null(strstr(got, "\"e.f\""));
    log_set_fd(STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
}

static void test_log__a_reader_that_has_gone_stops_nothing(void **state)
{
    int ends[2];

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    log_set_fd(ends[1]);
    log_info(EV("a.b"));
    log_set_fd(STDERR_FILENO);
    close(ends[1]);
}

/* Nobody reads, and it takes less than a line. */
static void fill_up(int to)
{
    char text[1900];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_set_fd(to);
    log_own_fd();
    (void)alarm(20); /* a write that waits ends the test */
    for (int i = 0; i < 100; i++)
        log_info(EV("a.b"), FS("a", text), FS("b", text));
    (void)alarm(0);
    log_set_fd(STDERR_FILENO);
}

static void test_log__a_terminal_that_stands_still_delays_nobody(void **state)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), terminal;

    (void)state;
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0);
    fill_up(terminal);
    assert_int_equal(fcntl(terminal, F_GETFL) & O_NONBLOCK, 0);
    close(terminal);
    close(master);
}

static void test_log__a_pipe_that_others_have_too_stays_as_it_is_for_them(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    fill_up(ends[1]);
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_log__a_socket_that_nobody_reads_delays_nobody(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    fill_up(ends[1]);
    assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_log__lines_go_behind_what_stands_in_a_file(void **state)
{
    (void)state;
    assert_int_equal(write(fd, "before\n", 7), 7);
    log_own_fd();
    log_info(EV("a.b"));
    assert_int_equal(strncmp(written(), "before\n{", 8), 0);
}

static void test_log__level_names_are_parsed_exactly(void **state)
{
    enum log_level level = LOG_WARN;
    struct err e;

    (void)state;
    assert_ok(log_parse_level("debug", &level, &e), e);
    assert_int_equal(level, LOG_DEBUG);
    assert_ok(log_parse_level("error", &level, &e), e);
    assert_int_equal(level, LOG_ERROR);
    assert_fails(log_parse_level("Info", &level, &e), ERR_INVALID, "debug, info, warn, error", e);
    assert_fails(log_parse_level("", &level, &e), ERR_INVALID, "expected", e);
    assert_int_equal(level, LOG_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_log__a_line_is_time_level_event_and_the_fields_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__an_event_needs_no_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__lines_below_the_level_are_not_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__any_text_comes_back_from_a_json_reader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__bytes_that_are_no_utf8_become_replacement_characters, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_log__hostile_bytes_never_break_the_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__a_value_over_2000_bytes_is_cut_between_characters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__a_value_of_exactly_2000_bytes_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__too_many_long_fields_still_make_one_whole_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__errno_survives_a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__lines_of_two_threads_never_mix_even_in_a_pipe, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__a_reader_that_stands_still_delays_nobody_and_is_told_what_it_missed,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__a_reader_that_has_gone_stops_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__a_terminal_that_stands_still_delays_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__a_pipe_that_others_have_too_stays_as_it_is_for_them, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__a_socket_that_nobody_reads_delays_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log__lines_go_behind_what_stands_in_a_file, setup, teardown),
        cmocka_unit_test(test_log__level_names_are_parsed_exactly),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
