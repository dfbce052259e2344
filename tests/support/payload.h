/* A workflow_job delivery as GitHub's schema describes it, of about the size asked for; made up, not recorded. */
#ifndef MUSTER_TESTS_PAYLOAD_H
#define MUSTER_TESTS_PAYLOAD_H

#include "server/base/buf.h"

#include <stdint.h>

struct payload {
    const char *action; /* NULL = "queued" */
    const char *labels; /* JSON; NULL = ["self-hosted","cirun-gpu"] */
    const char *runner; /* NULL = null */
    int64_t job_id, run_id;
    size_t size; /* bytes; smaller than the least possible = the least */
};

void payload_write(struct buf *out, const struct payload *p);

/* Where the job's id stands in such a text: an id of 16 digits can be replaced by another in place. */
size_t payload_id_offset(const struct buf *text);
#define PAYLOAD_ID_DIGITS 16
#define PAYLOAD_FIRST_ID 1000000000000000

#endif
