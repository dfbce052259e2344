#include "server/base/httpc.h"

#include "server/base/mem.h"
#include "tests/support/rawserver.h"
#include "tests/support/testtls.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static const struct raw_step ok = {.bytes = OK};

/* A TLS server for "localhost" and the file of the authority that signed its certificate. */
struct peer {
    char dir[32], ca[64];
    SSL_CTX *tls;
    struct rawserver *server;
};

static void peer_start(struct peer *p, const struct raw_step *step)
{
    (void)snprintf(p->dir, sizeof(p->dir), "/tmp/muster-test-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    (void)snprintf(p->ca, sizeof(p->ca), "%s/ca.pem", p->dir);
    p->tls = testtls_new(p->ca, "localhost");
    p->server = raw_start(&(struct raw_conf){.steps = step, .n_steps = 1, .tls = p->tls});
}

static void peer_stop(struct peer *p)
{
    raw_stop(p->server);
    SSL_CTX_free(p->tls);
    (void)unlink(p->ca);
    (void)rmdir(p->dir);
}

static int get(const char *ca_file, const char *url, struct err *e)
{
    struct httpc *h = httpc_new(&(struct httpc_conf){.user_agent = "t", .ca_file = ca_file});
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    int rc = httpc_do(h, &(struct httpc_req){.method = "GET", .url = url, .timeout_ms = 10000}, &res, e);

    httpc_free(h);
    return rc;
}

static void test_httpc_tls__an_operators_authority_is_trusted_and_the_connection_kept(void **state)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct peer p;
    struct httpc *h;
    struct err e;

    (void)state;
    peer_start(&p, &ok);
    h = httpc_new(&(struct httpc_conf){.user_agent = "t", .ca_file = p.ca});
    for (int i = 0; i < 10; i++) {
        assert_int_equal(
            httpc_do(h, &(struct httpc_req){.method = "GET", .url = raw_url(p.server), .timeout_ms = 10000}, &res, &e),
            0);
        assert_string_equal(res.body.p, "ok");
    }
    assert_int_equal(raw_count(p.server), 10);
    assert_int_equal(raw_accepted(p.server), 1);
    httpc_free(h);
    peer_stop(&p);
}

static void test_httpc_tls__the_environments_bundle_is_used_without_a_setting(void **state)
{
    struct peer p;
    struct err e;

    (void)state;
    peer_start(&p, &ok);
    assert_int_equal(setenv("SSL_CERT_FILE", p.ca, 1), 0);
    assert_int_equal(get(NULL, raw_url(p.server), &e), 0);
    assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
    peer_stop(&p);
}

static void test_httpc_tls__the_bundle_is_read_once(void **state)
{
    static const struct raw_step closing = {.act = RAW_CLOSE, .bytes = OK, .after = SIZE_MAX};
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct peer p;
    struct httpc *h;
    struct err e;

    (void)state;
    peer_start(&p, &closing);
    h = httpc_new(&(struct httpc_conf){.user_agent = "t", .ca_file = p.ca});
    for (int i = 0; i < 3; i++) { /* three connections */
        assert_int_equal(httpc_do(h, &(struct httpc_req){.method = "GET", .url = raw_url(p.server)}, &res, &e), 0);
        (void)unlink(p.ca);
    }
    assert_true(raw_accepted(p.server) >= 3);
    httpc_free(h);
    peer_stop(&p);
}

static void test_httpc_tls__an_unknown_authority_is_refused_before_anything_is_sent(void **state)
{
    struct peer p, other;
    struct err e;

    (void)state;
    peer_start(&p, &ok);
    peer_start(&other, &ok);
    assert_int_equal(get(other.ca, raw_url(p.server), &e), -1);
    assert_int_equal(e.kind, ERR_AUTH);
    assert_non_null(strstr(e.msg, "certificate is not trusted: "));
    assert_int_equal(raw_count(p.server), 0);
    peer_stop(&other);
    peer_stop(&p);
}

static void test_httpc_tls__a_certificate_for_another_name_is_refused(void **state)
{
    struct peer p;
    char url[64];
    struct err e;

    (void)state;
    peer_start(&p, &ok);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/", raw_port(p.server));
    assert_int_equal(get(p.ca, url, &e), -1);
    assert_int_equal(e.kind, ERR_AUTH);
    assert_non_null(strstr(e.msg, "not for this host name"));
    assert_int_equal(raw_count(p.server), 0);
    peer_stop(&p);
}

