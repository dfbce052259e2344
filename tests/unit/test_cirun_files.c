/* Whole files: the fixtures of our own, the real ones where they are, and thousands of mutations of both. */
#include "tests/support/unit.h"

#include "server/base/buf.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/cirun_yml.h"
#include "server/config/plan.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define FIXTURES "tests/fixtures/cirun-yml"
#define MAX_FILES 400

static void free_file(struct cirun_yml **c)
{
    cirun_yml_free(*c);
}
#define AUTO_CIRUN AUTO(free_file)

/* --- files ------------------------------------------------------------------------------------------------------- */

static bool read_file(const char *dir, const char *name, struct buf *out)
{
    char chunk[4096];
    size_t n;
    FILE *in;

    (void)snprintf(chunk, sizeof(chunk), "%s/%s", dir, name);
    in = fopen(chunk, "r");
    if (in == NULL)
        return false;
    buf_adds(out, "");
    while ((n = fread(chunk, 1, sizeof(chunk), in)) > 0)
        buf_add(out, chunk, n);
    (void)fclose(in);
    return true;
}

/* The names of a folder's YAML files, sorted; the caller frees *list and each. 0 when there is no folder. */
static size_t list_dir(const char *dir, struct dirent ***list)
{
    int n = scandir(dir, list, NULL, alphasort);
    size_t kept = 0;

    for (int i = 0; i < n; i++) {
        if (text_has_suffix((*list)[i]->d_name, ".yml"))
            (*list)[kept++] = (*list)[i];
        else
            free((*list)[i]);
    }
    return kept;
}

static void free_list(struct dirent **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

static const char *shared_dir(char out[512])
{
    const char *data = getenv("MUSTER_TEST_DATA"), *shared = getenv("MUSTER_SHARED");

    if (data != NULL)
        (void)snprintf(out, 512, "%s/cirun-yml", data);
    else
        (void)snprintf(out, 512, "%s/data/cirun-yml", shared != NULL ? shared : "../shared");
    return out;
}

/* Each runner can be frozen as a plan, and the plan read again with as many candidates. */
static void plans(const char *name, const struct cirun_yml *c)
{
    for (size_t i = 0; i < c->n_runners; i++) {
        const struct cirun_runner *r = &c->runners[i];
        AUTO_FREE char *text = NULL;
        AUTO_PLAN struct plan p = {0};
        struct err e;

        if (plan_build(NULL, 0, &r, 1, &text, &e) || plan_parse(text, &p, &e))
            fail_msg("%s: %s: %s", name, r->name, e.msg);
        assert_int_equal(p.n, r->n_candidates);
    }
}

/* --- fixtures ---------------------------------------------------------------------------------------------------- */

/* "RULE.what.yml" has a diagnostic of that rule and severity; good files have none at all. */
static void check_fixture(const char *kind, const char *dir, const char *name)
{
    AUTO_BUF struct buf b = BUF_INIT(CIRUN_YML_MAX);
    AUTO_CIRUN struct cirun_yml *c = NULL;
    char rule[64];
    bool found = false;

    assert_true(read_file(dir, name, &b));
    c = cirun_yml_parse(b.p, b.len, name);
    (void)snprintf(rule, sizeof(rule), "%.*s", (int)strcspn(name, "."), name);
    for (size_t i = 0; i < c->n_diags; i++)
        found = found || (strcmp(c->diags[i].rule, rule) == 0 &&
                          (c->diags[i].severity == CIRUN_ERROR) == (strcmp(kind, "bad") == 0));
    if (strcmp(kind, "good") == 0 ? c->n_diags > 0 : !found || (c->n_errors > 0) != (strcmp(kind, "bad") == 0))
        fail_msg("%s/%s: %zu errors; first: %s", kind, name, c->n_errors,
                 c->n_diags > 0 ? c->diags[0].message : "none");
    if (strcmp(kind, "good") == 0)
        assert_true(c->n_runners > 0);
    plans(name, c);
}

static void test_cirun_files__every_fixture_says_what_its_name_says(void **state)
{
    static const char *const kinds[] = {"good", "odd", "bad"};

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        struct dirent **list = NULL;
        char dir[200];
        size_t n;

        (void)snprintf(dir, sizeof(dir), FIXTURES "/%s", kinds[k]);
        n = list_dir(dir, &list);
        assert_true(n >= 15);
        for (size_t i = 0; i < n; i++)
            check_fixture(kinds[k], dir, list[i]->d_name);
        free_list(list, n);
    }
}

