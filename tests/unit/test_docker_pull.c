#include "providers/common/docker_pull.h"

#include "providers/common/docker_tar.h"
#include "server/base/text.h"
#include "tests/support/rawserver.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- references ---- */

static void test_docker_pull__a_reference_is_name_tag_and_registry(void **state)
{
    static const struct {
        const char *image, *name, *tag, *host;
    } rows[] = {
        {"ubuntu", "ubuntu", "latest", "docker.io"},
        {"ubuntu:24.04", "ubuntu", "24.04", "docker.io"},
        {"octo/machine:1", "octo/machine", "1", "docker.io"},
        {"ghcr.io/octo/machine", "ghcr.io/octo/machine", "latest", "ghcr.io"},
        {"localhost/x:a", "localhost/x", "a", "localhost"},
        {"localhost:5000/x", "localhost:5000/x", "latest", "localhost:5000"},
        {"10.0.0.1:5000/a/b_c:1.0-x", "10.0.0.1:5000/a/b_c", "1.0-x", "10.0.0.1:5000"},
        {"ghcr.io/o/m@sha256:abc", "ghcr.io/o/m", "sha256:abc", "ghcr.io"},
        {"ghcr.io/o/m:1@sha256:abc", "ghcr.io/o/m", "sha256:abc", "ghcr.io"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct docker_ref r;
        struct err e;

        assert_ok(docker_ref_parse(rows[i].image, &r, &e), e);
        assert_string_equal(r.name, rows[i].name);
        assert_string_equal(r.tag, rows[i].tag);
        assert_string_equal(r.host, rows[i].host);
    }
}

static void test_docker_pull__what_is_no_reference_never_reaches_an_address(void **state)
{
    static const char *const bad[] = {"",        ":",   ":tag",  "a:",      "a b",       "a?x=1",
                                      "a&tag=b", "/a",  "a/",    "a@",      "@sha256:a", "a:b/c:d@",
                                      "a\nb",    "a#b", "a:b%2", "a@b c:d", "\"quoted\""};
    char huge[600];

    (void)state;
    memset(huge, 'a', sizeof(huge));
    huge[sizeof(huge) - 1] = '\0';
    for (size_t i = 0; i <= ARRAY_LEN(bad); i++) {
        struct docker_ref r;
        struct err e;

        assert_fails(docker_ref_parse(i < ARRAY_LEN(bad) ? bad[i] : huge, &r, &e), ERR_INVALID, "machine_image", e);
    }
}

/* ---- credentials ---- */

struct config {
    char dir[32], path[64];
};

static void config_write(struct config *c, const char *text)
{
    FILE *f;

    (void)snprintf(c->dir, sizeof(c->dir), "/tmp/muster-test-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    (void)snprintf(c->path, sizeof(c->path), "%s/config.json", c->dir);
    f = fopen(c->path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

static void config_remove(struct config *c)
{
    (void)unlink(c->path);
    (void)rmdir(c->dir);
}

/* The header's JSON for an image; NULL = none. The caller frees. */
static json_t *login_for(const char *image, const char *path)
{
    AUTO_BUF struct buf plain = BUF_INIT(4096);
    char standard[512];
    struct docker_ref r;
    struct secret *header;
    json_t *doc = NULL;
    struct err e;

    assert_ok(docker_ref_parse(image, &r, &e), e);
    header = docker_ref_auth(&r, path);
    if (header == NULL)
        return NULL;
    (void)snprintf(standard, sizeof(standard), "%s", secret_reveal(header));
    secret_free(header);
    for (char *p = standard; *p != '\0'; p++)
        *p = (char)(*p == '-' ? '+' : *p == '_' ? '/' : *p);
    assert_ok(text_unbase64(standard, strlen(standard), &plain, &e), e);
    assert_ok(js_parse(plain.p, plain.len, &doc, &e), e);
    return doc;
}

static void assert_login(const char *image, const char *path, const char *user, const char *password)
{
    AUTO_JSON json_t *doc = login_for(image, path);
    const char *text;
    struct err e;

    assert_non_null(doc);
    assert_ok(js_str(doc, "username", &text, &e), e);
    assert_string_equal(text, user);
    assert_ok(js_str(doc, "password", &text, &e), e);
    assert_string_equal(text, password);
}

static void test_docker_pull__credentials_are_those_of_dockers_own_file(void **state)
{
    struct config c;

    (void)state;
    /* octo:s3cret:x, hub:pw?>~ */
    config_write(&c, "{\"auths\":{\"ghcr.io\":{\"auth\":\"b2N0bzpzM2NyZXQ6eA==\"},\"https://index.docker.io/v1/\":"
                     "{\"auth\":\"aHViOnB3Pz5+\"},\"reg.example.com:5000\":{}},\"credsStore\":\"desktop\"}");
    assert_login("ghcr.io/octo/machine:1", c.path, "octo", "s3cret:x");
    assert_login("octo/machine", c.path, "hub", "pw?>~");
    assert_null(login_for("quay.io/a/b", c.path));
    assert_null(login_for("ghcr.io.evil.example/a/b", c.path));
    assert_null(login_for("reg.example.com:5000/a", c.path));
    config_remove(&c);
}

static void test_docker_pull__a_file_that_is_absent_or_broken_means_no_credentials(void **state)
{
    static const char *const broken[] = {"",
                                         "{",
                                         "[]",
                                         "{\"auths\":7}",
                                         "{\"auths\":{\"ghcr.io\":7}}",
                                         "{\"auths\":{\"ghcr.io\":{\"auth\":\"not base64\"}}}",
                                         "{\"auths\":{\"ghcr.io\":{\"auth\":\"bm9jb2xvbg==\"}}}"};

    (void)state;
    assert_null(login_for("ghcr.io/a/b", "/nonexistent/config.json"));
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct config c;

        config_write(&c, broken[i]);
        assert_null(login_for("ghcr.io/a/b", c.path));
        config_remove(&c);
    }
}

/* ---- the stream ---- */

static const char progress[] =
    "{\"status\":\"Pulling from octo/machine\",\"id\":\"1\"}\r\n"
    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":100,\"total\":1000},\"id\":\"aaaaaaaaaaaa\"}\r\n"
    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":50,\"total\":500},\"id\":\"bbbbbbbbbbbb\"}\r\n"
    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":900,\"total\":1000},\"id\":\"aaaaaaaaaaaa\"}\r\n"
    "{\"status\":\"Extracting\",\"progressDetail\":{\"current\":7,\"total\":1000},\"id\":\"aaaaaaaaaaaa\"}\r\n"
    "{\"status\":\"Pull complete\",\"progressDetail\":{},\"id\":\"aaaaaaaaaaaa\"}\r\n\r\n";

static void test_docker_pull__progress_adds_up_over_the_layers_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= sizeof(progress); piece++) {
        struct docker_stream s = {.line = BUF_INIT(DOCKER_PULL_LINE)};

        for (size_t at = 0; at < strlen(progress); at += piece)
            assert_int_equal(
                docker_stream_add(&s, progress + at, strlen(progress) - at < piece ? strlen(progress) - at : piece), 0);
        assert_int_equal(s.done, 950);
        assert_int_equal(s.of, 1500);
        assert_int_equal(s.lines, 6);
        assert_null(s.failure);
        docker_stream_clear(&s);
    }
}

static void test_docker_pull__a_failure_inside_the_stream_is_kept(void **state)
{
    static const char text[] = "{\"status\":\"Pulling\"}\n{\"errorDetail\":{\"message\":\"no\"},\"error\":\"no\"}\n"
                               "{\"error\":\"second\"}\n";
    struct docker_stream s = {.line = BUF_INIT(DOCKER_PULL_LINE)};

    (void)state;
    assert_int_equal(docker_stream_add(&s, text, strlen(text)), 0);
    assert_string_equal(s.failure, "no");
    docker_stream_clear(&s);
}

static void test_docker_pull__what_is_no_progress_breaks_the_stream(void **state)
{
    static const char *const bad[] = {"<html>\n",          "[]\n", "7\n",  "{\"error\":{}}\n",
                                      "{\"status\":[]}\n", "{\n",  "{}}\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct docker_stream s = {.line = BUF_INIT(DOCKER_PULL_LINE)};

        assert_int_equal(docker_stream_add(&s, bad[i], strlen(bad[i])), -1);
        assert_int_equal(docker_stream_add(&s, "{}\n", 3), -1);
        docker_stream_clear(&s);
    }
}

static void test_docker_pull__a_line_without_end_and_layers_without_end_are_bounded(void **state)
{
    struct docker_stream s = {.line = BUF_INIT(DOCKER_PULL_LINE)};
    char line[200];
    int rc = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(line, sizeof(line),
                       "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":2},\"id\":\"l%d\"}\n",
                       i);
        assert_int_equal(docker_stream_add(&s, line, strlen(line)), 0);
    }
    assert_int_equal(s.n_layers, DOCKER_PULL_LAYERS);
    assert_int_equal(s.of, 2 * DOCKER_PULL_LAYERS);
    memset(line, 'x', sizeof(line));
    for (size_t i = 0; i <= DOCKER_PULL_LINE / sizeof(line) + 1 && rc == 0; i++)
        rc = docker_stream_add(&s, line, sizeof(line));
    assert_int_equal(rc, -1);
    docker_stream_clear(&s);
}