static void test_httpc_tls__a_missing_bundle_is_named(void **state)
{
    struct peer p;
    struct err e;

    (void)state;
    peer_start(&p, &ok);
    assert_int_equal(get("/nonexistent/ca.pem", raw_url(p.server), &e), -1);
    assert_int_equal(e.kind, ERR_AUTH);
    assert_non_null(strstr(e.msg, "no certificate authorities can be read from /nonexistent/ca.pem"));
    peer_stop(&p);
}

static void test_httpc_tls__old_protocols_are_refused(void **state)
{
    struct peer p;
    struct err e;

    (void)state;
    peer_start(&p, &ok);
    SSL_CTX_set_security_level(p.tls, 0);
    assert_int_equal(SSL_CTX_set_min_proto_version(p.tls, TLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(p.tls, TLS1_1_VERSION), 1);
    assert_int_equal(get(p.ca, raw_url(p.server), &e), -1);
    assert_int_equal(e.kind, ERR_RETRY);
    assert_int_equal(raw_count(p.server), 0);
    assert_int_equal(SSL_CTX_set_max_proto_version(p.tls, TLS1_2_VERSION), 1);
    assert_int_equal(get(p.ca, raw_url(p.server), &e), 0);
    peer_stop(&p);
}

/* ---- who we are ---- */

struct mutual {
    char dir[32], ca[64], cert[64], key[64];
    SSL_CTX *tls;
    struct rawserver *server;
};

static void mutual_start(struct mutual *m, int max_version)
{
    (void)snprintf(m->dir, sizeof(m->dir), "/tmp/muster-test-XXXXXX");
    assert_non_null(mkdtemp(m->dir));
    (void)snprintf(m->ca, sizeof(m->ca), "%s/ca.pem", m->dir);
    (void)snprintf(m->cert, sizeof(m->cert), "%s/cert.pem", m->dir);
    (void)snprintf(m->key, sizeof(m->key), "%s/key.pem", m->dir);
    m->tls = testtls_mutual(m->ca, "localhost", m->cert, m->key);
    assert_int_equal(SSL_CTX_set_max_proto_version(m->tls, max_version), 1);
    m->server = raw_start(&(struct raw_conf){.steps = &ok, .n_steps = 1, .tls = m->tls});
}

static void mutual_stop(struct mutual *m)
{
    raw_stop(m->server);
    SSL_CTX_free(m->tls);
    (void)unlink(m->ca);
    (void)unlink(m->cert);
    (void)unlink(m->key);
    (void)rmdir(m->dir);
}

static int get_as(struct httpc *h, const struct mutual *m, const struct httpc_identity *who, struct err *e)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct httpc_req req = {.method = "GET", .url = raw_url(m->server), .timeout_ms = 10000, .identity = who};

    return httpc_do(h, &req, &res, e);
}

static void test_httpc_tls__an_identity_brings_its_certificate_and_its_own_authority(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct httpc *h = httpc_new(&(struct httpc_conf){.user_agent = "t"});
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct mutual m;
        struct httpc_identity who = {m.ca, m.cert, m.key}, nobody = {.ca_file = m.ca},
                              distrusts = {NULL, m.cert, m.key};

        mutual_start(&m, versions[i]);
        assert_int_equal(get_as(h, &m, &who, &e), 0);
        assert_int_equal(get_as(h, &m, &who, &e), 0);
        assert_int_equal(raw_accepted(m.server), 1);
        assert_int_equal(get_as(h, &m, &nobody, &e), -1);
        /* The refusal's alert may be overtaken by the end of the connection. */
        assert_true(e.kind == ERR_AUTH || e.kind == ERR_RETRY);
        assert_int_equal(raw_count(m.server), 2);
        assert_int_equal(get_as(h, &m, &distrusts, &e), -1); /* the kept connection was made by another trust */
        assert_int_equal(e.kind, ERR_AUTH);
        assert_int_equal(get_as(h, &m, NULL, &e), -1);
        assert_int_equal(e.kind, ERR_AUTH);
        assert_int_equal(raw_count(m.server), 2);
        mutual_stop(&m);
    }
    httpc_free(h);
}