/* --- real files -------------------------------------------------------------------------------------------------- */

/* What the statistics of the collection say of the files at hand: runners, candidates, errors, the clouds of the
 * runners, and how many of which warning. */
static const struct {
    const char *file, *what;
} real_files[] = {
    {"AktechLabs__cirun-run-when-trigger-by.yml", "1/1/0 digitalocean legacy-key:1 no-labels:1"},
    {"AktechLabs__github-actions-on-windows-azure-example@dup-names-and-image-object.yml",
     "1/1/0 azure duplicate-name:1"},
    {"FyraLabs__.cirun.global.yml", "2/2/0 azure"},
    {"InsightSoftwareConsortium__ITKVkFFTBackend.yml", "2/2/0 aws legacy-key:2"},
    {"Kong__atc-router.yml", "2/2/0 aws unknown-key:2"},
    {"PflareProject__PFLARE.yml", "1/1/0 vast_ai"},
    {"Quansight-Labs__array-api-gpu-demo.yml", "1/1/0 aws no-labels:1"},
    {"aktech__macos-ci-example.yml", "1/1/0 on_prem"},
    {"bindreams__hole.yml", "1/1/0 aws"},
    {"cirunlabs__mlops-github-actions-cirun.yml", "1/1/0 aws"},
    {"conda-forge__.cirun.global.yml", "11/11/0 openstack azure"},
    {"conda-incubator__.cirun.global.yml", "1/1/0 openstack"},
    {"cuisongliu__bug-verify.yml", "1/1/0 aws"},
    {"gsornsen__full-duplex-voice-chat.yml", "2/2/0 aws unknown-key:12"},
    {"jclab-oss__.cirun.global.yml", "2/2/0 gcp"},
    {"labring-actions__cluster-image.yml", "1/12/0 gcp list-lengths:1"},
    {"mikaeltw__rag-bench.yml", "1/1/0 gcp"},
    {"mikaeltw__rag-bench@provider-machine-form.yml", "0/0/3 missing-key:3 unknown-key:4"},
    {"nebari-dev__nebari.yml", "1/1/0 aws legacy-key:1 no-labels:1"},
    {"scverse__rapids_singlecell.yml", "1/2/0 aws"},
};

static void add_once(struct buf *b, const char *mark, const char *word)
{
    AUTO_BUF struct buf piece = BUF_INIT(200);

    buf_addf(&piece, "%s%s", mark, word);
    if (strstr(b->p, piece.p) == NULL)
        buf_adds(b, piece.p);
}

static void describe(const struct cirun_yml *c, struct buf *b)
{
    size_t candidates = 0;

    for (size_t i = 0; i < c->n_runners; i++)
        candidates += c->runners[i].n_candidates;
    buf_addf(b, "%zu/%zu/%zu", c->n_runners, candidates, c->n_errors);
    for (size_t i = 0; i < c->n_runners; i++)
        add_once(b, " ", c->runners[i].cloud);
    for (size_t i = 0; i < cirun_rules_n; i++) {
        size_t count = 0;

        for (size_t k = 0; k < c->n_diags; k++)
            count += strcmp(c->diags[k].rule, cirun_rules[i].id) == 0 ? 1 : 0;
        if (count > 0)
            buf_addf(b, " %s:%zu", cirun_rules[i].id, count);
    }
}

