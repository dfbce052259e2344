#include "tests/support/unit.h"

#include "server/base/buf.h"
#include "server/config/access_yml.h"

#include <stdio.h>

static void free_file(struct access_yml **a)
{
    access_yml_free(*a);
}
#define AUTO_ACCESS AUTO(free_file)

static struct access_yml *parse(const char *text)
{
    return access_yml_parse(text, strlen(text), ".access.yml");
}

/* The file gives exactly these diagnostics: "E LINE:COLUMN MESSAGE\n" or "W ...", in order. */
static void says(const char *text, const char *want)
{
    AUTO_ACCESS struct access_yml *a = parse(text);
    AUTO_BUF struct buf b = BUF_INIT(65536);

    buf_adds(&b, "");
    for (size_t i = 0; i < a->n_diags; i++)
        buf_addf(&b, "%s %d:%d %s\n", a->diags[i].severity == CIRUN_ERROR ? "E" : "W", a->diags[i].line,
                 a->diags[i].column, a->diags[i].message);
    assert_string_equal(b.p, want);
    if (a->n_errors > 0)
        assert_int_equal(a->n_rules + a->n_policies, 0);
}

#define HEAD "version: 1\npolicies:\n"
#define POLICY HEAD "  - id: p\n    repo: train\n"
#define TAIL "access_control:\n  - resource: gpu\n    policies: [p]\n"

static void test_access_yml__a_policy_is_read_with_all_its_keys(void **state)
{
    AUTO_ACCESS struct access_yml *a =
        parse(POLICY "    teams: [core, Night Shift]\n"
                     "    roles:\n      - write\n"
                     "    users: [Octocat, 123]\n"
                     "    users_from_json: https://example.com/users.json\n"
                     "    pull_request: true\n"
                     "  - {id: q, repo: octo/other}\n" TAIL "  - {resource: cpu, policies: [q, p]}\n");
    const struct access_policy *p = a->policies;

    (void)state;
    assert_int_equal(a->n_diags, 0);
    assert_int_equal(a->n_policies, 2);
    assert_string_equal(p->id, "p");
    assert_string_equal(p->repo, "train");
    assert_int_equal(p->teams.n, 2);
    assert_string_equal(p->teams.items[1], "Night Shift");
    assert_int_equal(p->roles.n, 1);
    assert_string_equal(p->users.items[1], "123");
    assert_string_equal(p->users_from_json, "https://example.com/users.json");
    assert_true(p->restricted && p->pull_request && !p->closed);
    assert_int_equal(p->line, 3);
    assert_false(p[1].restricted || p[1].pull_request);
    assert_int_equal(a->n_rules, 2);
    assert_string_equal(a->rules[1].resource, "cpu");
    assert_int_equal(a->rules[1].n_policies, 2);
    assert_ptr_equal(a->rules[1].policies[1], p);
}

static void test_access_yml__json_is_read_as_the_yaml_it_is(void **state)
{
    AUTO_ACCESS struct access_yml *a =
        parse("{\"version\": \"1\", \"policies\": [{\"id\": \"p\", \"repo\": \"train\"}],"
              " \"access_control\": [{\"resource\": \"g\", \"policies\": [\"p\"]}]}");

    (void)state;
    assert_int_equal(a->n_diags, 0);
    assert_int_equal(a->n_rules, 1);
}

static void test_access_yml__another_version_or_shape_grants_nothing(void **state)
{
    (void)state;
    says("", "E 1:1 the file is empty; expected version, policies and access_control\n");
    says("[]", "E 1:1 expected version, policies and access_control, found a list\n");
    says("{\"hello\": \"world three\"}", "E 1:1 there is no \"access_control:\"\n"
                                         "E 1:1 there is no \"policies:\"\n"
                                         "E 1:1 there is no version; expected \"version: 1\"\n"
                                         "E 1:2 unknown key \"hello\"; the file holds version, policies and "
                                         "access_control\n");
    says("version: 2\npolicies: []\naccess_control: []\n",
         "E 1:10 version must be 1, found \"2\"\n"
         "W 3:17 access_control is empty: nobody may use any runner of the organisation\n");
    says("version: 1.0\npolicies: []\naccess_control: [1]\n",
         "E 1:10 version must be 1, found \"1.0\"\n"
         "E 3:18 an entry of access_control must be a mapping with resource and policies, found a string\n");
    says("version: \"1\"\npolicies: [x]\naccess_control: {}\n",
         "E 2:12 a policy must be a mapping with id and repo, found a string\n"
         "E 3:17 access_control must be a list of \"- resource: ...\", found a mapping\n");
    says("version:\npolicies:\naccess_control:\n",
         "E 1:9 version must be 1, found nothing\n"
         "E 2:10 policies must be a list of \"- id: ...\", found nothing\n"
         "E 3:16 access_control must be a list of \"- resource: ...\", found nothing\n");
    says(POLICY TAIL "acces_control: []\n", "E 8:1 unknown key \"acces_control\"; the file holds version, policies and "
                                            "access_control; did you mean \"access_control\"?\n");
    says("a: [", "E 1:5 did not find expected node content\n");
}

