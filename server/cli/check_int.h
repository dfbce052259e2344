/*
 * What the parts of `muster check` share: the files under examination with what was found in each, and the formats.
 * Private to server/cli/check*.c.
 */
#ifndef MUSTER_CLI_CHECK_INT_H
#define MUSTER_CLI_CHECK_INT_H

#include "server/base/buf.h"
#include "server/config/access_yml.h"
#include "server/config/cirun_lint.h"
#include "server/config/cirun_yml.h"

/* What a file is for; decides who reads it. */
enum check_kind { CHECK_BY_NAME, CHECK_RUNNERS, CHECK_GLOBAL, CHECK_ACCESS };

struct check_mask;

struct check_file {
    char *name;  /* as it is opened; "-" is standard input */
    char *shown; /* the same, fit for a terminal and for JSON */
    enum check_kind kind;
    bool silent; /* read only for what it says of another one */
    struct buf text;
    size_t n_lines, *line_at; /* where each begins in the text */
    size_t n_runners;
    struct cirun_yml *yml;     /* RUNNERS, GLOBAL; NULL when it could not be read */
    struct cirun_lints *lints; /* alike */
    struct access_yml *access; /* ACCESS; alike */
    struct check_mask *mask;   /* check_mask.c: of the line that was looked at last */
    struct cirun_diag *diags;  /* what is shown of it, in the order of the file */
    size_t n_diags;
    size_t errors, warnings, notes; /* all there are, also those beyond diags */
};

struct check_report {
    struct check_file *files;
    size_t n;
};

/* ---- check_files.c: which files, and reading them ---- */

/* Add one that was named: a file, a directory (its files), "-". */
void check_files_add(struct check_report *r, const char *name, enum check_kind kind);
/* Those of a directory ("" is the current one) when none was named. ERR_INVALID: there is none. */
int check_files_find(struct check_report *r, const char *directory, struct err *e) MUST_USE;
/* Add, silently, the other one of .cirun.global.yml and .access.yml where it lies beside one that was named. */
void check_files_add_siblings(struct check_report *r);
/* The text of a file; what prevents it becomes its one finding. */
void check_files_read(struct check_file *f);
void check_report_clear(struct check_report *r);

/* Add a finding; one at line 0 is of the file as a whole. */
void check_add(struct check_file *f, const struct cirun_diag *d);

/* How many findings are not among diags. */
size_t check_not_shown(const struct check_file *f);

const char *check_severity_name(enum cirun_severity s);
const char *check_kind_name(enum check_kind k);

/* Line `number` of the text, without its end; empty when there is none. */
const char *check_line(const struct check_file *f, int number, size_t *len);
/* Where the finding ends, in characters from 1, exclusive: always behind its column. */
int check_end_column(const struct check_file *f, const struct cirun_diag *d);

/* ---- check_access.c ---- */

void check_access_read(struct check_file *f);
/* Findings of a .cirun.global.yml and an .access.yml together: of one directory, or when there is one of each. */
void check_access_join(struct check_report *r);

/* ---- check_policy.c: a cirun_judge_fn; arg: the settings ---- */

int check_policy_judge(void *arg, size_t number, const struct provider_ops *ops, struct provider *p,
                       const struct machine_spec *s, const char **key, struct err *e);

/* ---- check_mask.c: secrets are not shown ---- */

/* For each byte of line `number`: must it not be shown? Good until the next call for the file; many findings in one
 * long line are looked at once. */
const bool *check_mask_line(const struct check_file *f, int number);
struct check_mask *check_mask_new(void);
void check_mask_free(struct check_mask *m); /* accepts NULL */
/* Append a message with "***" for what must not be shown. */
void check_mask_text(const struct check_file *f, const char *text, struct buf *out);

/* ---- the formats; each prints the whole report ---- */

void check_print_text(const struct check_report *r, bool colour);
void check_print_github(const struct check_report *r);
int check_print_json(const struct check_report *r, struct err *e) MUST_USE;
int check_print_sarif(const struct check_report *r, struct err *e) MUST_USE;

#endif