static void test_docker_pull__sizes_that_make_no_sense_count_for_nothing(void **state)
{
    static const char text[] =
        "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":-5,\"total\":10},\"id\":\"a\"}\n"
        "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":50,\"total\":10},\"id\":\"b\"}\n"
        "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":9223372036854775807},\"id\":\"c\"}\n"
        "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":\"1\",\"total\":7},\"id\":\"d\"}\n";
    struct docker_stream s = {.line = BUF_INIT(DOCKER_PULL_LINE)};

    (void)state;
    assert_int_equal(docker_stream_add(&s, text, strlen(text)), 0);
    assert_int_equal(s.of, 0);
    assert_int_equal(s.done, 0);
    docker_stream_clear(&s);
}

/* ---- the archive ---- */

static void test_docker_pull__an_archive_of_one_file_is_whole_blocks_with_a_sound_header(void **state)
{
    static const size_t sizes[] = {0, 1, 511, 512, 513, 9000};
    static char data[9000];

    (void)state;
    memset(data, 'd', sizeof(data));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO_BUF struct buf b = BUF_INIT(sizes[i] + DOCKER_TAR_EXTRA);
        unsigned long sum = 0;
        unsigned char block[512];

        docker_tar_file(&b, "muster-bootstrap", 0700, data, sizes[i]);
        assert_false(b.over);
        assert_int_equal(b.len % 512, 0);
        assert_int_equal(b.len, 512 + (sizes[i] + 511) / 512 * 512 + 1024);
        assert_string_equal(b.p, "muster-bootstrap");
        assert_string_equal(b.p + 100, "0000700");
        assert_int_equal(strtoul(b.p + 124, NULL, 8), sizes[i]);
        assert_memory_equal(b.p + 257,
                            "ustar\0"
                            "00",
                            8);
        memcpy(block, b.p, sizeof(block));
        memset(block + 148, ' ', 8);
        for (size_t k = 0; k < sizeof(block); k++)
            sum += block[k];
        assert_int_equal(strtoul(b.p + 148, NULL, 8), sum);
        assert_memory_equal(b.p + 512, data, sizes[i]);
    }
}