static void test_cirun_files__real_files_load_as_their_statistics_say(void **state)
{
    char dir[512];
    DIR *d = opendir(shared_dir(dir));

    (void)state;
    if (d == NULL) {
        (void)printf("SKIP test_cirun_files__real_files_load_as_their_statistics_say: %s is not there\n", dir);
        return;
    }
    (void)closedir(d);
    for (size_t i = 0; i < ARRAY_LEN(real_files); i++) {
        AUTO_BUF struct buf b = BUF_INIT(CIRUN_YML_MAX), said = BUF_INIT(2000);
        AUTO_CIRUN struct cirun_yml *c = NULL;

        if (!read_file(dir, real_files[i].file, &b))
            fail_msg("%s/%s cannot be read", dir, real_files[i].file);
        c = cirun_yml_parse(b.p, b.len, real_files[i].file);
        describe(c, &said);
        if (strcmp(said.p, real_files[i].what) != 0)
            fail_msg("%s: %s", real_files[i].file, said.p);
        plans(real_files[i].file, c);
    }
}

/* --- mutations --------------------------------------------------------------------------------------------------- */

struct corpus {
    char *text[MAX_FILES];
    size_t n;
};

static void add_corpus(struct corpus *all, const char *dir)
{
    struct dirent **list = NULL;
    size_t n = list_dir(dir, &list);

    for (size_t i = 0; i < n && all->n < MAX_FILES; i++) {
        AUTO_BUF struct buf b = BUF_INIT(CIRUN_YML_MAX);

        if (read_file(dir, list[i]->d_name, &b) && b.len > 0)
            all->text[all->n++] = mem_strndup(b.p, b.len);
    }
    free_list(list, n);
}

/* The line of this number from 0, with its newline. */
static const char *line_at(const char *text, size_t number, size_t *len)
{
    for (; number > 0; number--)
        text += strcspn(text, "\n") + (text[strcspn(text, "\n")] == '\n' ? 1 : 0);
    *len = strcspn(text, "\n");
    *len += text[*len] == '\n' ? 1 : 0;
    return text;
}

/* What a scalar is changed to: another type, the edge of a range, an odd spelling. */
static const char *const spices[] = {
    "~",         "[]",   "{}",   "[a, [b]]", "{a: b}",  "true", "0",  "-1", "65",  "99999999999999999999",
    "''",        "1.5",  "aws",  "gcp",      "&x",      "*x",   "<<", "!!", "|\n", "\"\\u0000\"",
    "'unclosed", "# x",  "24GB", "6h30",     "mon-fri", "22-6", "\t", "%",  "@",   "a: b:",
    "\xC3\xA9",  "\xFF", "\r"};

static void mutate_line(const char *line, size_t len, uint64_t *seed, struct buf *out)
{
    uint32_t how = unit_random(seed) % 6;
    size_t colon = 0;

    while (colon < len && line[colon] != ':')
        colon++;
    if (how == 0) /* dropped */
        return;
    if (how == 1 || len == 0) { /* twice */
        buf_add(out, line, len);
        buf_add(out, line, len);
    } else if (how == 2) { /* a byte */
        size_t at = unit_random(seed) % len;

        buf_add(out, line, at);
        buf_addc(out, (char)(line[at] ^ (1 << unit_random(seed) % 8)));
        buf_add(out, line + at + 1, len - at - 1);
    } else if (how == 3) { /* deeper */
        buf_adds(out, "  ");
        buf_add(out, line, len);
    } else { /* another value */
        buf_add(out, line, colon);
        buf_addf(out, ": %s\n", spices[unit_random(seed) % ARRAY_LEN(spices)]);
    }
}

static void mutate(const struct corpus *all, uint64_t *seed, struct buf *out)
{
    const char *text = all->text[unit_random(seed) % all->n], *other = all->text[unit_random(seed) % all->n];
    size_t lines = 1, chosen, len;

    for (const char *s = text; *s != '\0'; s++)
        lines += *s == '\n' ? 1 : 0;
    chosen = unit_random(seed) % lines;
    buf_reset(out);
    buf_adds(out, "");
    for (size_t i = 0; i < lines; i++) {
        const char *line = line_at(text, i, &len);

        if (i == chosen || unit_random(seed) % 40 == 0)
            mutate_line(line, len, seed, out);
        else if (unit_random(seed) % 200 == 0)
            buf_add(out, other, strlen(other));
        else
            buf_add(out, line, len);
    }
}

