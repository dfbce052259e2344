/*
 * Counters, gauges and histograms as Prometheus text exposition (format 0.0.4). Names start with "muster_".
 *
 *     static const struct metric_desc deliveries = {METRIC_COUNTER, "muster_deliveries_total", "Deliveries by answer",
 *                                                   "code", NULL};
 *     metric_add(&deliveries, "202", 1);
 *
 * A descriptor has at most one label; its values must come from a fixed set (never from input). Safe from any thread.
 */
#ifndef MUSTER_BASE_METRIC_H
#define MUSTER_BASE_METRIC_H

#include "server/base/buf.h"

#include <stdint.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_desc {
    enum metric_type type;
    const char *name, *help;
    const char *label;     /* NULL = none */
    const double *buckets; /* HISTOGRAM: upper bounds ascending, ended by 0; NULL = 5 ms ... 60 s in seconds */
};

void metric_add(const struct metric_desc *d, const char *label_value, double v);     /* COUNTER, GAUGE */
void metric_set(const struct metric_desc *d, const char *label_value, double v);     /* GAUGE */
void metric_observe(const struct metric_desc *d, const char *label_value, double v); /* HISTOGRAM */

/* Everything registered so far (a descriptor registers with its first use), sorted by name. */
void metric_expose(struct buf *out);
double metric_value(const struct metric_desc *d, const char *label_value); /* tests; HISTOGRAM: its count */
void metric_reset_all(void); /* tests, and at exit so that leak checkers see a clean end */

#endif
