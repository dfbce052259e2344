/* What report_text.c and report_place.c share while words are found for one report. Not for others. */
#ifndef MUSTER_ENGINE_REPORT_WRITING_H
#define MUSTER_ENGINE_REPORT_WRITING_H

#include "server/engine/report.h"

/* What one composing works on. */
struct writing {
    const struct report_view *v;
    struct report_words *w;
    const struct store_report_job *lead;
    const struct report_attempt *last; /* the newest answer; NULL = none */
    const char *missing, *near; /* NO_RUNNER: the label nobody has, and what was probably meant; NULL = unknown */
    int line, column;           /* in .cirun.yml; 0 = none */
    int n_candidates;           /* of the lead's chain; 0 = unknown */
};

/* A stranger's text, without secrets and account ids, as a code span of at most max bytes. */
void report_code(const struct writing *x, struct buf *out, const char *text, size_t max);

/* The machine was taken back: what becomes of the job. The last: is that still open? (report_interrupted.c) */
void report_title_interrupted(const struct writing *x, struct buf *b);
void report_write_interrupted(const struct writing *x, struct buf *b);
bool report_is_pending(const struct store_interruption *i);

/* missing, near, line, column and n_candidates, from lead, last and the file. (report_place.c) */
void report_find_place(struct writing *x);

#endif