/* Columns count characters; the last one may be that of the line's end. */
static size_t columns_of(const char *text, size_t number)
{
    size_t len, n = 0;
    const char *line = line_at(text, number, &len);

    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)line[i] & 0xC0) != 0x80 ? 1 : 0;
    return n + 1;
}

/* NEL, LS and PS, which YAML 1.1 takes for the ends of lines. */
static bool is_other_break(const char *s)
{
    return text_has_prefix(s, "\xC2\x85") || text_has_prefix(s, "\xE2\x80\xA8") || text_has_prefix(s, "\xE2\x80\xA9");
}

static void check_place(const char *text, size_t len, const struct cirun_diag *d)
{
    size_t lines = 1;
    bool has_breaks = false;

    for (size_t i = 0; i < len; i++)
        has_breaks = has_breaks || text[i] == '\r' || is_other_break(text + i);
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n' || (text[i] == '\r' && text[i + 1] != '\n') || is_other_break(text + i) ? 1 : 0;
    if (d->line < 1 || (size_t)d->line > lines || d->column < 1)
        fail_msg("%d:%d of %zu lines: %s\n%s", d->line, d->column, lines, d->message, text);
    if (!has_breaks && (size_t)d->column > columns_of(text, (size_t)d->line - 1))
        fail_msg("%d:%d is beyond its line: %s\n%s", d->line, d->column, d->message, text);
    if (!has_breaks && d->end_column > 0)
        assert_true((size_t)d->end_column <= columns_of(text, (size_t)d->line - 1));
    assert_true(d->end_column == 0 || d->end_column > d->column);
    assert_true(d->message[0] != '\0' && text_utf8_valid(d->message, strlen(d->message)));
    assert_non_null(cirun_rule_find(d->rule));
    assert_int_equal(cirun_rule_find(d->rule)->severity, d->severity);
}

static bool same(const struct cirun_yml *a, const struct cirun_yml *b)
{
    if (a->n_runners != b->n_runners || a->n_errors != b->n_errors || a->n_diags != b->n_diags)
        return false;
    for (size_t i = 0; i < a->n_diags; i++) {
        if (a->diags[i].line != b->diags[i].line || strcmp(a->diags[i].message, b->diags[i].message) != 0)
            return false;
    }
    return true;
}

static void test_cirun_files__thousands_of_mutations_never_break_the_reader(void **state)
{
    static struct corpus all;
    AUTO_BUF struct buf text = BUF_INIT(CIRUN_YML_MAX);
    size_t accepted = 0, refused = 0;
    uint64_t seed = 20;
    char dir[512];

    (void)state;
    all.n = 0;
    add_corpus(&all, FIXTURES "/good");
    add_corpus(&all, FIXTURES "/odd");
    add_corpus(&all, FIXTURES "/bad");
    add_corpus(&all, shared_dir(dir));
    for (int round = 0; round < 6000; round++) {
        AUTO_CIRUN struct cirun_yml *c = NULL, *again = NULL;

        mutate(&all, &seed, &text);
        c = cirun_yml_parse(text.p, text.len, "f");
        again = cirun_yml_parse(text.p, text.len, "f");
        for (size_t i = 0; i < c->n_diags; i++)
            check_place(text.p, text.len, &c->diags[i]);
        assert_true(c->n_errors == 0 || c->n_runners == 0);
        assert_true(same(c, again));
        plans("a mutation", c);
        *(c->n_errors > 0 ? &refused : &accepted) += 1;
    }
    assert_true(accepted > 500 && refused > 500);
    for (size_t i = 0; i < all.n; i++)
        free(all.text[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cirun_files__every_fixture_says_what_its_name_says),
        cmocka_unit_test(test_cirun_files__real_files_load_as_their_statistics_say),
        cmocka_unit_test(test_cirun_files__thousands_of_mutations_never_break_the_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