static void test_access_yml__what_should_say_who_and_does_not_grants_nothing(void **state)
{
    (void)state;
    says(POLICY "    teams: core\n" TAIL,
         "E 5:12 teams must be a list of strings, found a string; did you mean \"- ...\" or [...]?\n");
    says(POLICY "    teams:\n" TAIL,
         "E 5:11 teams must be a list of strings, found nothing; did you mean \"- ...\" or [...]?\n");
    says(POLICY "    roles: {a: b}\n    users: [[a]]\n" TAIL,
         "E 5:12 roles must be a list of strings, found a mapping; did you mean \"- ...\" or [...]?\n"
         "E 6:13 users must be a string, found a list\n");
    says(POLICY "    users: [~, '']\n" TAIL, "E 5:13 users must be a string, found nothing\n"
                                             "E 5:16 users must not be empty\n");
    says(POLICY "    users_from_json: [a]\n" TAIL, "E 5:22 users_from_json must be a string, found a list\n");
    says(POLICY "    pull_request: sometimes\n" TAIL,
         "E 5:19 pull_request must be true or false, found \"sometimes\"\n");
    says(POLICY "    pull_request:\n" TAIL, "E 5:18 pull_request must be true or false, found nothing\n");
}

static void test_access_yml__an_empty_list_restricts_to_nobody(void **state)
{
    AUTO_ACCESS struct access_yml *a = parse(POLICY "    teams: []\n" TAIL);

    (void)state;
    assert_int_equal(a->n_errors, 0);
    assert_true(a->policies[0].restricted);
    assert_int_equal(a->policies[0].teams.n, 0);
    says(POLICY "    teams: []\n" TAIL, "W 5:12 teams is an empty list: it names nobody\n");
}

static void test_access_yml__an_id_twice_or_a_policy_that_is_not_there_grants_nothing(void **state)
{
    (void)state;
    says(POLICY "  - {id: p, repo: other}\n" TAIL, "E 5:10 the id \"p\" is taken by the policy on line 3\n");
    says(HEAD "  - {id: sandbox, repo: train}\naccess_control:\n  - {resource: gpu, policies: [sandbax]}\n",
         "E 5:32 there is no policy \"sandbax\"; did you mean \"sandbox\"?\n");
    says(HEAD "  - repo: train\n  - id: x\naccess_control: []\n",
         "E 3:5 this policy has no id: nothing can refer to it\n"
         "E 4:5 this policy has no repo: name the repository it is for\n"
         "W 5:17 access_control is empty: nobody may use any runner of the organisation\n");
    says(POLICY "access_control:\n  - resource: gpu\n  - policies: [p]\n",
         "E 6:5 this entry of access_control lacks policies\n"
         "E 7:5 this entry of access_control lacks resource\n");
}

static void test_access_yml__an_unknown_key_closes_the_policy_or_entry_it_stands_in(void **state)
{
    AUTO_ACCESS struct access_yml *a = parse(POLICY "    branches: [main]\n  - {id: q, repo: train}\n" TAIL
                                                    "  - {resource: cpu, policies: [q], until: 2026}\n");

    (void)state;
    assert_int_equal(a->n_errors, 0);
    assert_true(a->policies[0].closed);
    assert_false(a->policies[1].closed);
    assert_false(a->rules[0].closed);
    assert_true(a->rules[1].closed);
    says(POLICY "    team: [core]\n" TAIL, "W 5:5 unknown key \"team\": it may be a restriction, so this policy grants "
                                           "nothing; did you mean \"teams\"?\n");
    says(POLICY TAIL "    until: 2026\n",
         "W 8:5 unknown key \"until\": it may be a restriction, so this entry grants nothing\n");
}

static void test_access_yml__what_can_never_hold_is_a_warning(void **state)
{
    (void)state;
    says(HEAD "  - {id: p, repo: 'train*', roles: [Write, none], users_from_json: 'http://a/b'}\n" TAIL,
         "W 3:19 repo must be the name of one repository, or owner/name: no repository is called \"train*\"\n"
         "W 3:36 the role \"Write\" is another one than GitHub's \"write\"\n"
         "W 3:36 the role \"none\" is nobody's\n"
         "W 3:68 users_from_json must be an https:// URL: this one names nobody\n");
    says(HEAD "  - {id: p, repo: a/b/c}\naccess_control:\n  - {resource: gpu, policies: []}\n",
         "W 3:19 repo must be the name of one repository, or owner/name: no repository is called \"a/b/c\"\n"
         "W 5:31 policies is an empty list: nobody may use this resource\n");
}

static void test_access_yml__the_error_to_show_is_the_first_one(void **state)
{
    AUTO_ACCESS struct access_yml *a = parse(POLICY "    tem: [x]\n    teams: x\n" TAIL);
    struct err e;

    (void)state;
    assert_fails(access_yml_error(a, ".access.yml", &e), ERR_INVALID, ".access.yml:6:12: teams must be a list", e);
}

