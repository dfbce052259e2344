#include "server/base/json.h"
#include "server/engine/match.h"

#include "server/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char file_text[] = "runners:\n"
                                "  - name: gpu\n"
                                "    cloud: aws\n"
                                "    instance_type: g4dn.xlarge\n"
                                "    machine_image: ami-1\n"
                                "    labels: [cirun.gpu, gpu]\n"
                                "  - name: gpu-two\n"
                                "    cloud: aws\n"
                                "    instance_type: g5.xlarge\n"
                                "    machine_image: ami-1\n"
                                "    labels: [Cirun.GPU]\n"
                                "  - name: arm\n"
                                "    cloud: aws\n"
                                "    instance_type: c6g.large\n"
                                "    machine_image: ami-2\n"
                                "    labels: [cirun-arm]\n"
                                "  - name: nightly\n"
                                "    cloud: aws\n"
                                "    instance_type: c5.large\n"
                                "    machine_image: ami-3\n"
                                "    workflow: .github/workflows/nightly.yml\n"
                                "    labels: [cirun-nightly]\n"
                                "  - name: team-only\n"
                                "    cloud: aws\n"
                                "    instance_type: c5.large\n"
                                "    machine_image: ami-3\n"
                                "    run_only_when_triggered_by: ml-team\n"
                                "    labels: [cirun-team]\n";

struct result {
    enum match_verdict verdict;
    size_t n;
    const char *first, *second;
    char reason[480];
};

static struct result match_in(const char *text, const char *labels, const char *path, bool bare)
{
    struct cirun_yml *file = cirun_yml_parse(text, strlen(text), ".cirun.yml");
    const struct cirun_runner *runners[16];
    AUTO_JSON json_t *list = json_loads(labels, 0, NULL);
    static char names[2][64];
    struct result r = {0};

    assert_non_null(list);
    assert_int_equal(file->n_errors, 0);
    r.verdict = match_job(&(struct match_job){list, path, bare}, file, runners, &r.n, r.reason, sizeof(r.reason));
    for (size_t i = 0; i < 2; i++)
        (void)snprintf(names[i], sizeof(names[i]), "%s", i < r.n ? runners[i]->name : "");
    r.first = names[0];
    r.second = names[1];
    cirun_yml_free(file);
    return r;
}

static struct result match(const char *labels)
{
    return match_in(file_text, labels, ".github/workflows/ci.yml", true);
}

static void test_match__all_labels_of_the_job_must_be_the_runners_or_system_labels(void **state)
{
    struct result r = match("[\"self-hosted\",\"linux\",\"x64\",\"gpu\"]");

    (void)state;
    assert_int_equal(r.verdict, MATCH_FOUND);
    assert_int_equal(r.n, 1);
    assert_string_equal(r.first, "gpu");
}

static void test_match__labels_compare_without_case_and_matches_form_one_chain_in_file_order(void **state)
{
    struct result r = match("[\"CIRUN.gpu\"]");

    (void)state;
    assert_int_equal(r.n, 2);
    assert_string_equal(r.first, "gpu");
    assert_string_equal(r.second, "gpu-two");
}

static void test_match__suffix_after_two_dashes_is_ignored(void **state)
{
    struct result r = match("[\"cirun.gpu--9876543210\"]");

    (void)state;
    assert_int_equal(r.verdict, MATCH_FOUND);
    assert_string_equal(r.first, "gpu");
}

static void test_match__a_long_label_is_cut_between_characters_in_the_reason(void **state)
{
    char labels[400] = "[\"x";
    struct result r;

    (void)state;
    for (size_t i = 0; i < 80; i++)
        memcpy(labels + 3 + 2 * i, "\xC3\xA9", 2);
    memcpy(labels + 163, "\"]", 3);
    r = match(labels);
    assert_int_equal(r.verdict, MATCH_REFUSED);
    assert_true(text_utf8_valid(r.reason, strlen(r.reason)));
}

static void test_match__a_longer_label_is_not_a_prefix_match(void **state)
{
    (void)state;
    assert_int_equal(match("[\"cirun.gpus\"]").verdict, MATCH_REFUSED);
    assert_int_equal(match("[\"cirun\"]").verdict, MATCH_REFUSED);
}

static void test_match__architecture_follows_the_instance_type(void **state)
{
    (void)state;
    assert_int_equal(match("[\"cirun-arm\",\"arm64\"]").verdict, MATCH_FOUND);
    assert_int_equal(match("[\"cirun-arm\",\"x64\"]").verdict, MATCH_REFUSED);
    assert_int_equal(match("[\"cirun-arm\",\"windows\"]").verdict, MATCH_REFUSED);
}

static void test_match__the_old_workflow_key_limits_a_runner_to_its_file(void **state)
{
    const char *labels = "[\"cirun-nightly\"]";

    (void)state;
    assert_int_equal(match(labels).verdict, MATCH_REFUSED);
    assert_int_equal(match_in(file_text, labels, ".github/workflows/nightly.yml", true).verdict, MATCH_FOUND);
    assert_int_equal(match_in(file_text, labels, NULL, true).verdict, MATCH_REFUSED);
}

static void test_match__who_may_use_a_runner_is_not_a_question_of_labels(void **state)
{
    struct result r = match("[\"cirun-team\"]");

    (void)state;
    assert_int_equal(r.verdict, MATCH_FOUND);
    assert_string_equal(r.first, "team-only");
}

