#include "tests/support/unit.h"

#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/cirun_yml.h"

static void free_file(struct cirun_yml **c)
{
    cirun_yml_free(*c);
}
#define AUTO_CIRUN AUTO(free_file)

static void test_cirun_rules__ids_are_kebab_case_sorted_and_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < cirun_rules_n; i++) {
        const struct cirun_rule *rule = &cirun_rules[i];

        assert_int_equal(strspn(rule->id, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(rule->id));
        assert_true(i == 0 || strcmp(cirun_rules[i - 1].id, rule->id) < 0);
        assert_ptr_equal(cirun_rule_find(rule->id), rule);
        assert_true(text_has_suffix(rule->meaning, ".") && text_has_suffix(rule->remedy, "."));
    }
    assert_null(cirun_rule_find("no-such-rule"));
}

static void test_cirun_rules__a_slip_comes_with_its_place_and_what_was_meant(void **state)
{
    const char *text = "runners:\n  - name: r\n    cloud: asw\n    labels: [l]\n    instance_type: t\n"
                       "    machine_imag: i\n    zzz: 1\n";
    AUTO_CIRUN struct cirun_yml *c = cirun_yml_parse(text, strlen(text), ".cirun.yml");

    (void)state;
    assert_int_equal(c->n_diags, 4);
    assert_string_equal(c->diags[0].rule, "missing-key");
    assert_null(c->diags[0].replacement);
    assert_string_equal(c->diags[1].rule, "unknown-value");
    assert_string_equal(c->diags[1].replacement, "aws");
    assert_int_equal(c->diags[1].column, 12);
    assert_int_equal(c->diags[1].end_column, 15);
    assert_string_equal(c->diags[2].rule, "unknown-key");
    assert_string_equal(c->diags[2].replacement, "machine_image");
    assert_int_equal(c->diags[2].end_column - c->diags[2].column, strlen("machine_imag"));
    assert_string_equal(c->diags[3].rule, "unknown-key");
    assert_null(c->diags[3].replacement);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cirun_rules__ids_are_kebab_case_sorted_and_found),
        cmocka_unit_test(test_cirun_rules__a_slip_comes_with_its_place_and_what_was_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
