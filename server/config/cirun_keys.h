/*
 * The language in one table: every mapping that .cirun.yml and .access.yml may hold, each of its keys with the values
 * that it takes. The reader, its proposals for slips of the pen, the JSON Schemas and the documentation page are made
 * from it; there is no other list of keys.
 *
 * What a value must be is checked in cirun_typed.c; what it means is read by whoever uses it. Sources: Cirun's
 * documentation of .cirun.yml (docs.cirun.io/reference) for its keys, the clouds' own for extra_config.
 */
#ifndef MUSTER_CONFIG_CIRUN_KEYS_H
#define MUSTER_CONFIG_CIRUN_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one value is. A scalar may be quoted or not: its text counts. */
enum cirun_type {
    CIRUN_TEXT,      /* any scalar, not empty; with `of`, a mapping on the cloud of_cloud */
    CIRUN_WORD,      /* one of words */
    CIRUN_BOOL,      /* true, false, yes, no, on, off in any case */
    CIRUN_WHOLE,     /* a whole number from min to max */
    CIRUN_USD,       /* a price above 0 and below max */
    CIRUN_DURATION,  /* such as 90m or 1h30m, from min to max seconds */
    CIRUN_GIGABYTES, /* such as 24GB, from min to max */
    CIRUN_MAP,       /* the mapping `of` */
    CIRUN_ENV,       /* environment variables: name to text */
    CIRUN_ANY        /* a mapping that is passed on as it is */
};

enum cirun_many { CIRUN_ONE, CIRUN_ONE_OR_LIST, CIRUN_LIST };

enum {
    CIRUN_NEEDED = 1,        /* must be there */
    CIRUN_SET = 2,           /* when there, then with a value: nothing is not the default */
    CIRUN_OLD = 4,           /* of older files: accepted, without effect */
    CIRUN_OURS = 8,          /* not Cirun's */
    CIRUN_UNDOCUMENTED = 16, /* Cirun's, in use, not in its documentation */
    CIRUN_RESTRICTS = 64,    /* says who may: a slip of the pen in its name is an error */
    CIRUN_FILLED = 128,      /* LIST: not empty */
    CIRUN_STRING = 256       /* TEXT: of a form that no number has */
};

struct cirun_map;

struct cirun_key {
    const char *name;
    enum cirun_type type;
    enum cirun_many many;
    unsigned flags;
    int64_t min, max;           /* WHOLE, USD, DURATION, GIGABYTES */
    size_t max_items;           /* of a list; 0 = any number */
    const char *const *words;   /* WORD: ended by NULL */
    const char *pattern;        /* TEXT: what the schema says of its form, as ECMA-262 writes it; NULL = any */
    const struct cirun_map *of; /* MAP; TEXT that may be a mapping too */
    const char *of_cloud;       /* TEXT with of: the cloud that knows the mapping */
    const char *def;            /* what nothing means, in words; NULL = nothing */
    const char *help;           /* one sentence */
    const char *example;        /* a value, as YAML; NULL: a mapping, whose keys have theirs */
};

struct cirun_map {
    const char *id;    /* "runner": its heading in the page */
    const char *where; /* "a runner": in diagnostics */
    const char *title, *help;
    const struct cirun_key *keys;
    size_t n;
    bool exactly_one; /* of its keys */
    bool is_closed;   /* an unknown key is an error */
};

extern const struct cirun_map cirun_file_map, cirun_runner_map, cirun_image_map, cirun_extra_map, cirun_idle_map;
extern const struct cirun_map cirun_access_map, cirun_policy_map, cirun_control_map;

/* The clouds, in the order of the documentation. */
struct cirun_cloud {
    const char *name;              /* canonical */
    const char *alias;             /* another accepted spelling, or NULL */
    const char *title;             /* "Amazon Web Services" */
    const struct cirun_map *extra; /* its own keys of extra_config, beside those of cirun_extra_map */
};

extern const struct cirun_cloud cirun_clouds[];
extern const size_t cirun_clouds_n;

const struct cirun_cloud *cirun_cloud_find(const char *spelling); /* NULL: there is none */
/* The names of a mapping's keys, for text_nearest. out holds at least CIRUN_MAX_KEYS; returns how many there are. */
#define CIRUN_MAX_KEYS 32
size_t cirun_key_names(const struct cirun_map *map, const char **out);
const struct cirun_key *cirun_key_find(const struct cirun_map *map, const char *name); /* NULL; also when map is */

/* Errors that a schema cannot see: they need a catalogue, or several keys at once. */
bool cirun_rule_is_beyond_schema(const char *rule);

#endif
