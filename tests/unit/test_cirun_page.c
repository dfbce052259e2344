/* What is made from the table of keys: the schemas and the page in deploy/ are what the program writes. After a change
 * of the table: make docs, or MUSTER_UPDATE=1 build/tests/unit/test_cirun_page. */
#include "tests/support/unit.h"

#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/access_yml.h"
#include "server/config/cirun_keys.h"
#include "server/config/cirun_page.h"
#include "server/config/cirun_schema.h"
#include "server/config/cirun_schema_int.h"
#include "server/config/cirun_yml.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

static void free_file(struct cirun_yml **c)
{
    cirun_yml_free(*c);
}
#define AUTO_CIRUN AUTO(free_file)

static const struct {
    const char *path;
    int (*write)(struct buf *out, struct err *e) MUST_USE;
} made[] = {
    {"deploy/schema/cirun.schema.json", cirun_schema_write},
    {"deploy/schema/access.schema.json", cirun_schema_write_access},
    {"deploy/docs/cirun-yml.md", cirun_page_write},
};

static void read_all(const char *path, struct buf *out)
{
    char chunk[4096];
    size_t n;
    FILE *in = fopen(path, "r");

    buf_adds(out, "");
    if (in == NULL)
        return;
    while ((n = fread(chunk, 1, sizeof(chunk), in)) > 0)
        buf_add(out, chunk, n);
    (void)fclose(in);
}

static void rewrite(const char *path, const struct buf *text)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_int_equal(fwrite(text->p, 1, text->len, out), text->len);
    assert_int_equal(fclose(out), 0);
}

static void test_cirun_page__what_is_committed_is_what_the_tables_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        AUTO_BUF struct buf now = BUF_INIT(CIRUN_SCHEMA_MAX), committed = BUF_INIT(CIRUN_SCHEMA_MAX);
        struct err e;

        assert_ok(made[i].write(&now, &e), e);
        assert_false(now.over);
        if (getenv("MUSTER_UPDATE") != NULL)
            rewrite(made[i].path, &now);
        read_all(made[i].path, &committed);
        if (strcmp(now.p, committed.p) != 0)
            fail_msg("%s is not what the tables say: run make docs", made[i].path);
    }
}

/* --- the page ---------------------------------------------------------------------------------------------------- */

static void check_example(const char *text, size_t len)
{
    AUTO_CIRUN struct cirun_yml *c = cirun_yml_parse(text, len, "example");

    if (c->n_diags > 0)
        fail_msg("line %d: %s\n%.*s", c->diags[0].line, c->diags[0].message, (int)len, text);
    assert_true(c->n_runners > 0);
}

static void check_access_example(const char *text, size_t len)
{
    struct access_yml *a = access_yml_parse(text, len, "example");

    if (a->n_diags > 0)
        fail_msg("line %d: %s\n%.*s", a->diags[0].line, a->diags[0].message, (int)len, text);
    access_yml_free(a);
}

static void test_cirun_page__every_example_on_the_page_is_read_without_a_word(void **state)
{
    AUTO_BUF struct buf page = BUF_INIT(CIRUN_SCHEMA_MAX);
    static const char fence[] = "```yaml\n";
    size_t n = 0;
    struct err e;

    (void)state;
    assert_ok(cirun_page_write(&page, &e), e);
    for (const char *s = page.p; (s = strstr(s, fence)) != NULL;) {
        const char *end = strstr(s + strlen(fence), "```\n");

        s += strlen(fence);
        assert_non_null(end);
        if (strncmp(s, "version:", 8) == 0)
            check_access_example(s, (size_t)(end - s));
        else
            check_example(s, (size_t)(end - s));
        s = end;
        n++;
    }
    assert_true(n >= 12);
}

/* Does the page have a row of this name? */
static void has_row(const struct buf *page, const char *name)
{
    char row[120];

    (void)snprintf(row, sizeof(row), "| `%s` |", name);
    if (strstr(page->p, row) == NULL)
        fail_msg("the page has no row %s", row);
}

static void has_rows(const struct buf *page, const struct cirun_map *map)
{
    for (size_t i = 0; map != NULL && i < map->n; i++) {
        has_row(page, map->keys[i].name);
        has_rows(page, map->keys[i].of);
    }
}

