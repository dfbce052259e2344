/*
 * A cloud that behaves, for the contract suite: machines in memory, reached through the scripted server. What differs
 * between clouds (paths, forms, answers) is a struct fake_dialect; what a test wants to go wrong is a struct
 * fake_fault. Not a simulator: it knows just what the suite needs.
 */
#ifndef MUSTER_TESTS_FAKE_CLOUD_H
#define MUSTER_TESTS_FAKE_CLOUD_H

#include "providers/provider.h"
#include "tests/support/rawserver.h"

#include <pthread.h>

#define FAKE_MAX_MACHINES 128

struct fake_machine {
    char id[256], name[64], token[80], deployment[64], region[64];
    char type[64]; /* for clouds whose lists differ by it */
    bool gone;
    const struct fake_refusal *doom; /* it was accepted and then failed like this; NULL = it is well */
};

/* What to say instead of the truth. */
struct fake_fault {
    size_t skip;       /* after so many requests that are answered as usual; credentials do not count */
    bool at_create;    /* only requests that make a machine are hit */
    bool after_acting; /* the request is carried out, and its answer lost */
    int status;        /* 0 = no answer at all: the connection is closed */
    const char *headers, *body;
    enum raw_act act;              /* ENDLESS: without a length */
    const struct fake_fault *next; /* what goes wrong after this happened once; NULL = the same again */
    bool echo;                     /* put the whole request into the refusal's sentence, as a careless cloud might */
};

struct fake_cloud {
    pthread_mutex_t lock;
    const struct fake_dialect *dialect;
    struct fake_machine machines[FAKE_MAX_MACHINES];
    size_t n, made; /* made: creations, repetitions not counted */
    size_t page_size, requests;
    struct fake_fault fault;
    bool faulty;
    const struct fake_refusal *doom; /* of every machine made from now on */
    bool lies;                       /* answers every look-up by filter with all there is */
};

struct fake_refusal {
    const char *fixture; /* under tests/fixtures/NAME/ */
    int status;
    enum err_kind kind;
};

struct fake_dialect {
    const char *name;                    /* of the cloud */
    const char *const (*settings)[2];    /* of the account, ended by NULL; "URL" stands for the server's */
    const char *const *secrets;          /* among the settings; ended by NULL */
    const struct fake_refusal *refusals; /* of a launch; ended by fixture NULL */
    const char *const *nonsense;         /* bodies that come with status 200 and mean nothing; ended by NULL */
    const char *region, *type, *image;   /* of a sound spec */
    const char *unknown_id;              /* well written, of no machine */
    size_t tag_key_max, tag_value_max;   /* 0 = no tags to test */
    const char *const (*env)[2];         /* environment of the account, ended by NULL; NULL = none; "URL" as above */
    const char *id_format;               /* of a new machine's id, '%' = its number; NULL = as EC2 writes them */
    bool id_is_hex;                      /* 64 digits */
    bool id_is_name;                     /* the cloud's id of a machine is its name */
    const char *id_prefix;               /* with id_is_name: what stands before the name; NULL = nothing */
    bool names_are_unique;               /* it refuses a name that is taken, whoever has it */
    bool one_page;                       /* its lists come whole */
    bool regions_come_with_token;        /* and are not asked for again */
    bool destroy_says_nothing;           /* a success of destroy has no document to be wrong in */
    const struct fake_refusal *dooms; /* refusals that come after the acceptance; ended by fixture NULL; NULL = none */
    bool (*is_auth)(const struct raw_request *r);   /* for credentials: always answered truthfully; NULL = none are */
    bool (*is_create)(const struct raw_request *r); /* it makes a machine; NULL = any may */
    /* Answer a request truthfully (lock held). */
    void (*act)(struct fake_cloud *c, const struct raw_request *r, struct buf *answer);
    /* A refusal whose sentence is text. */
    void (*refuse)(const char *text, struct buf *answer);
};

void fake_init(struct fake_cloud *c, const struct fake_dialect *d);
int fake_handle(void *cloud, const struct raw_request *r, struct buf *answer); /* a raw_handler_fn */

/* Set what goes wrong from now on; NULL = nothing any more. */
void fake_set_fault(struct fake_cloud *c, const struct fake_fault *f);
size_t fake_alive(struct fake_cloud *c);
size_t fake_requests(struct fake_cloud *c);
struct fake_machine *fake_add(struct fake_cloud *c, const char *name, const char *token, const char *deployment);
struct fake_machine *fake_by_token(struct fake_cloud *c, const char *token);
struct fake_machine *fake_by_id(struct fake_cloud *c, const char *id);
/* The one that is not gone, or NULL. */
struct fake_machine *fake_by_name(struct fake_cloud *c, const char *name);

/* A file of tests/fixtures; ends the program when it cannot be read. The caller frees. */
char *fake_fixture(const char *cloud, const char *name);

/* A form's parameter, decoded, into out; false when it is absent. */
bool fake_form(const char *body, const char *name, char *out, size_t size);
/* The same of a request's query. */
bool fake_query(const struct raw_request *r, const char *name, char *out, size_t size);
/* Does the request have this method and path, its query aside? '*' and '?' in the path as in text_glob. */
bool fake_is(const struct raw_request *r, const char *method, const char *path_glob);
/* What stands behind the last '/' of its path, cut at the query. */
void fake_last_part(const struct raw_request *r, char *out, size_t size);
/* A JSON answer; steals doc. */
void fake_json(struct buf *answer, int status, const char *headers, json_t *doc);
/* The request's body; ends the program when it is no JSON. The caller owns it. */
json_t *fake_body(const struct raw_request *r);

/* One for each cloud, fake_NAME.c. */
extern const struct fake_dialect fake_aws, fake_gcp, fake_azure, fake_digitalocean, fake_openstack, fake_oracle,
    fake_vast_ai, fake_on_prem;
extern const struct fake_dialect *const fake_clouds[]; /* all, ended by NULL */

#endif