/* ---- the end of the daemon ---- */

/* An engine whose pull never ends by itself: one line of progress, then nothing. */
static int slow_engine(void *arg, const struct raw_request *r, struct buf *answer)
{
    (void)arg;
    if (strstr(r->path, "/images/create") != NULL) {
        buf_adds(answer, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{\"status\":\"Pulling\"}\n");
        return RAW_DRIP;
    }
    raw_answer(answer, 200, "",
               strstr(r->path, "/version") != NULL ? "{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}"
                                                   : "{\"NCPU\":4,\"MemTotal\":8589934592}");
    return RAW_ANSWER;
}

static bool daemon_is_ending(void *arg, int64_t ms)
{
    *(int64_t *)arg += ms;
    return true;
}

static void test_docker_pull__the_end_of_the_daemon_is_not_kept_waiting(void **state)
{
    AUTO_RAW struct rawserver *s = raw_start(&(struct raw_conf){.handler = slow_engine});
    struct httpc *http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    const struct docker_conf conf = {.http = http, .host = raw_url(s)};
    struct docker *d = NULL;
    struct docker_ref ref;
    int64_t waited_ms = 0;
    struct docker_pull p = {.ref = &ref, .deadline_ms = 20000, .pause = daemon_is_ending, .pause_arg = &waited_ms};
    struct err e;

    (void)state;
    assert_ok(docker_ref_parse("octo/machine:1", &ref, &e), e);
    assert_ok(docker_open(&conf, &d, &e), e);
    assert_fails(docker_pull(d, &p, &e), ERR_RETRY, "the daemon ends while octo/machine is pulled", e);
    assert_int_equal(waited_ms, 0);
    docker_free(d);
    httpc_free(http);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_docker_pull__a_reference_is_name_tag_and_registry),
        cmocka_unit_test(test_docker_pull__what_is_no_reference_never_reaches_an_address),
        cmocka_unit_test(test_docker_pull__credentials_are_those_of_dockers_own_file),
        cmocka_unit_test(test_docker_pull__a_file_that_is_absent_or_broken_means_no_credentials),
        cmocka_unit_test(test_docker_pull__progress_adds_up_over_the_layers_however_it_is_cut),
        cmocka_unit_test(test_docker_pull__a_failure_inside_the_stream_is_kept),
        cmocka_unit_test(test_docker_pull__what_is_no_progress_breaks_the_stream),
        cmocka_unit_test(test_docker_pull__a_line_without_end_and_layers_without_end_are_bounded),
        cmocka_unit_test(test_docker_pull__sizes_that_make_no_sense_count_for_nothing),
        cmocka_unit_test(test_docker_pull__an_archive_of_one_file_is_whole_blocks_with_a_sound_header),
        cmocka_unit_test(test_docker_pull__the_end_of_the_daemon_is_not_kept_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