static void test_match__what_two_files_have_is_told_together(void **state)
{
    static const char other[] =
        "runners:\n  - {name: a, cloud: aws, instance_type: t, machine_image: i, labels: [cirun-cpo]}\n";
    struct cirun_yml *own = cirun_yml_parse(file_text, strlen(file_text), ".cirun.yml");
    struct cirun_yml *global = cirun_yml_parse(other, strlen(other), ".cirun.global.yml");
    const struct match_source sources[] = {{".cirun.yml", own}, {".cirun.global.yml", global}};
    AUTO_JSON json_t *labels = json_loads("[\"cirun-cpu--7\", \"linux\"]", 0, NULL);
    const struct match_job job = {labels, NULL, true};
    char reason[640], cut[60];

    (void)state;
    match_explain(&job, sources, 2, reason, sizeof(reason));
    assert_string_equal(reason,
                        "no runner of .cirun.yml or .cirun.global.yml has the label \"cirun-cpu--7\"; did you mean "
                        "\"cirun-cpo\"?; .cirun.yml has: cirun.gpu, gpu, cirun-arm, cirun-nightly, "
                        "cirun-team; .cirun.global.yml has: cirun-cpo");
    match_explain(&job, sources, 2, cut, sizeof(cut));
    assert_int_equal(strlen(cut), sizeof(cut) - 1);
    cirun_yml_free(own);
    cirun_yml_free(global);
}

static void test_match__bare_self_hosted_takes_the_first_runner_unless_the_operator_forbids_it(void **state)
{
    struct result r = match("[\"self-hosted\"]");

    (void)state;
    assert_int_equal(r.verdict, MATCH_FOUND);
    assert_int_equal(r.n, 1);
    assert_string_equal(r.first, "gpu");
    assert_int_equal(match_in(file_text, "[\"self-hosted\"]", NULL, false).verdict, MATCH_NOT_OURS);
}

static void test_match__bare_self_hosted_with_an_architecture_takes_the_first_that_has_it(void **state)
{
    (void)state;
    assert_string_equal(match("[\"self-hosted\",\"arm64\"]").first, "arm");
}

static void test_match__a_slip_of_the_pen_is_told_the_nearest_label(void **state)
{
    struct result r = match("[\"cirun.gpo\"]");

    (void)state;
    assert_int_equal(r.verdict, MATCH_REFUSED);
    assert_non_null(strstr(r.reason, "\"cirun.gpo\""));
    assert_non_null(strstr(r.reason, "did you mean \"cirun.gpu\"?"));
    assert_non_null(strstr(r.reason, "cirun-arm"));
}

static void test_match__a_suffix_is_no_part_of_the_slip(void **state)
{
    struct result r = match("[\"cirun.gpo--12345678901\"]");

    (void)state;
    assert_non_null(strstr(r.reason, "did you mean \"cirun.gpu\"?"));
}

static void test_match__without_a_file_only_cirun_labels_mean_us(void **state)
{
    static const struct cirun_yml none;
    const struct cirun_runner *runners[1];
    char reason[200];
    size_t n;
    AUTO_JSON json_t *k8s = json_loads("[\"self-hosted\",\"k8s\"]", 0, NULL);
    AUTO_JSON json_t *ours = json_loads("[\"cirun-gpu--1\"]", 0, NULL);

    (void)state;
    assert_int_equal(match_job(&(struct match_job){k8s, NULL, true}, &none, runners, &n, reason, sizeof(reason)),
                     MATCH_NOT_OURS);
    assert_int_equal(match_job(&(struct match_job){ours, NULL, true}, &none, runners, &n, reason, sizeof(reason)),
                     MATCH_REFUSED);
}

static void test_match__a_runner_without_labels_is_never_matched_by_a_label(void **state)
{
    const char *text = "runners:\n  - {name: a, cloud: aws, instance_type: t3.micro, machine_image: ami-1}\n";

    (void)state;
    assert_int_equal(match_in(text, "[\"cirun-a\"]", NULL, true).verdict, MATCH_REFUSED);
}

static void test_match__windows_images_give_the_windows_label(void **state)
{
    const char *text = "runners:\n  - {name: w, cloud: aws, instance_type: m5.large, machine_image: windows2022, "
                       "labels: [cirun-win]}\n";

    (void)state;
    assert_int_equal(match_in(text, "[\"cirun-win\",\"windows\"]", NULL, true).verdict, MATCH_FOUND);
    assert_int_equal(match_in(text, "[\"cirun-win\",\"linux\"]", NULL, true).verdict, MATCH_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match__all_labels_of_the_job_must_be_the_runners_or_system_labels),
        cmocka_unit_test(test_match__labels_compare_without_case_and_matches_form_one_chain_in_file_order),
        cmocka_unit_test(test_match__suffix_after_two_dashes_is_ignored),
        cmocka_unit_test(test_match__a_long_label_is_cut_between_characters_in_the_reason),
        cmocka_unit_test(test_match__a_longer_label_is_not_a_prefix_match),
        cmocka_unit_test(test_match__architecture_follows_the_instance_type),
        cmocka_unit_test(test_match__the_old_workflow_key_limits_a_runner_to_its_file),
        cmocka_unit_test(test_match__who_may_use_a_runner_is_not_a_question_of_labels),
        cmocka_unit_test(test_match__what_two_files_have_is_told_together),
        cmocka_unit_test(test_match__bare_self_hosted_takes_the_first_runner_unless_the_operator_forbids_it),
        cmocka_unit_test(test_match__bare_self_hosted_with_an_architecture_takes_the_first_that_has_it),
        cmocka_unit_test(test_match__a_slip_of_the_pen_is_told_the_nearest_label),
        cmocka_unit_test(test_match__a_suffix_is_no_part_of_the_slip),
        cmocka_unit_test(test_match__without_a_file_only_cirun_labels_mean_us),
        cmocka_unit_test(test_match__a_runner_without_labels_is_never_matched_by_a_label),
        cmocka_unit_test(test_match__windows_images_give_the_windows_label),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
