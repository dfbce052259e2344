/*
 * What the files that read .cirun.yml share: the reading under way, its diagnostics, and the steps of one runner.
 * Private to cirun_*.c. Steps never fail: they note a diagnostic and go on, so that one run finds every mistake.
 */
#ifndef MUSTER_CONFIG_CIRUN_INT_H
#define MUSTER_CONFIG_CIRUN_INT_H

#include "server/base/arena.h"
#include "server/config/cirun_keys.h"
#include "server/config/cirun_yml.h"

struct cirun_reading {
    struct cirun_yml yml; /* first: what the caller gets; its address is that of the whole */
    struct arena *arena;
    struct cirun_diag *diags;
    struct tz_set *zones; /* named by schedules; NULL until the first */
};

/* A reading from its begin to its end: the text as YAML (NULL after a diagnostic), the diagnostics in file order.
 * cirun_yml_free takes &r->yml. */
struct cirun_reading *cirun_reading_new(void);
const struct yaml_node *cirun_reading_parse(struct cirun_reading *r, const char *text, size_t len, const char *file);
void cirun_reading_end(struct cirun_reading *r);

/* Note a diagnostic at a node. rule: the id of a row of cirun_rules, of the same severity. */
void cirun_warn(struct cirun_reading *r, const struct yaml_node *at, const char *rule, const char *fmt, ...)
    PRINTF(4, 5);
void cirun_fail(struct cirun_reading *r, const struct yaml_node *at, const char *rule, const char *fmt, ...)
    PRINTF(4, 5);

/* As these, with what the scalar at `at` was probably meant to be (copied; NULL: nothing is near); severity as the
 * rule's. */
void cirun_propose(struct cirun_reading *r, const struct yaml_node *at, const char *rule, const char *replacement,
                   const char *fmt, ...) PRINTF(5, 6);

/* An unknown key: a warning with what was probably meant. where: "in a runner". */
void cirun_unknown_key(struct cirun_reading *r, const struct yaml_node *key, const char *where,
                       const char *const *known, size_t n_known);

/* A text that is not empty, or NULL after a diagnostic. */
const char *cirun_text(struct cirun_reading *r, const struct yaml_node *n, const char *what);

/* ---- against the table of keys (cirun_typed.c) ---- */

/* One mapping: its keys and their values, what it does not know, what it lacks. cloud: of its runner, or NULL. */
void cirun_check_map(struct cirun_reading *r, const struct yaml_node *map, const struct cirun_map *known,
                     const struct cirun_cloud *cloud);
void cirun_check_key(struct cirun_reading *r, const struct cirun_key *k, const struct yaml_node *value,
                     const struct cirun_cloud *cloud);
/* Does a key that is none look as if it restricted who is served? Without case in what it looks like. */
bool cirun_is_restriction(const char *key);
void cirun_check_unknown(struct cirun_reading *r, const struct yaml_node *map, const struct cirun_map *known);
void cirun_missing(struct cirun_reading *r, const struct yaml_node *at, const struct cirun_map *map,
                   const struct cirun_key *k);

/* Values, silently: false or NULL when there is none that the key takes. n may be NULL; DURATION gives seconds. */
bool cirun_number(const struct cirun_key *k, const struct yaml_node *n, int64_t *out);
bool cirun_usd(const struct cirun_key *k, const struct yaml_node *n, double *out);
const char *cirun_plain_text(const struct yaml_node *map, const char *key);

/* One runner's mapping. */
void cirun_read_runner(struct cirun_reading *r, const struct yaml_node *map, struct cirun_runner *out);

/* What the runner's wishes for GPUs make of its n candidates (at least 1, at most CIRUN_YML_MAX_CANDIDATES): a missing
 * instance_type is filled in, those known to be too small go. Returns how many are left, at the front. */
size_t cirun_gpus(struct cirun_reading *r, const struct yaml_node *map, const struct cirun_runner *runner,
                  struct cirun_candidate *list, size_t n);

/* The mapping `idle`; and, once the whole runner is read, whether a warm runner would keep what it restricts. */
void cirun_read_idle(struct cirun_reading *r, const struct yaml_node *n, struct cirun_runner *out);
void cirun_check_idle(struct cirun_reading *r, const struct yaml_node *map, struct cirun_runner *out);

/* The chain of candidates of one runner, whose cloud may be NULL after an error. */
void cirun_expand(struct cirun_reading *r, const struct yaml_node *map, struct cirun_runner *out);

#endif