static void test_cirun_page__every_key_and_every_rule_has_its_row(void **state)
{
    AUTO_BUF struct buf page = BUF_INIT(CIRUN_SCHEMA_MAX);
    struct err e;

    (void)state;
    assert_ok(cirun_page_write(&page, &e), e);
    has_rows(&page, &cirun_file_map);
    has_rows(&page, &cirun_access_map);
    for (size_t i = 0; i < cirun_clouds_n; i++)
        has_rows(&page, cirun_clouds[i].extra);
    for (size_t i = 0; i < cirun_rules_n; i++)
        has_row(&page, cirun_rules[i].id);
}

/* Is there a heading that this link leads to? As GitHub names them: small, blanks as dashes, without other signs. */
static bool has_heading(const char *page, const char *slug, size_t len)
{
    for (const char *line = page; line != NULL; line = strchr(line, '\n') != NULL ? strchr(line, '\n') + 1 : NULL) {
        char own[120];
        size_t n = 0;

        if (*line != '#')
            continue;
        for (const char *s = line + strspn(line, "# "); *s != '\n' && n + 1 < sizeof(own); s++) {
            char c = text_lower(*s);

            if (c == ' ')
                own[n++] = '-';
            else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')
                own[n++] = c;
        }
        if (n == len && memcmp(own, slug, len) == 0)
            return true;
    }
    return false;
}

static void test_cirun_page__every_link_leads_to_a_heading(void **state)
{
    AUTO_BUF struct buf page = BUF_INIT(CIRUN_SCHEMA_MAX);
    size_t n = 0;
    struct err e;

    (void)state;
    assert_ok(cirun_page_write(&page, &e), e);
    for (const char *s = page.p; (s = strstr(s, "](#")) != NULL; n++) {
        s += 3;
        if (!has_heading(page.p, s, strcspn(s, ")")))
            fail_msg("nothing is called #%.*s", (int)strcspn(s, ")"), s);
    }
    assert_true(n >= 5);
}

/* --- whole numbers as patterns ----------------------------------------------------------------------------------- */

static void check_range(int64_t min, int64_t max)
{
    AUTO_BUF struct buf pattern = BUF_INIT(4000);
    char text[24];
    regex_t re;

    buf_adds(&pattern, "^(");
    cirun_schema_range(&pattern, min, max);
    buf_adds(&pattern, ")$");
    assert_int_equal(regcomp(&re, pattern.p, REG_EXTENDED | REG_NOSUB), 0);
    for (int64_t n = min - 30; n <= max + 3000; n += n < min + 1200 || n > max - 1200 ? 1 : 97) {
        (void)snprintf(text, sizeof(text), "%lld", (long long)n);
        if ((regexec(&re, text, 0, NULL, 0) == 0) != (n >= min && n <= max))
            fail_msg("%s against %s", text, pattern.p);
    }
    assert_int_not_equal(regexec(&re, "007", 0, NULL, 0), 0);
    assert_int_not_equal(regexec(&re, "", 0, NULL, 0), 0);
    regfree(&re);
}

static void test_cirun_page__a_range_becomes_a_pattern_of_just_its_numbers(void **state)
{
    static const int64_t ranges[][2] = {{0, 9},    {1, 1},      {1, 64},       {0, 100},    {50, 32768},  {100, 300},
                                        {1, 1024}, {95, 10507}, {-1, 26},      {1, 100000}, {1000, 1000}, {199, 2001},
                                        {9, 10},   {1, 65536},  {123, 123456}, {10, 99},    {0, 2147483}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        check_range(ranges[i][0], ranges[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cirun_page__what_is_committed_is_what_the_tables_say),
        cmocka_unit_test(test_cirun_page__every_example_on_the_page_is_read_without_a_word),
        cmocka_unit_test(test_cirun_page__every_key_and_every_rule_has_its_row),
        cmocka_unit_test(test_cirun_page__every_link_leads_to_a_heading),
        cmocka_unit_test(test_cirun_page__a_range_becomes_a_pattern_of_just_its_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
