#include "tests/support/unit.h"

#include "providers/common/aws_profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A home of our own with the two files, and the variables that lead there. */
struct home {
    char dir[64], credentials[128], config[128];
    const char *profile; /* AWS_PROFILE */
};

static void home_open(struct home *h)
{
    memset(h, 0, sizeof(*h));
    (void)snprintf(h->dir, sizeof(h->dir), "/tmp/muster-home-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    (void)snprintf(h->credentials, sizeof(h->credentials), "%s/.aws", h->dir);
    assert_int_equal(mkdir(h->credentials, 0700), 0);
    (void)snprintf(h->credentials, sizeof(h->credentials), "%s/.aws/credentials", h->dir);
    (void)snprintf(h->config, sizeof(h->config), "%s/.aws/config", h->dir);
}

static void home_close(struct home *h)
{
    char aws[128];

    (void)unlink(h->credentials);
    (void)unlink(h->config);
    (void)snprintf(aws, sizeof(aws), "%s/.aws", h->dir);
    (void)rmdir(aws);
    (void)rmdir(h->dir);
}
#define AUTO_HOME AUTO(home_close)

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static const char *variable(void *arg, const char *name)
{
    const struct home *h = arg;

    if (strcmp(name, "HOME") == 0)
        return h->dir;
    return strcmp(name, "AWS_PROFILE") == 0 ? h->profile : NULL;
}

static void load(struct home *h, struct aws_profile *p)
{
    struct err e;

    assert_ok(aws_profile_load(variable, h, NULL, p, &e), e);
}

static void test_aws_profile__keys_come_from_credentials_and_the_region_from_config(void **state)
{
    AUTO_HOME struct home h;
    AUTO_AWS_PROFILE struct aws_profile p = {0};

    (void)state;
    home_open(&h);
    write_file(h.credentials, "# mine\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=s=1/+\r\n\n"
                              "[ci]\naws_access_key_id=AKIA2\naws_secret_access_key=s2\naws_session_token=t2\n");
    write_file(h.config, "[default]\nregion = eu-west-1\ns3 =\n    max = 3\n[profile ci]\nREGION=us-east-2\n");
    load(&h, &p);
    assert_true(p.found);
    assert_string_equal(p.access_key_id, "AKIA1");
    assert_string_equal(secret_reveal(p.secret_access_key), "s=1/+");
    assert_null(p.session_token);
    assert_string_equal(p.region, "eu-west-1");
    aws_profile_clear(&p);
    h.profile = "ci";
    load(&h, &p);
    assert_string_equal(p.access_key_id, "AKIA2");
    assert_string_equal(secret_reveal(p.session_token), "t2");
    assert_string_equal(p.region, "us-east-2");
}

static void test_aws_profile__config_holds_keys_when_credentials_has_none(void **state)
{
    AUTO_HOME struct home h;
    AUTO_AWS_PROFILE struct aws_profile p = {0};

    (void)state;
    home_open(&h);
    h.profile = "ci";
    write_file(h.config, "[ profile   ci ]\naws_access_key_id=A\naws_secret_access_key=s\n[ci]\nregion=wrong\n");
    load(&h, &p);
    assert_string_equal(p.access_key_id, "A");
    assert_string_equal(secret_reveal(p.secret_access_key), "s");
    assert_null(p.region);
}

static void test_aws_profile__halves_of_two_files_make_no_pair(void **state)
{
    AUTO_HOME struct home h;
    AUTO_AWS_PROFILE struct aws_profile p = {0};
    struct err e;

    (void)state;
    home_open(&h);
    write_file(h.credentials, "[default]\naws_access_key_id=A\n");
    write_file(h.config, "[default]\naws_secret_access_key=s\n");
    assert_fails(aws_profile_load(variable, &h, NULL, &p, &e), ERR_INVALID, "without the other half", e);
}

static void test_aws_profile__no_files_and_no_such_profile_are_not_found(void **state)
{
    AUTO_HOME struct home h;
    AUTO_AWS_PROFILE struct aws_profile p = {0};

    (void)state;
    home_open(&h);
    load(&h, &p);
    assert_false(p.found);
    write_file(h.credentials, "[other]\naws_access_key_id=A\naws_secret_access_key=s\n");
    load(&h, &p);
    assert_false(p.found);
    assert_null(p.access_key_id);
}

static void test_aws_profile__a_line_out_of_shape_is_named(void **state)
{
    AUTO_HOME struct home h;
    AUTO_AWS_PROFILE struct aws_profile p = {0};
    struct err e;

    (void)state;
    home_open(&h);
    write_file(h.credentials, "[default]\naws_access_key_id AKIA-SECRETISH\n");
    assert_fails(aws_profile_load(variable, &h, NULL, &p, &e), ERR_INVALID, "credentials:2: expected", e);
    assert_null(strstr(e.msg, "SECRETISH"));
    write_file(h.credentials, "\n\n[default\n");
    assert_fails(aws_profile_load(variable, &h, NULL, &p, &e), ERR_INVALID, "credentials:3: a section", e);
    write_file(h.credentials, "[default]\n=x\n");
    assert_fails(aws_profile_load(variable, &h, NULL, &p, &e), ERR_INVALID, ":2: expected", e);
}

static void test_aws_profile__an_unreadable_file_is_an_error_not_an_absence(void **state)
{
    AUTO_HOME struct home h;
    AUTO_AWS_PROFILE struct aws_profile p = {0};
    struct err e;

    (void)state;
    home_open(&h);
    assert_int_equal(mkdir(h.credentials, 0700), 0);
    assert_fails(aws_profile_load(variable, &h, NULL, &p, &e), ERR_INVALID, "Is a directory", e);
    assert_int_equal(rmdir(h.credentials), 0);
}

static void test_aws_profile__ways_we_do_not_know_are_reported(void **state)
{
    AUTO_HOME struct home h;
    AUTO_AWS_PROFILE struct aws_profile p = {0};

    (void)state;
    home_open(&h);
    write_file(h.config, "[default]\nsso_session = corp\n");
    load(&h, &p);
    assert_string_equal(p.unsupported, "sso_session");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aws_profile__keys_come_from_credentials_and_the_region_from_config),
        cmocka_unit_test(test_aws_profile__config_holds_keys_when_credentials_has_none),
        cmocka_unit_test(test_aws_profile__halves_of_two_files_make_no_pair),
        cmocka_unit_test(test_aws_profile__no_files_and_no_such_profile_are_not_found),
        cmocka_unit_test(test_aws_profile__a_line_out_of_shape_is_named),
        cmocka_unit_test(test_aws_profile__an_unreadable_file_is_an_error_not_an_absence),
        cmocka_unit_test(test_aws_profile__ways_we_do_not_know_are_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
