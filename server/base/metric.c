#include "server/base/metric.h"

#include "server/base/mem.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* One label value's numbers. */
struct series {
    char *label_value; /* "" without a label */
    double value;      /* COUNTER, GAUGE: itself; HISTOGRAM: the sum */
    uint64_t count;    /* HISTOGRAM */
    uint64_t *buckets; /* HISTOGRAM: observations per bucket, not cumulated */
};

struct family {
    const struct metric_desc *desc;
    struct series *series; /* sorted by label value */
    size_t n;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct family *families; /* sorted by name */
static size_t n_families;

static const double default_buckets[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 0};

static const double *bounds(const struct metric_desc *d)
{
    return d->buckets != NULL ? d->buckets : default_buckets;
}

static size_t count_bounds(const struct metric_desc *d)
{
    size_t n = 0;

    for (const double *b = bounds(d); *b > 0; b++)
        n++;
    return n;
}

/* The family of a descriptor, or NULL. *at: its place, or where it would be. */
static struct family *find_family(const struct metric_desc *d, size_t *at)
{
    size_t low = 0, high = n_families;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = families[mid].desc == d ? 0 : strcmp(families[mid].desc->name, d->name);

        if (order == 0) {
            *at = mid;
            return &families[mid];
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *at = low;
    return NULL;
}

static struct series *find_series(struct family *f, const char *label_value, size_t *at)
{
    size_t i = 0;
    int order = 1;

    while (i < f->n && (order = strcmp(f->series[i].label_value, label_value)) < 0)
        i++;
    *at = i;
    return i < f->n && order == 0 ? &f->series[i] : NULL;
}

/* Find or make the series. Called with the lock held. */
static struct series *get_series(const struct metric_desc *d, const char *label_value)
{
    size_t at;
    struct family *f = find_family(d, &at);
    struct series *s;

    if (f == NULL) {
        families = mem_realloc_array(families, n_families + 1, sizeof(*families));
        f = families + at;
        memmove(f + 1, f, (n_families - at) * sizeof(*f));
        *f = (struct family){.desc = d};
        n_families++;
    }
    if (d->label == NULL || label_value == NULL)
        label_value = "";
    s = find_series(f, label_value, &at);
    if (s != NULL)
        return s;
    f->series = mem_realloc_array(f->series, f->n + 1, sizeof(*f->series));
    s = f->series + at;
    memmove(s + 1, s, (f->n - at) * sizeof(*s));
    *s = (struct series){.label_value = mem_strdup(label_value)};
    if (d->type == METRIC_HISTOGRAM)
        s->buckets = mem_calloc(count_bounds(d) + 1, sizeof(*s->buckets));
    f->n++;
    return s;
}

void metric_add(const struct metric_desc *d, const char *label_value, double v)
{
    (void)pthread_mutex_lock(&lock);
    get_series(d, label_value)->value += v;
    (void)pthread_mutex_unlock(&lock);
}

void metric_set(const struct metric_desc *d, const char *label_value, double v)
{
    (void)pthread_mutex_lock(&lock);
    get_series(d, label_value)->value = v;
    (void)pthread_mutex_unlock(&lock);
}

void metric_observe(const struct metric_desc *d, const char *label_value, double v)
{
    const double *bound = bounds(d);
    struct series *s;
    size_t i = 0;

    while (bound[i] > 0 && v > bound[i])
        i++;
    (void)pthread_mutex_lock(&lock);
    s = get_series(d, label_value);
    s->value += v;
    s->count++;
    s->buckets[i]++;
    (void)pthread_mutex_unlock(&lock);
}

/* As short as it can be without losing a bit: 0.1, not 0.10000000000000001. */
static void add_number(struct buf *out, double v)
{
    char text[32];

    if (isnan(v) || isinf(v)) {
        buf_adds(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, v);
        if (digits == 17 || fpclassify(strtod(text, NULL) - v) == FP_ZERO)
            break;
    }
    buf_adds(out, text);
}

/* Help texts and label values; only the latter stand in quotes. */
static void add_escaped(struct buf *out, const char *s, bool quoted)
{
    for (; *s != '\0'; s++) {
        if (*s == '\n')
            buf_adds(out, "\\n");
        else if (*s == '\\' || (quoted && *s == '"'))
            buf_add(out, (const char[]){'\\', *s}, 2);
        else
            buf_addc(out, *s);
    }
}

/* {code="202",le="0.5"}; le NULL = no such label. */
static void add_labels(struct buf *out, const struct metric_desc *d, const struct series *s, const double *le)
{
    if (d->label == NULL && le == NULL)
        return;
    buf_addc(out, '{');
    if (d->label != NULL) {
        buf_addf(out, "%s=\"", d->label);
        add_escaped(out, s->label_value, true);
        buf_adds(out, le != NULL ? "\"," : "\"");
    }
    if (le != NULL) {
        buf_adds(out, "le=\"");
        add_number(out, *le);
        buf_addc(out, '"');
    }
    buf_addc(out, '}');
}

static void add_sample(struct buf *out, const struct metric_desc *d, const char *suffix, const struct series *s,
                       const double *le, double v)
{
    buf_addf(out, "%s%s", d->name, suffix);
    add_labels(out, d, s, le);
    buf_addc(out, ' ');
    add_number(out, v);
    buf_addc(out, '\n');
}

static void add_histogram(struct buf *out, const struct metric_desc *d, const struct series *s)
{
    size_t n = count_bounds(d);
    uint64_t so_far = 0;

    for (size_t i = 0; i <= n; i++) {
        double le = i < n ? bounds(d)[i] : (double)INFINITY;

        so_far += s->buckets[i];
        add_sample(out, d, "_bucket", s, &le, (double)so_far);
    }
    add_sample(out, d, "_sum", s, NULL, s->value);
    add_sample(out, d, "_count", s, NULL, (double)s->count);
}

void metric_expose(struct buf *out)
{
    static const char *const type_names[] = {
        [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};

    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n_families; i++) {
        const struct metric_desc *d = families[i].desc;

        buf_addf(out, "# HELP %s ", d->name);
        add_escaped(out, d->help, false);
        buf_addf(out, "\n# TYPE %s %s\n", d->name, type_names[d->type]);
        for (size_t j = 0; j < families[i].n; j++) {
            if (d->type == METRIC_HISTOGRAM)
                add_histogram(out, d, &families[i].series[j]);
            else
                add_sample(out, d, "", &families[i].series[j], NULL, families[i].series[j].value);
        }
    }
    (void)pthread_mutex_unlock(&lock);
}

double metric_value(const struct metric_desc *d, const char *label_value)
{
    size_t at;
    struct family *f;
    const struct series *s = NULL;
    double v = 0;

    (void)pthread_mutex_lock(&lock);
    f = find_family(d, &at);
    if (f != NULL)
        s = find_series(f, d->label != NULL && label_value != NULL ? label_value : "", &at);
    if (s != NULL)
        v = d->type == METRIC_HISTOGRAM ? (double)s->count : s->value;
    (void)pthread_mutex_unlock(&lock);
    return v;
}

void metric_reset_all(void)
{
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n_families; i++) {
        for (size_t j = 0; j < families[i].n; j++) {
            free(families[i].series[j].label_value);
            free(families[i].series[j].buckets);
        }
        free(families[i].series);
    }
    free(families);
    families = NULL;
    n_families = 0;
    (void)pthread_mutex_unlock(&lock);
}