/* The restriction stands in lines of its own, so that no single slip takes it away. */
static void test_access_yml__mutated_files_never_break_the_reader_or_open_a_policy(void **state)
{
    static const char text[] = POLICY "    teams:\n      - core\n    pull_request: false\n"
                                      "  - id: q\n    repo: other\n    roles:\n      - admin\n" TAIL;
    uint64_t seed = 4;
    char copy[sizeof(text)];

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t len = sizeof(text) - 1;

        memcpy(copy, text, sizeof(text));
        for (uint32_t k = 0; k <= unit_random(&seed) % 3; k++) {
            size_t at = unit_random(&seed) % len;

            /* lines stay lines: joined to a comment, a restriction would be taken back in earnest */
            if (copy[at] != '\n')
                copy[at] = " :-#[]{},'\"\n&*!|>%@abt~"[unit_random(&seed) % 24];
        }
        if (unit_random(&seed) % 4 == 0)
            len = unit_random(&seed) % len;
        {
            AUTO_ACCESS struct access_yml *a = access_yml_parse(copy, len, ".access.yml");

            assert_true(a->n_errors == 0 || a->n_rules == 0);
            for (size_t i = 0; i < a->n_policies; i++) {
                if (!a->policies[i].restricted && !a->policies[i].closed && strcmp(a->policies[i].repo, "train") == 0)
                    fail_msg("this lets everybody in:\n%.*s", (int)len, copy);
            }
        }
    }
}

/* --- files in use, where they are at hand ------------------------------------------------------------------------ */

static const struct {
    const char *file;
    size_t policies, rules, errors, pull_requests, with_roles, with_users, with_url, with_teams;
} real_files[] = {
    {"cirunlabs__.access.yml", 6, 16, 0, 0, 0, 0, 0, 6},
    {"cirunlabs__foobar.access.yml", 0, 0, 4, 0, 0, 0, 0, 0},
    {"conda-forge__.access.yml", 17, 13, 0, 15, 17, 4, 13, 0},
};

static void check_real_file(const char *dir, size_t i)
{
    AUTO_BUF struct buf b = BUF_INIT(CIRUN_YML_MAX);
    struct access_yml *a;
    size_t prs = 0, roles = 0, users = 0, urls = 0, teams = 0;
    char path[600];
    int c;
    FILE *in;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, real_files[i].file);
    in = fopen(path, "rb");
    assert_non_null(in);
    while ((c = fgetc(in)) != EOF)
        buf_addc(&b, (char)c);
    (void)fclose(in);
    a = access_yml_parse(b.p, b.len, real_files[i].file);
    for (size_t k = 0; k < a->n_policies; k++) {
        prs += a->policies[k].pull_request;
        roles += a->policies[k].roles.n > 0;
        users += a->policies[k].users.n > 0;
        urls += a->policies[k].users_from_json != NULL;
        teams += a->policies[k].teams.n > 0;
        assert_true(a->policies[k].restricted && !a->policies[k].closed);
    }
    assert_int_equal(a->n_policies, real_files[i].policies);
    assert_int_equal(a->n_rules, real_files[i].rules);
    assert_int_equal(a->n_errors, real_files[i].errors);
    assert_int_equal(a->n_diags, real_files[i].errors);
    assert_int_equal(prs, real_files[i].pull_requests);
    assert_int_equal(roles, real_files[i].with_roles);
    assert_int_equal(users, real_files[i].with_users);
    assert_int_equal(urls, real_files[i].with_url);
    assert_int_equal(teams, real_files[i].with_teams);
    access_yml_free(a);
}

static void test_access_yml__real_files_load_as_their_authors_meant_them(void **state)
{
    const char *shared = getenv("MUSTER_SHARED");
    char dir[512], path[600];
    FILE *in;

    (void)state;
    (void)snprintf(dir, sizeof(dir), "%s/data/access-yml", shared != NULL ? shared : "../shared");
    (void)snprintf(path, sizeof(path), "%s/%s", dir, real_files[0].file);
    in = fopen(path, "rb");
    if (in == NULL) {
        (void)printf("SKIP test_access_yml__real_files_load_as_their_authors_meant_them: %s is not there\n", dir);
        return;
    }
    (void)fclose(in);
    for (size_t i = 0; i < ARRAY_LEN(real_files); i++)
        check_real_file(dir, i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_access_yml__a_policy_is_read_with_all_its_keys),
        cmocka_unit_test(test_access_yml__json_is_read_as_the_yaml_it_is),
        cmocka_unit_test(test_access_yml__another_version_or_shape_grants_nothing),
        cmocka_unit_test(test_access_yml__what_should_say_who_and_does_not_grants_nothing),
        cmocka_unit_test(test_access_yml__an_empty_list_restricts_to_nobody),
        cmocka_unit_test(test_access_yml__an_id_twice_or_a_policy_that_is_not_there_grants_nothing),
        cmocka_unit_test(test_access_yml__an_unknown_key_closes_the_policy_or_entry_it_stands_in),
        cmocka_unit_test(test_access_yml__what_can_never_hold_is_a_warning),
        cmocka_unit_test(test_access_yml__the_error_to_show_is_the_first_one),
        cmocka_unit_test(test_access_yml__mutated_files_never_break_the_reader_or_open_a_policy),
        cmocka_unit_test(test_access_yml__real_files_load_as_their_authors_meant_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