static void test_httpc_tls__an_identity_that_cannot_be_read_is_named(void **state)
{
    struct httpc *h = httpc_new(&(struct httpc_conf){.user_agent = "t"});
    struct mutual m;
    struct httpc_identity no_key = {m.ca, m.cert, "/nonexistent/key.pem"}, wrong = {m.ca, m.cert, m.ca};
    struct httpc_identity no_ca = {"/nonexistent/ca.pem", m.cert, m.key};
    struct err e;

    (void)state;
    mutual_start(&m, TLS1_3_VERSION);
    assert_int_equal(get_as(h, &m, &no_key, &e), -1);
    assert_int_equal(e.kind, ERR_AUTH);
    assert_non_null(strstr(e.msg, "/nonexistent/key.pem"));
    assert_int_equal(get_as(h, &m, &wrong, &e), -1);
    assert_int_equal(e.kind, ERR_AUTH);
    assert_int_equal(get_as(h, &m, &no_ca, &e), -1);
    assert_int_equal(e.kind, ERR_AUTH);
    assert_non_null(strstr(e.msg, "/nonexistent/ca.pem"));
    assert_int_equal(raw_count(m.server), 0);
    httpc_free(h);
    mutual_stop(&m);
}

static void test_httpc_tls__a_server_that_speaks_no_tls_is_a_passing_fault(void **state)
{
    static const struct raw_step step = {.act = RAW_CLOSE, .bytes = OK, .after = SIZE_MAX};
    AUTO_RAW struct rawserver *s = raw_start(&(struct raw_conf){.steps = &step, .n_steps = 1});
    struct httpc *h = httpc_new(&(struct httpc_conf){.user_agent = "t"});
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    char url[64];
    struct err e;

    (void)state;
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/", raw_port(s));
    /* the server waits for the end of a request line that never comes */
    assert_int_equal(httpc_do(h, &(struct httpc_req){.method = "GET", .url = url, .timeout_ms = 300}, &res, &e), -1);
    assert_int_equal(e.kind, ERR_RETRY);
    httpc_free(h);
}

static void test_httpc_tls__a_body_cut_by_a_bare_close_is_no_whole_body(void **state)
{
    static const struct raw_step step = {
        .act = RAW_RESET, .bytes = "HTTP/1.1 200 OK\r\n\r\n{\"half\":", .after = SIZE_MAX};
    struct peer p;
    struct err e;

    (void)state;
    peer_start(&p, &step);
    assert_int_equal(get(p.ca, raw_url(p.server), &e), -1);
    assert_int_equal(e.kind, ERR_RETRY);
    peer_stop(&p);
}

struct worker {
    struct httpc *http;
    const char *url;
    int rc;
    pthread_t thread;
    struct err e;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;

    for (int i = 0; i < 10 && w->rc == 0; i++)
        w->rc = httpc_do(w->http, &(struct httpc_req){.method = "GET", .url = w->url}, &res, &w->e);
    return NULL;
}

static void test_httpc_tls__many_threads_share_the_authorities(void **state)
{
    struct worker w[8];
    struct peer p;
    struct httpc *h;

    (void)state;
    peer_start(&p, &ok);
    h = httpc_new(&(struct httpc_conf){.user_agent = "t", .ca_file = p.ca});
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        w[i] = (struct worker){.http = h, .url = raw_url(p.server)};
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        assert_int_equal(pthread_join(w[i].thread, NULL), 0);
        assert_int_equal(w[i].rc, 0);
    }
    assert_int_equal(raw_count(p.server), 10 * ARRAY_LEN(w));
    httpc_free(h);
    peer_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_httpc_tls__an_operators_authority_is_trusted_and_the_connection_kept),
        cmocka_unit_test(test_httpc_tls__the_environments_bundle_is_used_without_a_setting),
        cmocka_unit_test(test_httpc_tls__the_bundle_is_read_once),
        cmocka_unit_test(test_httpc_tls__an_unknown_authority_is_refused_before_anything_is_sent),
        cmocka_unit_test(test_httpc_tls__a_certificate_for_another_name_is_refused),
        cmocka_unit_test(test_httpc_tls__a_missing_bundle_is_named),
        cmocka_unit_test(test_httpc_tls__old_protocols_are_refused),
        cmocka_unit_test(test_httpc_tls__an_identity_brings_its_certificate_and_its_own_authority),
        cmocka_unit_test(test_httpc_tls__an_identity_that_cannot_be_read_is_named),
        cmocka_unit_test(test_httpc_tls__a_server_that_speaks_no_tls_is_a_passing_fault),
        cmocka_unit_test(test_httpc_tls__a_body_cut_by_a_bare_close_is_no_whole_body),
        cmocka_unit_test(test_httpc_tls__many_threads_share_the_authorities),
    };
    static const char *const proxies[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};

    for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
        (void)unsetenv(proxies[i]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
